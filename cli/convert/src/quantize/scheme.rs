//! Quantization scheme: from ranges to integers, that is scales, zero points, 8-bit weights and
//! multipliers.
//!
//! Follows Jacob et al. 2018 ("Quantization and training of neural networks for efficient
//! integer-arithmetic-only inference"): activations asymmetric per tensor, weights symmetric per
//! output channel, 32-bit bias, fixed-point rescaling. The integers are computed here once, in
//! double precision, and stored; the device never derives one.

use std::sync::Arc;

use offshoot_core::graph::Affine;
use offshoot_core::preprocess::Preprocess;
use offshoot_core::{Multiplier, Quant, Scale};
use thiserror::Error;

use super::taken::{Taken, bias_fits, nearest, whole_codes, whole_steps};
use crate::calibrate::ranges::{Range, table_of};
use crate::ir::{ChannelSplit, Conv, Expr, LayerId, LayerOp, Model};
use crate::parallel;

/// Layer whose multiplier is out of range.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "layer `{layer}`: output range is too narrow to quantize the weights; calibrate on more, or on other, images or texts"
)]
pub struct QuantizeError {
    layer: String,
}

impl QuantizeError {
    pub(crate) fn range(layer: &str) -> Self {
        Self { layer: layer.to_string() }
    }
}

/// Parameters that determine the integers of a network, beside its weights.
#[derive(Debug, Clone)]
pub struct Scheme {
    /// True for layers that are run in int8.
    pub in_codes: Vec<bool>,
    /// Quantization of each layer, run in int8 or only read in int8.
    pub quants: Vec<Quant>,
    /// Mean per channel of each layer in the float network.
    pub means: Vec<Vec<f64>>,
    /// Mean per channel of the quantized values; that of the float network if not measured.
    pub coded_means: Vec<Vec<f64>>,
    /// Int8 weights of layers that are not rounded to nearest; `None` for layers beyond its end.
    pub rounded: Arc<[Option<Vec<i8>>]>,
    /// Steps of the weights of layers whose integers are those of the file.
    pub taken: Taken,
    /// Layers whose weights stay floats, of a network that the engine runs in floats of a fixed order
    /// with linear layers in int8; `None` if tract-core runs what is not run in int8.
    pub ordered: Option<Arc<[LayerId]>>,
}

/// Returns a function as a table from int8 to int8 values.
pub fn table(expr: &Expr, from: Quant, to: Quant) -> Vec<i8> {
    table_of(expr, from).1.into_iter().map(|v| to.quantize(v)).collect()
}

/// Returns each layer's quantization from its range, that of images from their preprocessing, or
/// what the file states; layers that only move values keep their input's.
pub fn quants(model: &Model, ranges: &[Range], preprocess: Option<&Preprocess>) -> Vec<Quant> {
    let mut quants: Vec<Quant> = ranges.iter().map(|r| r.quant()).collect();
    if let Some(preprocess) = preprocess {
        quants[0] = input(preprocess);
    }
    for (id, layer) in model.layers.iter().enumerate() {
        if layer.op.keeps_values() {
            quants[id] = quants[layer.inputs[0]];
        } else if let Some(grid) = layer.stated.grid {
            quants[id] = grid;
        }
    }
    quants
}

/// Returns for each layer the function that alone reads it, if there is one.
pub fn only_function_read(model: &Model) -> Vec<Option<&Expr>> {
    let readers = model.readers();
    let mut read = vec![None; model.layers.len()];
    for layer in &model.layers {
        if let (LayerOp::Function(expr), &[input]) = (&layer.op, &layer.inputs[..])
            && readers[input] == 1
        {
            read[input] = Some(expr);
        }
    }
    read
}

/// Returns the input quantization if one step can be one step of the camera: all channels are
/// normalized alike.
fn exact_input(preprocess: &Preprocess) -> Option<Quant> {
    let channels = 0..preprocess.channels.count();
    let mean = preprocess.mean[0];
    let std = preprocess.std[0];
    let alike =
        channels.into_iter().all(|c| preprocess.mean[c] == mean && preprocess.std[c] == std);
    let scale = Scale::new(1.0 / std).filter(|_| alike && (0.0..=255.0).contains(&mean))?;
    let zero_point = (offshoot_core::quant::round_to_i32(mean) - 128).clamp(-128, 127) as i8;
    Some(Quant { scale, zero_point })
}

/// Returns the input's quantization. If all channels are normalized alike, one step is one step of
/// the camera and nothing is rounded.
pub fn input(preprocess: &Preprocess) -> Quant {
    exact_input(preprocess).unwrap_or_else(|| {
        let mut range = Range::EMPTY;
        for c in 0..preprocess.channels.count() {
            range.see(&[preprocess.normalize(c, 0), preprocess.normalize(c, 255)]);
        }
        range.quant()
    })
}

/// Returns the means of the quantized input channels. If one step is one step of the camera, up to
/// half a step is added to every value.
pub fn coded_input_means(model: &Model, preprocess: &Preprocess, means: &[f64]) -> Vec<f64> {
    let exact = exact_input(preprocess).filter(|_| model.layers[0].stated.grid.is_none());
    let Some(quant) = exact else { return means.to_vec() };
    let table = input_table(model, Some(preprocess));
    let mut coded = means.to_vec();
    for (c, mean) in coded.iter_mut().enumerate() {
        *mean += f64::from(quant.dequantize(table[256 * c]) - preprocess.normalize(c, 0));
    }
    coded
}

/// Returns the table from a channel's byte to its int8 value, 256 entries per channel; none for
/// what is no image.
pub fn input_table(model: &Model, preprocess: Option<&Preprocess>) -> Vec<i8> {
    let Some(preprocess) = preprocess else { return Vec::new() };
    let stated = model.layers[0].stated.grid;
    let exact = exact_input(preprocess).is_some();
    let quant = input(preprocess);
    let mut table = Vec::new();
    for channel in 0..preprocess.channels.count() {
        table.extend((0..=255u8).map(|byte| match (stated, exact) {
            (Some(stated), _) => stated_code(preprocess.normalize(channel, byte), stated),
            // The value is the byte less its mean, plus the zero point: up to half a step the byte
            // less 128.
            (None, true) => (i16::from(byte) - 128) as i8,
            (None, false) => preprocess.code(channel, byte, quant),
        }));
    }
    table
}

/// Returns the code of an image's value in a quantized file: ONNX divides in f32 and rounds half to
/// even. Bytes with a mean of 127.5 are all halves.
fn stated_code(value: f32, quant: Quant) -> i8 {
    let steps = (value / quant.scale.get()).round_ties_even() + f32::from(quant.zero_point);
    steps.clamp(-128.0, 127.0) as i8
}

/// Returns the shifts added to a layer's channels before rounding: minus a quarter of a step for
/// one of each pair of duplicated channels, plus a quarter for the other. Their sum then has steps
/// of half the size, and zero stays exact.
pub fn shifts(splits: &[ChannelSplit], channels: usize, quant: Quant) -> Vec<f64> {
    let mut shifts = vec![0.0; channels];
    let quarter = f64::from(quant.scale.get()) / 4.0;
    splits.iter().for_each(|t| (shifts[t.below], shifts[t.above]) = (-quarter, quarter));
    shifts
}

/// Returns the step of each output channel's weights.
pub fn steps(conv: &Conv, from: Quant) -> Vec<f64> {
    let per_channel = conv.weights.len() / conv.bias.len();
    let from = f64::from(from.scale.get());
    let channels = conv.weights.chunks_exact(per_channel).zip(&conv.bias);
    channels.map(|(weights, &bias)| weight_scale(weights, bias, from)).collect()
}

/// Convolution in integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuantizedConv {
    /// Weights in the order O, H, W, I / groups.
    pub weights: Vec<i8>,
    /// Bias per output channel.
    pub bias: Vec<i32>,
    /// Mantissa of the multiplier per output channel.
    pub mantissas: Vec<i32>,
    /// Shift of the multipliers, the same for all channels.
    pub shift: u8,
}

/// Least number of weights for which threads share a layer.
const MANY: usize = 1 << 16;

/// Quantizes weights per output channel.
///
/// `means` are those of the input's channels on the calibration set, in float and quantized: the
/// mean error that rounding weights and inputs adds to an output channel is subtracted from its
/// bias (Nagel et al. 2019, "Data-free quantization through weight equalization and bias
/// correction", 4.2, with measured means). `shifts` are added to the biases too, see [`shifts`].
/// Weights are taken from `rounded` if present, else rounded to nearest; their steps are those of
/// the file if `taken` has them.
///
/// # Errors
/// A multiplier of 2^15 or more.
pub fn conv(
    name: &str,
    conv: &Conv,
    shifts: &[f64],
    means: [&[f64]; 2],
    [from, to]: [Quant; 2],
    rounded: Option<&[i8]>,
    taken: Option<&[f64]>,
) -> Result<QuantizedConv, QuantizeError> {
    let channels = conv.bias.len();
    let per_channel = conv.weights.len() / conv.bias.len();
    let from = f64::from(from.scale.get());
    let to = f64::from(to.scale.get());
    let depth = means[0].len() / conv.groups;
    let per_group = channels / conv.groups;
    let channel = |o: usize| {
        let weights = &conv.weights[o * per_channel..][..per_channel];
        let bias = conv.bias[o];
        let own = taken.map(|steps| steps[o]).filter(|step| bias_fits(bias, from, *step));
        let scale = own.unwrap_or_else(|| weight_scale(weights, bias, from));
        let codes: Vec<i8> = match (own, rounded) {
            (Some(step), _) => whole_codes(weights, step).collect(),
            (None, Some(all)) => all[o * per_channel..][..per_channel].to_vec(),
            (None, None) => weight_codes(weights, scale).collect(),
        };
        let [wanted, got] = means.map(|means| &means[o / per_group * depth..][..depth]);
        let mut added = 0.0;
        for (codes, weights) in codes.chunks(depth).zip(weights.chunks(depth)) {
            for (((&code, &w), got), wanted) in codes.iter().zip(weights).zip(got).zip(wanted) {
                added += f64::from(code) * scale * got - f64::from(w) * wanted;
            }
        }
        let own = nearest((f64::from(bias) + shifts[o] - added) / (from * scale));
        // A channel without weights and bias is zero under any factor.
        let dead = bias == 0.0 && weights.iter().all(|&w| w == 0.0);
        (codes, own, if dead { 0.0 } else { from * scale / to })
    };
    let made = match conv.weights.len() {
        MANY.. => parallel::each(channels, channel),
        _ => (0..channels).map(channel).collect(),
    };
    let mut out =
        QuantizedConv { weights: Vec::new(), bias: Vec::new(), mantissas: Vec::new(), shift: 0 };
    let mut factors = Vec::new();
    for (codes, bias, factor) in made {
        out.weights.extend(codes);
        out.bias.push(bias);
        factors.push(factor);
    }
    let largest = factors.iter().copied().fold(0.0, f64::max);
    out.shift = Multiplier::shift_for(largest).ok_or_else(|| QuantizeError::range(name))?;
    out.mantissas = factors.iter().map(|&f| Multiplier::mantissa_at(f, out.shift)).collect();
    Ok(out)
}

/// Returns a channel's weights in steps of `scale`.
pub fn weight_codes(weights: &[f32], scale: f64) -> impl Iterator<Item = i8> + '_ {
    weights.iter().map(move |&w| nearest(f64::from(w) / scale).clamp(-127, 127) as i8)
}

/// Returns the step of a channel's weights, unless the bias would then not fit 30 bits (weights
/// that small relative to their bias do not matter).
fn weight_scale(weights: &[f32], bias: f32, from: f64) -> f64 {
    let by_bias = f64::from(bias.abs()) / from / f64::from(1 << 29);
    let scale = weight_step(weights).max(by_bias);
    if scale > 0.0 { scale } else { 1.0 }
}

/// Returns the step of weights: the largest is 127 steps, or fewer if all weights are then whole
/// numbers of steps, as in a network that was trained for 8 bits, whose weights lose nothing.
pub fn weight_step(weights: &[f32]) -> f64 {
    let largest = f64::from(weights.iter().fold(0.0f32, |m, w| m.max(w.abs())));
    largest / f64::from(whole_steps(weights, largest).unwrap_or(127))
}

/// True if the network was trained for 8 bits: the weights of most channels lie on a grid.
pub fn trained_for_codes(model: &Model) -> bool {
    let mut on_grid = 0;
    let mut all = 0;
    for layer in &model.layers {
        let LayerOp::Conv(conv) = &layer.op else { continue };
        let per_channel = conv.weights.len() / conv.bias.len();
        // A few weights can lie on a grid by chance.
        for weights in conv.weights.chunks_exact(per_channel).filter(|w| w.len() >= FEW) {
            let largest = f64::from(weights.iter().fold(0.0f32, |m, w| m.max(w.abs())));
            on_grid += usize::from(whole_steps(weights, largest).is_some());
            all += 1;
        }
    }
    2 * on_grid > all
}

/// Least number of weights of a channel that do not lie on a grid by chance.
const FEW: usize = 8;

/// Largest shift of an [`Affine`]: an int8 value shifted up by it still fits 30 bits.
const MAX_AFFINE_SHIFT: u8 = 21;

/// Returns the shift for which `factor` uses as many of 15 bits as possible.
fn affine_shift(factor: f64) -> u8 {
    let mut shifts = (0..=MAX_AFFINE_SHIFT).rev();
    shifts.find(|shift| factor * f64::from(1u32 << shift) < 32767.0).unwrap_or(0)
}

/// Returns the affine function from one quantization to another.
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

/// Returns both factors of a sum; the first carries offset and shift.
pub fn add(from: [Quant; 2], to: Quant) -> (Affine, i16) {
    let real = from.map(|q| f64::from(q.scale.get()) / f64::from(to.scale.get()));
    let shift = affine_shift(real[0].max(real[1]));
    let factors = real.map(|r| (r * f64::from(1u32 << shift)).round().min(32767.0) as i16);
    let zeros: i32 =
        from.iter().zip(factors).map(|(q, f)| i32::from(q.zero_point) * i32::from(f)).sum();
    (Affine { factor: factors[0], offset: constant(to, shift) - zeros, shift }, factors[1])
}

/// Returns the output's zero point and the half that makes the shift round to nearest.
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
        let model = image();
        let table = input_table(&model, Some(&p));
        assert_eq!((table[0], table[128], table[255], table[511]), (-128, 0, 127, 127));
        (p.mean, p.std) = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);
        let quant = input(&p);
        for (c, v) in [(0, 0u8), (1, 200), (2, 255)] {
            let real = p.normalize(c, v);
            assert!(
                (quant.dequantize(input_table(&image(), Some(&p))[c * 256 + usize::from(v)])
                    - real)
                    .abs()
                    < 0.51 * quant.scale.get()
            );
        }
    }

    /// Returns a network of nothing but its image.
    fn image() -> Model {
        let mut model = Model { layers: Vec::new(), output: 0 };
        model.push("x", LayerOp::Input, Vec::new(), offshoot_core::Shape::vector(3).unwrap());
        model
    }

    #[test]
    fn codes_of_a_quantized_file_are_rounded_as_onnx_says() {
        let p = Preprocess {
            width: 4,
            height: 4,
            channels: offshoot_core::preprocess::Channels::Gray,
            resize: offshoot_core::preprocess::Resize::Squash,
            mean: [127.5; 3],
            std: [127.5; 3],
        };
        let mut model = image();
        let scale = Scale::new(0.007_843_138).unwrap();
        model.layers[0].stated.grid = Some(Quant { scale, zero_point: 0 });
        let table = input_table(&model, Some(&p));
        // numpy: np.rint((b - 127.5) / 127.5 / 0.007843138), all in float32.
        assert_eq!((table[0], table[31], table[32], table[33]), (-127, -96, -96, -94));
        assert_eq!((table[127], table[128], table[255]), (0, 0, 127));
        assert_eq!(coded_input_means(&model, &p, &[0.25]), [0.25]);
    }

    #[test]
    fn half_a_step_of_the_camera_is_known_of() {
        let mut p = Preprocess {
            width: 4,
            height: 4,
            channels: offshoot_core::preprocess::Channels::Gray,
            resize: offshoot_core::preprocess::Resize::Squash,
            mean: [127.5; 3],
            std: [127.5; 3],
        };
        let coded = coded_input_means(&image(), &p, &[0.25]);
        assert!((coded[0] - (0.25 - 0.5 / 127.5)).abs() < 1e-6, "{coded:?}");
        p.mean = [128.0; 3];
        assert!((coded_input_means(&image(), &p, &[0.25])[0] - 0.25).abs() < 1e-6);
    }

    #[test]
    fn channels_normalized_unlike_are_not_taken_as_exact() {
        let mut p = Preprocess {
            width: 4,
            height: 4,
            channels: offshoot_core::preprocess::Channels::Rgb,
            resize: offshoot_core::preprocess::Resize::Squash,
            mean: [0.0; 3],
            std: [255.0, 300.0, 400.0],
        };
        let quant = input(&p);
        assert_eq!(
            quant.quantize(p.normalize(2, 255)),
            input_table(&image(), Some(&p))[2 * 256 + 255]
        );
        p.std = [255.0; 3];
        assert_eq!(input_table(&image(), Some(&p))[255], 127);
    }

    #[test]
    fn the_mean_error_of_rounded_weights_is_taken_off_the_bias() {
        let layer =
            Conv { window: Window::POINT, groups: 1, weights: vec![1.0, 0.003], bias: vec![0.0] };
        let q = Quant::from_range(-1.0, 1.0);
        let plain = conv("layer", &layer, &[0.0], [&[0.0, 0.0]; 2], [q, q], None, None).unwrap();
        let corrected =
            conv("layer", &layer, &[0.0], [&[0.0, 1.0]; 2], [q, q], None, None).unwrap();
        // Weight 0.003 rounds to no step of 1/127: its mean contribution goes to the bias.
        let step = f64::from(q.scale.get()) / 127.0;
        assert_eq!((plain.bias[0], corrected.bias[0]), (0, (0.003 / step).round() as i32));
    }

    #[test]
    fn what_codes_read_differently_is_taken_off_the_bias() {
        let layer = Conv { window: Window::POINT, groups: 1, weights: vec![1.0], bias: vec![0.5] };
        let q = Quant::from_range(-1.0, 1.0);
        let step = f64::from(q.scale.get()) / 127.0;
        let got = conv("layer", &layer, &[0.0], [&[0.25], &[0.125]], [q, q], None, None).unwrap();
        assert_eq!(got.bias, [(0.625 / step).round() as i32]);
    }

    #[test]
    fn weights_on_a_grid_stay_on_it() {
        // The largest weight is 100 steps of 0.03: 127 steps would round all of them.
        let weights: Vec<f32> = [100, -7, 33, 0, 64].iter().map(|&n| n as f32 * 0.03).collect();
        assert!((weight_step(&weights) / 0.03 - 1.0).abs() < 1e-6);
        assert_eq!(weight_step(&[1.0, 0.311, -0.777]), 1.0 / 127.0);
        let network = |weights: Vec<f32>| {
            let conv = Conv { window: Window::POINT, groups: 1, weights, bias: vec![0.0] };
            let shape = offshoot_core::Shape::vector(10).unwrap();
            let mut model = Model { layers: Vec::new(), output: 0 };
            model.push("conv", LayerOp::Conv(conv), vec![0], shape);
            model
        };
        assert!(trained_for_codes(&network([weights.clone(), weights.clone()].concat())));
        assert!(!trained_for_codes(&network((1..=10).map(|n| (n as f32).sqrt()).collect())));
        assert_eq!(weight_step(&[0.0]), 0.0);
    }

    #[test]
    fn weights_keep_their_sign_and_the_bias_fits() {
        let layer = Conv {
            window: Window::POINT,
            groups: 1,
            weights: vec![0.503, -1.0, 0.0, 0.0, 1e-12, -1e-12],
            bias: vec![1.0, 3.0, 1e6],
        };
        let q = Quant::from_range(-1.0, 1.0);
        let got = conv("layer", &layer, &[0.0; 3], [&[0.0; 2]; 2], [q, q], None, None).unwrap();
        assert_eq!(got.weights[..4], [64, -127, 0, 0]);
        assert!(got.bias.iter().all(|b| b.abs() <= 1 << 29), "{:?}", got.bias);
        let narrow = Quant { scale: Scale::new(1e-30).unwrap(), zero_point: 0 };
        assert!(conv("layer", &layer, &[0.0; 3], [&[0.0; 2]; 2], [q, narrow], None, None).is_err());
    }
}
