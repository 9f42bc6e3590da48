//! ONNX in, our own network out.
//!
//! Before tract sees a model it is looked at by ourselves (`check.rs`, `operations.rs`). tract-onnx parses, infers shapes and folds constants; what is left is walked once. The walk
//! happens before tract's declutter, because after it ONNX's tensor names are gone.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use prost::Message;
use sha2::{Digest, Sha256};
use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::prelude::*;

use crate::catch_panic::quietly;
use crate::ir::pooling::{Output, Pool};
use crate::ir::{Model, pooling};
use crate::sandbox;

mod check;
mod constants;
mod coverage;
mod ends;
mod error;
mod external;
mod flow;
mod foreign;
mod front;
mod language;
mod layout;
mod operations;
mod prepared;
mod rewrite;
mod shown;
mod size;
mod subgraph;
mod text_inputs;
mod unreadable;
mod unsupported;
mod walk;

pub use coverage::{Coverage, FloatNode};
use ends::Shapes;
pub use ends::{Cut, FEW};
pub use error::ImportError;
pub use front::Front;
pub use language::ImportedText;
use subgraph::Analysed;
pub use text_inputs::Table;
pub use unreadable::Misfit;
pub(crate) use unreadable::named;
pub use unsupported::{Unsupported, UnsupportedTable};

/// Largest ONNX file read.
pub const MAX_BYTES: u64 = 1 << 30;

/// An ONNX model, parsed.
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    proto: ModelProto,
    /// Bytes of the file, and of those beside it.
    bytes: u64,
}

impl Imported {
    /// What of the model's own preparation of the picture is done by the preprocessing, in words.
    pub(crate) fn taken_in(&self) -> impl Iterator<Item = String> {
        let shape = self.model.layers[0].shape;
        let resize = self.unresized.as_ref().map(|_| {
            format!("the model's own resizing to {}x{} is left to the preprocessing", shape.h(), shape.w())
        });
        self.front.told().map(str::to_string).into_iter().chain(resize)
    }
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
    /// Whether the model itself brings the embedding to length 1, which is left to the package.
    pub unit_length: bool,
    /// What the network does to its picture first, which was taken out of it.
    pub front: Front,
    /// Whether the source takes pictures as rows, columns, channels, and whether in a batch of one.
    pub input: InputOrder,
    /// tract's model of the cut, not yet optimized: the float reference.
    pub reference: TypedModel,
    /// Width and height that were asked for, and whether the cut was.
    size: Option<(u32, u32)>,
    given: bool,
    /// The model without its own resizing of the picture, where it begins with that.
    unresized: Option<Box<Source>>,
    /// tract's model with its classifier, where the cut was found before one: tells which preprocessing it wants.
    classifier: Option<TypedModel>,
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

/// From a part of a model to tract's model of it.
type Prepare<'p> = &'p dyn Fn(&ModelProto) -> Result<InferenceModel, ImportError>;

impl Source {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// A file that cannot be read or is not ONNX.
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
    /// Bytes that are not ONNX, or a model with something out of its range.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ImportError> {
        let not_onnx = |reason: String| ImportError::NotOnnx { path: path.to_path_buf(), reason };
        let proto = ModelProto::decode(bytes).map_err(|e| not_onnx(e.to_string()))?;
        match &proto.graph {
            Some(graph) if !graph.node.is_empty() => {}
            _ => return Err(not_onnx("it holds no graph".to_string())),
        }
        let (path, sha256) = (path.to_path_buf(), Sha256::digest(bytes).into());
        let mut source = Self { path, sha256, proto, bytes: bytes.len() as u64 };
        check::model(&source.proto).map_err(|refused| source.refused(refused))?;
        source.proto.graph.as_mut().into_iter().for_each(|graph| {
            flow::sort(graph);
            rewrite::rewrite(graph);
        });
        Ok(source)
    }

    /// Reads weights that lie in other files, if that is `allowed`; only from beside the model.
    ///
    /// # Errors
    /// A file that is not in the model's folder, is a link, or has not the bytes that it should have.
    pub fn with_external_data(mut self, allowed: bool) -> Result<Self, ImportError> {
        if let (true, Some(graph)) = (allowed, &mut self.proto.graph) {
            let folder = self.path.parent().unwrap_or(Path::new(""));
            let read = external::load(graph, folder).map_err(|(file, what)| {
                let path = self.path.clone();
                ImportError::ExternalFile { path, file, what }
            })?;
            self.bytes += read;
            rewrite::rewrite(graph);
        }
        Ok(self)
    }

    fn check_external(&self) -> Result<(), ImportError> {
        let files = external::files(self.graph());
        files.first().map_or(Ok(()), |first| {
            let (path, first) = (self.path.clone(), first.clone());
            Err(ImportError::ExternalData { path, tensors: files.len(), first })
        })
    }

    fn graph(&self) -> &GraphProto {
        self.proto.graph.as_ref().expect("a model without a graph is not opened")
    }

    /// Whether a node of the model gives a tensor of this name.
    pub fn has_tensor(&self, name: &str) -> bool {
        let nodes = self.proto.graph.iter().flat_map(|g| &g.node);
        nodes.flat_map(|n| &n.output).any(|output| output == name)
    }

    /// The names of the model's outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.graph().output.iter().map(|output| output.name.as_str())
    }

    /// The tensor that a layer's name stands for: itself, or the result of the node that tract took apart
    /// into `NODE.part`s.
    pub fn tensor_of(&self, layer: &str) -> Option<&str> {
        let named = flow::Named::of(self.graph());
        let node = |at: usize| &self.graph().node[at];
        if let Some(at) = named.giver(layer) {
            return node(at).output.iter().map(String::as_str).find(|output| *output == layer);
        }
        let outputs = &node(named.part_of(layer)?).output;
        outputs.first().filter(|_| outputs.len() == 1).map(String::as_str)
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
        let _limits = self.limits();
        let imported = self.at_size(size, pool, &|size| self.at(cuts, size, pool));
        let prepare = |part: &ModelProto| self.inference_model(part, size);
        imported.map_err(|error| {
            self.with_cuts(error, &|place| self.features_at(place, &prepare).is_ok_and(|n| n >= FEW))
        })
    }

    fn at(&self, cuts: &[&str], size: Option<(u32, u32)>, pool: Pool) -> Result<Imported, ImportError> {
        let prepare = |part: &ModelProto| self.inference_model(part, size);
        let Analysed { reference, full, mut cut } = match cuts {
            [] => self.found(&prepare)?,
            _ => self.asked(cuts, &prepare)?,
        };
        if let Some(unresized) = self.without_resize(&reference) {
            let imported = unresized.at(cuts, None, pool)?;
            return Ok(Imported { unresized: Some(Box::new(unresized)), ..imported });
        }
        let walk::Walked { mut model, outputs } = self.walked(&reference)?;
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
        let (front, given) = (Front::take(&mut model), !cuts.is_empty());
        let input = reference.input_fact(0).map_err(|e| self.tract(&e))?;
        let dims = input.shape.as_concrete().map(<[usize]>::to_vec).unwrap_or_default();
        let input = InputOrder { channels_last: channels_last(&dims), batch: dims.len() == 4 };
        Ok(Imported {
            model,
            unit_length: cut.unit,
            cut,
            outputs,
            pool,
            pooled,
            front,
            input,
            size,
            given,
            unresized: None,
            reference,
            classifier,
        })
    }

    /// The whole model, where it ends in a classifier: that can be asked about the preprocessing wherever the cut
    /// is. One that is not understood to its end has none.
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

    /// Limits of the process while the model is worked on; constants that are made at import count as
    /// if they were in the file.
    fn limits(&self) -> sandbox::Limits {
        sandbox::limits(self.bytes + check::operations(self.graph()).unwrap_or_default())
    }

    /// Analyses the model up to `tensors`, or all of it; `prepare` parses a part and fixes its inputs.
    fn typed_at(&self, tensors: &[&str], prepare: Prepare<'_>) -> Result<TypedModel, ImportError> {
        let part = self.part(tensors, prepare)?;
        self.typed(prepare(&part)?, tensors)
    }

    /// What `tensors`, or the model's outputs, need, checked; with all that follows if that can be
    /// shown to tract too.
    fn part(&self, tensors: &[&str], prepare: Prepare<'_>) -> Result<Cow<'_, ModelProto>, ImportError> {
        self.check_external()?;
        let graph = self.graph();
        let needed = match tensors {
            [] => vec![true; graph.node.len()],
            tensors => flow::needed(graph, &flow::givers(graph), tensors.iter().copied()),
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

    /// Adds what is not supported of that which can be analysed all the same.
    fn with_those_before(&self, mut unknown: Vec<Unsupported>, prepare: Prepare<'_>) -> Vec<Unsupported> {
        let before = unsupported::frontier(self.graph(), |at, _| unknown.iter().any(|u| u.at == at));
        // Of a text's network the ids of tokens are no layer.
        if !before.is_empty()
            && !self.takes_text()
            && let Ok(typed) = self.typed_at(&before, prepare)
        {
            let found = walk::walk(&typed, None).err().unwrap_or_default();
            unknown.extend(unsupported::by_walk(self.graph(), &found));
        }
        unknown
    }

    fn inference_model(
        &self,
        part: &ModelProto,
        size: Option<(u32, u32)>,
    ) -> Result<InferenceModel, ImportError> {
        // Without a folder: tract opens no file. What is said of tensors between nodes may be of another version
        // of the model; tract works it out.
        let parsed = onnx().with_ignore_value_info(true).parse(part, None).map_err(|e| self.tract(&e))?;
        let mut model = parsed.model;
        let inputs = model.input_outlets().map_err(|e| self.tract(&e))?.to_vec();
        let names: Vec<String> = inputs.iter().map(|input| model.node(input.node).name.clone()).collect();
        let [name] = &names[..] else {
            let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let hint = format!("The model has {} inputs: {}.", names.len(), list.join(", "));
            return Err(self.input_error(names.first().map_or("", String::as_str), &hint));
        };
        let shape = self.input_shape(name, size)?;
        model.set_input_fact(0, f32::fact(&shape).into()).map_err(|e| self.tract(&e))?;
        Ok(model)
    }

    /// Infers shapes and folds constants, up to `tensors` if given.
    fn typed(&self, mut model: InferenceModel, tensors: &[&str]) -> Result<TypedModel, ImportError> {
        if !tensors.is_empty() {
            let outlet = |name: &&str| {
                let found = model.outlet_labels.iter().find(|(_, label)| label == name);
                found.map(|(outlet, _)| *outlet).ok_or_else(|| self.no_such_tensor(name))
            };
            let outlets: Vec<OutletId> = tensors.iter().map(outlet).collect::<Result<_, _>>()?;
            model.select_output_outlets(&outlets).map_err(|e| self.tract(&e))?;
            // What the cut leaves out need not be understood.
            model = model.into_compact().map_err(|e| self.tract(&e))?;
        }
        let mut typed = model.into_typed().map_err(|e| self.tract(&e))?;
        typed.prop_consts().map_err(|e| self.tract(&e))?;
        typed.into_compact().map_err(|e| self.tract(&e))
    }

    /// The tensor that the user means: by its name, or by that of the node that gives it.
    fn tensor<'n>(&'n self, name: &'n str) -> Result<&'n str, ImportError> {
        if self.has_tensor(name) {
            return Ok(name);
        }
        let node = self.graph().node.iter().find(|n| n.name == name);
        node.and_then(|n| n.output.first()).map(String::as_str).ok_or_else(|| self.no_such_tensor(name))
    }

    fn no_such_tensor(&self, name: &str) -> ImportError {
        let names: Vec<&str> = self.graph().node.iter().flat_map(|n| &n.output).map(String::as_str).collect();
        let nearest = nearest(name, &names);
        ImportError::NoSuchTensor { path: self.path.clone(), cut: name.to_string(), nearest }
    }

    fn unsupported(&self, nodes: Vec<Unsupported>) -> ImportError {
        ImportError::Unsupported { path: self.path.clone(), nodes }
    }

    /// With where to cut before what is not supported, where that `gives` features.
    fn with_cuts(&self, error: ImportError, gives: &dyn Fn(&str) -> bool) -> ImportError {
        let gives = |place: &str| quietly(|| gives(place)).unwrap_or(false);
        match error {
            ImportError::Unsupported { path, nodes } => {
                ImportError::Unsupported { path, nodes: unsupported::with_cuts(self.graph(), nodes, &gives) }
            }
            ImportError::Unreadable { path, node: Some(node), reason } => {
                let cut = node.cut.filter(|cut| gives(cut));
                ImportError::Unreadable { path, node: Some(Misfit { cut, ..node }), reason }
            }
            error => error,
        }
    }

    fn refused(&self, refused: check::Refused) -> ImportError {
        let check::Refused { place, what } = refused;
        ImportError::Refused { path: self.path.clone(), place, what }
    }

    fn tract(&self, error: &TractError) -> ImportError {
        let reason = format!("{error:#}");
        let node = unreadable::misfit(self.graph(), &reason);
        ImportError::Unreadable { path: self.path.clone(), node, reason }
    }

    /// The error of an analysis that ended for `reason`.
    pub fn analyse(&self, reason: String) -> ImportError {
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
