//! One picture, or one text, of a collection.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use offshoot::Picture;

use crate::boxes::Area;
use crate::files::is_text;
use crate::left_out::Care;
use crate::{DataError, Packed};

/// Where a picture is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file of its own.
    File(PathBuf),
    /// A part of one.
    Part {
        /// The file.
        path: PathBuf,
        /// The part.
        area: Area,
    },
    /// One of many in a file.
    Packed {
        /// The file.
        file: Arc<Packed>,
        /// Which, from 0.
        index: usize,
    },
    /// A text of many in a file.
    Text {
        /// The file.
        path: Arc<Path>,
        /// Which line or paragraph.
        index: usize,
        /// The text itself.
        text: Arc<str>,
    },
}

/// A picture, or a text, of a class.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Where it is.
    pub place: Place,
    /// Index of its class.
    pub class: usize,
}

impl Sample {
    /// A file of no class.
    pub fn of_file(path: PathBuf) -> Self {
        Self { place: Place::File(path), class: 0 }
    }

    /// The picture.
    ///
    /// # Errors
    /// As [`Opener::open`].
    pub fn open(&self) -> Result<Picture, DataError> {
        Opener::default().open(self)
    }

    /// The text.
    ///
    /// # Errors
    /// A file that cannot be read, a picture.
    pub fn text(&self) -> Result<String, DataError> {
        match &self.place {
            Place::Text { text, .. } => Ok(text.to_string()),
            Place::File(path) if is_text(path) => {
                let read = |source| DataError::Read { path: path.clone(), source };
                let bytes = std::fs::read(path).map_err(read)?;
                // IMDb's texts came from web pages.
                Ok(String::from_utf8_lossy(&bytes).replace("<br />", "\n"))
            }
            _ => Err(DataError::OtherKind { name: self.name(), is: "a picture", takes: "text" }),
        }
    }

    /// The file; `#` and the box or the index behind it where it holds more than this sample.
    pub fn name(&self) -> String {
        match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::Part { path, area: Area { x, y, width, height } } => {
                format!("{}#{x},{y},{width}x{height}", path.display())
            }
            Place::Packed { file, index } => format!("{}#{index}", file.path().display()),
            Place::Text { path, index, .. } => format!("{}#{index}", path.display()),
        }
    }

    /// The file that has to be decoded for it and for others.
    fn whole(&self) -> Option<&Path> {
        match &self.place {
            Place::Part { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// Opens samples; a picture of which several parts follow each other is decoded once.
#[derive(Debug, Default)]
pub struct Opener {
    cut_short: bool,
    last: Option<(PathBuf, Picture)>,
    decoded: usize,
}

impl Opener {
    /// With so much care.
    pub fn new(care: Care) -> Self {
        Self { cut_short: care.cut_short, ..Self::default() }
    }

    /// The picture of a sample.
    ///
    /// # Errors
    /// A file that does not decode or is cut short, a box outside it, a text.
    pub fn open(&mut self, sample: &Sample) -> Result<Picture, DataError> {
        match &sample.place {
            Place::File(path) if !is_text(path) => self.decode(path),
            Place::File(_) | Place::Text { .. } => {
                Err(DataError::OtherKind { name: sample.name(), is: "text", takes: "pictures" })
            }
            Place::Part { path, area } => {
                area.of(self.whole(path)?).ok_or_else(|| DataError::EmptyBox { name: sample.name() })
            }
            // The length was checked when the file was read.
            Place::Packed { file, index } => {
                file.picture(*index).ok_or_else(|| DataError::Empty { path: file.path().to_path_buf() })
            }
        }
    }

    fn whole(&mut self, path: &Path) -> Result<&Picture, DataError> {
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            // The old one goes first: two large pictures need not lie in memory.
            self.last = None;
            self.last = Some((path.to_path_buf(), self.decode(path)?));
        }
        // Just written.
        self.last.as_ref().map(|(_, picture)| picture).ok_or(DataError::Empty { path: path.to_path_buf() })
    }

    fn decode(&mut self, path: &Path) -> Result<Picture, DataError> {
        self.decoded += 1;
        Ok(if self.cut_short { Picture::open_cut_short(path) } else { Picture::open(path) }?)
    }

    /// Files that were decoded.
    pub fn decoded(&self) -> usize {
        self.decoded
    }
}

/// The order in which parts of one picture follow each other, else that of the samples.
pub fn by_file(samples: &[Sample]) -> Vec<usize> {
    let mut first = std::collections::HashMap::new();
    for (i, path) in samples.iter().enumerate().filter_map(|(i, sample)| Some((i, sample.whole()?))) {
        first.entry(path).or_insert(i);
    }
    let place = |i: usize| samples[i].whole().map_or(i, |path| first[path]);
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by_key(|&i| (place(i), i));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_decoded_once_for_all_its_boxes() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.png", "b.png"].map(|name| dir.path().join(name));
        for path in &paths {
            image::RgbImage::from_fn(40, 40, |x, y| image::Rgb([x as u8, y as u8, 0])).save(path).unwrap();
        }
        let part = |file: usize, x: u32, class| {
            let area = Area { x, y: 0, width: 16, height: 16 };
            Sample { place: Place::Part { path: paths[file].clone(), area }, class }
        };
        let samples =
            [part(0, 1, 0), part(1, 2, 0), Sample::of_file(paths[0].clone()), part(0, 3, 1), part(1, 4, 1)];
        let order = by_file(&samples);
        assert_eq!(order, [0, 3, 1, 4, 2]);
        let mut opener = Opener::default();
        for (i, x) in order.into_iter().zip([1, 3, 2, 4]) {
            assert_eq!(opener.open(&samples[i]).unwrap().rgb()[..3], [x, 0, 0]);
        }
        assert_eq!(opener.decoded(), 2);
    }
}
