//! `offshoot teach`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use offshoot::Head;
use offshoot_device::{
    Buttons, ButtonsPart, CameraPart, FrameSource, Led, LedPart, Memory, Ports, Screen, ScreenPart, Script,
    Session, SessionError, Settings, Simulated, TestPorts, limits, show_end, test_ui,
};

use super::{CommandError, open_or_sprout};
use crate::args::TeachArgs;

/// How often something looks that is no real camera.
const PAUSE: Duration = Duration::from_millis(250);

/// How often buttons are looked at while they are tested.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn run(args: &TeachArgs) -> Result<(), CommandError> {
    let script = args.script.as_deref().map(script).transpose()?;
    let pause = if script.is_some() { Duration::ZERO } else { PAUSE };
    if args.testui {
        return test(args, script);
    }
    let head = {
        // In this order, so that the terminal is whole again before anything is printed.
        let mut buttons = buttons(args, script)?;
        let mut screen = screen(args)?;
        let taught = teach(args, pause, &mut *buttons, &mut *screen);
        if let Err(error) = &taught {
            show_end(&mut *screen, &error.to_string());
        }
        taught?
    };
    for (class, name) in head.classes() {
        println!("{name:<12} {} lessons", head.shown_of(class));
    }
    println!("{} keeps them", args.memory.display());
    if let Some(path) = &args.export {
        head.save(path)?;
        println!("{} written", path.display());
    }
    Ok(())
}

/// The head that was taught.
fn teach(
    args: &TeachArgs,
    pause: Duration,
    buttons: &mut dyn Buttons,
    screen: &mut dyn Screen,
) -> Result<Head, CommandError> {
    let eyes = open_or_sprout(&args.run, args.package.as_deref())?;
    let mut settings = Settings { threshold: args.threshold, hint: buttons.hint(), ..Settings::default() };
    settings.names.clone_from(&args.names);
    if args.camera == Path::new("sim") {
        settings.hint = "1-9 teach u undo n next".to_string();
        if settings.names.is_empty() {
            settings.names.extend(Simulated::names().map(str::to_string));
        }
    }
    if let Some(ButtonsPart::Gpio { .. }) = args.parts.buttons {
        (settings.hint, settings.first) = (buttons.hint(), "A".to_string());
    }
    let mut source = camera(args, pause)?;
    let memory = Memory::open(&args.memory, &eyes, limits()).map_err(SessionError::from)?;
    let mut session = Session::new(eyes, Some(memory), settings)?;
    let mut led = args.parts.led.open()?;
    offshoot_device::run(&mut session, &mut Ports { source: &mut *source, buttons, screen, led: &mut *led })?;
    Ok(session.into_head())
}

fn buttons(args: &TeachArgs, script: Option<Script>) -> Result<Box<dyn Buttons>, CommandError> {
    Ok(match script {
        Some(script) => Box::new(script),
        None => args.parts.buttons.as_ref().unwrap_or(&ButtonsPart::Keys).open()?,
    })
}

fn screen(args: &TeachArgs) -> Result<Box<dyn Screen>, CommandError> {
    Ok(args.parts.screen.as_ref().unwrap_or(&ScreenPart::Terminal).open(args.parts.rotate)?)
}

/// Goes through the parts; what came of each is printed.
fn test(args: &TeachArgs, script: Option<Script>) -> Result<(), CommandError> {
    let pause = if script.is_some() { Duration::ZERO } else { LOOK };
    let tested = {
        let mut buttons = buttons(args, script)?;
        let mut screen = screen(args)?;
        let mut led = args.parts.led.open()?;
        let led = (args.parts.led != LedPart::None).then_some(&mut *led as &mut dyn Led);
        let mut parts = TestPorts { buttons: &mut *buttons, screen: &mut *screen, led, pause };
        test_ui(&mut parts).map_err(SessionError::from)?
    };
    tested.iter().for_each(|one| println!("{one}"));
    match tested.iter().filter(|one| !one.works).count() {
        0 => Ok(()),
        bad => Err(CommandError::Doctor(bad)),
    }
}

fn script(path: &Path) -> Result<Script, CommandError> {
    let text =
        fs::read_to_string(path).map_err(|source| CommandError::Read { path: path.to_path_buf(), source })?;
    Script::parse(&text).map_err(|source| CommandError::Script { path: path.to_path_buf(), source })
}

fn camera(args: &TeachArgs, pause: Duration) -> Result<Box<dyn FrameSource>, CommandError> {
    CameraPart::from(args.camera.as_path()).open(args.parts.turn, pause).map_err(CommandError::Camera)
}
