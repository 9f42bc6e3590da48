//! Identity of a package's computation.

use core::fmt;

use serde::{Deserialize, Serialize};

/// SHA-256 of a package's graph, weights and preprocessing; a head belongs to exactly one.
///
/// Displays as 64 lower-case hexadecimal digits.
///
/// ```
/// use offshoot_core::package::PackageId;
///
/// let id = PackageId::new([0xab; 32]);
/// assert_eq!(id.to_string(), "ab".repeat(32));
/// assert_eq!(id.as_bytes()[0], 0xab);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackageId([u8; 32]);

impl PackageId {
    /// Makes an id of the bytes of a digest.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackageId({self})")
    }
}
