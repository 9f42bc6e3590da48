//! Signals of sensors, and sound: arrays of samples in, embeddings out.

use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use offshoot::Signal;
use pyo3::prelude::*;

use super::Extractor;
use crate::embedding::{Embedding, Values};
use crate::error::{Failure, Outcome};

/// Input of a package that takes signals or sound.
///
/// >>> import offshoot
/// >>> sensor = offshoot.Extractor("gestures.offshoot").sensor
/// >>> sensor.channels, sensor.places, sensor.sound
/// (3, 16, False)
#[pyclass(frozen, module = "offshoot", eq, get_all)]
#[derive(Debug, PartialEq)]
pub(crate) struct Sensor {
    /// Number of channels.
    channels: usize,
    /// Number of places of a window: steps of time, or pixels; of sound, samples.
    places: usize,
    /// Number of places from one window of a stream to the next.
    step: usize,
    /// Sampling rate in Hz; 0 where it is not stated, as for maps and vectors.
    rate: f32,
    /// Value of one step of an int16 sample.
    unit: f32,
    /// True if the package takes sound.
    sound: bool,
}

#[pymethods]
impl Sensor {
    fn __repr__(&self) -> String {
        let kind = if self.sound { "sound" } else { "signals" };
        format!("<Sensor: {kind}, {} places of {} channels>", self.places, self.channels)
    }
}

impl Sensor {
    pub fn of(extractor: &offshoot::Extractor) -> Option<Self> {
        if let Some(sound) = extractor.sound() {
            return Some(Self {
                channels: 1,
                places: extractor.window_samples()?,
                step: usize::from(sound.step) * usize::from(sound.hop),
                rate: sound.rate as f32,
                unit: 1.0,
                sound: true,
            });
        }
        let sensor = extractor.sensor()?;
        Some(Self {
            channels: sensor.normalization().len(),
            places: extractor.window_places()?,
            step: sensor.step as usize,
            rate: sensor.rate,
            unit: sensor.unit,
            sound: false,
        })
    }
}

/// Array of samples, read where it is if it lies in memory row by row.
pub(crate) enum Samples<'py> {
    Int16(PyReadonlyArrayDyn<'py, i16>),
    Float(PyReadonlyArrayDyn<'py, f32>),
}

impl<'py> Samples<'py> {
    /// Reads int16 as it is, and all else that is numbers as float32.
    pub fn of(object: &Bound<'py, PyAny>) -> Outcome<Self> {
        let numpy = object.py().import("numpy")?;
        let array = numpy.call_method1("ascontiguousarray", (object,))?;
        if let Ok(samples) = array.cast::<PyArrayDyn<i16>>() {
            return Ok(Self::Int16(samples.try_readonly().map_err(PyErr::from)?));
        }
        let dtype = array.getattr("dtype")?;
        let kind: String = dtype.getattr("kind")?.extract()?;
        if !["f", "i", "u", "b"].contains(&kind.as_str()) {
            return Err(Failure::Input(format!("a signal of {}; pass numbers", dtype.str()?)));
        }
        let array = numpy.call_method1("ascontiguousarray", (array, "float32"))?;
        let samples = array.cast::<PyArrayDyn<f32>>().map_err(PyErr::from)?;
        Ok(Self::Float(samples.try_readonly().map_err(PyErr::from)?))
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Int16(samples) => samples.shape(),
            Self::Float(samples) => samples.shape(),
        }
    }

    /// Returns the signal; an array of one dimension has the channels that the package takes.
    pub fn signal(&self, channels: usize) -> Outcome<Signal<'_>> {
        let channels = match self.shape() {
            [_, .., last] => *last,
            _ => channels,
        };
        Ok(match self {
            Self::Int16(all) => Signal::int16(channels, all.as_slice().map_err(PyErr::from)?)?,
            Self::Float(all) => Signal::float(channels, all.as_slice().map_err(PyErr::from)?)?,
        })
    }

    /// Returns samples of sound.
    pub fn sound(&self) -> Outcome<&[i16]> {
        match self {
            Self::Int16(all) if self.shape().len() == 1 => {
                Ok(all.as_slice().map_err(PyErr::from)?)
            }
            Self::Int16(_) => Err(Failure::Input(format!(
                "sound of shape {:?}; pass one channel, such as `sound.mean(1).astype('int16')`",
                self.shape()
            ))),
            Self::Float(_) => Err(Failure::Input(
                "sound is int16; of floats from -1 to 1: `(32767 * sound).astype('int16')`".into(),
            )),
        }
    }
}

/// Window or recording to an embedding.
type Embed = for<'e> fn(
    &'e mut offshoot::Extractor,
    &Signal<'_>,
) -> Result<offshoot::Embedding<'e>, offshoot::Error>;

/// Window or clip of sound to an embedding.
type Hear = for<'e> fn(
    &'e mut offshoot::Extractor,
    &[i16],
) -> Result<offshoot::Embedding<'e>, offshoot::Error>;

#[pymethods]
impl Extractor {
    /// Input of a package that takes signals or sound; ``None`` for other packages.
    #[getter]
    fn sensor(&self, py: Python<'_>) -> Option<Sensor> {
        self.with(py, |inner| Sensor::of(inner))
    }

    /// Computes the embedding of a signal of exactly one window, ``sensor.places``.
    ///
    /// ``signal`` is an array of shape ``(places, channels)``, of a map ``(rows, columns,
    /// channels)``; one of a single dimension has the channels of a place together. int16 are
    /// samples of a converter, of which one step is ``sensor.unit``; all else are real values.
    ///
    /// Raises ``InputError`` for other channels or places, and for values that are not finite.
    ///
    /// >>> import numpy as np
    /// >>> import offshoot
    /// >>> extractor = offshoot.Extractor("gestures.offshoot")
    /// >>> window = np.zeros((extractor.sensor.places, 3), np.int16)
    /// >>> extractor.embed_signal(window).shape == (extractor.dim,)
    /// True
    #[pyo3(signature = (signal, /))]
    fn embed_signal(&self, signal: &Bound<'_, PyAny>) -> Outcome<Embedding> {
        self.sensed(signal, offshoot::Extractor::embed_signal)
    }

    /// Computes the embedding of a recording, one window or longer: the mean over its windows.
    #[pyo3(signature = (signal, /))]
    fn embed_recording(&self, signal: &Bound<'_, PyAny>) -> Outcome<Embedding> {
        self.sensed(signal, offshoot::Extractor::embed_recording)
    }

    /// Computes the embedding of exactly one window of sound, ``sensor.places`` samples of int16.
    #[pyo3(signature = (samples, /))]
    fn embed_window(&self, samples: &Bound<'_, PyAny>) -> Outcome<Embedding> {
        self.heard(samples, offshoot::Extractor::embed_window)
    }

    /// Computes the embedding of a clip of sound of any length, int16 at ``sensor.rate``: the mean
    /// over its windows, those that stand out of the quiet if there are any.
    #[pyo3(signature = (samples, /))]
    fn embed_samples(&self, samples: &Bound<'_, PyAny>) -> Outcome<Embedding> {
        self.heard(samples, offshoot::Extractor::embed_samples)
    }
}

impl Extractor {
    fn sensed(&self, signal: &Bound<'_, PyAny>, embed: Embed) -> Outcome<Embedding> {
        let py = signal.py();
        let channels = self.sensor(py).map_or(1, |sensor| sensor.channels);
        let samples = Samples::of(signal)?;
        let signal = samples.signal(channels)?;
        Ok(Embedding(self.with(py, |inner| embed(inner, &signal).map(Values::of))?))
    }

    fn heard(&self, samples: &Bound<'_, PyAny>, embed: Hear) -> Outcome<Embedding> {
        let py = samples.py();
        let samples = Samples::of(samples)?;
        let samples = samples.sound()?;
        Ok(Embedding(self.with(py, |inner| embed(inner, samples).map(Values::of))?))
    }
}
