//! Where in the picture a decision comes from: class activation maps (Zhou, Khosla, Lapedriza, Oliva
//! and Torralba 2016).
//!
//! An embedding that is the mean of a map's pixels gives a linear head a score that is the mean of
//! what each pixel alone would give. So the map before the pool, which is in memory anyway, tells
//! how much each place speaks for a class, without another inference.

use crate::head::error::AskError;
use crate::head::{ClassId, Linear};
use crate::quant::Quant;

impl Linear<'_> {
    /// The row of weights that speaks for `class` against the mean of the other classes, written to
    /// `out`; one number a dimension.
    ///
    /// # Errors
    ///
    /// A class that is not there or has no samples, an `out` of another length than a row.
    pub fn against_others(&self, class: ClassId, out: &mut [f32]) -> Result<(), AskError> {
        let taught = |class: &usize| self.raw_bias[*class].is_finite();
        let own = class.index();
        if own >= self.raw_bias.len() || !taught(&own) {
            return Err(AskError::NoSuchClass { class: own });
        }
        let (found, needed) = (out.len(), self.weights.len() / self.raw_bias.len());
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

    /// What each pixel of a map adds to the log odds of a class, written to `out`: `row` is what
    /// [`Linear::against_others`] gave, `map` the codes of the map whose mean is the embedding, channels
    /// innermost, and `length` the length of that embedding. The sum of `out` is the log odds
    /// against the mean of the others, but for the bias.
    ///
    /// # Errors
    ///
    /// An `out` that has not one number a pixel.
    pub fn activations(
        &self,
        row: &[f32],
        (map, quant): (&[i8], Quant),
        length: f32,
        out: &mut [f32],
    ) -> Result<(), AskError> {
        let pixels = map.chunks_exact(row.len().max(1));
        let (found, needed) = (out.len(), pixels.len());
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
