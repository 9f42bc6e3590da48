//! State shared by the loop and the visitors.
//!
//! The loop publishes the newest state and takes presses; it holds the lock while it copies, and
//! waits for no visitor. States that a slow visitor has not fetched are overwritten.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use offshoot_http::Bytes;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::camera::frame_buffer::CapturedFrame;

/// Time for which a requested extra is kept up to date.
const INTEREST: Duration = Duration::from_secs(3);

/// Max number of presses that wait for the loop.
const MOST_PRESSES: usize = 16;

/// Time limit for a visitor who waits for a new state, or for a press to take effect.
const PATIENCE: Duration = Duration::from_secs(2);

/// Button on the page.
#[derive(Debug, Clone, PartialEq)]
pub enum Press {
    Teach(usize),
    TeachNothing,
    /// Teach an object of a class in the still frame.
    Point(usize, [f32; 4]),
    /// Keep the frame still.
    Still,
    /// Go on with the camera.
    Live,
    Undo,
    Forget(usize),
    Rename(usize, String),
    Next,
    ForgetAll,
}

/// Data that visitors request besides the state itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    Snapshot,
    Heat,
    Report,
}

/// Reason why a press had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheeded {
    /// Too many presses wait.
    Busy,
    /// The loop waits for something else, such as its camera; the press was withdrawn.
    Late,
    /// The loop has taken the press, and waits for something else.
    Taken,
}

/// Press that the loop has not taken.
#[derive(Debug)]
struct Waiting {
    number: u64,
    press: Press,
    /// Deadline for taking it.
    due: Instant,
}

#[derive(Debug, Default)]
struct Board {
    /// Number of the newest state, 0 before the first.
    frame: u64,
    /// Newest state as JSON, and its frame.
    snapshot: Vec<u8>,
    shot: CapturedFrame,
    presses: VecDeque<Waiting>,
    /// Number of the last press made, taken by the loop, and shown.
    made: u64,
    taken: u64,
    shown: u64,
    /// Time until which each [`Extra`] is requested.
    wanted: [Option<Instant>; 3],
    closed: bool,
}

/// State shared by the page, its buttons and the server.
#[derive(Debug, Default)]
pub struct Shared {
    board: watch::Sender<Board>,
    /// Newest encoded frame, and its number.
    encoded: Mutex<(u64, Bytes)>,
}

impl Shared {
    /// Returns true if the extra was requested recently.
    pub fn is_wanted(&self, extra: Extra) -> bool {
        self.board.borrow().wanted[extra as usize].is_some_and(|until| until > Instant::now())
    }

    /// Replaces the last state by a new one; the buffers are swapped.
    pub fn publish(&self, frame: u64, snapshot: &mut Vec<u8>, image: Option<(u32, u32, &[u8])>) {
        self.board.send_modify(|board| {
            std::mem::swap(&mut board.snapshot, snapshot);
            match image {
                Some((width, height, rgb)) => {
                    board.shot.reshape(width, height).copy_from_slice(rgb)
                }
                None => drop(board.shot.reshape(0, 0)),
            }
            board.frame = frame;
            board.shown = board.taken;
        });
    }

    /// Takes the oldest waiting press that has not expired.
    pub fn take(&self) -> Option<Press> {
        self.quietly(|board| {
            let now = Instant::now();
            let waiting =
                std::iter::from_fn(|| board.presses.pop_front()).find(|press| press.due > now)?;
            board.taken = waiting.number;
            Some(waiting.press)
        })
    }

    /// Number of training samples that wait.
    pub fn lessons(&self) -> usize {
        let board = self.board.borrow();
        let presses = board.presses.iter().map(|waiting| &waiting.press);
        presses.filter(|press| matches!(press, Press::Teach(_) | Press::TeachNothing)).count()
    }

    /// Changes the board without waking the visitors who wait for a state.
    fn quietly<T>(&self, change: impl FnOnce(&mut Board) -> T) -> T {
        let mut found = None;
        self.board.send_if_modified(|board| {
            found = Some(change(board));
            false
        });
        found.expect("it is called once")
    }

    /// Returns the newest state: one that the visitor has not seen if there is one in time,
    /// otherwise the last one; `None` before the first.
    pub async fn snapshot(&self, after: Option<u64>, extras: &[Extra]) -> Option<Bytes> {
        // A state from before the request may be old.
        let after = self.quietly(|board| {
            want(board, extras);
            after.unwrap_or(board.frame)
        });
        self.wait(|board| board.frame != after).await;
        let board = self.board.borrow();
        (board.frame > 0).then(|| Bytes::copy_from_slice(&board.snapshot))
    }

    /// Presses a button and waits until the loop has acted on it; returns the state after that.
    pub async fn press(&self, press: Press) -> Result<Bytes, Unheeded> {
        let number = self.quietly(|board| {
            let now = Instant::now();
            board.presses.retain(|press| press.due > now);
            if board.presses.len() >= MOST_PRESSES {
                return Err(Unheeded::Busy);
            }
            want(board, &[]);
            board.made += 1;
            // Withdrawn even if the visitor has gone.
            board.presses.push_back(Waiting { number: board.made, press, due: now + PATIENCE });
            Ok(board.made)
        })?;
        self.wait(|board| board.shown >= number).await;
        let board = self.board.borrow();
        if board.shown >= number {
            Ok(Bytes::copy_from_slice(&board.snapshot))
        } else if board.taken >= number {
            Err(Unheeded::Taken)
        } else {
            Err(Unheeded::Late)
        }
    }

    async fn wait(&self, mut is_here: impl FnMut(&Board) -> bool) {
        let mut board = self.board.subscribe();
        // Lateness is decided by the content of the board.
        let _ = timeout(PATIENCE, board.wait_for(|board| is_here(board) || board.closed)).await;
    }

    /// Returns the newest frame, encoded by `encode` unless another visitor had it encoded; `None`
    /// if there is none.
    pub fn image(&self, encode: impl FnOnce(&CapturedFrame) -> Option<Vec<u8>>) -> Option<Bytes> {
        // Encoded once for all visitors; the loop never takes this lock.
        let mut encoded = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        let (frame, shot) = {
            let board = self.board.borrow();
            if board.frame == encoded.0 && !encoded.1.is_empty() {
                return Some(encoded.1.clone());
            }
            (board.frame, board.shot.clone())
        };
        *encoded = (frame, encode(&shot)?.into());
        Some(encoded.1.clone())
    }

    /// Closes the page: no further states follow.
    pub fn close(&self) {
        self.board.send_modify(|board| board.closed = true);
    }

    /// Returns true if the page is closed.
    pub fn is_closed(&self) -> bool {
        self.board.borrow().closed
    }

    /// Waits until the page is closed.
    pub async fn closed(&self) {
        // The sender is a field, and so outlives this.
        let _ = self.board.subscribe().wait_for(|board| board.closed).await;
    }
}

fn want(board: &mut Board, extras: &[Extra]) {
    let until = Some(Instant::now() + INTEREST);
    board.wanted[Extra::Snapshot as usize] = until;
    extras.iter().for_each(|extra| board.wanted[*extra as usize] = until);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    /// Runs the requests of a visitor like the server's thread.
    fn visit<T>(visits: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(visits)
    }

    /// Runs a loop that shows one state after another, with the press it took.
    fn run(shared: &Shared, moments: u64) {
        for frame in 1..=moments {
            let mut snapshot = format!("{:?}", shared.take()).into_bytes();
            shared.publish(frame, &mut snapshot, Some((1, 1, &[7; 3])));
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn presses_are_heeded_in_their_order_and_answered_by_their_moment() {
        let shared = Shared::default();
        thread::scope(|scope| {
            scope.spawn(|| run(&shared, 200));
            visit(async {
                for class in 0..20 {
                    let snapshot = shared.press(Press::Teach(class)).await.unwrap();
                    assert!(std::str::from_utf8(&snapshot).is_ok());
                    assert_eq!(shared.board.borrow().taken, class as u64 + 1);
                }
            });
        });
        assert_eq!(shared.take(), None);
    }

    #[test]
    fn a_press_that_nobody_heeds_is_withdrawn_and_too_many_are_refused() {
        let shared = Arc::new(Shared::default());
        let press = || {
            let shared = Arc::clone(&shared);
            async move { shared.press(Press::Undo).await }
        };
        visit(async {
            let waiting: Vec<_> = (0..MOST_PRESSES - 1).map(|_| tokio::spawn(press())).collect();
            // This visitor leaves at once.
            assert!(timeout(Duration::from_millis(1), press()).await.is_err());
            assert_eq!(shared.board.borrow().presses.len(), MOST_PRESSES);
            assert_eq!(press().await, Err(Unheeded::Busy));
            for press in waiting {
                assert_eq!(press.await.unwrap(), Err(Unheeded::Late));
            }
        });
        assert_eq!(shared.take(), None, "what was withdrawn teaches nothing later");
    }

    #[test]
    fn the_newest_moment_wins_and_old_ones_are_waited_out() {
        let shared = Shared::default();
        assert!(!shared.is_wanted(Extra::Snapshot));
        for number in 1..=3 {
            shared.publish(number, &mut vec![number as u8], None);
        }
        assert_eq!(visit(shared.snapshot(Some(1), &[Extra::Heat])).as_deref(), Some(&[3][..]));
        assert!(shared.is_wanted(Extra::Snapshot) && shared.is_wanted(Extra::Heat));
        assert!(!shared.is_wanted(Extra::Report));
        thread::scope(|scope| {
            let newer = scope.spawn(|| visit(shared.snapshot(None, &[])));
            for frame in (4..).take_while(|_| !newer.is_finished()) {
                shared.publish(frame, &mut vec![9], Some((1, 1, &[1, 2, 3])));
            }
            assert_eq!(newer.join().unwrap().as_deref(), Some(&[9][..]));
        });
        let encode = |shot: &CapturedFrame| Some(shot.rgb().to_vec());
        assert_eq!(shared.image(encode).as_deref(), Some(&[1, 2, 3][..]));
        assert_eq!(shared.image(|_| None).as_deref(), Some(&[1, 2, 3][..]), "encoded once");
    }

    #[test]
    fn who_waits_when_the_page_closes_is_answered() {
        let shared = Shared::default();
        shared.publish(1, &mut vec![1], None);
        thread::scope(|scope| {
            let closed = scope.spawn(|| visit(shared.closed()));
            let waits = scope.spawn(|| visit(shared.snapshot(None, &[])));
            while !shared.is_wanted(Extra::Snapshot) {
                thread::yield_now();
            }
            assert!(!shared.is_closed());
            let start = Instant::now();
            shared.close();
            assert_eq!(waits.join().unwrap().as_deref(), Some(&[1][..]));
            closed.join().unwrap();
            assert!(start.elapsed() < PATIENCE / 2);
        });
    }
}
