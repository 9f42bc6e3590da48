//! Quantization noise of each layer's values: isolated, and accumulated with all layers before it.

use std::sync::Arc;

use offshoot_core::Quant;
use offshoot_core::graph::{FloatOp, Graph, Int8Op, Op, TensorId};
use offshoot_core::preprocess::Preprocess;
use offshoot_engine::{Buffer, Isa, Plan, Slot, Step};
use offshoot_tract::TractError;

use super::equalize::Factors;
use super::evaluate::{Evaluator, memory, reals};
use super::scheme;
use crate::calibrate::input::Input;
use crate::calibrate::{CalibrateError, ObservedNetwork};
use crate::ir::{LayerId, Model};
use crate::parallel;

/// Power of the noise and of the signal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Noise {
    noise: f64,
    signal: f64,
    dot: f64,
    got: f64,
    values: u64,
}

impl Noise {
    /// Adds computed values and the values `wanted`.
    pub fn see(&mut self, got: impl Iterator<Item = f32>, wanted: &[f32]) {
        for (got, &wanted) in got.zip(wanted).filter(|(_, w)| w.is_finite()) {
            let g = f64::from(got);
            let w = f64::from(wanted);
            self.noise += (g - w) * (g - w);
            self.signal += w * w;
            self.dot += g * w;
            self.got += g * g;
            self.values += 1;
        }
    }

    /// Adds the noise of another shard.
    pub fn merge(&mut self, other: &Self) {
        self.noise += other.noise;
        self.signal += other.signal;
        self.dot += other.dot;
        self.got += other.got;
        self.values += other.values;
    }

    /// Returns the noise-to-signal ratio of powers; `None` without values.
    pub fn ratio(&self) -> Option<f64> {
        match (self.values, self.signal) {
            (0, _) => None,
            (_, 0.0) => Some(if self.noise == 0.0 { 0.0 } else { 1.0 }),
            _ => Some(self.noise / self.signal),
        }
    }

    /// Returns the cosine similarity of all values; 1 for two zero vectors, 0 if only one is zero.
    pub fn cosine(&self) -> f64 {
        let size = (self.got * self.signal).sqrt();
        if size > 0.0 { self.dot / size } else { f64::from(u8::from(self.got == self.signal)) }
    }
}

/// Returns the signal-to-noise ratio in dB (SQNR) for a noise-to-signal ratio.
pub fn decibels(ratio: f64) -> f64 {
    -10.0 * ratio.max(1e-12).log10()
}

/// Quantization loss of a layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loss {
    /// Isolated: its inputs are the float network's values, quantized.
    pub alone: Noise,
    /// Accumulated: its inputs come from the package's layers before it.
    pub together: Noise,
}

impl Loss {
    fn merge(&mut self, other: &Self) {
        self.alone.merge(&other.alone);
        self.together.merge(&other.together);
    }
}

/// Quantized network, with its origin.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a, 'g> {
    /// Network as quantized.
    pub model: &'a Model,
    /// Factors of each layer's channels.
    pub factors: &'a Factors,
    /// Graph.
    pub graph: Graph<'g>,
    /// Tensor of each layer in the graph.
    pub tensors: &'a [Option<TensorId>],
    /// Preprocessing of images; `None` for text.
    pub preprocess: Option<&'a Preprocess>,
}

/// Layer with its own plan and memory. A clone shares the weights.
#[derive(Clone)]
struct Single {
    layer: LayerId,
    inputs: Vec<TensorId>,
    plan: Plan<Vec<Step>>,
    slots: Vec<Slot>,
    packed: Arc<Buffer>,
    arena: Buffer,
}

/// State of a shard: the networks that run a sample through all layers, and their losses so far.
#[derive(Clone)]
struct LossShard<'g> {
    observed: ObservedNetwork,
    whole: Evaluator<'g>,
    singles: Vec<Single>,
    losses: Vec<Loss>,
}

impl LossShard<'_> {
    fn run(&mut self, subject: &Subject<'_, '_>, input: &Input<'_>) -> Result<(), CalibrateError> {
        let Self { observed, whole, singles, losses } = self;
        whole.run(input)?;
        let mut ran = Ok(());
        observed.run(input, &mut |layer, values| {
            let loss = &mut losses[layer];
            if let Some((codes, quant)) =
                subject.tensors[layer].and_then(|tensor| whole.codes(tensor))
            {
                loss.together.see(subject.original(layer, codes, quant), values);
            }
            if let Some(floats) = subject.tensors[layer].and_then(|tensor| whole.floats(tensor)) {
                loss.together.see(subject.unscaled(layer, floats), values);
            }
            singles.iter_mut().for_each(|single| single.take(subject, layer, values));
            let single = singles.iter_mut().find(|single| single.layer == layer);
            if let Some(single) = single.filter(|_| ran.is_ok()) {
                ran = single.run(subject, values, loss);
            }
        })?;
        Ok(ran?)
    }
}

/// Number of shards; in each, every layer has memory of its own.
const ABREAST: usize = 2;

/// Returns the loss of each layer on these samples.
///
/// # Errors
/// Error of the engine or tract-core.
pub fn losses(
    subject: &Subject<'_, '_>,
    observed: &ObservedNetwork,
    inputs: &[Input<'_>],
) -> Result<Vec<Loss>, CalibrateError> {
    let tensors: Vec<TensorId> = subject.tensors.iter().flatten().copied().collect();
    let table = scheme::input_table(subject.model, subject.preprocess);
    let whole = Evaluator::new(subject.graph, table, &tensors)?;
    let none = vec![Loss::default(); subject.model.layers.len()];
    let shard = LossShard {
        observed: observed.clone(),
        whole,
        singles: singles(subject)?,
        losses: none.clone(),
    };
    let shards = vec![shard; ABREAST.min(inputs.len())];
    let shards = parallel::over(shards, inputs.len(), |shard, i| shard.run(subject, &inputs[i]))?;
    let mut losses = none;
    for shard in &shards {
        losses.iter_mut().zip(&shard.losses).for_each(|(own, more)| own.merge(more));
    }
    Ok(losses)
}

impl Subject<'_, '_> {
    /// Returns the dequantized values of a layer in the units of the network before equalization.
    fn original(&self, layer: LayerId, codes: &[i8], quant: Quant) -> impl Iterator<Item = f32> {
        let changed = self.changed(layer, quant);
        reals(codes, quant).zip(cycle(changed)).map(|(v, (factor, shift))| (v - shift) / factor)
    }

    /// Returns a layer's floats in the units of the network before equalization.
    fn unscaled<'f>(&self, layer: LayerId, floats: &'f [f32]) -> impl Iterator<Item = f32> + 'f {
        floats.iter().zip(cycle(self.scales(layer))).map(|(v, factor)| v / factor)
    }

    /// Returns the factor of each channel of a layer.
    fn scales(&self, layer: LayerId) -> Vec<f32> {
        let channels = self.model.layers[layer].shape.c();
        self.factors[layer].clone().unwrap_or_else(|| vec![1.0; channels])
    }

    /// Returns for each channel the factor before rounding and the shift added to it.
    fn changed(&self, layer: LayerId, quant: Quant) -> Vec<(f32, f32)> {
        let shifts = self.shifts(layer, quant);
        match &self.factors[layer] {
            Some(factors) => factors.iter().copied().zip(shifts).collect(),
            None => shifts.into_iter().map(|shift| (1.0, shift)).collect(),
        }
    }

    /// Returns the shifts added to a layer's channels before rounding.
    fn shifts(&self, layer: LayerId, quant: Quant) -> Vec<f32> {
        let own = &self.model.layers[layer];
        scheme::shifts(&own.splits, own.shape.c(), quant).into_iter().map(|s| s as f32).collect()
    }
}

/// Repeats one value per channel; a division per value would take longer than the value.
fn cycle<T: Copy>(channels: Vec<T>) -> impl Iterator<Item = T> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let value = channels.get(next).copied();
        next = if next + 1 < channels.len() { next + 1 } else { 0 };
        value
    })
}

/// Returns a plan for every layer that is run in int8.
fn singles(subject: &Subject<'_, '_>) -> Result<Vec<Single>, TractError> {
    let mut singles = Vec::new();
    for (tensor, node) in subject.graph.nodes() {
        let layer = subject.tensors.iter().position(|&t| t == Some(tensor));
        // A reshape has no step, and loses nothing.
        let runs = match node.op {
            Op::Int8(op) => op != Int8Op::Reshape,
            Op::Ordered(op) => matches!(op, FloatOp::Linear { .. }),
            Op::Float(_) => false,
        };
        let Some(layer) = layer.filter(|_| runs) else { continue };
        let inputs: Vec<TensorId> = node.inputs.iter().collect();
        // Patches of a map are no layer of the network.
        let sources = &subject.model.layers[layer].inputs;
        let shapes = sources.iter().map(|&source| subject.model.layers[source].shape);
        if !shapes.eq(inputs.iter().map(|&input| subject.graph.tensor(input).shape)) {
            continue;
        }
        let at = usize::from(tensor) - 1;
        let (plan, slots) =
            Plan::build(&subject.graph, Isa::best(), at..at + 1, &inputs, &[tensor])?;
        let (packed, arena) = memory(&plan, subject.graph.weights())?;
        singles.push(Single { layer, inputs, plan, slots, packed: Arc::new(packed), arena });
    }
    Ok(singles)
}

impl Single {
    /// Copies a layer's values into the inputs that read it.
    fn take(&mut self, subject: &Subject<'_, '_>, source: LayerId, values: &[f32]) {
        let sources = &subject.model.layers[self.layer].inputs;
        for (&input, _) in self.inputs.iter().zip(sources).filter(|(_, own)| **own == source) {
            let Some(value) = Plan::<Vec<Step>>::value(&subject.graph, &self.slots, input) else {
                continue;
            };
            let codes = &mut self.arena[value.range()];
            if value.width > 1 {
                let floats: &mut [f32] = bytemuck::cast_slice_mut(codes);
                let scaled = values.iter().zip(cycle(subject.scales(source)));
                floats.iter_mut().zip(scaled).for_each(|(to, (v, factor))| *to = v * factor);
                continue;
            }
            let changed = cycle(subject.changed(source, value.quant));
            for ((code, v), (factor, shift)) in codes.iter_mut().zip(values).zip(changed) {
                *code = value.quant.quantize(v * factor + shift);
            }
        }
    }

    /// Runs the layer on its inputs; `wanted` are the layer's float values.
    fn run(
        &mut self,
        subject: &Subject<'_, '_>,
        wanted: &[f32],
        loss: &mut Loss,
    ) -> Result<(), TractError> {
        self.plan.run(subject.graph.weights(), &self.packed, &mut self.arena)?;
        let out = self.plan.output();
        if out.width > 1 {
            let got: &[f32] = bytemuck::cast_slice(&self.arena[out.range()]);
            loss.alone.see(subject.unscaled(self.layer, got), wanted);
            return Ok(());
        }
        let got = subject.original(self.layer, &self.arena[out.range()], out.quant);
        loss.alone.see(got, wanted);
        Ok(())
    }
}
