//! Lowering of float operations from the package's graph to tract's model.

mod functions;
mod products;
mod sums;

use functions::Function;
use offshoot_core::graph::{
    Binary, Blob, Element, FloatOp, Graph, Node, Op, Permutation, TensorId, Unary, Window,
};
use offshoot_core::{Quant, Shape};
use products::Products;
use sums::{Kind, Sums};
use tract_core::internal::*;
use tract_core::ops::array::{Pad, PadMode, Slice, TypedConcat};
use tract_core::ops::binary::TypedBinOp;
use tract_core::ops::cnn::{Conv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_core::ops::einsum::EinSum;
use tract_core::ops::nn::{DataFormat, Softmax, SoftmaxKind};
use tract_core::ops::{math, nn};

use crate::convert::{Dequantize, Quantize};
use crate::shown::Shown;

/// tract model under construction.
pub(crate) struct Lowering<'g, 'a> {
    pub model: TypedModel,
    pub graph: &'g Graph<'a>,
    /// True if sums and functions must be bit-identical on every processor.
    pub exact: bool,
    /// Outlet of the model for each tensor of the package's graph.
    pub outlets: Vec<Option<OutletId>>,
    /// Int8 tensors that only an observer reads.
    pub unread: Vec<OutletId>,
}

impl<'g, 'a> Lowering<'g, 'a> {
    pub fn new(graph: &'g Graph<'a>, exact: bool) -> TractResult<Self> {
        let mut model = TypedModel::default();
        let input = graph.tensor(Graph::INPUT);
        let shape = dims(input.shape);
        let fact = if input.element.quant().is_some() { i8::fact(shape) } else { f32::fact(shape) };
        let mut outlets = vec![None; graph.tensor_count()];
        outlets[0] = Some(model.add_source("input", fact)?);
        Ok(Self { model, graph, exact, outlets, unread: Vec::new() })
    }

    pub fn outlet(&self, id: TensorId) -> TractResult<OutletId> {
        self.outlets[usize::from(id)].with_context(|| format!("tensor {id} is not computed"))
    }

    pub fn wire(
        &mut self,
        name: String,
        op: impl Into<Box<dyn TypedOp>>,
        inputs: &[OutletId],
    ) -> TractResult<OutletId> {
        Ok(self.model.wire_node(name, op, inputs)?[0])
    }

    /// Passes tensor `id` to the observer if it is observed.
    pub fn show(&mut self, id: TensorId, observed: &[TensorId]) -> TractResult<()> {
        if let (Some(place), Some(outlet)) =
            (observed.iter().position(|&o| o == id), self.outlets[usize::from(id)])
        {
            let shown = self.wire(format!("{id}.shown"), Shown { place }, &[outlet])?;
            self.outlets[usize::from(id)] = Some(shown);
        }
        Ok(())
    }

    /// Adds a float node that produces tensor `id`.
    pub fn float(&mut self, id: TensorId, node: &Node<'_>) -> TractResult<()> {
        let Op::Float(op) = node.op else { bail!("{} is not a float node", node.name) };
        let ids: Vec<TensorId> = node.inputs.iter().collect();
        let inputs = ids.iter().map(|&i| self.outlet(i)).collect::<TractResult<TVec<_>>>()?;
        let name = format!("{id}:{}", node.name);
        let first = self.graph.tensor(ids[0]);
        let out = self.graph.tensor(id);
        let outlet = match op {
            FloatOp::Conv { window, groups, weights, bias } => {
                self.conv(name, &inputs, (first.shape, out.shape), window, groups, (weights, bias))?
            }
            FloatOp::Unary(unary) => self.unary(name, unary, inputs[0])?,
            FloatOp::Binary(binary) => self.wire(name, bin(binary)?, &inputs)?,
            FloatOp::Constant { op, values } => {
                let values: Vec<f32> = values.floats(self.graph.weights()).collect();
                let per_channel = values.len() == out.shape.c();
                let shape = if per_channel { [1, 1, 1, values.len()] } else { dims(out.shape) };
                let constant = self.constant(&name, &shape, &values)?;
                self.wire(name, bin(op)?, &[inputs[0], constant])?
            }
            FloatOp::AveragePool { window, include_pad } => {
                let pool_spec = pool_spec(&window, first.shape, out.shape);
                self.wire(
                    name,
                    SumPool { pool_spec, count_include_pad: include_pad, normalize: true },
                    &inputs,
                )?
            }
            FloatOp::MaxPool { window } => {
                let pool_spec = pool_spec(&window, first.shape, out.shape);
                self.wire(name, MaxPool { pool_spec, with_index_outputs: None }, &inputs)?
            }
            FloatOp::Softmax if self.exact => self.wire(name, Function::Softmax, &inputs)?,
            FloatOp::Softmax => {
                let kind = SoftmaxKind::Softmax;
                self.wire(name, Softmax { axes: tvec![3], quant_output_dt: None, kind }, &inputs)?
            }
            FloatOp::MatMul { transposed } => {
                match Products::of(transposed, first.shape, out.shape).filter(|_| self.exact) {
                    Some(products) => self.wire(name, products, &inputs)?,
                    None => {
                        let axes = if transposed { "nhwc,nhvc->nhwv" } else { "nhwc,nhcv->nhwv" };
                        self.wire(name, EinSum::new(axes.parse()?, f32::datum_type()), &inputs)?
                    }
                }
            }
            FloatOp::Quantize => self.wire(name, Quantize(quant(out.element)?), &inputs)?,
            FloatOp::Dequantize => self.wire(name, Dequantize(quant(first.element)?), &inputs)?,
            _ => self.movement(name, op, &inputs, (first.shape, out.shape))?,
        };
        self.outlets[usize::from(id)] = Some(outlet);
        Ok(())
    }

    fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) -> TractResult<OutletId> {
        let name = format!("{name}.constant{}", self.model.nodes().len());
        self.model.add_const(name, Tensor::from_shape(shape, values)?)
    }

    fn conv(
        &mut self,
        name: String,
        inputs: &[OutletId],
        (input, output): (Shape, Shape),
        window: Window,
        groups: u16,
        (weights, bias): (Blob, Blob),
    ) -> TractResult<OutletId> {
        let [kh, kw] = window.kernel.map(usize::from);
        let groups = usize::from(groups);
        let store = self.graph.weights();
        let depth = input.c() / groups;
        let values: Vec<f32> = weights.floats(store).collect();
        if let Some(kind) = Kind::of(groups, input, output).filter(|_| self.exact) {
            let weights = match kind {
                Kind::Depthwise => {
                    (0..values.len()).map(|i| values[i % groups * kh * kw + i / groups]).collect()
                }
                Kind::Dots { .. } => values,
            };
            let weights = self.constant(&name, &[weights.len()], &weights)?;
            let bias: Vec<f32> = bias.floats(store).collect();
            let bias = self.constant(&name, &[bias.len()], &bias)?;
            return self.wire(
                name,
                Sums { kind, window, input, output },
                &[inputs[0], weights, bias],
            );
        }
        let kernel = planar(&values, kh * kw, depth);
        let kernel = self.constant(&name, &[output.c(), depth, kh, kw], &kernel)?;
        let values: Vec<f32> = bias.floats(store).collect();
        let bias = self.constant(&name, &[output.c()], &values)?;
        let op = Conv {
            pool_spec: pool_spec(&window, input, output),
            kernel_fmt: KernelFormat::OIHW,
            group: groups,
            q_params: None,
        };
        self.wire(name, op, &[inputs[0], kernel, bias])
    }

    fn unary(&mut self, name: String, unary: Unary, input: OutletId) -> TractResult<OutletId> {
        if let Some(function) = Function::of(unary).filter(|_| self.exact) {
            return self.wire(name, function, &[input]);
        }
        let op = match unary {
            // tract-core's comparisons give no numbers.
            Unary::Step => return self.wire(name, Function::Each(unary), &[input]),
            Unary::Clamp { lo, hi } => return self.clamp(name, input, lo, hi),
            Unary::Sigmoid => nn::sigmoid(),
            Unary::Tanh => math::tanh(),
            Unary::HardSwish => nn::hard_swish(),
            Unary::Exp => math::exp(),
            Unary::Sqrt => math::sqrt(),
            Unary::Erf => math::erf(),
            Unary::Abs => math::abs(),
            Unary::Log => math::ln(),
            Unary::LeakyRelu { slope } => nn::leaky_relu(slope),
            Unary::Power { exponent } => {
                let exponent = self.constant(&name, &[1, 1, 1, 1], &[exponent])?;
                return self.wire(name, math::pow(), &[input, exponent]);
            }
            _ => bail!("{name}: unknown function {unary:?}; update this program"),
        };
        self.wire(name, op, &[input])
    }

    fn clamp(&mut self, name: String, input: OutletId, lo: f32, hi: f32) -> TractResult<OutletId> {
        let mut outlet = input;
        if lo > f32::NEG_INFINITY {
            let constant = self.constant(&name, &[1, 1, 1, 1], &[lo])?;
            outlet = self.wire(format!("{name}.lo"), math::max(), &[outlet, constant])?;
        }
        if hi < f32::INFINITY {
            let constant = self.constant(&name, &[1, 1, 1, 1], &[hi])?;
            outlet = self.wire(format!("{name}.hi"), math::min(), &[outlet, constant])?;
        }
        Ok(outlet)
    }

    /// Adds an operation that only moves values.
    fn movement(
        &mut self,
        name: String,
        op: FloatOp,
        inputs: &[OutletId],
        (from, to): (Shape, Shape),
    ) -> TractResult<OutletId> {
        Ok(match op {
            FloatOp::Concat => self.wire(name, TypedConcat { axis: 3 }, inputs)?,
            FloatOp::Pad { pad } => {
                let [top, left, bottom, right] = pad.map(usize::from);
                let pads = vec![(0, 0), (top, bottom), (left, right), (0, 0)];
                self.wire(name, Pad { pads, mode: PadMode::default() }, inputs)?
            }
            FloatOp::Reshape => self.reshape(name, inputs[0], from, to)?,
            FloatOp::Flatten => {
                let planar = self.wire(format!("{name}.planar"), AxisOp::Move(3, 1), inputs)?;
                let [_, h, w, c] = dims(from);
                let from = [1, c, h, w].map(|d| d.to_dim()).into();
                let to = dims(to).map(|d| d.to_dim()).into();
                self.wire(name, AxisOp::Reshape(0, from, to), &[planar])?
            }
            FloatOp::Permute(permutation) => {
                self.permute(name, inputs[0], permutation, (from, to))?
            }
            FloatOp::Slice(slice) => {
                let axis = usize::from(slice.axis);
                let start = slice.from as usize;
                let end = start + to.dims()[axis];
                self.wire(name, Slice::new(axis + 1, start, end), inputs)?
            }
            FloatOp::Upsample { factor } => self.upsample(name, inputs[0], from, factor)?,
            _ => bail!("{name}: unknown operation {op:?}; update this program"),
        })
    }

    /// Permutes four axes.
    fn permute(
        &mut self,
        name: String,
        input: OutletId,
        permutation: Permutation,
        (from, to): (Shape, Shape),
    ) -> TractResult<OutletId> {
        let lengths = permutation.dims.map(|d| d as usize);
        let apart = reshape(dims(from), lengths);
        let mut outlet = self.wire(format!("{name}.apart"), apart, &[input])?;
        let mut now = [0u8, 1, 2, 3];
        for (to, axis) in permutation.order.into_iter().enumerate() {
            let from =
                now.iter().position(|&a| a == axis).context("a permutation has every axis")?;
            now[to..=from].rotate_right(1);
            if from != to {
                outlet =
                    self.wire(format!("{name}.move{to}"), AxisOp::Move(from, to), &[outlet])?;
            }
        }
        let moved = permutation.axes().map(|(length, _)| length);
        self.wire(name, reshape(moved, dims(to)), &[outlet])
    }

    /// Upsamples by repeating every pixel, first along columns, then along rows.
    fn upsample(
        &mut self,
        name: String,
        input: OutletId,
        from: Shape,
        factor: [u8; 2],
    ) -> TractResult<OutletId> {
        let [down, across] = factor.map(usize::from);
        let h = from.h();
        let w = from.w();
        let c = from.c();
        let columns = vec![input; across];
        let wide = self.wire(format!("{name}.wide"), TypedConcat { axis: 3 }, &columns)?;
        let rows = reshape([1, h, w, across * c], [1, h, 1, w * across * c]);
        let rows = self.wire(format!("{name}.rows"), rows, &[wide])?;
        let tall = self.wire(format!("{name}.tall"), TypedConcat { axis: 2 }, &vec![rows; down])?;
        let map = reshape([1, h, down, w * across * c], [1, h * down, w * across, c]);
        self.wire(name, map, &[tall])
    }

    fn reshape(
        &mut self,
        name: String,
        input: OutletId,
        from: Shape,
        to: Shape,
    ) -> TractResult<OutletId> {
        self.wire(name, reshape(dims(from), dims(to)), &[input])
    }
}

/// Returns the shape of a feature map in tract: batch of 1, rows, columns, channels.
pub(crate) fn dims(shape: Shape) -> [usize; 4] {
    [1, shape.h(), shape.w(), shape.c()]
}

/// Returns the operation that gives values another shape.
fn reshape(from: [usize; 4], to: [usize; 4]) -> AxisOp {
    AxisOp::Reshape(0, from.map(|d| d.to_dim()).into(), to.map(|d| d.to_dim()).into())
}

fn quant(element: Element) -> TractResult<Quant> {
    element.quant().context("int8 tensor without quantization")
}

/// Reorders O, H x W, I to O, I, H x W, the only order that tract's depthwise path accepts.
fn planar(weights: &[f32], taps: usize, depth: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(weights.len());
    for kernel in weights.chunks_exact(taps * depth) {
        for i in 0..depth {
            out.extend((0..taps).map(|t| kernel[t * depth + i]));
        }
    }
    out
}

fn bin(op: Binary) -> TractResult<TypedBinOp> {
    Ok(match op {
        Binary::Add => math::add(),
        Binary::Sub => math::sub(),
        Binary::Mul => math::mul(),
        Binary::Div => math::div(),
        Binary::Max => math::max(),
        Binary::Min => math::min(),
        other => bail!("unknown operation {other:?}; update this program"),
    })
}

fn sides(lengths: [u8; 2]) -> TVec<usize> {
    lengths.iter().map(|&length| length.into()).collect()
}

fn pool_spec(window: &Window, input: Shape, output: Shape) -> PoolSpec {
    let [top, left, bottom, right] = window.pad.map(usize::from);
    PoolSpec {
        data_format: DataFormat::NHWC,
        kernel_shape: sides(window.kernel),
        padding: PaddingSpec::Explicit(tvec![top, left], tvec![bottom, right]),
        dilations: Some(sides(window.dilation)),
        strides: Some(sides(window.stride)),
        input_channels: input.c(),
        output_channels: output.c(),
    }
}
