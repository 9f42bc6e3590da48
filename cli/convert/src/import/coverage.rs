//! What becomes of each node of a file.

use std::collections::HashMap;

use tract_onnx::pb::GraphProto;

use super::flow::{Flow, Named};
use super::{Imported, Source};
use crate::ir::{LayerId, Model, fold};
use crate::quantize::scheme;

/// A node that keeps to floats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatNode {
    /// Its result.
    pub name: String,
    /// Its operation in ONNX.
    pub operation: String,
}

/// The nodes of a model, by what becomes of them; they add up to all that the file has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Layers of the int8 engine.
    pub int8: usize,
    /// Layers that tract runs in float, between or around those of the engine.
    pub float: Vec<FloatNode>,
    /// Become part of another layer, or only say how its values lie.
    pub fused: usize,
    /// Constants, and what is worked out of them and of shapes.
    pub constant: usize,
    /// Not needed for the cut.
    pub left_out: usize,
}

impl Coverage {
    /// Of a model as imported.
    pub fn of(source: &Source, imported: &Imported) -> Self {
        let graph = source.graph();
        let tensors: Vec<&str> =
            imported.cut.name.split(',').filter_map(|name| source.tensor(name).ok()).collect();
        let flow = Flow::of(graph);
        let needed = flow.needed(tensors);
        let mut model = imported.model.clone();
        fold::fold(&mut model);
        let codes = scheme::in_codes(&model, &[]);
        let layers = layers_by_node(graph, &model);
        let mut coverage = Self::default();
        for (at, node) in graph.node.iter().enumerate() {
            let (needed, depends, layer) = (needed[at], flow.depends(at), layers.get(&at));
            match layer {
                _ if !needed => coverage.left_out += 1,
                _ if !depends => coverage.constant += 1,
                Some(&id) if codes[id] => coverage.int8 += 1,
                Some(_) => coverage.float.push(FloatNode {
                    name: node.output.first().cloned().unwrap_or_default(),
                    operation: node.op_type.clone(),
                }),
                None => coverage.fused += 1,
            }
        }
        coverage
    }

    /// All nodes.
    pub fn nodes(&self) -> usize {
        self.int8 + self.float.len() + self.fused + self.constant + self.left_out
    }
}

/// The layer that a node of the file became. tract adds a suffix to the names of those that it makes
/// of one, and so does the walk.
fn layers_by_node(graph: &GraphProto, model: &Model) -> HashMap<usize, LayerId> {
    let named = Named::of(graph);
    let layers = || model.layers.iter().enumerate().skip(1);
    let mut found: HashMap<usize, LayerId> =
        layers().filter_map(|(id, layer)| Some((named.giver(&layer.name)?, id))).collect();
    for (id, layer) in layers() {
        if let Some(at) = named.part_of(&layer.name) {
            found.entry(at).or_insert(id);
        }
    }
    found
}
