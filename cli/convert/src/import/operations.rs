//! Operations that may be passed to tract.

use tract_onnx::pb::NodeProto;

use super::lower::is_lowered;

/// ONNX operations that tract can analyse and that cost no more than their results: no loops,
/// branches, random numbers, trees, signals or recurrence.
///
/// An operation in this list is not necessarily supported in a package, but its result is known.
const ALLOWED: &str = "\
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool \
    BatchNormalization BiasGelu BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike \
    Ceil Celu Clip Compress Concat Constant ConstantLike ConstantOfShape Conv ConvInteger \
    ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear \
    Einsum Elu Equal Erf Exp Expand EyeLike FastGelu Flatten Floor Gather GatherElements GatherND \
    Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample \
    GroupNormalization GroupQueryAttention HardSigmoid HardSwish Hardmax Identity \
    InstanceNormalization IsInf IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual Log \
    LogSoftmax LpNormalization MatMul MatMulInteger Max MaxPool Mean MeanVarianceNormalization Min \
    Mish Mod Mul MultiHeadAttention Neg NonMaxSuppression NonZero Not OneHot Or PRelu Pad \
    ParametricSoftplus Pow QLinearConv QLinearMatMul QuantizeLinear QuickGelu RMSNormalization Range \
    Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin \
    ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize RotaryEmbedding Round Rsqrt ScaledTanh \
    Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign SimplifiedLayerNormalization \
    Sin Sinh Size SkipLayerNormalization Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt \
    Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where Xor";

/// True if a node may be passed to tract, or is lowered to such ones: its operation is known, and it
/// has no subgraph.
pub(super) fn is_allowed(node: &NodeProto) -> bool {
    let nested = node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
    let known = ALLOWED.split(' ').any(|name| name == node.op_type);
    !nested && (known || is_lowered(&node.op_type))
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::{AttributeProto, GraphProto};

    use super::*;

    fn node(op: &str) -> NodeProto {
        NodeProto { op_type: op.to_string(), ..NodeProto::default() }
    }

    #[test]
    fn tract_knows_every_name_of_the_list() {
        let known = tract_onnx::onnx().op_register.0;
        let strange: Vec<&str> =
            ALLOWED.split(' ').filter(|name| !known.contains_key(*name)).collect();
        assert!(strange.is_empty(), "{strange:?}");
    }

    #[test]
    fn no_loops_branches_or_dice() {
        for op in [
            "If",
            "Loop",
            "Scan",
            "LSTM",
            "RandomNormal",
            "Multinomial",
            "TreeEnsembleClassifier",
            "",
        ] {
            assert!(!is_allowed(&node(op)), "{op}");
        }
        // A subgraph inside an operation that has none is refused too.
        let mut relu = node("Relu");
        assert!(is_allowed(&relu));
        relu.attribute
            .push(AttributeProto { g: Some(GraphProto::default()), ..AttributeProto::default() });
        assert!(!is_allowed(&relu));
    }
}
