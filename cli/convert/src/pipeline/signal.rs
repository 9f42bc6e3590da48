//! Conversion of a network for signals: series, vectors, maps of any number of channels.

use offshoot::Extractor;
use offshoot_core::Signal;
use offshoot_core::graph::{Blob, Element, TensorId};
use offshoot_core::package::{
    Extras, FloatBytes, Golden, GraphWriter, Manifest, PackageId, Precision, WriteError,
    write_signal_package,
};
use offshoot_core::preprocess::Preprocess;

use super::backbone::{Backbone, GOLDENS, GoldenSample, GoldenVector};
use super::parts::Joined;
use super::{ConvertError, Options, PartsOption, image};
use crate::calibrate::CalibrateError;
use crate::calibrate::input::{Input, Normalizer};
use crate::calibrate::reference::{Prepared, Reference};
use crate::import::{Cut, Imported, SignalOrder, Source};
use crate::ir::{Model, pooling};
use crate::preprocess::preset::PreprocessOverrides;
use crate::report::Report;

/// Most windows of a recording, spread over it.
const OF_A_RECORDING: usize = 4;

/// Recording of the calibration set: the channels of the first place, then those of the second.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Number of channels.
    pub channels: usize,
    /// Samples; finite numbers.
    pub samples: Vec<f32>,
}

/// Description of a sensor's signals, for a package.
#[derive(Debug, Clone, PartialEq)]
pub struct SensorOptions {
    /// Sampling rate in Hz; 0 if it is not stated.
    pub rate: f32,
    /// Value of one step of a sample of 16 bits.
    pub unit: f32,
    /// Number of places from window to window of a stream; a quarter of a window if [`None`].
    pub step: Option<u32>,
    /// Mean of each channel, or of all; 0 if empty.
    pub mean: Vec<f32>,
    /// Divisor of each channel, or of all; 1 if empty.
    pub std: Vec<f32>,
}

impl Default for SensorOptions {
    fn default() -> Self {
        Self { rate: 0.0, unit: 1.0, step: None, mean: Vec::new(), std: Vec::new() }
    }
}

impl SensorOptions {
    /// Returns mean and divisor of each channel.
    fn normalization(&self, channels: usize) -> Result<Vec<[f32; 2]>, ConvertError> {
        let each = |values: &[f32], default: f32, option| match values {
            [] => Ok(vec![default; channels]),
            [one] => Ok(vec![*one; channels]),
            all if all.len() == channels => Ok(all.to_vec()),
            all => Err(ConvertError::Channels { option, have: all.len(), need: channels }),
        };
        let mean = each(&self.mean, 0.0, "--mean")?;
        let std = each(&self.std, 1.0, "--std")?;
        Ok(mean.into_iter().zip(std).map(<[f32; 2]>::from).collect())
    }
}

/// Imported network for signals with its calibration set.
pub(super) struct SignalBackbone<'a> {
    source: &'a Source,
    imported: Imported,
    order: SignalOrder,
    normalizer: Normalizer,
    windows: Vec<Signal<'a>>,
    unit_length: bool,
    /// Parts of the embedding.
    joined: Joined,
}

impl<'a> SignalBackbone<'a> {
    /// Imports a model and cuts windows from the recordings.
    pub(super) fn import(
        source: &'a Source,
        recordings: &'a [Recording],
        sensor: &SensorOptions,
        options: &Options,
    ) -> Result<Self, ConvertError> {
        let mut imported = image::import(source, options)?;
        let shape = imported.model.layers[0].shape;
        let places = shape.h() * shape.w();
        let order = imported.signal.clone().ok_or_else(|| ConvertError::NoSignal {
            path: source.path.clone(),
            places,
            channels: shape.c(),
        })?;
        let step = sensor.step.unwrap_or((places as u32 / 4).max(1));
        let channels = sensor.normalization(shape.c())?;
        let normalizer = Normalizer::new(sensor.rate, sensor.unit, step, &channels, shape)?;
        let windows: Vec<Signal<'a>> =
            recordings.iter().flat_map(|recording| windows(recording, places, step)).collect();
        if windows.is_empty() {
            let path = source.path.clone();
            return Err(ConvertError::NoSignal { path, places, channels: shape.c() });
        }
        let unit_length = options.unit_length || imported.unit_length;
        let joined = match imported.outputs.len() {
            2.. if options.parts != PartsOption::None => {
                let lengths: Vec<usize> =
                    imported.outputs.iter().map(|o| o.values(imported.pool)).collect();
                let inputs: Vec<Input<'_>> =
                    windows.iter().map(|w| Input::Signal(*w, &normalizer)).collect();
                Joined::balance(&mut imported.model, &lengths, &inputs)?
            }
            _ => Joined::default(),
        };
        Ok(Self { source, imported, order, normalizer, windows, unit_length, joined })
    }
}

/// Returns windows of a recording, the middles of its parts.
fn windows(
    recording: &Recording,
    places: usize,
    step: u32,
) -> impl Iterator<Item = Signal<'_>> + use<'_> {
    let whole = Signal::float(recording.channels, &recording.samples).ok();
    let step = step as usize;
    let length = whole.map_or(0, |whole| whole.places());
    let count = length.checked_sub(places).map_or(0, |rest| rest / step + 1);
    let taken = count.min(OF_A_RECORDING);
    (0..taken).filter_map(move |i| whole?.window((2 * i + 1) * count / (2 * taken) * step, places))
}

impl Backbone for SignalBackbone<'_> {
    fn model(&self) -> &Model {
        &self.imported.model
    }

    fn cut(&self) -> &Cut {
        &self.imported.cut
    }

    fn extras(&self) -> Extras<'_> {
        Extras { unit_length: self.unit_length, parts: self.joined.starts(), own_length: false }
    }

    fn inputs(&self) -> Vec<Input<'_>> {
        self.windows.iter().map(|window| Input::Signal(*window, &self.normalizer)).collect()
    }

    fn reference(&self) -> Result<Reference, CalibrateError> {
        Reference::new(self.imported.reference.clone())
    }

    fn embedding(&self, by: &mut Reference, sample: usize) -> Result<Vec<f32>, CalibrateError> {
        let values = self.normalizer.floats(&self.windows[sample]);
        let channels = self.normalizer.channels();
        let outputs = by.run(&Prepared::signal(&values, channels, &self.order)?)?;
        let mut embedding =
            pooling::of_source(&outputs, &self.imported.outputs, self.imported.pool);
        self.joined.scale(&mut embedding);
        Ok(embedding)
    }

    fn doubt(&self, _: usize, error: f64) -> Result<String, ConvertError> {
        Err(ConvertError::Disagrees { path: self.source.path.clone(), error })
    }

    fn preprocess(&self) -> Preprocess {
        Preprocess::NONE
    }

    fn input_table(
        &self,
        _: &mut GraphWriter,
        _: Precision,
        _: Element,
    ) -> Result<Blob, WriteError> {
        Ok(Blob::default())
    }

    fn id(&self, writer: &GraphWriter, output: TensorId, extras: &Extras<'_>) -> PackageId {
        writer.signal_id(&self.normalizer.sensor(), output, extras)
    }

    fn goldens(&self, draft: &mut Extractor) -> Result<Vec<GoldenVector>, offshoot::Error> {
        let mut goldens = Vec::new();
        for window in self.windows.iter().take(GOLDENS) {
            let output = draft.embed_signal(window)?.bytes().collect();
            let sample = GoldenSample::Signal(FloatBytes::pack(&window.to_vec()));
            goldens.push(GoldenVector { sample, output });
        }
        Ok(goldens)
    }

    fn write(
        &self,
        manifest: &Manifest<'_>,
        writer: &GraphWriter,
        goldens: &[Golden<'_>],
    ) -> Result<Vec<u8>, WriteError> {
        write_signal_package(manifest, &self.normalizer.sensor(), writer, goldens)
    }

    fn describe(&self, report: &mut Report) {
        report.pool = self.imported.pooled.then_some(self.imported.pool);
        let shape = self.imported.model.layers[0].shape;
        let sensor = self.normalizer.sensor();
        let is_plain = sensor.normalization().all(|pair| pair == [0.0, 1.0]);
        let how = if is_plain { "values as they are" } else { "mean and std by channel" };
        let rate = match sensor.rate {
            0.0 => String::new(),
            rate => format!(" at {rate} Hz"),
        };
        let places = match shape.h() {
            1 => shape.w().to_string(),
            rows => format!("{rows} x {}", shape.w()),
        };
        report.preprocess_why = format!("{places} places of {} channels{rate}, {how}", shape.c());
    }

    fn overrides(&self) -> PreprocessOverrides {
        PreprocessOverrides::default()
    }
}
