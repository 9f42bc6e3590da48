//! Conversion of panics during the analysis of a malformed model into error messages.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` and returns a panic on this thread as its message, without a backtrace on the user's
/// screen.
///
/// tract asserts and divides on some malformed graphs; that is the fault of the file, not of the
/// user.
///
/// # Errors
/// Message of the panic.
pub fn quietly<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(before);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        format!("the model is malformed, or the converter has a bug: {text}")
    })
}

/// Runs `f` without printing its panics, for a worker thread whose panics another thread passes on.
pub fn muted<T>(f: impl FnOnce() -> T) -> T {
    QUIET.set(true);
    let result = f();
    QUIET.set(false);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_messages() {
        assert_eq!(quietly(|| 3), Ok(3));
        let divisor = std::hint::black_box(0);
        let message = quietly(|| 1 / divisor).unwrap_err();
        assert!(message.contains("divide by zero"), "{message}");
        assert!(quietly(|| panic!("dimension {}", 7)).unwrap_err().ends_with("dimension 7"));
    }
}
