//! A fixed team of threads that runs plans together.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::vec::Vec;
use std::{cell::UnsafeCell, format, hint, io};

use super::arena::Arena;
use super::run::Part;
use crate::dispatch;
use crate::plan::{Config, Plan, RunError};
use crate::step::{Step, together};

/// Looks at a flag this often before a thread lets others run: some microseconds.
const SPINS: u32 = 4000;

/// Threads that share the steps of a plan ([`Config::threads`](crate::Config)): the caller's and
/// some of its own, which spin briefly between steps and sleep between runs.
///
/// A run allocates nothing.
#[derive(Debug)]
pub struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    size: u32,
    job: UnsafeCell<Option<Job<'static>>>,
    /// Counts runs; workers wait for it to move.
    epoch: AtomicU32,
    /// Threads at the barrier, and how often it has opened.
    arrived: AtomicU32,
    opened: AtomicU32,
    stop: AtomicBool,
    /// A thread has panicked; nobody waits for it.
    broken: AtomicBool,
}

/// What to run. The borrows are those of [`Team::run`], which ends after every thread has.
#[derive(Debug, Clone, Copy)]
struct Job<'a> {
    config: Config,
    steps: &'a [Step],
    weights: &'a [u8],
    packed: &'a [i8],
    arena: Arena<'a>,
}

// SAFETY: `job` is written by `Team::run` while every worker waits for `epoch`, and read by workers
// between that and the last barrier of the run.
unsafe impl Sync for Shared {}

impl Team {
    /// A team of `threads`, the caller of [`Team::run`] among them.
    ///
    /// # Errors
    /// The system gives no thread.
    ///
    /// # Panics
    /// With no thread at all.
    pub fn new(threads: u8) -> io::Result<Self> {
        assert!(threads > 0, "a team has a thread");
        let shared = Arc::new(Shared {
            size: threads.into(),
            job: UnsafeCell::new(None),
            epoch: AtomicU32::new(0),
            arrived: AtomicU32::new(0),
            opened: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        });
        let mut team = Self { shared, workers: Vec::new() };
        for index in 1..usize::from(threads) {
            let shared = team.shared.clone();
            let name = format!("offshoot-{index}");
            // Workers already there stop when `team` is dropped.
            team.workers.push(thread::Builder::new().name(name).spawn(move || shared.work(index))?);
        }
        Ok(team)
    }

    /// How many threads run.
    pub fn size(&self) -> usize {
        self.workers.len() + 1
    }

    /// [`Plan::run`] by all threads.
    ///
    /// # Errors
    /// As [`Plan::run`].
    ///
    /// # Panics
    /// As [`Plan::run`], and ever after.
    pub fn run<S: AsRef<[Step]> + AsMut<[Step]>>(
        &mut self,
        plan: &Plan<S>,
        weights: &[u8],
        packed: &[i8],
        arena: &mut [i8],
    ) -> Result<(), RunError> {
        self.run_watched(plan, weights, packed, arena, |_| {})
    }

    /// [`Plan::run_watched`] by all threads; `watch` is called on this one, each time after all
    /// have done their part.
    ///
    /// # Errors
    /// As [`Plan::run`].
    ///
    /// # Panics
    /// As [`Team::run`].
    pub fn run_watched<S: AsRef<[Step]> + AsMut<[Step]>>(
        &mut self,
        plan: &Plan<S>,
        weights: &[u8],
        packed: &[i8],
        arena: &mut [i8],
        watch: impl FnMut(&[Step]),
    ) -> Result<(), RunError> {
        let (packed, arena) = plan.memory(packed, arena)?;
        let (config, steps) = (plan.config(), plan.steps());
        let job = Job { config, steps, weights, packed, arena: Arena::new(arena) };
        // SAFETY: only lifetimes change. No worker uses the job any more when this function ends:
        // either all have passed the last barrier, or the workers themselves have ended.
        let job = unsafe { core::mem::transmute::<Job<'_>, Job<'static>>(job) };
        // SAFETY: workers read the job only after `epoch` moves.
        unsafe { *self.shared.job.get() = Some(job) };
        self.shared.epoch.fetch_add(1, Ordering::Release);
        self.workers.iter().for_each(|worker| worker.thread().unpark());
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.shared.share(job, 0, watch))) {
            while !self.workers.iter().all(JoinHandle::is_finished) {
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
            // A worker that panicked has said so already.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// A worker's life.
    fn work(&self, index: usize) {
        let mut seen = 0;
        while let Some(epoch) = self.next_epoch(seen) {
            seen = epoch;
            // SAFETY: `epoch` moved, so the job is there; it stays until this thread is at the last
            // barrier.
            let Some(job) = (unsafe { *self.job.get() }) else { continue };
            if catch_unwind(AssertUnwindSafe(|| self.share(job, index, |_| {}))).is_err() {
                return;
            }
        }
    }

    /// Waits for a run after `seen`; `None` at the end.
    fn next_epoch(&self, seen: u32) -> Option<u32> {
        let mut spins = 0;
        loop {
            if self.stop.load(Ordering::Acquire) {
                return None;
            }
            let epoch = self.epoch.load(Ordering::Acquire);
            if epoch != seen {
                return Some(epoch);
            }
            spins += 1;
            if spins < SPINS { hint::spin_loop() } else { thread::park() }
        }
    }

    /// This thread's parts of every step.
    fn share(&self, job: Job<'_>, index: usize, mut watch: impl FnMut(&[Step])) {
        let _guard = Guard(self);
        let count = usize::from(job.config.threads.get());
        for steps in together(job.steps) {
            for index in (index..count).step_by(self.size as usize) {
                let part = Part { index, count };
                dispatch::run(job.config.isa, steps, job.weights, job.packed, job.arena, part);
            }
            self.barrier();
            watch(steps);
        }
    }

    /// Waits until every thread is here.
    fn barrier(&self) {
        let opened = self.opened.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.size {
            self.arrived.store(0, Ordering::Relaxed);
            self.opened.store(opened.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.opened.load(Ordering::Acquire) == opened {
            assert!(!self.broken.load(Ordering::Acquire), "another thread of the team has panicked");
            spins += 1;
            if spins < SPINS { hint::spin_loop() } else { thread::yield_now() }
        }
    }
}

/// Tells the others when its thread panics.
struct Guard<'a>(&'a Shared);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}
