//! Lessons and questions of heads that find objects.

use offshoot::{MAX_MARKS, SpatialError, SpatialHead};

use super::{SPATIAL_HEADS, SpatialHandle, class};
use crate::embedding::Embedding;
use crate::extractor::cells;
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::memory::{In, Out};

/// Object in a frame that is taught: a point or a box. Structs in arrays state no size.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Number of its class.
    pub class_id: u32,
    /// Left edge of a box, or place of a point, as a share of the frame's width.
    pub left: f32,
    /// Upper edge of a box, or place of a point, as a share of the frame's height.
    pub top: f32,
    /// Width as a share of the frame's; 0 of a point.
    pub width: f32,
    /// Height as a share of the frame's; 0 of a point.
    pub height: f32,
}

/// Object that was found. Structs in arrays state no size.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Number of its class.
    pub class_id: u32,
    /// Score, about 1 in the middle of an object.
    pub score: f32,
    /// Middle of the object as a share of the frame's width.
    pub x: f32,
    /// Middle of the object as a share of the frame's height.
    pub y: f32,
    /// Width as a share of the frame's; 0 if it is not known.
    pub width: f32,
    /// Height as a share of the frame's; 0 if it is not known.
    pub height: f32,
}

impl Mark {
    fn of(head: &SpatialHead, mark: &Self) -> Result<offshoot::Mark, Fault> {
        let class = class(head, mark.class_id)?;
        if mark.width == 0.0 && mark.height == 0.0 {
            return Ok(offshoot::Mark::point(class, [mark.left, mark.top]));
        }
        Ok(offshoot::Mark::boxed(class, [mark.left, mark.top, mark.width, mark.height]))
    }
}

impl From<&offshoot::Detection> for Detection {
    fn from(found: &offshoot::Detection) -> Self {
        let [x, y] = found.centre;
        let [width, height] = found.size.unwrap_or([0.0; 2]);
        Self { class_id: found.class.into(), score: found.score, x, y, width, height }
    }
}

/// Gives the cells of a frame and its marks to `work`.
fn lesson(
    head: SpatialHandle,
    cells: In<Embedding>,
    marks: In<Mark>,
    count: usize,
    work: fn(&mut SpatialHead, &offshoot::Cells<'_>, &[offshoot::Mark]) -> Result<(), SpatialError>,
) -> Status {
    guard(|| {
        // SAFETY: the header asks for `count` marks, until the function returns.
        let given = unsafe { marks.values(count, "marks") }?;
        SPATIAL_HEADS.write(head.id, |head| {
            // No heap for a lesson.
            let mut marks = [offshoot::Mark::point(0, [0.0; 2]); MAX_MARKS];
            let own = marks.get_mut(..count).ok_or(SpatialError::Marks { found: count })?;
            for (mark, given) in own.iter_mut().zip(given) {
                *mark = Mark::of(head, given)?;
            }
            cells::with(*head.layout(), cells, |cells| Ok(work(head, cells, own)?))
        })
    })
}

/// Learns a frame with all objects in it; without marks, that there are none. If the head is
/// fitted, the frame is first asked of it: the thresholds come from these tests.
///
/// `cells` is what offshoot_extractor_embed gave; `marks` may be null if `count` is 0, which is at
/// most 128. Allocates nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_teach(
    head: SpatialHandle,
    cells: In<Embedding>,
    marks: In<Mark>,
    count: usize,
) -> Status {
    lesson(head, cells, marks, count, SpatialHead::teach)
}

/// Asks the head about a frame whose objects are known, without learning it; the thresholds count
/// it.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_test(
    head: SpatialHandle,
    cells: In<Embedding>,
    marks: In<Mark>,
    count: usize,
) -> Status {
    lesson(head, cells, marks, count, SpatialHead::test)
}

/// Sets the empty scene of a fixed camera before the first lesson: cells are their distance from it
/// then. It may be replaced by another one.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_set_reference(
    head: SpatialHandle,
    cells: In<Embedding>,
) -> Status {
    guard(|| {
        SPATIAL_HEADS.write(head.id, |head| {
            cells::with(*head.layout(), cells, |cells| Ok(head.set_reference(cells)?))
        })
    })
}

/// Tells the share of cells that differ from the empty scene, more than a half if the camera has
/// moved; NaN without an empty scene.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_changed(
    head: SpatialHandle,
    cells: In<Embedding>,
    share: Out<f32>,
) -> Status {
    guard(|| {
        let place = share.place("share")?;
        SPATIAL_HEADS.read(head.id, |head| {
            let changed = cells::with(*head.layout(), cells, |cells| Ok(head.changed(cells)?))?;
            place.put(changed.unwrap_or(f32::NAN));
            Ok(())
        })
    })
}

/// Takes the last lesson back. OFFSHOOT_STATUS_NO_SUCH_SAMPLE if there is none that can be: after
/// another undo, a merge, a class that was forgotten, or a load.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_undo(head: SpatialHandle) -> Status {
    guard(|| {
        SPATIAL_HEADS.write(head.id, |head| match head.undo() {
            true => Ok(()),
            false => Err(Fault::NoLesson),
        })
    })
}

/// Computes the weights from what was learned. Allocates nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_fit(head: SpatialHandle) -> Status {
    guard(|| SPATIAL_HEADS.write(head.id, |head| Ok(head.fit()?)))
}

/// Finds the objects of a frame, at most 64, those with the highest scores first.
///
/// Writes as many as `capacity` says to `out`; `count` tells how many there are, and may be null.
/// Allocates nothing.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_find(
    head: SpatialHandle,
    cells: In<Embedding>,
    out: Out<Detection>,
    capacity: usize,
    count: Out<usize>,
) -> Status {
    guard(|| {
        SPATIAL_HEADS.write(head.id, |head| {
            cells::with(*head.layout(), cells, |cells| {
                let found = head.find(cells)?;
                // SAFETY: the header asks for `capacity` structs.
                let room = unsafe { out.values(capacity.min(found.len()), "out") }?;
                room.iter_mut().zip(found).for_each(|(slot, found)| *slot = found.into());
                count.optional().put(found.len());
                Ok(())
            })
        })
    })
}

/// Adds what another head has learned and tested; classes of the same name are the same.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_merge(head: SpatialHandle, other: SpatialHandle) -> Status {
    guard(|| SPATIAL_HEADS.pair(head.id, other.id, |head, other| Ok(head.merge(other)?)))
}

/// Forgets a class: it is no longer found, and its cells go on to count as none of the others. The
/// numbers of the classes behind it move down by one.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_spatial_head_forget(head: SpatialHandle, class_id: u32) -> Status {
    guard(|| {
        SPATIAL_HEADS.write(head.id, |head| {
            let class = class(head, class_id)?;
            Ok(head.forget(class)?)
        })
    })
}
