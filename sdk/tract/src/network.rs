//! A package's graph, ready to run on tract-core.

use std::ops::Range;
use std::sync::Arc;

use offshoot_core::graph::{Element, Graph, Op, Tensor as GraphTensor, TensorId};
use offshoot_engine::{IsaError, PlanError, RunError};
use thiserror::Error;
use tract_core::internal::*;

use crate::lower::{Lowering, dims};
use crate::segment::Int8Segment;
use crate::shown;

/// Why tract-core did not take, or did not run, a graph.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TractError {
    /// tract-core refused.
    #[error("tract: {0:#}")]
    Tract(#[from] TractCause),
    /// A segment could not be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The environment asks for an instruction set that is not here.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// A segment's memory could not be had.
    #[error("an int8 segment needs {need} bytes of memory, which there are not")]
    Memory {
        /// Bytes of the arena, or of the packed weights.
        need: usize,
    },
    /// A segment could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The values given are not as many, or not of the kind, that the input takes.
    #[error("the input takes {need} {kind}, {have} were given")]
    Input {
        /// Values of the input tensor.
        need: usize,
        /// Codes or floats.
        kind: &'static str,
        /// Values given.
        have: usize,
    },
}

/// tract's own error, opaque.
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

/// A tensor's values: rows, columns, channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'a> {
    /// Real values.
    Floats(&'a [f32]),
    /// Codes of a quantized tensor.
    Codes(&'a [i8]),
}

/// A float or mixed network with its state; one per thread. A clone shares the weights.
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
    /// An operation that tract-core refuses.
    pub fn new(graph: &Graph<'_>) -> Result<Self, TractError> {
        Self::build(graph, &[], false)
    }

    /// Builds the network so that sums and functions which tract-core's kernels round differently have the same bits
    /// on x86-64 with FMA and on aarch64. It is slower.
    ///
    /// # Errors
    /// An operation that tract-core refuses.
    pub fn reproducible(graph: &Graph<'_>) -> Result<Self, TractError> {
        Self::build(graph, &[], true)
    }

    /// The same, and every tensor of `observed` is shown by [`Self::run_observed`]; this is how the converter
    /// calibrates. The input, and floats that the embedding does not depend on, are not shown.
    ///
    /// # Errors
    /// An operation that tract-core refuses.
    pub fn observing(graph: &Graph<'_>, observed: &[TensorId]) -> Result<Self, TractError> {
        Self::build(graph, observed, true)
    }

    fn build(graph: &Graph<'_>, observed: &[TensorId], exact: bool) -> Result<Self, TractError> {
        let mut lowering = Lowering::new(graph, exact)?;
        let runs = int8_runs(graph);
        // Segments outlive the package's bytes, so they share one copy of its weights.
        let weights: Arc<[u8]> = if runs.is_empty() { Arc::new([]) } else { graph.weights().into() };
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
        let (state, input) = (plan.spawn()?, Arc::new(input));
        Ok(Self { state, input, input_tensor, outputs: TVec::new(), segments: runs.len() })
    }

    /// How many runs of int8 nodes the network holds, each one custom operation.
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// Runs a network whose input is float: rows, columns, channels.
    ///
    /// # Errors
    /// An input of another kind or length, or what tract-core reports.
    pub fn run_floats(&mut self, input: &[f32]) -> Result<(), TractError> {
        self.take(Values::Floats(input))?;
        self.run()
    }

    /// Runs a network whose input is quantized.
    ///
    /// # Errors
    /// An input of another kind or length, or what tract-core reports.
    pub fn run_codes(&mut self, input: &[i8]) -> Result<(), TractError> {
        self.take(Values::Codes(input))?;
        self.run()
    }

    /// Runs a network of either kind, and shows `see` each observed tensor when it is made: its place in the list,
    /// its values.
    ///
    /// # Errors
    /// An input of another kind or length, or what tract-core reports.
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

    /// The floats of the embedding after a run; empty if it holds codes.
    pub fn floats(&self) -> &[f32] {
        self.slice()
    }

    /// The codes of the embedding after a run; empty if it holds floats.
    pub fn codes(&self) -> &[i8] {
        self.slice()
    }

    fn slice<T: Datum>(&self) -> &[T] {
        self.outputs.first().map_or(&[], plain)
    }

    /// Takes in the next run's input.
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

/// The values of a tensor; none if it has others.
fn plain<T: Datum>(tensor: &TValue) -> &[T] {
    tensor.as_plain_ram().and_then(|p| p.as_slice::<T>().ok()).unwrap_or(&[])
}

/// Runs of consecutive int8 nodes.
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
    let inside = |id: TensorId| usize::from(id) > run.start && usize::from(id) <= run.end;
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for (id, node) in graph.nodes() {
        let reader_inside = inside(id);
        for input in node.inputs.iter() {
            let list = match (reader_inside, inside(input)) {
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
        if inside(id) && !outputs.contains(&id) {
            outputs.push(id);
        }
    }
    let op = Int8Segment::new(graph, weights, run.clone(), &inputs, &outputs)?;
    let wires = inputs.iter().map(|&i| lowering.outlet(i)).collect::<TractResult<TVec<_>>>()?;
    let outlets = lowering.model.wire_node(format!("int8 segment {}..{}", run.start, run.end), op, &wires)?;
    for (i, (id, outlet)) in outputs.into_iter().zip(outlets).enumerate() {
        lowering.outlets[usize::from(id)] = Some(outlet);
        lowering.show(id, observed)?;
        if i >= read {
            lowering.unread.push(lowering.outlet(id)?);
        }
    }
    Ok(())
}
