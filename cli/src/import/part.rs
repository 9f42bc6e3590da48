//! Parts of a graph as the file has it: what a tensor needs, and where all values go through one.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, ValueInfoProto};

/// Which node gives each tensor.
pub(super) fn givers(graph: &GraphProto) -> HashMap<&str, usize> {
    let outputs =
        graph.node.iter().enumerate().flat_map(|(at, node)| node.output.iter().map(move |o| (o, at)));
    outputs.filter(|(name, _)| !name.is_empty()).map(|(name, at)| (name.as_str(), at)).collect()
}

/// Which nodes some tensors need.
pub(super) fn needed(graph: &GraphProto, tensors: &[&str]) -> Vec<bool> {
    let givers = givers(graph);
    let mut needed = vec![false; graph.node.len()];
    let mut open: Vec<usize> = tensors.iter().filter_map(|t| givers.get(t)).copied().collect();
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut needed[at], true) {
            open.extend(graph.node[at].input.iter().filter_map(|i| givers.get(i.as_str())));
        }
    }
    needed
}

/// Which nodes read, directly or not, what some nodes give, with these themselves; nodes stand behind
/// what they read.
pub(super) fn behind(graph: &GraphProto, is_first: impl Fn(usize, &NodeProto) -> bool) -> Vec<bool> {
    let mut reached: HashSet<&str> = HashSet::new();
    let mut behind = Vec::new();
    for (at, node) in graph.node.iter().enumerate() {
        let reaches = is_first(at, node) || node.input.iter().any(|i| reached.contains(i.as_str()));
        if reaches {
            reached.extend(node.output.iter().filter(|o| !o.is_empty()).map(String::as_str));
        }
        behind.push(reaches);
    }
    behind
}

/// The names of what the user puts in.
pub(super) fn inputs(graph: &GraphProto) -> impl Iterator<Item = &str> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    graph.input.iter().map(|i| i.name.as_str()).filter(move |name| !constants.contains(name))
}

/// Which nodes see the input; a shape is a constant, whatever it is the shape of.
pub(super) fn depends_on_input(graph: &GraphProto) -> Vec<bool> {
    let mut seen: HashSet<&str> = inputs(graph).collect();
    let mut depends = Vec::new();
    for node in &graph.node {
        let reads = node.op_type != "Shape" && node.input.iter().any(|i| seen.contains(i.as_str()));
        if reads {
            seen.extend(node.output.iter().map(String::as_str));
        }
        depends.push(reads);
    }
    depends
}

/// A model with nothing but what some tensors need, which become its outputs.
pub(super) fn pruned(model: &ModelProto, tensors: &[&str]) -> ModelProto {
    let Some(graph) = &model.graph else { return ModelProto::default() };
    let needed = needed(graph, tensors);
    let node: Vec<NodeProto> =
        graph.node.iter().zip(needed).filter(|(_, n)| *n).map(|(n, _)| n.clone()).collect();
    let read: HashSet<&str> = node.iter().flat_map(|n| &n.input).map(String::as_str).collect();
    let given: HashSet<&str> = node.iter().flat_map(|n| &n.output).map(String::as_str).collect();
    let output = |name: &&str| ValueInfoProto { name: name.to_string(), ..ValueInfoProto::default() };
    let graph = GraphProto {
        name: graph.name.clone(),
        initializer: graph.initializer.iter().filter(|t| read.contains(t.name.as_str())).cloned().collect(),
        input: graph.input.clone(),
        output: tensors.iter().map(output).collect(),
        value_info: graph.value_info.iter().filter(|v| given.contains(v.name.as_str())).cloned().collect(),
        node: node.clone(),
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: model.ir_version,
        opset_import: model.opset_import.clone(),
        graph: Some(graph),
        ..ModelProto::default()
    }
}

/// The tensors before node `stop` through which all values go that `counts` nodes read, nearest last.
///
/// `unread` says until where a tensor stays open that none of these nodes reads.
fn narrows(
    graph: &GraphProto,
    stop: usize,
    counts: impl Fn(usize) -> bool,
    unread: impl Fn(usize) -> usize,
) -> Vec<(usize, &str)> {
    let reads = |node: &NodeProto| node.op_type != "Shape";
    let mut last_reader: HashMap<&str, usize> = HashMap::new();
    for (at, node) in graph.node.iter().enumerate().filter(|(at, node)| counts(*at) && reads(node)) {
        last_reader.extend(node.input.iter().map(|i| (i.as_str(), at)));
    }
    let mut open: HashSet<&str> = inputs(graph).collect();
    let mut open_until =
        open.iter().filter_map(|name| last_reader.get(name)).max().copied().unwrap_or_default();
    let mut found = Vec::new();
    for (at, node) in graph.node.iter().enumerate().take(stop).filter(|(at, _)| counts(*at)) {
        if !reads(node) || !node.input.iter().any(|i| open.contains(i.as_str())) {
            continue;
        }
        if let ([output], true) = (&node.output[..], open_until <= at) {
            found.push((at, output.as_str()));
        }
        for output in node.output.iter().map(String::as_str) {
            open.insert(output);
            open_until = open_until.max(last_reader.get(output).copied().unwrap_or(unread(at)));
        }
    }
    found
}

/// The last tensor before node `stop` through which all values of the graph go.
pub(super) fn trunk(graph: &GraphProto, stop: usize) -> Option<&str> {
    let all = narrows(graph, stop, |_| true, |_| graph.node.len());
    all.last().map(|(_, name)| *name)
}

/// The nearest tensor before node `stop` through which goes all that reaches this node, where
/// `is_fine` takes the node that gives it.
pub(super) fn place_before(
    graph: &GraphProto,
    stop: usize,
    is_fine: impl Fn(usize) -> bool,
) -> Option<(usize, &str)> {
    let inputs: Vec<&str> = graph.node[stop].input.iter().map(String::as_str).collect();
    let mut counted = needed(graph, &inputs);
    counted[stop] = true;
    let places = narrows(graph, stop, |at| counted[at], |at| at);
    places.into_iter().rev().find(|(at, _)| is_fine(*at))
}
