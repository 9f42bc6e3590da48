//! Why a model cannot be imported.

use std::path::PathBuf;

use thiserror::Error;

use super::{MAX_BYTES, Unsupported, UnsupportedTable};

/// Why a model cannot be imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Larger than any model that is worth carrying to a board.
    #[error("{path}: {bytes} bytes; the limit is {}", MAX_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The bytes are not an ONNX model.
    #[error("{path}: not an ONNX model, or cut off: {reason}")]
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// The model's input is not a picture we can feed.
    #[error(
        "{path}: input `{input}` is {found}; needed is one picture 1 x channels x height x width. {hint}"
    )]
    Input {
        /// The file.
        path: PathBuf,
        /// The input's name.
        input: String,
        /// The input's type and shape.
        found: String,
        /// The next thing to do.
        hint: String,
    },
    /// A language backbone of another kind than we know.
    #[error("{path}: as a language backbone: {reason}")]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the next thing to do.
        reason: String,
    },
    /// More than one tensor of a language backbone.
    #[error("{path}: takes text, and is cut at one tensor; --cut names several")]
    SeveralCuts {
        /// The file.
        path: PathBuf,
    },
    /// A pool of pictures' maps for a text, or the other way round.
    #[error("{path}: this --pool is of {of}; there is {instead}")]
    Pool {
        /// The file.
        path: PathBuf,
        /// What it is of.
        of: &'static str,
        /// What may be given instead.
        instead: &'static str,
    },
    /// tract cannot analyse the model.
    #[error("{path}: {reason}")]
    Analyse {
        /// The file.
        path: PathBuf,
        /// tract's message, outermost cause first.
        reason: String,
    },
    /// Operations nobody here knows: all of them, found before any work starts.
    #[error("{path}: {} not supported:{}", count(nodes.len()), UnsupportedTable(nodes))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// All that is not supported.
        nodes: Vec<Unsupported>,
    },
    /// Something in the model is out of its range, and was not shown to tract.
    #[error("{path}: {place}: {what}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// The node or the tensor.
        place: String,
        /// What was found, and what is allowed.
        what: String,
    },
    /// Weights lie in files of their own, which are read only when that is asked for.
    #[error(
        "{path}: {tensors} tensors lie outside the file, in `{first}`; --external-data reads files beside the model"
    )]
    ExternalData {
        /// The model.
        path: PathBuf,
        /// How many tensors.
        tensors: usize,
        /// The file of the first.
        first: String,
    },
    /// A file with weights is not what it should be.
    #[error("{path}: weights in `{file}`: {what}")]
    ExternalFile {
        /// The model.
        path: PathBuf,
        /// The file, as the model names it.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The tensor asked for is not there.
    #[error("{path}: no tensor `{cut}` to cut at{}", nearest_text(nearest))]
    NoSuchTensor {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        cut: String,
        /// The most similar names.
        nearest: Vec<String>,
    },
}

fn count(nodes: usize) -> String {
    if nodes == 1 { "1 node is".to_string() } else { format!("{nodes} nodes are") }
}

fn nearest_text(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) }
}
