//! One error for the whole facade: what failed, and in which file.

use std::fmt;
use std::path::{Path, PathBuf};

use offshoot_core::frame::FrameError;
use offshoot_core::head::{
    AskError, ClassError, EditError, EncodeError, HeadError, MergeError, SampleError,
    UnknownHeadKind,
};
use offshoot_core::package::PackageError;
use offshoot_core::preprocess::PreprocessError;
use offshoot_core::preprocess::signal::SignalError;
use offshoot_core::sound::SoundError;
use offshoot_core::spatial::SpatialError;
use offshoot_core::tail::{DeltaError, TuneError};
use offshoot_core::tokens::TokensError;
use offshoot_engine::{IsaError, PlanError, RunError};

/// Failure of an operation, with the file concerned if there is one.
///
/// ```
/// use offshoot::{ErrorKind, Extractor};
///
/// let error = Extractor::open("absent.offshoot").unwrap_err();
/// match error.kind() {
///     ErrorKind::Io(cause) => println!("{:?}: {cause}", error.path()),
///     ErrorKind::Package(_) => println!("convert the model again"),
///     _ => println!("{error}"),
/// }
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    path: Option<PathBuf>,
}

/// Causes of a failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A file is not a package that can be run.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The graph cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The environment asks for an instruction set that is not here.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// The system gives no threads, or does not let them stay on a core.
    #[error("no threads to run on: {0}")]
    Threads(std::io::Error),
    /// The plan did not run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The network's feature maps do not fit the memory.
    #[error("not enough memory: the network needs {need} bytes")]
    Memory {
        /// Bytes of the arena, or of the packed weights.
        need: usize,
    },
    /// A buffer is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame could not be brought to the network's input.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// Tokens could not be brought to the network's input.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Samples could not be brought to the network's input.
    #[error(transparent)]
    Sound(#[from] SoundError),
    /// A signal could not be brought to the network's input.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// A sample of another kind than the package takes, such as a frame for one that takes text.
    #[error("the package takes {takes}")]
    OtherInput {
        /// Kind of input it takes.
        takes: &'static str,
    },
    /// tract-core refused the graph, or failed.
    #[cfg(feature = "tract")]
    #[error(transparent)]
    Tract(#[from] offshoot_tract::TractError),
    /// The package needs tract-core, and this program was built without it.
    #[error(
        "the package is {precision}; this program was built without the `tract` feature and runs int8 only"
    )]
    NeedsTract {
        /// Precision of the package.
        precision: &'static str,
    },
    /// The package takes sound, and this program was built without it.
    #[error("the package takes sound; this program was built without the `sound` feature")]
    NeedsSound,
    /// An image does not decode.
    #[cfg(feature = "image")]
    #[error("not an image that can be decoded: {0}")]
    Image(#[from] ImageError),
    /// An image that takes more memory than is given to one.
    #[cfg(feature = "image")]
    #[error(
        "an image of {width}x{height} pixels takes {need} bytes to decode, {most} are taken for a file of {file}"
    )]
    LargeImage {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes that it takes.
        need: u64,
        /// Bytes that are taken at most.
        most: u64,
        /// Bytes of the file.
        file: u64,
    },
    /// A name of no head.
    #[error(transparent)]
    HeadKind(#[from] UnknownHeadKind),
    /// A JPEG file ends before its image does, as after a download that broke off.
    #[cfg(feature = "image")]
    #[error("the file ends after {bytes} bytes, before its image does; copy it again")]
    CutShort {
        /// Bytes there are.
        bytes: usize,
    },
    /// A head cannot be made or loaded.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A class cannot be added.
    #[error(transparent)]
    Class(#[from] ClassError),
    /// A sample cannot be added.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// A head cannot answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Nothing can be removed or renamed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Heads cannot be merged.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A tail cannot be tuned.
    #[error(transparent)]
    Tune(#[from] TuneError),
    /// A file is no tuned tail, or of another package.
    #[error(transparent)]
    Tail(#[from] DeltaError),
    /// A head that finds objects refuses.
    #[error(transparent)]
    Spatial(#[from] SpatialError),
    /// The package gives no cells.
    #[error("the package gives {gives}; convert the model with --cells")]
    NoCells {
        /// Output that it gives instead.
        gives: &'static str,
    },
    /// A head cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// Error of the library that decodes images, opaque: its types are no part of this crate's API.
#[cfg(feature = "image")]
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ImageError(pub(crate) image::ImageError);

impl Error {
    /// Returns the cause.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Names the file concerned, if bytes of it were refused.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        Self::at(self.kind, path)
    }

    /// The file concerned.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Names the file concerned, and what it is if that is a folder: the system's words for it are
    /// those of a device, or none.
    pub(crate) fn of_file(error: std::io::Error, path: &Path, wanted: &str) -> Self {
        if !path.is_dir() {
            return Self::at(error, path);
        }
        let why = format!("is a folder; name {wanted}");
        Self::at(std::io::Error::new(std::io::ErrorKind::IsADirectory, why), path)
    }

    /// Names the file concerned.
    pub(crate) fn at(kind: impl Into<ErrorKind>, path: &Path) -> Self {
        Self { kind: kind.into(), path: Some(path.to_path_buf()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind.source()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, path: None }
    }
}

/// So that `?` works on the errors of the layers below.
macro_rules! from_cause {
    ($($cause:ty),+ $(,)?) => {
        $(impl From<$cause> for Error {
            fn from(cause: $cause) -> Self {
                ErrorKind::from(cause).into()
            }
        })+
    };
}

from_cause!(
    PackageError,
    PlanError,
    IsaError,
    RunError,
    FrameError,
    PreprocessError,
    TokensError,
    SoundError,
    SignalError,
    UnknownHeadKind,
    HeadError,
    ClassError,
    SampleError,
    EditError,
    MergeError,
    AskError,
    EncodeError,
    TuneError,
    DeltaError,
    SpatialError
);
#[cfg(feature = "tract")]
from_cause!(offshoot_tract::TractError);
