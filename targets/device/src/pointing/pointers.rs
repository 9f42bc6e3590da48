//! Details of a device that points.

use offshoot::SpatialHead;

use crate::session::details::Times;

/// Details of a device that points, for screens with more room than a panel.
#[derive(Debug)]
pub struct Pointers<'a> {
    pub(crate) head: &'a SpatialHead,
    pub(crate) names: &'a [String],
    pub(crate) times: Times,
    pub(crate) has_lost: bool,
    /// True while the frame is still.
    pub(crate) is_still: bool,
}
