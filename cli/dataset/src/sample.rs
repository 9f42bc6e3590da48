//! Images, texts, sounds and signals of a data set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use offshoot::Image;

use crate::boxes::Area;
use crate::files::{is_signal, is_sound, is_text};
use crate::formats::array::{self, Array, Arrays};
use crate::formats::wav;
use crate::left_out::Care;
use crate::{DataError, Packed};

/// Location of a sample.
#[derive(Debug, Clone)]
pub enum Place {
    /// Whole file.
    File(PathBuf),
    /// Part of an image.
    Part {
        /// Path of the image.
        path: PathBuf,
        /// Area of the part.
        area: Area,
    },
    /// Image in a file of many.
    Packed {
        /// Decoded file.
        file: Arc<Packed>,
        /// Index of the image, from 0.
        index: usize,
    },
    /// Signal in a file of many.
    Array {
        /// Decoded file.
        file: Arc<Arrays>,
        /// Index of the sample, from 0.
        index: usize,
    },
    /// Text in a file of many.
    Text {
        /// Path of the file.
        path: Arc<Path>,
        /// Index of the line or paragraph.
        index: usize,
        /// Content.
        text: Arc<str>,
    },
}

/// Image or text with a class.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Location.
    pub place: Place,
    /// Index of the class.
    pub class: usize,
}

impl Sample {
    /// Creates a sample of a file, with class 0.
    pub fn of_file(path: PathBuf) -> Self {
        Self { place: Place::File(path), class: 0 }
    }

    /// Opens the image.
    ///
    /// # Errors
    /// Fails like [`Opener::open`].
    pub fn open(&self) -> Result<Image, DataError> {
        Opener::default().open(self)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or is an image.
    pub fn text(&self) -> Result<String, DataError> {
        match &self.place {
            Place::Text { text, .. } => Ok(text.to_string()),
            Place::File(path) if is_text(path) => {
                let bytes = std::fs::read(path).map_err(|source| DataError::read(path, source))?;
                // IMDb's texts contain line breaks of HTML.
                Ok(String::from_utf8_lossy(&bytes).replace("<br />", "\n"))
            }
            Place::File(path) if is_sound(path) => {
                Err(DataError::OtherKind { name: self.name(), is: "sound", takes: "text" })
            }
            Place::File(path) if is_signal(path) => {
                Err(DataError::OtherKind { name: self.name(), is: "a signal", takes: "text" })
            }
            _ => Err(DataError::OtherKind { name: self.name(), is: "an image", takes: "text" }),
        }
    }

    /// Reads the sound of a WAV file: one channel of 16-bit samples at `rate`.
    ///
    /// # Errors
    /// Fails if the file is no WAV file, is damaged, or is of another kind.
    pub fn sound(&self, rate: u32) -> Result<Vec<i16>, DataError> {
        match &self.place {
            Place::File(path) if is_sound(path) => wav::read(path, rate),
            _ => Err(DataError::OtherKind {
                name: self.name(),
                is: "not a .wav file",
                takes: "sound",
            }),
        }
    }

    /// Reads the array of a signal.
    ///
    /// # Errors
    /// Fails if the file is no array of finite numbers, is damaged, or is of another kind.
    pub fn array(&self) -> Result<Array, DataError> {
        match &self.place {
            Place::File(path) if is_signal(path) => array::read(path),
            // The index is below the number of samples.
            Place::Array { file, index } => {
                file.get(*index).ok_or_else(|| DataError::Empty { path: file.path().to_path_buf() })
            }
            _ => Err(DataError::OtherKind {
                name: self.name(),
                is: "no .npy, .npz or .csv file",
                takes: "signals",
            }),
        }
    }

    /// Returns the path of the file; with `#` and the box or the index if the file holds more than
    /// this sample.
    pub fn name(&self) -> String {
        match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::Part { path, area: Area { x, y, width, height } } => {
                format!("{}#{x},{y},{width}x{height}", path.display())
            }
            Place::Packed { file, index } => format!("{}#{index}", file.path().display()),
            Place::Array { file, index } => format!("{}#{index}", file.path().display()),
            Place::Text { path, index, .. } => format!("{}#{index}", path.display()),
        }
    }

    /// Returns the image file that has to be decoded for this sample and others.
    fn whole(&self) -> Option<&Path> {
        match &self.place {
            Place::Part { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// Opener of samples that decodes an image once for consecutive parts of it.
#[derive(Debug, Default)]
pub struct Opener {
    cut_short: bool,
    last: Option<(PathBuf, Image)>,
    decoded: usize,
}

impl Opener {
    /// Creates an opener with the given handling of broken files.
    pub fn new(care: Care) -> Self {
        Self { cut_short: care.cut_short, ..Self::default() }
    }

    /// Opens the image of a sample.
    ///
    /// # Errors
    /// Fails if the file does not decode or is truncated, a box lies outside its image, or the
    /// sample is a text.
    pub fn open(&mut self, sample: &Sample) -> Result<Image, DataError> {
        let other = |is| Err(DataError::OtherKind { name: sample.name(), is, takes: "images" });
        match &sample.place {
            Place::File(path) if is_sound(path) => other("sound"),
            Place::File(path) if is_signal(path) => other("a signal"),
            Place::Array { .. } => other("a signal"),
            Place::File(path) if !is_text(path) => self.decode(path),
            Place::File(_) | Place::Text { .. } => other("text"),
            Place::Part { path, area } => area
                .of(self.whole(path)?)
                .ok_or_else(|| DataError::EmptyBox { name: sample.name() }),
            // The length was checked when the file was read.
            Place::Packed { file, index } => file
                .image(*index)
                .ok_or_else(|| DataError::Empty { path: file.path().to_path_buf() }),
        }
    }

    fn whole(&mut self, path: &Path) -> Result<&Image, DataError> {
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            // The previous image is dropped first, so that two large images are not in memory at
            // once.
            self.last = None;
            self.last = Some((path.to_path_buf(), self.decode(path)?));
        }
        // Always present, since it was just written.
        self.last
            .as_ref()
            .map(|(_, image)| image)
            .ok_or(DataError::Empty { path: path.to_path_buf() })
    }

    fn decode(&mut self, path: &Path) -> Result<Image, DataError> {
        self.decoded += 1;
        Ok(if self.cut_short { Image::open_cut_short(path) } else { Image::open(path) }?)
    }

    /// Returns the number of files decoded so far.
    pub fn decoded(&self) -> usize {
        self.decoded
    }
}

/// Returns indices of `samples` in an order in which parts of one image follow each other,
/// otherwise as given.
pub fn by_file(samples: &[Sample]) -> Vec<usize> {
    let mut first = std::collections::HashMap::new();
    for (i, path) in samples.iter().enumerate().filter_map(|(i, sample)| Some((i, sample.whole()?)))
    {
        first.entry(path).or_insert(i);
    }
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by_key(|&i| (samples[i].whole().map_or(i, |path| first[path]), i));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_image_is_decoded_once_for_all_its_boxes() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.png", "b.png"].map(|name| dir.path().join(name));
        for path in &paths {
            image::RgbImage::from_fn(40, 40, |x, y| image::Rgb([x as u8, y as u8, 0]))
                .save(path)
                .unwrap();
        }
        let part = |file: usize, x: u32, class| {
            let area = Area { x, y: 0, width: 16, height: 16 };
            Sample { place: Place::Part { path: paths[file].clone(), area }, class }
        };
        let samples = [
            part(0, 1, 0),
            part(1, 2, 0),
            Sample::of_file(paths[0].clone()),
            part(0, 3, 1),
            part(1, 4, 1),
        ];
        let order = by_file(&samples);
        assert_eq!(order, [0, 3, 1, 4, 2]);
        let mut opener = Opener::default();
        for (i, x) in order.into_iter().zip([1, 3, 2, 4]) {
            assert_eq!(opener.open(&samples[i]).unwrap().rgb()[..3], [x, 0, 0]);
        }
        assert_eq!(opener.decoded(), 2);
    }
}
