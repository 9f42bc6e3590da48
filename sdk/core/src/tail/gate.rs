//! The gate: held-out samples say if a tuned tail is kept.

use core::fmt;

/// Outcome of tuning.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// The tuned tail is better on held-out samples.
    Keep(Evidence),
    /// It is not, or not clearly: the network stays as it is.
    Refuse(Evidence),
    /// Some class has too few samples to hold any out.
    TooFew {
        /// Samples that each class needs.
        least: u8,
    },
}

/// Held-out errors of a head before and after tuning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Number of held-out samples: all, each once.
    pub samples: u16,
    /// Mean squared error of the probabilities (Brier score, 0 to 2) before.
    pub before: f32,
    /// The same after tuning.
    pub after: f32,
    /// Mean difference divided by its standard error (paired t).
    pub t: f32,
    /// Number of held-out samples whose most probable class was wrong before.
    pub wrong_before: u16,
    /// The same after tuning.
    pub wrong_after: u16,
}

impl Verdict {
    /// Returns the held-out errors; [`None`] if there were too few samples.
    #[must_use]
    pub fn evidence(&self) -> Option<Evidence> {
        match *self {
            Self::Keep(evidence) | Self::Refuse(evidence) => Some(evidence),
            Self::TooFew { .. } => None,
        }
    }

    /// Returns true if the tuned tail is to be kept.
    #[must_use]
    pub fn keeps(&self) -> bool {
        matches!(self, Self::Keep(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, evidence) = match self {
            Self::Keep(evidence) => ("kept", evidence),
            Self::Refuse(evidence) => ("refused", evidence),
            Self::TooFew { least } => {
                return write!(f, "too few samples: each class needs {least}");
            }
        };
        let Evidence { samples, before, after, t, wrong_before, wrong_after } = evidence;
        write!(
            f,
            "{word}: held-out squared error {before:.4} before, {after:.4} after (t {t:.1}), {wrong_before} and {wrong_after} of {samples} wrong"
        )
    }
}

/// Powers of probabilities that are tried, this many to each side of one.
const POWERS: i32 = 12;

/// Logarithm of the ratio of two neighbouring powers.
const RATIO: f32 = 0.2;

/// Probabilities that a head gives the held-out samples, and their classes.
#[derive(Clone, Copy)]
pub(super) struct HeldOut<'a> {
    /// Row by row, a value per class.
    pub probabilities: &'a [f32],
    pub owners: &'a [u16],
    pub classes: u16,
}

impl<'a> HeldOut<'a> {
    fn rows(self) -> impl Iterator<Item = (&'a [f32], u16)> + Clone {
        let rows = self.probabilities.chunks_exact(self.classes.into());
        rows.zip(self.owners.iter().copied())
    }

    /// Squared errors of the probabilities raised to a power.
    fn errors(self, power: f32) -> impl Iterator<Item = f64> + Clone {
        self.rows().map(move |(row, owner)| square(row, owner, power))
    }

    /// Number of samples whose most probable class is wrong.
    fn wrong(self) -> u16 {
        let mut wrong = 0;
        for (row, owner) in self.rows() {
            let own = row[usize::from(owner)];
            let is_best = |(class, &p): (usize, &f32)| p < own || p == own && class >= owner.into();
            wrong += u16::from(!row.iter().enumerate().all(is_best));
        }
        wrong
    }

    /// Power of the probabilities with the least squared error: a head that is only less sure is
    /// no worse.
    fn power(self) -> f32 {
        let powers = (-POWERS..=POWERS).map(|step| libm::expf(RATIO * step as f32));
        let mut best = 1.0;
        let mut least = f64::INFINITY;
        for power in powers {
            let error: f64 = self.errors(power).sum();
            if error < least {
                (best, least) = (power, error);
            }
        }
        best
    }
}

/// Squared error of the probabilities of a sample, raised to a power and made to sum to one.
fn square(row: &[f32], owner: u16, power: f32) -> f64 {
    let top = row.iter().fold(0.0, |top: f32, &p| top.max(p));
    let weight = |p: f32| f64::from(libm::powf(p / top, power));
    let sum: f64 = row.iter().map(|&p| weight(p)).sum();
    let mut square = 0.0;
    for (class, &p) in row.iter().enumerate() {
        let target = if class == usize::from(owner) { 1.0 } else { 0.0 };
        let error = weight(p) / sum - target;
        square += error * error;
    }
    square
}

/// Assigns the samples of each class to folds in turn. Returns false if a class has fewer samples
/// than there are folds, or if there are fewer than two classes.
pub(super) fn deal(owners: &[u16], classes: u16, folds: u8, out: &mut [u8]) -> bool {
    for class in 0..classes {
        let mut next = 0;
        let mut count = 0usize;
        for (fold, _) in out.iter_mut().zip(owners).filter(|(_, owner)| **owner == class) {
            *fold = next;
            next = if next + 1 == folds { 0 } else { next + 1 };
            count += 1;
        }
        if count < usize::from(folds) {
            return false;
        }
    }
    classes > 1
}

/// Decides by the squared errors of the held-out samples, each side at its own best temperature,
/// and by the mistakes: not more than before.
pub(super) fn verdict(before: HeldOut<'_>, after: HeldOut<'_>, least_t: f32) -> Verdict {
    let mut sums = [0.0; 2];
    let old_errors = before.errors(before.power());
    let new_errors = after.errors(after.power());
    for (old, new) in old_errors.clone().zip(new_errors.clone()) {
        sums[0] += old;
        sums[1] += new;
    }
    let count = before.owners.len() as f64;
    let mean = (sums[0] - sums[1]) / count;
    let differences = old_errors.zip(new_errors).map(|(old, new)| old - new - mean);
    let squares = differences.map(|away| away * away);
    let variance = squares.sum::<f64>() / (count - 1.0).max(1.0);
    let error = libm::sqrt(variance / count);
    // Without any difference there is no gain.
    let t = if error > 0.0 { (mean / error) as f32 } else { 0.0 };
    let evidence = Evidence {
        samples: before.owners.len() as u16,
        before: (sums[0] / count) as f32,
        after: (sums[1] / count) as f32,
        t,
        wrong_before: before.wrong(),
        wrong_after: after.wrong(),
    };
    let is_forced = least_t == f32::NEG_INFINITY;
    let is_better = t > least_t && evidence.wrong_after <= evidence.wrong_before;
    if is_forced || is_better { Verdict::Keep(evidence) } else { Verdict::Refuse(evidence) }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn folds_are_dealt_by_class() {
        let owners = [0, 0, 1, 0, 1, 1, 0, 1];
        let mut folds = [9; 8];
        assert!(deal(&owners, 2, 3, &mut folds));
        assert_eq!(folds, [0, 1, 0, 2, 1, 2, 0, 0]);
        assert!(!deal(&owners, 3, 3, &mut folds), "a class without samples");
        assert!(!deal(&owners, 2, 5, &mut folds), "four samples for five folds");
        assert!(!deal(&[0, 0, 0], 1, 3, &mut folds[..3]), "one class");
    }

    fn judged(before: &[f32], after: &[f32], least_t: f32) -> Verdict {
        let owners = [0, 0, 1, 1];
        let side = |probabilities| HeldOut { probabilities, owners: &owners, classes: 2 };
        verdict(side(before), side(after), least_t)
    }

    /// Two probabilities for each of four samples, by those of the first class.
    fn rows(first: [f32; 4]) -> [f32; 8] {
        core::array::from_fn(|i| if i % 2 == 0 { first[i / 2] } else { 1.0 - first[i / 2] })
    }

    #[test]
    fn the_gain_is_clear_or_refused() {
        let unsure = rows([0.6, 0.4, 0.4, 0.6]);
        let sure = rows([0.9, 0.8, 0.1, 0.2]);
        let kept = judged(&unsure, &sure, 2.0);
        let evidence = kept.evidence().unwrap();
        assert!(kept.keeps() && evidence.t > 2.0 && evidence.after < 0.1, "{kept}");
        assert_eq!((evidence.wrong_before, evidence.wrong_after), (2, 0));
        assert!(kept.to_string().contains("2 and 0 of 4 wrong"), "{kept}");
        assert!(!judged(&sure, &unsure, 2.0).keeps());
        assert!(judged(&sure, &unsure, f32::NEG_INFINITY).keeps(), "forced");
        assert!(!judged(&sure, &sure, 2.0).keeps(), "no change is no gain");
        // A temperature alone is no gain.
        let surer = rows([0.6, 0.7, 0.4, 0.3].map(|p| p * p / (p * p + (1.0 - p) * (1.0 - p))));
        let t = judged(&rows([0.6, 0.7, 0.4, 0.3]), &surer, 2.0).evidence().unwrap().t;
        assert!(t < 2.0, "{t}");
    }

    #[test]
    fn errors_are_squares_and_mistakes() {
        assert_eq!(square(&[0.5, 0.5], 1, 1.0), 0.5);
        assert!((square(&[0.2, 0.0, 0.8], 2, 1.0) - 0.08).abs() < 1e-6);
        // 0.2 to 0.8 is 0.04 to 0.64.
        let share = 0.04 / 0.68;
        assert!((square(&[0.2, 0.8], 1, 2.0) - 2.0 * share * share).abs() < 1e-6);
        assert_eq!(square(&[0.0, 1.0], 0, 3.0), 2.0);
        // Of two equal ones the first is the answer.
        let probabilities = [0.5, 0.5, 0.5, 0.5];
        let held_out = HeldOut { probabilities: &probabilities, owners: &[0, 1], classes: 2 };
        assert_eq!(held_out.wrong(), 1);
    }
}
