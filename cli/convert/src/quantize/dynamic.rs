//! Networks with attention: linear layers in int8 with scales computed in the run, the rest in floats
//! of a fixed order. Scales per pixel follow the few large values of a transformer's activations, which
//! no range of a calibration set covers without losing the rest.

use std::sync::Arc;

use super::noise::decibels;
use super::variant::{Calibration, GraphVariant};
use super::{KeepFloat, Quantized, QuantizerError, Settings, StepReport, keep_float};
use crate::emit::{self, is_linear};
use crate::ir::{LayerId, LayerOp, Model};
use crate::quantize::scheme::Scheme;

/// Share of the products that layers without int8 weights may have, of all products with weights.
const FLOAT_SHARE: f64 = 0.2;

/// Quantizes a network if it has attention, and nearly all its products with weights are those of linear
/// layers, some of which are to be in int8; returns `None` for others.
///
/// # Errors
/// See [`QuantizerError`].
pub(super) fn quantize(
    data: &Calibration<'_>,
    settings: &Settings,
) -> Result<Option<Quantized>, QuantizerError> {
    let kept: Vec<LayerId> = match &settings.keep {
        KeepFloat::Nothing => Vec::new(),
        KeepFloat::Named(names) => keep_float::named(&data.model, names)?,
        _ => return Ok(None),
    };
    let layers = linear_layers(&data.model).filter(|id| !kept.contains(id)).count();
    if layers == 0 || !suits(&data.model) {
        return Ok(None);
    }
    let GraphVariant { model, factors, statistics, means } = data.variant(false, &mut ())?;
    let scheme = |kept: &[LayerId]| Scheme {
        in_codes: vec![false; model.layers.len()],
        quants: statistics.iter().map(|own| own.range.quant()).collect(),
        coded_means: means.clone(),
        means: means.clone(),
        rounded: Default::default(),
        ordered: Some(Arc::from(kept)),
    };
    let mut steps = vec![StepReport::Dynamic { layers }];
    let chosen = scheme(&kept);
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

/// True if the network has attention, and nearly all its products with weights are linear layers.
fn suits(model: &Model) -> bool {
    let attends = model.layers.iter().any(|layer| matches!(layer.op, LayerOp::Softmax));
    let mut products = [0.0; 2];
    for layer in &model.layers {
        if let LayerOp::Conv(conv) = &layer.op {
            let pixels = layer.shape.elements() / conv.bias.len();
            products[usize::from(is_linear(conv))] += pixels as f64 * conv.weights.len() as f64;
        }
    }
    attends && products[0] <= FLOAT_SHARE * products[1]
}
