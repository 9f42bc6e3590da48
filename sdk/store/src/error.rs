//! What can go wrong, one type an operation.

use core::error::Error;

use crate::geometry::GeometryError;
use crate::header::VERSION;

/// Why a medium could not be opened as a store. `E` is the medium's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError<E: Error + 'static> {
    /// There is no room for two slots.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// Written by a newer version.
    #[error("store version {found}, this program reads {VERSION}; update it")]
    OtherVersion {
        /// Version of the slot.
        found: u16,
    },
    /// The slots were written with other sectors or on a medium of another size.
    #[error("slots of {slot} bytes in sectors of {sector}, here they are {here} in {sector_here}")]
    OtherGeometry {
        /// Bytes of a slot as the header states.
        slot: u32,
        /// Bytes of a sector as the header states.
        sector: u32,
        /// Bytes of a slot of this medium.
        here: u32,
        /// Bytes of a sector of this medium.
        sector_here: u32,
    },
    /// The medium failed.
    #[error("the medium cannot be opened")]
    Medium(#[source] E),
}

/// Why nothing could be loaded. `E` is the medium's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError<E: Error + 'static> {
    /// The record is longer than the memory for it.
    #[error("room for {found} bytes, the record has {needed}")]
    TooShort {
        /// Bytes given.
        found: usize,
        /// Bytes of the record.
        needed: usize,
    },
    /// There was a record and its checksum is wrong.
    #[error("the record is damaged")]
    Damaged,
    /// The medium failed.
    #[error("the medium cannot be read")]
    Medium(#[source] E),
}

/// Why nothing was saved. The record of before is still the current one. `E` is the medium's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError<E: Error + 'static> {
    /// The record is longer than a slot.
    #[error("a record of {found} bytes, a slot takes {capacity}")]
    TooLong {
        /// Bytes to save.
        found: usize,
        /// Bytes that a slot takes.
        capacity: usize,
    },
    /// The medium failed.
    #[error("the medium cannot be written")]
    Medium(#[source] E),
}
