//! What a head says.

use serde::{Deserialize, Serialize};

use crate::embedding::Similarity;

/// A class of one head: classes are numbered in the order in which they were added. Removing a
/// class renumbers those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClassId(pub(crate) u16);

impl ClassId {
    /// The place of the class among [`Head::classes`](crate::head::Head::classes) and in
    /// [`Head::probabilities`](crate::head::Head::probabilities).
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A probability, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Probability(pub(crate) f32);

impl Probability {
    /// The probability as a number.
    pub fn get(self) -> f32 {
        self.0
    }
}

/// What a head says to one embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// One of the classes.
    #[non_exhaustive]
    Known {
        /// The most probable class; of two alike, the one added first.
        class: ClassId,
        /// The probability that it is known and of this class; calibrated on held-out samples, for known
        /// and unknown things alike often ([`Head::probabilities`](crate::head::Head::probabilities)).
        confidence: Probability,
        /// By how much that is more than the next class's; the whole of it if there is no other.
        margin: f32,
    },
    /// Unlike everything that was taught.
    #[non_exhaustive]
    Unknown {
        /// The class whose mean is nearest by angle.
        nearest: ClassId,
        /// How near it is.
        score: Similarity,
    },
}

impl Answer {
    /// The class, or the nearest one to something unknown.
    pub fn class(self) -> ClassId {
        match self {
            Self::Known { class, .. } => class,
            Self::Unknown { nearest, .. } => nearest,
        }
    }

    /// The class, unless it is unknown.
    pub fn known(self) -> Option<ClassId> {
        match self {
            Self::Known { class, .. } => Some(class),
            Self::Unknown { .. } => None,
        }
    }

    /// The probability of the class; 0 of something unknown.
    pub fn confidence(self) -> Probability {
        match self {
            Self::Known { confidence, .. } => confidence,
            Self::Unknown { .. } => Probability(0.0),
        }
    }

    /// By how much that is more than the next class's; 0 of something unknown.
    pub fn margin(self) -> f32 {
        match self {
            Self::Known { margin, .. } => margin,
            Self::Unknown { .. } => 0.0,
        }
    }
}

/// How a fit went.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fit {
    /// Steps the solver took; 0 for a closed form.
    pub iterations: u16,
    /// Whether it stopped because the optimum was reached.
    pub converged: bool,
    /// What was left of the gradient: no score of a sample is further than this from its value
    /// at the optimum (up to the bias).
    pub gradient_norm: f32,
}
