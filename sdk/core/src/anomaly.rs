//! Unusual places of a frame: learned from good ones alone.
//!
//! After PaDiM (Defard et al. 2020), cut down to memory of the caller's: each place of the grid has a
//! mean of its own, all share one covariance; the anomaly of a cell is its Mahalanobis distance. The
//! values of a cell are the means over its 3x3 neighbourhood, if the package states one. Sums are
//! exact integers, so that the order of lessons does not matter.
//!
//! # Example
//!
//! ```
//! use offshoot_core::anomaly::GoodHead;
//! use offshoot_core::package::PackageId;
//! use offshoot_core::spatial::{CellMap, Cells, CellsLayout, Neighbours};
//!
//! let map = CellMap { height: 4, width: 4, channels: 2, stride: [8; 2], offset: [8; 2] };
//! let layout = CellsLayout::new(&[map], Neighbours::None, [32, 32], 0).ok_or("layout")?;
//! let memory = vec![0; GoodHead::<Vec<u64>>::words(&layout, true)];
//! let mut head = GoodHead::new(layout, PackageId::new([0; 32]), true, memory)?;
//! let good = |n: usize| core::array::from_fn(|i| (i + n * (i + 1) % 3) as i8);
//! for n in 0..6 {
//!     let codes: [i8; 32] = good(n);
//!     head.teach(&Cells::new(layout, &codes).ok_or("length")?)?;
//!     // Two frames are needed; from then on each is first tested.
//!     let _ = head.fit();
//! }
//! let mut scratched: [i8; 32] = good(6);
//! scratched[20] = 100;
//! let found = head.look(&Cells::new(layout, &scratched).ok_or("length")?)?;
//! assert!(found.is_unusual() && found.place == 10);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod good_record;
mod good_room;

use core::fmt;

pub use good_record::{GOOD_MAGIC, GoodRecord};
use good_room::GoodRoom;

use crate::head::linalg::cholesky::{self, start};
use crate::head::linalg::vector::dot;
use crate::package::PackageId;
use crate::spatial::{Cells, CellsLayout, Gram, Neighbours, SpatialError, rows};

/// Weight decay as a share of the mean variance.
const DECAY: f64 = 0.01;

/// Least number of lessons of a fit.
const LEAST_LESSONS: u32 = 2;

/// Least number of tested lessons of a threshold.
const LEAST_TESTS: u32 = 3;

/// Max number of lessons: a place's sum of values of at most 2,040 fits 32 bits.
const MOST_LESSONS: u32 = 1 << 20;

/// Deviations of the good frames' scores above their mean, from which a frame is unusual.
const DEVIATIONS: f64 = 3.0;

/// Scores of good frames that were tested before they were learned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tests {
    count: u32,
    sum: f64,
    squares: f64,
}

/// Answer to a frame.
#[derive(Clone, Copy, Debug)]
pub struct Unusual<'h> {
    /// Score of the frame: that of its most unusual cell.
    pub score: f32,
    /// Score from which a frame is unusual; [`None`] before three good frames were tested.
    pub threshold: Option<f32>,
    /// Most unusual cell, row by row.
    pub place: usize,
    /// Score of each cell, row by row: 1 is usual.
    pub heat: &'h [f32],
}

impl Unusual<'_> {
    /// True if the score is above the threshold.
    #[must_use]
    pub fn is_unusual(&self) -> bool {
        self.threshold.is_some_and(|threshold| self.score > threshold)
    }
}

/// Head that knows good frames; see the [module](self). `M` is its memory of [`GoodHead::words`]
/// 8-byte words.
pub struct GoodHead<M> {
    layout: CellsLayout,
    package_id: PackageId,
    is_fixed: bool,
    lessons: u32,
    tests: Tests,
    is_fitted: bool,
    /// Tests before the last lesson, which can be undone.
    last: Option<Tests>,
    memory: M,
}

impl<M> fmt::Debug for GoodHead<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoodHead")
            .field("grid", &self.layout.grid())
            .field("is_fixed", &self.is_fixed)
            .field("lessons", &self.lessons)
            .finish_non_exhaustive()
    }
}

/// Returns the values of a cell that are compared: first, and number.
fn compared(layout: &CellsLayout) -> [usize; 2] {
    let channels = layout.channels();
    [if layout.neighbours() == Neighbours::None { 0 } else { channels }, channels]
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> GoodHead<M> {
    /// Length in 8-byte words of the memory of a head, whatever is shown to it.
    ///
    /// With `c` channels, `g` cells and `e` values of all maps these are about
    /// `4 * g * c + 6 * c * (c + 1) + e` bytes, `4 * g` for the heat and some rows; if the frame is not
    /// `fixed`, `8 * c` in place of `4 * g * c`.
    #[must_use]
    pub fn words(layout: &CellsLayout, is_fixed: bool) -> usize {
        GoodRoom::words(layout, is_fixed)
    }

    /// Creates an empty head for the cells of the package `package_id`. In a fixed frame each place
    /// has a mean of its own, as of parts that always lie alike; else all places share one.
    ///
    /// # Errors
    ///
    /// [`SpatialError::Memory`] if the memory is too short.
    pub fn new(
        layout: CellsLayout,
        package_id: PackageId,
        is_fixed: bool,
        mut memory: M,
    ) -> Result<Self, SpatialError> {
        let needed = Self::words(&layout, is_fixed);
        let found = memory.as_ref().len();
        if found < needed {
            return Err(SpatialError::Memory { found, needed });
        }
        memory.as_mut()[..needed].fill(0);
        let tests = Tests::default();
        let last = None;
        Ok(Self { layout, package_id, is_fixed, lessons: 0, tests, is_fitted: false, last, memory })
    }

    /// Layout of the cells that it reads.
    pub fn layout(&self) -> &CellsLayout {
        &self.layout
    }

    /// Id of the package that makes its cells.
    pub fn package_id(&self) -> PackageId {
        self.package_id
    }

    /// Number of good frames that were learned.
    pub fn lessons(&self) -> u32 {
        self.lessons
    }

    /// True if nothing was learned since the last fit.
    pub fn is_fitted(&self) -> bool {
        self.is_fitted
    }

    /// True if each place has a mean of its own.
    pub fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    /// Returns the score from which a frame is unusual: three deviations above the mean of the good
    /// frames that were tested before they were learned; [`None`] before there were three.
    pub fn threshold(&self) -> Option<f32> {
        let Tests { count, sum, squares } = self.tests;
        let mean = sum / f64::from(count.max(1));
        let variance = (squares / f64::from(count.max(1)) - mean * mean).max(0.0);
        let threshold = mean + DEVIATIONS * libm::sqrt(variance);
        (count >= LEAST_TESTS).then_some(threshold as f32)
    }

    /// Learns a good frame. If the head is fitted, the frame is first asked of it: the threshold comes
    /// from these tests.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] for cells of another package, or too many frames.
    pub fn teach(&mut self, cells: &Cells<'_>) -> Result<(), SpatialError> {
        self.check(cells)?;
        if self.lessons == MOST_LESSONS {
            return Err(SpatialError::Full);
        }
        let before = self.tests;
        if self.is_fitted {
            self.test(cells)?;
        }
        self.parts().last.copy_from_slice(cells.codes());
        self.learn(1)?;
        self.lessons += 1;
        self.last = Some(before);
        Ok(())
    }

    /// Takes the last lesson back; false if there is none that can be.
    pub fn undo(&mut self) -> bool {
        let Some(before) = self.last.take() else { return false };
        // The lesson was valid when it was learned.
        if self.learn(-1).is_err() {
            return false;
        }
        self.lessons -= 1;
        self.tests = before;
        true
    }

    /// Asks the head about a good frame without learning it; the threshold counts it.
    ///
    /// # Errors
    ///
    /// Those of [`GoodHead::look`].
    pub fn test(&mut self, cells: &Cells<'_>) -> Result<(), SpatialError> {
        let score = f64::from(self.look(cells)?.score);
        self.tests.count = self.tests.count.saturating_add(1);
        self.tests.sum += score;
        self.tests.squares += score * score;
        Ok(())
    }

    /// Computes means and covariance from the sums.
    ///
    /// # Errors
    ///
    /// [`SpatialError::NothingLearned`] before two lessons.
    pub fn fit(&mut self) -> Result<(), SpatialError> {
        if self.lessons < LEAST_LESSONS {
            return Err(SpatialError::NothingLearned);
        }
        let lessons = f64::from(self.lessons);
        let cells = self.layout.cells() as f64;
        let [_, count] = compared(&self.layout);
        let is_fixed = self.is_fixed;
        let of_mean = if is_fixed { lessons } else { lessons * cells };
        let places = if is_fixed { cells } else { 1.0 };
        let mut parts = self.parts();
        let GoodRoom { products, matrix, scratch, sums, .. } = &mut parts;
        let mut diagonal = 0.0;
        for i in 0..count {
            for j in 0..=i {
                let between: f64 = sums.products(i, j);
                let own = products[start(i) + j] as f64 - between / of_mean;
                let covariance = own / (lessons * cells - places).max(1.0);
                matrix[start(i) + j] = covariance as f32;
            }
            diagonal += f64::from(matrix[start(i) + i].max(0.0));
        }
        let decay = (DECAY * diagonal / count as f64) as f32;
        let decay = if decay > 0.0 { decay } else { 1.0 };
        (0..count).for_each(|i| matrix[start(i) + i] += decay);
        cholesky::invert_factor(matrix, decay, scratch);
        self.is_fitted = true;
        Ok(())
    }

    /// Measures how unusual a frame is, and where.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] if the head is not fitted, or the cells are of another package.
    pub fn look(&mut self, cells: &Cells<'_>) -> Result<Unusual<'_>, SpatialError> {
        self.check(cells)?;
        if !self.is_fitted {
            return Err(SpatialError::NotFitted);
        }
        let [first, count] = compared(&self.layout);
        let threshold = self.threshold();
        let is_fixed = self.is_fixed;
        let lessons = self.lessons as f32;
        let of_mean = if is_fixed { lessons } else { lessons * self.layout.cells() as f32 };
        let GoodRoom { mut window, sums, matrix, scratch, heat, .. } = self.parts();
        let rows = rows(*cells);
        rows.each(&mut window, |at, row| {
            let place = if is_fixed { at } else { 0 };
            for (i, (out, &x)) in scratch.iter_mut().zip(&row[first..][..count]).enumerate() {
                *out = f32::from(x) - sums.at(place, i) as f32 / of_mean;
            }
            let square: f32 = (0..count)
                .map(|i| {
                    let x = dot(cholesky::row(matrix, i), &scratch[..=i]);
                    x * x
                })
                .sum();
            heat[at] = libm::sqrtf(square / count as f32);
        });
        let place =
            (0..heat.len()).fold(0, |best, at| if heat[at] > heat[best] { at } else { best });
        Ok(Unusual { score: heat[place], threshold, place, heat })
    }

    fn check(&self, cells: &Cells<'_>) -> Result<(), SpatialError> {
        if *cells.layout() == self.layout { Ok(()) } else { Err(SpatialError::OtherCells) }
    }

    fn parts(&mut self) -> GoodRoom<'_> {
        GoodRoom::carve(self.memory.as_mut(), &self.layout, self.is_fixed)
    }

    /// Adds the frame that lies in the memory, or takes it back.
    fn learn(&mut self, sign: i64) -> Result<(), SpatialError> {
        let layout = self.layout;
        let is_fixed = self.is_fixed;
        let [first, count] = compared(&layout);
        let GoodRoom { mut window, mut sums, products, block, last, .. } = self.parts();
        let cells = Cells::new(layout, last).ok_or(SpatialError::OtherCells)?;
        let mut gram = Gram { columns: block, products, sign, filled: 0 };
        rows(cells).each(&mut window, |at, row| {
            let own = &row[first..][..count];
            sums.add(if is_fixed { at } else { 0 }, own, sign);
            gram.add(own);
        });
        gram.finish();
        self.is_fitted = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::spatial::CellMap;

    fn layout() -> CellsLayout {
        let map = CellMap { height: 3, width: 4, channels: 2, stride: [8; 2], offset: [8; 2] };
        CellsLayout::new(&[map], Neighbours::None, [24, 32], -3).unwrap()
    }

    fn frame(seed: u64) -> Vec<i8> {
        let mut state = seed;
        (0..24)
            .map(|i| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1);
                (i * 4 - 40 + (state >> 60) as i64) as i8
            })
            .collect()
    }

    fn taught(is_fixed: bool) -> GoodHead<Vec<u64>> {
        let memory = vec![9; GoodHead::<Vec<u64>>::words(&layout(), is_fixed)];
        let mut head = GoodHead::new(layout(), PackageId::new([1; 32]), is_fixed, memory).unwrap();
        for seed in 0..9 {
            head.teach(&Cells::new(layout(), &frame(seed)).unwrap()).unwrap();
        }
        head
    }

    /// Distance of a cell by definition.
    fn plain(is_fixed: bool, asked: &[i8], at: usize) -> f64 {
        let value = |codes: &[i8], at: usize, i: usize| 8.0 * (f64::from(codes[2 * at + i]) + 3.0);
        let frames: Vec<Vec<i8>> = (0..9).map(frame).collect();
        let mean = |at: usize, i: usize| -> f64 {
            if is_fixed {
                return frames.iter().map(|own| value(own, at, i)).sum::<f64>() / 9.0;
            }
            let all = frames.iter().flat_map(|own| (0..12).map(move |at| value(own, at, i)));
            all.sum::<f64>() / (9.0 * 12.0)
        };
        let mut covariance = [[0.0; 2]; 2];
        for own in &frames {
            for at in 0..12 {
                let off = [0, 1].map(|i| value(own, at, i) - mean(at, i));
                for (row, left) in covariance.iter_mut().zip(off) {
                    row.iter_mut().zip(off).for_each(|(sum, right)| *sum += left * right);
                }
            }
        }
        let freedom = 108.0 - if is_fixed { 12.0 } else { 1.0 };
        covariance.iter_mut().flatten().for_each(|x| *x /= freedom);
        let decay = 0.01 * (covariance[0][0] + covariance[1][1]) / 2.0;
        let [[a, b], [_, d]] = covariance;
        let [a, d] = [a + decay, d + decay];
        let r = [0, 1].map(|i| value(asked, at, i) - mean(at, i));
        let square = (d * r[0] * r[0] - 2.0 * b * r[0] * r[1] + a * r[1] * r[1]) / (a * d - b * b);
        (square / 2.0).sqrt()
    }

    #[test]
    fn distances_are_those_of_the_definition() {
        for is_fixed in [true, false] {
            let mut head = taught(is_fixed);
            head.fit().unwrap();
            let asked = frame(77);
            let cells = Cells::new(layout(), &asked).unwrap();
            let found = head.look(&cells).unwrap();
            assert_eq!(found.threshold, None);
            for (at, &heat) in found.heat.iter().enumerate() {
                let want = plain(is_fixed, &asked, at);
                assert!((f64::from(heat) - want).abs() < 1e-3 * want.max(1.0), "{heat} {want}");
            }
        }
    }

    #[test]
    fn undo_and_files_leave_no_trace() {
        for is_fixed in [true, false] {
            let mut head = taught(is_fixed);
            head.fit().unwrap();
            let bytes = |head: &mut GoodHead<Vec<u64>>| {
                let mut bytes = vec![0; head.encoded_len()];
                assert_eq!(head.encode(&mut bytes), Ok(bytes.len()));
                bytes
            };
            let before = bytes(&mut head);
            head.teach(&Cells::new(layout(), &frame(99)).unwrap()).unwrap();
            assert_ne!(bytes(&mut head), before);
            assert!(head.undo() && !head.undo());
            assert_eq!(bytes(&mut head), before);
            let memory = vec![5; GoodHead::<Vec<u64>>::words(&layout(), is_fixed)];
            let id = Some(PackageId::new([1; 32]));
            let mut again = GoodHead::decode(&before, id, memory).unwrap();
            assert_eq!(bytes(&mut again), before);
            head.fit().unwrap();
            again.fit().unwrap();
            let asked = frame(5);
            let cells = Cells::new(layout(), &asked).unwrap();
            let first = head.look(&cells).unwrap().score;
            assert_eq!(again.look(&cells).unwrap().score, first);
            for at in 0..before.len() {
                let mut bad = before.clone();
                bad[at] ^= 1 << (at % 8);
                let memory = vec![5; GoodHead::<Vec<u64>>::words(&layout(), is_fixed)];
                assert!(GoodHead::decode(&bad, id, memory).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn the_threshold_comes_from_good_frames() {
        let mut head = taught(true);
        for seed in 100..112 {
            head.fit().unwrap();
            head.teach(&Cells::new(layout(), &frame(seed)).unwrap()).unwrap();
        }
        head.fit().unwrap();
        let mut asked = frame(200);
        let cells = Cells::new(layout(), &asked).unwrap();
        assert!(!head.look(&cells).unwrap().is_unusual());
        asked[7] += 30;
        let found = head.look(&Cells::new(layout(), &asked).unwrap()).unwrap();
        assert!(found.is_unusual());
        assert_eq!(found.place, 3);
    }
}
