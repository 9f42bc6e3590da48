//! What a network is run on: a picture, normalized, or a text's tokens, whose rows are looked up.

use offshoot::{Embedding, Extractor};
use offshoot_core::preprocess::Preprocess;
use offshoot_core::tokens::{Tokens, TokensError};
use offshoot_core::{Frame, Shape};

/// One picture or text, with all that makes a network's input of it.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A picture.
    Picture(Frame<'a>, &'a Preprocess),
    /// The ids of a text's tokens.
    Text(&'a [u32], &'a Rows),
}

/// What becomes of tokens.
#[derive(Debug, Clone)]
pub struct Rows {
    tokens: Tokens,
    shape: Shape,
    table: Vec<u8>,
}

impl Rows {
    /// For an input of this shape, by a table of as many values a token.
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
            Self::Picture(frame, preprocess) => {
                // The length fits by construction.
                let _ = preprocess.normalize_into(frame, values);
                Ok(())
            }
            Self::Text(ids, rows) => rows.tokens.fill(rows.shape, &rows.table, ids, values),
        }
    }

    /// Fills a network's input with codes, by `table` (see [`crate::quantize::scheme::input_table`]); that of a text is
    /// never in codes.
    pub fn codes_into(&self, table: &[i8], codes: &mut [i8]) {
        if let Self::Picture(frame, preprocess) = self {
            // The length fits by construction.
            let _ = preprocess.quantize_into(frame, table, codes);
        }
    }

    /// The embedding by a package.
    ///
    /// # Errors
    /// What the package's run reports.
    pub fn embed<'e>(&self, extractor: &'e mut Extractor) -> Result<Embedding<'e>, offshoot::Error> {
        match self {
            Self::Picture(frame, _) => extractor.embed(frame),
            Self::Text(ids, _) => extractor.embed_tokens(ids),
        }
    }

    /// How it is normalized, if it is a picture.
    pub fn preprocess(&self) -> Option<&Preprocess> {
        match self {
            Self::Picture(_, preprocess) => Some(preprocess),
            Self::Text(..) => None,
        }
    }
}

/// What samples are, in words.
pub fn kind(takes_text: bool) -> &'static str {
    if takes_text { "texts" } else { "pictures" }
}
