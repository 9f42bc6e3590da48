//! Parallel work over samples in shards, with sums that do not depend on the number of threads.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread::{available_parallelism, scope};

use crate::catch_panic::muted;

/// Number of shards; fixed, so that the order of additions does not depend on the machine.
pub const SHARDS: usize = 4;

/// Returns the shard of an item. Each run of `shards` consecutive items is spread over all shards,
/// rotated by one from run to run, so that a pattern that repeats every `shards` items does not
/// fall into one shard.
pub fn shard_of(item: usize, shards: usize) -> usize {
    (item + item / shards) % shards
}

/// Runs `work` on items 0 to `count` - 1; item `i` goes to the state of shard [`shard_of`] `i`.
/// Returns the states in their order. The finished share, from 0 to 1, is passed to the progress
/// callback `told`.
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
    told: &mut dyn FnMut(f32),
) -> Result<Vec<S>, E> {
    let shards = states.len();
    let threads = available_parallelism().map_or(1, NonZeroUsize::get).min(shards);
    let waiting = Mutex::new(states.into_iter().enumerate());
    let (done, ticks) = channel();
    let one_by_one = |done: Sender<()>| {
        let mut results = Vec::new();
        loop {
            let next = waiting.lock().map_or(None, |mut shards| shards.next());
            let Some((lane, mut state)) = next else { return results };
            let mut own = (0..count).filter(|&item| shard_of(item, shards) == lane);
            let result = own.try_for_each(|item| {
                // After a panic there is no receiver.
                let _ = done.send(());
                work(&mut state, item)
            });
            results.push((lane, result.map(|()| state)));
        }
    };
    let mut results = scope(|scope| {
        let worker = |done: Sender<()>| scope.spawn(|| muted(|| one_by_one(done)));
        let workers: Vec<_> = (0..threads).map(|_| worker(done.clone())).collect();
        drop(done);
        for (n, ()) in ticks.iter().enumerate() {
            told(n as f32 / count.max(1) as f32);
        }
        let join =
            |w: std::thread::ScopedJoinHandle<'_, _>| w.join().unwrap_or_else(|p| resume_unwind(p));
        workers.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    results.sort_by_key(|(lane, _)| *lane);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Returns the results of `work` for the numbers 0 to `count` - 1, in order.
///
/// # Panics
/// Panics if `work` does.
pub fn each<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let states = (0..SHARDS).map(|_| Vec::new()).collect();
    let keep = |made: &mut Vec<(usize, T)>, i| {
        made.push((i, work(i)));
        Ok::<(), Infallible>(())
    };
    let Ok(made) = over(states, count, keep, &mut |_| ());
    let mut made: Vec<_> = made.into_iter().flatten().collect();
    made.sort_by_key(|(i, _)| *i);
    made.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_once_in_its_lane() {
        let mut shares = Vec::new();
        let states = vec![Vec::new(); 3];
        let work = |seen: &mut Vec<usize>, i| {
            seen.push(i);
            Ok::<(), ()>(())
        };
        let seen = over(states, 8, work, &mut |share| shares.push(share)).unwrap();
        assert_eq!(seen, [vec![0, 5, 7], vec![1, 3], vec![2, 4, 6]]);
        assert_eq!((shares.len(), shares[0]), (8, 0.0));
    }

    #[test]
    fn results_are_in_the_order_of_their_numbers() {
        assert_eq!(each(11, |i| i * i), (0..11).map(|i| i * i).collect::<Vec<_>>());
        assert!(each(0, |i| i).is_empty());
    }

    #[test]
    fn errors_and_panics_come_out() {
        let fails = |_: &mut (), i| if i == 5 { Err(i) } else { Ok(()) };
        assert_eq!(over(vec![(); SHARDS], 9, fails, &mut |_| ()), Err(5));
        let panics =
            |_: &mut (), i: usize| if i == 2 { panic!("at {i}") } else { Ok::<(), ()>(()) };
        let message =
            crate::catch_panic::quietly(|| over(vec![(); SHARDS], 9, panics, &mut |_| ()))
                .unwrap_err();
        assert!(message.ends_with("at 2"), "{message}");
    }
}
