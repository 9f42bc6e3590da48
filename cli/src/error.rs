//! Errors of the commands, with their exit codes.

use std::path::PathBuf;

use offshoot_convert::calibrate::tokenizer::TokenizerError;
use offshoot_convert::emit::prepack::PackingError;
use offshoot_convert::import::ImportError;
use offshoot_convert::onnx_export::ExportError;
use offshoot_convert::pipeline::ConvertError;
use offshoot_convert::preprocess::catalog::CatalogError;
use offshoot_convert::sandbox::IsolateError;
use offshoot_dataset::DataError;
use offshoot_device::{DeviceError, PartError, ScriptError};
use thiserror::Error;

use crate::board_install::StepError;
use crate::download::PullError;
use crate::learn::embeddings::EmbedError;

/// Why a command did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A model was not converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The process that worked on a model did not end by itself.
    #[error(transparent)]
    Isolate(#[from] IsolateError),
    /// A package was not packed.
    #[error(transparent)]
    Packing(#[from] PackingError),
    /// There is no catalogue, or no such entry.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A model was not fetched.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// A folder of pictures is not one.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A tokenizer that does not fit the model.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A package, head or picture is broken, or a head cannot learn.
    #[error(transparent)]
    Offshoot(#[from] offshoot::Error),
    /// A file could not be written.
    #[error("{path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The folder has too few pictures for what was asked, or more than can be kept.
    #[error("{path}: {what}")]
    TooFew {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// The model to compare with is another one.
    #[error("{path}: {what}")]
    Compare {
        /// The model.
        path: PathBuf,
        /// How it differs.
        what: String,
    },
    /// There is nothing to draw, or too much.
    #[error("{path}: {what}")]
    Heatmap {
        /// The file at fault.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// A head decides by no sum over dimensions.
    #[error("{path}: {what}; train another --head for --dimensions")]
    Dimensions {
        /// The head.
        path: PathBuf,
        /// Why not.
        what: &'static str,
    },
    /// A head or a package cannot be written as ONNX.
    #[error("{path}: {source}")]
    Export {
        /// The file at fault.
        path: PathBuf,
        /// The cause.
        source: ExportError,
    },
    /// No place to cut is cheap enough.
    #[error("{path}: no cut is within the budget; {what}")]
    Budget {
        /// The model.
        path: PathBuf,
        /// What there is.
        what: String,
    },
    /// The package loses more than was allowed.
    #[error(
        "{path}: {drop:.2} points of accuracy lost on {data}, allowed are {allowed}; nothing was written. \
         More or other --calibrate pictures, another --cut, or --precision f32"
    )]
    Drop {
        /// The model.
        path: PathBuf,
        /// The pictures it was measured on.
        data: PathBuf,
        /// Points of a hundred.
        drop: f64,
        /// As many were allowed.
        allowed: f64,
    },
    /// The package is another network than the model.
    #[error(
        "{path}: int8 loses too much: the cosine to float is {mean:.3} in the mean, {worst:.3} in the worst; nothing \
         was written. --precision f32 or --keep-float auto lose less; where your task stands it, say so by --eval \
         DATA --max-drop POINTS"
    )]
    Unusable {
        /// The model.
        path: PathBuf,
        /// Mean cosine of the embeddings.
        mean: f64,
        /// Worst of them.
        worst: f64,
    },
    /// An option is for models that take something else.
    #[error("{path}: takes {takes}, for which there is no {option}; leave it out")]
    OtherKind {
        /// The model.
        path: PathBuf,
        /// What it takes.
        takes: &'static str,
        /// The option.
        option: &'static str,
    },
    /// A file cannot be written in the form that its name asks for.
    #[error("{path}: {what}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What there is.
        what: &'static str,
    },
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The signals of this process cannot be taken.
    #[error("signals: {0}")]
    Signals(std::io::Error),
    /// A script of presses is not one.
    #[error("{path}: {source}")]
    Script {
        /// The script.
        path: PathBuf,
        /// The cause.
        source: ScriptError,
    },
    /// A part of a device is not there.
    #[error(transparent)]
    Part(#[from] PartError),
    /// A device cannot begin or go on.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// There is nothing to bring to a board, or no such board.
    #[error("{what}")]
    Deploy {
        /// What is wrong, and what to do.
        what: String,
    },
    /// Something on the way to a board failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// This machine lacks something that a device needs.
    #[error("{0} of the checks failed")]
    Doctor(usize),
    /// A golden vector gave something else.
    #[error("{path}: this machine does not compute what the package's maker did")]
    Verify {
        /// The package.
        path: PathBuf,
    },
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

impl CommandError {
    /// 1 where a check failed, 2 where the input or the usage is at fault, 3 where too much is lost.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Verify { .. } | Self::Doctor(_) | Self::Budget { .. } => 1,
            Self::Drop { .. } | Self::Unusable { .. } => 3,
            _ => 2,
        }
    }
}
