//! Detection of models that were prepared for training or another runtime.

use tract_onnx::pb::{GraphProto, NodeProto};

use super::check::Known;
use super::data_flow::Flow;
use super::lower::is_lowered;

/// Model that was prepared for something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prepared {
    /// Kind of the preparation, and the first node that shows it.
    pub what: String,
    /// Next step for the user.
    pub instead: &'static str,
}

/// Quantized operations of onnxruntime that are not lowered.
const QUANTIZED: [&str; 4] =
    ["QAttention", "QEmbedLayerNormalization", "DynamicQuantizeLSTM", "MatMulBnb4"];

/// Operations of onnxruntime's optimizer whose weights are in an order of one processor.
const FUSED: [&str; 4] =
    ["ReorderInput", "ReorderOutput", "NhwcFusedConv", "FusedMatMulActivation"];

/// Returns the preparation of the needed nodes that prevents a conversion, if there is one.
pub(super) fn look(graph: &GraphProto, needed: &[bool]) -> Option<Prepared> {
    let nodes: Vec<&NodeProto> =
        graph.node.iter().zip(needed).filter(|(_, needed)| **needed).map(|(n, _)| n).collect();
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
    let flow = Flow::of(graph);
    // Weights may be standardized by an operation that is meant for batches.
    let of_data = |node: &NodeProto| node.input.first().is_some_and(|input| flow.is_data(input));
    let mut nodes = nodes.into_iter().filter(|node| of_data(node));
    nodes.find(|node| in_training(node, &known)).map(|node| Prepared {
        what: format!("exported in training mode ({})", shown(node)),
        instead: "call model.eval() before torch.onnx.export, and leave out training=",
    })
}

fn is_quantized(node: &NodeProto) -> bool {
    let op = node.op_type.as_str();
    QUANTIZED.contains(&op) || (op.starts_with("QLinear") && !is_lowered(op))
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
        // With a ratio of 0 nothing is dropped.
        "Dropout" => {
            let on = known.input(node, 2).is_some_and(|mode| mode.contains(&1.0));
            on && known.input(node, 1).is_none_or(|ratio| ratio != [0.0])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::{AttributeProto, TensorProto, ValueInfoProto};

    use super::*;

    fn node(op: &str, name: &str) -> NodeProto {
        NodeProto {
            op_type: op.to_string(),
            name: name.to_string(),
            input: vec!["x".to_string()],
            ..NodeProto::default()
        }
    }

    fn found(nodes: Vec<NodeProto>) -> Option<String> {
        let needed = vec![true; nodes.len()];
        let mode = TensorProto {
            name: "on".to_string(),
            data_type: 9,
            raw_data: vec![1],
            ..TensorProto::default()
        };
        let input = ValueInfoProto { name: "x".to_string(), ..ValueInfoProto::default() };
        let graph = GraphProto {
            node: nodes,
            initializer: vec![mode],
            input: vec![input],
            ..GraphProto::default()
        };
        look(&graph, &needed).map(|prepared| prepared.what)
    }

    #[test]
    fn what_was_done_to_a_model_is_said_with_the_first_node() {
        let said = |nodes: Vec<NodeProto>| found(nodes).unwrap();
        assert_eq!(
            said(vec![node("Relu", "r"), node("QLinearConv", "q"), node("QLinearWhere", "w")]),
            "quantized already (QLinearWhere `w`)"
        );
        assert_eq!(
            said(vec![node("FusedConv", "f"), node("ReorderInput", "r")]),
            "saved by onnxruntime's optimizer (ReorderInput `r`)"
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
