//! The processor's cycle counter, where Linux lets a program read its own.

use std::io;

#[cfg(target_os = "linux")]
use perf_event::{Builder, Counter, events::Event, events::Hardware};

/// Counts what the calling thread does in user mode.
#[derive(Debug)]
pub struct Cycles {
    #[cfg(target_os = "linux")]
    counter: Counter,
}

impl Cycles {
    /// Begins to count.
    ///
    /// # Errors
    /// Why there is no counter, and what would give one.
    #[cfg(target_os = "linux")]
    pub fn open() -> Result<Self, String> {
        Self::of(Hardware::CPU_CYCLES).map_err(|e| reason(&e))
    }

    /// Begins to count.
    ///
    /// # Errors
    /// There is no counter.
    #[cfg(not(target_os = "linux"))]
    pub fn open() -> Result<Self, String> {
        Err(reason(&io::ErrorKind::Unsupported.into()))
    }

    #[cfg(target_os = "linux")]
    fn of(event: impl Event) -> io::Result<Self> {
        let mut counter = Builder::new(event).build()?;
        counter.enable()?;
        Ok(Self { counter })
    }

    /// How many there have been.
    ///
    /// # Errors
    /// What the system reports.
    pub fn count(&mut self) -> io::Result<u64> {
        #[cfg(target_os = "linux")]
        return self.counter.read();
        #[cfg(not(target_os = "linux"))]
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "this system lets no program read it; `sysctl kernel.perf_event_paranoid=2` does".to_string()
        }
        io::ErrorKind::NotFound | io::ErrorKind::Unsupported => {
            "this machine shows none; virtual ones seldom do".to_string()
        }
        _ => error.to_string(),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn counts_go_up_with_work() {
        // Hardware counters are missing on virtual machines; the kernel's own clock is read the same way.
        let mut clock = match Cycles::of(perf_event::events::Software::TASK_CLOCK) {
            Ok(clock) => clock,
            Err(e) => return println!("skipped: {}", reason(&e)),
        };
        let before = clock.count().unwrap();
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 2 {
            std::hint::spin_loop();
        }
        let spent = clock.count().unwrap() - before;
        assert!(spent > 100_000, "{spent} ns of 2 ms");
    }

    #[test]
    fn refusals_say_what_would_help() {
        let denied = reason(&io::ErrorKind::PermissionDenied.into());
        assert!(denied.contains("kernel.perf_event_paranoid=2"), "{denied}");
        assert!(reason(&io::ErrorKind::NotFound.into()).contains("virtual"));
    }
}
