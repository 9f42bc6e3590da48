//! The embeddings of a labelled folder, held as floats.

use offshoot::{Embedding, Error, Extractor, Picture};

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

    /// As [`Embeddings::extract`], each the mean of what is seen of a picture and of its mirror image.
    ///
    /// One sample a picture, so that no sample is held out while its own mirror image is learned:
    /// `augment.csv` beside `few_shot.csv` has what else was tried.
    ///
    /// # Errors
    /// As [`Embeddings::extract`].
    pub fn extract_augmented(
        extractor: &mut Extractor,
        samples: &[Sample],
        mut each: impl FnMut(),
    ) -> Result<Self, DataError> {
        Self::with(extractor, samples, |extractor, picture| {
            each();
            let own: Vec<f32> = extractor.embed(&picture.frame())?.iter().collect();
            let mirrored = picture.mirrored();
            let other = extractor.embed(&mirrored.frame())?;
            Ok(own.iter().zip(other.iter()).map(|(a, b)| 0.5 * a + 0.5 * b).collect())
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

    /// Brings each to length 1, as searches by the scalar product want them; zeros stay zeros.
    pub fn to_unit_length(&mut self) {
        for row in self.values.chunks_exact_mut(self.dim.max(1)) {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            if length > 0.0 {
                row.iter_mut().for_each(|v| *v /= length);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_becomes_of_length_one() {
        let values = vec![3.0, 4.0, 0.0, 0.0, -2.0, 0.0];
        let mut all = Embeddings { dim: 2, values, labels: vec![0, 1, 2] };
        all.to_unit_length();
        assert_eq!(all.values, [0.6, 0.8, 0.0, 0.0, -1.0, 0.0]);
    }
}
