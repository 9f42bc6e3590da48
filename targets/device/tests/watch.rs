//! The control chart of a running device: ordinary frames raise no alarm, light that goes and a lens
//! that is covered do, and the alarm ends with them.

use std::cell::RefCell;
use std::time::Duration;

use offshoot::Extractor;
use offshoot_core::statistics::Fault;
use offshoot_device::{
    Action, Buttons, Details, Flow, NoLed, Ports, Screen, ScreenError, Session, Settings, Simulated,
};

/// Frames of an hour, ten a second; `OFFSHOOT_FRAMES=36000` runs them all.
const FRAMES: usize = 600;

/// Frames for which an object stays.
const STAYS: usize = 150;

/// Things that come and go; the last is no object, and was not taught.
const SHOWN: [&str; 4] = ["mug", "plant", "nothing", "key"];

#[derive(Default)]
struct Pressed(Vec<Action<'static>>);

impl Buttons for Pressed {
    fn poll(&mut self) -> Option<Action<'_>> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}

/// Hint and fault of the last frame.
#[derive(Default)]
struct Seen(RefCell<(String, Option<Fault>)>);

impl Screen for Seen {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        self.0.borrow_mut().0 = moment.hint.to_string();
        Ok(())
    }

    fn explain(&mut self, _: &offshoot_view::Screen<'_>, inside: &mut Details<'_>) {
        self.0.borrow_mut().1 = inside.fault();
    }
}

struct Bench {
    session: Session,
    source: Simulated,
    screen: Seen,
}

impl Bench {
    /// A device that was taught a mug, a plant and the empty table.
    fn taught() -> Self {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let extractor = Extractor::open(format!("{root}/models/sprout/sprout.offshoot")).unwrap();
        let names = ["mug", "plant"].map(str::to_string).to_vec();
        let settings = Settings { names, hint: "keys".to_string(), ..Settings::default() };
        let session = Session::new(extractor, None, settings).unwrap();
        let source = Simulated::new(Duration::ZERO);
        let mut bench = Self { session, source, screen: Seen::default() };
        for (object, lesson) in
            SHOWN.into_iter().zip([Action::Teach(0), Action::Teach(1), Action::TeachNothing])
        {
            bench.step(&[Action::Show(Some(object))]);
            (0..8).for_each(|_| drop(bench.step(&[lesson])));
        }
        bench
    }

    fn step(&mut self, pressed: &[Action<'static>]) -> (String, Option<Fault>) {
        let mut buttons = Pressed(pressed.to_vec());
        let flow = self.session.step(&mut Ports {
            source: &mut self.source,
            buttons: &mut buttons,
            screen: &mut self.screen,
            led: &mut NoLed,
        });
        assert_eq!(flow.unwrap(), Flow::Next);
        self.screen.0.borrow().clone()
    }

    /// Ordinary frames; returns the changes that were reported, with their frames.
    fn ordinary(&mut self, frames: usize) -> Vec<(usize, Fault)> {
        let mut alarms = Vec::new();
        for frame in 0..frames {
            let object = SHOWN[frame / STAYS % SHOWN.len()];
            let pressed = [Action::Show(Some(object))];
            let pressed = if frame % STAYS == 0 { &pressed[..] } else { &[] };
            alarms.extend(self.step(pressed).1.map(|found| (frame, found)));
        }
        alarms
    }

    /// Frames until a fault is reported, at most `most`.
    fn until(&mut self, fault: &'static str, most: usize) -> (usize, String, Option<Fault>) {
        self.step(&[Action::Show(Some(fault))]);
        let mut last = Default::default();
        for frame in 1..most {
            last = self.step(&[]);
            if last.1.is_some() {
                return (frame, last.0, last.1);
            }
        }
        (most, last.0, last.1)
    }
}

#[test]
fn ordinary_frames_raise_no_alarm() {
    let frames = std::env::var("OFFSHOOT_FRAMES").ok().and_then(|text| text.parse().ok());
    let alarms = Bench::taught().ordinary(frames.unwrap_or(FRAMES));
    assert_eq!(alarms, [], "{} frames of false alarm", alarms.len());
}

#[test]
fn light_that_goes_and_a_covered_lens_are_noticed_and_so_is_their_end() {
    let mut bench = Bench::taught();
    assert_eq!(bench.ordinary(300), []);
    bench.step(&[Action::Show(Some("mug"))]);
    let (frames, _, found) = bench.until("cover", 40);
    assert!(matches!(found, Some(Fault::Darker | Fault::Flat)), "{found:?} after {frames}");
    println!("a covered lens: {frames} frames");
    (0..40).for_each(|_| drop(bench.step(&[])));
    let (hint, found) = bench.step(&[]);
    assert_eq!((hint.as_str(), found), ("lens covered, or no light", Some(Fault::Flat)));
    bench.step(&[Action::Show(Some("day"))]);
    (0..100).for_each(|_| drop(bench.step(&[])));
    assert_eq!(bench.step(&[]).1, None);
    // A hundredth of the light is lost with every frame.
    let (frames, hint, found) = bench.until("dusk", 300);
    println!("the light goes: {frames} frames, {hint}, {found:?}");
    assert!(matches!(found, Some(Fault::Darker | Fault::Flat)), "{found:?} after {frames}");
    bench.step(&[Action::Show(Some("day"))]);
    assert!((0..100).any(|_| bench.step(&[]).1.is_none()));
}
