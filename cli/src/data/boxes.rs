//! Boxes around things in pictures: each becomes a labelled picture of its own.

use std::path::{Component, Path, PathBuf};

use offshoot::Picture;

use super::{DataError, Named, Place};

/// Shorter sides show too little to learn from.
const SHORTEST: u32 = 16;

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Area {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Area {
    /// From a box's edges in pixels, counted from 0; `None` if it is no box.
    pub(super) fn from_edges(left: f64, top: f64, right: f64, bottom: f64) -> Option<Self> {
        let (x, y) = (left.max(0.0).floor(), top.max(0.0).floor());
        let (width, height) = (right.ceil() - x, bottom.ceil() - y);
        // The far ends fit 32 bits, so that sums of sides do.
        let fits = |v: f64| (0.0..=1e9).contains(&v);
        ([x, y, width, height].into_iter().all(fits) && right > left && bottom > top).then_some(Self {
            x: x as u32,
            y: y as u32,
            width: width as u32,
            height: height as u32,
        })
    }

    fn is_worth_it(&self) -> bool {
        self.width.min(self.height) >= SHORTEST
    }

    /// This part of a picture; `None` where it lies outside.
    pub(super) fn of(&self, picture: &Picture) -> Option<Picture> {
        let width = self.width.min(picture.width().checked_sub(self.x)?);
        let height = self.height.min(picture.height().checked_sub(self.y)?);
        let (row, from, to) =
            (3 * picture.width() as usize, 3 * self.x as usize, 3 * (self.x + width) as usize);
        let rows = picture.rgb().chunks_exact(row).skip(self.y as usize).take(height as usize);
        Picture::from_rgb(width, height, rows.flat_map(|r| &r[from..to]).copied().collect())
    }
}

/// A box as an annotation has it.
pub(super) struct Boxed {
    pub class: String,
    pub area: Option<Area>,
    /// A crowd, a group, or called difficult: no one thing is to be seen.
    pub unclear: bool,
}

/// Takes the boxes of one picture; a picture that is not there is counted, not refused, because people
/// keep parts of large collections.
pub(super) fn take(named: &mut Named, is_train: bool, path: Option<&Path>, boxes: Vec<Boxed>) {
    for Boxed { class, area, unclear } in boxes {
        match (path, area.filter(|a| a.is_worth_it() && !unclear)) {
            (None, _) => named.left_out.absent += 1,
            (_, None) => named.left_out.unclear += 1,
            (Some(path), Some(area)) => {
                let place = Place::Part { path: path.to_path_buf(), area };
                let into = if is_train { &mut named.train } else { &mut named.val };
                into.push((place, class));
            }
        }
    }
}

/// The first of `folders` that has the file; names that lead out of them are no names.
pub(super) fn find(folders: &[PathBuf], name: &str) -> Result<Option<PathBuf>, DataError> {
    let name = Path::new(name);
    if !name.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err(DataError::Outside { path: name.to_path_buf() });
    }
    Ok(folders.iter().map(|folder| folder.join(name)).find(|p| p.is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_pictures() {
        let rgb: Vec<u8> = (0..36).collect();
        let picture = Picture::from_rgb(4, 3, rgb).unwrap();
        let area = Area::from_edges(0.9, 1.0, 3.0, 2.5).unwrap();
        assert_eq!((area.x, area.y, area.width, area.height), (0, 1, 3, 2));
        let part = area.of(&picture).unwrap();
        assert_eq!((part.width(), part.height()), (3, 2));
        assert_eq!(part.rgb()[..9], [12, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(part.rgb()[9..12], [24, 25, 26]);
        // Beyond the edge it is cut off; wholly beyond there is nothing.
        let over = Area { x: 3, y: 2, width: 9, height: 9 };
        assert_eq!(over.of(&picture).unwrap().rgb(), [33, 34, 35]);
        assert_eq!(Area { x: 4, ..over }.of(&picture), None);
        assert_eq!(Area { y: 7, ..over }.of(&picture), None);
        for edges in
            [[3.0, 0.0, 2.0, 9.0], [f64::NAN, 0.0, 1.0, 1.0], [0.0, 0.0, 1e30, 1.0], [-5.0, 0.0, -4.0, 3.0]]
        {
            assert_eq!(Area::from_edges(edges[0], edges[1], edges[2], edges[3]), None, "{edges:?}");
        }
    }

    #[test]
    fn names_do_not_lead_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.jpg"), b"x").unwrap();
        let folders = [dir.path().join("none"), dir.path().to_path_buf()];
        assert!(find(&folders, "a.jpg").unwrap().is_some() && find(&folders, "b.jpg").unwrap().is_none());
        for name in ["../a.jpg", "/etc/passwd", "x/../../a.jpg"] {
            assert!(matches!(find(&folders, name), Err(DataError::Outside { .. })), "{name}");
        }
    }
}
