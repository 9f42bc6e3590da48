//! Accumulators of layers whose rows are quantized in the run, by AVX2.
//!
//! `VPMADDUBSW` adds two products of an unsigned and a signed byte in 16 bits, and saturates beyond
//! them. A panel whose weights allow that to happen nowhere, which its mantissas tell
//! ([`Layout::pairs`](crate::pack::Layout::pairs)), is multiplied so, with activations as
//! `value + 128`. The others are widened to 16 bits, even places before odd ones, for `VPMADDWD`:
//! a third more instructions. Rows lie at a fixed distance, so that no row of a tile takes
//! arithmetic of its own.

use core::arch::x86_64::*;

use super::avx2_common::{PANEL, store_sums};
use crate::kernels::job::{MOST_ROWS, Rows};

/// Fours of places at a time: widened, a panel takes half of the first-level cache.
const FOURS: usize = 128;

/// Registers of a block of a panel.
const WEIGHTS: usize = 2 * FOURS;

/// Registers from row to row, widened or not: a line of the cache more than a block, so that rows
/// do not displace each other.
const WIDE_STRIDE: usize = FOURS / 4 + 2;
const STRIDE: usize = FOURS / 8 + 2;

/// Pixels of a tile.
const TILE: usize = 5;

/// Registers of memory: widened weights, rows widened and not.
const REGISTERS: usize = 2 * WEIGHTS + MOST_ROWS * (WIDE_STRIDE + STRIDE);

/// Bytes of the kernel's memory.
pub(crate) const SPARE: usize = REGISTERS * size_of::<__m256i>();

/// Block of places of all rows.
struct Block<'a> {
    job: &'a Rows,
    /// First four of places, and their number.
    start: usize,
    fours: usize,
    /// Widened weights of a panel.
    weights: *mut __m256i,
    wide_rows: *mut __m256i,
    /// Rows of values with the sign bit inverted.
    rows: *mut __m256i,
}

/// Computes accumulators of rows.
///
/// # Safety
/// Same contract as [`crate::kernels::job::Kernel::sums`].
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn sums(job: &Rows) {
    let size = job.groups * 4 * PANEL + 8 * PANEL;
    let panels = job.channels.div_ceil(PANEL);
    // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers, and
    // `SPARE` bytes behind `spare`.
    unsafe {
        let fits = |panel: usize| {
            job.panels.add(panel * size + 4 * PANEL).cast::<i32>().read_unaligned() != 0
        };
        let all_fit = (0..panels).all(fits);
        let weights = job.spare.cast::<__m256i>();
        let wide_rows = weights.add(2 * WEIGHTS);
        let rows = wide_rows.add(MOST_ROWS * WIDE_STRIDE);
        for start in (0..job.groups).step_by(FOURS) {
            let fours = FOURS.min(job.groups - start);
            let block = Block { job, start, fours, weights, wide_rows, rows };
            block.prepare(!all_fit);
            for panel in 0..panels {
                let at = job.panels.add(panel * size);
                let strip = Strip {
                    head: at.cast(),
                    weights: at.add(8 * PANEL + start * 4 * PANEL).cast(),
                    next: at.wrapping_add(size + 8 * PANEL + start * 4 * PANEL),
                    out: job.out.add(panel * PANEL * size_of::<i32>()),
                    left: (job.channels - panel * PANEL).min(PANEL),
                };
                if fits(panel) {
                    block.panel::<true>(&strip);
                } else {
                    block.panel::<false>(&strip);
                }
            }
        }
    }
}

impl Block<'_> {
    /// Copies the block of each row.
    ///
    /// # Safety
    /// Rows and memory lie behind the pointers.
    #[target_feature(enable = "avx2")]
    unsafe fn prepare(&self, widened: bool) {
        let sign = _mm256_set1_epi8(-128);
        let count = self.fours / 8;
        let rest = 4 * (self.fours % 8);
        for pixel in 0..self.job.pixels {
            // SAFETY: the caller's promise; the last places of a row are copied one by one.
            unsafe {
                let from = self.job.cells.add(pixel * self.job.stride + 4 * self.start);
                let row = self.rows.add(pixel * STRIDE);
                for at in 0..count {
                    let codes = _mm256_loadu_si256(from.cast::<__m256i>().add(at));
                    _mm256_storeu_si256(row.add(at), _mm256_xor_si256(codes, sign));
                }
                let mut last = [0i8; 32];
                last.as_mut_ptr().copy_from_nonoverlapping(from.add(32 * count), rest);
                let codes = _mm256_loadu_si256(last.as_ptr().cast());
                _mm256_storeu_si256(row.add(count), _mm256_xor_si256(codes, sign));
                if widened {
                    let wide = self.wide_rows.add(pixel * WIDE_STRIDE);
                    let odd = wide.cast::<i8>().add(4 * self.fours);
                    for at in 0..count {
                        let codes = _mm256_loadu_si256(from.cast::<__m256i>().add(at));
                        _mm256_storeu_si256(wide.add(at), evens(codes));
                        _mm256_storeu_si256(odd.cast::<__m256i>().add(at), odds(codes));
                    }
                    for four in 8 * count..self.fours {
                        let four_codes = from.cast::<i32>().add(four).read_unaligned();
                        let codes = _mm256_set1_epi32(four_codes);
                        let words = wide.cast::<i32>().add(four);
                        words.write_unaligned(_mm256_extract_epi32::<0>(evens(codes)));
                        let words = odd.cast::<i32>().add(four);
                        words.write_unaligned(_mm256_extract_epi32::<0>(odds(codes)));
                    }
                }
            }
        }
    }

    /// Multiplies all rows by a panel; `FITS` if pairs of products fit 16 bits.
    ///
    /// # Safety
    /// Rows, panel and result lie behind the pointers.
    #[target_feature(enable = "avx2")]
    unsafe fn panel<const FITS: bool>(&self, strip: &Strip) {
        // SAFETY: the caller's promise; what is fetched ahead need not exist.
        unsafe {
            if !FITS {
                for at in 0..2 * self.fours {
                    let codes = _mm256_loadu_si256(strip.weights.add(at));
                    _mm256_storeu_si256(self.weights.add(at), evens(codes));
                    _mm256_storeu_si256(self.weights.add(2 * self.fours + at), odds(codes));
                }
            }
            let pixels = self.job.pixels;
            let lines = self.fours.div_ceil(pixels.div_ceil(TILE));
            for (tile, pixel) in (0..pixels).step_by(TILE).enumerate() {
                for line in tile * lines..(tile + 1) * lines {
                    _mm_prefetch::<_MM_HINT_T0>(strip.next.wrapping_add(64 * line));
                }
                match pixels - pixel {
                    1 => self.tile::<1, FITS>(strip, pixel),
                    2 => self.tile::<2, FITS>(strip, pixel),
                    3 => self.tile::<3, FITS>(strip, pixel),
                    4 => self.tile::<4, FITS>(strip, pixel),
                    _ => self.tile::<TILE, FITS>(strip, pixel),
                }
            }
        }
    }

    /// Computes `M` pixels times 16 channels.
    ///
    /// # Safety
    /// The job has `M` pixels from `pixel` on.
    #[target_feature(enable = "avx2")]
    unsafe fn tile<const M: usize, const FITS: bool>(&self, strip: &Strip, pixel: usize) {
        let mut acc = [[_mm256_setzero_si256(); 2]; M];
        let ones = _mm256_set1_epi16(1);
        // SAFETY: a row has `fours` fours of values, the panel twice as many registers.
        unsafe {
            for (m, acc) in acc.iter_mut().enumerate() {
                if self.start > 0 {
                    *acc = load(self.out(strip, pixel + m), strip.left);
                } else if FITS {
                    *acc = load(strip.head, PANEL);
                }
            }
            if FITS {
                let rows = self.rows.add(pixel * STRIDE);
                for four in 0..self.fours {
                    let w0 = _mm256_loadu_si256(strip.weights.add(2 * four));
                    let w1 = _mm256_loadu_si256(strip.weights.add(2 * four + 1));
                    for (m, acc) in acc.iter_mut().enumerate() {
                        let x = rows.add(m * STRIDE).cast::<i32>().add(four).read_unaligned();
                        let x = _mm256_set1_epi32(x);
                        for (acc, w) in acc.iter_mut().zip([w0, w1]) {
                            let pairs = _mm256_maddubs_epi16(x, w);
                            *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(pairs, ones));
                        }
                    }
                }
            } else {
                let rows = self.wide_rows.add(pixel * WIDE_STRIDE);
                for pair in 0..2 * self.fours {
                    let w0 = _mm256_loadu_si256(self.weights.add(2 * pair));
                    let w1 = _mm256_loadu_si256(self.weights.add(2 * pair + 1));
                    for (m, acc) in acc.iter_mut().enumerate() {
                        let x = rows.add(m * WIDE_STRIDE).cast::<i32>().add(pair).read_unaligned();
                        let x = _mm256_set1_epi32(x);
                        for (acc, w) in acc.iter_mut().zip([w0, w1]) {
                            *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(x, w));
                        }
                    }
                }
            }
            for (m, acc) in acc.into_iter().enumerate() {
                store_sums(acc, self.out(strip, pixel + m), strip.left);
            }
        }
    }

    /// Returns the panel's part of a pixel of the result.
    fn out(&self, strip: &Strip, pixel: usize) -> *mut i8 {
        strip.out.wrapping_add(pixel * self.job.out_stride)
    }
}

/// Block of a panel.
struct Strip {
    /// Biases, of activations as `value + 128`.
    head: *const i8,
    weights: *const __m256i,
    /// Weights of the panel behind.
    next: *const i8,
    out: *mut i8,
    /// Number of channels that exist.
    left: usize,
}

/// Widens the even ones of 32 values.
#[inline]
#[target_feature(enable = "avx2")]
fn evens(codes: __m256i) -> __m256i {
    odds(_mm256_slli_epi16::<8>(codes))
}

/// Widens the odd ones of 32 values.
#[inline]
#[target_feature(enable = "avx2")]
fn odds(codes: __m256i) -> __m256i {
    _mm256_srai_epi16::<8>(codes)
}

/// Loads the first `count` of 16 accumulators.
///
/// # Safety
/// They lie at `from`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(from: *const i8, count: usize) -> [__m256i; 2] {
    let mut words = [0i32; PANEL];
    // SAFETY: the caller's promise.
    unsafe {
        let mut all = from.cast::<__m256i>();
        if count < PANEL {
            words.as_mut_ptr().cast::<i8>().copy_from_nonoverlapping(from, 4 * count);
            all = words.as_ptr().cast();
        }
        [_mm256_loadu_si256(all), _mm256_loadu_si256(all.add(1))]
    }
}
