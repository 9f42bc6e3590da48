//! Signals of sensors: windows, recordings and streams.

use std::ops::Range;

use offshoot_core::graph::Tensor;
use offshoot_core::package::PackageError;
use offshoot_core::preprocess::Preprocess;
use offshoot_core::preprocess::signal::SignalError;
use offshoot_core::{Embedding, Frame, Package, Quant, Sensor, Signal};

use super::{Extractor, Stage, open};
use crate::{Error, ErrorKind};

/// Sample that a network's input is filled with.
#[derive(Clone, Copy)]
pub(super) enum Sample<'s> {
    Frame(&'s Frame<'s>),
    Signal(&'s Signal<'s>),
}

/// Way from samples to a network's input, of a package that takes frames or signals.
#[derive(Debug)]
pub(super) struct Front {
    preprocess: Preprocess,
    input: Tensor,
    /// Place of the sensor section, of a package that takes signals.
    sensor: Option<Range<usize>>,
    /// Mean of a recording's embeddings.
    mean: Vec<f32>,
}

impl Front {
    pub(super) fn new(bytes: &[u8], package: &Package<'_>) -> Self {
        let input = package.graph().tensor(offshoot_core::Graph::INPUT);
        let sensor = package.sensor().map(|_| open::place(bytes, package.sensor_section()));
        let mean = vec![0.0; if sensor.is_some() { package.embedding_dim() } else { 0 }];
        Self { preprocess: package.manifest().preprocess, input, sensor, mean }
    }

    pub(super) fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    fn sensor<'b>(&self, bytes: &'b [u8]) -> Option<Sensor<'b>> {
        Sensor::decode(&bytes[self.sensor.clone()?])
    }

    /// Fills the input of a quantized network; `table` is that of the package.
    pub(super) fn codes_into(
        &self,
        bytes: &[u8],
        sample: Sample<'_>,
        table: &[i8],
        out: &mut [i8],
    ) -> Result<(), ErrorKind> {
        match (sample, self.sensor(bytes)) {
            (Sample::Frame(frame), None) => Ok(self.preprocess.quantize_into(frame, table, out)?),
            (Sample::Signal(signal), Some(sensor)) => {
                let quant = self.input.element.quant();
                let quant = quant.unwrap_or(Quant::from_range(0.0, 0.0));
                Ok(sensor.quantize_into(signal, self.input.shape, quant, out)?)
            }
            (_, sensor) => Err(other(sensor.is_some())),
        }
    }

    /// Fills the input of a float network.
    pub(super) fn floats_into(
        &self,
        bytes: &[u8],
        sample: Sample<'_>,
        out: &mut [f32],
    ) -> Result<(), ErrorKind> {
        match (sample, self.sensor(bytes)) {
            (Sample::Frame(frame), None) => Ok(self.preprocess.normalize_into(frame, out)?),
            (Sample::Signal(signal), Some(sensor)) => {
                Ok(sensor.normalize_into(signal, self.input.shape, out)?)
            }
            (_, sensor) => Err(other(sensor.is_some())),
        }
    }
}

fn other(takes_signals: bool) -> ErrorKind {
    ErrorKind::OtherInput { takes: if takes_signals { "signals" } else { "images" } }
}

impl Extractor {
    /// Returns the normalization of a package that takes signals, with its sampling rate; [`None`]
    /// for other packages.
    ///
    /// ```
    /// use offshoot::Extractor;
    ///
    /// let extractor = Extractor::open("tests/tiny.offshoot")?;
    /// assert!(extractor.sensor().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sensor(&self) -> Option<Sensor<'_>> {
        self.front.sensor(&self.bytes)
    }

    /// Returns the number of places of a window: steps of time, or pixels; [`None`] if the package
    /// does not take signals.
    #[must_use]
    pub fn window_places(&self) -> Option<usize> {
        let shape = self.front.input.shape;
        self.front.sensor.as_ref().map(|_| shape.h() * shape.w())
    }

    /// Computes the embedding of a signal of exactly one window, [`Extractor::window_places`].
    ///
    /// Returns [`Extractor::embedding_dim`] values, which are valid until the next call. Int8
    /// packages allocate nothing.
    ///
    /// ```no_run
    /// use offshoot::{Extractor, Signal};
    ///
    /// let mut extractor = Extractor::open("gestures.offshoot")?;
    /// // As an accelerometer with three axes gives it, 128 steps.
    /// let samples = [0_i16; 3 * 128];
    /// let embedding = extractor.embed_signal(&Signal::int16(3, &samples)?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::OtherInput`] if the package takes no signals; [`ErrorKind::Signal`] for other
    /// channels or places, or a sample that is not finite; errors of tract-core.
    pub fn embed_signal(&mut self, signal: &Signal<'_>) -> Result<Embedding<'_>, Error> {
        self.embed_signal_with_observer(signal, |_| {})
    }

    /// Computes the embedding like [`Extractor::embed_signal`] and calls `observe` after each stage.
    ///
    /// # Errors
    /// Those of [`Extractor::embed_signal`].
    pub fn embed_signal_with_observer(
        &mut self,
        signal: &Signal<'_>,
        observe: impl FnMut(Stage),
    ) -> Result<Embedding<'_>, Error> {
        self.run(Sample::Signal(signal), observe)?;
        Ok(self.result())
    }

    /// Computes the embedding of a recording, one window or longer: the mean over the windows that
    /// begin [`Sensor::step`] places apart.
    ///
    /// Returns [`Extractor::embedding_dim`] floats, which are valid until the next call; places
    /// behind the last whole window are left out. Int8 packages allocate nothing.
    ///
    /// # Errors
    /// Those of [`Extractor::embed_signal`]; a recording shorter than a window is refused.
    pub fn embed_recording(&mut self, signal: &Signal<'_>) -> Result<Embedding<'_>, Error> {
        let need = self.window_places().ok_or_else(|| self.takes_other())?;
        let step = self.sensor().ok_or(PackageError::SensorSection)?.step as usize;
        let have = signal.places();
        let mut mean = std::mem::take(&mut self.front.mean);
        mean.fill(0.0);
        let mut count = 0;
        let mut failed = None;
        while let Some(window) = signal.window(count * step, need) {
            match self.embed_signal(&window) {
                Ok(embedding) => {
                    mean.iter_mut().zip(embedding.iter()).for_each(|(sum, value)| *sum += value);
                }
                Err(error) => failed = Some(error),
            }
            count += 1;
            if failed.is_some() {
                break;
            }
        }
        mean.iter_mut().for_each(|value| *value /= count as f32);
        self.front.mean = mean;
        match failed {
            Some(error) => Err(error),
            None if count == 0 => Err(SignalError::Places { need, have }.into()),
            None => Ok(Embedding::Float(&self.front.mean)),
        }
    }

    /// Returns the error of a sample of a kind that the package does not take.
    pub(super) fn takes_other(&self) -> ErrorKind {
        let takes = match (self.token_limit(), &self.front.sensor, &self.clip) {
            (Some(_), ..) => "the tokens of a text",
            (_, Some(_), _) => "signals",
            (_, _, Some(_)) => "sound",
            _ => "images",
        };
        ErrorKind::OtherInput { takes }
    }
}

/// Stream of a sensor as windows for an [`Extractor`].
///
/// All memory is reserved by [`Probe::new`].
///
/// ```no_run
/// use offshoot::{Extractor, Head, Probe};
///
/// # fn accelerometer() -> [i16; 3] { [0; 3] }
/// let mut extractor = Extractor::open("gestures.offshoot")?;
/// let mut head = Head::load("gestures.head", &extractor)?;
/// head.fit()?;
/// let mut probe = Probe::new(&extractor)?;
/// loop {
///     let place = accelerometer().map(|axis| probe.real(axis));
///     if let Some(embedding) = probe.push(&mut extractor, &place)? {
///         if let Some(class) = head.classify(embedding)?.known() {
///             println!("{}", head.class_name(class).unwrap_or_default());
///         }
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Probe {
    channels: usize,
    /// Samples of the window that is being filled, and how many of them there are.
    window: Vec<f32>,
    filled: usize,
    /// Number of samples from window to window.
    advance: usize,
    unit: f32,
}

impl Probe {
    /// Reserves the memory for a package's windows.
    ///
    /// # Errors
    /// [`ErrorKind::OtherInput`] if the package takes no signals.
    pub fn new(extractor: &Extractor) -> Result<Self, Error> {
        let sensor = extractor.sensor().ok_or_else(|| extractor.takes_other())?;
        let shape = extractor.front.input.shape;
        Ok(Self {
            channels: shape.c(),
            window: vec![0.0; shape.elements()],
            filled: 0,
            advance: sensor.step as usize * shape.c(),
            unit: sensor.unit,
        })
    }

    /// Number of channels of a place.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the value of a sample of 16 bits, by the package's unit.
    #[must_use]
    pub fn real(&self, sample: i16) -> f32 {
        f32::from(sample) * self.unit
    }

    /// Takes the channels of one place, and returns the embedding of the window that it completes;
    /// [`None`] if it completes none.
    ///
    /// Windows overlap: the next one is complete [`Sensor::step`] places later. Int8 packages
    /// allocate nothing.
    ///
    /// # Errors
    /// Those of [`Extractor::embed_signal`]; a place with other channels, or with a sample that is
    /// not finite, is refused and leaves the window as it was.
    pub fn push<'e>(
        &mut self,
        extractor: &'e mut Extractor,
        place: &[f32],
    ) -> Result<Option<Embedding<'e>>, Error> {
        if !self.advance(place)? {
            return Ok(None);
        }
        let signal = self.signal()?;
        extractor.embed_signal(&signal).map(Some)
    }

    /// Takes one place; returns true if it completes a window, which is then [`Probe::signal`].
    ///
    /// # Errors
    /// [`SignalError`] for other channels and samples that are not finite.
    pub fn advance(&mut self, place: &[f32]) -> Result<bool, SignalError> {
        if place.len() != self.channels {
            return Err(SignalError::Channels { need: self.channels, have: place.len() });
        }
        if let Some(channel) = place.iter().position(|sample| !sample.is_finite()) {
            return Err(SignalError::NotFinite { index: self.filled / self.channels, channel });
        }
        if self.filled == self.window.len() {
            self.window.copy_within(self.advance.., 0);
            self.filled -= self.advance;
        }
        self.window[self.filled..][..self.channels].copy_from_slice(place);
        self.filled += self.channels;
        Ok(self.filled == self.window.len())
    }

    /// Returns the places of the window so far.
    ///
    /// # Errors
    /// [`SignalError::Ragged`] before the first place.
    pub fn signal(&self) -> Result<Signal<'_>, SignalError> {
        Signal::float(self.channels, &self.window[..self.filled])
    }

    /// Forgets all places; the next window begins with the next one.
    pub fn clear(&mut self) {
        self.filled = 0;
    }
}
