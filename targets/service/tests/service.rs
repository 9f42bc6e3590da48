//! The service against a plain head under random sequences of requests, and bad requests.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
use offshoot_service::{Address, Options, Service};
use serde_json::Value;
use ureq::Agent;

const SIDE: u32 = 8;
const LIMITS: Limits = Limits { classes: 3, samples: 12 };

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/tests/tiny.offshoot")
}

fn options(head: Option<PathBuf>) -> Options {
    let mut options = Options::new();
    options.address = Address::parse("0").unwrap();
    options.limits = LIMITS;
    options.token = None;
    options.head = head;
    options
}

fn start(options: &Options) -> Service {
    Service::start(Extractor::open(package()).unwrap(), options).unwrap()
}

/// A client of the service; replies are a status and a body.
struct Client {
    agent: Agent,
    base: String,
}

impl Client {
    fn of(service: &Service) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).build();
        let base = service.url().trim_end_matches('/').to_string();
        Self { agent: config.into(), base }
    }

    fn send(&self, method: &str, path: &str, body: &[u8], raw: bool) -> (u16, Vec<u8>) {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        if raw {
            let side = SIDE.to_string();
            request = request.header("Offshoot-Width", &side).header("Offshoot-Height", &side);
        }
        let mut reply = self.agent.run(request.body(body).unwrap()).unwrap();
        (reply.status().as_u16(), reply.body_mut().read_to_vec().unwrap())
    }

    fn json(&self, method: &str, path: &str, body: &[u8]) -> Value {
        let (status, body) = self.send(method, path, body, true);
        assert_eq!(status, 200, "{method} {path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }
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

/// Plain model: the facade's own extractor and head.
struct Model {
    extractor: Extractor,
    head: Head,
}

impl Model {
    fn new() -> Self {
        let extractor = Extractor::open(package()).unwrap();
        let head = Head::new(HeadKind::Auto, &extractor, LIMITS).unwrap();
        Self { extractor, head }
    }

    /// Teaches a frame; returns false if there is no room.
    fn teach(&mut self, class: &str, pixels: &[u8]) -> bool {
        let frame = Frame::rgb(SIDE, SIDE, pixels).unwrap();
        let embedding = self.extractor.embed(&frame).unwrap();
        let known = self.head.class_named(class);
        let Some(id) = known.or_else(|| self.head.add_class(class).ok()) else { return false };
        self.head.add_sample(id, embedding).is_ok()
    }

    fn undo(&mut self) -> Option<String> {
        let class = self.head.undo()?;
        let name = self.head.class_name(class).unwrap().to_string();
        if self.head.samples_of(class) == 0 {
            self.head.remove_class(class).unwrap();
        }
        Some(name)
    }

    fn samples(&self) -> BTreeMap<String, usize> {
        let classes = self.head.classes();
        classes.map(|(id, name)| (name.to_string(), self.head.samples_of(id))).collect()
    }

    fn check(&mut self, answer: &Value, pixels: &[u8]) {
        self.head.fit().unwrap();
        let frame = Frame::rgb(SIDE, SIDE, pixels).unwrap();
        let mut shares = vec![0.0; self.head.class_count()];
        let embedding = self.extractor.embed(&frame).unwrap();
        let own = self.head.probabilities(embedding, &mut shares).unwrap();
        let name = |class| self.head.class_name(class).unwrap();
        assert_eq!(answer["class"].as_str(), own.known().map(name));
        assert_eq!(answer["nearest"], name(own.class()));
        assert_eq!(answer["confidence"].as_f64().unwrap() as f32, own.confidence().get());
        for ((_, name), share) in self.head.classes().zip(shares) {
            assert_eq!(answer["probabilities"][name].as_f64().unwrap() as f32, share);
        }
    }
}

#[test]
fn sequences_of_requests_are_those_of_a_plain_head() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("things.head");
    let mut service = start(&options(Some(file.clone())));
    let mut client = Client::of(&service);
    let mut model = Model::new();
    let names = ["mug", "plant pot", "\u{447}\u{430}\u{448}\u{43a}\u{430}", "fourth"];
    let paths = ["mug", "plant%20pot", "%D1%87%D0%B0%D1%88%D0%BA%D0%B0", "fourth"];
    let mut random = 1u32;
    let mut below = |limit: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) % limit
    };
    let mut kept = None;
    for step in 0..600 {
        let frame = pixels(below(40));
        let which = below(4) as usize;
        let path = paths[which];
        let changed = match below(12) {
            0..5 => {
                let (status, _) = client.send("POST", &format!("/teach/{path}"), &frame, true);
                assert_eq!(status == 200, model.teach(names[which], &frame), "step {step}");
                None
            }
            5 => match model.undo() {
                Some(name) => {
                    let changed = client.json("POST", "/undo", b"");
                    assert_eq!(changed["class"], name, "step {step}");
                    Some(changed)
                }
                None => {
                    assert_eq!(client.send("POST", "/undo", b"", false).0, 409);
                    None
                }
            },
            6 => match model.head.class_named(names[which]) {
                Some(class) => {
                    model.head.remove_class(class).unwrap();
                    Some(client.json("DELETE", &format!("/classes/{path}"), b""))
                }
                None => {
                    let (status, _) =
                        client.send("DELETE", &format!("/classes/{path}"), b"", false);
                    assert_eq!(status, 404);
                    None
                }
            },
            7 => {
                kept = Some(client.send("GET", "/head", b"", false).1);
                None
            }
            8 => kept.as_ref().map(|bytes| {
                model.head = Head::from_bytes(bytes, &model.extractor).unwrap();
                client.json("PUT", "/head", bytes)
            }),
            9 => {
                drop(service);
                service = start(&options(Some(file.clone())));
                client = Client::of(&service);
                if file.exists() {
                    // An evicted sample that an undo would bring back is not in the file.
                    model.head = Head::load(&file, &model.extractor).unwrap();
                }
                None
            }
            _ if model.head.sample_count() == 0 => {
                assert_eq!(client.send("POST", "/classify", &frame, true).0, 409);
                None
            }
            _ => {
                model.check(&client.json("POST", "/classify", &frame), &frame);
                let report = client.json("GET", "/report", b"");
                let own = model.head.report().unwrap();
                assert_eq!(report["asked"], own.asked());
                assert_eq!(report["right"], own.right());
                None
            }
        };
        let samples = match changed {
            Some(changed) => changed["samples"].clone(),
            None => client.json("GET", "/", b"")["classes"].clone(),
        };
        let samples: BTreeMap<String, usize> = serde_json::from_value(samples).unwrap();
        assert_eq!(samples, model.samples(), "step {step}");
    }
}

#[test]
fn embeddings_are_those_of_the_facade() {
    let service = start(&options(None));
    let client = Client::of(&service);
    let mut extractor = Extractor::open(package()).unwrap();
    let frame = pixels(7);
    let own: Vec<f32> =
        extractor.embed(&Frame::rgb(SIDE, SIDE, &frame).unwrap()).unwrap().iter().collect();
    let found: Vec<f32> =
        serde_json::from_value(client.json("POST", "/embed", &frame)["embedding"].take()).unwrap();
    assert_eq!(found, own);
    let file = [b"P6 8 8 255\n".as_slice(), &frame].concat();
    let request = ureq::http::Request::builder()
        .method("POST")
        .uri(format!("{}/embed", client.base))
        .header("Accept", "application/octet-stream");
    let mut reply = client.agent.run(request.body(file.as_slice()).unwrap()).unwrap();
    let bytes = reply.body_mut().read_to_vec().unwrap();
    let expected: Vec<u8> = own.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn bad_requests_get_a_sentence_and_change_nothing() {
    let service = start(&options(None));
    let client = Client::of(&service);
    let frame = pixels(1);
    client.json("POST", "/teach/mug", &frame);
    let head = client.send("GET", "/head", b"", false).1;
    let mut damaged = head.clone();
    damaged[40] ^= 1;
    let long = format!("/teach/{}", "x".repeat(65));
    for (method, path, body, raw, wanted) in [
        ("POST", "/classify", b"".as_slice(), false, 400),
        ("POST", "/classify", b"no image", false, 400),
        ("POST", "/classify", &frame[1..], true, 400),
        ("POST", "/teach/", &frame, true, 400),
        ("POST", "/teach/a%00b", &frame, true, 400),
        ("POST", "/teach/%ff", &frame, true, 400),
        ("POST", &long, &frame, true, 400),
        ("POST", "/teach/new", b"no image", false, 400),
        ("GET", "/teach/mug", b"", false, 405),
        ("PUT", "/classify", &frame, true, 405),
        ("DELETE", "/classes/plant", b"", false, 404),
        ("GET", "/nothing", b"", false, 404),
        ("PUT", "/head", b"no head", false, 400),
        ("PUT", "/head", &damaged, false, 400),
    ] {
        let (status, text) = client.send(method, path, body, raw);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(status, wanted, "{method} {path}: {text}");
        assert!(text.trim_end().lines().count() == 1 && text.len() > 10, "{path}: {text}");
    }
    assert_eq!(client.send("GET", "/head", b"", false).1, head);
}

#[test]
fn events_are_streamed_and_the_newest_is_kept() {
    let service = start(&options(None));
    let client = Client::of(&service);
    assert_eq!(client.send("GET", "/moment", b"", false).0, 404);
    let address = client.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == ": events follow"));
    let frame = pixels(3);
    client.json("POST", "/teach/mug", &frame);
    client.json("POST", "/classify", &frame);
    for event in ["taught", "classified"] {
        assert!(lines.any(|line| line == format!("event: {event}")));
        let data = lines.find_map(|line| Some(line.strip_prefix("data: ")?.to_string())).unwrap();
        let moment: Value = serde_json::from_str(&data).unwrap();
        assert_eq!((&moment["event"], &moment["samples"]["mug"]), (&event.into(), &1.into()));
    }
    assert_eq!(client.json("GET", "/moment", b"")["event"], "classified");
    drop(service);
    assert!(lines.all(|line| !line.starts_with("data")), "the stream ends with the service");
}

#[cfg(unix)]
#[test]
fn a_unix_socket_serves_its_owner_and_other_pages_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api");
    let mut unix = options(None);
    unix.address = Address::Unix(path.clone());
    let service = start(&unix);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    drop(service);
    assert!(!path.exists());
    let service = start(&options(None));
    let client = Client::of(&service);
    let request = ureq::http::Request::builder()
        .method("POST")
        .uri(format!("{}/undo", client.base))
        .header("Origin", "http://evil.example");
    let reply = client.agent.run(request.body(b"".as_slice()).unwrap()).unwrap();
    assert_eq!(reply.status().as_u16(), 403);
}
