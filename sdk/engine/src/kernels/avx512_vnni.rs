//! x86-64 with AVX-512 and its VNNI instructions.
//!
//! `VPDPBUSD` multiplies four unsigned bytes with four signed ones and adds all of it to 32 bits,
//! without saturating. Codes are met as `code + 128` (one exclusive or per broadcast) and the
//! excess is taken off the bias when weights are packed.

use core::arch::x86_64::*;

use super::job::{Kernel, Rows, Sum, Tail, Taps};
use crate::pack::Layout;

/// Output channels of a panel of rows: one register.
const LANES: usize = 16;

/// Channels of a panel of taps: as many codes as a register holds.
const WIDE: usize = 4 * LANES;

/// Proof that the processor has AVX-512 with VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx512Vnni(());

impl Avx512Vnni {
    pub fn detect() -> Option<Self> {
        #[cfg(feature = "std")]
        let has = std::arch::is_x86_feature_detected!("avx512vnni")
            && std::arch::is_x86_feature_detected!("avx512bw")
            && std::arch::is_x86_feature_detected!("avx512vl");
        #[cfg(not(feature = "std"))]
        let has = cfg!(all(
            target_feature = "avx512vnni",
            target_feature = "avx512bw",
            target_feature = "avx512vl"
        ));
        has.then_some(Self(()))
    }
}

/// Which channel each lane of four registers of taps holds: what unpacking bytes and then words
/// within 128 bits makes of 64 codes, so that packing the results brings them back in order.
const fn unpacked() -> [u8; WIDE] {
    let mut order = [0; WIDE];
    let mut lane = 0;
    while lane < WIDE {
        let (register, quarter, place) = (lane / 16, lane % 16 / 4, lane % 4);
        order[lane] = (16 * quarter + 4 * register + place) as u8;
        lane += 1;
    }
    order
}

impl Kernel for Avx512Vnni {
    const ROWS: Layout = Layout {
        lanes: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        group: 4,
        wide: false,
        excess: 128,
    };
    const TAPS: Layout = Layout { lanes: &unpacked(), group: 4, wide: false, excess: 128 };
    const TILE: usize = 12;

    #[inline]
    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; `self` proves the instructions.
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
}

/// `mul_q31(shl_saturating(acc, shift), mantissa)` lane by lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn scale(mut acc: __m512i, mantissa: __m512i, shift: u8) -> __m512i {
    if shift > 0 {
        let count = _mm_cvtsi32_si128(i32::from(shift));
        let shifted = _mm512_sll_epi32(acc, count);
        let fits = _mm512_cmpeq_epi32_mask(_mm512_sra_epi32(shifted, count), acc);
        let limit = _mm512_xor_si512(_mm512_srai_epi32::<31>(acc), _mm512_set1_epi32(i32::MAX));
        acc = _mm512_mask_mov_epi32(limit, fits, shifted);
    }
    let round = _mm512_set1_epi64(1 << 30);
    let even = _mm512_add_epi64(_mm512_mul_epi32(acc, mantissa), round);
    let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(acc), _mm512_srli_epi64::<32>(mantissa));
    let odd = _mm512_slli_epi64::<1>(_mm512_add_epi64(odd, round));
    _mm512_mask_mov_epi32(_mm512_srli_epi64::<31>(even), 0b1010_1010_1010_1010, odd)
}

/// Four registers of results to codes, in the order in which `VPACKSSDW` and `VPACKSSWB` leave them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn codes([a, b, c, d]: [__m512i; 4], tail: Tail) -> __m512i {
    // Saturating on the way changes nothing: codes are clamped to less in the end.
    let zero = _mm512_set1_epi16(i16::from(tail.zero));
    let low = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
    let high = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero);
    let codes = _mm512_max_epi8(_mm512_packs_epi16(low, high), _mm512_set1_epi8(tail.clamp.lo));
    _mm512_min_epi8(codes, _mm512_set1_epi8(tail.clamp.hi))
}

/// The first `count` of 64 codes.
#[inline]
fn first(count: usize) -> __mmask64 {
    u64::MAX >> (64 - count)
}

/// # Safety
/// As [`Kernel::rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn rows(job: &Rows) {
    let panels = job.channels.div_ceil(LANES);
    let mut panel = 0;
    while panel < panels {
        // As even as can be: five panels are three and two.
        let left = panels - panel;
        let width = left.div_ceil(left.div_ceil(4));
        // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers.
        unsafe {
            match width {
                4 => strip::<4, 6>(job, panel),
                3 => strip::<3, 8>(job, panel),
                2 => strip::<2, 12>(job, panel),
                _ => strip::<1, 12>(job, panel),
            }
        }
        panel += width;
    }
}

/// All pixels of `N` panels, `M` pixels at a time; at the end some are made again where that
/// fills a tile.
///
/// # Safety
/// As [`Kernel::rows`]; `N` panels are left from `panel` on.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn strip<const N: usize, const M: usize>(job: &Rows, panel: usize) {
    let size = Avx512Vnni::ROWS.panel_bytes(job.groups * 4);
    // SAFETY: the caller's promise.
    let (panels, out) = unsafe { (job.panels.add(panel * size), job.out.add(panel * LANES)) };
    let strip = Strip { panels, size, out, left: (job.channels - panel * LANES).min(N * LANES) };
    let mut pixel = 0;
    // SAFETY: tiles lie within the job's pixels.
    unsafe {
        while pixel + M <= job.pixels {
            strip.tile::<N, M>(job, pixel);
            pixel += M;
        }
        if pixel < job.pixels && job.pixels >= M {
            return strip.tile::<N, M>(job, job.pixels - M);
        }
        while pixel + 4 <= job.pixels {
            strip.tile::<N, 4>(job, pixel);
            pixel += 4;
        }
        while pixel < job.pixels {
            strip.tile::<N, 1>(job, pixel);
            pixel += 1;
        }
    }
}

/// Some panels side by side.
struct Strip {
    panels: *const i8,
    /// Bytes of a panel.
    size: usize,
    out: *mut i8,
    /// Channels there are.
    left: usize,
}

impl Strip {
    /// `M` pixels times `N` panels.
    ///
    /// # Safety
    /// The job has `M` pixels from `pixel` on, and there are `N` panels.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn tile<const N: usize, const M: usize>(&self, job: &Rows, pixel: usize) {
        let head = |n: usize, word: usize| {
            // SAFETY: a panel begins with 16 biases and 16 mantissas.
            unsafe { _mm512_loadu_si512(self.panels.add(n * self.size).cast::<__m512i>().add(word)) }
        };
        let mut bias = [_mm512_setzero_si512(); N];
        for (n, bias) in bias.iter_mut().enumerate() {
            *bias = head(n, 0);
        }
        let mut acc = [bias; M];
        let sign = _mm512_set1_epi8(-128);
        // SAFETY: a row has `groups` fours of cells, a panel as many registers behind its head.
        unsafe {
            let cells = job.cells.add(pixel * job.stride);
            let weights = self.panels.add(8 * LANES);
            for group in 0..job.groups {
                let mut w = [_mm512_setzero_si512(); N];
                for (n, w) in w.iter_mut().enumerate() {
                    *w = _mm512_loadu_si512(weights.add(n * self.size + group * WIDE).cast());
                }
                for (m, acc) in acc.iter_mut().enumerate() {
                    let four = cells.add(m * job.stride + 4 * group).cast::<i32>().read_unaligned();
                    let four = _mm512_xor_si512(_mm512_set1_epi32(four), sign);
                    for (acc, w) in acc.iter_mut().zip(w) {
                        *acc = _mm512_dpbusd_epi32(*acc, four, w);
                    }
                }
            }
            // The four dwords of each panel, which packing leaves in the four quarters.
            let order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
            for (m, acc) in acc.into_iter().enumerate() {
                let mut scaled = [_mm512_setzero_si512(); 4];
                for (n, acc) in acc.into_iter().enumerate() {
                    scaled[n] = scale(acc, head(n, 1), job.tail.shift);
                }
                let codes = _mm512_permutexvar_epi32(order, codes(scaled, job.tail));
                store::<N>(codes, self.out.add((pixel + m) * job.out_stride), self.left);
            }
        }
    }
}

/// The first `count` of the codes of `N` panels.
///
/// # Safety
/// `out` has room for them; they are all of the last panel or a part of it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn store<const N: usize>(codes: __m512i, out: *mut i8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match N {
            4 if count == WIDE => _mm512_storeu_si512(out.cast(), codes),
            2 if count == 32 => _mm256_storeu_si256(out.cast(), _mm512_castsi512_si256(codes)),
            1 if count == 16 => _mm_storeu_si128(out.cast(), _mm512_castsi512_si128(codes)),
            _ => _mm512_mask_storeu_epi8(out, first(count), codes),
        }
    }
}

/// # Safety
/// As [`Kernel::taps`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn taps(job: &Taps) {
    let size = Avx512Vnni::TAPS.panel_bytes(job.groups * 4);
    for panel in 0..job.channels.div_ceil(WIDE) {
        // SAFETY: the caller's promise: every tap has `channels` codes, the panels belong to them.
        unsafe {
            let base = job.panels.add(panel * size);
            let left = (job.channels - panel * WIDE).min(WIDE);
            match (left, job.groups) {
                (WIDE, 3) => taps_of_panel::<WIDE, 3>(job, base, panel, left),
                (WIDE, _) => taps_of_panel::<WIDE, 0>(job, base, panel, left),
                (_, 3) => taps_of_panel::<0, 3>(job, base, panel, left),
                _ => taps_of_panel::<0, 0>(job, base, panel, left),
            }
        }
    }
}

/// All pixels of one panel. `LEFT` channels and `GROUPS` groups, 0 for any number of them: 3x3
/// windows, of three groups, come out without a loop.
///
/// # Safety
/// As [`Kernel::taps`], `base` being the panel.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn taps_of_panel<const LEFT: usize, const GROUPS: usize>(
    job: &Taps,
    base: *const i8,
    panel: usize,
    left: usize,
) {
    let left = if LEFT > 0 { LEFT } else { left };
    let groups = if GROUPS > 0 { GROUPS } else { job.groups };
    let (mask, sign) = (first(left), _mm512_set1_epi8(-128));
    // SAFETY: the caller's promise; a panel begins with 64 biases and 64 mantissas.
    unsafe {
        let word = |i: usize| _mm512_loadu_si512(base.cast::<__m512i>().add(i));
        let mantissa = [4, 5, 6, 7].map(word);
        for pixel in 0..job.pixels {
            let taps = job.taps.add(pixel * job.step);
            let mut acc = [0, 1, 2, 3].map(word);
            for group in 0..groups {
                let [a, b, c, d] = [0, 1, 2, 3].map(|i| {
                    let tap = (*taps.add(4 * group + i)).add(panel * WIDE);
                    let codes = if LEFT > 0 {
                        _mm512_loadu_si512(tap.cast())
                    } else {
                        _mm512_maskz_loadu_epi8(mask, tap)
                    };
                    _mm512_xor_si512(codes, sign)
                });
                let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
                let (ef, gh) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
                let fours = [
                    _mm512_unpacklo_epi16(ab, cd),
                    _mm512_unpackhi_epi16(ab, cd),
                    _mm512_unpacklo_epi16(ef, gh),
                    _mm512_unpackhi_epi16(ef, gh),
                ];
                for (i, (acc, four)) in acc.iter_mut().zip(fours).enumerate() {
                    *acc = _mm512_dpbusd_epi32(*acc, four, word(8 + 4 * group + i));
                }
            }
            let mut scaled = acc;
            for (i, acc) in scaled.iter_mut().enumerate() {
                *acc = scale(*acc, mantissa[i], job.tail.shift);
            }
            let out = job.out.add(pixel * job.out_stride + panel * WIDE);
            store::<4>(codes(scaled, job.tail), out, left);
        }
    }
}

/// # Safety
/// As [`Kernel::sum`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn sum(job: &Sum) {
    let [fa, fb] = job.factors.map(|f| u32::from(f as u16));
    let factors = _mm512_set1_epi32((fa | fb << 16) as i32);
    let offset = _mm512_set1_epi32(job.offset);
    let shift = _mm_cvtsi32_si128(i32::from(job.shift));
    let tail = Tail { shift: 0, zero: 0, clamp: job.clamp };
    for at in (0..job.len).step_by(WIDE) {
        let left = (job.len - at).min(WIDE);
        // SAFETY: `at + left <= len`; an operand that is the result is read before it is written.
        unsafe {
            let a = _mm512_maskz_loadu_epi8(first(left), job.a.add(at));
            let b = _mm512_maskz_loadu_epi8(first(left), job.b.add(at));
            let part = |pairs| _mm512_sra_epi32(_mm512_dpwssd_epi32(offset, pairs, factors), shift);
            // Bytes to words, their signs beside them, and both operands' words side by side.
            let signs = [a, b].map(|codes| _mm512_movm_epi8(_mm512_movepi8_mask(codes)));
            let low = [(a, signs[0]), (b, signs[1])].map(|(x, s)| _mm512_unpacklo_epi8(x, s));
            let high = [(a, signs[0]), (b, signs[1])].map(|(x, s)| _mm512_unpackhi_epi8(x, s));
            let wide = [
                part(_mm512_unpacklo_epi16(low[0], low[1])),
                part(_mm512_unpackhi_epi16(low[0], low[1])),
                part(_mm512_unpacklo_epi16(high[0], high[1])),
                part(_mm512_unpackhi_epi16(high[0], high[1])),
            ];
            store::<4>(codes(wide, tail), job.out.add(at), left);
        }
    }
}
