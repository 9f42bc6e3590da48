//! From a layer to jobs for a kernel.

use core::ops::Range;

use offshoot_core::Shape;
use offshoot_core::graph::{Affine, Clamp, Window};

use super::job::{Kernel, Pieces, Rows, Sum, Tail, Taps};
use crate::ops::Inside;
use crate::step::Value;

/// Taps of the largest depthwise window that kernels take; beyond, portable code does.
pub(crate) const MAX_TAPS: usize = 64;

/// Pointers to pixels that a row of depthwise windows needs at a time; wide rows take several.
const POINTERS: usize = 512;

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
        let count = (all * row_bytes).div_ceil(BLOCK_BYTES).max(1);
        let direct =
            !K::ROWS.wide && groups == 1 && *window == Window::POINT && fan_in.is_multiple_of(K::GRAIN);
        let row_bytes = if direct { fan_in } else { row_bytes };
        let pixels = if direct { all } else { all.div_ceil(count).next_multiple_of(K::TILE).min(all) };
        Self { row_bytes, pixels, direct }
    }
}

/// Bytes of scratch that [`conv`] needs.
pub(crate) fn conv_scratch<K: Kernel>(window: &Window, groups: usize, input: Shape, output: Shape) -> usize {
    let blocks = Blocks::new::<K>(window, groups, input, output);
    if blocks.direct { 0 } else { blocks.pixels * blocks.row_bytes }
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
                let under = Under { window: &layer.window, a, x, first: group * depth, depth };
                under.gather(kernel, start, out.shape.w(), rows, blocks.row_bytes);
                rows.as_ptr()
            };
            let job = Rows {
                cells,
                stride: blocks.row_bytes,
                depth: blocks.row_bytes / K::ROWS.width(),
                pixels: count,
                groups: fan_in.div_ceil(K::ROWS.group),
                panels: panels.as_ptr(),
                channels: per_group,
                out: y[start * channels + group * per_group..].as_mut_ptr(),
                out_stride: channels,
                tail: layer.tail,
            };
            debug_assert_eq!(job.depth.div_ceil(K::ROWS.group), job.groups);
            // SAFETY: `count` rows of `row_bytes` were sliced above, the panels' length was checked,
            // and pixels `start..start + count` of all channels lie in `y`.
            unsafe { kernel.rows(&job) };
        }
    }
}

/// The codes under a window, `depth` channels from `first` on.
struct Under<'a> {
    window: &'a Window,
    a: &'a Value,
    x: &'a [i8],
    first: usize,
    depth: usize,
}

impl Under<'_> {
    /// Rows for the output pixels from `start` on, of a map that is `width` wide.
    fn gather<K: Kernel>(&self, kernel: K, start: usize, width: usize, rows: &mut [i8], row_bytes: usize) {
        let whole = self.whole();
        let (mut pixel, end) = (start, start + rows.len() / row_bytes);
        let mut rest = rows;
        while pixel < end {
            let (oy, ox) = (pixel / width, pixel % width);
            let inside = Inside::at(self.window, 0, oy, self.a.shape.h());
            // Windows that lie inside the map: all of this row at once.
            let run = whole.end.min(ox + end - pixel).saturating_sub(ox);
            let all = ox >= whole.start && run > 0 && inside.taps.len() == usize::from(self.window.kernel[0]);
            let run = if all { run } else { 1 };
            let (now, later) = rest.split_at_mut(run * row_bytes);
            if all {
                self.pieces(kernel, inside.start, ox, now, row_bytes);
            } else {
                let cols = Inside::at(self.window, 1, ox, self.a.shape.w());
                self.row(kernel, &inside, &cols, now);
            }
            (rest, pixel) = (later, pixel + run);
        }
    }

    /// Rows of windows inside the map: the first one's begins at row `top` for output column `ox`.
    fn pieces<K: Kernel>(&self, kernel: K, top: usize, ox: usize, rows: &mut [i8], row_bytes: usize) {
        let (width, channels, depth) = (self.a.shape.w(), self.a.shape.c(), self.depth);
        let [dy, dx] = self.window.dilation.map(usize::from);
        let [kh, kw] = self.window.kernel.map(usize::from);
        let (runs, run) = if self.joined() { (1, kw) } else { (kw, 1) };
        let stride = usize::from(self.window.stride[1]);
        let left = ox * stride - usize::from(self.window.pad[1]);
        let (step, len, count) = (stride * channels, run * depth, rows.len() / row_bytes);
        for (ky, j) in (0..kh).flat_map(|ky| (0..runs).map(move |j| (ky, j))) {
            let from = ((top + ky * dy) * width + left + j * dx) * channels + self.first;
            let codes = self.x[from..][..(count - 1) * step + len].as_ptr();
            let to = (ky * kw + j) * depth * K::ROWS.width();
            assert!(to + len * K::ROWS.width() <= row_bytes, "rows hold a window");
            let cells = rows[to..].as_mut_ptr();
            // SAFETY: all pieces were sliced, and the last row has room for its own.
            unsafe { kernel.pieces(&Pieces { codes, step, len, count, cells, stride: row_bytes }) };
        }
    }

    /// Whether neighbouring columns are contiguous in the map and in the row.
    fn joined(&self) -> bool {
        self.depth == self.a.shape.c() && self.window.dilation[1] == 1
    }

    /// The output columns whose windows lie inside the map.
    fn whole(&self) -> Range<usize> {
        let (stride, pad) = (usize::from(self.window.stride[1]), usize::from(self.window.pad[1]));
        let reach = (usize::from(self.window.kernel[1]) - 1) * usize::from(self.window.dilation[1]);
        let end = (self.a.shape.w() + pad).checked_sub(reach).map_or(0, |n| n.div_ceil(stride));
        pad.div_ceil(stride)..end
    }

    /// One row: zero points outside the map; beyond the window whatever was there, as the weights
    /// that it meets are zeros.
    #[inline]
    fn row<K: Kernel>(&self, kernel: K, rows: &Inside, cols: &Inside, row: &mut [i8]) {
        let (width, channels, depth) = (self.a.shape.w(), self.a.shape.c(), self.depth);
        let cell = K::ROWS.width();
        if rows.taps.len() * cols.taps.len() < self.window.taps() {
            let zero = [self.a.quant.zero_point; 64];
            let used = self.window.taps() * depth * cell;
            for cells in row[..used].chunks_mut(64 * cell) {
                kernel.widen(&zero[..cells.len() / cell], cells);
            }
        }
        let [dy, dx] = self.window.dilation.map(usize::from);
        let kernel_w = usize::from(self.window.kernel[1]);
        let (runs, run) = if self.joined() { (1, cols.taps.len()) } else { (cols.taps.len(), 1) };
        for (i, ky) in rows.taps.clone().enumerate() {
            let iy = rows.start + i * dy;
            for j in 0..runs.min(cols.taps.len()) {
                let from = (iy * width + cols.start + j * dx) * channels + self.first;
                let to = (ky * kernel_w + cols.taps.start + j) * depth * cell;
                kernel.widen(&self.x[from..from + run * depth], &mut row[to..to + run * depth * cell]);
            }
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
    assert!(x.len() == a.shape.elements() && a.shape.c() == channels, "planned");
    assert!(y.len() == out.shape.elements(), "planned");
    assert!(layer.packed.len() == K::TAPS.bytes(channels, window.taps()), "packed for another plan");
    let border = &mut scratch[..channels];
    border.fill(a.quant.zero_point);
    let mut columns = Columns::new(window, a, border);
    let width = out.shape.w();
    for (oy, row) in y.chunks_exact_mut(width * channels).enumerate() {
        for start in (0..width).step_by(columns.pixels) {
            let pixels = columns.pixels.min(width - start);
            columns.point(x, oy, start, pixels);
            let job = Taps {
                taps: columns.pointers.as_ptr(),
                step: columns.step,
                pixels,
                groups: window.taps().div_ceil(K::TAPS.group),
                panels: layer.packed.as_ptr(),
                channels,
                out: row[start * channels..].as_mut_ptr(),
                out_stride: channels,
                tail: layer.tail,
            };
            // SAFETY: every pointer is to a pixel of the map or to the border, both of `channels`
            // codes, and there are enough for whole groups; the panels' length was checked.
            unsafe { kernel.taps(&job) };
        }
    }
}

/// Pointers to the pixels under a row of windows, column by column of the map.
struct Columns<'a> {
    window: &'a Window,
    a: &'a Value,
    border: *const i8,
    pointers: [*const i8; POINTERS],
    /// Whether neighbouring windows share columns.
    shared: bool,
    /// Pointers from pixel to pixel.
    step: usize,
    /// Output pixels at a time.
    pixels: usize,
}

impl<'a> Columns<'a> {
    fn new(window: &'a Window, a: &'a Value, border: &[i8]) -> Self {
        let [kh, kw] = window.kernel.map(usize::from);
        let stride = usize::from(window.stride[1]);
        let shared = window.dilation[1] == 1 && stride < kw;
        let step = if shared { stride * kh } else { kw * kh };
        // A kernel may read pointers of the last pixel up to a whole group.
        let pixels = (POINTERS - 2 * MAX_TAPS) / step + 1;
        let border = border.as_ptr();
        Self { window, a, border, pointers: [border; POINTERS], shared, step, pixels }
    }

    /// Fills the pointers for output pixels of row `oy`.
    fn point(&mut self, x: &[i8], oy: usize, start: usize, pixels: usize) {
        let window = self.window;
        let [kh, kw] = window.kernel.map(usize::from);
        let [sy, sx] = window.stride.map(usize::from);
        let (height, width, channels) = (self.a.shape.h(), self.a.shape.w(), self.a.shape.c());
        // One piece with columns in common, or a piece for each pixel.
        let (pieces, columns) = if self.shared { (1, (pixels - 1) * sx + kw) } else { (pixels, kw) };
        let dilation = if self.shared { 1 } else { usize::from(window.dilation[1]) };
        for ky in 0..kh {
            let iy = (oy * sy + ky * usize::from(window.dilation[0])).wrapping_sub(window.pad[0].into());
            let row = if iy < height { &x[iy * width * channels..][..width * channels] } else { &[] };
            for piece in 0..pieces {
                let origin = (start + piece) * sx;
                let pad = usize::from(window.pad[1]);
                // Columns before the map, in it, behind it.
                let before = pad.saturating_sub(origin).div_ceil(dilation).min(columns);
                let first = (origin + before * dilation).wrapping_sub(pad);
                let inside = width.saturating_sub(first).div_ceil(dilation).min(columns - before);
                let inside = if row.is_empty() { 0 } else { inside };
                let slots = &mut self.pointers[piece * self.step + ky..][..(columns - 1) * kh + 1];
                let mut slots = slots.as_mut_ptr();
                let mut put = |count: usize, from: *const i8, step: usize| {
                    let mut from = from;
                    for _ in 0..count {
                        // SAFETY: `columns` slots in all, each `kh` behind the other, were sliced.
                        unsafe { slots.write(from) };
                        (slots, from) = (slots.wrapping_add(kh), from.wrapping_add(step));
                    }
                };
                put(before, self.border, 0);
                put(inside, row.as_ptr().wrapping_add(first.wrapping_mul(channels)), dilation * channels);
                put(columns - before - inside, self.border, 0);
            }
        }
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
    let apart =
        |v: &Value| v.offset == out.offset || v.range().end <= out.offset || out.range().end <= v.offset;
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
