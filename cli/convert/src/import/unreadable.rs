//! Errors of tract on a graph, in terms of the file: the node, and the next step for the user.

use tract_onnx::pb::GraphProto;

use super::data_flow::{Flow, Named};

/// Node that does not fit the nodes around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Name of the node, or of its result.
    pub node: String,
    /// Operation.
    pub operation: String,
    /// Nearest tensor before it that all its values depend on.
    pub cut: Option<String>,
}

/// Returns the innermost node of the file that a message names.
pub(super) fn misfit(graph: &GraphProto, message: &str) -> Option<Misfit> {
    let named = Named::of(graph);
    let at = names(message).rev().find_map(|name| named.node(name))?;
    let node = &graph.node[at];
    let cut = Flow::of(graph).places_before(at).next().map(|(_, name)| name.to_string());
    let name = node.output.first().filter(|_| node.name.is_empty()).unwrap_or(&node.name);
    Some(Misfit { node: name.clone(), operation: node.op_type.clone(), cut })
}

/// Returns the name in a message of tract at run time, without the graph.
pub(crate) fn named(message: &str) -> Option<&str> {
    names(message).next_back()
}

/// Returns the names in a message, which tract writes as `#3 "name" Operation`, or as `node name
/// (Operation)`.
fn names(message: &str) -> impl DoubleEndedIterator<Item = &str> {
    let quoted = message.split('"').skip(1).step_by(2);
    let building =
        message.split("Building node ").skip(1).filter_map(|rest| rest.split(" (").next());
    let mut names: Vec<&str> = building.chain(quoted).filter(|name| !name.is_empty()).collect();
    names.dedup();
    names.into_iter()
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::NodeProto;

    use super::*;

    fn node(op: &str, name: &str, input: &str) -> NodeProto {
        NodeProto {
            op_type: op.to_string(),
            name: name.to_string(),
            input: vec![input.to_string()],
            output: vec![format!("{name}_out")],
            ..NodeProto::default()
        }
    }

    #[test]
    fn the_innermost_node_is_named() {
        let graph = GraphProto {
            node: vec![
                node("Conv", "conv", "x"),
                node("Clip", "act", "conv_out"),
                node("Gemm", "fc", "act_out"),
            ],
            input: vec![tract_onnx::pb::ValueInfoProto {
                name: "x".to_string(),
                ..Default::default()
            }],
            ..GraphProto::default()
        };
        let find = |message: &str| misfit(&graph, message).map(|m| (m.node, m.operation, m.cut));
        let gemm = Some(("fc".to_string(), "Gemm".to_string(), Some("act_out".to_string())));
        assert_eq!(
            find("Translating node #3 \"fc\" Gemm ToTypedTranslator: Impossible to unify 3 with 4"),
            gemm
        );
        let clip = Some(("act".to_string(), "Clip".to_string(), Some("conv_out".to_string())));
        assert_eq!(find("node #9 \"fc\" X: wiring \"act.low\": no"), clip);
        assert_eq!(find("Building node act (Clip): no min"), clip);
        assert_eq!(find("undetermined symbol"), None);
    }
}
