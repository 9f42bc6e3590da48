//! Rounding of weights for the inputs of their layer, where that is better.

use std::sync::Arc;

use super::Moments;
use crate::calibrate::{CalibrateError, ObservedNetwork};
use crate::ir::{Conv, LayerId, LayerOp};
use crate::parallel;
use crate::progress::{Observer, Stage};
use crate::quantize::noise::decibels;
use crate::quantize::{GraphVariant, QuantConfig, Quantizer, QuantizerError, scheme};

/// Rounding of weights to whole numbers of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rounding {
    /// Each weight to nearest.
    #[default]
    Nearest,
    /// Each weight up or down, so that the layer's output changes least; better for weights that
    /// were not trained for 8 bits.
    Adaptive,
}

/// Int8 weights of layers that are not rounded to nearest.
pub(crate) type Rounded = Arc<[Option<Vec<i8>>]>;

/// Number of shards; the number of moments is the square of a layer's inputs.
const ABREAST: usize = 2;
/// Largest total number of moments per shard; the layers with most moments are left out.
const KEPT: usize = 32 << 20;

impl Quantizer<'_> {
    /// Rounds the weights of int8 layers for their inputs, if that is better, and returns a line
    /// for the report.
    pub(crate) fn rounded(
        &self,
        variant: &GraphVariant,
        best: &mut QuantConfig,
        observer: &mut dyn Observer,
    ) -> Result<String, QuantizerError> {
        let before = best.noise;
        if scheme::trained_for_codes(&variant.model) {
            return Ok("weights lie on their grid: nothing to round".to_string());
        }
        let adapted = self.adapted(variant, best, observer)?;
        let gain = decibels(adapted.noise) - decibels(before);
        if gain <= 0.0 {
            return Ok(format!(
                "weights rounded to nearest: rounding for their inputs gains {gain:.2} dB"
            ));
        }
        *best = adapted;
        Ok(format!("weights rounded for their inputs ({gain:+.2} dB)"))
    }

    pub(crate) fn adapted(
        &self,
        variant: &GraphVariant,
        best: &QuantConfig,
        observer: &mut dyn Observer,
    ) -> Result<QuantConfig, QuantizerError> {
        let scheme = self.scheme(variant, best);
        let moments = self.moments(variant, &scheme.in_codes, observer)?;
        let codes = |(id, moments): (LayerId, &Option<Moments>)| {
            let moments = moments.as_ref()?;
            let (conv, source) = conv(variant, id)?;
            let per_group = conv.bias.len() / conv.groups;
            let steps = scheme::steps(conv, scheme.quants[source]);
            let factors = variant.factors[source].as_deref();
            let width = conv.weights.len() / conv.bias.len();
            let covariances =
                parallel::each(conv.groups, |group| moments.covariance(group, factors));
            let channel = |o: usize| {
                let weights = &conv.weights[o * width..][..width];
                let wanted: Vec<f64> = weights.iter().map(|&w| f64::from(w) / steps[o]).collect();
                covariances[o / per_group].round(&wanted)
            };
            Some(parallel::each(conv.bias.len(), channel).concat())
        };
        let rounded: Rounded = moments.iter().enumerate().map(codes).collect();
        let mut adapted = QuantConfig { rounded: Some(rounded), ..best.clone() };
        if best.coded_means.is_some() {
            adapted.coded_means = self.coded_means(variant, &adapted)?;
        }
        adapted.noise = self.judge(variant, &adapted)?;
        Ok(adapted)
    }

    /// Returns the moments of the inputs of int8 layers in the float network.
    fn moments(
        &self,
        variant: &GraphVariant,
        in_codes: &[bool],
        observer: &mut dyn Observer,
    ) -> Result<Vec<Option<Moments>>, CalibrateError> {
        let layers = &variant.model.layers;
        let size = |id: LayerId| {
            conv(variant, id).filter(|_| in_codes[id]).and_then(|(c, _)| Moments::size(c))
        };
        let mut sizes: Vec<usize> = (0..layers.len()).filter_map(size).collect();
        sizes.sort_unstable();
        let mut all = 0;
        let fits = |size: &usize| {
            all += size;
            all <= KEPT
        };
        let largest = sizes.into_iter().take_while(fits).last();
        let new = |id: LayerId| {
            let fits = size(id).is_some_and(|size| Some(size) <= largest);
            conv(variant, id).filter(|_| fits).map(|(conv, _)| Moments::new(conv))
        };
        let none: Vec<Option<Moments>> = (0..layers.len()).map(new).collect();
        let mut whole = none.clone();
        let subset = &self.subset;
        let states = vec![(self.floats.observed.clone(), none); ABREAST.min(subset.len())];
        let work = |(observed, moments): &mut (ObservedNetwork, Vec<Option<Moments>>), i: usize| {
            observed.run(&subset[i], &mut |source, values| {
                for (id, own) in moments.iter_mut().enumerate() {
                    let (Some(own), Some((conv, from))) = (own, conv(variant, id)) else {
                        continue;
                    };
                    if from == source {
                        own.see(conv, layers[source].shape, layers[id].shape, i, values);
                    }
                }
            })
        };
        let shards = parallel::over_observed(states, subset.len(), work, Stage::Round, observer)?;
        for (_, lane) in &shards {
            whole
                .iter_mut()
                .flatten()
                .zip(lane.iter().flatten())
                .for_each(|(own, more)| own.merge(more));
        }
        Ok(whole)
    }
}

/// Returns a layer's convolution and the layer that it reads.
fn conv(variant: &GraphVariant, id: LayerId) -> Option<(&Conv, LayerId)> {
    match (&variant.model.layers[id].op, &variant.model.layers[id].inputs[..]) {
        (LayerOp::Conv(conv), &[source]) => Some((conv, source)),
        _ => None,
    }
}
