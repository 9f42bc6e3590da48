//! Buttons on lines: debouncing, and detection of taps, holds and long presses.

use std::io;
use std::time::Duration;

use super::waiting::Waiting;
use crate::ports::{Action, Backlog, Buttons, Key};
use crate::session::limits::MOST_CLASSES;

/// Interval below which changes are bounces of the contact.
const BOUNCE: Duration = Duration::from_millis(20);

/// Time from which a press is a long one.
const LONG: Duration = Duration::from_millis(800);

/// Time from which a press teaches the empty scene.
const LONGEST: Duration = Duration::from_millis(2500);

/// Screen text on the effects of ending or continuing a long press.
const CHOICE: &str = "Let go: undo. Hold on: nothing is here";

/// Min and max number of buttons.
pub(crate) const BUTTONS: std::ops::RangeInclusive<usize> = 2..=MOST_CLASSES + 1;

/// Change of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Index of the line, from 0.
    pub line: usize,
    /// True if its button is down now.
    pub down: bool,
    /// Time, on a clock of the source's own.
    pub at: Duration,
}

/// Lines with a button each: the kernel's, or a test's.
pub trait Lines {
    /// Number of lines.
    fn count(&self) -> usize;

    /// Returns the oldest change that was not returned yet; does not wait for one.
    ///
    /// # Errors
    ///
    /// An I/O error if the lines are gone.
    fn edge(&mut self) -> io::Result<Option<Edge>>;

    /// Returns true if a button is down now.
    ///
    /// # Errors
    ///
    /// An I/O error if the lines are gone.
    fn is_down(&mut self, line: usize) -> io::Result<bool>;

    /// Returns the time, on any monotonic clock; it need not be that of the changes.
    fn now(&self) -> Duration;
}

/// State of a button.
#[derive(Debug, Clone, Copy, Default)]
struct Press {
    down: bool,
    /// Time of the last change by the changes' clock, if it was reported.
    changed: Option<Duration>,
    /// Time at which it was first seen down, by the other clock.
    since: Duration,
    /// True if the press is a long one and the screen shows so.
    is_long: bool,
    /// True if it teaches the empty scene; its end has no further effect.
    is_spent: bool,
}

/// Buttons on lines. The last button is for everything except training.
///
/// | Buttons | Hold the first | Tap the last | Let the last go after 0.8 seconds | Hold the last beyond 2.5 seconds |
/// |---|---|---|---|---|
/// | two | teaches the chosen class | chooses the next class | undoes the last sample | teaches the empty scene |
/// | more | each teaches its own class | reports | undoes the last sample | teaches the empty scene |
///
/// A training sample is taken from every frame as long as its button is down. Taps between two
/// frames wait, in their order, for a frame each.
#[derive(Debug)]
pub struct Presses<L> {
    lines: L,
    presses: Vec<Press>,
    /// Taps and ends of long presses.
    waiting: Waiting,
    /// Text on a press that lasts.
    say: Option<Action<'static>>,
    /// True if the lines were read for this frame.
    is_read: bool,
    is_gone: bool,
}

impl<L: Lines> Presses<L> {
    /// Creates buttons that are all up until a line changes.
    ///
    /// # Errors
    ///
    /// An I/O error for fewer than two lines, or more than the classes plus one.
    pub fn new(lines: L) -> io::Result<Self> {
        let count = lines.count();
        if !BUTTONS.contains(&count) {
            let least = BUTTONS.start();
            let most = BUTTONS.end();
            return Err(io::Error::other(format!("{count} buttons; there are {least} to {most}")));
        }
        let presses = vec![Press::default(); count];
        let waiting = Waiting::new();
        Ok(Self { lines, presses, waiting, say: None, is_read: false, is_gone: false })
    }

    fn last(&self) -> usize {
        self.presses.len() - 1
    }

    /// Reads the changes since the last frame.
    fn read(&mut self) -> io::Result<()> {
        let mut moved = [false; *BUTTONS.end()];
        while let Some(edge) = self.lines.edge()? {
            moved[edge.line] = true;
            let press = &self.presses[edge.line];
            let bounces = press.changed.is_some_and(|last| edge.at.saturating_sub(last) < BOUNCE);
            if edge.down != press.down && !bounces {
                self.change(edge.line, edge.down, Some(edge.at));
            }
        }
        for (line, has_moved) in moved.into_iter().enumerate().take(self.presses.len()) {
            // Changes that were lost, or were taken for bounces: the final position of the button
            // counts.
            if !has_moved && self.lines.is_down(line)? != self.presses[line].down {
                self.change(line, !self.presses[line].down, None);
            }
        }
        let now = self.lines.now();
        let last = self.last();
        let press = &mut self.presses[last];
        if press.down && !press.is_spent {
            let held = now.saturating_sub(press.since);
            press.is_spent = held >= LONGEST;
            if !std::mem::replace(&mut press.is_long, held >= LONG)
                && press.is_long
                && !press.is_spent
            {
                self.say = Some(Action::Say(CHOICE));
            }
        }
        Ok(())
    }

    fn change(&mut self, line: usize, down: bool, at: Option<Duration>) {
        let now = self.lines.now();
        let last = self.last();
        let press = &mut self.presses[line];
        let before = press.changed;
        (press.down, press.changed) = (down, at);
        if down {
            press.since = now;
            (press.is_long, press.is_spent) = (false, false);
            if line != last {
                self.waiting.push(lesson(line, last));
            }
        } else if line == last && !press.is_spent {
            let held = match (before, at) {
                (Some(from), Some(to)) => to.saturating_sub(from),
                _ => now.saturating_sub(press.since),
            };
            let tap = if last == 1 { Action::Choose } else { Action::Report };
            // By the text on the screen: a frame may take longer than a press.
            let undoes = held >= LONG || press.is_long;
            self.waiting.push(if undoes { Action::Undo } else { tap });
        }
    }

    /// Returns the lesson of the first button that is held.
    fn held(&self) -> Option<Action<'static>> {
        let last = self.last();
        if self.presses[last].down && self.presses[last].is_spent {
            return Some(Action::TeachNothing);
        }
        let line = self.presses[..last].iter().position(|press| press.down)?;
        Some(lesson(line, last))
    }
}

/// Returns the action of a button that teaches.
fn lesson(line: usize, last: usize) -> Action<'static> {
    if last == 1 { Action::TeachChosen } else { Action::Teach(line) }
}

/// Returns the letter of a button.
fn letter(line: usize) -> char {
    char::from(b'A' + line as u8)
}

impl<L: Lines> Buttons for Presses<L> {
    fn poll(&mut self) -> Option<Action<'_>> {
        if !std::mem::replace(&mut self.is_read, true) {
            self.is_gone = self.is_gone || self.read().is_err();
        }
        if self.is_gone {
            return Some(Action::Quit);
        }
        if let Some(text) = self.say.take() {
            return Some(text);
        }
        let next = self.waiting.pop();
        if next.is_some_and(|action| !action.is_lesson()) {
            return next;
        }
        // A frame is taken now, as a training sample or not.
        self.is_read = false;
        next.or_else(|| self.held()).or_else(|| self.waiting.complaint())
    }

    fn backlog(&self) -> Backlog {
        self.waiting.backlog()
    }

    fn is_held(&mut self) -> bool {
        self.is_gone = self.is_gone || self.read().is_err();
        self.waiting.drop_lessons();
        !self.is_gone && self.held().is_some()
    }

    fn keys(&self) -> Vec<Key> {
        let last = self.last();
        let mut keys: Vec<Key> = (0..last)
            .map(|line| Key {
                order: format!("press {}", letter(line)),
                action: lesson(line, last),
            })
            .collect();
        let tap = if last == 1 { Action::Choose } else { Action::Report };
        keys.push(Key { order: format!("press {}", letter(last)), action: tap });
        let last = letter(last);
        keys.push(Key { order: format!("hold {last} for a second"), action: Action::Undo });
        keys.push(Key {
            order: format!("hold {last} for three seconds"),
            action: Action::TeachNothing,
        });
        keys
    }

    fn hint(&self) -> String {
        let last = char::from(b'A' + self.last() as u8);
        if self.last() == 1 {
            "A teach B next, hold: undo".to_string()
        } else {
            let most = char::from(last as u8 - 1);
            format!("A-{most} teach, hold {last}: undo")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Buttons that a test presses; the two clocks start at different times.
    #[derive(Default)]
    struct Bench {
        edges: VecDeque<Edge>,
        down: Vec<bool>,
        time: u64,
        is_gone: bool,
    }

    impl Bench {
        /// Moves a line after this many milliseconds.
        fn set(&mut self, after: u64, line: usize, down: bool) {
            self.time += after;
            self.down[line] = down;
            let at = Duration::from_millis(1_000_000 + self.time);
            self.edges.push_back(Edge { line, down, at });
        }
    }

    impl Lines for Bench {
        fn count(&self) -> usize {
            self.down.len()
        }

        fn edge(&mut self) -> io::Result<Option<Edge>> {
            if self.is_gone { Err(io::Error::other("gone")) } else { Ok(self.edges.pop_front()) }
        }

        fn is_down(&mut self, line: usize) -> io::Result<bool> {
            Ok(self.down[line])
        }

        fn now(&self) -> Duration {
            Duration::from_millis(self.time)
        }
    }

    fn buttons(count: usize) -> Presses<Bench> {
        Presses::new(Bench { down: vec![false; count], ..Bench::default() }).unwrap()
    }

    /// Returns the actions of a frame, in a session's order.
    fn frame(buttons: &mut Presses<Bench>) -> Vec<Action<'static>> {
        let mut told = Vec::new();
        // No action of these borrows.
        while let Some(action) = buttons.poll() {
            let action = match action {
                Action::Teach(class) => Action::Teach(class),
                Action::TeachChosen => Action::TeachChosen,
                Action::Choose => Action::Choose,
                Action::TeachNothing => Action::TeachNothing,
                Action::Say(text) => Action::Say(text),
                Action::Undo => Action::Undo,
                Action::Report => Action::Report,
                _ => Action::Quit,
            };
            told.push(action);
            if matches!(
                action,
                Action::Teach(_) | Action::TeachChosen | Action::TeachNothing | Action::Quit
            ) {
                break;
            }
        }
        told
    }

    #[test]
    fn a_held_button_teaches_every_frame_and_a_tap_teaches_one() {
        let mut two = buttons(2);
        assert_eq!(frame(&mut two), []);
        two.lines.set(5, 0, true);
        for _ in 0..3 {
            two.lines.time += 100;
            assert_eq!(frame(&mut two), [Action::TeachChosen]);
        }
        two.lines.set(50, 0, false);
        assert_eq!(frame(&mut two), []);
        // Down and up between two frames.
        two.lines.set(50, 0, true);
        two.lines.set(60, 0, false);
        assert_eq!(frame(&mut two), [Action::TeachChosen]);
        assert_eq!(frame(&mut two), []);
    }

    #[test]
    fn the_last_button_chooses_and_takes_back() {
        let mut two = buttons(2);
        two.lines.set(5, 1, true);
        assert_eq!(frame(&mut two), []);
        two.lines.set(300, 1, false);
        assert_eq!(frame(&mut two), [Action::Choose]);
        two.lines.set(300, 1, true);
        assert_eq!(frame(&mut two), []);
        two.lines.time += 799;
        assert_eq!(frame(&mut two), []);
        two.lines.time += 1;
        assert_eq!(frame(&mut two), [Action::Say(CHOICE)], "while it is still down");
        assert_eq!(frame(&mut two), [], "once a press");
        two.lines.set(500, 1, false);
        assert_eq!(frame(&mut two), [Action::Undo]);
        assert_eq!(frame(&mut two), []);
        // A frame that takes longer than the press.
        two.lines.set(100, 1, true);
        two.lines.set(900, 1, false);
        assert_eq!(frame(&mut two), [Action::Undo]);
    }

    #[test]
    fn one_long_press_teaches_the_empty_scene() {
        for count in [2, 4] {
            let mut buttons = buttons(count);
            let last = count - 1;
            buttons.lines.set(5, last, true);
            assert_eq!(frame(&mut buttons), []);
            buttons.lines.time += 1000;
            assert_eq!(frame(&mut buttons), [Action::Say(CHOICE)]);
            buttons.lines.time += 1499;
            assert_eq!(frame(&mut buttons), []);
            buttons.lines.time += 1;
            for _ in 0..5 {
                assert_eq!(frame(&mut buttons), [Action::TeachNothing]);
                buttons.lines.time += 250;
            }
            buttons.lines.set(10, last, false);
            assert_eq!(frame(&mut buttons), [], "what was taught is not taken back");
            buttons.lines.set(300, last, true);
            buttons.lines.set(100, last, false);
            let tap = if count == 2 { Action::Choose } else { Action::Report };
            assert_eq!(frame(&mut buttons), [tap]);
        }
    }

    #[test]
    fn more_buttons_have_a_class_each() {
        let mut four = buttons(4);
        four.lines.set(5, 2, true);
        assert_eq!(frame(&mut four), [Action::Teach(2)]);
        four.lines.set(50, 3, true);
        four.lines.set(50, 3, false);
        assert_eq!(frame(&mut four), [Action::Report, Action::Teach(2)]);
        four.lines.set(50, 2, false);
        four.lines.set(50, 3, true);
        assert_eq!(frame(&mut four), []);
        four.lines.time += 800;
        assert_eq!(frame(&mut four), [Action::Say(CHOICE)]);
        four.lines.set(0, 3, false);
        assert_eq!(frame(&mut four), [Action::Undo]);
        assert_eq!(four.hint(), "A-C teach, hold D: undo");
        let orders: Vec<_> = four.keys().into_iter().map(|key| key.order).collect();
        assert_eq!(
            orders,
            [
                "press A",
                "press B",
                "press C",
                "press D",
                "hold D for a second",
                "hold D for three seconds"
            ]
        );
    }

    #[test]
    fn bounce_is_one_press() {
        let mut two = buttons(2);
        for _ in 0..5 {
            two.lines.set(3, 1, true);
            two.lines.set(1, 1, false);
        }
        two.lines.set(1, 1, true);
        assert_eq!(frame(&mut two), []);
        two.lines.set(200, 1, false);
        two.lines.set(1, 1, true);
        two.lines.set(1, 1, false);
        assert_eq!(frame(&mut two), [Action::Choose]);
        assert_eq!(frame(&mut two), []);
    }

    #[test]
    fn a_press_shorter_than_bounce_ends_when_the_line_is_quiet() {
        let mut two = buttons(2);
        two.lines.set(5, 1, true);
        two.lines.set(10, 1, false);
        assert_eq!(frame(&mut two), []);
        two.lines.time += 100;
        assert_eq!(frame(&mut two), [Action::Choose]);
        // The kernel's list was full: the change itself was lost.
        two.lines.down[0] = true;
        assert_eq!(frame(&mut two), [Action::TeachChosen]);
        two.lines.down[0] = false;
        assert_eq!(frame(&mut two), []);
    }

    #[test]
    fn lines_that_are_gone_end_the_session() {
        let mut two = buttons(2);
        two.lines.is_gone = true;
        assert_eq!(frame(&mut two), [Action::Quit]);
        let count = |count| Presses::new(Bench { down: vec![false; count], ..Bench::default() });
        assert!(count(1).is_err() && count(10).is_ok() && count(11).is_err());
    }
}
