//! Code that the AVX2 kernels share: requantization, loads and stores.

use core::arch::x86_64::*;

use crate::kernels::job::Tail;
use crate::plan::requant_path::{self, ANY, LANES};

/// Output channels of a panel: two registers.
pub(crate) const PANEL: usize = 16;

/// Head of a panel: initial values and multipliers of the accumulators.
pub(crate) struct Head<const PATH: u8> {
    pub bias: [__m256i; 2],
    /// Mantissas of the even lanes, and of the odd lanes moved to even places; shifted if small.
    even: [__m256i; 2],
    odd: [__m256i; 2],
    /// Left shift of the accumulators.
    shift: [__m256i; 2],
    tail: Tail,
}

impl<const PATH: u8> Head<PATH> {
    /// Loads the head of a panel.
    ///
    /// # Safety
    /// A panel begins at `panel`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn load(panel: *const i8, tail: Tail) -> Self {
        let words = panel.cast::<__m256i>();
        // SAFETY: a panel begins with 16 biases and 16 mantissas.
        let [b0, b1, m0, m1] = unsafe { [0, 1, 2, 3].map(|i| _mm256_loadu_si256(words.add(i))) };
        let limit = if PATH == ANY { 0 } else { requant_path::limit(tail.shift) };
        let small = [m0, m1].map(|m| _mm256_cmpgt_epi32(_mm256_set1_epi32(limit), m));
        let both = _mm256_set1_epi32(requant_path::bits(tail.shift) as i32);
        let even = [0, 1].map(|i| _mm256_sllv_epi32([m0, m1][i], _mm256_and_si256(small[i], both)));
        let shift = if PATH == ANY { _mm256_set1_epi32(tail.shift.into()) } else { both };
        Self {
            bias: [b0, b1],
            even,
            odd: even.map(|m| _mm256_srli_epi64::<32>(m)),
            shift: small.map(|small| _mm256_andnot_si256(small, shift)),
            tail,
        }
    }

    /// Requantizes 16 accumulators.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn codes(&self, acc: [__m256i; 2]) -> __m128i {
        // Intermediate saturation changes nothing: results are clamped to a narrower range.
        let mut q = _mm256_packs_epi32(self.apply(acc[0], 0), self.apply(acc[1], 1));
        if PATH == ANY {
            q = _mm256_adds_epi16(q, q);
        }
        let zero = _mm256_set1_epi16(2 * i16::from(self.tail.zero) + 1);
        let wide = _mm256_srai_epi16::<1>(_mm256_adds_epi16(q, zero));
        let narrow = _mm256_permute4x64_epi64::<0b1000>(_mm256_packs_epi16(wide, wide));
        let codes = _mm256_castsi256_si128(narrow);
        let codes = _mm_max_epi8(codes, _mm_set1_epi8(self.tail.clamp.lo));
        _mm_min_epi8(codes, _mm_set1_epi8(self.tail.clamp.hi))
    }

    /// Returns `q` of [`crate::plan::requant_path`]; for [`RequantPath::Any`] its half, rounded.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn apply(&self, mut acc: __m256i, half: usize) -> __m256i {
        let shift = self.shift[half];
        if PATH == ANY {
            let shifted = _mm256_sllv_epi32(acc, shift);
            let fits = _mm256_cmpeq_epi32(_mm256_srav_epi32(shifted, shift), acc);
            let limit = _mm256_xor_si256(_mm256_srai_epi32::<31>(acc), _mm256_set1_epi32(i32::MAX));
            acc = _mm256_blendv_epi8(limit, shifted, fits);
        } else if PATH == LANES {
            acc = _mm256_sllv_epi32(acc, shift);
        }
        let even = _mm256_mul_epi32(acc, self.even[half]);
        let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(acc), self.odd[half]);
        if PATH != ANY {
            return _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd);
        }
        let [even, odd] = [even, odd].map(|x| _mm256_add_epi64(x, _mm256_set1_epi64x(1 << 30)));
        _mm256_blend_epi32::<0b1010_1010>(
            _mm256_srli_epi64::<31>(even),
            _mm256_slli_epi64::<1>(odd),
        )
    }
}

/// Stores the first `count` of 16 values.
///
/// # Safety
/// `out` has room for them.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn store(codes: __m128i, out: *mut i8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if count == PANEL {
            _mm_storeu_si128(out.cast(), codes);
        } else {
            let mut bytes = [0i8; PANEL];
            _mm_storeu_si128(bytes.as_mut_ptr().cast(), codes);
            out.copy_from_nonoverlapping(bytes.as_ptr(), count);
        }
    }
}

/// Stores the first `count` of 16 accumulators.
///
/// # Safety
/// `out` has room for them.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn store_sums(acc: [__m256i; 2], out: *mut i8, count: usize) {
    let mut words = [0i32; PANEL];
    let mut all = out.cast::<__m256i>();
    // SAFETY: the caller's promise.
    unsafe {
        if count < PANEL {
            all = words.as_mut_ptr().cast();
        }
        _mm256_storeu_si256(all, acc[0]);
        _mm256_storeu_si256(all.add(1), acc[1]);
        if count < PANEL {
            out.copy_from_nonoverlapping(words.as_ptr().cast(), 4 * count);
        }
    }
}

/// Loads the first `count` of 16 values; the rest are zeros.
///
/// # Safety
/// `codes` holds `count` values.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn load(codes: *const i8, count: usize) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe {
        if count == PANEL {
            return _mm_loadu_si128(codes.cast());
        }
        let mut bytes = [0i8; PANEL];
        bytes.as_mut_ptr().copy_from_nonoverlapping(codes, count);
        _mm_loadu_si128(bytes.as_ptr().cast())
    }
}
