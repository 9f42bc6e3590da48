//! Line at the bottom of the screen: the next thing to do.

use std::fmt::Write;
use std::time::Duration;

use super::details::Times;
use super::limits::GOAL;
use super::places::shown_at;
use super::tuning::Tune;
use super::{Session, watching};
use crate::ports::Backlog;

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Session {
    /// Writes the next step for the user: a fault to mend, a class that needs samples, or the
    /// function of the keys.
    pub(super) fn write_hint(&mut self) {
        let few = self.head.classes().find_map(|(id, name)| {
            let shown = self.head.shown_of(id);
            (shown < GOAL).then(|| (GOAL - shown, name))
        });
        let chosen = self.chosen.map(|class| {
            let shown = shown_at(&self.head, class);
            (GOAL.saturating_sub(shown), self.settings.names[class].as_str())
        });
        self.hint.clear();
        let written = match (chosen, few) {
            _ if self.backlog.left_out > 0 => {
                let Backlog { lessons, left_out } = self.backlog;
                write!(self.hint, "{lessons} wait, {left_out} too many")
            }
            _ if self.backlog.lessons > 0 => {
                write!(self.hint, "{} more wait", self.backlog.lessons)
            }
            _ if self.shows_times => {
                let Times { camera, extractor, head, screen } = self.times;
                let camera = ms(camera);
                let extractor = ms(extractor);
                let head = ms(head);
                let screen = ms(screen);
                write!(
                    self.hint,
                    "cam {camera:.0} eyes {extractor:.1} head {head:.1} draw {screen:.1} ms"
                )
                .and_then(|()| match self.broken {
                    0 => Ok(()),
                    broken => write!(self.hint, ", {broken} broken"),
                })
            }
            _ if self.is_mute() => self.hint.write_str("no sound: is the microphone muted?"),
            _ if self.fault().is_some() => {
                self.hint.write_str(self.fault().map_or("", watching::hint))
            }
            _ if self.tune.as_ref().is_some_and(|tune| tune.progress().is_some()) => {
                let progress = self.tune.as_ref().and_then(Tune::progress);
                let done = progress.map_or(0, |p| u64::from(p.done) * 100 / u64::from(p.of.max(1)));
                write!(self.hint, "tuning {done} %")
            }
            _ if self.has_lost() => self.hint.write_str("the newest lesson was lost"),
            (Some((0, name)), None) => write!(self.hint, "{name}: {}", self.settings.hint),
            (Some((0, name)), _) => write!(self.hint, "{} teaches {name}", self.settings.first),
            (Some((more, name)), _) => {
                write!(self.hint, "{}: {more} more for {name}", self.settings.first)
            }
            (None, Some((more, name))) => write!(self.hint, "{more} more for {name}"),
            (None, None) => self.hint.write_str(&self.settings.hint),
        };
        debug_assert!(written.is_ok(), "strings take everything");
    }
}
