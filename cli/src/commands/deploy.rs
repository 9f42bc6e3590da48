//! `offshoot deploy`.

use std::fs;
use std::path::{Path, PathBuf};

use offshoot_device::{ButtonsPart, Eyes, ScreenPart, check_names};

use super::shared::write_file;
use crate::args::DeployArgs;
use crate::board_install::{Board, Service, boards, plain, steps};
use crate::error::CommandError;
use crate::eyes;

/// Those below want a privilege; 0 would be another one each time.
const LOWEST_PORT: u16 = 1024;

pub(super) fn run(args: &DeployArgs) -> Result<(), CommandError> {
    let wrong = |what: String| CommandError::Deploy { what };
    let host = args.host.as_str();
    // What begins with a dash would be an option of ssh.
    if host.is_empty()
        || host.starts_with('-')
        || host.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(wrong(format!(
            "`{}` is no host; it looks like pi@raspberrypi.local",
            host.escape_debug()
        )));
    }
    for path in [&args.program, &args.package].into_iter().flatten() {
        plain(&path.display().to_string()).map_err(wrong)?;
    }
    let no_board = || {
        let names = boards().collect::<Vec<_>>().join(", ");
        wrong(format!("no board `{}`; there are {names}", args.board))
    };
    let board = Board::named(&args.board).ok_or_else(no_board)?;
    let service = service(args, &board).map_err(wrong)?;
    service.check().map_err(wrong)?;
    check_names(&args.names).map_err(|error| wrong(format!("--names: {error}")))?;
    let program = args.program.clone().unwrap_or_else(|| built(&board));
    // What is only printed can be read before the program is built.
    let is_missing = !args.run && args.program.is_none() && !program.exists();
    if !is_missing {
        check(&program, args, &board).map_err(wrong)?;
    }
    let package = match &args.package {
        Some(path) => {
            // A broken one is better found here than on the board.
            offshoot::Extractor::open(path)?;
            path.clone()
        }
        None => built_in(args.eyes.unwrap_or_else(|| board.eyes()))?,
    };
    let steps = steps(host, &program, &package, &service);
    if !args.run {
        println!("# What brings Offshoot to {host}, a {}; with --run it is done.", board.name);
        if is_missing {
            println!("# The program is not built yet. First: {}", build(args));
        }
        steps.iter().for_each(|step| print!("{step}"));
        return Ok(());
    }
    for step in &steps {
        step.run(host)?;
    }
    Ok(())
}

/// What the flags say, or the wires of the board's page; a page in a browser wants no wires.
fn service(args: &DeployArgs, board: &Board) -> Result<Service, String> {
    let wired = |text: &str| text.parse::<ScreenPart>().map_err(|e| format!("--screen: {e}"));
    let screen = match args.screen.as_deref() {
        None if args.web.is_some() => ScreenPart::None,
        None | Some("oled") => wired(&board.wiring.oled)?,
        Some("tft") => wired(&board.wiring.tft)?,
        Some(other) => wired(other)?,
    };
    if matches!(screen, ScreenPart::Terminal | ScreenPart::Png(_)) {
        return Err("--screen: a service has no terminal and keeps no pictures; take oled, tft, ssd1306:, st7789:, fb: or none".into());
    }
    let buttons = match &args.buttons {
        Some(buttons) => buttons.clone(),
        None if args.web.is_some() => ButtonsPart::None,
        None => board.wiring.buttons.parse().map_err(|e| format!("--buttons: {e}"))?,
    };
    if buttons == ButtonsPart::Keys {
        return Err("--buttons: a service has no keyboard; take gpio:CHIP:LINE,LINE or none".into());
    }
    if let Some(address) = args.web.filter(|address| address.port() < LOWEST_PORT) {
        return Err(format!(
            "--web: a service may not take port {}; take {LOWEST_PORT} or above, such as 8080",
            address.port()
        ));
    }
    let (names, threads, web) = (args.names.clone(), args.threads.get(), args.web);
    let (camera, led) = (args.camera.clone(), args.led.clone());
    Ok(Service { camera, turn: args.turn, buttons, screen, rotate: args.rotate, led, names, threads, web })
}

/// What `targets/build.sh` made last: with `--static` by musl or, where rustup has none, by glibc; without it; by
/// Debian's compiler. Where nothing is built yet, what it will make with `--static`.
fn built(board: &Board) -> PathBuf {
    let (glibc, musl) = (board.triple.clone(), board.triple.replace("-gnu", "-musl"));
    let made = [
        ("target-arm-static", &musl),
        ("target-arm-static", &glibc),
        ("target-arm", &glibc),
        ("target-arm-std-static", &glibc),
        ("target-arm-std", &glibc),
    ];
    let made = made.map(|(folder, triple)| PathBuf::from(format!("{folder}/{triple}/board/offshoot-board")));
    let age = |path: &&PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    // Of equal ones the first.
    let newest = made.iter().rev().filter(|path| age(path).is_some()).max_by_key(age);
    newest.unwrap_or(&made[0]).clone()
}

/// The line that makes a program which runs on every system of the board.
fn build(args: &DeployArgs) -> String {
    format!("targets/build.sh --board {} --static", args.board)
}

/// Whether a file is a program for the board.
fn check(program: &Path, args: &DeployArgs, board: &Board) -> Result<(), String> {
    let build = build(args);
    let bytes = fs::read(program).map_err(|e| format!("{}: {e}; make it with {build}", program.display()))?;
    // ELF: magic, class, byte order; the processor's number at 18.
    let found = match bytes.get(..20) {
        Some(head) if head.starts_with(b"\x7fELF") => u16::from_le_bytes([head[18], head[19]]),
        _ => return Err(format!("{}: no program; make it with {build}", program.display())),
    };
    const AARCH64: u16 = 183;
    const ARM: u16 = 40;
    if found == AARCH64 || found == ARM {
        return Ok(());
    }
    Err(format!("{}: not for {}; make it with {build}", program.display(), board.triple))
}

/// Writes a package that is part of this program into the current folder, unless it is there.
fn built_in(eyes: Eyes) -> Result<PathBuf, CommandError> {
    let (file, package) = (eyes.file(), eyes::package(eyes));
    let path = PathBuf::from(file);
    if fs::read(&path).ok().as_deref() != Some(package) {
        if path.exists() {
            let what = format!("{file} is another package; name yours with --package, or move it away");
            return Err(CommandError::Deploy { what });
        }
        write_file(&path, package)?;
        eprintln!("{file} written: the package that is part of this program");
    }
    Ok(path)
}
