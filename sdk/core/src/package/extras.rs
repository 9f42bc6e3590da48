//! Properties of the embedding that only some packages state, behind the manifest.

use crate::parts::Parts;

/// Max number of parts of an embedding.
const MOST_PARTS: usize = 64;

/// Marks of the properties, in the order in which they are written.
const UNIT_LENGTH: u8 = 1;
const PARTS: u8 = 2;
const OWN_LENGTH: u8 = 3;

/// Properties of the embedding that only some packages state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras<'a> {
    /// True if embeddings are L2-normalized
    /// ([`Embedding::unit_quant`](crate::Embedding::unit_quant)).
    pub unit_length: bool,
    /// Parts that the embedding joins; empty if it is not divided.
    pub parts: PartStarts<'a>,
    /// True if positions behind the end of a text change no bit of its embedding, so that they need
    /// not be computed. Only in packages that take text.
    pub own_length: bool,
}

impl<'a> Extras<'a> {
    /// Decodes all of `bytes`; `None` if they are malformed.
    pub(super) fn decode(mut bytes: &'a [u8]) -> Option<Self> {
        let mut extras = Self::default();
        if let [UNIT_LENGTH, rest @ ..] = bytes {
            extras.unit_length = true;
            bytes = rest;
        }
        if let [PARTS, count, rest @ ..] = bytes {
            let (starts, rest) = rest.split_at_checked(2 * usize::from(*count))?;
            extras.parts = PartStarts::new(starts).filter(|parts| !parts.is_empty())?;
            bytes = rest;
        }
        if let [OWN_LENGTH, rest @ ..] = bytes {
            extras.own_length = true;
            bytes = rest;
        }
        bytes.is_empty().then_some(extras)
    }

    /// Returns the bytes of the properties; none if nothing is stated.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn encode(&self) -> alloc::vec::Vec<u8> {
        let mut bytes = alloc::vec::Vec::new();
        bytes.extend(self.unit_length.then_some(UNIT_LENGTH));
        if !self.parts.is_empty() {
            bytes.extend([PARTS, self.parts.len() as u8]);
            bytes.extend(self.parts.0);
        }
        bytes.extend(self.own_length.then_some(OWN_LENGTH));
        bytes
    }
}

/// First dimension of each part of an embedding: 0, then ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartStarts<'a>(&'a [u8]);

impl<'a> PartStarts<'a> {
    /// Checks the first dimensions, two little-endian bytes each: none, or 2 to 64, the first of
    /// them 0, in ascending order.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let starts = Self(bytes);
        let is_whole = bytes.len() == 2 * starts.len();
        let mut ascending = starts.iter().zip(starts.iter().skip(1));
        let is_valid = match starts.len() {
            0 => true,
            count => {
                (2..=MOST_PARTS).contains(&count)
                    && starts.iter().next() == Some(0)
                    && ascending.all(|(a, b)| a < b)
            }
        };
        (is_whole && is_valid).then_some(starts)
    }

    /// Number of parts; 0 if the embedding is not divided.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// Returns true if the embedding is not divided.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first dimension of each part.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = usize> + use<'a> {
        self.0.chunks_exact(2).map(|pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])))
    }

    /// Returns the division of an embedding of `dim` values for a head; [`None`] if the embedding
    /// ends before its last part.
    #[must_use]
    pub fn of(&self, dim: usize) -> Option<Parts> {
        match self.iter().last() {
            Some(start) => Parts::joined(dim, dim.saturating_sub(start)),
            None => Some(Parts::single(dim)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_begin_at_zero_and_ascend() {
        let starts = |bytes| PartStarts::new(bytes).map(|starts| starts.len());
        assert_eq!(starts(&[]), Some(0));
        assert_eq!(starts(&[0, 0, 5, 0]), Some(2));
        assert_eq!(starts(&[0, 0, 5, 0, 0, 1]), Some(3));
        for bytes in [&[0, 0][..], &[1, 0, 5, 0], &[0, 0, 5, 0, 5, 0], &[0, 0, 5], &[0; 130]] {
            assert_eq!(starts(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn the_last_part_ends_with_the_embedding() {
        let starts = PartStarts::new(&[0, 0, 5, 0]).unwrap();
        assert_eq!(starts.of(8), Parts::joined(8, 3));
        assert_eq!(starts.of(5), None);
        assert_eq!(PartStarts::default().of(8), Some(Parts::single(8)));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn bytes_are_read_as_they_are_written_and_in_no_other_way() {
        let parts = PartStarts::new(&[0, 0, 5, 0]).unwrap();
        for bits in 0..8 {
            let [unit_length, divided, own_length] = [1, 2, 4].map(|bit| bits & bit > 0);
            let parts = if divided { parts } else { PartStarts::default() };
            let extras = Extras { unit_length, parts, own_length };
            let bytes = extras.encode();
            assert_eq!(Extras::decode(&bytes), Some(extras));
            for end in 1..bytes.len() {
                let cut = Extras::decode(&bytes[..end]);
                assert!(cut.is_none_or(|cut| cut.encode().len() == end), "{bytes:?} to {end}");
            }
            assert_eq!(Extras::decode(&[&bytes[..], &[4]].concat()), None);
        }
        for bytes in [&[0][..], &[1, 1], &[2, 0], &[2, 1, 0, 0], &[2, 2, 0, 0, 5, 0, 1], &[3, 1]] {
            assert_eq!(Extras::decode(bytes), None, "{bytes:?}");
        }
    }
}
