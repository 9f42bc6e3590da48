//! x86-64 with AVX2 and AVX-VNNI: `VPDPBUSD` in registers of 256 bits.
//!
//! Rows are multiplied like those in `avx512_vnni.rs`, activations as `value + 128`;
//! requantization, depthwise taps and sums are those of AVX2.

use core::arch::x86_64::*;
use core::hint::black_box;

use super::avx2_common::{Head, PANEL, store, store_sums};
use super::{avx2, avx2_depthwise};
use crate::kernels::job::{Code, Kernel, Rows, Sum, Taps};
use crate::plan::requant_path::{ANY, LANES, MANTISSAS, RAW, RequantPath};
use crate::target::{self, Target};

/// Proof that the processor has AVX2 and AVX-VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AvxVnni(());

impl AvxVnni {
    pub fn detect() -> Option<Self> {
        #[cfg(feature = "std")]
        let has = std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("avxvnni");
        #[cfg(not(feature = "std"))]
        let has = cfg!(all(target_feature = "avx2", target_feature = "avxvnni"));
        has.then_some(Self(()))
    }
}

impl Kernel for AvxVnni {
    const TARGET: Target = target::AVX_VNNI;
    const TILE: usize = 6;

    #[inline]
    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; `self` proves the instructions.
        unsafe { rows(job) }
    }

    #[inline]
    unsafe fn sums(self, job: &Rows) {
        // SAFETY: as above.
        unsafe { sums(job) }
    }

    #[inline]
    unsafe fn taps(self, job: &Taps) {
        // SAFETY: as above.
        unsafe { avx2_depthwise::taps(job) }
    }

    #[inline]
    unsafe fn sum(self, job: &Sum) {
        // SAFETY: as above.
        unsafe { avx2::sum(job) }
    }

    #[inline]
    fn compiled(self, code: impl Code) {
        #[target_feature(enable = "avx2,avxvnni")]
        fn with(code: impl Code) {
            code.run();
        }
        // SAFETY: `self` proves the instructions.
        unsafe { with(code) }
    }
}

/// Computes a convolution of gathered rows.
///
/// # Safety
/// Same contract as [`Kernel::rows`].
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn rows(job: &Rows) {
    // SAFETY: the caller's promise.
    unsafe {
        match job.tail.requant {
            RequantPath::Mantissas => panels::<MANTISSAS>(job),
            RequantPath::Lanes => panels::<LANES>(job),
            RequantPath::Any => panels::<ANY>(job),
        }
    }
}

/// Computes accumulators of rows.
///
/// # Safety
/// Same contract as [`Kernel::sums`].
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn sums(job: &Rows) {
    // SAFETY: the caller's promise.
    unsafe { panels::<RAW>(job) }
}

/// Computes a convolution of gathered rows by one requantization method.
///
/// # Safety
/// Same contract as [`Kernel::rows`].
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn panels<const PATH: u8>(job: &Rows) {
    let size = AvxVnni::ROWS.panel_bytes(job.groups * 4);
    for panel in 0..job.channels.div_ceil(PANEL) {
        // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers.
        unsafe {
            let base = job.panels.add(panel * size);
            let left = (job.channels - panel * PANEL).min(PANEL);
            let sign = black_box(_mm256_set1_epi8(-128));
            let weights = base.add(8 * PANEL);
            let width = if PATH == RAW { size_of::<i32>() } else { 1 };
            let out = job.out.add(panel * PANEL * width);
            let strip =
                Strip { head: Head::<PATH>::load(base, job.tail), weights, out, left, sign };
            let rest = job.pixels % 6;
            for pixel in (0..job.pixels - rest).step_by(6) {
                strip.tile::<6>(job, pixel);
            }
            match rest {
                5 => strip.tile::<5>(job, job.pixels - 5),
                4 => strip.tile::<4>(job, job.pixels - 4),
                3 => strip.tile::<3>(job, job.pixels - 3),
                2 => strip.tile::<2>(job, job.pixels - 2),
                1 => strip.tile::<1>(job, job.pixels - 1),
                _ => {}
            }
        }
    }
}

/// Panel, computed for all pixels.
struct Strip<const PATH: u8> {
    head: Head<PATH>,
    weights: *const i8,
    out: *mut i8,
    /// Number of channels that exist.
    left: usize,
    /// Sign bit of every byte, opaque to the compiler; see `avx512_vnni.rs`.
    sign: __m256i,
}

impl<const PATH: u8> Strip<PATH> {
    /// Computes `M` pixels times 16 channels.
    ///
    /// # Safety
    /// The job has `M` pixels from `pixel` on.
    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn tile<const M: usize>(&self, job: &Rows, pixel: usize) {
        let mut acc = [self.head.bias; M];
        // SAFETY: a row has `groups` fours of cells, the panel `groups` pairs of registers.
        unsafe {
            let cells = job.cells.add(pixel * job.stride);
            for group in 0..job.groups {
                let w = self.weights.cast::<__m256i>().add(2 * group);
                let w0 = _mm256_loadu_si256(w);
                let w1 = _mm256_loadu_si256(w.add(1));
                for (m, acc) in acc.iter_mut().enumerate() {
                    let four = cells.add(m * job.stride).cast::<i32>().add(group).read_unaligned();
                    let four = _mm256_xor_si256(_mm256_set1_epi32(four), self.sign);
                    acc[0] = _mm256_dpbusd_avx_epi32(acc[0], four, w0);
                    acc[1] = _mm256_dpbusd_avx_epi32(acc[1], four, w1);
                }
            }
            for (m, acc) in acc.into_iter().enumerate() {
                let out = self.out.add((pixel + m) * job.out_stride);
                if PATH == RAW {
                    let low = _mm256_permute2x128_si256::<0x20>(acc[0], acc[1]);
                    let high = _mm256_permute2x128_si256::<0x31>(acc[0], acc[1]);
                    store_sums([low, high], out, self.left);
                } else {
                    store(self.head.codes(acc), out, self.left);
                }
            }
        }
    }
}
