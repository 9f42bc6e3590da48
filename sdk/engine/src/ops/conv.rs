//! Convolution, which includes fully connected layers.

use offshoot_core::graph::Window;

use super::{Covered, Inside, Requant};
use crate::plan::step::Value;

/// Largest patch, values, that is gathered into a buffer on the stack; of larger ones, the rows of
/// the feature map are read in place.
const PATCH: usize = 512;

/// Constants of a convolution. Shape of the weights: O, H, W, I / groups.
pub(super) struct Layer<'a> {
    pub window: Window,
    pub groups: usize,
    pub weights: &'a [i8],
    pub requant: Requant<'a>,
}

impl<'a> Layer<'a> {
    /// Returns the weights of an output channel that has `fan_in` of them.
    #[inline]
    fn weights_of(&self, channel: usize, fan_in: usize) -> &'a [i8] {
        &self.weights[channel * fan_in..(channel + 1) * fan_in]
    }
}

pub(super) fn conv(layer: &Layer<'_>, a: &Value, x: &[i8], out: &Value, y: &mut [i8]) {
    let channels = out.shape.c();
    let per_group = out.shape.c() / layer.groups;
    let fan_in = layer.window.taps() * (a.shape.c() / layer.groups);
    let mut patch = [0i16; PATCH];
    for (index, pixel) in y.chunks_exact_mut(channels).enumerate() {
        let covered = Covered::at(&layer.window, index, a.shape, out.shape);
        for (group, codes) in pixel.chunks_exact_mut(per_group).enumerate() {
            let first = group * per_group;
            if fan_in <= PATCH {
                gather(layer, a, x, group, &covered, &mut patch[..fan_in]);
                dense(layer, &patch[..fan_in], first, out, codes);
            } else {
                for (i, code) in codes.iter_mut().enumerate() {
                    let channel = first + i;
                    let acc =
                        layer.requant.bias(channel) + runs(layer, a, x, channel, group, &covered);
                    *code = layer.requant.code(channel, acc, out.quant.zero_point);
                }
            }
        }
    }
}

/// Values under the window minus the zero point; 0 outside the feature map.
fn gather(
    layer: &Layer<'_>,
    a: &Value,
    x: &[i8],
    group: usize,
    covered: &Covered,
    patch: &mut [i16],
) {
    let Covered { rows, cols } = covered;
    let depth = a.shape.c() / layer.groups;
    let zero = i16::from(a.quant.zero_point);
    if covered.taps() < layer.window.taps() {
        patch.fill(0);
    }
    for (ky, iy) in taps(rows, layer.window.dilation[0]) {
        for (kx, ix) in taps(cols, layer.window.dilation[1]) {
            let from = (iy * a.shape.w() + ix) * a.shape.c() + group * depth;
            let to = (ky * usize::from(layer.window.kernel[1]) + kx) * depth;
            for (slot, &code) in patch[to..to + depth].iter_mut().zip(&x[from..from + depth]) {
                *slot = i16::from(code) - zero;
            }
        }
    }
}

/// Kernel indices along one axis with the positions they read.
fn taps(inside: &Inside, dilation: u8) -> impl Iterator<Item = (usize, usize)> + use<> {
    let start = inside.start;
    inside.taps.clone().enumerate().map(move |(i, k)| (k, start + i * usize::from(dilation)))
}

/// Computes every output channel of a group from one gathered patch, four at a time.
fn dense(layer: &Layer<'_>, patch: &[i16], first: usize, out: &Value, codes: &mut [i8]) {
    let n = patch.len();
    let zero_point = out.quant.zero_point;
    let (fours, rest) = codes.as_chunks_mut::<4>();
    for (i, four) in fours.iter_mut().enumerate() {
        let channel = first + 4 * i;
        let sums = dot4(patch, [0, 1, 2, 3].map(|j| layer.weights_of(channel + j, n)));
        for (j, (code, sum)) in four.iter_mut().zip(sums).enumerate() {
            let acc = layer.requant.bias(channel + j) + sum;
            *code = layer.requant.code(channel + j, acc, zero_point);
        }
    }
    let done = 4 * fours.len();
    for (i, code) in rest.iter_mut().enumerate() {
        let channel = first + done + i;
        let weights = layer.weights_of(channel, n);
        let sum: i32 = patch.iter().zip(weights).map(|(&v, &w)| i32::from(v) * i32::from(w)).sum();
        *code = layer.requant.code(channel, layer.requant.bias(channel) + sum, zero_point);
    }
}

fn dot4(patch: &[i16], weights: [&[i8]; 4]) -> [i32; 4] {
    let mut sums = [0i32; 4];
    for (sum, row) in sums.iter_mut().zip(weights) {
        *sum = patch.iter().zip(row).map(|(&v, &w)| i32::from(v) * i32::from(w)).sum();
    }
    sums
}

/// Computes one output value row by row: adjacent columns are contiguous in the feature map and in
/// the weights.
fn runs(
    layer: &Layer<'_>,
    a: &Value,
    x: &[i8],
    channel: usize,
    group: usize,
    covered: &Covered,
) -> i32 {
    let Covered { rows, cols } = covered;
    let depth = a.shape.c() / layer.groups;
    let kernel_w = usize::from(layer.window.kernel[1]);
    let weights = &layer.weights[channel * layer.window.taps() * depth..];
    let zero = i16::from(a.quant.zero_point);
    let contiguous = layer.groups == 1 && layer.window.dilation[1] == 1;
    let mut acc = 0i32;
    for (ky, iy) in taps(rows, layer.window.dilation[0]) {
        let row = iy * a.shape.row_elements() + group * depth;
        if contiguous && !cols.taps.is_empty() {
            let to = (ky * kernel_w + cols.taps.start) * depth;
            let from = row + cols.start * depth;
            let len = cols.taps.len() * depth;
            acc += dot(&x[from..from + len], &weights[to..to + len], zero);
        } else {
            for (kx, ix) in taps(cols, layer.window.dilation[1]) {
                let from = row + ix * a.shape.c();
                let to = (ky * kernel_w + kx) * depth;
                acc += dot(&x[from..from + depth], &weights[to..to + depth], zero);
            }
        }
    }
    acc
}

/// Sums the products of weights and values minus their zero point.
#[inline]
fn dot(values: &[i8], weights: &[i8], zero: i16) -> i32 {
    let pairs = values.iter().zip(weights);
    pairs.map(|(&v, &w)| i32::from(i16::from(v) - zero) * i32::from(w)).sum()
}
