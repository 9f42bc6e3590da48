//! Learning and answering.

use super::{HEADS, HeadHandle, class, number};
use crate::embedding::Embedding;
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::memory::{In, Out, Record, Versioned, put_values};

/// Result of a fit.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// sizeof(offshoot_fit).
    pub size: u32,
    /// Number of iterations of the solver; 0 for a closed form.
    pub iterations: u32,
    /// 1 if the solver reached the optimum.
    pub converged: u32,
    /// Norm of the remaining gradient.
    pub gradient_norm: f32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for Fit {}

/// Kind of head with the settings of its fit.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// sizeof(offshoot_recipe).
    pub size: u32,
    /// Number of enum offshoot_head_kind.
    pub kind: u32,
    /// Number of enum offshoot_transform.
    pub transform: u32,
    /// Inverse L2 regularization.
    pub inverse_l2: f32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for Recipe {}

/// Answer of a head.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// sizeof(offshoot_answer).
    pub size: u32,
    /// 1 if it is one of the classes; 0 if it is unlike all training samples.
    pub known: u32,
    /// Number of the most probable class, or of the nearest one if it is unknown.
    pub class_id: u32,
    /// Probability that it is known and of this class; 0 if it is unknown.
    pub confidence: f32,
    /// Difference to the probability of the next class; 0 if it is unknown.
    pub margin: f32,
    /// Cosine similarity with the mean of the nearest class if it is unknown; else 0.
    pub similarity: f32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for Answer {}

/// Numbers of a linear head besides its weights and biases.
///
/// The score of a class for the values x of an embedding from first on is gain * (its weights . x) + inverse_temperature * its
/// bias. With r = |x| / mean_length, gain * |x| is inverse_temperature times r (raw), its square
/// root (half), its fourth root (quarter) or 1 (unit). Probabilities are the softmax of the scores,
/// times the probability that it is known: 1 / (1 + exp(-odds)), where the odds are known_slope *
/// cosine + margin_slope * min(margin, most_margin) + known_offset, of the cosine of its last part
/// with the nearest class mean and of the difference of the two greatest scores. It is unknown if
/// the odds are below least_odds.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    /// sizeof(offshoot_linear).
    pub size: u32,
    /// Number of enum offshoot_transform.
    pub transform: u32,
    /// Mean L2 norm of the samples; 0 if none has a direction.
    pub mean_length: f32,
    /// Factor of the scores from calibration.
    pub inverse_temperature: f32,
    /// 1 if anything is rejected as unknown.
    pub rejects: u32,
    /// Factor of the cosine with the nearest class mean in the log odds that it is known.
    pub known_slope: f32,
    /// Offset of these log odds.
    pub known_offset: f32,
    /// First value of an embedding that the head reads: above 0 if it reads the last part of
    /// several.
    pub first: u32,
    /// Factor of the margin between the two greatest scores in these log odds.
    pub margin_slope: f32,
    /// Margin that greater ones count as.
    pub most_margin: f32,
    /// Log odds below which an embedding is unknown.
    pub least_odds: f32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for Linear {}

/// Parts of a head's embeddings, and the choice between the last one and all.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// sizeof(offshoot_parts).
    pub size: u32,
    /// Number of values of an embedding.
    pub dim: u32,
    /// Number of values of its last part; dim if it is not divided.
    pub last: u32,
    /// 1 if the answers depend on all values, 0 if on the last part alone.
    pub reads_all: u32,
    /// 1 if the errors decided; 0 if there was no choice, or too few samples for one.
    pub chosen: u32,
    /// Mean squared held-out error on the last part.
    pub last_error: f32,
    /// Mean squared held-out error on all values.
    pub all_error: f32,
    /// Statistic of the paired t-test of these errors; positive if all values are better.
    pub t: f32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for Parts {}

/// Fits a head to its samples, unless nothing has changed since the last fit. Takes milliseconds;
/// `fit` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_fit(head: HeadHandle, fit: Out<Fit>) -> Status {
    guard(|| {
        let record = fit.optional_record("fit")?;
        let fitted = HEADS.write(head.id, |head| Ok(head.fit()?))?;
        if let Some(record) = record {
            record.put(&Fit {
                size: 0,
                iterations: fitted.iterations.into(),
                converged: fitted.converged.into(),
                gradient_norm: fitted.gradient_norm,
            });
        }
        Ok(())
    })
}

/// Tells the recipe that a head is fitted with; of auto the one that counts most.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_chosen(head: HeadHandle, recipe: Out<Recipe>) -> Status {
    guard(|| {
        let record = recipe.record("recipe")?;
        let chosen = HEADS.read(head.id, |head| Ok(head.chosen()?))?;
        record.put(&Recipe {
            size: 0,
            kind: chosen.kind as u32,
            transform: chosen.transform as u32,
            inverse_l2: chosen.inverse_l2,
        });
        Ok(())
    })
}

fn put_answer(record: &Record<Answer>, answer: offshoot::Answer) {
    let similarity = match answer {
        offshoot::Answer::Unknown { score, .. } => score.get(),
        _ => 0.0,
    };
    record.put(&Answer {
        size: 0,
        known: answer.known().is_some().into(),
        class_id: number(answer.class()),
        confidence: answer.confidence().get(),
        margin: answer.margin(),
        similarity,
    });
}

/// Classifies an embedding: the class with its confidence, or unknown. Allocates nothing; several
/// threads may ask one head at the same time.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_classify(
    head: HeadHandle,
    embedding: In<Embedding>,
    answer: Out<Answer>,
) -> Status {
    guard(|| {
        let record = answer.record("answer")?;
        HEADS.read(head.id, |head| {
            let given = Embedding::with(embedding, |embedding| Ok(head.classify(embedding)?))?;
            put_answer(&record, given);
            Ok(())
        })
    })
}

/// Writes the probability of every class to `out`, of at least as many floats as there are classes.
/// The rest to 1 is the probability of something unknown. `answer` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_probabilities(
    head: HeadHandle,
    embedding: In<Embedding>,
    out: Out<f32>,
    capacity: usize,
    answer: Out<Answer>,
) -> Status {
    guard(|| {
        let record = answer.optional_record("answer")?;
        HEADS.read(head.id, |head| {
            // SAFETY: the header asks for `capacity` floats.
            let out = unsafe { out.values(capacity, "out") }?;
            let given =
                Embedding::with(embedding, |embedding| Ok(head.probabilities(embedding, out)?))?;
            if let Some(record) = record {
                put_answer(&record, given);
            }
            Ok(())
        })
    })
}

/// Tells the cosine similarity of an embedding with the nearest class mean, and the threshold below
/// which it is unknown, of several classes of many samples another one for each embedding: NaN if
/// nothing is. Either may be null.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_similarity(
    head: HeadHandle,
    embedding: In<Embedding>,
    similarity: Out<f32>,
    threshold: Out<f32>,
) -> Status {
    guard(|| {
        HEADS.read(head.id, |head| {
            let found = Embedding::with(embedding, |embedding| Ok(head.similarity(embedding)?))?;
            similarity.optional().put(found.0.get());
            threshold.optional().put(found.1.map_or(f32::NAN, offshoot::Similarity::get));
            Ok(())
        })
    })
}

/// Tells the parts of a fitted head's embeddings, and which of them it reads.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_parts(head: HeadHandle, parts: Out<Parts>) -> Status {
    guard(|| {
        let record = parts.record("parts")?;
        HEADS.read(head.id, |head| {
            let errors = head.part_errors()?;
            record.put(&Parts {
                size: 0,
                dim: head.parts().dim() as u32,
                last: head.parts().last() as u32,
                reads_all: head.reads_all()?.into(),
                chosen: errors.is_some().into(),
                last_error: errors.map_or(0.0, |found| found.last),
                all_error: errors.map_or(0.0, |found| found.all),
                t: errors.map_or(0.0, |found| found.t),
            });
            Ok(())
        })
    })
}

/// Writes the contribution of each dimension of an embedding to the log odds of a class against
/// another to `out`, of `dim` floats; tells that of the bias, which may be null. Their sum is the
/// log odds.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_contributions(
    head: HeadHandle,
    embedding: In<Embedding>,
    class_id: u32,
    other_id: u32,
    out: Out<f32>,
    capacity: usize,
    bias: Out<f32>,
) -> Status {
    guard(|| {
        HEADS.read(head.id, |head| {
            let own = class(head, class_id)?;
            let other = class(head, other_id)?;
            // SAFETY: the header asks for `capacity` floats.
            let out = unsafe { out.values(capacity, "out") }?;
            let found = Embedding::with(embedding, |embedding| {
                Ok(head.contributions(embedding, own, other, out)?)
            })?;
            bias.optional().put(found);
            Ok(())
        })
    })
}

/// Writes the weights and biases of a linear head, to compute its answers elsewhere: `dim - first`
/// weights for each class in turn, and a bias for each class, minus infinity for one without
/// samples.
///
/// Capacities are in floats.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_linear(
    head: HeadHandle,
    linear: Out<Linear>,
    weights: Out<f32>,
    weights_capacity: usize,
    bias: Out<f32>,
    bias_capacity: usize,
) -> Status {
    guard(|| {
        let record = linear.record("linear")?;
        HEADS.read(head.id, |head| {
            let found = head.linear()?;
            let needed = found.weights.len();
            if weights_capacity < needed {
                return Err(Fault::Short { name: "weights", found: weights_capacity, needed });
            }
            // SAFETY: the header asks for `bias_capacity` floats.
            unsafe { put_values(found.raw_bias, bias, bias_capacity) }?;
            // SAFETY: the header asks for `weights_capacity` floats.
            unsafe { put_values(found.weights, weights, weights_capacity) }?;
            record.put(&Linear {
                size: 0,
                transform: found.transform as u32,
                mean_length: found.mean_length,
                inverse_temperature: found.inverse_temperature,
                rejects: found.known.is_some().into(),
                known_slope: found.known.map_or(0.0, |odds| odds.slope),
                known_offset: found.known.map_or(0.0, |odds| odds.offset),
                first: found.first as u32,
                margin_slope: found.known.map_or(0.0, |odds| odds.margin_slope),
                most_margin: found.known.map_or(0.0, |odds| odds.most_margin),
                least_odds: found.known.map_or(0.0, |odds| odds.least),
            });
            Ok(())
        })
    })
}

/// Tells the confidence from which a class may be said, so that samples of the class `background_id`
/// are said to be of another one once in `windows`; NaN with too few of them. Allocates.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_wake_threshold(
    head: HeadHandle,
    background_id: u32,
    windows: f32,
    threshold: Out<f32>,
) -> Status {
    guard(|| {
        let place = threshold.place("threshold")?;
        HEADS.read(head.id, |head| {
            let found = head.wake_threshold(class(head, background_id)?, windows)?;
            place.put(found.unwrap_or(f32::NAN));
            Ok(())
        })
    })
}

/// Tells the share of a class's samples that are said to be of it with this confidence, each held
/// out; NaN for fewer than two.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_recall(
    head: HeadHandle,
    class_id: u32,
    threshold: f32,
    share: Out<f32>,
) -> Status {
    guard(|| {
        let place = share.place("share")?;
        HEADS.read(head.id, |head| {
            place.put(head.recall(class(head, class_id)?, threshold)?.unwrap_or(f32::NAN));
            Ok(())
        })
    })
}
