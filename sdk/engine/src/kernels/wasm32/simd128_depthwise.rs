//! Depthwise convolution for WebAssembly.

use core::arch::wasm32::*;

use super::simd128_common::{Head, PANEL, interleaved, load, store};
use crate::kernels::job::Taps;
use crate::pack::Layout;
use crate::plan::requant_path::{ANY, LANES, MANTISSAS, RequantPath};
use crate::target;

const LAYOUT: Layout = target::WASM_SIMD128.taps;

/// Computes depthwise windows.
///
/// # Safety
/// Same contract as [`crate::kernels::job::Kernel::taps`].
pub(crate) unsafe fn taps(job: &Taps) {
    let size = LAYOUT.panel_bytes(job.groups * LAYOUT.group);
    for panel in 0..job.channels.div_ceil(PANEL) {
        // SAFETY: the caller's promise: every tap has `channels` codes, the panels belong to them.
        unsafe {
            let base = job.panels.add(panel * size);
            match job.tail.requant {
                RequantPath::Mantissas => Depthwise::<MANTISSAS>::new(job, base, panel).any_width(),
                RequantPath::Lanes => Depthwise::<LANES>::new(job, base, panel).any_width(),
                RequantPath::Any => Depthwise::<ANY>::new(job, base, panel).pixels::<0>(),
            }
        }
    }
}

/// Two pairs of interleaved rows of 8 channels: the channels of the first pair in two vectors, then
/// those of the second.
type Pairs = [v128; 4];

/// Panel of a depthwise convolution.
struct Depthwise<'a, const PATH: u8> {
    job: &'a Taps,
    head: Head<PATH>,
    weights: *const v128,
    /// First channel.
    at: usize,
    /// Number of channels that exist.
    left: usize,
}

impl<'a, const PATH: u8> Depthwise<'a, PATH> {
    /// Loads a panel.
    ///
    /// # Safety
    /// The job's panel is at `base`.
    #[inline(always)]
    unsafe fn new(job: &'a Taps, base: *const i8, panel: usize) -> Self {
        let left = (job.channels - panel * PANEL).min(PANEL);
        // SAFETY: the caller's promise.
        unsafe {
            let head = Head::load(base, job.tail);
            let weights = base.add(8 * PANEL).cast();
            Self { job, head, weights, at: panel * PANEL, left }
        }
    }

    /// Computes all pixels with the fastest code for the window and the channels.
    ///
    /// # Safety
    /// Same contract as [`Self::pixels`].
    #[inline(always)]
    unsafe fn any_width(&self) {
        let job = self.job;
        let shared = [job.rows, job.columns] == [3, 3] && job.step < 9;
        // SAFETY: the caller's promise.
        unsafe {
            match (self.left, shared) {
                (PANEL, true) => self.three_by_three::<PANEL>(),
                (PANEL, false) => self.pixels::<PANEL>(),
                (_, true) => self.three_by_three::<0>(),
                (_, false) => self.pixels::<0>(),
            }
        }
    }

    /// Computes all pixels of `LEFT` channels; 0: any number of them.
    ///
    /// # Safety
    /// The job's pointers are valid.
    unsafe fn pixels<const LEFT: usize>(&self) {
        let job = self.job;
        let (columns, per_column) =
            if job.filled { (job.columns, job.rows.div_ceil(2)) } else { (1, job.groups) };
        for pixel in 0..job.pixels {
            let mut acc = self.head.bias;
            for column in 0..columns {
                for part in 0..per_column {
                    let tap = pixel * job.step + column * job.rows + 2 * part;
                    // SAFETY: the caller's promise; there are pointers for whole groups.
                    unsafe {
                        let [a, b] = [tap, tap + 1].map(|tap| self.tap::<LEFT>(tap));
                        self.add(&mut acc, column * per_column + part, interleaved(a, b));
                    }
                }
            }
            // SAFETY: a pixel of the job.
            unsafe { self.finish::<LEFT>(pixel, acc) };
        }
    }

    /// Computes windows of three columns that share columns with adjacent windows; each column is
    /// interleaved once.
    ///
    /// # Safety
    /// Same contract as [`Self::pixels`].
    unsafe fn three_by_three<const LEFT: usize>(&self) {
        let pixels = self.job.pixels;
        let step = self.job.step / 3;
        // SAFETY: the caller's promise; the fourth weight of a column is zero.
        unsafe {
            let mut a = self.column::<LEFT>(0);
            let mut b = self.column::<LEFT>(1);
            for pixel in 0..pixels {
                let c = self.column::<LEFT>(step * pixel + 2);
                let mut acc = self.head.bias;
                for (i, [p, q, r, s]) in [a, b, c].into_iter().enumerate() {
                    self.add(&mut acc, 2 * i, [p, q]);
                    self.add(&mut acc, 2 * i + 1, [r, s]);
                }
                self.finish::<LEFT>(pixel, acc);
                if step == 1 {
                    (a, b) = (b, c);
                } else if pixel + 1 < pixels {
                    (a, b) = (c, self.column::<LEFT>(step * pixel + 3));
                }
            }
        }
    }

    /// Loads the three values of column `i`, interleaved.
    ///
    /// # Safety
    /// The job has that column.
    #[inline(always)]
    unsafe fn column<const LEFT: usize>(&self, i: usize) -> Pairs {
        // SAFETY: the caller's promise.
        let [a, b, c] = unsafe { [0, 1, 2].map(|row| self.tap::<LEFT>(3 * i + row)) };
        let [p, q] = interleaved(a, b);
        let [r, s] = interleaved(c, c);
        [p, q, r, s]
    }

    /// Loads the values under one pointer, widened to 16 bits.
    ///
    /// # Safety
    /// `tap` is a tap of the job.
    #[inline(always)]
    unsafe fn tap<const LEFT: usize>(&self, tap: usize) -> v128 {
        let left = if LEFT > 0 { LEFT } else { self.left };
        // SAFETY: the caller's promise.
        unsafe { load((*self.job.taps.add(tap)).add(self.at), left) }
    }

    /// Adds the products of a group to the accumulators.
    ///
    /// # Safety
    /// The panel has that group.
    #[inline(always)]
    unsafe fn add(&self, acc: &mut [v128; 2], group: usize, pairs: [v128; 2]) {
        for (i, (acc, pairs)) in acc.iter_mut().zip(pairs).enumerate() {
            // SAFETY: the caller's promise.
            let weights = unsafe { v128_load(self.weights.add(2 * group + i)) };
            *acc = i32x4_add(*acc, i32x4_dot_i16x8(pairs, weights));
        }
    }

    /// Requantizes and stores a pixel.
    ///
    /// # Safety
    /// `pixel` is a pixel of the job.
    #[inline(always)]
    unsafe fn finish<const LEFT: usize>(&self, pixel: usize, acc: [v128; 2]) {
        let left = if LEFT > 0 { LEFT } else { self.left };
        // SAFETY: the caller's promise.
        unsafe {
            store(
                self.head.codes(acc),
                self.job.out.add(pixel * self.job.out_stride + self.at),
                left,
            )
        };
    }
}
