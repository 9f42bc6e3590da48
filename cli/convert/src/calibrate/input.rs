//! Input of a network: a normalized image or signal, or the embedding rows of a text's tokens.

use offshoot::{Embedding, Extractor, Package};
use offshoot_core::preprocess::Preprocess;
use offshoot_core::preprocess::signal::SignalError;
use offshoot_core::tokens::{Tokens, TokensError};
use offshoot_core::{Frame, Quant, Sensor, Shape, Signal};

/// Sample, an image, a signal or a text, with everything needed to make a network's input from it.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Image with its preprocessing.
    Image(Frame<'a>, &'a Preprocess),
    /// Window of a signal with its normalization.
    Signal(Signal<'a>, &'a Normalizer),
    /// Token ids of a text, with the embedding table.
    Text(&'a [u32], &'a Rows),
}

/// Normalization of a network's signals, with the shape of its input.
#[derive(Debug, Clone)]
pub struct Normalizer {
    rate: f32,
    unit: f32,
    step: u32,
    channels: Vec<u8>,
    shape: Shape,
}

impl Normalizer {
    /// Checks the description of a sensor, with mean and divisor of each channel.
    ///
    /// # Errors
    /// [`SignalError`] for a number out of range.
    pub fn new(
        rate: f32,
        unit: f32,
        step: u32,
        channels: &[[f32; 2]],
        shape: Shape,
    ) -> Result<Self, SignalError> {
        let normalizer = Self { rate, unit, step, channels: Sensor::pack(channels), shape };
        normalizer.sensor().check(shape)?;
        Ok(normalizer)
    }

    /// Returns the sensor, as a package has it.
    pub fn sensor(&self) -> Sensor<'_> {
        let Self { rate, unit, step, .. } = *self;
        Sensor { rate, unit, step, channels: &self.channels }
    }

    /// Returns the number of channels.
    pub fn channels(&self) -> usize {
        self.shape.c()
    }

    /// Returns the normalized values of a window.
    pub fn floats(&self, window: &Signal<'_>) -> Vec<f32> {
        let mut values = vec![0.0; self.shape.elements()];
        // The length fits by construction.
        let _ = self.sensor().normalize_into(window, self.shape, &mut values);
        values
    }
}

/// Embedding table and mask of tokens.
#[derive(Debug, Clone)]
pub struct Rows {
    tokens: Tokens,
    shape: Shape,
    table: Vec<u8>,
}

impl Rows {
    /// Returns the rows for an input of this shape, from a table with one row per token.
    pub fn new(tokens: Tokens, shape: Shape, table: &[f32]) -> Self {
        Self { tokens, shape, table: table.iter().flat_map(|v| v.to_le_bytes()).collect() }
    }
}

impl Input<'_> {
    /// Fills a network's input: rows, columns, channels.
    ///
    /// # Errors
    /// Ids that the table does not have.
    pub fn floats_into(&self, values: &mut [f32]) -> Result<(), TokensError> {
        match self {
            Self::Image(frame, preprocess) => {
                // The length fits by construction.
                let _ = preprocess.normalize_into(frame, values);
                Ok(())
            }
            Self::Signal(window, normalizer) => {
                // The length fits by construction, and all samples are finite.
                let sensor = normalizer.sensor();
                let _ = sensor.normalize_into(window, normalizer.shape, values);
                Ok(())
            }
            Self::Text(ids, rows) => rows.tokens.fill(rows.shape, &rows.table, ids, values),
        }
    }

    /// Fills a network's input with int8 values: of an image by `table` (see
    /// [`crate::quantize::scheme::input_table`]), of a signal by `quant`; does nothing for a text,
    /// which is never quantized.
    pub fn codes_into(&self, table: &[i8], quant: Quant, codes: &mut [i8]) {
        // The lengths fit by construction.
        match self {
            Self::Image(frame, preprocess) => {
                let _ = preprocess.quantize_into(frame, table, codes);
            }
            Self::Signal(window, normalizer) => {
                let sensor = normalizer.sensor();
                let _ = sensor.quantize_into(window, normalizer.shape, quant, codes);
            }
            Self::Text(..) => {}
        }
    }

    /// Returns the embedding by a package.
    ///
    /// # Errors
    /// Error of the package's run.
    pub fn embed<'e>(
        &self,
        extractor: &'e mut Extractor,
    ) -> Result<Embedding<'e>, offshoot::Error> {
        match self {
            Self::Image(frame, _) => extractor.embed(frame),
            Self::Signal(window, _) => extractor.embed_signal(window),
            Self::Text(ids, _) => extractor.embed_tokens(ids),
        }
    }

    /// Returns the preprocessing of an image; `None` for others.
    pub fn preprocess(&self) -> Option<&Preprocess> {
        match self {
            Self::Image(_, preprocess) => Some(preprocess),
            Self::Signal(..) | Self::Text(..) => None,
        }
    }
}

/// Returns the name of the kind of samples that a package takes.
pub fn kind_of(package: &Package<'_>) -> &'static str {
    match (package.sound(), package.sensor()) {
        (Some(_), _) => "sounds",
        (_, Some(_)) => "signals",
        _ => kind(package.text().is_some()),
    }
}

/// Returns the name of the kind of samples.
pub fn kind(takes_text: bool) -> &'static str {
    if takes_text { "texts" } else { "images" }
}
