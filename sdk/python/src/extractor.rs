//! Feature extraction.

pub(crate) mod cells;
pub(crate) mod signals;
pub(crate) mod stream;

use std::num::NonZeroU8;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use offshoot::{Isa, Options, Stage, TunedTail};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::embedding::{Embedding, Embeddings, Values};
use crate::error::{Failure, Outcome};
use crate::manifest::Manifest;
use crate::pixels::{Picture, Pixels};

/// Feature extractor: an opened package with the memory to run it.
///
/// ``package`` is a path, or the package's bytes. ``threads`` share an int8 network; ``isa`` names
/// the kernels (``instruction_sets()``, else the fastest); ``row_fusion=False`` turns row fusion off;
/// ``pin`` keeps each thread on a core; ``reproducible`` makes floats the same bits on x86-64 and
/// aarch64; ``tail`` is a tuned tail, as ``set_tail`` takes it. Int8 results are the same bits under
/// all other settings.
///
/// Threads may share an extractor: one call runs at a time, the others wait, and all Python threads
/// run meanwhile. An array must not be written to while a call reads it. After ``fork`` open the
/// package again in the child.
///
/// >>> import numpy as np
/// >>> import offshoot
/// >>> extractor = offshoot.Extractor("sprout.offshoot")
/// >>> frame = np.full((480, 640, 3), 128, np.uint8)
/// >>> embedding = extractor.embed(frame)
/// >>> embedding.shape == (extractor.dim,)
/// True
/// >>> extractor.embed([frame, frame, frame]).shape == (3, extractor.dim)
/// True
#[pyclass(frozen, module = "offshoot")]
pub(crate) struct Extractor {
    inner: Mutex<offshoot::Extractor>,
    /// Path or bytes, to open it again in another process.
    source: Py<PyAny>,
    settings: Settings,
    pub dim: usize,
    last_part: usize,
}

/// Outcome of ``Extractor.verify``.
#[pyclass(frozen, module = "offshoot", eq, get_all)]
#[derive(PartialEq)]
pub(crate) struct Verification {
    /// Number of golden vectors that were run.
    vectors: usize,
    /// Number of vectors that gave what they must.
    passed: usize,
    /// SHA-256 of all outputs, hexadecimal; for int8 packages the same on every machine.
    digest: String,
    /// True if every vector gave what it must.
    ok: bool,
    line: String,
}

#[pymethods]
impl Verification {
    fn __str__(&self) -> &str {
        &self.line
    }

    fn __repr__(&self) -> String {
        format!("<{}>", self.line)
    }

    fn __bool__(&self) -> bool {
        self.ok
    }
}

/// Memory of an extractor, in bytes.
#[pyclass(frozen, module = "offshoot", eq, get_all)]
#[derive(Debug, PartialEq)]
pub(crate) struct Memory {
    /// Bytes of the arena, which holds the feature maps.
    arena: usize,
    /// Bytes of the largest set of feature maps alive at once.
    live_set: usize,
    /// Bytes of the weights in the order of the processor's kernels.
    packed: usize,
    /// True if the package holds the weights in that order.
    packed_in_file: bool,
    /// Bytes of the package.
    package: usize,
}

#[pymethods]
impl Memory {
    fn __repr__(&self) -> String {
        format!("Memory(arena={}, packed={}, package={})", self.arena, self.packed, self.package)
    }
}

/// Options of an extractor, kept to open it again from a pickle.
#[derive(Debug, Clone, Copy)]
struct Settings {
    threads: NonZeroU8,
    isa: Option<Isa>,
    row_fusion: bool,
    pin: bool,
    reproducible: bool,
}

impl Settings {
    fn options(&self) -> Options {
        let options = Options::new()
            .threads(self.threads)
            .row_fusion(self.row_fusion)
            .pin(self.pin)
            .reproducible(self.reproducible);
        self.isa.map_or(options, |isa| options.isa(isa))
    }
}

#[pymethods]
impl Extractor {
    /// Opens a package.
    ///
    /// Raises ``FileError`` for a file that cannot be read, ``PackageError`` for one that is no
    /// package or needs the converter's wheel (float and mixed packages).
    #[new]
    #[pyo3(signature = (
        package, *, threads=1, isa=None, row_fusion=true, pin=false, reproducible=false, tail=None
    ))]
    fn new(
        package: &Bound<'_, PyAny>,
        threads: i64,
        isa: Option<&str>,
        row_fusion: bool,
        pin: bool,
        reproducible: bool,
        tail: Option<&Bound<'_, PyAny>>,
    ) -> Outcome<Self> {
        let py = package.py();
        let tail = tail.map(tail_of).transpose()?;
        let count = u8::try_from(threads).ok().and_then(NonZeroU8::new);
        let threads = count
            .ok_or_else(|| Failure::Input(format!("threads={threads}, allowed are 1 to 255")))?;
        let isa = isa.map(instruction_set).transpose()?;
        let settings = Settings { threads, isa, row_fusion, pin, reproducible };
        let options = settings.options();
        let mut inner = match package.cast::<PyBytes>() {
            Ok(bytes) => {
                let bytes = bytes.as_bytes().to_vec();
                py.detach(|| offshoot::Extractor::from_bytes_with(bytes, &options))?
            }
            Err(_) => {
                let path: PathBuf = package.extract()?;
                py.detach(|| offshoot::Extractor::open_with(path, &options))?
            }
        };
        inner.set_tail(tail.as_ref())?;
        let dim = inner.embedding_dim();
        let last_part = inner.parts().last();
        let source = package.clone().unbind();
        Ok(Self { inner: Mutex::new(inner), source, settings, dim, last_part })
    }

    /// Computes the embedding of an image, or of several.
    ///
    /// An image is an array of uint8, a Pillow image, the path of a file, or the bytes of one.
    /// ``format`` is that of arrays: ``"rgb"`` (the default of three dimensions), ``"bgr"``
    /// (OpenCV), ``"grey"`` (the default of two), ``"rgb565"``, ``"yuyv"`` (height, width, 2),
    /// ``"nv12"``, ``"i420"`` (height * 3 / 2, width). Several images are a list, or an array with
    /// one dimension more; the result is then ``Embeddings``.
    ///
    /// An array that lies in memory row by row is read where it is; a slice with steps is copied.
    /// EXIF orientation is applied to files, as on a device, not to Pillow images.
    ///
    /// Raises ``InputError`` for what is no image.
    #[pyo3(signature = (image, *, format=None))]
    fn embed<'py>(
        &self,
        image: &Bound<'py, PyAny>,
        format: Option<&str>,
    ) -> Outcome<Bound<'py, PyAny>> {
        let py = image.py();
        let mut rows = Vec::new();
        match Pixels::of(image, format)? {
            Pixels::One(picture) => {
                let values = self.run(py, &picture)?;
                return Ok(Bound::new(py, Embedding(values))?.into_any());
            }
            Pixels::Stack(stack) => {
                for index in 0..stack.count() {
                    py.check_signals()?;
                    let frame = stack.frame(index)?;
                    rows.push(self.with(py, |inner| inner.embed(&frame).map(Values::of))?);
                }
            }
            Pixels::List(images) => {
                for image in images {
                    py.check_signals()?;
                    rows.push(self.run(py, &Pixels::one(&image, format)?)?);
                }
            }
        }
        Ok(Bound::new(py, Embeddings::of(rows, self.dim))?.into_any())
    }

    /// Computes the embedding of a text from its token ids, with the special tokens of the
    /// network's tokenizer.
    ///
    /// Raises ``InputError`` if the package takes images, or for no tokens, too many, or an id
    /// beyond the vocabulary.
    fn embed_tokens(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> Outcome<Embedding> {
        let ids = match ids.extract::<Vec<u32>>() {
            Ok(ids) => ids,
            Err(_) => ids.call_method0("tolist")?.extract()?,
        };
        Ok(Embedding(self.with(py, |inner| inner.embed_tokens(&ids).map(Values::of))?))
    }

    /// Computes an embedding with a profile: a list of ``(stage, seconds)``, where a stage is
    /// ``"preprocess"`` or the nodes of the graph that ran together.
    #[pyo3(signature = (image, *, format=None))]
    fn profile(
        &self,
        image: &Bound<'_, PyAny>,
        format: Option<&str>,
    ) -> Outcome<(Embedding, Vec<(String, f64)>)> {
        let picture = Pixels::one(image, format)?;
        let frame = picture.frame()?;
        let mut stages = Vec::new();
        let values = self.with(image.py(), |inner| {
            let mut last = Instant::now();
            let observe = |stage| {
                stages.push((stage_name(&stage), last.elapsed().as_secs_f64()));
                last = Instant::now();
            };
            inner.embed_with_observer(&frame, observe).map(Values::of)
        })?;
        Ok((Embedding(values), stages))
    }

    /// Runs the package's golden vectors: this machine gives what the converter's gave.
    ///
    /// >>> import offshoot
    /// >>> verification = offshoot.Extractor("sprout.offshoot").verify()
    /// >>> verification.ok, verification.passed == verification.vectors
    /// (True, True)
    fn verify(&self, py: Python<'_>) -> Outcome<Verification> {
        let found = self.with(py, offshoot::Extractor::verify)?;
        Ok(Verification {
            vectors: found.vectors,
            passed: found.passed,
            digest: found.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            ok: found.is_ok(),
            line: found.to_string(),
        })
    }

    /// Number of values of an embedding.
    #[getter]
    fn dim(&self) -> usize {
        self.dim
    }

    /// Number of values of the last of the embedding's parts; ``dim`` if it is not divided.
    #[getter]
    fn last_part(&self) -> usize {
        self.last_part
    }

    /// Digest that binds heads to this package, and to the tail that is set: 64 hexadecimal digits.
    #[getter]
    fn id(&self, py: Python<'_>) -> String {
        self.with(py, |inner| inner.id().to_string())
    }

    /// Description of the package.
    #[getter]
    fn manifest(&self, py: Python<'_>) -> Manifest {
        self.with(py, |inner| Manifest::of(inner))
    }

    /// Memory that the extractor takes.
    #[getter]
    fn memory(&self, py: Python<'_>) -> Memory {
        let found = self.with(py, |inner| inner.memory());
        let offshoot::Memory { arena, live_set, packed, packed_in_file, package, .. } = found;
        Memory { arena, live_set, packed, packed_in_file, package }
    }

    /// Number of threads that share the network.
    #[getter]
    fn threads(&self, py: Python<'_>) -> usize {
        self.with(py, |inner| inner.threads())
    }

    /// Name of the kernels' instruction set; ``None`` if tract-core runs the network.
    #[getter]
    fn isa(&self, py: Python<'_>) -> Option<&'static str> {
        self.with(py, |inner| inner.isa().map(Isa::name))
    }

    /// Max number of tokens of a text; ``None`` if the package takes images.
    #[getter]
    fn token_limit(&self, py: Python<'_>) -> Option<usize> {
        self.with(py, |inner| inner.token_limit())
    }

    /// Tokenizer of a package that takes text: a ``tokenizer.json``; ``None`` for images.
    #[getter]
    fn tokenizer(&self, py: Python<'_>) -> Option<String> {
        self.with(py, |inner| inner.package().text().map(|text| text.tokenizer.to_string()))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let (source, precision) = self.with(py, |inner| {
            let package = inner.package();
            (package.manifest().source.to_string(), package.manifest().precision.name())
        });
        let id = self.id(py);
        format!("<Extractor of {source}, {precision}, {} values, id {}>", self.dim, &id[..8])
    }

    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<((Bound<'py, PyAny>,), Bound<'py, PyDict>)> {
        let options = PyDict::new(py);
        options.set_item("threads", self.settings.threads.get())?;
        options.set_item("isa", self.settings.isa.map(Isa::name))?;
        options.set_item("row_fusion", self.settings.row_fusion)?;
        options.set_item("pin", self.settings.pin)?;
        options.set_item("reproducible", self.settings.reproducible)?;
        let tail = self.with(py, |inner| inner.tail().map(|tail| tail.bytes().to_vec()));
        options.set_item("tail", tail.map(|bytes| PyBytes::new(py, &bytes)))?;
        Ok(((self.source.bind(py).clone(),), options))
    }
}

impl Extractor {
    /// Calls `work` with the extractor when it is free; Python runs on meanwhile.
    ///
    /// Who waits for the extractor never holds Python's lock, so that nobody waits for ever.
    pub fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut offshoot::Extractor) -> T + Send,
    ) -> T {
        // A panic leaves nothing half done that the next frame does not overwrite.
        py.detach(|| work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn run(&self, py: Python<'_>, picture: &Picture<'_>) -> Outcome<Values> {
        let frame = picture.frame()?;
        Ok(self.with(py, |inner| inner.embed(&frame).map(Values::of))?)
    }
}

/// Reads a tail: bytes, or the path of a file.
pub(crate) fn tail_of(given: &Bound<'_, PyAny>) -> Outcome<TunedTail> {
    if let Ok(bytes) = given.cast::<PyBytes>() {
        return Ok(TunedTail::from_bytes(bytes.as_bytes().to_vec())?);
    }
    Ok(TunedTail::load(given.extract::<PathBuf>()?)?)
}

fn stage_name(stage: &Stage) -> String {
    match stage {
        Stage::Preprocess => "preprocess".into(),
        Stage::Nodes(nodes) => format!("{}..{}", nodes.start, nodes.end),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn instruction_set(name: &str) -> Outcome<Isa> {
    Isa::named(name).ok_or_else(|| {
        let here: Vec<&str> = Isa::available().map(Isa::name).collect();
        Failure::Input(format!("isa `{name}`, this processor has {}", here.join(", ")))
    })
}

/// Returns the names of the instruction sets of this processor, the fastest last.
///
/// >>> import offshoot
/// >>> offshoot.instruction_sets()[0]
/// 'generic'
#[pyfunction]
pub(crate) fn instruction_sets() -> Vec<&'static str> {
    Isa::available().map(Isa::name).collect()
}
