//! Parallel work over samples in shards, with sums that do not depend on the number of threads.

use std::convert::Infallible;
use std::iter::Enumerate;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread::{available_parallelism, scope};
use std::vec::IntoIter;

use crate::catch_panic::muted;
use crate::progress::{Observer, Stage};

/// Number of shards; fixed, so that the order of additions does not depend on the machine.
pub const SHARDS: usize = 4;

/// Returns the shard of an item. Each run of `shards` consecutive items is spread over all shards,
/// rotated by one from run to run, so that a pattern that repeats every `shards` items does not
/// fall into one shard.
pub fn shard_of(item: usize, shards: usize) -> usize {
    (item + item / shards) % shards
}

/// Runs `work` on items 0 to `count` - 1; item `i` goes to the state of shard [`shard_of`] `i`.
/// Returns the states in their order.
///
/// # Errors
/// Error of the first shard that fails.
///
/// # Panics
/// Panics if `work` does; the panic goes on in the calling thread.
pub fn over<S: Send, E: Send>(
    states: Vec<S>,
    count: usize,
    work: impl Fn(&mut S, usize) -> Result<(), E> + Sync,
) -> Result<Vec<S>, E> {
    run(states, count, work, |_| ())
}

/// Runs `work` as [`over`] does; the share of the items that are finished is passed to the
/// observer.
///
/// # Errors
/// Error of the first shard that fails.
///
/// # Panics
/// Panics if `work` does; the panic goes on in the calling thread.
pub fn over_observed<S: Send, E: Send>(
    states: Vec<S>,
    count: usize,
    work: impl Fn(&mut S, usize) -> Result<(), E> + Sync,
    stage: Stage,
    observer: &mut dyn Observer,
) -> Result<Vec<S>, E> {
    run(states, count, work, |done| observer.progress(stage, done))
}

/// Runs `work` on all items and passes the finished share to `tick`, in the calling thread.
fn run<S: Send, E: Send>(
    states: Vec<S>,
    count: usize,
    work: impl Fn(&mut S, usize) -> Result<(), E> + Sync,
    mut tick: impl FnMut(f32),
) -> Result<Vec<S>, E> {
    let shards = states.len();
    let threads = available_parallelism().map_or(1, NonZeroUsize::get).min(shards);
    let waiting = Mutex::new(states.into_iter().enumerate());
    let queue = &Queue { waiting, shards, count, work };
    let (done, ticks) = channel();
    let mut finished: Vec<Finished<S, E>> = scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| done.clone())
            .map(|done| scope.spawn(move || muted(|| queue.drain(&done))))
            .collect();
        drop(done);
        for (n, ()) in ticks.iter().enumerate() {
            tick(n as f32 / count.max(1) as f32);
        }
        workers.into_iter().flat_map(|w| w.join().unwrap_or_else(|p| resume_unwind(p))).collect()
    });
    finished.sort_by_key(|finished| finished.shard);
    finished.into_iter().map(|finished| finished.result).collect()
}

/// Shards that wait for a thread, with their work.
struct Queue<S, W> {
    waiting: Mutex<Enumerate<IntoIter<S>>>,
    shards: usize,
    count: usize,
    work: W,
}

/// Shard without items left, with its state.
struct Finished<S, E> {
    shard: usize,
    result: Result<S, E>,
}

impl<S, W> Queue<S, W> {
    /// Runs one shard after another until none waits; sends a tick for each item.
    fn drain<E>(&self, done: &Sender<()>) -> Vec<Finished<S, E>>
    where
        W: Fn(&mut S, usize) -> Result<(), E>,
    {
        let mut finished = Vec::new();
        loop {
            let next = self.waiting.lock().map_or(None, |mut shards| shards.next());
            let Some((shard, mut state)) = next else { return finished };
            let mut own = (0..self.count).filter(|&item| shard_of(item, self.shards) == shard);
            let result = own.try_for_each(|item| {
                // After a panic there is no receiver.
                let _ = done.send(());
                (self.work)(&mut state, item)
            });
            finished.push(Finished { shard, result: result.map(|()| state) });
        }
    }
}

/// Returns the results of `work` for the numbers 0 to `count` - 1, in order.
///
/// # Panics
/// Panics if `work` does.
pub fn each<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let states: Vec<Vec<T>> = (0..SHARDS).map(|_| Vec::new()).collect();
    let Ok(made) = over(states, count, |made, i| {
        made.push(work(i));
        Ok::<(), Infallible>(())
    });
    in_order(made, count)
}

/// Returns one result per item, in the order of the items, from the results of each shard.
pub fn in_order<T>(shards: Vec<Vec<T>>, count: usize) -> Vec<T> {
    let number = shards.len();
    let mut shards: Vec<IntoIter<T>> = shards.into_iter().map(Vec::into_iter).collect();
    (0..count).filter_map(|item| shards[shard_of(item, number)].next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Shares(Vec<f32>);

    impl Observer for Shares {
        fn progress(&mut self, stage: Stage, done: f32) {
            assert_eq!(stage, Stage::Round);
            self.0.push(done);
        }
    }

    #[test]
    fn every_item_once_in_its_shard() {
        let mut shares = Shares::default();
        let states = vec![Vec::new(); 3];
        let work = |seen: &mut Vec<usize>, i| {
            seen.push(i);
            Ok::<(), ()>(())
        };
        let seen = over_observed(states, 8, work, Stage::Round, &mut shares).unwrap();
        assert_eq!(seen, [vec![0, 5, 7], vec![1, 3], vec![2, 4, 6]]);
        assert_eq!((shares.0.len(), shares.0[0]), (8, 0.0));
    }

    #[test]
    fn results_are_in_the_order_of_their_numbers() {
        assert_eq!(each(11, |i| i * i), (0..11).map(|i| i * i).collect::<Vec<_>>());
        assert!(each(0, |i| i).is_empty());
    }

    #[test]
    fn errors_and_panics_come_out() {
        let fails = |_: &mut (), i| if i == 5 { Err(i) } else { Ok(()) };
        assert_eq!(over(vec![(); SHARDS], 9, fails), Err(5));
        let panics =
            |_: &mut (), i: usize| if i == 2 { panic!("at {i}") } else { Ok::<(), ()>(()) };
        let message =
            crate::catch_panic::quietly(|| over(vec![(); SHARDS], 9, panics)).unwrap_err();
        assert!(message.ends_with("at 2"), "{message}");
    }
}
