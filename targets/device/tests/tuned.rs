//! Tuning between frames: against a plain list of lessons, and under power cuts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use offshoot::{Extractor, Frame, Head, HeadKind, Maps, TunedTail, Tuning, WhenFull};
use offshoot_core::graph::Window;
use offshoot_device::{
    Action, Buttons, CapturedFrame, FrameSource, Memory, NoLed, Ports, Screen, ScreenError,
    Session, Settings, SourceError, Tunes, limits,
};
use offshoot_store::{FILE_SECTOR, Fate, FaultyMedium, FileMedium, Store, medium_size};
use offshoot_view::State;

#[path = "../../../sdk/tests/common/mod.rs"]
mod common;

use common::net::{Net, every_operation, window};
use common::random::Random;

const SIDE: u32 = 16;
const NAMES: [&str; 3] = ["red", "green", "blue"];

fn package() -> Vec<u8> {
    let mut net = Net::new(SIDE as u16, 2);
    let stem = net.conv("stem", Net::INPUT, window(3, 4, 1), 1, 8);
    let map = net.conv("map", stem, Window::POINT, 1, 12);
    let mean = net.mean("mean", map);
    let flat = net.flatten("flat", mean);
    let embedding = net.dense("layer", flat, 6);
    net.package(embedding, 1)
}

fn extractor() -> Extractor {
    Extractor::from_bytes(package()).unwrap()
}

/// Pixels of a class: its channel is brighter.
fn pixels(class: usize, seed: u64) -> Vec<u8> {
    let mut bytes = Random(seed).bytes((3 * SIDE * SIDE) as usize);
    for pixel in bytes.chunks_exact_mut(3) {
        pixel.iter_mut().for_each(|value| *value /= 2);
        pixel[class] = pixel[class].saturating_add(60);
    }
    bytes
}

/// A camera before which a frame is put.
struct Camera(Vec<u8>);

impl FrameSource for Camera {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        shot.reshape(SIDE, SIDE).copy_from_slice(&self.0);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

struct Pressed(Option<Action<'static>>);

impl Buttons for Pressed {
    fn poll(&mut self) -> Option<Action<'_>> {
        self.0.take()
    }
}

/// Messages and hints of the screen.
#[derive(Default)]
struct Words {
    messages: Vec<String>,
    hints: Vec<String>,
}

impl Screen for Words {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        if let State::Message(text) = moment.state {
            self.messages.push(text.to_string());
        }
        self.hints.push(moment.hint.to_string());
        Ok(())
    }
}

/// Recipe whose result is always kept, in few steps.
fn always() -> Tuning {
    Tuning { epochs: Some(1), folds: 2, least_t: f32::NEG_INFINITY, ..Tuning::default() }
}

fn settings(tunes: Tunes) -> Settings {
    let names = NAMES.map(str::to_string).to_vec();
    Settings { names, patience: Duration::ZERO, tunes, ..Settings::default() }
}

struct Device {
    session: Session,
    camera: Camera,
    screen: Words,
}

impl Device {
    fn start(path: &Path, tunes: Tunes) -> Self {
        let memory = match tunes {
            Tunes::Idle(_) => Memory::open_for_tuning(path, &extractor(), limits()),
            _ => Memory::open(path, &extractor(), limits()),
        };
        let session = Session::new(extractor(), Some(memory.unwrap()), settings(tunes)).unwrap();
        Self { session, camera: Camera(pixels(0, 0)), screen: Words::default() }
    }

    fn step(&mut self, action: Option<Action<'static>>) {
        let mut ports = Ports {
            source: &mut self.camera,
            buttons: &mut Pressed(action),
            screen: &mut self.screen,
            led: &mut NoLed,
        };
        self.session.step(&mut ports).unwrap();
    }

    fn teach(&mut self, class: usize, seed: u64) {
        self.camera.0 = pixels(class, seed);
        self.step(Some(Action::Teach(class)));
    }

    /// Frames until all work on the lessons is done.
    fn idle(&mut self) {
        (0..300).for_each(|_| self.step(None));
        assert!(!self.screen.hints.last().unwrap().starts_with("tuning"), "300 frames suffice");
    }

    /// Bytes of the head, and the tail, as they are in the file.
    fn kept(path: &Path) -> (Vec<u8>, Option<Vec<u8>>) {
        // As after a power cut: a copy, since the device still has the file.
        let copy = path.with_extension("copy");
        fs::copy(path, &copy).unwrap();
        let memory = Memory::open(&copy, &extractor(), limits()).unwrap();
        let session = Session::new(extractor(), Some(memory), settings(Tunes::No)).unwrap();
        let tail = session.tail().map(|tail| tail.bytes().to_vec());
        let bytes = session.head().to_bytes();
        drop(session);
        fs::remove_file(&copy).unwrap();
        (bytes, tail)
    }
}

/// Lessons in their order, and how many of them the tail was tuned on.
#[derive(Default, Clone)]
struct Model {
    classes: usize,
    lessons: Vec<(usize, u64)>,
    tail: Option<TunedTail>,
    tuned: usize,
}

impl Model {
    /// Lessons that are there tune what they tune in one go.
    fn tune(&mut self) {
        let mut extractor = extractor();
        let mut present: Vec<usize> = self.lessons.iter().map(|lesson| lesson.0).collect();
        present.sort_unstable();
        present.dedup();
        let mut maps = Maps::new(&mut extractor, present.len() as u16).unwrap();
        for &(class, seed) in &self.lessons {
            let class = present.iter().position(|other| *other == class).unwrap();
            let pixels = pixels(self.lessons_class(seed), seed);
            let frame = Frame::rgb(SIDE, SIDE, &pixels).unwrap();
            maps.add_frame(class, &mut extractor, &frame).unwrap();
        }
        let enough = |class: &usize| self.lessons.iter().filter(|l| l.0 == *class).count() >= 2;
        if present.len() < 2 || !present.iter().all(enough) {
            return;
        }
        self.tail = maps.finetune(&extractor, &always(), |_| {}).unwrap().tail;
        self.tuned = self.lessons.len();
    }

    /// Class of a lesson by its number.
    fn lessons_class(&self, seed: u64) -> usize {
        self.lessons.iter().find(|lesson| lesson.1 == seed).unwrap().0
    }

    fn remove(&mut self, at: usize) {
        self.lessons.remove(at);
        if at < self.tuned {
            (self.tail, self.tuned) = (None, 0);
        }
    }

    /// Head that is taught these lessons and never anything else.
    fn head(&self) -> Head {
        let mut extractor = extractor();
        extractor.set_tail(self.tail.as_ref()).unwrap();
        let mut head = Head::new(HeadKind::Auto, &extractor, limits()).unwrap();
        head.set_when_full(WhenFull::Herding);
        for name in &NAMES[..self.classes] {
            head.add_class(name).unwrap();
        }
        for &(class, seed) in &self.lessons {
            let id = head.class_at(class).unwrap();
            let pixels = pixels(class, seed);
            let frame = Frame::rgb(SIDE, SIDE, &pixels).unwrap();
            head.add_sample(id, extractor.embed(&frame).unwrap()).unwrap();
        }
        head
    }

    fn check(&self, device: &Device, path: &Path, after: &str) {
        let wanted = self.head().to_bytes();
        let tail = self.tail.as_ref().map(|tail| tail.bytes().to_vec());
        assert_eq!(device.session.tail().map(|tail| tail.bytes().to_vec()), tail, "{after}");
        assert!(device.session.head().to_bytes() == wanted, "{after}: another head");
        if !self.lessons.is_empty() || self.classes > 0 {
            let kept = Device::kept(path);
            assert!(kept == (wanted, tail), "{after}: the file has another state");
        }
    }
}

/// Lessons, undo, forgetting, removal and time in any order: the head is the one that was taught the
/// lessons on the network of its tail, the tail the one that they tune; or neither was ever tuned.
#[test]
fn tuning_agrees_with_a_plain_model() {
    let dir = tempfile::tempdir().unwrap();
    let mut tuned = 0;
    let mut dropped = 0;
    for round in 0..6 {
        let path = dir.path().join(format!("lessons-{round}"));
        let mut device = Device::start(&path, Tunes::Idle(always()));
        let mut model = Model::default();
        let mut before: Option<Model> = None;
        let mut random = Random(round);
        for number in 0..80 {
            let was = model.tail.is_some();
            let place = random.below(NAMES.len());
            let after = match random.below(12) {
                0..=5 => {
                    device.teach(place, number);
                    model.classes = model.classes.max(place + 1);
                    model.lessons.push((place, number));
                    before = None;
                    "a lesson"
                }
                6 => {
                    device.step(Some(Action::Undo));
                    match before.take() {
                        Some(forgotten) => model = forgotten,
                        None if !model.lessons.is_empty() => model.remove(model.lessons.len() - 1),
                        None => {}
                    }
                    "undo"
                }
                7 => {
                    device.step(Some(Action::Forget(place)));
                    if let Some(at) = model.lessons.iter().rposition(|lesson| lesson.0 == place) {
                        model.remove(at);
                        before = None;
                    }
                    "forget"
                }
                8 if random.below(4) == 0 => {
                    device.step(Some(Action::ForgetAll));
                    if !model.lessons.is_empty() {
                        before = Some(std::mem::take(&mut model));
                    }
                    "forget all"
                }
                9 => {
                    // Some steps of tuning, which the next lesson throws away.
                    (0..random.below(60)).for_each(|_| device.step(None));
                    device.teach(place, number);
                    model.classes = model.classes.max(place + 1);
                    model.lessons.push((place, number));
                    before = None;
                    if device.session.tail().map(TunedTail::id)
                        != model.tail.as_ref().map(TunedTail::id)
                    {
                        // The tuning was done before the lesson.
                        let lesson = model.lessons.pop().unwrap();
                        model.tune();
                        model.lessons.push(lesson);
                    }
                    "an interruption"
                }
                _ => {
                    device.idle();
                    model.tune();
                    "idle"
                }
            };
            model.check(&device, &path, &format!("{round}.{number} {after}"));
            tuned += u32::from(model.tail.is_some() && !was);
            dropped += u32::from(model.tail.is_none() && was);
        }
        let words = &device.screen;
        let percents = words.hints.iter().filter(|hint| hint.starts_with("tuning ")).count();
        assert!(percents > 20, "progress was on the screen {percents} times");
        assert!(words.messages.iter().any(|text| text.starts_with("Tuned: ")), "the verdict too");
    }
    assert!(tuned > 8 && dropped > 5, "tuned {tuned} times, dropped {dropped} times");
}

/// A sample that a full head evicts is lost to its maps as well.
#[test]
fn a_full_head_is_tuned_on_what_it_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let mut device = Device::start(&path, Tunes::Idle(always()));
    let room = u64::from(limits().samples);
    for seed in 0..room + 9 {
        device.teach((seed % 2) as usize, seed);
    }
    let plain: Vec<Vec<u8>> =
        device.session.head().samples().map(|(_, e)| e.bytes().collect()).collect();
    (0..400).for_each(|_| device.step(None));
    let tail = device.session.tail().expect("always kept").clone();
    let mut tuned = extractor();
    tuned.set_tail(Some(&tail)).unwrap();
    // Each embedding is that of a lesson, on both networks.
    let mut own = extractor();
    let mut pairs = Vec::new();
    for seed in 0..room + 9 {
        let pixels = pixels((seed % 2) as usize, seed);
        let frame = Frame::rgb(SIDE, SIDE, &pixels).unwrap();
        let before: Vec<u8> = own.embed(&frame).unwrap().bytes().collect();
        pairs.push((before, tuned.embed(&frame).unwrap().bytes().collect::<Vec<u8>>()));
    }
    let after: Vec<Vec<u8>> =
        device.session.head().samples().map(|(_, e)| e.bytes().collect()).collect();
    assert_eq!((plain.len(), after.len()), (room as usize, room as usize));
    for pair in plain.into_iter().zip(after) {
        assert!(pairs.contains(&pair), "an embedding without its map");
    }
}

#[test]
fn what_is_no_better_is_refused_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let never = Tuning { least_t: f32::INFINITY, ..always() };
    let mut device = Device::start(&path, Tunes::Idle(never));
    for seed in 0..8 {
        device.teach((seed % 2) as usize, seed);
    }
    let before = device.session.head().to_bytes();
    device.idle();
    assert!(device.session.tail().is_none() && device.session.head().to_bytes() == before);
    let said = "Not tuned: no better on held-out lessons";
    assert!(device.screen.messages.iter().any(|text| text == said), "{:?}", device.screen.messages);
    // Not again until the lessons change.
    device.screen.hints.clear();
    device.idle();
    assert!(device.screen.hints.iter().all(|hint| !hint.starts_with("tuning")));
}

/// Tuning is taken back exactly, and a tuned file goes on without the option.
#[test]
fn tuning_is_undone_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let mut device = Device::start(&path, Tunes::Idle(always()));
    for seed in 0..8 {
        device.teach((seed % 2) as usize, seed);
    }
    let before = device.session.head().to_bytes();
    device.idle();
    let tail = device.session.tail().expect("always kept").clone();
    let tuned = device.session.head().to_bytes();
    assert_ne!(before, tuned);
    drop(device);
    let device = Device::start(&path, Tunes::No);
    assert_eq!(device.session.tail(), Some(&tail));
    assert!(device.session.head().to_bytes() == tuned);
    drop(device);
    let device = Device::start(&path, Tunes::Undone);
    assert!(device.session.tail().is_none() && device.session.head().to_bytes() == before);
    drop(device);
    let device = Device::start(&path, Tunes::No);
    assert!(device.session.tail().is_none() && device.session.head().to_bytes() == before);
}

#[test]
fn what_cannot_be_tuned_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    // A file of lessons without maps.
    let mut plain = Device::start(&path, Tunes::No);
    plain.teach(0, 1);
    drop(plain);
    let before = fs::read(&path).unwrap();
    let error = Memory::open_for_tuning(&path, &extractor(), limits()).unwrap_err().to_string();
    assert!(error.contains("kept without what tuning needs: name another file"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
    // A network without a tail.
    let other = Extractor::from_bytes(every_operation()).unwrap();
    let path = dir.path().join("others");
    let error = Memory::open_for_tuning(&path, &other, limits()).unwrap_err().to_string();
    assert!(error.contains("nothing can be tuned") && !path.exists(), "{error}");
    let error = Session::new(other, None, settings(Tunes::Idle(always()))).unwrap_err();
    assert!(error.to_string().contains("nothing can be tuned"), "{error}");
}

/// Record of a file.
fn record(path: &Path) -> Vec<u8> {
    let size = fs::metadata(path).unwrap().len();
    let mut store = Store::open(FileMedium::open(path, size).unwrap()).unwrap();
    let mut room = vec![0; store.capacity()];
    store.load(&mut room).unwrap().unwrap().to_vec()
}

/// The power fails at each step of the save that replaces a plain head with a tuned one and its tail,
/// or takes the tail back: the old pair is there, or the new one.
#[test]
fn a_power_cut_never_mixes_head_and_tail() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let mut device = Device::start(&path, Tunes::Idle(always()));
    for seed in 0..6 {
        device.teach((seed % 2) as usize, seed);
    }
    drop(device);
    let plain = record(&path);
    let mut device = Device::start(&path, Tunes::Idle(always()));
    device.idle();
    assert!(device.session.tail().is_some());
    drop(device);
    let tuned = record(&path);
    assert_ne!(plain, tuned);
    let mut random = Random(7);
    for (old, new) in [(&plain, &tuned), (&tuned, &plain)] {
        let most = old.len().max(new.len()) as u32;
        let blank = vec![0; medium_size(most, 64).unwrap() as usize];
        let mut store = Store::open(FaultyMedium::new(blank, 64).unwrap()).unwrap();
        store.save(old).unwrap();
        let medium = store.into_medium();
        let mut whole = Store::open(medium.clone()).unwrap();
        let first = whole.medium_mut().counts().steps;
        whole.save(new).unwrap();
        let steps = whole.medium_mut().counts().steps - first;
        let mut found = [0; 2];
        // A step is a byte; the last ones are those of the header.
        for step in (0..steps - 100).step_by(23).chain(steps - 100..=steps) {
            let mut store = Store::open(medium.clone()).unwrap();
            store.medium_mut().cut_after(step);
            let is_saved = store.save(new).is_ok();
            let cut = store.into_medium();
            for fate in [Fate::Lost, Fate::Kept, Fate::Mixed(u64::from(random.bits()))] {
                let mut store = Store::open(cut.after_cut(|_, _| fate)).unwrap();
                let mut room = vec![0; store.capacity()];
                let loaded = store.load(&mut room).unwrap().unwrap();
                let is_new = loaded == new.as_slice();
                assert!(is_new || loaded == old.as_slice() && !is_saved, "step {step}");
                found[usize::from(is_new)] += 1;
            }
        }
        assert!(found[0] > 100 && found[1] > 0, "{found:?}");
    }
    // Either record is a whole pair; one with the head of the other is refused.
    for whole in [&plain, &tuned] {
        assert!(opened(dir.path(), whole).is_ok());
    }
    let head = |record: &[u8]| u32::from_le_bytes(record[12..16].try_into().unwrap()) as usize;
    let length = head(&plain);
    assert_eq!(length, head(&tuned));
    let mut mixed = tuned.clone();
    mixed[24..24 + length].copy_from_slice(&plain[24..24 + length]);
    let error = opened(dir.path(), &mixed).unwrap_err();
    assert!(error.contains("package"), "{error}");
    // Hostile records: an error, or lessons.
    for seed in 0..2000 {
        let mut random = Random(seed);
        let mut bytes = tuned.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(if seed % 2 == 0 { 24 } else { bytes.len() });
            bytes[at] = random.bits() as u8;
        }
        bytes.truncate(if seed % 5 == 0 { random.below(bytes.len()) } else { bytes.len() });
        drop(opened(dir.path(), &bytes));
    }
}

/// Opens a file with this record.
fn opened(folder: &Path, record: &[u8]) -> Result<(), String> {
    let path = folder.join("one");
    let _ = fs::remove_file(&path);
    drop(Memory::open_for_tuning(&path, &extractor(), limits()).unwrap());
    let size = fs::metadata(&path).unwrap().len();
    assert_eq!(size % u64::from(FILE_SECTOR), 0);
    let mut store = Store::open(FileMedium::open(&path, size).unwrap()).unwrap();
    store.save(record).unwrap();
    drop(store);
    let memory = Memory::open(&path, &extractor(), limits()).map_err(|error| error.to_string())?;
    Session::new(extractor(), Some(memory), settings(Tunes::No))
        .map(|_| ())
        .map_err(|error| error.to_string())
}
