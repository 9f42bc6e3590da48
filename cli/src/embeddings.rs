//! The embeddings of a labelled folder, held as floats.

use offshoot::{Embedding, Error, Extractor, Picture, View};

use crate::data::{DataError, Sample};

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
    /// Extracts the embeddings of `samples`; `each` is called after every picture.
    ///
    /// # Errors
    /// A picture that does not decode, or what tract-core reports.
    pub fn extract(
        extractor: &mut Extractor,
        samples: &[Sample],
        mut each: impl FnMut(),
    ) -> Result<Self, DataError> {
        Self::with(extractor, samples, |extractor, picture| {
            each();
            Ok(extractor.embed(&picture.frame())?.iter().collect())
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
        Self::with(extractor, samples, |extractor, picture| {
            each();
            let mut mean: Vec<f32> = extractor.embed(&picture.frame())?.iter().map(|x| share * x).collect();
            for &view in views {
                let picture = picture.seen(view);
                let other = extractor.embed(&picture.frame())?;
                mean.iter_mut().zip(other.iter()).for_each(|(mean, x)| *mean += share * x);
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
        Self::with(extractor, samples, |extractor, picture| {
            each();
            Ok(extractor.embed(&picture.seen(view).frame())?.iter().collect())
        })
    }

    fn with(
        extractor: &mut Extractor,
        samples: &[Sample],
        mut embed: impl FnMut(&mut Extractor, &Picture) -> Result<Vec<f32>, Error>,
    ) -> Result<Self, DataError> {
        let mut all = Self { dim: extractor.embedding_dim(), values: Vec::new(), labels: Vec::new() };
        for sample in samples {
            all.values.extend(embed(extractor, &sample.open()?)?);
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
