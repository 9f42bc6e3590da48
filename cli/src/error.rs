//! Errors of the commands, with their exit codes.

use std::path::{Path, PathBuf};

use offshoot::{AskError, ClassError, HeadError, SampleError};
use offshoot_convert::calibrate::tokenizer::TokenizerError;
use offshoot_convert::emit::prepack::PackingError;
use offshoot_convert::import::ImportError;
use offshoot_convert::onnx_export::ExportError;
use offshoot_convert::pipeline::ConvertError;
use offshoot_convert::preprocess::catalog::CatalogError;
use offshoot_convert::sandbox::IsolateError;
use offshoot_dataset::DataError;
use offshoot_device::{DeviceError, PartError, ScriptError};
use offshoot_service::ServiceError;
use thiserror::Error;

use crate::board_install::StepError;
use crate::download::PullError;
use crate::learn::embeddings::EmbedError;

/// Error of a command.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Conversion failed.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// Sandboxed process of a model crashed or was killed.
    #[error(transparent)]
    Isolate(#[from] IsolateError),
    /// Prepacking of the weights failed.
    #[error(transparent)]
    Packing(#[from] PackingError),
    /// Catalogue missing or broken, or no such entry.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Download of a model failed.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// Data set broken or not recognized.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Tokenizer does not fit the model.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Package, head or image broken, or training failed.
    #[error(transparent)]
    Offshoot(#[from] offshoot::Error),
    /// File could not be written.
    #[error("{path}: {source}")]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// Cause reported by the system.
        source: std::io::Error,
    },
    /// Data set has too few samples, or more than a head can store.
    #[error("{path}: {what}")]
    TooFew {
        /// Path of the data set.
        path: PathBuf,
        /// Description of the number found and the number needed.
        what: String,
    },
    /// Model to compare with is not the one the package was made from.
    #[error("{path}: {what}")]
    Compare {
        /// Path of the model.
        path: PathBuf,
        /// Description of the difference.
        what: String,
    },
    /// Heat map impossible: nothing to draw, or too many images.
    #[error("{path}: {what}")]
    Heatmap {
        /// Path of the file at fault.
        path: PathBuf,
        /// Description of the cause.
        what: String,
    },
    /// Head has no sum over dimensions to explain a decision by.
    #[error("{path}: {what}; train another --head for --dimensions")]
    Dimensions {
        /// Path of the head.
        path: PathBuf,
        /// Reason.
        what: &'static str,
    },
    /// Head or package cannot be exported as ONNX.
    #[error("{path}: {source}")]
    Export {
        /// Path of the file at fault.
        path: PathBuf,
        /// Cause.
        source: ExportError,
    },
    /// No cut point is within the budget.
    #[error("{path}: no cut is within the budget; {what}")]
    Budget {
        /// Path of the model.
        path: PathBuf,
        /// Description of the cheapest cuts.
        what: String,
    },
    /// Accuracy loss above the limit.
    #[error(
        "{path}: {drop:.2} points of accuracy lost on {data}, {allowed} allowed; nothing was written. \
         Try more or other --calibrate images, another --cut, or --precision f32"
    )]
    Drop {
        /// Path of the model.
        path: PathBuf,
        /// Data set of the measurement.
        data: PathBuf,
        /// Measured loss in percentage points.
        drop: f64,
        /// Allowed loss in percentage points.
        allowed: f64,
    },
    /// Embeddings of the package too far from those of the float network.
    #[error(
        "{path}: int8 loses too much: cosine similarity to float is {mean:.3} on average, {worst:.3} at worst; \
         nothing was written. Use --precision f32 or --keep-float auto; if your task tolerates the loss, allow it \
         with --eval DATA --max-drop POINTS"
    )]
    Unusable {
        /// Path of the model.
        path: PathBuf,
        /// Mean cosine similarity of the embeddings to float.
        mean: f64,
        /// Minimum cosine similarity.
        worst: f64,
    },
    /// Option for models of the other kind.
    #[error("{path}: takes {takes}; remove {option}, which does not apply")]
    OtherKind {
        /// Path of the model.
        path: PathBuf,
        /// Input the model takes.
        takes: &'static str,
        /// Name of the option.
        option: &'static str,
    },
    /// Head that does not go with the others.
    #[error("{path}: {what}")]
    OtherHead {
        /// Path of the head.
        path: PathBuf,
        /// Description of the difference.
        what: String,
    },
    /// Option for packages with cells.
    #[error("{path}: gives an embedding, and {option} needs cells; convert the model with --cells")]
    NeedsCells {
        /// Path of the package.
        path: PathBuf,
        /// Name of the option.
        option: &'static str,
    },
    /// Output format of a file name is not supported for the data.
    #[error("{path}: {what}")]
    Form {
        /// Path of the file.
        path: PathBuf,
        /// Description of the supported formats.
        what: &'static str,
    },
    /// File could not be read.
    #[error("{path}: {source}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Cause reported by the system.
        source: std::io::Error,
    },
    /// Signal handlers could not be installed.
    #[error("signals: {0}")]
    Signals(std::io::Error),
    /// Script of button presses is broken.
    #[error("{path}: {source}")]
    Script {
        /// Path of the script.
        path: PathBuf,
        /// Cause.
        source: ScriptError,
    },
    /// Part of a device is missing.
    #[error(transparent)]
    Part(#[from] PartError),
    /// Device failed to start or stopped.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Service did not start.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Deployment impossible: nothing to deploy, or no such board.
    #[error("{what}")]
    Deploy {
        /// Description of the cause and of the remedy.
        what: String,
    },
    /// Deployment step failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// Machine lacks something that a device needs.
    #[error("failed checks: {0}")]
    Doctor(usize),
    /// Built-in file that this program comes without: the wheel has no `sharp`.
    #[error(
        "{file}: not part of this program; copy it from the archive offshoot-board-VERSION-MACHINE-linux.tar.gz of the \
         release{}, or use --extractor small",
        into(folder)
    )]
    NotBuiltIn {
        /// Name of the file.
        file: &'static str,
        /// Folder where it was looked for; empty if it is no folder.
        folder: PathBuf,
    },
    /// Package without a layer that can be tuned.
    #[error("{path}: {source}; `offshoot train` needs no such layer")]
    Untunable {
        /// Path of the package.
        path: PathBuf,
        /// Cause.
        source: offshoot::Error,
    },
    /// Tuning that is not better on held-out samples.
    #[error(
        "{path}: tuning is not clearly better on held-out samples; nothing was written. Train a head on the \
         package as it is, give more samples, or insist with --force"
    )]
    Refused {
        /// Path of the data set.
        path: PathBuf,
    },
    /// Golden vector gave another result.
    #[error("{path}: results differ from the golden vectors of the package")]
    Verify {
        /// Path of the package.
        path: PathBuf,
    },
}

/// Names the folder of a built-in file, if there is one.
fn into(folder: &Path) -> String {
    if folder.as_os_str().is_empty() {
        String::new()
    } else {
        format!(" into {}", folder.display())
    }
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        ConvertError::from(error).into()
    }
}

impl From<EmbedError> for CommandError {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Data(error) => error.into(),
            EmbedError::Tokenizer(error) => error.into(),
        }
    }
}

/// Makes `?` work on errors of a head, as it does in the facade.
macro_rules! from_head {
    ($($cause:ident),*) => {$(
        impl From<$cause> for CommandError {
            fn from(cause: $cause) -> Self {
                Self::Offshoot(cause.into())
            }
        }
    )*};
}

from_head!(AskError, ClassError, HeadError, SampleError);

impl CommandError {
    /// Returns the error of a file that cannot be written.
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), source }
    }

    /// Returns 1 if a check failed, 2 if the input or the usage is at fault, 3 if too much accuracy
    /// is lost.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Verify { .. } | Self::Doctor(_) | Self::Budget { .. } | Self::Refused { .. } => 1,
            Self::Drop { .. } | Self::Unusable { .. } => 3,
            _ => 2,
        }
    }
}
