//! Pointers from which a depthwise kernel takes the taps of its windows.

use core::mem::MaybeUninit;

use offshoot_core::graph::Window;

use super::{MAX_TAPS, Map, POINTERS};
use crate::kernels::job::Kernel;

/// Pointers to the pixels under a row of windows, column by column of the feature map.
pub(super) struct Columns<'a> {
    window: &'a Window,
    input: &'a Map<'a>,
    border: *const i8,
    pub(super) pointers: [MaybeUninit<*const i8>; POINTERS],
    /// True if adjacent windows share columns.
    shared: bool,
    /// Pointers from pixel to pixel.
    pub(super) step: usize,
    /// Output pixels at a time.
    pub(super) pixels: usize,
}

impl<'a> Columns<'a> {
    pub(super) fn new<K: Kernel>(window: &'a Window, input: &'a Map<'a>, border: &[i8]) -> Self {
        let [kh, kw] = window.kernel.map(usize::from);
        let stride = usize::from(window.stride[1]);
        let shared = window.dilation[1] == 1 && stride < kw;
        let step = if shared { stride * kh } else { kw * kh };
        // A kernel may read pointers of the last pixel up to a whole group.
        let pixels = (POINTERS - 2 * MAX_TAPS) / step + 1;
        let border = border.as_ptr();
        let mut pointers = [const { MaybeUninit::uninit() }; POINTERS];
        if !K::LINES {
            pointers.fill(MaybeUninit::new(border));
        }
        Self { window, input, border, pointers, shared, step, pixels }
    }

    /// Returns the pointers of a line of `pixels`.
    pub(super) fn between_lines(&self, pixels: usize) -> usize {
        (pixels - 1) * self.step + self.window.taps()
    }

    /// Returns the number of lines whose pointers fit, at least one.
    pub(super) fn lines(&self, line_step: usize) -> usize {
        ((POINTERS - 2 * MAX_TAPS) / line_step).max(1)
    }

    /// Fills the pointers from `at` on for output pixels of row `oy`.
    pub(super) fn point(&mut self, at: usize, oy: usize, start: usize, pixels: usize) {
        let window = self.window;
        let [kh, kw] = window.kernel.map(usize::from);
        let [sy, sx] = window.stride.map(usize::from);
        let shape = self.input.value.shape;
        let height = shape.h();
        let width = shape.w();
        let channels = shape.c();
        // One piece of shared columns, or one piece per pixel.
        let (pieces, columns) =
            if self.shared { (1, (pixels - 1) * sx + kw) } else { (pixels, kw) };
        let dilation = if self.shared { 1 } else { usize::from(window.dilation[1]) };
        for ky in 0..kh {
            let iy =
                (oy * sy + ky * usize::from(window.dilation[0])).wrapping_sub(window.pad[0].into());
            let row = if iy < height {
                &self.input.codes[self.input.row(iy)..][..width * channels]
            } else {
                &[]
            };
            for piece in 0..pieces {
                let origin = (start + piece) * sx;
                let pad = usize::from(window.pad[1]);
                // Columns before the feature map, inside it, after it.
                let before = pad.saturating_sub(origin).div_ceil(dilation).min(columns);
                let first = (origin + before * dilation).wrapping_sub(pad);
                let inside = width.saturating_sub(first).div_ceil(dilation).min(columns - before);
                let inside = if row.is_empty() { 0 } else { inside };
                let slots =
                    &mut self.pointers[at + piece * self.step + ky..][..(columns - 1) * kh + 1];
                let mut slots = Slots { next: slots.as_mut_ptr().cast(), stride: kh };
                let pixel = row.as_ptr().wrapping_add(first.wrapping_mul(channels));
                // SAFETY: `columns` slots in all, each `kh` behind the other, were sliced.
                unsafe {
                    slots.put(before, self.border, 0);
                    slots.put(inside, pixel, dilation * channels);
                    slots.put(columns - before - inside, self.border, 0);
                }
            }
        }
    }
}

/// Slots for the pointers of one row of a window.
struct Slots {
    next: *mut *const i8,
    /// Slots from column to column.
    stride: usize,
}

impl Slots {
    /// Writes `count` pointers, `step` bytes apart.
    ///
    /// # Safety
    /// At least `count` slots must be left.
    #[inline]
    unsafe fn put(&mut self, count: usize, from: *const i8, step: usize) {
        let mut from = from;
        for _ in 0..count {
            // SAFETY: the caller's promise.
            unsafe { self.next.write(from) };
            self.next = self.next.wrapping_add(self.stride);
            from = from.wrapping_add(step);
        }
    }
}
