//! Operations that move codes: change of scale, concat, border, order.

use offshoot_core::graph::{Affine, Clamp};

use crate::step::Value;

/// Codes through an affine map into the channels from `at` on.
pub(super) fn map(affine: Affine, clamp: Clamp, at: usize, a: &Value, x: &[i8], out: &Value, y: &mut [i8]) {
    // 256 codes can only become 256 others.
    let mut table = [0i8; 256];
    for (code, slot) in (i8::MIN..=i8::MAX).zip(&mut table) {
        *slot = affine.apply(code, clamp);
    }
    let (from, to) = (a.shape.c(), out.shape.c());
    for (pixel, values) in y.chunks_exact_mut(to).zip(x.chunks_exact(from)) {
        for (code, &value) in pixel[at..at + from].iter_mut().zip(values) {
            *code = table[(i16::from(value) + 128) as usize];
        }
    }
}

/// The map inside a border of zero points.
pub(super) fn pad(top: usize, left: usize, a: &Value, x: &[i8], out: &Value, y: &mut [i8]) {
    y.fill(out.quant.zero_point);
    let (from, to) = (a.shape.row_elements(), out.shape.row_elements());
    for (row, values) in y.chunks_exact_mut(to).skip(top).zip(x.chunks_exact(from)) {
        let start = left * a.shape.c();
        row[start..start + from].copy_from_slice(values);
    }
}

/// H, W, C becomes C, H, W.
pub(super) fn flatten(a: &Value, x: &[i8], y: &mut [i8]) {
    let (pixels, channels) = (a.shape.h() * a.shape.w(), a.shape.c());
    for (pixel, values) in x.chunks_exact(channels).enumerate() {
        for (channel, &value) in values.iter().enumerate() {
            y[channel * pixels + pixel] = value;
        }
    }
}
