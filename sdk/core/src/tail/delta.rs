//! The file of a tuned tail: what differs from the package, and nothing else.
//!
//! Little endian, in this order, without gaps:
//!
//! | Bytes | Field |
//! |---|---|
//! | 8 | magic `OFFSTAIL` |
//! | 2 | version, 1 |
//! | 1, 1 | what is tuned: 0 biases, 1 all weights; number of folds of the gate |
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
//! | 4 * channels, weights | if all weights are tuned: mantissas of the multipliers; int8 weights, channel by channel |
//! | a map and an embedding, a golden | int8 values |
//! | 4 | CRC-32 (IEEE) of all bytes before |

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::room::Room;
use super::{Evidence, Samples, Tail, TailLayout, Tuned, Tuning, WriteError};
use crate::package::{Package, PackageId};

const MAGIC: [u8; 8] = *b"OFFSTAIL";
const VERSION: u16 = 1;
const FIXED_BYTES: usize = 132;
const CRC_BYTES: usize = 4;
const GOLDENS: u16 = 2;

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
    /// Mantissas and weights, if these are tuned.
    layer: Option<(&'a [u8], &'a [i8])>,
    goldens: &'a [u8],
}

/// Sizes of a file's parts.
struct Sizes {
    channels: usize,
    map_len: usize,
    dim: usize,
    /// Bytes of mantissas and weights, if these are tuned.
    layer: usize,
}

impl Sizes {
    /// Length of the file; [`None`] if it could not be addressed.
    fn len(&self) -> Option<usize> {
        let biases = self.channels.checked_mul(4)?;
        let golden = self.map_len.checked_add(self.dim)?;
        let goldens = golden.checked_mul(GOLDENS.into())?;
        let tuned = biases.checked_add(self.layer)?;
        tuned.checked_add(goldens)?.checked_add(FIXED_BYTES + CRC_BYTES)
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
        if crate::checksum::hash(content).to_le_bytes() != crc {
            return Err(DeltaError::Checksum);
        }
        let package_id = PackageId::new(take(&mut rest));
        let node = u16::from_le_bytes(take(&mut rest));
        let goldens = u16::from_le_bytes(take(&mut rest));
        let unknown = DeltaError::Malformed { what: "it is of a kind that is unknown" };
        let what = [Tuned::Biases, Tuned::All].into_iter().find(|known| *known as u8 == what);
        let what = what.filter(|_| goldens == GOLDENS).ok_or(unknown)?;
        let mut sizes = Sizes {
            channels: take_u32(&mut rest) as usize,
            map_len: take_u32(&mut rest) as usize,
            dim: take_u32(&mut rest) as usize,
            layer: 0,
        };
        if what == Tuned::All {
            // What the other parts leave.
            sizes.layer = found - sizes.len().filter(|len| *len <= found).unwrap_or(found);
        }
        let is_whole = sizes.channels > 0 && sizes.layer.is_multiple_of(sizes.channels);
        let has_layer = sizes.layer / sizes.channels.max(1) > 4;
        if !is_whole || has_layer != (what == Tuned::All) {
            return Err(DeltaError::Malformed { what: "its parts do not fill the file" });
        }
        if sizes.len() != Some(found) || sizes.channels == 0 || sizes.dim == 0 {
            return Err(DeltaError::Malformed { what: "its parts do not fill the file" });
        }
        let recorded = Recorded::read(&mut rest, what, folds)?;
        let (biases, behind) = content[FIXED_BYTES..].split_at(4 * sizes.channels);
        let (layer, goldens) = behind.split_at(sizes.layer);
        let layer = (what == Tuned::All).then(|| layer.split_at(4 * sizes.channels));
        let layer = layer.map(|(mantissas, codes)| (mantissas, bytemuck::cast_slice(codes)));
        Ok(Self { package_id, node, map_len: sizes.map_len, recorded, biases, layer, goldens })
    }

    /// Returns the tuned tail of the package, if the delta is of this package.
    ///
    /// # Errors
    ///
    /// [`DeltaError::OtherPackage`]; [`DeltaError::Malformed`] for sizes that are not the package's,
    /// and for biases with which an accumulator could overflow.
    pub fn tail<'p>(&self, package: &Package<'p>) -> Result<Tail<'p>, DeltaError>
    where
        'a: 'p,
    {
        if package.manifest().id != self.package_id {
            return Err(DeltaError::OtherPackage);
        }
        let tail = Tail::find(package.graph());
        let tail = tail.ok_or(DeltaError::Malformed { what: "its package has no tail" })?;
        let golden = self.goldens.len() / usize::from(GOLDENS);
        let is_same = tail.node() == usize::from(self.node)
            && tail.map_len() == self.map_len
            && tail.dim() == golden - self.map_len
            && tail.channels() == self.biases.len() / 4;
        let [_, _, own] = tail.conv.stored();
        let (mantissas, weights) = self.layer.unwrap_or((own, tail.weights()));
        let conv = tail.conv.replaced(weights, self.biases, mantissas);
        let tuned = Tail { conv, ..tail };
        if !is_same || weights.len() != tail.weights().len() || !tuned.fits() {
            return Err(DeltaError::Malformed { what: "its layer does not fit the package" });
        }
        Ok(tuned)
    }

    /// Id of the package that was tuned.
    #[must_use]
    pub fn package_id(&self) -> PackageId {
        self.package_id
    }

    /// Id that binds heads to the tuned network: SHA-256 of the package's id, the node and
    /// what is tuned.
    #[must_use]
    pub fn id(&self) -> PackageId {
        let mut hash = Sha256::new();
        hash.update(MAGIC);
        hash.update(self.package_id.as_bytes());
        hash.update(self.node.to_le_bytes());
        hash.update(self.biases);
        if let Some((mantissas, weights)) = self.layer {
            hash.update(mantissas);
            hash.update(bytemuck::cast_slice::<i8, u8>(weights));
        }
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
    pub fn len_for(tail: &Tail<'_>, what: Tuned) -> usize {
        let layer = match what {
            Tuned::Biases => 0,
            Tuned::All => 4 * tail.channels() + tail.weights().len(),
        };
        let goldens = usize::from(GOLDENS) * (tail.map_len() + tail.dim());
        FIXED_BYTES + 4 * tail.channels() + layer + goldens + CRC_BYTES
    }
}

impl Recorded {
    fn read(rest: &mut &[u8], what: Tuned, folds: u8) -> Result<Self, DeltaError> {
        let epochs = u16::from_le_bytes(take(rest));
        let samples = u16::from_le_bytes(take(rest));
        let [step, head_step, least_t] = [(); 3].map(|()| f32::from_le_bytes(take(rest)));
        let seed = take_u32(rest);
        let [before, after, t] = [(); 3].map(|()| f32::from_le_bytes(take(rest)));
        let tuning = Tuning { what, epochs: Some(epochs), step, head_step, folds, least_t, seed };
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

/// Source of a file.
pub(super) struct Origin {
    pub package_id: PackageId,
    pub recorded: Recorded,
}

impl Origin {
    /// Writes the fixed part of a file of that length.
    fn write(&self, tail: &Tail<'_>, length: usize, fixed: &mut [u8]) {
        let Recorded { epochs, tuning, evidence, digest } = &self.recorded;
        let rest = &mut &mut fixed[..];
        put(rest, &MAGIC);
        put(rest, &VERSION.to_le_bytes());
        put(rest, &[tuning.what as u8, tuning.folds]);
        put(rest, &(length as u32).to_le_bytes());
        put(rest, self.package_id.as_bytes());
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
    }
}

/// Writes the file of the last round; see [`Tuner::write`](super::Tuner::write).
pub(super) fn write(
    tail: &Tail<'_>,
    origin: &Origin,
    samples: &Samples<'_>,
    layout: &TailLayout,
    room: Room<'_>,
    out: &mut [u8],
) -> Result<usize, WriteError> {
    let what = origin.recorded.tuning.what;
    let needed = Delta::len_for(tail, what);
    let found = out.len();
    let out = out.get_mut(..needed).ok_or(WriteError::TooShort { found, needed })?;
    let (content, crc) = out.split_at_mut(needed - CRC_BYTES);
    let (fixed, blobs) = content.split_at_mut(FIXED_BYTES);
    origin.write(tail, needed, fixed);
    let goldens = usize::from(GOLDENS) * (tail.map_len() + tail.dim());
    let (tuned, goldens) = blobs.split_at_mut(blobs.len() - goldens);
    let (biases, layer) = tuned.split_at_mut(4 * tail.channels());
    put_words(biases, room.biases);
    let [weights, _, mantissas] = tail.conv.stored();
    let (mantissas, weights) = match what {
        Tuned::Biases => (mantissas, weights),
        Tuned::All => {
            let (mantissas, weights) = layer.split_at_mut(4 * tail.channels());
            put_words(mantissas, room.mantissas);
            let values = layout.carve_weights(room.head).value;
            let inputs = layout.inputs as usize;
            let codes: &mut [i8] = bytemuck::cast_slice_mut(weights);
            let rows = codes.chunks_exact_mut(inputs).zip(values.chunks_exact(inputs));
            for (channel, (codes, values)) in rows.enumerate() {
                tail.round_row(channel, values, room.mantissas[channel], codes);
            }
            (&*mantissas, &*weights)
        }
    };
    let conv = tail.conv.replaced(bytemuck::cast_slice(weights), biases, mantissas);
    let tuned = Tail { conv, ..*tail };
    let pooled: &mut [i32] = bytemuck::cast_slice_mut(room.mean);
    for (sample, golden) in goldens.chunks_exact_mut(tail.map_len() + tail.dim()).enumerate() {
        // The first and the last, most likely of different classes.
        let last = samples.owners.len() - 1;
        let map = samples.map(tail, if sample == 0 { 0 } else { last });
        let (bytes, embedding) = golden.split_at_mut(tail.map_len());
        bytes.copy_from_slice(bytemuck::cast_slice(map));
        tuned.embed_in(map, pooled, room.pixels, bytemuck::cast_slice_mut(embedding));
    }
    crc.copy_from_slice(&crate::checksum::hash(content).to_le_bytes());
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

fn put_words(out: &mut [u8], words: &[i32]) {
    for (bytes, word) in out.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
}

fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    let (front, behind) = core::mem::take(rest).split_at_mut(bytes.len());
    front.copy_from_slice(bytes);
    *rest = behind;
}
