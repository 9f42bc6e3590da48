//! Import at another size than that of the file, and models that resize their image themselves.

use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::type_proto;
use tract_onnx::prelude::TypedModel;
use tract_onnx::tract_core::ops::nn::resize::Interpolator;
use tract_onnx_opl::resize::Resize;

use super::{ImportError, Imported, Source};
use crate::ir::pooling::Pool;

/// Import at a size, given as width and height.
type At<'a> = &'a dyn Fn(Option<(u32, u32)>) -> Result<Imported, ImportError>;

impl Source {
    /// Imports at the size stated by the user; a convolutional network takes any size, another
    /// gives an error that says so.
    pub(super) fn at_size(
        &self,
        asked: Option<(u32, u32)>,
        pool: Pool,
        import: At<'_>,
    ) -> Result<Imported, ImportError> {
        let imported = import(asked);
        let Some((asked, fixed)) = asked.zip(self.fixed_size()) else { return imported };
        if asked == fixed {
            return imported;
        }
        // An error at its own size too has another cause.
        let Ok(own) = import(None) else { return imported };
        let what = match &imported {
            Err(ImportError::Unreadable { node: Some(node), .. }) => {
                format!("node `{}` ({}) does not fit", node.node, node.operation)
            }
            Err(ImportError::Unsupported { nodes, .. }) => {
                let node = nodes.first().map_or("", |node| &node.node);
                format!("node `{node}` does not fit")
            }
            Err(_) => "it does not fit together".to_string(),
            Ok(at) => {
                let found = values(at);
                let own = values(&own);
                if pool.keeps_all() || found == own {
                    return imported;
                }
                format!("its embedding would have {found} values instead of {own}")
            }
        };
        Err(ImportError::Size {
            path: self.path.clone(),
            fixed: shown(fixed),
            asked: shown(asked),
            what,
        })
    }
}

/// Returns the number of values of an embedding.
fn values(imported: &Imported) -> usize {
    imported.model.layers[imported.model.output].shape.elements()
}

fn shown((width, height): (u32, u32)) -> String {
    format!("{height}x{width}")
}

impl Source {
    /// Returns the model without the resizing at its beginning, which preprocessing does better:
    /// from the original image, with a filter that covers all pixels. `None` if it does not begin
    /// with a resize.
    pub(super) fn without_resize(&self, typed: &TypedModel) -> Option<Self> {
        let input = *typed.input_outlets().ok()?.first()?;
        let [reader] = &typed.node(input.node).outputs[input.slot].successors[..] else {
            return None;
        };
        let node = typed.node(reader.node);
        let resize = node
            .op_as::<Resize>()
            .filter(|r| reader.slot == 0 && r.interpolator != Interpolator::Nearest)?;
        let shape = node.outputs[0].fact.shape.as_concrete()?.to_vec();
        let same_depth = typed
            .outlet_fact(input)
            .ok()?
            .shape
            .as_concrete()?
            .iter()
            .zip(&shape)
            .take(2)
            .all(|(a, b)| a == b);
        if !same_depth || shape.len() != 4 || resize.axes.is_some() {
            return None;
        }
        let name = typed.node(input.node).name.clone();
        let mut proto = self.proto.clone();
        let graph = proto.graph.as_mut()?;
        let at = graph
            .node
            .iter()
            .position(|n| n.op_type == "Resize" && n.input.first() == Some(&name))?;
        let resized = graph.node.remove(at).output.into_iter().next()?;
        for read in
            graph.node.iter_mut().flat_map(|n| &mut n.input).filter(|read| **read == resized)
        {
            read.clone_from(&name);
        }
        let info = graph.input.iter_mut().find(|i| i.name == name)?;
        let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_mut()?.value.as_mut()
        else {
            return None;
        };
        let dims = shape
            .iter()
            .map(|&n| Dimension { value: Some(Value::DimValue(n as i64)), ..Dimension::default() });
        tensor.shape.get_or_insert_default().dim = dims.collect();
        let Self { path, sha256, signal, bytes, .. } = self;
        Some(Self { path: path.clone(), sha256: *sha256, proto, signal: *signal, bytes: *bytes })
    }
}
