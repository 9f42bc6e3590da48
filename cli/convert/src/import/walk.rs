//! Walk from tract's typed model, before declutter, to our layers: one function per operation.
//!
//! A layer's feature map is in rows, columns, channels; the layout of the source tensor's
//! dimensions is kept beside the layer (`layout.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use offshoot_core::Shape;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{
    Gather, MultiBroadcastTo, Pad, Slice, StridedSlice, TypedConcat,
};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{Conv, Deconv, MaxPool, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::nn::{Reduce, Softmax};
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx_opl::lrn::Lrn;
use tract_onnx_opl::resize::Resize;

use super::dimension_order::{CHANNELS, COLUMNS, Layout, Move, ROWS};
use super::signal_input::SignalInput;
use super::text_inputs::TextSource;
use crate::ir::pooling::Output;
use crate::ir::{LayerId, LayerOp, Model};

mod choices;
mod pointwise;
mod product;
mod reductions;
mod resampling;
mod shapes;
mod tokens;
mod transposed;
mod windows;

/// Node that cannot be imported.
#[derive(Debug, Clone)]
pub(super) struct Unsupported {
    /// Name of the node, to which tract may have added a suffix.
    pub node: String,
    /// Operation of tract.
    pub op: String,
    /// Cause, to follow the operation's name; empty if the operation itself is unsupported.
    pub what: String,
    /// Shape of its result.
    pub shape: String,
}

/// Result of the walk: the model, and its layers for the source's outputs.
#[derive(Debug)]
pub(super) struct Walked {
    pub model: Model,
    pub outputs: Vec<(LayerId, Output)>,
}

/// Layer, with the layout of the source tensor's dimensions.
#[derive(Debug, Clone)]
struct Map {
    id: LayerId,
    layout: Layout,
}

/// Result of the walk for an outlet of tract's model.
#[derive(Debug, Clone)]
enum Value {
    Constant(Arc<Tensor>),
    Map(Map),
    /// Token ids, or a value that depends on a text's length only and is read by such nodes only.
    Unseen,
    /// Unsupported, directly or by a node before it.
    Missing,
}

/// Kind of a model's input.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'s> {
    /// Image of 1 or 3 channels.
    Image,
    /// Signal.
    Signal(SignalInput),
    /// Text inputs of a language backbone.
    Text(&'s TextSource),
}

struct Walk<'s> {
    source: &'s TypedModel,
    /// Text inputs of a language backbone.
    text: Option<&'s TextSource>,
    signal: Option<SignalInput>,
    model: Model,
    values: HashMap<OutletId, Value>,
}

/// Result of a step. `Err` is the cause, to follow the name of the operation; empty if the
/// operation itself is unsupported.
type Step<T = Map> = Result<T, String>;

/// Walks the model; the error lists all unsupported nodes.
pub(super) fn walk(source: &TypedModel, kind: Kind<'_>) -> Result<Walked, Vec<Unsupported>> {
    let model = Model { layers: Vec::new(), output: 0 };
    let text = if let Kind::Text(text) = kind { Some(text) } else { None };
    let signal = if let Kind::Signal(signal) = kind { Some(signal) } else { None };
    let mut walk = Walk { source, text, signal, model, values: HashMap::new() };
    let mut unsupported = Vec::new();
    let order = source.eval_order().unwrap_or_else(|_| (0..source.nodes().len()).collect());
    for node in order.into_iter().map(|id| source.node(id)) {
        let missing =
            node.inputs.iter().any(|i| matches!(walk.values.get(i), Some(Value::Missing)));
        let value = if missing { Ok(Value::Missing) } else { walk.node(node) };
        let value = value.unwrap_or_else(|what| {
            unsupported.push(walk.unsupported(node, what));
            Value::Missing
        });
        walk.values.insert(node.id.into(), value);
    }
    if !unsupported.is_empty() {
        return Err(unsupported);
    }
    let mut outputs = Vec::new();
    for &outlet in &source.outputs {
        let node = source.node(outlet.node);
        outputs.push(walk.output(node, outlet).map_err(|what| vec![walk.unsupported(node, what)])?);
    }
    Ok(Walked { model: walk.model, outputs })
}

impl Walk<'_> {
    fn unsupported(&self, node: &TypedNode, what: String) -> Unsupported {
        let shape = node.outputs.first().map(|o| format!("{:?}", o.fact.shape)).unwrap_or_default();
        Unsupported { node: self.name(node), op: node.op.name().into_owned(), what, shape }
    }

    /// Returns the name of the node's result in the file.
    fn name(&self, node: &TypedNode) -> String {
        self.source.outlet_label(node.id.into()).unwrap_or(&node.name).to_string()
    }

    /// Returns an output as a feature map, or as a vector in the source's order.
    fn output(&mut self, node: &TypedNode, outlet: OutletId) -> Step<(LayerId, Output)> {
        let mut map = match self.values.get(&outlet) {
            Some(Value::Map(map)) if map.id > 0 => map.clone(),
            _ => {
                return Err(
                    "gives a constant or the input itself: there is nothing to run".to_string()
                );
            }
        };
        let long: Vec<usize> = (0..map.layout.rank()).filter(|&d| map.layout.len(d) > 1).collect();
        map = match (long.as_slice(), self.text) {
            ([dim], _) => self.gather(node, &map, [&[], &[], &[*dim]])?,
            // One vector per token.
            ([places, values], Some(_)) => {
                self.gather(node, &map, [&[], &[*places], &[*values]])?
            }
            _ => map,
        };
        let shape = self.shape_of(&map);
        let places = map.layout.places(shape, |_| true);
        Ok((map.id, Output { shape, places }))
    }

    fn node(&mut self, node: &TypedNode) -> Step<Value> {
        if let Some(constant) = node.op_as::<Const>() {
            return Ok(Value::Constant(constant.val().clone()));
        }
        if let Some(konst) = node.outputs.first().and_then(|o| o.fact.konst.clone()) {
            return Ok(Value::Constant(konst));
        }
        if let Some(text) = self.text
            && let Some(value) = self.of_tokens(node, text)?
        {
            return Ok(value);
        }
        // tract leaves large constants as it finds them.
        let inputs = (0..node.inputs.len()).map(|at| self.constant(node, at));
        if let Some(inputs) = inputs.collect::<Option<Vec<_>>>()
            && let Some(value) = evaluated(node.op.clone(), inputs)
        {
            return Ok(Value::Constant(value));
        }
        self.layer(node).map(Value::Map)
    }

    fn layer(&mut self, node: &TypedNode) -> Step {
        if node.op_is::<TypedSource>() {
            return self.input_layer(node);
        }
        if let Some(conv) = node.op_as::<Conv>() {
            return self.conv(node, conv);
        }
        if let Some(product) = node.op_as::<EinSum>() {
            return self.product(node, product);
        }
        if let Some(binary) = node.op_as::<TypedBinOp>() {
            return self.binary(node, binary.0.name());
        }
        if let Some(unary) = node.op_as::<ElementWiseOp>() {
            return self.unary(node, unary);
        }
        if let Some(pool) = node.op_as::<MaxPool>() {
            return self.max_pool(node, pool);
        }
        if let Some(pool) = node.op_as::<SumPool>() {
            return self.sum_pool(node, pool);
        }
        if let Some(reduce) = node.op_as::<Reduce>() {
            return self.reduce(node, reduce);
        }
        if let Some(axis) = node.op_as::<AxisOp>() {
            return self.axis(node, axis);
        }
        if let Some(deconv) = node.op_as::<Deconv>() {
            return self.transposed(node, deconv);
        }
        if node.op_is::<Iff>() {
            return self.choice(node);
        }
        self.rest(node)
    }

    fn rest(&mut self, node: &TypedNode) -> Step {
        if let Some(concat) = node.op_as::<TypedConcat>() {
            return self.concat(node, concat.axis);
        }
        if let Some(pad) = node.op_as::<Pad>() {
            return self.pad(node, pad);
        }
        if let Some(softmax) = node.op_as::<Softmax>() {
            return self.softmax(node, softmax);
        }
        if let Some(slice) = node.op_as::<Slice>() {
            return self.slice(node, slice);
        }
        if let Some(slice) = node.op_as::<StridedSlice>() {
            return self.strided_slice(node, slice);
        }
        if let Some(gather) = node.op_as::<Gather>() {
            return self.pick(node, gather);
        }
        if let Some(resize) = node.op_as::<Resize>() {
            return self.resize(node, resize);
        }
        if let Some(lrn) = node.op_as::<Lrn>() {
            return self.local_response(node, lrn);
        }
        if node.op_is::<MultiBroadcastTo>() {
            return self.repeated(node);
        }
        let name = node.op.name();
        let passes =
            node.op_is::<Cast>() || ["Dropout", "Identity"].iter().any(|n| name.starts_with(n));
        if passes { self.input(node, 0) } else { Err(String::new()) }
    }

    /// Adds the input layer of an image, with or without a batch of one, channels first or last; or of
    /// a signal.
    fn input_layer(&mut self, node: &TypedNode) -> Step {
        if !self.model.layers.is_empty() {
            return Err("is a second input".to_string());
        }
        let dims = dims(node)?;
        if let Some(signal) = self.signal {
            let (shape, layout) =
                signal.layout(&dims).ok_or_else(|| format!("of shape {dims:?}"))?;
            let id = self.model.push(self.name(node), LayerOp::Input, Vec::new(), shape);
            return Ok(Map { id, layout });
        }
        let last = super::channels_last(&dims);
        let spatial: Vec<usize> = if dims.len() == 4 { dims[1..].to_vec() } else { dims.clone() };
        let &[a, b, c] = &spatial[..] else { return Err(format!("of shape {dims:?}")) };
        let [h, w, c] = if last { [a, b, c] } else { [b, c, a] };
        let shape =
            Shape::new(h as u32, w as u32, c as u32).ok_or_else(|| format!("of shape {dims:?}"))?;
        let axes =
            if last { [ROWS, COLUMNS, CHANNELS] } else { [CHANNELS, ROWS, COLUMNS] }.map(Some);
        let batch = (dims.len() == 4).then_some(None);
        let layout = Layout::new(shape, &batch.into_iter().chain(axes).collect::<Vec<_>>());
        let id = self.model.push(self.name(node), LayerOp::Input, Vec::new(), shape);
        Ok(Map { id, layout })
    }

    /// Appends a layer whose result has the layout of the first input.
    fn push(&mut self, node: &TypedNode, op: LayerOp, inputs: &[&Map], shape: Shape) -> Map {
        let ids = inputs.iter().map(|m| m.id).collect();
        Map {
            id: self.model.push(self.name(node), op, ids, shape),
            layout: inputs[0].layout.clone(),
        }
    }

    /// Moves dimensions of the source tensor to the axes of a feature map.
    fn gather(&mut self, node: &TypedNode, map: &Map, groups: [&[usize]; 3]) -> Step {
        let from = self.shape_of(map);
        let (moves, shape, layout) = map.layout.gather(from, groups).ok_or("of such an order")?;
        let mut id = map.id;
        for movement in moves {
            let op = match movement {
                Move::Reshape => LayerOp::Reshape,
                Move::Flatten => LayerOp::Flatten,
                Move::Permute(permutation) => LayerOp::Permute(permutation),
            };
            id = self.model.push(format!("{}.order", self.name(node)), op, vec![id], shape);
        }
        Ok(Map { id, layout })
    }

    /// Returns an input in the layout 1, C, H, W.
    fn channels_first(&mut self, node: &TypedNode, index: usize) -> Step {
        let map = self.input(node, index)?;
        if map.layout.rank() == 4 && map.layout.is_channels_first(self.shape_of(&map)) {
            return Ok(map);
        }
        match map.layout.rank() {
            4 if map.layout.len(0) == 1 => self.gather(node, &map, [&[2], &[3], &[1]]),
            3 if map.layout.len(0) == 1 => self.gather(node, &map, [&[], &[2], &[1]]),
            rank => Err(format!("of a tensor of rank {rank}")),
        }
    }

    /// Returns an input with dimension `dim` as its channels.
    fn along_channels(&mut self, node: &TypedNode, map: &Map, dim: usize) -> Step {
        if map.layout.is_axis(dim, CHANNELS, self.shape_of(map)) {
            return Ok(map.clone());
        }
        let others: Vec<usize> = (0..map.layout.rank()).filter(|&d| d != dim).collect();
        let (rows, columns) = others.split_at(others.len().saturating_sub(1));
        self.gather(node, map, [rows, columns, &[dim]])
    }

    fn value(&self, node: &TypedNode, index: usize) -> Option<&Value> {
        node.inputs.get(index).and_then(|outlet| self.values.get(outlet))
    }

    fn input(&self, node: &TypedNode, index: usize) -> Step {
        match self.value(node, index) {
            Some(Value::Map(map)) => Ok(map.clone()),
            _ => Err("of a constant".to_string()),
        }
    }

    fn constant(&self, node: &TypedNode, index: usize) -> Option<Arc<Tensor>> {
        match self.value(node, index) {
            Some(Value::Constant(tensor)) => Some(tensor.clone()),
            _ => None,
        }
    }

    fn shape_of(&self, map: &Map) -> Shape {
        self.model.layers[map.id].shape
    }
}

/// Returns the result of an operation of constants; `None` without any, or if tract cannot compute
/// it.
fn evaluated(op: Box<dyn TypedOp>, inputs: Vec<Arc<Tensor>>) -> Option<Arc<Tensor>> {
    if inputs.is_empty() {
        return None;
    }
    let mut model = TypedModel::default();
    let mut outlets = Vec::new();
    for (at, input) in inputs.into_iter().enumerate() {
        outlets.push(model.add_const(format!("input{at}"), input).ok()?);
    }
    let result = model.wire_node("result", op, &outlets).ok()?;
    model.select_output_outlets(&result[..1]).ok()?;
    let mut outputs = model.into_runnable().ok()?.run(tvec![]).ok()?;
    Some(outputs.remove(0).into_arc_tensor())
}

/// Returns the lengths of the node's result.
fn dims(node: &TypedNode) -> Step<Vec<usize>> {
    let fact = &node.outputs[0].fact;
    Ok(fact.shape.as_concrete().ok_or("of open size")?.to_vec())
}

fn shape(h: usize, w: usize, c: usize) -> Step<Shape> {
    let small = [h, w, c].map(|side| u32::try_from(side).ok());
    let shape = match small {
        [Some(h), Some(w), Some(c)] => Shape::new(h, w, c),
        _ => None,
    };
    shape.ok_or_else(|| format!("with a map of {h}x{w}x{c}, which is too large"))
}
