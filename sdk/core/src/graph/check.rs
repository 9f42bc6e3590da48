//! Validation of a graph: every condition is checked before the first run, so that running cannot
//! fail.

use thiserror::Error;

use super::{
    Affine, Blob, Clamp, Element, FloatOp, Graph, Inputs, Int8Op, Node, Op, Tensor, TensorId,
    Window,
};
use crate::limits;
use crate::quant::Multiplier;
use crate::shape::Shape;

/// Reason for refusing a graph. `node` counts from 0 in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Fewer or more tensors than the format allows.
    #[error("{found} tensors, a graph has 2 to {}", limits::TENSORS)]
    Tensors {
        /// Tensors found.
        found: usize,
    },
    /// A tensor's dimensions, scale or kind are out of range.
    #[error("tensor {tensor} has no valid shape or scale")]
    Tensor {
        /// Index of the tensor.
        tensor: usize,
    },
    /// A node cannot be decoded, or the list is longer or shorter than announced.
    #[error("node {node} cannot be read")]
    Node {
        /// Index of the node.
        node: usize,
    },
    /// A node reads a tensor that does not exist yet, or too many or too few tensors.
    #[error("node {node} reads the wrong tensors")]
    Inputs {
        /// Index of the node.
        node: usize,
    },
    /// A node gets int8 values where it needs floats, or the reverse.
    #[error("node {node} mixes int8 and float tensors")]
    Kind {
        /// Index of the node.
        node: usize,
    },
    /// A kernel, stride, padding, group or fixed-point parameter is out of range.
    #[error("node {node} has a parameter out of range")]
    Parameter {
        /// Index of the node.
        node: usize,
    },
    /// The stated output shape differs from the shape that the operation produces.
    #[error("node {node} produces another shape than its output tensor states")]
    Shape {
        /// Index of the node.
        node: usize,
    },
    /// Weights are missing or have another length than the shape requires.
    #[error("node {node} has weights of the wrong length")]
    Weights {
        /// Index of the node.
        node: usize,
    },
    /// An accumulator could overflow 32 bits.
    #[error("node {node} could overflow its accumulator")]
    Overflow {
        /// Index of the node.
        node: usize,
    },
    /// The graph's output is not one of its tensors.
    #[error("the output is not a tensor of the graph")]
    Output,
}

impl<'a> Graph<'a> {
    /// Parses and checks a graph: `records` are tensors of [`Tensor::RECORD`] bytes each, `nodes`
    /// is the postcard encoding of the [`Node`]s, one fewer than tensors.
    ///
    /// # Errors
    ///
    /// Returns a [`GraphError`] for the first condition that does not hold.
    pub fn open(
        records: &'a [u8],
        nodes: &'a [u8],
        weights: &'a [u8],
        output: TensorId,
    ) -> Result<Self, GraphError> {
        let (tensors, rest) = records.as_chunks::<{ Tensor::RECORD }>();
        if !rest.is_empty() || !(2..=limits::TENSORS).contains(&tensors.len()) {
            return Err(GraphError::Tensors { found: tensors.len() });
        }
        if let Some(tensor) = tensors.iter().position(|r| Tensor::from_record(r).is_none()) {
            return Err(GraphError::Tensor { tensor });
        }
        if usize::from(output) >= tensors.len() || output == Self::INPUT {
            return Err(GraphError::Output);
        }
        let graph = Self { tensors, nodes, weights, output };
        let mut rest = nodes;
        for index in 0..graph.node_count() {
            let (node, tail) =
                postcard::take_from_bytes(rest).map_err(|_| GraphError::Node { node: index })?;
            graph.check_node(index, &node)?;
            rest = tail;
        }
        if rest.is_empty() { Ok(graph) } else { Err(GraphError::Node { node: graph.node_count() }) }
    }

    fn check_node(&self, index: usize, node: &Node<'_>) -> Result<(), GraphError> {
        let inputs_exist = node.inputs.0.len().is_multiple_of(2)
            && (1..=limits::NODE_INPUTS).contains(&node.inputs.len())
            && node.inputs.iter().all(|i| usize::from(i) <= index);
        if !inputs_exist || !arity_fits(&node.op, node.inputs.len()) {
            return Err(GraphError::Inputs { node: index });
        }
        if node.name.len() > limits::NAME {
            return Err(GraphError::Parameter { node: index });
        }
        let out = self.tensor(index as TensorId + 1);
        if !self.kinds_fit(node, out) {
            return Err(GraphError::Kind { node: index });
        }
        if !parameters_fit(&node.op) {
            return Err(GraphError::Parameter { node: index });
        }
        if !self.shape_fits(node, out.shape) {
            return Err(GraphError::Shape { node: index });
        }
        self.check_weights(index, node, out)
    }

    fn shapes<'g>(&'g self, inputs: Inputs<'g>) -> impl Iterator<Item = Shape> + 'g {
        inputs.iter().map(|i| self.tensor(i).shape)
    }

    fn kinds_fit(&self, node: &Node<'_>, out: Tensor) -> bool {
        let mut inputs = node.inputs.iter().map(|i| self.tensor(i).element);
        let gives_int8 = is_int8(out.element);
        match node.op {
            Op::Float(op) if !op.is_common() => false,
            Op::Float(FloatOp::Quantize) | Op::Ordered(FloatOp::Quantize) => {
                gives_int8 && !inputs.any(is_int8)
            }
            Op::Float(FloatOp::Dequantize) | Op::Ordered(FloatOp::Dequantize) => {
                !gives_int8 && inputs.all(is_int8)
            }
            Op::Float(_) | Op::Ordered(_) => !gives_int8 && !inputs.any(is_int8),
            Op::Int8(_) => gives_int8 && inputs.all(is_int8) && self.keeps_quant(node, out),
        }
    }

    /// Checks that an operation that only moves values keeps the quantization.
    fn keeps_quant(&self, node: &Node<'_>, out: Tensor) -> bool {
        let moves = match node.op {
            Op::Int8(op) => op.keeps_codes(),
            Op::Float(_) | Op::Ordered(_) => false,
        };
        !moves || node.inputs.iter().all(|i| self.tensor(i).element == out.element)
    }

    fn shape_fits(&self, node: &Node<'_>, out: Shape) -> bool {
        let mut inputs = self.shapes(node.inputs);
        let Some(first) = inputs.next() else { return false };
        match as_float(node.op) {
            Op::Int8(Int8Op::Conv { window, groups, .. })
            | Op::Float(FloatOp::Conv { window, groups, .. }) => {
                let groups = usize::from(groups);
                first.c().is_multiple_of(groups)
                    && out.c().is_multiple_of(groups)
                    && windowed(&window, first, out)
            }
            Op::Int8(Int8Op::AveragePool { window, .. } | Int8Op::MaxPool { window })
            | Op::Float(FloatOp::AveragePool { window, .. } | FloatOp::MaxPool { window }) => {
                first.c() == out.c() && windowed(&window, first, out)
            }
            Op::Int8(Int8Op::Add { .. }) => inputs.all(|s| s == first) && first == out,
            Op::Int8(Int8Op::Multiply { .. }) => {
                first == out && inputs.all(|s| s == first || is_per_channel(s, first))
            }
            Op::Int8(Int8Op::Permute(order)) | Op::Float(FloatOp::Permute(order)) => {
                order.fits(first.elements()) && first.elements() == out.elements()
            }
            Op::Int8(Int8Op::Slice(slice)) | Op::Float(FloatOp::Slice(slice)) => {
                slice.fits(first, out)
            }
            Op::Int8(Int8Op::Upsample { factor }) | Op::Float(FloatOp::Upsample { factor }) => {
                let [down, across] = factor.map(usize::from);
                [first.h() * down, first.w() * across, first.c()] == [out.h(), out.w(), out.c()]
            }
            Op::Float(FloatOp::MatMul { transposed }) => {
                inputs.all(|b| multiplies(first, b, transposed, out))
            }
            Op::Float(FloatOp::Linear { .. }) => first.h() == out.h() && first.w() == out.w(),
            Op::Float(FloatOp::Binary(_)) => first == out && inputs.all(|s| broadcasts(s, first)),
            Op::Int8(Int8Op::Concat { .. }) | Op::Float(FloatOp::Concat) => {
                self.shapes(node.inputs).all(|s| s.h() == out.h() && s.w() == out.w())
                    && self.shapes(node.inputs).map(Shape::c).sum::<usize>() == out.c()
            }
            Op::Int8(Int8Op::Pad { pad }) | Op::Float(FloatOp::Pad { pad }) => {
                pads(pad, first, out)
            }
            Op::Int8(Int8Op::Reshape) | Op::Float(FloatOp::Reshape) => {
                first.elements() == out.elements()
            }
            Op::Int8(Int8Op::Flatten) | Op::Float(FloatOp::Flatten) => {
                out.h() == 1 && out.w() == 1 && out.c() == first.elements()
            }
            Op::Int8(Int8Op::Rescale { .. } | Int8Op::Table { .. })
            | Op::Float(
                FloatOp::Unary(_)
                | FloatOp::Constant { .. }
                | FloatOp::Softmax
                | FloatOp::Quantize
                | FloatOp::Dequantize,
            ) => first == out,
            Op::Ordered(_) => unreachable!("read as an operation on floats"),
        }
    }

    fn check_weights(&self, index: usize, node: &Node<'_>, out: Tensor) -> Result<(), GraphError> {
        // Products of shapes need 64 bits: 32 bits could wrap to a length that fits.
        let first = node.inputs.iter().next().map_or(0, |i| self.tensor(i).shape.c()) as u64;
        let channels = out.shape.c() as u64;
        match as_float(node.op) {
            Op::Int8(Int8Op::Conv { window, groups, weights, bias, mantissas, .. }) => {
                let fan_in = window.taps() as u64 * (first / u64::from(groups));
                self.check_blob(index, weights, fan_in * channels)?;
                self.check_blob(index, bias, 4 * channels)?;
                self.check_blob(index, mantissas, 4 * channels)?;
                if mantissas.words(self.weights).any(|m| m < 0) {
                    return Err(GraphError::Parameter { node: index });
                }
                self.check_accumulator(index, fan_in, bias)
            }
            Op::Int8(Int8Op::Concat { affines }) => {
                self.check_blob(index, affines, (Affine::RECORD * node.inputs.len()) as u64)?;
                let mut records = affines.of(self.weights).chunks_exact(Affine::RECORD);
                if records.all(|r| Affine::from_record(r).is_some_and(affine_fits)) {
                    Ok(())
                } else {
                    Err(GraphError::Parameter { node: index })
                }
            }
            Op::Float(FloatOp::Conv { window, groups, weights, bias }) => {
                let fan_in = window.taps() as u64 * (first / u64::from(groups));
                self.check_blob(index, weights, 4 * fan_in * channels)?;
                self.check_blob(index, bias, 4 * channels)
            }
            Op::Float(FloatOp::Linear { weights, sums, scales, bias }) => {
                self.check_blob(index, weights, first * channels)?;
                for blob in [sums, scales, bias] {
                    self.check_blob(index, blob, 4 * channels)?;
                }
                // A sum times a zero point, beside the products.
                let most = first * 128;
                if sums.words(self.weights).any(|sum| u64::from(sum.unsigned_abs()) > most) {
                    return Err(GraphError::Parameter { node: index });
                }
                self.check_accumulator(index, first, Blob::default())
            }
            Op::Int8(Int8Op::Table { table }) => self.check_blob(index, table, 256),
            Op::Float(FloatOp::Constant { values, .. }) => self
                .check_blob(index, values, 4 * channels)
                .or_else(|_| self.check_blob(index, values, 4 * out.shape.elements() as u64)),
            _ => Ok(()),
        }
    }

    /// Checks that a blob has `need` bytes.
    fn check_blob(&self, index: usize, blob: Blob, need: u64) -> Result<(), GraphError> {
        if u64::from(blob.len) == need && blob.of(self.weights).len() as u64 == need {
            Ok(())
        } else {
            Err(GraphError::Weights { node: index })
        }
    }

    /// Checks that `fan_in` products of a difference of int8 values (at most 255) and a weight (at
    /// most 128), plus the bias, fit 32 bits in any order of summation.
    fn check_accumulator(&self, index: usize, fan_in: u64, bias: Blob) -> Result<(), GraphError> {
        let products = fan_in * 255 * 128;
        let largest = bias.words(self.weights).map(i32::unsigned_abs).max().unwrap_or(0);
        if products + u64::from(largest) < 1 << 31 {
            Ok(())
        } else {
            Err(GraphError::Overflow { node: index })
        }
    }
}

/// Returns an operation of the engine on floats as that of tract-core, of which shapes and weights
/// are the same.
fn as_float(op: Op) -> Op {
    match op {
        Op::Ordered(op) => Op::Float(op),
        op => op,
    }
}

fn is_int8(element: Element) -> bool {
    element.quant().is_some()
}

fn windowed(window: &Window, input: Shape, out: Shape) -> bool {
    window.output(input) == Some((out.h() as u32, out.w() as u32))
}

/// Returns true if there is one value for each channel of `of`.
fn is_per_channel(values: Shape, of: Shape) -> bool {
    values.c() == of.c() && values.elements() == values.c()
}

/// Returns true if every axis of `values` is as long as that of `to` or can be repeated.
fn broadcasts(values: Shape, to: Shape) -> bool {
    values.dims().iter().zip(to.dims()).all(|(&n, m)| n == m || n == 1)
}

/// Returns true if `out` is the shape of the product of `a` and `b`, row by row of both.
fn multiplies(a: Shape, b: Shape, transposed: bool, out: Shape) -> bool {
    let (depth, columns) = if transposed { (b.c(), b.w()) } else { (b.w(), b.c()) };
    let same_rows = a.h() == b.h() && a.h() == out.h() && a.w() == out.w();
    same_rows && depth == a.c() && columns == out.c()
}

/// Returns true if `out` is `input` with rows and columns added.
fn pads(pad: [u8; 4], input: Shape, out: Shape) -> bool {
    let [top, left, bottom, right] = pad.map(usize::from);
    input.h() + top + bottom == out.h()
        && input.w() + left + right == out.w()
        && input.c() == out.c()
}

fn arity_fits(op: &Op, inputs: usize) -> bool {
    match as_float(*op) {
        Op::Int8(Int8Op::Concat { .. }) | Op::Float(FloatOp::Concat) => true,
        Op::Int8(Int8Op::Add { .. } | Int8Op::Multiply { .. })
        | Op::Float(FloatOp::Binary(_) | FloatOp::MatMul { .. }) => inputs == 2,
        _ => inputs == 1,
    }
}

fn parameters_fit(op: &Op) -> bool {
    match as_float(*op) {
        Op::Int8(Int8Op::Conv { window, groups, shift, clamp, .. }) => {
            window_fits(&window)
                && groups > 0
                && shift <= Multiplier::MAX_SHIFT
                && clamp_fits(clamp)
        }
        Op::Float(FloatOp::Conv { window, groups, .. }) => window_fits(&window) && groups > 0,
        Op::Int8(Int8Op::AveragePool { window, multiplier, clamp, .. }) => {
            pool_fits(&window) && multiplier_fits(multiplier) && clamp_fits(clamp)
        }
        Op::Int8(Int8Op::Slice(slice)) | Op::Float(FloatOp::Slice(slice)) => slice.axis < 3,
        Op::Int8(Int8Op::Multiply { multiplier, clamp }) => {
            multiplier_fits(multiplier) && clamp_fits(clamp)
        }
        Op::Int8(Int8Op::MaxPool { window })
        | Op::Float(FloatOp::AveragePool { window, .. } | FloatOp::MaxPool { window }) => {
            pool_fits(&window)
        }
        Op::Int8(Int8Op::Add { a, clamp, .. }) => affine_fits(a) && clamp_fits(clamp),
        Op::Int8(Int8Op::Rescale { affine, clamp }) => affine_fits(affine) && clamp_fits(clamp),
        Op::Int8(Int8Op::Pad { pad }) | Op::Float(FloatOp::Pad { pad }) => {
            pad.iter().all(|&p| u32::from(p) <= limits::PAD)
        }
        _ => true,
    }
}

fn window_fits(window: &Window) -> bool {
    are_within(window.kernel, limits::KERNEL)
        && are_within(window.stride, limits::STRIDE)
        && are_within(window.dilation, limits::STRIDE)
        && window.pad.iter().all(|&p| u32::from(p) <= limits::PAD)
}

fn are_within(values: [u8; 2], most: u32) -> bool {
    values.iter().all(|&value| (1..=most).contains(&value.into()))
}

/// Returns true if a pool's window covers at least one pixel at every position.
fn pool_fits(window: &Window) -> bool {
    window_fits(window) && covers_pixels(window, 0) && covers_pixels(window, 1)
}

fn covers_pixels(window: &Window, axis: usize) -> bool {
    let pads = usize::from(window.pad[axis].max(window.pad[axis + 2]));
    pads < window.extent(axis) && (window.dilation[axis] == 1 || pads == 0)
}

fn multiplier_fits(multiplier: Multiplier) -> bool {
    multiplier.mantissa >= 0 && multiplier.shift <= Multiplier::MAX_SHIFT
}

fn clamp_fits(clamp: Clamp) -> bool {
    clamp.lo <= clamp.hi
}

/// Returns true if two products of an int8 value and a 16-bit factor plus the offset fit 32 bits.
fn affine_fits(affine: Affine) -> bool {
    affine.shift <= 31 && affine.offset.unsigned_abs() < 1 << 30
}
