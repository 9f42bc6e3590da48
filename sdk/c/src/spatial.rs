//! Heads that find objects in cells: made, kept and described. `scene` teaches and asks them,
//! `good` are those that know good frames alone.

pub(crate) mod good;
pub(crate) mod scene;

use std::ffi::c_char;

use offshoot::{EditError, SpatialHead, SpatialLimits};

use crate::extractor::{EXTRACTORS, ExtractorHandle};
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::handle::Table;
use crate::head::teach::{NAME_BYTES, name_in};
use crate::memory::{In, Out, Versioned, put_values};

pub(crate) static SPATIAL_HEADS: Table<SpatialHead> = Table::new(3, "head of cells");

/// Handle of a head that finds objects. It is a number, to be copied at will; 0 is none.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpatialHandle {
    /// Number that is never given out twice.
    pub id: u64,
}

/// Properties of a head that finds objects.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SpatialInfo {
    /// sizeof(offshoot_spatial_head_info).
    pub size: u32,
    /// Max number of classes.
    pub max_classes: u32,
    /// Number of classes.
    pub classes: u32,
    /// Number of lessons: frames that were taught.
    pub lessons: u32,
    /// 1 if nothing was learned since the last fit.
    pub is_fitted: u32,
    /// 1 if cells are compared with an empty scene.
    pub has_reference: u32,
    /// Bytes of the encoded head.
    pub encoded_bytes: usize,
    /// Digest of the package that makes its cells.
    pub package_id: [u8; 32],
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for SpatialInfo {}

/// Properties of a class of objects.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SpatialClass {
    /// sizeof(offshoot_spatial_class).
    pub size: u32,
    /// Number of its objects that were taught.
    pub objects: u32,
    /// Score from which it is reported.
    pub threshold: f32,
    /// Mean width of its boxes as a share of the frame's; 0 if it has none.
    pub width: f32,
    /// Mean height of its boxes as a share of the frame's; 0 if it has none.
    pub height: f32,
    /// 1 if three lessons or more were tested before they were learned; else what follows is 0.
    pub is_tested: u32,
    /// Number of its objects in the tested lessons.
    pub tested: u32,
    /// Share of what was found that was right.
    pub precision: f32,
    /// Share of the objects that were found.
    pub recall: f32,
    /// Harmonic mean of both.
    pub f1: f32,
    /// Name in UTF-8, with a NUL at its end.
    pub name: [c_char; NAME_BYTES],
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for SpatialClass {}

/// Returns the class of that number.
fn class(head: &SpatialHead, class_id: u32) -> Result<u8, Fault> {
    let class = class_id as usize;
    let count = head.class_count();
    match class < count {
        true => Ok(class_id as u8),
        false => Err(EditError::NoSuchClass { class, count }.into()),
    }
}

/// Keeps the head that `make` makes, and tells its handle.
fn open(
    handle: Out<SpatialHandle>,
    make: impl FnOnce() -> Result<SpatialHead, Fault>,
) -> Result<(), Fault> {
    let place = handle.place("head")?;
    place.put(SpatialHandle { id: SPATIAL_HEADS.add(make()?)? });
    Ok(())
}

/// Makes an empty head for the extractor's cells, with room for 1 to 16 classes. All memory that it
/// will use is reserved here.
///
/// OFFSHOOT_STATUS_NO_CELLS for a package that was converted without `--cells`.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_new(
    extractor: ExtractorHandle,
    max_classes: u32,
    head: Out<SpatialHandle>,
) -> Status {
    guard(|| {
        // Beyond a byte as far out of range as its largest value.
        let classes = u8::try_from(max_classes).unwrap_or(u8::MAX);
        open(head, || {
            EXTRACTORS.read(extractor.id, |opened| {
                Ok(SpatialHead::new(&opened.lock(), SpatialLimits { classes })?)
            })
        })
    })
}

/// Loads a head from a file; it was taught on this extractor's package. It is fitted, if it has
/// learned anything.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_load(
    path: In<c_char>,
    extractor: ExtractorHandle,
    head: Out<SpatialHandle>,
) -> Status {
    guard(|| {
        open(head, || {
            EXTRACTORS.read(extractor.id, |opened| {
                path.path("path", |path| Ok(SpatialHead::load(path, &opened.lock())?))
            })
        })
    })
}

/// Makes a head of the bytes that offshoot_spatial_head_encode wrote; it was taught on this
/// extractor's package.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_decode(
    bytes: In<u8>,
    length: usize,
    extractor: ExtractorHandle,
    head: Out<SpatialHandle>,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for `length` bytes, until the function returns.
        let bytes = unsafe { bytes.values(length, "bytes") }?;
        open(head, || {
            EXTRACTORS
                .read(extractor.id, |opened| Ok(SpatialHead::from_bytes(bytes, &opened.lock())?))
        })
    })
}

/// Saves a head: the file holds the old head or the new one, whenever the power fails.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_save(head: SpatialHandle, path: In<c_char>) -> Status {
    guard(|| SPATIAL_HEADS.read(head.id, |head| path.path("path", |path| Ok(head.save(path)?))))
}

/// Writes a head to `out`, to be kept or sent; `encoded_bytes` of its properties tells the room it
/// takes. `length` may be null. Allocates.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_encode(
    head: SpatialHandle,
    out: Out<u8>,
    capacity: usize,
    length: Out<usize>,
) -> Status {
    guard(|| {
        SPATIAL_HEADS.read(head.id, |head| {
            length.optional().put(head.encoded_len());
            // SAFETY: the header asks for `capacity` bytes.
            unsafe { put_values(&head.to_bytes(), out, capacity) }
        })
    })
}

/// Closes a head. What was not saved is lost.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_close(head: SpatialHandle) -> Status {
    guard(|| SPATIAL_HEADS.remove(head.id))
}

/// Tells the properties of a head.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_get_info(
    head: SpatialHandle,
    info: Out<SpatialInfo>,
) -> Status {
    guard(|| {
        let record = info.record("info")?;
        SPATIAL_HEADS.read(head.id, |head| {
            record.put(&SpatialInfo {
                size: 0,
                max_classes: head.limits().classes.into(),
                classes: head.class_count() as u32,
                lessons: head.lessons(),
                is_fitted: head.is_fitted().into(),
                has_reference: head.has_reference().into(),
                encoded_bytes: head.encoded_len(),
                package_id: *head.package_id().as_bytes(),
            });
            Ok(())
        })
    })
}

/// Adds a class. The first has the number 0; `class_id` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_add_class(
    head: SpatialHandle,
    name: In<c_char>,
    class_id: Out<u32>,
) -> Status {
    guard(|| {
        SPATIAL_HEADS.write(head.id, |head| {
            let class = name.text("name", |name| {
                head.add_class(name).map_err(|error| Fault::of_name(error, name))
            })?;
            class_id.optional().put(class.into());
            Ok(())
        })
    })
}

/// Renames a class; what was learned stays.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_rename_class(
    head: SpatialHandle,
    class_id: u32,
    name: In<c_char>,
) -> Status {
    guard(|| {
        SPATIAL_HEADS.write(head.id, |head| {
            let class = class(head, class_id)?;
            name.text("name", |name| {
                head.rename_class(class, name).map_err(|error| Fault::of_name(error, name))
            })
        })
    })
}

/// Tells the number of the class of that name.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_class_named(
    head: SpatialHandle,
    name: In<c_char>,
    class_id: Out<u32>,
) -> Status {
    guard(|| {
        let place = class_id.place("class_id")?;
        SPATIAL_HEADS.read(head.id, |head| {
            let class = name.text("name", |name| {
                head.class_named(name).ok_or_else(|| Fault::NoSuchName { name: name.to_string() })
            })?;
            place.put(class.into());
            Ok(())
        })
    })
}

/// Tells the properties of a class: name, objects, threshold, and what its tests let expect.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_get_class(
    head: SpatialHandle,
    class_id: u32,
    info: Out<SpatialClass>,
) -> Status {
    guard(|| {
        let record = info.record("info")?;
        SPATIAL_HEADS.read(head.id, |head| {
            let class = class(head, class_id)?;
            let [width, height] = head.size_of(class).unwrap_or([0.0; 2]);
            let mut found = SpatialClass {
                size: 0,
                objects: head.objects_of(class),
                threshold: head.threshold(class),
                width,
                height,
                is_tested: 0,
                tested: 0,
                precision: 0.0,
                recall: 0.0,
                f1: 0.0,
                name: name_in(head.class_name(class)),
            };
            if let Some(expected) = head.expected(class) {
                found.is_tested = 1;
                found.tested = expected.objects;
                found.precision = expected.precision;
                found.recall = expected.recall;
                found.f1 = expected.f1;
            }
            record.put(&found);
            Ok(())
        })
    })
}
