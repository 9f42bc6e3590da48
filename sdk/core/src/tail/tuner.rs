//! The tuner: a few samples at a time, so that a camera loop goes on beside it.

use thiserror::Error;

use super::gate;
use super::{Delta, Recorded, Tail, TailLayout, Verdict};
use crate::head::HeadError;
use crate::package::{Package, PackageId};

/// First work after the products.
pub(super) const FIRST: Phase = Phase::Embed(Biases::Package, 0);

/// Samples for tuning: maps of a tail with their classes.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'m> {
    /// Maps one after the other, [`Tail::map_len`] int8 values each.
    pub maps: &'m [i8],
    /// Class of each map.
    pub owners: &'m [u16],
    /// Number of classes.
    pub classes: u16,
}

/// Threshold of t: 2 let one run in thirty lose more than a point of accuracy (`finetuning.md`).
const LEAST_T: f32 = 3.0;

/// Part of the last pointwise convolution that is tuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tuned {
    /// Its biases.
    #[default]
    Biases,
    /// Its biases and weights.
    All,
}

/// Recipe of tuning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// Part of the convolution.
    pub what: Tuned,
    /// Passes over the samples; [`None`]: 20, and 40 with ten samples a class or fewer.
    pub epochs: Option<u16>,
    /// Step of the biases, and of the weights, relative to their root mean square.
    pub step: f32,
    /// Step of the weights of the throw-away softmax.
    pub head_step: f32,
    /// Parts into which the samples are divided; each is held out once. 2 to 10.
    pub folds: u8,
    /// Paired t of the held-out squared errors, 3 by default, above which the result is kept, if it
    /// makes no more mistakes than before; minus infinity: it is kept anyway.
    pub least_t: f32,
    /// Seed of the order of the samples.
    pub seed: u32,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            what: Tuned::Biases,
            epochs: None,
            step: 0.05,
            head_step: 0.003,
            folds: 3,
            least_t: LEAST_T,
            seed: 0,
        }
    }
}

impl Tuning {
    /// Recipe for all weights, whose steps are smaller.
    #[must_use]
    pub fn all() -> Self {
        Self { what: Tuned::All, step: 0.02, ..Self::default() }
    }

    /// Returns the layout for a tail and its samples; products are kept for biases alone.
    #[must_use]
    pub fn layout(
        &self,
        tail: &Tail<'_>,
        samples: &Samples<'_>,
        keeps_products: bool,
    ) -> TailLayout {
        match self.what {
            Tuned::Biases => TailLayout::new(tail, samples, keeps_products),
            Tuned::All => TailLayout::all(tail, samples),
        }
    }

    /// Returns the number of passes over `samples` samples of `classes` classes.
    #[must_use]
    pub fn epochs_for(&self, samples: usize, classes: u16) -> u16 {
        let few = samples <= 10 * usize::from(classes);
        self.epochs.unwrap_or(if few { 40 } else { 20 })
    }

    pub(super) fn is_valid(&self) -> bool {
        let steps = [self.step, self.head_step];
        (2..=10).contains(&self.folds)
            && steps.iter().all(|step| (0.0..=1.0).contains(step))
            && !self.least_t.is_nan()
    }
}

/// Reason why a tail cannot be tuned.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum TuneError {
    /// The network does not end in a pointwise convolution and an average pool.
    #[error(
        "the network does not end in a pointwise convolution and an average pool: nothing can be tuned"
    )]
    NoTail,
    /// Numbers of maps and classes differ.
    #[error("{maps} int8 values of maps, {samples} samples need {needed}")]
    Maps {
        /// Values given.
        maps: usize,
        /// Number of samples.
        samples: usize,
        /// Values needed.
        needed: usize,
    },
    /// A sample is of a class that does not exist.
    #[error("sample {sample} is of class {class}, there are {count}")]
    Owner {
        /// Index of the sample.
        sample: usize,
        /// Its class.
        class: u16,
        /// Number of classes.
        count: u16,
    },
    /// A number of the recipe is out of range.
    #[error("recipe out of range: 2 to 10 folds, steps of 0 to 1, a threshold that is a number")]
    Recipe,
    /// The layout is of other samples, or of another network.
    #[error("the layout is of other samples, or of another network")]
    Layout,
    /// The memory is too short.
    #[error("{found} words of memory, tuning needs {needed}")]
    MemoryTooShort {
        /// Number of words given.
        found: usize,
        /// Number of words needed.
        needed: usize,
    },
    /// The head of the gate is not possible.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// Reason why a delta was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Tuning has not ended, or its result was refused.
    #[error("nothing to write: tuning has not ended, or its result was refused")]
    NotKept,
    /// The buffer is too short.
    #[error("{found} bytes, the delta needs {needed}")]
    TooShort {
        /// Number of bytes given.
        found: usize,
        /// Number of bytes needed.
        needed: usize,
    },
}

/// Progress of a [`Tuner`], in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Steps done.
    pub done: u32,
    /// Steps in all; fewer are made if the result is refused.
    pub of: u32,
    /// Fold that is held out, from 0; the number of folds while the result is tuned.
    pub fold: u8,
}

/// Next work of a tuner. Positions count the samples that are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Keeps the products of a sample's map.
    Multiply(usize),
    /// Computes the embeddings of all samples.
    Embed(Biases, usize),
    /// Teaches a head all samples but those of a fold, and asks it about these.
    Judge(Biases, u8),
    /// Computes the mean embedding of the round's samples.
    Measure(usize),
    /// Takes a step of descent.
    Descend(u32),
    Done,
}

/// Biases of an embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Biases {
    Package,
    Tuned,
}

/// Tunes a tail in the caller's memory; see the [module](super).
#[derive(Debug)]
pub struct Tuner<'m> {
    pub(super) tail: Tail<'m>,
    pub(super) package_id: PackageId,
    pub(super) unit_length: bool,
    pub(super) samples: Samples<'m>,
    pub(super) memory: &'m mut [u32],
    pub(super) state: Paused,
}

/// State of a [`Tuner`] besides its memory, for programs that cannot keep the tuner between two of
/// its steps.
#[derive(Debug, Clone, Copy)]
pub struct Paused {
    pub(super) tuning: Tuning,
    pub(super) layout: TailLayout,
    /// Fold that is held out; their number while the result is tuned.
    pub(super) round: u8,
    pub(super) phase: Phase,
    /// Samples of the round: the front of the order.
    pub(super) count: usize,
    /// Place in the order.
    pub(super) place: usize,
    pub(super) random: u64,
    /// Sum of squared distances from the mean embedding.
    pub(super) spread: f64,
    pub(super) scale: f32,
    pub(super) squares: [f32; 3],
    /// The same of the convolution's weights.
    pub(super) square: f32,
    pub(super) done: u32,
    pub(super) of: u32,
    pub(super) loss: f32,
    pub(super) verdict: Option<Verdict>,
}

impl Paused {
    fn new(tuning: Tuning, layout: TailLayout) -> Self {
        Self {
            tuning,
            layout,
            round: 0,
            phase: if layout.keeps_products { Phase::Multiply(0) } else { FIRST },
            count: 0,
            place: 0,
            random: 0,
            spread: 0.0,
            scale: 0.0,
            squares: [0.0; 3],
            square: 0.0,
            done: 0,
            of: 0,
            loss: 0.0,
            verdict: None,
        }
    }

    /// Returns the progress.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { done: self.done, of: self.of.max(self.done), fold: self.round }
    }

    /// Returns the verdict, once there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict.filter(|_| self.phase == Phase::Done)
    }
}

impl<'m> Tuner<'m> {
    /// Prepares tuning of a package's tail; nothing is computed yet.
    ///
    /// `memory` needs [`TailLayout::words`] words; its content does not matter.
    ///
    /// # Errors
    ///
    /// [`TuneError`] for a network without a tail, samples that do not fit it, a recipe out of
    /// range, or too little memory.
    pub fn new(
        package: &Package<'m>,
        samples: Samples<'m>,
        tuning: Tuning,
        layout: TailLayout,
        memory: &'m mut [u32],
    ) -> Result<Self, TuneError> {
        let state = Paused::new(tuning, layout);
        let mut tuner = Self::resume(package, samples, state, memory)?;
        let folds = layout.carve(tuner.memory).folds;
        if gate::deal(samples.owners, samples.classes, tuning.folds, folds) {
            tuner.state.of = tuner.steps();
        } else {
            tuner.state.phase = Phase::Done;
            tuner.state.verdict = Some(Verdict::TooFew { least: tuning.folds });
        }
        Ok(tuner)
    }

    /// Goes on with a tuner that was paused, as if it had not been: with the same package, samples
    /// and memory, whose content is as the tuner left it.
    ///
    /// # Errors
    ///
    /// Those of [`Tuner::new`]. The content of samples and memory is not compared: with another, the
    /// result has no meaning.
    pub fn resume(
        package: &Package<'m>,
        samples: Samples<'m>,
        state: Paused,
        memory: &'m mut [u32],
    ) -> Result<Self, TuneError> {
        let Paused { tuning, layout, .. } = state;
        let tail = Tail::find(package.graph()).ok_or(TuneError::NoTail)?;
        check(&tail, &samples, &tuning, &layout)?;
        let needed = layout.words()?;
        let found = memory.len();
        let memory = memory.get_mut(..needed).ok_or(TuneError::MemoryTooShort { found, needed })?;
        let manifest = package.manifest();
        let unit_length = manifest.extras.unit_length;
        Ok(Self { tail, package_id: manifest.id, unit_length, samples, memory, state })
    }

    /// Returns the state, for [`Tuner::resume`], and gives samples and memory back.
    #[must_use]
    pub fn pause(self) -> Paused {
        self.state
    }

    /// Does a piece of the work: up to 16 samples, or one fit of the gate's head. Does nothing once
    /// there is a verdict.
    pub fn step(&mut self) -> Progress {
        let phase = self.state.phase;
        match phase {
            Phase::Multiply(at) => self.multiply(at),
            Phase::Embed(biases, at) => self.embed(biases, at),
            Phase::Judge(biases, fold) => self.judge(biases, fold),
            Phase::Measure(at) => self.measure(at),
            Phase::Descend(step) => self.descend(step),
            Phase::Done => {}
        }
        if phase != Phase::Done {
            self.state.done += 1;
        }
        self.progress()
    }

    /// Returns the progress.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.state.progress()
    }

    /// Returns the verdict, once there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.state.verdict()
    }

    /// Mean loss of the softmax over the last batch.
    #[must_use]
    pub fn loss(&self) -> f32 {
        self.state.loss
    }

    /// Length of what [`Tuner::write`] writes, in bytes.
    #[must_use]
    pub fn written_len(&self) -> usize {
        Delta::len_for(&self.tail, self.state.tuning.what)
    }

    /// Writes the result to the front of `out` as a [`Delta`]; returns its length.
    ///
    /// # Errors
    ///
    /// [`WriteError::NotKept`] before the verdict, or if it refuses; [`WriteError::TooShort`].
    pub fn write(&mut self, out: &mut [u8]) -> Result<usize, WriteError> {
        let verdict = self.verdict().filter(Verdict::keeps).ok_or(WriteError::NotKept)?;
        let evidence = verdict.evidence().ok_or(WriteError::NotKept)?;
        let recorded = Recorded {
            epochs: self.state.tuning.epochs_for(self.samples.owners.len(), self.samples.classes),
            tuning: self.state.tuning,
            evidence,
            digest: super::delta::digest(&self.samples),
        };
        let layout = self.state.layout;
        let room = layout.carve(self.memory);
        let ids = super::delta::Origin { package_id: self.package_id, recorded };
        super::delta::write(&self.tail, &ids, &self.samples, &layout, room, out)
    }
}

/// Checks that samples, recipe and layout fit the tail.
fn check(
    tail: &Tail<'_>,
    samples: &Samples<'_>,
    tuning: &Tuning,
    layout: &TailLayout,
) -> Result<(), TuneError> {
    let count = samples.owners.len();
    let needed = count.saturating_mul(tail.map_len());
    let maps = samples.maps.len();
    if maps != needed || count > usize::from(u16::MAX) {
        return Err(TuneError::Maps { maps, samples: count, needed });
    }
    let bad = samples.owners.iter().position(|&owner| owner >= samples.classes);
    if let Some(sample) = bad {
        let class = samples.owners[sample];
        return Err(TuneError::Owner { sample, class, count: samples.classes });
    }
    if !tuning.is_valid() {
        return Err(TuneError::Recipe);
    }
    let own = tuning.layout(tail, samples, layout.keeps_products);
    if *layout != (TailLayout { head: layout.head, ..own }) {
        return Err(TuneError::Layout);
    }
    Ok(())
}

impl Samples<'_> {
    /// Returns the map of a sample.
    pub(super) fn map(&self, tail: &Tail<'_>, sample: usize) -> &[i8] {
        &self.maps[sample * tail.map_len()..][..tail.map_len()]
    }
}
