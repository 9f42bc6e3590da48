//! Errors as Python exceptions, with the words of the Rust library.

use std::io;
use std::path::PathBuf;

use offshoot::{
    AskError, ClassError, EditError, EncodeError, Error, ErrorKind, FrameError, HeadError,
    MergeError, SampleError, SignalError, SpatialError, UnknownHeadKind,
};
use pyo3::prelude::*;

/// Failure of a call, before it becomes an exception.
pub(crate) enum Failure {
    /// Error of the library.
    Facade(Error),
    /// Input that Python passes and the library never sees.
    Input(String),
    /// Use of a head that the library never sees.
    Head(String),
    /// Exception of Python.
    Raised(PyErr),
}

/// Result of a method.
pub(crate) type Outcome<T> = Result<T, Failure>;

macro_rules! from_library {
    ($($cause:ty),+ $(,)?) => {
        $(impl From<$cause> for Failure {
            fn from(cause: $cause) -> Self {
                Self::Facade(cause.into())
            }
        })+
    };
}

from_library!(
    Error,
    AskError,
    ClassError,
    EditError,
    EncodeError,
    FrameError,
    HeadError,
    MergeError,
    SampleError,
    SignalError,
    SpatialError,
    UnknownHeadKind,
);

impl Failure {
    /// Names the class, if the name is taken; the head's own errors hold no text.
    pub(crate) fn of_name(cause: impl Into<Error>, name: &str) -> Self {
        let cause = cause.into();
        match cause.kind() {
            ErrorKind::Class(ClassError::Duplicate { .. })
            | ErrorKind::Spatial(SpatialError::Duplicate)
            | ErrorKind::Edit(EditError::Name(ClassError::Duplicate { .. })) => {
                Self::Head(format!("there is a class `{}`", name.escape_debug()))
            }
            _ => Self::Facade(cause),
        }
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Raised(error) => return error,
            Failure::Facade(error) => error,
            Failure::Input(message) => return exception("InputError", message, None, None),
            Failure::Head(message) => return exception("HeadError", message, None, None),
        };
        let (class, code) = match error.kind() {
            ErrorKind::Io(cause) => (file_class(cause), cause.raw_os_error()),
            kind => (class(kind), None),
        };
        exception(class, error.to_string(), error.path().map(PathBuf::from), code)
    }
}

fn file_class(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::NotFound => "MissingFileError",
        _ => "FileError",
    }
}

fn class(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Frame(_)
        | ErrorKind::Preprocess(_)
        | ErrorKind::Tokens(_)
        | ErrorKind::Sound(_)
        | ErrorKind::Signal(_)
        | ErrorKind::OtherInput { .. }
        | ErrorKind::Image(_)
        | ErrorKind::LargeImage { .. }
        | ErrorKind::CutShort { .. } => "InputError",
        ErrorKind::HeadKind(_)
        | ErrorKind::Head(_)
        | ErrorKind::Class(_)
        | ErrorKind::Sample(_)
        | ErrorKind::Ask(_)
        | ErrorKind::Edit(_)
        | ErrorKind::Merge(_)
        | ErrorKind::Spatial(_)
        | ErrorKind::Encode(_) => "HeadError",
        ErrorKind::Threads(_) | ErrorKind::Run(_) => "OffshootError",
        // What is wrong with a package, or with running it here.
        _ => "PackageError",
    }
}

/// Makes the exception of that name in `offshoot._errors`.
pub(crate) fn exception(
    class: &str,
    message: String,
    path: Option<PathBuf>,
    code: Option<i32>,
) -> PyErr {
    Python::attach(|py| {
        let made = py
            .import("offshoot._errors")
            .and_then(|module| module.getattr(class)?.call_method1("_of", (message, path, code)));
        made.map_or_else(|error| error, PyErr::from_value)
    })
}
