//! Taps between frames: each has a frame of its own, in its turn; or the screen says that it has not.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use offshoot::Extractor;
use offshoot_device::{
    CapturedFrame, Edge, Flow, FrameSource, Lines, NoLed, Ports, Presses, Screen, ScreenError,
    Session, Settings, SourceError,
};
use offshoot_view::State;

/// Buttons that a test taps.
#[derive(Default)]
struct Taps {
    edges: VecDeque<Edge>,
    time: Duration,
}

impl Taps {
    fn tap(&mut self, line: usize) {
        for down in [true, false] {
            self.time += Duration::from_millis(30);
            self.edges.push_back(Edge { line, down, at: self.time });
        }
    }
}

struct Wires<'a>(&'a RefCell<Taps>);

impl Lines for Wires<'_> {
    fn count(&self) -> usize {
        4
    }

    fn edge(&mut self) -> io::Result<Option<Edge>> {
        Ok(self.0.borrow_mut().edges.pop_front())
    }

    fn is_down(&mut self, _: usize) -> io::Result<bool> {
        Ok(false)
    }

    fn now(&self) -> Duration {
        self.0.borrow().time
    }
}

struct Grey;

impl FrameSource for Grey {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        shot.reshape(8, 8).fill(90);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Hint and message of the last screen.
#[derive(Default)]
struct Said(String, String);

impl Screen for Said {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        self.0 = moment.hint.to_string();
        self.1 =
            if let State::Message(text) = moment.state { text.to_string() } else { String::new() };
        Ok(())
    }
}

/// Presses that wait: as many as the queue of the buttons has room for.
const ROOM: usize = 16;

#[test]
fn every_tap_is_taught_in_its_turn_or_said_to_be_left_out() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/tests/tiny.offshoot");
    let taps = RefCell::new(Taps::default());
    let mut buttons = Presses::new(Wires(&taps)).unwrap();
    let mut session =
        Session::new(Extractor::open(path).unwrap(), None, Settings::default()).unwrap();
    let mut screen = Said::default();
    let mut random = 5_u64;
    let mut below = |most: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % most
    };
    // Lines that were tapped and had no frame; lessons of each class; taps that found no room.
    let mut model: VecDeque<usize> = VecDeque::new();
    let mut taught = [0; 3];
    let mut left_out = 0;
    let mut complaints = 0;
    for _ in 0..3000 {
        let count = if below(60) == 0 { 12 + below(12) } else { below(3) };
        for _ in 0..count {
            let line = below(4) as usize;
            taps.borrow_mut().tap(line);
            if model.len() < ROOM { model.push_back(line) } else { left_out += 1 }
        }
        let mut ports = Ports {
            source: &mut Grey,
            buttons: &mut buttons,
            screen: &mut screen,
            led: &mut NoLed,
        };
        assert_eq!(session.step(&mut ports).unwrap(), Flow::Next);
        // The last button reports, which takes no frame.
        let lesson = std::iter::from_fn(|| model.pop_front()).find(|line| *line < 3);
        if let Some(line) = lesson {
            taught[line] += 1;
        } else if left_out > 0 {
            assert_eq!(screen.1, "Too many presses at once: some do not count");
            (left_out, complaints) = (0, complaints + 1);
        }
        let head = session.head();
        let mut shown = [0; 3];
        for ((id, _), shown) in head.classes().zip(&mut shown) {
            *shown = head.shown_of(id);
        }
        assert_eq!(shown, taught);
        let waiting = model.iter().filter(|line| **line < 3).count();
        match (waiting, left_out) {
            (waiting, 1..) => assert_eq!(screen.0, format!("{waiting} wait, {left_out} too many")),
            (0, _) => assert!(!screen.0.contains("wait"), "{}", screen.0),
            _ => assert_eq!(screen.0, format!("{waiting} more wait")),
        }
    }
    assert!(complaints > 5 && taught.iter().all(|count| *count > 300), "{complaints} {taught:?}");
}
