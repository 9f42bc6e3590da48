//! Depthwise convolution with widening multiplies, for every aarch64 processor.
//!
//! Two products of 8 bits are summed in 16 bits, then added to 32 bits: four instructions for 16
//! channels and two taps, half by half, against six if values are widened first.

use core::arch::aarch64::*;
use core::arch::asm;

use super::common::{Head, has_extreme, load, store};
use crate::kernels::job::Taps;
use crate::pack::Layout;
use crate::target;

/// Channels of a panel.
pub(crate) const LANES: usize = 16;

/// Layout of the weights: tap by tap.
const LAYOUT: Layout = target::NEON.taps;

/// Computes depthwise windows.
///
/// # Safety
/// Same contract as [`Kernel::taps`](crate::kernels::job::Kernel::taps).
#[target_feature(enable = "neon")]
pub(crate) unsafe fn taps(job: &Taps) {
    for panel in 0..job.channels.div_ceil(LANES) {
        // SAFETY: the caller's promise: the panels belong to the channels.
        unsafe {
            Panel::new(job, panel).run(job);
        }
    }
}

/// Panel of a job: 16 channels.
pub(crate) struct Panel {
    pub head: Head<4>,
    pub weights: *const i8,
    /// Number of the 16 channels that exist.
    pub left: usize,
    /// First channel.
    pub channel: usize,
}

impl Panel {
    /// Returns a panel of a job.
    ///
    /// # Safety
    /// The job has that panel.
    #[target_feature(enable = "neon")]
    pub unsafe fn new(job: &Taps, panel: usize) -> Self {
        let channel = panel * LANES;
        // SAFETY: the caller's promise.
        unsafe {
            let base = job.panels.add(panel * LAYOUT.panel_bytes(job.groups));
            let head = Head::load(base, job.tail);
            Self {
                head,
                weights: base.add(8 * LANES),
                left: (job.channels - channel).min(LANES),
                channel,
            }
        }
    }

    /// Computes all pixels.
    ///
    /// # Safety
    /// Same contract as [`taps`].
    #[target_feature(enable = "neon")]
    pub unsafe fn run(&self, job: &Taps) {
        // SAFETY: the caller's promise.
        unsafe {
            match (has_extreme(self.weights, job.groups), self.left) {
                (true, _) => self.any::<false, true>(job),
                (_, LANES) if job.groups == 9 && job.step == 3 => step_of_one(self, job),
                (_, LANES) if job.groups == 9 && job.step == 6 => step_of_two(self, job),
                (_, LANES) => self.any::<true, false>(job),
                _ => self.any::<false, false>(job),
            }
        }
    }

    /// Computes any window; `EXTREME` if two products may not fit 16 bits.
    ///
    /// # Safety
    /// Same contract as [`taps`]; `FULL` only if there are 16 channels.
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

    /// Requantizes and stores a pixel.
    ///
    /// # Safety
    /// Same contract as [`taps`].
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn finish(&self, job: &Taps, pixel: usize, acc: [int32x4_t; 4], left: usize) {
        let codes = self.head.codes(acc, self.head.mantissa);
        // SAFETY: the caller's promise: the pixel has these channels.
        unsafe { store(codes, job.out.add(pixel * job.out_stride + self.channel), left) };
    }
}

/// Adds sums of 16 bits to those of 32 bits.
#[inline]
#[target_feature(enable = "neon")]
fn add(acc: &mut [int32x4_t; 4], low: int16x8_t, high: int16x8_t) {
    acc[0] = vaddw_s16(acc[0], vget_low_s16(low));
    acc[1] = vaddw_high_s16(acc[1], low);
    acc[2] = vaddw_s16(acc[2], vget_low_s16(high));
    acc[3] = vaddw_high_s16(acc[3], high);
}

/// Loads the next column of three pixels.
macro_rules! column {
    ($x:literal, $y:literal, $z:literal) => {
        concat!(
            "ldp {a}, {b}, [{taps}], #16\n ldr {c}, [{taps}], #8\n",
            "ldr q",
            $x,
            ", [{a}, {channel}]\n",
            "ldr q",
            $y,
            ", [{b}, {channel}]\n",
            "ldr q",
            $z,
            ", [{c}, {channel}]\n",
        )
    };
}

/// Multiplies 16 channels into two registers: register of the values, of the weights.
macro_rules! multiply {
    ($kind:literal, $low:literal, $high:literal, $x:literal, $w:literal) => {
        concat!(
            "s", $kind, " v", $low, ".8h, v", $x, ".8b, v", $w, ".8b\n", "s", $kind, "2 v", $high,
            ".8h, v", $x, ".16b, v", $w, ".16b\n",
        )
    };
}

/// Adds 16 channels in two registers to the sums in four registers, or to the biases.
macro_rules! add {
    ($low:literal, $high:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "saddw v18.4s, v",
            $a,
            ".4s, v",
            $low,
            ".4h\n",
            "saddw2 v19.4s, v",
            $b,
            ".4s, v",
            $low,
            ".8h\n",
            "saddw v20.4s, v",
            $c,
            ".4s, v",
            $high,
            ".4h\n",
            "saddw2 v21.4s, v",
            $d,
            ".4s, v",
            $high,
            ".8h\n",
        )
    };
}

/// Computes the window whose nine taps lie in the given registers.
macro_rules! pixel {
    ($a:literal, $b:literal, $c:literal, $d:literal, $e:literal, $f:literal, $g:literal, $h:literal,
     $i:literal) => {
        concat!(
            multiply!("mull", 22, 23, $a, 9),
            multiply!("mull", 24, 25, $c, 11),
            multiply!("mull", 26, 27, $e, 13),
            multiply!("mlal", 22, 23, $b, 10),
            multiply!("mlal", 24, 25, $d, 12),
            multiply!("mlal", 26, 27, $f, 14),
            add!(22, 23, 28, 29, 30, 31),
            multiply!("mull", 22, 23, $g, 15),
            add!(24, 25, 18, 19, 20, 21),
            multiply!("mull", 24, 25, $i, 17),
            add!(26, 27, 18, 19, 20, 21),
            multiply!("mlal", 22, 23, $h, 16),
            "ldp q26, q27, [{head}, #64]\n",
            add!(24, 25, 18, 19, 20, 21),
            "ldp q24, q25, [{head}, #96]\n",
            add!(22, 23, 18, 19, 20, 21),
            "tbz {flags:w}, #0, 20f\n",
            "ldr q22, [{head}, #176]\n",
            "sqshl v18.4s, v18.4s, v22.4s\n",
            "sqshl v19.4s, v19.4s, v22.4s\n",
            "sqshl v20.4s, v20.4s, v22.4s\n",
            "sqshl v21.4s, v21.4s, v22.4s\n",
            "20:\n",
            "ldr q22, [{head}, #128]\n",
            "sqrdmulh v18.4s, v18.4s, v26.4s\n",
            "sqrdmulh v19.4s, v19.4s, v27.4s\n",
            "sqrdmulh v20.4s, v20.4s, v24.4s\n",
            "sqrdmulh v21.4s, v21.4s, v25.4s\n",
            "sqxtn v18.4h, v18.4s\n",
            "sqxtn v20.4h, v20.4s\n",
            "sqxtn2 v18.8h, v19.4s\n",
            "sqxtn2 v20.8h, v21.4s\n",
            "sqadd v18.8h, v18.8h, v22.8h\n",
            "sqadd v20.8h, v20.8h, v22.8h\n",
            "sqxtn v18.8b, v18.8h\n",
            "sqxtn2 v18.16b, v20.8h\n",
            "tbz {flags:w}, #1, 21f\n",
            "ldp q22, q23, [{head}, #144]\n",
            "smax v18.16b, v18.16b, v22.16b\n",
            "smin v18.16b, v18.16b, v23.16b\n",
            "21:\n",
            "subs {pixels}, {pixels}, #1\n",
            "st1 {{v18.16b}}, [{out}], {out_stride}\n",
        )
    };
}

/// Computes a whole row of pixels, with weights and biases in registers.
macro_rules! row {
    ($panel:ident, $job:ident, $($body:expr),+ $(,)?) => {
        asm!(
            "ldp q28, q29, [{head}]",
            "ldp q30, q31, [{head}, #32]",
            "ldp q9, q10, [{a}]",
            "ldp q11, q12, [{a}, #32]",
            "ldp q13, q14, [{a}, #64]",
            "ldp q15, q16, [{a}, #96]",
            "ldr q17, [{a}, #128]",
            $($body,)+
            head = in(reg) &raw const $panel.head,
            flags = in(reg) $panel.head.flags,
            channel = in(reg) $panel.channel,
            taps = inout(reg) $job.taps => _,
            pixels = inout(reg) $job.pixels => _,
            out = inout(reg) $job.out.add($panel.channel) => _,
            out_stride = in(reg) $job.out_stride,
            a = inout(reg) $panel.weights => _,
            b = out(reg) _,
            c = out(reg) _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
            out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
            out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _,
            out("v20") _, out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _,
            out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nostack),
        )
    };
}

/// Computes windows of 3 x 3 one column apart: two of three columns stay in registers.
///
/// # Safety
/// Same contract as [`taps`], with nine taps, pixels three pointers apart, and no two products too
/// large.
#[target_feature(enable = "neon")]
unsafe fn step_of_one(panel: &Panel, job: &Taps) {
    // SAFETY: the caller's promise: `pixels + 2` columns of three pointers, to 16 codes each.
    unsafe {
        row!(
            panel,
            job,
            column!(0, 1, 2),
            column!(3, 4, 5),
            "2:",
            column!(6, 7, 8),
            pixel!(0, 1, 2, 3, 4, 5, 6, 7, 8),
            "b.eq 3f",
            column!(0, 1, 2),
            pixel!(3, 4, 5, 6, 7, 8, 0, 1, 2),
            "b.eq 3f",
            column!(3, 4, 5),
            pixel!(6, 7, 8, 0, 1, 2, 3, 4, 5),
            "b.ne 2b",
            "3:",
        );
    }
}

/// Computes windows of 3 x 3 two columns apart: one of three columns stays in registers.
///
/// # Safety
/// Same contract as [`taps`], with nine taps, pixels six pointers apart, and no two products too
/// large.
#[target_feature(enable = "neon")]
unsafe fn step_of_two(panel: &Panel, job: &Taps) {
    // SAFETY: the caller's promise: `2 * pixels + 1` columns of three pointers, to 16 codes each.
    unsafe {
        row!(
            panel,
            job,
            column!(0, 1, 2),
            "2:",
            column!(3, 4, 5),
            column!(6, 7, 8),
            pixel!(0, 1, 2, 3, 4, 5, 6, 7, 8),
            "b.eq 3f",
            column!(0, 1, 2),
            column!(3, 4, 5),
            pixel!(6, 7, 8, 0, 1, 2, 3, 4, 5),
            "b.eq 3f",
            column!(6, 7, 8),
            column!(0, 1, 2),
            pixel!(3, 4, 5, 6, 7, 8, 0, 1, 2),
            "b.ne 2b",
            "3:",
        );
    }
}
