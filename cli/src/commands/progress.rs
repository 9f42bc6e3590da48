//! Progress of long work on standard error: a bar on a terminal, a line now and then in a file or a
//! pipe, nothing with `--quiet`.

use std::cell::Cell;
use std::fmt;
use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use offshoot_convert::progress::Observer;

/// Time between two lines in a file or a pipe.
const PAUSE: Duration = Duration::from_secs(5);

static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Shows no progress from now on.
pub fn hush() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// Progress of work whose length is known.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    /// Time of the last line; `None` if there are no lines.
    last_line: Option<Cell<Instant>>,
}

impl Progress {
    pub(super) fn new(total: usize, what: &str) -> Self {
        let is_quiet = IS_QUIET.load(Ordering::Relaxed);
        let target =
            if is_quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{msg:>14} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_string());
        let has_lines = !is_quiet && !stderr().is_terminal();
        Self { bar, last_line: has_lines.then(|| Cell::new(Instant::now())) }
    }

    /// Advances by one.
    pub(super) fn step(&self) {
        self.set(self.bar.position() + 1);
    }

    /// Sets the work that is done.
    pub(super) fn set(&self, done: u64) {
        self.bar.set_position(done);
        if let Some(line) = self.line() {
            eprintln!("{line}");
        }
    }

    /// Returns a line if one is due.
    fn line(&self) -> Option<String> {
        let last = self.last_line.as_ref().filter(|last| last.get().elapsed() >= PAUSE)?;
        last.set(Instant::now());
        let total = self.bar.length().unwrap_or_default();
        Some(format!("{} {}/{total}", self.bar.message(), self.bar.position()))
    }

    /// Sets the work that is done, and its length.
    pub(super) fn set_of(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.set(done);
    }

    /// Removes the bar.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Progress of work in stages.
impl<S: fmt::Display> Observer<S> for Progress {
    fn progress(&mut self, stage: S, done: f32) {
        self.bar.set_message(stage.to_string());
        self.set((100.0 * done) as u64);
    }
}

/// Shows on a terminal a spinner with the elapsed time, for work of unknown length.
pub(super) fn spinner(what: impl Into<String>) -> ProgressBar {
    if IS_QUIET.load(Ordering::Relaxed) {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.set_message(what.into());
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_now_and_then_and_never_if_hushed() {
        let progress = Progress {
            bar: ProgressBar::with_draw_target(Some(9), ProgressDrawTarget::hidden()),
            last_line: Some(Cell::new(Instant::now())),
        };
        progress.bar.set_message("embed");
        progress.step();
        assert_eq!(progress.line(), None, "too early");
        let Some(last) = &progress.last_line else { unreachable!() };
        last.set(Instant::now().checked_sub(PAUSE).unwrap());
        assert_eq!(progress.line().as_deref(), Some("embed 1/9"));
        assert_eq!(progress.line(), None, "just printed");
        hush();
        assert!(Progress::new(9, "embed").last_line.is_none());
    }
}
