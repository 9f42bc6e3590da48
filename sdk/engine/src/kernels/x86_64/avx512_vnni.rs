//! x86-64 with AVX-512 and its VNNI instructions.
//!
//! `VPDPBUSD` multiplies four unsigned bytes by four signed ones and adds the products to 32 bits,
//! without saturating. Activations are multiplied as `value + 128` (one exclusive or per
//! broadcast); the excess is subtracted from the bias when weights are packed.

use core::arch::x86_64::*;
use core::hint::black_box;

use super::avx512_common::{PANEL, Scale, WIDE, clamped, codes, first, store};
use super::{avx512_depthwise, avx512_product};
use crate::kernels::job;
use crate::kernels::job::{Code, Kernel, Product, Rows, Sum, Taps};
use crate::plan::requant_path::{ANY, LANES, MANTISSAS, RAW, RequantPath};
use crate::target::{self, Target};

/// Proof that the processor has AVX-512 with VNNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx512Vnni {
    /// True if the processor also permutes bytes (AVX512-VBMI).
    vbmi: bool,
}

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
        #[cfg(feature = "std")]
        let vbmi = std::arch::is_x86_feature_detected!("avx512vbmi");
        #[cfg(not(feature = "std"))]
        let vbmi = cfg!(target_feature = "avx512vbmi");
        has.then_some(Self { vbmi })
    }
}

impl Kernel for Avx512Vnni {
    const TARGET: Target = target::AVX512_VNNI;
    const TILE: usize = 12;
    const PRODUCTS: bool = true;

    #[inline]
    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; `self` proves the instructions.
        unsafe { rows::<false>(job) }
    }

    #[inline]
    unsafe fn sums(self, job: &Rows) {
        // SAFETY: as above.
        unsafe { rows::<true>(job) }
    }

    #[inline]
    unsafe fn product(self, job: &Product) {
        // SAFETY: as above.
        unsafe { avx512_product::product(job) }
    }

    #[inline]
    unsafe fn taps(self, job: &Taps) {
        // SAFETY: as above.
        unsafe { avx512_depthwise::taps(job) }
    }

    #[inline]
    unsafe fn sum(self, job: &Sum) {
        // SAFETY: as above.
        unsafe { sum(job) }
    }

    #[inline]
    fn look_up(self, table: &[i8; 256], codes: &mut [i8]) {
        if self.vbmi {
            // SAFETY: the processor has the instructions.
            unsafe { look_up(table, codes) }
        } else {
            job::look_up(table, codes);
        }
    }

    #[inline]
    fn compiled(self, code: impl Code) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
        fn with(code: impl Code) {
            code.run();
        }
        // SAFETY: `self` proves the instructions.
        unsafe { with(code) }
    }
}

/// Computes a convolution of gathered rows, or with `SUMS` its accumulators.
///
/// # Safety
/// Same contract as [`Kernel::rows`], or as [`Kernel::sums`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn rows<const SUMS: bool>(job: &Rows) {
    let panels = job.channels.div_ceil(PANEL);
    let mut panel = 0;
    while panel < panels {
        // Panels are split evenly: five are three and two.
        let left = panels - panel;
        let width = left.div_ceil(left.div_ceil(4));
        // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers.
        unsafe {
            match width {
                4 => strip::<4, 6, SUMS>(job, panel),
                3 => strip::<3, 8, SUMS>(job, panel),
                2 => strip::<2, 12, SUMS>(job, panel),
                _ => strip::<1, 12, SUMS>(job, panel),
            }
        }
        panel += width;
    }
}

/// Computes all pixels of `N` panels, `M` pixels at a time.
///
/// # Safety
/// Same contract as [`rows`]; `N` panels are left from `panel` on.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn strip<const N: usize, const M: usize, const SUMS: bool>(job: &Rows, panel: usize) {
    let size = Avx512Vnni::ROWS.panel_bytes(job.groups * 4);
    // SAFETY: the caller's promise.
    unsafe {
        let panels = job.panels.add(panel * size);
        let width = if SUMS { size_of::<i32>() } else { 1 };
        let out = job.out.add(panel * PANEL * width);
        let left = (job.channels - panel * PANEL).min(N * PANEL);
        // Were it known to be the same in all lanes, it would be applied before the broadcast,
        // which then takes an instruction more.
        let sign = black_box(_mm512_set1_epi8(-128));
        let strip = Strip { panels, size, out, left, sign };
        if SUMS {
            return strip.pixels::<N, M, RAW>(job);
        }
        match job.tail.requant {
            RequantPath::Mantissas => strip.pixels::<N, M, MANTISSAS>(job),
            RequantPath::Lanes => strip.pixels::<N, M, LANES>(job),
            RequantPath::Any => strip.one_by_one::<N, ANY>(job, 0),
        }
    }
}

/// Unrolled loop: `$body` for every `$m` below `$count`, 12 at most. Without unrolling,
/// accumulators would go through memory.
macro_rules! unrolled {
    ($m:ident < $count:ident, $body:block) => {
        unrolled!($m < $count, $body, 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    ($m:ident < $count:ident, $body:block, $($i:literal)*) => {
        $(if $i < $count {
            let $m = $i;
            $body
        })*
    };
}

/// Several panels, computed together.
struct Strip {
    panels: *const i8,
    /// Bytes of a panel.
    size: usize,
    out: *mut i8,
    /// Number of channels that exist.
    left: usize,
    /// Sign bit of every byte.
    sign: __m512i,
}

impl Strip {
    /// Computes all pixels; at the end some are recomputed where that costs less than single ones.
    ///
    /// # Safety
    /// The job has `N` panels.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn pixels<const N: usize, const M: usize, const PATH: u8>(&self, job: &Rows) {
        let mut pixel = 0;
        let all = job.pixels;
        // SAFETY: tiles lie within the job's pixels.
        unsafe {
            while pixel + M <= all {
                self.tile::<N, M, PATH>(job, pixel);
                pixel += M;
            }
            if all - pixel > 4 && all >= M {
                return self.tile::<N, M, PATH>(job, all - M);
            }
            while pixel + 4 <= all {
                self.tile::<N, 4, PATH>(job, pixel);
                pixel += 4;
            }
            if all - pixel == 3 && all >= 4 {
                return self.tile::<N, 4, PATH>(job, all - 4);
            }
            self.one_by_one::<N, PATH>(job, pixel);
        }
    }

    /// Computes the pixels from `first` on.
    ///
    /// # Safety
    /// The job has `N` panels.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn one_by_one<const N: usize, const PATH: u8>(&self, job: &Rows, first: usize) {
        for pixel in first..job.pixels {
            // SAFETY: a pixel of the job.
            unsafe { self.tile::<N, 1, PATH>(job, pixel) };
        }
    }

    /// Computes `M` pixels times `N` panels.
    ///
    /// # Safety
    /// The job has `M` pixels from `pixel` on, and `N` panels.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn tile<const N: usize, const M: usize, const PATH: u8>(
        &self,
        job: &Rows,
        pixel: usize,
    ) {
        let head = |n: usize, word: usize| {
            // SAFETY: a panel begins with 16 biases and 16 mantissas.
            unsafe {
                _mm512_loadu_si512(self.panels.add(n * self.size).cast::<__m512i>().add(word))
            }
        };
        let mut bias = [_mm512_setzero_si512(); N];
        for (n, bias) in bias.iter_mut().enumerate() {
            *bias = head(n, 0);
        }
        let mut acc = [bias; M];
        // SAFETY: a row has `groups` fours of cells, a panel as many registers behind its head.
        unsafe {
            let cells = job.cells.add(pixel * job.stride);
            let weights = self.panels.add(8 * PANEL);
            for group in 0..job.groups {
                let mut w = [_mm512_setzero_si512(); N];
                for (n, w) in w.iter_mut().enumerate() {
                    *w = _mm512_loadu_si512(weights.add(n * self.size + group * WIDE).cast());
                }
                unrolled!(m < M, {
                    let four = cells.add(m * job.stride + 4 * group).cast::<i32>().read_unaligned();
                    let four = _mm512_xor_si512(_mm512_set1_epi32(four), self.sign);
                    for (acc, w) in acc[m].iter_mut().zip(w) {
                        *acc = _mm512_dpbusd_epi32(*acc, four, w);
                    }
                });
            }
            if PATH == RAW {
                unrolled!(m < M, {
                    let out = self.out.add((pixel + m) * job.out_stride).cast::<i32>();
                    for (n, acc) in acc[m].into_iter().enumerate() {
                        let count = (self.left - n * PANEL).min(PANEL);
                        let mask = u16::MAX >> (PANEL - count);
                        _mm512_mask_storeu_epi32(out.add(n * PANEL), mask, acc);
                    }
                });
                return;
            }
            // The four dwords of each panel, which packing leaves in the four quarters.
            let order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
            let mut scales = [Scale::<PATH>::new(head(0, 1), job.tail.shift); N];
            for (n, scale) in scales.iter_mut().enumerate() {
                *scale = Scale::new(head(n, 1), job.tail.shift);
            }
            unrolled!(m < M, {
                let mut products = [_mm512_setzero_si512(); 4];
                for (n, (acc, scale)) in acc[m].into_iter().zip(scales).enumerate() {
                    products[n] = scale.apply(acc);
                }
                let codes = _mm512_permutexvar_epi32(order, codes::<PATH>(products, job.tail));
                store(codes, self.out.add((pixel + m) * job.out_stride), self.left);
            });
        }
    }
}

/// Adds two feature maps.
///
/// # Safety
/// Same contract as [`Kernel::sum`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn sum(job: &Sum) {
    let [fa, fb] = job.factors.map(|f| u32::from(f as u16));
    let factors = _mm512_set1_epi32((fa | fb << 16) as i32);
    let offset = _mm512_set1_epi32(job.offset);
    let shift = _mm_cvtsi32_si128(i32::from(job.shift));
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
            let [low, high] = [0, 2].map(|i| _mm512_packs_epi32(wide[i], wide[i + 1]));
            store(clamped(low, high, job.clamp), job.out.add(at), left);
        }
    }
}

/// Looks up with `VPERMI2B`, which reads half of the table from two registers.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up(table: &[i8; 256], codes: &mut [i8]) {
    let quarters = table.as_chunks::<WIDE>().0;
    // SAFETY: four times 64 entries.
    let [a, b, c, d] =
        [0, 1, 2, 3].map(|i| unsafe { _mm512_loadu_si512(quarters[i].as_ptr().cast()) });
    for codes in codes.chunks_mut(WIDE) {
        let mask = first(codes.len());
        let at = codes.as_mut_ptr();
        // SAFETY: no byte beyond the slice is read or written.
        unsafe {
            let x = _mm512_maskz_loadu_epi8(mask, at);
            // The table begins with -128: bits 0 to 6 are the same, the sign says which half.
            let low = _mm512_permutex2var_epi8(a, x, b);
            let high = _mm512_permutex2var_epi8(c, x, d);
            let y = _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), high, low);
            _mm512_mask_storeu_epi8(at, mask, y);
        }
    }
}
