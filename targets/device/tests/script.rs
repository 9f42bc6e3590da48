//! The scripted session of the README without the command around it: the same decisions on every
//! machine.
//!
//! `targets/test-arm.sh` runs this on ARM under QEMU; `cli/tests/teach.rs` compares the images.

use std::fs;
use std::time::Duration;

use offshoot::Extractor;
use offshoot_device::{
    Flow, Images, Memory, NoLed, Ports, Screen, ScreenError, Script, Session, Settings, Simulated,
    Tee, limits,
};
use offshoot_view::State;

/// Content of the screen after each frame: state, and the bars in tenths of a percent.
#[derive(Default)]
struct Log(Vec<String>);

impl Screen for Log {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        let state = match moment.state {
            State::Welcome { class, button } => format!("show {class}, {button}"),
            State::Teaching { class, count, goal } => format!("teach {class} {count}/{goal}"),
            State::Answer { class, .. } => class.to_string(),
            State::Unknown | State::Found { .. } => "?".to_string(),
            State::Nothing => "nothing".to_string(),
            State::Report { right, asked, advice } => format!("{right} of {asked} right, {advice}"),
            State::Message(text) | State::Error(text) => format!("says {text}"),
        };
        let bars: Vec<String> = moment
            .classes
            .iter()
            .map(|class| format!("{:.1}", 100.0 * class.probability))
            .collect();
        self.0.push(format!("{state} | {}", bars.join(" ")));
        Ok(())
    }
}

#[test]
fn a_script_decides_the_same_everywhere() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let dir = tempfile::tempdir().unwrap();
    let extractor = Extractor::open(format!("{root}/models/sprout/sprout.offshoot")).unwrap();
    let script = fs::read_to_string(format!("{root}/cli/tests/data/teach.script")).unwrap();
    let mut script = Script::parse(&script).unwrap();
    let memory = Memory::open(dir.path().join("lessons"), &extractor, limits()).unwrap();
    let settings =
        Settings { names: ["mug", "plant"].map(str::to_string).to_vec(), ..Settings::default() };
    let mut session = Session::new(extractor, Some(memory), settings).unwrap();
    let mut source = Simulated::new(Duration::ZERO);
    let mut screen = Tee(Log::default(), Images::new(dir.path()).unwrap());
    let mut ports =
        Ports { source: &mut source, buttons: &mut script, screen: &mut screen, led: &mut NoLed };
    while session.step(&mut ports).unwrap() == Flow::Next {}
    let log = screen.0.0.join("\n");
    let wanted = include_str!("data/decisions.txt").trim_end();
    assert_eq!(log, wanted, "what this machine decided:\n{log}\n");
    assert!(dir.path().join("report-128x64.png").exists());
}
