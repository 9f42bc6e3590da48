//! Data flow of the graph of a file: producers, dependence on the input, and the tensors through
//! which all values go (dominators).

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{GraphProto, NodeProto};

/// Data flow of a graph. Nodes are in topological order, as ONNX demands.
pub(super) struct Flow<'g> {
    graph: &'g GraphProto,
    givers: HashMap<&'g str, usize>,
    inputs: HashSet<&'g str>,
    read: HashSet<&'g str>,
    depends: Vec<bool>,
    /// Nearest dominator of each node: the last node before it that all its values go through;
    /// `None` if only the input is.
    through: Vec<Option<usize>>,
    /// Number of dominators of each node.
    depth: Vec<usize>,
}

/// Returns the tensors that a node reads: its inputs, and outer tensors read by the graphs inside
/// it.
pub(super) fn reads(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> =
        node.input.iter().map(String::as_str).filter(|i| !i.is_empty()).collect();
    for graph in node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs)) {
        let own = graph
            .node
            .iter()
            .flat_map(|n| &n.output)
            .chain(graph.initializer.iter().map(|t| &t.name));
        let own: HashSet<&str> =
            own.chain(graph.input.iter().map(|i| &i.name)).map(String::as_str).collect();
        let outputs = graph.output.iter().map(|o| o.name.as_str());
        let inside = graph.node.iter().flat_map(reads).chain(outputs);
        names.extend(inside.filter(|name| !own.contains(name)));
    }
    names
}

/// Nodes by their names and those of their results, including the parts that tract splits them
/// into.
pub(super) struct Named<'g> {
    givers: HashMap<&'g str, usize>,
    /// Nodes by the names that tract gives them.
    nodes: HashMap<&'g str, usize>,
}

impl<'g> Named<'g> {
    pub(super) fn of(graph: &'g GraphProto) -> Self {
        let mut nodes = HashMap::new();
        for (at, node) in graph.node.iter().enumerate() {
            let output = node.output.first().map_or("", String::as_str);
            nodes.insert(if node.name.is_empty() { output } else { &node.name }, at);
        }
        Self { givers: givers(graph), nodes }
    }

    /// Returns the node that computes a tensor.
    pub(super) fn giver(&self, tensor: &str) -> Option<usize> {
        self.givers.get(tensor).copied()
    }

    /// Returns the node of `NODE.part`, tract's name for a part of a node.
    pub(super) fn part_of(&self, name: &str) -> Option<usize> {
        let mut wholes = name.rmatch_indices('.').map(|(dot, _)| &name[..dot]);
        wholes.find_map(|whole| self.nodes.get(whole).or_else(|| self.givers.get(whole))).copied()
    }

    /// Returns the node with this name, with a result of this name, or with a part of this name.
    pub(super) fn node(&self, name: &str) -> Option<usize> {
        let whole = self.giver(name).or_else(|| self.nodes.get(name).copied());
        whole.or_else(|| self.part_of(name))
    }
}

/// Sorts nodes behind those that they read; nodes already in order keep it.
pub(super) fn sort(graph: &mut GraphProto) {
    let givers: HashMap<&str, usize> = givers(graph);
    let mut before: Vec<Vec<usize>> = Vec::with_capacity(graph.node.len());
    for node in &graph.node {
        before.push(reads(node).into_iter().filter_map(|name| givers.get(name).copied()).collect());
    }
    if before.iter().enumerate().all(|(at, before)| before.iter().all(|&b| b < at)) {
        return;
    }
    let mut order = Vec::new();
    let mut done = vec![false; before.len()];
    for first in 0..before.len() {
        let mut open = vec![first];
        while let Some(&at) = open.last() {
            let next = before[at].iter().copied().find(|&b| !done[b] && !open.contains(&b));
            match next {
                Some(next) => open.push(next),
                None => {
                    open.pop();
                    if !std::mem::replace(&mut done[at], true) {
                        order.push(at);
                    }
                }
            }
        }
    }
    let mut nodes: Vec<Option<NodeProto>> =
        std::mem::take(&mut graph.node).into_iter().map(Some).collect();
    graph.node = order.into_iter().filter_map(|at| nodes[at].take()).collect();
}

/// Returns the node that computes each tensor.
pub(super) fn givers(graph: &GraphProto) -> HashMap<&str, usize> {
    let outputs = graph
        .node
        .iter()
        .enumerate()
        .flat_map(|(at, node)| node.output.iter().map(move |o| (o, at)));
    outputs.filter(|(name, _)| !name.is_empty()).map(|(name, at)| (name.as_str(), at)).collect()
}

/// Returns the names of the graph's inputs without stored values.
pub(super) fn inputs(graph: &GraphProto) -> impl Iterator<Item = &str> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    graph.input.iter().map(|i| i.name.as_str()).filter(move |name| !constants.contains(name))
}

impl<'g> Flow<'g> {
    pub(super) fn of(graph: &'g GraphProto) -> Self {
        let read =
            graph.node.iter().flat_map(reads).chain(graph.output.iter().map(|o| o.name.as_str()));
        let mut flow = Self {
            graph,
            givers: givers(graph),
            inputs: inputs(graph).collect(),
            read: read.collect(),
            depends: Vec::new(),
            through: Vec::new(),
            depth: Vec::new(),
        };
        for at in 0..graph.node.len() {
            let from = flow.data_inputs(at);
            let before = flow.common(from.iter().map(|name| flow.giver(name)));
            flow.depends.push(!from.is_empty());
            flow.through.push(before);
            flow.depth.push(before.map_or(0, |b| flow.depth[b] + 1));
        }
        flow
    }

    pub(super) fn node(&self, at: usize) -> &'g NodeProto {
        &self.graph.node[at]
    }

    /// Returns the node that computes a tensor; `None` for the graph's inputs and constants.
    pub(super) fn giver(&self, tensor: &str) -> Option<usize> {
        self.givers.get(tensor).copied()
    }

    /// True if a node depends on the input; a shape is a constant, whatever it is the shape of.
    pub(super) fn depends(&self, at: usize) -> bool {
        self.depends.get(at).copied().unwrap_or(false)
    }

    /// True if a tensor is, or depends on, an input; scales of codes do not count.
    pub(super) fn is_data(&self, tensor: &str) -> bool {
        let computed = |at: usize| {
            let node = self.node(at);
            let scale = node.op_type == "DynamicQuantizeLinear"
                && node.output.first().is_none_or(|codes| codes != tensor);
            self.depends(at) && !scale
        };
        self.inputs.contains(tensor) || self.giver(tensor).is_some_and(computed)
    }

    /// Returns the tensors that a node reads and that are not constant, each once.
    pub(super) fn data_inputs(&self, at: usize) -> Vec<&'g str> {
        let node = self.node(at);
        let mut seen = HashSet::new();
        let mut names = if node.op_type == "Shape" { Vec::new() } else { reads(node) };
        names.retain(|name| self.is_data(name) && seen.insert(*name));
        names
    }

    /// Returns the only tensor that a node reads and that is not constant.
    pub(super) fn data_input(&self, at: usize) -> Option<&'g str> {
        let inputs = self.data_inputs(at);
        inputs.first().copied().filter(|_| inputs.len() == 1)
    }

    /// Returns a node's result, if it is read.
    pub(super) fn result(&self, at: usize) -> Option<&'g str> {
        let mut outputs =
            self.node(at).output.iter().map(String::as_str).filter(|o| self.read.contains(o));
        outputs.next().filter(|_| outputs.next().is_none())
    }

    /// Returns the last node that all these nodes' values go through, or one of them; `None` stands
    /// for the input.
    pub(super) fn common(&self, nodes: impl IntoIterator<Item = Option<usize>>) -> Option<usize> {
        let mut nodes = nodes.into_iter();
        let mut common = nodes.next()??;
        for node in nodes {
            let mut other = node?;
            while common != other {
                // The deeper node is not the common one.
                let up =
                    if self.depth[common] >= self.depth[other] { &mut common } else { &mut other };
                *up = self.through[*up]?;
            }
        }
        Some(common)
    }

    /// Returns the last node before a node that all its values go through.
    pub(super) fn through(&self, at: usize) -> Option<usize> {
        self.through[at]
    }

    /// Returns a node and its dominators, nearest first.
    pub(super) fn chain(&self, from: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(from, |&at| self.through[at])
    }

    /// Returns the tensors before a node that all its values go through, nearest first.
    pub(super) fn places_before(&self, at: usize) -> impl Iterator<Item = (usize, &'g str)> {
        self.chain(self.through[at]).filter_map(|at| Some((at, self.result(at)?)))
    }

    /// Returns for each node if some tensors need it.
    pub(super) fn needed<'n>(&self, tensors: impl IntoIterator<Item = &'n str>) -> Vec<bool> {
        needed(self.graph, &self.givers, tensors)
    }

    /// Returns for each node if it is one of the first nodes or depends on one.
    pub(super) fn behind(&self, is_first: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut behind: Vec<bool> = Vec::new();
        for (at, node) in self.graph.node.iter().enumerate() {
            let reached =
                |name: &str| self.giver(name).is_some_and(|giver| behind.get(giver) == Some(&true));
            let reaches = is_first(at) || reads(node).into_iter().any(reached);
            behind.push(reaches);
        }
        behind
    }
}

/// Returns for each node if some tensors need it.
pub(super) fn needed<'n>(
    graph: &GraphProto,
    givers: &HashMap<&str, usize>,
    tensors: impl IntoIterator<Item = &'n str>,
) -> Vec<bool> {
    let mut needed = vec![false; graph.node.len()];
    let mut open: Vec<usize> = tensors.into_iter().filter_map(|t| givers.get(t)).copied().collect();
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut needed[at], true) {
            open.extend(reads(&graph.node[at]).into_iter().filter_map(|i| givers.get(i)));
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::{AttributeProto, ValueInfoProto};

    use super::*;

    fn graph(nodes: &[(&str, &[&str], &[&str])]) -> GraphProto {
        let names = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        let node = |(op, inputs, outputs): &(&str, &[&str], &[&str])| NodeProto {
            op_type: op.to_string(),
            input: names(inputs),
            output: names(outputs),
            ..NodeProto::default()
        };
        let info =
            |name: &str| ValueInfoProto { name: name.to_string(), ..ValueInfoProto::default() };
        GraphProto {
            node: nodes.iter().map(node).collect(),
            input: vec![info("x")],
            output: vec![info(nodes.last().unwrap().2[0])],
            ..GraphProto::default()
        }
    }

    #[test]
    fn places_are_those_that_all_goes_through() {
        let graph = graph(&[
            ("Conv", &["x"], &["a"]),
            ("Dropout", &["a"], &["b", "mask"]),
            ("Relu", &["b"], &["c"]),
            ("Split", &["b"], &["d", "e"]),
            ("Add", &["d", "e"], &["f"]),
            ("Add", &["c", "f"], &["g"]),
            ("Relu", &["g"], &["h"]),
        ]);
        let flow = Flow::of(&graph);
        let before = |at| flow.places_before(at).map(|(_, name)| name).collect::<Vec<_>>();
        // An unread mask is not a second result; neither half of a split is a place.
        assert_eq!(before(6), ["g", "b", "a"]);
        assert_eq!(before(4), ["b", "a"]);
        assert_eq!(flow.common([Some(2), Some(4)]), Some(1));
        assert_eq!(flow.common([Some(2), None]), None);
        assert_eq!(flow.common([]), None);
    }

    /// Tests a branch that reads outer tensors, which no list of inputs names.
    #[test]
    fn graphs_inside_nodes_read_too() {
        let mut inside = graph(&[("Neg", &["a"], &["z"])]);
        inside.input.clear();
        let mut outside = graph(&[
            ("Relu", &["x"], &["a"]),
            ("Shape", &["a"], &["s"]),
            ("If", &["s"], &["i"]),
            ("Relu", &["i"], &["o"]),
        ]);
        let branch = AttributeProto { g: Some(inside), ..AttributeProto::default() };
        outside.node[2].attribute.push(branch);
        let flow = Flow::of(&outside);
        assert_eq!(flow.data_inputs(2), ["a"]);
        assert_eq!(flow.needed(["o"]), [true; 4]);
        assert_eq!(flow.behind(|at| at == 0), [true; 4]);
        assert!(!flow.depends(1) && flow.depends(3));
    }
}
