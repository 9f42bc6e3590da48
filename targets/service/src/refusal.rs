//! Refusals of requests.

use offshoot::{AskError, ClassError, EditError, Error, ErrorKind, HeadError, SampleError};
use offshoot_http::{Reply, StatusCode, text};

/// Reason why a request was refused: one sentence for the caller.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub why: String,
}

impl Refusal {
    pub fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    /// Returns a refusal of the request's content.
    pub fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    pub fn reply(&self) -> Reply {
        text(self.status, &self.why)
    }
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NothingTaught => Self::new(
                StatusCode::CONFLICT,
                "nothing has been taught; POST an image to /teach/CLASS first",
            ),
            error => Self::bad(error.to_string()),
        }
    }
}

impl From<ClassError> for Refusal {
    fn from(error: ClassError) -> Self {
        match error {
            ClassError::Full { .. } => Self::new(StatusCode::CONFLICT, error.to_string()),
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
