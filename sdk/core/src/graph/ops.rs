//! The closed list of operations, and what they need besides their inputs.

use serde::{Deserialize, Serialize};

use crate::quant::Multiplier;
use crate::shape::Shape;

/// A range of the weights section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Blob {
    /// First byte.
    pub offset: u32,
    /// Bytes.
    pub len: u32,
}

impl Blob {
    /// The bytes in the weights section; empty where the range does not exist.
    pub fn of(self, weights: &[u8]) -> &[u8] {
        let end = (self.offset as usize).checked_add(self.len as usize);
        end.and_then(|end| weights.get(self.offset as usize..end)).unwrap_or(&[])
    }

    /// The bytes as 8-bit codes.
    pub fn codes(self, weights: &[u8]) -> &[i8] {
        bytemuck::cast_slice(self.of(weights))
    }

    /// Little-endian 32-bit integers, wherever the bytes lie in memory.
    pub fn words(self, weights: &[u8]) -> impl ExactSizeIterator<Item = i32> + Clone + '_ {
        self.of(weights).chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Little-endian 32-bit floats.
    pub fn floats(self, weights: &[u8]) -> impl ExactSizeIterator<Item = f32> + Clone + '_ {
        self.of(weights).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }
}

/// A sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Rows and columns of the kernel.
    pub kernel: [u8; 2],
    /// Steps down and right.
    pub stride: [u8; 2],
    /// Distance between neighbouring taps.
    pub dilation: [u8; 2],
    /// Rows above, columns left, rows below, columns right.
    pub pad: [u8; 4],
}

impl Window {
    /// One pixel at a time.
    pub const POINT: Self = Self { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], pad: [0; 4] };

    /// The window that covers a whole map once; `None` if the map is too large for a window.
    pub fn covering(shape: Shape) -> Option<Self> {
        let kernel = [u8::try_from(shape.h()).ok()?, u8::try_from(shape.w()).ok()?];
        Some(Self { kernel, ..Self::POINT })
    }

    /// Rows and columns of the output; `None` where the kernel is larger than the padded input.
    pub fn output(&self, input: Shape) -> Option<(u32, u32)> {
        let side = |n: usize, axis: usize| {
            let extent = (self.kernel[axis] > 0).then(|| self.extent(axis))?;
            let padded = n + usize::from(self.pad[axis]) + usize::from(self.pad[axis + 2]);
            let steps = padded.checked_sub(extent)?.checked_div(self.stride[axis].into())?;
            u32::try_from(steps + 1).ok()
        };
        Some((side(input.h(), 0)?, side(input.w(), 1)?))
    }

    /// Rows (axis 0) or columns (axis 1) from the first tap to the last, both included.
    pub fn extent(&self, axis: usize) -> usize {
        usize::from(self.dilation[axis]) * usize::from(self.kernel[axis]).saturating_sub(1) + 1
    }

    /// Taps of the kernel.
    pub fn taps(&self) -> usize {
        usize::from(self.kernel[0]) * usize::from(self.kernel[1])
    }
}

/// Values read as an array of four axes, the last one innermost, and written with these in
/// another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permutation {
    /// Lengths of the input's axes; 1 where there are fewer.
    pub dims: [u32; 4],
    /// Which of the input's axes each of the output's is.
    pub order: [u8; 4],
}

impl Permutation {
    /// Lengths of the output's axes, and how far apart neighbours along each lie in the input.
    pub fn axes(&self) -> [(usize, usize); 4] {
        let dims = self.dims.map(|d| d as usize);
        let stride = |axis: usize| dims[axis + 1..].iter().product::<usize>();
        self.order.map(|axis| (dims[usize::from(axis)], stride(axis.into())))
    }

    /// Whether every axis occurs once and `elements` values are moved.
    pub(super) fn fits(&self, elements: usize) -> bool {
        let once = (0..4u8).all(|axis| self.order.contains(&axis));
        let product = self.dims.iter().try_fold(1u32, |product, &d| product.checked_mul(d));
        once && product.is_some_and(|product| product as usize == elements)
    }
}

/// A part of one axis of a map; its length is the output's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// 0 rows, 1 columns, 2 channels.
    pub axis: u8,
    /// First row, column or channel.
    pub from: u32,
}

impl Slice {
    /// Whether `output` is such a part of `input`.
    pub(super) fn fits(&self, input: Shape, output: Shape) -> bool {
        let lengths = input.dims().into_iter().zip(output.dims()).enumerate();
        lengths.into_iter().all(|(axis, (whole, part))| {
            let from = if axis == usize::from(self.axis) { self.from as usize } else { 0 };
            let inside = from <= whole && part <= whole - from;
            inside && (part == whole || axis == usize::from(self.axis))
        })
    }
}

/// Limits of an output code: the fused activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clamp {
    /// Smallest code.
    pub lo: i8,
    /// Largest code.
    pub hi: i8,
}

impl Clamp {
    /// Every code.
    pub const NONE: Self = Self { lo: -128, hi: 127 };
}

/// One operand of [`Int8Op::Add`], [`Int8Op::Concat`] or [`Int8Op::Rescale`]:
/// `(code * factor + offset) >> shift`, the rounding and zero points folded into the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affine {
    /// 16-bit factor.
    pub factor: i16,
    /// Added to the product.
    pub offset: i32,
    /// Arithmetic shift to the right, at most 31.
    pub shift: u8,
}

impl Affine {
    /// Bytes of a record in the weights section (see [`Int8Op::Concat`]).
    pub const RECORD: usize = 8;

    /// The record as it stands in the weights section.
    pub fn to_record(self) -> [u8; Self::RECORD] {
        let (f, o) = (self.factor.to_le_bytes(), self.offset.to_le_bytes());
        [f[0], f[1], self.shift, 0, o[0], o[1], o[2], o[3]]
    }

    /// Reads a record; `None` if it is not one.
    pub fn from_record(record: &[u8]) -> Option<Self> {
        let &[f0, f1, shift @ 0..=31, 0, o0, o1, o2, o3] = record else { return None };
        let factor = i16::from_le_bytes([f0, f1]);
        Some(Self { factor, offset: i32::from_le_bytes([o0, o1, o2, o3]), shift })
    }

    /// The map applied to one code.
    #[inline]
    pub fn apply(self, code: i8, clamp: Clamp) -> i8 {
        let acc = i32::from(code) * i32::from(self.factor) + self.offset;
        crate::quant::shift_down(acc, self.shift, clamp.lo, clamp.hi)
    }
}

/// An operation on codes. The arithmetic of each is in `sdk/docs/numerics.md`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Int8Op {
    /// Convolution, with depthwise and fully connected as its special cases.
    Conv {
        /// The sliding window.
        window: Window,
        /// Number of groups of channels; depthwise if it equals the number of channels.
        groups: u16,
        /// Codes: O, H, W, I / groups; depthwise: H, W, C.
        weights: Blob,
        /// One 32-bit integer per output channel, in units of input scale times weight scale.
        bias: Blob,
        /// One Q31 mantissa per output channel.
        mantissas: Blob,
        /// Doublings of the accumulator before the multiplication, the same for all channels.
        shift: u8,
        /// The fused activation.
        clamp: Clamp,
    },
    /// Sum of two tensors of one shape.
    Add {
        /// First operand; its offset belongs to the whole sum, and so does its shift.
        a: Affine,
        /// Factor of the second operand.
        b: i16,
        /// The fused activation.
        clamp: Clamp,
    },
    /// Mean over a window.
    AveragePool {
        /// The sliding window; one that covers the map makes a global pool.
        window: Window,
        /// Whether padding counts in the divisor.
        include_pad: bool,
        /// Input scale over output scale.
        multiplier: Multiplier,
        /// The fused activation.
        clamp: Clamp,
    },
    /// Largest code of a window; padding never wins.
    MaxPool {
        /// The sliding window.
        window: Window,
    },
    /// Joins maps along the channels.
    Concat {
        /// One [`Affine`] record of [`Affine::RECORD`] bytes per input.
        affines: Blob,
    },
    /// Change of scale, and clamps that could not be fused.
    Rescale {
        /// The map from code to code.
        affine: Affine,
        /// Limits of the result.
        clamp: Clamp,
    },
    /// A border of zero points: rows above, columns left, rows below, columns right.
    Pad {
        /// The border.
        pad: [u8; 4],
    },
    /// The same bytes under another shape.
    Reshape,
    /// Channels outermost, as frameworks flatten a map: H, W, C becomes the vector C, H, W.
    Flatten,
    /// A function of one value, by look-up: an activation that is no clamp.
    Table {
        /// 256 codes, of -128 first.
        table: Blob,
    },
    /// Product of a map with another of its shape, or with one value per channel (`1 x 1 x C`).
    Multiply {
        /// Product of the operands' scales over the output's scale.
        multiplier: Multiplier,
        /// The fused activation.
        clamp: Clamp,
    },
    /// Codes in another order: a channel shuffle, a transposition.
    Permute(Permutation),
    /// A part of one axis.
    Slice(Slice),
    /// Every pixel repeated: nearest neighbour.
    Upsample {
        /// Times down and across.
        factor: [u8; 2],
    },
}

impl Int8Op {
    /// Whether this only moves codes, or picks some: its output has its input's scale and zero point.
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

    /// Whether this is a convolution of every channel with itself alone.
    pub fn is_depthwise(&self, input_channels: usize, output_channels: usize) -> bool {
        let Self::Conv { groups, .. } = *self else { return false };
        groups > 1 && usize::from(groups) == input_channels && input_channels == output_channels
    }
}

/// A function of one value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Unary {
    /// Limits.
    Clamp {
        /// Smallest value.
        lo: f32,
        /// Largest value.
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
    /// `slope * x` below zero.
    LeakyRelu {
        /// The slope.
        slope: f32,
    },
    /// `x` to a power; for `x` above zero.
    Power {
        /// The exponent.
        exponent: f32,
    },
}

/// A function of two values.
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

/// An operation on floats, run by tract-core.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FloatOp {
    /// Convolution.
    Conv {
        /// The sliding window.
        window: Window,
        /// Groups of channels that do not see each other.
        groups: u16,
        /// Floats: O, H, W, I / groups.
        weights: Blob,
        /// One float per output channel.
        bias: Blob,
    },
    /// A function of one value.
    Unary(Unary),
    /// Two tensors; the second may be of length 1 along some axes.
    Binary(Binary),
    /// A tensor and a constant per channel, or per value.
    Constant {
        /// The function; the constant is the second operand.
        op: Binary,
        /// One float per channel, or for each value.
        values: Blob,
    },
    /// Mean over a window.
    AveragePool {
        /// The sliding window.
        window: Window,
        /// Whether padding counts in the divisor.
        include_pad: bool,
    },
    /// Largest value of a window.
    MaxPool {
        /// The sliding window.
        window: Window,
    },
    /// Joins maps along the channels.
    Concat,
    /// A border of zeros: rows above, columns left, rows below, columns right.
    Pad {
        /// The border.
        pad: [u8; 4],
    },
    /// Softmax over the channels of each pixel.
    Softmax,
    /// The same values under another shape.
    Reshape,
    /// H, W, C becomes the vector C, H, W.
    Flatten,
    /// Floats to codes.
    Quantize,
    /// Codes to floats.
    Dequantize,
    /// Values in another order.
    Permute(Permutation),
    /// A part of one axis.
    Slice(Slice),
    /// Every pixel repeated: nearest neighbour.
    Upsample {
        /// Times down and across.
        factor: [u8; 2],
    },
    /// A product of matrices, row by row of two maps: W x C times C x V, V x C if `transposed`.
    MatMul {
        /// Whether the second operand's columns are its rows.
        transposed: bool,
    },
}

/// What a node does, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// Run by the int8 engine.
    Int8(Int8Op),
    /// Run by tract-core.
    Float(FloatOp),
}

impl Op {
    /// The operation's name, for tables and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Int8(op) => match op {
                Int8Op::Conv { groups: 1, .. } => "conv",
                Int8Op::Conv { .. } => "group conv",
                Int8Op::Add { .. } => "add",
                Int8Op::AveragePool { .. } => "average pool",
                Int8Op::MaxPool { .. } => "max pool",
                Int8Op::Concat { .. } => "concat",
                Int8Op::Rescale { .. } => "rescale",
                Int8Op::Pad { .. } => "pad",
                Int8Op::Reshape => "reshape",
                Int8Op::Flatten => "flatten",
                Int8Op::Table { .. } => "table",
                Int8Op::Multiply { .. } => "multiply",
                Int8Op::Permute(_) => "permute",
                Int8Op::Slice(_) => "slice",
                Int8Op::Upsample { .. } => "upsample",
            },
            Self::Float(op) => match op {
                FloatOp::Conv { .. } => "float conv",
                FloatOp::Unary(_) => "float unary",
                FloatOp::Binary(_) => "float binary",
                FloatOp::Constant { .. } => "float constant",
                FloatOp::AveragePool { .. } => "float average pool",
                FloatOp::MaxPool { .. } => "float max pool",
                FloatOp::Concat => "float concat",
                FloatOp::Pad { .. } => "float pad",
                FloatOp::Softmax => "softmax",
                FloatOp::Reshape => "float reshape",
                FloatOp::Flatten => "float flatten",
                FloatOp::Quantize => "quantize",
                FloatOp::Dequantize => "dequantize",
                FloatOp::Permute(_) => "float permute",
                FloatOp::Slice(_) => "float slice",
                FloatOp::Upsample { .. } => "float upsample",
                FloatOp::MatMul { .. } => "matmul",
            },
        }
    }
}
