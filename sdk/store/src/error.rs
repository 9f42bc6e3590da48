//! Errors, one type per operation.

use core::error::Error;

use crate::geometry::GeometryError;
use crate::header::VERSION;

/// Reason that a medium cannot be opened as a store. `E` is the error of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError<E: Error + 'static> {
    /// Sector size not supported, or no room for two slots.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// Store written by another version.
    #[error("unsupported store version {found}: this program reads version {VERSION}; update it")]
    OtherVersion {
        /// Version in the header of the slot.
        found: u16,
    },
    /// Slots written with another sector size or on a medium of another size.
    #[error(
        "store has slots of {slot} bytes in sectors of {sector}, this medium {here} in {sector_here}"
    )]
    OtherGeometry {
        /// Bytes of a slot according to the header.
        slot: u32,
        /// Bytes of a sector according to the header.
        sector: u32,
        /// Bytes of a slot of this medium.
        here: u32,
        /// Bytes of a sector of this medium.
        sector_here: u32,
    },
    /// Read, write or sync failed.
    #[error("medium cannot be opened")]
    Medium(#[source] E),
}

/// Reason that no record can be loaded. `E` is the error of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError<E: Error + 'static> {
    /// Buffer shorter than the record.
    #[error("buffer too short for the record: {found} bytes, {needed} required")]
    TooShort {
        /// Bytes of the buffer.
        found: usize,
        /// Bytes of the record.
        needed: usize,
    },
    /// Checksum of the record wrong.
    #[error("record is damaged")]
    Damaged,
    /// Read failed.
    #[error("medium cannot be read")]
    Medium(#[source] E),
}

/// Reason that nothing was saved. The previous record is still the current one. `E` is the error of
/// the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError<E: Error + 'static> {
    /// Record longer than a slot.
    #[error("record too long: {found} bytes, a slot holds {capacity}")]
    TooLong {
        /// Bytes to save.
        found: usize,
        /// Most bytes of a slot.
        capacity: usize,
    },
    /// Write or sync failed.
    #[error("medium cannot be written")]
    Medium(#[source] E),
}
