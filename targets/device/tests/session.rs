//! The loop on parts made for the test: what is taught is kept, an unplugged camera is survived.

use std::cell::RefCell;
use std::time::Duration;

use offshoot::{Extractor, NOTHING};
use offshoot_device::{
    Action, Buttons, CapturedFrame, Flow, FrameSource, Led, Memory, Ports, Screen, ScreenError,
    Session, Settings, SourceError, limits, run,
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
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
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

/// Presses before the next frame.
#[derive(Default)]
struct Pressed(Vec<Action<'static>>);

impl Buttons for Pressed {
    fn poll(&mut self) -> Option<Action<'_>> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}

/// Content of the screen, in words.
#[derive(Default)]
struct Words(RefCell<String>);

impl Screen for Words {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        let state = match moment.state {
            State::Teaching { class, count, goal } => format!("teach {class} {count}/{goal}"),
            State::Answer { class, .. } => format!("answer {class}"),
            State::Unknown | State::Found { .. } => "?".to_string(),
            State::Nothing => "nothing".to_string(),
            State::Message(text) => format!("says {text}"),
            State::Welcome { class, button } => format!("welcome {class} {button}"),
            State::Report { right, asked, advice } => format!("report {right}/{asked} {advice}"),
            State::Error(text) => format!("error {text}"),
        };
        let advice =
            if moment.advice.is_empty() { String::new() } else { format!(" | {}", moment.advice) };
        *self.0.borrow_mut() = format!("{state} | {}{advice}", moment.hint);
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

fn extractor() -> Extractor {
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

/// Frames until a message has gone.
fn settle(bench: &mut Bench, session: &mut Session) {
    (0..20).for_each(|_| drop(bench.step(session, &[])));
}

const SHOW: [Action<'static>; 2] = [Action::Show(Some("20")), Action::Show(Some("230"))];

#[test]
fn what_is_taught_is_answered_and_loaded_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let mut bench = Bench::default();
    let memory = Memory::open(&path, &extractor(), limits()).unwrap();
    let mut session = Session::new(extractor(), Some(memory), settings()).unwrap();
    assert_eq!(bench.step(&mut session, &[]), "welcome dark 1 | keys");
    for (class, show) in SHOW.into_iter().enumerate() {
        bench.step(&mut session, &[show]);
        for lesson in 1..=5 {
            let said = bench.step(&mut session, &[Action::Teach(class)]);
            let name = ["dark", "light"][class];
            let hint = if lesson < 5 {
                format!("{} more for {name}", 5 - lesson)
            } else {
                "keys".to_string()
            };
            let more = if (class, lesson) == (0, 5) {
                " | Show me something else, too: hold 2"
            } else {
                ""
            };
            assert_eq!(said, format!("teach {name} {lesson}/5 | {hint}{more}"));
        }
    }
    drop(session);
    let memory = Memory::open(&path, &extractor(), limits()).unwrap();
    let mut session = Session::new(extractor(), Some(memory), Settings::default()).unwrap();
    assert_eq!(session.head().sample_count(), 10);
    let said = bench.step(&mut session, &[]);
    assert_eq!(said, "says goes on with dark 5, light 5 | 1-9 teach u undo q end");
    settle(&mut bench, &mut session);
    for (name, show) in ["dark", "light"].into_iter().zip(SHOW) {
        assert!(bench.step(&mut session, &[show]).starts_with(&format!("answer {name}")));
        assert!(bench.light.0);
    }
    assert_eq!(
        bench.step(&mut session, &[Action::Undo]),
        "says Forgot the last light | 1 more for light"
    );
    drop(session);
    let (_, head) = Memory::open(&path, &extractor(), limits()).unwrap();
    assert_eq!(head.map(|head| head.sample_count()), Some(9), "the undo is kept as well");
}

/// Beyond what the head has room for, every lesson still counts and is still kept.
#[test]
fn a_full_head_goes_on_learning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let mut bench = Bench::default();
    let memory = Memory::open(&path, &extractor(), limits()).unwrap();
    let mut session = Session::new(extractor(), Some(memory), settings()).unwrap();
    let room = usize::from(limits().samples);
    for lesson in 0..room + 8 {
        let class = lesson % 2;
        bench.step(&mut session, &[SHOW[class]]);
        let said = bench.step(&mut session, &[Action::Teach(class)]);
        assert!(
            said.starts_with(&format!("teach {}", ["dark", "light"][class])),
            "{lesson}: {said}"
        );
    }
    let shown = |head: &offshoot::Head| {
        head.classes().map(|(id, _)| head.shown_of(id)).sum::<u32>() as usize
    };
    assert_eq!((session.head().sample_count(), shown(session.head())), (room, room + 8));
    drop(session);
    let (_, head) = Memory::open(&path, &extractor(), limits()).unwrap();
    assert_eq!(head.map(|head| shown(&head)), Some(room + 8), "the last lesson was kept");
}

#[test]
fn an_unplugged_camera_is_told_of_and_survived() {
    let mut bench = Bench::default();
    let mut session = Session::new(extractor(), None, settings()).unwrap();
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
    let mut session = Session::new(extractor(), None, settings).unwrap();
    assert_eq!(bench.step(&mut session, &[]), "welcome dark A | keys");
    let teach = Action::TeachChosen;
    assert_eq!(bench.step(&mut session, &[SHOW[0], teach]), "teach dark 1/5 | A: 4 more for dark");
    let said = bench.step(&mut session, &[Action::Choose]);
    assert_eq!(said, "teach light 0/5 | A: 5 more for light");
    for _ in 0..5 {
        bench.step(&mut session, &[SHOW[1], teach]);
    }
    // Those that were named, then one more, then the first again.
    assert_eq!(
        bench.step(&mut session, &[Action::Choose]),
        "teach thing 3 0/5 | A: 5 more for thing 3"
    );
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
        fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
            self.0 += 1;
            assert!(self.0 < 3, "{}", self.1);
            shot.reshape(8, 8).fill(9);
            Ok(())
        }

        fn reopen(&mut self) -> Result<(), SourceError> {
            Ok(())
        }
    }
    let mut screen = Words::default();
    let mut light = Light::default();
    let mut buttons = Pressed::default();
    let mut source = Faulty(0, "the lens fell off");
    let mut session = Session::new(extractor(), None, settings()).unwrap();
    let mut ports =
        Ports { source: &mut source, buttons: &mut buttons, screen: &mut screen, led: &mut light };
    let steps = std::panic::AssertUnwindSafe(|| run(&mut session, &mut ports));
    let panic = std::panic::catch_unwind(steps).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "the lens fell off");
    let said = screen.0.borrow().clone();
    assert_eq!(said, "error a fault in the program: the lens fell off | the program has ended");
}

#[test]
fn all_is_forgotten_after_a_question_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let open = || Memory::open(&path, &extractor(), limits()).unwrap();
    let mut bench = Bench::default();
    let mut session = Session::new(extractor(), Some(open()), settings()).unwrap();
    let ask = [Action::AskForget];
    assert!(bench.step(&mut session, &ask).starts_with("says Nothing to forget"));
    assert!(bench.step(&mut session, &[Action::ForgetAll]).starts_with("says Nothing to forget"));
    (0..3).for_each(|_| drop(bench.step(&mut session, &[Action::Teach(1)])));
    // No answer, another key, and an answer that comes too late.
    assert!(bench.step(&mut session, &ask).starts_with("says Forget all 3 lessons? y: yes"));
    bench.step(&mut session, &[Action::Times, Action::Confirm, Action::Times]);
    bench.step(&mut session, &ask);
    settle(&mut bench, &mut session);
    bench.step(&mut session, &[Action::Confirm]);
    assert_eq!(session.head().sample_count(), 3);
    bench.step(&mut session, &ask);
    let said = bench.step(&mut session, &[Action::Confirm]);
    let aside = dir.path().join("lessons.aside-1");
    let wanted =
        format!("says Forgot all 3 lessons; undo takes that back, kept as {}", aside.display());
    assert!(said.starts_with(&wanted), "{said}");
    assert_eq!((session.head().class_count(), session.head().sample_count()), (0, 0));
    // The old file has all, the new one nothing; both survive a power cut.
    drop(session);
    let (_, old) = Memory::open(&aside, &extractor(), limits()).unwrap();
    assert_eq!(old.unwrap().sample_count(), 3);
    let mut session = Session::new(extractor(), Some(open()), settings()).unwrap();
    assert_eq!(bench.step(&mut session, &[]), "welcome dark 1 | keys");
    (0..2).for_each(|_| drop(bench.step(&mut session, &[Action::Teach(0)])));
    bench.step(&mut session, &[Action::ForgetAll]);
    assert!(bench.step(&mut session, &[Action::Undo]).starts_with("says All 2 lessons are back"));
    drop(session);
    assert_eq!(open().1.unwrap().sample_count(), 2);
    // A folder in which nothing can be renamed: nothing changes.
    let mut session = Session::new(extractor(), Some(open()), settings()).unwrap();
    std::fs::remove_dir_all(dir.path()).unwrap();
    assert!(bench.step(&mut session, &[Action::ForgetAll]).starts_with("says not forgotten: "));
    assert_eq!(session.head().sample_count(), 2);
}

/// Actions in any order, against lists of lessons.
#[test]
fn forgetting_agrees_with_a_plain_model() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = 3_u64;
    let mut below = |most: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % most
    };
    for round in 0..12 {
        let path = dir.path().join(format!("lessons-{round}"));
        let mut bench = Bench::default();
        let memory = Memory::open(&path, &extractor(), limits()).unwrap();
        let mut session = Session::new(extractor(), Some(memory), settings()).unwrap();
        // Classes of the lessons in their order; those before all was forgotten; an open question.
        let mut model: Vec<usize> = Vec::new();
        let mut before: Option<Vec<usize>> = None;
        let mut is_asked = false;
        for _ in 0..150 {
            let place = below(3) as usize;
            let number = below(9);
            let action = match number {
                0..=3 => Action::Teach(place),
                4 => Action::Undo,
                5 => Action::Forget(place),
                6 => Action::AskForget,
                7 => Action::Confirm,
                _ => Action::ForgetAll,
            };
            bench.step(&mut session, &[action]);
            match action {
                Action::Teach(_) => {
                    model.push(place);
                    before = None;
                }
                Action::Undo if before.is_some() => model = before.take().unwrap(),
                Action::Undo => drop(model.pop()),
                Action::Forget(_) => {
                    if let Some(at) = model.iter().rposition(|class| *class == place) {
                        model.remove(at);
                        before = None;
                    }
                }
                Action::Confirm if !is_asked => {}
                Action::Confirm | Action::ForgetAll if !model.is_empty() => {
                    before = Some(std::mem::take(&mut model));
                }
                _ => {}
            }
            is_asked = action == Action::AskForget && !model.is_empty();
            let wanted = |place: usize| model.iter().filter(|class| **class == place).count();
            let head = session.head();
            let shown =
                |place: usize| head.classes().nth(place).map_or(0, |(id, _)| head.samples_of(id));
            assert_eq!([0, 1, 2].map(shown), [0, 1, 2].map(wanted), "{action:?}");
        }
        let kept = session.into_head().sample_count();
        let (_, head) = Memory::open(&path, &extractor(), limits()).unwrap();
        assert_eq!(head.map_or(0, |head| head.sample_count()), kept, "after a power cut as well");
    }
}

#[test]
fn buttons_without_a_class_and_empty_undos_do_no_harm() {
    let mut bench = Bench::default();
    let mut session = Session::new(extractor(), None, settings()).unwrap();
    bench.step(&mut session, &[Action::Teach(usize::MAX)]);
    assert!(bench.step(&mut session, &[Action::Undo]).starts_with("says Nothing to undo"));
    bench.step(&mut session, &[Action::Report, Action::Times]);
    assert_eq!(session.head().sample_count(), 0);
}

#[test]
fn new_names_are_kept_and_one_class_is_undone_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let mut bench = Bench::default();
    let memory = Memory::open(&path, &extractor(), limits()).unwrap();
    let mut session = Session::new(extractor(), Some(memory), settings()).unwrap();
    for (class, show) in SHOW.into_iter().enumerate() {
        bench.step(&mut session, &[show]);
        (0..3).for_each(|_| drop(bench.step(&mut session, &[Action::Teach(class)])));
    }
    bench.step(&mut session, &[Action::Rename(0, "night")]);
    assert!(
        bench
            .step(&mut session, &[Action::Rename(1, "night")])
            .starts_with("says night is class 1")
    );
    assert!(bench.step(&mut session, &[Action::Rename(1, "")]).starts_with("says "));
    bench.step(&mut session, &[Action::Rename(usize::MAX, "x")]);
    // Not the last lesson of all, then that one, then none of a class that has none.
    assert!(
        bench.step(&mut session, &[Action::Forget(0)]).starts_with("says Forgot the last night")
    );
    assert!(
        bench.step(&mut session, &[Action::Forget(1)]).starts_with("says Forgot the last light")
    );
    assert!(bench.step(&mut session, &[Action::Forget(2)]).starts_with("says Nothing to undo"));
    drop(session);
    let (_, head) = Memory::open(&path, &extractor(), limits()).unwrap();
    let head = head.unwrap();
    let kept: Vec<_> = head.classes().map(|(id, name)| (name, head.samples_of(id))).collect();
    assert_eq!(kept, [("night", 2), ("light", 2)]);
}

#[test]
fn the_empty_scene_is_taught_and_answered_with_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let mut bench = Bench::default();
    let memory = Memory::open(&path, &extractor(), limits()).unwrap();
    let mut session = Session::new(extractor(), Some(memory), settings()).unwrap();
    // Between the two, so that its place in the head is not its place on the screen.
    let teach = [(SHOW[0], Action::Teach(0)), (Action::Show(Some("120")), Action::TeachNothing)];
    for (show, lesson) in teach.into_iter().chain([(SHOW[1], Action::Teach(1))]) {
        bench.step(&mut session, &[show]);
        (0..5).for_each(|_| drop(bench.step(&mut session, &[lesson])));
    }
    let names: Vec<_> = session.head().classes().map(|(_, name)| name.to_string()).collect();
    assert_eq!(names, ["dark", NOTHING, "light"]);
    drop(session);
    // After a power cut as well.
    let memory = Memory::open(&path, &extractor(), limits()).unwrap();
    let mut session = Session::new(extractor(), Some(memory), Settings::default()).unwrap();
    let said = bench.step(&mut session, &[]);
    assert!(said.starts_with("says goes on with dark 5, light 5, nothing 5 | "), "{said}");
    settle(&mut bench, &mut session);
    for (show, said) in
        [(SHOW[0], "answer dark"), (SHOW[1], "answer light"), (teach[1].0, "nothing")]
    {
        let heard = bench.step(&mut session, &[show]);
        assert!(heard.starts_with(said), "{said}: {heard}");
        assert_eq!(bench.light.0, said != "nothing", "no light for an empty scene");
    }
    let said = bench.step(&mut session, &[Action::Teach(2)]);
    assert!(said.starts_with("teach thing 3 1/5"), "the third button has the third class: {said}");
    assert!(
        bench
            .step(&mut session, &[Action::Rename(2, NOTHING)])
            .starts_with("says nothing is the name of")
    );
    let forgot = |class: &str| format!("says Forgot the last {class}");
    assert!(bench.step(&mut session, &[Action::Forget(1)]).starts_with(&forgot("light")));
    bench.step(&mut session, &[Action::TeachNothing]);
    assert!(bench.step(&mut session, &[Action::Undo]).starts_with(&forgot(NOTHING)));
    assert_eq!(session.head().shown_of(session.head().class_named(NOTHING).unwrap()), 5);
}

#[test]
fn an_empty_scene_alone_is_no_class() {
    let mut bench = Bench::default();
    let mut session = Session::new(extractor(), None, settings()).unwrap();
    bench.step(&mut session, &[SHOW[0]]);
    (0..5).for_each(|_| drop(bench.step(&mut session, &[Action::TeachNothing])));
    bench.step(&mut session, &[SHOW[1]]);
    let said = (0..8).map(|_| bench.step(&mut session, &[])).last().unwrap();
    assert!(said.starts_with("welcome dark 1") || said.starts_with("nothing"), "{said}");
    // With one class beside it, another is still asked for.
    (0..5).for_each(|_| drop(bench.step(&mut session, &[Action::Teach(0)])));
    let said = bench.step(&mut session, &[]);
    assert!(said.ends_with("| Show me something else, too: hold 2"), "{said}");
    bench.step(&mut session, &[Action::Teach(1)]);
    assert!(!bench.step(&mut session, &[]).contains("something else"), "another is begun");
}

/// Bytes of the slot that holds the newest record are changed.
fn damage(path: &std::path::Path, slots: std::ops::Range<usize>) {
    let mut bytes = std::fs::read(path).unwrap();
    let slot = bytes.len() / 2;
    for at in slots {
        // Past the header, in the record.
        bytes[at * slot + 4096 + 40] ^= 0xff;
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_store_that_lost_its_newest_lesson_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let mut bench = Bench::default();
    let memory = Memory::open(&path, &extractor(), limits()).unwrap();
    let mut session = Session::new(extractor(), Some(memory), settings()).unwrap();
    bench.step(&mut session, &[SHOW[0]]);
    (0..2).for_each(|_| drop(bench.step(&mut session, &[Action::Teach(0)])));
    drop(session);
    // The second lesson is in the second slot.
    damage(&path, 1..2);
    let memory = Memory::open(&path, &extractor(), limits()).unwrap();
    assert!(memory.0.has_lost());
    let mut session = Session::new(extractor(), Some(memory), settings()).unwrap();
    assert_eq!(session.head().sample_count(), 1);
    let said = bench.step(&mut session, &[]);
    assert!(
        said.starts_with(
            "says the newest lesson is damaged and lost; those before it are here; goes on with dark 1 | "
        ),
        "{said}"
    );
    let said = (0..30).map(|_| bench.step(&mut session, &[])).last().unwrap();
    assert!(said.ends_with("| the newest lesson was lost"), "until the next is kept: {said}");
    let said = bench.step(&mut session, &[Action::Teach(0)]);
    assert_eq!(said, "teach dark 2/5 | 3 more for dark");
    drop(session);
    assert!(!Memory::open(&path, &extractor(), limits()).unwrap().0.has_lost());
}

#[test]
fn lessons_that_are_all_damaged_are_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let mut bench = Bench::default();
    let memory = Memory::open(&path, &extractor(), limits()).unwrap();
    let mut session = Session::new(extractor(), Some(memory), settings()).unwrap();
    (0..2).for_each(|_| drop(bench.step(&mut session, &[Action::Teach(0)])));
    let busy = Memory::set_aside(&path).unwrap_err().to_string();
    assert!(busy.contains("in use"), "{busy}");
    drop(session);
    damage(&path, 0..2);
    let before = std::fs::read(&path).unwrap();
    let error = Memory::open(&path, &extractor(), limits()).unwrap_err().to_string();
    assert!(
        error.contains("lessons: its lessons are damaged") && error.contains("--start-anew"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before, "nothing is lost by looking");
    let aside = Memory::set_aside(&path).unwrap().unwrap();
    assert_eq!((std::fs::read(&aside).unwrap() == before, path.exists()), (true, false));
    let (memory, head) = Memory::open(&path, &extractor(), limits()).unwrap();
    assert!(head.is_none() && !memory.has_lost());
    drop(memory);
    assert_ne!(
        Memory::set_aside(&path).unwrap().unwrap(),
        aside,
        "what was put aside before stays"
    );
    assert_eq!(Memory::set_aside(&path).unwrap(), None);
}
