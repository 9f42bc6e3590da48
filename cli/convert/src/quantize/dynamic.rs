//! Networks with attention: linear layers in int8 with scales computed in the run, the rest in floats
//! of a fixed order. Scales per pixel follow the few large values of a transformer's activations, which
//! no range of a calibration set covers without losing the rest.

use std::sync::Arc;

use super::variant::{Calibration, GraphVariant};
use super::{KeepFloat, Quantized, QuantizerError, Settings, StepReport, keep_float};
use crate::emit::{self, is_linear};
use crate::ir::{Conv, LayerId, LayerOp, Model};
use crate::quantize::scheme::Scheme;

/// Share of the products that layers without int8 weights may have, of all products with weights.
const FLOAT_SHARE: f64 = 0.2;

/// True if the network has attention, and nearly all its products with weights are linear layers.
pub(super) fn suits(model: &Model, settings: &Settings) -> bool {
    let attends = model.layers.iter().any(|layer| matches!(layer.op, LayerOp::Softmax));
    let keeps = matches!(settings.keep, KeepFloat::Nothing | KeepFloat::Named(_));
    let products = |linear: bool| -> f64 {
        let layers = model.layers.iter().filter_map(|layer| match &layer.op {
            LayerOp::Conv(conv) if is_linear(conv) == linear => Some((layer, conv)),
            _ => None,
        });
        let pixels = |conv: &Conv, values: usize| values / conv.bias.len() * conv.weights.len();
        layers.map(|(layer, conv)| pixels(conv, layer.shape.elements()) as f64).sum()
    };
    attends && keeps && products(false) <= FLOAT_SHARE * products(true)
}

/// Quantizes such a network.
///
/// # Errors
/// See [`QuantizerError`].
pub(super) fn quantize(
    data: &Calibration<'_>,
    settings: &Settings,
) -> Result<Quantized, QuantizerError> {
    let GraphVariant { model, factors, statistics, means } = data.variant(false, &mut ())?;
    let kept: Vec<LayerId> = match &settings.keep {
        KeepFloat::Named(names) => keep_float::named(&model, names)?,
        _ => Vec::new(),
    };
    let is_coded = |(id, conv): (LayerId, &Conv)| is_linear(conv) && !kept.contains(&id);
    let convs = model.layers.iter().enumerate().filter_map(|(id, layer)| match &layer.op {
        LayerOp::Conv(conv) => Some((id, conv)),
        _ => None,
    });
    let layers = convs.map(is_coded).filter(|&coded| coded).count();
    let scheme = Scheme {
        in_codes: vec![false; model.layers.len()],
        quants: statistics.iter().map(|own| own.range.quant()).collect(),
        coded_means: means.clone(),
        means,
        rounded: Default::default(),
        ordered: Some(Arc::from(kept)),
    };
    let emitted = emit::int8(&model, &scheme)?;
    let noise = data.judge_scheme(&model, &scheme)?;
    Ok(Quantized {
        emitted,
        model,
        factors,
        observed: data.floats.observed.clone(),
        scheme,
        statistics,
        noise,
        alternatives: Vec::new(),
        steps: vec![StepReport::Dynamic { layers }],
    })
}
