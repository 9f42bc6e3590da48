//! Standard output that may be full or gone.
//!
//! The crate prints by its own `println!` and `print!`. Where nothing can be written, what is being done ends:
//! destructors run, so that no half of a file is left, and [`ended_well`] gives the cause.

use std::any::Any;
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// As that of `std`, but a failure is no panic: it reaches [`ended_well`].
macro_rules! println {
    () => { $crate::output::print(format_args!("\n")) };
    ($($words:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($words)*))) };
}

/// As `println!`, without the end of the line.
macro_rules! print {
    ($($words:tt)*) => { $crate::output::print(format_args!($($words)*)) };
}

/// As that of `std`, but where nobody can be told, nobody is.
macro_rules! eprintln {
    ($($words:tt)*) => { $crate::output::note(format_args!("{}\n", format_args!($($words)*))) };
}

/// What unwinds.
struct Unwritten(io::Error);

/// Writes to standard output.
///
/// # Panics
/// Without a message, where it cannot; only inside of [`ended_well`].
pub fn print(words: fmt::Arguments<'_>) {
    if let Err(error) = io::stdout().write_fmt(words) {
        // No panic of the program: hooks are not called.
        resume_unwind(Box::new(Unwritten(error)));
    }
}

/// Writes to standard error, if it can.
pub fn note(words: fmt::Arguments<'_>) {
    let _ = io::stderr().write_fmt(words);
}

/// Does it, and says why standard output could not be written, if that is what ended it.
///
/// # Errors
/// What standard output reports.
///
/// # Panics
/// As `f`.
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
