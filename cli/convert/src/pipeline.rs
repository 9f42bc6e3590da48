//! Complete conversion of an ONNX model into a package, as one function.

mod agreement;
mod backbone;
mod cells;
mod domain;
mod image;
pub mod job;
mod measure;
mod options;
mod package;
mod parts;
mod signal;
mod sound;
mod text;

use std::path::PathBuf;

use agreement::Compared;
use backbone::Backbone;
use image::ImageBackbone;
use job::Samples;
use measure::Measurement;
use offshoot::Embedding;
use offshoot_core::package::WriteError;
pub use options::{CellsOption, Options, PartsOption};
use signal::SignalBackbone;
pub use signal::{Recording, SensorOptions};
use sound::Front;
use text::TextBackbone;
use thiserror::Error;

use crate::calibrate::tokenizer::TokenizerError;
use crate::calibrate::{CalibrateError, Floats};
use crate::catch_panic::quietly;
use crate::emit::{self, EmitError};
use crate::import::{ImportError, Source};
use crate::preprocess::preset::PreprocessOverrides;
use crate::progress::{Observer, Stage};
use crate::quantize::{self, QuantizerError};
use crate::report::Report;

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
    /// No clip of the calibration set has a sample.
    #[error("{path}: no clip of the calibration set has a sample")]
    NoSound {
        /// Path of the model.
        path: PathBuf,
    },
    /// No recording of the calibration set is as long as a window.
    #[error(
        "{path}: no recording of the calibration set has {places} places (steps of time, or pixels) of {channels} \
         channels"
    )]
    NoSignal {
        /// Path of the model.
        path: PathBuf,
        /// Number of places of a window.
        places: usize,
        /// Number of channels.
        channels: usize,
    },
    /// A list has another number of values than the input has channels.
    #[error(
        "{option} has {have} values; the input has {need} channels (one value is for all of them)"
    )]
    Channels {
        /// Option.
        option: &'static str,
        /// Number of values given.
        have: usize,
        /// Number of channels.
        need: usize,
    },
    /// The description of the sensor is out of range.
    #[error("sensor: {0}")]
    Sensor(#[from] offshoot_core::preprocess::signal::SignalError),
    /// The input of the model is no log-mel spectrogram of the preset.
    #[error(
        "{path}: an input of {found} (rows x columns x channels); --sound {preset} makes frames x {bands} x 1"
    )]
    SoundInput {
        /// Path of the model.
        path: PathBuf,
        /// Shape of the input.
        found: String,
        /// Name of the preset.
        preset: &'static str,
        /// Number of bands of the preset.
        bands: u16,
    },
    /// The model gives no cells.
    #[error("{path}: {what}")]
    Cells {
        /// Path of the model.
        path: PathBuf,
        /// Reason, with what to do.
        what: String,
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

/// Converts a model, calibrated on samples of its kind (at least one).
///
/// The observer is called when a stage begins, and as it goes on; `()` is the silent one.
///
/// # Errors
/// See [`ConvertError`]; no file has been written then.
pub fn convert(
    source: &Source,
    samples: Samples<'_>,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Converted, ConvertError> {
    let converted = quietly(|| {
        observer.progress(Stage::Import, 0.0);
        match samples {
            Samples::Images(images) => {
                let backbone = ImageBackbone::import(source, images, options, observer)?;
                run(source, &backbone, options, observer)
            }
            Samples::Sounds(clips, design) => {
                let imported = image::import(source, options)?;
                let front = Front::new(source, &imported, design, clips)?;
                let backbone = ImageBackbone::of_sound(source, imported, &front, options);
                run(source, &backbone, options, observer)
            }
            Samples::Signals(recordings, sensor) => {
                let backbone = SignalBackbone::import(source, recordings, sensor, options)?;
                run(source, &backbone, options, observer)
            }
            Samples::Texts(texts, tokenizer) => {
                let backbone = TextBackbone::import(source, texts, tokenizer, options)?;
                run(source, &backbone, options, observer)
            }
        }
    });
    converted.unwrap_or_else(|panic| Err(source.analyse(panic).into()))
}

/// Converts an imported model.
fn run(
    source: &Source,
    backbone: &impl Backbone,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Converted, ConvertError> {
    let model = backbone.model();
    let inputs = backbone.inputs();
    let floats = Floats::measure(model, &inputs, observer)?;
    // The results of tract's optimized plan depend on the processor; the quantizer uses our own
    // run.
    let Compared { embeddings: mut wanted, odd } =
        agreement::compare(backbone, &floats.embeddings)?;
    let doubt = match odd {
        Some(odd) => Some(backbone.doubt(odd.sample, odd.error)?),
        None => None,
    };
    if backbone.extras().unit_length {
        wanted.iter_mut().for_each(|embedding| Embedding::to_unit_length(embedding));
    }
    let quantized = match options.float {
        true => None,
        false => Some(quantize::quantize(model, &floats, &options.quantizer, &inputs, observer)?),
    };
    let emitted = match &quantized {
        Some(quantized) => emit::int8(&quantized.model, &quantized.scheme)?,
        None => emit::float(model)?,
    };
    observer.progress(Stage::Write, 0.0);
    let mut bytes = package::package(source, backbone, emitted)?;
    if options.statistics && options.cells == CellsOption::None {
        bytes = domain::state(bytes, &inputs, &floats.embeddings)?;
    }
    observer.progress(Stage::Compare, 0.0);
    let measurement = Measurement { cut: backbone.cut(), inputs: &inputs, wanted: &wanted };
    let mut report = measurement.report(&bytes, quantized.as_ref())?;
    backbone.describe(&mut report);
    report.preprocess_warning = doubt.or(report.preprocess_warning);
    Ok(Converted { bytes, report, overrides: backbone.overrides() })
}
