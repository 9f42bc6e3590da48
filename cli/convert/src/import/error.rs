//! Why a model cannot be imported.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{MAX_BYTES, Misfit, Unsupported, UnsupportedTable};

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
    /// The file is something else that people have for a model.
    #[error("{path}: {what}, not an ONNX model; {instead}")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
        /// The next thing to do.
        instead: String,
    },
    /// The model was made ready for something else: training, or another runtime.
    #[error("{path}: {what}; {instead}")]
    Prepared {
        /// The file.
        path: PathBuf,
        /// What was done to it, with the first node that says so.
        what: String,
        /// What to give instead.
        instead: &'static str,
    },
    /// The model does not take the size that was asked for.
    #[error(
        "{path}: its input is fixed at {fixed}, and with --input-size {asked} {what}; leave --input-size out, or \
         export the model with open sides (dynamic_axes)"
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Height and width in the file.
        fixed: String,
        /// Those that were asked for.
        asked: String,
        /// What goes wrong.
        what: String,
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
    /// The model cannot be analysed.
    #[error("{path}: {reason}")]
    Analyse {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// tract does not take the model.
    #[error("{path}: {}", unreadable(path, node.as_ref()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The node that it does not take, where it says so.
        node: Option<Misfit>,
        /// tract's message, outermost cause first; of its own inner names, so it is not shown.
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

fn unreadable(path: &Path, node: Option<&Misfit>) -> String {
    let check = format!(
        "check the file: python -c 'import onnx; onnx.checker.check_model(\"{}\", full_check=True)'",
        path.display()
    );
    let Some(Misfit { node, operation, cut }) = node else {
        return format!("cannot be read: shapes or types in it do not fit together; {check}");
    };
    let what =
        format!("cannot read node `{node}` ({operation}): what it gets, or an attribute of it, does not fit");
    match cut {
        Some(cut) => format!("{what}; leave it out by --cut {cut}, or {check}"),
        None => format!("{what}; {check}"),
    }
}

fn count(nodes: usize) -> String {
    if nodes == 1 { "1 node is".to_string() } else { format!("{nodes} nodes are") }
}

fn nearest_text(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) }
}
