//! Learning: exact sums over cells, least squares from them, and thresholds from lessons that are
//! tested before they are learned.

pub(super) mod evidence;
pub(super) mod normal;
pub(super) mod sums;
