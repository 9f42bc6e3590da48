//! Status codes.

use std::ffi::{CStr, c_char};

/// Result of a call. Numbers keep their meaning; later versions may add some.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Success.
    Ok = 0,
    /// A pointer that must not be null is null.
    NullPointer = 1,
    /// A handle of nothing open: closed, of another type, or never opened.
    InvalidHandle = 2,
    /// The `size` of a struct is not set, or is of a newer version with fields in use.
    InvalidSize = 3,
    /// A number that is none of its enum, or out of range.
    InvalidValue = 4,
    /// A text is not UTF-8.
    InvalidUtf8 = 5,
    /// A buffer is too short for the result.
    BufferTooSmall = 6,
    /// All handles are taken; close some.
    TooManyHandles = 7,
    /// A fault of the library. Close the handle: calls on it fail from now on.
    Panic = 8,
    /// A failure that this version has no code for; the message says more.
    Other = 9,
    /// A file could not be read or written.
    Io = 10,
    /// A file is not a package that can be run.
    Package = 11,
    /// The graph cannot be planned, or did not run.
    Run = 12,
    /// The processor lacks the instruction set asked for.
    Isa = 13,
    /// The system gives no threads, or does not let them stay on a core.
    Threads = 14,
    /// The network's feature maps do not fit the memory.
    Memory = 15,
    /// The package needs tract-core, and the library was built without it.
    NeedsTract = 16,
    /// A buffer is no frame of that size and format.
    Frame = 17,
    /// Tokens could not be brought to the network's input.
    Tokens = 18,
    /// A frame for a package that takes text, or tokens for one that takes images.
    OtherInput = 19,
    /// An image cannot be decoded, is cut short, or too large.
    Image = 20,
    /// A name of no kind of head.
    HeadKind = 21,
    /// Limits or settings that a head cannot have.
    HeadSettings = 22,
    /// Bytes that are no head, or damaged.
    HeadDamaged = 23,
    /// A head of another package.
    OtherPackage = 24,
    /// A class name that is empty, too long, or has hidden characters.
    ClassName = 25,
    /// A class of that name exists already.
    ClassExists = 26,
    /// The head has no room for more classes or samples.
    Full = 27,
    /// No class of that number or name.
    NoSuchClass = 28,
    /// No sample of that number, or none to take back.
    NoSuchSample = 29,
    /// An embedding of another number of dimensions.
    WrongLength = 30,
    /// An embedding with a value that is infinite or NaN.
    NotFinite = 31,
    /// Nothing has been taught.
    NothingTaught = 32,
    /// The head must be fitted before it can answer.
    NotFitted = 33,
    /// A head of kind k-NN has no weights.
    NotLinear = 34,
    /// The package has no class activation map.
    NoMap = 35,
    /// Bytes that are no tuned tail, or damaged.
    TailDamaged = 36,
    /// The network does not end in a layer that can be tuned.
    Untunable = 37,
    /// The package gives embeddings, not cells.
    NoCells = 38,
    /// Samples that are no signal or sound for the package.
    Signal = 39,
}

/// All codes in the order of their numbers, with a few words for logs.
const NAMES: [(Status, &CStr); 40] = [
    (Status::Ok, c"ok"),
    (Status::NullPointer, c"null pointer"),
    (Status::InvalidHandle, c"invalid handle"),
    (Status::InvalidSize, c"invalid size"),
    (Status::InvalidValue, c"invalid value"),
    (Status::InvalidUtf8, c"invalid UTF-8"),
    (Status::BufferTooSmall, c"buffer too small"),
    (Status::TooManyHandles, c"too many handles"),
    (Status::Panic, c"panic"),
    (Status::Other, c"other"),
    (Status::Io, c"input or output"),
    (Status::Package, c"package"),
    (Status::Run, c"run"),
    (Status::Isa, c"instruction set"),
    (Status::Threads, c"threads"),
    (Status::Memory, c"memory"),
    (Status::NeedsTract, c"needs tract"),
    (Status::Frame, c"frame"),
    (Status::Tokens, c"tokens"),
    (Status::OtherInput, c"other input"),
    (Status::Image, c"image"),
    (Status::HeadKind, c"kind of head"),
    (Status::HeadSettings, c"settings of a head"),
    (Status::HeadDamaged, c"damaged head"),
    (Status::OtherPackage, c"other package"),
    (Status::ClassName, c"class name"),
    (Status::ClassExists, c"class exists"),
    (Status::Full, c"full"),
    (Status::NoSuchClass, c"no such class"),
    (Status::NoSuchSample, c"no such sample"),
    (Status::WrongLength, c"wrong length"),
    (Status::NotFinite, c"not finite"),
    (Status::NothingTaught, c"nothing taught"),
    (Status::NotFitted, c"not fitted"),
    (Status::NotLinear, c"not linear"),
    (Status::NoMap, c"no map"),
    (Status::TailDamaged, c"damaged tail"),
    (Status::Untunable, c"nothing to tune"),
    (Status::NoCells, c"no cells"),
    (Status::Signal, c"signal"),
];

/// Returns a few words for a status, such as "not fitted"; "unknown status" for a number that is
/// none.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_status_name(status: i32) -> *const c_char {
    let known = usize::try_from(status).ok().and_then(|code| NAMES.get(code));
    known.map_or(c"unknown status", |known| known.1).as_ptr()
}

/// Returns the version of the library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_places() {
        for (code, status) in NAMES.into_iter().map(|known| known.0).enumerate() {
            assert_eq!(status as usize, code);
        }
    }
}
