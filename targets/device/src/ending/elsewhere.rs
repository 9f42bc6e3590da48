//! Where there are no signals, a session ends by its buttons alone.

use std::io;

use crate::ports::{Action, Buttons};

/// Nothing.
#[derive(Debug)]
pub struct Ending;

impl Ending {
    /// Nothing to take.
    ///
    /// # Errors
    /// None.
    pub fn observe() -> io::Result<Self> {
        Ok(Self)
    }

    /// Never.
    pub fn is_near(&self) -> bool {
        false
    }

    /// Nothing.
    pub fn follow(&self) {}
}

impl Buttons for &Ending {
    fn poll(&mut self) -> Option<Action<'_>> {
        None
    }
}
