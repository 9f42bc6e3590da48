//! Functions of a model: each call becomes the nodes of the function.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto};

use super::check::Refused;

/// Largest number of nodes after all calls.
const NODES: usize = 1 << 14;
/// Largest depth of calls in functions.
const DEPTH: usize = 16;

/// Replaces calls of the model's functions by their nodes, until none is left.
///
/// # Errors
/// The functions call each other without end, or become too many nodes.
pub(super) fn inline(model: &mut ModelProto) -> Result<(), Refused> {
    let functions = std::mem::take(&mut model.functions);
    let Some(graph) = &mut model.graph else { return Ok(()) };
    if functions.is_empty() {
        return Ok(());
    }
    for _ in 0..DEPTH {
        if !graph.node.iter().any(|node| called(&functions, node).is_some()) {
            return Ok(());
        }
        let mut names = Names::of(graph);
        let mut nodes = Vec::with_capacity(graph.node.len());
        for node in std::mem::take(&mut graph.node) {
            match called(&functions, &node) {
                Some(function) => nodes.extend(names.body(function, &node)),
                None => nodes.push(node),
            }
            if nodes.len() > NODES {
                return Err(Refused::graph(format!("functions of more than {NODES} nodes")));
            }
        }
        graph.node = nodes;
    }
    Err(Refused::graph(format!("functions that call each other more than {DEPTH} deep")))
}

fn called<'f>(functions: &'f [FunctionProto], node: &NodeProto) -> Option<&'f FunctionProto> {
    let plain = |domain: &str| if domain == "ai.onnx" { String::new() } else { domain.to_string() };
    functions.iter().find(|function| {
        function.name.as_deref() == Some(&node.op_type)
            && plain(function.domain.as_deref().unwrap_or_default()) == plain(&node.domain)
    })
}

/// Names of a graph's tensors and nodes.
struct Names(HashSet<String>);

impl Names {
    fn of(graph: &GraphProto) -> Self {
        let nodes = graph.node.iter();
        let nodes = nodes.flat_map(|n| n.output.iter().chain(&n.input).chain([&n.name]));
        let inputs = graph.input.iter().map(|i| &i.name);
        let tensors = graph.initializer.iter().map(|t| &t.name);
        Self(nodes.chain(inputs).chain(tensors).cloned().collect())
    }

    fn new_name(&mut self, mut wish: String) -> String {
        while !self.0.insert(wish.clone()) {
            wish.push('_');
        }
        wish
    }

    /// Returns the nodes of a function for one call.
    fn body(&mut self, function: &FunctionProto, call: &NodeProto) -> Vec<NodeProto> {
        let first = call.output.first().filter(|_| call.name.is_empty()).unwrap_or(&call.name);
        let prefix = first.clone();
        let given = |names: &[String], at: usize| names.get(at).cloned().unwrap_or_default();
        let mut tensors: HashMap<String, String> = HashMap::new();
        for (at, name) in function.input.iter().enumerate() {
            tensors.insert(name.clone(), given(&call.input, at));
        }
        for (at, name) in function.output.iter().enumerate() {
            let wanted = given(&call.output, at);
            if !wanted.is_empty() {
                tensors.insert(name.clone(), wanted);
            }
        }
        tensors.insert(String::new(), String::new());
        for name in function.node.iter().flat_map(|n| n.output.iter().chain(&n.input)) {
            if !tensors.contains_key(name) {
                let own = self.new_name(format!("{prefix}/{name}"));
                tensors.insert(name.clone(), own);
            }
        }
        let mut nodes = Vec::new();
        for inner in &function.node {
            let mut node = inner.clone();
            for name in node.input.iter_mut().chain(&mut node.output) {
                name.clone_from(&tensors[name.as_str()]);
            }
            let own = inner.output.first().filter(|_| inner.name.is_empty()).unwrap_or(&inner.name);
            node.name = self.new_name(format!("{prefix}/{own}"));
            let attributes = std::mem::take(&mut node.attribute);
            node.attribute = attributes.into_iter().filter_map(|a| attribute(a, call)).collect();
            nodes.push(node);
        }
        nodes.extend(passed(function, &tensors));
        nodes
    }
}

/// Returns nodes for outputs of a function that are its inputs.
fn passed(function: &FunctionProto, tensors: &HashMap<String, String>) -> Vec<NodeProto> {
    let through = function.output.iter().filter(|name| function.input.contains(name));
    let node = |name: &String| NodeProto {
        op_type: "Identity".to_string(),
        input: vec![name.clone()],
        output: vec![tensors.get(name).cloned().unwrap_or_default()],
        ..NodeProto::default()
    };
    through.map(node).collect()
}

/// Returns an attribute of a function's node, with the value that the call gives it; `None` if the
/// call states none.
fn attribute(own: AttributeProto, call: &NodeProto) -> Option<AttributeProto> {
    if own.ref_attr_name.is_empty() {
        return Some(own);
    }
    let given = call.attribute.iter().find(|a| a.name == own.ref_attr_name)?;
    Some(AttributeProto { name: own.name, ..given.clone() })
}
