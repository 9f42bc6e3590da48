//! Measurements of a converted package, for its report.

use offshoot::Extractor;
use offshoot_core::graph::{FloatOp, Graph, Op};
use offshoot_engine::{Isa, Plan, Slot};

use super::ConvertError;
use super::agreement::{COMPARED, relative_error};
use crate::calibrate::cosine;
use crate::calibrate::input::{Input, kind_of};
use crate::emit::EmitError;
use crate::import::Cut;
use crate::parallel;
use crate::quantize::noise::{Loss, Noise, Subject};
use crate::quantize::{Quantized, noise};
use crate::report::verdict::SAME;
use crate::report::{Curve, LayerReport, MemoryPlan, Place, Report};

/// Inputs of the measurement.
pub(crate) struct Measurement<'a> {
    pub(crate) cut: &'a Cut,
    pub(crate) inputs: &'a [Input<'a>],
    /// Embeddings by the source model, for the samples on which it was run.
    pub(crate) wanted: &'a [Vec<f32>],
}

/// Number of samples on which the package is run, spread over all.
const RUN: usize = 64;
/// Number of samples on which layers are compared one by one.
const WATCHED: usize = 4;
/// Number of shards; each has its own copy of the package's weights.
const ABREAST: usize = 2;

/// Comparison of the package's embeddings with the float network's.
#[derive(Debug, Default)]
struct Comparison {
    cosines: Vec<f64>,
    difference: f64,
    noise: Noise,
}

impl Comparison {
    /// Adds one pair of embeddings, of the package and of the float network.
    fn see(&mut self, got: &[f32], wanted: &[f32]) {
        self.cosines.push(cosine(got, wanted));
        self.noise.see(got.iter().copied(), wanted);
    }

    fn merge(&mut self, other: &Self) {
        self.cosines.extend(&other.cosines);
        self.difference = self.difference.max(other.difference);
        self.noise.merge(&other.noise);
    }

    /// Returns the report of a package of `bytes` bytes that was calibrated on `samples` samples.
    fn report(&self, extractor: &Extractor, bytes: usize, cut: &Cut, samples: usize) -> Report {
        let memory = extractor.memory();
        let package = extractor.package();
        let graph = package.graph();
        Report {
            cut: cut.name.clone(),
            cut_why: cut.why.clone(),
            cut_unsure: cut.unsure.clone(),
            cut_asked: cut.asked,
            pool: None,
            cells: None,
            preprocess_why: String::new(),
            preprocess_warning: None,
            precision: package.manifest().precision,
            nodes: graph.node_count(),
            macs: graph.macs(),
            dim: package.embedding_dim(),
            parts: package.manifest().extras.parts.iter().collect(),
            unit_length: package.manifest().extras.unit_length,
            arena: memory.arena,
            live_set: memory.live_set,
            package: bytes,
            kind: kind_of(&package),
            images: samples,
            compared: self.cosines.len(),
            cosine_mean: self.cosines.iter().sum::<f64>() / self.cosines.len().max(1) as f64,
            cosine_min: self.cosines.iter().copied().fold(1.0, f64::min),
            constant: false,
            difference: self.difference,
            noise: self.noise.ratio().unwrap_or_default(),
            judged: 0.0,
            steps: Vec::new(),
            alternatives: Vec::new(),
            layers: Vec::new(),
            memory: memory_plan(graph),
            task: None,
        }
    }
}

/// State of one shard of the comparison.
struct ComparisonShard {
    extractor: Extractor,
    seen: Comparison,
}

impl ComparisonShard {
    /// Runs a sample; `by_source` is true if `wanted` is the source model's embedding.
    fn run(
        &mut self,
        input: &Input<'_>,
        wanted: &[f32],
        by_source: bool,
    ) -> Result<(), ConvertError> {
        let got: Vec<f32> = input.embed(&mut self.extractor)?.iter().collect();
        self.seen.see(&got, wanted);
        if by_source {
            self.seen.difference = self.seen.difference.max(relative_error(&got, wanted));
        }
        Ok(())
    }
}

impl Measurement<'_> {
    pub(crate) fn report(
        &self,
        bytes: &[u8],
        quantized: Option<&Quantized>,
    ) -> Result<Report, ConvertError> {
        let (extractor, seen) = self.compare(bytes)?;
        let mut report = seen.report(&extractor, bytes.len(), self.cut, self.inputs.len());
        report.constant = self.is_constant();
        if let Some(quantized) = quantized {
            report.layers = self.layers(quantized)?;
            report.judged = quantized.noise;
            report.steps = quantized.steps.clone();
            report.alternatives = quantized.alternatives.clone();
        }
        Ok(report)
    }

    /// True if there are several samples and all have the same embedding.
    fn is_constant(&self) -> bool {
        let Some((first, others)) = self.wanted.split_first() else { return false };
        !others.is_empty() && others.iter().all(|other| cosine(first, other) > SAME)
    }

    /// Opens the package as a device would, runs it, and compares the embeddings.
    fn compare(&self, bytes: &[u8]) -> Result<(Extractor, Comparison), ConvertError> {
        let mut shards = Vec::new();
        for _ in 0..ABREAST {
            let extractor = Extractor::from_bytes(bytes.to_vec())?;
            shards.push(ComparisonShard { extractor, seen: Comparison::default() });
        }
        let inputs = self.inputs;
        let step = inputs.len().div_ceil(RUN).max(1);
        let shards = parallel::over(shards, inputs.len().div_ceil(step), |shard, n| {
            let i = n * step;
            shard.run(&inputs[i], &self.wanted[i], i < COMPARED)
        })?;
        let merged = shards.into_iter().reduce(|mut whole, shard| {
            whole.seen.merge(&shard.seen);
            whole
        });
        let merged = merged.expect("there are shards");
        Ok((merged.extractor, merged.seen))
    }

    /// Returns the loss of each layer of the network.
    fn layers(&self, quantized: &Quantized) -> Result<Vec<LayerReport>, ConvertError> {
        let emitted = &quantized.emitted;
        let graph = emitted.writer.graph(emitted.output).map_err(EmitError::from)?;
        let subject = Subject {
            model: &quantized.model,
            factors: &quantized.factors,
            graph,
            tensors: &emitted.tensors,
            preprocess: self.inputs.first().and_then(Input::preprocess),
        };
        let inputs = &self.inputs[..self.inputs.len().min(WATCHED)];
        let losses = noise::losses(&subject, &quantized.observed, inputs)?;
        Ok((1..losses.len()).map(|id| layer(quantized, &graph, id, &losses[id])).collect())
    }
}

/// Returns the memory plan of an int8 graph: the place of each tensor.
fn memory_plan(graph: &Graph<'_>) -> Option<MemoryPlan> {
    let all = 0..graph.node_count();
    let (plan, slots) =
        Plan::build(graph, Isa::best(), all, &[Graph::INPUT], &[graph.output()]).ok()?;
    let tensors = graph.tensor_count();
    let mut places = Vec::new();
    for i in 0..slots.len() {
        let Some((bytes, nodes)) = Slot::life(&slots, i) else { continue };
        // Tensors come first, the input before all others; then the nodes' scratch memory.
        let node = if i < tensors { i.checked_sub(1) } else { Some(i - tensors) };
        let name = node.map_or("input", |at| graph.nodes().nth(at).map_or("", |(_, n)| n.name));
        places.push(Place { name: name.to_string(), scratch: i >= tensors, bytes, nodes });
    }
    let alive = (0..=graph.node_count())
        .map(|node| places.iter().filter(|p| p.nodes.contains(&node)).map(|p| p.bytes.len()).sum());
    let least = alive.max().unwrap_or(0);
    let arena = plan.arena_bytes();
    let bound = plan.live_set_bytes();
    let nodes = graph.node_count();
    Some(MemoryPlan { arena, least, bound, nodes, places })
}

fn layer(quantized: &Quantized, graph: &Graph<'_>, id: usize, loss: &Loss) -> LayerReport {
    let own = &quantized.model.layers[id];
    let statistics = &quantized.statistics[id];
    let tensor = quantized.emitted.tensors[id];
    let node = graph.nodes().find(|(at, _)| Some(*at) == tensor);
    let in_codes = node.as_ref().is_some_and(|(_, node)| {
        matches!(node.op, Op::Int8(_) | Op::Ordered(FloatOp::Linear { .. }))
    });
    let covered = tensor.and_then(|t| graph.tensor(t).element.quant());
    LayerReport {
        name: own.name.clone(),
        op: node.as_ref().map_or("", |(_, node)| node.op.name()),
        shape: own.shape,
        macs: node.as_ref().map_or(0, |(at, node)| graph.node_macs(*at, node)),
        weights: own.op.weight_bytes(in_codes),
        in_codes,
        equalized: quantized.factors[id].is_some(),
        keeps_values: own.op.keeps_values(),
        alone: loss.alone.ratio(),
        together: loss.together.ratio(),
        cosine: loss.together.cosine(),
        seen: statistics.range,
        covered: covered.map(|quant| [quant.dequantize(i8::MIN), quant.dequantize(i8::MAX)]),
        curve: Curve::of(&statistics.histogram, statistics.range),
    }
}
