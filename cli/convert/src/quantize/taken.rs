//! Integers of a file that is quantized already, taken as they are: which layers' weights, scales
//! and zero points int8 has, and the reason where it has not.

use std::borrow::Cow;
use std::sync::Arc;

use super::step_report::{Anew, StepReport};
use crate::ir::{Conv, Layer, LayerId, LayerOp, Model};

/// Steps of the weights of each output channel, of the layers that keep those of the file; empty if
/// the file is not quantized.
pub type Taken = Arc<[Option<Vec<f64>>]>;

/// Tolerance, in steps, of a weight that counts as a whole number of steps.
const WHOLE: f64 = 1e-3;

/// Bound of the ratio of two scales: the engine multiplies by less.
const RATIO: f64 = 32767.0;

/// Returns the steps of weights that are taken as they are.
pub(super) fn steps(model: &Model) -> Taken {
    if model.layers.iter().all(|layer| layer.stated.grid.is_none()) {
        return Taken::default();
    }
    let steps = model.layers.iter().map(|layer| match &layer.op {
        LayerOp::Conv(conv) => of_conv(conv, &layer.stated.steps),
        _ => None,
    });
    steps.collect()
}

/// Returns the step of each output channel of which all weights are whole numbers: that of the
/// file, or else the largest; `None` if int8 does not have the weights of a channel.
fn of_conv(conv: &Conv, stated: &[f32]) -> Option<Vec<f64>> {
    let channels = conv.bias.len();
    let per_channel = conv.weights.len() / channels;
    let stated = Some(stated).filter(|steps| [1, channels].contains(&steps.len()));
    let rows = conv.weights.chunks_exact(per_channel).enumerate();
    let steps = rows.map(|(o, weights)| {
        let own = stated.map(|steps| f64::from(steps[if steps.len() == 1 { 0 } else { o }]));
        if let Some(step) = own.filter(|step| is_whole(weights, *step)) {
            return Some(step);
        }
        let largest = largest(weights);
        if largest == 0.0 {
            return Some(f64::from(f32::MIN_POSITIVE));
        }
        Some(largest / f64::from(whole_steps(weights, largest)?))
    });
    steps.collect()
}

fn largest(weights: &[f32]) -> f64 {
    f64::from(weights.iter().fold(0.0f32, |m, w| m.max(w.abs())))
}

/// True if all weights are whole numbers of steps that int8 has.
fn is_whole(weights: &[f32], step: f64) -> bool {
    step > 0.0
        && weights.iter().map(|&w| f64::from(w) / step).all(|w| {
            let whole = nearest(w);
            (w - f64::from(whole)).abs() < WHOLE && (-128..=127).contains(&whole)
        })
}

/// Returns the number of steps of the largest weight, at most 127, for which all weights are whole
/// numbers of steps.
pub(super) fn whole_steps(weights: &[f32], largest: f64) -> Option<i32> {
    (1..=127).rev().find(|&steps| {
        let scale = f64::from(steps) / largest;
        weights
            .iter()
            .map(|&w| f64::from(w) * scale)
            .all(|w| (w - f64::from(nearest(w))).abs() < WHOLE)
    })
}

/// Returns weights that are whole numbers of steps.
pub(super) fn whole_codes(weights: &[f32], step: f64) -> impl Iterator<Item = i8> + '_ {
    weights.iter().map(move |&w| nearest(f64::from(w) / step) as i8)
}

/// True if a bias in steps fits 30 bits.
pub(super) fn bias_fits(bias: f32, from: f64, step: f64) -> bool {
    f64::from(bias.abs()) <= from * step * f64::from(1 << 29)
}

/// Rounds to nearest, ties away from zero. `f64::round` is a function call on the baseline
/// instruction set, and there are millions of weights.
pub(super) fn nearest(x: f64) -> i32 {
    (x + 0.5f64.copysign(x)) as i32
}

/// Returns the network without the scales of results that are too small beside those of what is
/// read: no multiplier leads from one to the other.
pub(super) fn in_range(model: &Model) -> Cow<'_, Model> {
    let mut model = Cow::Borrowed(model);
    for id in 1..model.layers.len() {
        let Some(to) = model.layers[id].stated.grid else { continue };
        let to = f64::from(to.scale.get());
        let from = factor(&model, &model.layers[id]);
        if from / to >= RATIO {
            let stated = &mut model.to_mut().layers[id].stated;
            stated.grid = None;
            stated.refused = Some(format!("its scale of {to:e} is too small for its input's"));
        }
    }
    model
}

/// Returns the largest value of one step of what a layer reads.
fn factor(model: &Model, layer: &Layer) -> f64 {
    let scales = layer.inputs.iter().filter_map(|&id| model.grid_of(id));
    let scales = scales.map(|quant| f64::from(quant.scale.get()));
    match &layer.op {
        LayerOp::Binary(offshoot_core::graph::Binary::Mul) => scales.product(),
        LayerOp::Conv(conv) => scales.fold(0.0, f64::max) * largest(&conv.weights) / 127.0,
        LayerOp::Function(_) if layer.op.as_clamp().is_none() => 0.0,
        _ => scales.fold(0.0, f64::max),
    }
}

/// Returns how many layers are taken as they are, and the reason for each of the others; `None` if
/// the file is not quantized.
pub(super) fn report(model: &Model, in_codes: &[bool], taken: &Taken) -> Option<StepReport> {
    report_by(model, |id| why_anew(model, id, in_codes, taken))
}

/// Returns that no layer is taken as it is, for one reason; `None` if the file is not quantized.
pub(super) fn report_none(model: &Model, why: &str) -> Option<StepReport> {
    report_by(model, |_| Some(why.to_string()))
}

fn report_by(model: &Model, why: impl Fn(LayerId) -> Option<String>) -> Option<StepReport> {
    let is_stated = |layer: &Layer| layer.stated.grid.is_some() || layer.stated.refused.is_some();
    let all = (0..model.layers.len()).filter(|&id| computes(&model.layers[id]));
    let reasons = all.clone().map(|id| (id, why(id)));
    let anew = reasons
        .filter_map(|(id, why)| Some(Anew { layer: model.layers[id].name.clone(), why: why? }));
    let anew = anew.collect();
    let taken = StepReport::Taken { layers: all.count(), anew };
    model.layers.iter().any(is_stated).then_some(taken)
}

/// True if a layer does more than move or limit values.
fn computes(layer: &Layer) -> bool {
    !matches!(layer.op, LayerOp::Input | LayerOp::Tokens)
        && !layer.op.keeps_values()
        && layer.op.as_clamp().is_none()
}

/// Returns the reason that a layer's integers are not those of the file; `None` if they are.
fn why_anew(model: &Model, id: LayerId, in_codes: &[bool], taken: &Taken) -> Option<String> {
    let layer = &model.layers[id];
    if let Some(why) = &layer.stated.refused {
        return Some(why.clone());
    }
    if !in_codes[id] {
        return Some("int8 does not have its operation".to_string());
    }
    if let LayerOp::Conv(conv) = &layer.op
        && taken.get(id).is_none_or(Option::is_none)
    {
        return Some(why_weights(conv, &layer.stated.steps));
    }
    if layer.stated.grid.is_none() {
        return Some("the file has no scale for its result".to_string());
    }
    let without = layer.inputs.iter().find(|&&input| model.grid_of(input).is_none());
    without.map(|&input| format!("the file has no scale for {}", model.layers[input].name))
}

/// Returns the reason that weights are not taken as they are.
fn why_weights(conv: &Conv, stated: &[f32]) -> String {
    let channels = conv.bias.len();
    if ![1, channels].contains(&stated.len()) {
        return "the file has no scales for its weights".to_string();
    }
    let rows = conv.weights.chunks_exact(conv.weights.len() / channels).enumerate();
    let steps = rows.map(|(o, weights)| {
        largest(weights) / f64::from(stated[if stated.len() == 1 { 0 } else { o }])
    });
    match nearest(steps.fold(0.0, f64::max)) {
        most @ 128.. => {
            format!("its weights are up to {most} steps from their zero point, int8 has 127")
        }
        _ => "its weights are no whole numbers of their steps any more".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use offshoot_core::graph::Window;

    use super::*;

    fn conv(weights: &[f32], channels: usize) -> Conv {
        let bias = vec![0.0; channels];
        Conv { window: Window::POINT, groups: 1, weights: weights.to_vec(), bias }
    }

    #[test]
    fn steps_are_those_of_the_file() {
        // 127 steps of another size would do as well.
        assert_eq!(of_conv(&conv(&[0.5, -0.25], 1), &[0.25]), Some(vec![0.25]));
        assert_eq!(of_conv(&conv(&[-32.0, 1.0], 1), &[0.25]), Some(vec![0.25]));
        // A scale that is not that of the weights, which lie on a grid all the same.
        let own = of_conv(&conv(&[0.5, 0.375, 1.0, 0.9375], 2), &[0.3]).unwrap();
        assert_eq!(own, [0.5 / 124.0, 1.0 / 112.0]);
        assert_eq!(of_conv(&conv(&[32.5, 0.25], 1), &[0.25]), None);
        assert!(of_conv(&conv(&[0.0; 2], 1), &[]).is_some());
        assert!(of_conv(&conv(&[0.0; 2], 1), &[0.0]).is_some());
        for broken in [0.0, -1.0, f32::NAN] {
            assert!(!is_whole(&[0.5], broken.into()));
        }
    }

    #[test]
    fn the_reason_says_what_int8_lacks() {
        let wide = why_weights(&conv(&[34.0, 0.25], 1), &[0.25]);
        assert_eq!(wide, "its weights are up to 136 steps from their zero point, int8 has 127");
        assert!(why_weights(&conv(&[0.3], 1), &[0.25]).contains("whole numbers"));
        assert!(why_weights(&conv(&[0.3], 1), &[]).contains("no scales"));
    }
}
