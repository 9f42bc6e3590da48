//! Heads: classifiers trained on the device, on the embeddings of a frozen backbone.
//!
//! A head keeps its samples (about one byte per dimension), so that it can be refitted at any time,
//! and for each class the sum of all samples ever seen; everything else is computed from them. It
//! uses memory that the caller provides, sized once by [`Limits`].
//!
//! # Example
//!
//! ```
//! use offshoot_core::Embedding;
//! use offshoot_core::head::{Head, HeadKind, Limits};
//! use offshoot_core::package::PackageId;
//!
//! let limits = Limits { classes: 3, samples: 15 };
//! let mut memory = vec![0; limits.words(HeadKind::Auto, 4)?];
//! let mut head = Head::new(HeadKind::Auto, 4, PackageId::new([0; 32]), limits, &mut memory[..])?;
//! let mug = head.add_class("mug")?;
//! let pen = head.add_class("pen")?;
//! head.add_sample(mug, Embedding::Float(&[1.0, 0.0, 0.2, 0.1]))?;
//! head.add_sample(pen, Embedding::Float(&[0.0, 1.0, 0.1, 0.3]))?;
//!
//! head.fit()?;
//! let answer = head.classify(Embedding::Float(&[0.9, 0.1, 0.2, 0.0]))?;
//! assert_eq!(head.class_name(answer.class()), Some("mug"));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod class_name;
mod error;
mod fit;
mod kind;
pub(crate) mod linalg;
mod predict;
mod report;
mod samples;
mod storage;
#[cfg(test)]
mod testing;

use core::fmt;

pub use class_name::{Escaped, check_name, is_hidden};
pub use error::{AskError, ClassError, EditError, EncodeError, HeadError, MergeError, SampleError};
pub use fit::choice::PartErrors;
use fit::rejection;
pub use kind::{HeadKind, Recipe, Transform, UnknownHeadKind};
pub use predict::answer::{Answer, ClassId, Fit, Probability};
pub use predict::linear::{KnownOdds, Linear};
pub use report::{Advice, Interval, Report};
pub use samples::eviction::WhenFull;
use storage::Layout;
pub use storage::record::{MAGIC, Record};
pub(crate) use storage::take_mut;
use storage::views::Kept;
pub use storage::{Limits, MAX_CLASSES, MAX_DIM, MAX_NAME_BYTES, MAX_SHOWN, Memory};

pub use crate::embedding::{Distance, Similarity};
use crate::package::PackageId;
pub use crate::parts::Parts;

/// Greatest version of a head's record that this code writes and reads; 3 is the least.
pub const VERSION: u16 = 4;

/// Min of the inverse L2 regularization.
pub const MIN_INVERSE_L2: f32 = 1e-3;

/// Max of the inverse L2 regularization.
pub const MAX_INVERSE_L2: f32 = 1e3;

/// Default of the target false-rejection rate: share of known samples that may be called unknown.
pub const DEFAULT_FALSE_REJECTION_RATE: f32 = 0.1;

/// Max of the target false-rejection rate.
pub const MAX_FALSE_REJECTION_RATE: f32 = 0.5;

/// Result of a fit besides the weights.
#[derive(Clone, Copy, Debug)]
struct Fitted {
    fit: Fit,
    /// Values of the embeddings that the answers depend on.
    choice: fit::choice::Choice,
    recipe: Recipe,
    /// Mean L2 norm of the samples.
    mean_length: f32,
    /// Inverse temperature: factor that turns scores into log odds.
    inverse_temperature: f32,
    /// Decision boundary between known and unknown.
    border: rejection::Border,
    tally: report::Tally,
}

/// A classifier that learns; see the [module](self).
pub struct Head<M> {
    layout: Layout,
    limits: Limits,
    package_id: PackageId,
    recipe: Recipe,
    false_rejection_rate: f32,
    when_full: WhenFull,
    classes: usize,
    samples: usize,
    /// Former index of the sample that the last addition evicted, or index of the added sample if
    /// it was evicted itself. The evicted sample is stored behind the others, so that the addition
    /// can be undone.
    last: Option<usize>,
    /// Number of valid rows of the Gram matrices: of the last part, and of all values.
    gram_rows: [usize; 2],
    /// Last fit; `None` if anything has changed since.
    fitted: Option<Fitted>,
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
    /// Creates an empty head in memory of its own.
    ///
    /// # Errors
    ///
    /// Those of [`Limits::words`]; [`HeadError::Memory`] if the system has not as much.
    pub fn boxed(
        kind: HeadKind,
        dim: usize,
        package_id: PackageId,
        limits: Limits,
    ) -> Result<Self, HeadError> {
        Self::boxed_for(kind, Parts::single(dim), package_id, limits)
    }

    /// Creates an empty head for embeddings of several parts in memory of its own.
    ///
    /// # Errors
    ///
    /// Those of [`Head::boxed`].
    pub fn boxed_for(
        kind: HeadKind,
        parts: Parts,
        package_id: PackageId,
        limits: Limits,
    ) -> Result<Self, HeadError> {
        let memory = reserve(limits.words_for(kind, parts)?)?;
        Self::new_for(kind, parts, package_id, limits, memory)
    }

    /// Loads a head like [`Head::decode`], into memory of its own.
    ///
    /// # Errors
    ///
    /// Those of [`Head::decode`]; [`HeadError::Memory`] if the system has not as much memory as the
    /// head states.
    // Compiled where it is used: small there, on a board.
    #[inline]
    pub fn decode_boxed(bytes: &[u8], package: Option<PackageId>) -> Result<Self, HeadError> {
        let record = Record::open(bytes)?;
        // Before memory is taken for what the bytes state.
        if package.is_some_and(|id| record.package_id() != id) {
            return Err(HeadError::OtherPackage);
        }
        let words = record.limits().words_for(record.kind(), record.parts())?;
        Self::decode(bytes, package, reserve(words)?)
    }
}

/// Reserves zeroed memory, or reports that there is not as much, where `vec!` ends the program.
#[cfg(feature = "alloc")]
#[inline]
fn reserve(words: usize) -> Result<alloc::boxed::Box<[u32]>, HeadError> {
    let needed = words.saturating_mul(size_of::<u32>());
    // Asked for and given back: unlike memory that is filled here, zeroed memory of the system is
    // not touched before it is used.
    let mut asked: alloc::vec::Vec<u32> = alloc::vec::Vec::new();
    asked.try_reserve_exact(words).map_err(|_| HeadError::Memory { needed })?;
    // A compiler may leave out what is not used.
    drop(core::hint::black_box(asked));
    Ok(alloc::vec![0; words].into_boxed_slice())
}

impl<M: Memory> Head<M> {
    /// Creates an empty head for embeddings of `dim` dimensions made by the package `package_id`.
    ///
    /// `memory` needs [`Limits::words`]`(kind, dim)` words; its content does not matter.
    ///
    /// # Errors
    ///
    /// [`HeadError`] if limits or dimensions are out of range, or the memory is too short.
    pub fn new(
        kind: HeadKind,
        dim: usize,
        package_id: PackageId,
        limits: Limits,
        memory: M,
    ) -> Result<Self, HeadError> {
        Self::new_for(kind, Parts::single(dim), package_id, limits, memory)
    }

    /// Creates an empty head for embeddings of several parts.
    ///
    /// `memory` needs [`Limits::words_for`]`(kind, parts)` words; its content does not matter.
    ///
    /// # Errors
    ///
    /// Those of [`Head::new`].
    pub fn new_for(
        kind: HeadKind,
        parts: Parts,
        package_id: PackageId,
        limits: Limits,
        memory: M,
    ) -> Result<Self, HeadError> {
        let layout = Layout::new(kind, parts, limits)?;
        let found = memory.words().len();
        let needed = limits.words_for(kind, parts)?;
        if found < needed {
            return Err(HeadError::MemoryTooShort { found, needed });
        }
        Ok(Self {
            layout,
            limits,
            package_id,
            recipe: Recipe::of(kind),
            false_rejection_rate: DEFAULT_FALSE_REJECTION_RATE,
            when_full: WhenFull::default(),
            classes: 0,
            samples: 0,
            last: None,
            gram_rows: [0; 2],
            fitted: None,
            memory,
        })
    }

    /// Kind of the head.
    pub fn kind(&self) -> HeadKind {
        self.layout.kind
    }

    /// Number of dimensions of its embeddings.
    pub fn dim(&self) -> usize {
        self.layout.dim
    }

    /// Division of its embeddings into parts.
    pub fn parts(&self) -> Parts {
        self.layout.parts()
    }

    /// Limits of its classes and samples.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Id of the package that makes its embeddings.
    pub fn package_id(&self) -> PackageId {
        self.package_id
    }

    /// Recipe of the fit; `auto` chooses transform and regularization itself.
    pub fn recipe(&self) -> Recipe {
        self.recipe
    }

    /// Inverse L2 regularization: weight of the samples against the weight decay; see
    /// [`Recipe::inverse_l2`].
    pub fn inverse_l2(&self) -> f32 {
        self.recipe.inverse_l2
    }

    /// Sets the inverse L2 regularization; `auto`, class means and k-NN ignore it.
    ///
    /// # Errors
    ///
    /// [`HeadError`] for a value outside [`MIN_INVERSE_L2`] to [`MAX_INVERSE_L2`]; nothing is
    /// changed.
    pub fn set_inverse_l2(&mut self, inverse_l2: f32) -> Result<(), HeadError> {
        if !(MIN_INVERSE_L2..=MAX_INVERSE_L2).contains(&inverse_l2) {
            return Err(HeadError::InverseL2OutOfRange { found: inverse_l2 });
        }
        self.recipe.inverse_l2 = inverse_l2;
        self.fitted = None;
        Ok(())
    }

    /// Sets the transform; `auto`, class means and k-NN ignore it.
    pub fn set_transform(&mut self, transform: Transform) {
        if !matches!(self.recipe.kind, HeadKind::NearestMean | HeadKind::Knn) {
            self.recipe.transform = transform;
            self.fitted = None;
        }
    }

    /// Target false-rejection rate: share of known samples that may be called unknown; 0 if nothing
    /// ever is.
    pub fn false_rejection_rate(&self) -> f32 {
        self.false_rejection_rate
    }

    /// Sets the target false-rejection rate, the only parameter of [`Answer::Unknown`]: the share
    /// of known samples that may be called unknown. 0 turns rejection off; the default is
    /// [`DEFAULT_FALSE_REJECTION_RATE`].
    ///
    /// # Errors
    ///
    /// [`HeadError`] for a value outside 0 to [`MAX_FALSE_REJECTION_RATE`]; nothing is changed.
    pub fn set_false_rejection_rate(&mut self, false_rejection_rate: f32) -> Result<(), HeadError> {
        if !(0.0..=MAX_FALSE_REJECTION_RATE).contains(&false_rejection_rate) {
            return Err(HeadError::FalseRejectionRateOutOfRange { found: false_rejection_rate });
        }
        self.false_rejection_rate = false_rejection_rate;
        self.fitted = None;
        Ok(())
    }

    fn kept(&self) -> Kept<'_> {
        self.layout.kept(self.memory.words())
    }
}
