//! Border to C: failures and panics become a code and a message, which each thread keeps.

use std::cell::Cell;
use std::ffi::c_char;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fault::Fault;
use crate::fault::status::Status;

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

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn last() -> String {
        let bytes = LAST.get();
        CStr::from_bytes_until_nul(&bytes).unwrap().to_str().unwrap().to_owned()
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
