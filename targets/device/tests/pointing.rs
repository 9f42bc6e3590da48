//! A device that points: taught by buttons and on still frames, against a head that is taught the same
//! from nothing.

use std::path::Path;
use std::time::Duration;

use offshoot::{Frame, Mark, SpatialHead, SpatialLimits};
use offshoot_device::{
    Action, Buttons, CellMemory, Flow, Led, MOST_CLASSES, Pointing, Ports, Screen, ScreenError,
    Settings, Step,
};
use offshoot_view::State;

mod common;

use common::table::{BLUE, Given, SIDES, WHITE, extractor, scene, sdk::random::Random};

/// Presses before one frame.
#[derive(Default)]
struct Pressed(Vec<Action<'static>>);

impl Buttons for Pressed {
    fn poll(&mut self) -> Option<Action<'_>> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }
}

/// What a screen was shown last.
#[derive(Default)]
struct Seen {
    label: String,
    dots: Vec<(String, [f32; 2], bool)>,
    has_aim: bool,
    hint: String,
}

impl Screen for Seen {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        self.label = match moment.state {
            State::Found { class, count, .. } => format!("{class} {count}"),
            State::Teaching { class, count, .. } => format!("teaching {class} {count}"),
            State::Message(text) | State::Error(text) => text.to_string(),
            State::Nothing => "nothing".to_string(),
            State::Welcome { class, .. } => format!("show {class}"),
            _ => "?".to_string(),
        };
        let objects = moment.objects.expect("a device that points has objects");
        let dots = objects.pointed.iter();
        self.dots = dots.map(|one| (one.name.to_string(), one.centre, one.is_taught)).collect();
        self.has_aim = objects.aim.is_some();
        self.hint = moment.hint.to_string();
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

/// A device on a table of squares.
struct Table {
    session: Pointing,
    source: Given,
    screen: Seen,
    light: Light,
}

impl Table {
    fn new(session: Pointing) -> Self {
        let source = Given { rgb: scene(&[], 0), is_gone: false };
        Self { session, source, screen: Seen::default(), light: Light::default() }
    }

    /// One frame, after these presses.
    fn step(&mut self, presses: &[Action<'static>]) -> Flow {
        let mut buttons = Pressed(presses.to_vec());
        self.session
            .step(&mut Ports {
                source: &mut self.source,
                buttons: &mut buttons,
                screen: &mut self.screen,
                led: &mut self.light,
            })
            .unwrap()
    }

    /// Middles of what is found of a class.
    fn found(&self, name: &str) -> Vec<[f32; 2]> {
        let own = self.screen.dots.iter().filter(|(of, _, is_taught)| of == name && !is_taught);
        own.map(|(_, centre, _)| *centre).collect()
    }
}

fn settings(names: &[&str]) -> Settings {
    let names = names.iter().map(|name| (*name).to_string()).collect();
    Settings { names, patience: Duration::ZERO, ..Settings::default() }
}

fn session(names: &[&str]) -> Pointing {
    Pointing::new(extractor(), None, settings(names)).unwrap()
}

/// Returns the distance of two points in cells.
fn cells_between(a: [f32; 2], b: [f32; 2]) -> f32 {
    16.0 * (a[0] - b[0]).abs().max((a[1] - b[1]).abs())
}

#[test]
fn a_button_teaches_what_is_in_the_middle_and_the_dot_follows_it() {
    let mut table = Table::new(session(&["square"]));
    table.step(&[]);
    assert_eq!(table.screen.label, "show square");
    assert!(table.screen.has_aim && !table.light.0);
    table.source.rgb = scene(&[([0.5, 0.5], WHITE)], 1);
    table.step(&[Action::Teach(0)]);
    assert_eq!(table.screen.label, "teaching square 1");
    table.source.rgb = scene(&[], 2);
    table.step(&[Action::TeachNothing]);
    for steps in 0..8 {
        let place = [0.25 + steps as f32 / 16.0, 0.75 - steps as f32 / 16.0];
        table.source.rgb = scene(&[(place, WHITE)], 3 + steps);
        table.step(&[]);
        let found = table.found("square");
        assert_eq!(found.len(), 1, "{place:?}: {found:?}");
        assert!(cells_between(found[0], place) <= 1.0, "{found:?} instead of {place:?}");
        assert!(table.light.0);
    }
    table.source.rgb = scene(&[([0.25, 0.25], WHITE), ([0.75, 0.7], WHITE)], 20);
    (0..5).for_each(|_| assert_eq!(table.step(&[]), Flow::Next));
    assert_eq!(table.screen.label, "square 2");
    table.source.rgb = scene(&[], 21);
    table.step(&[]);
    assert_eq!((table.screen.label.as_str(), table.light.0), ("nothing", false));
}

#[test]
fn taps_on_a_still_frame_are_one_lesson() {
    let mut table = Table::new(session(&["white", "blue"]));
    let all = [([0.25, 0.25], WHITE), ([0.75, 0.3], BLUE), ([0.3, 0.8], WHITE)];
    table.step(&[Action::Still]);
    assert!(table.screen.label.contains("no frame"), "{}", table.screen.label);
    table.source.rgb = scene(&all, 1);
    table.step(&[]);
    table.step(&[Action::Still]);
    assert!(!table.screen.has_aim && table.screen.hint.contains("tap each object"));
    // The camera goes on, the frame does not.
    table.source.rgb = scene(&[], 2);
    let boxed = |[x, y]: [f32; 2]| [x - 0.125, y - 0.125, 0.25, 0.25];
    table.step(&[Action::Point(0, boxed(all[0].0))]);
    table.step(&[Action::Point(1, boxed(all[1].0))]);
    table.step(&[Action::Point(0, boxed(all[2].0))]);
    assert_eq!(table.session.head().lessons(), 1);
    assert_eq!((table.found("white").len(), table.found("blue").len()), (2, 1));
    assert_eq!(table.screen.dots.iter().filter(|(.., is_taught)| *is_taught).count(), 3);
    // A mark too many is taken back; the others stay.
    table.step(&[Action::Point(1, [0.9, 0.9, 0.0, 0.0])]);
    table.step(&[Action::Undo]);
    let mut same = SpatialHead::new(&extractor(), SpatialLimits { classes: 9 }).unwrap();
    let classes = ["white", "blue"].map(|name| same.add_class(name).unwrap());
    let marks = [(0, all[0].0), (1, all[1].0), (0, all[2].0)]
        .map(|(class, at)| Mark::boxed(classes[class], boxed(at)));
    let rgb = scene(&all, 1);
    let mut own = extractor();
    let frame = Frame::rgb(SIDES[0], SIDES[1], &rgb).unwrap();
    same.teach(&own.cells(&frame).unwrap(), &marks).unwrap();
    assert!(table.session.head().to_bytes() == same.to_bytes());
    table.step(&[Action::Live]);
    assert!(table.found("white").is_empty() && table.screen.has_aim);
    // The whole picture is taken back by an undo behind it.
    table.step(&[Action::Undo]);
    assert_eq!(table.session.head().lessons(), 0);
}

#[test]
fn a_fixed_camera_compares_with_the_empty_scene() {
    let mut settings = settings(&["thing"]);
    settings.is_fixed = true;
    let mut table = Table::new(Pointing::new(extractor(), None, settings).unwrap());
    table.step(&[Action::Teach(0)]);
    assert!(table.screen.label.contains("empty scene first"), "{}", table.screen.label);
    table.step(&[Action::TeachNothing]);
    assert!(table.session.head().has_reference());
    table.source.rgb = scene(&[([0.5, 0.5], BLUE)], 5);
    table.step(&[Action::Teach(0)]);
    assert_eq!(table.session.head().lessons(), 1);
    table.source.rgb = vec![200; table.source.rgb.len()];
    (0..25).for_each(|_| assert_eq!(table.step(&[]), Flow::Next));
    assert!(table.screen.hint.contains("camera moved"), "{}", table.screen.hint);
}

#[test]
fn a_taught_class_is_renamed_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names.store");
    let mut table = Table::new(opened(&path));
    table.source.rgb = scene(&[([0.5, 0.5], BLUE)], 5);
    table.step(&[Action::Teach(0)]);
    table.step(&[Action::Rename(0, "bolt")]);
    table.step(&[Action::Rename(1, "bolt")]);
    assert!(table.screen.label.contains("taken already"), "{}", table.screen.label);
    table.step(&[Action::Rename(1, "nut")]);
    table.step(&[Action::Teach(1)]);
    let names = |table: &Table| {
        [0, 1].map(|class| table.session.head().class_name(class).unwrap().to_string())
    };
    assert_eq!(names(&table), ["bolt", "nut"]);
    drop(table);
    let table = Table::new(opened(&path));
    assert_eq!(names(&table), ["bolt", "nut"]);
    assert_eq!(table.session.head().objects_of(0), 1);
}

#[test]
fn a_camera_that_is_gone_is_said_and_comes_back() {
    let mut table = Table::new(session(&[]));
    table.source.is_gone = true;
    table.step(&[Action::Point(0, [0.5, 0.5, 0.0, 0.0])]);
    assert!(table.screen.label.contains("stream"), "{}", table.screen.label);
    assert_eq!(table.session.head().lessons(), 0);
    table.source.is_gone = false;
    table.step(&[]);
    assert_eq!(table.screen.label, "show thing 1");
    assert_eq!(table.step(&[Action::Quit]), Flow::End);
}

/// A lesson as it was learned, and the number of classes at that time.
#[derive(Clone, Debug)]
struct Lesson {
    rgb: Vec<u8>,
    marks: Vec<Mark>,
    classes: usize,
}

/// Head that learns all lessons from nothing.
fn from_nothing(lessons: &[Lesson], classes: usize) -> Vec<u8> {
    let mut extractor = extractor();
    let limits = SpatialLimits { classes: MOST_CLASSES as u8 };
    let mut head = SpatialHead::new(&extractor, limits).unwrap();
    let name = |at: usize| format!("thing {}", at + 1);
    for lesson in lessons {
        for at in head.class_count()..lesson.classes {
            head.add_class(&name(at)).unwrap();
        }
        let frame = Frame::rgb(SIDES[0], SIDES[1], &lesson.rgb).unwrap();
        // Too little was learned to fit at the beginning.
        let _ = head.fit();
        head.teach(&extractor.cells(&frame).unwrap(), &lesson.marks).unwrap();
        let _ = head.fit();
    }
    for at in head.class_count()..classes {
        head.add_class(&name(at)).unwrap();
    }
    head.to_bytes()
}

/// Plain model of a session: its lessons, and the marks of the still frame.
#[derive(Default)]
struct Model {
    lessons: Vec<Lesson>,
    still: Option<(Vec<u8>, Vec<Mark>)>,
    /// True if the last lesson can be taken back.
    can_undo: bool,
    /// True if the marks of the still frame are the last lesson.
    is_open: bool,
    classes: usize,
    /// Frame that the device has, and true if the last press taught one that was still.
    shown: Vec<u8>,
    was_still: bool,
}

impl Model {
    fn learn(&mut self, rgb: Vec<u8>, marks: Vec<Mark>) {
        self.lessons.push(Lesson { rgb, marks, classes: self.classes });
        self.can_undo = true;
    }

    fn relearn(&mut self) {
        let Some((rgb, marks)) = self.still.clone() else { return };
        if std::mem::take(&mut self.is_open) {
            self.lessons.pop();
            self.can_undo = false;
        }
        if !marks.is_empty() {
            self.learn(rgb, marks);
            self.is_open = true;
        }
    }

    fn press(&mut self, action: Action<'static>, camera: &[u8]) {
        match action {
            Action::Still => {
                self.still.get_or_insert((self.shown.clone(), Vec::new()));
            }
            Action::Live => (self.still, self.is_open) = (None, false),
            Action::Point(place, [x, y, width, height]) => {
                self.press(Action::Still, camera);
                self.classes = self.classes.max(place + 1);
                let mark = match width > 0.0 {
                    true => Mark::boxed(place as u8, [x, y, width, height]),
                    false => Mark::point(place as u8, [x, y]),
                };
                self.still.as_mut().unwrap().1.push(mark);
                self.relearn();
            }
            Action::Undo => match &mut self.still {
                Some((_, marks)) if !marks.is_empty() => {
                    marks.pop();
                    self.relearn();
                }
                _ if self.can_undo => {
                    self.lessons.pop();
                    (self.can_undo, self.is_open) = (false, false);
                }
                _ => {}
            },
            Action::Teach(place) => {
                let rgb = self.released(camera);
                self.classes = self.classes.max(place + 1);
                self.learn(rgb, vec![Mark::boxed(place as u8, [0.3, 0.3, 0.4, 0.4])]);
            }
            Action::TeachNothing => {
                let rgb = self.released(camera);
                self.learn(rgb, Vec::new());
            }
            _ => {}
        }
        if self.still.is_none() && !std::mem::take(&mut self.was_still) {
            self.shown = camera.to_vec();
        }
    }

    /// Ends a still frame, which is what a button teaches then; else it is the camera's.
    fn released(&mut self, camera: &[u8]) -> Vec<u8> {
        self.is_open = false;
        let still = self.still.take();
        self.was_still = still.is_some();
        still.map_or(camera.to_vec(), |(rgb, _)| rgb)
    }
}

fn opened(path: &Path) -> Pointing {
    let extractor = extractor();
    let remembered = CellMemory::open(path, &extractor).unwrap();
    Pointing::new(extractor, Some(remembered), settings(&[])).unwrap()
}

#[test]
fn random_presses_leave_the_head_that_learns_the_same_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..12u64 {
        let path = folder.path().join(format!("{round}.store"));
        let mut table = Table::new(opened(&path));
        let mut model = Model::default();
        let mut random = Random(100 + round);
        table.source.rgb = scene(&[], round);
        table.step(&[]);
        model.press(Action::Times, &table.source.rgb.clone());
        for step in 0..40 {
            let share = |random: &mut Random| random.below(100) as f32 / 100.0;
            let at = [share(&mut random), share(&mut random)];
            table.source.rgb = scene(&[(at, random.pick(&[WHITE, BLUE]))], 1_000 * round + step);
            let place = random.below(3);
            let action = match random.below(9) {
                0 => Action::Still,
                1 => Action::Live,
                2 | 3 => Action::Point(place, [at[0], at[1], 0.0, 0.0]),
                4 => {
                    let [x, y] = at.map(|share| share.min(0.7));
                    Action::Point(place, [x, y, 0.25, 0.2])
                }
                5 | 6 => Action::Undo,
                7 => Action::Teach(place),
                _ => Action::TeachNothing,
            };
            table.step(&[action]);
            model.press(action, &table.source.rgb.clone());
            if step % 10 == 9 {
                let wanted = from_nothing(&model.lessons, model.classes);
                let own = table.session.head().to_bytes();
                let at = own.iter().zip(&wanted).position(|(a, b)| a != b);
                let lessons = (table.session.head().lessons(), model.lessons.len());
                assert!(own == wanted, "round {round}, step {step}: {at:?}, {lessons:?}");
            }
            if step == 24 {
                // A power cut: the next session goes on with what was taught.
                table.session = session(&[]);
                table.session = opened(&path);
                (model.still, model.is_open, model.can_undo) = (None, false, false);
                table.step(&[]);
                model.shown = table.source.rgb.clone();
            }
        }
    }
}
