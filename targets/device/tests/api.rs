//! The service of a running device: random sequences of requests against a plain head, bad requests,
//! events, a camera that is gone, and clients that would hold the loop up.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use offshoot::{Extractor, Frame, Head, HeadKind, NOTHING, WhenFull};
use offshoot_device::{
    Action, Address, ApiOptions, Buttons, Callers, CapturedFrame, Feed, Flow, FrameSource,
    MOST_CLASSES, Memory, NoLed, Ports, Session, Settings, SourceError, Tee, limits, serve_api,
};
use serde_json::Value;
use ureq::Agent;

const SIDE: u32 = 8;

fn extractor() -> Extractor {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/tests/tiny.offshoot");
    Extractor::open(path).unwrap()
}

/// Pixels of a frame with a seed.
fn pixels(seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..3 * SIDE * SIDE)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as u8
        })
        .collect()
}

/// Scene before the camera, and how the camera is.
#[derive(Default)]
struct Scene {
    seed: AtomicU32,
    frames: AtomicU32,
    is_gone: AtomicBool,
    is_stuck: AtomicBool,
    is_over: AtomicBool,
}

/// Camera of a scene.
struct Camera(Arc<Scene>);

impl FrameSource for Camera {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        thread::sleep(Duration::from_millis(2));
        while self.0.is_stuck.load(Ordering::SeqCst) && !self.0.is_over.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(2));
        }
        if self.0.is_gone.load(Ordering::SeqCst) {
            return Err(SourceError::Silent(1));
        }
        shot.reshape(SIDE, SIDE).copy_from_slice(&pixels(self.0.seed.load(Ordering::SeqCst)));
        self.0.frames.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Keys, and the end.
struct Keys(mpsc::Receiver<Action<'static>>, Arc<Scene>);

impl Buttons for Keys {
    fn poll(&mut self) -> Option<Action<'_>> {
        let is_over = self.1.is_over.load(Ordering::SeqCst);
        if is_over { Some(Action::Quit) } else { self.0.try_recv().ok() }
    }
}

/// A device with its loop on a thread.
struct Device {
    scene: Arc<Scene>,
    keys: mpsc::Sender<Action<'static>>,
    agent: Agent,
    base: String,
    thread: Option<JoinHandle<()>>,
}

impl Device {
    fn start(memory: Option<&Path>) -> Self {
        let extractor = extractor();
        let memory = memory.map(|path| Memory::open(path, &extractor, limits()).unwrap());
        let settings = Settings { patience: Duration::from_millis(5), ..Settings::default() };
        let session = Session::new(extractor, memory, settings).unwrap();
        let options = ApiOptions { address: Address::parse("0").unwrap(), token: None };
        let (feed, callers) = serve_api(&options).unwrap();
        let base = feed.url().trim_end_matches('/').to_string();
        let scene = Arc::new(Scene::default());
        let (keys, pressed) = mpsc::channel();
        let buttons = Tee(Keys(pressed, Arc::clone(&scene)), callers);
        let source = Camera(Arc::clone(&scene));
        let thread = Some(thread::spawn(move || run(session, source, buttons, feed)));
        let config = Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(30))).build().into();
        Self { scene, keys, agent, base, thread }
    }

    fn send(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let request = ureq::http::Request::builder().method(method);
        let request = request.uri(format!("{}{path}", self.base)).body(b"".as_slice()).unwrap();
        let mut reply = self.agent.run(request).unwrap();
        (reply.status().as_u16(), reply.body_mut().read_to_vec().unwrap())
    }

    fn json(&self, method: &str, path: &str) -> Value {
        let (status, body) = self.send(method, path);
        assert_eq!(status, 200, "{method} {path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Sends a request that is refused by a sentence.
    fn refused(&self, method: &str, path: &str, wanted: u16) {
        let (status, text) = self.send(method, path);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(status, wanted, "{method} {path}: {text}");
        assert!(text.trim_end().lines().count() == 1 && text.len() > 10, "{path}: {text}");
    }

    fn look(&self, seed: u32) {
        self.scene.seed.store(seed, Ordering::SeqCst);
    }

    fn samples(&self) -> BTreeMap<String, usize> {
        serde_json::from_value(self.json("GET", "/")["classes"].take()).unwrap()
    }

    fn listen(&self) -> impl Iterator<Item = Value> + use<> {
        let address = self.base.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == ": events follow"));
        lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.scene.is_over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn run(mut session: Session, mut source: Camera, mut buttons: Tee<Keys, Callers>, mut feed: Feed) {
    let mut ports =
        Ports { source: &mut source, buttons: &mut buttons, screen: &mut feed, led: &mut NoLed };
    while session.step(&mut ports).unwrap() == Flow::Next {}
}

/// Plain model: the facade's own extractor and head.
struct Model {
    extractor: Extractor,
    head: Head,
}

impl Model {
    fn new() -> Self {
        let extractor = extractor();
        let mut head = Head::new(HeadKind::Auto, &extractor, limits()).unwrap();
        head.set_when_full(WhenFull::Herding);
        Self { extractor, head }
    }

    /// Teaches a frame; returns false if there is no place for a new class.
    fn teach(&mut self, class: &str, seed: u32) -> bool {
        let ordinary = self.head.classes().filter(|(_, name)| *name != NOTHING).count();
        let id = match self.head.class_named(class) {
            Some(id) => id,
            None if class != NOTHING && ordinary == MOST_CLASSES => return false,
            None => self.head.add_class(class).unwrap(),
        };
        let pixels = pixels(seed);
        let frame = Frame::rgb(SIDE, SIDE, &pixels).unwrap();
        self.head.add_sample(id, self.extractor.embed(&frame).unwrap()).unwrap();
        true
    }

    fn samples(&self) -> BTreeMap<String, usize> {
        let classes = self.head.classes();
        classes.map(|(id, name)| (name.to_string(), self.head.samples_of(id))).collect()
    }

    /// Compares the answer that the device comes to after some frames.
    fn check(&mut self, device: &Device, seed: u32) {
        let mut moment = device.json("GET", "/moment");
        for _ in 0..14 {
            let next = device.json("GET", "/moment");
            assert!(next["number"].as_u64() > moment["number"].as_u64());
            moment = next;
        }
        self.head.fit().unwrap();
        let pixels = pixels(seed);
        let embedding = self.extractor.embed(&Frame::rgb(SIDE, SIDE, &pixels).unwrap()).unwrap();
        let answer = self.head.classify(embedding).unwrap();
        let known = answer.known().map(|class| self.head.class_name(class).unwrap());
        let sure = answer.confidence().get();
        let found = moment["confidence"].as_f64().unwrap() as f32;
        assert_eq!(moment["event"], "classified");
        match known {
            Some(name) => {
                assert!((found - sure).abs() < 1e-3, "{found} and {sure}");
                assert_eq!(moment["nearest"], name);
                if (sure - 0.6).abs() > 0.01 {
                    assert_eq!(moment["class"].as_str(), known.filter(|_| sure > 0.6));
                }
            }
            None => assert!(found < 1e-3 && moment["class"].is_null()),
        }
    }
}

/// Names, and their paths.
const NAMES: [(&str, &str); 12] = [
    ("mug", "mug"),
    ("plant pot", "plant%20pot"),
    ("\u{447}\u{430}\u{448}\u{43a}\u{430}", "%D1%87%D0%B0%D1%88%D0%BA%D0%B0"),
    ("thing 4", "thing%204"),
    (NOTHING, NOTHING),
    ("a/b", "a%2Fb"),
    ("c", "c"),
    ("d", "d"),
    ("e", "e"),
    ("f", "f"),
    ("g", "g"),
    ("thing 1", "thing%201"),
];

#[test]
fn sequences_of_requests_are_those_of_a_plain_head() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lessons.store");
    let mut device = Device::start(Some(&file));
    let mut model = Model::new();
    let mut random = 1u32;
    let mut below = |limit: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) % limit
    };
    for step in 0..300 {
        let seed = below(40);
        device.look(seed);
        let (name, path) = NAMES[below(12) as usize];
        let changed = match below(14) {
            0..7 => {
                let (status, body) = device.send("POST", &format!("/teach/{path}"));
                let is_taught = model.teach(name, seed);
                assert_eq!(status, if is_taught { 200 } else { 409 }, "step {step}");
                is_taught.then(|| serde_json::from_slice::<Value>(&body).unwrap())
            }
            7 => match model.head.undo() {
                Some(class) => {
                    let changed = device.json("POST", "/undo");
                    assert_eq!(changed["class"], model.head.class_name(class).unwrap());
                    Some(changed)
                }
                None => {
                    device.refused("POST", "/undo", 409);
                    None
                }
            },
            8 | 9 => match model.head.class_named(name) {
                Some(class) => {
                    model.head.remove_class(class).unwrap();
                    Some(device.json("DELETE", &format!("/classes/{path}")))
                }
                None => {
                    device.refused("DELETE", &format!("/classes/{path}"), 404);
                    None
                }
            },
            10 => {
                assert_eq!(device.send("GET", "/head").1, model.head.to_bytes(), "step {step}");
                None
            }
            11 => {
                drop(device);
                device = Device::start(Some(&file));
                None
            }
            _ if model.head.sample_count() == 0 => {
                device.refused("GET", "/moment", 409);
                device.refused("GET", "/report", 409);
                None
            }
            12 => {
                model.check(&device, seed);
                None
            }
            _ => {
                let report = device.json("GET", "/report");
                model.head.fit().unwrap();
                let own = model.head.report().unwrap();
                assert_eq!(
                    (&report["asked"], &report["right"]),
                    (&own.asked().into(), &own.right().into())
                );
                None
            }
        };
        let samples = match changed {
            Some(changed) => serde_json::from_value(changed["samples"].clone()).unwrap(),
            None => device.samples(),
        };
        assert_eq!(samples, model.samples(), "step {step}");
    }
}

#[test]
fn bad_requests_get_a_sentence_and_change_nothing() {
    let device = Device::start(None);
    device.json("POST", "/teach/mug");
    let head = device.send("GET", "/head").1;
    let long = format!("/teach/{}", "x".repeat(65));
    for (method, path, wanted) in [
        ("POST", "/teach/", 400),
        ("POST", "/teach/a%00b", 400),
        ("POST", "/teach/%ff", 400),
        ("POST", &long, 400),
        ("GET", "/teach/mug", 405),
        ("PUT", "/head", 405),
        ("POST", "/moment", 405),
        ("DELETE", "/classes/plant", 404),
        ("DELETE", "/classes/nothing", 404),
        ("GET", "/nothing", 404),
    ] {
        device.refused(method, path, wanted);
    }
    assert_eq!(device.send("GET", "/head").1, head);
    let request =
        ureq::http::Request::builder().method("POST").header("Origin", "http://evil.example");
    let request = request.uri(format!("{}/undo", device.base)).body(b"".as_slice()).unwrap();
    assert_eq!(device.agent.run(request).unwrap().status().as_u16(), 403);
    let (status, contract) = device.send("GET", "/openapi.yaml");
    assert!(status == 200 && contract.starts_with(b"openapi: 3.1"));
}

#[test]
fn frames_and_events_are_those_of_the_loop() {
    let device = Device::start(None);
    let mut events = device.listen();
    // Grey of one shade: JPEG keeps it.
    device.look(3);
    let image = device.send("GET", "/frame").1;
    let image = image::load_from_memory(&image).unwrap().into_rgb8();
    assert_eq!(image.dimensions(), (SIDE, SIDE));
    let mean =
        |bytes: &[u8]| bytes.iter().map(|byte| f64::from(*byte)).sum::<f64>() / bytes.len() as f64;
    assert!((mean(image.as_raw()) - mean(&pixels(3))).abs() < 4.0);
    device.json("POST", "/teach/mug");
    let taught = events.next().unwrap();
    assert_eq!((&taught["event"], &taught["class"]), (&"taught".into(), &"mug".into()));
    assert_eq!((&taught["samples"]["mug"], taught["nearest"].is_null()), (&1.into(), true));
    let answered = events.next().unwrap();
    assert_eq!((&answered["event"], &answered["nearest"]), (&"classified".into(), &"mug".into()));
    // What is pressed on the device itself is an event, too.
    device.keys.send(Action::Teach(1)).unwrap();
    let taught = events.find(|event| event["event"] == "taught").unwrap();
    assert_eq!((&taught["class"], &taught["samples"]["thing 2"]), (&"thing 2".into(), &1.into()));
    device.keys.send(Action::Undo).unwrap();
    let undone = events.find(|event| event["event"] == "undone").unwrap();
    assert_eq!((&undone["class"], &undone["samples"]["thing 2"]), (&"thing 2".into(), &0.into()));
    device.json("DELETE", "/classes/mug");
    let forgotten = events.find(|event| event["event"] == "forgotten").unwrap();
    assert_eq!(forgotten["class"], "mug");
    drop(device);
    assert!(events.count() < 200, "the stream ends with the device");
}

#[test]
fn a_camera_that_is_gone_is_said_and_what_came_too_late_is_not_done() {
    let device = Device::start(None);
    device.json("POST", "/teach/mug");
    device.scene.is_gone.store(true, Ordering::SeqCst);
    thread::sleep(Duration::from_millis(50));
    for (method, path) in [("POST", "/teach/mug"), ("GET", "/moment"), ("GET", "/frame")] {
        device.refused(method, path, 503);
    }
    assert_eq!(device.samples()["mug"], 1, "about the head it still answers");
    device.scene.is_gone.store(false, Ordering::SeqCst);
    device.json("GET", "/moment");
    device.scene.is_stuck.store(true, Ordering::SeqCst);
    thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    thread::scope(|scope| {
        for (method, path) in
            [("POST", "/teach/mug"), ("GET", "/moment"), ("GET", "/"), ("POST", "/teach/mug")]
        {
            let device = &device;
            scope.spawn(move || device.refused(method, path, 503));
        }
    });
    assert!(start.elapsed() < Duration::from_secs(6));
    device.scene.is_stuck.store(false, Ordering::SeqCst);
    for _ in 0..4 {
        device.json("GET", "/moment");
    }
    assert_eq!(device.samples()["mug"], 1);
}

#[test]
fn clients_do_not_hold_the_loop_up() {
    let device = Device::start(None);
    device.json("POST", "/teach/mug");
    let address = device.base.strip_prefix("http://").unwrap();
    // Half a request, streams that nobody reads, and many questions.
    let mut silent = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\nGET").unwrap();
        silent.push(stream);
    }
    let end = Instant::now() + Duration::from_secs(2);
    let before = device.scene.frames.load(Ordering::SeqCst);
    thread::scope(|scope| {
        for path in ["/frame", "/report", "/head", "/", "/moment", "/frame"] {
            let device = &device;
            scope.spawn(move || {
                while Instant::now() < end {
                    let (status, _) = device.send("GET", path);
                    assert!(matches!(status, 200 | 503), "{path}: {status}");
                }
            });
        }
    });
    let frames = device.scene.frames.load(Ordering::SeqCst) - before;
    assert!(frames > 60, "{frames} frames in two seconds");
    let mut rest = [0; 64];
    assert!(silent[0].read(&mut rest).is_ok());
    drop(device);
}
