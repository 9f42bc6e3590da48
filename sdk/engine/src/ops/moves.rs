//! Operations that move values: rescale, concat, pad, permute, slice, upsample. A value is a byte, or
//! the four of a float.

use offshoot_core::graph::{Affine, Clamp, Permutation, Slice};

use crate::plan::step::Value;

/// Returns the result of an affine map for each of the 256 states of an int8 value.
#[inline(always)] // compiled for the caller's instruction set
pub(super) fn rescaled(affine: Affine, clamp: Clamp) -> [i8; 256] {
    let mut table = [0i8; 256];
    for (code, slot) in (i8::MIN..=i8::MAX).zip(&mut table) {
        *slot = affine.apply(code, clamp);
    }
    table
}

/// Looks up pixels of `from` values in a table, into the channels from `at` on of pixels of `to`
/// channels.
#[inline(always)] // as above
pub(super) fn map(
    table: &[i8; 256],
    at: usize,
    from: usize,
    x: &[i8],
    to: usize,
    y: &mut [i8],
    look_up: impl Fn(&[i8; 256], &mut [i8]),
) {
    if from == to {
        y.copy_from_slice(x);
        return look_up(table, y);
    }
    for (pixel, values) in y.chunks_exact_mut(to).zip(x.chunks_exact(from)) {
        let codes = &mut pixel[at..at + from];
        codes.copy_from_slice(values);
        look_up(table, codes);
    }
}

/// Pads a feature map with `zero`.
pub(super) fn pad<T: Copy>(
    [top, left]: [usize; 2],
    zero: T,
    a: &Value,
    x: &[T],
    out: &Value,
    y: &mut [T],
) {
    y.fill(zero);
    let from = a.shape.row_elements();
    let to = out.shape.row_elements();
    for (row, values) in y.chunks_exact_mut(to).skip(top).zip(x.chunks_exact(from)) {
        let start = left * a.shape.c();
        row[start..start + from].copy_from_slice(values);
    }
}

/// Reorders H, W, C to C, H, W.
pub(super) fn flatten<T: Copy>(a: &Value, x: &[T], y: &mut [T]) {
    let pixels = a.shape.h() * a.shape.w();
    let channels = a.shape.c();
    for (pixel, values) in x.chunks_exact(channels).enumerate() {
        for (channel, &value) in values.iter().enumerate() {
            y[channel * pixels + pixel] = value;
        }
    }
}

/// Permutes four axes.
pub(super) fn permute<T: Copy>(permutation: &Permutation, x: &[T], y: &mut [T]) {
    let mut axes = permutation.axes();
    // Rows of one value would take longer than the values.
    let ones = axes.iter().rev().take(3).take_while(|(n, _)| *n == 1).count();
    axes.rotate_right(ones);
    let [(n0, s0), (n1, s1), (n2, s2), (n3, s3)] = axes;
    let mut rows = y.chunks_exact_mut(n3);
    for (i, j) in (0..n0).flat_map(|i| (0..n1).map(move |j| (i, j))) {
        for (k, row) in (0..n2).zip(&mut rows) {
            let from = &x[i * s0 + j * s1 + k * s2..];
            if s3 == 1 {
                row.copy_from_slice(&from[..n3]);
                continue;
            }
            let from = from.iter().step_by(s3);
            row.iter_mut().zip(from).for_each(|(code, &value)| *code = value);
        }
    }
}

/// Copies a range of one axis.
pub(super) fn slice<T: Copy>(slice: Slice, a: &Value, x: &[T], out: &Value, y: &mut [T]) {
    let dims = a.shape.dims();
    let axis = usize::from(slice.axis);
    let inner: usize = dims[axis + 1..].iter().product();
    let part = out.shape.dims()[axis] * inner;
    for (to, from) in y.chunks_exact_mut(part).zip(x.chunks_exact(dims[axis] * inner)) {
        to.copy_from_slice(&from[slice.from as usize * inner..][..part]);
    }
}

/// Upsamples by repeating every pixel (nearest neighbour).
pub(super) fn upsample<T: Copy>(factor: [u8; 2], a: &Value, x: &[T], y: &mut [T]) {
    let [down, across] = factor.map(usize::from);
    let row = a.shape.row_elements();
    let channels = a.shape.c();
    for (to, from) in y.chunks_exact_mut(row * across * down).zip(x.chunks_exact(row)) {
        for to in to.chunks_exact_mut(row * across) {
            for (pixels, pixel) in
                to.chunks_exact_mut(channels * across).zip(from.chunks_exact(channels))
            {
                pixels.chunks_exact_mut(channels).for_each(|to| to.copy_from_slice(pixel));
            }
        }
    }
}
