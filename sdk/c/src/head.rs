//! Heads: made, kept and described. `teach` changes their samples, `ask` has their answers.

pub(crate) mod ask;
pub(crate) mod outcome;
pub(crate) mod teach;

use std::ffi::c_char;

use offshoot::{ClassId, EditError, Head, Limits};

use crate::extractor::{EXTRACTORS, ExtractorHandle};
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::handle::Table;
use crate::memory::{In, Out, Versioned};

pub(crate) static HEADS: Table<Head> = Table::new(2, "head");

/// Handle of a head. It is a number, to be copied at will; 0 is none.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadHandle {
    /// Number that is never given out twice.
    pub id: u64,
}

/// Algorithm of a head.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadKind {
    /// Nearest class mean by angle; for one or two samples per class.
    NearestMean = 0,
    /// Softmax regression; for classes that are well separated.
    Softmax = 1,
    /// Ridge regression; accurate for overlapping classes.
    Ridge = 2,
    /// Linear discriminant analysis; for very uneven numbers of samples.
    Slda = 3,
    /// The five nearest samples vote; for classes with several appearances and many samples.
    Knn = 4,
    /// A mean of ridge regressions and discriminant analyses, weighted by held-out samples.
    Auto = 5,
}

/// Transform of an embedding's L2 norm before a head sees it.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// Unchanged up to a common factor.
    Raw = 0,
    /// Half way to L2 normalization.
    Half = 1,
    /// L2 normalization.
    Unit = 2,
    /// Three quarters of the way to L2 normalization.
    Quarter = 3,
}

/// Eviction policy of a head that is full of samples.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Refuse the new sample.
    Refuse = 0,
    /// Keep each sample ever seen with the same probability.
    Reservoir = 1,
    /// Keep the samples whose mean is nearest to that of all samples seen.
    Herding = 2,
}

/// Properties and settings of a head.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HeadInfo {
    /// sizeof(offshoot_head_info).
    pub size: u32,
    /// Number of enum offshoot_head_kind.
    pub kind: u32,
    /// Number of enum offshoot_transform.
    pub transform: u32,
    /// Number of enum offshoot_when_full.
    pub when_full: u32,
    /// Max number of classes.
    pub max_classes: u32,
    /// Max number of samples, all classes together.
    pub max_samples: u32,
    /// Number of classes.
    pub classes: u32,
    /// Number of samples that are kept.
    pub samples: u32,
    /// Number of dimensions of an embedding.
    pub dim: usize,
    /// Bytes of the encoded head.
    pub encoded_bytes: usize,
    /// Inverse L2 regularization.
    pub inverse_l2: f32,
    /// Target false-rejection rate.
    pub false_rejection_rate: f32,
    /// 1 if nothing has changed since the last fit.
    pub is_fitted: u32,
    /// Digest of the package that the head was taught on.
    pub package_id: [u8; 32],
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for HeadInfo {}

/// Returns the facade's value of a number of an enum.
fn named<T: Copy>(
    noun: &'static str,
    values: &[T],
    number: impl Fn(T) -> u32,
    found: u32,
) -> Result<T, Fault> {
    let value = values.iter().copied().find(|&value| number(value) == found);
    value.ok_or(Fault::Value { noun, found: found.into() })
}

/// Returns the class of that number.
pub(crate) fn class(head: &Head, class_id: u32) -> Result<ClassId, Fault> {
    let class = class_id as usize;
    let unknown = || EditError::NoSuchClass { class, count: head.class_count() };
    Ok(head.class_at(class).ok_or_else(unknown)?)
}

/// Returns the number of a class.
pub(crate) fn number(class: ClassId) -> u32 {
    class.index() as u32
}

/// Keeps the head that `make` makes, and tells its handle.
fn open(handle: Out<HeadHandle>, make: impl FnOnce() -> Result<Head, Fault>) -> Result<(), Fault> {
    let place = handle.place("head")?;
    place.put(HeadHandle { id: HEADS.add(make()?)? });
    Ok(())
}

/// Returns a limit as a head takes it.
fn limit(name: &'static str, found: u32) -> Result<u16, Fault> {
    let range = Fault::Range { name, found: found.into(), low: 1, high: u16::MAX.into() };
    u16::try_from(found).map_err(|_| range)
}

/// Makes an empty head for the extractor's embeddings. All memory that it will use is reserved
/// here.
///
/// `kind` is a number of enum offshoot_head_kind. At most 1,024 classes and 65,535 samples.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_new(
    extractor: ExtractorHandle,
    kind: u32,
    max_classes: u32,
    max_samples: u32,
    head: Out<HeadHandle>,
) -> Status {
    guard(|| {
        let kind = named("kind of head", &offshoot::HeadKind::ALL, |kind| kind as u32, kind)?;
        let classes = limit("max_classes", max_classes)?;
        let samples = limit("max_samples", max_samples)?;
        open(head, || {
            EXTRACTORS.read(extractor.id, |opened| {
                Ok(Head::new(kind, &opened.lock(), Limits { classes, samples })?)
            })
        })
    })
}

/// Tells the number of a kind of head by its name: "auto", "ncm", "softmax", "ridge", "slda",
/// "knn".
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_kind_named(name: In<c_char>, kind: Out<u32>) -> Status {
    guard(|| {
        let place = kind.place("kind")?;
        let found = name.text("name", |name| Ok(name.parse::<offshoot::HeadKind>()?))?;
        place.put(found as u32);
        Ok(())
    })
}

/// Loads a head from a file; it was taught on this extractor's package.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_load(
    path: In<c_char>,
    extractor: ExtractorHandle,
    head: Out<HeadHandle>,
) -> Status {
    guard(|| {
        open(head, || {
            EXTRACTORS.read(extractor.id, |opened| {
                path.path("path", |path| Ok(Head::load(path, &opened.lock())?))
            })
        })
    })
}

/// Loads a head from a file without its package: to look at it, to merge it.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_read(path: In<c_char>, head: Out<HeadHandle>) -> Status {
    guard(|| open(head, || path.path("path", |path| Ok(Head::read(path)?))))
}

/// Makes a head of the bytes that offshoot_head_encode wrote; it was taught on this extractor's
/// package.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_decode(
    bytes: In<u8>,
    length: usize,
    extractor: ExtractorHandle,
    head: Out<HeadHandle>,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for `length` bytes, until the function returns.
        let bytes = unsafe { bytes.values(length, "bytes") }?;
        open(head, || {
            EXTRACTORS.read(extractor.id, |opened| Ok(Head::from_bytes(bytes, &opened.lock())?))
        })
    })
}

/// Saves a head: the file holds the old head or the new one, whenever the power fails.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_save(head: HeadHandle, path: In<c_char>) -> Status {
    guard(|| HEADS.read(head.id, |head| path.path("path", |path| Ok(head.save(path)?))))
}

/// Writes a head to `out`, to be kept or sent; `encoded_bytes` of its properties tells the room it
/// takes.
///
/// The same training data gives the same bytes. `length` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_encode(
    head: HeadHandle,
    out: Out<u8>,
    capacity: usize,
    length: Out<usize>,
) -> Status {
    guard(|| {
        HEADS.read(head.id, |head| {
            // SAFETY: the header asks for `capacity` bytes.
            let bytes = unsafe { out.values(capacity, "out") }?;
            length.optional().put(head.encode(bytes)?);
            Ok(())
        })
    })
}

/// Closes a head. What was not saved is lost.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_close(head: HeadHandle) -> Status {
    guard(|| HEADS.remove(head.id))
}

/// Tells the properties and settings of a head.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_get_info(head: HeadHandle, info: Out<HeadInfo>) -> Status {
    guard(|| {
        let record = info.record("info")?;
        HEADS.read(head.id, |head| {
            let recipe = head.recipe();
            let limits = head.limits();
            record.put(&HeadInfo {
                size: 0,
                kind: recipe.kind as u32,
                transform: recipe.transform as u32,
                when_full: head.when_full() as u32,
                max_classes: limits.classes.into(),
                max_samples: limits.samples.into(),
                classes: head.class_count() as u32,
                samples: head.sample_count() as u32,
                dim: head.dim(),
                encoded_bytes: head.encoded_len(),
                inverse_l2: head.inverse_l2(),
                false_rejection_rate: head.false_rejection_rate(),
                is_fitted: head.is_fitted().into(),
                package_id: *head.package_id().as_bytes(),
            });
            Ok(())
        })
    })
}

/// Sets the inverse L2 regularization, 0.001 to 1,000. Auto, class means and k-NN do not use it.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_set_inverse_l2(head: HeadHandle, inverse_l2: f32) -> Status {
    guard(|| HEADS.write(head.id, |head| Ok(head.set_inverse_l2(inverse_l2)?)))
}

/// Sets the transform, a number of enum offshoot_transform. Auto chooses its own.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_set_transform(head: HeadHandle, transform: u32) -> Status {
    guard(|| {
        let all = &offshoot::Transform::ALL;
        let transform = named("transform", all, |transform| transform as u32, transform)?;
        HEADS.write(head.id, |head| {
            head.set_transform(transform);
            Ok(())
        })
    })
}

/// Sets the target false-rejection rate, 0 to 0.5: the share of known samples that may be called
/// unknown; 0 turns unknown answers off.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_set_false_rejection_rate(head: HeadHandle, rate: f32) -> Status {
    guard(|| HEADS.write(head.id, |head| Ok(head.set_false_rejection_rate(rate)?)))
}

/// Sets the eviction policy, a number of enum offshoot_when_full.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_set_when_full(head: HeadHandle, when_full: u32) -> Status {
    guard(|| {
        use offshoot::WhenFull::{Herding, Refuse, Reservoir};
        let all = [Refuse, Reservoir, Herding];
        let when_full = named("eviction policy", &all, |policy| policy as u32, when_full)?;
        HEADS.write(head.id, |head| {
            head.set_when_full(when_full);
            Ok(())
        })
    })
}
