//! What the loop and the visitors' threads have in common.
//!
//! The loop writes the newest moment and takes presses; it holds the lock while it copies, and waits for
//! nobody. What a slow visitor has not fetched is overwritten.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::shot::Shot;

/// How long something that was asked for is kept up to date.
const INTEREST: Duration = Duration::from_secs(3);

/// Presses that wait for the loop, at most.
const MOST_PRESSES: usize = 16;

/// How long a visitor waits for a new moment, and for a press to be heeded.
const PATIENCE: Duration = Duration::from_secs(2);

/// A button on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Press {
    Teach(usize),
    Undo,
    Forget(usize),
    Rename(usize, String),
    Next,
}

/// What visitors ask for besides the moment itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    Moment,
    Heat,
    Report,
}

/// Why a press came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheeded {
    /// Too many wait.
    Busy,
    /// The loop waits for something else, such as its camera; the press was withdrawn.
    Late,
    /// The loop has it, and waits for something else.
    Taken,
}

#[derive(Debug, Default)]
struct Board {
    /// Number of the newest moment, 0 before the first.
    frame: u64,
    /// The newest as JSON, and its picture.
    moment: Vec<u8>,
    shot: Shot,
    presses: VecDeque<(u64, Press)>,
    /// Number of the last press made, taken by the loop, and shown.
    made: u64,
    taken: u64,
    shown: u64,
    /// Until when somebody wants each [`Extra`].
    wanted: [Option<Instant>; 3],
    closed: bool,
}

/// Shared by the page, its buttons and the server.
#[derive(Debug, Default)]
pub struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
    /// The newest picture that was asked for, and the frame it is of.
    encoded: Mutex<(u64, Arc<[u8]>)>,
}

impl Shared {
    /// Nothing in here can be left half done by a panic.
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody has asked for this of late.
    pub fn is_wanted(&self, extra: Extra) -> bool {
        self.lock().wanted[extra as usize].is_some_and(|until| until > Instant::now())
    }

    /// Puts a moment in the place of the last one; buffers change hands.
    pub fn publish(&self, frame: u64, moment: &mut Vec<u8>, picture: Option<(u32, u32, &[u8])>) {
        let mut board = self.lock();
        std::mem::swap(&mut board.moment, moment);
        match picture {
            Some((width, height, rgb)) => board.shot.reshape(width, height).copy_from_slice(rgb),
            None => drop(board.shot.reshape(0, 0)),
        }
        board.frame = frame;
        board.shown = board.taken;
        self.changed.notify_all();
    }

    /// The oldest press that waits.
    pub fn take(&self) -> Option<Press> {
        let mut board = self.lock();
        let (number, press) = board.presses.pop_front()?;
        board.taken = number;
        Some(press)
    }

    /// The newest moment: one that the visitor has not seen if there is one in time, in any case the last
    /// one; `None` before the first.
    pub fn moment(&self, after: Option<u64>, extras: &[Extra]) -> Option<Vec<u8>> {
        let mut board = self.lock();
        want(&mut board, extras);
        // What was made when nobody looked is old.
        let after = after.unwrap_or(board.frame);
        let waits = |board: &mut Board| board.frame == after && !board.closed;
        let board = self.wait(board, waits);
        (board.frame > 0).then(|| board.moment.clone())
    }

    /// Presses a button and waits until the loop has heeded it; the moment after that.
    pub fn press(&self, press: Press) -> Result<Vec<u8>, Unheeded> {
        let mut board = self.lock();
        if board.presses.len() >= MOST_PRESSES {
            return Err(Unheeded::Busy);
        }
        want(&mut board, &[]);
        board.made += 1;
        let number = board.made;
        board.presses.push_back((number, press));
        let mut board = self.wait(board, |board| board.shown < number && !board.closed);
        if board.shown >= number {
            return Ok(board.moment.clone());
        }
        if board.taken >= number {
            return Err(Unheeded::Taken);
        }
        board.presses.retain(|(waiting, _)| *waiting != number);
        Err(Unheeded::Late)
    }

    fn wait<'a>(
        &self,
        board: MutexGuard<'a, Board>,
        waits: impl FnMut(&mut Board) -> bool,
    ) -> MutexGuard<'a, Board> {
        let waited = self.changed.wait_timeout_while(board, PATIENCE, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The newest picture, through `encode` unless another visitor had it encoded; `None` if there is none.
    pub fn picture(&self, encode: impl FnOnce(&Shot) -> Option<Vec<u8>>) -> Option<Arc<[u8]>> {
        // Held while encoding, so that one does it for all; the loop never takes it.
        let mut encoded = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        let (frame, shot) = {
            let board = self.lock();
            if board.frame == encoded.0 && !encoded.1.is_empty() {
                return Some(Arc::clone(&encoded.1));
            }
            (board.frame, board.shot.clone())
        };
        *encoded = (frame, encode(&shot)?.into());
        Some(Arc::clone(&encoded.1))
    }

    /// Nothing comes any more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

fn want(board: &mut Board, extras: &[Extra]) {
    let until = Some(Instant::now() + INTEREST);
    board.wanted[Extra::Moment as usize] = until;
    extras.iter().for_each(|extra| board.wanted[*extra as usize] = until);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A loop that shows one moment after another, with the press it took.
    fn run(shared: &Shared, moments: u64) {
        for frame in 1..=moments {
            let mut moment = format!("{:?}", shared.take()).into_bytes();
            shared.publish(frame, &mut moment, Some((1, 1, &[7; 3])));
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn presses_are_heeded_in_their_order_and_answered_by_their_moment() {
        let shared = Shared::default();
        thread::scope(|scope| {
            scope.spawn(|| run(&shared, 200));
            for class in 0..20 {
                let moment = shared.press(Press::Teach(class)).unwrap();
                assert!(String::from_utf8(moment).is_ok());
                assert_eq!(shared.lock().taken, class as u64 + 1);
            }
        });
        assert_eq!(shared.take(), None);
    }

    #[test]
    fn a_press_that_nobody_heeds_is_withdrawn_and_too_many_are_refused() {
        let shared = Shared::default();
        thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..MOST_PRESSES).map(|_| scope.spawn(|| shared.press(Press::Undo))).collect();
            while shared.lock().presses.len() < MOST_PRESSES {
                thread::yield_now();
            }
            assert_eq!(shared.press(Press::Undo), Err(Unheeded::Busy));
            shared.close();
            for press in waiting {
                assert_eq!(press.join().unwrap(), Err(Unheeded::Late));
            }
        });
        assert_eq!(shared.take(), None, "what was withdrawn teaches nothing later");
    }

    #[test]
    fn the_newest_moment_wins_and_old_ones_are_waited_out() {
        let shared = Shared::default();
        assert!(!shared.is_wanted(Extra::Moment));
        for number in 1..=3 {
            shared.publish(number, &mut vec![number as u8], None);
        }
        assert_eq!(shared.moment(Some(1), &[Extra::Heat]), Some(vec![3]));
        assert!(shared.is_wanted(Extra::Moment) && shared.is_wanted(Extra::Heat));
        assert!(!shared.is_wanted(Extra::Report));
        thread::scope(|scope| {
            let newer = scope.spawn(|| shared.moment(None, &[]));
            for frame in (4..).take_while(|_| !newer.is_finished()) {
                shared.publish(frame, &mut vec![9], Some((1, 1, &[1, 2, 3])));
            }
            assert_eq!(newer.join().unwrap(), Some(vec![9]));
        });
        let encode = |shot: &Shot| Some(shot.rgb().to_vec());
        assert_eq!(shared.picture(encode).as_deref(), Some(&[1, 2, 3][..]));
        assert_eq!(shared.picture(|_| None).as_deref(), Some(&[1, 2, 3][..]), "encoded once");
    }
}
