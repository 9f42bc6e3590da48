//! Nodes and constants that replace one node.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

use super::stored_numbers::Numbers;
use crate::import::check::Refused;

/// Constants of a graph by name, and those made here.
pub(super) struct Stored<'g> {
    file: HashMap<&'g str, &'g TensorProto>,
    givers: HashMap<&'g str, &'g NodeProto>,
    made: Vec<TensorProto>,
    /// Names of all tensors.
    taken: HashSet<String>,
}

impl<'g> Stored<'g> {
    pub fn of(graph: &'g GraphProto) -> Self {
        let mut file: HashMap<&str, &TensorProto> =
            graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
        for node in graph.node.iter().filter(|n| n.op_type == "Constant") {
            let value = node.attribute.iter().find_map(|a| a.t.as_ref());
            file.extend(node.output.first().map(String::as_str).zip(value));
        }
        let outputs = graph.node.iter().flat_map(|n| &n.output).cloned();
        let nodes = graph.node.iter().map(|n| n.name.clone());
        let inputs = graph.input.iter().map(|i| i.name.clone());
        let tensors = graph.initializer.iter().map(|t| t.name.clone());
        let taken = outputs.chain(nodes).chain(inputs).chain(tensors).collect();
        let given = graph.node.iter().flat_map(|n| n.output.iter().map(move |o| (o.as_str(), n)));
        Self { file, givers: given.collect(), made: Vec::new(), taken }
    }

    pub fn into_made(self) -> Vec<TensorProto> {
        self.made
    }
}

/// Operations that keep codes as they are.
const MOVES: [&str; 8] =
    ["Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather"];

/// Nodes that replace one node. A rule that adds none leaves the node as it is.
pub(super) struct Pieces<'p, 'g> {
    node: &'p NodeProto,
    stored: &'p mut Stored<'g>,
    /// Operator set.
    pub opset: i64,
    nodes: Vec<NodeProto>,
    /// True if the result is a constant, so that no node is needed.
    constant: bool,
}

impl<'g> Stored<'g> {
    pub fn tensor(&self, name: &str) -> Option<&TensorProto> {
        let made = || self.made.iter().rev().find(|t| t.name == name);
        self.file.get(name).copied().or_else(made)
    }

    /// Returns the node of the file that computes a tensor.
    pub fn giver(&self, name: &str) -> Option<&'g NodeProto> {
        self.givers.get(name).copied()
    }

    /// True if a tensor has the bytes of an input of the graph, in whatever order.
    pub fn is_input(&self, name: &str) -> bool {
        let mut name = name;
        while let Some(giver) = self.givers.get(name) {
            let moves = MOVES.contains(&giver.op_type.as_str());
            match giver.input.first().filter(|_| moves) {
                Some(input) => name = input,
                None => return false,
            }
        }
        self.tensor(name).is_none()
    }

    fn new_name(&mut self, mut wish: String) -> String {
        while !self.taken.insert(wish.clone()) {
            wish.push('_');
        }
        wish
    }
}

impl<'p, 'g> Pieces<'p, 'g> {
    pub fn of(node: &'p NodeProto, stored: &'p mut Stored<'g>, opset: i64) -> Self {
        Self { node, stored, opset, nodes: Vec::new(), constant: false }
    }

    /// Returns the nodes; `None` if there are none.
    pub fn finish(self) -> Option<Vec<NodeProto>> {
        (self.constant || !self.nodes.is_empty()).then_some(self.nodes)
    }

    pub fn node(&self) -> &'p NodeProto {
        self.node
    }

    /// Returns the error of a node that is not what its operation demands.
    pub fn refused(&self, what: impl Into<String>) -> Refused {
        Refused::node(self.node, what.into())
    }

    /// Returns the name of an input; `None` if it is left out.
    pub fn optional(&self, at: usize) -> Option<String> {
        self.node.input.get(at).filter(|name| !name.is_empty()).cloned()
    }

    /// Returns the name of an input.
    pub fn input(&self, at: usize) -> Result<String, Refused> {
        self.optional(at).ok_or_else(|| self.refused(format!("has no input {at}")))
    }

    /// Returns the stored numbers of an input; `None` if it is left out or computed.
    pub fn numbers(&self, at: usize) -> Option<Numbers<'_>> {
        self.numbers_of(self.node.input.get(at).filter(|name| !name.is_empty())?)
    }

    /// Returns the stored numbers of an input that must be stored.
    pub fn stored(&self, at: usize) -> Result<Numbers<'_>, Refused> {
        self.numbers(at).ok_or_else(|| self.refused(format!("computes its input {at}")))
    }

    /// Returns a float attribute.
    pub fn float(&self, name: &str, otherwise: f32) -> f32 {
        self.attribute(name).map_or(otherwise, |a| a.f)
    }

    /// Returns an integer attribute.
    pub fn int(&self, name: &str, otherwise: i64) -> i64 {
        self.attribute(name).map_or(otherwise, |a| a.i)
    }

    pub fn attribute(&self, name: &str) -> Option<&'p AttributeProto> {
        self.node.attribute.iter().find(|a| a.name == name)
    }

    /// Returns the attributes of the node without some.
    pub fn attributes_but(&self, names: &[&str]) -> Vec<AttributeProto> {
        let own = self.node.attribute.iter().filter(|a| !names.contains(&a.name.as_str()));
        own.cloned().collect()
    }

    fn result(&self) -> String {
        self.node.output.first().cloned().unwrap_or_default()
    }

    fn part(&mut self, label: &str) -> String {
        let name = format!("{}.{label}", self.result());
        self.stored.new_name(name)
    }

    /// Adds a constant; returns its name.
    pub fn constant(&mut self, dims: &[usize], values: Vec<f32>) -> String {
        let name = self.part("constant");
        self.stored.made.push(float_tensor(&name, dims, values));
        name
    }

    /// Adds a constant of one value that fits every shape.
    pub fn scalar(&mut self, value: f32) -> String {
        self.constant(&[], vec![value])
    }

    /// Adds a constant list of integers, such as a shape.
    pub fn list(&mut self, values: &[i64]) -> String {
        let name = self.part("list");
        self.stored.made.push(TensorProto {
            name: name.clone(),
            dims: vec![values.len() as i64],
            data_type: DataType::Int64.into(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>(),
            ..TensorProto::default()
        });
        name
    }

    /// Makes a result of the node a constant.
    pub fn is_constant(&mut self, at: usize, dims: &[usize], values: Vec<f32>) {
        self.constant = true;
        if let Some(name) = self.node.output.get(at).filter(|name| !name.is_empty()) {
            self.stored.made.push(float_tensor(name, dims, values));
        }
    }

    /// Adds a node; returns the name of its result.
    pub fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.with(op, inputs, Vec::new())
    }

    /// Adds a node with attributes; returns the name of its result.
    pub fn with(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let result = self.part(&op.to_lowercase());
        let name = result.clone();
        self.push(op, inputs, attributes, [name, result.clone()]);
        result
    }

    /// Adds the node that computes the result.
    pub fn last(&mut self, op: &str, inputs: &[&str]) {
        self.last_with(op, inputs, Vec::new());
    }

    /// Adds the node that computes the result, with attributes.
    pub fn last_with(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) {
        let result = self.result();
        let own = &self.node.name;
        let name = if own.is_empty() { result.clone() } else { own.clone() };
        self.push(op, inputs, attributes, [name, result]);
    }

    fn push(
        &mut self,
        op: &str,
        inputs: &[&str],
        attribute: Vec<AttributeProto>,
        [name, result]: [String; 2],
    ) {
        self.nodes.push(NodeProto {
            op_type: op.to_string(),
            name,
            input: inputs.iter().map(|i| i.to_string()).collect(),
            output: vec![result],
            attribute,
            ..NodeProto::default()
        });
    }

    /// True if the node has a result at this place.
    pub fn gives(&self, at: usize) -> bool {
        self.node.output.get(at).is_some_and(|name| !name.is_empty())
    }

    /// Returns the node of the file that computes an input; `None` for inputs of the graph and
    /// constants.
    pub fn giver(&self, at: usize) -> Option<&'g NodeProto> {
        self.stored.givers.get(self.node.input.get(at)?.as_str()).copied()
    }

    /// True if an input has the bytes of an input of the graph.
    pub fn is_input(&self, at: usize) -> bool {
        self.node.input.get(at).is_some_and(|name| self.stored.is_input(name))
    }

    /// Returns the stored numbers of a tensor of this name.
    pub fn numbers_of(&self, name: &str) -> Option<Numbers<'_>> {
        Numbers::of(self.stored.tensor(name)?)
    }
}

fn float_tensor(name: &str, dims: &[usize], values: Vec<f32>) -> TensorProto {
    TensorProto {
        name: name.to_string(),
        dims: dims.iter().map(|&d| d as i64).collect(),
        data_type: DataType::Float.into(),
        raw_data: values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>(),
        ..TensorProto::default()
    }
}

/// Returns an attribute of one integer.
pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    let r#type = AttributeType::Int.into();
    AttributeProto { name: name.to_string(), r#type, i, ..AttributeProto::default() }
}

/// Returns an attribute of a list of integers.
pub(super) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    let r#type = AttributeType::Ints.into();
    AttributeProto {
        name: name.to_string(),
        r#type,
        ints: ints.to_vec(),
        ..AttributeProto::default()
    }
}

/// Returns an attribute of one float.
pub(super) fn float(name: &str, f: f32) -> AttributeProto {
    let r#type = AttributeType::Float.into();
    AttributeProto { name: name.to_string(), r#type, f, ..AttributeProto::default() }
}

/// Returns an attribute of a text.
pub(super) fn text(name: &str, text: &str) -> AttributeProto {
    let r#type = AttributeType::String.into();
    let s = text.as_bytes().to_vec();
    AttributeProto { name: name.to_string(), r#type, s, ..AttributeProto::default() }
}
