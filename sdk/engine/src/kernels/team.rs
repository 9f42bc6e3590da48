//! Fixed team of threads that runs plans together.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::vec::Vec;
use std::{format, hint, io};

use offshoot_core::limits;

use super::arena::Arena;
use super::run::{Memory, Part, Share};
use super::turns::{STEPS, Size, Taken, Turns};
use crate::dispatch;
use crate::error::RunError;
use crate::plan::step::{Step, together};
use crate::plan::steps::Steps;
use crate::plan::{Config, Plan};

/// Polls of a flag before a thread yields: some microseconds.
const SPINS: u32 = 4000;

/// Idle time before a thread sleeps: waking one takes the caller longer than a small network, and
/// the next frame of a camera may be preprocessed meanwhile.
const AWAKE: Duration = Duration::from_millis(1);

// A node becomes a step, a concatenation one per input.
const _: () = assert!(limits::TENSORS * limits::NODE_INPUTS < STEPS);

/// Threads that share the steps of a plan ([`Config::threads`](crate::Config)): the caller's thread
/// and workers, which spin briefly between steps and sleep when no run follows within a
/// millisecond.
///
/// A run allocates nothing.
#[derive(Debug)]
pub struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    job: UnsafeCell<Option<Job<'static>>>,
    turns: Turns,
    /// Number of threads that have begun.
    begun: AtomicUsize,
    stop: AtomicBool,
    /// True if a thread has panicked; the others do not wait for it.
    broken: AtomicBool,
}

/// Plan to run, with its memory. The borrows are those of [`Team::run`], which ends after every
/// thread has.
#[derive(Debug, Clone, Copy)]
struct Job<'a> {
    config: Config,
    steps: &'a [Step],
    memory: Memory<'a>,
}

impl<'a> Job<'a> {
    fn size(&self) -> Size {
        Size { steps: self.steps.len(), seats: self.config.threads.get() }
    }

    /// Returns the steps that run together from `first` on.
    fn steps(&self, first: usize) -> &'a [Step] {
        together(&self.steps[first..]).next().unwrap_or_default()
    }
}

// SAFETY: `job` is written by `Team::run` between runs, and read by a thread that has taken a part:
// a run does not end before all its parts are done.
unsafe impl Sync for Shared {}

impl Team {
    /// Starts a team of `threads` threads, the caller of [`Team::run`] included.
    ///
    /// # Errors
    /// The system cannot start a thread.
    ///
    /// # Panics
    /// If `threads` is 0.
    pub fn new(threads: u8) -> io::Result<Self> {
        Self::with(threads, |_| {})
    }

    /// Starts a team whose workers call `begin` with their numbers, from 1 on, before this returns.
    /// Set their processor affinity there.
    ///
    /// # Errors
    /// The system cannot start a thread.
    ///
    /// # Panics
    /// If `threads` is 0. A `begin` that panics leaves a team whose runs panic.
    pub fn with(threads: u8, begin: impl Fn(usize) + Send + Sync + 'static) -> io::Result<Self> {
        assert!(threads > 0, "a team has a thread");
        let begin = Arc::new(begin);
        let shared = Arc::new(Shared {
            job: UnsafeCell::new(None),
            turns: Turns::new(),
            begun: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        });
        let mut team = Self { shared, workers: Vec::new() };
        for index in 1..usize::from(threads) {
            let shared = team.shared.clone();
            let begin = begin.clone();
            let name = format!("offshoot-{index}");
            let worker = thread::Builder::new().name(name).spawn(move || {
                let begun = catch_unwind(AssertUnwindSafe(|| begin(index)));
                shared.broken.fetch_or(begun.is_err(), Ordering::Release);
                shared.work(index);
            });
            // Workers already there stop when `team` is dropped.
            team.workers.push(worker?);
        }
        // The cost of starting threads is paid here and not in the first run.
        while team.shared.begun.load(Ordering::Acquire) < team.workers.len() {
            thread::yield_now();
        }
        Ok(team)
    }

    /// Returns the number of threads, the caller's included.
    pub fn size(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs a plan on all threads, see [`Plan::run`].
    ///
    /// # Errors
    /// [`RunError::Arena`] or [`RunError::Packed`]: `arena` or `packed` is too short; nothing has
    /// run then.
    ///
    /// # Panics
    /// If `weights` belongs to another package, or if an earlier run panicked.
    pub fn run<S: Steps>(
        &mut self,
        plan: &Plan<S>,
        weights: &[u8],
        packed: &[i8],
        arena: &mut [i8],
    ) -> Result<(), RunError> {
        self.run_with_observer(plan, weights, packed, arena, |_| {})
    }

    /// Runs a plan on all threads, see [`Plan::run_with_observer`]. Calls `observe` on the caller's
    /// thread, each time after all threads have finished their parts.
    ///
    /// # Errors
    /// [`RunError::Arena`] or [`RunError::Packed`]: `arena` or `packed` is too short; nothing has
    /// run then.
    ///
    /// # Panics
    /// If `weights` belongs to another package, or if an earlier run panicked.
    pub fn run_with_observer<S: Steps>(
        &mut self,
        plan: &Plan<S>,
        weights: &[u8],
        packed: &[i8],
        arena: &mut [i8],
        observe: impl FnMut(&[Step]),
    ) -> Result<(), RunError> {
        let (packed, arena) = plan.memory(packed, arena)?;
        let config = plan.config();
        let steps = plan.steps();
        assert!(!self.shared.broken.load(Ordering::Acquire), "a thread of the team has panicked");
        let memory = Memory { weights, packed, arena: Arena::new(arena) };
        let job = Job { config, steps, memory };
        // SAFETY: only lifetimes change. No worker uses the job any more when this function ends:
        // either all parts are done, or the workers themselves have ended.
        let job = unsafe { core::mem::transmute::<Job<'_>, Job<'static>>(job) };
        // SAFETY: between runs no part can be taken, and only who took one reads the job.
        unsafe { *self.shared.job.get() = Some(job) };
        self.shared.turns.open(job.size(), 0);
        self.workers.iter().for_each(|worker| worker.thread().unpark());
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.shared.lead(&job, observe))) {
            self.shared.broken.store(true, Ordering::Release);
            while !self.workers.iter().all(JoinHandle::is_finished) {
                self.workers.iter().for_each(|worker| worker.thread().unpark());
                thread::yield_now();
            }
            resume_unwind(panic);
        }
        Ok(())
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // The panic of a worker was reported already.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// Main loop of a worker.
    fn work(&self, index: usize) {
        self.begun.fetch_add(1, Ordering::Release);
        let mut spins = 0;
        let mut idle = None;
        while !self.stop.load(Ordering::Acquire) && !self.broken.load(Ordering::Acquire) {
            if catch_unwind(AssertUnwindSafe(|| self.part(index))).unwrap_or(false) {
                (spins, idle) = (0, None);
                continue;
            }
            spins += 1;
            if spins < SPINS {
                hint::spin_loop();
            } else if self.turns.step().is_none()
                && idle.get_or_insert_with(Instant::now).elapsed() > AWAKE
            {
                thread::park();
            } else {
                thread::yield_now();
            }
        }
    }

    /// Runs the caller's share of a run and returns when the run is over.
    fn lead(&self, job: &Job<'_>, mut observe: impl FnMut(&[Step])) {
        let mut observed = 0;
        let mut spins = 0;
        loop {
            let step = self.turns.step();
            // Steps before the current one are complete.
            while observed < job.steps.len() && Some(observed) != step {
                let steps = job.steps(observed);
                observe(steps);
                observed += steps.len();
            }
            if step.is_none() {
                return;
            }
            if self.part(0) {
                spins = 0;
                continue;
            }
            assert!(
                !self.broken.load(Ordering::Acquire),
                "another thread of the team has panicked"
            );
            spins += 1;
            if spins < SPINS { hint::spin_loop() } else { thread::yield_now() }
        }
    }

    /// Takes a part, if one is left, and runs it; the last thread to finish a step opens the next.
    fn part(&self, thread: usize) -> bool {
        let (index, step) = match self.turns.take(thread) {
            Taken::Part { index, step } => (index, step),
            Taken::Missed => return true,
            Taken::Nothing => return false,
        };
        let _guard = Guard(self);
        // SAFETY: a part was taken, so the run goes on until it is done.
        let job = unsafe { *self.job.get() }.expect("a run has a job");
        let steps = job.steps(step);
        let size = job.size();
        let share = Share {
            part: Part { index, count: size.parts() },
            seat: Part { index: thread, count: size.seats.into() },
        };
        dispatch::run(job.config.isa, steps, job.memory, share);
        if self.turns.finish(size) {
            self.turns.open(size, step + steps.len());
        }
        true
    }
}

/// Marks the team as broken when its thread panics.
struct Guard<'a>(&'a Shared);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}
