//! From ranges to integers: scales, zero points, 8-bit weights, multipliers.
//!
//! Scheme of Jacob et al. 2018 ("Quantization and training of neural networks for efficient
//! integer-arithmetic-only inference"): activations asymmetric per tensor, weights symmetric per
//! output channel, 32-bit bias, fixed-point rescaling. The integers are computed here once, in
//! double precision, and stored; the device never derives one.

use offshoot_core::graph::{Affine, Binary, Unary};
use offshoot_core::preprocess::Preprocess;
use offshoot_core::{Multiplier, Quant, Scale};
use thiserror::Error;

use crate::ir::{Conv, Layer, LayerId, LayerOp, Model};

/// A layer whose numbers do not fit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "layer `{layer}`: its output range is too narrow for its weights to be quantized; calibrate on more, or on other, pictures"
)]
pub struct QuantizeError {
    layer: String,
}

impl QuantizeError {
    pub(crate) fn range(layer: &str) -> Self {
        Self { layer: layer.to_string() }
    }
}

/// Smallest and largest value seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Smallest.
    pub min: f32,
    /// Largest.
    pub max: f32,
}

impl Range {
    /// Nothing seen yet.
    pub const EMPTY: Self = Self { min: f32::INFINITY, max: f32::NEG_INFINITY };

    /// Widens the range by finite values.
    pub fn see(&mut self, values: &[f32]) {
        for &v in values.iter().filter(|v| v.is_finite()) {
            self.min = self.min.min(v);
            self.max = self.max.max(v);
        }
    }

    /// The quantization of the range, its ends rounded outwards to 12 bits.
    ///
    /// Float kernels differ in the last bits between processors; rounding keeps that out of the
    /// package, so that the same model gives the same bytes.
    pub fn quant(self) -> Quant {
        Quant::from_range(round_out(self.min.min(0.0)), round_out(self.max.max(0.0)))
    }
}

/// Rounds away from zero to 12 significant bits.
fn round_out(x: f32) -> f32 {
    if !x.is_finite() {
        return 0.0;
    }
    let step = 1u32 << 12;
    f32::from_bits(x.to_bits().saturating_add(step - 1) & !(step - 1))
}

/// Which layers are run in codes.
///
/// Convolutions always are. What only moves or joins values follows its inputs, so that no value
/// is converted for its sake.
pub fn in_codes(model: &Model) -> Vec<bool> {
    let mut codes = vec![false; model.layers.len()];
    let conv = |op: &LayerOp| matches!(op, LayerOp::Conv(_));
    codes[0] = true;
    for (id, layer) in model.layers.iter().enumerate().skip(1) {
        let engine_knows = match &layer.op {
            LayerOp::Binary(Binary::Add) => {
                layer.inputs.iter().all(|&i| model.layers[i].shape == layer.shape)
            }
            LayerOp::AveragePool { .. }
            | LayerOp::MaxPool { .. }
            | LayerOp::Concat
            | LayerOp::Pad { .. }
            | LayerOp::Flatten
            | LayerOp::Unary(Unary::Clamp { .. }) => true,
            _ => false,
        };
        codes[id] = conv(&layer.op) || engine_knows && layer.inputs.iter().all(|&i| codes[i]);
    }
    // A picture that only float layers read stays float.
    let read_in_codes = |(id, l): (LayerId, &Layer)| l.inputs.contains(&0) && codes[id];
    codes[0] = model.layers.iter().enumerate().any(read_in_codes);
    codes
}

/// Each layer's quantization from its range; what only moves codes keeps its input's.
pub fn plan(model: &Model, ranges: &[Range], preprocess: &Preprocess) -> Vec<Quant> {
    let mut quants: Vec<Quant> = ranges.iter().map(|r| r.quant()).collect();
    quants[0] = input(preprocess);
    for (id, layer) in model.layers.iter().enumerate().skip(1) {
        if matches!(layer.op, LayerOp::MaxPool { .. } | LayerOp::Pad { .. } | LayerOp::Flatten) {
            quants[id] = quants[layer.inputs[0]];
        }
    }
    quants
}

/// The input's quantization. Where all channels are normalized alike, one step is one step of
/// the camera and nothing is rounded.
pub fn input(preprocess: &Preprocess) -> Quant {
    let channels = 0..preprocess.channels.count();
    let alike = channels
        .clone()
        .all(|c| preprocess.mean[c] == preprocess.mean[0] && preprocess.std[c] == preprocess.std[0]);
    if alike
        && (0.0..=255.0).contains(&preprocess.mean[0])
        && let Some(scale) = Scale::new(1.0 / preprocess.std[0])
    {
        let zero_point =
            (offshoot_core::quant::round_to_i32(preprocess.mean[0]) - 128).clamp(-128, 127) as i8;
        return Quant { scale, zero_point };
    }
    let mut range = Range::EMPTY;
    for c in channels {
        range.see(&[preprocess.normalize(c, 0), preprocess.normalize(c, 255)]);
    }
    range.quant()
}

/// The table from a channel's byte to its code, 256 entries per channel.
pub fn input_table(preprocess: &Preprocess, quant: Quant) -> Vec<i8> {
    let channels = preprocess.channels.count();
    let exact = quant == input(preprocess) && (1.0 / preprocess.std[0]) == quant.scale.get();
    let code = |c: usize, v: u8| {
        if exact {
            // value - mean + zero point, where the two differ by 128 up to half a step.
            (i16::from(v) - 128) as i8
        } else {
            preprocess.code(c, v, quant)
        }
    };
    (0..channels).flat_map(|c| (0..=255).map(move |v| code(c, v))).collect()
}

/// A convolution in integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantizedConv {
    /// O, H, W, I / groups.
    pub weights: Vec<i8>,
    /// One per output channel.
    pub bias: Vec<i32>,
    /// One per output channel.
    pub mantissas: Vec<i32>,
    /// The same for all.
    pub shift: u8,
}

/// Quantizes weights per output channel.
///
/// # Errors
/// A multiplier of 2^15 or more.
pub fn conv(name: &str, conv: &Conv, from: Quant, to: Quant) -> Result<QuantizedConv, QuantizeError> {
    let per_channel = conv.weights.len() / conv.bias.len();
    let (from, to) = (f64::from(from.scale.get()), f64::from(to.scale.get()));
    let mut out = QuantizedConv { weights: Vec::new(), bias: Vec::new(), mantissas: Vec::new(), shift: 0 };
    let mut factors = Vec::new();
    for (weights, &bias) in conv.weights.chunks_exact(per_channel).zip(&conv.bias) {
        let scale = weight_scale(weights, bias, from);
        out.weights
            .extend(weights.iter().map(|&w| (f64::from(w) / scale).round().clamp(-127.0, 127.0) as i8));
        out.bias.push((f64::from(bias) / (from * scale)).round() as i32);
        factors.push(from * scale / to);
    }
    let largest = factors.iter().copied().fold(0.0, f64::max);
    out.shift = Multiplier::shift_for(largest).ok_or_else(|| QuantizeError::range(name))?;
    out.mantissas = factors.iter().map(|&f| Multiplier::mantissa_at(f, out.shift)).collect();
    Ok(out)
}

/// The step of a channel's weights: its largest weight is 127 steps, unless the bias would then
/// not fit 30 bits (weights that small next to their bias do not matter).
fn weight_scale(weights: &[f32], bias: f32, from: f64) -> f64 {
    let largest = weights.iter().fold(0.0f32, |m, w| m.max(w.abs()));
    let by_weights = f64::from(largest) / 127.0;
    let by_bias = f64::from(bias.abs()) / from / f64::from(1 << 29);
    let scale = by_weights.max(by_bias);
    if scale > 0.0 { scale } else { 1.0 }
}

/// Largest shift of an [`Affine`]: a code shifted up by it still fits 30 bits.
const MAX_AFFINE_SHIFT: u8 = 21;

/// The shift under which `factor` takes as many of 15 bits as it can.
fn affine_shift(factor: f64) -> u8 {
    let fits = |s: &u8| factor * f64::from(1u32 << s) < 32767.0;
    (0..=MAX_AFFINE_SHIFT).rev().find(fits).unwrap_or(0)
}

/// The map from codes of one quantization to codes of another.
pub fn rescale(from: Quant, to: Quant) -> Affine {
    if from == to {
        return Affine { factor: 1, offset: 0, shift: 0 };
    }
    let real = f64::from(from.scale.get()) / f64::from(to.scale.get());
    let shift = affine_shift(real);
    let factor = (real * f64::from(1u32 << shift)).round().min(32767.0) as i16;
    let offset = constant(to, shift) - i32::from(from.zero_point) * i32::from(factor);
    Affine { factor, offset, shift }
}

/// Both factors of a sum; the first carries offset and shift.
pub fn add(from: [Quant; 2], to: Quant) -> (Affine, i16) {
    let real = from.map(|q| f64::from(q.scale.get()) / f64::from(to.scale.get()));
    let shift = affine_shift(real[0].max(real[1]));
    let factors = real.map(|r| (r * f64::from(1u32 << shift)).round().min(32767.0) as i16);
    let zeros: i32 = from.iter().zip(factors).map(|(q, f)| i32::from(q.zero_point) * i32::from(f)).sum();
    (Affine { factor: factors[0], offset: constant(to, shift) - zeros, shift }, factors[1])
}

/// The output's zero point and the half that makes the shift round to nearest.
fn constant(to: Quant, shift: u8) -> i32 {
    (i32::from(to.zero_point) << shift) + if shift > 0 { 1 << (shift - 1) } else { 0 }
}

#[cfg(test)]
mod tests {
    use offshoot_core::graph::{Clamp, Window};

    use super::*;

    #[test]
    fn rescale_is_within_half_a_step() {
        let quants = [(-1.0, 1.0), (0.0, 6.0), (-0.3, 11.0), (0.0, 0.01), (-90.0, 3.0)];
        for from in quants.map(|(a, b)| Quant::from_range(a, b)) {
            for to in quants.map(|(a, b)| Quant::from_range(a, b)) {
                let affine = rescale(from, to);
                for code in i8::MIN..=i8::MAX {
                    let real = f64::from(from.dequantize(code)) / f64::from(to.scale.get());
                    let want = (real + f64::from(to.zero_point)).clamp(-128.0, 127.0);
                    let got = f64::from(affine.apply(code, Clamp::NONE));
                    assert!((got - want).abs() < 0.52, "{from:?} {to:?} {code}: {got} {want}");
                }
            }
        }
    }

    #[test]
    fn ranges_round_outwards_and_keep_zero() {
        for x in [0.1f32, 5.999_999, -3.3, 1e-20, 6.0] {
            let r = round_out(x);
            assert!(r.abs() >= x.abs() && (r - x).abs() <= x.abs() * 1e-3, "{x} {r}");
        }
        assert_eq!(round_out(6.0), 6.0);
        assert_eq!(round_out(0.0), 0.0);
    }

    #[test]
    fn bytes_pass_unrounded_when_channels_are_alike() {
        let mut p = Preprocess {
            width: 4,
            height: 4,
            channels: offshoot_core::preprocess::Channels::Rgb,
            resize: offshoot_core::preprocess::Resize::Squash,
            mean: [128.0; 3],
            std: [128.0; 3],
        };
        let quant = input(&p);
        assert_eq!((quant.zero_point, quant.scale.get()), (0, 1.0 / 128.0));
        let table = input_table(&p, quant);
        assert_eq!((table[0], table[128], table[255], table[511]), (-128, 0, 127, 127));
        (p.mean, p.std) = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);
        let quant = input(&p);
        for (c, v) in [(0, 0u8), (1, 200), (2, 255)] {
            let real = p.normalize(c, v);
            assert!(
                (quant.dequantize(input_table(&p, quant)[c * 256 + usize::from(v)]) - real).abs()
                    < 0.51 * quant.scale.get()
            );
        }
    }

    #[test]
    fn weights_keep_their_sign_and_the_bias_fits() {
        let layer = Conv {
            window: Window::POINT,
            groups: 1,
            weights: vec![0.5, -1.0, 0.0, 0.0, 1e-12, -1e-12],
            bias: vec![1.0, 3.0, 1e6],
        };
        let q = Quant::from_range(-1.0, 1.0);
        let got = conv("layer", &layer, q, q).unwrap();
        assert_eq!(got.weights[..4], [64, -127, 0, 0]);
        assert!(got.bias.iter().all(|b| b.abs() <= 1 << 29), "{:?}", got.bias);
        let narrow = Quant { scale: Scale::new(1e-30).unwrap(), zero_point: 0 };
        assert!(conv("layer", &layer, q, narrow).is_err());
    }
}
