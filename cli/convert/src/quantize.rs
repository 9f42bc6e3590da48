//! Quantizer: from a float network and a calibration set to an int8 graph, evaluated by the
//! distance of its embeddings from those in float.

use std::time::Duration;

use crate::calibrate::input::Input;
use crate::calibrate::ranges::{Method, Statistics};
use crate::calibrate::{CalibrateError, Floats, ObservedNetwork};
use crate::emit::{self, EmitError, Emitted};
use crate::ir::Model;
use crate::progress::{Observer, Stage};
use equalize::Factors;
use noise::decibels;
use scheme::Scheme;
use thiserror::Error;

pub mod adaptive_rounding;
mod alternatives;
mod bias_correction;
pub mod channel_split;
mod dynamic;
pub mod equalize;
pub mod evaluate;
pub mod interval;
mod keep_float;
pub mod noise;
pub mod partition;
pub mod scheme;
mod search;
mod step_report;
pub mod taken;
mod variant;

pub use adaptive_rounding::select::Rounding;
pub use keep_float::KeepFloat;
pub use step_report::{Alternative, Anew, Change, StepReport};
use variant::{Calibration, GraphVariant, Judged, QuantConfig, Rounded};

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
    /// Steps that were done, in order.
    pub steps: Vec<StepReport>,
}

/// Least gain by equalization in dB; less is within chance.
const WORTH: f64 = 0.2;

/// Least gain in dB by linear layers with scales per pixel in place of ranges, for which a network
/// may take longer.
const WORTH_FLOATS: f64 = 2.0;

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
    let data = Calibration::new(model, floats, inputs, &settings.keep);
    if let Some(quantized) = dynamic::quantize(&data, settings)? {
        return Ok(quantized);
    }
    let mut quantizer = Quantizer::new(data, settings)?;
    quantizer.split_channels()?;
    quantizer.correct_bias()?;
    quantizer.equalize(observer)?;
    quantizer.search(observer)?;
    quantizer.keep_float(observer)?;
    quantizer.round(observer)?;
    quantizer.finish()
}

/// Network being quantized, with the best configuration so far.
struct Quantizer<'a> {
    data: Calibration<'a>,
    settings: &'a Settings,
    variant: GraphVariant,
    best: QuantConfig,
    /// Duplication of channels, if it was done.
    split: Option<StepReport>,
    /// Steps after the choice of ranges.
    refinements: Vec<StepReport>,
}

impl<'a> Quantizer<'a> {
    /// Starts from the network without equalization, with ranges by the method of the settings. If
    /// the engine runs it alone, fewer layers are in int8 if the embedding is much better by that.
    fn new(mut data: Calibration<'a>, settings: &'a Settings) -> Result<Self, QuantizerError> {
        let variant = data.variant(false, &mut ())?;
        let mut best = data.ranged(&variant, settings.ranges)?;
        if data.alone {
            let other = Calibration { all_follow: false, ..data.clone() };
            let config = other.ranged(&variant, settings.ranges)?;
            if decibels(config.noise) >= decibels(best.noise) + WORTH_FLOATS {
                (data, best) = (other, config);
            }
        }
        Ok(Self { data, settings, variant, best, split: None, refinements: Vec::new() })
    }

    /// Subtracts the mean quantization error of channels from the biases, if that is better or
    /// requested.
    fn correct_bias(&mut self) -> Result<(), QuantizerError> {
        let best = self.best.clone();
        self.best = self.data.correct(&self.variant, self.settings.correct, best)?;
        Ok(())
    }

    /// Equalizes channels, if that is better or requested.
    fn equalize(&mut self, observer: &mut dyn Observer) -> Result<(), QuantizerError> {
        let wanted = self.settings.equalize;
        // Equalization moves weights and activations off the grids that they were trained on.
        let fixed = wanted == Switch::Auto && scheme::trained_for_codes(&self.data.model);
        if wanted == Switch::Off || fixed {
            return Ok(());
        }
        let Some(equal) = self.data.other(&self.variant, observer)? else { return Ok(()) };
        let config = self.data.corrected(&equal, self.settings.correct, self.settings.ranges)?;
        let gain = decibels(config.noise) - decibels(self.best.noise);
        if wanted == Switch::On || gain >= WORTH {
            self.variant = equal;
            self.best = config;
        }
        Ok(())
    }

    /// Writes the graph, and measures alternatives if the settings state so.
    fn finish(self) -> Result<Quantized, QuantizerError> {
        let alternatives = match self.settings.alternatives {
            true => self.alternatives()?,
            false => Vec::new(),
        };
        let scheme = self.data.scheme(&self.variant, &self.best);
        let emitted = emit::int8(&self.variant.model, &scheme)?;
        let maps = self.variant.factors.iter().flatten().count();
        let ranges = StepReport::Ranges {
            method: self.best.method,
            measured_means: self.best.coded_means.is_some(),
        };
        let taken = taken::report(&self.variant.model, &scheme.in_codes, &scheme.taken);
        let mut steps: Vec<StepReport> = taken.into_iter().chain(self.split).collect();
        steps.extend(dynamic::step(&self.variant.model, &scheme));
        steps.extend((maps > 0).then_some(StepReport::Equalization { maps }));
        steps.push(ranges);
        steps.extend(self.refinements);
        let GraphVariant { model, factors, statistics, .. } = self.variant;
        Ok(Quantized {
            emitted,
            model,
            factors,
            observed: self.data.floats.observed.clone(),
            scheme,
            statistics,
            noise: self.best.noise,
            alternatives,
            steps,
        })
    }
}
