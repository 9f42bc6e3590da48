//! Closed list of operations and their parameters.

use serde::{Deserialize, Serialize};

use crate::quant::Multiplier;
use crate::shape::Shape;

/// Range of bytes in the weights section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Blob {
    /// Offset of the first byte.
    pub offset: u32,
    /// Number of bytes.
    pub len: u32,
}

impl Blob {
    /// Returns the bytes in the weights section; empty if the range does not exist.
    #[must_use]
    pub fn of(self, weights: &[u8]) -> &[u8] {
        let end = (self.offset as usize).checked_add(self.len as usize);
        end.and_then(|end| weights.get(self.offset as usize..end)).unwrap_or(&[])
    }

    /// Returns the bytes as int8 values.
    #[must_use]
    pub fn codes(self, weights: &[u8]) -> &[i8] {
        bytemuck::cast_slice(self.of(weights))
    }

    /// Returns little-endian 32-bit integers; the bytes need no alignment.
    #[must_use]
    pub fn words(self, weights: &[u8]) -> impl ExactSizeIterator<Item = i32> + Clone + '_ {
        self.of(weights).chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Returns little-endian 32-bit floats; the bytes need no alignment.
    #[must_use]
    pub fn floats(self, weights: &[u8]) -> impl ExactSizeIterator<Item = f32> + Clone + '_ {
        self.of(weights).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }
}

/// Sliding window of a convolution or a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Rows and columns of the kernel.
    pub kernel: [u8; 2],
    /// Stride down and right.
    pub stride: [u8; 2],
    /// Dilation: distance between neighbouring taps.
    pub dilation: [u8; 2],
    /// Padding: rows above, columns left, rows below, columns right.
    pub pad: [u8; 4],
}

impl Window {
    /// Window of a pointwise operation: one pixel at a time.
    pub const POINT: Self = Self { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], pad: [0; 4] };

    /// Returns the window that covers a whole feature map once; `None` if it is too large for a
    /// window.
    #[must_use]
    pub fn covering(shape: Shape) -> Option<Self> {
        let kernel = [u8::try_from(shape.h()).ok()?, u8::try_from(shape.w()).ok()?];
        Some(Self { kernel, ..Self::POINT })
    }

    /// Returns rows and columns of the output; `None` if the kernel is larger than the padded map.
    #[must_use]
    pub fn output(&self, input: Shape) -> Option<(u32, u32)> {
        Some((self.positions(input.h(), 0)?, self.positions(input.w(), 1)?))
    }

    /// Returns the number of positions along an axis of length `n`.
    fn positions(&self, n: usize, axis: usize) -> Option<u32> {
        let extent = (self.kernel[axis] > 0).then(|| self.extent(axis))?;
        let padded = n + usize::from(self.pad[axis]) + usize::from(self.pad[axis + 2]);
        let steps = padded.checked_sub(extent)?.checked_div(self.stride[axis].into())?;
        u32::try_from(steps + 1).ok()
    }

    /// Returns the rows (axis 0) or columns (axis 1) from the first tap to the last, both included.
    #[must_use]
    pub fn extent(&self, axis: usize) -> usize {
        usize::from(self.dilation[axis]) * usize::from(self.kernel[axis]).saturating_sub(1) + 1
    }

    /// Returns the number of taps of the kernel.
    #[must_use]
    pub fn taps(&self) -> usize {
        usize::from(self.kernel[0]) * usize::from(self.kernel[1])
    }
}

/// Transposition: values are read as an array of four axes, the last one innermost, and written
/// with the axes in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permutation {
    /// Lengths of the input's axes; 1 for axes beyond the rank.
    pub dims: [u32; 4],
    /// Index of the input axis for each output axis.
    pub order: [u8; 4],
}

impl Permutation {
    /// Returns the lengths of the output's axes, and the stride in the input along each of them.
    #[must_use]
    pub fn axes(&self) -> [(usize, usize); 4] {
        let dims = self.dims.map(|d| d as usize);
        self.order.map(|axis| {
            let axis = usize::from(axis);
            (dims[axis], dims[axis + 1..].iter().product())
        })
    }

    /// Returns true if every axis occurs once and the shape has `elements` values.
    pub(super) fn fits(&self, elements: usize) -> bool {
        let once = (0..4u8).all(|axis| self.order.contains(&axis));
        let product = self.dims.iter().try_fold(1u32, |product, &d| product.checked_mul(d));
        once && product.is_some_and(|product| product as usize == elements)
    }
}

/// Part of one axis of a feature map; its length is the output's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Axis: 0 rows, 1 columns, 2 channels.
    pub axis: u8,
    /// Index of the first row, column or channel.
    pub from: u32,
}

impl Slice {
    /// Returns true if `output` is such a part of `input`.
    pub(super) fn fits(&self, input: Shape, output: Shape) -> bool {
        let lengths = input.dims().into_iter().zip(output.dims()).enumerate();
        lengths.into_iter().all(|(axis, (whole, part))| {
            let from = if axis == usize::from(self.axis) { self.from as usize } else { 0 };
            let inside = from <= whole && part <= whole - from;
            inside && (part == whole || axis == usize::from(self.axis))
        })
    }
}

/// Min and max of a quantized output: the fused activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clamp {
    /// Smallest value.
    pub lo: i8,
    /// Largest value.
    pub hi: i8,
}

impl Clamp {
    /// Full int8 range: no clamp.
    pub const NONE: Self = Self { lo: -128, hi: 127 };
}

/// Operand of [`Int8Op::Add`], [`Int8Op::Concat`] or [`Int8Op::Rescale`]:
/// `(q * factor + offset) >> shift` of an int8 value `q`, with rounding and zero points folded into
/// the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affine {
    /// 16-bit factor.
    pub factor: i16,
    /// Offset added to the product.
    pub offset: i32,
    /// Arithmetic shift to the right, at most 31.
    pub shift: u8,
}

impl Affine {
    /// Number of bytes of a record in the weights section (see [`Int8Op::Concat`]).
    pub const RECORD: usize = 8;

    /// Returns the record as it is stored in the weights section.
    #[must_use]
    pub fn to_record(self) -> [u8; Self::RECORD] {
        let f = self.factor.to_le_bytes();
        let o = self.offset.to_le_bytes();
        [f[0], f[1], self.shift, 0, o[0], o[1], o[2], o[3]]
    }

    /// Parses a record; `None` if it is malformed.
    #[must_use]
    pub fn from_record(record: &[u8]) -> Option<Self> {
        let &[f0, f1, shift @ 0..=31, 0, o0, o1, o2, o3] = record else { return None };
        let factor = i16::from_le_bytes([f0, f1]);
        Some(Self { factor, offset: i32::from_le_bytes([o0, o1, o2, o3]), shift })
    }

    /// Applies the mapping to one int8 value.
    #[inline]
    #[must_use]
    pub fn apply(self, code: i8, clamp: Clamp) -> i8 {
        let acc = i32::from(code) * i32::from(self.factor) + self.offset;
        crate::quant::shift_down(acc, self.shift, clamp.lo, clamp.hi)
    }
}

/// Operation on int8 values. `sdk/docs/numerics.md` specifies the arithmetic of each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Int8Op {
    /// Convolution, with depthwise and fully connected as its special cases.
    Conv {
        /// The sliding window.
        window: Window,
        /// Number of groups of channels; depthwise if it equals the number of channels.
        groups: u16,
        /// Int8 weights, shape O, H, W, I / groups; depthwise: H, W, C.
        weights: Blob,
        /// Bias: one 32-bit integer per output channel, in units of input scale times weight scale.
        bias: Blob,
        /// Mantissas of the requantization: one Q31 integer per output channel.
        mantissas: Blob,
        /// Left shift of the accumulator before the multiplication, the same for all channels.
        shift: u8,
        /// The fused activation.
        clamp: Clamp,
    },
    /// Sum of two tensors of one shape.
    Add {
        /// First operand; its offset and its shift apply to the whole sum.
        a: Affine,
        /// Factor of the second operand.
        b: i16,
        /// The fused activation.
        clamp: Clamp,
    },
    /// Mean over a window.
    AveragePool {
        /// Sliding window; one that covers the feature map makes a global pool.
        window: Window,
        /// True if padding counts in the divisor.
        include_pad: bool,
        /// Input scale divided by output scale.
        multiplier: Multiplier,
        /// The fused activation.
        clamp: Clamp,
    },
    /// Maximum over a window; padding is never the maximum.
    MaxPool {
        /// The sliding window.
        window: Window,
    },
    /// Concatenation of feature maps along the channels.
    Concat {
        /// Operands: one [`Affine`] record of [`Affine::RECORD`] bytes per input.
        affines: Blob,
    },
    /// Requantization: change of scale, and clamps that could not be fused.
    Rescale {
        /// Mapping from int8 value to int8 value.
        affine: Affine,
        /// Min and max of the result.
        clamp: Clamp,
    },
    /// Padding with the zero point: rows above, columns left, rows below, columns right.
    Pad {
        /// Width of the padding.
        pad: [u8; 4],
    },
    /// The same bytes under another shape.
    Reshape,
    /// Flattening with channels outermost, as frameworks do: H, W, C becomes the vector C, H, W.
    Flatten,
    /// Lookup table of a function of one value: an activation other than a clamp.
    Table {
        /// Table of 256 int8 values, the one for -128 first.
        table: Blob,
    },
    /// Product of a feature map with another of its shape, or with one value per channel
    /// (`1 x 1 x C`).
    Multiply {
        /// Product of the operands' scales divided by the output's scale.
        multiplier: Multiplier,
        /// The fused activation.
        clamp: Clamp,
    },
    /// Permutation of int8 values: a channel shuffle, a transposition.
    Permute(Permutation),
    /// Slice of one axis.
    Slice(Slice),
    /// Nearest-neighbour upsampling: every pixel is repeated.
    Upsample {
        /// Factors down and across.
        factor: [u8; 2],
    },
}

impl Int8Op {
    /// Returns true if the operation only moves or selects values: the output has the input's scale
    /// and zero point.
    #[must_use]
    pub fn keeps_codes(&self) -> bool {
        matches!(
            self,
            Self::MaxPool { .. }
                | Self::Pad { .. }
                | Self::Reshape
                | Self::Flatten
                | Self::Permute(_)
                | Self::Slice(_)
                | Self::Upsample { .. }
        )
    }

    /// Returns true for a depthwise convolution: every channel is convolved with its own kernel.
    #[must_use]
    pub fn is_depthwise(&self, input_channels: usize, output_channels: usize) -> bool {
        let Self::Conv { groups, .. } = *self else { return false };
        groups > 1 && usize::from(groups) == input_channels && input_channels == output_channels
    }
}

/// Function of one value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Unary {
    /// Clamp to a range.
    Clamp {
        /// Minimum.
        lo: f32,
        /// Maximum.
        hi: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x * clamp(x / 6 + 1 / 2, 0, 1)`.
    HardSwish,
    /// Exponential.
    Exp,
    /// Square root.
    Sqrt,
    /// Gauss error function.
    Erf,
    /// Absolute value.
    Abs,
    /// Leaky ReLU: `slope * x` below zero.
    LeakyRelu {
        /// Slope below zero.
        slope: f32,
    },
    /// `x` to a power; defined for `x` above zero.
    Power {
        /// Exponent.
        exponent: f32,
    },
    /// Natural logarithm; defined for `x` above zero.
    Log,
    /// One for `x` above zero, else zero.
    Step,
    /// `x / 2 * (1 + erf(x / sqrt(2)))`; only in [`Op::Ordered`].
    Gelu,
}

/// Function of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Binary {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Quotient.
    Div,
    /// Larger value.
    Max,
    /// Smaller value.
    Min,
}

/// Operation on floats, run by tract-core ([`Op::Float`]) or by the engine ([`Op::Ordered`]).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FloatOp {
    /// Convolution.
    Conv {
        /// The sliding window.
        window: Window,
        /// Number of groups of channels.
        groups: u16,
        /// Float weights, shape O, H, W, I / groups.
        weights: Blob,
        /// Bias: one float per output channel.
        bias: Blob,
    },
    /// Function of one value.
    Unary(Unary),
    /// Function of two tensors; the second may have length 1 along some axes (broadcasting).
    Binary(Binary),
    /// Function of a tensor and a constant per channel, or per value.
    Constant {
        /// Function; the constant is the second operand.
        op: Binary,
        /// Constants: one float per channel, or one per value.
        values: Blob,
    },
    /// Mean over a window.
    AveragePool {
        /// The sliding window.
        window: Window,
        /// True if padding counts in the divisor.
        include_pad: bool,
    },
    /// Maximum over a window.
    MaxPool {
        /// The sliding window.
        window: Window,
    },
    /// Concatenation of feature maps along the channels.
    Concat,
    /// Padding with zeros: rows above, columns left, rows below, columns right.
    Pad {
        /// Width of the padding.
        pad: [u8; 4],
    },
    /// Softmax over the channels of each pixel.
    Softmax,
    /// The same values under another shape.
    Reshape,
    /// Flattening with channels outermost: H, W, C becomes the vector C, H, W.
    Flatten,
    /// Quantization of floats to int8.
    Quantize,
    /// Dequantization of int8 values to floats.
    Dequantize,
    /// Permutation of values.
    Permute(Permutation),
    /// Slice of one axis.
    Slice(Slice),
    /// Nearest-neighbour upsampling: every pixel is repeated.
    Upsample {
        /// Factors down and across.
        factor: [u8; 2],
    },
    /// Matrix product, row by row of two feature maps: W x C times C x V, V x C if `transposed`.
    MatMul {
        /// True if the second operand is transposed: its rows are the columns of the product.
        transposed: bool,
    },
    /// Fully connected layer over the channels of each pixel, in int8 with a scale and a zero point
    /// that each pixel gets from its own values; only in [`Op::Ordered`].
    Linear {
        /// Int8 weights, shape O, I.
        weights: Blob,
        /// Sum of the weights: one 32-bit integer per output channel.
        sums: Blob,
        /// Step of the weights: one float per output channel.
        scales: Blob,
        /// Bias: one float per output channel.
        bias: Blob,
    },
}

impl FloatOp {
    /// Returns true if tract-core runs the operation too.
    #[must_use]
    pub fn is_common(&self) -> bool {
        !matches!(self, Self::Linear { .. } | Self::Unary(Unary::Gelu))
    }
}

/// Operation of a node, with the type of its values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// Operation run by the int8 engine.
    Int8(Int8Op),
    /// Operation run by tract-core.
    Float(FloatOp),
    /// Operation on floats run by the int8 engine: single IEEE operations in the order that
    /// `sdk/docs/numerics.md` states, so that its bits are the same on every processor.
    Ordered(FloatOp),
}
