//! Sums in a fixed order: matrix products, convolutions and pools of floats.

use core::array;

use offshoot_core::graph::Window;
use offshoot_core::quant::single::{self, LANES};

use super::super::Covered;
use super::{Bytes, bytes, float};
use crate::plan::step::Value;

/// Rows of a product that are computed together.
const ROWS: usize = 4;

/// Joins values to `start` by [`single::larger`] or [`single::smaller`], in any order: equal values
/// have the same bits, but for the sign of zero, on which no result of its users depends.
#[inline(always)] // compiled for the caller's instruction set
pub(super) fn fold(values: &[Bytes], start: f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for i in 0..LANES {
            lanes[i] = join(float(block[i]), lanes[i]);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = join(float(*value), *lane);
    }
    joined(lanes, join)
}

/// Joins the second half of lanes to the first until one is left: the compiler makes vectors of it.
#[inline(always)] // as above
fn joined(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut left = LANES;
    while left > 1 {
        left /= 2;
        for i in 0..left {
            lanes[i] = join(lanes[i], lanes[i + left]);
        }
    }
    lanes[0]
}

/// Returns the sum of values: partial sums of every sixteenth, then those pair by pair.
#[inline(always)] // as above
pub(super) fn sum(values: &[Bytes]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for i in 0..LANES {
            lanes[i] += float(block[i]);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += float(*value);
    }
    single::total(lanes)
}

/// Adds products of two rows to partial sums.
#[inline(always)] // as above
fn dot(lanes: &mut [f32; LANES], a: &[Bytes], b: &[Bytes]) {
    let (a, last_a) = a.as_chunks::<LANES>();
    let (b, last_b) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            lanes[i] += float(a[i]) * float(b[i]);
        }
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(last_a.iter().zip(last_b)) {
        *lane += float(*a) * float(*b);
    }
}

/// Computes the pixels of a matrix product from number `first` on. Each sum begins with zero and
/// takes its products in their order.
#[inline(always)] // as above
pub(super) fn product(
    transposed: bool,
    [a, b, out]: [&Value; 3],
    [x, z]: [&[Bytes]; 2],
    first: usize,
    y: &mut [Bytes],
) {
    let columns = out.shape.c();
    let depth = a.shape.c();
    let width = out.shape.w();
    let size = b.shape.row_elements();
    let mut row = first;
    let mut y = y;
    while !y.is_empty() {
        // Rows of one matrix.
        let left = (width - row % width).min(y.len() / columns);
        let count = if left < ROWS { 1 } else { ROWS };
        let (now, later) = y.split_at_mut(count * columns);
        let matrix = &z[row / width * size..][..size];
        let rows = &x[row * depth..][..count * depth];
        match (transposed, count) {
            (true, _) => by_rows(rows, matrix, depth, now),
            (false, ROWS) => tile::<ROWS>(rows, matrix, depth, now),
            (false, _) => tile::<1>(rows, matrix, depth, now),
        }
        (y, row) = (later, row + count);
    }
}

/// Multiplies rows by a matrix whose rows are the columns of the product.
#[inline(always)] // as above
fn by_rows(rows: &[Bytes], matrix: &[Bytes], depth: usize, y: &mut [Bytes]) {
    let columns = matrix.len() / depth;
    for (row, y) in rows.chunks_exact(depth).zip(y.chunks_exact_mut(columns)) {
        for (y, column) in y.iter_mut().zip(matrix.chunks_exact(depth)) {
            let terms = row.iter().zip(column);
            *y = bytes(terms.fold(0.0, |sum, (a, b)| sum + float(*a) * float(*b)));
        }
    }
}

/// Multiplies `R` rows by a matrix, sixteen columns at a time.
#[inline(always)] // as above
fn tile<const R: usize>(rows: &[Bytes], matrix: &[Bytes], depth: usize, y: &mut [Bytes]) {
    let columns = y.len() / R;
    let rows: [&[Bytes]; R] = array::from_fn(|r| &rows[r * depth..][..depth]);
    if columns < LANES {
        for column in 0..columns {
            for r in 0..R {
                let mut sum = 0.0;
                for at in 0..depth {
                    sum += float(rows[r][at]) * float(matrix[at * columns + column]);
                }
                y[r * columns + column] = bytes(sum);
            }
        }
        return;
    }
    for start in (0..columns).step_by(LANES) {
        // The last columns together with some that were computed before.
        let start = start.min(columns - LANES);
        let mut sums = [[0f32; LANES]; R];
        for (at, line) in matrix.chunks_exact(columns).enumerate() {
            let Some(line) = line[start..].first_chunk::<LANES>() else { continue };
            let b = line.map(float);
            for r in 0..R {
                let a = float(rows[r][at]);
                for i in 0..LANES {
                    sums[r][i] += a * b[i];
                }
            }
        }
        for r in 0..R {
            for i in 0..LANES {
                y[r * columns + start + i] = bytes(sums[r][i]);
            }
        }
    }
}

/// Constants of a convolution.
pub(super) struct Layer<'a> {
    pub window: Window,
    pub groups: usize,
    pub weights: &'a [Bytes],
    pub bias: &'a [Bytes],
}

/// Computes the pixels of a convolution from number `first` on: for each channel partial sums over
/// the taps inside, in their order, and the bias at last.
#[inline(always)] // as above
pub(super) fn conv(
    layer: &Layer<'_>,
    [a, out]: [&Value; 2],
    x: &[Bytes],
    first: usize,
    y: &mut [Bytes],
) {
    let window = &layer.window;
    let channels = out.shape.c();
    let depth = a.shape.c() / layer.groups;
    let per_group = channels / layer.groups;
    if [depth, per_group] == [1, 1] && window.taps() <= TAPS {
        return depthwise(layer, [a, out], x, first, y);
    }
    let [kernel_h, kernel_w] = window.kernel.map(usize::from);
    let [down, across] = window.dilation.map(usize::from);
    for (pixel, y) in (first..).zip(y.chunks_exact_mut(channels)) {
        let Covered { rows, cols } = Covered::at(window, pixel, a.shape, out.shape);
        for (channel, y) in y.iter_mut().enumerate() {
            let mut lanes = [0.0; LANES];
            for (i, ky) in rows.taps.clone().enumerate() {
                for (j, kx) in cols.taps.clone().enumerate() {
                    let place = (rows.start + i * down) * a.shape.w() + cols.start + j * across;
                    let from = place * a.shape.c() + channel / per_group * depth;
                    let tap = (channel * kernel_h + ky) * kernel_w + kx;
                    let weights = &layer.weights[tap * depth..][..depth];
                    dot(&mut lanes, &x[from..from + depth], weights);
                }
            }
            *y = bytes(single::total(lanes) + float(layer.bias[channel]));
        }
    }
}

/// Most taps of a depthwise window whose weights are kept beside each other.
const TAPS: usize = 64;

/// Adjacent pixels of a depthwise convolution that are computed together.
const PIXELS: usize = 4;

/// Weights of a depthwise convolution for sixteen channels.
struct Lanes {
    first: usize,
    /// Number of channels that exist.
    count: usize,
    taps: [[f32; LANES]; TAPS],
    bias: [f32; LANES],
}

/// Computes the pixels of a depthwise convolution from number `first` on, sixteen channels at a
/// time. Each tap has one product, which [`conv`] adds to the first of its partial sums: the other
/// ones stay zero, and to add them changes no bit, as a sum that begins with zero is never -0.
#[inline(always)] // as above
fn depthwise(layer: &Layer<'_>, [a, out]: [&Value; 2], x: &[Bytes], first: usize, y: &mut [Bytes]) {
    let channels = out.shape.c();
    let taps = layer.window.taps();
    let kernel = layer.window.kernel.map(usize::from);
    for start in (0..channels).step_by(LANES) {
        let count = LANES.min(channels - start);
        let mut lanes =
            Lanes { first: start, count, taps: [[0.0; LANES]; TAPS], bias: [0.0; LANES] };
        for (i, weights) in layer.weights.chunks_exact(taps).skip(start).take(count).enumerate() {
            lanes.bias[i] = float(layer.bias[start + i]);
            weights.iter().zip(&mut lanes.taps).for_each(|(w, tap)| tap[i] = float(*w));
        }
        let mut pixel = first;
        let mut y = &mut *y;
        while !y.is_empty() {
            let under = Covered::at(&layer.window, pixel, a.shape, out.shape);
            let row_ends = out.shape.w() - pixel % out.shape.w();
            let together = row_ends.min(y.len() / channels) >= PIXELS && {
                let last = Covered::at(&layer.window, pixel + PIXELS - 1, a.shape, out.shape);
                [&under, &last].iter().all(|at| at.cols.taps.len() == kernel[1])
            };
            let run = if together { PIXELS } else { 1 };
            let (now, later) = y.split_at_mut(run * channels);
            if together {
                lanes.pixels::<PIXELS>(&layer.window, a, &under, x, now);
            } else {
                lanes.pixels::<1>(&layer.window, a, &under, x, now);
            }
            (y, pixel) = (later, pixel + run);
        }
    }
}

impl Lanes {
    /// Computes `P` adjacent pixels; `under` has the taps of the first.
    #[inline(always)] // as above
    fn pixels<const P: usize>(
        &self,
        window: &Window,
        a: &Value,
        under: &Covered,
        x: &[Bytes],
        y: &mut [Bytes],
    ) {
        let channels = a.shape.c();
        let kernel_w = usize::from(window.kernel[1]);
        let step = usize::from(window.stride[1]) * channels;
        let [down, across] = window.dilation.map(usize::from);
        let Covered { rows, cols } = under;
        let mut sums = [[0f32; LANES]; P];
        for (i, ky) in rows.taps.clone().enumerate() {
            let line = (rows.start + i * down) * a.shape.w() + cols.start;
            for (j, kx) in cols.taps.clone().enumerate() {
                let weights = &self.taps[ky * kernel_w + kx];
                let from = (line + j * across) * channels + self.first;
                for (p, sums) in sums.iter_mut().enumerate() {
                    let x = self.values(&x[from + p * step..]);
                    for i in 0..LANES {
                        sums[i] += x[i] * weights[i];
                    }
                }
            }
        }
        for (sums, y) in sums.iter().zip(y.chunks_exact_mut(channels)) {
            let results = y[self.first..].iter_mut().zip(sums).zip(self.bias);
            results.take(self.count).for_each(|((y, sum), bias)| *y = bytes(sum + bias));
        }
    }

    /// Returns the values of the channels at the beginning of `x`.
    #[inline(always)] // as above
    fn values(&self, x: &[Bytes]) -> [f32; LANES] {
        if let Some(x) = x.first_chunk::<LANES>() {
            return x.map(float); // Those of the pixel behind are multiplied by zero.
        }
        let mut all = [0.0; LANES];
        all.iter_mut().zip(x).for_each(|(value, x)| *value = float(*x));
        all
    }
}

/// Computes the pixels of an average pool from number `first` on: the sum over the taps inside, in
/// their order, divided by their number.
#[inline(always)] // as above
pub(super) fn average(
    window: &Window,
    include_pad: bool,
    [a, out]: [&Value; 2],
    x: &[Bytes],
    first: usize,
    y: &mut [Bytes],
) {
    pool(window, [a, out], x, first, y, 0.0, |sum, value| sum + value);
    for (pixel, y) in (first..).zip(y.chunks_exact_mut(out.shape.c())) {
        let inside = Covered::at(window, pixel, a.shape, out.shape).taps();
        let count = if include_pad { window.taps() } else { inside } as f32;
        for y in y {
            *y = bytes(float(*y) / count);
        }
    }
}

/// Computes the pixels of a max pool from number `first` on.
#[inline(always)] // as above
pub(super) fn max(
    window: &Window,
    operands: [&Value; 2],
    x: &[Bytes],
    first: usize,
    y: &mut [Bytes],
) {
    pool(window, operands, x, first, y, f32::NEG_INFINITY, |most, x| single::larger(x, most));
}

/// Folds the values under a window, channel by channel.
#[inline(always)] // as above
fn pool(
    window: &Window,
    [a, out]: [&Value; 2],
    x: &[Bytes],
    first: usize,
    y: &mut [Bytes],
    start: f32,
    fold: impl Fn(f32, f32) -> f32,
) {
    let channels = out.shape.c();
    let [down, across] = window.dilation.map(usize::from);
    for (pixel, y) in (first..).zip(y.chunks_exact_mut(channels)) {
        y.fill(bytes(start));
        let Covered { rows, cols } = Covered::at(window, pixel, a.shape, out.shape);
        for i in 0..rows.taps.len() {
            for j in 0..cols.taps.len() {
                let place = (rows.start + i * down) * a.shape.w() + cols.start + j * across;
                let x = &x[place * channels..][..channels];
                for (y, x) in y.iter_mut().zip(x) {
                    *y = bytes(fold(float(*y), float(*x)));
                }
            }
        }
    }
}
