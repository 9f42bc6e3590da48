//! The embeddings of a labelled folder, held as floats.

use std::path::Path;

use offshoot::{Embedding, Error, Extractor, Picture, Stage, View};
use offshoot_convert::calibrate::input::kind;
use offshoot_convert::calibrate::tokenizer::{Tokenizer, TokenizerError};
use offshoot_dataset::{DataError, LeftOut, Opener, Sample, by_file, keep};
use thiserror::Error;

/// Reasons why a sample has no embedding.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// The sample cannot be read, or the package does not take it.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The package's tokenizer is not one that is known, or does not take the text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

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
    /// for every one. Those that cannot be read, or have a text without a token, are taken out of `samples` and
    /// counted in `left_out`.
    ///
    /// # Errors
    /// The first of them where that is to be strict, samples of the other kind, or what tract-core reports.
    pub fn extract(
        extractor: &mut Extractor,
        samples: &mut Vec<Sample>,
        left_out: &mut LeftOut,
        mut each: impl FnMut(),
    ) -> Result<Self, EmbedError> {
        let reader = Reader::of(extractor)?;
        Self::with(extractor, samples, left_out, |extractor, sample, opener| {
            each();
            let input = reader.read(sample, opener)?;
            Ok(input.embed(extractor).map_err(DataError::from)?.iter().collect())
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
        samples: &mut Vec<Sample>,
        views: &[View],
        left_out: &mut LeftOut,
        mut each: impl FnMut(),
    ) -> Result<Self, EmbedError> {
        pictures_only(extractor)?;
        let share = 1.0 / (1 + views.len()) as f32;
        Self::with(extractor, samples, left_out, |extractor, sample, opener| {
            each();
            let picture = opener.open(sample)?;
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
        samples: &mut Vec<Sample>,
        view: View,
        left_out: &mut LeftOut,
        mut each: impl FnMut(),
    ) -> Result<Self, EmbedError> {
        pictures_only(extractor)?;
        Self::with(extractor, samples, left_out, |extractor, sample, opener| {
            each();
            Ok(of_picture(extractor, &opener.open(sample)?.seen(view))?)
        })
    }

    /// In the order in which a picture with several boxes is decoded once.
    fn with(
        extractor: &mut Extractor,
        samples: &mut Vec<Sample>,
        left_out: &mut LeftOut,
        mut embed: impl FnMut(&mut Extractor, &Sample, &mut Opener) -> Result<Vec<f32>, EmbedError>,
    ) -> Result<Self, EmbedError> {
        let dim = extractor.embedding_dim();
        let mut opener = Opener::new(left_out.care());
        let mut values = vec![0.0; samples.len() * dim];
        let mut is_read = vec![true; samples.len()];
        for i in by_file(samples) {
            match embed(extractor, &samples[i], &mut opener) {
                Ok(embedding) => values[i * dim..(i + 1) * dim].copy_from_slice(&embedding),
                Err(EmbedError::Data(fault)) => {
                    left_out.pass(fault)?;
                    is_read[i] = false;
                }
                Err(other) => return Err(other),
            }
        }
        if is_read.contains(&false) {
            let rows = values.chunks_exact(dim).zip(&is_read).filter(|(_, is_read)| **is_read);
            values = rows.flat_map(|(row, _)| row).copied().collect();
            keep(samples, &is_read);
        }
        Ok(Self { dim, values, labels: samples.iter().map(|sample| sample.class).collect() })
    }

    /// Takes the classes of `samples` anew, after some of them were left out.
    pub fn relabel(&mut self, samples: &[Sample]) {
        self.labels = samples.iter().map(|sample| sample.class).collect();
    }

    /// Brings each to length 1, as searches by the scalar product want them; zeros stay zeros.
    pub fn to_unit_length(&mut self) {
        for row in self.values.chunks_exact_mut(self.dim.max(1)) {
            Embedding::to_unit_length(row);
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

/// Views are of pictures.
fn pictures_only(extractor: &Extractor) -> Result<(), DataError> {
    match extractor.token_limit() {
        None => Ok(()),
        Some(_) => Err(DataError::Views { name: extractor.package().manifest().source.to_string() }),
    }
}

fn of_picture(extractor: &mut Extractor, picture: &Picture) -> Result<Vec<f32>, DataError> {
    Ok(extractor.embed(&picture.frame())?.iter().collect())
}

/// A sample as a package takes it.
#[derive(Debug)]
pub enum Input {
    /// A picture.
    Picture(Picture),
    /// The ids of a text's first tokens.
    Tokens(Vec<u32>),
}

impl Input {
    /// Its embedding.
    ///
    /// # Errors
    /// A package that takes the other, or what tract-core reports.
    pub fn embed<'e>(&self, extractor: &'e mut Extractor) -> Result<Embedding<'e>, Error> {
        self.embed_with_observer(extractor, |_| {})
    }

    /// [`Input::embed`], telling `observe` after each stage what it was.
    ///
    /// # Errors
    /// As [`Input::embed`].
    pub fn embed_with_observer<'e>(
        &self,
        extractor: &'e mut Extractor,
        observe: impl FnMut(Stage),
    ) -> Result<Embedding<'e>, Error> {
        match self {
            Self::Picture(picture) => extractor.embed_with_observer(&picture.frame(), observe),
            Self::Tokens(ids) => extractor.embed_tokens_with_observer(ids, observe),
        }
    }
}

/// Reads samples as one package takes them: as pictures, or as tokens by the tokenizer that it keeps.
#[derive(Debug)]
pub struct Reader(Option<(Tokenizer, usize)>);

impl Reader {
    /// For a package.
    ///
    /// # Errors
    /// A tokenizer that this program does not know.
    pub fn of(extractor: &Extractor) -> Result<Self, EmbedError> {
        let package = extractor.package();
        let path = Path::new(package.manifest().source);
        let text = package.text().map(|text| Tokenizer::parse(text.tokenizer, path));
        Ok(Self(text.transpose()?.zip(extractor.token_limit())))
    }

    /// Whether the package takes text.
    pub fn takes_text(&self) -> bool {
        self.0.is_some()
    }

    /// What it reads, in words.
    pub fn kind(&self) -> &'static str {
        kind(self.takes_text())
    }

    /// What of a sample the package takes.
    ///
    /// # Errors
    /// A picture that does not decode, a text without a token, a sample of the other kind.
    pub fn read(&self, sample: &Sample, opener: &mut Opener) -> Result<Input, EmbedError> {
        let Some((tokenizer, most)) = &self.0 else { return Ok(Input::Picture(opener.open(sample)?)) };
        let ids = tokenizer.encode(&sample.text()?, *most)?;
        if ids.is_empty() {
            return Err(DataError::EmptyText { name: sample.name() }.into());
        }
        Ok(Input::Tokens(ids))
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
