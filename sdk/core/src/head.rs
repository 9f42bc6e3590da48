//! Heads: classifiers taught on the device, on the embeddings of a frozen backbone.
//!
//! A head keeps its samples (about one byte a dimension), so that it can be fitted anew at any
//! time; everything else is computed from them. It lives in memory that the caller gives and
//! that is sized once by [`Limits`].
//!
//! # Example
//!
//! ```
//! use offshoot_core::Embedding;
//! use offshoot_core::head::{Head, HeadKind, Limits};
//!
//! let limits = Limits { classes: 3, samples: 15 };
//! let mut memory = vec![0; limits.words(HeadKind::Softmax, 4)?];
//! let mut head = Head::new(HeadKind::Softmax, 4, [0; 32], limits, &mut memory[..])?;
//! let mug = head.add_class("mug")?;
//! let pen = head.add_class("pen")?;
//! head.add_sample(mug, Embedding::Float(&[1.0, 0.0, 0.2, 0.1]))?;
//! head.add_sample(pen, Embedding::Float(&[0.0, 1.0, 0.1, 0.3]))?;
//!
//! let answer = head.classify(Embedding::Float(&[0.9, 0.1, 0.2, 0.0]))?;
//! assert_eq!(head.class_name(answer.class), Some("mug"));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod ask;
mod error;
mod gram;
mod memory;
mod nearest_mean;
mod query;
mod record;
mod softmax;
mod teach;
#[cfg(test)]
mod testing;
mod vector;

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

pub use error::{AskError, ClassError, EncodeError, HeadError, SampleError};
pub use memory::{Limits, MAX_CLASSES, MAX_DIM, MAX_NAME_BYTES, Memory};
pub use record::{MAGIC, Record, VERSION};

use memory::{Kept, Layout};

/// Weight of the samples against the weight decay of a softmax head, as scikit-learn's `C`.
///
/// Measured on ants and bees, four animals and CIFAR-10 under MobileNetV2, 1 to 20 shots and all
/// samples: half and twice this change the mean accuracy by 0.1 point; less is less sure of
/// itself than it is right.
pub const DEFAULT_STRENGTH: f32 = 10.0;

/// Least strength that can be set.
pub const MIN_STRENGTH: f32 = 1e-3;

/// Greatest strength that can be set.
pub const MAX_STRENGTH: f32 = 1e3;

/// How a head decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HeadKind {
    /// The class whose mean is nearest by angle; needs least memory, good with a few samples.
    NearestMean = 0,
    /// Softmax regression with weight decay; better the more samples there are.
    Softmax = 1,
}

impl HeadKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::NearestMean, Self::Softmax];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::NearestMean => "nearest-mean",
            Self::Softmax => "softmax",
        }
    }
}

impl fmt::Display for HeadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no kind of head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such head; there are nearest-mean and softmax")]
pub struct UnknownHeadKind;

impl FromStr for HeadKind {
    type Err = UnknownHeadKind;

    fn from_str(text: &str) -> Result<Self, UnknownHeadKind> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownHeadKind)
    }
}

/// A class of one head: classes are numbered in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClassId(u16);

impl ClassId {
    /// The place of the class among [`Head::classes`] and in [`Head::probabilities`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A probability, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Probability(f32);

impl Probability {
    /// The probability as a number.
    pub fn get(self) -> f32 {
        self.0
    }
}

/// What a head says to one embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The most probable class; of two alike, the one added first.
    pub class: ClassId,
    /// Its probability.
    pub confidence: Probability,
    /// By how much that is more than the next class's; the whole of it if there is no other.
    pub margin: f32,
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

/// A classifier that learns; see the [module](self).
pub struct Head<M> {
    layout: Layout,
    limits: Limits,
    package_id: [u8; 32],
    strength: f32,
    classes: usize,
    samples: usize,
    /// Rows of the Gram matrix that are right.
    gram_rows: usize,
    /// The last fit and the mean length it used; `None` if samples changed since.
    fitted: Option<(Fit, f32)>,
    memory: M,
}

impl<M> fmt::Debug for Head<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("kind", &self.layout.kind)
            .field("dim", &self.layout.dim)
            .field("limits", &self.limits)
            .field("classes", &self.classes)
            .field("samples", &self.samples)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "alloc")]
impl Head<alloc::boxed::Box<[u32]>> {
    /// An empty head in memory of its own.
    ///
    /// # Errors
    ///
    /// As [`Limits::words`].
    pub fn boxed(
        kind: HeadKind,
        dim: usize,
        package_id: [u8; 32],
        limits: Limits,
    ) -> Result<Self, HeadError> {
        let memory = alloc::vec![0; limits.words(kind, dim)?].into_boxed_slice();
        Self::new(kind, dim, package_id, limits, memory)
    }
}

impl<M: Memory> Head<M> {
    /// An empty head for embeddings of `dim` dimensions made by the package `package_id`.
    ///
    /// `memory` needs [`Limits::words`]`(kind, dim)` words; its content does not matter.
    ///
    /// # Errors
    ///
    /// Limits or dimensions out of range, or too little memory.
    pub fn new(
        kind: HeadKind,
        dim: usize,
        package_id: [u8; 32],
        limits: Limits,
        memory: M,
    ) -> Result<Self, HeadError> {
        let layout = Layout::new(kind, dim, limits)?;
        let (found, needed) = (memory.words().len(), limits.words(kind, dim)?);
        if found < needed {
            return Err(HeadError::MemoryTooShort { found, needed });
        }
        Ok(Self {
            layout,
            limits,
            package_id,
            strength: DEFAULT_STRENGTH,
            classes: 0,
            samples: 0,
            gram_rows: 0,
            fitted: None,
            memory,
        })
    }

    /// How it decides.
    pub fn kind(&self) -> HeadKind {
        self.layout.kind
    }

    /// Dimensions of its embeddings.
    pub fn dim(&self) -> usize {
        self.layout.dim
    }

    /// How much it can be taught.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The package that makes its embeddings.
    pub fn package_id(&self) -> &[u8; 32] {
        &self.package_id
    }

    /// The strength of a softmax head.
    pub fn strength(&self) -> f32 {
        self.strength
    }

    /// Sets the strength of a softmax head; the others have no use for it.
    ///
    /// # Errors
    ///
    /// A strength outside [`MIN_STRENGTH`] to [`MAX_STRENGTH`]; nothing is changed.
    pub fn set_strength(&mut self, strength: f32) -> Result<(), HeadError> {
        if !(MIN_STRENGTH..=MAX_STRENGTH).contains(&strength) {
            return Err(HeadError::StrengthOutOfRange { found: strength });
        }
        self.strength = strength;
        self.fitted = None;
        Ok(())
    }

    fn kept(&self) -> Kept<'_> {
        self.layout.kept(self.memory.words())
    }
}
