//! Errors of a head, one type per operation.

use super::storage::{MAX_CLASSES, MAX_DIM, MAX_NAME_BYTES};
use super::{ClassId, MAX_FALSE_REJECTION_RATE, MAX_INVERSE_L2, MIN_INVERSE_L2, VERSION};

/// Reason why a head could not be made, or loaded.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The embedding is empty or too long.
    #[error("{found} dimensions, allowed are 1 to {MAX_DIM}")]
    DimOutOfRange {
        /// Number of dimensions requested.
        found: usize,
    },
    /// The limit of classes is out of range.
    #[error("room for {found} classes, allowed are 1 to {MAX_CLASSES}")]
    ClassesOutOfRange {
        /// Limit requested.
        found: u16,
    },
    /// The limit of samples is zero.
    #[error("room for 0 samples, allowed are 1 to 65535")]
    NoSamples,
    /// The head could not be addressed or saved.
    #[error("a head of {classes} classes and {samples} samples is too large; lower the limits")]
    TooLarge {
        /// Limit of classes requested.
        classes: u16,
        /// Limit of samples requested.
        samples: u16,
    },
    /// The system has not as much memory.
    #[error("not enough memory: the head needs {needed} bytes; lower its limits")]
    Memory {
        /// Number of bytes needed.
        needed: usize,
    },
    /// The memory given is too short.
    #[error("{found} words of memory, the head needs {needed}")]
    MemoryTooShort {
        /// Number of words given.
        found: usize,
        /// Number of words needed.
        needed: usize,
    },
    /// The inverse L2 regularization is outside the range of the solver.
    #[error("inverse L2 regularization {found}, allowed are {MIN_INVERSE_L2} to {MAX_INVERSE_L2}")]
    InverseL2OutOfRange {
        /// Value requested.
        found: f32,
    },
    /// The target false-rejection rate is above a half, or not a number.
    #[error("target false-rejection rate {found}, allowed are 0 to {MAX_FALSE_REJECTION_RATE}")]
    FalseRejectionRateOutOfRange {
        /// Value requested.
        found: f32,
    },
    /// The bytes do not begin with the magic number.
    #[error("not a head: the first bytes are not OFFSHEAD")]
    NotAHead,
    /// The bytes end before the first fields do.
    #[error("{found} bytes, a head is longer")]
    Truncated {
        /// Number of bytes given.
        found: usize,
    },
    /// The record was written by a newer version.
    #[error("head version {found}, this program reads {VERSION}; update it")]
    UnknownVersion {
        /// Version of the record.
        found: u16,
    },
    /// The record was truncated or extended.
    #[error("{found} bytes, the head states {stated}")]
    WrongTotal {
        /// Number of bytes given.
        found: usize,
        /// Number of bytes that the record states.
        stated: usize,
    },
    /// The bytes have changed since they were written.
    #[error("the checksum is wrong: the head is damaged")]
    BadChecksum,
    /// The kind of head does not exist in this version.
    #[error("head kind {found}, allowed are 0 to 5")]
    UnknownKind {
        /// Kind in the record.
        found: u8,
    },
    /// More classes or samples are present than the limits allow.
    #[error("{classes} classes and {samples} samples are more than the head's own limits")]
    OverLimits {
        /// Number of classes present.
        classes: u16,
        /// Number of samples present.
        samples: u16,
    },
    /// The checksum is right but a field is not.
    #[error("malformed head: {what}")]
    Malformed {
        /// Description of the invalid field.
        what: &'static str,
    },
    /// The head was taught on embeddings of another package.
    #[error(
        "the head was taught with another package or another tuned tail; teach it again with this one"
    )]
    OtherPackage,
}

/// Reason why a class was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClassError {
    /// The name is empty.
    #[error("a class needs a name")]
    Empty,
    /// The name is too long.
    #[error("a name of {found} bytes, allowed are {MAX_NAME_BYTES}")]
    TooLong {
        /// Number of bytes of the name.
        found: usize,
    },
    /// The name has control, bidirectional or zero-width characters ([`super::is_hidden`]).
    #[error("a name with control, bidirectional or zero-width characters; use letters")]
    NotPrintable,
    /// A class of that name exists already.
    #[error("there is a class of that name")]
    Duplicate {
        /// Class of that name.
        class: ClassId,
    },
    /// The limit of classes is reached.
    #[error("all {limit} classes are taken; make the head with room for more")]
    Full {
        /// Limit given to the head.
        limit: u16,
    },
}

/// Reason why a sample was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The class belongs to another head.
    #[error("no class {class}, there are {count}")]
    NoSuchClass {
        /// Index of the class.
        class: usize,
        /// Number of classes of this head.
        count: usize,
    },
    /// The embedding has another dimension.
    #[error("{found} dimensions, this head takes {needed}")]
    WrongLength {
        /// Number of dimensions given.
        found: usize,
        /// Number of dimensions of the head.
        needed: usize,
    },
    /// The embedding has a value that is infinite or NaN.
    #[error("dimension {index} is not finite")]
    NotFinite {
        /// Index of the first such dimension.
        index: usize,
    },
    /// The limit of samples is reached.
    #[error("all {limit} samples are taken; make the head with room for more")]
    Full {
        /// Limit given to the head.
        limit: u16,
    },
    /// The class has seen the max number of samples.
    #[error("the class was shown {limit} times, which is enough; remove it to begin anew")]
    TooManyShown {
        /// Max number of samples that a class can see.
        limit: u32,
    },
}

/// Reason why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// No class has a sample.
    #[error("nothing has been taught; show it something first")]
    NothingTaught,
    /// Samples or settings have changed since the last fit.
    #[error("the head is not fitted to its samples; call `fit` before asking")]
    NotFitted,
    /// The embedding has another dimension.
    #[error("{found} dimensions, this head takes {needed}")]
    WrongLength {
        /// Number of dimensions given.
        found: usize,
        /// Number of dimensions of the head.
        needed: usize,
    },
    /// The embedding has a value that is infinite or NaN.
    #[error("dimension {index} is not finite")]
    NotFinite {
        /// Index of the first such dimension.
        index: usize,
    },
    /// The output is shorter than the result.
    #[error("output has {found} elements, {needed} required")]
    TooShort {
        /// Length of the output.
        found: usize,
        /// Number of values: one per class, or one per dimension.
        needed: usize,
    },
    /// The class belongs to another head, or has no sample.
    #[error("no class {class} with samples")]
    NoSuchClass {
        /// Index of the class.
        class: usize,
    },
    /// The head's answers are not a sum over dimensions.
    #[error("a head of kind knn has no weights")]
    NotLinear,
}

/// Reason why nothing was removed or renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The class belongs to another head.
    #[error("no class {class}, there are {count}")]
    NoSuchClass {
        /// Index of the class.
        class: usize,
        /// Number of classes of this head.
        count: usize,
    },
    /// The sample does not exist.
    #[error("no sample {sample}, there are {count}")]
    NoSuchSample {
        /// Index of the sample.
        sample: usize,
        /// Number of samples of this head.
        count: usize,
    },
    /// The new name is not valid.
    #[error(transparent)]
    Name(#[from] ClassError),
}

/// Reason why two heads were not merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// The heads were taught with different packages.
    #[error(
        "the heads were taught with different packages or tuned tails; their samples mean different things"
    )]
    OtherPackage,
    /// No room for all classes.
    #[error("together {needed} classes, this head has room for {limit}")]
    TooManyClasses {
        /// Number of classes of both.
        needed: usize,
        /// Limit given to the head.
        limit: u16,
    },
    /// No room for all samples.
    #[error("together {needed} samples, this head has room for {limit}")]
    TooManySamples {
        /// Number of samples of both.
        needed: usize,
        /// Limit given to the head.
        limit: u16,
    },
    /// A class has seen more samples than can be counted.
    #[error("a class has seen {needed} samples together, at most {limit} can be counted")]
    TooManyShown {
        /// Number of samples that both have seen.
        needed: u32,
        /// Max number of samples that a class can see.
        limit: u32,
    },
}

/// Reason why a head could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The output is too short.
    #[error("output has {found} bytes, {needed} required")]
    TooShort {
        /// Number of bytes given.
        found: usize,
        /// Number of bytes needed.
        needed: usize,
    },
}
