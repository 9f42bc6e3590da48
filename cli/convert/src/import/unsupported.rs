//! Unsupported parts of a model: all of them at once, as a table with the next steps for the user.

use std::collections::HashMap;
use std::fmt;

use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::{GraphProto, NodeProto, type_proto};

use super::data_flow::{self, Flow};
use super::{ends, operations, walk};
use crate::catch_panic::quietly;

/// Unsupported node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Name of the node, or of its result.
    pub node: String,
    /// Operation, with the cause.
    pub operation: String,
    /// Shape of its result, as far as known from the file or the analysis.
    pub shape: Option<String>,
    /// Nearest tensor before it that all its values depend on and that a package can compute.
    pub cut: Option<String>,
    /// True if the cut is so near to the input that its features are edges and colours: in a deep
    /// network, within the first fifth of the nodes.
    pub is_early: bool,
    /// Index in the file.
    pub(super) at: usize,
}

/// Part of a network's nodes with early features, as a divisor.
const EARLY: usize = 5;

/// Least number of nodes of a deep network.
const DEEP: usize = 40;

/// Largest number of places tried before a node.
const TRIED: usize = 6;

impl Unsupported {
    /// Returns the cells of the table.
    fn row(&self) -> [String; 4] {
        let todo = match &self.cut {
            Some(cut) if self.is_early => format!("only early features before it: --cut {cut}"),
            Some(cut) => format!("leave it out: --cut {cut}"),
            None => "no features before it to cut at".to_string(),
        };
        let shape = self.shape.clone().unwrap_or_else(|| "?".to_string());
        [format!("`{}`", self.node), self.operation.clone(), shape, todo]
    }

    fn of(graph: &GraphProto, at: usize, what: &str) -> Self {
        let node = &graph.node[at];
        let output = node.output.first().map_or("", String::as_str);
        let name = if node.name.is_empty() { output } else { &node.name };
        let space = if what.is_empty() { "" } else { " " };
        Self {
            node: name.to_string(),
            operation: format!("{}{space}{what}", node.op_type),
            shape: stated_shape(graph, output),
            cut: None,
            is_early: false,
            at,
        }
    }
}

/// Returns the needed nodes that must not be passed to tract.
pub(super) fn by_name(graph: &GraphProto, needed: &[bool]) -> Vec<Unsupported> {
    (0..graph.node.len())
        .filter(|&at| needed[at] && !operations::is_allowed(&graph.node[at]))
        .map(|at| Unsupported::of(graph, at, ""))
        .collect()
}

/// Returns the nodes that the walk did not accept, with their names in the file.
pub(super) fn by_walk(graph: &GraphProto, found: &[walk::Unsupported]) -> Vec<Unsupported> {
    let named = data_flow::Named::of(graph);
    found.iter().map(|u| in_file(graph, named.node(&u.node), u)).collect()
}

/// Returns a node that the walk did not accept as node `at` of the file; `None` if it has no name
/// there.
fn in_file(graph: &GraphProto, at: Option<usize>, u: &walk::Unsupported) -> Unsupported {
    let shape = Some(u.shape.clone()).filter(|s| !s.is_empty());
    let Some(at) = at else {
        return Unsupported {
            node: u.node.clone(),
            operation: format!("{} {}", u.op, u.what).trim_end().to_string(),
            shape,
            cut: None,
            is_early: false,
            at: graph.node.len(),
        };
    };
    let own = Unsupported::of(graph, at, &u.what);
    let whole = graph.node[at].output.contains(&u.node);
    let shape = if whole { shape.or(own.shape) } else { own.shape.or(shape) };
    Unsupported { shape, ..own }
}

/// Returns the nodes in the file's order, each once, with a cut before it that has no other such
/// node before it and is a feature according to `gives`.
pub(super) fn with_cuts(
    graph: &GraphProto,
    mut nodes: Vec<Unsupported>,
    gives: &dyn Fn(&str) -> bool,
) -> Vec<Unsupported> {
    nodes.sort_by(|a, b| (a.at, &a.node).cmp(&(b.at, &b.node)));
    nodes.dedup_by(|a, b| a.at == b.at && (a.at < graph.node.len() || a.node == b.node));
    let flow = Flow::of(graph);
    let behind = flow.behind(|at| nodes.iter().any(|u| u.at == at));
    let mut tried: HashMap<&str, bool> = HashMap::new();
    for node in nodes.iter_mut().filter(|u| u.at < graph.node.len()) {
        let mut places = flow.places_before(node.at).filter(|(at, _)| !behind[*at]).take(TRIED);
        let place = places.find(|(_, name)| {
            *tried.entry(name).or_insert_with(|| quietly(|| gives(name)).unwrap_or(false))
        });
        let nodes = graph.node.len();
        node.is_early = place.is_some_and(|(at, _)| nodes >= DEEP && EARLY * at < nodes);
        node.cut = place.map(|(_, name)| name.to_string());
    }
    nodes
}

/// Returns the tensors that lead from nodes that do not depend on a node that `stops` to those that
/// do.
pub(super) fn frontier(graph: &GraphProto, stops: impl Fn(usize, &NodeProto) -> bool) -> Vec<&str> {
    let flow = Flow::of(graph);
    let behind = flow.behind(|at| stops(at, &graph.node[at]));
    let read = (0..graph.node.len()).filter(|&at| behind[at]).flat_map(|at| flow.data_inputs(at));
    let mut tensors: Vec<&str> =
        read.filter(|name| flow.giver(name).is_some_and(|at| !behind[at])).collect();
    tensors.sort_unstable();
    tensors.dedup();
    tensors
}

/// Returns the tensors up to which a model can be analysed that cannot be analysed to its end.
pub(super) fn before_choices(graph: &GraphProto) -> Vec<&str> {
    frontier(graph, |_, node| !operations::is_allowed(node) || ends::is_choice(&node.op_type))
}

/// Returns the shape that the file states for a tensor.
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

/// Largest number of nodes in the table; longer ones are not read.
const SHOWN: usize = 20;

/// Table of nodes: each with its operation, its shape, and the next step.
#[derive(Debug)]
pub struct UnsupportedTable<'u>(pub &'u [Unsupported]);

impl fmt::Display for UnsupportedTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["node", "operation", "result", "what can be done"].map(str::to_string);
        let rows = self.0.iter().take(SHOWN).map(Unsupported::row);
        let rows: Vec<[String; 4]> = std::iter::once(head).chain(rows).collect();
        let widths: [usize; 3] = std::array::from_fn(|i| {
            rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)
        });
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
