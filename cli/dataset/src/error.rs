//! Errors of data sets.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::ENDINGS;

/// Position of a fault in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum At {
    /// Byte, from 0.
    Byte(u64),
    /// Line, from 1.
    Line(u64),
    /// Annotation with this `id`.
    Annotation(String),
    /// Annotation without an `id`, by its index in the list, from 0.
    Place(usize),
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Byte(n) => write!(f, "byte {n}"),
            Self::Line(n) => write!(f, "line {n}"),
            Self::Annotation(id) => write!(f, "annotation {id}"),
            Self::Place(n) => write!(f, "annotation at place {n} of the list"),
        }
    }
}

/// Error of a data set.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// File or folder cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Path of the file or folder.
        path: PathBuf,
        /// Cause reported by the system.
        source: std::io::Error,
    },
    /// File does not conform to its format.
    #[error("{path}: {at}: {what}")]
    Broken {
        /// Path of the file.
        path: PathBuf,
        /// Position of the fault.
        at: At,
        /// Description of what was found and what is allowed.
        what: String,
    },
    /// File of the format is missing.
    #[error("{path}: no such file; it must hold the {what}")]
    Missing {
        /// Path of the file.
        path: PathBuf,
        /// Content of the file.
        what: &'static str,
    },
    /// File name of an image leads out of the collection.
    #[error("file name `{path}` in the annotations leads out of their folder")]
    Outside {
        /// File name in the annotations.
        path: PathBuf,
    },
    /// Box lies outside its image.
    #[error("{name}: the box lies outside the image")]
    EmptyBox {
        /// Name of the image with the box.
        name: String,
    },
    /// Data set without boxes, for a package that gives cells.
    #[error(
        "{path}: no boxes were found; a package with cells takes VOC, COCO, YOLO or Open Images labels"
    )]
    NoBoxes {
        /// Path of the data set.
        path: PathBuf,
    },
    /// Images of the annotations are missing.
    #[error("{path}: all {absent} labelled images are missing")]
    Absent {
        /// Path of the data set.
        path: PathBuf,
        /// Number of labelled images.
        absent: usize,
    },
    /// Text for a package that takes images, or images for one that takes text.
    #[error("{name}: this is {is}; the package takes {takes}")]
    OtherKind {
        /// Name of the sample.
        name: String,
        /// Kind of the sample.
        is: &'static str,
        /// Kind the package takes.
        takes: &'static str,
    },
    /// Augmentation of text requested.
    #[error("{name}: the package takes text, which has no views; remove --augment and --view")]
    Views {
        /// Name of the model that the package was made from.
        name: String,
    },
    /// Text without a token.
    #[error("{name}: empty text")]
    EmptyText {
        /// Name of the text.
        name: String,
    },
    /// No image in the folder.
    #[error("{path}: no images ({}) in this folder or below it", ENDINGS.join(", "))]
    Empty {
        /// Path of the folder.
        path: PathBuf,
    },
    /// Image in an unsupported format.
    #[error("{path}: unsupported image format; supported are {}", ENDINGS.join(", "))]
    OtherFormat {
        /// Path of the file.
        path: PathBuf,
    },
    /// All annotations are broken.
    #[error("{path}: no training samples left: {first}")]
    NothingLeft {
        /// Path of the data set.
        path: PathBuf,
        /// Message of the first fault.
        first: String,
    },
    /// None of the samples can be read.
    #[error("{path}: none of the {count} {kind} can be read: {first}")]
    NoneReadable {
        /// Path of the data set.
        path: PathBuf,
        /// Number of samples.
        count: usize,
        /// Kind of samples, in words.
        kind: &'static str,
        /// Message of the first fault.
        first: String,
    },
    /// No text in the folder.
    #[error("{path}: no .txt files in this folder or below it; the package takes text")]
    NoTexts {
        /// Path of the folder.
        path: PathBuf,
    },
    /// No WAV file in the folder.
    #[error("{path}: no .wav files in this folder or below it; the package takes sound")]
    NoSounds {
        /// Path of the folder.
        path: PathBuf,
    },
    /// No signal in the folder.
    #[error(
        "{path}: no .npy, .npz or .csv files in this folder or below it; the package takes signals"
    )]
    NoSignals {
        /// Path of the folder.
        path: PathBuf,
    },
    /// Array with other channels than the package takes.
    #[error(
        "{name}: an array of {dims:?}; neither its last nor its first length is {channels}, the channels that the package takes"
    )]
    Channels {
        /// Name of the signal.
        name: String,
        /// Dimensions of the array.
        dims: Vec<usize>,
        /// Number of channels that the package takes.
        channels: usize,
    },
    /// Recording shorter than a window of the package.
    #[error("{name}: {have} places (steps of time, or pixels); a window of the package has {need}")]
    Short {
        /// Name of the signal.
        name: String,
        /// Number of places.
        have: usize,
        /// Number of places of a window.
        need: usize,
    },
    /// File is no WAV file, or is damaged.
    #[error("{path}: {what}")]
    Sound {
        /// Path of the file.
        path: PathBuf,
        /// Description of the fault.
        what: String,
    },
    /// Class folder without images.
    #[error("{path}: the class folder holds no images; add some or remove it")]
    EmptyClass {
        /// Path of the class folder.
        path: PathBuf,
    },
    /// Folder without class folders.
    #[error(
        "{path}: {beside} files without a class; requires one folder of images, or of .txt files, per class (or train/ and val/ with such folders), a labels.csv (file,label), or a collection that --format names"
    )]
    NoClasses {
        /// Path of the folder.
        path: PathBuf,
        /// Number of images or texts directly in it.
        beside: usize,
    },
    /// Test class without training samples.
    #[error("{path}: class `{class}` is not among the training classes")]
    UnknownClass {
        /// Path of the test folder.
        path: PathBuf,
        /// Name of the class.
        class: String,
    },
    /// Selected class does not exist.
    #[error("{path}: no class `{class}`; there are {}", some(classes))]
    NoSuchClass {
        /// Path of the data set.
        path: PathBuf,
        /// Name of the class.
        class: String,
        /// Names of the classes that exist.
        classes: Vec<String>,
    },
    /// Image does not decode, or inference fails.
    #[error(transparent)]
    Offshoot(#[from] offshoot::Error),
}

impl DataError {
    /// Returns the error of a file or folder that cannot be read.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), source }
    }

    /// Returns the error of a file that does not conform to its format.
    pub(crate) fn broken(path: &Path, at: At, what: impl Into<String>) -> Self {
        Self::Broken { path: path.to_path_buf(), at, what: what.into() }
    }
}

/// Joins the first names of a list.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 8 { format!("{shown} and {} more", names.len() - 8) } else { shown }
}
