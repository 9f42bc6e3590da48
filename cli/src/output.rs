//! Standard output that may be full or gone.
//!
//! Macros `println!` and `print!` of this crate: if standard output cannot be written, the command
//! in progress unwinds, so that destructors leave no half-written file, and [`ended_well`] returns
//! the cause.

use std::any::Any;
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Prints like `println!` of `std`, but a failure does not panic: it reaches [`ended_well`].
macro_rules! println {
    () => { $crate::output::print(format_args!("\n")) };
    ($($words:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($words)*))) };
}

/// Prints like `println!`, without a line feed.
macro_rules! print {
    ($($words:tt)*) => { $crate::output::print(format_args!($($words)*)) };
}

/// Prints like `eprintln!` of `std`, but ignores failures: no channel is left to report them.
macro_rules! eprintln {
    ($($words:tt)*) => { $crate::output::note(format_args!("{}\n", format_args!($($words)*))) };
}

/// Payload of the unwinding.
struct Unwritten(io::Error);

/// Writes to standard output.
///
/// # Panics
/// Unwinds without a message if standard output cannot be written; call only inside [`ended_well`].
pub fn print(words: fmt::Arguments<'_>) {
    if let Err(error) = io::stdout().write_fmt(words) {
        // Not a panic of the program: panic hooks are not called.
        resume_unwind(Box::new(Unwritten(error)));
    }
}

/// Writes to standard error and ignores failures.
pub fn note(words: fmt::Arguments<'_>) {
    let _ = io::stderr().write_fmt(words);
}

/// Runs `f` and returns the write error of standard output, if that is what ended it.
///
/// # Errors
/// Returns the error of the write or of the flush.
///
/// # Panics
/// Propagates panics of `f`.
pub fn ended_well<T>(f: impl FnOnce() -> T) -> io::Result<T> {
    let done = catch_unwind(AssertUnwindSafe(f)).map_err(unwritten)?;
    io::stdout().flush()?;
    Ok(done)
}

fn unwritten(cause: Box<dyn Any + Send>) -> io::Error {
    match cause.downcast::<Unwritten>() {
        Ok(unwritten) => unwritten.0,
        Err(panic) => resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_an_error_and_a_panic_stays_one() {
        struct Guard<'a>(&'a mut bool);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                *self.0 = true;
            }
        }
        let mut is_dropped = false;
        let full = || Unwritten(io::ErrorKind::StorageFull.into());
        let ended = ended_well(|| {
            let _guard = Guard(&mut is_dropped);
            resume_unwind(Box::new(full()));
        });
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(is_dropped, "files half written are removed");
        assert_eq!(ended_well(|| 7).unwrap(), 7);
        let panic = catch_unwind(|| ended_well(|| resume_unwind(Box::new("a fault"))));
        assert!(panic.is_err());
    }
}
