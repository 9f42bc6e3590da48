//! Int8 segments: a run of int8 nodes as one tract operation, with the engine's arena and outputs
//! in the state of the operation.

use std::ops::Range;
use std::sync::Arc;

use offshoot_core::graph::{Graph, TensorId};
use offshoot_engine::{Buffer, Isa, Plan, Slot, Step, Value};
use tract_core::internal::*;

use crate::TractError;

/// Planned int8 segment.
#[derive(Debug, Clone)]
pub(crate) struct Int8Segment {
    plan: Arc<Plan<Vec<Step>>>,
    weights: Arc<[u8]>,
    packed: Arc<Buffer>,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
}

// Two segments are the same when they share their plan.
impl PartialEq for Int8Segment {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plan, &other.plan)
    }
}

impl Eq for Int8Segment {}

impl Int8Segment {
    pub(crate) fn new(
        graph: &Graph<'_>,
        weights: &Arc<[u8]>,
        range: Range<usize>,
        inputs: &[TensorId],
        outputs: &[TensorId],
    ) -> Result<Self, TractError> {
        let (plan, slots) = Plan::build(graph, Isa::from_env()?, range, inputs, outputs)?;
        let mut packed = buffer(plan.packed_bytes())?;
        plan.pack(weights, &mut packed)?;
        let inputs = values(graph, &slots, inputs);
        let outputs = values(graph, &slots, outputs);
        let plan = Arc::new(plan);
        let packed = Arc::new(packed);
        Ok(Self { plan, weights: weights.clone(), packed, inputs, outputs })
    }
}

impl Op for Int8Segment {
    fn name(&self) -> StaticName {
        "OffshootInt8Segment".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Int8Segment {
    not_out_of_plan!();

    fn state(&self, _ctx: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        let outputs = self.outputs.iter().map(|v| Arc::new(empty(v))).collect();
        Ok(Some(Box::new(Memory { arena: buffer(self.plan.arena_bytes())?, outputs })))
    }
}

impl TypedOp for Int8Segment {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(self.outputs.iter().map(|v| i8::fact(shape(v))).collect())
    }

    as_op!();
}

/// Memory that a segment keeps between runs, so that a run allocates nothing.
#[derive(Debug, Clone)]
struct Memory {
    arena: Buffer,
    outputs: Vec<Arc<Tensor>>,
}

impl OpState for Memory {
    fn eval(
        &mut self,
        _ctx: &EvalContext,
        op: &dyn Op,
        inputs: TVec<TValue>,
    ) -> TractResult<TVec<TValue>> {
        let op = op.downcast_ref::<Int8Segment>().context("state of another operation")?;
        for (value, input) in op.inputs.iter().zip(&inputs) {
            let codes = input.try_as_plain_ram()?;
            self.arena[value.range()].copy_from_slice(codes.as_slice::<i8>()?);
        }
        op.plan.run(&op.weights, &op.packed, &mut self.arena)?;
        let mut results = TVec::new();
        for (value, output) in op.outputs.iter().zip(&mut self.outputs) {
            if Arc::get_mut(output).is_none() {
                // The result of the last run is still in use.
                *output = Arc::new(empty(value));
            }
            let tensor = Arc::get_mut(output).context("a fresh tensor has one owner")?;
            tensor
                .try_as_plain_ram_mut()?
                .as_slice_mut::<i8>()?
                .copy_from_slice(&self.arena[value.range()]);
            results.push(output.clone().into_tvalue());
        }
        Ok(results)
    }

    fn reset_lanes(&mut self, _lanes: &[LaneId]) -> TractResult<()> {
        // Nothing in the arena outlives a run.
        Ok(())
    }
}

/// Returns the places of tensors in the arena.
fn values(graph: &Graph<'_>, slots: &[Slot], ids: &[TensorId]) -> Vec<Value> {
    ids.iter().filter_map(|&id| Plan::<Vec<Step>>::value(graph, slots, id)).collect()
}

fn buffer(need: usize) -> Result<Buffer, TractError> {
    Buffer::new(need).map_err(|_| TractError::Memory { need })
}

fn shape(value: &Value) -> [usize; 4] {
    [1, value.shape.h(), value.shape.w(), value.shape.c()]
}

fn empty(value: &Value) -> Tensor {
    Tensor::zero::<i8>(&shape(value)).expect("a checked shape fits memory")
}
