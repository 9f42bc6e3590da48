//! Embeddings of a data set, stored as floats.

use std::path::Path;

use offshoot::{Embedding, Error, Extractor, Image, Signal, Stage, View};
use offshoot_convert::calibrate::tokenizer::{Tokenizer, TokenizerError};
use offshoot_dataset::{DataError, LeftOut, Opener, Sample, Wanted, by_file, keep};
use thiserror::Error;

/// Reason why a sample has no embedding.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// Sample cannot be read, or is of a kind that the package does not take.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Tokenizer of the package is not supported, or does not accept the text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// Embeddings with their class labels.
#[derive(Debug, Clone, Default)]
pub struct Embeddings {
    /// Number of dimensions of an embedding.
    pub dim: usize,
    /// Embeddings row by row, [`Embeddings::len`] x `dim` values.
    pub values: Vec<f32>,
    /// Class index of each embedding.
    pub labels: Vec<usize>,
}

impl Embeddings {
    /// Extracts the embeddings of `samples`, images or texts as the package takes; `each` is called
    /// once per sample. Unreadable samples and texts without a token are removed from `samples` and
    /// counted in `left_out`.
    ///
    /// # Errors
    /// Fails on the first such sample in strict mode, on samples of the other kind, and if
    /// inference fails.
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

    /// Extracts embeddings like [`Embeddings::extract`], each averaged over an image and these
    /// views of it.
    ///
    /// One embedding per image, so that no image is held out while one of its views is used for
    /// training: `augment.csv` beside `few_shot.csv` compares alternatives.
    ///
    /// # Errors
    /// Fails like [`Embeddings::extract`].
    pub fn extract_augmented(
        extractor: &mut Extractor,
        samples: &mut Vec<Sample>,
        views: &[View],
        left_out: &mut LeftOut,
        mut each: impl FnMut(),
    ) -> Result<Self, EmbedError> {
        images_only(extractor)?;
        let share = 1.0 / (1 + views.len()) as f32;
        Self::with(extractor, samples, left_out, |extractor, sample, opener| {
            each();
            let image = opener.open(sample)?;
            let mut mean = of_image(extractor, &image)?;
            mean.iter_mut().for_each(|x| *x *= share);
            for &view in views {
                let other = of_image(extractor, &image.seen(view))?;
                mean.iter_mut().zip(other).for_each(|(mean, x)| *mean += share * x);
            }
            Ok(mean)
        })
    }

    /// Extracts embeddings like [`Embeddings::extract`], of a view of each image instead of the
    /// image.
    ///
    /// # Errors
    /// Fails like [`Embeddings::extract`].
    pub fn extract_view(
        extractor: &mut Extractor,
        samples: &mut Vec<Sample>,
        view: View,
        left_out: &mut LeftOut,
        mut each: impl FnMut(),
    ) -> Result<Self, EmbedError> {
        images_only(extractor)?;
        Self::with(extractor, samples, left_out, |extractor, sample, opener| {
            each();
            Ok(of_image(extractor, &opener.open(sample)?.seen(view))?)
        })
    }

    /// Extracts the maps of images in place of their embeddings, the input of the layer that
    /// `finetune` tunes: int8 values as numbers. The extractor keeps its maps.
    ///
    /// # Errors
    /// Fails like [`Embeddings::extract`].
    pub fn extract_maps(
        extractor: &mut Extractor,
        samples: &mut Vec<Sample>,
        left_out: &mut LeftOut,
        mut each: impl FnMut(),
    ) -> Result<Self, EmbedError> {
        let dim = extractor.map_len().unwrap_or_default();
        Self::rows(extractor, dim, samples, left_out, |extractor, sample, opener| {
            each();
            extractor.embed(&opener.open(sample)?.frame()).map_err(DataError::from)?;
            let map = extractor.map().unwrap_or_default();
            Ok(map.iter().map(|&code| f32::from(code)).collect())
        })
    }

    /// Embeds in an order in which an image with several boxes is decoded once.
    fn with(
        extractor: &mut Extractor,
        samples: &mut Vec<Sample>,
        left_out: &mut LeftOut,
        embed: impl FnMut(&mut Extractor, &Sample, &mut Opener) -> Result<Vec<f32>, EmbedError>,
    ) -> Result<Self, EmbedError> {
        let dim = extractor.embedding_dim();
        Self::rows(extractor, dim, samples, left_out, embed)
    }

    /// Computes a row of `dim` values for each sample.
    fn rows(
        extractor: &mut Extractor,
        dim: usize,
        samples: &mut Vec<Sample>,
        left_out: &mut LeftOut,
        mut embed: impl FnMut(&mut Extractor, &Sample, &mut Opener) -> Result<Vec<f32>, EmbedError>,
    ) -> Result<Self, EmbedError> {
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

    /// Sets the labels again from `samples`, after some of them were removed.
    pub fn relabel(&mut self, samples: &[Sample]) {
        self.labels = samples.iter().map(|sample| sample.class).collect();
    }

    /// Normalizes each embedding to L2 norm 1, for searches by dot product; zeros stay zeros.
    pub fn to_unit_length(&mut self) {
        for row in self.values.chunks_exact_mut(self.dim.max(1)) {
            Embedding::to_unit_length(row);
        }
    }

    /// Returns the number of embeddings.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns true if there are no embeddings.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the `i`-th embedding.
    pub fn get(&self, i: usize) -> Embedding<'_> {
        Embedding::Float(&self.values[i * self.dim..(i + 1) * self.dim])
    }
}

/// Rejects packages that do not take images: views exist for these only.
fn images_only(extractor: &Extractor) -> Result<(), DataError> {
    let has_views = extractor.token_limit().is_none()
        && extractor.sound().is_none()
        && extractor.sensor().is_none();
    if has_views {
        return Ok(());
    }
    Err(DataError::Views { name: extractor.package().manifest().source.to_string() })
}

fn of_image(extractor: &mut Extractor, image: &Image) -> Result<Vec<f32>, DataError> {
    Ok(extractor.embed(&image.frame())?.iter().collect())
}

/// Sample in the form a package takes.
#[derive(Debug)]
pub enum Input {
    /// Decoded image.
    Image(Image),
    /// Token ids of a text, truncated to the limit of the package.
    Tokens(Vec<u32>),
    /// Samples of a clip, at the rate of the package.
    Sound(Vec<i16>),
    /// Samples of a recording, with their number of channels; at least a window.
    Signal(Vec<f32>, usize),
}

impl Input {
    /// Returns the embedding of the input.
    ///
    /// # Errors
    /// Fails if the package takes the other kind of input, or inference fails.
    pub fn embed<'e>(&self, extractor: &'e mut Extractor) -> Result<Embedding<'e>, Error> {
        self.embed_with_observer(extractor, |_| {})
    }

    /// Returns the embedding like [`Input::embed`] and calls `observe` after each stage, but for a
    /// clip, which is several windows.
    ///
    /// # Errors
    /// Fails like [`Input::embed`].
    pub fn embed_with_observer<'e>(
        &self,
        extractor: &'e mut Extractor,
        observe: impl FnMut(Stage),
    ) -> Result<Embedding<'e>, Error> {
        match self {
            Self::Image(image) => extractor.embed_with_observer(&image.frame(), observe),
            Self::Tokens(ids) => extractor.embed_tokens_with_observer(ids, observe),
            Self::Sound(samples) => extractor.embed_samples(samples),
            Self::Signal(samples, channels) => {
                let signal = Signal::float(*channels, samples)?;
                match extractor.window_places() {
                    Some(places) if signal.places() > places => extractor.embed_recording(&signal),
                    _ => extractor.embed_signal_with_observer(&signal, observe),
                }
            }
        }
    }
}

/// Reader of samples for one package.
#[derive(Debug)]
pub enum Reader {
    /// Images.
    Images,
    /// Texts, as token ids by the package's tokenizer, up to a number of them.
    Texts(Box<Tokenizer>, usize),
    /// Clips of sound, at a sampling rate in Hz.
    Sounds(u32),
    /// Recordings of signals: number of channels, and of the places of a window.
    Signals(usize, usize),
}

impl Reader {
    /// Creates the reader of a package.
    ///
    /// # Errors
    /// Fails if the tokenizer is not supported.
    pub fn of(extractor: &Extractor) -> Result<Self, EmbedError> {
        let package = extractor.package();
        let path = Path::new(package.manifest().source);
        if let Some(sound) = package.sound() {
            return Ok(Self::Sounds(sound.rate));
        }
        if let Some(sensor) = package.sensor() {
            let places = extractor.window_places().unwrap_or_default();
            return Ok(Self::Signals(sensor.normalization().len(), places));
        }
        let Some((text, most)) = package.text().zip(extractor.token_limit()) else {
            return Ok(Self::Images);
        };
        Ok(Self::Texts(Box::new(Tokenizer::parse(text.tokenizer, path)?), most))
    }

    /// Returns true if the package takes text.
    pub fn takes_text(&self) -> bool {
        matches!(self, Self::Texts(..))
    }

    /// Returns the kind of files that the package takes.
    pub fn wanted(&self) -> Wanted {
        match self {
            Self::Images => Wanted::Images,
            Self::Texts(..) => Wanted::Texts,
            Self::Sounds(_) => Wanted::Sounds,
            Self::Signals(..) => Wanted::Signals,
        }
    }

    /// Returns the kind of samples, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Texts(..) => "texts",
            Self::Sounds(_) => "sounds",
            Self::Signals(..) => "signals",
        }
    }

    /// Reads a sample in the form the package takes.
    ///
    /// # Errors
    /// Fails on an image that does not decode, a text without a token, a clip without sound, or a
    /// sample of another kind.
    pub fn read(&self, sample: &Sample, opener: &mut Opener) -> Result<Input, EmbedError> {
        let (tokenizer, most) = match self {
            Self::Images => return Ok(Input::Image(opener.open(sample)?)),
            Self::Sounds(rate) => return Ok(Input::Sound(sample.sound(*rate)?)),
            Self::Signals(channels, places) => return signal(sample, *channels, *places),
            Self::Texts(tokenizer, most) => (tokenizer, most),
        };
        let ids = tokenizer.encode(&sample.text()?, *most)?;
        if ids.is_empty() {
            return Err(DataError::EmptyText { name: sample.name() }.into());
        }
        Ok(Input::Tokens(ids))
    }
}

/// Reads a signal of a number of channels, at least `need` places long.
fn signal(sample: &Sample, channels: usize, need: usize) -> Result<Input, EmbedError> {
    let array = sample.array()?;
    let Some(samples) = array.of_channels(channels) else {
        let name = sample.name();
        return Err(DataError::Channels { name, dims: array.dims, channels }.into());
    };
    let have = samples.len() / channels;
    if have < need {
        return Err(DataError::Short { name: sample.name(), have, need }.into());
    }
    Ok(Input::Signal(samples, channels))
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
