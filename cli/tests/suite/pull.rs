//! `pull` against a server on this machine: whole, interrupted, changed, refused.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::common::{ok, refused, sprout};
use sha2::{Digest, Sha256};

/// Behaviour of the server.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    /// Answers, also ranges.
    Good,
    /// Announces all and closes after some.
    BreaksOff,
    /// Knows no ranges.
    Whole,
    /// 404.
    Missing,
    /// Sends the client elsewhere.
    Redirect,
    /// Says nothing about the length and does not stop.
    Endless,
}

/// A server for one file; remembers the ranges it was asked for.
struct Server {
    address: String,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<Option<u64>>>>,
}

impl Server {
    fn new(body: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/m.onnx", listener.local_addr().unwrap());
        let manner = Arc::new(Mutex::new(Manner::Good));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let m = Arc::clone(&manner);
        let a = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let from = range(stream.as_ref().unwrap());
                a.lock().unwrap().push(from);
                // The client may have gone: that is one of the tests.
                let _ = answer(stream.unwrap(), *m.lock().unwrap(), &body, from);
            }
        });
        Self { address, manner, asked }
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn asked(&self) -> Vec<Option<u64>> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Reads a request; the byte it wants to begin at.
fn range(stream: &TcpStream) -> Option<u64> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|l| !l.is_empty());
    let wanted =
        lines.filter_map(|l| l.to_lowercase().strip_prefix("range: bytes=").map(String::from));
    wanted.last().map(|r| r.trim_end_matches('-').parse().unwrap())
}

fn answer(
    mut out: TcpStream,
    manner: Manner,
    body: &[u8],
    from: Option<u64>,
) -> std::io::Result<()> {
    let n = body.len();
    match (manner, from) {
        (Manner::Missing, _) => write!(out, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        (Manner::Redirect, _) => {
            write!(
                out,
                "HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n"
            )
        }
        (Manner::Endless, _) => {
            write!(out, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            loop {
                out.write_all(&[7; 1 << 16])?;
            }
        }
        (Manner::Good, Some(from)) if from >= n as u64 => {
            write!(out, "HTTP/1.1 416 Range Not Satisfiable\r\ncontent-length: 0\r\n\r\n")
        }
        (Manner::Good, Some(from)) => {
            let rest = &body[from as usize..];
            write!(out, "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\n", rest.len())?;
            write!(out, "content-range: bytes {from}-{}/{n}\r\nconnection: close\r\n\r\n", n - 1)?;
            out.write_all(rest)
        }
        (manner, _) => {
            write!(out, "HTTP/1.1 200 OK\r\ncontent-length: {n}\r\nconnection: close\r\n\r\n")?;
            out.write_all(if manner == Manner::BreaksOff { &body[..n / 3] } else { body })
        }
    }
}

fn catalog(dir: &Path, url: &str, more: &str) {
    let text = format!(
        "[[model]]\nname = \"m\"\nsource = \"a test\"\nlicence = \"CC-BY-4.0\"\ninput = \"96x96\"\nurl = \"{url}\"\n{more}"
    );
    std::fs::write(dir.join("c.toml"), text).unwrap();
}

const PULL: [&str; 6] = ["pull", "m", "--catalog", "c.toml", "-o", "m.onnx"];

#[test]
fn a_model_is_fetched_in_one_go_or_in_several() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let body = std::fs::read(sprout()).unwrap();
    let digest: String = Sha256::digest(&body).iter().map(|b| format!("{b:02x}")).collect();
    let server = Server::new(body.clone());
    catalog(dir, &server.address, &format!("sha256 = \"{digest}\"\n"));
    let file = dir.join("m.onnx");
    let part = dir.join("m.onnx.part");
    let fetched = |text: &str| {
        assert!(text.contains("licence CC-BY-4.0") && text.contains(&digest), "{text}");
        assert!(std::fs::read(&file).unwrap() == body && !part.exists());
        std::fs::remove_file(&file).unwrap();
        server.asked()
    };
    assert_eq!(fetched(&ok(dir, &PULL)), [None]);

    let third = body.len() as u64 / 3;
    let break_off = || {
        server.set(Manner::BreaksOff);
        refused(
            dir,
            &PULL,
            &[&format!("interrupted after {third} bytes"), "run the command again"],
        );
        assert!(!file.exists() && part.metadata().unwrap().len() == third);
        server.asked();
    };
    break_off();
    server.set(Manner::Good);
    let text = ok(dir, &PULL);
    assert!(text.contains(&format!("{third} of them from before")), "{text}");
    assert_eq!(fetched(&text), [Some(third)]);
    // A server that does not know ranges sends all of it again.
    break_off();
    server.set(Manner::Whole);
    assert_eq!(fetched(&ok(dir, &PULL)), [Some(third)]);
    // What is kept is longer than what is there: again from the beginning.
    std::fs::write(&part, vec![0; body.len() + 1]).unwrap();
    server.set(Manner::Good);
    assert_eq!(fetched(&ok(dir, &PULL)), [Some(body.len() as u64 + 1), None]);
    // What is kept is something else: refused, and not kept.
    std::fs::write(&part, [1, 2, 3]).unwrap();
    refused(dir, &PULL, &["SHA-256", &digest, "download deleted"]);
    assert!(!file.exists() && !part.exists());
    std::fs::write(&file, b"mine").unwrap();
    refused(dir, &PULL, &["m.onnx: exists"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[test]
fn what_is_not_as_it_should_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let server = Server::new(b"not what was promised".to_vec());
    let wrong = format!("sha256 = \"{}\"\n", "ab".repeat(32));
    let none = |parts: &[&str]| {
        refused(dir, &PULL, parts);
        assert!(!dir.join("m.onnx").exists() && !dir.join("m.onnx.part").exists());
    };
    catalog(dir, &server.address, &wrong);
    none(&["SHA-256", &"ab".repeat(32), "download deleted"]);
    server.set(Manner::Missing);
    none(&[&server.address, "404"]);
    server.set(Manner::Redirect);
    none(&[&server.address, "302"]);
    server.set(Manner::Endless);
    catalog(dir, &server.address, &format!("{wrong}bytes = 100000\n"));
    none(&["more than 100000 bytes"]);
    server.set(Manner::Good);
    catalog(dir, &server.address, &format!("{wrong}bytes = 20\n"));
    none(&["more than 20 bytes"]);
    catalog(dir, "http://192.0.2.1/m.onnx", &wrong);
    none(&["http://192.0.2.1/m.onnx: not https"]);
    catalog(dir, &server.address.replace("http:", "https:"), &wrong);
    none(&["https://127.0.0.1"]);
    server.asked();
    catalog(dir, &server.address, "");
    none(&["m: unverified", "--trust"]);
    assert_eq!(server.asked(), [], "nothing was asked");
    let text = ok(dir, &[&PULL[..], &["--trust"]].concat());
    assert!(text.contains("not verified"), "{text}");
    // A digest of the publisher is no verification, but must be right.
    std::fs::remove_file(dir.join("m.onnx")).unwrap();
    let published = wrong.replace("sha256", "published_sha256");
    catalog(dir, &server.address, &published);
    none(&["m: unverified", "--trust"]);
    let trusting = [&PULL[..], &["--trust"]].concat();
    refused(dir, &trusting, &["SHA-256", &"ab".repeat(32), "download deleted"]);
    let digest: String =
        Sha256::digest(b"not what was promised").iter().map(|b| format!("{b:02x}")).collect();
    let stated = format!("published_sha256 = \"{digest}\"\nnote = \"a note\"\n");
    catalog(dir, &server.address, &stated);
    let text = ok(dir, &trusting);
    assert!(text.contains("as its publisher states; not verified"), "{text}");
    assert!(text.contains("a note"), "{text}");
    refused(dir, &["pull", "mobilenet_v2_1.0_224"], &["no download address", "google-coral"]);
    refused(dir, &["pull", "sprot"], &["no model `sprot`", "`sprout`"]);
    let text = ok(dir, &["models"]);
    assert!(text.contains("mobilenet_v2_1.0_224") && text.contains("BSD-3-Clause"), "{text}");
}

#[test]
fn what_is_part_of_the_program_is_written_without_a_network() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let text = ok(dir, &["pull", "sprout"]);
    assert!(text.contains("sprout.onnx") && text.contains("sprout.offshoot"), "{text}");
    assert!(std::fs::read(dir.join("sprout.onnx")).unwrap() == std::fs::read(sprout()).unwrap());
    assert!(ok(dir, &["verify", "sprout.offshoot"]).contains("verify "));
    refused(dir, &["pull", "sprout"], &["sprout.onnx: exists"]);
    ok(dir, &["pull", "sprout", "-o", "again.onnx"]);
    assert!(dir.join("again.onnx").exists() && dir.join("again.offshoot").exists());
    // Nothing is written beside what is there.
    std::fs::remove_file(dir.join("again.onnx")).unwrap();
    refused(dir, &["pull", "sprout", "-o", "again.onnx"], &["again.offshoot: exists"]);
    assert!(!dir.join("again.onnx").exists());
    ok(dir, &["pull", "sharp"]);
    assert!(ok(dir, &["inspect", "sharp.offshoot"]).contains("sharp.offshoot"));
    assert!(ok(dir, &["models"]).contains("part of this program"));
}
