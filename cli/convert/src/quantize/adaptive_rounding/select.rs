//! Rounding of weights for the inputs of their layer, where that is better.

use super::Moments;
use crate::calibrate::input::Input;
use crate::calibrate::{CalibrateError, ObservedNetwork};
use crate::ir::{Conv, LayerId, LayerOp};
use crate::parallel;
use crate::progress::{Observer, Stage};
use crate::quantize::noise::decibels;
use crate::quantize::scheme::Scheme;
use crate::quantize::{
    Calibration, GraphVariant, QuantConfig, Quantizer, QuantizerError, Rounded, StepReport, scheme,
};

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

/// Number of shards; the number of moments is the square of a layer's inputs.
const ABREAST: usize = 2;
/// Largest total number of moments per shard; the layers with most moments are left out.
const KEPT: usize = 32 << 20;

impl Quantizer<'_> {
    /// Rounds the weights of int8 layers for their inputs, if the settings state so and that is
    /// better.
    pub(crate) fn round(&mut self, observer: &mut dyn Observer) -> Result<(), QuantizerError> {
        if self.settings.rounding == Rounding::Nearest {
            return Ok(());
        }
        if self.data.takes() || scheme::trained_for_codes(&self.variant.model) {
            self.refinements.push(StepReport::OnGrid);
            return Ok(());
        }
        let adapted = self.data.adapted(&self.variant, &self.best, observer)?;
        let gain_db = decibels(adapted.noise) - decibels(self.best.noise);
        let kept = gain_db > 0.0;
        if kept {
            self.best = adapted;
        }
        self.refinements.push(StepReport::AdaptiveRounding { kept, gain_db });
        Ok(())
    }
}

impl Calibration<'_> {
    /// Evaluates a configuration with adaptive rounding.
    pub(crate) fn adapted(
        &self,
        variant: &GraphVariant,
        config: &QuantConfig,
        observer: &mut dyn Observer,
    ) -> Result<QuantConfig, QuantizerError> {
        let scheme = self.scheme(variant, config);
        let moments = self.moments(variant, &scheme.in_codes, observer)?;
        let rounded: Rounded = moments
            .iter()
            .enumerate()
            .map(|(id, moments)| round_layer(variant, &scheme, id, moments.as_ref()?))
            .collect();
        let mut adapted = QuantConfig { rounded: Some(rounded), ..config.clone() };
        if config.coded_means.is_some() {
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
        let shard = MomentShard {
            observed: self.floats.observed.clone(),
            moments: no_moments(variant, in_codes),
        };
        let mut whole = shard.moments.clone();
        let subset = &self.subset;
        let shards = parallel::over_observed(
            vec![shard; ABREAST.min(subset.len())],
            subset.len(),
            |shard, i| shard.run(variant, &subset[i], i),
            Stage::Round,
            observer,
        )?;
        for shard in &shards {
            let more = shard.moments.iter().flatten();
            whole.iter_mut().flatten().zip(more).for_each(|(own, more)| own.merge(more));
        }
        Ok(whole)
    }
}

/// State of one shard that adds up moments.
#[derive(Clone)]
struct MomentShard {
    observed: ObservedNetwork,
    moments: Vec<Option<Moments>>,
}

impl MomentShard {
    /// Runs sample number `place` of the calibration subset.
    fn run(
        &mut self,
        variant: &GraphVariant,
        input: &Input<'_>,
        place: usize,
    ) -> Result<(), CalibrateError> {
        let Self { observed, moments } = self;
        let layers = &variant.model.layers;
        observed.run(input, &mut |source, values| {
            for (id, own) in moments.iter_mut().enumerate() {
                let Some(own) = own else { continue };
                let Some((conv, from)) = conv(variant, id) else { continue };
                if from == source {
                    own.see(conv, layers[source].shape, layers[id].shape, place, values);
                }
            }
        })
    }
}

/// Returns empty moments for int8 convolutions, but for those that would need most memory.
fn no_moments(variant: &GraphVariant, in_codes: &[bool]) -> Vec<Option<Moments>> {
    let sizes: Vec<Option<usize>> =
        (0..in_codes.len()).map(|id| moment_count(variant, in_codes, id)).collect();
    let mut sorted: Vec<usize> = sizes.iter().copied().flatten().collect();
    sorted.sort_unstable();
    let mut all = 0;
    let mut largest = None;
    for size in sorted {
        all += size;
        if all > KEPT {
            break;
        }
        largest = Some(size);
    }
    let none = sizes.iter().enumerate().map(|(id, size)| {
        let (conv, _) = conv(variant, id)?;
        (size.is_some() && *size <= largest).then(|| Moments::new(conv))
    });
    none.collect()
}

/// Returns the number of moments of a layer; `None` for layers without.
fn moment_count(variant: &GraphVariant, in_codes: &[bool], id: LayerId) -> Option<usize> {
    let (conv, _) = conv(variant, id)?;
    if in_codes[id] { Moments::size(conv) } else { None }
}

/// Returns the int8 weights of a convolution, rounded for its inputs.
fn round_layer(
    variant: &GraphVariant,
    scheme: &Scheme,
    id: LayerId,
    moments: &Moments,
) -> Option<Vec<i8>> {
    let (conv, source) = conv(variant, id)?;
    let per_group = conv.bias.len() / conv.groups;
    let steps = scheme::steps(conv, scheme.quants[source]);
    let factors = variant.factors[source].as_deref();
    let width = conv.weights.len() / conv.bias.len();
    let covariances = parallel::each(conv.groups, |group| moments.covariance(group, factors));
    let channels = parallel::each(conv.bias.len(), |o| {
        let weights = &conv.weights[o * width..][..width];
        let wanted: Vec<f64> = weights.iter().map(|&w| f64::from(w) / steps[o]).collect();
        covariances[o / per_group].round(&wanted)
    });
    Some(channels.concat())
}

/// Returns a layer's convolution and the layer that it reads.
fn conv(variant: &GraphVariant, id: LayerId) -> Option<(&Conv, LayerId)> {
    match (&variant.model.layers[id].op, &variant.model.layers[id].inputs[..]) {
        (LayerOp::Conv(conv), &[source]) => Some((conv, source)),
        _ => None,
    }
}
