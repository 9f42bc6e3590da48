//! The embeddings of a labelled folder, held as floats.

use offshoot::{Embedding, Error, Extractor, Picture};

use crate::data::Sample;

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
    ) -> Result<Self, Error> {
        let dim = extractor.embedding_dim();
        let mut all = Self { dim, values: Vec::new(), labels: Vec::new() };
        for sample in samples {
            let picture = Picture::open(&sample.path)?;
            all.values.extend(extractor.embed(&picture.frame())?.iter());
            all.labels.push(sample.class);
            each();
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
