//! A process that saves in a loop and is killed: the file loads, and nothing acknowledged is lost.
//!
//! This program starts itself. `OFFSHOOT_KILLS` sets the number of rounds (50).

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use offshoot_store::{FileMedium, Saved, Store, medium_size};

const CAPACITY: u32 = 40_000;
const CHILD: &str = "OFFSHOOT_STORE_CHILD";

/// Record `number`: its number, then bytes and a length that follow from it.
fn record(number: u64) -> Vec<u8> {
    let length = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let length = 8 + length as usize % (CAPACITY as usize - 8);
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend((8..length).map(|i| (number as usize + i * 7) as u8));
    bytes
}

fn open(path: &Path) -> Store<FileMedium> {
    let size = medium_size(CAPACITY, offshoot_store::FILE_SECTOR).expect("a slot has room for it");
    Store::open(FileMedium::open(path, size).expect("the file opens")).expect("the store opens")
}

/// Number of the record that loads; 0 for none.
fn load(path: &Path) -> u64 {
    let mut room = vec![0; CAPACITY as usize];
    let mut store = open(path);
    assert!(!store.has_lost(), "a record was lost");
    let Some(found) = store.load(&mut room).expect("the record loads") else { return 0 };
    let number = u64::from_le_bytes(*found.first_chunk().expect("records begin with a number"));
    assert_eq!(found, record(number), "record {number} is not what was saved");
    assert_eq!(store.sequence(), Some(number), "every record was saved once");
    number
}

/// Saves until it is killed, and acknowledges each save in 8 bytes.
fn child(path: &Path) -> ! {
    let mut number = load(path);
    let mut store = open(path);
    let mut out = std::io::stdout();
    loop {
        number += 1;
        assert_eq!(store.save(&record(number)).expect("the record is saved"), Saved::Written);
        out.write_all(&number.to_le_bytes()).expect("the parent listens");
        out.flush().expect("the parent listens");
    }
}

/// Runs a child for a while, from its first save on if that `waits`; returns the last number it
/// acknowledged.
fn round(path: &Path, time: Duration, waits: bool) -> Option<u64> {
    let program = std::env::current_exe().expect("a program has a path");
    let mut child = Command::new(program);
    let mut child =
        child.env(CHILD, path).stdout(Stdio::piped()).spawn().expect("the child starts");
    let mut acknowledged = vec![];
    if waits {
        // However long a busy machine takes to start it.
        acknowledged.resize(8, 0);
        child
            .stdout
            .as_mut()
            .expect("piped")
            .read_exact(&mut acknowledged)
            .expect("the child saves");
    }
    std::thread::sleep(time);
    assert!(
        child.try_wait().expect("the child can be asked").is_none(),
        "the child ended by itself"
    );
    child.kill().expect("the child can be killed");
    child.wait().expect("the child ends");
    child
        .stdout
        .take()
        .expect("piped")
        .read_to_end(&mut acknowledged)
        .expect("the pipe can be read");
    acknowledged.chunks_exact(8).last().map(|b| u64::from_le_bytes(b.try_into().expect("8 bytes")))
}

fn main() {
    if let Some(path) = std::env::var_os(CHILD) {
        child(Path::new(&path));
    }
    let rounds: u64 = match std::env::var("OFFSHOOT_KILLS") {
        Ok(text) => text.parse().expect("OFFSHOOT_KILLS is a number"),
        Err(_) => 50,
    };
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let path = folder.path().join("memory");
    let begin = Instant::now();
    let mut last = 0;
    let mut active = 0;
    let mut unacknowledged = 0;
    for i in 0..rounds {
        let seed =
            (u64::from(begin.elapsed().subsec_nanos()) + i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let time = Duration::from_micros(500 + (seed >> 33) % 30_000);
        // Every other one may be killed before its first save, too.
        let acknowledged = round(&path, time, i % 2 == 0).unwrap_or(last);
        let found = load(&path);
        assert!(found >= acknowledged, "record {acknowledged} was acknowledged, {found} loads");
        assert!(
            found <= acknowledged + 1,
            "record {found} loads before {acknowledged} was acknowledged"
        );
        active += u64::from(found > last);
        unacknowledged += found - acknowledged;
        last = found;
    }
    assert!(active * 2 >= rounds, "in {active} of {rounds} rounds only was anything saved");
    println!(
        "killed {rounds} times in {:.1} s: {last} saves, none lost, {unacknowledged} not yet acknowledged",
        begin.elapsed().as_secs_f32()
    );
}
