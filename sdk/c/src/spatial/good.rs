//! Heads that know good frames alone, and mark what is unusual.

use std::ffi::c_char;

use offshoot::GoodHead;

use crate::embedding::Embedding;
use crate::extractor::{EXTRACTORS, ExtractorHandle, cells};
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::handle::Table;
use crate::memory::{In, Out, Versioned, flag, put_values};

pub(crate) static GOOD_HEADS: Table<GoodHead> = Table::new(4, "head of good frames");

/// Handle of a head that knows good frames. It is a number, to be copied at will; 0 is none.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoodHandle {
    /// Number that is never given out twice.
    pub id: u64,
}

/// Properties of a head that knows good frames.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct GoodInfo {
    /// sizeof(offshoot_good_head_info).
    pub size: u32,
    /// 1 if each place has a mean of its own.
    pub is_fixed: u32,
    /// 1 if nothing was learned since the last fit.
    pub is_fitted: u32,
    /// Number of good frames that were learned.
    pub lessons: u32,
    /// Score from which a frame is unusual; NaN before three good frames were tested.
    pub threshold: f32,
    /// Number of rows of the heat.
    pub rows: u32,
    /// Number of columns of the heat.
    pub columns: u32,
    /// Bytes of the encoded head.
    pub encoded_bytes: usize,
    /// Digest of the package that makes its cells.
    pub package_id: [u8; 32],
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for GoodInfo {}

/// Answer to a frame: its most unusual cell.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Unusual {
    /// sizeof(offshoot_unusual).
    pub size: u32,
    /// 1 if the score is above the threshold.
    pub is_unusual: u32,
    /// Score of the cell, and of the frame; 1 is usual.
    pub score: f32,
    /// Score from which a frame is unusual; NaN before three good frames were tested.
    pub threshold: f32,
    /// Row of the cell.
    pub row: u32,
    /// Column of the cell.
    pub column: u32,
    /// Middle of the cell as a share of the frame's width.
    pub x: f32,
    /// Middle of the cell as a share of the frame's height.
    pub y: f32,
}

// SAFETY: numbers, the size first.
unsafe impl Versioned for Unusual {}

/// Keeps the head that `make` makes, and tells its handle.
fn open(
    handle: Out<GoodHandle>,
    make: impl FnOnce() -> Result<GoodHead, Fault>,
) -> Result<(), Fault> {
    let place = handle.place("head")?;
    place.put(GoodHandle { id: GOOD_HEADS.add(make()?)? });
    Ok(())
}

/// Makes an empty head for the extractor's cells. `is_fixed` is 1 if parts always lie alike before
/// the camera, so that each place has a mean of its own; else 0. All memory is reserved here.
///
/// OFFSHOOT_STATUS_NO_CELLS for a package that was converted without `--cells`.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_new(
    extractor: ExtractorHandle,
    is_fixed: u32,
    head: Out<GoodHandle>,
) -> Status {
    guard(|| {
        let is_fixed = flag("is_fixed", is_fixed)?;
        open(head, || {
            EXTRACTORS.read(extractor.id, |opened| Ok(GoodHead::new(&opened.lock(), is_fixed)?))
        })
    })
}

/// Loads a head from a file; it was taught on this extractor's package. It is fitted, if it has
/// learned enough.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_load(
    path: In<c_char>,
    extractor: ExtractorHandle,
    head: Out<GoodHandle>,
) -> Status {
    guard(|| {
        open(head, || {
            EXTRACTORS.read(extractor.id, |opened| {
                path.path("path", |path| Ok(GoodHead::load(path, &opened.lock())?))
            })
        })
    })
}

/// Makes a head of the bytes that offshoot_good_head_encode wrote; it was taught on this
/// extractor's package.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_decode(
    bytes: In<u8>,
    length: usize,
    extractor: ExtractorHandle,
    head: Out<GoodHandle>,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for `length` bytes, until the function returns.
        let bytes = unsafe { bytes.values(length, "bytes") }?;
        open(head, || {
            EXTRACTORS.read(extractor.id, |opened| Ok(GoodHead::from_bytes(bytes, &opened.lock())?))
        })
    })
}

/// Saves a head: the file holds the old head or the new one, whenever the power fails.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_save(head: GoodHandle, path: In<c_char>) -> Status {
    guard(|| GOOD_HEADS.write(head.id, |head| path.path("path", |path| Ok(head.save(path)?))))
}

/// Writes a head to `out`, to be kept or sent; `encoded_bytes` of its properties tells the room it
/// takes. `length` may be null. Allocates.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_encode(
    head: GoodHandle,
    out: Out<u8>,
    capacity: usize,
    length: Out<usize>,
) -> Status {
    guard(|| {
        GOOD_HEADS.write(head.id, |head| {
            length.optional().put(head.encoded_len());
            // SAFETY: the header asks for `capacity` bytes.
            unsafe { put_values(&head.to_bytes(), out, capacity) }
        })
    })
}

/// Closes a head. What was not saved is lost.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_close(head: GoodHandle) -> Status {
    guard(|| GOOD_HEADS.remove(head.id))
}

/// Tells the properties of a head.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_get_info(head: GoodHandle, info: Out<GoodInfo>) -> Status {
    guard(|| {
        let record = info.record("info")?;
        GOOD_HEADS.read(head.id, |head| {
            let [rows, columns] = head.layout().grid();
            record.put(&GoodInfo {
                size: 0,
                is_fixed: head.is_fixed().into(),
                is_fitted: head.is_fitted().into(),
                lessons: head.lessons(),
                threshold: head.threshold().unwrap_or(f32::NAN),
                rows: rows as u32,
                columns: columns as u32,
                encoded_bytes: head.encoded_len(),
                package_id: *head.package_id().as_bytes(),
            });
            Ok(())
        })
    })
}

/// Learns a good frame. If the head is fitted, the frame is first asked of it: the threshold comes
/// from these tests. `cells` is what offshoot_extractor_embed gave. Allocates nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_teach(head: GoodHandle, cells: In<Embedding>) -> Status {
    guard(|| {
        GOOD_HEADS.write(head.id, |head| {
            cells::with(*head.layout(), cells, |cells| Ok(head.teach(cells)?))
        })
    })
}

/// Asks the head about a good frame without learning it; the threshold counts it.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_test(head: GoodHandle, cells: In<Embedding>) -> Status {
    guard(|| {
        GOOD_HEADS.write(head.id, |head| {
            cells::with(*head.layout(), cells, |cells| Ok(head.test(cells)?))
        })
    })
}

/// Takes the last lesson back. OFFSHOOT_STATUS_NO_SUCH_SAMPLE if there is none that can be.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_undo(head: GoodHandle) -> Status {
    guard(|| {
        GOOD_HEADS.write(head.id, |head| match head.undo() {
            true => Ok(()),
            false => Err(Fault::NoLesson),
        })
    })
}

/// Computes means and covariance from what was learned, two frames at least. Allocates nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_fit(head: GoodHandle) -> Status {
    guard(|| GOOD_HEADS.write(head.id, |head| Ok(head.fit()?)))
}

/// Measures how unusual a frame is, and where.
///
/// Writes the score of each cell to `heat`, row by row, rows times columns of the head's
/// properties; null with a `capacity` of 0 if it is not wanted. Allocates nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_good_head_look(
    head: GoodHandle,
    cells: In<Embedding>,
    unusual: Out<Unusual>,
    heat: Out<f32>,
    capacity: usize,
) -> Status {
    guard(|| {
        let record = unusual.record("unusual")?;
        GOOD_HEADS.write(head.id, |head| {
            let layout = *head.layout();
            cells::with(layout, cells, |cells| {
                let found = head.look(cells)?;
                if !heat.is_null() || capacity > 0 {
                    // SAFETY: the header asks for `capacity` floats.
                    unsafe { put_values(found.heat, heat, capacity) }?;
                }
                let columns = layout.grid()[1];
                let row = found.place / columns;
                let column = found.place % columns;
                let [y, x] = layout.centre(row, column);
                record.put(&Unusual {
                    size: 0,
                    is_unusual: found.is_unusual().into(),
                    score: found.score,
                    threshold: found.threshold.unwrap_or(f32::NAN),
                    row: row as u32,
                    column: column as u32,
                    x,
                    y,
                });
                Ok(())
            })
        })
    })
}
