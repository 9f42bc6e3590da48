//! Class activation maps, which take an extractor and a head.

use crate::extractor::{EXTRACTORS, ExtractorHandle};
use crate::fault::Fault;
use crate::fault::status::Status;
use crate::guard::guard;
use crate::head::{HEADS, HeadHandle, class};
use crate::memory::{Out, put_values};

/// Writes the class activation map of the last frame for a class: the contribution of each part of
/// the frame to the decision, row by row.
///
/// `width` and `height` are told even if `capacity`, in floats, is too small; they may be null.
/// OFFSHOOT_STATUS_NO_MAP if the embedding is not the mean of an int8 feature map.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_extractor_activations(
    extractor: ExtractorHandle,
    head: HeadHandle,
    class_id: u32,
    out: Out<f32>,
    capacity: usize,
    width: Out<usize>,
    height: Out<usize>,
) -> Status {
    guard(|| {
        // Always in this order: extractor, then head.
        let map = EXTRACTORS.read(extractor.id, |opened| {
            HEADS.read(head.id, |head| {
                let class = class(head, class_id)?;
                Ok(opened.lock().activations(head, class)?)
            })
        })?;
        let map = map.ok_or(Fault::NoMap)?;
        width.optional().put(map.width);
        height.optional().put(map.height);
        // SAFETY: the header asks for `capacity` floats.
        unsafe { put_values(&map.values, out, capacity) }
    })
}
