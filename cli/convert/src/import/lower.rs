//! Lowering: operations that tract reads otherwise than ONNX says, takes apart into ones that no
//! package has, or does not know, as several operations that both have.
//!
//! It comes between the file's graph, in which the cut is found and which every message names, and
//! tract. A node's result keeps its name; what leads to it is named `RESULT.part`, which
//! [`Named`](super::data_flow::Named) leads back to the node. An operation is one function here and
//! one row of [`RULES`].

use std::borrow::Cow;
use std::collections::HashSet;

use pieces::{Pieces, Stored};
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

use super::check::{Refused, is_nibbles};
use super::data_flow::reads;

mod activations;
mod dequantize;
mod fused;
mod layers;
mod pieces;
mod quantized;
mod stated;
mod stored_numbers;

pub(super) use stated::state;

/// Result of a rule: nodes and constants instead of a node.
type Lowered = Result<(), Refused>;

/// Function that adds the pieces of a node; nothing if the node stays as it is.
type Rule = fn(&mut Pieces<'_, '_>) -> Lowered;

/// Rules by operation.
const RULES: [(&str, Rule); 40] = [
    ("Celu", activations::celu),
    ("Elu", activations::elu),
    ("Mish", activations::mish),
    ("PRelu", activations::prelu),
    ("Selu", activations::selu),
    ("Shrink", activations::shrink),
    ("Softplus", activations::softplus),
    ("Swish", activations::swish),
    ("ThresholdedRelu", activations::thresholded_relu),
    ("Slice", layers::slice),
    ("Upsample", layers::upsample),
    ("BatchNormalization", layers::of_weights),
    ("RMSNormalization", layers::rms_normalization),
    ("SimplifiedLayerNormalization", layers::rms_normalization),
    ("FusedConv", fused::conv),
    ("FusedGemm", fused::gemm),
    ("FusedMatMul", fused::product),
    ("TransposeMatMul", fused::product),
    ("MatMulNBits", dequantize::blocks),
    ("DequantizeLinear", dequantize::linear),
    ("QuantizeLinear", quantized::quantize),
    ("DynamicQuantizeLinear", quantized::dynamic),
    ("ConvInteger", quantized::conv_integer),
    ("MatMulInteger", quantized::product_integer),
    ("DynamicQuantizeMatMul", quantized::dynamic_product),
    ("MatMulIntegerToFloat", quantized::product_to_float),
    ("QLinearConv", quantized::conv),
    ("QLinearMatMul", quantized::product),
    ("QGemm", quantized::gemm),
    ("QLinearAdd", quantized::sum),
    ("QLinearMul", quantized::multiplied),
    ("QLinearSigmoid", quantized::sigmoid),
    ("QLinearLeakyRelu", quantized::leaky_relu),
    ("QLinearSoftmax", quantized::softmax),
    ("QLinearGlobalAveragePool", quantized::global_mean),
    ("QLinearAveragePool", quantized::mean),
    ("QLinearReduceMean", quantized::mean_of_axes),
    ("QLinearConcat", quantized::concat),
    ("Attention", fused::attention),
    ("FastGelu", fused::fast_gelu),
];

/// Least operator set of a lowered model: nodes made here are those of it and of later ones.
const LEAST: i64 = 10;

/// Returns the rule of a node.
fn rule(node: &NodeProto) -> Option<Rule> {
    let applies = match node.op_type.as_str() {
        "Slice" => node.attribute.iter().any(|a| a.name == "starts"),
        "Attention" => node.domain == "com.microsoft",
        "FastGelu" => node.input.len() > 1,
        "BatchNormalization" => {
            node.attribute.iter().any(|a| a.name == "training_mode" && a.i == 1)
        }
        _ => true,
    };
    let rule = RULES.iter().find(|(op, _)| applies && *op == node.op_type);
    rule.map(|(_, rule)| *rule)
}

/// True if an operation is lowered, so that tract need not know it.
pub(super) fn is_lowered(op: &str) -> bool {
    RULES.iter().any(|(lowered, _)| *lowered == op)
}

/// Returns the model with every operation lowered that has a rule; the model itself if none has.
///
/// # Errors
/// A node is not what its operation demands.
pub(super) fn lower(model: &ModelProto) -> Result<Cow<'_, ModelProto>, Refused> {
    let graph = model.graph.as_ref().filter(|graph| graph.node.iter().any(|n| rule(n).is_some()));
    let Some(graph) = graph else { return Ok(Cow::Borrowed(model)) };
    let mut opset_import = model.opset_import.clone();
    for opset in opset_import.iter_mut().filter(|o| o.domain.is_empty() || o.domain == "ai.onnx") {
        opset.version = opset.version.max(LEAST);
    }
    let newest = opset_import.iter().filter(|o| o.domain.is_empty() || o.domain == "ai.onnx");
    let opset = newest.map(|o| o.version).max().unwrap_or(LEAST);
    let Pieced { nodes, constants } = pieces(graph, opset)?;
    // Constants that became others are not needed, and they may be large.
    let read: HashSet<&str> = nodes.iter().flat_map(reads).collect();
    let kept = graph.initializer.iter().filter(|t| read.contains(t.name.as_str())).cloned();
    let initializer = kept.chain(constants).collect();
    let lowered = GraphProto {
        node: nodes,
        initializer,
        name: graph.name.clone(),
        input: graph.input.clone(),
        output: graph.output.clone(),
        ..GraphProto::default()
    };
    Ok(Cow::Owned(ModelProto {
        ir_version: model.ir_version,
        opset_import,
        graph: Some(lowered),
        ..ModelProto::default()
    }))
}

/// Nodes in order, and the constants made for them.
struct Pieced {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

fn pieces(graph: &GraphProto, opset: i64) -> Result<Pieced, Refused> {
    let mut stored = Stored::of(graph);
    let mut nodes = Vec::with_capacity(graph.node.len());
    for node in &graph.node {
        // All that read it are lowered.
        if node.attribute.iter().any(|a| a.t.as_ref().is_some_and(is_nibbles)) {
            continue;
        }
        let Some(rule) = rule(node) else {
            nodes.push(node.clone());
            continue;
        };
        let mut pieces = Pieces::of(node, &mut stored, opset);
        rule(&mut pieces)?;
        match pieces.finish() {
            Some(made) => nodes.extend(made),
            None => nodes.push(node.clone()),
        }
    }
    Ok(Pieced { nodes, constants: stored.into_made() })
}
