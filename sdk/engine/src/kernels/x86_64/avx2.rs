//! x86-64 with AVX2.
//!
//! Activations and weights are widened to 16 bits: `VPMADDWD` adds two products without overflow
//! and issues twice a cycle, which reaches 32 multiply-accumulates a cycle; `VPMADDUBSW` would
//! saturate with weights of 8 bits and needs a third instruction.

use core::arch::x86_64::*;

use super::avx2_common::{Head, PANEL, load, store};
use super::{avx2_depthwise, avx2_sums};
use crate::kernels::job::{Code, Kernel, Rows, Sum, Taps};
use crate::pack::Layout;
use crate::plan::requant_path::{ANY, LANES, MANTISSAS, RequantPath};
use crate::target::{self, Target};

const LAYOUT: Layout = target::AVX2.rows;

/// Proof that the processor has AVX2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        #[cfg(feature = "std")]
        let has = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(feature = "std"))]
        let has = cfg!(target_feature = "avx2");
        has.then_some(Self(()))
    }
}

impl Kernel for Avx2 {
    const TARGET: Target = target::AVX2;
    const TILE: usize = 6;

    #[inline]
    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; `self` proves AVX2.
        unsafe { rows(job) }
    }

    const SUMS_SPARE: usize = avx2_sums::SPARE;

    #[inline]
    unsafe fn sums(self, job: &Rows) {
        // SAFETY: the caller's promise; `self` proves AVX2.
        unsafe { avx2_sums::sums(job) }
    }

    #[inline]
    unsafe fn taps(self, job: &Taps) {
        // SAFETY: as above.
        unsafe { avx2_depthwise::taps(job) }
    }

    #[inline]
    unsafe fn sum(self, job: &Sum) {
        // SAFETY: as above.
        unsafe { sum(job) }
    }

    #[inline]
    fn widen(self, codes: &[i8], cells: &mut [i8]) {
        assert!(cells.len() >= 2 * codes.len());
        // SAFETY: `cells` has two bytes per code; `self` proves AVX2.
        unsafe { widen(codes, cells.as_mut_ptr()) }
    }

    #[inline]
    fn compiled(self, code: impl Code) {
        #[target_feature(enable = "avx2")]
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
#[target_feature(enable = "avx2")]
unsafe fn rows(job: &Rows) {
    debug_assert!(job.depth == job.groups * LAYOUT.group, "rows are gathered");
    // SAFETY: the caller's promise.
    unsafe {
        match job.tail.requant {
            RequantPath::Mantissas => panels::<MANTISSAS>(job),
            RequantPath::Lanes => panels::<LANES>(job),
            RequantPath::Any => panels::<ANY>(job),
        }
    }
}

/// Computes a convolution of gathered rows by one requantization method.
///
/// # Safety
/// Same contract as [`Kernel::rows`].
#[target_feature(enable = "avx2")]
unsafe fn panels<const PATH: u8>(job: &Rows) {
    let size = LAYOUT.panel_bytes(job.groups * LAYOUT.group);
    for panel in 0..job.channels.div_ceil(PANEL) {
        // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers.
        unsafe {
            let base = job.panels.add(panel * size);
            let left = (job.channels - panel * PANEL).min(PANEL);
            let weights = base.add(8 * PANEL);
            let out = job.out.add(panel * PANEL);
            let strip = Strip { head: Head::<PATH>::load(base, job.tail), weights, out, left };
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
}

impl<const PATH: u8> Strip<PATH> {
    /// Computes `M` pixels times 16 channels.
    ///
    /// # Safety
    /// The job has `M` pixels from `pixel` on.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn tile<const M: usize>(&self, job: &Rows, pixel: usize) {
        let mut acc = [self.head.bias; M];
        // SAFETY: a row has `groups` pairs of cells, the panel `groups` pairs of registers.
        unsafe {
            let cells = job.cells.add(pixel * job.stride);
            for group in 0..job.groups {
                let w = self.weights.cast::<__m256i>().add(2 * group);
                let w0 = _mm256_loadu_si256(w);
                let w1 = _mm256_loadu_si256(w.add(1));
                for (m, acc) in acc.iter_mut().enumerate() {
                    let pair = cells.add(m * job.stride).cast::<i32>().add(group).read_unaligned();
                    let pair = _mm256_set1_epi32(pair);
                    acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(pair, w0));
                    acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(pair, w1));
                }
            }
            for (m, acc) in acc.into_iter().enumerate() {
                store(self.head.codes(acc), self.out.add((pixel + m) * job.out_stride), self.left);
            }
        }
    }
}

/// Adds two feature maps.
///
/// # Safety
/// Same contract as [`Kernel::sum`].
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn sum(job: &Sum) {
    let [fa, fb] = job.factors.map(|f| u32::from(f as u16));
    let factors = _mm256_set1_epi32((fa | fb << 16) as i32);
    let offset = _mm256_set1_epi32(job.offset);
    let shift = _mm_cvtsi32_si128(i32::from(job.shift));
    let lo = _mm_set1_epi8(job.clamp.lo);
    let hi = _mm_set1_epi8(job.clamp.hi);
    for at in (0..job.len).step_by(PANEL) {
        let left = (job.len - at).min(PANEL);
        // SAFETY: `at + left <= len`; an operand that is the result is read before it is written.
        unsafe {
            let a = _mm256_cvtepi8_epi16(load(job.a.add(at), left));
            let b = _mm256_cvtepi8_epi16(load(job.b.add(at), left));
            let scale = |pairs| {
                _mm256_sra_epi32(_mm256_add_epi32(_mm256_madd_epi16(pairs, factors), offset), shift)
            };
            let wide = _mm256_packs_epi32(
                scale(_mm256_unpacklo_epi16(a, b)),
                scale(_mm256_unpackhi_epi16(a, b)),
            );
            let narrow = _mm256_permute4x64_epi64::<0b1000>(_mm256_packs_epi16(wide, wide));
            let codes = _mm_min_epi8(_mm_max_epi8(_mm256_castsi256_si128(narrow), lo), hi);
            store(codes, job.out.add(at), left);
        }
    }
}

/// Widens int8 values to 16 bits.
///
/// # Safety
/// `cells` has room for two bytes per value.
#[target_feature(enable = "avx2")]
unsafe fn widen(codes: &[i8], cells: *mut i8) {
    let (blocks, rest) = codes.as_chunks::<PANEL>();
    // SAFETY: the caller's promise.
    unsafe {
        for (i, block) in blocks.iter().enumerate() {
            let wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(block.as_ptr().cast()));
            _mm256_storeu_si256(cells.cast::<__m256i>().add(i), wide);
        }
        let done = blocks.len() * PANEL;
        for (i, &code) in rest.iter().enumerate() {
            cells.cast::<i16>().add(done + i).write_unaligned(i16::from(code));
        }
    }
}
