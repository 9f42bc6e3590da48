//! What can be wrong with a collection.

use std::path::PathBuf;

use thiserror::Error;

use crate::files::ENDINGS;

/// Where in a file something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum At {
    /// Counted from 0.
    Byte(u64),
    /// Counted from 1.
    Line(u64),
    /// The one with this `id`.
    Annotation(String),
    /// The annotation at this place of its list, counted from 0, which has no `id`.
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

/// Why a folder is not what it should be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file does not hold what its format asks for.
    #[error("{path}: {at}: {what}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: At,
        /// What was found and what is allowed.
        what: String,
    },
    /// A file of the format is not there.
    #[error("{path}: no such file; the {what} should be there")]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it holds.
        what: &'static str,
    },
    /// The name of a picture leads out of the collection.
    #[error("the annotations name the picture `{path}`, which leads out of their folder")]
    Outside {
        /// The name.
        path: PathBuf,
    },
    /// A box lies beside its picture.
    #[error("{name}: the box lies outside the picture")]
    EmptyBox {
        /// The picture and the box.
        name: String,
    },
    /// Annotations, but no pictures.
    #[error("{path}: none of the {absent} labelled pictures is there")]
    Absent {
        /// The folder.
        path: PathBuf,
        /// How many are labelled.
        absent: usize,
    },
    /// Text for a package that takes pictures, or pictures for one that takes text.
    #[error("{name}: this is {is}; the package takes {takes}")]
    OtherKind {
        /// The sample.
        name: String,
        /// What it is.
        is: &'static str,
        /// What is needed.
        takes: &'static str,
    },
    /// Text is seen in one way only.
    #[error("{name}: the package takes text, of which there are no views: leave --augment and --view out")]
    Views {
        /// The model that the package was made from.
        name: String,
    },
    /// A text without a token.
    #[error("{name}: an empty text")]
    EmptyText {
        /// The text.
        name: String,
    },
    /// No picture anywhere.
    #[error("{path}: no pictures ({}) in this folder or below it", ENDINGS.join(", "))]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A picture in a format that is not read.
    #[error("{path}: a picture in a format that is not read; allowed are {}", ENDINGS.join(", "))]
    OtherFormat {
        /// The file.
        path: PathBuf,
    },
    /// Annotations, none of which is in order.
    #[error("{path}: nothing is left to learn from: {first}")]
    NothingLeft {
        /// The folder.
        path: PathBuf,
        /// What is wrong with the first.
        first: String,
    },
    /// Nothing is left of what there was.
    #[error("{path}: none of the {count} {kind} can be read: {first}")]
    NoneReadable {
        /// The folder.
        path: PathBuf,
        /// How many there were.
        count: usize,
        /// What they are.
        kind: &'static str,
        /// What is wrong with the first.
        first: String,
    },
    /// No text anywhere.
    #[error("{path}: no .txt files in this folder or below it; the package takes text")]
    NoTexts {
        /// The folder.
        path: PathBuf,
    },
    /// A class without pictures.
    #[error("{path}: the class folder holds no pictures; add some or remove it")]
    EmptyClass {
        /// The class folder.
        path: PathBuf,
    },
    /// Not at least one folder per class.
    #[error(
        "{path}: {beside} files of no class; needs one folder of pictures, or of .txt files, per class (or train/ and val/ with such folders), a labels.csv (file,label), or a collection that --format names"
    )]
    NoClasses {
        /// The folder.
        path: PathBuf,
        /// Pictures, or texts, that lie in it.
        beside: usize,
    },
    /// Training and validation name different classes.
    #[error("{path}: class `{class}` is not among the training classes")]
    UnknownClass {
        /// The validation folder.
        path: PathBuf,
        /// The class.
        class: String,
    },
    /// A class was asked for that nothing is learned of.
    #[error("{path}: no class `{class}`; there are {}", some(classes))]
    NoSuchClass {
        /// The folder.
        path: PathBuf,
        /// The class.
        class: String,
        /// Those that are there.
        classes: Vec<String>,
    },
    /// A picture does not decode, or does not go through the network.
    #[error(transparent)]
    Offshoot(#[from] offshoot::Error),
}

/// The first names of a list.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 8 { format!("{shown} and {} more", names.len() - 8) } else { shown }
}
