//! Evaluation of the head on its held-out samples, for the screen.

use std::fmt::Write;

use offshoot::{ClassId, Extractor, Head, Report};

use super::places::class_at;
use super::{LINGER, Mode, PLACES, Session};

/// Share of the samples far from the calibration set from which they are foreign.
const MOST_FAR: f32 = 0.5;

/// Advice on foreign samples.
const FOREIGN: &str = "The network does not know such images: `offshoot check` says what helps";

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
        if self.text.is_empty() && is_foreign(&self.extractor, &self.head) {
            self.text.push_str(FOREIGN);
        }
        let right = report.right() as u32;
        let asked = report.asked() as u32;
        (self.mode, self.left) = (Mode::Report { right, asked }, 2 * LINGER);
    }
}

/// Returns true if most samples lie farther from the calibration set of the package than its own
/// samples do; false if it states no statistics, or embeddings are scaled after them.
fn is_foreign(extractor: &Extractor, head: &Head) -> bool {
    let package = extractor.package();
    if package.manifest().extras.unit_length {
        return false;
    }
    let embedding = package.domain().and_then(|domain| domain.embedding());
    let samples = head.samples().map(|(_, sample)| sample);
    embedding.and_then(|known| known.share_far(samples)).is_some_and(|share| share > MOST_FAR)
}

/// Returns the number of samples of one class that were taken for another.
fn confusion(report: &Report<'_>, own: Option<ClassId>, said: Option<ClassId>) -> usize {
    own.zip(said).map_or(0, |(own, said)| report.confusion(own, said))
}
