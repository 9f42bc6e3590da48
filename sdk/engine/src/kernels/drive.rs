//! From a layer to jobs for a kernel.

use offshoot_core::Shape;
use offshoot_core::graph::{Affine, Clamp, Window};

use super::job::{Kernel, Rows, Sum, Tail, Taps};
use crate::ops::Inside;
use crate::step::Value;

/// Taps of the largest depthwise window that kernels take; beyond, portable code does.
pub(crate) const MAX_TAPS: usize = 64;

/// Bytes of gathered rows at a time: they stay in the second-level cache.
const BLOCK_BYTES: usize = 96 << 10;

/// What a convolution's kernel needs to know of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub window: Window,
    pub groups: usize,
    pub packed: &'a [i8],
    pub tail: Tail,
}

/// Rows of one convolution gathered at a time.
struct Blocks {
    row_bytes: usize,
    pixels: usize,
    direct: bool,
}

impl Blocks {
    fn new<K: Kernel>(window: &Window, groups: usize, input: Shape, output: Shape) -> Self {
        let fan_in = window.taps() * (input.c() / groups);
        let row_bytes = K::ROWS.row_bytes(fan_in);
        let all = output.h() * output.w();
        let count = all.saturating_mul(row_bytes).div_ceil(BLOCK_BYTES).max(1);
        let direct = !K::ROWS.wide && groups == 1 && *window == Window::POINT && row_bytes == fan_in;
        let pixels = if direct { all } else { all.div_ceil(count).next_multiple_of(K::TILE).min(all) };
        Self { row_bytes, pixels, direct }
    }
}

/// Bytes of scratch that [`conv`] needs.
pub(crate) fn conv_scratch<K: Kernel>(window: &Window, groups: usize, input: Shape, output: Shape) -> usize {
    let blocks = Blocks::new::<K>(window, groups, input, output);
    if blocks.direct { 0 } else { blocks.pixels.saturating_mul(blocks.row_bytes) }
}

/// A convolution that is not depthwise.
pub(crate) fn conv<K: Kernel>(
    kernel: K,
    layer: &Layer<'_>,
    scratch: &mut [i8],
    (a, x): (&Value, &[i8]),
    (out, y): (&Value, &mut [i8]),
) {
    let blocks = Blocks::new::<K>(&layer.window, layer.groups, a.shape, out.shape);
    let (pixels, channels) = (out.shape.h() * out.shape.w(), out.shape.c());
    let (depth, per_group) = (a.shape.c() / layer.groups, channels / layer.groups);
    let fan_in = layer.window.taps() * depth;
    let panel_bytes = K::ROWS.bytes(per_group, fan_in);
    assert!(x.len() == a.shape.elements() && y.len() == out.shape.elements(), "planned");
    assert!(layer.packed.len() == layer.groups * panel_bytes, "packed for another plan");
    for (group, panels) in layer.packed.chunks_exact(panel_bytes).enumerate() {
        for start in (0..pixels).step_by(blocks.pixels) {
            let count = blocks.pixels.min(pixels - start);
            let cells = if blocks.direct {
                x[start * blocks.row_bytes..][..count * blocks.row_bytes].as_ptr()
            } else {
                let rows = &mut scratch[..count * blocks.row_bytes];
                for (row, pixel) in rows.chunks_exact_mut(blocks.row_bytes).zip(start..) {
                    let at = (pixel / out.shape.w(), pixel % out.shape.w());
                    gather(kernel, &layer.window, (a, x), group * depth, depth, at, row);
                }
                rows.as_ptr()
            };
            let job = Rows {
                cells,
                stride: blocks.row_bytes,
                pixels: count,
                groups: fan_in.div_ceil(K::ROWS.group),
                panels: panels.as_ptr(),
                channels: per_group,
                out: y[start * channels + group * per_group..].as_mut_ptr(),
                out_stride: channels,
                tail: layer.tail,
            };
            // SAFETY: `count` rows of `row_bytes` were sliced above, the panels' length was checked,
            // and pixels `start..start + count` of all channels lie in `y`.
            unsafe { kernel.rows(&job) };
        }
    }
}

/// One row: the codes under the window from channel `first` on, zero points outside the map.
fn gather<K: Kernel>(
    kernel: K,
    window: &Window,
    (a, x): (&Value, &[i8]),
    first: usize,
    depth: usize,
    (oy, ox): (usize, usize),
    row: &mut [i8],
) {
    let (height, width, channels) = (a.shape.h(), a.shape.w(), a.shape.c());
    let rows = Inside::at(window, 0, oy, height);
    let cols = Inside::at(window, 1, ox, width);
    let cell = K::ROWS.width();
    let all = rows.taps.len() * cols.taps.len() == window.taps();
    let used = window.taps() * depth * cell;
    if !all {
        let zero = [a.quant.zero_point; 64];
        for cells in row[..used].chunks_mut(64 * cell) {
            kernel.widen(&zero[..cells.len() / cell], cells);
        }
    }
    row[used..].fill(0);
    let kernel_w = usize::from(window.kernel[1]);
    // Neighbouring columns are contiguous in the map and in the row.
    let joined = depth == channels && window.dilation[1] == 1;
    let (runs, run) = if joined { (1, cols.taps.len()) } else { (cols.taps.len(), 1) };
    for (i, ky) in rows.taps.clone().enumerate() {
        let iy = rows.start + i * usize::from(window.dilation[0]);
        for j in 0..runs.min(cols.taps.len()) {
            let ix = cols.start + j * usize::from(window.dilation[1]);
            let from = (iy * width + ix) * channels + first;
            let to = (ky * kernel_w + cols.taps.start + j) * depth * cell;
            kernel.widen(&x[from..from + run * depth], &mut row[to..to + run * depth * cell]);
        }
    }
}

/// Bytes of scratch that [`depthwise`] needs: a pixel of zero points.
pub(crate) fn depthwise_scratch(channels: usize) -> usize {
    channels
}

/// Depthwise convolution with at most [`MAX_TAPS`] taps.
pub(crate) fn depthwise<K: Kernel>(
    kernel: K,
    layer: &Layer<'_>,
    scratch: &mut [i8],
    (a, x): (&Value, &[i8]),
    (out, y): (&Value, &mut [i8]),
) {
    let (window, channels) = (&layer.window, out.shape.c());
    let groups = window.taps().div_ceil(K::TAPS.group);
    assert!(x.len() == a.shape.elements() && a.shape.c() == channels, "planned");
    assert!(layer.packed.len() == K::TAPS.bytes(channels, window.taps()), "packed for another plan");
    let border = &mut scratch[..channels];
    border.fill(a.quant.zero_point);
    let mut taps = [border.as_ptr(); MAX_TAPS];
    for (index, pixel) in y.chunks_exact_mut(channels).enumerate() {
        let rows = Inside::at(window, 0, index / out.shape.w(), a.shape.h());
        let cols = Inside::at(window, 1, index % out.shape.w(), a.shape.w());
        if rows.taps.len() * cols.taps.len() < window.taps() {
            taps[..window.taps()].fill(border.as_ptr());
        }
        for (i, ky) in rows.taps.clone().enumerate() {
            let iy = rows.start + i * usize::from(window.dilation[0]);
            for (j, kx) in cols.taps.clone().enumerate() {
                let ix = cols.start + j * usize::from(window.dilation[1]);
                let at = (iy * a.shape.w() + ix) * channels;
                taps[ky * usize::from(window.kernel[1]) + kx] = x[at..at + channels].as_ptr();
            }
        }
        let job = Taps {
            taps: taps.as_ptr(),
            groups,
            panels: layer.packed.as_ptr(),
            channels,
            out: pixel.as_mut_ptr(),
            tail: layer.tail,
        };
        // SAFETY: every tap was sliced above or is the border, both of `channels` codes; the
        // taps beyond the window, up to whole groups, are the border; the panels' length was checked.
        unsafe { kernel.taps(&job) };
    }
}

/// Sum of two maps, in place if the plan says so.
pub(crate) fn add<K: Kernel>(
    kernel: K,
    arena: &mut [i8],
    [a, b, out]: [&Value; 3],
    affine: Affine,
    factor: i16,
    clamp: Clamp,
) {
    let len = out.shape.elements();
    assert!([a, b, out].iter().all(|v| v.shape.elements() == len && v.range().end <= arena.len()));
    let apart = |v: &Value| v.offset == out.offset || v.range().end <= out.offset || out.range().end <= v.offset;
    assert!(apart(a) && apart(b), "planned");
    let base = arena.as_mut_ptr();
    // SAFETY: all three ranges lie in the arena, and operands are the result's or apart from it.
    unsafe {
        kernel.sum(&Sum {
            a: base.add(a.offset),
            b: base.add(b.offset),
            out: base.add(out.offset),
            len,
            factors: [affine.factor, factor],
            offset: affine.offset,
            shift: affine.shift,
            clamp,
        });
    }
}
