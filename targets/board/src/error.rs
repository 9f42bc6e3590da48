//! Errors, with advice on the next step.

use std::path::Path;
use std::{fmt, io};

use offshoot::{Error, ErrorKind};
#[cfg(feature = "device")]
use offshoot_device::{DeviceError, PartError};
#[cfg(feature = "device")]
use offshoot_service::ServiceError;

/// Error of a file, a part or an output.
#[derive(Debug)]
pub enum BoardError {
    /// File or folder: its name and the problem, and the advice.
    File { what: String, next: &'static str },
    /// Part of the device; its error has the advice.
    #[cfg(feature = "device")]
    Device(DeviceError),
    /// Standard output failed.
    Output(io::Error),
}

impl BoardError {
    /// Adds the path to an error that does not know its file.
    pub fn at(path: &Path, cause: impl Into<Error>) -> Self {
        let error = cause.into();
        if error.path().is_some() {
            return error.into();
        }
        Self::File { what: format!("{}: {error}", path.display()), next: next(error.kind()) }
    }

    /// Returns the error of a program that cannot observe its signals.
    #[cfg(feature = "device")]
    pub fn signals(cause: io::Error) -> Self {
        Self::File {
            what: format!("signals: {cause}"),
            next: "run it again; if that fails as well, report this",
        }
    }

    /// Returns the kind of error of standard output, if that is what failed.
    pub fn output(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Output(error) => Some(error.kind()),
            _ => None,
        }
    }
}

impl From<Error> for BoardError {
    fn from(error: Error) -> Self {
        Self::File { what: error.to_string(), next: next(error.kind()) }
    }
}

#[cfg(feature = "device")]
impl From<PartError> for BoardError {
    fn from(error: PartError) -> Self {
        Self::Device(error.into())
    }
}

#[cfg(feature = "device")]
impl From<DeviceError> for BoardError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

#[cfg(feature = "device")]
impl From<ServiceError> for BoardError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Offshoot(error) => error.into(),
            error => {
                Self::File { what: error.to_string(), next: "run it again with another ADDRESS" }
            }
        }
    }
}

impl From<io::Error> for BoardError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for BoardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { what, next } => write!(f, "error: {what}\n next: {next}"),
            #[cfg(feature = "device")]
            Self::Device(error) => write!(f, "error: {error}"),
            Self::Output(error) => write!(f, "error: standard output: {error}"),
        }
    }
}

/// Returns advice for an error.
fn next(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            "check the name and the folder"
        }
        ErrorKind::Io(_) => "check the file's permissions and the free space on the medium",
        ErrorKind::Package(_) => {
            "copy the package to the board again, or create it again with `offshoot convert`"
        }
        ErrorKind::NeedsTract { .. } => {
            "convert to int8, or build this program with targets/build.sh --features tract"
        }
        ErrorKind::NeedsSound => "build this program without --small",
        ErrorKind::Image(_) => concat!("use a ", crate::args::formats!(), " file"),
        ErrorKind::CutShort { .. } => {
            concat!("use a ", crate::args::formats!(), " file that is complete")
        }
        ErrorKind::Tail(_) => "name the tail of this package, or tune again with `finetune`",
        ErrorKind::Tune(_) => {
            "take a package that ends in a pointwise convolution and an average pool, such as sprout"
        }
        ErrorKind::Head(_) => {
            "name a new HEAD file and teach it, or use the package this one belongs to"
        }
        ErrorKind::Class(_) => "use another LABEL, or name a new HEAD file",
        ErrorKind::Sample(_) => "name a new HEAD file and teach it with fewer frames",
        ErrorKind::Ask(_) => "teach the head with `offshoot-board teach` first",
        _ => "run `offshoot-board verify` on the package; if that passes, report this",
    }
}
