//! Matrix products of floats by AVX-512: eight rows times 32 columns in sixteen registers.
//!
//! Products and sums are rounded one by one, in the order of the depth: the bits are those of
//! portable code. Where a processor multiplies and adds in different units, that is no slower than fused.

use core::arch::x86_64::*;

use crate::kernels::job::Product;

/// Floats of a register.
const LANES: usize = 16;

/// Columns of a tile.
const COLUMNS: usize = 2 * LANES;

/// Multiplies matrices: all rows by some columns, so that these stay in the first-level cache.
///
/// # Safety
/// Same contract as [`crate::kernels::job::Kernel::product`].
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn product(job: &Product) {
    for column in (0..job.columns).step_by(COLUMNS) {
        let left = (job.columns - column).min(COLUMNS);
        let mut row = 0;
        // SAFETY: the caller's promise; tiles lie within rows and columns.
        unsafe {
            while row + 8 <= job.rows {
                tile::<8>(job, row, column, left);
                row += 8;
            }
            if row + 4 <= job.rows {
                tile::<4>(job, row, column, left);
                row += 4;
            }
            while row < job.rows {
                tile::<1>(job, row, column, left);
                row += 1;
            }
        }
    }
}

/// Computes `R` rows of the first `left` of 32 columns.
///
/// # Safety
/// The job has `R` rows from `row` on, and `left` columns from `column` on.
#[target_feature(enable = "avx512f")]
unsafe fn tile<const R: usize>(job: &Product, row: usize, column: usize, left: usize) {
    let masks = [0, LANES].map(|first| {
        let count = left.saturating_sub(first).min(LANES);
        ((1u32 << count) - 1) as __mmask16
    });
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    // SAFETY: the caller's promise. Lanes that a mask leaves out are neither read nor written.
    unsafe {
        let a = job.a.add(row * job.depth).cast::<f32>();
        let mut b = job.b.add(column).cast::<f32>();
        for at in 0..job.depth {
            let b0 = _mm512_maskz_loadu_ps(masks[0], b);
            let b1 = _mm512_maskz_loadu_ps(masks[1], b.add(LANES));
            for (r, [low, high]) in sums.iter_mut().enumerate() {
                let a = _mm512_set1_ps(a.add(r * job.depth + at).read_unaligned());
                *low = _mm512_add_ps(*low, _mm512_mul_ps(a, b0));
                *high = _mm512_add_ps(*high, _mm512_mul_ps(a, b1));
            }
            b = b.add(job.columns);
        }
        for (r, [low, high]) in sums.into_iter().enumerate() {
            let out = job.out.add((row + r) * job.columns + column).cast::<f32>();
            _mm512_mask_storeu_ps(out, masks[0], low);
            _mm512_mask_storeu_ps(out.wrapping_add(LANES), masks[1], high);
        }
    }
}
