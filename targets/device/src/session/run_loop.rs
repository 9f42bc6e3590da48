//! Steps until the end, and says on the screen why it came.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use offshoot_view::State;

use super::{Flow, Ports, Session, SessionError};
use crate::ports::Screen;

/// Runs a session until somebody wants its end.
///
/// What stops it before, an error or a panic, is the last thing that a screen shows, if it goes on
/// showing anything; a program that aborts on panics shows errors only.
///
/// # Errors
/// As [`Session::step`].
///
/// # Panics
/// With whatever panicked in a step, after it was shown.
pub fn run(session: &mut Session, ports: &mut Ports<'_>) -> Result<(), SessionError> {
    // A session that panicked is not used again.
    let steps = AssertUnwindSafe(|| -> Result<(), SessionError> {
        while session.step(ports)? == Flow::Next {}
        Ok(())
    });
    let ended = catch_unwind(steps);
    match &ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => show_end(ports.screen, &error.to_string()),
        Err(panic) => show_end(ports.screen, &format!("a fault in the program: {}", message(panic.as_ref()))),
    }
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Shows why a program cannot go on, if its screen is still there when it has ended.
pub fn show_end(screen: &mut dyn Screen, why: &str) {
    let moment = offshoot_view::Screen {
        title: "Offshoot",
        picture: None,
        state: State::Error(why),
        classes: &[],
        threshold: None,
        advice: "",
        hint: "the program has ended",
    };
    if screen.stays() {
        // A screen that is the reason itself cannot show it.
        let _ = screen.show(&moment);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
