//! A package taken apart into typed pieces, to be changed and put together again.

#![allow(dead_code, reason = "every suite uses a part of it")]

use offshoot_core::Package;
use offshoot_core::graph::{Inputs, Node, Op, Tensor};
use offshoot_core::package::Manifest;

use super::common::seal;

/// A node that owns what it is made of.
#[derive(Debug, Clone)]
pub struct OwnNode {
    pub name: String,
    /// Little-endian ids, as they stand in the file.
    pub inputs: Vec<u8>,
    pub op: Op,
}

impl OwnNode {
    pub fn read(&mut self, ids: &[u16]) {
        self.inputs = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    }

    fn encoded(&self) -> Vec<u8> {
        let inputs = Inputs::from_bytes(&self.inputs);
        postcard::to_allocvec(&Node { name: &self.name, inputs, op: self.op }).unwrap()
    }
}

/// Everything a package says; nothing is kept consistent.
#[derive(Debug, Clone)]
pub struct Parts {
    pub manifest: Manifest<'static>,
    pub tensors: Vec<[u8; Tensor::RECORD]>,
    pub nodes: Vec<OwnNode>,
    pub weights: Vec<u8>,
    pub goldens: Vec<u8>,
}

impl Parts {
    pub fn of(file: &[u8]) -> Self {
        let package = Package::open(Box::leak(file.to_vec().into_boxed_slice())).unwrap();
        let graph = package.graph();
        let own = |node: Node<'_>| OwnNode {
            name: node.name.to_string(),
            inputs: node.inputs.iter().flat_map(u16::to_le_bytes).collect(),
            op: node.op,
        };
        Self {
            manifest: package.manifest().clone(),
            tensors: (0..graph.tensor_count())
                .map(|id| graph.tensor(id as u16).to_record())
                .collect(),
            nodes: graph.nodes().map(|(_, node)| own(node)).collect(),
            weights: graph.weights().to_vec(),
            goldens: seal::sections(file)[3].clone(),
        }
    }

    pub fn sections(&self) -> [Vec<u8>; seal::SECTIONS] {
        let mut graph = self.tensors.concat();
        graph.extend(self.nodes.iter().flat_map(OwnNode::encoded));
        let manifest = postcard::to_allocvec(&self.manifest).unwrap();
        [manifest, graph, self.weights.clone(), self.goldens.clone()]
    }

    pub fn sealed(&self) -> Vec<u8> {
        seal::seal(&self.sections())
    }

    /// Writes a word of a tensor's record: 0 to 2 are its dimensions, 3 is its scale.
    pub fn word(&mut self, tensor: usize, word: usize, value: u32) {
        self.tensors[tensor][4 * word..][..4].copy_from_slice(&value.to_le_bytes());
    }

    pub fn scale(&mut self, tensor: usize, scale: f32) {
        self.word(tensor, 3, scale.to_bits());
    }
}

/// Changes fields of a node's int8 operation.
#[macro_export]
macro_rules! edit {
    ($parts:ident[$node:expr], $op:ident { $($field:ident),+ } => $change:expr) => {{
        let Op::Int8(Int8Op::$op { $($field,)+ .. }) = &mut $parts.nodes[$node].op else {
            panic!("node {} is not a {}", $node, stringify!($op))
        };
        $change;
    }};
}
