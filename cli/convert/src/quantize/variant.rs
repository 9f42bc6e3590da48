//! Variants of the network, ways to quantize them, and their evaluation.

use std::borrow::Cow;
use std::sync::Arc;

use offshoot_core::graph::Graph;
use offshoot_core::preprocess::Preprocess;

use super::equalize::Factors;
use super::evaluate::Evaluator;
use super::noise::{Noise, Subject};
use super::scheme::Scheme;
use super::taken::{self, Taken};
use super::{KeepFloat, QuantizerError, Switch, equalize, partition, scheme};
use crate::calibrate::extents::Extents;
use crate::calibrate::input::Input;
use crate::calibrate::observer::{Observations, scale, subset};
use crate::calibrate::ranges::{Method, Range, Statistics};
use crate::calibrate::{CalibrateError, Floats, ObservedNetwork};
use crate::emit::{self, EmitError, Emitted};
use crate::ir::{Expr, LayerId, Model};
use crate::parallel;
use crate::parallel::SHARDS;
use crate::progress::{Observer, Stage};

/// Number of samples in the validation subset, on which configurations are evaluated.
const JUDGED: usize = 32;

/// Network and calibration set: everything that evaluations share.
#[derive(Clone)]
pub(crate) struct Calibration<'a> {
    pub(crate) model: Cow<'a, Model>,
    pub(crate) floats: Cow<'a, Floats>,
    /// Preprocessing of images; `None` for text.
    pub(crate) preprocess: Option<&'a Preprocess>,
    /// Calibration subset.
    pub(crate) subset: Vec<Input<'a>>,
    /// Validation subset.
    pub(crate) judged: Vec<Judged<'a>>,
    /// True if the engine runs the network alone, with floats of a fixed order.
    pub(crate) alone: bool,
    /// True if there all layers that read int8 values follow them.
    pub(crate) all_follow: bool,
    /// Steps of weights that are taken as they are.
    pub(crate) taken: Taken,
}

/// Sample of the validation subset.
#[derive(Clone, Copy)]
pub(crate) struct Judged<'a> {
    pub(crate) input: Input<'a>,
    /// Embedding by the float network.
    pub(crate) wanted: &'a [f32],
}

/// Network for which ranges can be chosen, equalized or not.
pub(crate) struct GraphVariant {
    pub(crate) model: Model,
    pub(crate) factors: Factors,
    pub(crate) statistics: Vec<Statistics>,
    pub(crate) means: Vec<Vec<f64>>,
}

/// Int8 weights of layers that are not rounded to nearest.
pub(crate) type Rounded = Arc<[Option<Vec<i8>>]>;

/// Way to quantize a variant.
#[derive(Debug, Clone)]
pub(crate) struct QuantConfig {
    pub(crate) method: Method,
    pub(crate) ranges: Vec<Range>,
    /// Means of the quantized values, if biases are corrected by them.
    pub(crate) coded_means: Option<Vec<Vec<f64>>>,
    /// Weights not rounded to nearest.
    pub(crate) rounded: Option<Rounded>,
    /// Layers kept in float.
    pub(crate) floats: Vec<LayerId>,
    /// Noise-to-signal ratio of the embedding on the validation subset.
    pub(crate) noise: f64,
}

impl<'a> Calibration<'a> {
    pub(super) fn new(
        model: &'a Model,
        floats: &'a Floats,
        inputs: &'a [Input<'a>],
        keep: &KeepFloat,
    ) -> Self {
        // If there are enough samples, the validation subset and the calibration subset are
        // disjoint.
        let model = taken::in_range(model);
        let alone = partition::suits(&model, keep);
        let step = (inputs.len() / JUDGED).max(1);
        let judged = (step.saturating_sub(1).min(1)..inputs.len()).step_by(step).take(JUDGED);
        Self {
            taken: taken::steps(&model),
            model,
            floats: Cow::Borrowed(floats),
            preprocess: inputs.first().and_then(Input::preprocess),
            subset: subset(inputs.len()).map(|i| inputs[i]).collect(),
            judged: judged
                .map(|i| Judged { input: inputs[i], wanted: &floats.embeddings[i] })
                .collect(),
            alone,
            all_follow: true,
        }
    }

    /// True if integers of the file are taken as they are.
    pub(crate) fn takes(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Returns the network, equalized or not, with the statistics of its values.
    pub(crate) fn variant(
        &self,
        equalized: bool,
        observer: &mut dyn Observer,
    ) -> Result<GraphVariant, CalibrateError> {
        let mut model = self.model.clone().into_owned();
        let floats = &self.floats;
        let factors = match equalized && !self.takes() {
            true => equalize::equalize(&mut model, &floats.extents),
            false => vec![None; model.layers.len()],
        };
        let mut means = floats.observations.means();
        let mut statistics = floats.observations.statistics.clone();
        if factors.iter().any(Option::is_some) {
            let scaled = self.observations(&model, &factors, observer)?;
            let found = scaled.means().into_iter().zip(scaled.statistics);
            for (id, (own_means, own)) in found.enumerate().filter(|(id, _)| factors[*id].is_some())
            {
                means[id] = own_means;
                statistics[id] = own;
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
    pub(super) fn other(
        &self,
        variant: &GraphVariant,
        observer: &mut dyn Observer,
    ) -> Result<Option<GraphVariant>, CalibrateError> {
        let other = self.variant(!variant.is_equalized(), observer)?;
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
        let shard = ScaledShard {
            observed: self.floats.observed.clone(),
            observations: whole.clone(),
            scaled: Vec::new(),
        };
        let subset = &self.subset;
        let shards = parallel::over_observed(
            vec![shard; SHARDS.min(subset.len())],
            subset.len(),
            |shard, i| shard.run(model, factors, &subset[i], i),
            Stage::Equalize,
            observer,
        )?;
        shards.iter().for_each(|shard| whole.merge(&shard.observations));
        Ok(whole)
    }

    /// Evaluates ranges chosen by one method for all layers.
    pub(crate) fn ranged(
        &self,
        variant: &GraphVariant,
        method: Method,
    ) -> Result<QuantConfig, QuantizerError> {
        let read = scheme::only_function_read(&variant.model);
        let mut ranges: Vec<Range> = parallel::each(read.len(), |id| {
            variant.statistics[id].chosen(method, read[id].unwrap_or(&Expr::Input))
        });
        // The largest values of the embedding distinguish images most; layers that only move them
        // share their quantization.
        let mut last = variant.model.output;
        while variant.model.layers[last].op.keeps_values() {
            last = variant.model.layers[last].inputs[0];
        }
        ranges[last] = variant.statistics[last].range;
        let mut config = QuantConfig {
            method,
            ranges,
            coded_means: None,
            rounded: None,
            floats: Vec::new(),
            noise: f64::INFINITY,
        };
        config.noise = self.judge(variant, &config)?;
        Ok(config)
    }

    /// Evaluates ranges by one method, with biases corrected if `correct` states so.
    pub(super) fn corrected(
        &self,
        variant: &GraphVariant,
        correct: Switch,
        method: Method,
    ) -> Result<QuantConfig, QuantizerError> {
        let config = self.ranged(variant, method)?;
        self.correct(variant, correct, config)
    }

    /// Subtracts the mean quantization error of channels from the biases, if `correct` states so.
    pub(super) fn correct(
        &self,
        variant: &GraphVariant,
        correct: Switch,
        config: QuantConfig,
    ) -> Result<QuantConfig, QuantizerError> {
        if correct == Switch::Off || self.takes() {
            return Ok(config);
        }
        let Some(means) = self.coded_means(variant, &config)? else { return Ok(config) };
        let mut corrected = QuantConfig { coded_means: Some(means), ..config.clone() };
        corrected.noise = self.judge(variant, &corrected)?;
        let better = correct == Switch::On || corrected.noise < config.noise;
        Ok(if better { corrected } else { config })
    }

    pub(crate) fn scheme(&self, variant: &GraphVariant, config: &QuantConfig) -> Scheme {
        let means = variant.means.clone();
        let mut read = means.clone();
        let in_codes = match self.alone {
            true => partition::alone(&variant.model, &config.floats, self.all_follow),
            false => partition::in_codes(&variant.model, &config.floats),
        };
        let quants = scheme::quants(&variant.model, &config.ranges, self.preprocess);
        if let Some(preprocess) = self.preprocess {
            read[0] = scheme::coded_input_means(&variant.model, preprocess, &means[0]);
        }
        for (id, layer) in variant.model.layers.iter().enumerate().filter(|(id, _)| in_codes[*id]) {
            let shifts = scheme::shifts(&layer.splits, layer.shape.c(), quants[id]);
            read[id].iter_mut().zip(shifts).for_each(|(mean, shift)| *mean += shift);
        }
        let coded_means = config.coded_means.clone().unwrap_or(read);
        let rounded = config.rounded.clone();
        let rounded = rounded.unwrap_or_default();
        let taken = self.taken.clone();
        let ordered = self.alone.then(|| config.floats.clone().into());
        Scheme { in_codes, quants, coded_means, means, rounded, taken, ordered }
    }

    /// Returns the noise-to-signal ratio of the embedding on the validation subset.
    pub(crate) fn judge(
        &self,
        variant: &GraphVariant,
        config: &QuantConfig,
    ) -> Result<f64, QuantizerError> {
        self.judge_scheme(&variant.model, &self.scheme(variant, config))
    }

    /// Returns the noise-to-signal ratio of a network by a scheme.
    pub(super) fn judge_scheme(
        &self,
        model: &Model,
        scheme: &Scheme,
    ) -> Result<f64, QuantizerError> {
        let emitted = emit::int8(model, scheme)?;
        let graph = emitted.writer.graph(emitted.output).map_err(EmitError::from)?;
        let table = scheme::input_table(model, self.preprocess);
        let evaluator = Evaluator::new(graph, table, &[]).map_err(CalibrateError::from)?;
        let shard = JudgeShard { evaluator, noise: Noise::default() };
        let judged = &self.judged;
        let shards = vec![shard; SHARDS.min(judged.len())];
        let shards = parallel::over(shards, judged.len(), |shard, i| shard.run(&judged[i]))?;
        let mut noise = Noise::default();
        shards.iter().for_each(|shard| noise.merge(&shard.noise));
        Ok(noise.ratio().unwrap_or_default())
    }
}

/// State of one shard that observes scaled values.
#[derive(Clone)]
struct ScaledShard {
    observed: ObservedNetwork,
    observations: Observations,
    /// Scaled values of a layer; a buffer.
    scaled: Vec<f32>,
}

impl ScaledShard {
    /// Runs sample number `place` of the calibration subset.
    fn run(
        &mut self,
        model: &Model,
        factors: &Factors,
        input: &Input<'_>,
        place: usize,
    ) -> Result<(), CalibrateError> {
        let Self { observed, observations, scaled } = self;
        observed.run(input, &mut |id, values| {
            if let Some(own) = &factors[id] {
                scale(values, own, model.layers[id].clamp, scaled);
                observations.see(id, place, scaled);
            }
        })
    }
}

/// State of one shard of an evaluation.
#[derive(Clone)]
struct JudgeShard<'g> {
    evaluator: Evaluator<'g>,
    noise: Noise,
}

impl JudgeShard<'_> {
    fn run(&mut self, sample: &Judged<'_>) -> Result<(), CalibrateError> {
        self.evaluator.run(&sample.input)?;
        self.noise.see(self.evaluator.embedding().into_iter(), sample.wanted);
        Ok(())
    }
}

impl GraphVariant {
    pub(super) fn is_equalized(&self) -> bool {
        self.factors.iter().any(Option::is_some)
    }

    pub(super) fn subject<'s, 'g>(
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
