//! Detections: peaks of the score maps, without those that show an object again.

use super::cells::CellsLayout;
use super::learn::sums::BOX;
use super::marks::Mark;

/// Score below which nothing is a candidate.
pub(crate) const FLOOR: f32 = 0.1;

/// Max number of candidates of a frame, of which those with the highest scores are taken.
pub(crate) const CANDIDATES: usize = 256;

/// Words of a candidate: class, score, middle across and down, width, height.
pub(crate) const WORDS: usize = 6;

/// Intersection over union from which two boxes of a class show one object.
const SAME: f32 = 0.45;

/// Sides of an object of unknown size, in cells.
pub(crate) const UNKNOWN_CELLS: f32 = 3.0;

/// Object that was found. Coordinates are shares of the frame's width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Index of the class.
    pub class: u8,
    /// Score: 1 for an object as those that were taught, 0 for background. It is no probability.
    pub score: f32,
    /// Middle: across, down.
    pub centre: [f32; 2],
    /// Width and height; [`None`] if objects were taught by points alone.
    pub size: Option<[f32; 2]>,
}

impl Detection {
    /// Placeholder to fill a buffer with.
    pub const NONE: Self = Self { class: 0, score: 0.0, centre: [0.0; 2], size: None };

    /// Returns left and upper edge, width and height, cut off at the frame; of a point with the sides
    /// `otherwise`.
    #[must_use]
    pub fn area(&self, otherwise: [f32; 2]) -> [f32; 4] {
        let size = self.size.unwrap_or(otherwise);
        let edges: [[f32; 2]; 2] = core::array::from_fn(|axis| {
            let half = size[axis] / 2.0;
            [self.centre[axis] - half, self.centre[axis] + half].map(|edge| edge.clamp(0.0, 1.0))
        });
        [edges[0][0], edges[1][0], edges[0][1] - edges[0][0], edges[1][1] - edges[1][0]]
    }

    pub(crate) fn to_words(self) -> [f32; WORDS] {
        let [width, height] = self.size.unwrap_or([0.0; 2]);
        [self.class.into(), self.score, self.centre[0], self.centre[1], width, height]
    }

    pub(crate) fn from_words(words: &[f32]) -> Self {
        let size = [words[4], words[5]];
        let size = (size != [0.0; 2]).then_some(size);
        Self { class: words[0] as u8, score: words[1], centre: [words[2], words[3]], size }
    }

    /// True if both show one object: boxes overlap, points are less than half a side apart.
    fn is_same(&self, other: &Self, unknown: [f32; 2]) -> bool {
        if self.class != other.class {
            return false;
        }
        if self.size.is_some() && other.size.is_some() {
            return overlap(self, other) >= SAME;
        }
        (0..2).all(|axis| (self.centre[axis] - other.centre[axis]).abs() < unknown[axis] / 2.0)
    }

    /// True if the middle lies in the box of a mark, or no further than half an unknown side from its
    /// point.
    #[must_use]
    pub fn is_in(&self, mark: &Mark, unknown: [f32; 2]) -> bool {
        let size = mark.size.unwrap_or(unknown);
        let is_near =
            |axis: usize| (self.centre[axis] - mark.centre[axis]).abs() <= size[axis] / 2.0;
        self.class == mark.class && is_near(0) && is_near(1)
    }
}

/// Returns the intersection over union of two boxes.
fn overlap(a: &Detection, b: &Detection) -> f32 {
    let [a_size, b_size] = [a, b].map(|own| own.size.unwrap_or([0.0; 2]));
    let common = |axis: usize| {
        let left = (a.centre[axis] - a_size[axis] / 2.0).max(b.centre[axis] - b_size[axis] / 2.0);
        let right = (a.centre[axis] + a_size[axis] / 2.0).min(b.centre[axis] + b_size[axis] / 2.0);
        (right - left).max(0.0)
    };
    let both = common(0) * common(1);
    let all = a_size[0] * a_size[1] + b_size[0] * b_size[1] - both;
    if all > 0.0 { both / all } else { 0.0 }
}

/// Scores of all cells.
#[derive(Debug)]
pub(crate) struct Scores<'m> {
    /// Score of each cell in each class.
    pub classes: &'m mut [f32],
    /// Numbers of each cell's box.
    pub boxes: &'m mut [f32],
    /// Candidates, those with the highest scores first.
    pub candidates: &'m mut [f32],
}

/// Way from the scores to detections.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    pub layout: &'a CellsLayout,
    pub classes: usize,
    /// Sides of objects of each class whose boxes are not predicted.
    pub sizes: &'a [Option<[f32; 2]>],
    /// Limits of the numbers of a box; [`None`] if they are not predicted.
    pub limits: Option<[[f32; 2]; BOX]>,
}

impl Search<'_> {
    /// Finds the peaks, highest first, drops those that show an object again, and returns how many
    /// are left.
    pub fn find(&self, scores: &mut Scores<'_>) -> usize {
        let mut count = 0;
        for at in 0..self.layout.cells() {
            for class in 0..self.classes {
                let score = scores.classes[at * self.classes + class];
                if score > FLOOR && self.is_peak(scores.classes, at, class) {
                    let found = self.detection(&scores.boxes[at * BOX..], at, class as u8, score);
                    count = insert(scores.candidates, count, found);
                }
            }
        }
        let unknown = self.layout.step().map(|step| UNKNOWN_CELLS * step);
        let unknown = [unknown[1], unknown[0]];
        let mut kept = 0;
        for next in 0..count {
            let own = Detection::from_words(&scores.candidates[next * WORDS..]);
            let mut before = scores.candidates[..kept * WORDS].chunks_exact(WORDS);
            if before.all(|words| !Detection::from_words(words).is_same(&own, unknown)) {
                scores.candidates[kept * WORDS..][..WORDS].copy_from_slice(&own.to_words());
                kept += 1;
            }
        }
        kept
    }

    /// True if no neighbour has a higher score; of equals the first cell is the peak.
    fn is_peak(&self, scores: &[f32], at: usize, class: usize) -> bool {
        let [height, width] = self.layout.grid();
        let row = at / width;
        let column = at % width;
        let own = scores[at * self.classes + class];
        let rows = row.saturating_sub(1)..(row + 2).min(height);
        rows.flat_map(|y| {
            (column.saturating_sub(1)..(column + 2).min(width)).map(move |x| y * width + x)
        })
        .filter(|&other| other != at)
        .all(|other| {
            let score = scores[other * self.classes + class];
            score < own || (score == own && other > at)
        })
    }

    fn detection(&self, numbers: &[f32], at: usize, class: u8, score: f32) -> Detection {
        let width = self.layout.grid()[1];
        let [down, across] = self.layout.centre(at / width, at % width);
        let mut centre = [across, down];
        let mut size = self.sizes[usize::from(class)];
        if let Some(limits) = self.limits {
            let own: [f32; BOX] =
                core::array::from_fn(|i| numbers[i].clamp(limits[i][0], limits[i][1]));
            centre = [across + own[0], down + own[1]];
            size = Some([libm::expf(own[2]), libm::expf(own[3])].map(|side| side.min(1.0)));
        }
        Detection { class, score, centre: centre.map(|x| x.clamp(0.0, 1.0)), size }
    }
}

/// Inserts a candidate behind those that score as much; the last one falls off a full list.
fn insert(candidates: &mut [f32], count: usize, found: Detection) -> usize {
    let room = candidates.len() / WORDS;
    let score = |at: usize| candidates[at * WORDS + 1];
    let place = (0..count).find(|&at| score(at) < found.score).unwrap_or(count);
    if place == room {
        return count;
    }
    let after = (count + 1).min(room);
    candidates.copy_within(place * WORDS..(after - 1) * WORDS, (place + 1) * WORDS);
    candidates[place * WORDS..][..WORDS].copy_from_slice(&found.to_words());
    after
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::super::cells::{CellMap, Neighbours};
    use super::*;

    fn search(scores: &[f32], limits: Option<[[f32; 2]; BOX]>, boxes: &[f32]) -> Vec<Detection> {
        let map = CellMap { height: 4, width: 8, channels: 1, stride: [8; 2], offset: [8; 2] };
        let layout = CellsLayout::new(&[map], Neighbours::None, [32, 64], 0).unwrap();
        let sizes = [None; 2];
        let classes = scores.len() / 32;
        let search = Search { layout: &layout, classes, sizes: &sizes, limits };
        let mut candidates = vec![0.0; CANDIDATES * WORDS];
        let mut boxes = boxes.to_vec();
        boxes.resize(32 * BOX, 0.0);
        let mut scores = scores.to_vec();
        let mut scores =
            Scores { classes: &mut scores, boxes: &mut boxes, candidates: &mut candidates };
        let count = search.find(&mut scores);
        scores.candidates[..count * WORDS].chunks(WORDS).map(Detection::from_words).collect()
    }

    #[test]
    fn peaks_come_highest_first_and_a_plateau_gives_one() {
        let mut scores = [0.0; 32];
        scores[9] = 0.6;
        scores[10] = 0.6;
        scores[15] = 0.9;
        scores[31] = 0.05;
        let found = search(&scores, None, &[]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].centre, [60.0 / 64.0, 12.0 / 32.0]);
        assert_eq!((found[1].score, found[1].size), (0.6, None));
        assert_eq!(found[1].centre, [12.0 / 64.0, 12.0 / 32.0]);
    }

    #[test]
    fn boxes_that_overlap_are_one_object() {
        let mut scores = [0.0; 32];
        scores[9] = 0.6;
        scores[12] = 0.7;
        let limits = Some([[-1.0, 1.0], [-1.0, 1.0], [-9.0, 0.0], [-9.0, 0.0]]);
        let mut boxes = [0.0; 32 * BOX];
        for at in [9, 12] {
            boxes[at * BOX + 2] = libm::logf(0.2);
            boxes[at * BOX + 3] = libm::logf(0.2);
        }
        assert_eq!(search(&scores, limits, &boxes).len(), 2);
        // Both point to the same place.
        boxes[9 * BOX] = 1.5 * 8.0 / 64.0;
        boxes[12 * BOX] = -1.5 * 8.0 / 64.0;
        let found = search(&scores, limits, &boxes);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].score, 0.7);
    }

    #[test]
    fn a_full_list_keeps_the_highest() {
        let mut list = vec![0.0; 2 * WORDS];
        let mut count = 0;
        for score in [0.3, 0.5, 0.4, 0.2, 0.5] {
            let found = Detection { class: 0, score, centre: [0.0; 2], size: None };
            count = insert(&mut list, count, found);
        }
        assert_eq!((count, list[1], list[WORDS + 1]), (2, 0.5, 0.5));
    }
}
