//! Calibration set with options: the input of a conversion.

use offshoot::Image;
use offshoot_core::sound::Design;

use super::{ConvertError, Converted, Options, Recording, SensorOptions, convert};
use crate::calibrate::tokenizer::Tokenizer;
use crate::catch_panic::quietly;
use crate::import::{ImportError, Source};
use crate::ir::cut_points::{Candidate, candidates, last_of_each_cost, last_of_each_shape};
use crate::ir::pooling::Pool;
use crate::progress::Observer;

/// Calibration set, at least one sample.
#[derive(Debug, Clone, Copy)]
pub enum Samples<'a> {
    /// Images, for a network that takes images.
    Images(&'a [Image]),
    /// Clips at the sampling rate of a front end, for a network that reads log-mel spectrograms.
    Sounds(&'a [Vec<i16>], &'a Design),
    /// Recordings with the description of their sensor, for a source that takes signals
    /// ([`Source::take_signals`]).
    Signals(&'a [Recording], &'a SensorOptions),
    /// Texts with their tokenizer, for a network that takes text.
    Texts(&'a [String], &'a Tokenizer),
}

/// Calibration set with the options of a conversion.
#[derive(Debug, Clone)]
pub struct ConvertJob<'a> {
    /// Calibration set.
    pub samples: Samples<'a>,
    /// Options.
    pub options: Options,
}

impl ConvertJob<'_> {
    /// Converts a model.
    ///
    /// # Errors
    /// See [`ConvertError`].
    pub fn convert(
        &self,
        source: &Source,
        observer: &mut dyn Observer,
    ) -> Result<Converted, ConvertError> {
        convert(source, self.samples, &self.options, observer)
    }

    /// Sets the cut to one tensor.
    #[must_use]
    pub fn cut_at(mut self, name: &str) -> Self {
        self.options.cuts = vec![name.to_string()];
        self
    }

    /// Sets the cut to this tensor if the user has stated none.
    #[must_use]
    pub fn cut_or_at(self, name: &str) -> Self {
        if self.options.cuts.is_empty() { self.cut_at(name) } else { self }
    }

    /// Takes over the preprocessing that was found in an earlier conversion of the model.
    #[must_use]
    pub fn as_in(mut self, converted: &Converted) -> Self {
        self.options.overrides = converted.overrides.clone();
        self
    }

    /// Disables quantization: the package is in float.
    #[must_use]
    pub fn in_float(mut self) -> Self {
        self.options.float = true;
        self
    }

    /// Disables the search and the alternatives of the report, which take time and matter for the
    /// final package only.
    #[must_use]
    pub fn quick(mut self) -> Self {
        self.options.quantizer.search = None;
        self.options.quantizer.alternatives = false;
        self
    }

    /// Limits the calibration set to at most `most` samples.
    #[must_use]
    pub fn few(mut self, most: usize) -> Self {
        match &mut self.samples {
            Samples::Images(images) => *images = &images[..images.len().min(most)],
            Samples::Sounds(clips, _) => *clips = &clips[..clips.len().min(most)],
            Samples::Signals(recordings, _) => {
                *recordings = &recordings[..recordings.len().min(most)];
            }
            Samples::Texts(texts, _) => *texts = &texts[..texts.len().min(most)],
        }
        self
    }

    /// Returns the cut points worth a trial, and all cut points; `own` is the cut that was chosen
    /// automatically.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub fn places(
        &self,
        source: &Source,
        own: &str,
    ) -> Result<(Vec<Candidate>, Vec<Candidate>), ImportError> {
        let model = quietly(|| match self.samples {
            Samples::Images(_) | Samples::Sounds(..) | Samples::Signals(..) => {
                let names: Vec<&str> = own.split(',').collect();
                Ok(source.import(&names, self.options.size, Pool::None)?.model)
            }
            Samples::Texts(..) => {
                let own = Some(own).filter(|own| source.has_tensor(own));
                Ok(source.import_text(own.as_slice(), self.options.tokens)?.model)
            }
        });
        let model = model.unwrap_or_else(|panic| Err(source.analyse(panic)))?;
        let all = candidates(&model, |layer| source.tensor_of(layer));
        let some = match self.samples {
            Samples::Images(_) | Samples::Sounds(..) | Samples::Signals(..) => {
                last_of_each_shape(&all)
            }
            // All cut points of a text model have the same shape.
            Samples::Texts(..) => last_of_each_cost(&all),
        };
        Ok((some, all))
    }
}
