//! The file of a tuned tail: what differs from the package, and nothing else.
//!
//! Little endian, in this order, without gaps:
//!
//! | Bytes | Field |
//! |---|---|
//! | 8 | magic `OFFSTAIL` |
//! | 2 | version, 1 |
//! | 1, 1 | what is tuned: 0 biases; number of folds of the gate |
//! | 4 | length of the whole file |
//! | 32 | id of the package |
//! | 2, 2 | index of the convolution among the nodes; number of golden maps, 2 |
//! | 4, 4, 4 | channels of the convolution, int8 values of a map, of an embedding |
//! | 2, 2 | recipe: epochs; gate: number of samples |
//! | 4, 4, 4, 4 | recipe: step, step of the softmax, threshold of t, floats; seed |
//! | 4, 4, 4 | gate: squared error before, after, t, floats |
//! | 2, 2 | gate: mistakes before, after |
//! | 32 | SHA-256 of the samples: classes, maps |
//! | 4 * channels | biases |
//! | a map and an embedding, a golden | int8 values |
//! | 4 | CRC-32 (IEEE) of all bytes before |

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::room::Room;
use super::{Evidence, Samples, Tail, Tuning, WriteError};
use crate::package::{Package, PackageId};

const MAGIC: [u8; 8] = *b"OFFSTAIL";
const VERSION: u16 = 1;
const FIXED_BYTES: usize = 132;
const CRC_BYTES: usize = 4;
const GOLDENS: u16 = 2;
const BIASES: u8 = 0;

/// Recipe and evidence of a tuned tail, from its file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recorded {
    /// Passes over the samples.
    pub epochs: u16,
    /// Recipe; its epochs are those above.
    pub tuning: Tuning,
    /// Held-out errors.
    pub evidence: Evidence,
    /// SHA-256 of the samples in their order.
    pub digest: [u8; 32],
}

/// Reason why bytes are no tuned tail, or not one of the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The bytes do not begin with the magic number.
    #[error("not a tuned tail: the first bytes are not OFFSTAIL")]
    Magic,
    /// The version is another one.
    #[error("version {found} of a tuned tail; this program reads version {VERSION}")]
    Version {
        /// Version found.
        found: u16,
    },
    /// The file was truncated or extended.
    #[error(
        "the tuned tail has {found} bytes, its header states {stated}: it was cut off or changed"
    )]
    Length {
        /// Bytes stated.
        stated: usize,
        /// Bytes found.
        found: usize,
    },
    /// The checksum does not match.
    #[error("the tuned tail is damaged: its checksum does not match")]
    Checksum,
    /// A field has an impossible value.
    #[error("the tuned tail is damaged: {what}")]
    Malformed {
        /// Field and value.
        what: &'static str,
    },
    /// The tail was tuned on another package.
    #[error("the tail was tuned on another package; tune it again on this one")]
    OtherPackage,
}

/// A tuned tail, checked and used in place.
#[derive(Debug, Clone, Copy)]
pub struct Delta<'a> {
    package_id: PackageId,
    node: u16,
    map_len: usize,
    recorded: Recorded,
    biases: &'a [u8],
    goldens: &'a [u8],
}

/// Sizes of a file's parts.
struct Sizes {
    channels: usize,
    map_len: usize,
    dim: usize,
}

impl Sizes {
    /// Length of the file; [`None`] if it could not be addressed.
    fn len(&self) -> Option<usize> {
        let biases = self.channels.checked_mul(4)?;
        let golden = self.map_len.checked_add(self.dim)?;
        let goldens = golden.checked_mul(GOLDENS.into())?;
        biases.checked_add(goldens)?.checked_add(FIXED_BYTES + CRC_BYTES)
    }
}

impl<'a> Delta<'a> {
    /// Checks `bytes`, which must be one tuned tail and nothing else: magic, version, length,
    /// checksum, and every field.
    ///
    /// # Errors
    ///
    /// [`DeltaError`] for the first check that fails.
    pub fn open(bytes: &'a [u8]) -> Result<Self, DeltaError> {
        if bytes.get(..8) != Some(&MAGIC) {
            return Err(DeltaError::Magic);
        }
        let found = bytes.len();
        let least = FIXED_BYTES + CRC_BYTES;
        if found < least {
            return Err(DeltaError::Length { stated: least, found });
        }
        let mut rest = &bytes[8..FIXED_BYTES];
        let version = u16::from_le_bytes(take(&mut rest));
        if version != VERSION {
            return Err(DeltaError::Version { found: version });
        }
        let [what, folds] = take(&mut rest);
        let stated = take_u32(&mut rest) as usize;
        if stated != found {
            return Err(DeltaError::Length { stated, found });
        }
        let (content, crc) = bytes.split_at(found - CRC_BYTES);
        if crc32fast::hash(content).to_le_bytes() != crc {
            return Err(DeltaError::Checksum);
        }
        let package_id = PackageId::new(take(&mut rest));
        let node = u16::from_le_bytes(take(&mut rest));
        let goldens = u16::from_le_bytes(take(&mut rest));
        if what != BIASES || goldens != GOLDENS {
            return Err(DeltaError::Malformed { what: "it is of a kind that is unknown" });
        }
        let sizes = Sizes {
            channels: take_u32(&mut rest) as usize,
            map_len: take_u32(&mut rest) as usize,
            dim: take_u32(&mut rest) as usize,
        };
        if sizes.len() != Some(found) || sizes.channels == 0 || sizes.dim == 0 {
            return Err(DeltaError::Malformed { what: "its parts do not fill the file" });
        }
        let recorded = Recorded::read(&mut rest, folds)?;
        let (biases, goldens) = content[FIXED_BYTES..].split_at(4 * sizes.channels);
        Ok(Self { package_id, node, map_len: sizes.map_len, recorded, biases, goldens })
    }

    /// Returns the tail of the package, if the delta is of this package.
    ///
    /// # Errors
    ///
    /// [`DeltaError::OtherPackage`]; [`DeltaError::Malformed`] for sizes that are not the package's,
    /// and for biases with which an accumulator could overflow.
    pub fn tail<'p>(&self, package: &Package<'p>) -> Result<Tail<'p>, DeltaError> {
        if package.manifest().id != self.package_id {
            return Err(DeltaError::OtherPackage);
        }
        let tail = Tail::find(package.graph());
        let tail = tail.ok_or(DeltaError::Malformed { what: "its package has no tail" })?;
        let golden = self.goldens.len() / usize::from(GOLDENS);
        let is_same = tail.node() == usize::from(self.node)
            && tail.map_len() == self.map_len
            && tail.dim() == golden - self.map_len;
        if !is_same || !tail.fits(self.biases()) {
            return Err(DeltaError::Malformed { what: "its biases do not fit the package" });
        }
        Ok(tail)
    }

    /// Id of the package that was tuned.
    #[must_use]
    pub fn package_id(&self) -> PackageId {
        self.package_id
    }

    /// Id that binds heads to the tuned network: SHA-256 of the package's id, the node and the
    /// biases.
    #[must_use]
    pub fn id(&self) -> PackageId {
        let mut hash = Sha256::new();
        hash.update(MAGIC);
        hash.update(self.package_id.as_bytes());
        hash.update(self.node.to_le_bytes());
        hash.update(self.biases);
        PackageId::new(hash.finalize().into())
    }

    /// Recipe of the tuning.
    #[must_use]
    pub fn recorded(&self) -> Recorded {
        self.recorded
    }

    /// Tuned biases, one for each channel of the convolution.
    #[must_use]
    pub fn biases(&self) -> impl ExactSizeIterator<Item = i32> + use<'a> {
        let words = self.biases.chunks_exact(4);
        words.map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Golden maps, each with the embedding that it must give.
    pub fn goldens(&self) -> impl Iterator<Item = (&'a [i8], &'a [i8])> + use<'a> {
        let goldens: &'a [i8] = bytemuck::cast_slice(self.goldens);
        let map_len = self.map_len;
        goldens
            .chunks_exact((goldens.len() / usize::from(GOLDENS)).max(1))
            .map(move |golden| golden.split_at(map_len))
    }

    /// Length of the file for a tail, in bytes.
    #[must_use]
    pub fn len_for(tail: &Tail<'_>) -> usize {
        let Sizes { channels, map_len, dim } = Sizes::of(tail);
        FIXED_BYTES + 4 * channels + usize::from(GOLDENS) * (map_len + dim) + CRC_BYTES
    }
}

impl Sizes {
    fn of(tail: &Tail<'_>) -> Self {
        Self { channels: tail.channels(), map_len: tail.map_len(), dim: tail.dim() }
    }
}

impl Recorded {
    fn read(rest: &mut &[u8], folds: u8) -> Result<Self, DeltaError> {
        let epochs = u16::from_le_bytes(take(rest));
        let samples = u16::from_le_bytes(take(rest));
        let [step, head_step, least_t] = [(); 3].map(|()| f32::from_le_bytes(take(rest)));
        let seed = take_u32(rest);
        let [before, after, t] = [(); 3].map(|()| f32::from_le_bytes(take(rest)));
        let tuning = Tuning { epochs: Some(epochs), step, head_step, folds, least_t, seed };
        let [wrong_before, wrong_after] = [(); 2].map(|()| u16::from_le_bytes(take(rest)));
        let evidence = Evidence { samples, before, after, t, wrong_before, wrong_after };
        let errors = [before, after].iter().all(|error| (0.0..=2.0).contains(error))
            && wrong_before.max(wrong_after) <= samples;
        if !tuning.is_valid() || !errors || t.is_nan() || samples == 0 {
            return Err(DeltaError::Malformed { what: "its recipe or its gate is out of range" });
        }
        Ok(Self { epochs, tuning, evidence, digest: take(rest) })
    }
}

/// Writes the file of `room.biases`; see [`Tuner::write`](super::Tuner::write).
pub(super) fn write(
    tail: &Tail<'_>,
    package_id: PackageId,
    recorded: &Recorded,
    samples: &Samples<'_>,
    room: Room<'_>,
    out: &mut [u8],
) -> Result<usize, WriteError> {
    let needed = Delta::len_for(tail);
    let found = out.len();
    let out = out.get_mut(..needed).ok_or(WriteError::TooShort { found, needed })?;
    let (content, crc) = out.split_at_mut(needed - CRC_BYTES);
    let (fixed, blobs) = content.split_at_mut(FIXED_BYTES);
    let Recorded { epochs, tuning, evidence, digest } = recorded;
    let rest = &mut &mut fixed[..];
    put(rest, &MAGIC);
    put(rest, &VERSION.to_le_bytes());
    put(rest, &[BIASES, tuning.folds]);
    put(rest, &(needed as u32).to_le_bytes());
    put(rest, package_id.as_bytes());
    put(rest, &(tail.node() as u16).to_le_bytes());
    put(rest, &GOLDENS.to_le_bytes());
    for size in [tail.channels(), tail.map_len(), tail.dim()] {
        put(rest, &(size as u32).to_le_bytes());
    }
    put(rest, &epochs.to_le_bytes());
    put(rest, &evidence.samples.to_le_bytes());
    for float in [tuning.step, tuning.head_step, tuning.least_t] {
        put(rest, &float.to_le_bytes());
    }
    put(rest, &tuning.seed.to_le_bytes());
    for float in [evidence.before, evidence.after, evidence.t] {
        put(rest, &float.to_le_bytes());
    }
    for count in [evidence.wrong_before, evidence.wrong_after] {
        put(rest, &count.to_le_bytes());
    }
    put(rest, digest);
    let (biases, goldens) = blobs.split_at_mut(4 * tail.channels());
    for (bytes, bias) in biases.chunks_exact_mut(4).zip(&*room.biases) {
        bytes.copy_from_slice(&bias.to_le_bytes());
    }
    let pooled: &mut [i32] = bytemuck::cast_slice_mut(room.mean);
    for (sample, golden) in goldens.chunks_exact_mut(tail.map_len() + tail.dim()).enumerate() {
        // The first and the last, most likely of different classes.
        let last = samples.owners.len() - 1;
        let map = samples.map(tail, if sample == 0 { 0 } else { last });
        let (bytes, embedding) = golden.split_at_mut(tail.map_len());
        bytes.copy_from_slice(bytemuck::cast_slice(map));
        let embedding = bytemuck::cast_slice_mut(embedding);
        tail.embed_with(map, room.biases, pooled, room.pixels, embedding);
    }
    crc.copy_from_slice(&crc32fast::hash(content).to_le_bytes());
    Ok(needed)
}

/// Computes the digest of samples in their order.
pub(super) fn digest(samples: &Samples<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(samples.classes.to_le_bytes());
    samples.owners.iter().for_each(|owner| hash.update(owner.to_le_bytes()));
    hash.update(bytemuck::cast_slice::<i8, u8>(samples.maps));
    hash.finalize().into()
}

/// Takes bytes from the front of the fixed part, which has enough of them.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (front, behind) = rest.split_at(N);
    *rest = behind;
    let mut bytes = [0; N];
    bytes.copy_from_slice(front);
    bytes
}

fn take_u32(rest: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(rest))
}

fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    let (front, behind) = core::mem::take(rest).split_at_mut(bytes.len());
    front.copy_from_slice(bytes);
    *rest = behind;
}
