//! x86-64 with AVX2.
//!
//! Codes and weights are widened to 16 bits: `VPMADDWD` adds two products without overflow and
//! issues twice a cycle, so that 32 multiply-accumulates a cycle are reached; `VPMADDUBSW`
//! would saturate with weights of 8 bits and needs a third instruction.

use core::arch::x86_64::*;

use super::job::{Kernel, Rows, Sum, Tail, Taps};
use crate::pack::Layout;

/// Output channels of a panel: two registers.
pub(super) const LANES: usize = 16;

/// `VPACKSSDW` joins two registers half by half; lanes are dealt such that the result is in order.
pub(super) const ORDER: [u8; LANES] = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];

pub(super) const LAYOUT: Layout = Layout { lanes: &ORDER, group: 2, wide: true, excess: 0, filled: false };

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
    const ROWS: Layout = LAYOUT;
    const TAPS: Layout = LAYOUT;
    const TILE: usize = 6;

    #[inline]
    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; `self` proves AVX2.
        unsafe { rows(job) }
    }

    #[inline]
    unsafe fn taps(self, job: &Taps) {
        // SAFETY: as above.
        unsafe { taps(job) }
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
}

/// The head of a panel: what requantization needs, and where the accumulators begin.
pub(super) struct Head {
    pub bias: [__m256i; 2],
    /// Mantissas of the even lanes, and of the odd lanes moved to even places.
    even: [__m256i; 2],
    odd: [__m256i; 2],
    tail: Tail,
}

impl Head {
    /// # Safety
    /// A panel begins at `panel`.
    #[target_feature(enable = "avx2")]
    pub unsafe fn load(panel: *const i8, tail: Tail) -> Self {
        let words = panel.cast::<__m256i>();
        // SAFETY: a panel begins with 16 biases and 16 mantissas.
        let [b0, b1, m0, m1] = unsafe { [0, 1, 2, 3].map(|i| _mm256_loadu_si256(words.add(i))) };
        Self { bias: [b0, b1], even: [m0, m1], odd: [m0, m1].map(|m| _mm256_srli_epi64::<32>(m)), tail }
    }

    /// The codes of 16 accumulators.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn codes(&self, acc: [__m256i; 2]) -> __m128i {
        let low = self.scale(acc[0], 0);
        let high = self.scale(acc[1], 1);
        // Saturating on the way changes nothing: codes are clamped to less in the end.
        let wide = _mm256_packs_epi32(low, high);
        let wide = _mm256_adds_epi16(wide, _mm256_set1_epi16(i16::from(self.tail.zero)));
        let narrow = _mm256_permute4x64_epi64::<0b1000>(_mm256_packs_epi16(wide, wide));
        let codes = _mm256_castsi256_si128(narrow);
        let codes = _mm_max_epi8(codes, _mm_set1_epi8(self.tail.clamp.lo));
        _mm_min_epi8(codes, _mm_set1_epi8(self.tail.clamp.hi))
    }

    /// `mul_q31(shl_saturating(acc, shift), mantissa)` lane by lane.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn scale(&self, mut acc: __m256i, half: usize) -> __m256i {
        if self.tail.shift > 0 {
            let count = _mm_cvtsi32_si128(i32::from(self.tail.shift));
            let shifted = _mm256_sll_epi32(acc, count);
            let fits = _mm256_cmpeq_epi32(_mm256_sra_epi32(shifted, count), acc);
            let limit = _mm256_xor_si256(_mm256_srai_epi32::<31>(acc), _mm256_set1_epi32(i32::MAX));
            acc = _mm256_blendv_epi8(limit, shifted, fits);
        }
        let round = _mm256_set1_epi64x(1 << 30);
        let even = _mm256_add_epi64(_mm256_mul_epi32(acc, self.even[half]), round);
        let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(acc), self.odd[half]);
        let odd = _mm256_add_epi64(odd, round);
        _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<31>(even), _mm256_slli_epi64::<1>(odd))
    }
}

/// # Safety
/// As [`Kernel::rows`].
#[target_feature(enable = "avx2")]
unsafe fn rows(job: &Rows) {
    debug_assert!(job.depth == job.groups * LAYOUT.group, "rows are gathered");
    let panel_bytes = LAYOUT.panel_bytes(job.groups * LAYOUT.group);
    for panel in 0..job.channels.div_ceil(LANES) {
        // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers.
        unsafe {
            let base = job.panels.add(panel * panel_bytes);
            let head = Head::load(base, job.tail);
            let weights = base.add(8 * LANES);
            let left = (job.channels - panel * LANES).min(LANES);
            let strip = Strip { head, weights, out: job.out.add(panel * LANES), left };
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

/// All pixels of a panel.
struct Strip {
    head: Head,
    weights: *const i8,
    out: *mut i8,
    /// Channels there are.
    left: usize,
}

impl Strip {
    /// `M` pixels times 16 channels.
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
                let (w0, w1) = (_mm256_loadu_si256(w), _mm256_loadu_si256(w.add(1)));
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

/// The first `count` of 16 codes.
///
/// # Safety
/// `out` has room for them.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn store(codes: __m128i, out: *mut i8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if count == LANES {
            _mm_storeu_si128(out.cast(), codes);
        } else {
            let mut bytes = [0i8; LANES];
            _mm_storeu_si128(bytes.as_mut_ptr().cast(), codes);
            out.copy_from_nonoverlapping(bytes.as_ptr(), count);
        }
    }
}

/// The first `count` of 16 codes; zeros beyond.
///
/// # Safety
/// `codes` holds that many.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(codes: *const i8, count: usize) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe {
        if count == LANES {
            return _mm_loadu_si128(codes.cast());
        }
        let mut bytes = [0i8; LANES];
        bytes.as_mut_ptr().copy_from_nonoverlapping(codes, count);
        _mm_loadu_si128(bytes.as_ptr().cast())
    }
}

/// # Safety
/// As [`Kernel::taps`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn taps(job: &Taps) {
    let panel_bytes = LAYOUT.panel_bytes(job.groups * LAYOUT.group);
    for panel in 0..job.channels.div_ceil(LANES) {
        // SAFETY: the caller's promise: every tap has `channels` codes, the panels belong to them.
        unsafe {
            let base = job.panels.add(panel * panel_bytes);
            let left = (job.channels - panel * LANES).min(LANES);
            match (left, job.groups) {
                (LANES, 5) => taps_of_panel::<LANES, 5>(job, base, panel, left),
                (LANES, _) => taps_of_panel::<LANES, 0>(job, base, panel, left),
                _ => taps_of_panel::<0, 0>(job, base, panel, left),
            }
        }
    }
}

/// All pixels of one panel. `LEFT` channels and `GROUPS` groups, 0 for any number of them: 3x3
/// windows, of five groups, come out without a loop.
///
/// # Safety
/// As [`Kernel::taps`], `base` being the panel.
#[target_feature(enable = "avx2")]
unsafe fn taps_of_panel<const LEFT: usize, const GROUPS: usize>(
    job: &Taps,
    base: *const i8,
    panel: usize,
    left: usize,
) {
    let left = if LEFT > 0 { LEFT } else { left };
    let groups = if GROUPS > 0 { GROUPS } else { job.groups };
    // SAFETY: the caller's promise.
    unsafe {
        let head = Head::load(base, job.tail);
        let weights = base.add(8 * LANES).cast::<__m256i>();
        for pixel in 0..job.pixels {
            let taps = job.taps.add(pixel * job.step);
            let mut acc = head.bias;
            for group in 0..groups {
                let [a, b] = [0, 1].map(|i| {
                    let tap = *taps.add(2 * group + i);
                    _mm256_cvtepi8_epi16(load(tap.add(panel * LANES), left))
                });
                let w = weights.add(2 * group);
                let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), _mm256_loadu_si256(w));
                let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), _mm256_loadu_si256(w.add(1)));
                acc = [_mm256_add_epi32(acc[0], low), _mm256_add_epi32(acc[1], high)];
            }
            store(head.codes(acc), job.out.add(pixel * job.out_stride + panel * LANES), left);
        }
    }
}

/// # Safety
/// As [`Kernel::sum`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn sum(job: &Sum) {
    let [fa, fb] = job.factors.map(|f| u32::from(f as u16));
    let factors = _mm256_set1_epi32((fa | fb << 16) as i32);
    let offset = _mm256_set1_epi32(job.offset);
    let shift = _mm_cvtsi32_si128(i32::from(job.shift));
    let (lo, hi) = (_mm_set1_epi8(job.clamp.lo), _mm_set1_epi8(job.clamp.hi));
    for at in (0..job.len).step_by(LANES) {
        let left = (job.len - at).min(LANES);
        // SAFETY: `at + left <= len`; an operand that is the result is read before it is written.
        unsafe {
            let a = _mm256_cvtepi8_epi16(load(job.a.add(at), left));
            let b = _mm256_cvtepi8_epi16(load(job.b.add(at), left));
            let scale =
                |pairs| _mm256_sra_epi32(_mm256_add_epi32(_mm256_madd_epi16(pairs, factors), offset), shift);
            let wide =
                _mm256_packs_epi32(scale(_mm256_unpacklo_epi16(a, b)), scale(_mm256_unpackhi_epi16(a, b)));
            let narrow = _mm256_permute4x64_epi64::<0b1000>(_mm256_packs_epi16(wide, wide));
            let codes = _mm_min_epi8(_mm_max_epi8(_mm256_castsi256_si128(narrow), lo), hi);
            store(codes, job.out.add(at), left);
        }
    }
}

/// # Safety
/// `cells` has room for two bytes per code.
#[target_feature(enable = "avx2")]
unsafe fn widen(codes: &[i8], cells: *mut i8) {
    let (blocks, rest) = codes.as_chunks::<LANES>();
    // SAFETY: the caller's promise.
    unsafe {
        for (i, block) in blocks.iter().enumerate() {
            let wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(block.as_ptr().cast()));
            _mm256_storeu_si256(cells.cast::<__m256i>().add(i), wide);
        }
        let done = blocks.len() * LANES;
        for (i, &code) in rest.iter().enumerate() {
            cells.cast::<i16>().add(done + i).write_unaligned(i16::from(code));
        }
    }
}
