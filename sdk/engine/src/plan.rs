//! Plans: a graph becomes steps in an arena of known size.

pub(crate) mod placement;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // only its kernels use it
pub(crate) mod requant_path;
mod row_fusion;
mod single_step;
pub(crate) mod slots;
pub(crate) mod step;
pub(crate) mod steps;
#[cfg(feature = "std")]
pub(crate) mod text_plan;

use core::num::NonZeroU8;
use core::ops::Range;

use offshoot_core::graph::{Affine, Clamp, Element, FloatOp, Graph, Int8Op, Node, Op, TensorId};
use offshoot_core::{Multiplier, Quant, Scale};
use placement::{is_reshape, place};
use single_step::{is_known, simple};
use slots::Slot;
use step::{Span, Step, StepOp, Value, together};
use steps::Steps;

use crate::dispatch;
use crate::error::{PlanError, RunError};
use crate::isa::Isa;
use crate::kernels::arena::Arena;
use crate::kernels::run::{Memory, Part, Share};
use crate::ops;
use crate::target::Target;

/// Instruction set, threads and row fusion of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Instruction set whose kernels run the plan.
    pub isa: Isa,
    /// Number of threads that share each step; each has its own scratch in the arena.
    pub threads: NonZeroU8,
    /// Enables row fusion: an expansion, a depthwise convolution and a projection run together row
    /// by row where that saves memory.
    pub chains: bool,
}

impl From<Isa> for Config {
    /// Returns a configuration with one thread and with chains where they save memory.
    fn from(isa: Isa) -> Self {
        Self { isa, threads: NonZeroU8::MIN, chains: true }
    }
}

/// Consecutive nodes of a graph to plan, with the tensors that enter and leave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Nodes, counted from 0 in file order.
    pub nodes: Range<usize>,
    /// Tensors that the caller writes before a run; not empty.
    pub inputs: &'a [TensorId],
    /// Tensors that the caller reads after a run; not empty.
    pub outputs: &'a [TensorId],
}

/// Network ready to run: steps in the caller's memory (see [`Steps`]) and offsets into the caller's
/// arena.
#[derive(Debug, Clone)]
pub struct Plan<S> {
    steps: S,
    len: usize,
    input: Value,
    output: Value,
    config: Config,
    packed_bytes: usize,
    arena_bytes: usize,
    live_set: usize,
}

impl<S: Steps> Plan<S> {
    /// Plans a whole graph of operations that the engine runs.
    ///
    /// `slots` is scratch of [`slots_needed`](Self::slots_needed) elements; `steps` becomes part of
    /// the plan and has [`steps_needed`](Self::steps_needed) elements.
    ///
    /// # Errors
    /// The graph has a node for tract-core, or `slots` or `steps` is too short.
    pub fn new(
        graph: &Graph<'_>,
        config: impl Into<Config>,
        slots: &mut [Slot],
        steps: S,
    ) -> Result<Self, PlanError> {
        let whole = Segment {
            nodes: 0..graph.node_count(),
            inputs: &[Graph::INPUT],
            outputs: &[graph.output()],
        };
        Self::segment(graph, config, whole, slots, steps)
    }

    /// Plans the nodes of a segment alone; [`Plan::value`] locates its inputs and outputs.
    ///
    /// # Errors
    /// Those of [`Plan::new`]; nodes outside the graph; a tensor that a node reads but that is
    /// neither computed in the segment nor one of its inputs; an input that is computed in the
    /// segment; an output that is neither computed in it nor one of its inputs; an input or output
    /// in float, unless the engine runs the whole graph.
    ///
    /// # Panics
    /// If the segment has no input or no output.
    pub fn segment(
        graph: &Graph<'_>,
        config: impl Into<Config>,
        segment: Segment<'_>,
        slots: &mut [Slot],
        mut steps: S,
    ) -> Result<Self, PlanError> {
        let config = config.into();
        let need = Self::slots_needed(graph);
        let have = slots.len();
        let slots = slots.get_mut(..need).ok_or(PlanError::Slots { need, have })?;
        let need = Self::steps_needed(graph, segment.nodes.clone())?;
        let have = steps.list().len();
        let list = steps.list_mut().get_mut(..need).ok_or(PlanError::Steps { need, have })?;
        check_ends(graph, &segment)?;
        let placement = place(graph, &segment, config, slots);
        let mut free = list.iter_mut();
        for (id, node) in segment.nodes_of(graph) {
            lower(graph, slots, id, &node, &mut free);
        }
        let tensors = graph.tensor_count();
        let target = config.isa.target();
        let mut packed_bytes = 0;
        for step in list {
            let own = &slots[tensors + step.node()];
            (step.chain, step.kept_rows) = (own.chain, own.kept_rows);
            step.scratch = own.span();
            step.requant = step.requant_path(graph.weights());
            if let Some(target) = &target {
                step.packed = next_panels(target, step, &mut packed_bytes);
            }
        }
        Ok(Self {
            steps,
            len: need,
            input: value(graph, slots, segment.inputs[0]),
            output: value(graph, slots, segment.outputs[0]),
            config,
            packed_bytes,
            arena_bytes: placement.arena,
            live_set: placement.live_set,
        })
    }

    /// Returns the number of steps that the nodes of `range` become.
    ///
    /// # Errors
    /// [`PlanError::Float`]: the range has a node for tract-core, or an operation unknown to this
    /// version or, without the feature `ordered`, in float.
    pub fn steps_needed(graph: &Graph<'_>, range: Range<usize>) -> Result<usize, PlanError> {
        let mut steps = 0;
        for (id, node) in graph.nodes().skip(range.start).take(range.len()) {
            steps += match node.op {
                Op::Ordered(_) if !ops::HAS_ORDERED => {
                    return Err(PlanError::Float { node: usize::from(id) - 1 });
                }
                Op::Int8(Int8Op::Concat { .. }) | Op::Ordered(FloatOp::Concat) => node.inputs.len(),
                op if is_reshape(&op) => 0,
                Op::Int8(op) if is_known(&op) => 1,
                Op::Ordered(op) if ops::ordered::is_known(&op) => 1,
                _ => return Err(PlanError::Float { node: usize::from(id) - 1 }),
            };
        }
        Ok(steps)
    }

    /// Returns the number of slots that planning takes: one per tensor and one per node.
    pub fn slots_needed(graph: &Graph<'_>) -> usize {
        graph.tensor_count() + graph.node_count()
    }

    /// Returns the place of a tensor in the arena, by the slots that the plan was made with;
    /// [`None`] if the plan does not have the tensor.
    pub fn value(graph: &Graph<'_>, slots: &[Slot], id: TensorId) -> Option<Value> {
        slots.get(usize::from(id)).filter(|s| s.is_present()).map(|_| value(graph, slots, id))
    }

    /// Returns the configuration of the plan.
    pub fn config(&self) -> Config {
        self.config
    }

    /// Returns the bytes of the weights as [`Plan::pack`] writes them; 0 for [`Isa::GENERIC`].
    pub fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }

    /// Writes the weights in the order of the kernels. Required once, before the first run.
    ///
    /// # Errors
    /// [`RunError::Packed`]: `packed` is shorter than [`Plan::packed_bytes`]; nothing was written
    /// then.
    ///
    /// # Panics
    /// If `weights` belongs to another package.
    pub fn pack(&self, weights: &[u8], packed: &mut [i8]) -> Result<(), RunError> {
        match self.config.isa.target() {
            Some(target) => self.pack_for(&target, weights, packed),
            None => Ok(()),
        }
    }

    /// Returns [`Plan::packed_bytes`] for any target, also one that this processor lacks.
    pub fn packed_bytes_for(&self, target: &Target) -> usize {
        let mut end = 0;
        self.steps().iter().for_each(|step| {
            next_panels(target, step, &mut end);
        });
        end
    }

    /// Writes the weights in the order of any target, also one that this processor lacks.
    ///
    /// # Errors
    /// [`RunError::Packed`]: `packed` is shorter than [`Plan::packed_bytes_for`]; nothing was
    /// written then.
    ///
    /// # Panics
    /// If `weights` belongs to another package.
    pub fn pack_for(
        &self,
        target: &Target,
        weights: &[u8],
        packed: &mut [i8],
    ) -> Result<(), RunError> {
        let need = self.packed_bytes_for(target);
        let have = packed.len();
        let packed = packed.get_mut(..need).ok_or(RunError::Packed { need, have })?;
        let mut end = 0;
        for step in self.steps() {
            let panels = next_panels(target, step, &mut end);
            dispatch::pack(target, step, weights, &mut packed[panels.range()]);
        }
        Ok(())
    }

    /// Returns the exact bytes of the arena.
    pub fn arena_bytes(&self) -> usize {
        self.arena_bytes
    }

    /// Returns the bytes of the largest set of tensors alive at once, if each of them existed as a
    /// whole: without chains and in-place operations no arena can be smaller.
    pub fn live_set_bytes(&self) -> usize {
        self.live_set
    }

    /// Returns the (first) input.
    pub fn input(&self) -> Value {
        self.input
    }

    /// Returns the (first) output.
    pub fn output(&self) -> Value {
        self.output
    }

    /// Returns the feature map whose global average the (first) output is, or is computed from by
    /// fully connected layers alone. [`None`] if there is no such map or if a later step
    /// overwrites it, so that it is not in the arena after a run.
    pub fn pooled(&self) -> Option<Value> {
        let steps = self.steps();
        let mut pool = maker(steps, self.output)?;
        while let StepOp::Flatten | StepOp::Conv { .. } | StepOp::Map { .. } = steps[pool].op {
            pool = maker(&steps[..pool], steps[pool].a)
                .filter(|_| steps[pool].out.shape.is_vector())?;
        }
        let map = steps[pool].a;
        let out = steps[pool].out;
        let StepOp::AveragePool { window, multiplier, .. } = steps[pool].op else { return None };
        let covers = window.taps() == map.shape.h() * map.shape.w();
        let factor = f64::from(map.quant.scale.get()) / f64::from(out.quant.scale.get());
        let is_mean = out.shape.h() * out.shape.w() == 1
            && covers
            && Multiplier::new(factor) == Some(multiplier);
        let made = steps[..pool].iter().rposition(|step| step.out == map)?;
        let is_whole = steps[made].kept_rows == 0;
        let is_kept = steps[made + 1..].iter().all(|step| {
            are_apart(&map.range(), &step.out.range())
                && are_apart(&map.range(), &step.scratch.range())
        });
        (is_mean && is_whole && is_kept).then_some(map)
    }

    /// Returns the steps in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps.list()[..self.len]
    }

    /// Cuts packed weights and arena to the lengths that the plan requires.
    pub(crate) fn memory<'m>(
        &self,
        packed: &'m [i8],
        arena: &'m mut [i8],
    ) -> Result<(&'m [i8], &'m mut [i8]), RunError> {
        let need = self.packed_bytes;
        let have = packed.len();
        let packed = packed.get(..need).ok_or(RunError::Packed { need, have })?;
        let need = self.arena_bytes;
        let have = arena.len();
        let arena = arena.get_mut(..need).ok_or(RunError::Arena { need, have })?;
        Ok((packed, arena))
    }

    /// Runs the network on this thread: reads the input from the arena, leaves the output in it.
    ///
    /// `weights` is the weights section of the package that the plan was made from; `packed` is
    /// the output of [`Plan::pack`]. Allocates nothing.
    ///
    /// # Errors
    /// [`RunError::Arena`] or [`RunError::Packed`]: `arena` or `packed` is too short; nothing has
    /// run then.
    ///
    /// # Panics
    /// If `weights` belongs to another package.
    pub fn run(&self, weights: &[u8], packed: &[i8], arena: &mut [i8]) -> Result<(), RunError> {
        self.run_with_observer(weights, packed, arena, |_| {})
    }

    /// Runs the network like [`Plan::run`], and passes the steps that have just run to `observe`:
    /// one step, or all steps of a chain.
    ///
    /// # Errors
    /// [`RunError::Arena`] or [`RunError::Packed`]: `arena` or `packed` is too short; nothing has
    /// run then.
    ///
    /// # Panics
    /// If `weights` belongs to another package.
    pub fn run_with_observer(
        &self,
        weights: &[u8],
        packed: &[i8],
        arena: &mut [i8],
        mut observe: impl FnMut(&[Step]),
    ) -> Result<(), RunError> {
        let (packed, arena) = self.memory(packed, arena)?;
        let memory = Memory { weights, packed, arena: Arena::new(arena) };
        let count = usize::from(self.config.threads.get());
        let seat = Part { index: 0, count };
        for steps in together(self.steps()) {
            for index in 0..count {
                let share = Share { part: Part { index, count }, seat };
                dispatch::run(self.config.isa, steps, memory, share);
            }
            observe(steps);
        }
        Ok(())
    }
}

impl Segment<'_> {
    /// Iterates over the nodes with the tensors that they produce.
    fn nodes_of<'g>(
        &self,
        graph: &Graph<'g>,
    ) -> impl Iterator<Item = (TensorId, Node<'g>)> + use<'g> {
        graph.nodes().skip(self.nodes.start).take(self.nodes.len())
    }

    /// Returns true if a node of the segment computes the tensor.
    fn makes(&self, id: TensorId) -> bool {
        usize::from(id).checked_sub(1).is_some_and(|node| self.nodes.contains(&node))
    }

    /// Returns true if the tensor has a place in the segment's memory.
    fn has(&self, id: TensorId) -> bool {
        self.makes(id) || self.inputs.contains(&id)
    }
}

/// Checks that every operand has its own place; an operand without one would alias a result.
fn check_ends(graph: &Graph<'_>, segment: &Segment<'_>) -> Result<(), PlanError> {
    let nodes = graph.node_count();
    let Range { start, end } = segment.nodes;
    if start > end || end > nodes {
        return Err(PlanError::Range { start, end, nodes });
    }
    for &tensor in segment.inputs {
        if segment.makes(tensor) || !is_end(graph, tensor) {
            return Err(PlanError::Input { tensor });
        }
    }
    for &tensor in segment.outputs {
        if !segment.has(tensor) || !is_end(graph, tensor) {
            return Err(PlanError::Output { tensor });
        }
    }
    for (id, node) in segment.nodes_of(graph) {
        if let Some(tensor) = node.inputs.iter().find(|&operand| !segment.has(operand)) {
            return Err(PlanError::Operand { node: usize::from(id) - 1, tensor });
        }
    }
    Ok(())
}

/// Returns true if the graph has the tensor, and it is quantized or in a graph of the engine alone.
fn is_end(graph: &Graph<'_>, id: TensorId) -> bool {
    let exists = usize::from(id) < graph.tensor_count();
    exists && (graph.tensor(id).element.quant().is_some() || graph.is_ordered())
}

/// Returns the bytes of a value.
fn width(element: Element) -> usize {
    match element {
        Element::Int8(_) => 1,
        Element::Float => size_of::<f32>(),
    }
}

/// Returns the last step whose result begins where `value` does.
fn maker(steps: &[Step], value: Value) -> Option<usize> {
    steps.iter().rposition(|step| step.out.offset == value.offset)
}

/// Returns true if two ranges of bytes share none.
fn are_apart(one: &Range<usize>, other: &Range<usize>) -> bool {
    other.is_empty() || other.end <= one.start || one.end <= other.start
}

fn value(graph: &Graph<'_>, slots: &[Slot], id: TensorId) -> Value {
    let tensor = graph.tensor(id);
    let quant = tensor.element.quant().unwrap_or(Quant { scale: Scale::ONE, zero_point: 0 });
    let offset = slots[usize::from(id)].offset;
    Value { offset, shape: tensor.shape, quant, width: width(tensor.element) }
}

/// Returns the place of a step's panels after those that end at `end`, and advances `end`.
fn next_panels(target: &Target, step: &Step, end: &mut usize) -> Span {
    let panels = Span { start: *end, len: dispatch::packed_bytes(target, step) };
    *end = end.saturating_add(panels.len.next_multiple_of(Slot::ALIGN));
    panels
}

/// Writes the steps of one node.
fn lower<'s>(
    graph: &Graph<'_>,
    slots: &[Slot],
    id: TensorId,
    node: &Node<'_>,
    free: &mut impl Iterator<Item = &'s mut Step>,
) {
    let mut inputs = node.inputs.iter().map(|i| value(graph, slots, i));
    let out = value(graph, slots, id);
    let step = Step { out, node: id - 1, ..Step::EMPTY };
    if let Op::Ordered(FloatOp::Concat) = node.op {
        let mut at = 0;
        for (a, free) in inputs.zip(free) {
            *free = Step { op: StepOp::Place { at }, a, b: a, ..step };
            at += a.shape.c();
        }
        return;
    }
    if let Op::Int8(Int8Op::Concat { affines }) = node.op {
        let records = affines.of(graph.weights()).chunks_exact(Affine::RECORD);
        let mut at = 0;
        let operands = inputs.zip(records.filter_map(Affine::from_record));
        for ((a, affine), free) in operands.zip(free) {
            *free = Step { op: StepOp::Map { affine, clamp: Clamp::NONE, at }, a, b: a, ..step };
            at += a.shape.c();
        }
        return;
    }
    let Some(a) = inputs.next() else { return };
    let op = match node.op {
        Op::Int8(op) => simple(&op, a, out),
        Op::Ordered(op) => Some(StepOp::Ordered(op)).filter(|_| op != FloatOp::Reshape),
        Op::Float(_) => None,
    };
    let Some(op) = op else { return };
    if let Some(free) = free.next() {
        *free = Step { op, a, b: inputs.next().unwrap_or(a), ..step };
    }
}
