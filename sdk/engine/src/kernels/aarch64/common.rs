//! Code that the aarch64 kernels share: requantization, sums, partial vectors, copies.

use core::arch::aarch64::*;

use crate::kernels::job::{Sum, Tail};

/// Defines the proof of an aarch64 instruction set and its kernel: rows, their accumulators and taps
/// differ, sums of feature maps and gathering are the same for all.
macro_rules! kernel {
    ($name:ident: $($feature:tt)&&+, $target:expr, tile $tile:literal, grain $grain:literal,
     $rows:path, $taps:path $(, $sums:path)?) => {
        /// Proof that the processor has these instructions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name(());

        impl $name {
            pub fn detect() -> Option<Self> {
                #[cfg(feature = "std")]
                let has = $(std::arch::is_aarch64_feature_detected!($feature))&&+;
                #[cfg(not(feature = "std"))]
                let has = cfg!(all($(target_feature = $feature),+));
                // Big-endian processors number lanes in reverse.
                (has && cfg!(target_endian = "little")).then_some(Self(()))
            }
        }

        impl $crate::kernels::job::Kernel for $name {
            const TARGET: $crate::target::Target = $target;
            const TILE: usize = $tile;
            const GRAIN: usize = $grain;

            #[inline]
            unsafe fn rows(self, job: &$crate::kernels::job::Rows) {
                // SAFETY: the caller's promise; `self` proves the instructions.
                unsafe { $rows(job) }
            }

            $(#[inline]
            unsafe fn sums(self, job: &$crate::kernels::job::Rows) {
                // SAFETY: as above.
                unsafe { $sums(job) }
            })?

            #[inline]
            unsafe fn taps(self, job: &$crate::kernels::job::Taps) {
                // SAFETY: as above.
                unsafe { $taps(job) }
            }

            #[inline]
            unsafe fn sum(self, job: &$crate::kernels::job::Sum) {
                // SAFETY: as above; all of them imply NEON.
                unsafe { $crate::kernels::aarch64::common::sum(job) }
            }

            #[inline]
            fn look_up(self, table: &[i8; 256], codes: &mut [i8]) {
                // SAFETY: as above.
                unsafe { $crate::kernels::aarch64::common::look_up(table, codes) }
            }
        }
    };
}
pub(crate) use kernel;

/// Bytes of rows per block, by which all panels are multiplied: it stays in the first-level cache.
const BLOCK_BYTES: usize = 24 << 10;

/// Returns the pixels of such a block, in whole tiles.
pub(crate) fn block(stride: usize, tile: usize) -> usize {
    (BLOCK_BYTES / stride / tile).max(1) * tile
}

/// Head of a panel and tail of the layer as the tiles read them: `N` registers of biases.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Head<const N: usize> {
    pub bias: [int32x4_t; N],
    pub mantissa: [int32x4_t; N],
    /// Zero point of the output.
    pub zero: int16x8_t,
    pub lo: int8x16_t,
    pub hi: int8x16_t,
    pub shift: int32x4_t,
    /// Bit 0: shift other than 0. Bit 1: clamp narrower than the int8 range. Bit 2, which
    /// is looked at beside bit 0 alone: accumulators are the result.
    pub flags: u32,
}

/// Bit of [`Head::flags`].
pub(crate) const SHIFTS: u32 = 1;
pub(crate) const CLAMPS: u32 = 2;
pub(crate) const RAW: u32 = 4;

impl<const N: usize> Head<N> {
    #[target_feature(enable = "neon")]
    pub fn new(bias: [int32x4_t; N], mantissa: [int32x4_t; N], tail: Tail) -> Self {
        let clamps = tail.clamp.lo > i8::MIN || tail.clamp.hi < i8::MAX;
        Self {
            bias,
            mantissa,
            zero: vdupq_n_s16(tail.zero.into()),
            lo: vdupq_n_s8(tail.clamp.lo),
            hi: vdupq_n_s8(tail.clamp.hi),
            shift: vdupq_n_s32(tail.shift.into()),
            flags: if tail.shift > 0 { SHIFTS } else { 0 } | if clamps { CLAMPS } else { 0 },
        }
    }

    /// Loads the head of the panel at `panel`: `4 * N` biases, `4 * N` mantissas.
    ///
    /// # Safety
    /// A panel of `4 * N` lanes begins there.
    #[target_feature(enable = "neon")]
    pub unsafe fn load(panel: *const i8, tail: Tail) -> Self {
        let words = panel.cast::<i32>();
        let mut bias = [vdupq_n_s32(0); N];
        let mut mantissa = [vdupq_n_s32(0); N];
        for i in 0..N {
            // SAFETY: the caller's promise.
            (bias[i], mantissa[i]) =
                unsafe { (vld1q_s32(words.add(4 * i)), vld1q_s32(words.add(4 * (N + i)))) };
        }
        Self::new(bias, mantissa, tail)
    }

    /// Requantizes 16 accumulators with the given mantissas.
    #[inline]
    #[target_feature(enable = "neon")]
    pub fn codes(&self, mut acc: [int32x4_t; 4], mantissa: [int32x4_t; 4]) -> int8x16_t {
        if self.flags & SHIFTS != 0 {
            acc = acc.map(|a| vqshlq_s32(a, self.shift));
        }
        for (a, m) in acc.iter_mut().zip(mantissa) {
            *a = vqrdmulhq_s32(*a, m);
        }
        // Intermediate saturation changes nothing: results are clamped to a narrower range.
        let low = vqmovn_high_s32(vqmovn_s32(acc[0]), acc[1]);
        let high = vqmovn_high_s32(vqmovn_s32(acc[2]), acc[3]);
        let codes =
            vqmovn_high_s16(vqmovn_s16(vqaddq_s16(low, self.zero)), vqaddq_s16(high, self.zero));
        if self.flags & CLAMPS != 0 { vminq_s8(vmaxq_s8(codes, self.lo), self.hi) } else { codes }
    }
}

/// Stores the first `count` of 16 values.
///
/// # Safety
/// `out` has room for them.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) unsafe fn store(codes: int8x16_t, out: *mut i8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if count == 16 {
            vst1q_s8(out, codes);
        } else {
            let mut bytes = [0i8; 16];
            vst1q_s8(bytes.as_mut_ptr(), codes);
            out.copy_from_nonoverlapping(bytes.as_ptr(), count);
        }
    }
}

/// Loads the first `count` of 16 values; the rest are zeros.
///
/// # Safety
/// `codes` holds `count` values.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) unsafe fn load(codes: *const i8, count: usize) -> int8x16_t {
    // SAFETY: the caller's promise.
    unsafe {
        if count == 16 {
            return vld1q_s8(codes);
        }
        let mut bytes = [0i8; 16];
        bytes.as_mut_ptr().copy_from_nonoverlapping(codes, count);
        vld1q_s8(bytes.as_ptr())
    }
}

/// True if -128 is among `vectors` times 16 weights: then two products may not fit 16 bits.
///
/// # Safety
/// `weights` points to `vectors` times 16 weights.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) unsafe fn has_extreme(weights: *const i8, vectors: usize) -> bool {
    let mut least = vdupq_n_s8(0);
    for i in 0..vectors {
        // SAFETY: the caller's promise.
        least = vminq_s8(least, unsafe { vld1q_s8(weights.add(16 * i)) });
    }
    vminvq_s8(least) == i8::MIN
}

/// Adds two feature maps.
///
/// # Safety
/// Same contract as [`Kernel::sum`](crate::kernels::job::Kernel::sum).
#[target_feature(enable = "neon")]
pub(crate) unsafe fn sum(job: &Sum) {
    let [fa, fb] = job.factors;
    let offset = vdupq_n_s32(job.offset);
    let shift = vdupq_n_s32(-i32::from(job.shift));
    let lo = vdupq_n_s8(job.clamp.lo);
    let hi = vdupq_n_s8(job.clamp.hi);
    for at in (0..job.len).step_by(16) {
        let left = (job.len - at).min(16);
        // SAFETY: `at + left <= len`; an operand that is the result is read before it is written.
        unsafe {
            let a = load(job.a.add(at), left);
            let b = load(job.b.add(at), left);
            let half = |a: int16x8_t, b: int16x8_t| {
                let low =
                    vmlal_n_s16(vmlal_n_s16(offset, vget_low_s16(a), fa), vget_low_s16(b), fb);
                let high = vmlal_high_n_s16(vmlal_high_n_s16(offset, a, fa), b, fb);
                vqmovn_high_s32(vqmovn_s32(vshlq_s32(low, shift)), vshlq_s32(high, shift))
            };
            let low = half(vmovl_s8(vget_low_s8(a)), vmovl_s8(vget_low_s8(b)));
            let high = half(vmovl_high_s8(a), vmovl_high_s8(b));
            let codes = vqmovn_high_s16(vqmovn_s16(low), high);
            store(vminq_s8(vmaxq_s8(codes, lo), hi), job.out.add(at), left);
        }
    }
}

/// Looks up in four parts of 64 entries; one of them has the entry, the others leave the result.
#[target_feature(enable = "neon")]
pub(crate) fn look_up(table: &[i8; 256], codes: &mut [i8]) {
    let quarter = |i: usize| {
        let (part, _) = table[64 * i..].as_chunks::<64>();
        // SAFETY: 64 entries.
        unsafe { vld1q_u8_x4(part[0].as_ptr().cast()) }
    };
    let quarters = [0, 1, 2, 3].map(quarter);
    let (blocks, rest) = codes.as_chunks_mut::<16>();
    for block in blocks {
        // SAFETY: 16 codes.
        unsafe {
            // The table begins with -128.
            let mut x = veorq_u8(vld1q_u8(block.as_ptr().cast()), vdupq_n_u8(0x80));
            let mut y = vqtbl4q_u8(quarters[0], x);
            for quarter in &quarters[1..] {
                x = vsubq_u8(x, vdupq_n_u8(64));
                y = vqtbx4q_u8(y, *quarter, x);
            }
            vst1q_u8(block.as_mut_ptr().cast(), y);
        }
    }
    crate::kernels::job::look_up(table, rest);
}
