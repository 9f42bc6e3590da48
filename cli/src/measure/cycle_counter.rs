//! Cycle counter of the processor, where Linux lets a program read its own.

use std::io;

#[cfg(target_os = "linux")]
use perf_event::{Builder, Counter, events::Event, events::Hardware};

/// Counter of cycles that the calling thread spends in user mode.
#[derive(Debug)]
pub struct Cycles {
    #[cfg(target_os = "linux")]
    counter: Counter,
}

impl Cycles {
    /// Starts counting.
    ///
    /// # Errors
    /// Returns the reason why there is no counter, and a remedy.
    #[cfg(target_os = "linux")]
    pub fn open() -> Result<Self, String> {
        Self::of(Hardware::CPU_CYCLES).map_err(|e| reason(&e))
    }

    /// Starts counting.
    ///
    /// # Errors
    /// Fails always: this system has no counter.
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

    /// Returns the number of cycles counted so far.
    ///
    /// # Errors
    /// Returns the error of the system.
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
            "access denied by this system; `sysctl kernel.perf_event_paranoid=2` allows it"
                .to_string()
        }
        io::ErrorKind::NotFound | io::ErrorKind::Unsupported => {
            "not available on this machine; virtual machines seldom have one".to_string()
        }
        _ => error.to_string(),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn counts_go_up_with_work() {
        // Hardware counters are missing on virtual machines; the kernel's own clock is read the
        // same way.
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
