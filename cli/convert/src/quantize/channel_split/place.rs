//! Choice of the channels that are copied into constant ones.

use std::collections::BTreeSet;

use offshoot_core::graph::{Graph, TensorId};
use offshoot_engine::{Buffer, Isa, Plan, Slot, Step};
use offshoot_tract::TractError;

use super::Place;
use crate::calibrate::ranges::Method;
use crate::calibrate::{CalibrateError, Floats};
use crate::emit::{self, EmitError, Emitted};
use crate::ir::Model;
use crate::parallel;
use crate::parallel::SHARDS;
use crate::quantize::evaluate::{Evaluator, memory, reals};
use crate::quantize::noise::{Noise, decibels};
use crate::quantize::{GraphVariant, QuantConfig, Quantizer, QuantizerError, channel_split};

/// Largest number of images for the ranking of channels.
const RANKED: usize = 8;
/// Number of images of a first ranking, and gain in dB that copies then need.
const GLANCED: usize = 2;
const HOPE: f64 = 0.5;
/// Number of runs for the ranking per image of the calibration set.
const RUNS: usize = 2;

/// Least gain by copies in dB; less does not change the results of a classifier.
const WORTH: f64 = 1.0;

/// Network with duplicated channels.
pub(crate) struct SplitGraph {
    pub(crate) model: Model,
    pub(crate) floats: Floats,
    /// Line for the report.
    pub(crate) told: String,
}

/// Network without equalization, with ranges.
pub(crate) type Baseline = (GraphVariant, QuantConfig);

/// Part of the network after a layer, to be run on changed int8 values of it.
#[derive(Clone)]
struct Rest<'p> {
    evaluator: Evaluator<'p>,
    plan: &'p Plan<Vec<Step>>,
    slots: &'p [Slot],
    packed: &'p Buffer,
    arena: Buffer,
    /// Noise for each channel, with that channel in steps of double size.
    noises: Vec<Noise>,
}

impl Quantizer<'_> {
    /// Copies the channels whose rounding costs most into constant ones and returns that network;
    /// `None` if there are none, or if the embedding is not better. The variant and ranges of the
    /// network without copies are returned beside it.
    pub(crate) fn split_channels(
        &self,
        model: &Model,
        method: Method,
    ) -> Result<(Option<SplitGraph>, Option<Baseline>), QuantizerError> {
        let places = self
            .preprocess
            .map_or_else(Vec::new, |preprocess| channel_split::places(model, preprocess));
        if places.is_empty() {
            return Ok((None, None));
        }
        let variant = self.variant(model, false, &mut ())?;
        let plain = self.candidate(&variant, method)?;
        let scheme = self.scheme(&variant, &plain);
        if scheme.in_codes.contains(&false) {
            return Ok((None, Some((variant, plain))));
        }
        let emitted = emit::int8(&variant.model, &scheme)?;
        let copied = |images: usize| -> Result<(SplitGraph, Baseline, f64), QuantizerError> {
            let (split_channels, start) =
                self.copied(model, method, (&emitted, &places), images)?;
            let gain = decibels(start.1.noise) - decibels(plain.noise);
            let told = format!("{} ({gain:+.1} dB)", split_channels.told);
            Ok((SplitGraph { told, ..split_channels }, start, gain))
        };
        // A first ranking detects networks without a gain.
        let most = places.iter().map(|place| self.ranked_by(model.layers[place.maps[0]].shape.c()));
        let most = most.max().unwrap_or_default();
        let mut best = copied(GLANCED)?;
        if best.2 >= HOPE && most > GLANCED {
            drop(best);
            best = copied(most)?;
        }
        let (split_channels, start, gain) = best;
        Ok(if gain >= WORTH {
            (Some(split_channels), Some(start))
        } else {
            (None, Some((variant, plain)))
        })
    }

    /// Returns the network with copies of the most costly channels, ranked on at most the given
    /// number of images.
    fn copied(
        &self,
        model: &Model,
        method: Method,
        (emitted, places): (&Emitted, &[Place]),
        images: usize,
    ) -> Result<(SplitGraph, Baseline), QuantizerError> {
        let mut model = model.clone();
        let mut count = 0;
        for place in places {
            let channels = self.dearest(emitted, place, images)?;
            count += channels.len().min(place.spare.len());
            place.copy(&mut model, &channels);
        }
        let floats = self.floats.with_twins(&model);
        let quantizer = Quantizer { floats: &floats, ..self.clone() };
        let variant = quantizer.variant(&model, false, &mut ())?;
        let candidate = quantizer.candidate(&variant, method)?;
        let told = format!(
            "{count} channels duplicated into constant channels (outlier channel splitting)"
        );
        Ok((SplitGraph { model, floats, told }, (variant, candidate)))
    }

    /// Returns the number of images for the ranking of a feature map's channels.
    fn ranked_by(&self, channels: usize) -> usize {
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
        let after = usize::from(first)..graph.node_count();
        let reads =
            graph.nodes().skip(after.start).flat_map(|(_, n)| n.inputs.iter().collect::<Vec<_>>());
        let inputs: BTreeSet<TensorId> = reads.filter(|&read| read <= first).collect();
        let inputs: Vec<TensorId> = inputs.into_iter().collect();
        let build = || -> Result<_, TractError> {
            let evaluator = Evaluator::new(graph, self.preprocess, &inputs)?;
            let (plan, slots) =
                Plan::build(&graph, Isa::best(), after, &inputs, &[graph.output()])?;
            let (packed, arena) = memory(&plan, graph.weights())?;
            Ok((evaluator, plan, slots, packed, arena))
        };
        let (evaluator, plan, slots, packed, arena) = build().map_err(CalibrateError::from)?;
        let channels = graph.tensor(first).shape.c();
        let noises = vec![Noise::default(); channels + 1];
        let rest = Rest { evaluator, plan: &plan, slots: &slots, packed: &packed, arena, noises };
        let ranked = self.ranked_by(channels).min(images).min(self.judged.len());
        let judged = &self.judged[..ranked];
        let work = |rest: &mut Rest<'_>, i: usize| -> Result<(), CalibrateError> {
            let (input, wanted) = &judged[i];
            rest.evaluator.run(input)?;
            (0..=channels).try_for_each(|channel| rest.see(&graph, &inputs, channel, wanted))?;
            Ok(())
        };
        let shards = parallel::over(vec![rest; SHARDS.min(judged.len())], judged.len(), work)?;
        let mut noises = vec![Noise::default(); channels + 1];
        shards
            .iter()
            .for_each(|lane| noises.iter_mut().zip(&lane.noises).for_each(|(own, n)| own.merge(n)));
        let noise = |c: usize| noises[c].ratio().unwrap_or_default();
        let spare = |c: &usize| place.spare.iter().any(|(s, _)| s == c);
        let mut dearest: Vec<usize> =
            (0..channels).filter(|c| !spare(c) && noise(*c) > noise(channels)).collect();
        dearest.sort_by(|&a, &b| noise(b).total_cmp(&noise(a)));
        dearest.truncate(place.spare.len());
        Ok(dearest)
    }
}

impl Rest<'_> {
    /// Runs with one channel of the last input rounded to every other int8 value, and adds the
    /// noise.
    fn see(
        &mut self,
        graph: &Graph<'_>,
        inputs: &[TensorId],
        channel: usize,
        wanted: &[f32],
    ) -> Result<(), TractError> {
        for &input in inputs {
            let place = Plan::<Vec<Step>>::value(graph, self.slots, input);
            let (Some((codes, _)), Some(value)) = (self.evaluator.codes(input), place) else {
                continue;
            };
            let own = &mut self.arena[value.range()];
            own.copy_from_slice(codes);
            // One more channel than there are stands for no change.
            if Some(&input) == inputs.last() && channel < value.shape.c() {
                let zero = i16::from(value.quant.zero_point);
                let values = own.iter_mut().skip(channel).step_by(value.shape.c());
                values.for_each(|code| *code = coarse(i16::from(*code) - zero, zero));
            }
        }
        self.plan.run(graph.weights(), self.packed, &mut self.arena)?;
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
