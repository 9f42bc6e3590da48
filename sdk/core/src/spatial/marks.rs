//! Marks: objects that a user has pointed at, and the cells that they are learned from.
//!
//! The middle 40 % of a box's sides are the object, and in any case the nearest cell; the rest
//! of the box is ignored, since a cell there sees half of the object; everything else is
//! background. Smaller objects come after larger ones, so that one in front of another keeps its
//! cells.

use super::cells::CellsLayout;
use super::{MAX_MARKS, SpatialError};

/// Share of a box's sides that is learned as the object.
const MIDDLE: f32 = 0.4;

/// Label of a cell that is background.
pub(crate) const BACKGROUND: u8 = 0;

/// Label of a cell that is not learned.
pub(crate) const IGNORED: u8 = u8::MAX;

/// Object in a frame. Coordinates are shares of the frame's width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Index of the class.
    pub class: u8,
    /// Middle of the object: across, down; each 0 to 1.
    pub centre: [f32; 2],
    /// Width and height, each above 0 and at most 1; [`None`] of a point.
    pub size: Option<[f32; 2]>,
}

impl Mark {
    /// Returns a point.
    #[must_use]
    pub fn point(class: u8, centre: [f32; 2]) -> Self {
        Self { class, centre, size: None }
    }

    /// Returns a box by its left and upper edge, width and height.
    #[must_use]
    pub fn boxed(class: u8, [left, top, width, height]: [f32; 4]) -> Self {
        let centre = [left + width / 2.0, top + height / 2.0];
        Self { class, centre, size: Some([width, height]) }
    }

    /// Checks the coordinates.
    pub(crate) fn is_inside(&self) -> bool {
        let sides = self.size.unwrap_or([1.0; 2]);
        self.centre.iter().all(|x| (0.0..=1.0).contains(x))
            && sides.iter().all(|&side| side > 0.0 && side <= 1.0)
    }
}

/// Mark as it is learned: a point has the size of its class's other objects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Learned {
    pub class: u8,
    pub is_boxed: bool,
    pub centre: [f32; 2],
    pub size: [f32; 2],
}

impl Learned {
    /// Words of a mark in a head's memory.
    pub const WORDS: usize = 6;

    pub fn to_words(self) -> [f32; Self::WORDS] {
        let Self { class, is_boxed, centre, size } = self;
        [class.into(), u8::from(is_boxed).into(), centre[0], centre[1], size[0], size[1]]
    }

    pub fn from_words(words: &[f32]) -> Self {
        Self {
            class: words[0] as u8,
            is_boxed: words[1] != 0.0,
            centre: [words[2], words[3]],
            size: [words[4], words[5]],
        }
    }

    fn area(&self) -> f32 {
        self.size[0] * self.size[1]
    }
}

/// Writes for each cell its class plus one, [`BACKGROUND`] or [`IGNORED`], and the index of its
/// mark.
pub(crate) fn label(
    layout: &CellsLayout,
    marks: &[f32],
    labels: &mut [u8],
    owners: &mut [u8],
) -> Result<(), SpatialError> {
    labels.fill(BACKGROUND);
    owners.fill(0);
    let count = marks.len() / Learned::WORDS;
    if count > MAX_MARKS {
        return Err(SpatialError::Marks { found: count });
    }
    let mut order: [u8; MAX_MARKS] = core::array::from_fn(|i| i as u8);
    let order = &mut order[..count];
    let mark = |index: u8| Learned::from_words(&marks[usize::from(index) * Learned::WORDS..]);
    order.sort_unstable_by(|&a, &b| mark(b).area().total_cmp(&mark(a).area()).then(a.cmp(&b)));
    for &index in &*order {
        let all = mark(index);
        each_inside(layout, &all, 1.0, |at| {
            if labels[at] == BACKGROUND {
                labels[at] = IGNORED;
            }
        });
    }
    for &index in &*order {
        let own = mark(index);
        let mut put = |at: usize| {
            labels[at] = own.class + 1;
            owners[at] = index;
        };
        each_inside(layout, &own, MIDDLE, &mut put);
        put(nearest(layout, own.centre));
    }
    Ok(())
}

/// Calls `put` with each cell whose middle lies in a share of a box.
fn each_inside(layout: &CellsLayout, mark: &Learned, share: f32, mut put: impl FnMut(usize)) {
    let [height, width] = layout.grid();
    for row in 0..height {
        let down = layout.centre(row, 0)[0] - mark.centre[1];
        if down.abs() > share * mark.size[1] / 2.0 {
            continue;
        }
        for column in 0..width {
            let across = layout.centre(row, column)[1] - mark.centre[0];
            if across.abs() <= share * mark.size[0] / 2.0 {
                put(row * width + column);
            }
        }
    }
}

/// Returns the cell whose middle is nearest to a point; the first of equals.
pub(crate) fn nearest(layout: &CellsLayout, [across, down]: [f32; 2]) -> usize {
    let [height, width] = layout.grid();
    let off = |row: usize| (layout.centre(row, 0)[0] - down).abs();
    let row = (0..height).fold(0, |best, row| if off(row) < off(best) { row } else { best });
    let off = |column: usize| (layout.centre(0, column)[1] - across).abs();
    let column = (0..width).fold(0, |best, at| if off(at) < off(best) { at } else { best });
    row * width + column
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::super::cells::{CellMap, Neighbours};
    use super::*;

    fn grid() -> CellsLayout {
        let map = CellMap { height: 8, width: 8, channels: 1, stride: [8; 2], offset: [8; 2] };
        CellsLayout::new(&[map], Neighbours::None, [64, 64], 0).unwrap()
    }

    fn labelled(marks: &[Learned]) -> (Vec<u8>, Vec<u8>) {
        let words: Vec<f32> = marks.iter().flat_map(|mark| mark.to_words()).collect();
        let mut labels = vec![9; 64];
        let mut owners = vec![9; 64];
        label(&grid(), &words, &mut labels, &mut owners).unwrap();
        (labels, owners)
    }

    fn learned(class: u8, centre: [f32; 2], size: [f32; 2]) -> Learned {
        Learned { class, is_boxed: true, centre, size }
    }

    #[test]
    fn the_middle_is_the_object_and_the_rim_is_ignored() {
        // Middle of cells 2 and 3 down, 4 across; four cells wide and high.
        let (labels, _) = labelled(&[learned(2, [0.5625, 0.375], [0.5, 0.5])]);
        let shown: Vec<&[u8]> = labels.chunks(8).collect();
        assert_eq!(shown[0], [0; 8]);
        assert_eq!(shown[1], [0, 0, 255, 255, 255, 255, 255, 0]);
        assert_eq!(shown[2], [0, 0, 255, 255, 3, 255, 255, 0]);
        assert_eq!(shown[3], [0, 0, 255, 255, 3, 255, 255, 0]);
        assert_eq!(shown[4], [0, 0, 255, 255, 255, 255, 255, 0]);
        assert_eq!(shown[5], [0; 8]);
    }

    #[test]
    fn a_small_object_before_a_large_one_keeps_its_cell() {
        let large = learned(0, [0.5, 0.5], [1.0, 1.0]);
        let small = learned(1, [0.45, 0.45], [0.01, 0.01]);
        for marks in [[large, small], [small, large]] {
            let (labels, owners) = labelled(&marks);
            let at = nearest(&grid(), small.centre);
            assert_eq!(labels[at], 2);
            assert_eq!(marks[usize::from(owners[at])], small);
            assert!(labels.iter().all(|label| [1, 2, IGNORED].contains(label)));
        }
    }

    #[test]
    fn marks_lie_in_the_frame() {
        assert!(Mark::boxed(0, [0.0, 0.0, 1.0, 1.0]).is_inside());
        assert!(Mark::point(0, [0.0, 1.0]).is_inside());
        for wrong in [
            Mark::point(0, [-0.1, 0.5]),
            Mark::point(0, [f32::NAN, 0.5]),
            Mark { class: 0, centre: [0.5; 2], size: Some([0.0, 0.5]) },
            Mark { class: 0, centre: [0.5; 2], size: Some([0.5, f32::INFINITY]) },
        ] {
            assert!(!wrong.is_inside(), "{wrong:?}");
        }
    }
}
