//! What nodes are on the way from a classifier to a model's output.

use super::Ends;

/// What a node does there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not passed: a layer, or what is not known to come after one.
    Layer,
    /// Only moves values, or computes with all of them alike.
    Moves,
    /// Makes probabilities of scores, or decides.
    Squash,
    /// A hidden layer's activation.
    Activation,
    /// Batch normalization.
    Norm,
    /// Makes a vector of a map.
    Pool,
}

const MOVES: &str = "\
    Identity Dropout Cast CastLike Reshape Flatten Squeeze Unsqueeze Transpose Slice Split Gather Expand Tile \
    Pad Add Sub Mul Div Sum Mean Max Min Concat Neg Abs Reciprocal Where QuantizeLinear DequantizeLinear Resize \
    Upsample DepthToSpace SpaceToDepth ReduceL2 ReduceSumSquare";

const SQUASHES: &str = "\
    Softmax LogSoftmax Hardmax Sigmoid HardSigmoid Tanh Softplus Softsign Exp Log ArgMax ArgMin TopK Greater \
    GreaterOrEqual Less LessOrEqual Equal Not And Or Round Floor Ceil Sign ScaledTanh";

const ACTIVATIONS: &str = "\
    Relu LeakyRelu PRelu Elu Selu Celu Gelu FastGelu QuickGelu BiasGelu HardSwish Swish Mish ThresholdedRelu Clip";

const POOLS: &str = "GlobalAveragePool GlobalMaxPool GlobalLpPool AveragePool MaxPool LpPool";

const REDUCES: &str = "ReduceMean ReduceSum ReduceMax ReduceMin ReduceLogSumExp ReduceProd ReduceL1";

/// Operations that choose among results, at which no features are left.
const CHOICES: &str = "Loop Scan NonMaxSuppression TopK NonZero RoiAlign MaxRoiPool";

const PRODUCTS: &str = "Gemm MatMul FusedGemm FusedMatMul MatMulInteger QGemm QLinearMatMul";

fn is_one_of(op: &str, names: &str) -> bool {
    names.split(' ').any(|name| name == op)
}

/// Whether a node multiplies by a matrix.
pub(super) fn is_product(op: &str) -> bool {
    is_one_of(op, PRODUCTS)
}

/// Whether a node chooses among results, as a detector's end does.
pub(in crate::import) fn is_choice(op: &str) -> bool {
    is_one_of(op, CHOICES)
}

/// Whether a node is a layer with weights.
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

    /// Whether a reduction makes a vector of a map, not less of a vector.
    fn pools(&self, at: usize) -> bool {
        let Some(input) = self.flow.data_input(at) else { return false };
        let axes = self.flow.node(at).attribute.iter().find(|a| a.name == "axes");
        match self.shapes.get(input) {
            Some(shape) => shape.iter().filter(|&&n| n > 1).count() > 1,
            None => axes.is_some_and(|axes| axes.ints.len() > 1) || !self.is_vector(input),
        }
    }

    /// What a product of a tensor and a function of it is of: SiLU, hard swish and GELU as exporters write them.
    pub(super) fn gated(&self, at: usize) -> Option<&'g str> {
        let inputs = self.flow.data_inputs(at);
        let (&[a, b], "Mul") = (&inputs[..], self.flow.node(at).op_type.as_str()) else { return None };
        let before = self.functions_before(a);
        let common = self.functions_before(b).into_iter().find(|tensor| before.contains(tensor))?;
        Some(common)
    }

    /// A tensor and those that it is a function of, value by value, nearest first.
    fn functions_before(&self, tensor: &'g str) -> Vec<&'g str> {
        const LONGEST: usize = 8;
        let function = |op: &str| {
            is_one_of(op, "Add Sub Mul Div Sigmoid HardSigmoid Tanh Softplus Erf Clip Relu Max Min Pow")
        };
        let previous = |tensor: &&'g str| {
            let at = self.flow.giver(tensor).filter(|&at| function(&self.flow.node(at).op_type))?;
            self.flow.data_input(at)
        };
        std::iter::successors(Some(tensor), previous).take(LONGEST).collect()
    }
}
