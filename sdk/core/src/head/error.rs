//! What can go wrong, one type an operation.

use super::storage::{MAX_CLASSES, MAX_DIM, MAX_NAME_BYTES};
use super::{ClassId, MAX_FALSE_REJECTION_RATE, MAX_INVERSE_L2, MIN_INVERSE_L2, VERSION};

/// Why a head could not be made, or loaded.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The embedding is empty or too long.
    #[error("{found} dimensions, allowed are 1 to {MAX_DIM}")]
    DimOutOfRange {
        /// Dimensions asked for.
        found: usize,
    },
    /// The limit of classes is out of range.
    #[error("room for {found} classes, allowed are 1 to {MAX_CLASSES}")]
    ClassesOutOfRange {
        /// Limit asked for.
        found: u16,
    },
    /// The limit of samples is zero.
    #[error("room for 0 samples, allowed are 1 to 65535")]
    NoSamples,
    /// The head could not be addressed or saved.
    #[error("a head of {classes} classes and {samples} samples is too large; lower the limits")]
    TooLarge {
        /// Limit asked for.
        classes: u16,
        /// Limit asked for.
        samples: u16,
    },
    /// The memory given is too short.
    #[error("{found} words of memory, the head takes {needed}")]
    MemoryTooShort {
        /// Words given.
        found: usize,
        /// Words needed.
        needed: usize,
    },
    /// The strength is not a number the solver can work with.
    #[error("strength {found}, allowed are {MIN_INVERSE_L2} to {MAX_INVERSE_L2}")]
    InverseL2OutOfRange {
        /// Strength asked for.
        found: f32,
    },
    /// More than half of the known would be called unknown, or it is no number.
    #[error("strictness {found}, allowed are 0 to {MAX_FALSE_REJECTION_RATE}")]
    FalseRejectionRateOutOfRange {
        /// Strictness asked for.
        found: f32,
    },
    /// The bytes do not begin as a head does.
    #[error("not a head: the first bytes are not OFFSHEAD")]
    NotAHead,
    /// The bytes end before the first fields do.
    #[error("a head is longer than {found} bytes")]
    Truncated {
        /// Bytes given.
        found: usize,
    },
    /// Written by a newer version.
    #[error("head version {found}, this program reads {VERSION}; update it")]
    UnknownVersion {
        /// Version of the record.
        found: u16,
    },
    /// Cut short or extended.
    #[error("{found} bytes, the head says it has {stated}")]
    WrongTotal {
        /// Bytes given.
        found: usize,
        /// Bytes the record claims.
        stated: usize,
    },
    /// The bytes have changed since they were written.
    #[error("the checksum is wrong: the head is damaged")]
    BadChecksum,
    /// A kind of head this version does not have.
    #[error("head kind {found}, allowed are 0 to 5")]
    UnknownKind {
        /// Kind in the record.
        found: u8,
    },
    /// More is present than the limits allow.
    #[error("{classes} classes and {samples} samples are more than the head's own limits")]
    OverLimits {
        /// Classes present.
        classes: u16,
        /// Samples present.
        samples: u16,
    },
    /// The checksum is right but a field is not.
    #[error("malformed head: {what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
    },
    /// The head was taught on embeddings of another package.
    #[error("the head was taught with another package; teach it again with this one")]
    OtherPackage,
}

/// Why a class was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClassError {
    /// The name is empty.
    #[error("a class needs a name")]
    Empty,
    /// The name is too long.
    #[error("a name of {found} bytes, allowed are {MAX_NAME_BYTES}")]
    TooLong {
        /// Bytes of the name.
        found: usize,
    },
    /// The name has control, bidirectional or zero-width characters ([`super::is_hidden`]).
    #[error("a name with control, bidirectional or zero-width characters; use letters")]
    NotPrintable,
    /// There is such a class already.
    #[error("there is a class of that name")]
    Duplicate {
        /// The class of that name.
        class: ClassId,
    },
    /// All places are taken.
    #[error("all {limit} classes are taken; make the head with room for more")]
    Full {
        /// The limit given to the head.
        limit: u16,
    },
}

/// Why a sample was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The class belongs to another head.
    #[error("no class {class}, there are {count}")]
    NoSuchClass {
        /// Index of the class.
        class: usize,
        /// Classes of this head.
        count: usize,
    },
    /// The embedding has another length.
    #[error("{found} dimensions, this head takes {needed}")]
    WrongLength {
        /// Dimensions given.
        found: usize,
        /// Dimensions of the head.
        needed: usize,
    },
    /// The embedding has a value that is infinite or no number.
    #[error("dimension {index} is not finite")]
    NotFinite {
        /// The first such dimension.
        index: usize,
    },
    /// All places are taken.
    #[error("all {limit} samples are taken; make the head with room for more")]
    Full {
        /// The limit given to the head.
        limit: u16,
    },
    /// The class was shown as often as can be counted.
    #[error("the class was shown {limit} times, which is enough; remove it to begin anew")]
    TooManyShown {
        /// Samples that a class can be shown.
        limit: u32,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// No class has a sample.
    #[error("nothing has been taught; show it something first")]
    NothingTaught,
    /// The embedding has another length.
    #[error("{found} dimensions, this head takes {needed}")]
    WrongLength {
        /// Dimensions given.
        found: usize,
        /// Dimensions of the head.
        needed: usize,
    },
    /// The embedding has a value that is infinite or no number.
    #[error("dimension {index} is not finite")]
    NotFinite {
        /// The first such dimension.
        index: usize,
    },
    /// The output is shorter than what is asked for.
    #[error("room for {found} numbers, there are {needed}")]
    TooShort {
        /// Length of the output.
        found: usize,
        /// Numbers there are: one a class, or one a dimension.
        needed: usize,
    },
    /// The class belongs to another head, or has no sample.
    #[error("no class {class} that has samples")]
    NoSuchClass {
        /// Index of the class.
        class: usize,
    },
    /// The head's answers are no sum over dimensions.
    #[error("a head of nearest neighbours has no weights")]
    NotLinear,
}

/// Why nothing was removed or renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The class belongs to another head.
    #[error("no class {class}, there are {count}")]
    NoSuchClass {
        /// Index of the class.
        class: usize,
        /// Classes of this head.
        count: usize,
    },
    /// There are not so many samples.
    #[error("no sample {sample}, there are {count}")]
    NoSuchSample {
        /// Index of the sample.
        sample: usize,
        /// Samples of this head.
        count: usize,
    },
    /// The new name cannot be given.
    #[error(transparent)]
    Name(#[from] ClassError),
}

/// Why two heads were not merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// The heads were taught with different packages.
    #[error("the heads were taught with different packages; their samples mean different things")]
    OtherPackage,
    /// No room for all classes.
    #[error("together {needed} classes, this head has room for {limit}")]
    TooManyClasses {
        /// Classes of both.
        needed: usize,
        /// The limit given to the head.
        limit: u16,
    },
    /// No room for all samples.
    #[error("together {needed} samples, this head has room for {limit}")]
    TooManySamples {
        /// Samples of both.
        needed: usize,
        /// The limit given to the head.
        limit: u16,
    },
    /// A class was shown more often than can be counted.
    #[error("a class was shown {needed} times together, at most {limit} can be counted")]
    TooManyShown {
        /// Times that both were shown it.
        needed: u32,
        /// Samples that a class can be shown.
        limit: u32,
    },
}

/// Why a head could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The output is too short.
    #[error("{found} bytes of output, the head takes {needed}")]
    TooShort {
        /// Bytes given.
        found: usize,
        /// Bytes needed.
        needed: usize,
    },
}
