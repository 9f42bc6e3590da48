//! `offshoot teach`.

use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use offshoot_device::{
    Both, Buttons, Dark, Flow, Folder, FrameSource, Keyboard, Memory, NoButtons, NoLed, Page, Pictures,
    Ports, Screen, Script, Session, SessionError, Settings, Simulated, Terminal, Visitors, WebOptions,
    limits, serve,
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
        let web = args.web.map(page).transpose()?;
        let url = web.as_ref().map(|(page, _)| page.url().to_string());
        let mut buttons = buttons(args, script)?;
        let mut screen = screen(args, url)?;
        if let Some((page, visitors)) = web {
            (buttons, screen) = (Box::new(Both(buttons, visitors)), Box::new(Both(screen, page)));
        }
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

/// The page; what is to be opened is printed before a screen takes the terminal.
fn page(address: SocketAddr) -> Result<(Page, Visitors), CommandError> {
    let token = env::var("OFFSHOOT_TOKEN").ok();
    let (page, visitors) = serve(&WebOptions { address, token, has_next: true })?;
    println!("open {}", page.url());
    Ok((page, visitors))
}

fn buttons(args: &TeachArgs, script: Option<Script>) -> Result<Box<dyn Buttons>, CommandError> {
    Ok(match script {
        Some(script) => Box::new(script),
        // A service has a page and nobody at its keyboard.
        None if args.web.is_some() && !io::stdin().is_terminal() => Box::new(NoButtons),
        None => Box::new(Keyboard::new().map_err(CommandError::Terminal)?),
    })
}

fn screen(args: &TeachArgs, url: Option<String>) -> Result<Box<dyn Screen>, CommandError> {
    Ok(match &args.screen {
        ScreenArg::Terminal => Box::new(Terminal::new(url).map_err(CommandError::Terminal)?),
        ScreenArg::Png(folder) => Box::new(Pictures::new(folder).map_err(SessionError::from)?),
        ScreenArg::None => Box::new(Dark),
    })
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
