//! Embedding lookup of tokens: from token ids to the network's input.
//!
//! A language backbone starts with one row of an embedding table per token. The lookup is done
//! here, outside the graph, like the preprocessing of an image (`preprocess.rs`), so the graph
//! needs no integer tensors. Each position of the input has, in this order, 1 if there is a token,
//! the token's weight in the pooling, and the token's row; positions after the last token have the
//! row of the padding id.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::shape::Shape;

/// Pooling: the reduction of the network's token vectors to one embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pooling {
    /// Mean of the vectors.
    #[default]
    Mean,
    /// Vector of the first token, BERT's `[CLS]`.
    First,
    /// Vector of the last token, the only one that attends to all others in causal networks
    /// (GPT-2).
    Last,
}

impl Pooling {
    /// Returns the name for tables and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean of the tokens",
            Self::First => "first token",
            Self::Last => "last token",
        }
    }

    /// Returns the pooling weight of token `at` in a text of `count` tokens.
    #[must_use]
    pub fn weight(self, at: usize, count: usize) -> f32 {
        match self {
            Self::Mean => 1.0 / count as f32,
            Self::First => f32::from(at == 0),
            Self::Last => f32::from(at + 1 == count),
        }
    }
}

/// Parameters of the token lookup; stored in every package that takes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Number of rows of the table; ids are smaller.
    pub vocabulary: u32,
    /// Padding id: its row fills the positions after the end of the text.
    pub pad: u32,
    /// Pooling of the token vectors.
    pub pooling: Pooling,
}

/// Reason for refusing tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokensError {
    /// No tokens, or more than the network has positions for.
    #[error("{found} tokens, the network takes 1 to {most}")]
    Count {
        /// Number of tokens given.
        found: usize,
        /// Number of positions of the input.
        most: usize,
    },
    /// A token id beyond the table.
    #[error("token {at} has the id {id}, the vocabulary has {vocabulary} entries")]
    Id {
        /// Index of the token, from 0.
        at: usize,
        /// Id of the token.
        id: u32,
        /// Number of rows of the table.
        vocabulary: u32,
    },
    /// The table or the output has another length than the network's input requires.
    #[error("table or input has another length than the network requires")]
    Length,
}

impl Tokens {
    /// Number of channels of the input before a token's row.
    pub const MARKS: usize = 2;
    /// Largest vocabulary: golden vectors store ids in three bytes.
    pub const VOCABULARY: u32 = 1 << 24;

    /// Returns the values of a row for an input of this shape; `None` if the shape is not one for
    /// tokens: one row of positions, and at least one value behind the marks.
    #[must_use]
    pub fn width(shape: Shape) -> Option<usize> {
        shape.c().checked_sub(Self::MARKS).filter(|&width| width > 0 && shape.h() == 1)
    }

    /// Fills the network's input: positions in a row, channels innermost.
    ///
    /// `table` has `vocabulary` rows: of little-endian floats, or of a float, the step, and an int8
    /// value for each value of the row.
    ///
    /// # Errors
    /// [`TokensError`] for no or too many tokens, an id beyond the table, or another length of
    /// `table` or `out`.
    pub fn fill(
        &self,
        shape: Shape,
        table: &[u8],
        ids: &[u32],
        out: &mut [f32],
    ) -> Result<(), TokensError> {
        let width = Self::width(shape).ok_or(TokensError::Length)?;
        let fits = self.holds(table.len() as u64, width);
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
            let stride = table.len() / self.vocabulary as usize;
            let bytes = table[stride * id as usize..][..stride].as_chunks::<4>().0;
            if stride == 4 * width {
                row.iter_mut().zip(bytes).for_each(|(v, bytes)| *v = f32::from_le_bytes(*bytes));
            } else {
                let step = f32::from_le_bytes(bytes[0]);
                let codes = &table[stride * id as usize + 4..];
                row.iter_mut().zip(codes).for_each(|(v, &c)| *v = step * f32::from(c as i8));
            }
        }
        Ok(())
    }

    /// Returns true if a table of `bytes` has all rows, of floats or of int8 values with a step.
    pub(crate) fn holds(&self, bytes: u64, width: usize) -> bool {
        let rows = u64::from(self.vocabulary);
        [4 * width as u64, 4 + width as u64].iter().any(|row| rows * row == bytes)
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
        for (pooling, weights) in
            [(Pooling::First, [1.0, 0.0, 0.0]), (Pooling::Last, [0.0, 1.0, 0.0])]
        {
            tokens.pooling = pooling;
            tokens.fill(shape, &table(5, 2), &[4, 0], &mut out).unwrap();
            assert_eq!([out[1], out[5], out[9]], weights);
        }
    }

    #[test]
    fn rows_of_codes_have_a_step_each() {
        let shape = Shape::new(1, 2, 5).unwrap();
        let mut table = Vec::new();
        for (step, codes) in [(0.5f32, [1i8, -2, 127]), (2.0, [0, -128, 3])] {
            table.extend(step.to_le_bytes());
            table.extend(codes.map(|code| code as u8));
        }
        let tokens = Tokens { vocabulary: 2, pad: 0, pooling: Pooling::First };
        let mut out = [f32::NAN; 10];
        tokens.fill(shape, &table, &[1], &mut out).unwrap();
        assert_eq!(out, [1.0, 1.0, 0.0, -256.0, 6.0, 0.0, 0.0, 0.5, -1.0, 63.5]);
        assert_eq!(tokens.fill(shape, &table[1..], &[1], &mut out), Err(TokensError::Length));
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
        for (shape, rows, length) in
            [(shape, 4, 12), (shape, 5, 11), (Shape::new(3, 1, 4).unwrap(), 5, 12)]
        {
            let mut out = [0.0; 12];
            let error = tokens.fill(shape, &table(rows, 2), &[0], &mut out[..length]);
            assert_eq!(error, Err(TokensError::Length));
        }
        let pad = Tokens { pad: 5, ..tokens };
        assert_eq!(pad.fill(shape, &table(5, 2), &[0], &mut out), Err(TokensError::Length));
        assert_eq!(Tokens::width(Shape::new(1, 3, 2).unwrap()), None);
    }
}
