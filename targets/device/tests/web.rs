//! The page from outside, by plain HTTP: what it answers, whom it lets in, and that nobody holds it
//! up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use offshoot::Extractor;
use offshoot_device::{
    BindError, CapturedFrame, FrameSource, Memory, SHORTEST_TOKEN, Session, Settings, SourceError,
    WebError, WebOptions, limits, serve,
};
use serde_json::Value;
use ureq::Agent;

mod common;
use common::{Device, options};

/// Grey frames, brighter when the next thing is shown; or none, while it is unplugged.
struct Shade {
    shade: u8,
    pause: Duration,
}

impl FrameSource for Shade {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        thread::sleep(self.pause);
        shot.reshape(8, 8).fill(self.shade);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn show(&mut self, _: Option<&str>) {
        self.shade = self.shade.wrapping_add(210);
    }
}

fn tiny() -> (Extractor, Settings) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/tests/tiny.offshoot");
    let names = ["dark", "light"].map(str::to_string).to_vec();
    (Extractor::open(path).unwrap(), Settings { names, ..Settings::default() })
}

fn session() -> Session {
    let (extractor, settings) = tiny();
    Session::new(extractor, None, settings).unwrap()
}

fn start(options: &WebOptions) -> Device {
    Device::start(session(), Shade { shade: 20, pause: Duration::from_millis(3) }, options)
}

/// A visitor who is a page from here.
struct Visitor {
    agent: Agent,
    base: String,
    cookie: String,
}

impl Visitor {
    fn new(device: &Device) -> Self {
        let config = Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(20))).build().new_agent();
        Self { agent, base: format!("http://{}", device.address), cookie: String::new() }
    }

    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let reply = self
            .agent
            .get(format!("{}{path}", self.base))
            .header("Cookie", &self.cookie)
            .call()
            .unwrap();
        (reply.status().as_u16(), reply.into_body().read_to_vec().unwrap())
    }

    fn post(&self, path: &str, body: &str) -> (u16, Vec<u8>) {
        let request =
            self.agent.post(format!("{}{path}", self.base)).header("Cookie", &self.cookie);
        let reply = request.header("Origin", &self.base).send(body).unwrap();
        (reply.status().as_u16(), reply.into_body().read_to_vec().unwrap())
    }

    fn press(&self, path: &str, body: &str) -> Value {
        let (status, moment) = self.post(path, body);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&moment));
        serde_json::from_slice(&moment).unwrap()
    }

    fn moment(&self, query: &str) -> Value {
        let (status, moment) = self.get(&format!("/moment{query}"));
        assert_eq!(status, 200);
        serde_json::from_slice(&moment).unwrap()
    }
}

/// Sends bytes, and returns the answer until the connection is closed.
fn raw(device: &Device, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(device.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Who refuses early need not read all.
    let _ = stream.write_all(bytes);
    let mut reply = String::new();
    let _ = stream.read_to_string(&mut reply);
    reply
}

/// The banner of the page: shown from the damaged store on, gone with the next lesson that is kept.
#[test]
fn a_lost_lesson_is_told_until_the_next_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lessons");
    let open = || {
        let (extractor, settings) = tiny();
        let memory = Memory::open(&path, &extractor, limits()).unwrap();
        Session::new(extractor, Some(memory), settings).unwrap()
    };
    let shade = || Shade { shade: 20, pause: Duration::from_millis(3) };
    let device = Device::start(open(), shade(), &options("127.0.0.1:0"));
    let visitor = Visitor::new(&device);
    (0..2).for_each(|_| drop(visitor.press("/teach/0", "")));
    assert_eq!(visitor.moment("")["has_lost"], false);
    drop(device.stop());
    // The second lesson is in the second slot.
    let mut bytes = std::fs::read(&path).unwrap();
    let slot = bytes.len() / 2;
    bytes[slot + 4096 + 40] ^= 0xff;
    std::fs::write(&path, bytes).unwrap();
    let device = Device::start(open(), shade(), &options("127.0.0.1:0"));
    let visitor = Visitor::new(&device);
    assert_eq!(visitor.moment("")["has_lost"], true);
    assert!(String::from_utf8(visitor.get("/").1).unwrap().contains("id=\"damaged\""));
    assert_eq!(visitor.press("/teach/0", "")["has_lost"], false);
}

#[test]
fn what_is_pressed_is_taught_and_told() {
    let device = start(&options("127.0.0.1:0"));
    let visitor = Visitor::new(&device);
    for (path, kind) in [
        ("/", "<!doctype html>"),
        ("/style.css", ":root"),
        ("/page.js", "follow("),
        ("/points.js", "isPointing"),
        ("/source.js", "fetch("),
        ("/icon.svg", "<svg"),
    ] {
        let (status, body) = visitor.get(path);
        assert!(status == 200 && String::from_utf8(body).unwrap().contains(kind), "{path}");
    }
    assert_eq!(visitor.moment("")["state"]["is"], "welcome");
    for (class, name) in ["dark", "light"].into_iter().enumerate() {
        for lesson in 1..=3 {
            let moment = visitor.press(&format!("/teach/{class}"), "");
            assert_eq!(moment["state"]["is"], "teaching");
            assert_eq!(moment["classes"][class]["lessons"], lesson, "{name}");
        }
        visitor.press("/next", "");
    }
    // 20, 230, 184: light again.
    let moment = visitor.moment("?heat=1&report=1");
    assert_eq!((&moment["classes"][1]["name"], &moment["goal"]), (&"light".into(), &5.into()));
    assert_eq!(moment["picture"], serde_json::json!([8, 8]));
    assert_eq!(moment["has_lost"], false);
    let moment = visitor.press("/teach/nothing", "");
    assert_eq!(
        (&moment["nothing"]["lessons"], &moment["state"]["class"]),
        (&1.into(), &"nothing".into())
    );
    assert_eq!(visitor.press("/undo/nothing", "")["nothing"]["lessons"], 0);
    assert_eq!(
        visitor.press("/undo/0", "")["classes"][0]["lessons"],
        2,
        "not the last lesson of all"
    );
    assert_eq!(visitor.press("/undo", "")["classes"][1]["lessons"], 2);
    assert_eq!(visitor.press("/name/0", " night ")["classes"][0]["name"], "night");
    assert_eq!(visitor.press("/name/2", "dusk")["classes"][2]["name"], "dusk");
    let refused = visitor.press("/name/2", "night");
    assert_eq!(
        (&refused["classes"][2]["name"], &refused["state"]["is"]),
        (&"dusk".into(), &"message".into())
    );
    for (path, lessons) in [("/forget", 0), ("/undo", 2)] {
        let moment = visitor.press(path, "");
        let kept = [0, 1].map(|class| moment["classes"][class]["lessons"].clone());
        assert_eq!(kept, [lessons; 2], "{path}");
        assert_eq!(moment["can_forget"], lessons > 0);
    }
    assert_eq!(visitor.press("/name/1", "")["classes"][1]["name"], "light", "a name is not empty");
    let image = image::load_from_memory(&visitor.get("/picture.jpg").1).unwrap().into_rgb8();
    assert_eq!(image.dimensions(), (8, 8));
    // What was asked for a moment ago is there by now.
    let report = (0..50)
        .map(|_| visitor.moment("?report=1"))
        .find(|moment| !moment["report"].is_null())
        .unwrap();
    assert_eq!((&report["report"]["asked"], &report["report"]["right"]), (&4.into(), &4.into()));
    for path in ["/teach/9", "/teach/x", "/nothing"] {
        assert_eq!(visitor.post(path, "").0, 404, "{path}");
    }
    assert_eq!(visitor.get("/nothing").0, 404);
    let head = device.stop();
    let taught: Vec<_> =
        head.head().classes().map(|(id, name)| (name, head.head().shown_of(id))).collect();
    assert_eq!(taught, [("night", 2), ("light", 2), ("nothing", 0)]);
}

#[test]
fn moments_are_new_ones() {
    let device = start(&options("127.0.0.1:0"));
    let visitor = Visitor::new(&device);
    let mut last = 0;
    for _ in 0..20 {
        let frame = visitor.moment(&format!("?after={last}"))["frame"].as_u64().unwrap();
        assert!(frame > last);
        last = frame;
    }
}

#[test]
fn a_token_is_asked_for_where_others_can_connect() {
    let device = start(&options("0.0.0.0:0"));
    let token = device.url.rsplit_once("/?token=").expect("the address tells the token").1;
    assert!(token.len() >= SHORTEST_TOKEN && token != "0.0.0.0");
    let mut visitor = Visitor::new(&device);
    visitor.base = format!("http://127.0.0.1:{}", device.address.port());
    for path in [
        "/",
        "/moment",
        "/picture.jpg",
        "/page.js",
        "/?token=",
        "/?token=0123456789abcdef0123456789abcdef",
    ] {
        assert_eq!(visitor.get(path).0, 403, "{path}");
    }
    assert_eq!(visitor.post("/teach/0", "").0, 403);
    let reply = visitor.agent.get(format!("{}/?token={token}", visitor.base)).call().unwrap();
    let cookie = reply.headers()["set-cookie"].to_str().unwrap().to_string();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    visitor.cookie = cookie.split(';').next().unwrap().to_string();
    assert_eq!(visitor.moment("")["state"]["is"], "welcome");
    assert_eq!(visitor.press("/teach/0", "")["classes"][0]["lessons"], 1);
    visitor.cookie.push('0');
    assert_eq!(visitor.get("/moment").0, 403);
    for token in ["short", "with spaces and more", "0123456789abcde"] {
        let options = WebOptions { token: Some(token.to_string()), ..options("127.0.0.1:0") };
        assert!(matches!(serve(&options), Err(WebError::Bind(BindError::Token))), "{token}");
    }
    let taken = WebOptions {
        address: ([127, 0, 0, 1], device.address.port()).into(),
        ..options("127.0.0.1:0")
    };
    let error = serve(&taken).expect_err("the port is taken").to_string();
    assert!(error.contains("take another port"), "{error}");
}

/// The device's own network is full of others: they hold no place from which they could keep
/// somebody out.
#[test]
fn crowds_without_the_token_keep_nobody_out() {
    let device = start(&options("0.0.0.0:0"));
    let token = device.url.rsplit_once("/?token=").expect("the address tells the token").1;
    let mut visitor = Visitor::new(&device);
    visitor.base = format!("http://127.0.0.1:{}", device.address.port());
    let connect = || TcpStream::connect(("127.0.0.1", device.address.port())).unwrap();
    // They say nothing; they ask without the token, again and again.
    let crowd: Vec<TcpStream> = (0..40).map(|_| connect()).collect();
    let asking: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = connect();
            let _ = stream
                .write_all(b"GET /moment HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(3).as_slice());
            stream
        })
        .collect();
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(visitor.get(&format!("/moment?token={token}")).0, 200);
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    // A refusal is the last that is said.
    let mut said = String::new();
    let mut stream = connect();
    stream.write_all(b"GET /moment HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 403") && said.contains("connection: close"), "{said}");
    drop((crowd, asking));
}

#[test]
fn other_names_and_other_pages_are_refused() {
    let device = start(&options("127.0.0.1:0"));
    let host = device.address;
    let status = |request: &str| {
        raw(&device, request.as_bytes()).lines().next().unwrap_or_default().to_string()
    };
    let ok = "HTTP/1.1 200 OK";
    let forbidden = "HTTP/1.1 403 Forbidden";
    for (headers, wanted) in [
        (format!("Host: {host}"), ok),
        ("Host: localhost:1".to_string(), ok),
        ("Host: rebound.example".to_string(), forbidden),
        ("X: no host".to_string(), forbidden),
    ] {
        let request = format!("GET / HTTP/1.1\r\nConnection: close\r\n{headers}\r\n\r\n");
        assert_eq!(status(&request), wanted, "{headers}");
    }
    for (headers, wanted) in [
        (format!("Origin: http://{host}"), ok),
        ("Sec-Fetch-Site: same-origin".to_string(), ok),
        ("Sec-Fetch-Site: cross-site".to_string(), forbidden),
        ("Origin: http://evil.example".to_string(), forbidden),
        ("X: nothing".to_string(), forbidden),
    ] {
        let request = format!(
            "POST /undo HTTP/1.1\r\nConnection: close\r\nHost: {host}\r\n{headers}\r\nContent-Length: 0\r\n\r\n"
        );
        assert_eq!(status(&request), wanted, "{headers}");
    }
}

#[test]
fn what_is_too_long_is_refused_and_said_so() {
    let device = start(&options("127.0.0.1:0"));
    let host = device.address;
    let head = |lines: &str| {
        format!("POST /name/0 HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{lines}\r\n\r\n")
    };
    let long = "x".repeat(9000);
    let megabyte = head("Content-Length: 1048576") + &"x".repeat(1 << 20);
    let chunked = format!("101\r\n{}\r\n0\r\n\r\n", "x".repeat(257));
    for (request, wanted) in [
        (megabyte.as_str(), "413 "),
        (&head("Content-Length: 99999999999999999999"), "400 "),
        (&head("Content-Length: +1"), "400 "),
        (&head("Content-Length: 1\r\nContent-Length: 2"), "400 "),
        // Two lengths, in either order, and the one that might hide another.
        (&(head("Content-Length: 4\r\nTransfer-Encoding: chunked") + "0\r\n\r\n"), "411 "),
        (&(head("Transfer-Encoding: chunked\r\nContent-Length: 4") + "0\r\n\r\n"), "411 "),
        (&(head("Transfer-Encoding: chunked") + &chunked), "411 "),
        (&head("Transfer-Encoding: gzip"), "400 "),
        // It does not come in time.
        (&head("Content-Length: 1"), "408 "),
        (&head(&format!("X: {long}")), "431 "),
        (&long, "431 "),
        ("nothing of the kind\r\n\r\n", "400 "),
        ("GET / HTTP/1.1\r\n", ""),
        (
            &format!(
                "PUT / HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n\r\n"
            ),
            "405 ",
        ),
        (&format!("PUT / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"), "403 "),
    ] {
        if wanted.is_empty() {
            // Left in the middle: nothing to say, nothing to wait for.
            drop(TcpStream::connect(host).unwrap().write_all(request.as_bytes()));
            continue;
        }
        let reply = raw(&device, request.as_bytes());
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {wanted}")),
            "{wanted} {:.60} {reply:.200}",
            request
        );
    }
    assert_eq!(Visitor::new(&device).get("/moment").0, 200);
}

#[test]
fn slow_and_dead_visitors_hold_up_nobody() {
    let device = start(&options("127.0.0.1:0"));
    let visitor = Visitor::new(&device);
    let host = device.address;
    let frame = || visitor.moment("")["frame"].as_u64().unwrap();
    let before = frame();
    let ask = format!("GET /page.js HTTP/1.1\r\nHost: {host}\r\n\r\n").repeat(400);
    let mut idle: Vec<TcpStream> = Vec::new();
    for kind in 0..20 {
        let mut stream = TcpStream::connect(host).unwrap();
        match kind % 3 {
            // Says nothing; says half; asks for megabytes and reads none.
            0 => {}
            1 => stream.write_all(b"GET / HT").unwrap(),
            _ => {
                stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
                let _ = stream.write_all(ask.as_bytes());
            }
        }
        idle.push(stream);
    }
    // Others leave before they are answered.
    for _ in 0..100 {
        let mut stream = TcpStream::connect(host).unwrap();
        let _ =
            stream.write_all(format!("GET /moment HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    }
    let start = Instant::now();
    let moments = (0..20).fold(before, |_, _| frame());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?} for 20 moments", start.elapsed());
    assert!(moments >= before + 20);
    assert_eq!(visitor.press("/teach/1", "")["classes"][1]["lessons"], 1);
    // Who only holds a place makes way for those who ask.
    let many: Vec<_> = (0..40).map(|_| TcpStream::connect(host).unwrap()).collect();
    for _ in 0..5 {
        assert_eq!(Visitor::new(&device).get("/moment").0, 200);
    }
    // There are no more places than there are; afterwards there are again.
    let ask = |_| {
        let mut stream = TcpStream::connect(host).unwrap();
        let mut reply = [0; 12];
        let _ =
            stream.write_all(format!("GET /style.css HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        stream.read_exact(&mut reply).unwrap();
        (stream, reply)
    };
    let asked: Vec<_> = (0..40).map(ask).collect();
    assert!(asked.iter().any(|(_, reply)| reply == b"HTTP/1.1 200"));
    assert_eq!(&asked.last().unwrap().1, b"HTTP/1.1 503");
    drop((idle, many, asked));
    let free = |_: &_| {
        thread::sleep(Duration::from_millis(50));
        Visitor::new(&device).get("/moment").0 == 200
    };
    assert!((0..200).any(|n| free(&n)), "places are given back");
    assert_eq!(device.stop().head().sample_count(), 1, "one press is one lesson");
}

#[test]
fn a_press_that_comes_to_nothing_is_told_and_forgotten() {
    let source = Shade { shade: 20, pause: Duration::from_secs(6) };
    let device = Device::start(session(), source, &options("127.0.0.1:0"));
    let visitor = Visitor::new(&device);
    // The first frame is being waited for.
    thread::sleep(Duration::from_millis(300));
    assert_eq!(visitor.get("/moment").0, 503);
    let (status, text) = visitor.post("/teach/0", "");
    assert_eq!(status, 503);
    assert!(String::from_utf8(text).unwrap().contains("press again later"));
    assert_eq!(device.stop().head().sample_count(), 0);
}
