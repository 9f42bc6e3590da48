//! The operations, each in a file of its own, in portable Rust.

use offshoot_core::graph::Window;

use crate::pack::word;
use crate::step::{Step, StepOp, Value};

mod add;
mod conv;
mod depthwise;
mod moves;
mod multiply;
mod pool;
mod table;

/// Runs one step.
pub(crate) fn run(step: &Step, weights: &[u8], arena: &mut [i8]) {
    let (a, out) = (&step.a, &step.out);
    match step.op {
        StepOp::Nothing => {}
        StepOp::Add { a: affine, b, clamp } => add::add(arena, [a, &step.b, out], affine, b, clamp),
        StepOp::Table { table } => table::table(arena, table.codes(weights), a, out),
        StepOp::Multiply { multiplier, clamp } => {
            multiply::multiply(arena, [a, &step.b, out], multiplier, clamp);
        }
        op => {
            let [x, y] = arena
                .get_disjoint_mut([a.range(), out.range()])
                .expect("planned: an operand and its result never share bytes");
            one_operand(op, weights, (a, x), (out, y));
        }
    }
}

fn one_operand(op: StepOp, weights: &[u8], (a, x): (&Value, &[i8]), (out, y): (&Value, &mut [i8])) {
    match op {
        StepOp::Conv { window, groups, weights: w, bias, mantissas, shift, clamp } => {
            let requant = Requant { bias: bias.of(weights), mantissas: mantissas.of(weights), shift, clamp };
            conv::conv(&conv::Layer { window, groups, weights: w.codes(weights), requant }, a, x, out, y);
        }
        StepOp::Depthwise { window, weights: w, bias, mantissas, shift, clamp } => {
            let requant = Requant { bias: bias.of(weights), mantissas: mantissas.of(weights), shift, clamp };
            depthwise::depthwise(&window, w.codes(weights), &requant, a, x, out, y);
        }
        StepOp::AveragePool { window, include_pad, multiplier, clamp } => {
            pool::average(&pool::Average { window, include_pad, multiplier, clamp }, a, x, out, y);
        }
        StepOp::MaxPool { window } => pool::max(&window, a, x, out, y),
        StepOp::Map { affine, clamp, at } => moves::map(affine, clamp, at, a, x, out, y),
        StepOp::Pad { top, left } => moves::pad(top, left, a, x, out, y),
        StepOp::Flatten => moves::flatten(a, x, y),
        StepOp::Permute(permutation) => moves::permute(&permutation, x, y),
        StepOp::Slice(slice) => moves::slice(slice, a, x, out, y),
        StepOp::Upsample { factor } => moves::upsample(factor, a, x, y),
        StepOp::Nothing | StepOp::Add { .. } | StepOp::Table { .. } | StepOp::Multiply { .. } => {}
    }
}

/// From accumulators to codes, channel by channel.
pub(crate) struct Requant<'a> {
    pub bias: &'a [u8],
    pub mantissas: &'a [u8],
    pub shift: u8,
    pub clamp: offshoot_core::graph::Clamp,
}

impl Requant<'_> {
    #[inline]
    pub fn bias(&self, channel: usize) -> i32 {
        word(self.bias, channel)
    }

    /// The code of an accumulator that already holds its bias.
    #[inline]
    pub fn code(&self, channel: usize, acc: i32, zero_point: i8) -> i8 {
        let multiplier =
            offshoot_core::Multiplier { mantissa: word(self.mantissas, channel), shift: self.shift };
        offshoot_core::quant::requantize(acc, multiplier, zero_point, self.clamp.lo, self.clamp.hi)
    }
}

/// The taps of a window that lie inside the map, along one axis: kernel indices `taps`, of which
/// the first reads position `start`.
pub(crate) struct Inside {
    pub taps: core::ops::Range<usize>,
    pub start: usize,
}

impl Inside {
    /// `axis` 0 is rows, 1 is columns; `o` is the output position, `n` the input's length.
    pub fn at(window: &Window, axis: usize, o: usize, n: usize) -> Self {
        let kernel = usize::from(window.kernel[axis]);
        let dilation = usize::from(window.dilation[axis]);
        let pad = usize::from(window.pad[axis]);
        let origin = o * usize::from(window.stride[axis]);
        // Position of tap k is origin + k * dilation - pad.
        let first = pad.saturating_sub(origin).div_ceil(dilation);
        let last = (n + pad).saturating_sub(origin).div_ceil(dilation).min(kernel);
        let first = first.min(last);
        Self { taps: first..last, start: (origin + first * dilation).saturating_sub(pad) }
    }
}
