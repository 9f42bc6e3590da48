//! Memory of a spatial head: one slice of 8-byte words, divided once.

use bytemuck::Pod;

use super::cells::{CellsLayout, Window};
use super::learn::evidence;
use super::learn::normal::Solver;
use super::learn::sums::{BLOCK, BOX, Block, Sums};
use super::marks::Learned;
use super::peaks::{self, CANDIDATES, Scores};
use super::{MAX_MARKS, MAX_SPATIAL_CLASSES, SpatialError};

/// Limits of a spatial head; the memory for all of it is reserved from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpatialLimits {
    /// Max number of classes, 1 to [`MAX_SPATIAL_CLASSES`].
    pub classes: u8,
}

impl SpatialLimits {
    /// Length in 8-byte words of the memory that such a head needs, exactly, whatever is shown to it.
    ///
    /// With `d` values of a cell, `g` cells, `c` channels, `w` columns, `e` values of all maps and
    /// `k` classes these are about, in bytes:
    ///
    /// | purpose | bytes |
    /// |---|---|
    /// | products of objects and of background | `8 * d * (d + 1)` |
    /// | sums of classes and of boxes | `8 * d * (k + 6)` |
    /// | the empty scene, and the last lesson to be undone | `2 * e + 3072` |
    /// | tested lessons, twice | `1032 * k` |
    /// | weights | `4 * (d + 1) * (k + 4)` |
    /// | solver | `2 * d * (d + 1) + 12 * d` |
    /// | a lesson, a search | `66 * d + 10 * w * c + 8 * c + g * (4 * k + 18) + 6144` |
    ///
    /// # Errors
    ///
    /// [`SpatialError::Classes`] for a room of 0 or above [`MAX_SPATIAL_CLASSES`].
    pub fn words(self, layout: &CellsLayout) -> Result<usize, SpatialError> {
        if !(1..=MAX_SPATIAL_CLASSES as u8).contains(&self.classes) {
            return Err(SpatialError::Classes { found: self.classes });
        }
        Ok(Lengths::new(layout, self.classes.into()).words())
    }

    /// Length of [`SpatialLimits::words`] in bytes.
    ///
    /// # Errors
    ///
    /// Those of [`SpatialLimits::words`].
    pub fn bytes(self, layout: &CellsLayout) -> Result<usize, SpatialError> {
        Ok(8 * self.words(layout)?)
    }
}

/// Numbers of values of the parts of the memory.
struct Lengths {
    products: usize,
    values: usize,
    boxes: usize,
    evidence: usize,
    codes: usize,
    dim: usize,
    cells: usize,
    weights: usize,
    scores: usize,
    window: [usize; 4],
}

impl Lengths {
    fn new(layout: &CellsLayout, classes: usize) -> Self {
        let dim = layout.values();
        let cells = layout.cells();
        Self {
            products: dim * (dim + 1) / 2,
            values: (classes + 2) * dim,
            boxes: BOX * dim,
            evidence: classes * evidence::WORDS,
            codes: layout.elements(),
            dim,
            cells,
            weights: (classes + BOX) * (dim + 1),
            scores: cells * classes,
            window: layout.window(),
        }
    }

    fn words(&self) -> usize {
        let [line, columns, running, row] = self.window;
        let parts = [
            8 * self.products,
            8 * self.products,
            8 * self.values,
            8 * self.boxes,
            4 * self.evidence,
            4 * self.evidence,
            self.codes,
            self.codes,
            4 * MAX_MARKS * Learned::WORDS,
            4 * self.products,
            4 * self.dim,
            8 * self.dim,
            4 * self.weights,
            2 * line,
            4 * columns,
            4 * running,
            2 * row,
            2 * BLOCK * self.dim,
            self.cells,
            self.cells,
            4 * self.scores,
            4 * self.cells * BOX,
            4 * CANDIDATES * peaks::WORDS,
            4 * self.dim,
        ];
        parts.iter().map(|bytes| bytes.div_ceil(8)).sum()
    }
}

/// Parts of a head's memory.
#[derive(Debug)]
pub(crate) struct SpatialRoom<'m> {
    pub sums: Sums<'m>,
    /// Evidence of each class, and that before the last lesson.
    pub evidence: [&'m mut [u32]; 2],
    /// Codes of the empty scene.
    pub reference: &'m mut [i8],
    /// Codes of the last lesson.
    pub last: &'m mut [i8],
    /// Marks of the last lesson.
    pub marks: &'m mut [f32],
    pub solver: Solver<'m>,
    pub window: Window<'m>,
    pub block: Block<'m>,
    pub scores: Scores<'m>,
    /// Values of one cell as floats.
    pub floats: &'m mut [f32],
}

impl<'m> SpatialRoom<'m> {
    /// Divides memory of at least [`SpatialLimits::words`] words.
    pub fn carve(words: &'m mut [u64], layout: &CellsLayout, classes: usize) -> Self {
        let lengths = Lengths::new(layout, classes);
        let [line, columns, running, row] = lengths.window;
        let rest = &mut { words };
        Self {
            sums: Sums {
                products: [take(rest, lengths.products), take(rest, lengths.products)],
                values: take(rest, lengths.values),
                boxes: take(rest, lengths.boxes),
            },
            evidence: [take(rest, lengths.evidence), take(rest, lengths.evidence)],
            reference: take(rest, lengths.codes),
            last: take(rest, lengths.codes),
            marks: take(rest, MAX_MARKS * Learned::WORDS),
            solver: Solver {
                matrix: take(rest, lengths.products),
                scratch: take(rest, lengths.dim),
                means: take(rest, lengths.dim),
                weights: take(rest, lengths.weights),
            },
            window: Window {
                line: take(rest, line),
                columns: take(rest, columns),
                running: take(rest, running),
                row: take(rest, row),
            },
            block: Block {
                columns: take(rest, BLOCK * lengths.dim),
                labels: take(rest, lengths.cells),
                owners: take(rest, lengths.cells),
            },
            scores: Scores {
                classes: take(rest, lengths.scores),
                boxes: take(rest, lengths.cells * BOX),
                candidates: take(rest, CANDIDATES * peaks::WORDS),
            },
            floats: take(rest, lengths.dim),
        }
    }
}

/// Takes `count` values from the front of the memory.
pub(crate) fn take<'m, T: Pod>(rest: &mut &'m mut [u64], count: usize) -> &'m mut [T] {
    let words = (count * size_of::<T>()).div_ceil(8);
    let all = core::mem::take(rest);
    let (own, others) = all.split_at_mut(words);
    *rest = others;
    &mut bytemuck::cast_slice_mut(own)[..count]
}

/// Parts of a head's memory that hold what was learned.
#[derive(Debug)]
pub(crate) struct Kept<'m> {
    pub products: [&'m [i64]; 2],
    pub values: &'m [i64],
    pub boxes: &'m [i64],
    pub evidence: &'m [u32],
    pub reference: &'m [i8],
}

impl<'m> Kept<'m> {
    /// Divides memory as [`SpatialRoom::carve`] does.
    pub fn of(words: &'m [u64], layout: &CellsLayout, classes: usize) -> Self {
        let lengths = Lengths::new(layout, classes);
        let rest = &mut { words };
        let products = [view(rest, lengths.products), view(rest, lengths.products)];
        let values = view(rest, lengths.values);
        let boxes = view(rest, lengths.boxes);
        let evidence = view(rest, lengths.evidence);
        let _before: &[u32] = view(rest, lengths.evidence);
        Self { products, values, boxes, evidence, reference: view(rest, lengths.codes) }
    }
}

/// Takes `count` values from the front of the memory, to read.
fn view<'m, T: Pod>(rest: &mut &'m [u64], count: usize) -> &'m [T] {
    let (own, others) = rest.split_at((count * size_of::<T>()).div_ceil(8));
    *rest = others;
    &bytemuck::cast_slice(own)[..count]
}
