//! The embeddings of a labelled folder, held as floats.

use std::path::Path;

use offshoot::{Embedding, Extractor, Picture, View};

use crate::data::{DataError, Sample};
use crate::tokenizer::Tokenizer;

/// Embeddings with their classes.
#[derive(Debug, Clone, Default)]
pub struct Embeddings {
    /// Values of one embedding.
    pub dim: usize,
    /// One embedding after the other.
    pub values: Vec<f32>,
    /// Class of each.
    pub labels: Vec<usize>,
}

impl Embeddings {
    /// Extracts the embeddings of `samples`, pictures or texts as the package takes; `each` is called
    /// for every one.
    ///
    /// # Errors
    /// A picture that does not decode, a text without a token, samples of the other kind, or what
    /// tract-core reports.
    pub fn extract(
        extractor: &mut Extractor,
        samples: &[Sample],
        mut each: impl FnMut(),
    ) -> Result<Self, DataError> {
        let tokenizer = tokenizer(extractor)?;
        Self::with(extractor, samples, |extractor, sample| {
            each();
            match &tokenizer {
                Some(tokenizer) => of_text(extractor, tokenizer, &sample.text()?, || sample.name()),
                None => of_picture(extractor, &sample.open()?),
            }
        })
    }

    /// As [`Embeddings::extract`], each the mean of what is seen of a picture and of these views of it.
    ///
    /// One sample a picture, so that no sample is held out while a view of it is learned:
    /// `augment.csv` beside `few_shot.csv` has what else was tried.
    ///
    /// # Errors
    /// As [`Embeddings::extract`].
    pub fn extract_augmented(
        extractor: &mut Extractor,
        samples: &[Sample],
        views: &[View],
        mut each: impl FnMut(),
    ) -> Result<Self, DataError> {
        let share = 1.0 / (1 + views.len()) as f32;
        Self::with(extractor, samples, |extractor, sample| {
            each();
            let picture = sample.open()?;
            let mut mean = of_picture(extractor, &picture)?;
            mean.iter_mut().for_each(|x| *x *= share);
            for &view in views {
                let other = of_picture(extractor, &picture.seen(view))?;
                mean.iter_mut().zip(other).for_each(|(mean, x)| *mean += share * x);
            }
            Ok(mean)
        })
    }

    /// As [`Embeddings::extract`], of a view of each picture instead of the picture.
    ///
    /// # Errors
    /// As [`Embeddings::extract`].
    pub fn extract_view(
        extractor: &mut Extractor,
        samples: &[Sample],
        view: View,
        mut each: impl FnMut(),
    ) -> Result<Self, DataError> {
        Self::with(extractor, samples, |extractor, sample| {
            each();
            of_picture(extractor, &sample.open()?.seen(view))
        })
    }

    fn with(
        extractor: &mut Extractor,
        samples: &[Sample],
        mut embed: impl FnMut(&mut Extractor, &Sample) -> Result<Vec<f32>, DataError>,
    ) -> Result<Self, DataError> {
        let mut all = Self { dim: extractor.embedding_dim(), values: Vec::new(), labels: Vec::new() };
        for sample in samples {
            all.values.extend(embed(extractor, sample)?);
            all.labels.push(sample.class);
        }
        Ok(all)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The `i`-th embedding.
    pub fn get(&self, i: usize) -> Embedding<'_> {
        Embedding::Float(&self.values[i * self.dim..(i + 1) * self.dim])
    }
}

fn of_picture(extractor: &mut Extractor, picture: &Picture) -> Result<Vec<f32>, DataError> {
    Ok(extractor.embed(&picture.frame())?.iter().collect())
}

/// The embedding of a text's first tokens; `name` is for messages.
///
/// # Errors
/// A text without a token, a package that takes pictures, or what tract-core reports.
pub fn of_text(
    extractor: &mut Extractor,
    tokenizer: &Tokenizer,
    text: &str,
    name: impl FnOnce() -> String,
) -> Result<Vec<f32>, DataError> {
    let ids = tokenizer.encode(text, extractor.token_limit().unwrap_or(usize::MAX));
    if ids.is_empty() {
        return Err(DataError::EmptyText { name: name() });
    }
    Ok(extractor.embed_tokens(&ids)?.iter().collect())
}

/// The tokenizer that a package keeps; `None` where it takes pictures.
///
/// # Errors
/// One that this program does not know.
pub fn tokenizer(extractor: &Extractor) -> Result<Option<Tokenizer>, DataError> {
    if extractor.token_limit().is_none() {
        return Ok(None);
    }
    let package = extractor.package();
    let path = Path::new(package.manifest().source);
    let text = package.text().map(|text| Tokenizer::parse(text.tokenizer, path));
    Ok(text.transpose()?)
}
