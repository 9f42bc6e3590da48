//! Depthwise convolution with widening multiplies, for every aarch64 processor.
//!
//! Two products of 8 bits are summed in 16, then added to 32: four instructions for 16 channels and
//! two taps halve by half, against six if codes are widened first.

use core::arch::aarch64::*;

use super::job::Taps;
use super::neon_common::{Head, has_extreme, load, store};
use crate::pack::Layout;

/// Channels of a panel.
pub(super) const LANES: usize = 16;

/// Weights lie tap by tap.
pub(super) const LAYOUT: Layout =
    Layout { lanes: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], group: 1, wide: false };

/// # Safety
/// As [`Kernel::taps`](super::job::Kernel::taps).
#[target_feature(enable = "neon")]
pub(super) unsafe fn taps(job: &Taps) {
    for panel in 0..job.channels.div_ceil(LANES) {
        // SAFETY: the caller's promise: the panels belong to the channels.
        unsafe {
            Panel::new(job, panel).run(job);
        }
    }
}

/// 16 channels of a job.
pub(super) struct Panel {
    pub head: Head<4>,
    pub weights: *const i8,
    /// Of 16 channels those that exist.
    pub left: usize,
    /// The first of them.
    pub channel: usize,
}

impl Panel {
    /// # Safety
    /// The job has that panel.
    #[target_feature(enable = "neon")]
    pub unsafe fn new(job: &Taps, panel: usize) -> Self {
        let channel = panel * LANES;
        // SAFETY: the caller's promise.
        unsafe {
            let base = job.panels.add(panel * LAYOUT.panel_bytes(job.groups));
            let head = Head::load(base, job.tail);
            Self { head, weights: base.add(8 * LANES), left: (job.channels - channel).min(LANES), channel }
        }
    }

    /// # Safety
    /// As [`taps`].
    #[target_feature(enable = "neon")]
    pub unsafe fn run(&self, job: &Taps) {
        // SAFETY: the caller's promise.
        unsafe {
            match (has_extreme(self.weights, job.groups), self.left) {
                (true, _) => self.any::<false, true>(job),
                (_, LANES) if job.groups == 9 => self.nine(job),
                (_, LANES) => self.any::<true, false>(job),
                _ => self.any::<false, false>(job),
            }
        }
    }

    /// Any window; `EXTREME` if two products may not fit 16 bits.
    ///
    /// # Safety
    /// As [`taps`]; `FULL` only if there are 16 channels.
    #[target_feature(enable = "neon")]
    unsafe fn any<const FULL: bool, const EXTREME: bool>(&self, job: &Taps) {
        let left = if FULL { LANES } else { self.left };
        for pixel in 0..job.pixels {
            // SAFETY: the caller's promise.
            unsafe {
                let taps = job.taps.add(pixel * job.step);
                let mut acc = self.head.bias;
                for tap in (0..job.groups).step_by(2) {
                    let x = load((*taps.add(tap)).add(self.channel), left);
                    let w = vld1q_s8(self.weights.add(LANES * tap));
                    let mut low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
                    let mut high = vmull_high_s8(x, w);
                    if tap + 1 < job.groups {
                        let x = load((*taps.add(tap + 1)).add(self.channel), left);
                        let w = vld1q_s8(self.weights.add(LANES * (tap + 1)));
                        if EXTREME {
                            add(&mut acc, low, high);
                            low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
                            high = vmull_high_s8(x, w);
                        } else {
                            low = vmlal_s8(low, vget_low_s8(x), vget_low_s8(w));
                            high = vmlal_high_s8(high, x, w);
                        }
                    }
                    add(&mut acc, low, high);
                }
                self.finish(job, pixel, acc, left);
            }
        }
    }

    /// Nine taps with their weights in registers.
    ///
    /// # Safety
    /// As [`taps`]; there are nine taps and 16 channels.
    #[target_feature(enable = "neon")]
    unsafe fn nine(&self, job: &Taps) {
        // SAFETY: the caller's promise.
        unsafe {
            let w: [int8x16_t; 9] = core::array::from_fn(|i| vld1q_s8(self.weights.add(LANES * i)));
            for pixel in 0..job.pixels {
                let taps = job.taps.add(pixel * job.step);
                let x = |i: usize| vld1q_s8((*taps.add(i)).add(self.channel));
                let mut acc = self.head.bias;
                for i in [0, 2, 4, 6] {
                    let (a, b) = (x(i), x(i + 1));
                    let low = vmull_s8(vget_low_s8(a), vget_low_s8(w[i]));
                    let high = vmull_high_s8(a, w[i]);
                    let low = vmlal_s8(low, vget_low_s8(b), vget_low_s8(w[i + 1]));
                    add(&mut acc, low, vmlal_high_s8(high, b, w[i + 1]));
                }
                let a = x(8);
                add(&mut acc, vmull_s8(vget_low_s8(a), vget_low_s8(w[8])), vmull_high_s8(a, w[8]));
                self.finish(job, pixel, acc, LANES);
            }
        }
    }

    /// # Safety
    /// As [`taps`].
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn finish(&self, job: &Taps, pixel: usize, acc: [int32x4_t; 4], left: usize) {
        let codes = self.head.codes(acc, self.head.mantissa);
        // SAFETY: the caller's promise: the pixel has these channels.
        unsafe { store(codes, job.out.add(pixel * job.out_stride + self.channel), left) };
    }
}

/// Sums of 16 bits to those of 32.
#[inline]
#[target_feature(enable = "neon")]
fn add(acc: &mut [int32x4_t; 4], low: int16x8_t, high: int16x8_t) {
    acc[0] = vaddw_s16(acc[0], vget_low_s16(low));
    acc[1] = vaddw_high_s16(acc[1], low);
    acc[2] = vaddw_s16(acc[2], vget_low_s16(high));
    acc[3] = vaddw_high_s16(acc[3], high);
}
