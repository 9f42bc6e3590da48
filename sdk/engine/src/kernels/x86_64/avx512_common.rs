//! Code that the AVX-512 kernels share: scaling, clamping, storing.

use core::arch::x86_64::*;

use offshoot_core::graph::Clamp;

use crate::kernels::job::Tail;
use crate::plan::requant_path::{self, ANY, LANES};

/// Output channels of a panel of rows: one register.
pub(crate) const PANEL: usize = 16;

/// Channels of a panel of taps: the int8 values of a register.
pub(crate) const WIDE: usize = 4 * PANEL;

/// Multipliers of 16 accumulators.
#[derive(Clone, Copy)]
pub(crate) struct Scale<const PATH: u8> {
    /// Mantissas of the even lanes, and of the odd lanes moved to even places; shifted if small.
    even: __m512i,
    odd: __m512i,
    /// Left shift of the accumulators.
    shift: __m512i,
}

impl<const PATH: u8> Scale<PATH> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub fn new(mantissa: __m512i, shift: u8) -> Self {
        let both = _mm512_set1_epi32(requant_path::bits(shift) as i32);
        let limit = if PATH == ANY { 0 } else { requant_path::limit(shift) };
        let small = _mm512_cmplt_epi32_mask(mantissa, _mm512_set1_epi32(limit));
        let even = _mm512_mask_sllv_epi32(mantissa, small, mantissa, both);
        let shift = if PATH == ANY { _mm512_set1_epi32(shift.into()) } else { both };
        Self {
            even,
            odd: _mm512_srli_epi64::<32>(even),
            shift: _mm512_maskz_mov_epi32(!small, shift),
        }
    }

    /// Returns `q` of [`crate::plan::requant_path`]; for [`RequantPath::Any`] its half, rounded.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub fn apply(self, mut acc: __m512i) -> __m512i {
        const ODD: __mmask16 = 0b1010_1010_1010_1010;
        if PATH == ANY {
            let shifted = _mm512_sllv_epi32(acc, self.shift);
            let fits = _mm512_cmpeq_epi32_mask(_mm512_srav_epi32(shifted, self.shift), acc);
            let limit = _mm512_xor_si512(_mm512_srai_epi32::<31>(acc), _mm512_set1_epi32(i32::MAX));
            acc = _mm512_mask_mov_epi32(limit, fits, shifted);
        } else if PATH == LANES {
            acc = _mm512_sllv_epi32(acc, self.shift);
        }
        let even = _mm512_mul_epi32(acc, self.even);
        let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(acc), self.odd);
        if PATH != ANY {
            return _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, !ODD, even);
        }
        let [even, odd] = [even, odd].map(|x| _mm512_add_epi64(x, _mm512_set1_epi64(1 << 30)));
        _mm512_mask_mov_epi32(_mm512_srli_epi64::<31>(even), ODD, _mm512_slli_epi64::<1>(odd))
    }
}

/// Packs four registers of products to int8, in the order in which `VPACKSSDW` and `VPACKSSWB`
/// leave them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(crate) fn codes<const PATH: u8>([a, b, c, d]: [__m512i; 4], tail: Tail) -> __m512i {
    // Intermediate saturation changes nothing: results are clamped to a narrower range.
    let zero = _mm512_set1_epi16(2 * i16::from(tail.zero) + 1);
    let [low, high] = [_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)].map(|q| {
        let q = if PATH == ANY { _mm512_adds_epi16(q, q) } else { q };
        _mm512_srai_epi16::<1>(_mm512_adds_epi16(q, zero))
    });
    clamped(low, high, tail.clamp)
}

/// Packs two registers of words to int8.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(crate) fn clamped(low: __m512i, high: __m512i, clamp: Clamp) -> __m512i {
    let codes = _mm512_max_epi8(_mm512_packs_epi16(low, high), _mm512_set1_epi8(clamp.lo));
    _mm512_min_epi8(codes, _mm512_set1_epi8(clamp.hi))
}

/// Returns the mask of the first `count` of 64 bytes.
#[inline]
pub(crate) fn first(count: usize) -> __mmask64 {
    u64::MAX >> (64 - count)
}

/// Stores the first `count` values.
///
/// # Safety
/// `out` has room for them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(crate) unsafe fn store(codes: __m512i, out: *mut i8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match count {
            WIDE => _mm512_storeu_si512(out.cast(), codes),
            48 => {
                _mm256_storeu_si256(out.cast(), _mm512_castsi512_si256(codes));
                _mm_storeu_si128(out.add(32).cast(), _mm512_extracti32x4_epi32::<2>(codes));
            }
            32 => _mm256_storeu_si256(out.cast(), _mm512_castsi512_si256(codes)),
            16 => _mm_storeu_si128(out.cast(), _mm512_castsi512_si128(codes)),
            _ => _mm512_mask_storeu_epi8(out, first(count), codes),
        }
    }
}
