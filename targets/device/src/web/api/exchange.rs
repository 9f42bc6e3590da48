//! Requests of programs, on their way to the loop and back.
//!
//! The loop takes at most one change a frame and answers all questions after it; it never waits for
//! a client. What it has not taken in time, or whose client has gone, is withdrawn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use offshoot_http::{Bytes, StatusCode};
use offshoot_service::{Events, Refusal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::camera::frame_buffer::CapturedFrame;
use crate::ports::{Change, Refused};

/// Time limit for a client who waits for the loop.
const PATIENCE: Duration = Duration::from_secs(2);

/// Max number of requests that wait for the loop: more than there are connections.
const MOST: usize = 64;

/// Change that a program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    Teach(String),
    TeachNothing,
    Undo,
    Remove(String),
}

/// Question that a program asks about the state after a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    About,
    Moment,
    Report,
    Head,
    Frame,
}

/// Answer of the loop.
#[derive(Debug, Clone)]
pub enum Said {
    Json(Bytes),
    Bytes(Bytes),
    /// Frame with its number.
    Frame(u64, Arc<CapturedFrame>),
}

pub type Verdict = Result<Said, Refusal>;

/// Client who waits.
#[derive(Debug)]
struct Waiting<T> {
    what: T,
    number: u64,
    due: Instant,
    reply: oneshot::Sender<Verdict>,
}

impl<T> Waiting<T> {
    fn is_due(&self) -> bool {
        self.due > Instant::now() && !self.reply.is_closed()
    }
}

/// Change that the loop has taken, with its outcome when there is one.
#[derive(Debug)]
pub struct Taken {
    /// Name of the class that changed; `None` if all did.
    outcome: Option<Result<Option<String>, Refused>>,
    reply: oneshot::Sender<Verdict>,
}

impl Taken {
    /// Answers the client by the outcome.
    pub fn answer(mut self, answer: impl FnOnce(Result<Option<String>, Refused>) -> Verdict) {
        if let Some(outcome) = self.outcome.take() {
            // The client may have gone.
            let _ = self.reply.send(answer(outcome));
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    made: u64,
    orders: VecDeque<Waiting<Order>>,
    questions: VecDeque<Waiting<Question>>,
    taken: Option<Taken>,
    /// Events of this frame with their classes, if a client listens.
    changes: Vec<(&'static str, Option<String>)>,
}

/// Exchange between the loop and the server.
#[derive(Debug, Default)]
pub struct Exchange {
    queue: Mutex<Queue>,
    pub events: Events,
    /// Newest encoded frame, and its number.
    encoded: Mutex<(u64, Bytes)>,
}

impl Exchange {
    /// Asks for a change, and waits for its outcome.
    pub async fn order(&self, order: Order) -> Verdict {
        let (reply, verdict) = oneshot::channel();
        let number = self.enter(|queue| &mut queue.orders, order, reply)?;
        match timeout(PATIENCE, verdict).await {
            Ok(Ok(verdict)) => verdict,
            _ if self.withdraw(number) => {
                Err(later("the device waits for its camera: try again later"))
            }
            _ => Err(later("the device waits for its camera: look before you try again")),
        }
    }

    /// Asks about the state after the next frame.
    pub async fn ask(&self, question: Question) -> Verdict {
        let (reply, verdict) = oneshot::channel();
        self.enter(|queue| &mut queue.questions, question, reply)?;
        match timeout(PATIENCE, verdict).await {
            Ok(Ok(verdict)) => verdict,
            _ => Err(later("the device waits for its camera: try again later")),
        }
    }

    fn enter<T>(
        &self,
        line: impl Fn(&mut Queue) -> &mut VecDeque<Waiting<T>>,
        what: T,
        reply: oneshot::Sender<Verdict>,
    ) -> Result<u64, Refusal> {
        let mut queue = self.queue();
        queue.made += 1;
        let number = queue.made;
        let line = line(&mut queue);
        line.retain(Waiting::is_due);
        if line.len() >= MOST {
            return Err(later("too many requests wait: try again later"));
        }
        line.push_back(Waiting { what, number, due: Instant::now() + PATIENCE, reply });
        Ok(number)
    }

    /// Withdraws a change; returns false if the loop has taken it.
    fn withdraw(&self, number: u64) -> bool {
        let mut queue = self.queue();
        let before = queue.orders.len();
        queue.orders.retain(|waiting| waiting.number != number);
        queue.orders.len() < before
    }

    /// Takes the oldest change for this frame.
    pub fn take(&self) -> Option<Order> {
        let mut queue = self.queue();
        if queue.taken.is_some() {
            return None;
        }
        let orders = &mut queue.orders;
        let waiting = std::iter::from_fn(|| orders.pop_front()).find(Waiting::is_due)?;
        queue.taken = Some(Taken { outcome: None, reply: waiting.reply });
        Some(waiting.what)
    }

    /// Notes the outcome of a change: the one that was taken, or another's if that has its outcome.
    pub fn note(&self, outcome: Result<Change<'_>, &Refused>) {
        let named = outcome.map(|change| match change {
            Change::Taught(class) => ("taught", Some(class.to_string())),
            Change::Undone(class) => ("undone", Some(class.to_string())),
            Change::Removed(class) => ("forgotten", Some(class.to_string())),
            Change::Restored => ("restored", None),
        });
        let mut queue = self.queue();
        if let Some(taken) = queue.taken.as_mut().filter(|taken| taken.outcome.is_none()) {
            let class = named.clone().map(|(_, class)| class);
            taken.outcome = Some(class.map_err(Clone::clone));
        }
        let Ok((event, class)) = named else { return };
        if self.events.is_heard() {
            queue.changes.push((event, class));
        } else {
            self.events.skip();
        }
    }

    /// Takes the changes of this frame.
    pub fn changes(&self) -> Vec<(&'static str, Option<String>)> {
        std::mem::take(&mut self.queue().changes)
    }

    /// Returns the change that was taken, when its outcome is known.
    pub fn settled(&self) -> Option<Taken> {
        self.queue().taken.take_if(|taken| taken.outcome.is_some())
    }

    /// Returns true if a client waits for an answer to a question.
    pub fn is_asked(&self) -> bool {
        !self.queue().questions.is_empty()
    }

    /// Answers all questions, except those for which `answer` needs another frame.
    pub fn answer(&self, mut answer: impl FnMut(Question) -> Option<Verdict>) {
        // Questions that come meanwhile are for the next frame.
        let asked = std::mem::take(&mut self.queue().questions);
        for waiting in asked {
            if !waiting.is_due() {
                continue;
            }
            match answer(waiting.what) {
                Some(verdict) => drop(waiting.reply.send(verdict)),
                None => self.queue().questions.push_back(waiting),
            }
        }
    }

    /// Returns a frame as `encode` writes it, unless another client had it encoded.
    pub fn encoded(&self, number: u64, encode: impl FnOnce() -> Option<Vec<u8>>) -> Option<Bytes> {
        let mut encoded = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        if encoded.0 != number {
            *encoded = (number, encode()?.into());
        }
        Some(encoded.1.clone())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the refusal of a request that may succeed later.
pub fn later(why: &str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why)
}
