//! Errors of an import.

use std::path::{Path, PathBuf};

use thiserror::Error;
use tract_onnx::prelude::TractError;

use super::{
    MAX_BYTES, Misfit, Source, Unsupported, UnsupportedTable, check, unreadable, unsupported,
};
use crate::catch_panic::quietly;

/// Error of an import.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The file is larger than any model worth running on a board.
    #[error("{path}: {bytes} bytes; the limit is {}", MAX_BYTES)]
    TooLarge {
        /// Path of the file.
        path: PathBuf,
        /// Size of the file.
        bytes: u64,
    },
    /// The bytes are not an ONNX model.
    #[error("{path}: not an ONNX model, or cut off: {reason}")]
    NotOnnx {
        /// Path of the file.
        path: PathBuf,
        /// Message of the parser.
        reason: String,
    },
    /// The file has another format that is used for models.
    #[error("{path}: {what}, not an ONNX model; {instead}")]
    Foreign {
        /// Path of the file.
        path: PathBuf,
        /// Format of the file.
        what: String,
        /// Next step for the user.
        instead: String,
    },
    /// The model was prepared for something else: training, or another runtime.
    #[error("{path}: {what}; {instead}")]
    Prepared {
        /// Path of the file.
        path: PathBuf,
        /// Kind of the preparation, with the first node that shows it.
        what: String,
        /// Model to use instead.
        instead: &'static str,
    },
    /// The model does not run at the size stated by the user.
    #[error(
        "{path}: its input is fixed at {fixed}, and with --input-size {asked} {what}; leave --input-size out, or \
         export the model with open sides (dynamic_axes)"
    )]
    Size {
        /// Path of the file.
        path: PathBuf,
        /// Height and width in the file.
        fixed: String,
        /// Height and width stated by the user.
        asked: String,
        /// Cause.
        what: String,
    },
    /// The model's input is not an image.
    #[error(
        "{path}: input `{input}` is {found}; needed is one image 1 x channels x height x width. {hint}"
    )]
    Input {
        /// Path of the file.
        path: PathBuf,
        /// Name of the input.
        input: String,
        /// Type and shape of the input.
        found: String,
        /// Next step for the user.
        hint: String,
    },
    /// The model's input does not fit the signals.
    #[error("{path}: input `{input}` is {found}. {hint}")]
    Signal {
        /// Path of the file.
        path: PathBuf,
        /// Name of the input.
        input: String,
        /// Type and shape of the input.
        found: String,
        /// Next step for the user.
        hint: String,
    },
    /// The language backbone has an unknown structure.
    #[error("{path}: as a language backbone: {reason}")]
    Text {
        /// Path of the file.
        path: PathBuf,
        /// Cause, with the next step.
        reason: String,
    },
    /// More than one tensor to cut a language backbone at.
    #[error("{path}: text models are cut at one tensor; --cut names several")]
    SeveralCuts {
        /// Path of the file.
        path: PathBuf,
    },
    /// The pooling is for images but the model takes text, or the other way round.
    #[error("{path}: this --pool is for {of}; allowed are {instead}")]
    Pool {
        /// Path of the file.
        path: PathBuf,
        /// Kind of input that the pooling is for.
        of: &'static str,
        /// Poolings that can be used instead.
        instead: &'static str,
    },
    /// The model cannot be analysed.
    #[error("{path}: {reason}")]
    Analyse {
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        reason: String,
    },
    /// tract does not accept the model.
    #[error("{path}: {}", unreadable(path, node.as_ref()))]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Node that it does not accept, if it names one.
        node: Option<Misfit>,
        /// Message of tract, outermost cause first; not displayed, since it uses tract's internal
        /// names.
        reason: String,
    },
    /// Unsupported operations: all of them, found before any work starts.
    #[error("{path}: {} not supported:{}", count(nodes.len()), UnsupportedTable(nodes))]
    Unsupported {
        /// Path of the file.
        path: PathBuf,
        /// All unsupported nodes.
        nodes: Vec<Unsupported>,
    },
    /// A value in the model is out of its range; the model was not passed to tract.
    #[error("{path}: {place}: {what}")]
    Refused {
        /// Path of the file.
        path: PathBuf,
        /// Node or tensor.
        place: String,
        /// Value found, and values allowed.
        what: String,
    },
    /// Weights are in external data files, which are read only on request.
    #[error(
        "{path}: {tensors} tensors lie outside the file, in `{first}`; --external-data reads files beside the model"
    )]
    ExternalData {
        /// Path of the model.
        path: PathBuf,
        /// Number of such tensors.
        tensors: usize,
        /// File of the first one.
        first: String,
    },
    /// An external data file is wrong.
    #[error("{path}: weights in `{file}`: {what}")]
    ExternalFile {
        /// Path of the model.
        path: PathBuf,
        /// Name of the file in the model.
        file: String,
        /// Cause.
        what: String,
    },
    /// The tensor to cut at does not exist.
    #[error("{path}: no tensor `{cut}` to cut at{}", nearest_text(nearest))]
    NoSuchTensor {
        /// Path of the file.
        path: PathBuf,
        /// Name asked for.
        cut: String,
        /// Most similar names.
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
        format!("cannot read node `{node}` ({operation}): its inputs or attributes do not fit");
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

impl Source {
    pub(super) fn no_such_tensor(&self, name: &str) -> ImportError {
        let names: Vec<&str> =
            self.graph().node.iter().flat_map(|n| &n.output).map(String::as_str).collect();
        let nearest = nearest(name, &names);
        ImportError::NoSuchTensor { path: self.path.clone(), cut: name.to_string(), nearest }
    }

    pub(super) fn unsupported(&self, nodes: Vec<Unsupported>) -> ImportError {
        ImportError::Unsupported { path: self.path.clone(), nodes }
    }

    /// Adds cuts before the unsupported nodes, for tensors that are features according to `gives`.
    pub(super) fn with_cuts(
        &self,
        error: ImportError,
        gives: &dyn Fn(&str) -> bool,
    ) -> ImportError {
        match error {
            ImportError::Unsupported { path, nodes } => {
                let nodes = unsupported::with_cuts(self.graph(), nodes, gives);
                ImportError::Unsupported { path, nodes }
            }
            ImportError::Unreadable { path, node: Some(node), reason } => {
                let cut = node.cut.filter(|cut| quietly(|| gives(cut)).unwrap_or(false));
                ImportError::Unreadable { path, node: Some(Misfit { cut, ..node }), reason }
            }
            error => error,
        }
    }

    pub(super) fn refused(&self, refused: check::Refused) -> ImportError {
        let check::Refused { place, what } = refused;
        ImportError::Refused { path: self.path.clone(), place, what }
    }

    pub(super) fn tract(&self, error: &TractError) -> ImportError {
        let reason = format!("{error:#}");
        let node = unreadable::misfit(self.graph(), &reason);
        ImportError::Unreadable { path: self.path.clone(), node, reason }
    }
}

/// Returns the three names most similar to `name`.
fn nearest(name: &str, names: &[&str]) -> Vec<String> {
    let mut scored: Vec<_> =
        names.iter().map(|n| (strsim::normalized_damerau_levenshtein(name, n), *n)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, n)| format!("`{n}`")).collect()
}
