//! Coverage: the kinds of layers that the nodes of a file become.

use std::collections::HashMap;

use tract_onnx::pb::GraphProto;

use super::data_flow::{Flow, Named};
use super::{Imported, Source};
use crate::ir::{LayerId, Model, fold};
use crate::quantize::partition;

/// Node that stays in float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloatNode {
    /// Name of its result.
    pub name: String,
    /// ONNX operation.
    pub operation: String,
}

/// Numbers of nodes by kind; they add up to all nodes of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Layers of the int8 engine.
    pub int8: usize,
    /// Layers that tract runs in float, between or around those of the engine.
    pub float: Vec<FloatNode>,
    /// Nodes that become part of another layer, or only change the layout of values.
    pub fused: usize,
    /// Constants, and nodes computed from constants and shapes.
    pub constant: usize,
    /// Nodes not needed for the cut.
    pub left_out: usize,
}

impl Coverage {
    /// Returns the coverage of a model as imported.
    pub fn of(source: &Source, imported: &Imported) -> Self {
        let graph = source.graph();
        let tensors: Vec<&str> =
            imported.cut.name.split(',').filter_map(|name| source.tensor(name).ok()).collect();
        let flow = Flow::of(graph);
        let needed = flow.needed(tensors);
        let mut model = imported.model.clone();
        fold::fold(&mut model);
        let codes = partition::in_codes(&model, &[]);
        let layers = layers_by_node(graph, &model);
        let mut coverage = Self::default();
        for (at, node) in graph.node.iter().enumerate() {
            let needed = needed[at];
            let depends = flow.depends(at);
            let layer = layers.get(&at);
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

    /// Returns the number of all nodes.
    pub fn nodes(&self) -> usize {
        self.int8 + self.float.len() + self.fused + self.constant + self.left_out
    }
}

/// Returns the layer that each node of the file became. tract, like the walk, adds a suffix to the
/// names of several layers made of one node.
fn layers_by_node(graph: &GraphProto, model: &Model) -> HashMap<usize, LayerId> {
    let named = Named::of(graph);
    let layers = model.layers.iter().enumerate().skip(1);
    let mut found: HashMap<usize, LayerId> =
        layers.clone().filter_map(|(id, layer)| Some((named.giver(&layer.name)?, id))).collect();
    for (id, layer) in layers {
        if let Some(at) = named.part_of(&layer.name) {
            found.entry(at).or_insert(id);
        }
    }
    found
}
