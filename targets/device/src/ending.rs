//! Signals that end a session, and a terminal that is given back whatever ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::ports::{Action, Buttons};

/// How long a session may take to its end after a signal, such as one that waits for a camera.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a second signal is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT as a button that quits.
///
/// A session that has not ended 2 seconds after the signal, or when a second one comes, is ended by it as it would
/// have been by the first, after the terminal was given back.
#[derive(Debug)]
pub struct Ending {
    signal: Arc<AtomicUsize>,
}

impl Ending {
    /// Takes the signals of this process, from here to its end.
    ///
    /// # Errors
    /// What the system reports.
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

    /// Whether a signal has come.
    pub fn is_near(&self) -> bool {
        self.signal.load(Ordering::Acquire) != 0
    }

    /// Ends the process as the signal would have, if one has come, so that a shell or a service manager sees it.
    pub fn follow(&self) {
        let signal = self.signal.load(Ordering::Acquire) as i32;
        if signal != 0 {
            // It returns only where the signal does not end the process.
            let _ = emulate_default_handler(signal);
        }
    }
}

impl Buttons for &Ending {
    fn poll(&mut self) -> Option<Action<'_>> {
        self.is_near().then_some(Action::Quit)
    }
}
