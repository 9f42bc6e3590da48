//! Quantizer: from a float network and a calibration set to an int8 graph, evaluated by the
//! distance of its embeddings from those in float.

use std::time::Duration;

use crate::calibrate::extents::Extents;
use equalize::Factors;
use evaluate::Evaluator;
use noise::{Noise, Subject, decibels};
use offshoot_core::graph::Graph;
use offshoot_core::preprocess::Preprocess;
use scheme::Scheme;
use thiserror::Error;

use crate::calibrate::input::Input;
use crate::calibrate::ranges::{Method, Range, Statistics};
use crate::calibrate::{CalibrateError, Floats, ObservedNetwork, observer};
use crate::emit::{self, EmitError, Emitted};
use crate::ir::{Expr, LayerId, Model};
use crate::parallel;
use crate::parallel::SHARDS;
use crate::progress::{Observer, Stage};

pub mod adaptive_rounding;
mod alternatives;
mod bias_correction;
pub mod channel_split;
pub mod equalize;
pub mod evaluate;
pub mod interval;
mod keep_float;
pub mod noise;
pub mod scheme;
mod search;

use adaptive_rounding::select::Rounded;
pub use adaptive_rounding::select::Rounding;
pub use alternatives::Alternative;
use channel_split::place::Baseline;
pub use keep_float::KeepFloat;

use crate::calibrate::observer::{Observations, scale};

/// Settings of the quantizer.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Method to choose ranges.
    pub ranges: Method,
    /// Cross-layer equalization of channels.
    pub equalize: Switch,
    /// Bias correction by measured means of the inputs.
    pub correct: Switch,
    /// Rounding of weights.
    pub rounding: Rounding,
    /// Layers kept in float.
    pub keep: KeepFloat,
    /// Time to spend on a search for better settings; none without.
    pub search: Option<Duration>,
    /// Enables the measurement of alternatives for the report.
    pub alternatives: bool,
}

/// State of an optional step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Switch {
    /// Enabled if the embedding is better with it.
    #[default]
    Auto,
    /// Enabled.
    On,
    /// Disabled.
    Off,
}

/// Error of the quantizer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QuantizerError {
    /// A network does not run on the calibration set.
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    /// A network cannot be written as a graph.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// There is no layer of the name to keep in float.
    #[error("--keep-float {name}: no such layer{nearest}")]
    NoLayer {
        /// Name asked for.
        name: String,
        /// Most similar name, as the rest of the sentence.
        nearest: String,
    },
}

/// Quantized network, with everything it was derived from.
#[derive(Debug)]
pub struct Quantized {
    /// Graph.
    pub emitted: Emitted,
    /// Network as it was quantized, after equalization.
    pub model: Model,
    /// Factors of each layer's channels.
    pub factors: Factors,
    /// Float network before equalization.
    pub observed: ObservedNetwork,
    /// Scales, zero points and weights.
    pub scheme: Scheme,
    /// Statistics of each layer's values.
    pub statistics: Vec<Statistics>,
    /// Noise-to-signal ratio of the embedding, on samples outside the calibration subset if there
    /// are enough.
    pub noise: f64,
    /// Alternatives that were measured.
    pub alternatives: Vec<Alternative>,
    /// Steps that were done, one line each.
    pub done: Vec<String>,
}

/// Number of samples in the validation subset, on which candidates are evaluated.
const JUDGED: usize = 32;
/// Least gain by equalization in dB; less is within chance.
const WORTH: f64 = 0.2;

/// Inputs that all candidates share.
#[derive(Clone)]
struct Quantizer<'a> {
    floats: &'a Floats,
    /// Preprocessing of images; `None` for text.
    preprocess: Option<&'a Preprocess>,
    subset: Vec<Input<'a>>,
    judged: Vec<(Input<'a>, &'a [f32])>,
}

/// Network for which ranges can be chosen, equalized or not.
struct GraphVariant {
    model: Model,
    factors: Factors,
    statistics: Vec<Statistics>,
    means: Vec<Vec<f64>>,
}

/// Way to quantize a variant.
#[derive(Debug, Clone)]
struct QuantConfig {
    method: Method,
    ranges: Vec<Range>,
    /// Means of the quantized values, if biases are corrected by them.
    coded_means: Option<Vec<Vec<f64>>>,
    /// Weights not rounded to nearest.
    rounded: Option<Rounded>,
    /// Layers kept in float.
    floats: Vec<LayerId>,
    /// Noise-to-signal ratio of the embedding on the validation subset.
    noise: f64,
}

/// Quantizes a network.
///
/// # Errors
/// See [`QuantizerError`].
pub fn quantize(
    model: &Model,
    floats: &Floats,
    settings: &Settings,
    inputs: &[Input<'_>],
    observer: &mut dyn Observer,
) -> Result<Quantized, QuantizerError> {
    observer.progress(Stage::Quantize, 0.0);
    let (split_channels, start) =
        Quantizer::new(floats, inputs).split_channels(model, settings.ranges)?;
    let (model, floats) =
        split_channels.as_ref().map_or((model, floats), |own| (&own.model, &own.floats));
    let quantizer = Quantizer::new(floats, inputs);
    let (mut variant, mut best) = quantizer.first(model, settings, start, observer)?;
    let searched = match settings.search {
        Some(time) => {
            Some(quantizer.search(model, settings, &mut variant, &mut best, time, observer)?)
        }
        None => None,
    };
    let kept = quantizer.keep(&settings.keep, &variant, &mut best, observer)?;
    let rounded = match settings.rounding {
        Rounding::Nearest => None,
        Rounding::Adaptive => Some(quantizer.rounded(&variant, &mut best, observer)?),
    };
    let alternatives = match settings.alternatives {
        true => quantizer.alternatives(model, settings, &variant, &best)?,
        false => Vec::new(),
    };
    let copied = split_channels.as_ref().map(|own| own.told.clone());
    let done = [copied, variant.told(), best.told()]
        .into_iter()
        .chain([searched, kept, rounded])
        .flatten()
        .collect();
    let scheme = quantizer.scheme(&variant, &best);
    let emitted = emit::int8(&variant.model, &scheme)?;
    let GraphVariant { model, factors, statistics, .. } = variant;
    let observed = floats.observed.clone();
    let noise = best.noise;
    Ok(Quantized {
        emitted,
        model,
        factors,
        observed,
        scheme,
        statistics,
        noise,
        alternatives,
        done,
    })
}

impl<'a> Quantizer<'a> {
    fn new(floats: &'a Floats, inputs: &'a [Input<'a>]) -> Self {
        let subset = observer::subset(inputs.len()).map(|i| inputs[i]).collect();
        // If there are enough samples, the validation subset and the calibration subset are
        // disjoint.
        let step = (inputs.len() / JUDGED).max(1);
        let judged = (step.saturating_sub(1).min(1)..inputs.len()).step_by(step).take(JUDGED);
        let judged = judged.map(|i| (inputs[i], &*floats.embeddings[i])).collect();
        let preprocess = inputs.first().and_then(Input::preprocess);
        Self { floats, preprocess, subset, judged }
    }

    /// Returns the network, equalized or not, as the settings state or as the embedding is better;
    /// `start` is the evaluation of the network without equalization.
    fn first(
        &self,
        model: &Model,
        settings: &Settings,
        start: Option<Baseline>,
        observer: &mut dyn Observer,
    ) -> Result<(GraphVariant, QuantConfig), QuantizerError> {
        let plain = match start {
            Some((variant, mut candidate)) => {
                self.correct(&variant, settings.correct, &mut candidate)?;
                (candidate, variant)
            }
            None => {
                let variant = self.variant(model, false, &mut ())?;
                (self.corrected(&variant, settings, settings.ranges)?, variant)
            }
        };
        let (candidate, variant) = match settings.equalize {
            Switch::Off => plain,
            // Equalization moves weights and activations off the grids that they were trained on.
            Switch::Auto if scheme::trained_for_codes(model) => plain,
            wanted => match self.other(model, &plain.1, observer)? {
                Some(equal) => {
                    let candidate = self.corrected(&equal, settings, settings.ranges)?;
                    let gain = decibels(candidate.noise) - decibels(plain.0.noise);
                    if wanted == Switch::On || gain >= WORTH { (candidate, equal) } else { plain }
                }
                None => plain,
            },
        };
        Ok((variant, candidate))
    }

    /// Returns the network, equalized or not, with the statistics of its values.
    fn variant(
        &self,
        model: &Model,
        equalized: bool,
        observer: &mut dyn Observer,
    ) -> Result<GraphVariant, CalibrateError> {
        let mut model = model.clone();
        let floats = self.floats;
        let none = vec![None; model.layers.len()];
        let factors =
            if equalized { equalize::equalize(&mut model, &floats.extents) } else { none };
        let mut means = floats.observations.means();
        let mut statistics = floats.observations.statistics.clone();
        if factors.iter().any(Option::is_some) {
            let scaled = self.observations(&model, &factors, observer)?;
            let found = scaled.means().into_iter().zip(scaled.statistics);
            for (id, (own_means, own)) in found.enumerate().filter(|(id, _)| factors[*id].is_some())
            {
                (means[id], statistics[id]) = (own_means, own);
            }
        }
        for (id, own) in statistics.iter_mut().enumerate() {
            own.range = whole_range(&floats.extents[id], factors[id].as_deref());
            if let Some((lo, hi)) = model.layers[id].clamp {
                own.range = Range { min: own.range.min.max(lo), max: own.range.max.min(hi) };
            }
        }
        Ok(GraphVariant { model, factors, statistics, means })
    }

    /// Returns the variant with equalization switched the other way; `None` if there is nothing to
    /// equalize.
    fn other(
        &self,
        model: &Model,
        variant: &GraphVariant,
        observer: &mut dyn Observer,
    ) -> Result<Option<GraphVariant>, CalibrateError> {
        let other = self.variant(model, !variant.is_equalized(), observer)?;
        Ok((other.is_equalized() != variant.is_equalized()).then_some(other))
    }

    /// Observes the values of the layers that have factors.
    fn observations(
        &self,
        model: &Model,
        factors: &Factors,
        observer: &mut dyn Observer,
    ) -> Result<Observations, CalibrateError> {
        let mut whole = Observations::new(model);
        let subset = &self.subset;
        let state = || (self.floats.observed.clone(), whole.clone(), Vec::new());
        let states = (0..SHARDS.min(subset.len())).map(|_| state()).collect();
        let work =
            |(observed, observations, scaled): &mut (ObservedNetwork, Observations, Vec<f32>),
             i: usize| {
                observed.run(&subset[i], &mut |id, values| {
                    if let Some(own) = &factors[id] {
                        scale(values, own, model.layers[id].clamp, scaled);
                        observations.see(id, i, scaled);
                    }
                })
            };
        parallel::over_observed(states, subset.len(), work, Stage::Equalize, observer)?
            .iter()
            .for_each(|(_, lane, _)| whole.merge(lane));
        Ok(whole)
    }

    /// Evaluates ranges chosen by one method for all layers.
    fn candidate(
        &self,
        variant: &GraphVariant,
        method: Method,
    ) -> Result<QuantConfig, QuantizerError> {
        let read = scheme::only_function_read(&variant.model);
        let choose =
            |id: LayerId| variant.statistics[id].chosen(method, read[id].unwrap_or(&Expr::Input));
        let mut ranges: Vec<Range> = parallel::each(read.len(), choose);
        // The largest values of the embedding distinguish images most; layers that only move them
        // share their quantization.
        let mut last = variant.model.output;
        while variant.model.layers[last].op.keeps_values() {
            last = variant.model.layers[last].inputs[0];
        }
        ranges[last] = variant.statistics[last].range;
        let mut candidate = QuantConfig {
            method,
            ranges,
            coded_means: None,
            rounded: None,
            floats: Vec::new(),
            noise: f64::INFINITY,
        };
        candidate.noise = self.judge(variant, &candidate)?;
        Ok(candidate)
    }

    fn scheme(&self, variant: &GraphVariant, candidate: &QuantConfig) -> Scheme {
        let means = variant.means.clone();
        let mut read = means.clone();
        if let Some(preprocess) = self.preprocess {
            read[0] = scheme::coded_input_means(preprocess, &means[0]);
        }
        let in_codes = scheme::in_codes(&variant.model, &candidate.floats);
        let quants = scheme::quants(&variant.model, &candidate.ranges, self.preprocess);
        for (id, layer) in variant.model.layers.iter().enumerate().filter(|(id, _)| in_codes[*id]) {
            let shifts = scheme::shifts(&layer.splits, layer.shape.c(), quants[id]);
            read[id].iter_mut().zip(shifts).for_each(|(mean, shift)| *mean += shift);
        }
        let coded_means = candidate.coded_means.clone().unwrap_or(read);
        let rounded = candidate.rounded.clone();
        Scheme { in_codes, quants, coded_means, means, rounded: rounded.unwrap_or_default() }
    }

    /// Returns the noise-to-signal ratio of the embedding on the validation subset.
    fn judge(
        &self,
        variant: &GraphVariant,
        candidate: &QuantConfig,
    ) -> Result<f64, QuantizerError> {
        let emitted = emit::int8(&variant.model, &self.scheme(variant, candidate))?;
        let graph = emitted.writer.graph(emitted.output).map_err(EmitError::from)?;
        let evaluator =
            Evaluator::new(graph, self.preprocess, &[]).map_err(CalibrateError::from)?;
        let states = (0..SHARDS.min(self.judged.len()))
            .map(|_| (evaluator.clone(), Noise::default()))
            .collect();
        let judged = &self.judged;
        let work = |(evaluator, noise): &mut (Evaluator<'_>, Noise),
                    i: usize|
         -> Result<(), CalibrateError> {
            let (input, wanted) = &judged[i];
            evaluator.run(input)?;
            noise.see(evaluator.embedding().into_iter(), wanted);
            Ok(())
        };
        let shards = parallel::over(states, self.judged.len(), work)?;
        let mut noise = Noise::default();
        shards.iter().for_each(|(_, lane)| noise.merge(lane));
        Ok(noise.ratio().unwrap_or_default())
    }

    /// Subtracts the mean quantization error of channels from the biases.
    fn correct(
        &self,
        variant: &GraphVariant,
        wanted: Switch,
        best: &mut QuantConfig,
    ) -> Result<(), QuantizerError> {
        if wanted == Switch::Off {
            return Ok(());
        }
        let Some(means) = self.coded_means(variant, best)? else { return Ok(()) };
        let mut corrected = QuantConfig { coded_means: Some(means), ..best.clone() };
        corrected.noise = self.judge(variant, &corrected)?;
        if wanted == Switch::On || corrected.noise < best.noise {
            *best = corrected;
        }
        Ok(())
    }
}

impl QuantConfig {
    fn told(&self) -> Option<String> {
        let corrected = if self.coded_means.is_some() {
            "biases corrected by measured means"
        } else {
            "biases corrected by the weights' rounding"
        };
        Some(format!("ranges by {}, {corrected}", self.method.name()))
    }
}

impl GraphVariant {
    fn is_equalized(&self) -> bool {
        self.factors.iter().any(Option::is_some)
    }

    fn told(&self) -> Option<String> {
        let layers = self.factors.iter().flatten().count();
        (layers > 0).then(|| format!("channels of {layers} feature maps equalized"))
    }

    fn subject<'s, 'g>(
        &'s self,
        emitted: &'s Emitted,
        graph: Graph<'g>,
        preprocess: Option<&'s Preprocess>,
    ) -> Subject<'s, 'g> {
        Subject {
            model: &self.model,
            factors: &self.factors,
            graph,
            tensors: &emitted.tensors,
            preprocess,
        }
    }
}

/// Returns the range from the minimum to the maximum of all values, with channels multiplied by
/// their factors.
fn whole_range(extents: &Extents, factors: Option<&[f32]>) -> Range {
    let mut range = Range::EMPTY;
    for (c, (&min, &max)) in extents.min.iter().zip(&extents.max).enumerate() {
        let factor = factors.map_or(1.0, |f| f[c]);
        range.see(&[min * factor, max * factor]);
    }
    range
}
