//! From a layer to jobs for a kernel.

use core::ops::Range;

use offshoot_core::Shape;
use offshoot_core::graph::{Affine, Clamp, Window};

use super::arena::Arena;
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
    /// For a call that makes `pixels` of the result.
    fn new<K: Kernel>(window: &Window, groups: usize, input: Shape, pixels: usize) -> Self {
        let fan_in = window.taps() * (input.c() / groups);
        let row_bytes = K::ROWS.row_bytes(fan_in);
        if !K::ROWS.wide && groups == 1 && *window == Window::POINT && row_bytes == fan_in {
            return Self { row_bytes, pixels, direct: true };
        }
        let most = (BLOCK_BYTES / row_bytes / K::TILE).max(1) * K::TILE;
        let even = pixels.div_ceil(pixels.div_ceil(most).max(1)).next_multiple_of(K::TILE);
        Self { row_bytes, pixels: even.min(pixels).max(1), direct: false }
    }

    /// The longest block of any call for at most `pixels`.
    fn longest<K: Kernel>(&self, pixels: usize) -> usize {
        (BLOCK_BYTES / self.row_bytes / K::TILE).max(1).saturating_mul(K::TILE).min(pixels)
    }
}

/// Bytes of scratch that [`conv`] needs for at most `pixels` at a time.
pub(crate) fn conv_scratch<K: Kernel>(window: &Window, groups: usize, input: Shape, pixels: usize) -> usize {
    let blocks = Blocks::new::<K>(window, groups, input, pixels);
    if blocks.direct { 0 } else { blocks.longest::<K>(pixels).saturating_mul(blocks.row_bytes) }
}

/// A map that a layer reads, or the rows of it that are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Map<'a> {
    /// Shape and zero point of the whole map.
    pub value: &'a Value,
    /// Row `y` is the `(y - base) % kept`-th of these.
    pub codes: &'a [i8],
    pub base: usize,
    pub kept: usize,
}

impl<'a> Map<'a> {
    /// The whole map.
    pub fn whole(value: &'a Value, codes: &'a [i8]) -> Self {
        assert!(codes.len() == value.shape.elements(), "planned");
        Self { value, codes, base: 0, kept: value.shape.h() }
    }

    fn row(&self, y: usize) -> usize {
        (y - self.base) % self.kept * self.value.shape.w() * self.value.shape.c()
    }
}

/// Some pixels of the result, row by row, and where they go.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub shape: Shape,
    pub first: usize,
    pub codes: &'a mut [i8],
}

/// A convolution that is not depthwise.
pub(crate) fn conv<K: Kernel>(
    kernel: K,
    layer: &Layer<'_>,
    scratch: &mut [i8],
    input: &Map<'_>,
    target: &mut Target<'_>,
) {
    let (a, out) = (input.value.shape, target.shape);
    let (pixels, channels) = (target.codes.len() / out.c(), out.c());
    let blocks = Blocks::new::<K>(&layer.window, layer.groups, a, pixels);
    let (depth, per_group) = (a.c() / layer.groups, channels / layer.groups);
    let fan_in = layer.window.taps() * depth;
    let panel_bytes = K::ROWS.bytes(per_group, fan_in);
    assert!(layer.packed.len() == layer.groups * panel_bytes, "packed for another plan");
    for (group, panels) in layer.packed.chunks_exact(panel_bytes).enumerate() {
        for start in (0..pixels).step_by(blocks.pixels) {
            let count = blocks.pixels.min(pixels - start);
            let cells = if blocks.direct {
                let (y, x) = ((target.first + start) / a.w(), (target.first + start) % a.w());
                input.codes[input.row(y) + x * a.c()..][..count * blocks.row_bytes].as_ptr()
            } else {
                let rows = &mut scratch[..count * blocks.row_bytes];
                for (row, pixel) in rows.chunks_exact_mut(blocks.row_bytes).zip(target.first + start..) {
                    let at = (pixel / out.w(), pixel % out.w());
                    gather(kernel, &layer.window, input, group * depth, depth, at, row);
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
                out: target.codes[start * channels + group * per_group..].as_mut_ptr(),
                out_stride: channels,
                tail: layer.tail,
            };
            // SAFETY: `count` rows of `row_bytes` were sliced above, the panels' length was checked,
            // and pixels `start..start + count` of all channels lie in the target.
            unsafe { kernel.rows(&job) };
        }
    }
}

/// One row: the codes under the window from channel `first` on, zero points outside the map.
fn gather<K: Kernel>(
    kernel: K,
    window: &Window,
    input: &Map<'_>,
    first: usize,
    depth: usize,
    (oy, ox): (usize, usize),
    row: &mut [i8],
) {
    let shape = input.value.shape;
    let rows = Inside::at(window, 0, oy, shape.h());
    let cols = Inside::at(window, 1, ox, shape.w());
    let cell = K::ROWS.width();
    let all = rows.taps.len() * cols.taps.len() == window.taps();
    let used = window.taps() * depth * cell;
    if !all {
        let zero = [input.value.quant.zero_point; 64];
        for cells in row[..used].chunks_mut(64 * cell) {
            kernel.widen(&zero[..cells.len() / cell], cells);
        }
    }
    row[used..].fill(0);
    let kernel_w = usize::from(window.kernel[1]);
    // Neighbouring columns are contiguous in the map and in the row.
    let joined = depth == shape.c() && window.dilation[1] == 1;
    let (runs, run) = if joined { (1, cols.taps.len()) } else { (cols.taps.len(), 1) };
    for (i, ky) in rows.taps.clone().enumerate() {
        let line = input.row(rows.start + i * usize::from(window.dilation[0]));
        for j in 0..runs.min(cols.taps.len()) {
            let ix = cols.start + j * usize::from(window.dilation[1]);
            let from = line + ix * shape.c() + first;
            let to = (ky * kernel_w + cols.taps.start + j) * depth * cell;
            kernel.widen(&input.codes[from..from + run * depth], &mut row[to..to + run * depth * cell]);
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
    input: &Map<'_>,
    target: &mut Target<'_>,
) {
    let (window, channels, shape) = (&layer.window, target.shape.c(), input.value.shape);
    let groups = window.taps().div_ceil(K::TAPS.group);
    assert!(shape.c() == channels && window.taps() <= MAX_TAPS, "planned");
    assert!(layer.packed.len() == K::TAPS.bytes(channels, window.taps()), "packed for another plan");
    let border = &mut scratch[..channels];
    border.fill(input.value.quant.zero_point);
    let mut taps = [border.as_ptr(); MAX_TAPS];
    for (index, pixel) in (target.first..).zip(target.codes.chunks_exact_mut(channels)) {
        let rows = Inside::at(window, 0, index / target.shape.w(), shape.h());
        let cols = Inside::at(window, 1, index % target.shape.w(), shape.w());
        if rows.taps.len() * cols.taps.len() < window.taps() {
            taps[..window.taps()].fill(border.as_ptr());
        }
        for (i, ky) in rows.taps.clone().enumerate() {
            let line = input.row(rows.start + i * usize::from(window.dilation[0]));
            for (j, kx) in cols.taps.clone().enumerate() {
                let at = line + (cols.start + j * usize::from(window.dilation[1])) * channels;
                taps[ky * usize::from(window.kernel[1]) + kx] = input.codes[at..at + channels].as_ptr();
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

/// `len` codes of a sum, `first` from the beginning of each map; in place if the plan says so.
pub(crate) fn add<K: Kernel>(
    kernel: K,
    arena: Arena<'_>,
    [a, b, out]: [&Value; 3],
    (affine, factor, clamp): (Affine, i16, Clamp),
    part: Range<usize>,
) {
    let [a, b, out] = [a, b, out].map(|v| arena.slice(v.offset + part.start..v.offset + part.end));
    let job = Sum {
        a,
        b,
        out,
        len: part.len(),
        factors: [affine.factor, factor],
        offset: affine.offset,
        shift: affine.shift,
        clamp,
    };
    // SAFETY: all three ranges lie in the arena; the plan puts operands where the result is or
    // apart from it; other threads have other parts.
    unsafe { kernel.sum(&job) };
}
