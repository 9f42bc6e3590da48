//! Calibration set with options: the input of a conversion.

use offshoot::Image;

use super::text::{TextOptions, convert_text};
use super::{ConvertError, Converted, Options, convert};
use crate::calibrate::tokenizer::Tokenizer;
use crate::catch_panic::quietly;
use crate::import::{ImportError, Source};
use crate::ir::cut_points::{Candidate, candidates, last_of_each_cost, last_of_each_shape};
use crate::ir::pooling::Pool;
use crate::progress::Observer;

/// Calibration set, at least one sample, with the options of its kind.
#[derive(Debug, Clone)]
pub enum ConvertJob<'a> {
    /// Images, for a network that takes images.
    Images(&'a [Image], Options),
    /// Texts with their tokenizer, for a network that takes text.
    Texts(&'a [String], &'a Tokenizer, TextOptions),
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
        match self {
            Self::Images(images, options) => convert(source, images, options, observer),
            Self::Texts(texts, tokenizer, options) => {
                convert_text(source, texts, tokenizer, options, observer)
            }
        }
    }

    /// Sets the cut to one tensor.
    #[must_use]
    pub fn cut_at(mut self, name: &str) -> Self {
        match &mut self {
            Self::Images(_, options) => options.cuts = vec![name.to_string()],
            Self::Texts(.., options) => options.cut = Some(name.to_string()),
        }
        self
    }

    /// Sets the cut to this tensor if the user has stated none.
    #[must_use]
    pub fn cut_or_at(self, name: &str) -> Self {
        let said = match &self {
            Self::Images(_, options) => !options.cuts.is_empty(),
            Self::Texts(.., options) => options.cut.is_some(),
        };
        if said { self } else { self.cut_at(name) }
    }

    /// Takes over the preprocessing that was found in an earlier conversion of the model.
    #[must_use]
    pub fn as_in(mut self, converted: &Converted) -> Self {
        if let Self::Images(_, options) = &mut self {
            options.overrides = converted.overrides.clone();
        }
        self
    }

    /// Disables quantization: the package is in float.
    #[must_use]
    pub fn in_float(mut self) -> Self {
        match &mut self {
            Self::Images(_, options) => options.float = true,
            Self::Texts(.., options) => options.float = true,
        }
        self
    }

    /// Disables the search and the alternatives of the report, which take time and matter for the
    /// final package only.
    #[must_use]
    pub fn quick(mut self) -> Self {
        let quantizer = match &mut self {
            Self::Images(_, options) => &mut options.quantizer,
            Self::Texts(.., options) => &mut options.quantizer,
        };
        (quantizer.search, quantizer.alternatives) = (None, false);
        self
    }

    /// Limits the calibration set to at most `most` samples.
    #[must_use]
    pub fn few(mut self, most: usize) -> Self {
        match &mut self {
            Self::Images(images, _) => *images = &images[..images.len().min(most)],
            Self::Texts(texts, ..) => *texts = &texts[..texts.len().min(most)],
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
        let model = quietly(|| match self {
            Self::Images(_, options) => {
                let names: Vec<&str> = own.split(',').collect();
                Ok(source.import(&names, options.size, Pool::None)?.model)
            }
            Self::Texts(.., options) => {
                let own = Some(own).filter(|own| source.has_tensor(own));
                Ok(source.import_text(own, options.length)?.model)
            }
        });
        let model = model.unwrap_or_else(|panic| Err(source.analyse(panic)))?;
        let all = candidates(&model, |layer| source.tensor_of(layer));
        let some = match self {
            Self::Images(..) => last_of_each_shape(&all),
            // All cut points of a text model have the same shape.
            Self::Texts(..) => last_of_each_cost(&all),
        };
        Ok((some, all))
    }
}
