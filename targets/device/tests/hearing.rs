//! The loop on a simulated microphone: room, lessons, what is heard, corrections, what is kept.

use std::path::Path;
use std::time::Duration;

use offshoot::{Extractor, NOTHING};
use offshoot_device::{
    Bench, CameraPart, CapturedFrame, Flow, FrameSource, Images, LedPart, Memory, MicrophonePart,
    NoLed, Ports, Rehearsed, Screen, ScreenError, Script, Session, Settings, SourceError, Turn,
    limits,
};
use offshoot_view::State;

/// Content of the screen after each frame.
#[derive(Default)]
struct Log(Vec<String>);

impl Screen for Log {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        self.0.push(match moment.state {
            State::Teaching { class, count, .. } => format!("teach {class} {count}"),
            State::Answer { class, .. } => format!("hears {class}"),
            State::Nothing => "nothing".to_string(),
            State::Unknown | State::Found { .. } => "?".to_string(),
            State::Welcome { class, .. } => format!("welcome {class}"),
            State::Report { .. } => "report".to_string(),
            State::Message(text) | State::Error(text) => format!("says {text}"),
        });
        Ok(())
    }
}

fn extractor() -> Extractor {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/speech/speech.offshoot");
    Extractor::open(path).unwrap()
}

fn settings() -> Settings {
    let names = ["whistle", "knock", "hum"].map(str::to_string).to_vec();
    Settings { names, patience: Duration::ZERO, ..Settings::default() }
}

/// Runs a script; returns what the screen showed since the line `look 1` before the last part.
fn run(session: &mut Session, source: &mut dyn FrameSource, script: &str) -> Vec<String> {
    let mut script = Script::parse(script).unwrap();
    let mut screen = Log::default();
    let mut ports = Ports { source, buttons: &mut script, screen: &mut screen, led: &mut NoLed };
    while session.step(&mut ports).unwrap() == Flow::Next {}
    screen.0
}

/// Frames on which a class is heard, and those on which another one is.
fn counts(log: &[String], class: &str) -> [usize; 2] {
    let heard = || log.iter().filter_map(|line| line.strip_prefix("hears "));
    let own = heard().filter(|name| *name == class).count();
    [own, heard().count() - own]
}

#[test]
fn sounds_are_taught_heard_taken_back_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sounds.store");
    let memory = |extractor: &Extractor| Memory::open(&path, extractor, limits()).unwrap();
    let package = extractor();
    let memory_of = memory(&package);
    let mut session = Session::new(package, Some(memory_of), settings()).unwrap();
    let mut source = Rehearsed::new(16_000, false).unwrap();
    let log = run(&mut session, &mut source, "look 190\nlook 1");
    assert!(log[20].contains("Listening to the room"), "{}", log[20]);
    assert_eq!(log.last().unwrap(), "welcome whistle");
    let room = session.head().class_named(NOTHING).unwrap();
    assert_eq!(session.head().samples_of(room), 20);
    let log = run(
        &mut session,
        &mut source,
        "show whistle\nlook 5\nteach 1 4\nshow knock\nlook 5\nteach 2 4\nshow hum\nlook 5\nteach 3 4",
    );
    assert!(log.iter().any(|line| line.starts_with("says Recording whistle: 0.")), "{log:?}");
    assert!(log.contains(&"teach hum 4".to_string()), "{log:?}");
    for sound in ["whistle", "knock", "hum"] {
        let log = run(&mut session, &mut source, &format!("show {sound}\nlook 35\nlook 90"));
        // Behind the sound before, which is cut off in its middle. The onset of a hum may be a knock.
        let [own, others] = counts(&log[40..], sound);
        assert!(own > 2 * others, "{sound}: {log:?}");
    }
    let log = run(&mut session, &mut source, "show nothing\nlook 35\nlook 100");
    assert_eq!(counts(&log[40..], NOTHING), [0, 0], "the room is none of them");
    picture_of_the_documents(&mut session, &mut source, dir.path());
    // Heard last was a whistle: it was wrong.
    let log = run(&mut session, &mut source, "teach nothing\nlook 1");
    assert_eq!(log[0], "teach nothing 21", "{log:?}");
    let log = run(&mut session, &mut source, "show nothing\nundo\nlook 35");
    assert!(log[0].contains("Forgot the last nothing"), "{log:?}");
    let taught = session.head().sample_count();
    assert_eq!(taught, 20 + 3 * 4);
    drop(session);
    let package = extractor();
    let (kept, head) = memory(&package);
    assert_eq!(head.as_ref().map(|head| head.sample_count()), Some(taught), "as it was left");
    let mut session = Session::new(package, Some((kept, head)), settings()).unwrap();
    let log = run(&mut session, &mut source, "show knock\nlook 30\nlook 60");
    assert!(counts(&log, "knock")[0] > 10, "{log:?}");
    assert!(log.iter().all(|line| !line.contains("room")), "the room is known");
}

/// Compares the screen while a whistle is heard with that of the documents; `OFFSHOOT_BLESS=1` writes it
/// anew.
fn picture_of_the_documents(session: &mut Session, source: &mut Rehearsed, folder: &Path) {
    let mut log = run(session, source, "show whistle\nlook 20");
    for _ in 0..100 {
        if log.last().is_some_and(|line| line == "hears whistle") {
            break;
        }
        log = run(session, source, "look 1");
    }
    let mut script = Script::parse("look 4\nsnap sound").unwrap();
    let mut screen = Images::new(folder).unwrap();
    let mut ports = Ports { source, buttons: &mut script, screen: &mut screen, led: &mut NoLed };
    while session.step(&mut ports).unwrap() == Flow::Next {}
    let shown = image::open(folder.join("sound-320x240.png")).unwrap().into_rgb8();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures/sound.png");
    if std::env::var_os("OFFSHOOT_BLESS").is_some() {
        shown.save(&kept).unwrap();
    }
    let kept = image::open(kept).unwrap().into_rgb8();
    assert!(shown == kept, "docs/pictures/sound.png: OFFSHOOT_BLESS=1 writes it anew");
}

/// A microphone that is unplugged for some frames.
struct Unplugged(Rehearsed, u32);

impl FrameSource for Unplugged {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        self.1 += 1;
        match self.1 {
            10..20 => Err(SourceError::Silent(3)),
            _ => self.0.next(shot),
        }
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

#[test]
fn a_microphone_that_goes_is_said_and_heard_again() {
    let mut session = Session::new(extractor(), None, settings()).unwrap();
    let mut source = Unplugged(Rehearsed::new(16_000, false).unwrap(), 0);
    let log = run(&mut session, &mut source, "look 12\nteach 1\nlook 20");
    assert!(log[10].contains("3 seconds"), "{log:?}");
    assert!(log.last().unwrap().contains("Listening to the room"), "{log:?}");
    assert_eq!(session.head().class_named("whistle"), None, "nothing was recorded");
}

#[test]
fn packages_and_parts_of_another_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let bench = |microphone: Option<MicrophonePart>| Bench {
        camera: CameraPart::Simulated,
        microphone,
        background: None,
        turn: Turn::None,
        led: LedPart::None,
        memory: dir.path().join("lessons"),
        starts_anew: true,
        pause: Duration::ZERO,
        settings: settings(),
    };
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/tests/tiny.offshoot");
    for (package, microphone, told) in [
        (extractor(), None, "takes sound: use `listen`"),
        (Extractor::open(tiny).unwrap(), Some(MicrophonePart::Simulated), "takes no sound"),
    ] {
        let bench = bench(microphone);
        let remembered = bench.remember(&package, &mut |_| ()).unwrap();
        let mut buttons = Script::parse("look 1").unwrap();
        let refused = bench.teach(package, remembered, &mut buttons, &mut Log::default());
        let error = refused.err().unwrap().to_string();
        assert!(error.contains(told), "{error}");
    }
}
