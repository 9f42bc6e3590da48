//! Detection of models that were prepared for training or another runtime.

use tract_onnx::pb::{GraphProto, NodeProto};

use super::check::Known;
use super::data_flow::Flow;

/// Model that was prepared for something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prepared {
    /// Kind of the preparation, and the first node that shows it.
    pub what: String,
    /// Next step for the user.
    pub instead: &'static str,
}

/// Quantized operations, of ONNX and of onnxruntime.
const QUANTIZED: [&str; 13] = [
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "QGemm",
    "QAttention",
    "QEmbedLayerNormalization",
    "DynamicQuantizeMatMul",
    "DynamicQuantizeLSTM",
    "MatMulIntegerToFloat",
    "MatMulNBits",
    "MatMulBnb4",
];

/// Fused operations of onnxruntime's optimizer.
const FUSED: [&str; 7] = [
    "FusedConv",
    "FusedGemm",
    "FusedMatMul",
    "FusedMatMulActivation",
    "ReorderInput",
    "ReorderOutput",
    "NhwcFusedConv",
];

/// Returns the preparation of the needed nodes that prevents a conversion, if there is one.
pub(super) fn look(graph: &GraphProto, needed: &[bool]) -> Option<Prepared> {
    let flow = Flow::of(graph);
    // Quantized weights are dequantized before any computation with them.
    let nodes: Vec<&NodeProto> = graph
        .node
        .iter()
        .enumerate()
        .filter(|(at, node)| {
            needed[*at] && (node.op_type != "DequantizeLinear" || flow.depends(*at))
        })
        .map(|(_, node)| node)
        .collect();
    if let Some(node) = nodes.iter().find(|node| is_quantized(node)) {
        return Some(Prepared {
            what: format!("quantized already ({})", shown(node)),
            instead: "give the float model that it was made from: its integers are chosen anew here",
        });
    }
    if let Some(node) = nodes.iter().find(|node| is_fused(node)) {
        return Some(Prepared {
            what: format!("saved by onnxruntime's optimizer ({})", shown(node)),
            instead: "give the model as it was exported, or save it with ORT_ENABLE_BASIC at most",
        });
    }
    let known = Known::of(graph);
    nodes.iter().find(|node| in_training(node, &known)).map(|node| Prepared {
        what: format!("exported in training mode ({})", shown(node)),
        instead: "call model.eval() before torch.onnx.export, and leave out training=",
    })
}

fn is_quantized(node: &NodeProto) -> bool {
    QUANTIZED.contains(&&*node.op_type) || node.op_type.starts_with("QLinear")
}

fn is_fused(node: &NodeProto) -> bool {
    FUSED.contains(&&*node.op_type) || node.domain == "com.microsoft.nchwc"
}

fn shown(node: &NodeProto) -> String {
    let name = node.output.first().filter(|_| node.name.is_empty()).unwrap_or(&node.name);
    format!("{} `{name}`", node.op_type)
}

/// True if a node is in training mode: statistics of the batch, or random dropout.
fn in_training(node: &NodeProto, known: &Known<'_>) -> bool {
    match &*node.op_type {
        "BatchNormalization" => {
            let mode = node.attribute.iter().find(|a| a.name == "training_mode");
            mode.is_some_and(|mode| mode.i == 1)
        }
        "Dropout" => known.input(node, 2).is_some_and(|mode| mode.contains(&1.0)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::{AttributeProto, TensorProto};

    use super::*;

    fn node(op: &str, name: &str) -> NodeProto {
        NodeProto { op_type: op.to_string(), name: name.to_string(), ..NodeProto::default() }
    }

    fn found(nodes: Vec<NodeProto>) -> Option<String> {
        let needed = vec![true; nodes.len()];
        let mode = TensorProto {
            name: "on".to_string(),
            data_type: 9,
            raw_data: vec![1],
            ..TensorProto::default()
        };
        let graph = GraphProto { node: nodes, initializer: vec![mode], ..GraphProto::default() };
        look(&graph, &needed).map(|prepared| prepared.what)
    }

    #[test]
    fn what_was_done_to_a_model_is_said_with_the_first_node() {
        let said = |nodes: Vec<NodeProto>| found(nodes).unwrap();
        assert_eq!(
            said(vec![node("Relu", "r"), node("QLinearConv", "q")]),
            "quantized already (QLinearConv `q`)"
        );
        assert_eq!(
            said(vec![node("FusedConv", "f")]),
            "saved by onnxruntime's optimizer (FusedConv `f`)"
        );
        let mut norm = node("BatchNormalization", "n");
        let mode =
            AttributeProto { name: "training_mode".to_string(), i: 1, ..AttributeProto::default() };
        norm.attribute.push(mode);
        assert_eq!(said(vec![norm]), "exported in training mode (BatchNormalization `n`)");
        let mut dropout = node("Dropout", "d");
        dropout.input = ["x", "", "on"].map(str::to_string).to_vec();
        assert_eq!(said(vec![dropout.clone()]), "exported in training mode (Dropout `d`)");
        dropout.input.pop();
        assert_eq!(found(vec![dropout, node("BatchNormalization", "n"), node("Gelu", "g")]), None);
    }
}
