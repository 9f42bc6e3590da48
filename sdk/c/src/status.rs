//! Status codes, and the message of the last failure of each thread.

use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fault::Fault;

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
}

/// All codes in the order of their numbers, with a few words for logs.
const NAMES: [(Status, &CStr); 36] = [
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
];

/// Bytes of a message with its NUL.
const MESSAGE: usize = 1024;

/// Beginning of a message that lost its own: the end names the file and the cause.
const CUT: &[u8] = b"...";

thread_local! {
    // Constant and without a destructor, so that reaching it never allocates.
    static LAST: Cell<[u8; MESSAGE]> = const { Cell::new([0; MESSAGE]) };
}

/// Text of a known length, written into a message from its end.
struct Tail {
    bytes: [u8; MESSAGE],
    /// Bytes of the text that are still to be left out.
    skip: usize,
    filled: usize,
}

impl Write for Tail {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut skip = self.skip.min(text.len());
        self.skip -= skip;
        while !text.is_char_boundary(skip) {
            skip += 1;
        }
        // A text that is longer the second time: its end is lost, between characters.
        let mut kept = text.len().min(skip + MESSAGE - 1 - self.filled);
        while !text.is_char_boundary(kept) {
            kept -= 1;
        }
        let room = &mut self.bytes[self.filled..][..kept - skip];
        room.copy_from_slice(&text.as_bytes()[skip..kept]);
        // A NUL inside would end the message.
        room.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'?');
        self.filled += kept - skip;
        Ok(())
    }
}

/// Length of a text.
struct Length(usize);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Writes a message without allocating; of one that is too long, the end.
fn message(text: &dyn fmt::Display) -> [u8; MESSAGE] {
    let mut length = Length(0);
    // Writing to these cannot fail; a text that fails by itself is cut there.
    let _ = write!(length, "{text}");
    let mut tail = Tail { bytes: [0; MESSAGE], skip: 0, filled: 0 };
    if length.0 >= MESSAGE {
        tail.bytes[..CUT.len()].copy_from_slice(CUT);
        tail.filled = CUT.len();
        tail.skip = length.0 - (MESSAGE - 1 - CUT.len());
    }
    let _ = write!(tail, "{text}");
    tail.bytes
}

/// Runs the body of a function for C: a failure, and a panic too, becomes a code and a message.
pub(crate) fn guard(work: impl FnOnce() -> Result<(), Fault>) -> Status {
    let fault = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(fault)) => fault,
        Err(_) => Fault::Panic,
    };
    LAST.set(message(&fault));
    fault.status()
}

/// Returns the message of the last call of this thread that failed; empty if none did.
///
/// Names the file or the argument, the cause, and what to do next; UTF-8, at most 1,023 bytes. It
/// is valid until another call of this thread fails, or the thread ends. Never null.
#[unsafe(no_mangle)]
pub extern "C" fn offshoot_last_error() -> *const c_char {
    LAST.with(|last| last.as_ptr()).cast_const().cast()
}

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

    fn last() -> String {
        let bytes = LAST.get();
        CStr::from_bytes_until_nul(&bytes).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn numbers_are_places() {
        for (code, status) in NAMES.into_iter().map(|known| known.0).enumerate() {
            assert_eq!(status as usize, code);
        }
    }

    #[test]
    fn a_panic_becomes_a_code() {
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(guard(|| panic!("on purpose")), Status::Panic);
        assert!(last().contains("fault of the library"), "{}", last());
        let _ = std::panic::take_hook();
    }

    #[test]
    fn long_messages_keep_their_end_between_characters() {
        for length in MESSAGE - 40..MESSAGE + 40 {
            for letter in ["a", "\u{e9}", "\u{20ac}", "\u{1f980}"] {
                let text = format!("{}: no such file", letter.repeat(length / letter.len()));
                let bytes = message(&text);
                let found = CStr::from_bytes_until_nul(&bytes).unwrap().to_str().unwrap();
                let end = found.strip_prefix("...").unwrap_or(found);
                assert!(text.ends_with(end) && end.ends_with("no such file"), "{found}");
                assert_eq!(found == text, text.len() < MESSAGE);
                assert!(text.len() < MESSAGE || found.len() > MESSAGE - 5);
            }
        }
        let bytes = message(&"a\0b");
        assert_eq!(CStr::from_bytes_until_nul(&bytes).unwrap(), c"a?b");
    }
}
