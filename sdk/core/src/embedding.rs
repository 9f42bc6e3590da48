//! Embedding of an image: one vector, quantized (int8) or in floats.

use crate::quant::{Quant, Scale};

/// Number of values processed side by side (SIMD lanes).
const LANES: usize = 8;

/// Borrowed embedding, in the form its backbone produced it.
#[derive(Clone, Copy, Debug)]
pub enum Embedding<'a> {
    /// Int8 values of a quantized network: `real = scale * (code - zero_point)`.
    Int8 {
        /// Quantized values, one per dimension.
        codes: &'a [i8],
        /// Scale and zero point of the quantized values.
        quant: Quant,
    },
    /// Real values.
    Float(&'a [f32]),
}

/// Cosine similarity, -1 to 1; 1 for the same direction. It is neither a probability nor a
/// distance: more is nearer.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Similarity(pub(crate) f32);

impl Similarity {
    /// Returns the cosine as a number.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }

    /// Returns the cosine distance, `1 - cosine`.
    #[must_use]
    pub fn distance(self) -> Distance {
        Distance(1.0 - self.0)
    }
}

/// Cosine distance, `1 - cosine`: 0 for the same direction, 1 for a right angle, 2 for the opposite
/// direction. Equals half the squared distance of the L2-normalized vectors.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Distance(f32);

impl Distance {
    /// Returns the distance as a number.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

impl<'a> Embedding<'a> {
    /// Returns the number of dimensions.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Int8 { codes, .. } => codes.len(),
            Self::Float(values) => values.len(),
        }
    }

    /// Returns the last `count` dimensions; all if there are no more.
    #[must_use]
    pub fn last(&self, count: usize) -> Self {
        let from = self.len().saturating_sub(count);
        match *self {
            Self::Int8 { codes, quant } => Self::Int8 { codes: &codes[from..], quant },
            Self::Float(values) => Self::Float(&values[from..]),
        }
    }

    /// Returns true if there are no dimensions at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the real value of dimension `index`; `None` if there is no such dimension.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<f32> {
        match self {
            Self::Int8 { codes, quant } => codes.get(index).map(|&code| quant.dequantize(code)),
            Self::Float(values) => values.get(index).copied(),
        }
    }

    /// Returns the real values in order.
    pub fn iter(&self) -> impl Iterator<Item = f32> + use<'a> {
        let embedding = *self;
        (0..embedding.len()).filter_map(move |index| embedding.get(index))
    }

    /// Returns the bytes of an embedding in a package's golden vectors: int8 values, or
    /// little-endian floats.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        let (codes, values): (&[i8], &[f32]) = match *self {
            Self::Int8 { codes, .. } => (codes, &[]),
            Self::Float(values) => (&[], values),
        };
        codes.iter().map(|&c| c as u8).chain(values.iter().flat_map(|v| v.to_le_bytes()))
    }

    /// Writes the real values to the front of `out`; returns the number of values that fitted.
    pub fn write_to(&self, out: &mut [f32]) -> usize {
        for (slot, real) in out.iter_mut().zip(self.iter()) {
            *slot = real;
        }
        self.len().min(out.len())
    }

    /// Returns the quantization of the L2-normalized vector: the int8 values stay, the scale
    /// becomes `1 / sqrt(sum of (code - zero point)^2)`. The sum is exact and each later step is
    /// rounded once, so the result is the same on every processor (`numerics.md`). A zero vector is
    /// left unchanged.
    #[must_use]
    pub fn unit_quant(codes: &[i8], quant: Quant) -> Quant {
        let square =
            |&code: &i8| (i32::from(code) - i32::from(quant.zero_point)).pow(2).unsigned_abs();
        let square: u64 = codes.iter().map(|code| u64::from(square(code))).sum();
        match Scale::new((1.0 / libm::sqrt(square as f64)) as f32) {
            Some(scale) if square > 0 => Quant { scale, ..quant },
            _ => quant,
        }
    }

    /// Normalizes floats to an L2 norm of 1; a zero vector, and one without a finite norm, is left
    /// unchanged.
    ///
    /// Sums in the order of the values in f64 and rounds at the end: the same bits on every
    /// processor.
    pub fn to_unit_length(values: &mut [f32]) {
        // f64 represents the square of every f32.
        let length = libm::sqrt(values.iter().map(|&x| f64::from(x) * f64::from(x)).sum());
        if length > 0.0 && length.is_finite() {
            values.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
    }

    /// Returns the first dimension whose value is infinite or NaN.
    #[must_use]
    pub fn first_non_finite(&self) -> Option<usize> {
        match self {
            // `255 * scale` may overflow where the scale itself does not.
            Self::Int8 { quant, .. } if quant.scale.get() < f32::MAX / 256.0 => None,
            Self::Int8 { .. } => self.iter().position(|real| !real.is_finite()),
            // A sum without a branch per value: the usual embedding has finite values only.
            Self::Float(values) if values.iter().fold(true, |all, x| all & x.is_finite()) => None,
            Self::Float(values) => values.iter().position(|x| !x.is_finite()),
        }
    }

    /// Returns the cosine similarity with `other`.
    ///
    /// `None` if the dimensions differ, if either vector has no direction (all zero), or if a value
    /// is not finite.
    #[must_use]
    pub fn cosine(&self, other: &Embedding<'_>) -> Option<Similarity> {
        if self.len() != other.len() {
            return None;
        }
        // f64 represents the square of every f32.
        let mut ab = 0.0;
        let mut aa = 0.0;
        let mut bb = 0.0;
        for (a, b) in self.iter().zip(other.iter()) {
            let a = f64::from(a);
            let b = f64::from(b);
            ab += a * b;
            aa += a * a;
            bb += b * b;
        }
        let cosine = ab / (libm::sqrt(aa) * libm::sqrt(bb));
        cosine.is_finite().then_some(Similarity(cosine.clamp(-1.0, 1.0) as f32))
    }

    /// Returns the quantization that a head stores this embedding with: its own, or the narrowest
    /// that represents its values.
    pub(crate) fn own_quant(&self) -> Quant {
        let values = match self {
            Self::Int8 { quant, .. } => return *quant,
            Self::Float(values) => values,
        };
        let mut lows = [0.0f32; LANES];
        let mut highs = [0.0f32; LANES];
        for part in values.chunks(LANES) {
            for ((low, high), &x) in lows.iter_mut().zip(&mut highs).zip(part) {
                *low = if x < *low { x } else { *low };
                *high = if x > *high { x } else { *high };
            }
        }
        let min = lows.into_iter().fold(0.0, f32::min);
        let max = highs.into_iter().fold(0.0, f32::max);
        let peak = max.max(-min);
        match Scale::new(peak / 120.0) {
            // The range, or its last step, could overflow.
            Some(scale) if peak > f32::MAX / 4.0 => Quant { scale, zero_point: 0 },
            _ => Quant::from_range(min, max),
        }
    }

    /// Writes the values quantized with [`Embedding::own_quant`] to `out` of the same length.
    pub(crate) fn write_codes(&self, quant: Quant, out: &mut [i8]) {
        match self {
            Self::Int8 { codes, .. } => {
                for (slot, &code) in out.iter_mut().zip(*codes) {
                    *slot = code;
                }
            }
            Self::Float(values) => {
                for (slot, &real) in out.iter_mut().zip(*values) {
                    *slot = quant.quantize(real);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn int8(codes: &[i8], step: f32, zero_point: i8) -> Embedding<'_> {
        Embedding::Int8 { codes, quant: Quant { scale: Scale::new(step).unwrap(), zero_point } }
    }

    #[test]
    fn both_forms_give_the_same_values() {
        let codes = int8(&[-128, 0, 5], 0.5, -128);
        let floats = Embedding::Float(&[0.0, 64.0, 66.5]);
        assert_eq!(codes.iter().collect::<Vec<_>>(), floats.iter().collect::<Vec<_>>());
        assert_eq!((codes.len(), codes.get(2), codes.get(3)), (3, Some(66.5), None));
        assert!(!codes.is_empty() && Embedding::Float(&[]).is_empty());
        let mut out = [9.0; 2];
        assert_eq!(codes.write_to(&mut out), 2);
        assert_eq!(out, [0.0, 64.0]);
    }

    #[test]
    fn cosine_needs_two_directions() {
        let a = Embedding::Float(&[3.0, 0.0]);
        assert_eq!(a.cosine(&int8(&[7, 0], 0.1, 0)), Some(Similarity(1.0)));
        assert_eq!(a.cosine(&Embedding::Float(&[0.0, -1.0])), Some(Similarity(0.0)));
        assert_eq!(a.cosine(&Embedding::Float(&[-f32::MAX, 0.0])), Some(Similarity(-1.0)));
        assert_eq!(a.cosine(&Embedding::Float(&[0.0, 0.0])), None);
        assert_eq!(a.cosine(&Embedding::Float(&[1.0])), None);
        assert_eq!(a.cosine(&Embedding::Float(&[f32::NAN, 1.0])), None);
        let far = a.cosine(&Embedding::Float(&[-1.0, 0.0])).unwrap().distance();
        let near = a.cosine(&Embedding::Float(&[1.0, 0.1])).unwrap().distance();
        assert!(far.get() == 2.0 && near < far && (near.get() - 0.005).abs() < 1e-4, "{near:?}");
    }

    #[test]
    fn codes_are_brought_to_length_1_by_their_scale() {
        let Embedding::Int8 { codes, quant } = int8(&[8, 9, -7], 0.5, 5) else { panic!("codes") };
        let unit = Embedding::unit_quant(codes, quant);
        // 3, 4 and -12.
        assert_eq!((unit.scale.get().to_bits(), unit.zero_point), (0x3d9d_89d9, 5));
        let real: Vec<f32> = Embedding::Int8 { codes, quant: unit }.iter().collect();
        assert_eq!(real, [3.0, 4.0, -12.0].map(|x| x * unit.scale.get()));
        let longest = [-128i8; 65_535];
        let least = Embedding::unit_quant(&longest, Quant { zero_point: 127, ..quant });
        assert!((least.scale.get() * 255.0 * 65_535f32.sqrt() - 1.0).abs() < 1e-6);
        assert_eq!(Embedding::unit_quant(&[5, 5], quant), quant, "zeros stay");
        assert_eq!(Embedding::unit_quant(&[], quant), quant);
    }

    #[test]
    fn floats_are_brought_to_length_1() {
        let unit = |mut values: [f32; 3]| {
            Embedding::to_unit_length(&mut values);
            values
        };
        assert_eq!(unit([3.0, 4.0, -12.0]), [3.0 / 13.0, 4.0 / 13.0, -12.0 / 13.0]);
        // Squares that f32 does not hold.
        assert_eq!(unit([3.0, 0.0, -4.0].map(|x| x * 2f32.powi(100))), [0.6, 0.0, -0.8]);
        assert_eq!(unit([1e-40, 0.0, 0.0]), [1.0, 0.0, 0.0]);
        for stays in [[0.0; 3], [f32::INFINITY, 1.0, 0.0]] {
            assert_eq!(unit(stays), stays);
        }
    }

    #[test]
    fn non_finite_values_are_found() {
        assert_eq!(Embedding::Float(&[0.0, f32::INFINITY]).first_non_finite(), Some(1));
        assert_eq!(int8(&[0, 127], f32::MAX, 0).first_non_finite(), Some(1));
        assert_eq!(int8(&[0, 1], f32::MAX, 0).first_non_finite(), None);
    }

    #[test]
    fn floats_of_any_size_are_quantized_to_half_a_step() {
        for peak in [1e-30f32, 1e-3, 6.0, 1e30, f32::MAX] {
            let values = [-peak, -peak / 3.0, 0.0, peak / 7.0, peak];
            let embedding = Embedding::Float(&values);
            let quant = embedding.own_quant();
            let mut codes = [0i8; 5];
            embedding.write_codes(quant, &mut codes);
            for (&real, &code) in values.iter().zip(&codes) {
                let error = (quant.dequantize(code) - real).abs();
                assert!(error <= quant.scale.get() * 0.7, "{peak}: {real} off by {error}");
            }
        }
    }
}
