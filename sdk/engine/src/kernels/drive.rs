//! Driver: divides a layer into jobs for a kernel.

use core::ops::Range;

use columns::Columns;
use offshoot_core::Shape;
use offshoot_core::graph::{Affine, Clamp, Window};

use super::arena::Arena;
use super::job::{Kernel, Pieces, Rows, Sum, Tail, Taps};
use crate::ops::Inside;
use crate::plan::step::Value;

mod columns;
pub(crate) mod dynamic;

/// Taps of the largest depthwise window that kernels accept; portable code runs larger ones.
pub(crate) const MAX_TAPS: usize = 64;

/// True if kernels accept a depthwise window.
pub(crate) fn takes(window: &Window) -> bool {
    window.taps() <= MAX_TAPS
}

/// Most pointers to pixels at a time; wide rows of depthwise windows take several rounds.
const POINTERS: usize = 512;

/// Most bytes of gathered rows at a time: they stay in the second-level cache.
const BLOCK_BYTES: usize = 96 << 10;

/// Parameters of a convolution for its kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub window: Window,
    pub groups: usize,
    pub packed: &'a [i8],
    pub tail: Tail,
}

/// Blocks of rows of one convolution, gathered at a time.
struct Blocks {
    row_bytes: usize,
    pixels: usize,
    direct: bool,
}

impl Blocks {
    /// Sizes blocks for a call that computes `pixels` of the result (0 is possible: the share of a
    /// thread), with `room` bytes for gathered rows.
    fn new<K: Kernel>(
        window: &Window,
        groups: usize,
        input: Shape,
        pixels: usize,
        room: usize,
    ) -> Self {
        let fan_in = window.taps() * (input.c() / groups);
        let row_bytes = K::ROWS.row_bytes(fan_in);
        if !K::ROWS.wide
            && groups == 1
            && *window == Window::POINT
            && fan_in.is_multiple_of(K::GRAIN)
        {
            return Self { row_bytes: fan_in, pixels: pixels.max(1), direct: true };
        }
        let most = Self::most::<K>(row_bytes, pixels, room);
        let even = pixels.div_ceil(pixels.div_ceil(most).max(1)).next_multiple_of(K::TILE);
        Self { row_bytes, pixels: even.clamp(1, most), direct: false }
    }

    /// Returns the pixels of the longest block: all, or whole tiles if at least one fits.
    fn most<K: Kernel>(row_bytes: usize, pixels: usize, room: usize) -> usize {
        let rows = room / row_bytes;
        let tiles = if rows < K::TILE { rows } else { rows / K::TILE * K::TILE };
        if rows < pixels { tiles.max(1) } else { pixels.max(1) }
    }
}

/// Returns the bytes of scratch that [`conv`] needs for at most `pixels` at a time; more than
/// `room` only if `room` holds no row.
pub(crate) fn conv_scratch<K: Kernel>(
    window: &Window,
    groups: usize,
    input: Shape,
    pixels: usize,
    room: usize,
) -> usize {
    let room = room.min(BLOCK_BYTES);
    let blocks = Blocks::new::<K>(window, groups, input, pixels, room);
    let most = Blocks::most::<K>(blocks.row_bytes, pixels, room);
    let gathered = if blocks.direct { 0 } else { most.saturating_mul(blocks.row_bytes) };
    gathered.saturating_add(K::spare_bytes(blocks.row_bytes))
}

/// Feature map that a layer reads, or those of its rows that are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Map<'a> {
    /// Shape and zero point of the whole feature map.
    pub value: &'a Value,
    /// Rows in memory; row `y` of the feature map is the `(y - base) % kept`-th of them.
    pub codes: &'a [i8],
    pub base: usize,
    pub kept: usize,
}

impl<'a> Map<'a> {
    /// Returns a whole feature map.
    pub fn whole(value: &'a Value, codes: &'a [i8]) -> Self {
        assert!(codes.len() == value.shape.elements(), "planned");
        Self { value, codes, base: 0, kept: value.shape.h() }
    }

    fn row(&self, y: usize) -> usize {
        (y - self.base) % self.kept * self.value.shape.row_elements()
    }
}

/// Part of a layer's result to compute, and its destination.
#[derive(Debug)]
pub(crate) struct Target {
    /// Shape of the whole result.
    pub shape: Shape,
    /// Pixels to compute, numbered row by row.
    pub pixels: Range<usize>,
    /// Panels of channels to compute; [`None`]: all. Only for convolutions that are neither
    /// depthwise nor grouped.
    pub panels: Option<Range<usize>>,
    /// Pointer to the first channel of the first pixel.
    pub out: *mut i8,
}

/// Computes a convolution that is not depthwise.
///
/// # Safety
/// Nothing else reads or writes the target's channels of its pixels.
pub(crate) unsafe fn conv<K: Kernel>(
    kernel: K,
    layer: &Layer<'_>,
    scratch: &mut [i8],
    input: &Map<'_>,
    target: &Target,
) {
    let a = input.value.shape;
    let channels = target.shape.c();
    let first = target.pixels.start;
    let pixels = target.pixels.len();
    let depth = a.c() / layer.groups;
    let per_group = channels / layer.groups;
    let fan_in = layer.window.taps() * depth;
    let (spare, scratch) = scratch.split_at_mut(K::spare_bytes(K::ROWS.row_bytes(fan_in)));
    let blocks = Blocks::new::<K>(&layer.window, layer.groups, a, pixels, scratch.len());
    let panel = K::ROWS.panel_bytes(fan_in);
    let group_bytes = K::ROWS.bytes(per_group, fan_in);
    assert!(layer.packed.len() == layer.groups * group_bytes, "packed for another plan");
    for (group, panels) in layer.packed.chunks_exact(group_bytes).enumerate() {
        let some = target.panels.clone().unwrap_or(0..group_bytes / panel);
        let lanes = K::ROWS.lanes.len();
        let begin = some.start * lanes;
        let end = (some.end * lanes).min(per_group);
        let panels = &panels[some.start * panel..some.end * panel];
        for start in (0..pixels).step_by(blocks.pixels) {
            let count = blocks.pixels.min(pixels - start);
            let cells = if blocks.direct {
                let y = (first + start) / a.w();
                let x = (first + start) % a.w();
                input.codes[input.row(y) + x * a.c()..][..count * blocks.row_bytes].as_ptr()
            } else {
                let rows = &mut scratch[..count * blocks.row_bytes];
                let under = Under { window: &layer.window, input, first: group * depth, depth };
                under.gather(kernel, first + start, target.shape.w(), rows, blocks.row_bytes);
                rows.as_ptr()
            };
            let job = Rows {
                cells,
                stride: blocks.row_bytes,
                depth: blocks.row_bytes / K::ROWS.width(),
                pixels: count,
                groups: fan_in.div_ceil(K::ROWS.group),
                panels: panels.as_ptr(),
                channels: end - begin,
                out: target.out.wrapping_add(start * channels + group * per_group + begin),
                out_stride: channels,
                spare: spare.as_mut_ptr(),
                tail: layer.tail,
            };
            debug_assert_eq!(job.depth.div_ceil(K::ROWS.group), job.groups);
            // SAFETY: `count` rows of `row_bytes` were sliced above, so were the panels; the pixels
            // `start..start + count` and their channels are the target's.
            unsafe { kernel.rows(&job) };
        }
    }
}

/// Activations under a window, `depth` channels from `first` on.
struct Under<'a> {
    window: &'a Window,
    input: &'a Map<'a>,
    first: usize,
    depth: usize,
}

impl Under<'_> {
    /// Gathers rows for the output pixels from `start` on, of a result that is `width` wide.
    fn gather<K: Kernel>(
        &self,
        kernel: K,
        start: usize,
        width: usize,
        rows: &mut [i8],
        row_bytes: usize,
    ) {
        let whole = self.whole();
        let mut pixel = start;
        let end = start + rows.len() / row_bytes;
        let mut rest = rows;
        while pixel < end {
            let oy = pixel / width;
            let ox = pixel % width;
            let inside = Inside::at(self.window, 0, oy, self.input.value.shape.h());
            // Windows that lie inside the feature map: all of this row at once.
            let run = whole.end.min(ox + end - pixel).saturating_sub(ox);
            let all = ox >= whole.start
                && run > 0
                && inside.taps.len() == usize::from(self.window.kernel[0]);
            let run = if all { run } else { 1 };
            let (now, later) = rest.split_at_mut(run * row_bytes);
            if all {
                self.pieces(kernel, inside.start, ox, now, row_bytes);
            } else {
                let cols = Inside::at(self.window, 1, ox, self.input.value.shape.w());
                self.row(kernel, &inside, &cols, now);
            }
            (rest, pixel) = (later, pixel + run);
        }
    }

    /// Gathers rows of windows inside the feature map; the first window begins at row `top`, for
    /// output column `ox`.
    fn pieces<K: Kernel>(
        &self,
        kernel: K,
        top: usize,
        ox: usize,
        rows: &mut [i8],
        row_bytes: usize,
    ) {
        let channels = self.input.value.shape.c();
        let depth = self.depth;
        let [dy, dx] = self.window.dilation.map(usize::from);
        let [kh, kw] = self.window.kernel.map(usize::from);
        let (runs, run) = if self.joined() { (1, kw) } else { (kw, 1) };
        let stride = usize::from(self.window.stride[1]);
        let left = ox * stride - usize::from(self.window.pad[1]);
        let step = stride * channels;
        let len = run * depth;
        let count = rows.len() / row_bytes;
        for (ky, j) in (0..kh).flat_map(|ky| (0..runs).map(move |j| (ky, j))) {
            let from = self.input.row(top + ky * dy) + (left + j * dx) * channels + self.first;
            let codes = self.input.codes[from..][..(count - 1) * step + len].as_ptr();
            let to = (ky * kw + j) * depth * K::ROWS.width();
            assert!(to + len * K::ROWS.width() <= row_bytes, "rows hold a window");
            let cells = rows[to..].as_mut_ptr();
            // SAFETY: all pieces were sliced, and the last row has room for its own.
            unsafe { kernel.pieces(&Pieces { codes, step, len, count, cells, stride: row_bytes }) };
        }
    }

    /// True if adjacent columns are contiguous in the feature map and in the gathered row.
    fn joined(&self) -> bool {
        self.depth == self.input.value.shape.c() && self.window.dilation[1] == 1
    }

    /// Returns the output columns whose windows lie inside the feature map.
    fn whole(&self) -> Range<usize> {
        let stride = usize::from(self.window.stride[1]);
        let pad = usize::from(self.window.pad[1]);
        let end = (self.input.value.shape.w() + pad + 1)
            .checked_sub(self.window.extent(1))
            .map_or(0, |n| n.div_ceil(stride));
        pad.div_ceil(stride)..end
    }

    /// Gathers one row. Cells outside the feature map get the zero point; cells after the window
    /// keep any value, because their weights are zeros.
    #[inline]
    fn row<K: Kernel>(&self, kernel: K, rows: &Inside, cols: &Inside, row: &mut [i8]) {
        let channels = self.input.value.shape.c();
        let depth = self.depth;
        let cell = K::ROWS.width();
        if rows.taps.len() * cols.taps.len() < self.window.taps() {
            let zero = [self.input.value.quant.zero_point; 64];
            let used = self.window.taps() * depth * cell;
            for cells in row[..used].chunks_mut(64 * cell) {
                kernel.widen(&zero[..cells.len() / cell], cells);
            }
        }
        let [dy, dx] = self.window.dilation.map(usize::from);
        let kernel_w = usize::from(self.window.kernel[1]);
        let (runs, run) = if self.joined() { (1, cols.taps.len()) } else { (cols.taps.len(), 1) };
        for (i, ky) in rows.taps.clone().enumerate() {
            let line = self.input.row(rows.start + i * dy);
            for j in 0..runs.min(cols.taps.len()) {
                let from = line + (cols.start + j * dx) * channels + self.first;
                let to = (ky * kernel_w + cols.taps.start + j) * depth * cell;
                kernel.widen(
                    &self.input.codes[from..from + run * depth],
                    &mut row[to..to + run * depth * cell],
                );
            }
        }
    }
}

/// Returns the bytes of scratch that [`depthwise`] needs: a pixel of zero points.
pub(crate) fn depthwise_scratch(channels: usize) -> usize {
    channels
}

/// Computes a depthwise convolution with at most [`MAX_TAPS`] taps.
///
/// # Safety
/// Nothing else reads or writes the target's pixels.
pub(crate) unsafe fn depthwise<K: Kernel>(
    kernel: K,
    layer: &Layer<'_>,
    scratch: &mut [i8],
    input: &Map<'_>,
    target: &Target,
) {
    let window = &layer.window;
    let channels = target.shape.c();
    let shape = input.value.shape;
    assert!(shape.c() == channels && takes(window), "planned");
    let [rows, columns] = window.kernel.map(usize::from);
    let places = columns * K::TAPS.column(rows);
    assert!(layer.packed.len() == K::TAPS.bytes(channels, places), "packed for another plan");
    let border = &mut scratch[..channels];
    border.fill(input.value.quant.zero_point);
    let mut pointers = Columns::new::<K>(window, input, border);
    let width = target.shape.w();
    let end = target.pixels.end;
    let mut pixel = target.pixels.start;
    while pixel < end {
        let oy = pixel / width;
        let start = pixel % width;
        let pixels = pointers.pixels.min(width - start).min(end - pixel);
        let line_step = pointers.between_lines(pixels);
        let lines = if K::LINES && pixels == width {
            pointers.lines(line_step).min((end - pixel) / width)
        } else {
            1
        };
        for line in 0..lines {
            pointers.point(line * line_step, oy + line, start, pixels);
        }
        let job = Taps {
            taps: pointers.pointers.as_ptr().cast(),
            step: pointers.step,
            rows,
            columns,
            filled: K::TAPS.column(rows) > rows,
            pixels,
            lines,
            line_step,
            below: window.stride[0] == 1 && window.dilation[0] == 1,
            groups: places.div_ceil(K::TAPS.group),
            panels: layer.packed.as_ptr(),
            channels,
            out: target.out.wrapping_add((pixel - target.pixels.start) * channels),
            out_stride: channels,
            tail: layer.tail,
        };
        // SAFETY: every pointer is to a pixel of the map or to the border, both of `channels`
        // codes, and there are enough for whole groups; the panels' length was checked; the pixels
        // are the target's.
        unsafe { kernel.taps(&job) };
        pixel += lines * pixels;
    }
}

/// Adds a range of the values of two feature maps; in place if the plan says so.
pub(crate) fn add<K: Kernel>(
    kernel: K,
    arena: Arena<'_>,
    [a, b, out]: [&Value; 3],
    affine: Affine,
    factor: i16,
    clamp: Clamp,
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
