//! Import of ONNX models into the converter's own network.
//!
//! Our own checks (`check.rs`, `operations.rs`) run before tract reads the model. tract-onnx
//! parses, infers shapes and folds constants; the result is walked once. The walk comes before
//! tract's declutter, because that removes ONNX's tensor names.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use prost::Message;
use sha2::{Digest, Sha256};
use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::prelude::*;

use crate::ir::pooling::{Output, Pool};
use crate::ir::{Model, pooling};
use crate::sandbox;

mod branches;
mod check;
mod constants;
mod coverage;
mod data_flow;
mod dimension_order;
mod ends;
mod error;
mod external;
mod foreign;
mod functions;
mod input_description;
mod input_normalization;
mod language;
mod lower;
mod operations;
mod prepared;
mod rewrite;
mod signal_input;
mod size;
mod subgraph;
mod text_inputs;
mod unreadable;
mod unsupported;
mod walk;

pub use coverage::{Coverage, FloatNode};
use ends::Shapes;
pub use ends::{Belief, Cut, FEW, NetworkKind, Sure};
pub use error::ImportError;
pub use input_normalization::Front;
pub use language::ImportedText;
use signal_input::SignalInput;
pub use signal_input::SignalOrder;
use subgraph::Analysed;
pub use text_inputs::Table;
pub use unreadable::Misfit;
pub(crate) use unreadable::named;
pub use unsupported::{Unsupported, UnsupportedTable};

/// Largest size of an ONNX file in bytes.
pub const MAX_BYTES: u64 = 1 << 30;

/// Parsed ONNX model.
pub struct Source {
    /// Path of the file.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    proto: ModelProto,
    /// Input, of a model for signals.
    signal: Option<SignalInput>,
    /// Bytes of the file and of its external data files.
    bytes: u64,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Imported model with its cut: the network to convert, and tract's own float plan of the same cut.
#[derive(Debug)]
pub struct Imported {
    /// Network up to the embedding.
    pub model: Model,
    /// Cut, with its reason.
    pub cut: Cut,
    /// Tensors at the cut.
    pub outputs: Vec<Output>,
    /// Pooling of the feature maps among them.
    pub pool: Pool,
    /// True if there were feature maps.
    pub pooled: bool,
    /// True if the model scales the embedding to L2 norm 1; this is left to the package.
    pub unit_length: bool,
    /// Normalization in the first layers of the network, which was removed from it.
    pub front: Front,
    /// Layout of the source model's image input.
    pub input: InputOrder,
    /// Order of the source model's input, of a model for signals.
    pub signal: Option<SignalOrder>,
    /// Model of tract up to the cut, not yet optimized: the float reference.
    pub reference: TypedModel,
    /// True if the integers of a quantized file were forgotten, so that all are chosen anew.
    pub requantized: bool,
    /// Width and height stated by the user.
    size: Option<(u32, u32)>,
    given: bool,
    /// Model without its own resizing of the image, if it begins with one.
    unresized: Option<Box<Source>>,
    /// Model of tract with its classifier, if the cut was found before one; used to choose the
    /// preprocessing.
    classifier: Option<TypedModel>,
}

/// Layout of the source model's image input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputOrder {
    /// True for rows, columns, channels; false for channels, rows, columns.
    pub channels_last: bool,
    /// True if the input is a batch of one.
    pub batch: bool,
}

/// True if an input of this shape has its channels last.
pub(crate) fn channels_last(dims: &[usize]) -> bool {
    let first = dims.len().saturating_sub(3);
    !is_channels(dims.get(first)) && is_channels(dims.get(first + 2))
}

fn is_channels(length: Option<&usize>) -> bool {
    length.is_some_and(|n| [1, 3].contains(n))
}

/// Function from a part of a model to tract's model of it.
type Prepare<'p> = &'p dyn Fn(&ModelProto) -> Result<InferenceModel, ImportError>;

impl Source {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// The file cannot be read or is not ONNX.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let read = |source| ImportError::Read { path: path.to_path_buf(), source };
        if let Some(foreign::Foreign { what, instead }) = foreign::look(path).map_err(read)? {
            return Err(ImportError::Foreign { path: path.to_path_buf(), what, instead });
        }
        let bytes = std::fs::metadata(path).map_err(read)?.len();
        if bytes > MAX_BYTES {
            return Err(ImportError::TooLarge { path: path.to_path_buf(), bytes });
        }
        let _limits = sandbox::limits(bytes);
        Self::parse(path, &std::fs::read(path).map_err(read)?)
    }

    /// Parses a model in memory; `path` is only for messages.
    ///
    /// # Errors
    /// The bytes are not ONNX, or something in the model is out of its range.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ImportError> {
        let path = path.to_path_buf();
        let proto = match ModelProto::decode(bytes) {
            Ok(proto) => proto,
            Err(error) => return Err(ImportError::NotOnnx { path, reason: error.to_string() }),
        };
        if proto.graph.as_ref().is_none_or(|graph| graph.node.is_empty()) {
            return Err(ImportError::NotOnnx { path, reason: "it holds no graph".to_string() });
        }
        let sha256 = Sha256::digest(bytes).into();
        let mut source = Self { path, sha256, proto, signal: None, bytes: bytes.len() as u64 };
        check::model(&source.proto).map_err(|refused| source.refused(refused))?;
        if !source.proto.functions.is_empty() {
            functions::inline(&mut source.proto).map_err(|refused| source.refused(refused))?;
            check::model(&source.proto).map_err(|refused| source.refused(refused))?;
        }
        source.proto.graph.as_mut().into_iter().for_each(|graph| {
            data_flow::sort(graph);
            rewrite::rewrite(graph);
        });
        source.branches()?;
        Ok(source)
    }

    /// Reads external data files, if that is `allowed`; only from the model's folder.
    ///
    /// # Errors
    /// A file is not in the model's folder, is a link, or has the wrong size.
    pub fn with_external_data(mut self, allowed: bool) -> Result<Self, ImportError> {
        if let (true, Some(graph)) = (allowed, &mut self.proto.graph) {
            let folder = self.path.parent().unwrap_or(Path::new(""));
            let read = external::load(graph, folder).map_err(|(file, what)| {
                let path = self.path.clone();
                ImportError::ExternalFile { path, file, what }
            })?;
            self.bytes += read;
            rewrite::rewrite(graph);
            self.branches()?;
        }
        Ok(self)
    }

    /// Takes the branches that are known; what was in them is checked like the rest.
    fn branches(&mut self) -> Result<(), ImportError> {
        if self.graph().node.iter().any(|node| node.op_type == "If") {
            self.take_branches();
            check::model(&self.proto).map_err(|refused| self.refused(refused))?;
        }
        Ok(())
    }

    fn check_external(&self) -> Result<(), ImportError> {
        let files = external::files(self.graph());
        files.first().map_or(Ok(()), |first| {
            let path = self.path.clone();
            let first = first.clone();
            Err(ImportError::ExternalData { path, tensors: files.len(), first })
        })
    }

    fn graph(&self) -> &GraphProto {
        self.proto.graph.as_ref().expect("a model without a graph is not opened")
    }

    /// True if a node of the model computes a tensor of this name.
    pub fn has_tensor(&self, name: &str) -> bool {
        let nodes = self.proto.graph.iter().flat_map(|g| &g.node);
        nodes.flat_map(|n| &n.output).any(|output| output == name)
    }

    /// Returns the names of the model's outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.graph().output.iter().map(|output| output.name.as_str())
    }

    /// Returns the tensor for a layer's name: the name itself, or the result of a node that tract
    /// split into `NODE.part`s.
    pub fn tensor_of(&self, layer: &str) -> Option<&str> {
        let named = data_flow::Named::of(self.graph());
        let nodes = &self.graph().node;
        if let Some(at) = named.giver(layer) {
            return nodes[at].output.iter().map(String::as_str).find(|output| *output == layer);
        }
        let outputs = &nodes[named.part_of(layer)?].output;
        outputs.first().filter(|_| outputs.len() == 1).map(String::as_str)
    }

    /// Returns an entry of the model's metadata (`metadata_props`), such as `offshoot.cut`.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.proto.metadata_props.iter().find(|p| p.key == key).map(|p| p.value.as_str())
    }

    /// Returns the file's name without its folder.
    pub fn file_name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Analyses the model and walks it up to the cut.
    ///
    /// `cuts` are names of tensors; if empty, the cut is chosen automatically. `size` is width and
    /// height for a model that leaves them open.
    ///
    /// # Errors
    /// Unsupported operations, a cut that does not exist, or an input that is not an image.
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
        let _limits = self.limits();
        let imported = self.at_size(size, pool, &|size| self.at(cuts, size, pool));
        let prepare = |part: &ModelProto| self.inference_model(part, size);
        imported.map_err(|error| {
            self.with_cuts(error, &|place| {
                self.features_at(place, &prepare).is_ok_and(|n| n >= FEW)
            })
        })
    }

    fn at(
        &self,
        cuts: &[&str],
        size: Option<(u32, u32)>,
        pool: Pool,
    ) -> Result<Imported, ImportError> {
        let prepare = |part: &ModelProto| self.inference_model(part, size);
        let Analysed { reference, full, mut cut } = match cuts {
            [] => self.found(&prepare)?,
            _ => self.asked(cuts, &prepare)?,
        };
        if let (None, Some(unresized)) = (self.signal, self.without_resize(&reference)) {
            let imported = unresized.at(cuts, None, pool)?;
            return Ok(Imported { unresized: Some(Box::new(unresized)), ..imported });
        }
        let walk::Walked { mut model, outputs } = self.walked(&reference)?;
        lower::state(self.graph(), &mut model);
        let pooled = pooling::append(&mut model, &outputs, pool).ok_or_else(|| {
            self.analyse("the tensors cut at have more values than a package holds".to_string())
        })?;
        let outputs: Vec<Output> = outputs.into_iter().map(|(_, output)| output).collect();
        cut.doubt(outputs.iter().map(|output| output.values(pool)).sum());
        if let Some(other) = cut.other.take()
            && self.features_at(&other.tensor, &prepare).is_ok()
        {
            cut.unsure.push(format!("{}: --cut {}", other.case, other.tensor));
        }
        let classifier = full.filter(|_| cut.has_classifier);
        let front = match self.signal {
            None => Front::take(&mut model),
            Some(_) => Front::default(),
        };
        let given = !cuts.is_empty();
        let input = reference.input_fact(0).map_err(|e| self.tract(&e))?;
        let dims = input.shape.as_concrete().map(<[usize]>::to_vec).unwrap_or_default();
        let input = InputOrder { channels_last: channels_last(&dims), batch: dims.len() == 4 };
        let signal = self.signal.map(|signal| signal.order(&dims));
        Ok(Imported {
            model,
            unit_length: cut.unit,
            cut,
            outputs,
            pool,
            pooled,
            front,
            input,
            signal,
            requantized: false,
            size,
            given,
            unresized: None,
            reference,
            classifier,
        })
    }

    /// Returns the whole model, if it ends in a classifier; this can be run to choose the
    /// preprocessing, wherever the cut is. `None` if the model is not understood to its end.
    pub(crate) fn classifier(&self, imported: &Imported) -> Option<TypedModel> {
        if !imported.given {
            return imported.classifier.clone();
        }
        let source = imported.unresized.as_deref().unwrap_or(self);
        let _limits = source.limits();
        let prepare = |part: &ModelProto| source.inference_model(part, imported.size);
        let whole = source.typed_at(&[], &prepare).ok()?;
        Some(whole).filter(|whole| ends::find(source.graph(), &Shapes::of(whole)).has_classifier)
    }

    /// Sets the limits of the process while the model is processed; constants computed at import
    /// count like those in the file.
    fn limits(&self) -> sandbox::Limits {
        sandbox::limits(self.bytes + check::operations(self.graph()).unwrap_or_default())
    }

    /// Analyses the model up to `tensors`, or all of it; `prepare` parses a part and fixes its
    /// inputs.
    fn typed_at(&self, tensors: &[&str], prepare: Prepare<'_>) -> Result<TypedModel, ImportError> {
        let part = self.part(tensors, prepare)?;
        self.typed(prepare(&part)?, tensors)
    }

    /// Returns the checked part that `tensors`, or the model's outputs, need; the whole model if
    /// all of it may be passed to tract.
    fn part(
        &self,
        tensors: &[&str],
        prepare: Prepare<'_>,
    ) -> Result<Cow<'_, ModelProto>, ImportError> {
        self.check_external()?;
        let graph = self.graph();
        let needed = match tensors {
            [] => vec![true; graph.node.len()],
            tensors => data_flow::needed(graph, &data_flow::givers(graph), tensors.iter().copied()),
        };
        if let Some(prepared::Prepared { what, instead }) = prepared::look(graph, &needed) {
            return Err(ImportError::Prepared { path: self.path.clone(), what, instead });
        }
        let unknown = unsupported::by_name(graph, &needed);
        if !unknown.is_empty() {
            return Err(self.unsupported(self.with_those_before(unknown, prepare)));
        }
        let part = match graph.node.iter().all(operations::is_allowed) {
            true => Cow::Borrowed(&self.proto),
            false => Cow::Owned(subgraph::pruned(&self.proto, tensors)),
        };
        part.graph
            .iter()
            .try_for_each(|graph| check::operations(graph).map(drop))
            .map_err(|r| self.refused(r))?;
        check::finite(graph, &needed).map_err(|refused| self.refused(refused))?;
        Ok(part)
    }

    /// Adds unsupported nodes found by the walk of the part that can be analysed.
    fn with_those_before(
        &self,
        mut unknown: Vec<Unsupported>,
        prepare: Prepare<'_>,
    ) -> Vec<Unsupported> {
        let before =
            unsupported::frontier(self.graph(), |at, _| unknown.iter().any(|u| u.at == at));
        // The token ids of a text model are not a layer.
        if !before.is_empty()
            && !self.takes_text()
            && let Ok(typed) = self.typed_at(&before, prepare)
        {
            let found = walk::walk(&typed, self.kind()).err().unwrap_or_default();
            unknown.extend(unsupported::by_walk(self.graph(), &found));
        }
        unknown
    }

    fn inference_model(
        &self,
        part: &ModelProto,
        size: Option<(u32, u32)>,
    ) -> Result<InferenceModel, ImportError> {
        // Parses without a folder, so that tract opens no file. Stated shapes between nodes may
        // come from another version of the model; tract infers them.
        let lowered = lower::lower(part).map_err(|refused| self.refused(refused))?;
        let parsed = onnx()
            .with_ignore_value_info(true)
            .parse(&lowered, None)
            .map_err(|e| self.tract(&e))?;
        let mut model = parsed.model;
        let inputs = model.input_outlets().map_err(|e| self.tract(&e))?.to_vec();
        let names: Vec<String> =
            inputs.iter().map(|input| model.node(input.node).name.clone()).collect();
        let [name] = &names[..] else {
            let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let hint = format!("The model has {} inputs: {}.", names.len(), list.join(", "));
            return Err(self.input_error(names.first().map_or("", String::as_str), &hint));
        };
        let shape = match self.signal {
            Some(signal) => self.signal_shape(name, signal)?,
            None => self.input_shape(name, size)?,
        };
        model.set_input_fact(0, f32::fact(&shape).into()).map_err(|e| self.tract(&e))?;
        Ok(model)
    }

    /// Infers shapes and folds constants, up to `tensors` if given.
    fn typed(
        &self,
        mut model: InferenceModel,
        tensors: &[&str],
    ) -> Result<TypedModel, ImportError> {
        if !tensors.is_empty() {
            let mut outlets = Vec::new();
            for name in tensors {
                let found = model.outlet_labels.iter().find(|(_, label)| label == name);
                let (outlet, _) = found.ok_or_else(|| self.no_such_tensor(name))?;
                outlets.push(*outlet);
            }
            model.select_output_outlets(&outlets).map_err(|e| self.tract(&e))?;
            // Nodes after the cut need not be supported.
            model = model.into_compact().map_err(|e| self.tract(&e))?;
        }
        let mut typed = model.into_typed().map_err(|e| self.tract(&e))?;
        typed.prop_consts().map_err(|e| self.tract(&e))?;
        typed.into_compact().map_err(|e| self.tract(&e))
    }

    /// Finds the tensor by its name, or by the name of the node that computes it.
    fn tensor<'n>(&'n self, name: &'n str) -> Result<&'n str, ImportError> {
        if self.has_tensor(name) {
            return Ok(name);
        }
        let node = self.graph().node.iter().find(|n| n.name == name);
        node.and_then(|n| n.output.first())
            .map(String::as_str)
            .ok_or_else(|| self.no_such_tensor(name))
    }

    /// Returns the error of an analysis that failed for `reason`.
    pub fn analyse(&self, reason: String) -> ImportError {
        ImportError::Analyse { path: self.path.clone(), reason }
    }
}
