//! Networks that the engine runs alone though not all their layers are in int8 with ranges of the
//! calibration set: those with layer norms, attention, differences. Linear layers get a scale for each
//! pixel, computed in the run, convolutions ranges, and the rest is floats of a fixed order. Scales
//! per pixel follow the few large values of a transformer's activations, which no range of a
//! calibration set covers without losing the rest.

use std::sync::Arc;

use super::noise::decibels;
use super::variant::{Calibration, GraphVariant};
use super::{
    KeepFloat, Quantized, QuantizerError, Settings, StepReport, keep_float, scheme, taken,
};
use crate::emit::{self, is_linear};
use crate::ir::{Conv, LayerId, LayerOp, Model};
use crate::quantize::scheme::Scheme;

/// True if the engine is to run a network alone that it cannot run in int8 alone, and some of it is
/// in int8.
pub(super) fn suits(model: &Model, keep: &KeepFloat) -> bool {
    let kept = match keep {
        KeepFloat::Nothing => Vec::new(),
        // A name that no layer has is an error of a later step.
        KeepFloat::Named(names) => keep_float::named(model, names).unwrap_or_default(),
        KeepFloat::Auto | KeepFloat::Worst(_) => return false,
    };
    let some = linear_layers(model).any(|id| !kept.contains(&id));
    scheme::in_codes(model, &[]).contains(&false)
        && (some || in_codes(model, &kept, true).contains(&true))
}

/// Returns for each layer of a network that the engine runs alone if it is run in int8 with a range
/// of the calibration set.
///
/// Convolutions of several pixels are. Layers that read int8 values follow their inputs: with `all`
/// linear and depthwise ones, too, so that a convolutional network before the first layer norm is
/// what it would be by itself. Otherwise, and of floats, the former have scales per pixel and the
/// latter are floats, which is slower.
pub(super) fn in_codes(model: &Model, floats: &[LayerId], all: bool) -> Vec<bool> {
    let mut codes = vec![false; model.layers.len()];
    codes[0] = matches!(model.layers[0].op, LayerOp::Input)
        && (1..codes.len()).any(|id| needs_codes(model, id) && is_near_input(model, id));
    for (id, layer) in model.layers.iter().enumerate().skip(1) {
        let may_follow = all || !matches!(layer.op, LayerOp::Conv(_));
        let follows = may_follow && scheme::follows(model, layer, &codes);
        codes[id] = !floats.contains(&id) && (needs_codes(model, id) || follows);
    }
    codes[0] &= scheme::is_read_in(model, &codes);
    codes
}

/// True for a convolution that is slow in floats of a fixed order.
fn needs_codes(model: &Model, id: LayerId) -> bool {
    let layer = &model.layers[id];
    let LayerOp::Conv(conv) = &layer.op else { return false };
    let is_depthwise = |conv: &Conv| {
        let channels = [model.layers[layer.inputs[0]].shape.c(), layer.shape.c()];
        channels == [conv.groups; 2]
    };
    !is_linear(conv) && !is_depthwise(conv) && conv.picks().is_none()
}

/// True if nothing but moves, functions and factors lies between a layer and the input.
fn is_near_input(model: &Model, id: LayerId) -> bool {
    let mut at = model.layers[id].inputs[0];
    while at > 0 {
        let layer = &model.layers[at];
        let passes = match &layer.op {
            LayerOp::Function(_) => true,
            LayerOp::Conv(conv) => conv.groups == layer.shape.c(),
            op => op.keeps_values(),
        };
        if !passes {
            return false;
        }
        at = layer.inputs[0];
    }
    true
}

/// Reason that nothing of a quantized file is taken as it is.
const SCALED_IN_THE_RUN: &str = "its linear layers get their scales in the run";

/// Quantizes a network that the engine runs alone and of which no layer has ranges of the
/// calibration set; returns `None` for others.
///
/// # Errors
/// See [`QuantizerError`].
pub(super) fn quantize(
    data: &Calibration<'_>,
    settings: &Settings,
) -> Result<Option<Quantized>, QuantizerError> {
    let kept: Vec<LayerId> = match &settings.keep {
        KeepFloat::Named(names) => keep_float::named(&data.model, names)?,
        _ => Vec::new(),
    };
    if !data.alone || in_codes(&data.model, &kept, true).contains(&true) {
        return Ok(None);
    }
    let GraphVariant { model, factors, statistics, means } = data.variant(false, &mut ())?;
    let scheme = |kept: &[LayerId]| Scheme {
        in_codes: vec![false; model.layers.len()],
        quants: statistics.iter().map(|own| own.range.quant()).collect(),
        coded_means: means.clone(),
        means: means.clone(),
        rounded: Default::default(),
        taken: Default::default(),
        ordered: Some(Arc::from(kept)),
    };
    let chosen = scheme(&kept);
    let mut steps = Vec::from_iter(taken::report_none(&model, SCALED_IN_THE_RUN));
    steps.extend(step(&model, &chosen));
    let noise = data.judge_scheme(&model, &chosen)?;
    if !kept.is_empty() {
        let before = data.judge_scheme(&model, &scheme(&[]))?;
        let names = kept.iter().map(|&id| model.layers[id].name.clone()).collect();
        let gain_db = decibels(noise) - decibels(before);
        steps.push(StepReport::KeptOrdered { layers: names, gain_db });
    }
    let emitted = emit::int8(&model, &chosen)?;
    Ok(Some(Quantized {
        emitted,
        model,
        factors,
        observed: data.floats.observed.clone(),
        scheme: chosen,
        statistics,
        noise,
        alternatives: Vec::new(),
        steps,
    }))
}

/// Returns the layers that the engine can run as linear ones.
fn linear_layers(model: &Model) -> impl Iterator<Item = LayerId> + '_ {
    let is = |op: &LayerOp| matches!(op, LayerOp::Conv(conv) if is_linear(conv));
    model.layers.iter().enumerate().filter(move |(_, layer)| is(&layer.op)).map(|(id, _)| id)
}

/// Returns the step of the report on a scheme by which the engine runs a network alone.
pub(super) fn step(model: &Model, scheme: &Scheme) -> Option<StepReport> {
    let kept = scheme.ordered.as_ref()?;
    let is_dynamic = |id: &LayerId| !scheme.in_codes[*id] && !kept.contains(id);
    let convolutions = model.layers.iter().zip(&scheme.in_codes);
    Some(StepReport::Dynamic {
        layers: linear_layers(model).filter(is_dynamic).count(),
        coded: convolutions
            .filter(|(l, codes)| **codes && matches!(l.op, LayerOp::Conv(_)))
            .count(),
    })
}
