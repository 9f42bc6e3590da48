//! Input of a network: a normalized image, or the embedding rows of a text's tokens.

use offshoot::{Embedding, Extractor, Package};
use offshoot_core::preprocess::Preprocess;
use offshoot_core::tokens::{Tokens, TokensError};
use offshoot_core::{Frame, Shape};

/// Sample, an image or a text, with everything needed to make a network's input from it.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Image with its preprocessing.
    Image(Frame<'a>, &'a Preprocess),
    /// Token ids of a text, with the embedding table.
    Text(&'a [u32], &'a Rows),
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
            Self::Text(ids, rows) => rows.tokens.fill(rows.shape, &rows.table, ids, values),
        }
    }

    /// Fills a network's input with int8 values, by `table` (see
    /// [`crate::quantize::scheme::input_table`]); does nothing for a text, which is never
    /// quantized.
    pub fn codes_into(&self, table: &[i8], codes: &mut [i8]) {
        if let Self::Image(frame, preprocess) = self {
            // The length fits by construction.
            let _ = preprocess.quantize_into(frame, table, codes);
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
            Self::Text(ids, _) => extractor.embed_tokens(ids),
        }
    }

    /// Returns the preprocessing of an image; `None` for a text.
    pub fn preprocess(&self) -> Option<&Preprocess> {
        match self {
            Self::Image(_, preprocess) => Some(preprocess),
            Self::Text(..) => None,
        }
    }
}

/// Returns the name of the kind of samples that a package takes.
pub fn kind_of(package: &Package<'_>) -> &'static str {
    if package.sound().is_some() { "sounds" } else { kind(package.text().is_some()) }
}

/// Returns the name of the kind of samples.
pub fn kind(takes_text: bool) -> &'static str {
    if takes_text { "texts" } else { "images" }
}
