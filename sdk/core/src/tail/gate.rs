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
        let Evidence { samples, before, after, t } = evidence;
        write!(
            f,
            "{word}: held-out squared error {before:.4} before, {after:.4} after, t {t:.1}, {samples} samples"
        )
    }
}

/// Errors of the held-out samples so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub before: f64,
    pub after: f64,
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

/// Decides by the gain of each held-out sample.
pub(super) fn verdict(sums: Sums, gains: &[f32], least_t: f32) -> Verdict {
    let count = gains.len() as f64;
    let mean = gains.iter().map(|&gain| f64::from(gain)).sum::<f64>() / count;
    let squares = gains.iter().map(|&gain| (f64::from(gain) - mean) * (f64::from(gain) - mean));
    let variance = squares.sum::<f64>() / (count - 1.0).max(1.0);
    let error = libm::sqrt(variance / count);
    // Without any difference there is no gain.
    let t = if error > 0.0 { (mean / error) as f32 } else { 0.0 };
    let evidence = Evidence {
        samples: gains.len() as u16,
        before: (sums.before / count) as f32,
        after: (sums.after / count) as f32,
        t,
    };
    if t > least_t { Verdict::Keep(evidence) } else { Verdict::Refuse(evidence) }
}

/// Squared error of probabilities of one sample.
pub(super) fn brier(probabilities: &[f32], owner: u16) -> f64 {
    let mut sum = 0.0;
    for (class, &p) in probabilities.iter().enumerate() {
        let target = if class == usize::from(owner) { 1.0 } else { 0.0 };
        sum += (f64::from(p) - target) * (f64::from(p) - target);
    }
    sum
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

    #[test]
    fn the_gain_is_clear_or_refused() {
        let sums = Sums { before: 4.0, after: 2.0 };
        let t = |gains: &[f32]| verdict(sums, gains, 2.0).evidence().unwrap().t;
        // Mean 0.5, standard deviation 0.5774, standard error 0.2887.
        assert!((t(&[0.0, 1.0, 0.0, 1.0]) - 1.7321).abs() < 1e-3);
        assert!(!verdict(sums, &[0.0, 1.0, 0.0, 1.0], 2.0).keeps());
        assert!(verdict(sums, &[0.5, 1.0, 0.5, 1.0], 2.0).keeps());
        assert!(!verdict(sums, &[-0.5, -1.0, -0.5, -1.0], 2.0).keeps());
        assert!(!verdict(sums, &[0.0; 4], 2.0).keeps(), "no change is no gain");
        let text = verdict(sums, &[0.5, 1.0, 0.5, 1.0], 2.0).to_string();
        assert!(text.starts_with("kept: held-out squared error 1.0000 before, 0.5000"), "{text}");
        assert_eq!(brier(&[0.5, 0.5], 1), 0.5);
    }
}
