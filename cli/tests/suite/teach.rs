//! `teach` without hardware: the same images byte for byte, and lessons that outlast `kill -9`.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use sha2::{Digest, Sha256};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/teach.script");

/// SHA-256, first eight bytes, of the images of each name in three sizes. Look at the images
/// before you change one (`offshoot teach --script cli/tests/data/teach.script --screen png:DIR`).
const IMAGES: [(&str, &str); 9] = [
    ("welcome", "7b7cc061beeb7302"),
    ("teach", "2aedfe4bc36afb10"),
    ("more", "e465edb02bbf591b"),
    ("mug", "1453995ab82b3efe"),
    ("plant", "b6e1b3fefa6ed1c5"),
    ("unknown", "dd0c9aedba0b695d"),
    ("nothing", "6c1d80b25f92aeae"),
    ("undone", "04c6812b17bac02d"),
    ("report", "e2ec2a78ed300bd9"),
];

fn teach(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offshoot"));
    command.current_dir(folder).arg("teach").args(arguments);
    command
}

fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_same_script_draws_the_same_images() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [
        "--script",
        SCRIPT,
        "--extractor",
        "sharp",
        "--names",
        "mug,plant",
        "--screen",
        "png:shots",
    ];
    let text =
        ok(&teach(dir.path(), &arguments).args(["--export", "things.head"]).output().unwrap());
    assert!(
        text.contains("mug          5 lessons") && text.contains("nothing      4 lessons"),
        "{text}"
    );
    let digest = |name: &str| {
        let mut hash = Sha256::new();
        for size in ["320x240", "240x240", "128x64"] {
            hash.update(fs::read(dir.path().join(format!("shots/{name}-{size}.png"))).unwrap());
        }
        hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let drawn = IMAGES.map(|(name, _)| (name, digest(name)));
    assert_eq!(drawn.each_ref().map(|(name, digest)| (*name, digest.as_str())), IMAGES);
    assert!(dir.path().join("things.head").exists());
    // README shows some of them.
    for name in ["welcome", "teach", "mug", "unknown"] {
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures").join(name);
        let shown = fs::read(shown.with_extension("png")).unwrap();
        let drawn = fs::read(dir.path().join(format!("shots/{name}-320x240.png"))).unwrap();
        assert!(shown == drawn, "docs/pictures/{name}.png is not what is drawn");
    }
}

#[test]
fn parts_are_gone_through_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ui.script"), "teach 1\nteach 2\nundo\nteach 1\n").unwrap();
    let arguments = ["--testui", "--script", "ui.script", "--screen", "png:shots"];
    let text = ok(&teach(dir.path(), &arguments).output().unwrap());
    assert_eq!(text, "ok       press 1\nok       press 2\nok       press u\nok       screen\n");
    for name in ["test-button", "test-screen", "test-result"] {
        assert!(dir.path().join(format!("shots/{name}-240x240.png")).exists(), "{name}");
    }
    assert!(!dir.path().join("offshoot-lessons.store").exists(), "nothing is taught");
    // The screen is said to be wrong.
    fs::write(dir.path().join("ui.script"), "teach 1\nteach 2\nundo\nteach 2\n").unwrap();
    let output = teach(dir.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("bad      screen: the answer was no"));
}

#[test]
fn what_cannot_be_done_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bad"), "look 1\nteech 1\n").unwrap();
    fs::write(dir.path().join("good"), "look 1\n").unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    for (arguments, said) in [
        (&["--script", "bad", "--screen", "none"][..], "line 2"),
        (&["--script", "none"][..], "none"),
        (&["--script", "good", "--screen", "none", "--camera", "empty"][..], "no images"),
        (&["--script", "good", "--screen", "none", "--camera", "/dev/no-camera"][..], "doctor"),
        (&["--screen", "none"][..], "--script FILE"),
        (&["--script", "good"][..], "png:DIR"),
    ] {
        let output = teach(dir.path(), arguments).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

/// Lessons that a store holds, told by a run that adds none.
fn kept(folder: &Path) -> usize {
    fs::write(folder.join("nothing.script"), "").unwrap();
    let arguments = ["--script", "nothing.script", "--extractor", "small", "--screen", "none"];
    let text = ok(&teach(folder, &arguments).output().unwrap());
    let lessons = |line: &str| {
        line.strip_suffix(" lessons")?.split_whitespace().last()?.parse::<usize>().ok()
    };
    text.lines().filter_map(lessons).sum()
}

/// `OFFSHOOT_KILLS=1000` makes it the long test.
#[test]
fn killed_at_any_time_it_keeps_every_lesson_it_showed() {
    let rounds = std::env::var("OFFSHOOT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let dir = tempfile::tempdir().unwrap();
    // An image is kept after its lesson is: that is what a person would have seen.
    let script: String = (0..400).map(|n| format!("teach {} 1\nsnap {n}\n", n % 3 + 1)).collect();
    fs::write(dir.path().join("many.script"), script).unwrap();
    let mut before = 0;
    let mut shown = 0;
    for round in 0..rounds {
        let shots = format!("shots-{round}");
        let screen = format!("png:{shots}");
        let arguments = ["--script", "many.script", "--extractor", "small", "--screen", &screen];
        let mut child = teach(dir.path(), &arguments).stdout(Stdio::null()).spawn().unwrap();
        // Every other one may be killed while it starts, too.
        let due = Instant::now() + Duration::from_secs(20);
        while round % 2 == 0 && !dir.path().join(&shots).join("0-128x64.png").exists() {
            assert!(Instant::now() < due, "no lesson is shown");
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(Duration::from_millis((round * 97) % 260));
        // SIGKILL where there are signals.
        child.kill().unwrap();
        child.wait().unwrap();
        let files = fs::read_dir(dir.path().join(&shots)).map_or(0, |files| {
            let last = |name: String| name.ends_with("-128x64.png");
            files
                .flatten()
                .filter(|file| last(file.file_name().to_string_lossy().into_owned()))
                .count()
        });
        let after = kept(dir.path());
        // One more may have been kept that was not shown yet.
        let lessons = files..=files + 1;
        assert!(
            lessons.contains(&(after - before)),
            "round {round}: {files} shown, {before} to {after}"
        );
        (before, shown) = (after, shown + files);
        let _ = fs::remove_dir_all(dir.path().join(&shots));
    }
    println!("{rounds} kills, {shown} lessons shown, {before} kept");
    assert!(shown > 0, "it was never killed after a lesson");
}

/// Runs `teach` on a terminal of its own, made by `script`, until it is drawn, and sends it a
/// signal. Its exit code as a shell tells it, the terminal's settings before and after, and what
/// was written to it.
#[cfg(unix)]
fn signalled(signal: &str) -> Option<(String, [String; 2], String)> {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let read =
        |name: &str| fs::read(path(name)).map(|b| String::from_utf8_lossy(&b).trim().to_string());
    let run = format!(
        "trap : INT TERM HUP\nstty cols 80 rows 24\nstty -g > before\n\
         sh -c 'echo $$ > pid; exec \"$0\" teach --extractor small' '{}'\necho $? > code\nstty -g > after\n",
        env!("CARGO_BIN_EXE_offshoot")
    );
    fs::write(path("run"), run).unwrap();
    let mut command = Command::new("script");
    command.args(["-qfec", "sh run", "log"]).current_dir(dir.path()).env("SHELL", "/bin/sh");
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: script, which makes a terminal: {error}");
            return None;
        }
    };
    let due = Instant::now() + Duration::from_secs(60);
    let waits = |what: &str, is_there: &dyn Fn() -> bool| {
        while !is_there() {
            assert!(Instant::now() < due, "{what}");
            thread::sleep(Duration::from_millis(20));
        }
    };
    waits("nothing is drawn", &|| read("log").is_ok_and(|log| log.contains("hold 1")));
    let pid = read("pid").unwrap();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    waits("it goes on", &|| read("after").is_ok_and(|after| !after.is_empty()));
    drop(child.stdin.take());
    child.wait().unwrap();
    Some((
        read("code").unwrap(),
        [read("before").unwrap(), read("after").unwrap()],
        read("log").unwrap(),
    ))
}

#[cfg(unix)]
#[test]
fn signals_give_the_terminal_back() {
    for (signal, code) in [("-TERM", "143"), ("-INT", "130"), ("-HUP", "129")] {
        let Some((ended, [before, after], log)) = signalled(signal) else { return };
        assert_eq!(ended, code, "{signal}: as the shell knows it");
        assert_eq!(before, after, "{signal}: raw mode is left");
        let left = log.rfind("\x1b[?1049l");
        let shown = log.rfind("\x1b[?25h");
        assert!(
            left > log.rfind("\x1b[?1049h") && shown > log.rfind("\x1b[?25l"),
            "{signal}: the screen is left"
        );
    }
}

#[test]
fn damaged_lessons_are_put_aside_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("offshoot-lessons.store");
    fs::write(dir.path().join("two.script"), "teach 1 2\n").unwrap();
    let arguments = ["--script", "two.script", "--extractor", "small", "--screen", "none"];
    ok(&teach(dir.path(), &arguments).output().unwrap());
    let whole = fs::read(&store).unwrap();
    let slot = whole.len() / 2;
    let damaged = |slots: &[usize]| {
        let mut bytes = whole.clone();
        slots.iter().for_each(|at| bytes[at * slot + 4096 + 40] ^= 0xff);
        fs::write(&store, bytes).unwrap();
    };
    damaged(&[1]);
    let output = teach(dir.path(), &arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        ok(&output).contains("3 lessons") && said.contains("newest lesson is damaged and lost"),
        "{said}"
    );
    damaged(&[0, 1]);
    let output = teach(dir.path(), &arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("--start-anew"), "{said}");
    let output = teach(dir.path(), &arguments).arg("--start-anew").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        ok(&output).contains("2 lessons") && said.contains("offshoot-lessons.store.aside-1"),
        "{said}"
    );
    assert_eq!(
        fs::read(dir.path().join("offshoot-lessons.store.aside-1")).unwrap().len(),
        whole.len()
    );
}
