//! Names of operations.

use super::{FloatOp, Int8Op, Op, Unary};

impl Op {
    /// Returns the operation's name, for tables and messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Int8(op) => match op {
                Int8Op::Conv { groups: 1, .. } => "conv",
                Int8Op::Conv { .. } => "group conv",
                Int8Op::Add { .. } => "add",
                Int8Op::AveragePool { .. } => "average pool",
                Int8Op::MaxPool { .. } => "max pool",
                Int8Op::Concat { .. } => "concat",
                Int8Op::Rescale { .. } => "rescale",
                Int8Op::Pad { .. } => "pad",
                Int8Op::Reshape => "reshape",
                Int8Op::Flatten => "flatten",
                Int8Op::Table { .. } => "table",
                Int8Op::Multiply { .. } => "multiply",
                Int8Op::Permute(_) => "permute",
                Int8Op::Slice(_) => "slice",
                Int8Op::Upsample { .. } => "upsample",
            },
            Self::Ordered(FloatOp::Linear { .. }) => "linear",
            Self::Ordered(FloatOp::Unary(Unary::Gelu)) => "gelu",
            Self::Float(op) | Self::Ordered(op) => match op {
                FloatOp::Conv { .. } => "float conv",
                FloatOp::Unary(_) => "float unary",
                FloatOp::Binary(_) => "float binary",
                FloatOp::Constant { .. } => "float constant",
                FloatOp::AveragePool { .. } => "float average pool",
                FloatOp::MaxPool { .. } => "float max pool",
                FloatOp::Concat => "float concat",
                FloatOp::Pad { .. } => "float pad",
                FloatOp::Softmax => "softmax",
                FloatOp::Reshape => "float reshape",
                FloatOp::Flatten => "float flatten",
                FloatOp::Quantize => "quantize",
                FloatOp::Dequantize => "dequantize",
                FloatOp::Permute(_) => "float permute",
                FloatOp::Slice(_) => "float slice",
                FloatOp::Upsample { .. } => "float upsample",
                FloatOp::MatMul { .. } => "matmul",
                FloatOp::Linear { .. } => "float linear",
            },
        }
    }
}
