//! The protocol of a team's threads in every order that two of them can meet:
//! `RUSTFLAGS='--cfg loom' cargo test -p offshoot-engine --test loom`.

#![cfg(loom)]

mod atomic {
    pub use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
}

#[path = "../src/kernels/turns.rs"]
#[allow(dead_code)] // the constants are the team's
mod turns;

use atomic::{AtomicUsize, Ordering};
use loom::sync::Arc;
use loom::thread;
use turns::{Size, Taken, Turns};

/// A team of two with what its threads read and write besides the turns: always relaxed, so that
/// only the turns make one thread see what another has done.
struct Team {
    turns: Turns,
    /// The job's steps and seats.
    job: [AtomicUsize; 2],
    /// Parts that were done of each step.
    done: [AtomicUsize; 2],
}

impl Team {
    fn new() -> Self {
        let zeros = || [AtomicUsize::new(0), AtomicUsize::new(0)];
        Self { turns: Turns::new(), job: zeros(), done: zeros() }
    }

    /// Model of `Team::part`; returns false after the last part.
    fn part(&self, thread: usize) -> bool {
        let (index, step) = match self.turns.take(thread) {
            Taken::Part { index, step } => (index, step),
            Taken::Missed => return true,
            Taken::Nothing => return false,
        };
        let [steps, seats] = [0, 1].map(|i| self.job[i].load(Ordering::Relaxed));
        assert!(thread < seats, "thread {thread} has no memory in a run of {seats}");
        let size = Size { steps, seats: seats as u8 };
        assert!(index < size.parts() && step < steps);
        if let Some(before) = step.checked_sub(1) {
            assert_eq!(
                self.done[before].load(Ordering::Relaxed),
                size.parts(),
                "a step began too early"
            );
        }
        self.done[step].fetch_add(1, Ordering::Relaxed);
        if self.turns.finish(size) {
            self.turns.open(size, step + 1);
        }
        true
    }

    /// Model of `Team::run`.
    fn run(&self, size: Size) {
        self.job[0].store(size.steps, Ordering::Relaxed);
        self.job[1].store(size.seats.into(), Ordering::Relaxed);
        self.done.iter().for_each(|done| done.store(0, Ordering::Relaxed));
        self.turns.open(size, 0);
        while self.turns.step().is_some() {
            if !self.part(0) {
                thread::yield_now();
            }
        }
        for step in 0..size.steps {
            assert_eq!(self.done[step].load(Ordering::Relaxed), size.parts(), "of step {step}");
        }
    }
}

/// Runs plans one after the other beside a worker that asks for a part a few times, whenever it
/// likes; a thread is interrupted at most `interruptions` times.
fn meet(sizes: &'static [Size], attempts: usize, interruptions: Option<usize>) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = interruptions;
    model.check(move || {
        let team = Arc::new(Team::new());
        let other = team.clone();
        let worker = thread::spawn(move || {
            for _ in 0..attempts {
                other.part(1);
            }
        });
        sizes.iter().for_each(|&size| team.run(size));
        worker.join().unwrap();
    });
}

/// The worker reads what is to be done, waits, and finds the same step and the same part left: of a
/// plan that has no memory for it.
#[test]
fn no_thread_takes_part_in_a_plan_that_has_no_memory_for_it() {
    meet(&[Size { steps: 1, seats: 2 }, Size { steps: 1, seats: 1 }], 2, None);
}

#[test]
fn a_step_begins_when_the_last_part_of_the_one_before_is_done() {
    // Without a bound it takes many minutes.
    meet(&[Size { steps: 2, seats: 2 }], 3, Some(3));
}
