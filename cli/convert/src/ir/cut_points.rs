//! Cut points of a network: the tensors through which all values go; for text, all values except
//! the mask of the text's end.

use offshoot_core::{Shape, Tokens};

use super::{Layer, LayerOp, Model};

/// Cut point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Name of the tensor for `--cut`.
    pub name: String,
    /// Shape of its feature map: rows, columns, channels.
    pub shape: Shape,
    /// Multiply-adds up to it.
    pub macs: u64,
    /// Bytes of the int8 weights up to it.
    pub bytes: u64,
}

/// Returns the cut points of a model as imported, not yet folded, in order.
///
/// `tensor` returns the source model's name for a layer; layers added by the importer have none.
pub fn candidates<'s>(model: &Model, tensor: impl Fn(&str) -> Option<&'s str>) -> Vec<Candidate> {
    let marks = marks(model);
    let mut last_reader = vec![0; model.layers.len()];
    for (id, layer) in model.layers.iter().enumerate().filter(|(id, _)| !marks[*id]) {
        layer.inputs.iter().filter(|&&i| !marks[i]).for_each(|&i| last_reader[i] = id);
    }
    let mut open_until = 0;
    let mut macs = 0;
    let mut bytes = 0;
    let mut found = Vec::new();
    for (id, layer) in model.layers.iter().enumerate() {
        macs += layer_macs(model, layer);
        if let LayerOp::Conv(conv) = &layer.op {
            bytes += (conv.weights.len() + 8 * conv.bias.len()) as u64;
        }
        let passed = id > 0 && open_until <= id && !marks[id];
        if let Some(name) = tensor(&layer.name).filter(|_| passed) {
            let candidate = Candidate { name: name.to_string(), shape: layer.shape, macs, bytes };
            // Several layers can come from one node; the last one is the node's result.
            found.retain(|c: &Candidate| c.name != candidate.name);
            found.push(candidate);
        }
        open_until = open_until.max(last_reader[id]);
    }
    found
}

/// Returns the last of each run of consecutive cut points of the same shape.
pub fn last_of_each_shape(candidates: &[Candidate]) -> Vec<Candidate> {
    candidates.chunk_by(|a, b| a.shape == b.shape).filter_map(|same| same.last().cloned()).collect()
}

/// Returns the last of each run of consecutive cut points of the same cost.
pub fn last_of_each_cost(candidates: &[Candidate]) -> Vec<Candidate> {
    candidates.chunk_by(|a, b| a.macs == b.macs).filter_map(|same| same.last().cloned()).collect()
}

/// Returns for each layer if it depends on nothing but the mask of the text's end.
fn marks(model: &Model) -> Vec<bool> {
    let mut marks = vec![false; model.layers.len()];
    for (id, layer) in model.layers.iter().enumerate() {
        marks[id] = match (&layer.op, &layer.inputs[..]) {
            (LayerOp::Slice(slice), [0]) if matches!(model.layers[0].op, LayerOp::Tokens) => {
                (slice.from as usize) < Tokens::MARKS
            }
            (_, inputs) => !inputs.is_empty() && inputs.iter().all(|&i| marks[i]),
        };
    }
    marks
}

fn layer_macs(model: &Model, layer: &Layer) -> u64 {
    let depth = layer.inputs.first().map_or(0, |&input| model.layers[input].shape.c());
    let per_value = match &layer.op {
        LayerOp::Conv(conv) => conv.window.taps() * depth / conv.groups,
        LayerOp::MatMul { .. } => depth,
        _ => 0,
    };
    per_value as u64 * layer.shape.elements() as u64
}

#[cfg(test)]
mod tests {
    use offshoot_core::graph::{Binary, Window};

    use super::*;
    use crate::ir::Conv;

    #[test]
    fn a_skip_is_not_cut_through() {
        let shape = Shape::new(4, 4, 2).unwrap();
        let mut model = Model { layers: Vec::new(), output: 0 };
        let conv = || {
            LayerOp::Conv(Conv {
                window: Window::POINT,
                groups: 1,
                weights: vec![1.0; 4],
                bias: vec![0.0; 2],
            })
        };
        let input = model.push("x", LayerOp::Input, Vec::new(), shape);
        let first = model.push("first", conv(), vec![input], shape);
        let inside = model.push("inside", conv(), vec![first], shape);
        let sum = model.push("sum", LayerOp::Binary(Binary::Add), vec![inside, first], shape);
        model.output = model.push("not a tensor", conv(), vec![sum], shape);
        let names = ["x", "first", "inside", "sum"];
        let found = candidates(&model, |name| names.into_iter().find(|known| *known == name));
        let seen: Vec<_> = found.iter().map(|c| (&*c.name, c.macs, c.bytes)).collect();
        assert_eq!(seen, [("first", 64, 20), ("sum", 128, 40)]);
        assert_eq!(last_of_each_shape(&found), found[1..]);
    }
}
