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

/// Errors of the held-out samples so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Errors {
    /// Sum of squared errors.
    square: f64,
    /// Samples whose most probable class is wrong.
    wrong: u16,
}

impl Errors {
    /// Adds a sample; returns its squared error.
    pub fn add(&mut self, probabilities: &[f32], owner: u16) -> f32 {
        let mut square = 0.0;
        let mut best = 0;
        for (class, &p) in probabilities.iter().enumerate() {
            let target = if class == usize::from(owner) { 1.0 } else { 0.0 };
            square += (f64::from(p) - target) * (f64::from(p) - target);
            best = if p > probabilities[best] { class } else { best };
        }
        self.square += square;
        self.wrong += u16::from(best != usize::from(owner));
        square as f32
    }
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

/// Decides by the gain of each held-out sample, and by the mistakes: not more than before.
pub(super) fn verdict(before: Errors, after: Errors, gains: &[f32], least_t: f32) -> Verdict {
    let count = gains.len() as f64;
    let mean = gains.iter().map(|&gain| f64::from(gain)).sum::<f64>() / count;
    let squares = gains.iter().map(|&gain| (f64::from(gain) - mean) * (f64::from(gain) - mean));
    let variance = squares.sum::<f64>() / (count - 1.0).max(1.0);
    let error = libm::sqrt(variance / count);
    // Without any difference there is no gain.
    let t = if error > 0.0 { (mean / error) as f32 } else { 0.0 };
    let evidence = Evidence {
        samples: gains.len() as u16,
        before: (before.square / count) as f32,
        after: (after.square / count) as f32,
        t,
        wrong_before: before.wrong,
        wrong_after: after.wrong,
    };
    let is_forced = least_t == f32::NEG_INFINITY;
    if is_forced || (t > least_t && after.wrong <= before.wrong) {
        Verdict::Keep(evidence)
    } else {
        Verdict::Refuse(evidence)
    }
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
        let errors = |square, wrong| Errors { square, wrong };
        let judged = |gains: &[f32]| verdict(errors(4.0, 2), errors(2.0, 2), gains, 2.0);
        // Mean 0.5, standard deviation 0.5774, standard error 0.2887.
        let evidence = judged(&[0.0, 1.0, 0.0, 1.0]).evidence().unwrap();
        assert!((evidence.t - 1.7321).abs() < 1e-3);
        assert!(!judged(&[0.0, 1.0, 0.0, 1.0]).keeps());
        assert!(judged(&[0.5, 1.0, 0.5, 1.0]).keeps());
        assert!(!judged(&[-0.5, -1.0, -0.5, -1.0]).keeps());
        assert!(!judged(&[0.0; 4]).keeps(), "no change is no gain");
        let text = judged(&[0.5, 1.0, 0.5, 1.0]).to_string();
        assert!(text.starts_with("kept: held-out squared error 1.0000 before, 0.5000"), "{text}");
        // A mistake more.
        let worse = |least| verdict(errors(4.0, 1), errors(2.0, 2), &[0.5, 1.0, 0.5, 1.0], least);
        assert!(!worse(2.0).keeps() && worse(f32::NEG_INFINITY).keeps());
    }

    #[test]
    fn errors_are_squares_and_mistakes() {
        let mut errors = Errors::default();
        assert_eq!(errors.add(&[0.5, 0.5], 1), 0.5);
        assert_eq!(errors.add(&[0.2, 0.0, 0.8], 2), 0.08);
        assert_eq!(errors.add(&[0.0, 1.0], 0), 2.0);
        // Of two equal ones the first is the answer.
        assert!((errors.square - 2.58).abs() < 1e-6 && errors.wrong == 2);
    }
}
