//! Classes and samples: added, corrected, forgotten.

use std::ffi::c_char;

use offshoot::EditError;

use super::{HEADS, HeadHandle, class, number};
use crate::embedding::{Embedding, Extent, Room};
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::memory::{In, Out, Versioned};

/// Bytes of the longest class name with its NUL.
pub const NAME_BYTES: usize = 65;

/// Properties of a class.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ClassInfo {
    /// sizeof(offshoot_class_info).
    pub size: u32,
    /// Number of its samples that are kept.
    pub samples: u32,
    /// Number of samples that it has ever seen, kept or evicted.
    pub shown: u32,
    /// Name in UTF-8, with a NUL at its end.
    pub name: [c_char; NAME_BYTES],
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for ClassInfo {}

/// Returns a class name as structs have it.
pub(crate) fn name_in(text: Option<&str>) -> [c_char; NAME_BYTES] {
    let mut name = [0; NAME_BYTES];
    // The last byte stays 0.
    let room = name.iter_mut().take(NAME_BYTES - 1);
    room.zip(text.unwrap_or_default().bytes()).for_each(|(slot, byte)| *slot = byte as c_char);
    name
}

/// Adds a class. The first has the number 0; `class_id` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_add_class(
    head: HeadHandle,
    name: In<c_char>,
    class_id: Out<u32>,
) -> Status {
    guard(|| {
        HEADS.write(head.id, |head| {
            let class = name.text("name", |name| {
                head.add_class(name).map_err(|error| Fault::of_name(error, name))
            })?;
            class_id.optional().put(number(class));
            Ok(())
        })
    })
}

/// Tells the number of the class of that name.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_class_named(
    head: HeadHandle,
    name: In<c_char>,
    class_id: Out<u32>,
) -> Status {
    guard(|| {
        let place = class_id.place("class_id")?;
        HEADS.read(head.id, |head| {
            let class = name.text("name", |name| {
                head.class_named(name).ok_or_else(|| Fault::NoSuchName { name: name.to_string() })
            })?;
            place.put(number(class));
            Ok(())
        })
    })
}

/// Tells name and numbers of samples of a class.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_get_class(
    head: HeadHandle,
    class_id: u32,
    info: Out<ClassInfo>,
) -> Status {
    guard(|| {
        let record = info.record("info")?;
        HEADS.read(head.id, |head| {
            let class = class(head, class_id)?;
            record.put(&ClassInfo {
                size: 0,
                samples: head.samples_of(class) as u32,
                shown: head.shown_of(class),
                name: name_in(head.class_name(class)),
            });
            Ok(())
        })
    })
}

/// Renames a class.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_rename_class(
    head: HeadHandle,
    class_id: u32,
    name: In<c_char>,
) -> Status {
    guard(|| {
        HEADS.write(head.id, |head| {
            let class = class(head, class_id)?;
            name.text("name", |name| {
                head.rename_class(class, name).map_err(|error| Fault::of_name(error, name))
            })
        })
    })
}

/// Removes a class with its samples; the numbers of the classes behind it move down by one.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_remove_class(head: HeadHandle, class_id: u32) -> Status {
    guard(|| {
        HEADS.write(head.id, |head| {
            let class = class(head, class_id)?;
            Ok(head.remove_class(class)?)
        })
    })
}

/// Adds a sample to a class. A full head evicts by its policy. Allocates nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_add_sample(
    head: HeadHandle,
    class_id: u32,
    embedding: In<Embedding>,
) -> Status {
    guard(|| {
        HEADS.write(head.id, |head| {
            let class = class(head, class_id)?;
            Embedding::with(embedding, |embedding| Ok(head.add_sample(class, embedding)?))
        })
    })
}

/// Takes back the newest sample; tells its class, which may be null.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_undo(head: HeadHandle, class_id: Out<u32>) -> Status {
    guard(|| {
        HEADS.write(head.id, |head| {
            let class = head.undo().ok_or(Fault::NothingToUndo)?;
            class_id.optional().put(number(class));
            Ok(())
        })
    })
}

/// Removes a sample by its number, 0 for the oldest; tells its class, which may be null.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_remove_sample(
    head: HeadHandle,
    sample: usize,
    class_id: Out<u32>,
) -> Status {
    guard(|| {
        HEADS.write(head.id, |head| {
            let class = head.remove_sample(sample)?;
            class_id.optional().put(number(class));
            Ok(())
        })
    })
}

/// Tells the class of a kept sample and its embedding; either may be null. 0 is the oldest sample.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_get_sample(
    head: HeadHandle,
    sample: usize,
    class_id: Out<u32>,
    embedding: Out<Embedding>,
) -> Status {
    guard(|| {
        HEADS.read(head.id, |head| {
            let unknown = || EditError::NoSuchSample { sample, count: head.sample_count() };
            let found = head.samples().nth(sample).ok_or_else(unknown)?;
            if !embedding.is_null() {
                Room::of(embedding, Extent::of(&found.1))?.fill(found.1)?;
            }
            class_id.optional().put(number(found.0));
            Ok(())
        })
    })
}

/// Teaches a head all samples of another one; classes of the same name are the same.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_merge(head: HeadHandle, other: HeadHandle) -> Status {
    guard(|| HEADS.pair(head.id, other.id, |into, from| Ok(into.merge(from)?)))
}

/// Takes what was evicted out of the class means, which are of all samples ever seen until then.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_head_forget_left_out(head: HeadHandle) -> Status {
    guard(|| {
        HEADS.write(head.id, |head| {
            head.forget_left_out();
            Ok(())
        })
    })
}
