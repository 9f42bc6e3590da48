//! What a conversion is made of: pictures or texts, and what the user wants of them.

use offshoot::Picture;

use super::text::{TextOptions, convert_text};
use super::{ConvertError, Converted, Options, convert};
use crate::calibrate::tokenizer::Tokenizer;
use crate::catch_panic::quietly;
use crate::import::{ImportError, Source};
use crate::ir::cut_points::{Candidate, candidates, last_of_each_cost, last_of_each_shape};
use crate::ir::pooling::Pool;

/// Samples to calibrate on, at least one, with the options of their kind.
#[derive(Debug, Clone)]
pub enum ConvertJob<'a> {
    /// Of a network that takes pictures.
    Pictures(&'a [Picture], Options),
    /// Of one that takes text.
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
        progress: &mut dyn FnMut(&str, f32),
    ) -> Result<Converted, ConvertError> {
        match self {
            Self::Pictures(pictures, options) => convert(source, pictures, options, progress),
            Self::Texts(texts, tokenizer, options) => {
                convert_text(source, texts, tokenizer, options, progress)
            }
        }
    }

    /// At one place.
    #[must_use]
    pub fn cut_at(mut self, name: &str) -> Self {
        match &mut self {
            Self::Pictures(_, options) => options.cuts = vec![name.to_string()],
            Self::Texts(.., options) => options.cut = Some(name.to_string()),
        }
        self
    }

    /// Where somebody said, else at a place that was found.
    #[must_use]
    pub fn cut_or_at(self, name: &str) -> Self {
        let said = match &self {
            Self::Pictures(_, options) => !options.cuts.is_empty(),
            Self::Texts(.., options) => options.cut.is_some(),
        };
        if said { self } else { self.cut_at(name) }
    }

    /// With the preprocessing that was found for the model.
    #[must_use]
    pub fn as_in(mut self, converted: &Converted) -> Self {
        if let Self::Pictures(_, options) = &mut self {
            options.overrides = converted.overrides.clone();
        }
        self
    }

    /// In float.
    #[must_use]
    pub fn in_float(mut self) -> Self {
        match &mut self {
            Self::Pictures(_, options) => options.float = true,
            Self::Texts(.., options) => options.float = true,
        }
        self
    }

    /// Without what takes time and only the package itself is worth: a search, other ways for the report.
    #[must_use]
    pub fn quick(mut self) -> Self {
        let quantizer = match &mut self {
            Self::Pictures(_, options) => &mut options.quantizer,
            Self::Texts(.., options) => &mut options.quantizer,
        };
        (quantizer.search, quantizer.alternatives) = (None, false);
        self
    }

    /// With no more than so many samples.
    #[must_use]
    pub fn few(mut self, most: usize) -> Self {
        match &mut self {
            Self::Pictures(pictures, _) => *pictures = &pictures[..pictures.len().min(most)],
            Self::Texts(texts, ..) => *texts = &texts[..texts.len().min(most)],
        }
        self
    }

    /// The places to cut that are worth a look, and all of them; `own` is the cut found by itself.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub fn places(
        &self,
        source: &Source,
        own: &str,
    ) -> Result<(Vec<Candidate>, Vec<Candidate>), ImportError> {
        let model = quietly(|| match self {
            Self::Pictures(_, options) => {
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
            Self::Pictures(..) => last_of_each_shape(&all),
            // All of a text's places have one shape.
            Self::Texts(..) => last_of_each_cost(&all),
        };
        Ok((some, all))
    }
}
