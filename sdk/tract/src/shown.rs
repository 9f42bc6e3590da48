//! Observation points: operations that pass a tensor to the observer of a run.

use tract_core::internal::*;

/// Identity operation at an observed tensor. The optimizer does not rewrite operations that it does
/// not know, so that the tensor is computed unchanged, and its memory is freed after its readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Index in the list of observed tensors.
    pub place: usize,
}

impl Op for Shown {
    fn name(&self) -> StaticName {
        "OffshootShown".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Shown {
    // Constants are observed, too: no evaluation while the model is optimized.
    not_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(inputs)
    }
}

impl TypedOp for Shown {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }

    as_op!();
}

/// Returns the index of the observed tensor if the node is an observation point.
pub(crate) fn place(node: &TypedNode) -> Option<usize> {
    node.op_as::<Shown>().map(|shown| shown.place)
}
