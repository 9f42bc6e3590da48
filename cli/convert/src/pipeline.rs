//! Complete conversion of an ONNX model into a package, as one function.

pub mod job;
mod measure;
pub mod text;

use std::path::{Path, PathBuf};

use measure::Measurement;
use offshoot::{Embedding, Extractor, Image, Package};
use offshoot_core::Frame;
use offshoot_core::graph::{Element, Graph};
use offshoot_core::package::{Golden, GoldenInput, Manifest, Precision, WriteError, write_package};
use offshoot_core::preprocess::Preprocess;
use thiserror::Error;

use crate::calibrate::input::Input;
use crate::calibrate::tokenizer::TokenizerError;
use crate::calibrate::{CalibrateError, Floats, ObservedNetwork, Reference};
use crate::catch_panic::quietly;
use crate::emit::{self, EmitError, Emitted};
use crate::import::{ImportError, Imported, Source};
use crate::ir::pooling::Pool;
use crate::ir::{Model, fold, pooling};
use crate::preprocess::catalog::Catalog;
use crate::preprocess::choose;
use crate::preprocess::choose::Chosen;
use crate::preprocess::preset::PreprocessOverrides;
use crate::progress::{Observer, Stage};
use crate::quantize;
use crate::quantize::{Quantized, QuantizerError, Settings, scheme};
use crate::report::Report;

/// Options of a conversion of an image model.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Names of the tensors to cut at; chosen automatically if empty.
    pub cuts: Vec<String>,
    /// Pooling of the feature maps at the cut.
    pub pool: Pool,
    /// Keeps the network in float instead of int8.
    pub float: bool,
    /// Width and height of the input, for a model that leaves them open.
    pub size: Option<(u32, u32)>,
    /// Normalization stated by the user.
    pub overrides: PreprocessOverrides,
    /// Settings of the quantizer.
    pub quantizer: Settings,
    /// Enables scaling of embeddings to L2 norm 1.
    pub unit_length: bool,
}

/// Error of a conversion.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The model cannot be imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The network does not run on the calibration set.
    #[error(transparent)]
    Calibrate(#[from] CalibrateError),
    /// The network cannot be written as a graph.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The network cannot be quantized.
    #[error(transparent)]
    Quantizer(#[from] QuantizerError),
    /// The package cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The package does not run.
    #[error(transparent)]
    Run(#[from] offshoot::Error),
    /// The settings are no valid preprocessing.
    #[error("preprocessing: {0}")]
    Preprocess(#[from] offshoot_core::preprocess::PreprocessError),
    /// The tokenizer does not fit the model.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The calibration set is empty: no text has a token.
    #[error("{path}: no text of the calibration set has a token")]
    NoText {
        /// Path of the model.
        path: PathBuf,
    },
    /// The embedding depends on the float rounding of the processor.
    #[error(
        "{path}: the embedding depends on the processor's float rounding, most likely because values grow too large; check the preprocessing (--preset) or use the other --precision"
    )]
    Unsteady {
        /// Path of the model.
        path: PathBuf,
    },
    /// The imported float network disagrees with the network in the file.
    #[error(
        "{path}: the imported network disagrees with tract's run of the model (relative error {error:.1e}); this is a bug in the converter, please report the model"
    )]
    Disagrees {
        /// Path of the model.
        path: PathBuf,
        /// Relative error of the embedding.
        error: f64,
    },
}

/// Package and report of a conversion.
#[derive(Debug)]
pub struct Converted {
    /// Bytes of the package file.
    pub bytes: Vec<u8>,
    /// Report of the conversion.
    pub report: Report,
    /// Preprocessing of the input of the model file; normalization in the model's own first layers
    /// is not part of it.
    pub overrides: PreprocessOverrides,
}

/// Largest relative error of the imported float network against tract's run of the model file.
const IMPORT_TOLERANCE: f64 = 1e-4;
/// Number of samples on which the network in the file is run.
const COMPARED: usize = 8;
/// Number of images that are checked for being almost one colour, and least standard deviation of
/// their values (0 to 255); most photographs have 50 to 80.
const LOOKED_AT: usize = 8;
const FLAT: f64 = 10.0;
/// Number of images kept as golden vectors, and their longest side in pixels.
const GOLDENS: usize = 2;
const GOLDEN_SIDE: u16 = 64;

/// Converts a model, calibrated on `images` (at least one).
///
/// The observer is called when a stage begins, and as it goes on; `()` is the silent one.
///
/// # Errors
/// See [`ConvertError`]; no file has been written then.
pub fn convert(
    source: &Source,
    images: &[Image],
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Converted, ConvertError> {
    quietly(|| guarded(source, images, options, observer))
        .unwrap_or_else(|panic| Err(source.analyse(panic).into()))
}

fn guarded(
    source: &Source,
    images: &[Image],
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Converted, ConvertError> {
    observer.progress(Stage::Import, 0.0);
    let catalog = Catalog::built_in();
    let recipe = catalog.by_digest(&source.sha256);
    let known = recipe.and_then(|r| r.cut.as_deref());
    let stated =
        known.or_else(|| source.metadata("offshoot.cut")).filter(|_| options.cuts.is_empty());
    let cuts: Vec<&str> = options.cuts.iter().map(String::as_str).chain(stated).collect();
    let mut imported =
        source.import(&cuts, options.size.or(recipe.map(|r| r.input)), options.pool)?;
    if stated.is_some() {
        let by = if known.is_some() { "as the catalogue has it" } else { "as the model states" };
        imported.cut.why = by.to_string();
    }
    fold::fold(&mut imported.model);
    let frames: Vec<Frame<'_>> = images.iter().map(Image::frame).collect();
    observer.progress(Stage::Preprocessing, 0.0);
    let mut chosen = choose::choose(&options.overrides, source, &imported, &frames)?;
    let outer = chosen.preprocess;
    outer.check()?;
    chosen.preprocess = imported.front.inner(&outer);
    chosen.preprocess.check()?;
    chosen.warning = flat(&outer, &frames).or(chosen.warning);
    chosen.why.extend(imported.taken_in().map(|what| format!("; {what}")));

    let model = &imported.model;
    let preprocess = chosen.preprocess;
    let inputs: Vec<Input<'_>> =
        frames.iter().map(|frame| Input::Image(*frame, &preprocess)).collect();
    let floats = Floats::measure(model, &inputs, observer)?;
    // The results of tract's optimized plan depend on the processor; the quantizer uses our own
    // run.
    let Compared { embeddings: mut wanted, odd } = {
        let mut theirs = theirs(&imported, &outer)?;
        compare(&floats.embeddings, |i| theirs(&frames[i]))?
    };
    if let Some((i, error)) = odd {
        chosen.warning = Some(doubt(source, &imported, &outer, &frames[i], error)?);
    }
    let unit_length = options.unit_length || imported.unit_length;
    if unit_length {
        wanted.iter_mut().for_each(|embedding| Embedding::to_unit_length(embedding));
    }
    let settings = (!options.float).then_some(&options.quantizer);
    let (quantized, emitted) = emitted(model, &floats, settings, &inputs, observer)?;
    let bytes = package(source, &imported, (&chosen, unit_length), emitted, &frames, observer)?;
    observer.progress(Stage::Compare, 0.0);
    let measurement = Measurement { cut: &imported.cut, inputs: &inputs, wanted: &wanted };
    let mut report = measurement.report(&bytes, quantized.as_ref())?;
    report.pool = imported.pooled.then_some(imported.pool);
    (report.preprocess_why, report.preprocess_warning) = (chosen.why, chosen.warning);
    Ok(Converted { bytes, report, overrides: PreprocessOverrides::of(&outer) })
}

/// Returns the network quantized with these settings, or in float without settings, and its graph,
/// ready to be written.
pub(crate) fn emitted(
    model: &Model,
    floats: &Floats,
    settings: Option<&Settings>,
    inputs: &[Input<'_>],
    observer: &mut dyn Observer,
) -> Result<(Option<Quantized>, Emitted), ConvertError> {
    let Some(settings) = settings else { return Ok((None, emit::float(model)?)) };
    let quantized = quantize::quantize(model, floats, settings, inputs, observer)?;
    let emitted = emit::int8(&quantized.model, &quantized.scheme)?;
    Ok((Some(quantized), emitted))
}

/// Returns a warning if all images are almost one colour, such as those of a covered lens: they do
/// not show whether the preprocessing is right, and ranges found on them fit no other images.
fn flat(preprocess: &Preprocess, frames: &[Frame<'_>]) -> Option<String> {
    let channels = preprocess.channels.count();
    let mut pixels = vec![0; preprocess.shape().map_or(0, |s| s.elements())];
    let mut sums = [0.0; 3];
    let mut squares = [0.0; 3];
    let mut count = 0.0;
    for frame in frames.iter().step_by(frames.len().div_ceil(LOOKED_AT).max(1)) {
        // The length fits by construction.
        let _ = preprocess.pixels_into(frame, &mut pixels);
        for (i, &value) in pixels.iter().enumerate() {
            sums[i % channels] += f64::from(value);
            squares[i % channels] += f64::from(value) * f64::from(value);
        }
        count += (pixels.len() / channels) as f64;
    }
    let deviation =
        |(sum, square): (&f64, &f64)| (square / count - (sum / count).powi(2)).max(0.0).sqrt();
    let widest = sums.iter().zip(&squares).map(deviation).fold(0.0, f64::max);
    (widest < FLAT).then(|| {
        format!(
            "the images are almost one colour (standard deviation {widest:.0} of 255): calibrate on images like \
             those that the device takes"
        )
    })
}

/// Comparison of the imported float network with the network in the file.
pub(crate) struct Compared {
    /// Embeddings of all samples; those of the network in the file for the samples on which it was
    /// run.
    pub(crate) embeddings: Vec<Vec<f32>>,
    /// Index of the first sample on which the networks disagree, with the relative error.
    pub(crate) odd: Option<(usize, f64)>,
}

/// Runs `theirs`, the network in the file, on some of the samples and compares the embeddings.
pub(crate) fn compare(
    ours: &[Vec<f32>],
    mut theirs: impl FnMut(usize) -> Result<Vec<f32>, CalibrateError>,
) -> Result<Compared, CalibrateError> {
    let mut embeddings = ours.to_vec();
    for (i, embedding) in embeddings.iter_mut().enumerate().take(COMPARED) {
        *embedding = theirs(i)?;
        let error = relative_error(&ours[i], embedding);
        if error > IMPORT_TOLERANCE {
            return Ok(Compared { embeddings: ours.to_vec(), odd: Some((i, error)) });
        }
    }
    Ok(Compared { embeddings, odd: None })
}

/// Returns a function that computes the embedding of an image by the network in the file.
fn theirs<'a>(
    imported: &'a Imported,
    preprocess: &Preprocess,
) -> Result<impl FnMut(&Frame<'_>) -> Result<Vec<f32>, CalibrateError> + use<'a>, CalibrateError> {
    let mut reference = Reference::new(imported.reference.clone(), imported.input, preprocess)?;
    Ok(move |frame: &Frame<'_>| {
        Ok(pooling::of_source(&reference.run(frame)?, &imported.outputs, imported.pool))
    })
}

/// Returns a warning if the networks disagree under this preprocessing but agree for small values:
/// tract approximates functions, for the values that networks usually have. Returns an error if
/// they disagree for small values, too.
fn doubt(
    source: &Source,
    imported: &Imported,
    preprocess: &Preprocess,
    frame: &Frame<'_>,
    error: f64,
) -> Result<String, ConvertError> {
    let small = Preprocess { mean: [127.5; 3], std: [127.5; 3], ..*preprocess };
    let mut ours = ObservedNetwork::new(&imported.model)?;
    ours.run(&Input::Image(*frame, &imported.front.inner(&small)), &mut |_, _| ())?;
    if relative_error(ours.embedding(), &theirs(imported, &small)?(frame)?) > IMPORT_TOLERANCE {
        return Err(ConvertError::Disagrees { path: source.path.clone(), error });
    }
    Ok(format!(
        "the network's values grow so large under this preprocessing that tract's own run of it differs by \
         {error:.0e}, which it does not for inputs from -1 to 1: the model probably needs another (--preset)"
    ))
}

pub(crate) fn relative_error(got: &[f32], want: &[f32]) -> f64 {
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let difference = square(&mut got.iter().zip(want).map(|(g, w)| f64::from(g - w)));
    let size = square(&mut want.iter().map(|&w| f64::from(w)));
    if got.len() != want.len() {
        f64::INFINITY
    } else if size == 0.0 {
        difference
    } else {
        difference / size
    }
}

fn package(
    source: &Source,
    imported: &Imported,
    (chosen, unit_length): (&Chosen, bool),
    emitted: Emitted,
    frames: &[Frame<'_>],
    observer: &mut dyn Observer,
) -> Result<Vec<u8>, ConvertError> {
    observer.progress(Stage::Write, 0.0);
    let Emitted { mut writer, output, .. } = emitted;
    let graph = writer.graph(output)?;
    let tensors = graph.tensor_count() as u16;
    let precision = precision_of(&graph);
    let input = graph.tensor(Graph::INPUT).element;
    let input_table = match input {
        Element::Int8(_) => writer.codes(&scheme::input_table(&chosen.preprocess))?,
        Element::Float => Default::default(),
    };
    let name = emit::shorten(&source.file_name()).to_string();
    let mut manifest = Manifest {
        source: &name,
        source_sha256: source.sha256,
        cut: emit::shorten(&imported.cut.name),
        tool: concat!("offshoot ", env!("CARGO_PKG_VERSION")),
        id: writer.id(&chosen.preprocess, output, unit_length),
        precision,
        preprocess: chosen.preprocess,
        input_table,
        tensors,
        output,
        goldens: 0,
        unit_length,
    };
    let draft = write_package(&manifest, &writer, &[])?;
    let small: Vec<(u16, u16, Vec<u8>)> = frames.iter().take(GOLDENS).map(shrink).collect();
    let outputs = golden_outputs(draft, &small)?;
    let goldens: Vec<Golden<'_>> = small
        .iter()
        .zip(&outputs)
        .map(|(&(width, height, ref rgb), output)| Golden {
            input: GoldenInput::Frame { width, height, rgb },
            output,
        })
        .collect();
    manifest.goldens = goldens.len() as u8;
    steady(write_package(&manifest, &writer, &goldens)?, &source.path)
}

/// Returns the package if it gives the same results on a device as here.
///
/// # Errors
/// The embedding depends on the float rounding of the processor.
pub(crate) fn steady(package: Vec<u8>, path: &Path) -> Result<Vec<u8>, ConvertError> {
    let int8 = Package::open(&package).is_ok_and(|p| p.manifest().precision == Precision::Int8);
    if int8 || Extractor::from_bytes(package.clone())?.verify()?.is_ok() {
        return Ok(package);
    }
    Err(ConvertError::Unsteady { path: path.to_path_buf() })
}

pub(crate) fn precision_of(graph: &Graph<'_>) -> Precision {
    let codes = (0..graph.tensor_count())
        .filter(|&i| graph.tensor(i as u16).element.quant().is_some())
        .count();
    match codes {
        0 => Precision::Float,
        _ if graph.is_int8() => Precision::Int8,
        _ => Precision::Mixed,
    }
}

/// Scales an image down so that it fits in the package as a golden vector; verification then covers
/// the resampling too.
fn shrink(frame: &Frame<'_>) -> (u16, u16, Vec<u8>) {
    use offshoot_core::preprocess::{Channels, Resize};
    let longest = frame.width().max(frame.height());
    let side =
        |n: u32| (n * u32::from(GOLDEN_SIDE) / longest.max(u32::from(GOLDEN_SIDE))).max(1) as u16;
    let width = side(frame.width());
    let height = side(frame.height());
    let resize = Preprocess {
        width,
        height,
        channels: Channels::Rgb,
        resize: Resize::Squash,
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    let mut rgb = vec![0; 3 * usize::from(width) * usize::from(height)];
    // The length fits by construction.
    let _ = resize.pixels_into(frame, &mut rgb);
    (width, height, rgb)
}

/// Opens a package to compute its golden vectors. They are part of the package, and its bytes must
/// not depend on the machine.
pub(crate) fn everywhere(draft: Vec<u8>) -> Result<Extractor, offshoot::Error> {
    let options = offshoot::Options { reproducible: true, ..offshoot::Options::default() };
    Extractor::from_bytes_with(draft, &options)
}

fn golden_outputs(
    draft: Vec<u8>,
    frames: &[(u16, u16, Vec<u8>)],
) -> Result<Vec<Vec<u8>>, ConvertError> {
    let mut extractor = everywhere(draft)?;
    let mut outputs = Vec::new();
    for (width, height, rgb) in frames {
        let Some(image) = Image::from_rgb((*width).into(), (*height).into(), rgb.clone()) else {
            continue;
        };
        outputs.push(extractor.embed(&image.frame())?.bytes().collect());
    }
    Ok(outputs)
}
