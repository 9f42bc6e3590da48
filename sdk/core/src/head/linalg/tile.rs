//! Products of many samples with each other: an integer matrix product.
//!
//! Int8 values become `codes - zero` in 16 bits once per tile and are then multiplied with a whole
//! side of it. Sums of two neighbouring 16-bit products are one instruction on most processors,
//! also on the oldest x86-64 (`pmaddwd`), and the compiler finds it.

use core::ops::Range;

use wide::i16x8;
#[cfg(not(any(target_arch = "arm", target_arch = "riscv32")))]
use wide::i32x4;

use crate::head::storage::views::Kept;

/// Number of samples along each side; fewer without an operating system, see [`DEPTH`].
pub(crate) const SIDE: usize = if cfg!(target_os = "none") { 8 } else { 16 };

/// Number of dimensions that are multiplied before the next are widened: both sides stay in the L1
/// cache, and a sum of that many products of at most 255 * 255 is below 2^24. Fewer where there is no
/// operating system, whose programs have kilobytes of stack: sums are exact either way.
const DEPTH: usize = if cfg!(target_os = "none") { 32 } else { 128 };

/// Number of rows and columns that are multiplied together, so that each value is loaded once for
/// several products and all sums stay in registers.
const LANES: usize = 8;
const ROWS: usize = 4;
const COLUMNS: usize = 2;

/// Part of a sample, `codes - zero`.
type Row = [i16x8; DEPTH / LANES];

/// Part of some samples; zeros where there are none.
type Strip = [Row; SIDE];

/// A tile of the matrix of products; 10 KiB, on microcontrollers 1.5 KiB.
pub(crate) struct Tile {
    rows: Strip,
    columns: Strip,
    sums: [[i64; SIDE]; SIDE],
}

impl Tile {
    pub fn new() -> Self {
        Self {
            rows: [[i16x8::ZERO; DEPTH / LANES]; SIDE],
            columns: [[i16x8::ZERO; DEPTH / LANES]; SIDE],
            sums: [[0; SIDE]; SIDE],
        }
    }

    /// Computes the exact products of the samples `rows` with the samples `columns`, at most
    /// [`SIDE`] each: a row of sums for each row.
    pub fn products(
        &mut self,
        kept: &Kept<'_>,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> &[[i64; SIDE]; SIDE] {
        self.sums = [[0; SIDE]; SIDE];
        for start in (0..kept.dim()).step_by(DEPTH) {
            let part = start..kept.dim().min(start + DEPTH);
            widen(kept, rows.clone(), part.clone(), &mut self.rows);
            widen(kept, columns.clone(), part, &mut self.columns);
            self.multiply(rows.len(), columns.len());
        }
        &self.sums
    }

    fn multiply(&mut self, height: usize, width: usize) {
        let rows = self.rows.chunks_exact(ROWS).zip(self.sums.chunks_exact_mut(ROWS));
        for (rows, sums) in rows.take(height.div_ceil(ROWS)) {
            let columns = self.columns.chunks_exact(COLUMNS).take(width.div_ceil(COLUMNS));
            for (j, columns) in columns.enumerate() {
                let block = block(rows, columns);
                for (sums, block) in sums.iter_mut().zip(block) {
                    for (sum, product) in sums[j * COLUMNS..].iter_mut().zip(block) {
                        *sum += i64::from(product);
                    }
                }
            }
        }
    }
}

/// Widens a part of some samples.
fn widen(kept: &Kept<'_>, samples: Range<usize>, part: Range<usize>, out: &mut Strip) {
    for (out, sample) in out.iter_mut().zip(samples) {
        let (codes, zero) = kept.sample(sample);
        let codes = &codes[part.clone()];
        let zero = i16::from(zero);
        let out: &mut [i16] = bytemuck::cast_slice_mut(out);
        let (front, rest) = out.split_at_mut(codes.len());
        for (out, &code) in front.iter_mut().zip(codes) {
            *out = i16::from(code) - zero;
        }
        rest.fill(0);
    }
}

#[cfg(not(any(target_arch = "arm", target_arch = "riscv32")))]
fn block(rows: &[Row], columns: &[Row]) -> [[i32; COLUMNS]; ROWS] {
    let mut sums = [[i32x4::ZERO; COLUMNS]; ROWS];
    let ([a, b, c, d], [x, y]) = (rows, columns) else { return [[0; COLUMNS]; ROWS] };
    for i in 0..DEPTH / LANES {
        for (sums, row) in sums.iter_mut().zip([a, b, c, d]) {
            for (sum, column) in sums.iter_mut().zip([x, y]) {
                *sum += row[i].dot(column[i]);
            }
        }
    }
    sums.map(|sums| sums.map(i32x4::reduce_add))
}

/// Multiplies two values of each row with two of each column at a time: processors with registers of 32
/// bits load them as a word and multiply its halves.
#[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
fn block(rows: &[Row], columns: &[Row]) -> [[i32; COLUMNS]; ROWS] {
    let ([a, b, c, d], [x, y]) = (rows, columns) else { return [[0; COLUMNS]; ROWS] };
    let [a, b, c, d, x, y] = [a, b, c, d, x, y].map(bytemuck::cast_ref::<Row, Pairs>);
    let mut sums = [[0; COLUMNS]; ROWS];
    for i in 0..DEPTH / 2 {
        let [x, y] = [x[i], y[i]];
        sums[0] = [plus(sums[0][0], a[i], x), plus(sums[0][1], a[i], y)];
        sums[1] = [plus(sums[1][0], b[i], x), plus(sums[1][1], b[i], y)];
        sums[2] = [plus(sums[2][0], c[i], x), plus(sums[2][1], c[i], y)];
        sums[3] = [plus(sums[3][0], d[i], x), plus(sums[3][1], d[i], y)];
    }
    sums
}

/// Pairs of values of a row, as words.
#[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
type Pairs = [u32; DEPTH / 2];

/// Adds the products of both halves of two words.
#[cfg(any(target_arch = "arm", target_arch = "riscv32"))]
#[inline(always)]
fn plus(sum: i32, a: u32, b: u32) -> i32 {
    let low = i32::from(a as i16) * i32::from(b as i16);
    let high = (a as i32 >> 16) * (b as i32 >> 16);
    sum + low + high
}
