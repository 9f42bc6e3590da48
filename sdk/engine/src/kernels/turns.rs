//! Who of a team does which part of which step: the atomics, apart from what is run.
//!
//! `sdk/engine/tests/loom.rs` compiles this file with loom's atomics and tries every order of two threads.

use super::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The most parts of a step.
pub(crate) const PARTS: usize = u32::BITS as usize;

/// More steps than a plan has.
pub(crate) const STEPS: usize = (1 << 24) - 1;

/// Steps, and threads that the plan has memory for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub steps: usize,
    pub seats: u8,
}

impl Size {
    /// How many parts a step has.
    pub fn parts(self) -> usize {
        usize::from(self.seats).min(PARTS)
    }
}

/// Which step is on, how many threads may take part, and which of its parts nobody has taken.
///
/// Every thread has a part of its own, whose maps lie in its cache, and takes another's when that
/// one does not come: a thread that the system keeps waiting delays nobody.
#[derive(Debug, Clone, Copy)]
struct State {
    /// Index of the first of the steps that run together; [`State::OVER`] between runs.
    step: u32,
    /// Threads that the plan has memory for. They are compared with the rest when a part is taken, for a thread that
    /// has waited since the run of another plan may find the same step with the same parts left.
    seats: u8,
    /// A bit for each part.
    parts: u32,
}

impl State {
    const OVER: Self = Self { step: STEPS as u32, seats: 0, parts: 0 };

    fn read(word: u64) -> Self {
        Self { step: (word >> 40) as u32, seats: (word >> 32) as u8, parts: word as u32 }
    }

    fn word(self) -> u64 {
        u64::from(self.step) << 40 | u64::from(self.seats) << 32 | u64::from(self.parts)
    }

    /// A part to take, `own` if it is there.
    fn part(self, own: usize) -> Option<usize> {
        let wanted = 1u32.unbounded_shl(own as u32) & self.parts;
        let choice = if wanted == 0 { self.parts } else { wanted };
        (choice != 0).then(|| choice.trailing_zeros() as usize)
    }
}

/// What a thread got that asked for a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// None is left, or this thread has no memory in this run.
    Nothing,
    /// Another thread was quicker; there may be more.
    Missed,
    /// Part `index` of the steps from `step` on. The run does not end before it is [done](Turns::finish).
    Part { index: usize, step: usize },
}

/// The state that the threads of a team share.
#[derive(Debug)]
pub(crate) struct Turns {
    /// What is to be done now, a [`State`].
    state: AtomicU64,
    /// Parts of this step that are done.
    done: AtomicUsize,
}

impl Turns {
    pub fn new() -> Self {
        Self { state: AtomicU64::new(State::OVER.word()), done: AtomicUsize::new(0) }
    }

    /// Lets the parts of a step be taken; behind the last one the run is over.
    pub fn open(&self, size: Size, step: usize) {
        self.done.store(0, Ordering::Relaxed);
        let parts = u32::MAX >> (PARTS - size.parts());
        let next = if step < size.steps {
            State { step: step as u32, seats: size.seats, parts }
        } else {
            State::OVER
        };
        self.state.store(next.word(), Ordering::Release);
    }

    /// Takes a part for a thread of the team.
    pub fn take(&self, thread: usize) -> Taken {
        let word = self.state.load(Ordering::Acquire);
        let state = State::read(word);
        let Some(index) = state.part(thread).filter(|_| thread < usize::from(state.seats)) else {
            return Taken::Nothing;
        };
        let taken = State { parts: state.parts & !(1 << index), ..state }.word();
        match self.state.compare_exchange(word, taken, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => Taken::Part { index, step: state.step as usize },
            Err(_) => Taken::Missed,
        }
    }

    /// Tells that a part is done; whoever learns that it was the last opens the next step.
    #[must_use]
    pub fn finish(&self, size: Size) -> bool {
        self.done.fetch_add(1, Ordering::AcqRel) + 1 == size.parts()
    }

    /// The step that is on; none between runs.
    pub fn step(&self) -> Option<usize> {
        let step = State::read(self.state.load(Ordering::Acquire)).step as usize;
        (step != STEPS).then_some(step)
    }
}
