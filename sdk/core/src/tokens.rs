//! From token ids to the network's input: one look-up for each token.
//!
//! A language backbone first takes a row of a table for each token. That is done here, outside
//! the graph, as a picture's first look-up is (`preprocess.rs`), so that the graph needs no whole
//! numbers. Each place of the input has, in this order, 1 if there is a token, the token's weight
//! in the embedding, and the token's row; places after the last token have the padding's row.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::shape::Shape;

/// What the embedding is of the vectors that the network gives for the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pooling {
    /// Their mean.
    #[default]
    Mean,
    /// The first, which is BERT's `[CLS]`.
    First,
    /// The last, which alone has seen all others in networks that look back only (GPT-2).
    Last,
}

impl Pooling {
    /// The word for tables and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean of the tokens",
            Self::First => "first token",
            Self::Last => "last token",
        }
    }

    /// The weight of a text's token `at` of `count`.
    pub fn weight(self, at: usize, count: usize) -> f32 {
        match self {
            Self::Mean => 1.0 / count as f32,
            Self::First => f32::from(at == 0),
            Self::Last => f32::from(at + 1 == count),
        }
    }
}

/// How tokens become the network's input; stored in every package that takes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Rows of the table; ids are smaller.
    pub vocabulary: u32,
    /// The id whose row stands where a text has ended.
    pub pad: u32,
    /// What the embedding is of the tokens' vectors.
    pub pooling: Pooling,
}

/// Why tokens are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokensError {
    /// None, or more than the network has places for.
    #[error("{found} tokens; the network takes 1 to {most}")]
    Count {
        /// Tokens given.
        found: usize,
        /// Places of the input.
        most: usize,
    },
    /// No row of the table.
    #[error("token {at} has the id {id}; the vocabulary has {vocabulary}")]
    Id {
        /// Which token, from 0.
        at: usize,
        /// Its id.
        id: u32,
        /// Rows of the table.
        vocabulary: u32,
    },
    /// Table or destination have other lengths than the network's input asks for.
    #[error("the table or the input has another length than the network's")]
    Length,
}

impl Tokens {
    /// Channels of the input before a token's row.
    pub const MARKS: usize = 2;
    /// Largest vocabulary: ids of golden vectors are kept in three bytes.
    pub const VOCABULARY: u32 = 1 << 24;

    /// Values of a row for an input of this shape; `None` if it is none for tokens: one row of
    /// places, and at least one value behind the marks.
    pub fn width(shape: Shape) -> Option<usize> {
        shape.c().checked_sub(Self::MARKS).filter(|&width| width > 0 && shape.h() == 1)
    }

    /// Fills the network's input: places in a row, channels innermost.
    ///
    /// `table` holds `vocabulary` rows of little-endian floats.
    ///
    /// # Errors
    /// No token or too many, an id beyond the table, another length of `table` or `out`.
    pub fn fill(&self, shape: Shape, table: &[u8], ids: &[u32], out: &mut [f32]) -> Result<(), TokensError> {
        let width = Self::width(shape).ok_or(TokensError::Length)?;
        let fits = table.len() as u64 == 4 * u64::from(self.vocabulary) * width as u64;
        if !fits || out.len() != shape.elements() || self.pad >= self.vocabulary {
            return Err(TokensError::Length);
        }
        if ids.is_empty() || ids.len() > shape.w() {
            return Err(TokensError::Count { found: ids.len(), most: shape.w() });
        }
        let mut ids_at = ids.iter().enumerate();
        if let Some((at, &id)) = ids_at.find(|&(_, &id)| id >= self.vocabulary) {
            return Err(TokensError::Id { at, id, vocabulary: self.vocabulary });
        }
        for (at, place) in out.chunks_exact_mut(shape.c()).enumerate() {
            let (marks, row) = place.split_at_mut(Self::MARKS);
            let id = ids.get(at).copied().unwrap_or(self.pad);
            let here = at < ids.len();
            let weight = if here { self.pooling.weight(at, ids.len()) } else { 0.0 };
            marks.copy_from_slice(&[f32::from(here), weight]);
            let bytes = &table[4 * width * id as usize..][..4 * width];
            for (value, bytes) in row.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn table(rows: u32, width: u32) -> Vec<u8> {
        (0..rows * width).flat_map(|v| (v as f32).to_le_bytes()).collect()
    }

    #[test]
    fn marks_weights_and_rows() {
        let shape = Shape::new(1, 3, 4).unwrap();
        let mut out = [f32::NAN; 12];
        let mut tokens = Tokens { vocabulary: 5, pad: 1, pooling: Pooling::Mean };
        tokens.fill(shape, &table(5, 2), &[4, 0], &mut out).unwrap();
        assert_eq!(out, [1.0, 0.5, 8.0, 9.0, 1.0, 0.5, 0.0, 1.0, 0.0, 0.0, 2.0, 3.0]);
        for (pooling, weights) in [(Pooling::First, [1.0, 0.0, 0.0]), (Pooling::Last, [0.0, 1.0, 0.0])] {
            tokens.pooling = pooling;
            tokens.fill(shape, &table(5, 2), &[4, 0], &mut out).unwrap();
            assert_eq!([out[1], out[5], out[9]], weights);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let shape = Shape::new(1, 3, 4).unwrap();
        let tokens = Tokens { vocabulary: 5, pad: 0, pooling: Pooling::Mean };
        let mut out = [0.0; 12];
        let mut fill = |ids: &[u32]| tokens.fill(shape, &table(5, 2), ids, &mut out);
        assert_eq!(fill(&[]), Err(TokensError::Count { found: 0, most: 3 }));
        assert_eq!(fill(&[0; 4]), Err(TokensError::Count { found: 4, most: 3 }));
        assert_eq!(fill(&[1, 5]), Err(TokensError::Id { at: 1, id: 5, vocabulary: 5 }));
        assert_eq!(fill(&[4; 3]), Ok(()));
        for (shape, rows, length) in [(shape, 4, 12), (shape, 5, 11), (Shape::new(3, 1, 4).unwrap(), 5, 12)] {
            let mut out = [0.0; 12];
            let error = tokens.fill(shape, &table(rows, 2), &[0], &mut out[..length]);
            assert_eq!(error, Err(TokensError::Length));
        }
        let pad = Tokens { pad: 5, ..tokens };
        assert_eq!(pad.fill(shape, &table(5, 2), &[0], &mut out), Err(TokensError::Length));
        assert_eq!(Tokens::width(Shape::new(1, 3, 2).unwrap()), None);
    }
}
