//! ONNX in, our own network out.
//!
//! tract-onnx parses, infers shapes and folds constants; what is left is walked once. The walk
//! happens before tract's declutter, because after it ONNX's tensor names are gone.

use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::DimLike;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::ops::unimpl::UnimplementedOp;

use crate::embedding::{self, Output, Pool};
use crate::ir::Model;

mod constants;
mod cut;
mod language;
mod layout;
mod text;
mod walk;

pub use cut::Cut;
pub use language::ImportedText;
pub use text::Table;

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
    #[error("{path}: {} not supported:{}{hint}", count(nodes.len()), lines(nodes))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// A line for each: node, operation, shape.
        nodes: Vec<String>,
        /// The next thing to do, if there is one.
        hint: String,
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

/// Lines of an error that lists nodes, cut where nobody reads on.
fn lines(nodes: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text: String = nodes.iter().take(SHOWN).map(|n| format!("\n  {n}")).collect();
    if nodes.len() > SHOWN {
        text += &format!("\n  and {} more", nodes.len() - SHOWN);
    }
    text
}

fn nearest_text(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join(", ")) }
}

/// Largest ONNX file read.
pub const MAX_BYTES: u64 = 1 << 30;

/// An ONNX model, parsed.
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    proto: ModelProto,
    external: bool,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A model with its cut: the network to convert, and tract's own float plan of the same cut.
#[derive(Debug)]
pub struct Imported {
    /// The network up to the embedding.
    pub model: Model,
    /// What was cut, and why there.
    pub cut: Cut,
    /// The tensors cut at.
    pub outputs: Vec<Output>,
    /// What became of those that are maps.
    pub pool: Pool,
    /// Whether there were any.
    pub pooled: bool,
    /// Whether the source takes pictures as rows, columns, channels, and whether in a batch of one.
    pub input: InputOrder,
    /// tract's model of the cut, not yet optimized: the float reference.
    pub reference: TypedModel,
    /// tract's model with its classifier, where there is one: tells which preprocessing it wants.
    pub classifier: Option<TypedModel>,
}

/// How the source model takes a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputOrder {
    /// Rows, columns, channels instead of channels, rows, columns.
    pub channels_last: bool,
    /// Whether a batch of one is around it.
    pub batch: bool,
}

/// Whether an input of this shape has its channels last.
pub(crate) fn channels_last(dims: &[usize]) -> bool {
    let channels = |at: usize| dims.get(at).is_some_and(|c| [1, 3].contains(c));
    let first = dims.len().saturating_sub(3);
    !channels(first) && channels(first + 2)
}

impl Source {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// A file that cannot be read or is not ONNX.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let read = |source| ImportError::Read { path: path.to_path_buf(), source };
        let bytes = std::fs::metadata(path).map_err(read)?.len();
        if bytes > MAX_BYTES {
            return Err(ImportError::TooLarge { path: path.to_path_buf(), bytes });
        }
        Self::parse(path, &std::fs::read(path).map_err(read)?)
    }

    /// Parses a model in memory; `path` is only for messages.
    ///
    /// # Errors
    /// Bytes that are not ONNX.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ImportError> {
        let not_onnx = |reason: String| ImportError::NotOnnx { path: path.to_path_buf(), reason };
        let proto =
            onnx().proto_model_for_read(&mut &*bytes).map_err(|e| not_onnx(e.root_cause().to_string()))?;
        match &proto.graph {
            Some(graph) if !graph.node.is_empty() => {}
            _ => return Err(not_onnx("it holds no graph".to_string())),
        }
        Ok(Self { path: path.to_path_buf(), sha256: Sha256::digest(bytes).into(), proto, external: false })
    }

    /// Whether weights in other files may be read; they are looked for beside the model only.
    #[must_use]
    pub fn with_external_data(mut self, allowed: bool) -> Self {
        self.external = allowed;
        self
    }

    fn check_external(&self) -> Result<(), ImportError> {
        let tensors = self.proto.graph.iter().flat_map(|g| &g.initializer);
        let location = |t: &tract_onnx::pb::TensorProto| {
            t.external_data.iter().find(|e| e.key == "location").map(|e| e.value.clone())
        };
        let files: Vec<String> = tensors.filter_map(location).collect();
        let inside = |f: &String| Path::new(f).components().all(|c| matches!(c, Component::Normal(_)));
        let first = files.iter().find(|f| !self.external || !inside(f));
        first.map_or(Ok(()), |first| {
            Err(ImportError::ExternalData {
                path: self.path.clone(),
                tensors: files.len(),
                first: first.clone(),
            })
        })
    }

    /// Whether a node of the model gives a tensor of this name.
    pub fn has_tensor(&self, name: &str) -> bool {
        let nodes = self.proto.graph.iter().flat_map(|g| &g.node);
        nodes.flat_map(|n| &n.output).any(|output| output == name)
    }

    /// A setting the model states about itself (`metadata_props`), such as `offshoot.cut`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.proto.metadata_props.iter().find(|p| p.key == key).map(|p| p.value.as_str())
    }

    /// The file's name without its folder.
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Analyses the model and walks it up to the cut.
    ///
    /// `cuts` are names of tensors, none to find the embedding; `size` gives width and height where
    /// the model leaves them open.
    ///
    /// # Errors
    /// Unknown operations, a cut that does not exist, an input that is not a picture.
    pub fn import(
        &self,
        cuts: &[&str],
        size: Option<(u32, u32)>,
        pool: Pool,
    ) -> Result<Imported, ImportError> {
        if matches!(pool, Pool::First | Pool::Last) {
            return Err(ImportError::Pool {
                path: self.path.clone(),
                of: "a text's tokens",
                instead: "avg, max, gem and none",
            });
        }
        let model = self.inference_model(size)?;
        let (typed, cut) = match cuts {
            [_, ..] => (self.typed_at(model, cuts)?, Cut::given(&cuts.join(","))),
            [] => match self.typed(model, &[]) {
                Ok(typed) => {
                    let cut = cut::find(&typed);
                    (typed, cut)
                }
                // What follows the feature maps, such as a detector's choice of boxes, may be more
                // than tract, or we, understand.
                Err(error) => {
                    let Some(cut) = self.proto.graph.as_ref().and_then(cut::trunk) else { return Err(error) };
                    let again = self.inference_model(size).and_then(|m| self.typed_at(m, &[&cut.name]));
                    (again.map_err(|_| error)?, cut)
                }
            },
        };
        let full = cut.outlet.map(|_| typed.clone());
        let mut reference = typed;
        if let Some(outlet) = cut.outlet {
            reference.select_output_outlets(&[outlet]).map_err(|e| self.tract(&e))?;
            reference = reference.into_compact().map_err(|e| self.tract(&e))?;
        }
        let walk::Walked { mut model, outputs } =
            walk::walk(&reference, None).map_err(|u| self.unsupported(&u))?;
        let pooled = embedding::append(&mut model, &outputs, pool).ok_or_else(|| {
            self.analyse("the tensors cut at have more values than a package holds".to_string())
        })?;
        let outputs = outputs.into_iter().map(|(_, output)| output).collect();
        let classifier = full.filter(|_| cut.has_classifier);
        let input = reference.input_fact(0).map_err(|e| self.tract(&e))?;
        let dims = input.shape.as_concrete().map(<[usize]>::to_vec).unwrap_or_default();
        let input = InputOrder { channels_last: channels_last(&dims), batch: dims.len() == 4 };
        Ok(Imported { model, cut, outputs, pool, pooled, input, reference, classifier })
    }

    fn typed_at(&self, model: InferenceModel, names: &[&str]) -> Result<TypedModel, ImportError> {
        let outlets: Vec<OutletId> = names.iter().map(|n| self.find(&model, n)).collect::<Result<_, _>>()?;
        self.typed(model, &outlets)
    }

    fn inference_model(&self, size: Option<(u32, u32)>) -> Result<InferenceModel, ImportError> {
        self.check_external()?;
        let dir = self.path.parent().and_then(Path::to_str);
        let parsed = onnx().parse(&self.proto, dir).map_err(|e| self.tract(&e))?;
        let mut model = parsed.model;
        let inputs = model.input_outlets().map_err(|e| self.tract(&e))?.to_vec();
        let [input] = inputs[..] else {
            return Err(self.input_error(&model, inputs.first().copied(), "The model has several inputs."));
        };
        let fact = model.outlet_fact(input).map_err(|e| self.tract(&e))?.clone();
        let known = |i: usize| fact.shape.dim(i).and_then(|d| d.concretize()).and_then(|d| d.to_usize().ok());
        let rank = fact.shape.rank().concretize().and_then(|r| usize::try_from(r).ok()).unwrap_or(0);
        let dims: Vec<Option<usize>> = (0..rank).map(known).collect();
        // A size that is open cannot be the channels', which exporters always write down.
        let lengths: Vec<usize> = dims.iter().map(|d| d.unwrap_or(0)).collect();
        let first = rank.saturating_sub(3);
        let [channels, rows, columns] =
            if channels_last(&lengths) { [2, 0, 1] } else { [0, 1, 2] }.map(|i| first + i);
        if !(3..=4).contains(&rank) {
            return Err(self.input_error(&model, Some(input), ""));
        }
        let (width, height) = match (dims[columns], dims[rows], size) {
            (Some(w), Some(h), _) => (w, h),
            (_, _, Some((w, h))) => (w as usize, h as usize),
            _ => {
                let hint = "Its size is open: give --input-size HEIGHTxWIDTH, such as 224x224.";
                return Err(self.input_error(&model, Some(input), hint));
            }
        };
        let depth = dims[channels].unwrap_or(3);
        if depth != 1 && depth != 3 {
            let hint = "Channels must be 1 or 3, and second or last.";
            return Err(self.input_error(&model, Some(input), hint));
        }
        let mut shape = vec![1; rank];
        (shape[channels], shape[rows], shape[columns]) = (depth, height, width);
        model.set_input_fact(0, f32::fact(&shape).into()).map_err(|e| self.tract(&e))?;
        Ok(model)
    }

    /// Infers shapes and folds constants, up to `cuts` if given.
    fn typed(&self, mut model: InferenceModel, cuts: &[OutletId]) -> Result<TypedModel, ImportError> {
        if !cuts.is_empty() {
            model.select_output_outlets(cuts).map_err(|e| self.tract(&e))?;
            // What the cut leaves out need not be understood.
            model = model.into_compact().map_err(|e| self.tract(&e))?;
        }
        let order = model.eval_order().map_err(|e| self.tract(&e))?;
        let unknown = order.iter().map(|&n| model.node(n)).filter(|n| n.op_is::<UnimplementedOp>());
        let unknown: Vec<walk::Unsupported> = unknown
            .map(|n| walk::Unsupported {
                node: n.name.clone(),
                op: self.op_type(&n.name),
                shape: String::new(),
                before: n.inputs.first().and_then(|o| model.outlet_label(*o)).map(str::to_string),
            })
            .collect();
        if !unknown.is_empty() {
            return Err(self.unsupported(&unknown));
        }
        let mut typed = model.into_typed().map_err(|e| self.tract(&e))?;
        typed.prop_consts().map_err(|e| self.tract(&e))?;
        typed.into_compact().map_err(|e| self.tract(&e))
    }

    fn find(&self, model: &InferenceModel, name: &str) -> Result<OutletId, ImportError> {
        let labelled =
            model.outlet_labels.iter().find(|(_, label)| *label == name).map(|(outlet, _)| *outlet);
        let named = || model.nodes().iter().find(|n| n.name == name).map(|n| OutletId::new(n.id, 0));
        labelled.or_else(named).ok_or_else(|| {
            let graph = self.proto.graph.as_ref();
            let names: Vec<&str> =
                graph.into_iter().flat_map(|g| &g.node).flat_map(|n| &n.output).map(String::as_str).collect();
            let nearest = nearest(name, &names);
            ImportError::NoSuchTensor { path: self.path.clone(), cut: name.to_string(), nearest }
        })
    }

    /// The ONNX operation behind a node's name.
    fn op_type(&self, node: &str) -> String {
        let nodes = self.proto.graph.iter().flat_map(|g| &g.node);
        let found = nodes.into_iter().find(|n| n.name == node || n.output.iter().any(|o| o == node));
        found.map_or_else(|| "an unknown operation".to_string(), |n| n.op_type.clone())
    }

    fn input_error(&self, model: &InferenceModel, input: Option<OutletId>, hint: &str) -> ImportError {
        let describe = |outlet: OutletId| {
            let fact = model.outlet_fact(outlet).map(|f| format!("{f:?}")).unwrap_or_default();
            (model.node(outlet.node).name.clone(), fact)
        };
        let (input, found) = input.map(describe).unwrap_or_default();
        ImportError::Input { path: self.path.clone(), input, found, hint: hint.to_string() }
    }

    fn unsupported(&self, unsupported: &[walk::Unsupported]) -> ImportError {
        let line = |u: &walk::Unsupported| {
            let shape = if u.shape.is_empty() { String::new() } else { format!(", giving {}", u.shape) };
            format!("`{}`: {}{shape}", u.node, u.op)
        };
        let before = unsupported.first().and_then(|u| u.before.as_ref());
        let hint = before.map_or(String::new(), |b| format!("\ncut before them: --cut {b}"));
        let nodes = unsupported.iter().map(line).collect();
        ImportError::Unsupported { path: self.path.clone(), nodes, hint }
    }

    fn tract(&self, error: &TractError) -> ImportError {
        self.analyse(format!("{error:#}"))
    }

    pub(crate) fn analyse(&self, reason: String) -> ImportError {
        ImportError::Analyse { path: self.path.clone(), reason }
    }
}

/// The three names most like `name`.
fn nearest(name: &str, names: &[&str]) -> Vec<String> {
    let mut scored: Vec<_> =
        names.iter().map(|n| (strsim::normalized_damerau_levenshtein(name, n), *n)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, n)| format!("`{n}`")).collect()
}
