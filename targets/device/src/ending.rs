//! Signals that end a session, and restoration of the terminal on every kind of end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::ports::{Action, Buttons};

/// Time limit for the end of a session after a signal, for example while it waits for a camera.
const PATIENCE: Duration = Duration::from_secs(2);

/// Interval of the check for a signal.
const LOOK: Duration = Duration::from_millis(20);

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT as a button that quits.
///
/// A session that has not ended 2 seconds after the signal, or at a second signal, is ended by the
/// signal's default action, after the terminal is restored.
#[derive(Debug)]
pub struct Ending {
    signal: Arc<AtomicUsize>,
}

impl Ending {
    /// Takes the signals of this process, from here to its end.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the signals cannot be taken.
    pub fn observe() -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
        let signal = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&signal);
        thread::Builder::new().name("signals".to_string()).spawn(move || {
            let Some(first) = signals.forever().next() else { return };
            seen.store(first as usize, Ordering::Release);
            let due = Instant::now() + PATIENCE;
            while Instant::now() < due && signals.pending().next().is_none() {
                thread::sleep(LOOK);
            }
            #[cfg(feature = "terminal")]
            crate::screen::terminal::give_back();
            // Signals whose default is to end this process.
            let _ = emulate_default_handler(first);
        })?;
        Ok(Self { signal })
    }

    /// Returns true if a signal has come.
    pub fn is_near(&self) -> bool {
        self.signal.load(Ordering::Acquire) != 0
    }

    /// Waits until a signal has come.
    pub fn wait(&self) {
        while !self.is_near() {
            thread::sleep(LOOK);
        }
    }

    /// Ends the process by the signal's default action, if one has come, so that a shell or a
    /// service manager sees it.
    pub fn follow(&self) {
        let signal = self.signal.load(Ordering::Acquire) as i32;
        if signal != 0 {
            // Returns only if the signal does not end the process.
            let _ = emulate_default_handler(signal);
        }
    }
}

impl Buttons for &Ending {
    fn poll(&mut self) -> Option<Action<'_>> {
        self.is_near().then_some(Action::Quit)
    }
}
