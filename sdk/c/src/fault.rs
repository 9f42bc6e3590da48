//! Failures: those of the facade in its own words, and those that only C can cause.

pub(crate) mod status;

use offshoot::{
    AskError, ClassError, DeltaError, EditError, EncodeError, Error, ErrorKind, FrameError,
    HeadError, MergeError, SampleError, SignalError, SpatialError, TuneError,
};

use self::status::Status;

/// Reason why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Facade(#[from] Error),
    #[error("`{name}` is null")]
    Null { name: &'static str },
    #[error("no open {noun} has this handle; it was closed, or is of something else")]
    Handle { noun: &'static str },
    #[error(
        "`{name}` states a size of {found} bytes; set `size` to sizeof, which is {needed} here"
    )]
    Size { name: &'static str, found: usize, needed: usize },
    #[error("`{name}` uses fields that this library does not know; set them to 0, or update it")]
    Newer { name: &'static str },
    #[error("{noun} {found} is not one of offshoot.h")]
    Value { noun: &'static str, found: u64 },
    #[error("`{name}` is {found}, allowed are {low} to {high}")]
    Range { name: &'static str, found: u64, low: u64, high: u64 },
    #[error("`{name}` is not aligned to {to} bytes; give memory of its type")]
    Alignment { name: &'static str, to: usize },
    #[error("the scale of an embedding is {found}; it must be a normal number above 0")]
    Scale { found: f32 },
    #[error("the zero point of an embedding is {found}, allowed are -128 to 127")]
    ZeroPoint { found: i32 },
    #[error("`{name}` is not UTF-8")]
    Utf8 { name: &'static str },
    #[error("`{name}` has room for {found}, {needed} required")]
    Short { name: &'static str, found: usize, needed: usize },
    #[error("all {limit} handles are open; close some")]
    Handles { limit: usize },
    #[error("a fault of the library, which it has printed; close the handle, and report it")]
    Panic,
    #[error("an earlier call on this handle met a fault of the library; close it")]
    Poisoned,
    #[error("a head cannot be merged with itself")]
    Itself,
    #[error("no sample to take back")]
    NothingToUndo,
    #[error("no lesson that can be taken back: only the last one can, and once")]
    NoLesson,
    #[error("cells are int8_t, as offshoot_extractor_embed gives them; these are floats")]
    FloatCells,
    #[error("no class `{name}`; add it first")]
    NoSuchName { name: String },
    #[error("there is a class `{name}`; ask for its number by its name")]
    NameTaken { name: String },
    #[error("no advice {index}, there are {count}")]
    NoSuchAdvice { index: usize, count: usize },
    #[error("no class activation map: the embedding is not the mean of an int8 feature map")]
    NoMap,
    #[error("no map is kept; offshoot_extractor_keep_maps, then a frame")]
    NoMaps,
}

/// So that `?` works on the errors of the facade's functions.
macro_rules! from_cause {
    ($($cause:ty),+ $(,)?) => {
        $(impl From<$cause> for Fault {
            fn from(cause: $cause) -> Self {
                Self::Facade(cause.into())
            }
        })+
    };
}

from_cause!(
    ErrorKind,
    AskError,
    ClassError,
    EditError,
    EncodeError,
    FrameError,
    HeadError,
    MergeError,
    SampleError,
    SignalError,
    SpatialError,
    offshoot::UnknownHeadKind,
);

impl Fault {
    /// Names the class, if the name is taken; the head's own errors hold no text.
    pub(crate) fn of_name(cause: impl Into<Self>, name: &str) -> Self {
        match cause.into() {
            fault if fault.status() == Status::ClassExists => {
                Self::NameTaken { name: name.to_string() }
            }
            fault => fault,
        }
    }

    /// Returns the code.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Facade(error) => of_kind(error.kind()),
            Self::Null { .. } => Status::NullPointer,
            Self::Handle { .. } => Status::InvalidHandle,
            Self::Size { .. } | Self::Newer { .. } => Status::InvalidSize,
            Self::Value { .. }
            | Self::Range { .. }
            | Self::Alignment { .. }
            | Self::Scale { .. }
            | Self::ZeroPoint { .. }
            | Self::Itself
            | Self::FloatCells
            | Self::NoSuchAdvice { .. } => Status::InvalidValue,
            Self::Utf8 { .. } => Status::InvalidUtf8,
            Self::Short { .. } => Status::BufferTooSmall,
            Self::Handles { .. } => Status::TooManyHandles,
            Self::Panic | Self::Poisoned => Status::Panic,
            Self::NothingToUndo | Self::NoLesson => Status::NoSuchSample,
            Self::NoSuchName { .. } => Status::NoSuchClass,
            Self::NameTaken { .. } => Status::ClassExists,
            Self::NoMap => Status::NoMap,
            Self::NoMaps => Status::InvalidValue,
        }
    }
}

fn of_kind(kind: &ErrorKind) -> Status {
    match kind {
        ErrorKind::Io(_) => Status::Io,
        ErrorKind::Package(_) | ErrorKind::NeedsSound => Status::Package,
        ErrorKind::Plan(_) | ErrorKind::Run(_) | ErrorKind::Preprocess(_) => Status::Run,
        #[cfg(feature = "tract")]
        ErrorKind::Tract(_) => Status::Run,
        ErrorKind::Isa(_) => Status::Isa,
        ErrorKind::Threads(_) => Status::Threads,
        ErrorKind::Memory { .. } => Status::Memory,
        ErrorKind::NeedsTract { .. } => Status::NeedsTract,
        ErrorKind::Frame(_) => Status::Frame,
        ErrorKind::Tokens(_) => Status::Tokens,
        ErrorKind::Signal(_) | ErrorKind::Sound(_) => Status::Signal,
        ErrorKind::NoCells { .. } => Status::NoCells,
        ErrorKind::Spatial(cause) => of_spatial(cause),
        ErrorKind::OtherInput { .. } => Status::OtherInput,
        ErrorKind::Image(_) | ErrorKind::LargeImage { .. } | ErrorKind::CutShort { .. } => {
            Status::Image
        }
        ErrorKind::HeadKind(_) => Status::HeadKind,
        ErrorKind::Head(cause) => of_head(cause),
        ErrorKind::Class(cause) => of_class(cause),
        ErrorKind::Sample(cause) => of_sample(cause),
        ErrorKind::Ask(cause) => of_ask(cause),
        ErrorKind::Edit(EditError::NoSuchClass { .. }) => Status::NoSuchClass,
        ErrorKind::Edit(EditError::NoSuchSample { .. }) => Status::NoSuchSample,
        ErrorKind::Edit(EditError::Name(cause)) => of_class(cause),
        ErrorKind::Merge(MergeError::OtherPackage) => Status::OtherPackage,
        ErrorKind::Merge(_) => Status::Full,
        ErrorKind::Encode(EncodeError::TooShort { .. }) => Status::BufferTooSmall,
        ErrorKind::Tail(DeltaError::OtherPackage) => Status::OtherPackage,
        ErrorKind::Tail(_) => Status::TailDamaged,
        ErrorKind::Tune(TuneError::NoTail) => Status::Untunable,
        ErrorKind::Tune(_) => Status::InvalidValue,
        _ => Status::Other,
    }
}

fn of_head(cause: &HeadError) -> Status {
    match cause {
        HeadError::DimOutOfRange { .. }
        | HeadError::ClassesOutOfRange { .. }
        | HeadError::NoSamples
        | HeadError::TooLarge { .. }
        | HeadError::InverseL2OutOfRange { .. }
        | HeadError::FalseRejectionRateOutOfRange { .. } => Status::HeadSettings,
        HeadError::Memory { .. } => Status::Memory,
        HeadError::OtherPackage => Status::OtherPackage,
        HeadError::NotAHead
        | HeadError::Truncated { .. }
        | HeadError::UnknownVersion { .. }
        | HeadError::WrongTotal { .. }
        | HeadError::BadChecksum
        | HeadError::UnknownKind { .. }
        | HeadError::OverLimits { .. }
        | HeadError::Malformed { .. } => Status::HeadDamaged,
        _ => Status::Other,
    }
}

fn of_class(cause: &ClassError) -> Status {
    match cause {
        ClassError::Duplicate { .. } => Status::ClassExists,
        ClassError::Full { .. } => Status::Full,
        ClassError::Empty | ClassError::TooLong { .. } | ClassError::NotPrintable => {
            Status::ClassName
        }
        _ => Status::Other,
    }
}

fn of_sample(cause: &SampleError) -> Status {
    match cause {
        SampleError::NoSuchClass { .. } => Status::NoSuchClass,
        SampleError::WrongLength { .. } => Status::WrongLength,
        SampleError::NotFinite { .. } => Status::NotFinite,
        SampleError::Full { .. } | SampleError::TooManyShown { .. } => Status::Full,
        _ => Status::Other,
    }
}

fn of_ask(cause: &AskError) -> Status {
    match cause {
        AskError::NothingTaught => Status::NothingTaught,
        AskError::NotFitted => Status::NotFitted,
        AskError::WrongLength { .. } => Status::WrongLength,
        AskError::NotFinite { .. } => Status::NotFinite,
        AskError::TooShort { .. } => Status::BufferTooSmall,
        AskError::NoSuchClass { .. } => Status::NoSuchClass,
        AskError::NotLinear => Status::NotLinear,
        _ => Status::Other,
    }
}

fn of_spatial(cause: &SpatialError) -> Status {
    match cause {
        SpatialError::Classes { .. } | SpatialError::Late => Status::HeadSettings,
        SpatialError::Memory { .. } => Status::Memory,
        SpatialError::OtherCells => Status::WrongLength,
        SpatialError::Class(cause) => of_class(cause),
        SpatialError::Duplicate => Status::ClassExists,
        SpatialError::FullClasses { .. } | SpatialError::Full => Status::Full,
        SpatialError::NoClass { .. } => Status::NoSuchClass,
        SpatialError::Marks { .. } | SpatialError::Outside { .. } => Status::InvalidValue,
        SpatialError::NothingLearned => Status::NothingTaught,
        SpatialError::NotFitted => Status::NotFitted,
        SpatialError::Unlike | SpatialError::OtherPackage => Status::OtherPackage,
        SpatialError::Record { .. } => Status::HeadDamaged,
        SpatialError::Buffer { .. } => Status::BufferTooSmall,
        _ => Status::Other,
    }
}
