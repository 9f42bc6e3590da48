//! Main loop: steps until the end, and shows its reason on the screen.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use offshoot_view::State;

use super::{Flow, Ports, Session, SessionError};
use crate::ports::Screen;

/// Session that handles one frame at a time.
pub trait Step {
    /// Handles one frame.
    ///
    /// # Errors
    ///
    /// [`SessionError`] if the screen is gone or the extractor fails.
    fn step(&mut self, ports: &mut Ports<'_>) -> Result<Flow, SessionError>;
}

impl Step for Session {
    fn step(&mut self, ports: &mut Ports<'_>) -> Result<Flow, SessionError> {
        Self::step(self, ports)
    }
}

/// Runs a session until the user ends it.
///
/// An error or a panic that stops it before is the last text on a screen that stays visible; a
/// program that aborts on panics shows errors only.
///
/// # Errors
///
/// Those of [`Step::step`].
///
/// # Panics
///
/// With the panic of a step, after it was shown.
pub fn run(session: &mut dyn Step, ports: &mut Ports<'_>) -> Result<(), SessionError> {
    // A session that panicked is not used again.
    let steps = AssertUnwindSafe(|| -> Result<(), SessionError> {
        while session.step(ports)? == Flow::Next {}
        Ok(())
    });
    let ended = catch_unwind(steps);
    match &ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => show_end(ports.screen, &error.to_string()),
        Err(panic) => {
            show_end(ports.screen, &format!("a fault in the program: {}", message(panic.as_ref())))
        }
    }
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Shows the reason why a program cannot continue, if its screen stays visible after the end.
pub fn show_end(screen: &mut dyn Screen, why: &str) {
    let moment = offshoot_view::Screen {
        title: "Offshoot",
        image: None,
        objects: None,
        state: State::Error(why),
        classes: &[],
        threshold: None,
        advice: "",
        hint: "the program has ended",
    };
    if screen.stays() {
        // A screen that failed itself cannot show it.
        let _ = screen.show(&moment);
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
