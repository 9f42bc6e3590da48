//! Outlier channel splitting into constant channels: they take a second copy of the channels whose
//! rounding costs most.
//!
//! Many trained networks have channels that are constant for all images, most of them in the first
//! layers. They are computed all the same, so a copy of another channel in their place costs
//! nothing. Both copies are read with half of the weight, and rounded half a step apart: their sum
//! has steps of half the size. The method is outlier channel splitting (OCS; Zhao et al. 2019,
//! "Improving neural network quantization without retraining using outlier channel splitting"),
//! applied to the channels with the largest effect instead of the largest values, and without
//! growing the network.

pub(super) mod place;

use offshoot_core::preprocess::Preprocess;

use super::interval;
use super::interval::Bounds;
use super::scheme::weight_step;
use crate::ir::{ChannelSplit, Conv, LayerId, LayerOp, Model};

/// Convolution, optionally followed by a depthwise one, and a convolution that sums their channels;
/// no other layer reads these feature maps.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Layers with the channels, first to last.
    pub maps: Vec<LayerId>,
    /// Layer that sums the channels.
    pub reader: LayerId,
    /// Constant channels of the last feature map, with their values.
    pub spare: Vec<(usize, f64)>,
}

/// Least share of spare channels, as a divisor: fewer have almost no effect.
const SHARE: usize = 16;
/// Largest number of channels of a feature map: among more, no single one counts for much.
const WIDEST: usize = 64;

/// Returns the places with constant channels.
pub fn places(model: &Model, preprocess: &Preprocess) -> Vec<Place> {
    let readers = model.readers();
    let bounds = interval::bounds(model, preprocess);
    (1..model.layers.len()).filter_map(|id| place(model, &readers, &bounds, id)).collect()
}

/// Returns the convolution of a layer, if it is one.
fn conv(model: &Model, id: LayerId) -> Option<&Conv> {
    match &model.layers[id].op {
        LayerOp::Conv(conv) => Some(conv),
        _ => None,
    }
}

fn place(
    model: &Model,
    readers: &[usize],
    bounds: &[Vec<Bounds>],
    reader: LayerId,
) -> Option<Place> {
    let read = conv(model, reader).filter(|c| c.groups == 1)?;
    let last = model.layers[reader].inputs[0];
    let own = conv(model, last).filter(|_| readers[last] == 1)?;
    let maps = match own.groups {
        1 => vec![last],
        // Depthwise: one channel in, one out.
        groups
            if groups == own.bias.len() && bounds[model.layers[last].inputs[0]].len() == groups =>
        {
            let first = model.layers[last].inputs[0];
            conv(model, first).filter(|c| c.groups == 1 && readers[first] == 1)?;
            vec![first, last]
        }
        _ => return None,
    };
    // Constants are moved to the reader's biases, which zero padding would not allow.
    let padded = read.window.pad != [0; 4];
    let constant = bounds[last].iter().enumerate().filter(|(_, b)| b[0] == b[1]);
    let spare: Vec<(usize, f64)> =
        constant.map(|(c, b)| (c, b[0])).filter(|(_, b)| *b == 0.0 || !padded).collect();
    let channels = bounds[last].len();
    let enough = !spare.is_empty() && SHARE * spare.len() >= channels && channels <= WIDEST;
    enough.then_some(Place { maps, reader, spare })
}

impl Place {
    /// Copies `channels` over the spare ones; the network computes the same.
    pub fn copy(&self, model: &mut Model, channels: &[usize]) {
        let pairs = channels.iter().zip(&self.spare);
        let splits: Vec<ChannelSplit> =
            pairs.map(|(&below, &(above, _))| ChannelSplit { below, above }).collect();
        for &id in &self.maps {
            let LayerOp::Conv(conv) = &mut model.layers[id].op else { continue };
            let per_channel = conv.weights.len() / conv.bias.len();
            for t in &splits {
                let from = t.below * per_channel;
                conv.weights.copy_within(from..from + per_channel, t.above * per_channel);
                conv.bias[t.above] = conv.bias[t.below];
            }
            model.layers[id].splits.clone_from(&splits);
        }
        let depth = model.layers[self.maps[0]].shape.c();
        if let LayerOp::Conv(reader) = &mut model.layers[self.reader].op {
            splits
                .iter()
                .zip(&self.spare)
                .for_each(|(t, &(_, always))| halve(reader, *t, always, depth));
        }
    }
}

/// Splits the weights of a channel between it and its duplicate in whole steps, so that weights on
/// a grid stay on it. The contribution `always` of the spare channel is added to the biases.
fn halve(reader: &mut Conv, splits: ChannelSplit, always: f64, depth: usize) {
    let per_channel = reader.weights.len() / reader.bias.len();
    for (weights, bias) in reader.weights.chunks_exact_mut(per_channel).zip(&mut reader.bias) {
        let step = weight_step(weights).max(f64::MIN_POSITIVE);
        for tap in weights.chunks_exact_mut(depth) {
            *bias += (f64::from(tap[splits.above]) * always) as f32;
            let whole = f64::from(tap[splits.below]);
            let half = (step * ((whole / step).round() / 2.0).ceil()) as f32;
            (tap[splits.above], tap[splits.below]) = (half, (whole - f64::from(half)) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use offshoot_core::Shape;
    use offshoot_core::graph::Window;
    use offshoot_core::preprocess::{Channels, Resize};

    use super::*;

    const PREPROCESS: Preprocess = Preprocess {
        width: 1,
        height: 1,
        channels: Channels::Gray,
        resize: Resize::Squash,
        mean: [0.0; 3],
        std: [255.0; 3],
    };

    /// Returns a model: one pixel, three channels, the second of which is at most `-1 + 1`, a
    /// depthwise convolution, and a sum with weights on a grid of hundredths.
    fn model(always: f32) -> Model {
        let conv = |groups: usize, weights: &[f32], bias: &[f32]| {
            let weights = weights.to_vec();
            let bias = bias.to_vec();
            LayerOp::Conv(Conv { window: Window::POINT, groups, weights, bias })
        };
        let one = Shape::new(1, 1, 1).unwrap();
        let three = Shape::new(1, 1, 3).unwrap();
        let mut m = Model { layers: Vec::new(), output: 0 };
        m.push("input", LayerOp::Input, Vec::new(), one);
        m.push("first", conv(1, &[2.0, 1.0, -3.0], &[0.1, -1.0, 4.0]), vec![0], three);
        m.push("depthwise", conv(3, &[0.5, 7.0, 0.25], &[0.2, always, 0.3]), vec![1], three);
        m.push("sum", conv(1, &[0.35, -0.5, 1.27, -0.99, 0.2, 0.01], &[0.0, 1.0]), vec![2], three);
        [1, 2].into_iter().for_each(|id| m.layers[id].clamp = Some((0.0, 6.0)));
        m.output = 3;
        m
    }

    fn run(m: &Model, input: f32) -> Vec<f32> {
        let mut values = vec![input];
        for layer in &m.layers[1..] {
            let LayerOp::Conv(conv) = &layer.op else { panic!() };
            let depth = values.len() / conv.groups;
            let (lo, hi) = layer.clamp.unwrap_or((f32::MIN, f32::MAX));
            let sum = |(o, w): (usize, &[f32])| -> f32 {
                let own = &values[if conv.groups > 1 { o } else { 0 }..][..depth];
                let sum = own.iter().zip(w).map(|(v, w)| v * w).sum::<f32>() + conv.bias[o];
                sum.clamp(lo, hi)
            };
            values = conv.weights.chunks_exact(depth).enumerate().map(sum).collect();
        }
        values
    }

    #[test]
    fn what_is_always_the_same_is_found() {
        let found = |m: &Model| places(m, &PREPROCESS);
        let place = |always: f64| Place { maps: vec![1, 2], reader: 3, spare: vec![(1, always)] };
        assert_eq!(found(&model(0.0)), [place(0.0)]);
        assert_eq!(found(&model(0.5)), [place(0.5)]);
        // Zero padding does not have the constant.
        let padded = |always: f32| {
            let mut m = model(always);
            let LayerOp::Conv(conv) = &mut m.layers[3].op else { panic!() };
            conv.window.pad = [1; 4];
            m
        };
        assert_eq!((found(&padded(0.5)), found(&padded(0.0)).len()), (Vec::new(), 1));
        // Another layer reads it, or the channel depends on the image.
        let mut m = model(0.0);
        m.output = 2;
        assert_eq!(found(&m), []);
        let mut m = model(0.0);
        let LayerOp::Conv(conv) = &mut m.layers[1].op else { panic!() };
        conv.bias[1] = -0.9;
        assert_eq!(found(&m), []);
    }

    #[test]
    fn the_network_computes_the_same() {
        for always in [0.0, 0.5] {
            let plain = model(always);
            for channel in [0, 2] {
                let mut copied = plain.clone();
                places(&plain, &PREPROCESS)[0].copy(&mut copied, &[channel]);
                let splits = [ChannelSplit { below: channel, above: 1 }];
                assert_eq!(
                    (&copied.layers[1].splits[..], &copied.layers[2].splits[..]),
                    (&splits[..], &splits[..])
                );
                for input in [0.0, 0.4, 1.0] {
                    for (a, b) in run(&copied, input).iter().zip(run(&plain, input)) {
                        assert!((a - b).abs() < 1e-6, "{a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn halves_stay_on_the_grid() {
        let mut m = model(0.0);
        places(&m, &PREPROCESS)[0].copy(&mut m, &[2]);
        let LayerOp::Conv(conv) = &m.layers[3].op else { panic!() };
        let hundredths: Vec<f32> = conv.weights.iter().map(|w| (w * 1e5).round() / 1e3).collect();
        // Weight 127 is split into 64 and 63, 1 into 1 and 0.
        assert_eq!(hundredths, [35.0, 64.0, 63.0, -99.0, 1.0, 0.0]);
    }
}
