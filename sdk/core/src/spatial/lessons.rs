//! Work of a spatial head on frames: lessons, undo, tests, detections, merges.

use super::cells::{Cells, Rows};
use super::learn::evidence;
use super::learn::normal;
use super::learn::sums::{self, BOX, Lesson, MOST_CELLS, STEPS};
use super::marks::{self, Learned, Mark};
use super::peaks::{self, Detection, FLOOR, Search};
use super::spatial_room::SpatialRoom;
use super::{Class, Last, MAX_MARKS, SpatialError, SpatialHead};
use crate::head::linalg::vector::dot;

/// Mean distance of a cell's codes from the empty scene from which it counts as changed.
const CHANGED: u32 = 8;

impl<M: AsRef<[u64]> + AsMut<[u64]>> SpatialHead<M> {
    /// Sets the empty scene of a fixed camera: from now on cells are their distance from it. It may
    /// be replaced by another one, as after the camera was moved; the last lesson can then no longer
    /// be undone.
    ///
    /// # Errors
    ///
    /// [`SpatialError::Late`] if lessons without an empty scene were learned,
    /// [`SpatialError::OtherCells`].
    pub fn set_reference(&mut self, cells: &Cells<'_>) -> Result<(), SpatialError> {
        self.check_cells(cells)?;
        if self.lessons > 0 && !self.has_reference {
            return Err(SpatialError::Late);
        }
        self.parts().reference.copy_from_slice(cells.codes());
        self.has_reference = true;
        self.last = None;
        Ok(())
    }

    /// Returns the share of cells that differ from the empty scene: more than a half of them if the
    /// camera has moved, or the light has changed. [`None`] without an empty scene.
    ///
    /// # Errors
    ///
    /// [`SpatialError::OtherCells`].
    pub fn changed(&self, cells: &Cells<'_>) -> Result<Option<f32>, SpatialError> {
        self.check_cells(cells)?;
        let reference = Cells::new(self.layout, self.kept().reference);
        let Some(reference) = reference.filter(|_| self.has_reference) else { return Ok(None) };
        let finest = self.layout.grid();
        let is_finest = |map: &usize| usize::from(self.layout.maps()[*map].height) == finest[0];
        let map = (0..self.layout.maps().len()).find(is_finest).unwrap_or(0);
        let mut changed = 0;
        let width = usize::from(self.layout.maps()[map].width);
        for at in 0..finest[0] * width {
            let own = cells.at(map, at / width, at % width);
            let empty = reference.at(map, at / width, at % width);
            let off: u32 = own.iter().zip(empty).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            changed += u32::from(off > CHANGED * own.len() as u32);
        }
        Ok(Some(changed as f32 / (finest[0] * width) as f32))
    }

    /// Learns a frame with all objects in it; without marks, that there are none. If the head is
    /// fitted, the frame is first asked of it: the thresholds come from these tests.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] for cells of another package, marks outside the frame, too many marks or
    /// cells.
    pub fn teach(&mut self, cells: &Cells<'_>, marks: &[Mark]) -> Result<(), SpatialError> {
        self.check(cells, marks)?;
        let seen: u64 = self.cells.iter().sum();
        if seen + self.layout.cells() as u64 > MOST_CELLS || self.lessons == u32::MAX {
            return Err(SpatialError::Full);
        }
        let tested = self.tested;
        let [now, before] = self.parts().evidence;
        before.copy_from_slice(now);
        if self.is_fitted {
            self.test(cells, marks)?;
        }
        let mut words = [0.0; MAX_MARKS * Learned::WORDS];
        for (words, mark) in words.chunks_exact_mut(Learned::WORDS).zip(marks) {
            words.copy_from_slice(&self.learned(mark).to_words());
        }
        let parts = self.parts();
        parts.marks.copy_from_slice(&words);
        parts.last.copy_from_slice(cells.codes());
        self.learn(marks.len(), 1)?;
        self.last = Some(Last { marks: marks.len(), tested });
        self.lessons += 1;
        Ok(())
    }

    /// Takes the last lesson back; false if there is none that can be: after another undo, a merge,
    /// a class that was forgotten, or a load.
    pub fn undo(&mut self) -> bool {
        let Some(last) = self.last.take() else { return false };
        // The lesson was valid when it was learned.
        if self.learn(last.marks, -1).is_err() {
            return false;
        }
        self.tested = last.tested;
        self.lessons -= 1;
        let [now, before] = self.parts().evidence;
        now.copy_from_slice(before);
        true
    }

    /// Asks the head about a frame whose objects are known, without learning it; thresholds and
    /// [`SpatialHead::expected`] count it.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] if the head is not fitted, and those of [`SpatialHead::teach`].
    pub fn test(&mut self, cells: &Cells<'_>, marks: &[Mark]) -> Result<(), SpatialError> {
        self.check(cells, marks)?;
        let count = self.search(cells)?;
        let unknown = self.unknown_size();
        let parts = self.parts();
        let now = &mut *parts.evidence[0];
        let mut used = [false; MAX_MARKS];
        for words in parts.scores.candidates[..count * peaks::WORDS].chunks_exact(peaks::WORDS) {
            let found = Detection::from_words(words);
            let hit = hit(&found, marks, unknown, &mut used);
            let own = &mut now[usize::from(found.class) * evidence::WORDS..][..evidence::WORDS];
            evidence::see(own, found.score, hit.is_some());
        }
        for mark in marks {
            let own = &mut now[usize::from(mark.class) * evidence::WORDS..][..evidence::WORDS];
            evidence::see_object(own);
        }
        self.tested = self.tested.saturating_add(1);
        Ok(())
    }

    /// Adds the tests of another head, such as one that has not learned the tested lessons; classes
    /// are matched by name.
    pub fn add_tests<N: AsRef<[u64]> + AsMut<[u64]>>(&mut self, other: &SpatialHead<N>) {
        self.tested = self.tested.saturating_add(other.tested);
        for class in 0..other.count {
            let name = other.classes[class].name();
            let Some(own) = self.class_named(name) else { continue };
            let theirs = other.evidence_of(class as u8);
            let all = &mut *self.parts().evidence[0];
            let own = &mut all[usize::from(own) * evidence::WORDS..][..evidence::WORDS];
            own.iter_mut().zip(theirs).for_each(|(sum, &x)| *sum = sum.saturating_add(x));
        }
        self.last = None;
    }

    /// Computes the weights from the sums.
    ///
    /// # Errors
    ///
    /// [`SpatialError::NothingLearned`] before there are both objects and background.
    pub fn fit(&mut self) -> Result<(), SpatialError> {
        let cells = self.cells;
        let counts = &cells[..self.room + 2];
        if counts[0] == 0 || counts[1..=self.room].iter().all(|&count| count == 0) {
            return Err(SpatialError::NothingLearned);
        }
        let boxes = self.boxes;
        let mut parts = self.parts();
        normal::fit(&parts.sums, counts, &boxes, &mut parts.solver);
        self.is_fitted = true;
        Ok(())
    }

    /// Finds objects, those with the highest scores first, at most as many as `found` has room for.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] if the head is not fitted, or the cells are of another package.
    pub fn detect<'f>(
        &mut self,
        cells: &Cells<'_>,
        found: &'f mut [Detection],
    ) -> Result<&'f [Detection], SpatialError> {
        let thresholds: [f32; super::MAX_SPATIAL_CLASSES] =
            core::array::from_fn(|class| self.threshold(class as u8));
        self.over(thresholds, cells, found)
    }

    /// Finds candidates like [`SpatialHead::detect`], those whose score is below the threshold of their
    /// class too, for measurements.
    ///
    /// # Errors
    ///
    /// Those of [`SpatialHead::detect`].
    pub fn candidates<'f>(
        &mut self,
        cells: &Cells<'_>,
        found: &'f mut [Detection],
    ) -> Result<&'f [Detection], SpatialError> {
        self.over([0.0; super::MAX_SPATIAL_CLASSES], cells, found)
    }

    fn over<'f>(
        &mut self,
        thresholds: [f32; super::MAX_SPATIAL_CLASSES],
        cells: &Cells<'_>,
        found: &'f mut [Detection],
    ) -> Result<&'f [Detection], SpatialError> {
        self.check_cells(cells)?;
        let count = self.search(cells)?;
        let candidates = &self.parts().scores.candidates[..count * peaks::WORDS];
        let over = candidates
            .chunks_exact(peaks::WORDS)
            .map(Detection::from_words)
            .filter(|own| own.score >= thresholds[usize::from(own.class)]);
        let mut filled = 0;
        for (slot, own) in found.iter_mut().zip(over) {
            *slot = own;
            filled += 1;
        }
        Ok(&found[..filled])
    }

    /// Adds what another head has learned and tested; classes are matched by name.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] if the heads are of different packages, one compares with an empty scene and
    /// the other does not, or there is no room.
    pub fn merge<N: AsRef<[u64]> + AsMut<[u64]>>(
        &mut self,
        other: &SpatialHead<N>,
    ) -> Result<(), SpatialError> {
        let is_like = self.package_id == other.package_id
            && self.layout == other.layout
            && self.has_reference == other.has_reference;
        if !is_like {
            return Err(SpatialError::Unlike);
        }
        let names = || other.classes[..other.count].iter().map(Class::name);
        let new = names().filter(|name| self.class_named(name).is_none()).count();
        if self.count + new > self.room {
            return Err(SpatialError::FullClasses { limit: self.room as u8 });
        }
        let seen: u64 = self.cells.iter().chain(&other.cells).sum();
        if seen > MOST_CELLS || self.lessons.checked_add(other.lessons).is_none() {
            return Err(SpatialError::Full);
        }
        self.add_tests(other);
        for name in names() {
            if self.class_named(name).is_none() {
                let class = self.add_class(name)?;
                let theirs = other.class_named(name).unwrap_or(class);
                let theirs = other.evidence_of(theirs);
                let all = &mut *self.parts().evidence[0];
                all[usize::from(class) * evidence::WORDS..][..evidence::WORDS]
                    .copy_from_slice(theirs);
            }
        }
        self.add_sums(other);
        self.lessons += other.lessons;
        self.is_fitted = false;
        Ok(())
    }

    /// Forgets a class: it is no longer found. Its cells go on to count as none of the other
    /// classes and no background, since the products of objects are kept together. Later classes move
    /// down by one.
    ///
    /// # Errors
    ///
    /// [`SpatialError::NoClass`].
    pub fn forget(&mut self, class: u8) -> Result<(), SpatialError> {
        let at = usize::from(class);
        if at >= self.count {
            return Err(SpatialError::NoClass { found: class });
        }
        let dim = self.layout.values();
        let gone = self.room + 1;
        let count = self.count;
        let parts = self.parts();
        let values = parts.sums.values;
        for i in 0..dim {
            values[gone * dim + i] += values[(at + 1) * dim + i];
        }
        values.copy_within((at + 2) * dim..(count + 1) * dim, (at + 1) * dim);
        values[count * dim..(count + 1) * dim].fill(0);
        let evidence = &mut *parts.evidence[0];
        evidence
            .copy_within((at + 1) * evidence::WORDS..count * evidence::WORDS, at * evidence::WORDS);
        evidence[(count - 1) * evidence::WORDS..count * evidence::WORDS].fill(0);
        self.cells[gone] += self.cells[at + 1];
        self.cells.copy_within(at + 2..count + 1, at + 1);
        self.cells[count] = 0;
        self.classes.copy_within(at + 1..count, at);
        self.count -= 1;
        self.classes[self.count] = Class::EMPTY;
        self.is_fitted = false;
        self.last = None;
        Ok(())
    }

    fn add_sums<N: AsRef<[u64]> + AsMut<[u64]>>(&mut self, other: &SpatialHead<N>) {
        let dim = self.layout.values();
        let theirs = other.kept();
        let gone = [self.room + 1, other.room + 1];
        let mut rows = [[0; 2]; super::MAX_SPATIAL_CLASSES + 2];
        rows[1] = gone;
        for class in 0..other.count {
            let own = self.class_named(other.classes[class].name()).unwrap_or_default();
            rows[class + 2] = [usize::from(own) + 1, class + 1];
            let own = &mut self.classes[usize::from(own)];
            let more = &other.classes[class];
            own.objects = own.objects.saturating_add(more.objects);
            own.boxed = own.boxed.saturating_add(more.boxed);
            own.sides = [own.sides[0] + more.sides[0], own.sides[1] + more.sides[1]];
        }
        let parts = self.parts();
        for [own, their] in rows.into_iter().take(other.count + 2) {
            add(&mut parts.sums.values[own * dim..][..dim], &theirs.values[their * dim..][..dim]);
        }
        for (own, their) in parts.sums.products.into_iter().zip(theirs.products) {
            add(own, their);
        }
        add(parts.sums.boxes, theirs.boxes);
        for [own, their] in rows.into_iter().take(other.count + 2) {
            self.cells[own] += other.cells[their];
        }
        self.boxes.pointed += other.boxes.pointed;
        self.boxes.boxed += other.boxes.boxed;
        add(&mut self.boxes.sums, &other.boxes.sums);
        add(&mut self.boxes.squares, &other.boxes.squares);
    }

    fn check_cells(&self, cells: &Cells<'_>) -> Result<(), SpatialError> {
        if *cells.layout() == self.layout { Ok(()) } else { Err(SpatialError::OtherCells) }
    }

    fn check(&self, cells: &Cells<'_>, marks: &[Mark]) -> Result<(), SpatialError> {
        self.check_cells(cells)?;
        if marks.len() > MAX_MARKS {
            return Err(SpatialError::Marks { found: marks.len() });
        }
        for (index, mark) in marks.iter().enumerate() {
            if usize::from(mark.class) >= self.count {
                return Err(SpatialError::NoClass { found: mark.class });
            }
            if !mark.is_inside() {
                return Err(SpatialError::Outside { mark: index });
            }
        }
        Ok(())
    }

    /// Returns a mark with the size of its class's other objects, if it is a point.
    fn learned(&self, mark: &Mark) -> Learned {
        let otherwise = || self.size_of(mark.class).unwrap_or(self.unknown_size());
        Learned {
            class: mark.class,
            is_boxed: mark.size.is_some(),
            centre: mark.centre,
            size: mark.size.unwrap_or_else(otherwise),
        }
    }

    /// Adds the lesson that lies in the memory, or takes it back.
    fn learn(&mut self, marks: usize, sign: i64) -> Result<(), SpatialError> {
        let layout = self.layout;
        let has_reference = self.has_reference;
        let mut counts = self.cells;
        let mut boxes = self.boxes;
        let room = self.room;
        let SpatialRoom { mut sums, reference, last, marks: words, mut window, mut block, .. } =
            self.parts();
        let words = &words[..marks * Learned::WORDS];
        marks::label(&layout, words, block.labels, block.owners)?;
        let cells = Cells::new(layout, last).ok_or(SpatialError::OtherCells)?;
        let rows = Rows { cells, reference: has_reference.then_some(&*reference) };
        let lesson = Lesson { rows, marks: words, sign };
        sums::add(lesson, &mut window, &mut block, &mut sums, &mut counts[..room + 2], &mut boxes);
        let mut classes = self.classes;
        for mark in self.parts().marks[..marks * Learned::WORDS].chunks_exact(Learned::WORDS) {
            let mark = Learned::from_words(mark);
            let own = &mut classes[usize::from(mark.class)];
            own.objects = own.objects.wrapping_add_signed(sign as i32);
            if mark.is_boxed {
                own.boxed = own.boxed.wrapping_add_signed(sign as i32);
                for (sum, side) in own.sides.iter_mut().zip(mark.size) {
                    *sum += sign * libm::roundf(libm::logf(side) * STEPS[2]) as i64;
                }
            }
        }
        self.classes = classes;
        self.cells = counts;
        self.boxes = boxes;
        self.is_fitted = false;
        Ok(())
    }

    /// Computes the scores of all cells, and finds their peaks.
    fn search(&mut self, cells: &Cells<'_>) -> Result<usize, SpatialError> {
        if !self.is_fitted {
            return Err(SpatialError::NotFitted);
        }
        let layout = self.layout;
        let classes = self.count;
        let dim = layout.values();
        let first_box = self.room * (dim + 1);
        let limits = self.box_limits();
        let has_reference = self.has_reference;
        let sizes: [Option<[f32; 2]>; super::MAX_SPATIAL_CLASSES] =
            core::array::from_fn(|class| self.size_of(class as u8));
        let SpatialRoom { reference, mut window, mut scores, solver, floats, .. } = self.parts();
        let rows = Rows { cells: *cells, reference: has_reference.then_some(&*reference) };
        let weights = &*solver.weights;
        rows.each(&mut window, |at, row| {
            floats.iter_mut().zip(row).for_each(|(out, &x)| *out = f32::from(x));
            let own = &mut scores.classes[at * classes..][..classes];
            for (score, weights) in own.iter_mut().zip(weights.chunks_exact(dim + 1)) {
                *score = dot(&weights[..dim], floats) + weights[dim];
            }
            if limits.is_none() || own.iter().all(|&score| score <= FLOOR) {
                return;
            }
            let numbers = &mut scores.boxes[at * BOX..][..BOX];
            for (out, weights) in numbers.iter_mut().zip(weights[first_box..].chunks_exact(dim + 1))
            {
                *out = dot(&weights[..dim], floats) + weights[dim];
            }
        });
        let search = Search { layout: &layout, classes, sizes: &sizes, limits };
        Ok(search.find(&mut scores))
    }
}

/// Returns the nearest unused mark that a detection is in, and uses it.
fn hit(
    found: &Detection,
    marks: &[Mark],
    unknown: [f32; 2],
    used: &mut [bool; MAX_MARKS],
) -> Option<usize> {
    let off = |mark: &Mark| {
        let across = mark.centre[0] - found.centre[0];
        let down = mark.centre[1] - found.centre[1];
        across * across + down * down
    };
    let inside = |at: &usize| !used[*at] && found.is_in(&marks[*at], unknown);
    let best = (0..marks.len())
        .filter(inside)
        .min_by(|&a, &b| off(&marks[a]).total_cmp(&off(&marks[b])))?;
    used[best] = true;
    Some(best)
}

fn add(own: &mut [i64], theirs: &[i64]) {
    own.iter_mut().zip(theirs).for_each(|(sum, &x)| *sum += x);
}
