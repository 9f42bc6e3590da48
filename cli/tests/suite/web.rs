//! `teach --web` as a program; what the page answers is tested in `targets/device/tests/web.rs`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A device without a terminal, and the address it printed.
fn start(folder: &Path, arguments: &[&str]) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offshoot"));
    let command = command.current_dir(folder).args(["teach", "--screen", "none"]).args(arguments);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("open ").expect("the address is printed first").to_string();
    (child, url)
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(20))).build().new_agent()
}

/// Presses a button; whoever finds all places taken waits, as they are told to, until those who
/// left are noticed.
fn press(agent: &ureq::Agent, url: &str, path: &str) -> serde_json::Value {
    for _ in 0..100 {
        let request = agent.post(format!("{url}{path}")).header("Sec-Fetch-Site", "same-origin");
        let response = request.send_empty().unwrap();
        let full = response.status() == 503;
        let text = response.into_body().read_to_string().unwrap();
        if !full {
            return serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"));
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{path}: all places stay taken");
}

#[test]
fn it_teaches_without_a_terminal_and_outlasts_those_who_leave() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, url) = start(dir.path(), &["--web", "0"]);
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/').to_string();
    let agent = agent();
    // Whoever leaves before the answer leaves a closed connection to be written to. Commands end
    // when a pipe is closed; a device must not.
    for _ in 0..50 {
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!("GET /page.js HTTP/1.1\r\nHost: {address}\r\n\r\n").repeat(20);
        let _ = stream.write_all(request.as_bytes());
    }
    for lesson in 1..=2 {
        assert_eq!(press(&agent, &url, "teach/0")["classes"][0]["lessons"], lesson);
    }
    assert_eq!(press(&agent, &url, "undo/0")["classes"][0]["lessons"], 1);
    thread::sleep(Duration::from_millis(50));
    assert!(child.try_wait().unwrap().is_none(), "it still runs");
    child.kill().unwrap();
    child.wait().unwrap();
    // What was taught is there again.
    let (mut child, url) = start(dir.path(), &["--web", "127.0.0.1:0"]);
    let moment =
        agent.get(format!("{url}moment")).call().unwrap().into_body().read_to_string().unwrap();
    let moment: serde_json::Value = serde_json::from_str(&moment).unwrap();
    assert_eq!(
        (&moment["classes"][0]["name"], &moment["classes"][0]["lessons"]),
        (&"mug".into(), &1.into())
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_cannot_be_served_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, said) in [
        (&["--screen", "none", "--web", &port][..], "take another port"),
        (&["--screen", "none", "--web", "here"][..], "0.0.0.0:8080"),
        (&["--web", "0"][..], "--screen none"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offshoot"));
        let command =
            command.current_dir(dir.path()).arg("teach").args(arguments).stdin(Stdio::null());
        let output = command.env("OFFSHOOT_TOKEN", "0123456789abcdef").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}
