//! Serialized form of a head: its training data, and nothing that can be computed from it.
//!
//! Little endian, in this order, without gaps:
//!
//! | Bytes | Field |
//! |---|---|
//! | 8 | magic `OFFSHEAD` |
//! | 2 | version: 3, or 4 for embeddings of several parts |
//! | 1 | kind: 0 class means, 1 softmax, 2 ridge, 3 LDA, 4 k-NN, 5 auto |
//! | 1 | transform (0 raw, 1 half, 2 unit, 3 quarter), plus 16 times the policy of a full head (0 refuse, 1 reservoir, 2 herding) |
//! | 4 | length of the whole record |
//! | 32 | id of the package that made the embeddings |
//! | 4 | inverse L2 regularization, a float |
//! | 4 | target false-rejection rate, a float |
//! | 2, 2 | dimensions: of an embedding, of its last part (0 in version 3) |
//! | 2, 2 | limits: classes, samples |
//! | 2, 2 | present: classes, samples |
//! | 5 + n, a class | samples seen (4), length and bytes of the name |
//! | 8 + dimensions, a sample | class (2), zero point (1), 0 (1), scale (4), int8 values |
//! | 4 * dimensions, a class that has seen more than is kept | sum of the unit vectors of all seen; behind it, in version 4, that of the last parts |
//! | 4 | CRC-32 (IEEE) of all bytes before |

use super::views::View;
use super::{Layout, Limits, MAX_NAME_BYTES, MAX_SHOWN, Memory};
use crate::embedding::Embedding;
use crate::head::class_name::is_readable;
use crate::head::error::{EncodeError, HeadError};
use crate::head::linalg::vector::ONE;
use crate::head::{
    ClassId, Head, HeadKind, MAX_FALSE_REJECTION_RATE, MAX_INVERSE_L2, MIN_INVERSE_L2, Recipe,
    Transform, VERSION, WhenFull,
};
use crate::package::PackageId;
use crate::parts::Parts;
use crate::quant::{Quant, Scale};

/// Magic number: the first bytes of every head.
pub const MAGIC: [u8; 8] = *b"OFFSHEAD";

/// Version of a head of embeddings that are not divided.
const VERSION_SINGLE: u16 = 3;

const FIXED_BYTES: usize = 68;
/// Factor of [`WhenFull`] in the settings byte.
const WHEN_FULL: u8 = 16;
const SAMPLE_BYTES: usize = 8;
const CRC_BYTES: usize = 4;

/// Checked record: magic, version, length, checksum, and every field.
///
/// Reports the memory that the head needs before any is allocated.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    recipe: Recipe,
    when_full: WhenFull,
    false_rejection_rate: f32,
    parts: Parts,
    limits: Limits,
    package_id: PackageId,
    classes: usize,
    samples: usize,
    names: &'a [u8],
    body: &'a [u8],
    sums: &'a [u8],
}

impl<'a> Record<'a> {
    /// Checks `bytes`, which must be one record and nothing else.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if the bytes are not a valid head.
    pub fn open(bytes: &'a [u8]) -> Result<Self, HeadError> {
        let (version, mut rest) = checked_content(bytes)?;
        let [kind, settings] = take(&mut rest)?;
        let known = HeadKind::ALL.into_iter().find(|k| *k as u8 == kind);
        let kind = known.ok_or(HeadError::UnknownKind { found: kind })?;
        let transform = Transform::ALL.into_iter().find(|t| *t as u8 == settings % WHEN_FULL);
        let when_full = WhenFull::ALL.into_iter().find(|w| *w as u8 == settings / WHEN_FULL);
        let none = HeadError::Malformed { what: "unknown settings" };
        let transform = transform.ok_or(none)?;
        let when_full = when_full.ok_or(none)?;
        let _length: [u8; 4] = take(&mut rest)?;
        let package_id = PackageId::new(take(&mut rest)?);
        let inverse_l2 = f32::from_le_bytes(take(&mut rest)?);
        if !(MIN_INVERSE_L2..=MAX_INVERSE_L2).contains(&inverse_l2) {
            return Err(HeadError::InverseL2OutOfRange { found: inverse_l2 });
        }
        let false_rejection_rate = f32::from_le_bytes(take(&mut rest)?);
        if !(0.0..=MAX_FALSE_REJECTION_RATE).contains(&false_rejection_rate) {
            return Err(HeadError::FalseRejectionRateOutOfRange { found: false_rejection_rate });
        }
        let recipe = Recipe { kind, transform, inverse_l2 };
        let parts = take_parts(&mut rest, version)?;
        let limits = Limits { classes: take_u16(&mut rest)?, samples: take_u16(&mut rest)? };
        Layout::new(kind, parts, limits)?;
        let classes = take_u16(&mut rest)?;
        let samples = take_u16(&mut rest)?;
        if classes > limits.classes || samples > limits.samples {
            return Err(HeadError::OverLimits { classes, samples });
        }
        let classes = usize::from(classes);
        let samples = usize::from(samples);
        let names = take_names(&mut rest, classes)?;
        // Fits, because the limits have been checked.
        let (body, sums) = rest
            .split_at_checked(samples * (parts.dim() + SAMPLE_BYTES))
            .ok_or(HeadError::Malformed { what: "samples and sums do not fill the record" })?;
        let record = Self {
            recipe,
            when_full,
            false_rejection_rate,
            parts,
            limits,
            package_id,
            classes,
            samples,
            names,
            body,
            sums,
        };
        record.check_samples()?;
        Ok(record)
    }

    /// Kind of the head.
    #[must_use]
    pub fn kind(&self) -> HeadKind {
        self.recipe.kind
    }

    /// Number of dimensions of its embeddings.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.parts.dim()
    }

    /// Division of its embeddings into parts.
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.parts
    }

    /// Limits of its classes and samples.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Id of the package that made its embeddings.
    #[must_use]
    pub fn package_id(&self) -> PackageId {
        self.package_id
    }

    /// Names of its classes in order.
    pub fn class_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        names(self.names).map(|(name, _)| name)
    }

    /// Number of its samples.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.samples
    }

    fn check_samples(&self) -> Result<(), HeadError> {
        for (class, _) in self.samples() {
            if class >= self.classes {
                return Err(HeadError::Malformed { what: "a sample has no class" });
            }
        }
        if self.samples().count() != self.samples {
            return Err(HeadError::Malformed { what: "a sample has no valid scale" });
        }
        let mut exceeding = 0;
        for (shown, kept) in self.shown_and_kept() {
            if shown < kept || shown > MAX_SHOWN {
                return Err(HeadError::Malformed {
                    what: "a class has an impossible number of samples seen",
                });
            }
            exceeding += u64::from(shown > kept);
        }
        if self.sums.len() as u64 != exceeding * sum_bytes(self.parts) as u64 {
            return Err(HeadError::Malformed { what: "samples and sums do not fill the record" });
        }
        Ok(())
    }

    /// Returns for each class the number of samples seen and of those in the record.
    fn shown_and_kept(&self) -> impl Iterator<Item = (u32, u32)> {
        let kept = |class| self.samples().filter(|(owner, _)| *owner == class).count() as u32;
        names(self.names).enumerate().map(move |(class, (_, shown))| (shown, kept(class)))
    }

    /// Returns the samples in order; stops at the first without a valid scale.
    fn samples(&self) -> impl Iterator<Item = (usize, Embedding<'a>)> + use<'a> {
        self.body.chunks_exact(self.dim() + SAMPLE_BYTES).map_while(|bytes| {
            let (head, codes) = bytes.split_first_chunk::<SAMPLE_BYTES>()?;
            let [c0, c1, zero, 0, s0, s1, s2, s3] = *head else { return None };
            let scale = Scale::new(f32::from_le_bytes([s0, s1, s2, s3]))?;
            let quant = Quant { scale, zero_point: zero as i8 };
            let class = usize::from(u16::from_le_bytes([c0, c1]));
            Some((class, Embedding::Int8 { codes: bytemuck::cast_slice(codes), quant }))
        })
    }
}

impl Limits {
    /// Max number of bytes that [`Head::encode`] writes for a head of these limits and `dim`
    /// dimensions.
    #[must_use]
    pub const fn most_encoded(self, dim: usize) -> usize {
        self.most_encoded_for(Parts::single(dim))
    }

    /// Max number of bytes that [`Head::encode`] writes for embeddings of several parts.
    #[must_use]
    pub const fn most_encoded_for(self, parts: Parts) -> usize {
        // A name, and the sum including evicted samples.
        let classes = self.classes as usize * (5 + MAX_NAME_BYTES + sum_bytes(parts));
        let samples = self.samples as usize * (parts.dim() + SAMPLE_BYTES);
        FIXED_BYTES + classes + samples + CRC_BYTES
    }
}

impl<M: Memory> Head<M> {
    /// Length of [`Head::encode`]'s output; at most [`Limits::most_encoded`].
    pub fn encoded_len(&self) -> usize {
        let names: usize = self.classes().map(|(_, name)| 5 + name.len()).sum();
        let samples = self.sample_count() * (self.dim() + SAMPLE_BYTES);
        let sums = self.exceeding().count() * sum_bytes(self.parts());
        FIXED_BYTES + names + samples + sums + CRC_BYTES
    }

    /// Returns the classes that have seen more samples than are kept.
    fn exceeding(&self) -> impl Iterator<Item = ClassId> {
        let exceeds = |class: &ClassId| self.shown_of(*class) as usize > self.samples_of(*class);
        self.classes().map(|(class, _)| class).filter(exceeds)
    }

    /// Writes the head to the front of `out` and returns the length; the same training data gives
    /// the same bytes.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if `out` is shorter than [`Head::encoded_len`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let needed = self.encoded_len();
        let found = out.len();
        let out = out.get_mut(..needed).ok_or(EncodeError::TooShort { found, needed })?;
        let (content, crc) = out.split_at_mut(needed - CRC_BYTES);
        let rest = &mut &mut content[..];
        put(rest, &MAGIC);
        let parts = self.parts();
        let version = if parts.is_single() { VERSION_SINGLE } else { VERSION };
        put(rest, &version.to_le_bytes());
        let settings = self.recipe().transform as u8 + WHEN_FULL * self.when_full() as u8;
        put(rest, &[self.kind() as u8, settings]);
        // Checked when the head was made: see `Layout::new`.
        put(rest, &(needed as u32).to_le_bytes());
        put(rest, self.package_id().as_bytes());
        put(rest, &self.inverse_l2().to_le_bytes());
        put(rest, &self.false_rejection_rate().to_le_bytes());
        let last = if parts.is_single() { 0 } else { parts.last() };
        for count in [parts.dim(), last] {
            put(rest, &(count as u16).to_le_bytes());
        }
        for count in [self.limits().classes, self.limits().samples] {
            put(rest, &count.to_le_bytes());
        }
        for count in [self.class_count(), self.sample_count()] {
            put(rest, &(count as u16).to_le_bytes());
        }
        for (class, name) in self.classes() {
            put(rest, &self.shown_of(class).to_le_bytes());
            put(rest, &[name.len() as u8]);
            put(rest, name.as_bytes());
        }
        for (class, codes, quant) in self.codes() {
            let [c0, c1] = class.0.to_le_bytes();
            put(rest, &[c0, c1, quant.zero_point as u8, 0]);
            put(rest, &quant.scale.get().to_le_bytes());
            put(rest, bytemuck::cast_slice(codes));
        }
        for class in self.exceeding() {
            for &view in sum_views(parts) {
                for sum in self.kept().view(view).sum(class.index()) {
                    put(rest, &sum.to_le_bytes());
                }
            }
        }
        crc.copy_from_slice(&crate::checksum::hash(content).to_le_bytes());
        Ok(needed)
    }

    /// Decodes the head that was saved as `bytes` into `memory`, of [`Limits::words`]`(kind, dim)`
    /// words with the values that [`Record`] reports.
    ///
    /// Its answers have the same bits as those of the head that was saved.
    ///
    /// # Errors
    ///
    /// Those of [`Record::open`]; [`HeadError`] for another package than `expected_package_id`, or
    /// too little memory.
    pub fn decode(
        bytes: &[u8],
        expected_package_id: Option<PackageId>,
        memory: M,
    ) -> Result<Self, HeadError> {
        let record = Record::open(bytes)?;
        if expected_package_id.is_some_and(|id| id != record.package_id) {
            return Err(HeadError::OtherPackage);
        }
        let mut head =
            Self::new_for(record.kind(), record.parts, record.package_id, record.limits, memory)?;
        head.recipe = record.recipe;
        head.false_rejection_rate = record.false_rejection_rate;
        head.when_full = record.when_full;
        let bad = |_| HeadError::Malformed { what: "a class has an impossible name" };
        for name in record.class_names() {
            head.add_readable(name).map_err(bad)?;
        }
        for (class, embedding) in record.samples() {
            let class = head.class_at(class).ok_or(HeadError::Malformed { what: "class" })?;
            let bad = |_| HeadError::Malformed { what: "a sample is not finite" };
            head.add_sample(class, embedding).map_err(bad)?;
        }
        head.write_sums(&record)?;
        Ok(head)
    }

    /// Restores sums and numbers of samples seen, of classes that have seen more than is kept.
    fn write_sums(&mut self, record: &Record<'_>) -> Result<(), HeadError> {
        let mut rows = record.sums.chunks_exact(sum_bytes(record.parts));
        let mut kept = self.layout.kept_mut(self.memory.words_mut());
        for (class, (shown, held)) in record.shown_and_kept().enumerate() {
            if shown == held {
                continue;
            }
            let row = rows.next().unwrap_or_default().chunks_exact(4);
            kept.seen[class] = shown;
            for (sum, bytes) in kept.sums_of(class).zip(row) {
                let all = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                // Bound of a sum of unit vectors; no sum overflows then.
                if i64::from(all).abs_diff(i64::from(*sum)) > u64::from(shown - held) * ONE as u64 {
                    return Err(HeadError::Malformed { what: "a class has an impossible sum" });
                }
                *sum = all;
            }
        }
        Ok(())
    }
}

/// Number of bytes of a class's sums.
const fn sum_bytes(parts: Parts) -> usize {
    4 * (parts.dim() + if parts.is_single() { 0 } else { parts.last() })
}

/// Returns the views whose sums a record has.
fn sum_views(parts: Parts) -> &'static [View] {
    if parts.is_single() { &[View::All] } else { &[View::All, View::Last] }
}

/// Takes the dimensions of an embedding and of its last part.
fn take_parts(rest: &mut &[u8], version: u16) -> Result<Parts, HeadError> {
    let dim = usize::from(take_u16(rest)?);
    let last = usize::from(take_u16(rest)?);
    let impossible = HeadError::Malformed { what: "an impossible last part" };
    match version {
        VERSION_SINGLE if last == 0 => Ok(Parts::single(dim)),
        // Heads of one part are version 3, so that each head has one record.
        VERSION if last < dim => Parts::joined(dim, last).ok_or(impossible),
        _ => Err(impossible),
    }
}

/// Checks magic, version, length and checksum; returns the version and the bytes after it.
fn checked_content(bytes: &[u8]) -> Result<(u16, &[u8]), HeadError> {
    let short = HeadError::Truncated { found: bytes.len() };
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(short)?;
    if *magic != MAGIC {
        return Err(HeadError::NotAHead);
    }
    let (version, content) = rest.split_first_chunk::<2>().ok_or(short)?;
    let version = u16::from_le_bytes(*version);
    if ![VERSION_SINGLE, VERSION].contains(&version) {
        return Err(HeadError::UnknownVersion { found: version });
    }
    let stated = content.get(2..6).and_then(|b| b.first_chunk::<4>()).ok_or(short)?;
    let stated = u32::from_le_bytes(*stated) as usize;
    if stated != bytes.len() {
        return Err(HeadError::WrongTotal { found: bytes.len(), stated });
    }
    let (all, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or(short)?;
    if crate::checksum::hash(all) != u32::from_le_bytes(*crc) {
        return Err(HeadError::BadChecksum);
    }
    let (content, _) = content.split_last_chunk::<CRC_BYTES>().ok_or(short)?;
    Ok((version, content))
}

fn take_ref<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], HeadError> {
    let malformed = HeadError::Malformed { what: "the record ends within a field" };
    let (field, tail) = rest.split_first_chunk::<N>().ok_or(malformed)?;
    *rest = tail;
    Ok(field)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], HeadError> {
    take_ref(rest).copied()
}

fn take_u16(rest: &mut &[u8]) -> Result<u16, HeadError> {
    take(rest).map(u16::from_le_bytes)
}

/// Takes the bytes of `count` names; checks each and that no two are equal.
fn take_names<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], HeadError> {
    let all = *rest;
    for _ in 0..count {
        let [_, _, _, _, len] = take(rest)?;
        let malformed = HeadError::Malformed { what: "a class has an impossible name" };
        let (name, tail) = rest.split_at_checked(usize::from(len)).ok_or(malformed)?;
        let known = &all[..all.len() - rest.len() - 5];
        let name = core::str::from_utf8(name).map_err(|_| malformed)?;
        if !is_readable(name) || names(known).any(|(other, _)| other == name) {
            return Err(malformed);
        }
        *rest = tail;
    }
    Ok(&all[..all.len() - rest.len()])
}

/// Returns names and the number of samples seen of each.
fn names(mut bytes: &[u8]) -> impl Iterator<Item = (&str, u32)> {
    core::iter::from_fn(move || {
        let (&[a, b, c, d, len], rest) = bytes.split_first_chunk::<5>()?;
        let (name, tail) = rest.split_at_checked(usize::from(len))?;
        bytes = tail;
        Some((core::str::from_utf8(name).ok()?, u32::from_le_bytes([a, b, c, d])))
    })
}

fn put(rest: &mut &mut [u8], field: &[u8]) {
    let (front, tail) = core::mem::take(rest).split_at_mut(field.len());
    front.copy_from_slice(field);
    *rest = tail;
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::head::testing::{Noise, TestHead, cluster, empty, fingerprint, taught};

    fn encoded(head: &TestHead) -> Vec<u8> {
        let mut bytes = vec![0xee; head.encoded_len() + 3];
        let written = head.encode(&mut bytes).unwrap();
        assert_eq!((written, &bytes[written..]), (head.encoded_len(), &[0xee; 3][..]));
        bytes.truncate(written);
        bytes
    }

    fn decoded(bytes: &[u8]) -> Result<TestHead, HeadError> {
        let record = Record::open(bytes)?;
        let words = record.limits().words(record.kind(), record.dim())?;
        let memory = Box::leak(vec![0x5555_5555; words].into_boxed_slice());
        Head::decode(bytes, Some(PackageId::new([7; 32])), memory)
    }

    /// Corrects the checksum, so that the checks behind it are tested.
    fn sealed(mut bytes: Vec<u8>, edit: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        bytes.truncate(bytes.len() - CRC_BYTES);
        edit(&mut bytes);
        let total = (bytes.len() + CRC_BYTES) as u32;
        bytes[12..16].copy_from_slice(&total.to_le_bytes());
        let crc = crate::checksum::hash(&bytes);
        bytes.extend(crc.to_le_bytes());
        bytes
    }

    #[test]
    fn no_head_is_longer_than_the_most_that_is_stated() {
        let limits = Limits { classes: 3, samples: 6 };
        let mut head = empty(HeadKind::Auto, 21, limits);
        let mut noise = Noise(3);
        for class in 0..3 {
            let name = ["a", "b", "c"][class].repeat(MAX_NAME_BYTES);
            let class = head.add_class(&name).unwrap();
            for _ in 0..5 {
                head.add_sample(class, Embedding::Float(&cluster(&mut noise, 0, 21, 1.0))).unwrap();
                assert!(head.encoded_len() <= limits.most_encoded(21));
            }
        }
        assert_eq!(head.encoded_len(), limits.most_encoded(21), "full, and all left something out");
    }

    #[test]
    fn a_loaded_head_answers_with_the_same_bits() {
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 3, 4, 21, 0.8);
            head.set_inverse_l2(2.5).unwrap();
            head.add_class("empty").unwrap();
            let unfitted = encoded(&head);
            let before = fingerprint(&mut head);
            let bytes = encoded(&head);
            assert_eq!(bytes, unfitted, "the same teaching gives the same bytes");
            let mut loaded = decoded(&bytes).unwrap();
            assert_eq!(fingerprint(&mut loaded), before, "{kind}");
            assert_eq!(encoded(&loaded), bytes);
            assert_eq!((loaded.limits(), loaded.inverse_l2()), (head.limits(), 2.5));
            assert!(loaded.classes().eq(head.classes()));
        }
    }

    #[test]
    fn an_empty_head_can_be_saved() {
        let head = empty(HeadKind::Softmax, 5, Limits { classes: 2, samples: 2 });
        let bytes = encoded(&head);
        assert_eq!(bytes.len(), FIXED_BYTES + CRC_BYTES);
        assert_eq!(decoded(&bytes).unwrap().class_count(), 0);
    }

    #[test]
    fn a_record_tells_what_it_holds() {
        let bytes = encoded(&taught(HeadKind::NearestMean, 2, 1, 6, 0.5));
        let record = Record::open(&bytes).unwrap();
        assert_eq!((record.kind(), record.dim()), (HeadKind::NearestMean, 6));
        assert_eq!((record.package_id(), record.sample_count()), (PackageId::new([7; 32]), 2));
        assert_eq!(record.class_names().collect::<Vec<_>>(), ["c0", "c1"]);
    }

    #[test]
    fn another_package_is_refused() {
        let bytes = encoded(&taught(HeadKind::NearestMean, 2, 1, 6, 0.5));
        let mut memory = vec![0; 999];
        let mut load =
            |id: Option<PackageId>| Head::decode(&bytes, id, &mut memory[..]).map(|_| ());
        assert_eq!(load(Some(PackageId::new([8; 32]))), Err(HeadError::OtherPackage));
        assert_eq!((load(Some(PackageId::new([7; 32]))), load(None)), (Ok(()), Ok(())));
        let short = Head::decode(&bytes, None, [0; 3]).map(|_| ());
        assert!(matches!(short, Err(HeadError::MemoryTooShort { found: 3, .. })));
    }

    #[test]
    fn every_truncation_and_extension_is_rejected() {
        let mut bytes = encoded(&taught(HeadKind::Softmax, 2, 2, 5, 0.5));
        for len in 0..bytes.len() {
            assert!(Record::open(&bytes[..len]).is_err(), "{len}");
        }
        bytes.push(0);
        assert!(matches!(Record::open(&bytes), Err(HeadError::WrongTotal { .. })));
    }

    #[test]
    fn every_flipped_bit_is_rejected() {
        let mut bytes = encoded(&taught(HeadKind::Softmax, 2, 2, 5, 0.5));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::open(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        Record::open(&bytes).unwrap();
    }

    #[test]
    fn fields_behind_a_right_checksum_are_checked() {
        type Edit = fn(&mut Vec<u8>);
        // Names "c0" and "c1" are at 73 and 80, the samples of 8 + 5 bytes from 82 on.
        let cases: [(&str, Edit); 22] = [
            ("version", |b| b[8] = 1),
            ("kind", |b| b[10] = 9),
            ("transform", |b| b[11] = 4),
            ("setting", |b| b[11] = 48),
            ("inverse L2 regularization", |b| b[48..52].copy_from_slice(&f32::NAN.to_le_bytes())),
            ("false-rejection rate", |b| b[52..56].copy_from_slice(&0.6f32.to_le_bytes())),
            ("no false-rejection rate", |b| b[52..56].copy_from_slice(&f32::NAN.to_le_bytes())),
            ("no dimension", |b| b[56] = 0),
            ("all dimensions", |b| b[56..60].fill(0xff)),
            ("no classes", |b| b[60] = 0),
            ("no samples", |b| b[62] = 0),
            ("classes over the limit", |b| b[64] = 4),
            ("samples over the limit", |b| b[66] = 9),
            ("a sample less", |b| b[66] = 3),
            ("empty name", |b| b[72] = 0),
            ("long name", |b| b[72] = 33),
            ("name not UTF-8", |b| b[73] = 0xff),
            ("equal names", |b| b[81] = b'0'),
            ("class of a sample", |b| b[82] = 2),
            ("zero after zero point", |b| b[85] = 1),
            ("scale", |b| b[86..90].fill(0)),
            ("a byte more", |b| b.push(0)),
        ];
        let good = encoded(&taught(HeadKind::Softmax, 2, 2, 5, 0.5));
        decoded(&sealed(good.clone(), |_| ())).unwrap();
        for (name, edit) in cases {
            let bytes = sealed(good.clone(), edit);
            let error = Record::open(&bytes).err();
            assert!(error.is_some_and(|e| e != HeadError::BadChecksum), "{name}: {error:?}");
        }
        // Overflows only once it is multiplied out.
        let bytes = sealed(good, |b| b[86..90].copy_from_slice(&f32::MAX.to_le_bytes()));
        assert!(decoded(&bytes).is_err());
        // Class 0 has seen two samples and has two.
        let fewer = sealed(encoded(&taught(HeadKind::Softmax, 2, 2, 5, 0.5)), |b| b[68] = 1);
        assert!(decoded(&fewer).is_err());
        let too_often =
            sealed(good_means(), |b| b[68..72].copy_from_slice(&65_536u32.to_le_bytes()));
        assert!(decoded(&too_often).is_err());
        // Last number of the last sum: at most 32,768 for each of the six evicted samples.
        let end = good_means().len() - CRC_BYTES;
        for (value, fits) in [(0i32, true), (1 << 19, false), (i32::MIN, false)] {
            let bytes =
                sealed(good_means(), |b| b[end - 4..].copy_from_slice(&value.to_le_bytes()));
            assert_eq!(decoded(&bytes).is_ok(), fits, "{value}");
        }
    }

    /// Eight samples of each of two classes, of which two are kept.
    fn good_means() -> Vec<u8> {
        encoded(&left_out(HeadKind::NearestMean))
    }

    fn left_out(kind: HeadKind) -> TestHead {
        let mut head = empty(kind, 6, Limits { classes: 2, samples: 4 });
        let classes = ["a", "b"].map(|name| head.add_class(name).unwrap());
        for i in 0..16 {
            let values = cluster(&mut Noise(i as u64), i % 2, 6, 1.0);
            head.add_sample(classes[i % 2], Embedding::Float(&values)).unwrap();
        }
        head
    }

    #[test]
    fn sums_of_what_was_left_out_are_saved() {
        for kind in HeadKind::ALL {
            let mut head = left_out(kind);
            let bytes = encoded(&head);
            assert_eq!(bytes.len(), FIXED_BYTES + 2 * 6 + 4 * (8 + 6) + 2 * 4 * 6 + CRC_BYTES);
            let mut again = decoded(&bytes).unwrap();
            assert_eq!(fingerprint(&mut again), fingerprint(&mut head), "{kind}");
            assert_eq!(encoded(&again), bytes);
            // Further training must give the same result.
            let values = cluster(&mut Noise(99), 1, 6, 1.0);
            for head in [&mut head, &mut again] {
                head.add_sample(ClassId(1), Embedding::Float(&values)).unwrap();
            }
            assert_eq!(encoded(&again), encoded(&head));
        }
    }

    #[test]
    fn output_must_be_long_enough() {
        let head = taught(HeadKind::NearestMean, 2, 1, 6, 0.5);
        let needed = head.encoded_len();
        let short = head.encode(&mut vec![0; needed - 1]);
        assert_eq!(short, Err(EncodeError::TooShort { found: needed - 1, needed }));
    }
}
