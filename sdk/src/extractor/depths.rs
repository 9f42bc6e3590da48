//! Pooled feature maps of several depths of a network, beside its embedding.

use offshoot_core::graph::{Graph, TensorId};
use offshoot_core::preprocess::Preprocess;
use offshoot_core::{Frame, Package};
use offshoot_engine::{Buffer, Plan, Step, Value};

use crate::{Error, ErrorKind, Options};

/// Max number of depths beside the embedding, the deepest ones.
const MOST: usize = 7;

/// Least number of channels of a feature map that is read.
const LEAST_CHANNELS: usize = 8;

/// Pooled feature maps of several depths of an int8 network, beside its embedding.
///
/// Reads the last feature map of each shape through which all values go, at most the seven deepest,
/// averaged over rows and columns: the parts that `offshoot convert --parts auto` would join. For
/// measurements on a developer's machine: it has its own copy of the weights, and more memory for
/// feature maps than an [`Extractor`](crate::Extractor).
///
/// ```
/// use offshoot::{Depths, Extractor, Frame};
///
/// let extractor = Extractor::open("tests/tiny.offshoot")?;
/// let mut depths = Depths::new(&extractor.package())?.expect("the package is int8");
/// let values = depths.read(&Frame::rgb(8, 8, &[128; 192])?)?;
/// assert_eq!(values.len(), depths.all().map(|depth| depth.len()).sum());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Depths {
    plan: Plan<Vec<Step>>,
    weights: Vec<u8>,
    panels: Buffer,
    arena: Buffer,
    table: Vec<i8>,
    preprocess: Preprocess,
    taps: Vec<Depth>,
    values: Vec<f32>,
}

/// Depth of a network.
#[derive(Debug, Clone)]
pub struct Depth {
    tensor: TensorId,
    name: String,
    value: Value,
    /// Number of values: channels, or those of the embedding.
    len: usize,
}

impl Depth {
    /// Returns the tensor of the package's graph.
    #[must_use]
    pub fn tensor(&self) -> TensorId {
        self.tensor
    }

    /// Returns the name of the layer that computes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the rows of its feature map.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.value.shape.h()
    }

    /// Returns the number of its values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if it has no values; never for the depths of a package.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Depths {
    /// Plans a package; [`None`] if it is not int8, or takes signals.
    ///
    /// # Errors
    /// The network cannot be planned, or memory is short.
    pub fn new(package: &Package<'_>) -> Result<Option<Self>, Error> {
        let graph = package.graph();
        if !graph.is_int8() || package.sensor().is_some() {
            return Ok(None);
        }
        Ok(Some(Self::plan(package, graph)?))
    }

    fn plan(package: &Package<'_>, graph: &Graph<'_>) -> Result<Self, ErrorKind> {
        let config = Options::new().config()?;
        // The first output is the one that `Plan::output` locates.
        let mut tensors = vec![graph.output()];
        tensors.extend(found(graph));
        let all = 0..graph.node_count();
        let (plan, slots) = Plan::build(graph, config, all, &[Graph::INPUT], &tensors)?;
        tensors.rotate_left(1);
        let mut taps = Vec::new();
        for tensor in tensors {
            let Some(value) = Plan::<Vec<Step>>::value(graph, &slots, tensor) else { continue };
            let is_output = tensor == graph.output();
            let len = if is_output { value.shape.elements() } else { value.shape.c() };
            let name = graph.nodes().find(|(id, _)| *id == tensor);
            let name = name.map_or(String::new(), |(_, node)| node.name.to_string());
            taps.push(Depth { tensor, name, value, len });
        }
        let buffer = |need| Buffer::new(need).map_err(|_| ErrorKind::Memory { need });
        let mut panels = buffer(plan.packed_bytes())?;
        plan.pack(graph.weights(), &mut panels)?;
        let arena = buffer(plan.arena_bytes())?;
        Ok(Self {
            weights: graph.weights().to_vec(),
            panels,
            arena,
            table: package.input_table().to_vec(),
            preprocess: package.manifest().preprocess,
            values: vec![0.0; taps.iter().map(Depth::len).sum()],
            taps,
            plan,
        })
    }

    /// Returns the depths in the order of the network; the embedding is the last.
    #[must_use]
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Depth> {
        self.taps.iter()
    }

    /// Computes the values of all depths of a frame, one after another; the last are the embedding,
    /// as the network gives it.
    ///
    /// # Errors
    /// The frame cannot be brought to the network's input.
    pub fn read(&mut self, frame: &Frame<'_>) -> Result<&[f32], Error> {
        let input = self.plan.input().range();
        self.preprocess.quantize_into(frame, &self.table, &mut self.arena[input])?;
        self.plan.run(&self.weights, &self.panels, &mut self.arena)?;
        let mut out = self.values.as_mut_slice();
        for tap in &self.taps {
            let (own, rest) = out.split_at_mut(tap.len);
            mean(&tap.value, &self.arena[tap.value.range()], own);
            out = rest;
        }
        Ok(&self.values)
    }
}

/// Writes the mean of each channel; the sum of the int8 values is exact.
fn mean(value: &Value, codes: &[i8], out: &mut [f32]) {
    let channels = out.len();
    let places = codes.len() / channels.max(1);
    let scale = value.quant.scale.get() / places as f32;
    let zero = i64::from(value.quant.zero_point) * places as i64;
    for (channel, out) in out.iter_mut().enumerate() {
        let own = codes.iter().skip(channel).step_by(channels);
        let sum: i64 = own.map(|&code| i64::from(code)).sum();
        *out = (sum - zero) as f32 * scale;
    }
}

/// Finds the depths: the last feature map of each shape through which all values go.
fn found(graph: &Graph<'_>) -> Vec<TensorId> {
    let mut last_reader = vec![0; graph.tensor_count()];
    for (id, node) in graph.nodes() {
        node.inputs.iter().for_each(|input| last_reader[usize::from(input)] = id);
    }
    let mut open_until = 0;
    let mut passed: Vec<TensorId> = Vec::new();
    for (id, _) in graph.nodes() {
        open_until = open_until.max(last_reader[usize::from(id) - 1]);
        let shape = graph.tensor(id).shape;
        if open_until > id || shape.h() * shape.w() == 1 {
            continue;
        }
        // The last one of a shape takes the place of those before it.
        if passed.last().is_some_and(|&last| graph.tensor(last).shape == shape) {
            passed.pop();
        }
        passed.push(id);
    }
    // The map whose mean is the embedding says nothing new.
    let dim = graph.tensor(graph.output()).shape.elements();
    while passed.last().is_some_and(|&id| graph.tensor(id).shape.c() == dim || id == graph.output())
    {
        passed.pop();
    }
    passed.retain(|&id| graph.tensor(id).shape.c() >= LEAST_CHANNELS);
    passed.split_off(passed.len().saturating_sub(MOST))
}
