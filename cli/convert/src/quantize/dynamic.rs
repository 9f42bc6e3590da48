//! Networks that the engine runs alone though not all their layers are in int8 with ranges of the
//! calibration set: those with layer norms, attention, differences. Linear layers get a scale for
//! each pixel, computed in the run, convolutions ranges, and the rest is floats of a fixed order.
//! Scales per pixel follow the few large values of a transformer's activations, which no range of a
//! calibration set covers without losing the rest.

use std::sync::Arc;

use super::noise::decibels;
use super::variant::{Calibration, GraphVariant};
use super::{
    KeepFloat, Quantized, QuantizerError, Settings, StepReport, keep_float, partition, taken,
};
use crate::emit;
use crate::ir::{LayerId, LayerOp, Model};
use crate::quantize::scheme::Scheme;

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
    if !data.alone || partition::alone(&data.model, &kept, true).contains(&true) {
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

/// Returns the step of the report on a scheme by which the engine runs a network alone.
pub(super) fn step(model: &Model, scheme: &Scheme) -> Option<StepReport> {
    let kept = scheme.ordered.as_ref()?;
    let is_dynamic = |id: &LayerId| !scheme.in_codes[*id] && !kept.contains(id);
    let convolutions = model.layers.iter().zip(&scheme.in_codes);
    Some(StepReport::Dynamic {
        layers: partition::linear_layers(model).filter(is_dynamic).count(),
        coded: convolutions
            .filter(|(l, codes)| **codes && matches!(l.op, LayerOp::Conv(_)))
            .count(),
    })
}
