//! Choice of the channels that are copied into constant ones.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use offshoot_core::graph::{Graph, TensorId};
use offshoot_engine::{Buffer, Isa, Plan, Slot, Step};
use offshoot_tract::TractError;

use super::Place;
use crate::calibrate::CalibrateError;
use crate::emit::{self, EmitError, Emitted};
use crate::parallel;
use crate::parallel::SHARDS;
use crate::quantize::evaluate::{Evaluator, memory, reals};
use crate::quantize::noise::{Noise, decibels};
use crate::quantize::{
    Calibration, GraphVariant, Judged, QuantConfig, Quantizer, QuantizerError, StepReport,
    channel_split, scheme,
};

/// Largest number of images for the ranking of channels.
const RANKED: usize = 8;
/// Number of images of a first ranking, and gain in dB that copies then need.
const GLANCED: usize = 2;
const HOPE: f64 = 0.5;
/// Number of runs for the ranking per image of the calibration set.
const RUNS: usize = 2;

/// Least gain by copies in dB; less does not change the results of a classifier.
const WORTH: f64 = 1.0;

/// Network with duplicated channels, and its evaluation.
struct SplitGraph<'a> {
    data: Calibration<'a>,
    variant: GraphVariant,
    config: QuantConfig,
    /// Number of duplicated channels.
    channels: usize,
    gain_db: f64,
}

impl<'a> Quantizer<'a> {
    /// Copies the channels whose rounding costs most into constant ones, if the embedding is better
    /// by that.
    pub(crate) fn split_channels(&mut self) -> Result<(), QuantizerError> {
        let preprocess = self.data.preprocess.filter(|_| !self.data.takes());
        let Some(preprocess) = preprocess else { return Ok(()) };
        let places = channel_split::places(&self.data.model, preprocess);
        let scheme = self.data.scheme(&self.variant, &self.best);
        if places.is_empty() || scheme.in_codes.contains(&false) {
            return Ok(());
        }
        let emitted = emit::int8(&self.variant.model, &scheme)?;
        // A first ranking detects networks without a gain.
        let most = places.iter().map(|place| self.data.ranked_by(place)).max().unwrap_or_default();
        let mut split = self.split_by(&emitted, &places, GLANCED)?;
        if split.gain_db >= HOPE && most > GLANCED {
            drop(split);
            split = self.split_by(&emitted, &places, most)?;
        }
        let SplitGraph { data, variant, config, channels, gain_db } = split;
        if gain_db >= WORTH {
            self.split = Some(StepReport::ChannelSplit { channels, gain_db });
            self.data = data;
            self.variant = variant;
            self.best = config;
        }
        Ok(())
    }

    /// Returns the network with copies of the most costly channels, ranked on at most the given
    /// number of images.
    fn split_by(
        &self,
        emitted: &Emitted,
        places: &[Place],
        images: usize,
    ) -> Result<SplitGraph<'a>, QuantizerError> {
        let mut model = self.data.model.clone().into_owned();
        let mut count = 0;
        for place in places {
            let channels = self.data.dearest(emitted, place, images)?;
            count += channels.len().min(place.spare.len());
            place.copy(&mut model, &channels);
        }
        let floats = Cow::Owned(self.data.floats.with_twins(&model));
        let data = Calibration { model: Cow::Owned(model), floats, ..self.data.clone() };
        let variant = data.variant(false, &mut ())?;
        let config = data.ranged(&variant, self.settings.ranges)?;
        let gain_db = decibels(config.noise) - decibels(self.best.noise);
        Ok(SplitGraph { data, variant, config, channels: count, gain_db })
    }
}

impl Calibration<'_> {
    /// Returns the number of images for the ranking of a place's channels.
    fn ranked_by(&self, place: &Place) -> usize {
        let channels = self.model.layers[place.maps[0]].shape.c();
        (RUNS * self.floats.embeddings.len() / channels).clamp(1, RANKED)
    }

    /// Returns the channels of a place by the noise that their rounding adds to the embedding, the
    /// largest first: one channel at a time is quantized more coarsely.
    fn dearest(
        &self,
        emitted: &Emitted,
        place: &Place,
        images: usize,
    ) -> Result<Vec<usize>, QuantizerError> {
        let graph = emitted.writer.graph(emitted.output).map_err(EmitError::from)?;
        let first = emitted.tensors[place.maps[0]].unwrap_or_default();
        let channels = graph.tensor(first).shape.c();
        let table = scheme::input_table(&self.model, self.preprocess);
        let rest = Rest::new(graph, table, first).map_err(CalibrateError::from)?;
        let ranked = self.ranked_by(place).min(images).min(self.judged.len());
        let judged = &self.judged[..ranked];
        let shards = vec![rest; SHARDS.min(ranked)];
        let shards = parallel::over(shards, ranked, |rest, i| rest.run(&judged[i]))?;
        let mut noises = vec![Noise::default(); channels + 1];
        for shard in &shards {
            noises.iter_mut().zip(&shard.noises).for_each(|(own, more)| own.merge(more));
        }
        let noises: Vec<f64> = noises.iter().map(|n| n.ratio().unwrap_or_default()).collect();
        let mut dearest: Vec<usize> = (0..channels)
            .filter(|c| place.spare.iter().all(|(spare, _)| spare != c))
            .filter(|&c| noises[c] > noises[channels])
            .collect();
        dearest.sort_by(|&a, &b| noises[b].total_cmp(&noises[a]));
        dearest.truncate(place.spare.len());
        Ok(dearest)
    }
}

/// Part of the network after a layer, to be run on changed int8 values of it. A clone shares the
/// weights.
#[derive(Clone)]
struct Rest<'g> {
    graph: Graph<'g>,
    evaluator: Evaluator<'g>,
    /// Tensors that this part reads; the last one is the layer's.
    inputs: Vec<TensorId>,
    plan: Plan<Vec<Step>>,
    slots: Vec<Slot>,
    packed: Arc<Buffer>,
    arena: Buffer,
    /// Noise for each channel, with that channel in steps of double size, and last without a
    /// change.
    noises: Vec<Noise>,
}

impl<'g> Rest<'g> {
    /// Plans the part of the graph after a tensor.
    fn new(graph: Graph<'g>, table: Vec<i8>, first: TensorId) -> Result<Self, TractError> {
        let after = usize::from(first)..graph.node_count();
        let mut inputs = BTreeSet::new();
        for (_, node) in graph.nodes().skip(after.start) {
            inputs.extend(node.inputs.iter().filter(|&read| read <= first));
        }
        let inputs: Vec<TensorId> = inputs.into_iter().collect();
        let evaluator = Evaluator::new(graph, table, &inputs)?;
        let (plan, slots) = Plan::build(&graph, Isa::best(), after, &inputs, &[graph.output()])?;
        let (packed, arena) = memory(&plan, graph.weights())?;
        let packed = Arc::new(packed);
        let noises = vec![Noise::default(); graph.tensor(first).shape.c() + 1];
        Ok(Self { graph, evaluator, inputs, plan, slots, packed, arena, noises })
    }

    /// Runs a sample once for each channel, and once without a change.
    fn run(&mut self, sample: &Judged<'_>) -> Result<(), CalibrateError> {
        self.evaluator.run(&sample.input)?;
        for channel in 0..self.noises.len() {
            self.see(channel, sample.wanted)?;
        }
        Ok(())
    }

    /// Runs with one channel of the last input rounded to every other int8 value, and adds the
    /// noise.
    fn see(&mut self, channel: usize, wanted: &[f32]) -> Result<(), TractError> {
        for &input in &self.inputs {
            let Some((codes, _)) = self.evaluator.codes(input) else { continue };
            let Some(value) = Plan::<Vec<Step>>::value(&self.graph, &self.slots, input) else {
                continue;
            };
            let own = &mut self.arena[value.range()];
            own.copy_from_slice(codes);
            // One more channel than there are stands for no change.
            if Some(&input) == self.inputs.last() && channel < value.shape.c() {
                let zero = i16::from(value.quant.zero_point);
                let values = own.iter_mut().skip(channel).step_by(value.shape.c());
                values.for_each(|code| *code = coarse(i16::from(*code) - zero, zero));
            }
        }
        self.plan.run(self.graph.weights(), &self.packed, &mut self.arena)?;
        let out = self.plan.output();
        self.noises[channel].see(reals(&self.arena[out.range()], out.quant), wanted);
        Ok(())
    }
}

/// Returns the nearest multiple of two; on a tie, the nearest multiple of four.
fn coarse(steps: i16, zero: i16) -> i8 {
    let whole =
        if steps % 2 == 0 { steps } else { steps + if steps.rem_euclid(4) == 3 { 1 } else { -1 } };
    (whole + zero).clamp(-128, 127) as i8
}
