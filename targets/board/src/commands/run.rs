//! `run`: the loop of a device that learns.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offshoot::{Extractor, Options};
use offshoot_device::{
    ApiOptions, BACKGROUND, Bench, BuiltIn, Buttons, DeviceError, Ending, Machine, MqttOptions,
    Pointing, SPEECH, Screen, Script, Settings, Tee, WebOptions, publish, serve, serve_api,
};

use super::{Outcome, Result};
use crate::args::RunArgs;
use crate::error::BoardError;

/// Default threshold of recognition of a camera (mean probability).
const THRESHOLD: f32 = 0.6;

/// Time between frames of a source that is not a real camera.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) fn run(args: &RunArgs, out: &mut dyn Write) -> Result<Outcome> {
    let script = args.script.as_deref().map(script).transpose()?;
    let bench = bench(args, if script.is_some() { Duration::ZERO } else { PAUSE });
    // Taken before the terminal, which must be restored on every kind of end.
    let ending = Ending::observe().map_err(BoardError::signals)?;
    // The screen comes first: it shows the errors of all later parts.
    let mut screen = args.screen.open(args.rotate)?;
    let buttons: Box<dyn Buttons> = match script {
        Some(script) => Box::new(script),
        None => show_error(args.buttons.open(args.takes_input()), &mut *screen)?,
    };
    if args.testui {
        let tested = bench.test(&mut Tee(&ending, buttons), &mut *screen)?;
        drop(screen);
        ending.follow();
        for one in &tested {
            writeln!(out, "{one}")?;
        }
        let works = tested.iter().all(|one| one.works);
        return Ok(if works { Outcome::Done } else { Outcome::CheckFailed });
    }
    let Parts { buttons, mut screen } = serve_all(args, Parts { buttons, screen }, out)?;
    let options = Options::new().threads(args.threads);
    let package = show_error(package(args), &mut *screen)?;
    let extractor = show_error(Extractor::open_with(&package, &options), &mut *screen)?;
    if extractor.cells_layout().is_some() {
        let mut buttons = Tee(&ending, buttons);
        let session = point(args, bench, extractor, &mut buttons, &mut *screen)?;
        drop(screen);
        ending.follow();
        return report_objects(args, &session, out);
    }
    let remembered = show_error(bench.remember(&extractor, &mut notice), &mut *screen)?;
    let session = bench.teach(extractor, remembered, &mut Tee(&ending, buttons), &mut *screen)?;
    drop(screen);
    ending.follow();
    let head = session.head();
    for (class, name) in head.classes() {
        writeln!(out, "{:6} {name}", head.shown_of(class))?;
    }
    writeln!(out, "{} keeps them", args.memory.display())?;
    Ok(Outcome::Done)
}

/// Buttons and screen, with those of the page and of other programs.
struct Parts {
    buttons: Box<dyn Buttons>,
    screen: Box<dyn Screen>,
}

/// Adds the page, the service and the broker to buttons and screen.
fn serve_all(args: &RunArgs, parts: Parts, out: &mut dyn Write) -> Result<Parts> {
    let Parts { mut buttons, mut screen } = parts;
    if let Some(address) = args.web {
        let options = WebOptions::new(address, args.is_simulated());
        let (page, visitors) =
            show_error(serve(&options).map_err(DeviceError::from), &mut *screen)?;
        writeln!(out, "open {}", page.url())?;
        out.flush()?;
        (buttons, screen) = (Box::new(Tee(buttons, visitors)), Box::new(Tee(screen, page)));
    }
    if let Some(address) = &args.api {
        let served = serve_api(&ApiOptions::new(address.clone())).map_err(DeviceError::from);
        let (feed, callers) = show_error(served, &mut *screen)?;
        writeln!(out, "listening on {}", feed.url())?;
        out.flush()?;
        (buttons, screen) = (Box::new(Tee(buttons, callers)), Box::new(Tee(screen, feed)));
    }
    if let Some(broker) = &args.mqtt {
        let published = publish(&MqttOptions::new(broker.clone())).map_err(DeviceError::from);
        let publisher = show_error(published, &mut *screen)?;
        publisher.notice().into_iter().for_each(&mut notice);
        writeln!(out, "publishing to {broker}: {}", publisher.topic())?;
        out.flush()?;
        screen = Box::new(Tee(screen, publisher));
    }
    Ok(Parts { buttons, screen })
}

/// Runs a session of a package with cells.
fn point(
    args: &RunArgs,
    bench: Bench,
    extractor: Extractor,
    buttons: &mut dyn Buttons,
    screen: &mut dyn Screen,
) -> Result<Pointing> {
    if args.api.is_some() || args.mqtt.is_some() {
        let next = "leave --api and --mqtt out, which know classes only; --web shows objects";
        let takes = "pictures and points at objects";
        return show_error(Err(DeviceError::OtherSense { takes, next }), screen);
    }
    let remembered = show_error(bench.remember_cells(&extractor, &mut notice), screen)?;
    Ok(bench.point(extractor, remembered, buttons, screen)?)
}

/// Prints the objects that were taught.
fn report_objects(args: &RunArgs, session: &Pointing, out: &mut dyn Write) -> Result<Outcome> {
    let head = session.head();
    for class in 0..head.class_count() as u8 {
        let name = head.class_name(class).unwrap_or_default();
        writeln!(out, "{:6} {name}", head.objects_of(class))?;
    }
    writeln!(out, "{} keeps them, of {} pictures", args.memory.display(), head.lessons())?;
    Ok(Outcome::Done)
}

/// Returns the device that the options describe.
fn bench(args: &RunArgs, pause: Duration) -> Bench {
    let settings = Settings {
        threshold: args.threshold.unwrap_or(THRESHOLD),
        wake_threshold: args.threshold,
        is_fixed: args.is_fixed,
        names: args.names.clone(),
        tunes: args.tunes,
        ..Settings::default()
    };
    Bench {
        camera: args.camera.clone(),
        microphone: args.microphone.clone(),
        background: background(args),
        turn: args.turn,
        led: args.led.clone(),
        memory: args.memory.clone(),
        starts_anew: args.starts_anew,
        pause,
        settings,
    }
}

/// Returns the named head of background, otherwise the one that comes with the package that is taken
/// if none is named.
fn background(args: &RunArgs) -> Option<PathBuf> {
    let built_in = || folders().map(|folder| folder.join(BACKGROUND)).find(|path| path.exists());
    let is_built_in = args.microphone.is_some() && args.package.is_none();
    args.background.clone().or_else(|| built_in().filter(|_| is_built_in))
}

/// Returns the folders that are searched for packages if none is named: beside this program, the
/// working folder, and the targets of `offshoot deploy` and of the Debian package.
fn folders() -> impl Iterator<Item = PathBuf> {
    let own =
        std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_path_buf));
    let shared = ["", "/usr/local/share/offshoot", "/usr/share/offshoot"];
    own.into_iter().chain(shared.map(PathBuf::from))
}

/// Returns the named package, otherwise one that comes with Offshoot: the requested one, or the one
/// that fits the processor, or the other one if that does not exist.
fn package(args: &RunArgs) -> Result<PathBuf> {
    if let Some(package) = &args.package {
        return Ok(package.clone());
    }
    let fits = BuiltIn::of(&Machine::default());
    let other = BuiltIn::ALL.into_iter().find(|built_in| *built_in != fits);
    let wanted: Vec<&str> = match (&args.microphone, args.extractor) {
        (Some(_), _) => vec![SPEECH],
        (None, Some(built_in)) => vec![built_in.file()],
        (None, None) => [fits].into_iter().chain(other).map(BuiltIn::file).collect(),
    };
    let places = wanted.iter().flat_map(|name| folders().map(move |folder| folder.join(name)));
    let found = places.into_iter().find(|path| path.exists());
    found.ok_or_else(|| BoardError::File {
        what: format!("no {} beside this program, here, or in /usr/local/share/offshoot or /usr/share/offshoot", wanted.join(" or ")),
        next: "name a PACKAGE, or copy one there: `offshoot pull sharp`, `sprout` and `speech_embedding` write them",
    })
}

/// Writes a notice to the log on standard error.
fn notice(text: &str) {
    // A closed log is ignored.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Shows an error on the screen and returns it.
fn show_error<T, E>(result: std::result::Result<T, E>, screen: &mut dyn Screen) -> Result<T>
where
    E: Into<BoardError>,
{
    result.map_err(|error| {
        let trouble = error.into();
        offshoot_device::show_end(screen, &trouble.to_string());
        trouble
    })
}

fn script(path: &Path) -> Result<Script> {
    let text = fs::read_to_string(path).map_err(|error| BoardError::File {
        what: format!("{}: {error}", path.display()),
        next: "check the name and the folder",
    })?;
    Script::parse(&text).map_err(|error| BoardError::File {
        what: format!("{}: {error}", path.display()),
        next: "correct that line",
    })
}
