//! `offshoot teach`.

use std::fs;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use offshoot::Extractor;
use offshoot_device::{
    ApiOptions, Bench, Buttons, ButtonsPart, CameraPart, DeviceError, Ending, MqttOptions,
    NoButtons, Page, PartError, Publisher, Screen, ScreenPart, Script, Settings, Tee, Terminal,
    Tunes, Visitors, WebOptions, publish, serve, serve_api,
};

use super::shared::open_or_built_in;
use crate::args::TeachArgs;
use crate::built_in::Packages;
use crate::error::CommandError;

/// Frame interval of cameras that are not devices.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) fn run(args: &TeachArgs, packages: &Packages) -> Result<(), CommandError> {
    let script = args.script.as_deref().map(script).transpose()?;
    let bench = bench(args, if script.is_some() { Duration::ZERO } else { PAUSE });
    // Before the terminal is taken over, so that it is restored in any case.
    let ending = Ending::observe().map_err(CommandError::Signals)?;
    if args.testui {
        let tested = test(args, &bench, script, &ending);
        ending.follow();
        return tested;
    }
    let extractor = open_or_built_in(packages, &args.run, args.package.as_deref(), args.extractor)?;
    if extractor.cells_layout().is_some() {
        return point(args, &bench, extractor, script, &ending);
    }
    let remembered = bench.remember(&extractor, &mut |notice| eprintln!("{notice}"))?;
    let session = {
        // Dropped at the end, so that the terminal is restored before anything is printed.
        let Parts { buttons, mut screen } = parts(args, &bench, script)?;
        bench.teach(extractor, remembered, &mut Tee(&ending, buttons), &mut *screen)?
    };
    let head = session.head();
    if let Some(path) = &args.export {
        if head.sample_count() == 0 {
            let what = "no training samples, so no head is written".to_string();
            return Err(CommandError::TooFew { path: path.clone(), what });
        }
        head.save(path)?;
        if let Some(tail) = session.tail() {
            tail.save(path.with_extension("tail"))?;
        }
    }
    ending.follow();
    for (class, name) in head.classes() {
        println!("{name:<12} {} lessons", head.shown_of(class));
    }
    println!("{} keeps them", args.memory.display());
    if let Some(path) = &args.export {
        println!("{} written", path.display());
        if session.tail().is_some() {
            println!("{} written, for --tail", path.with_extension("tail").display());
        }
    }
    Ok(())
}

/// Teaches a package with cells to point at objects.
fn point(
    args: &TeachArgs,
    bench: &Bench,
    extractor: Extractor,
    script: Option<Script>,
    ending: &Ending,
) -> Result<(), CommandError> {
    if args.api.is_some() || args.mqtt.is_some() {
        let next = "leave --api and --mqtt out, which know classes only; --web shows objects";
        return Err(
            DeviceError::OtherSense { takes: "pictures and points at objects", next }.into()
        );
    }
    let remembered = bench.remember_cells(&extractor, &mut |notice| eprintln!("{notice}"))?;
    let session = {
        let Parts { buttons, mut screen } = parts(args, bench, script)?;
        bench.point(extractor, remembered, &mut Tee(ending, buttons), &mut *screen)?
    };
    let head = session.head();
    if let Some(path) = &args.export {
        if head.lessons() == 0 {
            let what = "no lessons, so no head is written".to_string();
            return Err(CommandError::TooFew { path: path.clone(), what });
        }
        head.save(path)?;
    }
    ending.follow();
    for class in 0..head.class_count() as u8 {
        let name = head.class_name(class).unwrap_or_default();
        println!("{name:<12} {} objects", head.objects_of(class));
    }
    println!("{} keeps them, of {} pictures", args.memory.display(), head.lessons());
    if let Some(path) = &args.export {
        println!("{} written", path.display());
    }
    Ok(())
}

/// Buttons and screen, with those of the page and of other programs.
struct Parts {
    buttons: Box<dyn Buttons>,
    screen: Box<dyn Screen>,
}

/// Opens buttons and screen, the page, the service and the broker.
fn parts(args: &TeachArgs, bench: &Bench, script: Option<Script>) -> Result<Parts, CommandError> {
    let web = args.web.map(|address| page(address, &bench.camera)).transpose()?;
    let url = web.as_ref().map(|(page, _)| page.url());
    let api = args.api.clone().map(|address| serve_api(&ApiOptions::new(address)));
    let api = api.transpose().map_err(DeviceError::from)?;
    if let Some((feed, _)) = &api {
        println!("listening on {}", feed.url());
    }
    let publisher = publisher(args)?;
    let mut buttons = buttons(args, script)?;
    let mut screen = screen(args, url)?;
    if let Some((page, visitors)) = web {
        (buttons, screen) = (Box::new(Tee(buttons, visitors)), Box::new(Tee(screen, page)));
    }
    if let Some((feed, callers)) = api {
        (buttons, screen) = (Box::new(Tee(buttons, callers)), Box::new(Tee(screen, feed)));
    }
    if let Some(publisher) = publisher {
        screen = Box::new(Tee(screen, publisher));
    }
    Ok(Parts { buttons, screen })
}
/// Returns the device that the options describe.
fn bench(args: &TeachArgs, pause: Duration) -> Bench {
    Bench {
        camera: args.camera.clone(),
        microphone: None,
        background: None,
        turn: args.parts.turn,
        led: args.parts.led.clone(),
        memory: args.memory.clone(),
        starts_anew: args.start_anew,
        pause,
        settings: Settings {
            threshold: args.threshold,
            is_fixed: args.fixed,
            names: args.names.clone(),
            tunes: args.tune.map_or(Tunes::No, Tunes::from),
            ..Settings::default()
        },
    }
}

/// Starts the web page; its URL is printed before a screen takes over the terminal.
fn page(address: SocketAddr, camera: &CameraPart) -> Result<(Page, Visitors), CommandError> {
    let is_simulated = *camera == CameraPart::Simulated;
    let (page, visitors) =
        serve(&WebOptions::new(address, is_simulated)).map_err(DeviceError::from)?;
    println!("open {}", page.url());
    Ok((page, visitors))
}

/// Connects to the broker, if there is one; its topic is printed before a screen takes over the
/// terminal.
fn publisher(args: &TeachArgs) -> Result<Option<Publisher>, CommandError> {
    let Some(broker) = &args.mqtt else { return Ok(None) };
    let publisher = publish(&MqttOptions::new(broker.clone())).map_err(DeviceError::from)?;
    if let Some(notice) = publisher.notice() {
        eprintln!("{notice}");
    }
    println!("publishing to {broker}: {}", publisher.topic());
    Ok(Some(publisher))
}

fn buttons(args: &TeachArgs, script: Option<Script>) -> Result<Box<dyn Buttons>, CommandError> {
    let is_served = args.web.is_some() || args.api.is_some();
    Ok(match (script, &args.parts.buttons) {
        (Some(script), _) => Box::new(script),
        (None, Some(part)) => part.open(args.camera.takes_input())?,
        // Beside a camera's stream keys come from the terminal, if there is one.
        (None, None) if is_served && args.camera.takes_input() => {
            ButtonsPart::Keys.open(true).unwrap_or_else(|_| Box::new(NoButtons))
        }
        // A service has a web page or programs, and no keyboard.
        (None, None) if is_served && !io::stdin().is_terminal() => Box::new(NoButtons),
        (None, None) => ButtonsPart::Keys.open(args.camera.takes_input())?,
    })
}

/// Opens the screen; `note` is an extra line on a terminal.
fn screen(args: &TeachArgs, note: Option<&str>) -> Result<Box<dyn Screen>, CommandError> {
    Ok(match (args.parts.screen.as_ref().unwrap_or(&ScreenPart::Terminal), note) {
        (ScreenPart::Terminal, Some(note)) => {
            Box::new(Terminal::new().map_err(PartError::terminal)?.with_note(note))
        }
        (part, _) => part.open(args.parts.rotate)?,
    })
}

/// Tests the parts and prints the result of each.
fn test(
    args: &TeachArgs,
    bench: &Bench,
    script: Option<Script>,
    ending: &Ending,
) -> Result<(), CommandError> {
    let tested = {
        let buttons = buttons(args, script)?;
        let mut screen = screen(args, None)?;
        bench.test(&mut Tee(ending, buttons), &mut *screen)?
    };
    tested.iter().for_each(|one| println!("{one}"));
    match tested.iter().filter(|one| !one.works).count() {
        0 => Ok(()),
        bad => Err(CommandError::Doctor(bad)),
    }
}

fn script(path: &Path) -> Result<Script, CommandError> {
    let text = fs::read_to_string(path)
        .map_err(|source| CommandError::Read { path: path.to_path_buf(), source })?;
    Script::parse(&text).map_err(|source| CommandError::Script { path: path.to_path_buf(), source })
}
