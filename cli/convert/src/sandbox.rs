//! Isolation of a model from unknown sources: a child process does the work, so that a hostile file
//! can break only the child.
//!
//! The child is the same program again with the same arguments. It does the whole command, and only an
//! exit code is returned: there is no second format, no work is done twice, and files are written
//! by rename, entirely or not at all. While it reads and analyses the model ([`limits`]) it may
//! take [`MEMORY`] bytes, or eight times the size of the model, beyond its current use, and
//! [`SECONDS`] of processor time; the kernel enforces both. Calibration has no limits: its memory
//! follows from the user's own images and a network of checked shapes, its time from the number of
//! images.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use thiserror::Error;

/// Least address space allowed for the analysis of a model, in bytes.
pub const MEMORY: u64 = 2 << 30;
/// Allowed multiple of the size of a larger model.
pub const TIMES_MODEL: u64 = 8;
/// Processor time allowed for the analysis of a model, in seconds.
pub const SECONDS: u64 = 120;

/// Hidden option that marks the child of a command; its value is the parent's process id.
pub const OPTION: &str = "--inside";
/// Environment variable that overrides the memory limit, in units of 1048576 bytes.
const MEMORY_VARIABLE: &str = "OFFSHOOT_IMPORT_MIB";
/// Environment variable that overrides the time limit, in seconds.
const SECONDS_VARIABLE: &str = "OFFSHOOT_IMPORT_SECONDS";

/// Error of the child process.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IsolateError {
    /// The child does not start.
    #[error("{model}: the process that would read the model does not start: {source}")]
    Start {
        /// Path of the model.
        model: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The child was ended by the system.
    #[error(
        "{model}: reading it {what}; nothing was written. A file that does so is broken or made to do \
         harm; where you trust it, {MEMORY_VARIABLE}=N and {SECONDS_VARIABLE}=N allow more"
    )]
    Ended {
        /// Path of the model.
        model: PathBuf,
        /// Cause of the end, as the rest of the sentence.
        what: String,
    },
}

/// Command of the user, as a child process runs it.
#[derive(Debug)]
pub struct Invocation {
    /// Program that has the command.
    pub program: PathBuf,
    /// Arguments of the program before those of the command: none, or `-m offshoot` of Python.
    pub before: Vec<OsString>,
    /// Arguments of the command.
    pub arguments: Vec<OsString>,
}

/// Runs the user's command in a child process and returns its exit code.
///
/// # Errors
/// The child does not start, or was ended by the system.
pub fn run(model: &Path, invocation: &Invocation) -> Result<u8, IsolateError> {
    let mut command = Command::new(&invocation.program);
    command.args(&invocation.before).arg(OPTION).arg(std::process::id().to_string());
    let status = command.args(&invocation.arguments).status();
    let status =
        status.map_err(|source| IsolateError::Start { model: model.to_path_buf(), source })?;
    match (status.code().and_then(|code| u8::try_from(code).ok()), signal(status)) {
        (Some(code), _) => Ok(code),
        // Ended by the user, or by the reader of its output; shells report 128 plus the signal.
        (None, Some(asked @ (1 | 2 | 13 | 15))) => Ok(128 + asked as u8),
        (None, signal) => {
            Err(IsolateError::Ended { model: model.to_path_buf(), what: what(signal) })
        }
    }
}

fn what(signal: Option<i32>) -> String {
    match signal {
        Some(24) => format!("took more than {} s of processor time", seconds()),
        // The standard library prints the cause before it aborts.
        Some(6) => "needed more memory than allowed, or nested too deep".to_string(),
        Some(9) => "was ended by the system, most likely because memory ran out".to_string(),
        Some(signal) => format!("crashed, by signal {signal}"),
        None => "ended in an unknown way".to_string(),
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn seconds() -> u64 {
    number(SECONDS_VARIABLE).unwrap_or(SECONDS)
}

/// Returns the bytes of memory allowed for a model of `model` bytes.
fn memory(model: u64) -> u64 {
    let asked = number(MEMORY_VARIABLE).map(|mib| mib.saturating_mul(1 << 20));
    asked.unwrap_or_else(|| MEMORY.max(model.saturating_mul(TIMES_MODEL)))
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::process::{Resource, Rlimit, Signal, getppid, getrlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};

    /// Limits are set in the child only: they hold for the whole process, and in a library that is
    /// the host's.
    static INSIDE: AtomicBool = AtomicBool::new(false);

    /// Bytes left for libraries, stacks and the reserve of the allocator.
    const SLACK: u64 = 1 << 30;

    /// Makes this process the child of `parent`: it ends with the parent, leaves no core dump, and
    /// takes no more memory than the machine has left.
    pub fn enter(parent: u32) {
        // Each is a precaution: if the system refuses one, the others still hold.
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
        let alive =
            getppid().is_some_and(|pid| pid.as_raw_nonzero().get().unsigned_abs() == parent);
        if !alive {
            std::process::exit(2);
        }
        lower(Resource::Core, Some(0));
        // A limit stated by the user holds, however much memory is free.
        let most = kib("/proc/meminfo", "MemAvailable").map(|free| free.max(super::memory(0)));
        lower(Resource::As, most.map(|most| most.saturating_add(SLACK)));
        INSIDE.store(true, Ordering::Relaxed);
    }

    /// Returns the bytes of an entry that a file of the kernel states in KiB.
    fn kib(path: &str, key: &str) -> Option<u64> {
        let text = std::fs::read_to_string(path).ok()?;
        let rest = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    /// Lowers the soft limit and returns the previous one.
    fn lower(resource: Resource, to: Option<u64>) -> Rlimit {
        let before = getrlimit(resource);
        if let Some(to) = to {
            let current = before.current.map_or(to, |now| now.min(to));
            let _ = setrlimit(resource, Rlimit { current: Some(current), maximum: before.maximum });
        }
        before
    }

    /// Limits of a part of the work; restored on drop.
    #[derive(Debug)]
    pub struct Limits(Vec<(Resource, Rlimit)>);

    /// Sets the limits for a model of `model` bytes; without effect outside a child.
    pub fn limits(model: u64) -> Limits {
        if !INSIDE.load(Ordering::Relaxed) {
            return Limits(Vec::new());
        }
        let mapped = kib("/proc/self/status", "VmSize");
        let memory = mapped.map(|now| now.saturating_add(super::memory(model)));
        let now = clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs();
        let time = Some(now.saturating_add(super::seconds()));
        Limits(
            [(Resource::As, memory), (Resource::Cpu, time)]
                .map(|(r, to)| (r, lower(r, to)))
                .to_vec(),
        )
    }

    impl Drop for Limits {
        fn drop(&mut self) {
            for (resource, before) in self.0.drain(..) {
                let _ = setrlimit(resource, before);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    /// Empty limits: without `/proc` the current use is not known.
    #[derive(Debug)]
    pub struct Limits;

    /// Does nothing; the child without limits still keeps a crash away from the parent.
    pub fn enter(_: u32) {}

    /// Returns empty limits.
    pub fn limits(_: u64) -> Limits {
        Limits
    }
}

pub use kernel::{Limits, enter, limits};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_the_model() {
        assert_eq!(memory(100), MEMORY);
        assert_eq!(memory(600 << 20), 4800 << 20);
        assert_eq!(memory(u64::MAX), u64::MAX);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_library_limits_nobody() {
        use rustix::process::{Resource, getrlimit};
        let now = || [Resource::As, Resource::Cpu].map(getrlimit);
        let before = now();
        let limits = limits(1);
        assert_eq!(now(), before);
        drop(limits);
    }
}
