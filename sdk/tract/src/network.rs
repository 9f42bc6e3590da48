//! Networks: a package's graph, ready to run on tract-core.

use std::ops::Range;
use std::sync::Arc;

use offshoot_core::graph::{Element, Graph, Op, Tensor as GraphTensor, TensorId};
use offshoot_engine::{IsaError, PlanError, RunError};
use thiserror::Error;
use tract_core::internal::*;

use crate::lower::{Lowering, dims};
use crate::segment::Int8Segment;
use crate::shown;

/// Reason that tract-core rejected a graph or failed to run it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TractError {
    /// Error of tract-core.
    #[error("tract: {0:#}")]
    Tract(#[from] TractCause),
    /// Error of planning an int8 segment.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Instruction set of the environment variable not available.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// Memory of an int8 segment not available.
    #[error("not enough memory: an int8 segment needs {need} bytes")]
    Memory {
        /// Bytes of the arena, or of the packed weights.
        need: usize,
    },
    /// Error of running an int8 segment.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Input of another length or type than the network requires.
    #[error("wrong input: {have} values given, {need} {kind} required")]
    Input {
        /// Number of values of the input tensor.
        need: usize,
        /// Type of the values: `codes` (int8) or `floats`.
        kind: &'static str,
        /// Number of values given.
        have: usize,
    },
}

/// Error of tract, opaque.
#[derive(Debug)]
pub struct TractCause(tract_core::prelude::TractError);

impl std::fmt::Display for TractCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The causes, outermost first.
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for TractCause {}

impl From<tract_core::prelude::TractError> for TractError {
    fn from(error: tract_core::prelude::TractError) -> Self {
        Self::Tract(TractCause(error))
    }
}

/// Values of a tensor: rows, columns, channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'a> {
    /// Values of a float tensor.
    Floats(&'a [f32]),
    /// Int8 values of a quantized tensor.
    Codes(&'a [i8]),
}

/// Float or mixed network with its state; one per thread. A clone shares the weights.
#[derive(Clone)]
pub struct Network {
    state: TypedSimpleState,
    input: Arc<Tensor>,
    input_tensor: GraphTensor,
    outputs: TVec<TValue>,
    segments: usize,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("input", &self.input_tensor)
            .field("segments", &self.segments)
            .finish()
    }
}

impl Network {
    /// Builds the network up to its embedding.
    ///
    /// # Errors
    /// tract-core rejects an operation, or an int8 segment cannot be planned.
    pub fn new(graph: &Graph<'_>) -> Result<Self, TractError> {
        Self::build(graph, &[], false)
    }

    /// Builds the network so that its results are bit-identical on x86-64 with FMA and on aarch64:
    /// sums and functions that tract-core's kernels round differently are replaced. It is slower.
    ///
    /// # Errors
    /// tract-core rejects an operation, or an int8 segment cannot be planned.
    pub fn reproducible(graph: &Graph<'_>) -> Result<Self, TractError> {
        Self::build(graph, &[], true)
    }

    /// Builds the network like [`Self::reproducible`], so that [`Self::run_observed`] passes every
    /// tensor of `observed` to its observer, as the converter needs to calibrate. The input, and
    /// float tensors that the embedding does not depend on, are not passed.
    ///
    /// # Errors
    /// tract-core rejects an operation, or an int8 segment cannot be planned.
    pub fn observing(graph: &Graph<'_>, observed: &[TensorId]) -> Result<Self, TractError> {
        Self::build(graph, observed, true)
    }

    fn build(graph: &Graph<'_>, observed: &[TensorId], exact: bool) -> Result<Self, TractError> {
        let mut lowering = Lowering::new(graph, exact)?;
        let runs = int8_runs(graph);
        // Segments outlive the package's bytes, so they share one copy of its weights.
        let weights: Arc<[u8]> =
            if runs.is_empty() { Arc::new([]) } else { graph.weights().into() };
        for (id, node) in graph.nodes() {
            let index = usize::from(id) - 1;
            if matches!(node.op, Op::Float(_)) {
                lowering.float(id, &node)?;
                lowering.show(id, observed)?;
            } else if let Some(run) = runs.iter().find(|r| r.end == index + 1) {
                add_segment(&mut lowering, run.clone(), &weights, observed)?;
            }
        }
        let output = lowering.outlet(graph.output())?;
        let Lowering { mut model, unread, .. } = lowering;
        let outputs: Vec<OutletId> =
            [output].into_iter().chain(unread.into_iter().filter(|&o| o != output)).collect();
        model.select_output_outlets(&outputs)?;
        let plan = SimplePlan::new(model.into_optimized()?)?;
        let input_tensor = graph.tensor(Graph::INPUT);
        let shape = dims(input_tensor.shape);
        let input = match input_tensor.element {
            Element::Int8(_) => Tensor::zero::<i8>(&shape)?,
            Element::Float => Tensor::zero::<f32>(&shape)?,
        };
        let state = plan.spawn()?;
        let input = Arc::new(input);
        Ok(Self { state, input, input_tensor, outputs: TVec::new(), segments: runs.len() })
    }

    /// Returns the number of int8 segments, each of them one custom operation.
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// Runs a network whose input is float: rows, columns, channels.
    ///
    /// # Errors
    /// The input has another type or length, or tract-core fails.
    pub fn run_floats(&mut self, input: &[f32]) -> Result<(), TractError> {
        self.take(Values::Floats(input))?;
        self.run()
    }

    /// Runs a network whose input is quantized (int8): rows, columns, channels.
    ///
    /// # Errors
    /// The input has another type or length, or tract-core fails.
    pub fn run_codes(&mut self, input: &[i8]) -> Result<(), TractError> {
        self.take(Values::Codes(input))?;
        self.run()
    }

    /// Runs a network with an input of either type, and passes each observed tensor to `see` when
    /// it is computed: its index in the list, its values.
    ///
    /// # Errors
    /// The input has another type or length, or tract-core fails.
    pub fn run_observed(
        &mut self,
        input: Values<'_>,
        see: &mut dyn FnMut(usize, Values<'_>),
    ) -> Result<(), TractError> {
        self.take(input)?;
        let given = tvec!(self.input.clone().into_tvalue());
        self.outputs = self.state.run_plan_with_eval(given, |ctx, state, node, inputs| {
            if let Some(place) = shown::place(node) {
                let codes = inputs[0].datum_type() == i8::datum_type();
                let values = match codes {
                    true => Values::Codes(plain(&inputs[0])),
                    false => Values::Floats(plain(&inputs[0])),
                };
                see(place, values);
            }
            tract_core::plan::eval(ctx, state, node, inputs)
        })?;
        Ok(())
    }

    /// Returns the embedding after a run if it is float; empty if it is int8.
    pub fn floats(&self) -> &[f32] {
        self.slice()
    }

    /// Returns the embedding after a run if it is int8; empty if it is float.
    pub fn codes(&self) -> &[i8] {
        self.slice()
    }

    fn slice<T: Datum>(&self) -> &[T] {
        self.outputs.first().map_or(&[], plain)
    }

    /// Copies the input of the next run.
    fn take(&mut self, values: Values<'_>) -> Result<(), TractError> {
        let need = self.input_tensor.shape.elements();
        let kind = if self.input_tensor.element == Element::Float { "floats" } else { "codes" };
        let have = match values {
            Values::Floats(values) => values.len(),
            Values::Codes(codes) => codes.len(),
        };
        match values {
            Values::Floats(values) if kind == "floats" && have == need => self.write(values)?,
            Values::Codes(codes) if kind == "codes" && have == need => self.write(codes)?,
            _ => return Err(TractError::Input { need, kind, have }),
        }
        Ok(())
    }

    fn write<T: Datum + Copy>(&mut self, values: &[T]) -> TractResult<()> {
        // The last run's results may still hold the input.
        self.outputs.clear();
        if Arc::get_mut(&mut self.input).is_none() {
            self.input = Arc::new(Tensor::zero_dt(T::datum_type(), self.input.shape())?);
        }
        let tensor = Arc::get_mut(&mut self.input).context("a fresh tensor has one owner")?;
        tensor.try_as_plain_ram_mut()?.as_slice_mut::<T>()?.copy_from_slice(values);
        Ok(())
    }

    fn run(&mut self) -> Result<(), TractError> {
        self.outputs = self.state.run(tvec!(self.input.clone().into_tvalue()))?;
        Ok(())
    }
}

/// Returns the values of a tensor; empty if it has another type.
fn plain<T: Datum>(tensor: &TValue) -> &[T] {
    tensor.as_plain_ram().and_then(|p| p.as_slice::<T>().ok()).unwrap_or(&[])
}

/// Returns the runs of consecutive int8 nodes.
fn int8_runs(graph: &Graph<'_>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (id, node) in graph.nodes() {
        let index = usize::from(id) - 1;
        if matches!(node.op, Op::Int8(_)) {
            match runs.last_mut() {
                Some(run) if run.end == index => run.end += 1,
                _ => runs.push(index..index + 1),
            }
        }
    }
    runs
}

fn add_segment(
    lowering: &mut Lowering<'_, '_>,
    run: Range<usize>,
    weights: &Arc<[u8]>,
    observed: &[TensorId],
) -> Result<(), TractError> {
    let graph = lowering.graph;
    // Tensors that the run makes: tensor `n + 1` is that of node `n`.
    let made = run.start + 1..run.end + 1;
    let mut inputs = Vec::new();
    let mut outputs = Vec::new();
    for (id, node) in graph.nodes() {
        let is_reader = made.contains(&id.into());
        for input in node.inputs.iter() {
            let list = match (is_reader, made.contains(&input.into())) {
                (true, false) => &mut inputs,
                (false, true) => &mut outputs,
                _ => continue,
            };
            if !list.contains(&input) {
                list.push(input);
            }
        }
    }
    let read = outputs.len();
    for &id in [&graph.output()].into_iter().chain(observed) {
        if made.contains(&id.into()) && !outputs.contains(&id) {
            outputs.push(id);
        }
    }
    let op = Int8Segment::new(graph, weights, run.clone(), &inputs, &outputs)?;
    let wires = inputs.iter().map(|&i| lowering.outlet(i)).collect::<TractResult<TVec<_>>>()?;
    let outlets =
        lowering.model.wire_node(format!("int8 segment {}..{}", run.start, run.end), op, &wires)?;
    for (i, (id, outlet)) in outputs.into_iter().zip(outlets).enumerate() {
        lowering.outlets[usize::from(id)] = Some(outlet);
        lowering.show(id, observed)?;
        if i >= read {
            lowering.unread.push(lowering.outlet(id)?);
        }
    }
    Ok(())
}
