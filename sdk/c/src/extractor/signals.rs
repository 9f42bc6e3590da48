//! Signals of sensors, and sound: what is no picture.

use std::ffi::c_void;

use offshoot::{Error, Extractor};

use super::{EXTRACTORS, ExtractorHandle};
use crate::embedding::{Embedding, EmbeddingForm, Extent, Room};
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::memory::{In, Out, Versioned};

/// Type of a signal's samples.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleForm {
    /// int16_t, as converters give them; the package has the value of one step.
    Int16 = 1,
    /// float, in the unit of the network's training data.
    Float = 2,
}

/// Samples of a sensor in the caller's memory: the channels of the first place, then those of the
/// second. Places are steps of time, or pixels.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Signal {
    /// sizeof(offshoot_signal).
    pub size: u32,
    /// Number of enum offshoot_sample_form.
    pub form: u32,
    /// First sample, aligned for its type.
    pub samples: *const c_void,
    /// Number of samples: places times channels.
    pub count: usize,
    /// Number of channels.
    pub channels: u32,
}

// SAFETY: numbers and a pointer, the size first.
unsafe impl Versioned for Signal {}

/// Input of a package that takes signals, or sound.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SensorInfo {
    /// sizeof(offshoot_sensor_info).
    pub size: u32,
    /// Number of channels of a signal; 0 if the package takes none.
    pub channels: u32,
    /// Number of places of a window: steps of time, or pixels; of sound, samples.
    pub places: usize,
    /// Number of places from one window of a recording to the next; of sound, samples.
    pub step: usize,
    /// Sampling rate in Hz; 0 where it is not stated, as for maps and vectors.
    pub rate: f32,
    /// Value of one step of an int16_t sample.
    pub unit: f32,
    /// 1 if the package takes sound.
    pub is_sound: u32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for SensorInfo {}

impl Signal {
    /// Calls `work` with the signal.
    fn with<R>(
        given: In<Self>,
        work: impl FnOnce(&offshoot::Signal<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        const NAME: &str = "signal.samples";
        let signal = given.read("signal")?;
        let channels = signal.channels as usize;
        if signal.form == SampleForm::Int16 as u32 {
            // SAFETY: the signal counts its samples, which are there until the function returns.
            let samples = unsafe { In::new(signal.samples.cast()).values(signal.count, NAME) }?;
            return work(&offshoot::Signal::int16(channels, samples)?);
        }
        if signal.form != SampleForm::Float as u32 {
            let found = signal.form.into();
            return Err(Fault::Value { noun: "form of samples", found });
        }
        // SAFETY: the signal counts its samples, which are there until the function returns.
        let samples = unsafe { In::new(signal.samples.cast()).values(signal.count, NAME) }?;
        work(&offshoot::Signal::float(channels, samples)?)
    }
}

impl SensorInfo {
    fn of(extractor: &Extractor) -> Self {
        let none =
            Self { size: 0, channels: 0, places: 0, step: 0, rate: 0.0, unit: 0.0, is_sound: 0 };
        if let Some(sound) = extractor.sound() {
            return Self {
                channels: 1,
                places: extractor.window_samples().unwrap_or(0),
                step: usize::from(sound.step) * usize::from(sound.hop),
                rate: sound.rate as f32,
                is_sound: 1,
                ..none
            };
        }
        let Some(sensor) = extractor.sensor() else { return none };
        Self {
            channels: sensor.normalization().len() as u32,
            places: extractor.window_places().unwrap_or(0),
            step: sensor.step as usize,
            rate: sensor.rate,
            unit: sensor.unit,
            ..none
        }
    }
}

/// Tells what a package that takes signals or sound wants; `channels` is 0 for other packages.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_get_sensor(
    extractor: ExtractorHandle,
    info: Out<SensorInfo>,
) -> Status {
    guard(|| {
        let record = info.record("info")?;
        EXTRACTORS.read(extractor.id, |opened| {
            record.put(&SensorInfo::of(&opened.lock()));
            Ok(())
        })
    })
}

/// Form of the embedding of a window: that of the package.
fn of_window(package: Extent) -> Extent {
    package
}

/// Form of a mean over windows.
fn of_mean(package: Extent) -> Extent {
    Extent { form: EmbeddingForm::Float, ..package }
}

/// Outcome of embedding samples.
type Embedded<'e> = Result<offshoot::Embedding<'e>, Error>;

fn embed_signal(
    extractor: ExtractorHandle,
    signal: In<Signal>,
    embedding: Out<Embedding>,
    extent: fn(Extent) -> Extent,
    embed: for<'e> fn(&'e mut Extractor, &offshoot::Signal<'_>) -> Embedded<'e>,
) -> Status {
    guard(|| {
        EXTRACTORS.write(extractor.id, |opened| {
            let room = Room::of(embedding, extent(opened.extent))?;
            Signal::with(signal, |signal| room.fill(embed(opened.get_mut(), signal)?))
        })
    })
}

fn embed_sound(
    extractor: ExtractorHandle,
    samples: In<i16>,
    count: usize,
    embedding: Out<Embedding>,
    extent: fn(Extent) -> Extent,
    embed: for<'e> fn(&'e mut Extractor, &[i16]) -> Embedded<'e>,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for `count` samples, until the function returns.
        let samples = unsafe { samples.values(count, "samples") }?;
        EXTRACTORS.write(extractor.id, |opened| {
            let room = Room::of(embedding, extent(opened.extent))?;
            room.fill(embed(opened.get_mut(), samples)?)
        })
    })
}

/// Computes the embedding of a signal of exactly one window. Int8 packages allocate nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_embed_signal(
    extractor: ExtractorHandle,
    signal: In<Signal>,
    embedding: Out<Embedding>,
) -> Status {
    embed_signal(extractor, signal, embedding, of_window, Extractor::embed_signal)
}

/// Computes the embedding of a recording, one window or longer: the mean over its windows, in
/// floats. Int8 packages allocate nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_embed_recording(
    extractor: ExtractorHandle,
    signal: In<Signal>,
    embedding: Out<Embedding>,
) -> Status {
    embed_signal(extractor, signal, embedding, of_mean, Extractor::embed_recording)
}

/// Computes the embedding of exactly one window of sound, mono, at the package's rate. Int8
/// packages allocate nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_embed_window(
    extractor: ExtractorHandle,
    samples: In<i16>,
    count: usize,
    embedding: Out<Embedding>,
) -> Status {
    embed_sound(extractor, samples, count, embedding, of_window, Extractor::embed_window)
}

/// Computes the embedding of a clip of sound of any length: the mean over its windows, those that
/// stand out of the quiet if there are any, in floats. Int8 packages allocate nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_embed_samples(
    extractor: ExtractorHandle,
    samples: In<i16>,
    count: usize,
    embedding: Out<Embedding>,
) -> Status {
    embed_sound(extractor, samples, count, embedding, of_mean, Extractor::embed_samples)
}
