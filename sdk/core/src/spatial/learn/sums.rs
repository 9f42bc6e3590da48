//! Sums over cells: exact integers, so that their order does not matter and a lesson is taken back
//! by subtracting it.
//!
//! Per class the number of cells and the sum of their values; for all objects together, and for the
//! background, the sum of the products of any two values (Gram matrix, lower triangle); for the
//! cells of boxes the sums of the values times the way to the box's middle and the logarithms of its
//! sides.
//!
//! A value is at most 2,040 in magnitude, a product at most 2^22, and at most 2^28 cells are summed:
//! no sum overflows.

use crate::head::linalg::cholesky::start;
use crate::spatial::cells::{CellsLayout, ONE, Rows, Window};
use crate::spatial::marks::{BACKGROUND, IGNORED, Learned};

/// Numbers that are predicted of a box: the way to its middle across and down, and the logarithms of
/// its width and height.
pub(crate) const BOX: usize = 4;

/// Max number of cells that are summed.
pub(crate) const MOST_CELLS: u64 = 1 << 28;

/// Max magnitude of a value.
pub(crate) const MOST_VALUE: i64 = 255 * ONE as i64;

/// Number of cells whose products are summed in 32 bits: 32 * 2,040^2 is below 2^31.
pub(crate) const BLOCK: usize = 32;

/// Steps of the way to a box's middle in a side of the frame, and of a logarithm in a unit.
pub(crate) const STEPS: [f32; BOX] = [65_536.0, 65_536.0, 4_096.0, 4_096.0];

/// Max magnitude of a box's number in steps; sides below 2^-16 of the frame are taken for it.
pub(crate) const MOST_STEPS: i64 = 1 << 17;

/// Sums in a head's memory.
#[derive(Debug)]
pub(crate) struct Sums<'m> {
    /// Products of any two values: of objects, of background.
    pub products: [&'m mut [i64]; 2],
    /// Values: of the background, of each class, and of classes that were forgotten.
    pub values: &'m mut [i64],
    /// Values times each number of a box.
    pub boxes: &'m mut [i64],
}

/// Counts that go with [`Sums`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BoxCounts {
    /// Number of cells of objects without a box.
    pub pointed: u64,
    /// Number of cells of boxes.
    pub boxed: u64,
    /// Sums of their numbers.
    pub sums: [i64; BOX],
    /// Sums of the squares.
    pub squares: [i64; BOX],
}

/// Working memory of a lesson.
#[derive(Debug)]
pub(crate) struct Block<'m> {
    /// Values of [`BLOCK`] cells: all of the first value, then all of the second.
    pub columns: &'m mut [i16],
    pub labels: &'m mut [u8],
    pub owners: &'m mut [u8],
}

/// Frame with its labels, to be added (`sign` 1) or taken back (-1).
#[derive(Clone, Copy)]
pub(crate) struct Lesson<'a> {
    pub rows: Rows<'a>,
    pub marks: &'a [f32],
    pub sign: i64,
}

/// Adds a lesson. `counts` are the cells of the background and of each class, `boxes` what goes with
/// the boxes.
pub(crate) fn add(
    lesson: Lesson<'_>,
    window: &mut Window<'_>,
    block: &mut Block<'_>,
    sums: &mut Sums<'_>,
    counts: &mut [u64],
    boxes: &mut BoxCounts,
) {
    let layout = lesson.rows.cells.layout();
    let dim = layout.values();
    let Block { columns, labels, owners } = block;
    for is_background in [false, true] {
        let products = &mut *sums.products[usize::from(is_background)];
        let mut gram = Gram { columns, products, sign: lesson.sign, filled: 0 };
        lesson.rows.each(window, |at, row| {
            let label = labels[at];
            if label == IGNORED || (label == BACKGROUND) != is_background {
                return;
            }
            gram.add(row);
            let count = &mut counts[usize::from(label)];
            *count = count.wrapping_add_signed(lesson.sign);
            let own = &mut sums.values[usize::from(label) * dim..][..dim];
            own.iter_mut().zip(row).for_each(|(sum, &x)| *sum += lesson.sign * i64::from(x));
            if !is_background {
                let words = &lesson.marks[usize::from(owners[at]) * Learned::WORDS..];
                let numbers = numbers(layout, &Learned::from_words(words), at);
                add_box(boxes, sums.boxes, numbers, row, lesson.sign);
            }
        });
        gram.finish();
    }
}

/// Sums of products, a block of rows at a time.
pub(crate) struct Gram<'m> {
    /// Values of [`BLOCK`] rows: all of the first value, then all of the second.
    pub columns: &'m mut [i16],
    pub products: &'m mut [i64],
    /// 1 to add, -1 to take back.
    pub sign: i64,
    /// Number of rows in the block.
    pub filled: usize,
}

impl Gram<'_> {
    pub fn add(&mut self, row: &[i16]) {
        for (column, &value) in self.columns.chunks_exact_mut(BLOCK).zip(row) {
            column[self.filled] = value;
        }
        self.filled += 1;
        if self.filled == BLOCK {
            self.multiply();
        }
    }

    pub fn finish(&mut self) {
        for column in self.columns.chunks_exact_mut(BLOCK) {
            column[self.filled..].fill(0);
        }
        self.multiply();
    }

    fn multiply(&mut self) {
        for (i, own) in self.columns.chunks_exact(BLOCK).enumerate() {
            let row = &mut self.products[start(i)..][..=i];
            for (sum, other) in row.iter_mut().zip(self.columns.chunks_exact(BLOCK)) {
                let product: i32 =
                    own.iter().zip(other).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
                *sum += self.sign * i64::from(product);
            }
        }
        self.filled = 0;
    }
}

/// Returns the numbers of a box in steps, seen from a cell; [`None`] of a point.
fn numbers(layout: &CellsLayout, mark: &Learned, at: usize) -> Option<[i64; BOX]> {
    let width = layout.grid()[1];
    let [down, across] = layout.centre(at / width, at % width);
    let side = |side: f32| libm::logf(side.max(1.0 / 65_536.0));
    let reals =
        [mark.centre[0] - across, mark.centre[1] - down, side(mark.size[0]), side(mark.size[1])];
    let steps = core::array::from_fn(|i| {
        (libm::roundf(reals[i] * STEPS[i]) as i64).clamp(-MOST_STEPS, MOST_STEPS)
    });
    mark.is_boxed.then_some(steps)
}

fn add_box(
    counts: &mut BoxCounts,
    sums: &mut [i64],
    numbers: Option<[i64; BOX]>,
    row: &[i16],
    sign: i64,
) {
    let Some(numbers) = numbers else {
        counts.pointed = counts.pointed.wrapping_add_signed(sign);
        return;
    };
    counts.boxed = counts.boxed.wrapping_add_signed(sign);
    for (i, (sums, number)) in sums.chunks_exact_mut(row.len()).zip(numbers).enumerate() {
        counts.sums[i] += sign * number;
        counts.squares[i] += sign * number * number;
        let number = sign * number;
        sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += number * i64::from(x));
    }
}
