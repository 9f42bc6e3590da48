//! Steps of operations that take one.

use offshoot_core::graph::Int8Op;

use super::step::{StepOp, Value};

/// True if this version of the engine has the operation.
pub(super) fn is_known(op: &Int8Op) -> bool {
    matches!(
        op,
        Int8Op::Conv { .. }
            | Int8Op::Add { .. }
            | Int8Op::AveragePool { .. }
            | Int8Op::MaxPool { .. }
            | Int8Op::Rescale { .. }
            | Int8Op::Pad { .. }
            | Int8Op::Flatten
            | Int8Op::Table { .. }
            | Int8Op::Multiply { .. }
            | Int8Op::Permute(_)
            | Int8Op::Slice(_)
            | Int8Op::Upsample { .. }
    )
}

/// Returns the operation of a step; `None` for one that is no single step.
pub(super) fn simple(op: &Int8Op, a: Value, out: Value) -> Option<StepOp> {
    Some(match *op {
        Int8Op::Conv { window, groups, weights, bias, mantissas, shift, clamp } => {
            let groups = usize::from(groups);
            if op.is_depthwise(a.shape.c(), out.shape.c()) {
                StepOp::Depthwise { window, weights, bias, mantissas, shift, clamp }
            } else {
                StepOp::Conv { window, groups, weights, bias, mantissas, shift, clamp }
            }
        }
        Int8Op::Add { a, b, clamp } => StepOp::Add { a, b, clamp },
        Int8Op::AveragePool { window, include_pad, multiplier, clamp } => {
            StepOp::AveragePool { window, include_pad, multiplier, clamp }
        }
        Int8Op::MaxPool { window } => StepOp::MaxPool { window },
        Int8Op::Rescale { affine, clamp } => StepOp::Map { affine, clamp, at: 0 },
        Int8Op::Pad { pad } => StepOp::Pad { top: pad[0].into(), left: pad[1].into() },
        Int8Op::Flatten => StepOp::Flatten,
        Int8Op::Table { table } => StepOp::Table { table },
        Int8Op::Multiply { multiplier, clamp } => StepOp::Multiply { multiplier, clamp },
        Int8Op::Permute(permutation) => StepOp::Permute(permutation),
        Int8Op::Slice(slice) => StepOp::Slice(slice),
        Int8Op::Upsample { factor } => StepOp::Upsample { factor },
        _ => return None,
    })
}
