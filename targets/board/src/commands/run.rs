//! `run`: the loop of a device that is taught.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use offshoot::{Extractor, Options};
use offshoot_device::{Bench, BenchError, Both, Buttons, CameraPart, Script, Settings, WebOptions, serve};

use super::{Outcome, Result};
use crate::args::RunArgs;
use crate::trouble::Trouble;

/// How often something looks that is no real camera.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) fn run(args: &RunArgs, out: &mut dyn Write) -> Result<Outcome> {
    let script = args.script.as_deref().map(script).transpose()?;
    let pause = if script.is_some() { Duration::ZERO } else { PAUSE };
    let settings = Settings { threshold: args.threshold, names: args.names.clone(), ..Settings::default() };
    let bench = Bench {
        camera: args.camera.clone(),
        turn: args.turn,
        led: args.led.clone(),
        memory: args.memory.clone(),
        pause,
        settings,
    };
    // The screen comes first: it is where everything after it is told.
    let mut screen = args.screen.open(args.rotate)?;
    let mut buttons: Box<dyn Buttons> = match script {
        Some(script) => Box::new(script),
        None => told(args.buttons.open(), &mut *screen)?,
    };
    if args.testui {
        let tested = bench.test(&mut *buttons, &mut *screen)?;
        for one in &tested {
            writeln!(out, "{one}")?;
        }
        let works = tested.iter().all(|one| one.works);
        return Ok(if works { Outcome::Done } else { Outcome::CheckFailed });
    }
    if let Some(address) = args.web {
        let options = WebOptions::new(address, args.camera == CameraPart::Simulated);
        let (page, visitors) = told(serve(&options).map_err(BenchError::from), &mut *screen)?;
        writeln!(out, "open {}", page.url())?;
        out.flush()?;
        (buttons, screen) = (Box::new(Both(buttons, visitors)), Box::new(Both(screen, page)));
    }
    let options = Options { threads: args.threads, ..Options::default() };
    let eyes = told(Extractor::open_with(&args.package, &options), &mut *screen)?;
    let head = bench.teach(eyes, &mut *buttons, &mut *screen)?;
    for (class, name) in head.classes() {
        writeln!(out, "{:6} {name}", head.shown_of(class))?;
    }
    writeln!(out, "{} keeps them", args.memory.display())?;
    Ok(Outcome::Done)
}

/// Shows what went wrong.
fn told<T, E>(result: std::result::Result<T, E>, screen: &mut dyn offshoot_device::Screen) -> Result<T>
where
    E: Into<Trouble>,
{
    result.map_err(|error| {
        let trouble = error.into();
        offshoot_device::show_end(screen, &trouble.to_string());
        trouble
    })
}

fn script(path: &Path) -> Result<Script> {
    let failed = |what: &dyn std::fmt::Display, next| Trouble::File {
        what: format!("{}: {what}", path.display()),
        next,
    };
    let text = fs::read_to_string(path).map_err(|e| failed(&e, "check the name and the folder"))?;
    Script::parse(&text).map_err(|e| failed(&e, "mend that line"))
}
