//! Export of a fitted head: the numbers that another program needs for the same answers.

use crate::head::error::AskError;
use crate::head::storage::Memory;
use crate::head::{Head, Transform};

/// Head that is linear in the embedding after the transform of its L2 norm.
///
/// The score of class `c` for the values `x` of an embedding from [`Linear::first`] on is
/// `gain(|x|) * (row c of the weights . x) + bias[c]`; probabilities are the softmax of the scores,
/// times the probability that it is known at all ([`Linear::known`]).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Linear<'a> {
    /// Weights, class by class, one number per dimension of an embedding from `first` on.
    pub weights: &'a [f32],
    /// First dimension of an embedding that the head reads: above 0 if it reads the last part of
    /// several ([`Head::reads_all`]).
    pub first: usize,
    /// Bias of each class before calibration, minus infinity for a class without samples; see
    /// [`Linear::bias`].
    pub raw_bias: &'a [f32],
    /// Transform of L2 norms.
    pub transform: Transform,
    /// Mean L2 norm of the samples; 0 if none has a direction.
    pub mean_length: f32,
    /// Inverse temperature: factor of the scores from calibration.
    pub inverse_temperature: f32,
    /// Log odds that an embedding is known at all; `None` if nothing is rejected.
    pub known: Option<KnownOdds>,
}

/// Log odds that an embedding is of a class at all: `slope * cosine + margin_slope * min(margin,
/// most_margin) + offset`, of its cosine (of its last part, if it has several) with the nearest
/// class mean and of the margin between the two best scores, in log odds
/// ([`Linear::inverse_temperature`] applied). It is unknown if they are below `least`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct KnownOdds {
    /// Factor of the cosine.
    pub slope: f32,
    /// Offset added to the products.
    pub offset: f32,
    /// Factor of the margin; 0 with up to five samples a class, when only the cosine counts.
    pub margin_slope: f32,
    /// Margin that larger ones count as.
    pub most_margin: f32,
    /// Log odds below which an embedding is unknown; at most 0.
    pub least: f32,
}

impl Linear<'_> {
    /// Factor of the products with weights, for an embedding with that L2 norm.
    #[must_use]
    pub fn gain(&self, length: f32) -> f32 {
        if self.mean_length <= 0.0 || length <= 0.0 {
            return 0.0;
        }
        let length = f64::from(length);
        let mean = f64::from(self.mean_length);
        let relative = length / mean;
        let stretched = match self.transform {
            Transform::Raw => relative,
            Transform::Half => libm::sqrt(relative),
            Transform::Quarter => libm::sqrt(libm::sqrt(relative)),
            Transform::Unit => 1.0,
        };
        (f64::from(self.inverse_temperature) * stretched / length) as f32
    }

    /// Returns the calibrated bias of each class.
    #[must_use]
    pub fn bias(&self) -> impl ExactSizeIterator<Item = f32> + '_ {
        self.raw_bias.iter().map(|bias| self.inverse_temperature * bias)
    }
}

/// Inspection of a fitted head.
impl<M: Memory> Head<M> {
    /// Returns weights, biases and all other numbers of the answer.
    ///
    /// # Errors
    ///
    /// [`AskError::NothingTaught`] without samples, [`AskError::NotFitted`] before [`Head::fit`],
    /// [`AskError::NotLinear`] for k-NN.
    pub fn linear(&self) -> Result<Linear<'_>, AskError> {
        let fitted = self.fitted()?;
        if !fitted.recipe.kind.is_linear() {
            return Err(AskError::NotLinear);
        }
        let solved = self.solved(&fitted);
        Ok(Linear {
            weights: solved.weights,
            first: self.layout.dim - self.layout.dim_of(fitted.choice.view),
            raw_bias: solved.bias,
            transform: fitted.recipe.transform,
            mean_length: fitted.mean_length,
            inverse_temperature: fitted.inverse_temperature,
            known: fitted.border.odds(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use crate::embedding::Embedding;
    use crate::head::testing::{Noise, cluster, taught};
    use crate::head::{AskError, HeadKind, Transform};

    #[test]
    fn the_numbers_give_the_answers() {
        for (kind, transform) in
            HeadKind::ALL.into_iter().flat_map(|k| Transform::ALL.map(|t| (k, t)))
        {
            let mut head = taught(kind, 4, 5, 30, 0.8);
            head.add_class("empty").unwrap();
            head.set_transform(transform);
            head.fit().unwrap();
            let x = cluster(&mut Noise(8), 2, 30, 0.8);
            let mut want = [0.0; 5];
            head.probabilities(Embedding::Float(&x), &mut want).unwrap();
            if head.chosen().unwrap().kind == HeadKind::Knn {
                assert_eq!(head.linear().unwrap_err(), AskError::NotLinear);
                continue;
            }
            let linear = head.linear().unwrap();
            let gain = linear.gain(x.iter().map(|x| x * x).sum::<f32>().sqrt());
            let dot = |row: &[f32]| row.iter().zip(&x).map(|(w, x)| w * x).sum::<f32>();
            let rows = linear.weights.chunks_exact(30).zip(linear.bias());
            let scores: Vec<f32> = rows.map(|(row, bias)| (gain * dot(row) + bias).exp()).collect();
            let sum: f32 = scores.iter().sum();
            for (score, want) in scores.iter().zip(want) {
                assert!((score / sum - want).abs() < 1e-4, "{kind} {transform:?}");
            }
        }
    }
}
