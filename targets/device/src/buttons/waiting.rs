//! Presses that wait for a frame of their own.

use std::collections::VecDeque;

use crate::ports::{Action, Backlog};

/// Max number of presses that wait.
pub(crate) const MOST: usize = 16;

/// Screen text after presses that found no room.
const LEFT_OUT: &str = "Too many presses at once: some do not count";

/// Bounded queue of presses in their order: a lesson takes a frame, and what was pressed after it is
/// for the next ones.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    presses: VecDeque<Action<'static>>,
    left_out: usize,
}

impl Waiting {
    pub fn new() -> Self {
        Self { presses: VecDeque::with_capacity(MOST), left_out: 0 }
    }

    /// Adds a press, or counts it as left out.
    pub fn push(&mut self, press: Action<'static>) {
        if self.presses.len() < MOST {
            self.presses.push_back(press);
        } else {
            self.left_out += 1;
        }
    }

    /// Returns the oldest press.
    pub fn pop(&mut self) -> Option<Action<'static>> {
        self.presses.pop_front()
    }

    /// Drops the lessons that wait.
    pub fn drop_lessons(&mut self) {
        self.presses.retain(|press| !press.is_lesson());
    }

    /// Returns the text on presses that were left out, once; for a frame without a lesson, which
    /// would hide it.
    pub fn complaint(&mut self) -> Option<Action<'static>> {
        (std::mem::take(&mut self.left_out) > 0).then_some(Action::Say(LEFT_OUT))
    }

    pub fn backlog(&self) -> Backlog {
        let lessons = self.presses.iter().filter(|press| press.is_lesson()).count();
        Backlog { lessons, left_out: self.left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presses_keep_their_order_and_what_finds_no_room_is_told_of_once() {
        let mut waiting = Waiting::new();
        for class in 0..MOST + 3 {
            waiting.push(if class % 2 == 0 { Action::Teach(class) } else { Action::Undo });
        }
        assert_eq!(waiting.backlog(), Backlog { lessons: MOST / 2, left_out: 3 });
        for class in 0..MOST {
            let wanted = if class % 2 == 0 { Action::Teach(class) } else { Action::Undo };
            assert_eq!(waiting.pop(), Some(wanted));
        }
        assert_eq!(waiting.pop(), None);
        assert_eq!(waiting.complaint(), Some(Action::Say(LEFT_OUT)));
        assert_eq!((waiting.complaint(), waiting.backlog()), (None, Backlog::default()));
    }
}
