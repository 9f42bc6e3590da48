//! `offshoot teach`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use offshoot_device::{
    Buttons, Dark, Flow, Folder, FrameSource, Keyboard, Memory, NoLed, Pictures, Ports, Screen, Script,
    Session, SessionError, Settings, Simulated, Terminal, limits,
};

use super::{CommandError, open_or_sprout};
use crate::args::{ScreenArg, TeachArgs};

/// How often something looks that is no real camera.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) fn run(args: &TeachArgs) -> Result<(), CommandError> {
    let eyes = open_or_sprout(&args.run, args.package.as_deref())?;
    let is_simulated = args.camera == Path::new("sim");
    let mut settings = Settings { threshold: args.threshold, ..Settings::default() };
    settings.names.clone_from(&args.names);
    if is_simulated {
        settings.hint = "1-9 teach u undo n next".to_string();
        if settings.names.is_empty() {
            settings.names.extend(Simulated::names().map(str::to_string));
        }
    }
    let script = args.script.as_deref().map(script).transpose()?;
    let mut source = camera(args, if script.is_some() { Duration::ZERO } else { PAUSE })?;
    let memory = Memory::open(&args.memory, &eyes, limits()).map_err(SessionError::from)?;
    let mut session = Session::new(eyes, Some(memory), settings)?;
    // In this order, so that the terminal is whole again before anything is printed.
    {
        let mut buttons: Box<dyn Buttons> = match script {
            Some(script) => Box::new(script),
            None => Box::new(Keyboard::new().map_err(CommandError::Terminal)?),
        };
        let mut screen: Box<dyn Screen> = match &args.screen {
            ScreenArg::Terminal => Box::new(Terminal::new().map_err(CommandError::Terminal)?),
            ScreenArg::Png(folder) => Box::new(Pictures::new(folder).map_err(SessionError::from)?),
            ScreenArg::None => Box::new(Dark),
        };
        let mut ports =
            Ports { source: &mut *source, buttons: &mut *buttons, screen: &mut *screen, led: &mut NoLed };
        while session.step(&mut ports)? == Flow::Next {}
    }
    let head = session.head();
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

fn script(path: &Path) -> Result<Script, CommandError> {
    let text =
        fs::read_to_string(path).map_err(|source| CommandError::Read { path: path.to_path_buf(), source })?;
    Script::parse(&text).map_err(|source| CommandError::Script { path: path.to_path_buf(), source })
}

fn camera(args: &TeachArgs, pause: Duration) -> Result<Box<dyn FrameSource>, CommandError> {
    if args.camera == Path::new("sim") {
        return Ok(Box::new(Simulated::new(pause)));
    }
    #[cfg(target_os = "linux")]
    if args.camera.starts_with("/dev") {
        use crate::args::TurnArg;
        use offshoot_device::{Camera, Latest, Turn};
        let turn = match args.turn {
            TurnArg::None => Turn::None,
            TurnArg::Right => Turn::Right,
            TurnArg::Half => Turn::Half,
            TurnArg::Left => Turn::Left,
        };
        let camera = Camera::open(&args.camera, turn).map_err(CommandError::Camera)?;
        let failed = |source| CommandError::Read { path: args.camera.clone(), source };
        return Ok(Box::new(Latest::new(camera).map_err(failed)?));
    }
    Ok(Box::new(Folder::open(&args.camera, pause).map_err(CommandError::Camera)?))
}
