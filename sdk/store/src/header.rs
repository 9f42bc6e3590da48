//! Header of a slot.
//!
//! Little endian:
//!
//! | Offset | Bytes | Field |
//! |---|---|---|
//! | 0 | 8 | magic `OFFSTORE` |
//! | 8 | 2 | version, 1 |
//! | 10 | 2 | 0 |
//! | 12 | 4 | bytes of a sector |
//! | 16 | 4 | bytes of a slot |
//! | 20 | 8 | sequence number |
//! | 28 | 4 | length of the payload |
//! | 32 | 4 | CRC-32 (IEEE) of bytes 0..32 and the payload |
//! | 36 | 28 | bytes 8..36, every bit inverted |
//!
//! The inverted copy makes writing a header over zeros atomic: whichever of its bits are missing,
//! some bit and its inverse are both 0, and [`Header::read`] finds no header.

use crate::checksum::Hasher;

use crate::geometry::{Geometry, HEADER_BYTES};

const MAGIC: [u8; 8] = *b"OFFSTORE";
pub(crate) const VERSION: u16 = 1;

/// Bytes of the fields, and of their inverse.
const FIELD_BYTES: usize = 28;
/// Offset of the fields; those of their inverse and of the checksum follow.
const FIELDS: usize = 8;
const INVERSE: usize = FIELDS + FIELD_BYTES;
const CRC: usize = 32;

/// Description of a slot's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub sequence: u64,
    pub length: u32,
    pub crc: u32,
}

/// Result of reading the first bytes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Zeros, garbage, or a header that was written in part.
    Nothing,
    Header(Header),
    OtherVersion(u16),
    OtherGeometry(Geometry),
}

impl Header {
    /// Returns the header of `payload`, which has at most 2^31 bytes.
    pub fn of(sequence: u64, payload: &[u8], geometry: &Geometry) -> Self {
        let blank = Self { sequence, length: payload.len() as u32, crc: 0 };
        let mut hasher = blank.hasher(geometry);
        hasher.update(payload);
        Self { crc: hasher.finalize(), ..blank }
    }

    /// Returns a hasher that is updated with the header; the payload is still to come.
    pub fn hasher(&self, geometry: &Geometry) -> Hasher {
        let mut hasher = Hasher::new();
        hasher.update(&self.bytes(geometry)[..CRC]);
        hasher
    }

    pub fn bytes(&self, geometry: &Geometry) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..FIELDS].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&geometry.sector.to_le_bytes());
        out[16..20].copy_from_slice(&geometry.slot.to_le_bytes());
        out[20..28].copy_from_slice(&self.sequence.to_le_bytes());
        out[28..32].copy_from_slice(&self.length.to_le_bytes());
        out[32..36].copy_from_slice(&self.crc.to_le_bytes());
        for i in FIELDS..INVERSE {
            out[i + FIELD_BYTES] = !out[i];
        }
        out
    }

    pub fn read(bytes: &[u8; HEADER_BYTES], geometry: &Geometry) -> Found {
        let whole = (FIELDS..INVERSE).all(|i| bytes[i + FIELD_BYTES] == !bytes[i]);
        if bytes[..FIELDS] != MAGIC || !whole {
            return Found::Nothing;
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version != VERSION {
            return Found::OtherVersion(version);
        }
        let found = Geometry { sector: word(bytes, 12), slot: word(bytes, 16) };
        if found != *geometry {
            return Found::OtherGeometry(found);
        }
        let sequence = u64::from(word(bytes, 20)) | u64::from(word(bytes, 24)) << 32;
        Found::Header(Self { sequence, length: word(bytes, 28), crc: word(bytes, CRC) })
    }

    /// True if this header was saved after `other`. Sequence numbers wrap, so that no number is the
    /// last; two slots are never more than a few saves apart.
    pub fn is_newer(&self, other: &Self) -> bool {
        (self.sequence.wrapping_sub(other.sequence) as i64) > 0
    }
}

fn word(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: Geometry = Geometry { sector: 64, slot: 256 };

    #[test]
    fn a_header_reads_as_it_was_written() {
        for sequence in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let header = Header::of(sequence, b"payload", &GEOMETRY);
            assert_eq!(Header::read(&header.bytes(&GEOMETRY), &GEOMETRY), Found::Header(header));
            let other = Geometry { slot: 512, ..GEOMETRY };
            assert_eq!(
                Header::read(&header.bytes(&GEOMETRY), &other),
                Found::OtherGeometry(GEOMETRY)
            );
        }
    }

    /// Tests that a header written over zeros is whole or none: exhaustive for one and two missing
    /// bits, every prefix and suffix, and random subsets.
    #[test]
    fn bits_that_did_not_arrive_leave_no_header() {
        let whole = Header::of(0x5a5a_0000_ffff_1234, b"payload", &GEOMETRY).bytes(&GEOMETRY);
        let ones: std::vec::Vec<usize> =
            (0..512).filter(|bit| whole[bit / 8] & 1 << (bit % 8) != 0).collect();
        let is_none = |bytes: &[u8; 64]| {
            assert_ne!(bytes, &whole);
            assert_eq!(Header::read(bytes, &GEOMETRY), Found::Nothing);
        };
        for (i, a) in ones.iter().enumerate() {
            for b in &ones[i..] {
                let mut bytes = whole;
                bytes[a / 8] &= !(1 << (a % 8));
                bytes[b / 8] &= !(1 << (b % 8));
                is_none(&bytes);
            }
        }
        for cut in 1..64 {
            let mut front = whole;
            let mut back = whole;
            front[cut..].fill(0);
            back[..cut].fill(0);
            is_none(&front);
            is_none(&back);
        }
        let mut state = 1_u64;
        for _ in 0..100_000 {
            let bytes = whole.map(|byte| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                byte & (state >> 33) as u8
            });
            is_none(&bytes);
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let whole = Header::of(7, b"payload", &GEOMETRY).bytes(&GEOMETRY);
        for bit in 0..512 {
            let mut bytes = whole;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&bytes, &GEOMETRY), Found::Nothing, "bit {bit}");
        }
    }

    #[test]
    fn numbers_wrap() {
        let at = |sequence| Header { sequence, length: 0, crc: 0 };
        assert!(at(0).is_newer(&at(u64::MAX)) && !at(u64::MAX).is_newer(&at(0)));
        assert!(at(2).is_newer(&at(1)) && !at(1).is_newer(&at(2)));
        assert!(!at(5).is_newer(&at(5)));
        let far = 1 << 63;
        assert!(!at(far).is_newer(&at(0)) && !at(0).is_newer(&at(far)));
    }
}
