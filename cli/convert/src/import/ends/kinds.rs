//! Kinds of nodes on the way from a classifier to a model's output.

use super::Ends;

/// Kind of a node on that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Layer, or a node that is not known to follow one; it is not skipped.
    Layer,
    /// Node that only moves values, or scales all of them alike.
    Moves,
    /// Node that turns scores into probabilities, or decides.
    Squash,
    /// Activation of a hidden layer.
    Activation,
    /// Batch normalization.
    Norm,
    /// Pooling of a feature map into a vector.
    Pool,
}

const MOVES: &str = "\
    Identity Dropout Cast CastLike Reshape Flatten Squeeze Unsqueeze Transpose Slice Split Gather Expand Tile \
    Pad Add Sub Mul Div Sum Mean Max Min Concat Neg Abs Reciprocal Where QuantizeLinear DequantizeLinear DynamicQuantizeLinear Resize \
    Upsample DepthToSpace SpaceToDepth ReduceL2 ReduceSumSquare";

const SQUASHES: &str = "\
    Softmax LogSoftmax Hardmax Sigmoid HardSigmoid Tanh Softplus Softsign Exp Log ArgMax ArgMin TopK Greater \
    GreaterOrEqual Less LessOrEqual Equal Not And Or Round Floor Ceil Sign ScaledTanh";

const ACTIVATIONS: &str = "\
    Relu LeakyRelu PRelu Elu Selu Celu Gelu FastGelu QuickGelu BiasGelu HardSwish Swish Mish ThresholdedRelu Clip";

const POOLS: &str = "GlobalAveragePool GlobalMaxPool GlobalLpPool AveragePool MaxPool LpPool";

const REDUCES: &str =
    "ReduceMean ReduceSum ReduceMax ReduceMin ReduceLogSumExp ReduceProd ReduceL1";

/// Operations that choose among results, after which there are no features.
const CHOICES: &str = "Loop Scan NonMaxSuppression TopK NonZero RoiAlign MaxRoiPool";

const PRODUCTS: &str = "\
    Gemm MatMul FusedGemm FusedMatMul MatMulInteger MatMulIntegerToFloat DynamicQuantizeMatMul \
    MatMulNBits QGemm QLinearMatMul";

fn is_one_of(op: &str, names: &str) -> bool {
    names.split(' ').any(|name| name == op)
}

/// True if a node multiplies by a matrix.
pub(super) fn is_product(op: &str) -> bool {
    is_one_of(op, PRODUCTS)
}

/// True if a node chooses among results, as at the end of a detector.
pub(in crate::import) fn is_choice(op: &str) -> bool {
    is_one_of(op, CHOICES)
}

/// True if a node is a layer with weights.
pub(super) fn has_weights(op: &str) -> bool {
    is_product(op) || op.contains("Conv")
}

impl<'g> Ends<'g> {
    pub(super) fn kind(&self, at: usize) -> Kind {
        let node = self.flow.node(at);
        match node.op_type.as_str() {
            op if is_one_of(op, MOVES) => Kind::Moves,
            op if is_one_of(op, SQUASHES) => Kind::Squash,
            op if is_one_of(op, ACTIVATIONS) => Kind::Activation,
            op if is_one_of(op, POOLS) => Kind::Pool,
            op if is_one_of(op, REDUCES) && self.pools(at) => Kind::Pool,
            op if is_one_of(op, REDUCES) => Kind::Moves,
            "BatchNormalization" => Kind::Norm,
            _ => Kind::Layer,
        }
    }

    /// True if a reduction makes a vector of a feature map, not a shorter vector.
    fn pools(&self, at: usize) -> bool {
        let Some(input) = self.flow.data_input(at) else { return false };
        let axes = self.flow.node(at).attribute.iter().find(|a| a.name == "axes");
        match self.shapes.get(input) {
            Some(shape) => shape.iter().filter(|&&n| n > 1).count() > 1,
            None => axes.is_some_and(|axes| axes.ints.len() > 1) || !self.is_vector(input),
        }
    }

    /// Returns the tensor that is multiplied by a function of itself: SiLU, hard swish and GELU as
    /// exporters write them.
    pub(super) fn gated(&self, at: usize) -> Option<&'g str> {
        let inputs = self.flow.data_inputs(at);
        let &[a, b] = &inputs[..] else { return None };
        if self.flow.node(at).op_type != "Mul" {
            return None;
        }
        let before = self.functions_before(a);
        let common = self.functions_before(b).into_iter().find(|tensor| before.contains(tensor))?;
        Some(common)
    }

    /// Returns a tensor and those that it is computed from value by value, nearest first.
    fn functions_before(&self, tensor: &'g str) -> Vec<&'g str> {
        const LONGEST: usize = 8;
        const BY_VALUE: &str =
            "Add Sub Mul Div Sigmoid HardSigmoid Tanh Softplus Erf Clip Relu Max Min Pow";
        let chain = std::iter::successors(Some(tensor), |tensor| {
            let at = self.flow.giver(tensor)?;
            let function = is_one_of(&self.flow.node(at).op_type, BY_VALUE);
            if function { self.flow.data_input(at) } else { None }
        });
        chain.take(LONGEST).collect()
    }
}
