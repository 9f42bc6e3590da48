//! Refusals of requests.

use offshoot::{AskError, ClassError, EditError, Error, ErrorKind, HeadError, SampleError};
use offshoot_http::{Reply, StatusCode, text};

/// Reason why a request was refused: one sentence for the caller.
#[derive(Debug, Clone)]
pub struct Refusal {
    status: StatusCode,
    why: String,
}

impl Refusal {
    /// Returns a refusal with one sentence.
    pub fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    /// Returns a refusal of the request's content.
    pub fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    /// Returns the refusal of a class that nothing was taught.
    pub fn no_class(name: &str) -> Self {
        let why = format!("no class `{name}` is taught; GET / lists those that are");
        Self::new(StatusCode::NOT_FOUND, why)
    }

    /// Returns the refusal of a question to a head that nothing was taught.
    pub fn nothing_taught() -> Self {
        Self::new(StatusCode::CONFLICT, "nothing has been taught; POST to /teach/CLASS first")
    }

    /// Returns the refusal of an undo without a training sample.
    pub fn nothing_to_undo() -> Self {
        Self::new(StatusCode::CONFLICT, "no training sample is left to undo")
    }

    /// Returns the refusal as a response.
    pub fn reply(&self) -> Reply {
        text(self.status, &self.why)
    }
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NothingTaught => Self::nothing_taught(),
            error => Self::bad(error.to_string()),
        }
    }
}

impl From<ClassError> for Refusal {
    fn from(error: ClassError) -> Self {
        match error {
            ClassError::Full { limit } => {
                let why =
                    format!("all {limit} classes are taken; DELETE /classes/CLASS removes one");
                Self::new(StatusCode::CONFLICT, why)
            }
            error => Self::bad(error.to_string()),
        }
    }
}

impl From<SampleError> for Refusal {
    fn from(error: SampleError) -> Self {
        Self::new(StatusCode::CONFLICT, error.to_string())
    }
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        Self::new(StatusCode::NOT_FOUND, error.to_string())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Io(_) | ErrorKind::Run(_) | ErrorKind::Memory { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            ErrorKind::Head(HeadError::OtherPackage) => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}
