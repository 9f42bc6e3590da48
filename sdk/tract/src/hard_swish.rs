//! `x * clamp(x + 3, 0, 6) / 6` with the same bits on every processor, which tract-core's kernels do not give.

use tract_core::internal::*;

/// The operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HardSwish;

impl Op for HardSwish {
    fn name(&self) -> StaticName {
        "OffshootHardSwish".into()
    }

    op_as_typed_op!();
}

impl EvalOp for HardSwish {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut out = args_1!(inputs).into_tensor();
        for x in out.try_as_plain_ram_mut()?.as_slice_mut::<f32>()? {
            *x *= (*x + 3.0).clamp(0.0, 6.0) / 6.0;
        }
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for HardSwish {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(inputs[0].shape.iter())))
    }

    as_op!();
}
