//! Bounding boxes in images: each becomes a labelled image of its own.

pub mod scenes;

use std::path::{Component, Path, PathBuf};

use offshoot::Image;

use crate::files::ENDINGS;
use crate::left_out::{Care, Reason};
use crate::{At, DataError, Named, Place, Sample};

/// Minimum side of a box in pixels; smaller ones have too few pixels to train on.
const SHORTEST: u32 = 16;

/// Names of folders that are parts of a collection, each with true for training.
pub(super) const PARTS: [(&str, bool); 6] = [
    ("train", true),
    ("training", true),
    ("valid", false),
    ("val", false),
    ("validation", false),
    ("test", false),
];

/// Rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Area {
    /// Left column, from 0.
    pub x: u32,
    /// Top row, from 0.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Area {
    /// Creates an area from the edges of a box in pixels, counted from 0; `None` if the box is
    /// invalid.
    pub(super) fn from_edges(left: f64, top: f64, right: f64, bottom: f64) -> Option<Self> {
        let x = left.max(0.0).floor();
        let y = top.max(0.0).floor();
        let width = right.ceil() - x;
        let height = bottom.ceil() - y;
        // Bounded so that right and bottom edges fit 32 bits.
        let fits = [x, y, width, height].iter().all(|v| (0.0..=1e9).contains(v));
        (fits && right > left && bottom > top).then_some(Self {
            x: x as u32,
            y: y as u32,
            width: width as u32,
            height: height as u32,
        })
    }

    fn is_worth_it(&self) -> bool {
        self.width.min(self.height) >= SHORTEST
    }

    /// Returns true if the area lies wholly outside an image of this size.
    fn is_outside(&self, (width, height): (f64, f64)) -> bool {
        f64::from(self.x) >= width || f64::from(self.y) >= height
    }

    /// Crops an image to the area; `None` if it lies outside.
    pub(super) fn of(&self, image: &Image) -> Option<Image> {
        let width = self.width.min(image.width().checked_sub(self.x)?);
        let height = self.height.min(image.height().checked_sub(self.y)?);
        let row = 3 * image.width() as usize;
        let from = 3 * self.x as usize;
        let to = 3 * (self.x + width) as usize;
        let rows = image.rgb().chunks_exact(row).skip(self.y as usize).take(height as usize);
        Image::from_rgb(width, height, rows.flat_map(|r| &r[from..to]).copied().collect())
    }
}

/// Returns width and height of an image, whose format is detected by its content.
pub(super) fn sides(path: &Path) -> Result<(f64, f64), DataError> {
    let reader = image::ImageReader::open(path).and_then(image::ImageReader::with_guessed_format);
    let sides =
        reader.map_err(image::ImageError::from).and_then(image::ImageReader::into_dimensions);
    sides
        .map(|(width, height)| (f64::from(width), f64::from(height)))
        .map_err(|e| DataError::broken(path, At::Byte(0), e.to_string()))
}

/// Box of an annotation.
pub(super) struct Boxed {
    pub class: String,
    pub area: Option<Area>,
    /// Crowd, group or difficult: no single object is visible.
    pub unclear: bool,
}

/// Image that boxes belong to.
#[derive(Default)]
pub(super) struct Whole<'a> {
    /// Path; `None` if the image is missing.
    pub path: Option<&'a Path>,
    /// Width and height, if the annotations state them.
    pub size: Option<(f64, f64)>,
}

/// Adds the boxes of one image. A missing image is counted, not refused, because users often keep
/// parts of large collections.
pub(super) fn take(
    named: &mut Named,
    is_train: bool,
    whole: &Whole<'_>,
    boxes: Vec<Boxed>,
) -> Result<(), DataError> {
    if let Some(path) = whole.path {
        let clear = boxes.iter().filter(|own| !own.unclear);
        let all = clear.filter_map(|own| Some((own.class.clone(), own.area?))).collect();
        named.mark(path, is_train, all);
    }
    for Boxed { class, area, unclear } in boxes {
        let Some(path) = whole.path else {
            named.left_out.add(Reason::Absent, 1);
            continue;
        };
        let Some(area) = area.filter(|area| area.is_worth_it() && !unclear) else {
            named.left_out.add(Reason::Unclear, 1);
            continue;
        };
        let sample = Place::Part { path: path.to_path_buf(), area };
        if whole.size.is_some_and(|size| area.is_outside(size)) {
            let name = Sample { place: sample, class: 0 }.name();
            named.left_out.pass(DataError::EmptyBox { name })?;
            continue;
        }
        named.part(is_train).push((sample, class));
    }
    Ok(())
}

/// Folders in which the images of annotations may lie.
pub(super) struct Folders(pub Vec<PathBuf>);

impl Folders {
    /// Returns the path of the file in the first folder that has it. The name may lack its
    /// extension or be a path of the machine on which the annotations were made; of a name that
    /// leads out of the folder only the last part is used, or in strict mode it is refused.
    pub fn find(&self, name: &str, care: Care) -> Result<Option<PathBuf>, DataError> {
        let name = name.replace('\\', "/");
        let name = Path::new(name.trim());
        if name.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            if let Some(path) = self.file(name) {
                return Ok(Some(path));
            }
        } else if care.strict {
            return Err(DataError::Outside { path: name.to_path_buf() });
        }
        Ok(name.file_name().and_then(|last| self.file(Path::new(last))))
    }

    fn file(&self, name: &Path) -> Option<PathBuf> {
        let as_it_is = self.0.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        as_it_is.or_else(|| self.with_ending(name))
    }

    /// Returns the file with an image extension appended to its name, or replacing another one.
    fn with_ending(&self, name: &Path) -> Option<PathBuf> {
        let endings = ENDINGS.iter().flat_map(|e| [e.to_string(), e.to_ascii_uppercase()]);
        let names: Vec<PathBuf> = endings
            .flat_map(|ending| {
                let behind = format!("{}.{ending}", name.display());
                [PathBuf::from(behind), name.with_extension(ending)]
            })
            .collect();
        self.0.iter().find_map(|folder| {
            names.iter().map(|name| folder.join(name)).find(|path| path.is_file())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_images() {
        let rgb: Vec<u8> = (0..36).collect();
        let image = Image::from_rgb(4, 3, rgb).unwrap();
        let area = Area::from_edges(0.9, 1.0, 3.0, 2.5).unwrap();
        assert_eq!((area.x, area.y, area.width, area.height), (0, 1, 3, 2));
        let part = area.of(&image).unwrap();
        assert_eq!((part.width(), part.height()), (3, 2));
        assert_eq!(part.rgb()[..9], [12, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(part.rgb()[9..12], [24, 25, 26]);
        // Beyond the edge it is cut off; wholly beyond there is nothing.
        let over = Area { x: 3, y: 2, width: 9, height: 9 };
        assert_eq!(over.of(&image).unwrap().rgb(), [33, 34, 35]);
        assert_eq!(Area { x: 4, ..over }.of(&image), None);
        assert_eq!(Area { y: 7, ..over }.of(&image), None);
        for edges in [
            [3.0, 0.0, 2.0, 9.0],
            [f64::NAN, 0.0, 1.0, 1.0],
            [0.0, 0.0, 1e30, 1.0],
            [-5.0, 0.0, -4.0, 3.0],
        ] {
            assert_eq!(Area::from_edges(edges[0], edges[1], edges[2], edges[3]), None, "{edges:?}");
        }
    }

    #[test]
    fn names_are_found_and_do_not_lead_out() {
        let dir = tempfile::tempdir().unwrap();
        let strict = Care { strict: true, cut_short: false };
        let lenient = Care::default();
        for name in ["a.jpg", "b.JPG", "c.d.png"] {
            std::fs::write(dir.path().join(name), b"x").unwrap();
        }
        let folders = Folders(vec![dir.path().join("none"), dir.path().to_path_buf()]);
        let found = |name: &str| {
            let path = folders.find(name, lenient).unwrap()?;
            assert_eq!(path.parent(), Some(dir.path()));
            Some(path.file_name().unwrap().to_string_lossy().into_owned())
        };
        for (name, file) in [
            ("a.jpg", "a.jpg"),
            ("a", "a.jpg"),
            ("b.jpg", "b.JPG"),
            ("c.d", "c.d.png"),
            ("x/a.jpg", "a.jpg"),
        ] {
            assert_eq!(found(name).as_deref(), Some(file), "{name}");
            assert!(folders.find(name, strict).unwrap().is_some());
        }
        for name in
            ["../a.jpg", "/home/somebody/a.jpg", "x/../../a.jpg", "C:\\data\\a.jpg", "..\\a.jpg"]
        {
            assert_eq!(found(name).as_deref(), Some("a.jpg"), "{name}");
        }
        for name in ["../a.jpg", "/etc/passwd", "x/../../a.jpg"] {
            assert!(matches!(folders.find(name, strict), Err(DataError::Outside { .. })), "{name}");
        }
        for name in ["d.jpg", "/etc/passwd", "..", ""] {
            assert_eq!(found(name), None, "{name}");
        }
    }
}
