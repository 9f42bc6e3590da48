//! The converter: ONNX models become packages, in this process.

pub(crate) mod command;

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use offshoot::Image;
use offshoot_convert::calibrate::tokenizer::Tokenizer;
use offshoot_convert::catch_panic::quietly;
use offshoot_convert::import::{Coverage, Source};
use offshoot_convert::ir::cut_points::{Candidate, candidates};
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::onnx_export;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{Options, PartsOption, convert as convert_model};
use offshoot_convert::preprocess::preset::Preset;
use offshoot_convert::progress::{Observer, Stage};
use offshoot_convert::report::Report as ConvertReport;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::error::{Failure, Outcome, exception};
use crate::extractor::Extractor;
use crate::head::Head;
use crate::head::report::Report;
use crate::pixels::{Picture, Pixels};

/// Poolings by their names.
const POOLS: [Pool; 6] = [Pool::Avg, Pool::Max, Pool::Gem, Pool::None, Pool::First, Pool::Last];

/// Error of the converter as an exception.
fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::Raised(exception("ConvertError", error.to_string(), None, None))
}

/// Model as Python passes it.
enum Model {
    Path(PathBuf),
    Bytes(Vec<u8>),
}

impl Model {
    fn of(object: &Bound<'_, PyAny>) -> Outcome<Self> {
        match object.cast::<PyBytes>() {
            Ok(bytes) => Ok(Self::Bytes(bytes.as_bytes().to_vec())),
            Err(_) => Ok(Self::Path(object.extract()?)),
        }
    }

    /// Path for messages, and for the tokenizer beside it.
    fn path(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Bytes(_) => Path::new("model.onnx"),
        }
    }

    fn open(&self, external_data: bool) -> Outcome<Source> {
        let source = match self {
            Self::Path(path) => Source::open(path),
            Self::Bytes(bytes) => Source::parse(self.path(), bytes),
        };
        let source = source.map_err(refused)?;
        source.with_external_data(external_data).map_err(refused)
    }
}

/// Calls Python at each step; remembers what it raised, Ctrl-C included, and ends the conversion.
struct Called {
    progress: Option<Py<PyAny>>,
    raised: Option<PyErr>,
}

impl Observer for Called {
    fn progress(&mut self, stage: Stage, done: f32) {
        if self.raised.is_none() {
            let called = Python::attach(|py| {
                py.check_signals()?;
                if let Some(progress) = &self.progress {
                    progress.call1(py, (stage.to_string(), done))?;
                }
                Ok(())
            });
            self.raised = called.err();
        }
        if self.raised.is_some() {
            // The converter takes panics for errors of the model and ends; no hook prints this one.
            resume_unwind(Box::new("interrupted"));
        }
    }
}

/// Settings of a conversion, of the words that Python passes.
fn options(words: &Bound<'_, PyDict>) -> Outcome<Options> {
    let mut options = Options { statistics: true, ..Options::default() };
    for (key, value) in words {
        let key: String = key.extract()?;
        match key.as_str() {
            "cut" => {
                options.cuts = match value.cast::<PyString>() {
                    Ok(one) => vec![one.extract()?],
                    Err(_) => value.extract()?,
                }
            }
            "parts" => {
                options.parts = match value.cast::<PyString>() {
                    Ok(word) if word.extract::<String>()? == "auto" => PartsOption::Auto,
                    Ok(one) => PartsOption::Named(vec![one.extract()?]),
                    Err(_) => match value.extract::<Option<Vec<String>>>()? {
                        Some(names) => PartsOption::Named(names),
                        None => PartsOption::None,
                    },
                }
            }
            "pool" => options.pool = pool(&value.extract::<String>()?)?,
            "precision" => options.float = is_float(&value.extract::<String>()?)?,
            "size" => options.size = value.extract()?,
            "tokens" => options.tokens = value.extract()?,
            "requantize" => options.requantize = value.extract()?,
            "l2" => options.unit_length = value.extract()?,
            "preset" => {
                options.overrides.preset = preset(value.extract::<Option<String>>()?.as_deref())?
            }
            "mean" => options.overrides.mean = value.extract()?,
            "std" => options.overrides.std = value.extract()?,
            "bgr" => options.overrides.bgr = value.extract()?,
            "squash" => options.overrides.squash = value.extract()?,
            "search_seconds" => {
                let seconds: Option<f64> = value.extract()?;
                let time = seconds.map(Duration::try_from_secs_f64).transpose();
                options.quantizer.search = time.map_err(refused)?;
            }
            other => return Err(refused(format!("no option `{other}`"))),
        }
    }
    Ok(options)
}

fn pool(name: &str) -> Outcome<Pool> {
    let found = POOLS.into_iter().find(|pool| pool.name() == name);
    found.ok_or_else(|| {
        refused(format!("pool `{name}`, allowed are avg, max, gem, none, first, last"))
    })
}

fn is_float(name: &str) -> Outcome<bool> {
    match name {
        "int8" => Ok(false),
        "f32" => Ok(true),
        _ => Err(refused(format!("precision `{name}`, allowed are int8, f32"))),
    }
}

fn preset(name: Option<&str>) -> Outcome<Option<Preset>> {
    let Some(name) = name else { return Ok(None) };
    let found = Preset::ALL.into_iter().find(|preset| preset.name() == name);
    let wrong = || refused(format!("preset `{name}`, allowed are imagenet, tf, clip, unit, raw"));
    found.map(Some).ok_or_else(wrong)
}

/// Calibration set as Python passes it.
enum Calibration {
    Images(Vec<Image>),
    Texts(Vec<String>),
}

impl Calibration {
    /// Reads all samples; arrays are copied, so that Python may change them meanwhile.
    fn of(samples: &Bound<'_, PyAny>, takes_text: bool, format: Option<&str>) -> Outcome<Self> {
        let py = samples.py();
        if takes_text {
            return Ok(Self::Texts(samples.extract()?));
        }
        let mut images = Vec::new();
        for sample in samples.try_iter()? {
            py.check_signals()?;
            images.push(match Pixels::one(&sample?, format)? {
                Picture::Decoded(image) => image,
                array => crate::image::copied(&array.frame()?)?,
            });
        }
        Ok(Self::Images(images))
    }
}

/// Package and report of a conversion; a notebook shows the report.
#[pyclass(frozen, module = "offshoot")]
pub(crate) struct Conversion {
    /// Tensor of the model that became the embedding.
    #[pyo3(get)]
    cut: String,
    /// Reason of the cut.
    #[pyo3(get)]
    cut_why: String,
    /// Doubts about the cut, and about the preprocessing.
    #[pyo3(get)]
    warnings: Vec<String>,
    /// Reason of the preprocessing.
    #[pyo3(get)]
    preprocess_why: String,
    /// Precision: ``"int8"``, ``"int8 dynamic"``, ``"f32"`` or ``"mixed"``.
    #[pyo3(get)]
    precision: &'static str,
    /// Number of values of an embedding.
    #[pyo3(get)]
    dim: usize,
    /// Number of multiply-adds of one run.
    #[pyo3(get)]
    macs: u64,
    /// Bytes of the arena.
    #[pyo3(get)]
    arena: usize,
    /// Mean cosine similarity to the model's float embedding.
    #[pyo3(get)]
    cosine_mean: f64,
    /// Smallest cosine similarity.
    #[pyo3(get)]
    cosine_min: f64,
    /// Noise-to-signal ratio of the embedding, of powers.
    #[pyo3(get)]
    noise: f64,
    /// Layers with their isolated noise, as amplitudes, the noisiest first.
    #[pyo3(get)]
    worst_layers: Vec<(String, f64)>,
    /// Report as text.
    #[pyo3(get)]
    text: String,
    /// Bytes of the package file.
    #[pyo3(get)]
    package: Py<PyBytes>,
    held_out: OnceLock<Py<Report>>,
}

impl Conversion {
    fn of(py: Python<'_>, bytes: &[u8], report: &ConvertReport) -> Self {
        let doubts = report.cut_unsure.iter().chain(&report.preprocess_warning);
        let worst = report.worst().into_iter();
        Self {
            cut: report.cut.clone(),
            cut_why: report.cut_why.clone(),
            warnings: doubts.cloned().collect(),
            preprocess_why: report.preprocess_why.clone(),
            precision: report.precision.name(),
            dim: report.dim,
            macs: report.macs,
            arena: report.arena,
            cosine_mean: report.cosine_mean,
            cosine_min: report.cosine_min,
            noise: report.noise,
            worst_layers: worst
                .map(|layer| (layer.name.to_string(), layer.alone.unwrap_or_default()))
                .collect(),
            text: report.to_string(),
            package: PyBytes::new(py, bytes).unbind(),
            held_out: OnceLock::new(),
        }
    }
}

#[pymethods]
impl Conversion {
    /// Held-out results of a head on the new package; ``None`` without labels.
    #[getter]
    fn held_out(&self, py: Python<'_>) -> Option<Py<Report>> {
        self.held_out.get().map(|report| report.clone_ref(py))
    }

    fn _hold(&self, report: Py<Report>) {
        // Whoever converts holds one report, once.
        let _ = self.held_out.set(report);
    }

    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!(
            "<Conversion cut at {}, {}, {} values, cosine {:.4}>",
            self.cut, self.precision, self.dim, self.cosine_mean
        )
    }

    fn _repr_html_(&self) -> String {
        let rows = self.text.lines().map(|line| {
            let (key, value) = line.trim_start().split_once("  ").unwrap_or(("", line.trim()));
            let html = crate::head::report::html;
            format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", html(key), html(value.trim()))
        });
        format!("<table>{}</table>", rows.collect::<String>())
    }
}

/// Converts a model; see ``offshoot.convert``.
#[pyfunction]
#[pyo3(signature = (model, samples, format, tokenizer, external_data, progress, words))]
pub(crate) fn convert(
    model: &Bound<'_, PyAny>,
    samples: &Bound<'_, PyAny>,
    format: Option<&str>,
    tokenizer: Option<PathBuf>,
    external_data: bool,
    progress: Option<Py<PyAny>>,
    words: &Bound<'_, PyDict>,
) -> Outcome<Conversion> {
    let py = model.py();
    let options = options(words)?;
    let model = Model::of(model)?;
    let source = py.detach(|| model.open(external_data))?;
    let calibration = Calibration::of(samples, source.takes_text(), format)?;
    let mut called = Called { progress, raised: None };
    let converted = py.detach(|| match &calibration {
        Calibration::Images(images) if images.is_empty() => Err(refused("no calibration images")),
        Calibration::Images(images) => {
            let samples = Samples::Images(images);
            convert_model(&source, samples, &options, &mut called).map_err(refused)
        }
        Calibration::Texts(texts) => {
            let found = Tokenizer::of(model.path(), tokenizer.as_deref()).map_err(refused)?;
            let samples = Samples::Texts(texts, &found);
            convert_model(&source, samples, &options, &mut called).map_err(refused)
        }
    });
    // The cause, not the error that it made of the conversion.
    if let Some(raised) = called.raised {
        return Err(Failure::Raised(raised));
    }
    let converted = converted?;
    Ok(Conversion::of(py, &converted.bytes, &converted.report))
}

/// Tensor that a model can be cut at.
#[pyclass(frozen, module = "offshoot", get_all, eq)]
#[derive(PartialEq)]
pub(crate) struct Cut {
    /// Name of the tensor, for ``cut=``.
    name: String,
    /// Rows, columns and channels of its feature map.
    shape: (usize, usize, usize),
    /// Multiply-adds up to it.
    macs: u64,
    /// Bytes of the int8 weights up to it.
    weights: u64,
    /// True if ``convert`` cuts here by itself.
    chosen: bool,
}

#[pymethods]
impl Cut {
    fn __repr__(&self) -> String {
        let (h, w, c) = self.shape;
        let chosen = if self.chosen { ", chosen" } else { "" };
        format!("<Cut {}, {h}x{w}x{c}, {} MACs{chosen}>", self.name, self.macs)
    }
}

/// Model, walked up to its cut.
struct Walked {
    cut: String,
    outputs: Vec<String>,
    takes_text: bool,
    candidates: Vec<Candidate>,
    /// Number of int8 layers, and names of float nodes; of an image model.
    layers: Option<(usize, Vec<String>)>,
}

impl Walked {
    fn of(model: &Model, options: &Options, external_data: bool) -> Outcome<Self> {
        let source = model.open(external_data)?;
        let cuts: Vec<&str> = options.cuts.iter().map(String::as_str).collect();
        let tensor = |layer: &str| source.tensor_of(layer);
        let outputs = source.outputs().map(String::from).collect();
        if source.takes_text() {
            let found = source.import_text(&cuts, options.tokens).map_err(refused)?;
            let candidates = candidates(&found.model, tensor);
            let cut = found.cut.name;
            return Ok(Self { cut, outputs, takes_text: true, candidates, layers: None });
        }
        let found = source.import(&cuts, options.size, options.pool).map_err(refused)?;
        let coverage = Coverage::of(&source, &found);
        let float = coverage.float.iter().map(|node| node.name.to_string()).collect();
        Ok(Self {
            outputs,
            takes_text: false,
            candidates: candidates(&found.model, tensor),
            layers: Some((coverage.int8, float)),
            cut: found.cut.name,
        })
    }

    /// Reads what Python passed, and walks without Python's lock.
    fn read(
        model: &Bound<'_, PyAny>,
        external_data: bool,
        words: &Bound<'_, PyDict>,
    ) -> Outcome<Self> {
        let options = options(words)?;
        let py = model.py();
        let model = Model::of(model)?;
        py.detach(|| {
            let walked = quietly(|| Self::of(&model, &options, external_data));
            walked.unwrap_or_else(|panic| Err(refused(panic)))
        })
    }
}

/// Lists the tensors that a model can be cut at; see ``offshoot.cuts``.
#[pyfunction]
pub(crate) fn cuts(
    model: &Bound<'_, PyAny>,
    external_data: bool,
    words: &Bound<'_, PyDict>,
) -> Outcome<Vec<Cut>> {
    let walked = Walked::read(model, external_data, words)?;
    let names: Vec<&str> = walked.cut.split(',').collect();
    let is_listed = walked.candidates.iter().any(|found| names.contains(&found.name.as_str()));
    // A tensor that only has another shape than a layer's is not listed: the last layer gives it.
    let last = walked.candidates.len().saturating_sub(1);
    let is_chosen = |index: usize, name: &str| match is_listed {
        true => names.contains(&name),
        false => index == last,
    };
    let cut = |(index, found): (usize, Candidate)| Cut {
        shape: (found.shape.h(), found.shape.w(), found.shape.c()),
        macs: found.macs,
        weights: found.bytes,
        chosen: is_chosen(index, &found.name),
        name: found.name,
    };
    Ok(walked.candidates.into_iter().enumerate().map(cut).collect())
}

/// Describes a model before it is converted; see ``offshoot.inspect``.
#[pyfunction]
pub(crate) fn inspect<'py>(
    model: &Bound<'py, PyAny>,
    external_data: bool,
    words: &Bound<'py, PyDict>,
) -> Outcome<Bound<'py, PyDict>> {
    let walked = Walked::read(model, external_data, words)?;
    let out = PyDict::new(model.py());
    out.set_item("cut", walked.cut)?;
    out.set_item("outputs", walked.outputs)?;
    out.set_item("takes_text", walked.takes_text)?;
    if let Some((int8, float)) = walked.layers {
        out.set_item("int8_layers", int8)?;
        out.set_item("float_layers", float)?;
    }
    Ok(out)
}

/// Exports a package and a head as one ONNX model; see ``offshoot.export``.
#[pyfunction]
pub(crate) fn export<'py>(
    py: Python<'py>,
    extractor: &Extractor,
    head: &Head,
) -> Outcome<Bound<'py, PyBytes>> {
    let bytes = extractor.with(py, |inner| {
        let mut head = head.lock();
        head.fit()?;
        if head.package_id() != inner.id() {
            return Err(Failure::Facade(offshoot::HeadError::OtherPackage.into()));
        }
        onnx_export::export(&inner.package(), inner.tail(), &head).map_err(refused)
    })?;
    Ok(PyBytes::new(py, &bytes))
}
