//! Steps: operations whose operands are places in the arena.

use offshoot_core::graph::{Affine, Blob, Clamp, FloatOp, Permutation, Slice, Window};
use offshoot_core::{Multiplier, Quant, Scale, Shape};

use super::requant_path::{RequantPath, bearable, bits, limit};
use crate::pack::word;

/// Tensor in the arena.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// Offset of the first byte in the arena.
    pub offset: usize,
    /// Height, width, channels.
    pub shape: Shape,
    /// Scale and zero point of the int8 values; 1 and 0 of floats.
    pub quant: Quant,
    /// Bytes of a value: 1 in int8, 4 of a float, the lowest first.
    pub width: usize,
}

impl Value {
    /// Returns the bytes of the arena that the tensor occupies.
    pub fn range(&self) -> core::ops::Range<usize> {
        self.offset..self.offset + self.shape.elements() * self.width
    }

    /// Returns the zero point, widened for arithmetic.
    pub(crate) fn zero(&self) -> i32 {
        i32::from(self.quant.zero_point)
    }
}

/// Operation with its operands resolved.
///
/// The caller reserves an array of steps for [`crate::Plan::new`], filled with [`Step::EMPTY`].
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub(crate) op: StepOp,
    pub(crate) a: Value,
    pub(crate) b: Value,
    pub(crate) out: Value,
    /// Panels of the step in the packed weights.
    pub(crate) packed: Span,
    /// Requantization method of its accumulators.
    pub(crate) requant: RequantPath,
    /// Scratch of the step in the arena.
    pub(crate) scratch: Span,
    /// Number of steps that run together from here on, row by row; 1: this one alone.
    pub(crate) chain: u8,
    /// Rows of the result that each thread keeps at a time; 0: the whole result, shared.
    pub(crate) kept_rows: u16,
    pub(crate) node: u16,
}

/// Splits steps into those that run together: single steps, or the steps of a chain.
pub(crate) fn together(mut steps: &[Step]) -> impl Iterator<Item = &[Step]> {
    core::iter::from_fn(move || {
        let (now, later) = steps.split_at(usize::from(steps.first()?.chain.max(1)));
        steps = later;
        Some(now)
    })
}

/// Range of bytes; [`core::ops::Range`] is not `Copy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: usize,
    pub len: usize,
}

impl Span {
    pub const EMPTY: Self = Self { start: 0, len: 0 };

    pub fn range(self) -> core::ops::Range<usize> {
        self.start..self.start + self.len
    }
}

impl Step {
    /// Step that does nothing.
    pub const EMPTY: Self = {
        let shape = match Shape::new(1, 1, 1) {
            Some(shape) => shape,
            None => unreachable!(),
        };
        let quant = Quant { scale: Scale::ONE, zero_point: 0 };
        let value = Value { offset: 0, shape, quant, width: 1 };
        let packed = Span::EMPTY;
        let scratch = Span::EMPTY;
        let op = StepOp::Nothing;
        let requant = RequantPath::Any;
        Self {
            op,
            a: value,
            b: value,
            out: value,
            packed,
            requant,
            scratch,
            chain: 1,
            kept_rows: 0,
            node: 0,
        }
    };

    /// Returns the fastest requantization method that the constants of a convolution allow;
    /// [`RequantPath::Any`] for other steps.
    pub(crate) fn requant_path(&self, weights: &[u8]) -> RequantPath {
        let (bias, mantissas, shift, fan_in) = match self.op {
            StepOp::Conv { window, groups, bias, mantissas, shift, .. } => {
                (bias, mantissas, shift, window.taps() * (self.a.shape.c() / groups))
            }
            StepOp::Depthwise { window, bias, mantissas, shift, .. } => {
                (bias, mantissas, shift, window.taps())
            }
            _ => return RequantPath::Any,
        };
        // The largest product of a centred activation and a weight, for every product of the sum.
        let products = fan_in as u64 * (255 * 128);
        let biases = bias.of(weights);
        let mantissas = mantissas.of(weights);
        let paths = (0..self.out.shape.c()).map(|channel| {
            let bias = u64::from(word(biases, channel).unsigned_abs());
            channel_path(word(mantissas, channel), shift, bias.saturating_add(products))
        });
        paths.max().unwrap_or(RequantPath::Any)
    }

    /// Returns the index of the graph's node that this step belongs to.
    pub fn node(&self) -> usize {
        self.node.into()
    }
}

/// Returns the fastest requantization method for a channel whose accumulators are at most `sum`.
fn channel_path(mantissa: i32, shift: u8, sum: u64) -> RequantPath {
    if shift > 0 && sum >= bearable(shift.into()) {
        return RequantPath::Any;
    }
    match (mantissa < limit(shift), sum < bearable(bits(shift))) {
        (true, _) if shift == 0 => RequantPath::Mantissas,
        (true, _) | (false, true) => RequantPath::Lanes,
        (false, false) => RequantPath::Any,
    }
}

/// Operation after planning: a concat becomes one [`StepOp::Map`] or [`StepOp::Place`] per input, a
/// reshape no step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StepOp {
    Nothing,
    Conv {
        window: Window,
        groups: usize,
        weights: Blob,
        bias: Blob,
        mantissas: Blob,
        shift: u8,
        clamp: Clamp,
    },
    Depthwise {
        window: Window,
        weights: Blob,
        bias: Blob,
        mantissas: Blob,
        shift: u8,
        clamp: Clamp,
    },
    Add {
        a: Affine,
        b: i16,
        clamp: Clamp,
    },
    AveragePool {
        window: Window,
        include_pad: bool,
        multiplier: Multiplier,
        clamp: Clamp,
    },
    MaxPool {
        window: Window,
    },
    /// Rescales int8 values by an affine map and writes them to the channels from `at` on.
    Map {
        affine: Affine,
        clamp: Clamp,
        at: usize,
    },
    Pad {
        top: usize,
        left: usize,
    },
    Flatten,
    Table {
        table: Blob,
    },
    Multiply {
        multiplier: Multiplier,
        clamp: Clamp,
    },
    Permute(Permutation),
    Slice(Slice),
    Upsample {
        factor: [u8; 2],
    },
    /// Operation on floats.
    Ordered(FloatOp),
    /// Copies pixels of floats to the channels from `at` on.
    Place {
        at: usize,
    },
}
