//! The loop allocates nothing once it runs: convert, extract, teach, keep, answer, draw.

use std::io::{self, Read};
use std::path::Path;
use std::thread;
use std::time::Duration;

use embedded_graphics::pixelcolor::{BinaryColor, Rgb565};
use embedded_graphics::prelude::*;
use offshoot::Extractor;
use offshoot_device::{
    Action, Buttons, CameraPart, CapturedFrame, FrameSource, Latest, Memory, NoLed, Panel, Piped,
    Pixels, Ports, Raw, Screen, ScreenError, Session, Settings, SourceError, Tee, Turn, WebOptions,
    limits, serve,
};
use offshoot_view::State;

#[path = "../../../sdk/tests/common/counting.rs"]
mod counting;
use counting::{Counting, calls_of_all_threads, prove_live};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A camera's buffers, dark and light: YUYV with padding, turned.
struct Buffers {
    dark: Vec<u8>,
    light: Vec<u8>,
    is_light: bool,
}

const STRIDE: usize = 2 * 64 + 16;

impl Buffers {
    fn new() -> Self {
        let bytes = |base: usize| (0..STRIDE * 48).map(|i| (base + i * 7 % 51) as u8).collect();
        Self { dark: bytes(10), light: bytes(190), is_light: false }
    }
}

impl FrameSource for Buffers {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        let bytes = if self.is_light { &self.light } else { &self.dark };
        let raw = Raw { pixels: Pixels::Yuyv, width: 64, height: 48, stride: STRIDE, bytes };
        raw.convert(Turn::Right, shot)
            .map_err(|source| SourceError::Pixels { what: String::new(), source })
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn show(&mut self, name: Option<&str>) {
        self.is_light = name == Some("light");
    }
}

/// What another program writes: raw frames without an end.
struct Endless(u8);

impl Read for Endless {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_micros(200));
        self.0 = self.0.wrapping_add(1);
        bytes.fill(self.0);
        Ok(bytes.len())
    }
}

/// Dark and light in turn, 25 frames each: lessons, undo, where the time goes, report; answers
/// between.
struct Rhythm {
    frame: usize,
    asked: bool,
}

impl Buttons for Rhythm {
    fn poll(&mut self) -> Option<Action<'_>> {
        self.asked = !self.asked;
        if !self.asked {
            return None;
        }
        self.frame += 1;
        let class = self.frame / 25 % 2;
        match self.frame % 25 {
            0 => Some(Action::Show(Some(["dark", "light"][class]))),
            1..=3 => Some(Action::Teach(class)),
            8 => Some(if self.frame % 100 < 50 { Action::Undo } else { Action::Forget(class) }),
            14 => Some(Action::Times),
            20 => Some(Action::Report),
            _ => {
                self.asked = false;
                None
            }
        }
    }
}

/// Panels, and how often each kind of moment was drawn on them.
struct Panels {
    colour: Panel<Rgb565>,
    mono: Panel<BinaryColor>,
    drawn: Drawn,
}

#[derive(Debug, Default)]
struct Drawn {
    answers: u32,
    unknown: u32,
    lessons: u32,
    messages: u32,
    reports: u32,
    times: u32,
}

impl Screen for Panels {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        let Ok(()) = moment.draw(&mut self.colour);
        let Ok(()) = moment.draw(&mut self.mono);
        let drawn = &mut self.drawn;
        match moment.state {
            State::Answer { .. } => drawn.answers += 1,
            State::Unknown | State::Nothing => drawn.unknown += 1,
            State::Teaching { .. } => drawn.lessons += 1,
            State::Report { .. } => drawn.reports += 1,
            State::Message(_) => drawn.messages += 1,
            State::Welcome { .. } | State::Found { .. } | State::Error(_) => {}
        }
        drawn.times += u32::from(moment.hint.starts_with("cam "));
        Ok(())
    }
}

impl Panels {
    fn new() -> Self {
        let colour = Panel::new(320, 240, Rgb565::BLACK);
        let mono = Panel::new(128, 64, BinaryColor::Off);
        Self { colour, mono, drawn: Drawn::default() }
    }
}

fn session(folder: &Path) -> Session {
    let extractor =
        Extractor::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/tests/tiny.offshoot"))
            .unwrap();
    let memory = Memory::open(folder.join("lessons"), &extractor, limits()).unwrap();
    let settings = Settings { patience: Duration::ZERO, ..Settings::default() };
    Session::new(extractor, Some(memory), settings).unwrap()
}

/// Allocations of all threads in a thousand frames, after the first have sized buffers and texts.
fn calls(session: &mut Session, source: &mut dyn FrameSource, screen: &mut dyn Screen) -> u64 {
    let mut buttons = Rhythm { frame: 0, asked: false };
    let mut ports = Ports { source, buttons: &mut buttons, screen, led: &mut NoLed };
    let mut run = |frames: usize| {
        for _ in 0..frames {
            session.step(&mut ports).unwrap();
        }
    };
    run(100);
    prove_live();
    calls_of_all_threads(|| run(1000)).0
}

/// One test, since what others allocate meanwhile would count.
#[test]
fn a_thousand_frames_take_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = session(dir.path());
    let mut panels = Panels::new();
    assert_eq!(calls(&mut first, &mut Buffers::new(), &mut panels), 0);
    assert!(first.head().sample_count() > 15, "lessons were among them");
    let drawn = panels.drawn;
    println!("{drawn:?}");
    assert!(drawn.answers > 300 && drawn.lessons > 100 && drawn.messages > 50, "{drawn:?}");
    assert!(drawn.reports > 50, "{drawn:?}");
    assert!(drawn.times > 300, "where the time goes was on the screen: {drawn:?}");

    // With a camera on its own thread, and a page that nobody looks at.
    let dir = tempfile::tempdir().unwrap();
    let mut latest = Latest::new(Buffers::new()).unwrap();
    let options = WebOptions { address: ([127, 0, 0, 1], 0).into(), token: None, has_next: false };
    let (page, _visitors) = serve(&options).unwrap();
    assert_eq!(calls(&mut session(dir.path()), &mut latest, &mut Tee(Panels::new(), page)), 0);

    // With frames from a pipe.
    let dir = tempfile::tempdir().unwrap();
    let Ok(CameraPart::Pipe(format)) = "-:yuyv:64x48".parse() else { panic!("a pipe") };
    let mut piped = Piped::new(Endless(0), format, Turn::Half).unwrap();
    assert_eq!(calls(&mut session(dir.path()), &mut piped, &mut Panels::new()), 0);
}
