//! Errors of a spatial head.

use super::cells::MAX_CELL_VALUES;
use super::{MAX_MARKS, MAX_SPATIAL_CLASSES};

/// Reason why an operation of a [`SpatialHead`](super::SpatialHead) was refused; nothing has
/// changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpatialError {
    /// The room for classes is out of range.
    #[error("room for {found} classes, allowed are 1 to {MAX_SPATIAL_CLASSES}")]
    Classes {
        /// Room requested.
        found: u8,
    },
    /// The memory given is too short.
    #[error("{found} words of memory, the head needs {needed}")]
    Memory {
        /// Number of 8-byte words given.
        found: usize,
        /// Number of 8-byte words needed.
        needed: usize,
    },
    /// The cells are of another package: another grid, other maps or another zero point.
    #[error("the cells are not of the package that the head was made for")]
    OtherCells,
    /// The name cannot be a class.
    #[error(transparent)]
    Class(#[from] crate::head::ClassError),
    /// A class of that name exists already.
    #[error("there is a class of that name")]
    Duplicate,
    /// The limit of classes is reached.
    #[error("all {limit} classes are taken; make the head with room for more")]
    FullClasses {
        /// Limit given to the head.
        limit: u8,
    },
    /// The class does not exist.
    #[error("no class {found}")]
    NoClass {
        /// Index of the class.
        found: u8,
    },
    /// A frame has too many marks.
    #[error("{found} marks in a frame, allowed are {MAX_MARKS}")]
    Marks {
        /// Number of marks.
        found: usize,
    },
    /// A mark lies outside the frame, or its size is none.
    #[error("mark {mark} does not lie in the frame: centre and size are shares of its sides")]
    Outside {
        /// Index of the mark.
        mark: usize,
    },
    /// The head has learned all that its sums can hold.
    #[error("the head is full: its sums can hold 2^28 cells")]
    Full,
    /// The head has learned without an empty scene.
    #[error("the empty scene must be set before the first lesson; make a new head for it")]
    Late,
    /// There are no objects, or nothing but objects.
    #[error("teach at least one object and some background first")]
    NothingLearned,
    /// The head has changed since its last fit.
    #[error("the head is not fitted: call fit first")]
    NotFitted,
    /// Heads of different packages, or only one of which compares with an empty scene.
    #[error(
        "the heads are of different packages, or only one compares with an empty scene: their sums do not add up"
    )]
    Unlike,
    /// The bytes are no record of a spatial head.
    #[error("{what}")]
    Record {
        /// Description of the first thing that is wrong.
        what: &'static str,
    },
    /// The record is of another package.
    #[error("the head was taught with another package; teach it again with this one")]
    OtherPackage,
    /// The buffer for the record is too short.
    #[error("{found} bytes, the record has {needed}")]
    Buffer {
        /// Length of the buffer.
        found: usize,
        /// Length of the record.
        needed: usize,
    },
}

// The limit is part of a message of the converter, too.
const _: () = assert!(MAX_CELL_VALUES == 512);
