//! Emission: from the converter's network to the package's graph, in float or in int8 as far as the
//! engine goes.

mod ordered;
pub mod prepack;

pub(crate) use ordered::is_linear;

use offshoot_core::graph::{
    Affine, Binary, Clamp, Element, FloatOp, Int8Op, Op, Tensor, TensorId, Unary, Window,
};
use offshoot_core::package::{GraphWriter, WriteError};
use offshoot_core::{Multiplier, Quant};
use thiserror::Error;

use crate::ir::{Conv, Expr, Layer, LayerId, LayerOp, Model};
use crate::quantize::scheme;
use crate::quantize::scheme::{QuantizeError, Scheme};

/// Error of an emission.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The format cannot hold the network.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A layer's numbers do not fit 8 bits and a multiplier.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
}

/// Graph, with the tensors of the network's layers.
#[derive(Debug)]
pub struct Emitted {
    /// Graph.
    pub writer: GraphWriter,
    /// Tensor of the embedding.
    pub output: TensorId,
    /// Tensor with the result of each layer, the int8 one if there is one.
    pub tensors: Vec<Option<TensorId>>,
}

/// Writes the network in float.
///
/// # Errors
/// The format cannot hold the network.
pub fn float(model: &Model) -> Result<Emitted, EmitError> {
    let in_codes = vec![false; model.layers.len()];
    let scheme = Scheme {
        in_codes,
        quants: Vec::new(),
        means: Vec::new(),
        coded_means: Vec::new(),
        rounded: Default::default(),
        taken: Default::default(),
        ordered: None,
    };
    Emitter::new(model, scheme).run(|_, _, _, _| Ok(()))
}

/// Writes the network in int8 where the scheme says so, in float elsewhere.
///
/// # Errors
/// A layer does not fit 8 bits, or the network does not fit the format.
pub fn int8(model: &Model, scheme: &Scheme) -> Result<Emitted, EmitError> {
    Emitter::new(model, scheme.clone()).run(|_, _, _, _| Ok(()))
}

/// Writes like [`int8`]; each layer and its tensor are passed to `observe` as soon as the layer is
/// written. Changes that `observe` makes in the scheme hold for the layers that follow.
///
/// # Errors
/// Errors of [`int8`], and those of `observe`.
pub fn int8_watched<E: From<EmitError>>(
    model: &Model,
    scheme: Scheme,
    observe: impl FnMut(&mut Scheme, LayerId, &GraphWriter, TensorId) -> Result<(), E>,
) -> Result<Emitted, E> {
    Emitter::new(model, scheme).run(observe)
}

struct Emitter<'m> {
    model: &'m Model,
    scheme: Scheme,
    writer: GraphWriter,
    codes: Vec<Option<TensorId>>,
    floats: Vec<Option<TensorId>>,
}

type Written = Result<TensorId, EmitError>;

/// Operation on floats, or the tensor of several that were written.
enum Plain {
    Op(FloatOp),
    Written(TensorId),
}

impl<'m> Emitter<'m> {
    fn new(model: &'m Model, scheme: Scheme) -> Self {
        let element =
            if scheme.in_codes[0] { Element::Int8(scheme.quants[0]) } else { Element::Float };
        let writer = GraphWriter::new(Tensor { shape: model.layers[0].shape, element });
        let none = vec![None; model.layers.len()];
        let mut emitter = Self { model, scheme, writer, codes: none.clone(), floats: none };
        emitter.place(0, 0);
        emitter
    }

    fn run<E: From<EmitError>>(
        mut self,
        mut observe: impl FnMut(&mut Scheme, LayerId, &GraphWriter, TensorId) -> Result<(), E>,
    ) -> Result<Emitted, E> {
        for (id, layer) in self.model.layers.iter().enumerate().skip(1) {
            let tensor = if self.scheme.in_codes[id] {
                self.int8(id, layer)?
            } else {
                self.float(id, layer)?
            };
            self.place(id, tensor);
            observe(&mut self.scheme, id, &self.writer, tensor)?;
        }
        let tensors: Vec<_> = self.codes.iter().zip(&self.floats).map(|(c, f)| c.or(*f)).collect();
        let output = tensors[self.model.output].unwrap_or_default();
        self.writer.graph(output).map_err(EmitError::from)?;
        Ok(Emitted { writer: self.writer, output, tensors })
    }

    fn place(&mut self, id: LayerId, tensor: TensorId) {
        let list = if self.scheme.in_codes[id] { &mut self.codes } else { &mut self.floats };
        list[id] = Some(tensor);
    }

    /// Returns a layer's result in float, dequantized if necessary.
    fn as_floats(&mut self, id: LayerId) -> Written {
        if let Some(tensor) = self.floats[id] {
            return Ok(tensor);
        }
        let layer = &self.model.layers[id];
        let codes = self.codes[id].unwrap_or_default();
        let out = Tensor { shape: layer.shape, element: Element::Float };
        let tensor = self.writer.node(
            shorten(&layer.name),
            self.on_floats(FloatOp::Dequantize),
            &[codes],
            out,
        )?;
        self.floats[id] = Some(tensor);
        Ok(tensor)
    }

    /// Returns a layer's result in int8, quantized with its own quantization if necessary.
    fn as_codes(&mut self, id: LayerId) -> Written {
        if let Some(tensor) = self.codes[id] {
            return Ok(tensor);
        }
        let layer = &self.model.layers[id];
        let floats = self.floats[id].unwrap_or_default();
        let out = Tensor { shape: layer.shape, element: Element::Int8(self.scheme.quants[id]) };
        let op = self.on_floats(FloatOp::Quantize);
        let tensor = self.writer.node(shorten(&layer.name), op, &[floats], out)?;
        self.codes[id] = Some(tensor);
        Ok(tensor)
    }

    /// Returns an operation on floats, by who runs it.
    fn on_floats(&self, op: FloatOp) -> Op {
        if self.scheme.ordered.is_some() { Op::Ordered(op) } else { Op::Float(op) }
    }

    /// Writes a layer in float, with its limits.
    fn float(&mut self, id: LayerId, layer: &Layer) -> Written {
        let mut inputs: Vec<TensorId> =
            layer.inputs.iter().map(|&i| self.as_floats(i)).collect::<Result<_, _>>()?;
        let own = match &self.scheme.ordered {
            Some(kept) => {
                let kept = kept.contains(&id);
                self.ordered(layer, &mut inputs, kept)?
            }
            None => None,
        };
        let op = match own {
            Some(op) => op,
            None => match self.plain(layer, &inputs)? {
                Plain::Op(op) => op,
                Plain::Written(tensor) => return Ok(tensor),
            },
        };
        let out = Tensor { shape: layer.shape, element: Element::Float };
        let tensor = self.writer.node(shorten(&layer.name), self.on_floats(op), &inputs, out)?;
        let Some((lo, hi)) = layer.clamp else { return Ok(tensor) };
        let clamp = self.on_floats(FloatOp::Unary(Unary::Clamp { lo, hi }));
        Ok(self.writer.node(shorten(&layer.name), clamp, &[tensor], out)?)
    }

    /// Returns the operation on floats of a layer, or its result if it takes several.
    fn plain(&mut self, layer: &Layer, inputs: &[TensorId]) -> Result<Plain, EmitError> {
        let op = match &layer.op {
            LayerOp::Conv(conv) => FloatOp::Conv {
                window: conv.window,
                groups: conv.groups as u16,
                weights: self.writer.floats(&conv.weights)?,
                bias: self.writer.floats(&conv.bias)?,
            },
            LayerOp::Function(expr) => {
                return Ok(Plain::Written(self.formula(layer, expr, inputs[0])?));
            }
            LayerOp::ChannelMean => {
                let depth = self.model.layers[layer.inputs[0]].shape.c();
                FloatOp::Conv {
                    window: Window::POINT,
                    groups: 1,
                    weights: self.writer.floats(&vec![1.0 / depth as f32; depth])?,
                    bias: self.writer.floats(&[0.0])?,
                }
            }
            &LayerOp::MatMul { transposed } => FloatOp::MatMul { transposed },
            LayerOp::Reshape => FloatOp::Reshape,
            &LayerOp::Permute(permutation) => FloatOp::Permute(permutation),
            &LayerOp::Slice(slice) => FloatOp::Slice(slice),
            &LayerOp::Upsample { factor } => FloatOp::Upsample { factor },
            LayerOp::Binary(binary) => FloatOp::Binary(*binary),
            LayerOp::Constant { op, values } => {
                FloatOp::Constant { op: *op, values: self.writer.floats(values)? }
            }
            &LayerOp::AveragePool { window, include_pad } => {
                FloatOp::AveragePool { window, include_pad }
            }
            &LayerOp::MaxPool { window } => FloatOp::MaxPool { window },
            LayerOp::Concat => FloatOp::Concat,
            &LayerOp::Pad { pad } => FloatOp::Pad { pad },
            LayerOp::Softmax => FloatOp::Softmax,
            LayerOp::Flatten => FloatOp::Flatten,
            LayerOp::Input | LayerOp::Tokens | LayerOp::Scale { .. } => {
                unreachable!("folded or placed before")
            }
        };
        Ok(Plain::Op(op))
    }

    /// Writes a formula as one node per operation.
    fn formula(&mut self, layer: &Layer, expr: &Expr, input: TensorId) -> Written {
        let (op, inputs) = match expr {
            Expr::Input => return Ok(input),
            Expr::Unary(op, x) => (FloatOp::Unary(*op), vec![self.formula(layer, x, input)?]),
            Expr::Constant(op, value, x) => {
                let x = self.formula(layer, x, input)?;
                let values = self.writer.floats(&vec![*value; layer.shape.c()])?;
                (FloatOp::Constant { op: *op, values }, vec![x])
            }
            Expr::Binary(op, a, b) => {
                let a = self.formula(layer, a, input)?;
                let b = self.formula(layer, b, input)?;
                (FloatOp::Binary(*op), vec![a, b])
            }
        };
        let out = Tensor { shape: layer.shape, element: Element::Float };
        Ok(self.writer.node(shorten(&layer.name), self.on_floats(op), &inputs, out)?)
    }

    fn int8(&mut self, id: LayerId, layer: &Layer) -> Written {
        let inputs: Vec<TensorId> =
            layer.inputs.iter().map(|&i| self.as_codes(i)).collect::<Result<_, _>>()?;
        let source = layer.inputs[0];
        let from = self.scheme.quants[source];
        let out = self.scheme.quants[id];
        let clamp = clamp_codes(layer.clamp, out);
        // Values on the grid that the file states for them.
        let stated = layer.stated.grid == Some(from) && from == out && id != self.model.output;
        if stated && layer.op.as_clamp().is_some_and(|limits| is_none(limits, out)) {
            return Ok(inputs[0]);
        }
        let op = match &layer.op {
            LayerOp::Conv(conv) => self.conv(id, conv, source, out, clamp)?,
            LayerOp::Binary(Binary::Add) => {
                let (a, b) = scheme::add([from, self.scheme.quants[layer.inputs[1]]], out);
                Int8Op::Add { a, b, clamp }
            }
            &LayerOp::AveragePool { window, include_pad } => {
                let factor = f64::from(from.scale.get()) / f64::from(out.scale.get());
                let multiplier =
                    Multiplier::new(factor).ok_or_else(|| QuantizeError::range(&layer.name))?;
                Int8Op::AveragePool { window, include_pad, multiplier, clamp }
            }
            &LayerOp::MaxPool { window } => Int8Op::MaxPool { window },
            LayerOp::Concat => {
                let quants = layer.inputs.iter().map(|&i| self.scheme.quants[i]);
                let affines: Vec<Affine> = quants.map(|own| scheme::rescale(own, out)).collect();
                Int8Op::Concat { affines: self.writer.affines(&affines)? }
            }
            LayerOp::Function(expr) => match layer.op.as_clamp() {
                Some(limits) => Int8Op::Rescale {
                    affine: scheme::rescale(from, out),
                    clamp: clamp_codes(Some(limits), out),
                },
                None => {
                    Int8Op::Table { table: self.writer.codes(&scheme::table(expr, from, out))? }
                }
            },
            LayerOp::Binary(Binary::Mul) => {
                let other = self.scheme.quants[layer.inputs[1]];
                let factor =
                    [from, other].map(|q| f64::from(q.scale.get())).iter().product::<f64>();
                let multiplier = Multiplier::new(factor / f64::from(out.scale.get()));
                let multiplier = multiplier.ok_or_else(|| QuantizeError::range(&layer.name))?;
                Int8Op::Multiply { multiplier, clamp }
            }
            LayerOp::Reshape => Int8Op::Reshape,
            &LayerOp::Permute(permutation) => Int8Op::Permute(permutation),
            &LayerOp::Slice(slice) => Int8Op::Slice(slice),
            &LayerOp::Upsample { factor } => Int8Op::Upsample { factor },
            &LayerOp::Pad { pad } => Int8Op::Pad { pad },
            LayerOp::Flatten => Int8Op::Flatten,
            other => unreachable!("{other:?} is not run in codes"),
        };
        let tensor = Tensor { shape: layer.shape, element: Element::Int8(out) };
        Ok(self.writer.node(shorten(&layer.name), Op::Int8(op), &inputs, tensor)?)
    }

    fn conv(
        &mut self,
        id: LayerId,
        conv: &Conv,
        source: LayerId,
        out: Quant,
        clamp: Clamp,
    ) -> Result<Int8Op, EmitError> {
        let layer = &self.model.layers[id];
        let input = self.model.layers[source].shape;
        let scheme = &self.scheme;
        let means = [&scheme.means, &scheme.coded_means].map(|means| &*means[source]);
        let channels = layer.shape.c();
        let shifts = scheme::shifts(&layer.splits, channels, out);
        let rounded = scheme.rounded.get(id).and_then(Option::as_deref);
        let quants = [scheme.quants[source], out];
        let taken = scheme.taken.get(id).and_then(Option::as_deref);
        let quantized = scheme::conv(&layer.name, conv, &shifts, means, quants, rounded, taken)?;
        let depthwise = conv.groups > 1 && conv.groups == input.c() && conv.groups == channels;
        let weights =
            if depthwise { transpose(&quantized.weights, channels) } else { quantized.weights };
        Ok(Int8Op::Conv {
            window: conv.window,
            groups: conv.groups as u16,
            weights: self.writer.codes(&weights)?,
            bias: self.writer.words(&quantized.bias)?,
            mantissas: self.writer.words(&quantized.mantissas)?,
            shift: quantized.shift,
            clamp,
        })
    }
}

/// Transposes C, H x W to H x W, C.
fn transpose(weights: &[i8], channels: usize) -> Vec<i8> {
    let taps = weights.len() / channels;
    (0..weights.len()).map(|i| weights[i % channels * taps + i / channels]).collect()
}

/// Shortens a name to the format's limit; keeps its end, which distinguishes the names of
/// exporters.
pub fn shorten(name: &str) -> &str {
    let over = name.len().saturating_sub(offshoot_core::limits::NAME);
    let start = (over..=name.len()).find(|&i| name.is_char_boundary(i)).unwrap_or(name.len());
    &name[start..]
}

/// True if limits are beyond all int8 values.
fn is_none(limits: (f32, f32), quant: Quant) -> bool {
    clamp_codes(Some(limits), quant) == Clamp::NONE
}

fn clamp_codes(clamp: Option<(f32, f32)>, quant: Quant) -> Clamp {
    let Some((lo, hi)) = clamp else { return Clamp::NONE };
    Clamp { lo: quant.quantize(lo), hi: quant.quantize(hi) }
}
