//! ARM's DSP extension: Cortex-M4, M7, and every ARMv7-A processor in Thumb, where tests run it.
//!
//! `SMLAD` multiplies two pairs of 16-bit numbers and adds both products to a sum; `SXTB16` widens
//! two bytes of a word to such a pair. Weights lie as bytes, woven so that one word gives a pair to
//! each of two channels; cells are widened once for all channels. `SMMLAR` adds the rounded upper half
//! of a product of 64 bits to the zero point: with a doubled mantissa that is the requantization.

use core::ops::Range;

use offshoot_core::graph::Clamp;
use offshoot_core::quant;

use super::dsp_common::{clamp, is_short, requantize, word_at};
use super::dsp_depthwise;
use super::dsp_tile::{
    PIXELS, Tile, four_pixel_sums, four_pixels, joined_four_pixel_sums, joined_four_pixels,
    joined_one_pixel, joined_one_pixel_sums, one_pixel, one_pixel_sums,
};
use super::dsp_widen::{widen_four, widen_one};
use crate::kernels::job::{Kernel, Rows, Sum, Taps};
use crate::target::{self, Target};

/// Output channels of a panel of rows.
const LANES: usize = 2;

/// Proof that the processor has the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dsp(());

impl Dsp {
    pub fn detect() -> Option<Self> {
        cfg!(target_endian = "little").then_some(Self(()))
    }
}

impl Kernel for Dsp {
    const TARGET: Target = target::CORTEX_M;
    const TILE: usize = PIXELS;
    const SPARE: usize = PIXELS;
    const OWN_CODE: bool = false;
    const LINES: bool = true;

    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; a value of this type proves the extension.
        unsafe { rows(job) }
    }

    unsafe fn taps(self, job: &Taps) {
        // SAFETY: as above.
        unsafe { dsp_depthwise::taps(job) }
    }

    unsafe fn sum(self, job: &Sum) {
        for i in 0..job.len {
            // SAFETY: the caller's promise.
            unsafe {
                let a = i32::from(*job.a.add(i)) * i32::from(job.factors[0]);
                let b = i32::from(*job.b.add(i)) * i32::from(job.factors[1]);
                let sum = a.wrapping_add(b).wrapping_add(job.offset);
                *job.out.add(i) = quant::shift_down(sum, job.shift, job.clamp.lo, job.clamp.hi);
            }
        }
    }
}

/// Computes a convolution of gathered rows.
///
/// # Safety
/// Same contract as [`Kernel::rows`].
unsafe fn rows(job: &Rows) {
    // SAFETY: the caller's promise.
    let (fours, ones) = unsafe { (Blocks::<PIXELS>::new(job), Blocks::<1>::new(job)) };
    let mut pixel = 0;
    while pixel < job.pixels {
        let left = job.pixels - pixel;
        // SAFETY: the caller's promise, for as many pixels as there are.
        unsafe {
            if left >= PIXELS - 1 && job.pixels >= PIXELS {
                // The last tile may begin with a pixel of the one before.
                pixel = pixel.min(job.pixels - PIXELS);
                fours.run(pixel);
                pixel += PIXELS;
            } else {
                ones.run(pixel);
                pixel += 1;
            }
        }
    }
}

/// Blocks of adjacent pixels of a job, 1 or [`PIXELS`] of them.
struct Blocks<'a, const N: usize> {
    job: &'a Rows,
    /// Operands but for panels and result.
    tile: Tile,
    panel_bytes: usize,
    joined: bool,
    short: bool,
}

impl<'a, const N: usize> Blocks<'a, N> {
    /// # Safety
    /// The job has a panel.
    unsafe fn new(job: &'a Rows) -> Self {
        let cells = job.spare.wrapping_add(job.spare.align_offset(4)).cast::<u32>().cast_const();
        let words = job.depth / 2 * N;
        let sixteens = job.depth / 16;
        let tile = Tile {
            cells,
            sixteens: cells.wrapping_add(sixteens * 8 * N),
            end: cells.wrapping_add(words),
            panels: job.panels,
            panels_end: job.panels,
            out: job.out,
            stride: job.out_stride,
            stride3: 3 * job.out_stride,
            zero: job.tail.zero.into(),
            even: usize::from(sixteens.is_multiple_of(2)),
        };
        // The lowest bit of a doubled mantissa is free: it marks weights that could not be joined.
        // SAFETY: the caller's promise.
        let apart = unsafe { word_at(job.panels, LANES) } & 1 != 0;
        let joined = Dsp::ROWS.may_join(job.depth) && !apart;
        let panel_bytes = Dsp::ROWS.panel_bytes(job.depth);
        // Sums are computed of panels that lie anywhere.
        let is_aligned = job.panels.addr().is_multiple_of(4);
        Self { job, tile, panel_bytes, joined, short: is_short(&job.tail) && is_aligned && !apart }
    }

    /// Computes all channels of the pixels from `pixel` on.
    ///
    /// # Safety
    /// The contract of [`Kernel::rows`]; the job has these pixels.
    unsafe fn run(&self, pixel: usize) {
        let job = self.job;
        let pairs = job.channels / LANES;
        let fours = job.depth / 4;
        // SAFETY: the caller's promise: that many cells, panels and channels lie behind the pointers;
        // three bytes of the spare memory are there to align it.
        unsafe {
            let rows = job.cells.add(pixel * job.stride);
            match N {
                1 => widen_one(rows, self.tile.cells.cast_mut(), fours),
                _ => widen_four(rows, job.stride, self.tile.cells.cast_mut(), fours),
            }
            let out = job.out.add(pixel * job.out_stride);
            if self.short {
                self.codes(0..pairs, out, job.out_stride);
                if !job.channels.is_multiple_of(LANES) {
                    self.last_channel(pairs, out);
                }
            } else {
                for pair in 0..pairs {
                    self.sums(pair, LANES, out);
                }
                if !job.channels.is_multiple_of(LANES) {
                    self.sums(pairs, 1, out);
                }
            }
        }
    }

    fn tile(&self, panels: Range<usize>, out: *mut i8, stride: usize) -> Tile {
        let panels_end = self.tile.panels.wrapping_add(panels.end * self.panel_bytes);
        let panels = self.tile.panels.wrapping_add(panels.start * self.panel_bytes);
        Tile { panels, panels_end, out, stride, stride3: 3 * stride, ..self.tile }
    }

    /// Computes whole panels of codes.
    ///
    /// # Safety
    /// The panels exist and are aligned, and room for two codes of each for every pixel.
    unsafe fn codes(&self, panels: Range<usize>, out: *mut i8, stride: usize) {
        if panels.is_empty() {
            return;
        }
        let count = LANES * panels.len();
        let tile = self.tile(panels, out, stride);
        // SAFETY: the caller's promise; widened cells are aligned.
        unsafe {
            match (N, self.joined) {
                (1, false) => one_pixel(&tile),
                (1, true) => joined_one_pixel(&tile),
                (_, false) => four_pixels(&tile),
                (_, true) => joined_four_pixels(&tile),
            }
            if self.job.tail.clamp != Clamp::NONE {
                for pixel in 0..N {
                    clamp(out.add(pixel * stride), count, self.job.tail.clamp);
                }
            }
        }
    }

    /// Computes the last of an odd number of channels, by way of a copy.
    ///
    /// # Safety
    /// The panel exists.
    unsafe fn last_channel(&self, panel: usize, out: *mut i8) {
        let mut codes = [[0i8; LANES]; PIXELS];
        // SAFETY: there is room for the tile in `codes`, and for one channel in the result.
        unsafe {
            self.codes(panel..panel + 1, codes.as_mut_ptr().cast(), LANES);
            for (pixel, code) in codes.iter().enumerate().take(N) {
                *out.add(pixel * self.job.out_stride + LANES * panel) = code[0];
            }
        }
    }

    /// Computes `channels` channels of a panel whose requantization takes all bits.
    ///
    /// # Safety
    /// The panel exists.
    unsafe fn sums(&self, panel: usize, channels: usize, out: *mut i8) {
        let mut sums = [[0i32; LANES]; PIXELS];
        let tile = self.tile(panel..panel + 1, sums.as_mut_ptr().cast(), 0);
        // SAFETY: there is room for the sums of a tile.
        unsafe {
            match (N, self.joined) {
                (1, false) => one_pixel_sums(&tile),
                (1, true) => joined_one_pixel_sums(&tile),
                (_, false) => four_pixel_sums(&tile),
                (_, true) => joined_four_pixel_sums(&tile),
            }
            for (pixel, sums) in sums.iter().enumerate().take(N) {
                let out = out.add(pixel * self.job.out_stride + LANES * panel);
                for (lane, &sum) in sums.iter().enumerate().take(channels) {
                    let mantissa = word_at(tile.panels, LANES + lane);
                    *out.add(lane) = requantize(sum, mantissa, &self.job.tail);
                }
            }
        }
    }
}
