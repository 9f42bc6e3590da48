//! Class activation maps: regions of the image that a decision comes from (Zhou, Khosla, Lapedriza,
//! Oliva and Torralba 2016).
//!
//! For an embedding that is the mean of a feature map's pixels, the score of a linear head is the
//! mean of the scores of the pixels alone. So the feature map before the pool, which is in memory
//! anyway, yields the contribution of each position to a class without another inference.

use crate::head::error::AskError;
use crate::head::{ClassId, Linear};
use crate::quant::Quant;

impl Linear<'_> {
    /// Writes the row of weights of `class` against the mean of the other classes to `out`; one
    /// number per dimension.
    ///
    /// # Errors
    ///
    /// [`AskError`] for a class that does not exist or has no samples, or an `out` of another
    /// length than a row.
    pub fn against_others(&self, class: ClassId, out: &mut [f32]) -> Result<(), AskError> {
        let taught = |class: &usize| self.raw_bias[*class].is_finite();
        let own = class.index();
        if own >= self.raw_bias.len() || !taught(&own) {
            return Err(AskError::NoSuchClass { class: own });
        }
        let found = out.len();
        let needed = self.weights.len() / self.raw_bias.len();
        if found != needed {
            return Err(AskError::TooShort { found, needed });
        }
        let row = |class: usize| &self.weights[class * needed..][..needed];
        let others = (0..self.raw_bias.len()).filter(taught).filter(|&class| class != own);
        let share = 1.0 / others.clone().count().max(1) as f32;
        out.copy_from_slice(row(own));
        for other in others {
            out.iter_mut().zip(row(other)).for_each(|(out, w)| *out -= share * w);
        }
        Ok(())
    }

    /// Writes the contribution of each pixel of a feature map to the log odds of a class to `out`:
    /// `row` is the result of [`Linear::against_others`], `map` the int8 values of the feature map
    /// whose mean is the embedding, channels innermost, and `length` the L2 norm of that embedding.
    /// The sum of `out` is the log odds against the mean of the others, without the bias.
    ///
    /// # Errors
    ///
    /// [`AskError`] if `out` has not one number per pixel.
    pub fn activations(
        &self,
        row: &[f32],
        (map, quant): (&[i8], Quant),
        length: f32,
        out: &mut [f32],
    ) -> Result<(), AskError> {
        let pixels = map.chunks_exact(row.len().max(1));
        let found = out.len();
        let needed = pixels.len();
        if found != needed {
            return Err(AskError::TooShort { found, needed });
        }
        let factor = self.gain(length) * quant.scale.get() / needed as f32;
        for (out, pixel) in out.iter_mut().zip(pixels) {
            *out = factor * crate::head::linalg::vector::dot_codes(row, pixel, quant.zero_point);
        }
        Ok(())
    }
}
