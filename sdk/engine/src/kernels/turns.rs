//! Distribution of the parts of each step among the threads of a team: the atomics alone, without
//! the work.
//!
//! `sdk/engine/tests/loom.rs` compiles this file with loom's atomics and tries every interleaving
//! of two threads.

use super::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Most parts of a step.
pub(crate) const PARTS: usize = u32::BITS as usize;

/// Number larger than the steps of any plan.
pub(crate) const STEPS: usize = (1 << 24) - 1;

/// Number of steps, and of threads that the plan has memory for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub steps: usize,
    pub seats: u8,
}

impl Size {
    /// Returns the number of parts of a step.
    pub fn parts(self) -> usize {
        usize::from(self.seats).min(PARTS)
    }
}

/// Current step, number of threads that may take part, and parts that no thread has taken.
///
/// Every thread has its own part, whose data lie in its cache, and takes the part of another thread
/// that is late: a thread without a core does not delay the others.
#[derive(Debug, Clone, Copy)]
struct State {
    /// Index of the first of the steps that run together; [`State::OVER`] between runs.
    step: u32,
    /// Number of threads that the plan has memory for. It is compared with the rest when a part is
    /// taken, because a thread that has waited since the run of another plan may find the same step
    /// with the same parts left.
    seats: u8,
    /// Bit set of the parts left.
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

    /// Returns a part to take, `own` if it is left; [`None`] if no part is left.
    fn part(self, own: usize) -> Option<usize> {
        let wanted = 1u32.unbounded_shl(own as u32) & self.parts;
        let choice = if wanted == 0 { self.parts } else { wanted };
        (choice != 0).then(|| choice.trailing_zeros() as usize)
    }
}

/// Result of a request for a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// No part is left, or this thread has no memory in this run.
    Nothing,
    /// Another thread was faster; more parts may be left.
    Missed,
    /// Part `index` of the steps from `step` on. The run does not end before the part is
    /// [done](Turns::finish).
    Part { index: usize, step: usize },
}

/// State that the threads of a team share.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Current [`State`].
    state: AtomicU64,
    /// Number of parts of this step that are done.
    done: AtomicUsize,
}

impl Turns {
    pub fn new() -> Self {
        Self { state: AtomicU64::new(State::OVER.word()), done: AtomicUsize::new(0) }
    }

    /// Opens the parts of a step to be taken; after the last step, ends the run.
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

    /// Marks a part as done. Returns true if it was the last; the caller then opens the next step.
    #[must_use]
    pub fn finish(&self, size: Size) -> bool {
        self.done.fetch_add(1, Ordering::AcqRel) + 1 == size.parts()
    }

    /// Returns the current step; [`None`] between runs.
    pub fn step(&self) -> Option<usize> {
        let step = State::read(self.state.load(Ordering::Acquire)).step as usize;
        (step != STEPS).then_some(step)
    }
}
