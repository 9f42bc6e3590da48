//! Depthwise convolution with dot products.

use super::job::Taps;
use super::neon_taps;

/// # Safety
/// As [`Kernel::taps`](super::job::Kernel::taps).
#[target_feature(enable = "dotprod")]
pub(super) unsafe fn taps(job: &Taps) {
    // SAFETY: the caller's promise; dot products imply NEON.
    unsafe { neon_taps::taps(job) }
}
