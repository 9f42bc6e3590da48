//! Frame rate of sources that are faster than necessary.

use std::thread;
use std::time::{Duration, Instant};

/// Pacing of a source without a camera's own clock.
#[derive(Debug)]
pub(crate) struct Pace {
    pause: Duration,
    last: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(pause: Duration) -> Self {
        Self { pause, last: None }
    }

    /// Sleeps for the rest of the pause since the last call; the first call does not sleep.
    pub(crate) fn wait(&mut self) {
        if let Some(last) = self.last {
            thread::sleep(self.pause.saturating_sub(last.elapsed()));
        }
        self.last = Some(Instant::now());
    }
}
