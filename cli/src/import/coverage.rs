//! What becomes of each node of a file.

use std::collections::HashMap;

use super::{Imported, Source, part};
use crate::ir::LayerId;
use crate::{fold, quantize};

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
        let (needed, depends) = (part::needed(graph, &tensors), part::depends_on_input(graph));
        let mut model = imported.model.clone();
        fold::fold(&mut model);
        let codes = quantize::in_codes(&model);
        let layers: HashMap<&str, LayerId> =
            model.layers.iter().enumerate().skip(1).map(|(id, layer)| (layer.name.as_str(), id)).collect();
        let mut coverage = Self::default();
        for ((node, needed), depends) in graph.node.iter().zip(needed).zip(depends) {
            let layer = node.output.iter().find_map(|output| layers.get(output.as_str()));
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
