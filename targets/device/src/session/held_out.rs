//! Evaluation of the head on its held-out samples, for the screen.

use std::fmt::Write;

use offshoot::{ClassId, Report};

use super::places::class_at;
use super::{LINGER, Mode, PLACES, Session};

impl Session {
    /// Shows the accuracy, and the most useful advice.
    pub(super) fn report(&mut self) {
        let classes: [Option<ClassId>; PLACES] =
            std::array::from_fn(|place| class_at(&self.head, place));
        let report = match self.head.fit().and_then(|_| self.head.report()) {
            Ok(report) if report.asked() > 0 => report,
            Ok(_) => return self.say(format_args!("Nothing to ask yet: teach two of a class")),
            Err(error) => return self.say(format_args!("{error}")),
        };
        for (share, own) in self.shares.iter_mut().zip(classes) {
            let all: usize = classes.iter().map(|said| confusion(&report, own, *said)).sum();
            *share = confusion(&report, own, own) as f32 / all.max(1) as f32;
        }
        self.text.clear();
        let written = report.advice().next().map_or(Ok(()), |advice| write!(self.text, "{advice}"));
        debug_assert!(written.is_ok(), "strings take everything");
        let right = report.right() as u32;
        let asked = report.asked() as u32;
        (self.mode, self.left) = (Mode::Report { right, asked }, 2 * LINGER);
    }
}

/// Returns the number of samples of one class that were taken for another.
fn confusion(report: &Report<'_>, own: Option<ClassId>, said: Option<ClassId>) -> usize {
    own.zip(said).map_or(0, |(own, said)| report.confusion(own, said))
}
