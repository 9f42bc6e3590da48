//! What a package cannot run of a model: all of it at once, as a table that says what can be done.

use std::fmt;

use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::{GraphProto, type_proto};

use super::{operations, part, walk};

/// A node that is not supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Its name, or that of its result.
    pub node: String,
    /// Its operation, and what about it.
    pub operation: String,
    /// Shape of its result, as far as the file or the analysis says it.
    pub shape: Option<String>,
    /// The nearest tensor before it that all its values come from and a package can give.
    pub cut: Option<String>,
    /// Its place in the file.
    pub(super) at: usize,
}

/// Of those needed, the nodes that must not reach tract.
pub(super) fn by_name(graph: &GraphProto, needed: &[bool]) -> Vec<Unsupported> {
    let nodes =
        graph.node.iter().enumerate().filter(|(at, node)| needed[*at] && !operations::is_allowed(node));
    nodes
        .map(|(at, node)| {
            let output = node.output.first().map_or("", String::as_str);
            let node_name = if node.name.is_empty() { output } else { &node.name };
            Unsupported {
                node: node_name.to_string(),
                operation: node.op_type.clone(),
                shape: stated_shape(graph, output),
                cut: None,
                at,
            }
        })
        .collect()
}

/// The nodes that the walk did not take.
pub(super) fn by_walk(graph: &GraphProto, found: &[walk::Unsupported]) -> Vec<Unsupported> {
    let one = |u: &walk::Unsupported| {
        let is_it = |node: &tract_onnx::pb::NodeProto| node.name == u.node || node.output.contains(&u.node);
        Unsupported {
            node: u.node.clone(),
            operation: u.op.clone(),
            shape: Some(u.shape.clone()).filter(|s| !s.is_empty()),
            cut: None,
            at: graph.node.iter().position(is_it).unwrap_or(graph.node.len()),
        }
    };
    found.iter().map(one).collect()
}

/// Tells each node where to cut before it, such that no other one is before the cut.
pub(super) fn with_cuts(graph: &GraphProto, mut nodes: Vec<Unsupported>) -> Vec<Unsupported> {
    nodes.sort_by_key(|u| u.at);
    nodes.dedup_by_key(|u| u.at);
    let behind = part::behind(graph, |at, _| nodes.iter().any(|u| u.at == at));
    for node in nodes.iter_mut().filter(|u| u.at < graph.node.len()) {
        let place = part::place_before(graph, node.at, |at| !behind[at]);
        node.cut = place.map(|(_, name)| name.to_string());
    }
    nodes
}

/// The tensors that what is not behind any of `nodes` gives to what is.
pub(super) fn frontier<'g>(graph: &'g GraphProto, nodes: &[Unsupported]) -> Vec<&'g str> {
    let behind = part::behind(graph, |at, _| nodes.iter().any(|u| u.at == at));
    let (givers, depends) = (part::givers(graph), part::depends_on_input(graph));
    let read =
        graph.node.iter().zip(&behind).filter(|(_, behind)| **behind).flat_map(|(node, _)| &node.input);
    let fine = |name: &&str| givers.get(name).is_some_and(|&at| !behind[at] && depends[at]);
    let mut tensors: Vec<&str> = read.map(String::as_str).filter(fine).collect();
    tensors.sort_unstable();
    tensors.dedup();
    tensors
}

/// The shape that the file states of a tensor.
fn stated_shape(graph: &GraphProto, tensor: &str) -> Option<String> {
    let info = graph.value_info.iter().chain(&graph.output).find(|info| info.name == tensor)?;
    let type_proto::Value::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
    let dims = tensor.shape.as_ref()?.dim.iter().map(|dim| match &dim.value {
        Some(Value::DimValue(n)) => n.to_string(),
        Some(Value::DimParam(name)) => name.clone(),
        None => "?".to_string(),
    });
    Some(dims.collect::<Vec<_>>().join(","))
}

/// Nodes shown; nobody reads on.
const SHOWN: usize = 20;

/// Nodes as a table: each with its operation, its shape, and what can be done.
#[derive(Debug)]
pub struct UnsupportedTable<'u>(pub &'u [Unsupported]);

impl fmt::Display for UnsupportedTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["node", "operation", "result", "what can be done"].map(str::to_string);
        let row = |u: &Unsupported| {
            let todo = u.cut.as_ref().map_or_else(
                || "nothing before it to cut at".to_string(),
                |cut| format!("leave it out: --cut {cut}"),
            );
            let shape = u.shape.clone().unwrap_or_else(|| "?".to_string());
            [format!("`{}`", u.node), u.operation.clone(), shape, todo]
        };
        let rows: Vec<[String; 4]> =
            std::iter::once(head).chain(self.0.iter().take(SHOWN).map(row)).collect();
        let widths: [usize; 3] =
            std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
        for [node, operation, shape, todo] in &rows {
            let [a, b, c] = widths;
            write!(f, "\n  {node:<a$}  {operation:<b$}  {shape:<c$}  {todo}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
