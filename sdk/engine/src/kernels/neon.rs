//! aarch64 with baseline NEON: Cortex-A53, A57, A72.
//!
//! Codes are multiplied as they are. `SMULL` and `SMLAL2` leave sums of two products in 16 bits,
//! `SADALP` adds neighbours to 32: three instructions for 16 products. Two products fit 16 bits
//! unless both weights are -128, which the converter never writes; panels that hold it are
//! multiplied without the sum in 16 bits.

use core::arch::aarch64::*;

use super::job::{Kernel, Pieces, Rows, Sum, Taps};
use super::neon_common::{Head, block, copy, has_extreme, pieces, sum};
use super::neon_taps;
use crate::pack::Layout;

/// Output channels of a panel: one register.
const LANES: usize = 4;

/// Products that three instructions add up.
const GROUP: usize = 16;

const LAYOUT: Layout = Layout { lanes: &[0, 1, 2, 3], group: GROUP, wide: false };

/// Proof that the processor has NEON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Neon(());

impl Neon {
    pub fn detect() -> Option<Self> {
        #[cfg(feature = "std")]
        let has = std::arch::is_aarch64_feature_detected!("neon");
        #[cfg(not(feature = "std"))]
        let has = cfg!(target_feature = "neon");
        // Lanes are numbered the other way round on the few that are big-endian.
        (has && cfg!(target_endian = "little")).then_some(Self(()))
    }
}

impl Kernel for Neon {
    const ROWS: Layout = LAYOUT;
    const TAPS: Layout = neon_taps::LAYOUT;
    const TILE: usize = 4;
    const GRAIN: usize = 8;

    #[inline]
    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; `self` proves NEON.
        unsafe { rows(job) }
    }

    #[inline]
    unsafe fn taps(self, job: &Taps) {
        // SAFETY: as above.
        unsafe { neon_taps::taps(job) }
    }

    #[inline]
    unsafe fn sum(self, job: &Sum) {
        // SAFETY: as above.
        unsafe { sum(job) }
    }

    #[inline]
    fn widen(self, codes: &[i8], cells: &mut [i8]) {
        copy(codes, cells);
    }

    #[inline]
    unsafe fn pieces(self, job: &Pieces) {
        // SAFETY: the caller's promise.
        unsafe { pieces(job) }
    }
}

/// # Safety
/// As [`Kernel::rows`].
#[target_feature(enable = "neon")]
unsafe fn rows(job: &Rows) {
    let panel_bytes = LAYOUT.panel_bytes(job.groups * GROUP);
    let block = block(job.stride, 4);
    for start in (0..job.pixels).step_by(block) {
        let pixels = block.min(job.pixels - start);
        for panel in 0..job.channels.div_ceil(LANES) {
            // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers.
            unsafe {
                let base = job.panels.add(panel * panel_bytes);
                let left = (job.channels - panel * LANES).min(LANES);
                let tiles = Tiles {
                    head: Head::load(base, job.tail),
                    weights: base.add(8 * LANES),
                    cells: job.cells.add(start * job.stride),
                    out: job.out.add(start * job.out_stride + panel * LANES),
                    left,
                };
                if has_extreme(tiles.weights, job.groups * LANES) {
                    tiles.run::<true>(job, pixels);
                } else {
                    tiles.run::<false>(job, pixels);
                }
            }
        }
    }
}

/// The pixels of a panel.
struct Tiles {
    head: Head<1>,
    weights: *const i8,
    cells: *const i8,
    out: *mut i8,
    left: usize,
}

impl Tiles {
    /// # Safety
    /// `pixels` rows lie behind `cells`, as many pixels of `left` channels behind `out`.
    #[target_feature(enable = "neon")]
    unsafe fn run<const EXTREME: bool>(mut self, job: &Rows, mut pixels: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            while pixels >= 4 {
                self.tile::<4, EXTREME>(job);
                pixels -= 4;
            }
            match pixels {
                3 => self.tile::<3, EXTREME>(job),
                2 => self.tile::<2, EXTREME>(job),
                1 => self.tile::<1, EXTREME>(job),
                _ => {}
            }
        }
    }

    /// `M` pixels times 4 channels; moves on.
    ///
    /// # Safety
    /// As [`Tiles::run`], with `M` pixels.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn tile<const M: usize, const EXTREME: bool>(&mut self, job: &Rows) {
        // SAFETY: the caller's promise; rows have `depth` cells, a multiple of 8.
        unsafe {
            let rows: [*const i8; M] = core::array::from_fn(|m| self.cells.add(m * job.stride));
            let whole = job.depth / GROUP * GROUP;
            let mut acc = [[vdupq_n_s32(0); LANES]; M];
            if whole > 0 {
                group::<M, EXTREME, true>(&mut acc, rows, self.weights);
            }
            for at in (GROUP..whole).step_by(GROUP) {
                group::<M, EXTREME, false>(&mut acc, rows.map(|r| r.add(at)), self.weights.add(at * LANES));
            }
            if job.depth > whole {
                half_group(&mut acc, rows.map(|r| r.add(whole)), self.weights.add(whole * LANES));
            }
            let mut sums = [vdupq_n_s32(0); 4];
            for (sum, [a, b, c, d]) in sums.iter_mut().zip(acc) {
                *sum = vaddq_s32(vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)), self.head.bias[0]);
            }
            let codes = vreinterpretq_s32_s8(self.head.codes(sums, [self.head.mantissa[0]; 4]));
            let mut words = [0i32; 4];
            vst1q_s32(words.as_mut_ptr(), codes);
            if self.left == LANES {
                let out = |m: usize| self.out.add(m * job.out_stride).cast::<[u8; 4]>();
                out(0).write(vgetq_lane_s32::<0>(codes).to_ne_bytes());
                if M > 1 {
                    out(1).write(vgetq_lane_s32::<1>(codes).to_ne_bytes());
                }
                if M > 2 {
                    out(2).write(vgetq_lane_s32::<2>(codes).to_ne_bytes());
                }
                if M > 3 {
                    out(3).write(vgetq_lane_s32::<3>(codes).to_ne_bytes());
                }
            } else {
                for (m, word) in words.iter().enumerate().take(M) {
                    let bytes = word.to_ne_bytes();
                    let out = self.out.add(m * job.out_stride).cast::<u8>();
                    out.copy_from_nonoverlapping(bytes.as_ptr(), self.left);
                }
            }
            self.cells = self.cells.add(M * job.stride);
            self.out = self.out.wrapping_add(M * job.out_stride);
        }
    }
}

/// 16 products of every pixel and channel; the first ones if `FIRST`.
///
/// # Safety
/// 16 cells lie behind `rows`, as many weights of each channel behind `weights`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn group<const M: usize, const EXTREME: bool, const FIRST: bool>(
    acc: &mut [[int32x4_t; LANES]; M],
    rows: [*const i8; M],
    weights: *const i8,
) {
    // SAFETY: the caller's promise.
    let x = rows.map(|row| unsafe { vld1q_s8(row) });
    for c in 0..LANES {
        // SAFETY: the caller's promise.
        let w = unsafe { vld1q_s8(weights.add(GROUP * c)) };
        let low = x.map(|x| vmull_s8(vget_low_s8(x), vget_low_s8(w)));
        for ((acc, x), low) in acc.iter_mut().zip(x).zip(low) {
            let mut pairs = vmlal_high_s8(low, x, w);
            if EXTREME {
                acc[c] = if FIRST { vpaddlq_s16(low) } else { vpadalq_s16(acc[c], low) };
                pairs = vmull_high_s8(x, w);
            }
            acc[c] = if FIRST && !EXTREME { vpaddlq_s16(pairs) } else { vpadalq_s16(acc[c], pairs) };
        }
    }
}

/// 8 products of every pixel and channel, the last ones.
///
/// # Safety
/// 8 cells lie behind `rows`, 16 weights of each channel behind `weights`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn half_group<const M: usize>(
    acc: &mut [[int32x4_t; LANES]; M],
    rows: [*const i8; M],
    weights: *const i8,
) {
    // SAFETY: the caller's promise.
    let x = rows.map(|row| unsafe { vld1_s8(row) });
    for c in 0..LANES {
        // SAFETY: the caller's promise.
        let w = unsafe { vld1_s8(weights.add(GROUP * c)) };
        for (acc, x) in acc.iter_mut().zip(x) {
            acc[c] = vpadalq_s16(acc[c], vmull_s8(x, w));
        }
    }
}
