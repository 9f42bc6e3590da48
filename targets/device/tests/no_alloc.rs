//! The loop allocates nothing once it runs: convert, extract, teach, keep, answer, draw.

use std::time::Duration;

use embedded_graphics::pixelcolor::{BinaryColor, Rgb565};
use embedded_graphics::prelude::*;
use offshoot::Extractor;
use offshoot_device::{
    Action, Buttons, FrameSource, Memory, NoLed, Panel, Pixels, Ports, Raw, Screen, ScreenError, Session,
    Settings, Shot, SourceError, Turn, limits,
};

#[path = "../../../sdk/tests/common/counting.rs"]
mod counting;
use counting::{Counting, calls_of_all_threads, prove_live};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A camera's buffers: YUYV with padding, turned.
struct Buffers(Vec<u8>);

const STRIDE: usize = 2 * 64 + 16;

impl FrameSource for Buffers {
    fn next(&mut self, shot: &mut Shot) -> Result<(), SourceError> {
        let raw = Raw { pixels: Pixels::Yuyv, width: 64, height: 48, stride: STRIDE, bytes: &self.0 };
        raw.convert(Turn::Right, shot).map_err(|source| SourceError::Pixels { what: String::new(), source })
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Every tenth frame is taught, as two classes in turn; undo and report now and then.
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
        match self.frame % 50 {
            10 | 20 | 30 => Some(Action::Teach(self.frame / 10 % 2)),
            40 => Some(Action::Undo),
            45 => Some(Action::Times),
            _ => Some(Action::Show(None)),
        }
    }
}

struct Panels(Panel<Rgb565>, Panel<BinaryColor>);

impl Screen for Panels {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        let Ok(()) = moment.draw(&mut self.0);
        let Ok(()) = moment.draw(&mut self.1);
        Ok(())
    }
}

#[test]
fn a_thousand_frames_take_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let eyes =
        Extractor::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/tests/tiny.offshoot")).unwrap();
    let memory = Memory::open(dir.path().join("lessons"), &eyes, limits()).unwrap();
    let settings = Settings { patience: Duration::ZERO, ..Settings::default() };
    let mut session = Session::new(eyes, Some(memory), settings).unwrap();
    let mut source = Buffers((0..STRIDE * 48).map(|i| (i * 7 % 251) as u8).collect());
    let mut buttons = Rhythm { frame: 0, asked: false };
    let mut screen = Panels(Panel::new(320, 240, Rgb565::BLACK), Panel::new(128, 64, BinaryColor::Off));
    let mut ports =
        Ports { source: &mut source, buttons: &mut buttons, screen: &mut screen, led: &mut NoLed };
    let mut run = |frames: usize| {
        for _ in 0..frames {
            session.step(&mut ports).unwrap();
        }
    };
    // The first frame sizes the buffer; the texts have their room.
    run(60);
    prove_live();
    let (calls, ()) = calls_of_all_threads(|| run(1000));
    assert_eq!(calls, 0);
    assert!(session.head().sample_count() > 15, "lessons were among them");
}
