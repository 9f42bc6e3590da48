//! Fallback for systems without signals: a session ends by its buttons alone.

use std::io;

use crate::ports::{Action, Buttons};

/// Absence of signals.
#[derive(Debug)]
pub struct Ending;

impl Ending {
    /// Does nothing.
    ///
    /// # Errors
    ///
    /// None.
    pub fn observe() -> io::Result<Self> {
        Ok(Self)
    }

    /// Returns false.
    pub fn is_near(&self) -> bool {
        false
    }

    /// Waits for ever: the system ends the program.
    pub fn wait(&self) {
        loop {
            std::thread::park();
        }
    }

    /// Does nothing.
    pub fn follow(&self) {}
}

impl Buttons for &Ending {
    fn poll(&mut self) -> Option<Action<'_>> {
        None
    }
}
