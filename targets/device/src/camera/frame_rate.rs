//! Frames no faster than somebody wants to see them.

use std::thread;
use std::time::{Duration, Instant};

/// Lets a source without a camera's own clock give a frame every so often.
#[derive(Debug)]
pub(crate) struct Pace {
    pause: Duration,
    last: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(pause: Duration) -> Self {
        Self { pause, last: None }
    }

    /// Sleeps for what is left of the pause since the last time; the first time it is nothing.
    pub(crate) fn wait(&mut self) {
        if let Some(last) = self.last {
            thread::sleep(self.pause.saturating_sub(last.elapsed()));
        }
        self.last = Some(Instant::now());
    }
}
