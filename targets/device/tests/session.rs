//! The loop on parts made for the test: what is taught is kept, an unplugged camera is survived.

use std::cell::RefCell;
use std::time::Duration;

use offshoot::Extractor;
use offshoot_device::{
    Action, Buttons, Flow, FrameSource, Led, Memory, Ports, Screen, ScreenError, Session, Settings, Shot,
    SourceError, limits, run,
};
use offshoot_view::State;

/// Frames of one shade that can be unplugged.
#[derive(Default)]
struct Shade {
    shade: u8,
    gone: u32,
    opened: u32,
}

impl FrameSource for Shade {
    fn next(&mut self, shot: &mut Shot) -> Result<(), SourceError> {
        if self.gone > 0 {
            return Err(SourceError::Silent(3));
        }
        shot.reshape(8, 8).fill(self.shade);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        self.opened += 1;
        self.gone = self.gone.saturating_sub(1);
        if self.gone > 0 { Err(SourceError::Silent(3)) } else { Ok(()) }
    }

    fn show(&mut self, name: Option<&str>) {
        self.shade = name.and_then(|name| name.parse().ok()).unwrap_or(0);
    }
}

/// What is pressed before the next frame.
#[derive(Default)]
struct Pressed(Vec<Action<'static>>);

impl Buttons for Pressed {
    fn poll(&mut self) -> Option<Action<'_>> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}

/// What the screen says, in words.
#[derive(Default)]
struct Words(RefCell<String>);

impl Screen for Words {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        let state = match moment.state {
            State::Teaching { class, count, goal } => format!("teach {class} {count}/{goal}"),
            State::Answer { class, .. } => format!("answer {class}"),
            State::Unknown => "?".to_string(),
            State::Message(text) => format!("says {text}"),
            State::Welcome { class, button } => format!("welcome {class} {button}"),
            State::Report { right, asked, advice } => format!("report {right}/{asked} {advice}"),
            State::Error(text) => format!("error {text}"),
        };
        *self.0.borrow_mut() = format!("{state} | {}", moment.hint);
        Ok(())
    }
}

#[derive(Default)]
struct Light(bool);

impl Led for Light {
    fn set(&mut self, on: bool) {
        self.0 = on;
    }
}

fn eyes() -> Extractor {
    Extractor::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/tests/tiny.offshoot")).unwrap()
}

fn settings() -> Settings {
    let names = ["dark", "light"].map(str::to_string).to_vec();
    Settings { names, patience: Duration::ZERO, hint: "keys".to_string(), ..Settings::default() }
}

#[derive(Default)]
struct Bench {
    source: Shade,
    screen: Words,
    light: Light,
}

impl Bench {
    /// One frame after these presses; what the screen then says.
    fn step(&mut self, session: &mut Session, pressed: &[Action<'static>]) -> String {
        let mut buttons = Pressed(pressed.to_vec());
        let flow = session
            .step(&mut Ports {
                source: &mut self.source,
                buttons: &mut buttons,
                screen: &mut self.screen,
                led: &mut self.light,
            })
            .unwrap();
        assert_eq!(flow, Flow::Next);
        self.screen.0.borrow().clone()
    }
}

const SHOW: [Action<'static>; 2] = [Action::Show(Some("20")), Action::Show(Some("230"))];

#[test]
fn what_is_taught_is_answered_and_loaded_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let (mut bench, memory) = (Bench::default(), Memory::open(&path, &eyes(), limits()).unwrap());
    let mut session = Session::new(eyes(), Some(memory), settings()).unwrap();
    assert_eq!(bench.step(&mut session, &[]), "welcome dark 1 | keys");
    for (class, show) in SHOW.into_iter().enumerate() {
        bench.step(&mut session, &[show]);
        for lesson in 1..=5 {
            let said = bench.step(&mut session, &[Action::Teach(class)]);
            let name = ["dark", "light"][class];
            let hint =
                if lesson < 5 { format!("{} more for {name}", 5 - lesson) } else { "keys".to_string() };
            assert_eq!(said, format!("teach {name} {lesson}/5 | {hint}"));
        }
    }
    drop(session);
    let memory = Memory::open(&path, &eyes(), limits()).unwrap();
    let mut session = Session::new(eyes(), Some(memory), Settings::default()).unwrap();
    assert_eq!(session.head().sample_count(), 10);
    for (name, show) in ["dark", "light"].into_iter().zip(SHOW) {
        assert!(bench.step(&mut session, &[show]).starts_with(&format!("answer {name}")));
        assert!(bench.light.0);
    }
    assert_eq!(bench.step(&mut session, &[Action::Undo]), "says Forgot the last light | 1 more for light");
    drop(session);
    let (_, head) = Memory::open(&path, &eyes(), limits()).unwrap();
    assert_eq!(head.map(|head| head.sample_count()), Some(9), "the undo is kept as well");
}

/// Beyond what the head has room for, every lesson still counts and is still kept.
#[test]
fn a_full_head_goes_on_learning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let (mut bench, memory) = (Bench::default(), Memory::open(&path, &eyes(), limits()).unwrap());
    let mut session = Session::new(eyes(), Some(memory), settings()).unwrap();
    let room = usize::from(limits().samples);
    for lesson in 0..room + 8 {
        let class = lesson % 2;
        bench.step(&mut session, &[SHOW[class]]);
        let said = bench.step(&mut session, &[Action::Teach(class)]);
        assert!(said.starts_with(&format!("teach {}", ["dark", "light"][class])), "{lesson}: {said}");
    }
    let shown = |head: &offshoot::Head| head.classes().map(|(id, _)| head.shown_of(id)).sum::<u32>() as usize;
    assert_eq!((session.head().sample_count(), shown(session.head())), (room, room + 8));
    drop(session);
    let (_, head) = Memory::open(&path, &eyes(), limits()).unwrap();
    assert_eq!(head.map(|head| shown(&head)), Some(room + 8), "the last lesson was kept");
}

#[test]
fn an_unplugged_camera_is_told_of_and_survived() {
    let mut bench = Bench::default();
    let mut session = Session::new(eyes(), None, settings()).unwrap();
    bench.step(&mut session, &[SHOW[0], Action::Teach(0)]);
    bench.source.gone = 3;
    for _ in 0..3 {
        // A button pressed meanwhile teaches nothing.
        let said = bench.step(&mut session, &[Action::Teach(0)]);
        assert!(said.starts_with("error no frame for 3 seconds"), "{said}");
        assert!(!bench.light.0);
    }
    assert!(bench.step(&mut session, &[]).starts_with("answer dark"));
    assert_eq!((session.head().sample_count(), bench.source.opened), (1, 3));
}

#[test]
fn two_buttons_teach_any_number_of_classes() {
    let mut bench = Bench::default();
    let settings = Settings { first: "A".to_string(), ..settings() };
    let mut session = Session::new(eyes(), None, settings).unwrap();
    assert_eq!(bench.step(&mut session, &[]), "welcome dark A | keys");
    let teach = Action::TeachChosen;
    assert_eq!(bench.step(&mut session, &[SHOW[0], teach]), "teach dark 1/5 | A: 4 more for dark");
    let said = bench.step(&mut session, &[Action::Choose]);
    assert_eq!(said, "teach light 0/5 | A: 5 more for light");
    for _ in 0..5 {
        bench.step(&mut session, &[SHOW[1], teach]);
    }
    // Those that were named, then one more, then the first again.
    assert_eq!(bench.step(&mut session, &[Action::Choose]), "teach thing 3 0/5 | A: 5 more for thing 3");
    assert_eq!(bench.step(&mut session, &[Action::Choose]), "teach dark 1/5 | A: 4 more for dark");
    for _ in 0..4 {
        bench.step(&mut session, &[SHOW[0], teach]);
    }
    assert_eq!(bench.step(&mut session, &[teach]), "teach dark 6/5 | dark: keys");
    let said = bench.step(&mut session, &[Action::Report]);
    assert_eq!(said, "report 11/11  | dark: keys");
}

#[test]
fn what_stops_a_session_is_the_last_thing_it_shows() {
    struct Faulty(u32, &'static str);
    impl FrameSource for Faulty {
        fn next(&mut self, shot: &mut Shot) -> Result<(), SourceError> {
            self.0 += 1;
            assert!(self.0 < 3, "{}", self.1);
            shot.reshape(8, 8).fill(9);
            Ok(())
        }

        fn reopen(&mut self) -> Result<(), SourceError> {
            Ok(())
        }
    }
    let (mut screen, mut light, mut buttons) = (Words::default(), Light::default(), Pressed::default());
    let mut source = Faulty(0, "the lens fell off");
    let mut session = Session::new(eyes(), None, settings()).unwrap();
    let mut ports =
        Ports { source: &mut source, buttons: &mut buttons, screen: &mut screen, led: &mut light };
    let steps = std::panic::AssertUnwindSafe(|| run(&mut session, &mut ports));
    let panic = std::panic::catch_unwind(steps).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "the lens fell off");
    let said = screen.0.borrow().clone();
    assert_eq!(said, "error a fault in the program: the lens fell off | the program has ended");
}

#[test]
fn buttons_without_a_class_and_empty_undos_do_no_harm() {
    let mut bench = Bench::default();
    let mut session = Session::new(eyes(), None, settings()).unwrap();
    bench.step(&mut session, &[Action::Teach(usize::MAX)]);
    assert!(bench.step(&mut session, &[Action::Undo]).starts_with("says Nothing to undo"));
    bench.step(&mut session, &[Action::Report, Action::Times]);
    assert_eq!(session.head().sample_count(), 0);
}
