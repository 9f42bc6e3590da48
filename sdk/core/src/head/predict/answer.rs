//! Answers of a head.

use serde::{Deserialize, Serialize};

use crate::embedding::Similarity;

/// Class of one head: classes are numbered in the order in which they were added. Removing a class
/// renumbers those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClassId(pub(crate) u16);

impl ClassId {
    /// Index of the class among [`Head::classes`](crate::head::Head::classes) and in
    /// [`Head::probabilities`](crate::head::Head::probabilities).
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Probability, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Probability(pub(crate) f32);

impl Probability {
    /// Returns the probability as a number.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

/// Answer of a head to one embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// One of the classes.
    #[non_exhaustive]
    Known {
        /// Most probable class; of two equal ones, the one added first.
        class: ClassId,
        /// Probability that it is known and of this class; calibrated on held-out samples, with
        /// equal priors of known and unknown things
        /// ([`Head::probabilities`](crate::head::Head::probabilities)).
        confidence: Probability,
        /// Difference to the probability of the next class; the confidence itself if there is no
        /// other.
        margin: f32,
    },
    /// Unknown: unlike all training samples.
    #[non_exhaustive]
    Unknown {
        /// Class whose mean is nearest by angle.
        nearest: ClassId,
        /// Cosine similarity with that mean.
        score: Similarity,
    },
}

impl Answer {
    /// Returns the class, or the nearest one of an unknown embedding.
    #[must_use]
    pub fn class(self) -> ClassId {
        match self {
            Self::Known { class, .. } => class,
            Self::Unknown { nearest, .. } => nearest,
        }
    }

    /// Returns the class; `None` for an unknown embedding.
    #[must_use]
    pub fn known(self) -> Option<ClassId> {
        match self {
            Self::Known { class, .. } => Some(class),
            Self::Unknown { .. } => None,
        }
    }

    /// Returns the probability of the class; 0 for an unknown embedding.
    #[must_use]
    pub fn confidence(self) -> Probability {
        match self {
            Self::Known { confidence, .. } => confidence,
            Self::Unknown { .. } => Probability(0.0),
        }
    }

    /// Returns the difference to the probability of the next class; 0 for an unknown embedding.
    #[must_use]
    pub fn margin(self) -> f32 {
        match self {
            Self::Known { margin, .. } => margin,
            Self::Unknown { .. } => 0.0,
        }
    }
}

/// Result of a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fit {
    /// Number of iterations of the solver; 0 for a closed form.
    pub iterations: u16,
    /// True if the solver reached the optimum.
    pub converged: bool,
    /// Norm of the remaining gradient: no score of a sample is further than this from its value at
    /// the optimum (up to the bias).
    pub gradient_norm: f32,
}
