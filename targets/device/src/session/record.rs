//! One record of the store for a head, the maps of its samples and the tail that was tuned on them:
//! a power cut never leaves one of another time than the others.
//!
//! Little endian, in this order, without gaps; the store has a checksum of all:
//!
//! | Bytes | Field |
//! |---|---|
//! | 8 | magic `OFFSLSNS` |
//! | 2 | version, 1 |
//! | 2 | number of samples, from the first, that the tail was tuned on |
//! | 4, 4, 4 | length of the head, of the tail, of the maps |
//! | all three | the head's bytes; the tail's file, or nothing; a map for each sample |

use offshoot::{EncodeError, Extractor, Head, PackageId, TunedTail};
use offshoot_core::head::HeadError;
use offshoot_core::tail::{Delta, Tail, Tuned};

const MAGIC: [u8; 8] = *b"OFFSLSNS";
const VERSION: u16 = 1;
const FIXED_BYTES: usize = 24;

/// Maps of a head's samples, and the tail that the head is taught on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside<'a> {
    pub maps: &'a [i8],
    pub tail: Option<&'a TunedTail>,
    /// Number of samples, from the first, that the tail was tuned on.
    pub tuned: usize,
}

/// Content of a record that was opened; `H` is nothing once the head was taken out.
#[derive(Debug)]
pub(crate) struct Lessons<H> {
    pub head: H,
    pub maps: Vec<i8>,
    pub tail: Option<TunedTail>,
    pub tuned: usize,
}

impl Lessons<Head> {
    pub fn without_head(self) -> (Head, Lessons<()>) {
        let Self { head, maps, tail, tuned } = self;
        (head, Lessons { head: (), maps, tail, tuned })
    }
}

/// Returns the length of the longest record for heads of `most` bytes and so many samples; `None` if
/// the package cannot be tuned.
pub(crate) fn longest(extractor: &Extractor, most: usize, samples: usize) -> Option<usize> {
    let map = extractor.map_len()?;
    let package = extractor.package();
    let tail = Delta::len_for(&Tail::find(package.graph())?, Tuned::Biases);
    Some(FIXED_BYTES + most + tail + samples * map)
}

/// Writes a record to the front of `out`; returns its length.
pub(crate) fn encode(
    head: &Head,
    beside: &Beside<'_>,
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    let tail = beside.tail.map_or(&[][..], TunedTail::bytes);
    let maps: &[i8] = beside.maps;
    let head_len = head.encoded_len();
    let needed = FIXED_BYTES + head_len + tail.len() + maps.len();
    let found = out.len();
    let out = out.get_mut(..needed).ok_or(EncodeError::TooShort { found, needed })?;
    let (fixed, rest) = out.split_at_mut(FIXED_BYTES);
    fixed[..8].copy_from_slice(&MAGIC);
    fixed[8..10].copy_from_slice(&VERSION.to_le_bytes());
    fixed[10..12].copy_from_slice(&(beside.tuned as u16).to_le_bytes());
    for (bytes, length) in fixed[12..].chunks_exact_mut(4).zip([head_len, tail.len(), maps.len()]) {
        bytes.copy_from_slice(&(length as u32).to_le_bytes());
    }
    head.encode(&mut rest[..head_len])?;
    let (tails, bytes) = rest[head_len..].split_at_mut(tail.len());
    tails.copy_from_slice(tail);
    bytes.iter_mut().zip(maps).for_each(|(byte, &code)| *byte = code as u8);
    Ok(needed)
}

/// Reads a record; a head alone, without samples, is one as well.
///
/// # Errors
///
/// The head's, and those of parts that do not fit each other or the package.
pub(crate) fn decode(
    bytes: &[u8],
    extractor: &Extractor,
) -> Result<Lessons<Head>, offshoot::Error> {
    let parts = split(bytes).ok_or(malformed("the lessons' parts do not fill their record"))?;
    let Parts { head, tail, maps, tuned } = parts;
    let head = Head::decode(head)?;
    let own = extractor.package().manifest().id;
    let tail = match tail {
        [] => None,
        bytes => Some(TunedTail::from_bytes(bytes.to_vec())?),
    };
    let is_of = |tail: &TunedTail| tail.package_id() == own;
    let id: PackageId = tail.as_ref().map_or(own, TunedTail::id);
    if head.package_id() != id || !tail.as_ref().is_none_or(is_of) {
        return Err(HeadError::OtherPackage.into());
    }
    let needed = head.sample_count() * extractor.map_len().unwrap_or_default();
    if maps.len() != needed || tuned > head.sample_count() || tail.is_none() && tuned > 0 {
        return Err(malformed("the maps are not those of the samples").into());
    }
    let maps = maps.iter().map(|&byte| byte as i8).collect();
    Ok(Lessons { head, maps, tail, tuned })
}

fn malformed(what: &'static str) -> HeadError {
    HeadError::Malformed { what }
}

/// Parts of a record.
struct Parts<'a> {
    head: &'a [u8],
    tail: &'a [u8],
    maps: &'a [u8],
    tuned: usize,
}

fn split(bytes: &[u8]) -> Option<Parts<'_>> {
    let (fixed, rest) = bytes.split_at_checked(FIXED_BYTES)?;
    if fixed[..8] != MAGIC || fixed[8..10] != VERSION.to_le_bytes() {
        return None;
    }
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| fixed[at + i])) as usize;
    let (head, rest) = rest.split_at_checked(word(12))?;
    let (tail, maps) = rest.split_at_checked(word(16))?;
    let tuned = u16::from_le_bytes([fixed[10], fixed[11]]).into();
    (maps.len() == word(20)).then_some(Parts { head, tail, maps, tuned })
}
