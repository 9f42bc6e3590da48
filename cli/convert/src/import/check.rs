//! Checks of a model before tract reads it: every number that tract would divide by, loop over or
//! allocate for is in its range.
//!
//! tract trusts the file: it divides by a stride of 0, and a hundred bytes can request gigabytes.
//! Values that are not visible here, such as a size that follows from shape inference only, are
//! left to the limits of the process (`sandbox.rs`).

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};

mod attribute_values;
mod attributes;
mod constant_size;
mod finite;
mod tensors;

pub(super) use constant_size::Known;
pub(super) use finite::check as finite;
pub(super) use tensors::{all as tensors, bytes as tensor_bytes, is_external, is_nibbles};

/// Largest number of nodes of a graph, and of tensors that it stores.
const NODES: usize = 1 << 14;
/// Largest number of inputs, outputs or attributes of a node.
const ARITY: usize = 1 << 12;
/// Largest length of a name in bytes.
const NAME: usize = 1 << 12;
/// Largest number of values of a tensor: the limit of a package's feature map.
const VALUES: u64 = offshoot_core::limits::ELEMENTS as u64;
/// Largest number of dimensions of a tensor.
const RANK: usize = 8;

/// Value out of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Node or tensor.
    pub place: String,
    /// Value found, and values allowed.
    pub what: String,
}

impl Refused {
    pub(super) fn node(node: &NodeProto, what: String) -> Self {
        let name = node.output.first().filter(|_| node.name.is_empty()).unwrap_or(&node.name);
        Self { place: format!("node `{}` ({})", shown(name), shown(&node.op_type)), what }
    }

    fn tensor(name: &str, what: String) -> Self {
        Self { place: format!("tensor `{}`", shown(name)), what }
    }

    pub(super) fn graph(what: String) -> Self {
        Self { place: "the graph".to_string(), what }
    }
}

/// Returns a name for an error message.
fn shown(name: &str) -> String {
    let mut short: String = name.chars().filter(|c| !c.is_control()).take(120).collect();
    if short.len() < name.len() {
        short += "...";
    }
    short
}

/// Checks a whole model, except the attributes of its nodes.
pub(super) fn model(model: &ModelProto) -> Result<(), Refused> {
    let Some(graph) = &model.graph else { return Err(Refused::graph("there is none".to_string())) };
    limit("nodes", graph.node.len(), NODES)?;
    limit("tensors", graph.initializer.len(), NODES)?;
    limit("inputs", graph.input.len(), 2 * NODES)?;
    limit("outputs", graph.output.len(), NODES)?;
    limit("descriptions of tensors", graph.value_info.len(), 4 * NODES)?;
    if let Some(sparse) = graph.sparse_initializer.first() {
        let name = sparse.values.as_ref().map_or("", |v| &v.name);
        return Err(Refused::tensor(name, "sparse; write it as a dense one".to_string()));
    }
    for tensor in tensors::all(graph) {
        tensors::check(tensor)?;
    }
    for info in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
        tensors::check_info(info)?;
    }
    graph.node.iter().try_for_each(shape_of_node)?;
    nibbles(graph)?;
    wiring(graph)
}

/// Checks that tensors of 4 bits are read as codes alone.
fn nibbles(graph: &GraphProto) -> Result<(), Refused> {
    let stored = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor));
    let given = graph.node.iter().filter(|node| node.op_type == "Constant").filter_map(|node| {
        let value = node.attribute.iter().find_map(|a| a.t.as_ref());
        node.output.first().map(String::as_str).zip(value)
    });
    let few: HashMap<&str, _> = stored.chain(given).filter(|(_, t)| is_nibbles(t)).collect();
    let others = graph.node.iter().filter(|node| {
        !["QuantizeLinear", "DequantizeLinear", "Constant"].contains(&&*node.op_type)
    });
    let read = others.flat_map(|node| &node.input).find_map(|name| few.get(name.as_str()));
    let ends = graph.output.iter().find_map(|output| few.get(output.name.as_str()));
    read.or(ends).map_or(Ok(()), |tensor| Err(tensors::unknown(tensor)))
}

/// Checks the nodes; returns the bytes of the constants that they would compute at import.
pub(super) fn operations(graph: &GraphProto) -> Result<u64, Refused> {
    graph.node.iter().try_for_each(attributes::check)?;
    let known = Known::of(graph);
    graph.node.iter().try_for_each(|node| attributes::check_with_weights(node, &known))?;
    constant_size::check(graph, &known)
}

fn limit(what: &str, found: usize, most: usize) -> Result<(), Refused> {
    if found > most {
        Err(Refused::graph(format!("{found} {what}; the limit is {most}")))
    } else {
        Ok(())
    }
}

fn shape_of_node(node: &NodeProto) -> Result<(), Refused> {
    let counts = [node.input.len(), node.output.len(), node.attribute.len()];
    if let Some(most) = counts.iter().max().filter(|&&n| n > ARITY) {
        return Err(Refused::node(
            node,
            format!("{most} inputs, outputs or attributes; the limit is {ARITY}"),
        ));
    }
    let names = node.input.iter().chain(&node.output).chain([&node.name, &node.op_type]);
    if let Some(long) = names.map(String::len).max().filter(|&n| n > NAME) {
        return Err(Refused::node(node, format!("a name of {long} bytes; the limit is {NAME}")));
    }
    Ok(())
}

/// Checks that every value read is computed exactly once and that there is no cycle.
fn wiring(graph: &GraphProto) -> Result<(), Refused> {
    let mut givers: HashMap<&str, Option<usize>> = HashMap::new();
    let given =
        graph.initializer.iter().map(|t| &t.name).chain(graph.input.iter().map(|i| &i.name));
    givers.extend(given.map(|name| (name.as_str(), None)));
    for (at, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            if givers.insert(output, Some(at)).is_some() {
                return Err(Refused::node(
                    node,
                    format!("gives `{}`, which is there already", shown(output)),
                ));
            }
        }
    }
    let lost = graph.output.iter().find(|o| !givers.contains_key(o.name.as_str()));
    if let Some(output) = lost {
        return Err(Refused::tensor(&output.name, "an output that nothing gives".to_string()));
    }
    // Number of inputs that each node still waits for, and the nodes that wait for it.
    let mut waits = vec![0; graph.node.len()];
    let mut readers = vec![Vec::new(); graph.node.len()];
    for (at, node) in graph.node.iter().enumerate() {
        let inputs: HashSet<&str> =
            node.input.iter().map(String::as_str).filter(|i| !i.is_empty()).collect();
        for input in inputs {
            match givers.get(input) {
                Some(Some(giver)) => {
                    readers[*giver].push(at);
                    waits[at] += 1;
                }
                Some(None) => {}
                // A subgraph reads values around it; the node that holds it is refused by its
                // operation.
                None => {
                    return Err(Refused::node(
                        node,
                        format!("reads `{}`, which nothing gives", shown(input)),
                    ));
                }
            }
        }
    }
    let mut ready: Vec<usize> = (0..waits.len()).filter(|&at| waits[at] == 0).collect();
    while let Some(at) = ready.pop() {
        for &reader in &readers[at] {
            waits[reader] -= 1;
            if waits[reader] == 0 {
                ready.push(reader);
            }
        }
    }
    match waits.iter().position(|&n| n > 0) {
        Some(at) => Err(Refused::node(&graph.node[at], "waits for its own result".to_string())),
        None => Ok(()),
    }
}
