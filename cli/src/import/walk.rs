//! From tract's typed model, before declutter, to our layers: one function per operation.
//!
//! Tensors keep ONNX's order of axes here (1, C, H, W), so axis 1 is always the channels; a
//! layer's shape is the map H, W, C with missing axes taken as 1.

use std::collections::HashMap;
use std::sync::Arc;

use offshoot_core::Shape;
use offshoot_core::graph::{Binary, Unary, Window};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{Pad, PadMode, TypedConcat};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{Conv, MaxPool, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::nn::{DataFormat, LeakyRelu, Reduce, Reducer, Softmax, SoftmaxKind};
use tract_onnx::tract_core::ops::source::TypedSource;

use super::constants::{floats, kernel, per_channel};
use crate::ir::{self, LayerId, LayerOp, Model};

/// A node that cannot be carried over.
#[derive(Debug)]
pub(super) struct Unsupported {
    pub node: String,
    pub op: String,
}

/// What an outlet of tract's model became.
#[derive(Clone)]
enum Value {
    Constant(Arc<Tensor>),
    Layer(LayerId),
}

struct Walk {
    model: Model,
    values: HashMap<OutletId, Value>,
}

/// `Err` says what about the node is not supported.
type Step = Result<LayerId, String>;

pub(super) fn walk(source: &TypedModel) -> Result<Model, Unsupported> {
    let model = Model { layers: Vec::new(), output: 0 };
    let mut walk = Walk { model, values: HashMap::new() };
    let order = source.eval_order().unwrap_or_else(|_| (0..source.nodes().len()).collect());
    for node in order.into_iter().map(|id| source.node(id)) {
        let value = walk.node(node).map_err(|what| Unsupported {
            node: source.outlet_label(node.id.into()).unwrap_or(&node.name).to_string(),
            op: what,
        })?;
        walk.values.insert(node.id.into(), value);
    }
    let output = source.outputs[0];
    match walk.values.get(&output) {
        Some(&Value::Layer(id)) if id > 0 => {
            walk.model.output = id;
            walk.model.compact();
            Ok(walk.model)
        }
        _ => Err(Unsupported {
            node: source.node(output.node).name.clone(),
            op: "constant or the input itself: there is nothing to run".to_string(),
        }),
    }
}

impl Walk {
    fn node(&mut self, node: &TypedNode) -> Result<Value, String> {
        if let Some(constant) = node.op_as::<Const>() {
            return Ok(Value::Constant(constant.val().clone()));
        }
        if let Some(konst) = node.outputs.first().and_then(|o| o.fact.konst.clone()) {
            return Ok(Value::Constant(konst));
        }
        self.layer(node).map(Value::Layer)
    }

    fn layer(&mut self, node: &TypedNode) -> Step {
        if node.op_is::<TypedSource>() {
            let shape = self.shape(node)?;
            if !self.model.layers.is_empty() {
                return Err("second input".to_string());
            }
            return Ok(self.model.push(&node.name, LayerOp::Input, Vec::new(), shape));
        }
        if let Some(conv) = node.op_as::<Conv>() {
            return self.conv(node, conv);
        }
        if let Some(product) = node.op_as::<EinSum>() {
            return self.dense(node, product);
        }
        if let Some(binary) = node.op_as::<TypedBinOp>() {
            return self.binary(node, binary.0.name());
        }
        if let Some(unary) = node.op_as::<ElementWiseOp>() {
            return self.unary(node, unary);
        }
        if let Some(pool) = node.op_as::<MaxPool>() {
            let (window, shape) = (window(&pool.pool_spec, self.map(node)?)?, self.shape(node)?);
            return self.add(node, LayerOp::MaxPool { window }, shape);
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
        self.rest(node)
    }

    fn rest(&mut self, node: &TypedNode) -> Step {
        let shape = self.shape(node)?;
        if let Some(concat) = node.op_as::<TypedConcat>() {
            let inputs: Result<Vec<_>, _> = (0..node.inputs.len()).map(|i| self.input(node, i)).collect();
            return match concat.axis {
                1 => Ok(self.model.push(&node.name, LayerOp::Concat, inputs?, shape)),
                axis => Err(format!("Concat along axis {axis}")),
            };
        }
        if let Some(pad) = node.op_as::<Pad>() {
            let pad = border(pad)?;
            return self.add(node, LayerOp::Pad { pad }, shape);
        }
        if let Some(softmax) = node.op_as::<Softmax>() {
            return match (&*softmax.axes, &softmax.kind) {
                ([1], SoftmaxKind::Softmax) => self.add(node, LayerOp::Softmax, shape),
                _ => Err("Softmax over other axes than the channels".to_string()),
            };
        }
        let name = node.op.name();
        let passes = node.op_is::<Cast>() || ["Dropout", "Identity"].iter().any(|n| name.starts_with(n));
        if passes { self.input(node, 0) } else { Err(name.into_owned()) }
    }

    fn conv(&mut self, node: &TypedNode, conv: &Conv) -> Step {
        if conv.q_params.is_some() {
            return Err("quantized Conv; convert the float model instead".to_string());
        }
        let (window, shape) = (window(&conv.pool_spec, self.map(node)?)?, self.shape(node)?);
        let weights = self.constant(node, 1).and_then(|t| kernel(&t, conv.kernel_fmt, conv.group));
        let weights = weights.ok_or("Conv whose weights are computed at run time")?;
        let bias = self.constant(node, 2).and_then(|t| floats(&t)).ok_or("Conv whose bias is computed")?;
        let bias = if bias.len() == 1 { vec![bias[0]; shape.c()] } else { bias };
        self.add(node, LayerOp::Conv(ir::Conv { window, groups: conv.group, weights, bias }), shape)
    }

    /// A product of a vector and a constant matrix.
    fn dense(&mut self, node: &TypedNode, product: &EinSum) -> Step {
        let contracted = |a: &&tract_onnx::tract_core::axes::Axis| {
            a.outputs[0].is_empty() && a.inputs.iter().take(2).all(|i| i.len() == 1)
        };
        let mut axes = product.axes.iter_all_axes().filter(contracted);
        let (axis, more) = (axes.next(), axes.next());
        let (Some(axis), None) = (axis, more) else {
            return Err("EinSum that is not one product".to_string());
        };
        let matrix = self.constant(node, 1).ok_or("product of two computed tensors")?;
        let (vector, shape) = (self.model.layers[self.input(node, 0)?].shape, self.shape(node)?);
        let &[rows, columns] = matrix.shape() else {
            return Err("product with a matrix of rank 3 or more".to_string());
        };
        let values = floats(&matrix).ok_or("product with a matrix that is not float")?;
        let k = vector.elements();
        if vector.c() != k || shape.c() != shape.elements() {
            return Err("product over one axis of a map".to_string());
        }
        let weights = match axis.inputs[1][0] {
            1 if columns == k => values,
            0 if rows == k => (0..columns)
                .flat_map(|o| (0..k).map(move |i| (o, i)))
                .map(|(o, i)| values[i * columns + o])
                .collect(),
            _ => return Err("product of shapes that do not fit".to_string()),
        };
        let bias = vec![0.0; shape.c()];
        self.add(node, LayerOp::Conv(ir::Conv { window: Window::POINT, groups: 1, weights, bias }), shape)
    }

    fn binary(&mut self, node: &TypedNode, name: &str) -> Step {
        let shape = self.shape(node)?;
        let op = match name {
            "Add" => Binary::Add,
            "Sub" => Binary::Sub,
            "Mul" => Binary::Mul,
            "Div" => Binary::Div,
            "Max" => Binary::Max,
            "Min" => Binary::Min,
            other => return Err(other.to_string()),
        };
        let constants = [self.constant(node, 0), self.constant(node, 1)];
        match constants {
            [None, None] => self.two_layers(node, op, shape),
            [None, Some(constant)] => self.with_constant(node, op, 0, &constant, shape),
            [Some(constant), None] => match op {
                Binary::Sub => {
                    let minus = self.scale(node, 1, vec![-1.0; shape.c()], vec![0.0; shape.c()], shape)?;
                    let values = self.channel_values(&constant, node, shape)?;
                    let op = LayerOp::Scale { factors: vec![1.0; shape.c()], offsets: values };
                    Ok(self.model.push(&node.name, op, vec![minus], shape))
                }
                Binary::Div => Err("Div of a constant by a tensor".to_string()),
                _ => self.with_constant(node, op, 1, &constant, shape),
            },
            [Some(_), Some(_)] => Err("operation on constants that were not folded".to_string()),
        }
    }

    fn two_layers(&mut self, node: &TypedNode, op: Binary, shape: Shape) -> Step {
        let (a, b) = (self.input(node, 0)?, self.input(node, 1)?);
        let shape_of = |id: LayerId| self.model.layers[id].shape;
        let broadcasts =
            |s: Shape| s == shape || (s.h() == 1 && s.w() == 1 && (s.c() == shape.c() || s.c() == 1));
        let commutes = !matches!(op, Binary::Sub | Binary::Div);
        let inputs = match (shape_of(a) == shape, shape_of(b) == shape) {
            (true, _) if broadcasts(shape_of(b)) => vec![a, b],
            (_, true) if broadcasts(shape_of(a)) && commutes => vec![b, a],
            _ => return Err(format!("{op:?} of shapes {} and {}", shape_of(a), shape_of(b))),
        };
        Ok(self.model.push(&node.name, LayerOp::Binary(op), inputs, shape))
    }

    fn with_constant(
        &mut self,
        node: &TypedNode,
        op: Binary,
        data: usize,
        constant: &Tensor,
        shape: Shape,
    ) -> Step {
        let values = self.channel_values(constant, node, shape)?;
        let (ones, zeros) = (vec![1.0; values.len()], vec![0.0; values.len()]);
        let uniform = values.iter().all(|&v| v == values[0]);
        match op {
            Binary::Add => self.scale(node, data, ones, values, shape),
            Binary::Sub => self.scale(node, data, ones, values.iter().map(|v| -v).collect(), shape),
            Binary::Mul => self.scale(node, data, values, zeros, shape),
            Binary::Div => self.scale(node, data, values.iter().map(|v| 1.0 / v).collect(), zeros, shape),
            Binary::Max | Binary::Min if uniform => {
                let (lo, hi) = match op {
                    Binary::Max => (values[0], f32::INFINITY),
                    _ => (f32::NEG_INFINITY, values[0]),
                };
                let input = self.input(node, data)?;
                Ok(self.model.push(&node.name, LayerOp::Unary(Unary::Clamp { lo, hi }), vec![input], shape))
            }
            _ => {
                let input = self.input(node, data)?;
                Ok(self.model.push(&node.name, LayerOp::Constant { op, values }, vec![input], shape))
            }
        }
    }

    fn channel_values(&self, constant: &Tensor, node: &TypedNode, shape: Shape) -> Result<Vec<f32>, String> {
        let rank = node.outputs[0].fact.rank();
        per_channel(constant, rank, shape.c())
            .ok_or_else(|| format!("{} with a constant of shape {:?}", node.op.name(), constant.shape()))
    }

    fn scale(
        &mut self,
        node: &TypedNode,
        data: usize,
        factors: Vec<f32>,
        offsets: Vec<f32>,
        shape: Shape,
    ) -> Step {
        let input = self.input(node, data)?;
        if self.model.layers[input].shape != shape {
            return Err(format!("{} that enlarges its input", node.op.name()));
        }
        Ok(self.model.push(&node.name, LayerOp::Scale { factors, offsets }, vec![input], shape))
    }

    fn unary(&mut self, node: &TypedNode, op: &ElementWiseOp) -> Step {
        let shape = self.shape(node)?;
        let unary = match op.0.name().as_str() {
            "Sigmoid" => Unary::Sigmoid,
            "Tanh" => Unary::Tanh,
            "HardSwish" => Unary::HardSwish,
            "Exp" => Unary::Exp,
            "Sqrt" => Unary::Sqrt,
            "Erf" => Unary::Erf,
            "Abs" => Unary::Abs,
            "LeakyRelu" => match op.0.downcast_ref::<LeakyRelu>() {
                Some(leaky) => Unary::LeakyRelu { slope: leaky.alpha },
                None => return Err("LeakyRelu".to_string()),
            },
            other => return Err(other.to_string()),
        };
        self.add(node, LayerOp::Unary(unary), shape)
    }

    fn sum_pool(&mut self, node: &TypedNode, pool: &SumPool) -> Step {
        let (window, shape) = (window(&pool.pool_spec, self.map(node)?)?, self.shape(node)?);
        let include_pad = pool.count_include_pad || !pool.normalize;
        let mean = self.add(node, LayerOp::AveragePool { window, include_pad }, shape)?;
        if pool.normalize {
            return Ok(mean);
        }
        Ok(self.sum_of(node, mean, window.taps(), shape))
    }

    fn reduce(&mut self, node: &TypedNode, reduce: &Reduce) -> Step {
        let (map, shape) = (self.map(node)?, self.shape(node)?);
        let spatial = reduce.axes.iter().all(|&a| a >= 2) && shape.h() == 1 && shape.w() == 1;
        if reduce.reducer != Reducer::Sum || !spatial {
            return Err(format!("{} over axes {:?}", node.op.name(), reduce.axes));
        }
        let window = Window::covering(map).ok_or("mean over a map of more than 255 rows or columns")?;
        let mean = self.add(node, LayerOp::AveragePool { window, include_pad: false }, shape)?;
        Ok(self.sum_of(node, mean, window.taps(), shape))
    }

    /// tract writes a mean as a sum and a division; the factor here meets that division in `fold`.
    fn sum_of(&mut self, node: &TypedNode, mean: LayerId, taps: usize, shape: Shape) -> LayerId {
        let op = LayerOp::Scale { factors: vec![taps as f32; shape.c()], offsets: vec![0.0; shape.c()] };
        self.model.push(format!("{}.sum", node.name), op, vec![mean], shape)
    }

    /// Changes of axes that leave the order of values alone, and flattening.
    fn axis(&mut self, node: &TypedNode, axis: &AxisOp) -> Step {
        let input = self.input(node, 0)?;
        let (from, to) = (self.model.layers[input].shape, self.shape(node)?);
        if matches!(axis, AxisOp::Move(..)) {
            return Err(format!("transposition ({axis:?})"));
        }
        if from == to {
            return Ok(input);
        }
        if to.c() == from.elements() {
            return self.add(node, LayerOp::Flatten, to);
        }
        Err(format!("change of shape from {from} to {to}"))
    }

    fn add(&mut self, node: &TypedNode, op: LayerOp, shape: Shape) -> Step {
        let input = self.input(node, 0)?;
        Ok(self.model.push(&node.name, op, vec![input], shape))
    }

    fn value(&self, node: &TypedNode, index: usize) -> Option<&Value> {
        node.inputs.get(index).and_then(|outlet| self.values.get(outlet))
    }

    fn input(&self, node: &TypedNode, index: usize) -> Step {
        match self.value(node, index) {
            Some(Value::Layer(id)) => Ok(*id),
            _ => Err(format!("{} of a constant", node.op.name())),
        }
    }

    fn constant(&self, node: &TypedNode, index: usize) -> Option<Arc<Tensor>> {
        match self.value(node, index) {
            Some(Value::Constant(tensor)) => Some(tensor.clone()),
            _ => None,
        }
    }

    /// Shape of the node's first input.
    fn map(&self, node: &TypedNode) -> Result<Shape, String> {
        Ok(self.model.layers[self.input(node, 0)?].shape)
    }

    /// Shape of the node's output: 1, C, H, W with missing axes taken as 1.
    fn shape(&self, node: &TypedNode) -> Result<Shape, String> {
        let fact = &node.outputs[0].fact;
        let dims = fact.shape.as_concrete().ok_or_else(|| format!("{} of open size", node.op.name()))?;
        let dim = |i: usize| dims.get(i).map_or(Some(1), |&d| u32::try_from(d).ok());
        let batch_of_one = dims.first() == Some(&1) && (2..=4).contains(&dims.len());
        let shape = dim(1).zip(dim(2)).zip(dim(3)).filter(|_| batch_of_one);
        shape
            .and_then(|((c, h), w)| Shape::new(h, w, c))
            .ok_or_else(|| format!("{} with output shape {dims:?}", node.op.name()))
    }
}

/// A pool's or convolution's window with its padding spelled out for this input.
fn window(spec: &PoolSpec, input: Shape) -> Result<Window, String> {
    if !matches!(spec.data_format, DataFormat::NCHW) || spec.rank() != 2 {
        return Err("window that is not two-dimensional over NCHW".to_string());
    }
    let byte = |v: usize| u8::try_from(v).map_err(|_| format!("window with a side of {v}"));
    let pads = spec.computed_padding(&[input.h(), input.w()]);
    let mut window = Window::POINT;
    for (axis, n) in [input.h(), input.w()].into_iter().enumerate() {
        let (kernel, stride, dilation) = (spec.kernel_shape[axis], spec.stride(axis), spec.dilation(axis));
        let (before, out) = (pads[axis].pad_before, pads[axis].convoluted);
        let extent = dilation * kernel.saturating_sub(1) + 1;
        // What the last window reaches beyond the map; padding nobody reads is dropped.
        let after = ((out.saturating_sub(1)) * stride + extent).saturating_sub(n + before);
        window.kernel[axis] = byte(kernel)?;
        window.stride[axis] = byte(stride)?;
        window.dilation[axis] = byte(dilation)?;
        window.pad[axis] = byte(before)?;
        window.pad[axis + 2] = byte(after)?;
    }
    Ok(window)
}

fn border(pad: &Pad) -> Result<[u8; 4], String> {
    let zero = match &pad.mode {
        PadMode::Constant(value) => floats(value).is_some_and(|v| v.iter().all(|&x| x == 0.0)),
        _ => false,
    };
    let spatial = pad.pads.iter().enumerate().all(|(axis, p)| axis >= 2 || *p == (0, 0));
    if !zero || !spatial {
        return Err("Pad other than with zeros around the map".to_string());
    }
    let side = |axis: usize, before: bool| {
        let (b, a) = pad.pads.get(axis).copied().unwrap_or((0, 0));
        u8::try_from(if before { b } else { a }).map_err(|_| "Pad of more than 255".to_string())
    };
    Ok([side(2, true)?, side(3, true)?, side(2, false)?, side(3, false)?])
}
