//! A place in the network where values are shown to whoever observes a run.

use tract_core::internal::*;

/// Passes a tensor on. The optimizer sees through no operation it does not know, so that the tensor is made
/// as it is, and its memory is free again when its readers have run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Its place in the list of the observed.
    pub place: usize,
}

impl Op for Shown {
    fn name(&self) -> StaticName {
        "OffshootShown".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Shown {
    // A constant is shown, too, and not worked out before.
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

/// Which place of the observed a node shows.
pub(crate) fn place(node: &TypedNode) -> Option<usize> {
    node.op_as::<Shown>().map(|shown| shown.place)
}
