//! Cross-layer equalization: gives the channels of a feature map similar ranges, because they share
//! one step.
//!
//! Follows Nagel et al. 2019, "Data-free quantization through weight equalization and bias
//! correction", 4.1, with the ranges of activations instead of those of weights, which have a step
//! per channel anyway. A channel is multiplied in the layer that computes it and divided in the
//! layers that read it: the network computes the same. The producer of a channel and a depthwise
//! convolution that reads it absorb the factor into their own steps without loss; a convolution
//! that sums channels gets weights of different size, so the amount of equalization is chosen by an
//! estimate of the noise of both.
//!
//! ReLU6 is not replaced by ReLU, unlike in the paper. A channel that never reached the limit on
//! the calibration set may grow until it does, and by [`MARGIN`] more; it is then clipped at a
//! value that it hardly ever reaches.

use offshoot_core::graph::Binary;

use super::scheme::{weight_codes, weight_step};
use crate::calibrate::extents::Extents;
use crate::ir::{Conv, Layer, LayerId, LayerOp, Model};

/// Ratio of the clipping point to the largest value of a channel under a limit.
pub const MARGIN: f32 = 1.1;
/// Largest factor; channels smaller by more add nothing anyway.
const MOST: f32 = 256.0;
/// Candidate amounts: exponents of the factors that would make all channels alike.
const SHARES: [f32; 3] = [1.0, 0.5, 0.0];

/// Factors of each layer's channels; `None` for layers that are not equalized.
pub type Factors = Vec<Option<Vec<f32>>>;

/// Equalizes the model, whose layers have these `extents`.
pub fn equalize(model: &mut Model, extents: &[Extents]) -> Factors {
    let mut factors = vec![None; model.layers.len()];
    for maps in shared_maps(model) {
        let whole = factors_of(model, &maps, extents);
        let tried = SHARES.map(|share| {
            let factors: Vec<f32> = whole.iter().map(|f| f.powf(share)).collect();
            (noise(model, &maps, extents, &factors), factors)
        });
        let tried = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, best)) = tried else { continue };
        if best.iter().any(|&f| f != 1.0) {
            scale(model, &maps, &best);
            maps.iter().for_each(|&id| factors[id] = Some(best.clone()));
        }
    }
    factors
}

/// Returns groups of layers whose channels must have the same factors: sums and their terms, pools
/// and their inputs. Groups that any other operation writes or reads are left out.
fn shared_maps(model: &Model) -> Vec<Vec<LayerId>> {
    let mut group: Vec<LayerId> = (0..model.layers.len()).collect();
    let mut fixed = vec![false; model.layers.len()];
    (fixed[0], fixed[model.output]) = (true, true);
    for (id, layer) in model.layers.iter().enumerate().skip(1) {
        fixed[id] |= !limits_scale(layer);
        match &layer.op {
            LayerOp::Conv(_) => {}
            LayerOp::Binary(Binary::Add) if same_shapes(model, layer) => {
                join(&mut group, id, &layer.inputs)
            }
            LayerOp::AveragePool { .. }
            | LayerOp::MaxPool { .. }
            | LayerOp::Pad { .. }
            | LayerOp::Upsample { .. } => join(&mut group, id, &layer.inputs),
            _ => layer.inputs.iter().chain([&id]).for_each(|&i| fixed[i] = true),
        }
    }
    let firsts = (0..group.len()).filter(|&id| group[id] == id);
    let groups =
        firsts.map(|first| (0..group.len()).filter(|&id| group[id] == first).collect::<Vec<_>>());
    groups.filter(|maps| maps.iter().all(|&id| !fixed[id])).collect()
}

fn same_shapes(model: &Model, layer: &Layer) -> bool {
    layer.inputs.iter().all(|&i| model.layers[i].shape == layer.shape)
}

/// True if the layer's limits, if any, allow its channels to grow.
fn limits_scale(layer: &Layer) -> bool {
    layer.clamp.is_none_or(|(lo, hi)| (lo == 0.0 || lo == f32::NEG_INFINITY) && hi > 0.0)
}

fn join(group: &mut [LayerId], id: LayerId, others: &[LayerId]) {
    for &other in others {
        let from = group[id].max(group[other]);
        let to = group[id].min(group[other]);
        group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
    }
}

/// Returns the factors that would give every channel the whole range.
fn factors_of(model: &Model, maps: &[LayerId], extents: &[Extents]) -> Vec<f32> {
    let mut reach = vec![0f32; extents[maps[0]].min.len()];
    for &id in maps {
        reach.iter_mut().zip(extents[id].reach()).for_each(|(r, more)| *r = r.max(more));
    }
    let limits = maps.iter().filter_map(|&id| model.layers[id].clamp).map(|(_, hi)| hi);
    let limit = limits.fold(f32::INFINITY, f32::min);
    let (whole, margin) = if limit.is_finite() {
        (limit, MARGIN)
    } else {
        (reach.iter().copied().fold(0.0, f32::max), 1.0)
    };
    for factor in &mut reach {
        let r = *factor;
        *factor = if r > 0.0 { (whole / (r * margin).min(whole)).min(MOST) } else { 1.0 };
    }
    reach
}

/// Returns an estimate of the 8-bit noise of the layers that read these feature maps, with these
/// factors.
fn noise(model: &Model, maps: &[LayerId], extents: &[Extents], factors: &[f32]) -> f64 {
    let mut sum = 0.0;
    for layer in &model.layers {
        let LayerOp::Conv(conv) = &layer.op else { continue };
        let &[source] = &layer.inputs[..] else { continue };
        if !maps.contains(&source) {
            continue;
        }
        let ends = extents[source].reach().zip(factors).map(|(r, f)| r * f);
        // Rounding error is uniform within half a step: its variance is a twelfth of the squared
        // step.
        let step = f64::from(ends.fold(0.0, f32::max)) / 255.0;
        let power: Vec<f64> = (0..factors.len()).map(|c| extents[source].power(c)).collect();
        sum += conv_noise(conv, factors, step * step / 12.0, &power);
    }
    sum
}

/// Returns the noise of the activations' rounding, of variance `rounding`, and of the weights'
/// rounding.
fn conv_noise(conv: &Conv, factors: &[f32], rounding: f64, power: &[f64]) -> f64 {
    let depth = factors.len() / conv.groups;
    let per_group = conv.bias.len() / conv.groups;
    let per_channel = conv.weights.len() / conv.bias.len();
    let mut sum = 0.0;
    for (o, weights) in conv.weights.chunks_exact(per_channel).enumerate() {
        let first = o / per_group * depth;
        let factors = &factors[first..first + depth];
        let power = &power[first..first + depth];
        let scaled: Vec<f32> =
            weights.iter().enumerate().map(|(i, w)| w / factors[i % depth]).collect();
        let step = weight_step(&scaled);
        for (i, (code, &w)) in
            weight_codes(&scaled, step.max(f64::MIN_POSITIVE)).zip(&scaled).enumerate()
        {
            let w = f64::from(w);
            let f = f64::from(factors[i % depth]);
            let error = f64::from(code) * step - w;
            sum += w * w * rounding + error * error * f * f * power[i % depth];
        }
    }
    sum
}

/// Multiplies the feature maps in the layers that compute them and divides them in the layers that
/// read them.
fn scale(model: &mut Model, maps: &[LayerId], factors: &[f32]) {
    for (id, layer) in model.layers.iter_mut().enumerate() {
        let LayerOp::Conv(conv) = &mut layer.op else { continue };
        let per_channel = conv.weights.len() / conv.bias.len();
        if maps.contains(&layer.inputs[0]) {
            let depth = factors.len() / conv.groups;
            let per_group = conv.bias.len() / conv.groups;
            for (o, weights) in conv.weights.chunks_exact_mut(per_channel).enumerate() {
                let first = o / per_group * depth;
                weights.iter_mut().enumerate().for_each(|(i, w)| *w /= factors[first + i % depth]);
            }
        }
        if maps.contains(&id) {
            let channels = conv.weights.chunks_exact_mut(per_channel).zip(&mut conv.bias);
            for ((weights, bias), f) in channels.zip(factors) {
                weights.iter_mut().for_each(|w| *w *= f);
                *bias *= f;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use offshoot_core::Shape;
    use offshoot_core::graph::Window;

    use super::*;

    fn point(weights: Vec<f32>, groups: usize, outputs: usize) -> LayerOp {
        LayerOp::Conv(Conv { window: Window::POINT, groups, weights, bias: vec![0.5; outputs] })
    }

    /// Returns a model: input, expand, depthwise, sum with expand, project.
    fn model(clamp: Option<(f32, f32)>) -> Model {
        let shape = Shape::new(2, 2, 2).unwrap();
        let mut m = Model { layers: Vec::new(), output: 0 };
        m.push("input", LayerOp::Input, Vec::new(), shape);
        let expand = m.push("expand", point(vec![1.0, 0.3, 0.01, -0.02], 1, 2), vec![0], shape);
        let depthwise = m.push("depthwise", point(vec![2.0, 3.0], 2, 2), vec![expand], shape);
        m.layers[depthwise].clamp = clamp;
        m.output =
            m.push("project", point(vec![1.0, 0.7, -0.4, 0.2], 1, 2), vec![depthwise], shape);
        m
    }

    fn extents(reach: [[f32; 2]; 4]) -> Vec<Extents> {
        let seen = |values: [f32; 2]| {
            let mut extents = Extents::new(2);
            extents.see(&values);
            extents.see(&values.map(|v| v / 2.0));
            extents
        };
        reach.map(seen).to_vec()
    }

    /// Returns the model's output for one pixel, without limits.
    fn run(m: &Model, input: [f32; 2]) -> Vec<f32> {
        let mut values = vec![input.to_vec()];
        for layer in &m.layers[1..] {
            let LayerOp::Conv(conv) = &layer.op else { panic!() };
            let from = values[layer.inputs[0]].clone();
            let depth = 2 / conv.groups;
            let sum = |o: usize| -> f32 {
                let first = if conv.groups == 2 { o } else { 0 };
                (0..depth).map(|i| conv.weights[o * depth + i] * from[first + i]).sum::<f32>()
                    + conv.bias[o]
            };
            values.push((0..2).map(sum).collect());
        }
        values.pop().unwrap()
    }

    #[test]
    fn only_finite_values_count() {
        let mut extents = Extents::new(2);
        assert!(extents.is_empty());
        extents.see(&[1.0, f32::NAN, f32::INFINITY, -2.0, 0.5, f32::NEG_INFINITY]);
        assert_eq!((&extents.min, &extents.max), (&vec![0.5, -2.0], &vec![1.0, -2.0]));
        assert!(!extents.is_empty());
    }

    #[test]
    fn the_network_computes_the_same() {
        let mut m = model(None);
        let before = run(&m, [0.3, -0.8]);
        let factors = equalize(&mut m, &extents([[1.0, 1.0], [4.0, 0.04], [9.0, 0.6], [2.0, 1.0]]));
        // The depthwise convolution takes any factor; the small channel gets the whole range.
        let expand = factors[1].as_ref().unwrap();
        assert!(expand[0] == 1.0 && (expand[1] - 100.0).abs() < 1e-3, "{expand:?}");
        assert!(factors[0].is_none() && factors[3].is_none());
        for (a, b) in run(&m, [0.3, -0.8]).iter().zip(before) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn channels_grow_up_to_the_limit_and_not_beyond() {
        let reach = [[1.0, 1.0], [4.0, 4.0], [6.0, 1.5], [2.0, 1.0]];
        let m = model(Some((0.0, 6.0)));
        let factors = factors_of(&m, &[2], &extents(reach));
        assert_eq!(factors, [1.0, 6.0 / (1.5 * MARGIN)]);
        // Limits that a factor would change leave the channels alone.
        let m = model(Some((-1.0, 1.0)));
        assert_eq!(shared_maps(&m), [vec![1]]);
    }

    #[test]
    fn what_is_summed_is_multiplied_alike() {
        let mut m = model(None);
        let shape = m.layers[0].shape;
        let sum = m.push("sum", LayerOp::Binary(Binary::Add), vec![1, 2], shape);
        m.output = m.push("last", point(vec![1.0; 4], 1, 2), vec![sum], shape);
        assert_eq!(shared_maps(&m), [vec![1, 2, sum], vec![3]]);
        m.output = m.push("softmax", LayerOp::Softmax, vec![sum], shape);
        assert_eq!(shared_maps(&m), [vec![3], vec![5]]);
    }

    #[test]
    fn weights_that_would_lose_more_are_left_alone() {
        // The second channel is small, and its weights are large: already alike.
        let mut m = model(None);
        m.layers[3].op = point(vec![0.01, 1.0, 0.01, -0.9], 1, 2);
        let before = m.layers[3].clone();
        let far = equalize(&mut m, &extents([[1.0, 1.0], [4.0, 4.0], [100.0, 1.0], [2.0, 1.0]]));
        let LayerOp::Conv(conv) = &m.layers[3].op else { panic!() };
        let LayerOp::Conv(old) = &before.op else { panic!() };
        assert!(far[2].as_ref().is_some_and(|f| f[1] > 1.0), "{far:?}");
        assert!(conv.weights[1].abs() < old.weights[1].abs());
        // Weights on their grid would leave it for a channel that hardly counts.
        let mut m = model(None);
        m.layers[3].op = point(vec![1.0, 1.0 / 127.0, -1.0, 2.0 / 127.0], 1, 2);
        let near = equalize(&mut m, &extents([[1.0, 1.0], [4.0, 4.0], [2.0, 0.02], [2.0, 1.0]]));
        assert_eq!(near[2], None);
    }
}
