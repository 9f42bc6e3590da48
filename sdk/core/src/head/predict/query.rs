//! Query: an embedding with its L2 norm, and its products with weights.

use crate::embedding::Embedding;
use crate::head::Transform;
use crate::head::linalg::gram::{MIN_LENGTH, length};
use crate::head::linalg::vector::{dot_codes, dot_codes_shrunk, dot_exact, dot_shrunk, dot_sum};
use crate::head::storage::views::Kept;
use crate::quant::Quant;

/// Inverse norm of `codes - zero`; 0 if the embedding is too short to have a direction.
pub(crate) fn inverse_of_codes(codes: &[i8], quant: Quant) -> f32 {
    let zero = quant.zero_point;
    let root = libm::sqrt(dot_exact(codes, zero, codes, zero) as f64);
    if root * f64::from(quant.scale.get()) < MIN_LENGTH { 0.0 } else { (1.0 / root) as f32 }
}

/// Checked embedding: of the right dimension, all values finite.
pub(crate) struct Query<'a> {
    embedding: Embedding<'a>,
    /// Factor applied to the values first, so that no product overflows.
    shrink: f32,
    /// Inverse norm after shrinking (for int8 values in steps); 0 without direction.
    inverse: f32,
    length: f64,
}

impl<'a> Query<'a> {
    pub fn new(embedding: Embedding<'a>) -> Self {
        let values = match embedding {
            Embedding::Float(values) => values,
            Embedding::Int8 { codes, quant } => {
                let inverse = inverse_of_codes(codes, quant);
                let length = length(quant.scale.get(), inverse);
                return Self { embedding, shrink: 1.0, inverse, length };
            }
        };
        let square: f64 = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let root = libm::sqrt(square);
        if root < MIN_LENGTH {
            return Self { embedding, shrink: 1.0, inverse: 0.0, length: 0.0 };
        }
        let shrink = if root > 1e15 { 1e-25 } else { 1.0 };
        let inverse = (1.0 / (root * f64::from(shrink))) as f32;
        Self { embedding, shrink, inverse, length: length(1.0 / shrink, inverse) }
    }

    /// Product with weights, before one of the factors.
    pub fn dot(&self, weights: &[f32]) -> f32 {
        match self.embedding {
            Embedding::Int8 { codes, quant } => dot_codes(weights, codes, quant.zero_point),
            Embedding::Float(values) => dot_shrunk(weights, values, self.shrink),
        }
    }

    /// Value of one dimension, before one of the factors.
    pub fn value(&self, index: usize) -> f32 {
        match self.embedding {
            Embedding::Int8 { codes, quant } => {
                f32::from(i16::from(codes[index]) - i16::from(quant.zero_point))
            }
            Embedding::Float(values) => values[index] * self.shrink,
        }
    }

    /// Cosine similarity with a sample; 0 if either has no direction.
    pub fn cosine(&self, kept: &Kept<'_>, sample: usize) -> f32 {
        let (codes, zero) = kept.sample(sample);
        let product = match self.embedding {
            Embedding::Int8 { codes: own, quant } => {
                dot_exact(own, quant.zero_point, codes, zero) as f32
            }
            Embedding::Float(values) => dot_codes_shrunk(values, codes, zero, self.shrink),
        };
        (product * self.inverse * kept.inverses[sample]).clamp(-1.0, 1.0)
    }

    /// Cosine similarity with a class mean, given its sum and the norm of that sum; 0 if either has
    /// no direction.
    pub fn cosine_with_mean(&self, sum: &[i32], length: f32) -> f32 {
        let product = match self.embedding {
            Embedding::Int8 { codes, quant } => dot_sum(codes, quant.zero_point, sum) as f64,
            Embedding::Float(values) => {
                let products =
                    values.iter().zip(sum).map(|(&x, &sum)| f64::from(x) * f64::from(sum));
                products.sum::<f64>() * f64::from(self.shrink)
            }
        };
        let scale = if length > 0.0 { f64::from(self.inverse) / f64::from(length) } else { 0.0 };
        ((product * scale) as f32).clamp(-1.0, 1.0)
    }

    /// Factor that transforms the embedding; `mean` is the mean L2 norm of the samples.
    pub fn factor(&self, transform: Transform, mean: f32) -> f32 {
        if mean == 0.0 {
            return 0.0;
        }
        // No sample can be longer than the sum of all.
        let relative = (self.length / f64::from(mean)).min(65_535.0);
        match transform {
            Transform::Raw => (relative * f64::from(self.inverse)) as f32,
            Transform::Half => (libm::sqrt(relative) * f64::from(self.inverse)) as f32,
            Transform::Quarter => {
                (libm::sqrt(libm::sqrt(relative)) * f64::from(self.inverse)) as f32
            }
            Transform::Unit => self.inverse,
        }
    }
}
