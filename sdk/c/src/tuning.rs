//! Fine-tuning: maps of frames, and the tails that they tune.

use offshoot::{Maps, TuneError, TunedTail, Tuning};
use offshoot_core::tail::{Delta, Tail};

use crate::embedding::{Embedding, Room};
use crate::extractor::{EXTRACTORS, ExtractorHandle};
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::memory::{In, Out, Versioned, put_values};

/// Recipe of tuning. All but `size` may be 0, which is the default.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct TuningOptions {
    /// sizeof(offshoot_tuning_options).
    pub size: u32,
    /// Passes over the samples; 0 is 20, and 40 with ten samples a class or fewer.
    pub epochs: u32,
    /// Step of the biases, and of the weights, relative to their size, at most 1; 0 is 0.05.
    pub step: f32,
    /// Number of parts into which the samples are divided, each held out once: 2 to 10; 0 is 3.
    pub folds: u32,
    /// Seed of the order of the samples.
    pub seed: u32,
    /// 1 keeps the result whatever the held-out samples say.
    pub force: u32,
    /// 1 tunes all weights of the layer, with a step of 0.02; else its biases.
    pub all: u32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for TuningOptions {}

/// Verdict of the samples that were held out.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct TuningVerdict {
    /// sizeof(offshoot_tuning_verdict).
    pub size: u32,
    /// 1 if the tuned network is better, so that there is a tail.
    pub is_kept: u32,
    /// Number of samples that each class needs, if one has too few; else 0.
    pub least: u32,
    /// Number of samples that were held out.
    pub samples: u32,
    /// Number of them that were classified wrongly before.
    pub wrong_before: u32,
    /// The same after tuning.
    pub wrong_after: u32,
    /// Mean squared error of their probabilities before, 0 to 2.
    pub error_before: f32,
    /// The same after tuning.
    pub error_after: f32,
    /// Mean difference divided by its standard error.
    pub t: f32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for TuningVerdict {}

impl TuningOptions {
    /// Returns the recipe for the facade; null is the default.
    fn of(given: In<Self>) -> Result<Tuning, Fault> {
        let mut tuning = Tuning::default();
        if given.is_null() {
            return Ok(tuning);
        }
        let given = given.read("options")?;
        let range = |name, found: u32, high: u32| match found > high {
            true => Err(Fault::Range { name, found: found.into(), low: 0, high: high.into() }),
            false => Ok(found),
        };
        if range("options.all", given.all, 1)? == 1 {
            tuning = Tuning::all();
        }
        let epochs = range("options.epochs", given.epochs, u16::MAX.into())? as u16;
        tuning.epochs = (epochs > 0).then_some(epochs);
        if given.step != 0.0 {
            tuning.step = given.step;
        }
        let folds = range("options.folds", given.folds, 10)? as u8;
        if folds > 0 {
            tuning.folds = folds;
        }
        tuning.seed = given.seed;
        if range("options.force", given.force, 1)? == 1 {
            tuning.least_t = f32::NEG_INFINITY;
        }
        Ok(tuning)
    }
}

/// Runs the network with a tuned tail from now on, the bytes of a file of `offshoot finetune`; with
/// null and 0, as it is in the package again.
///
/// The id of the extractor is then the tail's: heads that were taught without it are refused.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_set_tail(
    extractor: ExtractorHandle,
    bytes: In<u8>,
    length: usize,
) -> Status {
    guard(|| {
        let tail = if bytes.is_null() && length == 0 {
            None
        } else {
            // SAFETY: the header asks for `length` bytes, until the function returns.
            let bytes = unsafe { bytes.values(length, "bytes") }?;
            Some(TunedTail::from_bytes(bytes.to_vec())?)
        };
        EXTRACTORS.write(extractor.id, |opened| Ok(opened.get_mut().set_tail(tail.as_ref())?))
    })
}

/// Keeps the map of each frame from now on, the input of the layer that is tuned, for
/// offshoot_extractor_map; until a tail is taken off. Embeddings stay the same bits.
///
/// OFFSHOOT_STATUS_UNTUNABLE for a network without such a layer.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_keep_maps(extractor: ExtractorHandle) -> Status {
    guard(|| EXTRACTORS.write(extractor.id, |opened| Ok(opened.get_mut().keep_maps()?)))
}

/// Writes the map of the last frame to `out`; `length` may be null, and is told even if `capacity` is
/// too small. Maps must be kept, or a tail set.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_map(
    extractor: ExtractorHandle,
    out: Out<i8>,
    capacity: usize,
    length: Out<usize>,
) -> Status {
    guard(|| {
        EXTRACTORS.read(extractor.id, |opened| {
            let extractor = opened.lock();
            let map = extractor.map().ok_or(Fault::NoMaps)?;
            length.optional().put(map.len());
            // SAFETY: the header asks for `capacity` values.
            unsafe { put_values(map, out, capacity) }
        })
    })
}

/// Computes the embedding of a map that was kept, on the network as it is now.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_embed_map(
    extractor: ExtractorHandle,
    map: In<i8>,
    length: usize,
    embedding: Out<Embedding>,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for `length` values, until the function returns.
        let map = unsafe { map.values(length, "map") }?;
        EXTRACTORS.write(extractor.id, |opened| {
            let room = Room::of(embedding, opened.extent())?;
            room.fill(opened.get_mut().embed_map(map)?)
        })
    })
}

/// Tunes the last layer on maps of samples, one after the other, of classes numbered from 0; the
/// extractor stays as it is. `options` may be null.
///
/// Writes the tail to `out`, if the verdict keeps one: `length`, which may be null, is told then, and
/// is 0 else. `capacity` must be enough in either case; OFFSHOOT_STATUS_BUFFER_TOO_SMALL tells what
/// is. Takes seconds, in which other calls on the extractor wait. Allocates.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_finetune(
    extractor: ExtractorHandle,
    maps: In<i8>,
    class_ids: In<u16>,
    samples: usize,
    options: In<TuningOptions>,
    verdict: Out<TuningVerdict>,
    out: Out<u8>,
    capacity: usize,
    length: Out<usize>,
) -> Status {
    guard(|| {
        let tuning = TuningOptions::of(options)?;
        let record = verdict.record("verdict")?;
        // SAFETY: the header asks for `samples` classes, until the function returns.
        let owners = unsafe { class_ids.values(samples, "class_ids") }?;
        EXTRACTORS.write(extractor.id, |opened| {
            let extractor = opened.get_mut();
            let len = extractor.map_len().ok_or(offshoot::ErrorKind::from(TuneError::NoTail))?;
            let package = extractor.package();
            let needed =
                Tail::find(package.graph()).map_or(0, |tail| Delta::len_for(&tail, tuning.what));
            if capacity < needed {
                length.optional().put(needed);
                return Err(Fault::Short { name: "out", found: capacity, needed });
            }
            // SAFETY: the header asks for a map for each sample, until the function returns.
            let maps = unsafe { maps.values(samples.saturating_mul(len), "maps") }?;
            let classes = owners.iter().max().map_or(0, |most| most.saturating_add(1));
            let mut kept = Maps::new(extractor, classes)?;
            for (map, &owner) in maps.chunks_exact(len).zip(owners) {
                kept.add(owner.into(), map)?;
            }
            let tuned = kept.finetune(extractor, &tuning, |_| {})?;
            record.put(&said(&tuned.verdict));
            let file = tuned.tail.as_ref().map_or(&[][..], TunedTail::bytes);
            length.optional().put(file.len());
            // SAFETY: the header asks for `capacity` bytes.
            unsafe { put_values(file, out, capacity) }
        })
    })
}

fn said(verdict: &offshoot::Verdict) -> TuningVerdict {
    let least = match verdict {
        offshoot::Verdict::TooFew { least } => u32::from(*least),
        _ => 0,
    };
    let mut said = TuningVerdict {
        size: 0,
        is_kept: verdict.keeps().into(),
        least,
        samples: 0,
        wrong_before: 0,
        wrong_after: 0,
        error_before: 0.0,
        error_after: 0.0,
        t: 0.0,
    };
    if let Some(evidence) = verdict.evidence() {
        said.samples = evidence.samples.into();
        said.wrong_before = evidence.wrong_before.into();
        said.wrong_after = evidence.wrong_after.into();
        (said.error_before, said.error_after) = (evidence.before, evidence.after);
        said.t = evidence.t;
    }
    said
}
