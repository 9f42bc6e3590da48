//! `offshoot deploy`.

use std::fs;
use std::path::{Path, PathBuf};

use offshoot_device::{BuiltIn, ButtonsPart, ScreenPart, check_names};

use super::shared::write_file;
use crate::args::DeployArgs;
use crate::board_install::{Board, Program, Service, boards, plain, steps};
use crate::built_in::Packages;
use crate::error::CommandError;

/// Lowest unprivileged port; port 0 would be a different one each time.
const LOWEST_PORT: u16 = 1024;

fn wrong(what: String) -> CommandError {
    CommandError::Deploy { what }
}

pub(super) fn run(args: &DeployArgs, packages: &Packages) -> Result<(), CommandError> {
    let host = args.host.as_str();
    // A host that begins with a dash would be parsed as an option of ssh.
    if host.is_empty()
        || host.starts_with('-')
        || host.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(wrong(format!(
            "`{}` is no host name; use one such as pi@raspberrypi.local",
            host.escape_debug()
        )));
    }
    for path in [&args.program, &args.package].into_iter().flatten() {
        plain(&path.display().to_string()).map_err(wrong)?;
    }
    let board = Board::named(&args.board).ok_or_else(|| {
        let names = boards().collect::<Vec<_>>().join(", ");
        wrong(format!("no board `{}`; there are {names}", args.board))
    })?;
    let service = service(args, &board).map_err(wrong)?;
    service.check().map_err(wrong)?;
    check_names(&args.names).map_err(|error| wrong(format!("--names: {error}")))?;
    let program = find(args, &board);
    // Steps that are only printed can be read before there is a program.
    let is_missing = !args.run && args.program.is_none() && !program.path().exists();
    if !is_missing {
        let checked = match &program {
            Program::File(path) => check(path, args, &board),
            Program::Archive(path) => check_archive(path, args, &board),
        };
        checked.map_err(wrong)?;
    }
    let package = match &args.package {
        Some(path) => {
            // A broken package is better found here than on the board.
            offshoot::Extractor::open(path)?;
            path.clone()
        }
        None => {
            let fitting = || packages.or_small(board.built_in());
            package_file(packages, args.extractor.unwrap_or_else(fitting))?
        }
    };
    let steps = steps(host, &program, &package, &service);
    if !args.run {
        println!("# Steps to deploy Offshoot to {host}, a {}; --run executes them.", board.name);
        if is_missing {
            println!("# There is no program yet. First: {}", missing(args, &board));
        }
        steps.iter().for_each(|step| print!("{step}"));
        return Ok(());
    }
    for step in &steps {
        step.run(host)?;
    }
    Ok(())
}

/// Returns the program that the user names, or that was built last, or an archive of this version
/// here or beside the command; if there is none, the path of one to be built.
fn find(args: &DeployArgs, board: &Board) -> Program {
    if let Some(path) = &args.program {
        return Program::named(path);
    }
    let built = built(board);
    if built.exists() {
        return Program::File(built);
    }
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let folders = [Some(PathBuf::new()), beside].into_iter().flatten();
    let mut archives = folders.map(|folder| folder.join(archive_name(board)));
    match archives.find(|path| path.exists()) {
        Some(archive) => Program::Archive(archive),
        None => Program::File(built),
    }
}

/// Checks that an archive is there, and for the board.
fn check_archive(archive: &Path, args: &DeployArgs, board: &Board) -> Result<(), String> {
    if let Err(error) = fs::metadata(archive) {
        return Err(format!("{}: {error}; {}", archive.display(), missing(args, board)));
    }
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    if !name.contains(&format!("-{}-", machine(board))) {
        return Err(format!("{name}: not for {}; take {}", board.triple, archive_name(board)));
    }
    Ok(())
}

/// Returns the processor of a board as names of archives state it.
fn machine(board: &Board) -> &str {
    board.triple.split('-').next().unwrap_or_default()
}

/// Returns the name of the archive of this version with the program.
fn archive_name(board: &Board) -> String {
    format!("offshoot-board-{}-{}-linux.tar.gz", env!("CARGO_PKG_VERSION"), machine(board))
}

/// Returns the ways to a program.
fn missing(args: &DeployArgs, board: &Board) -> String {
    format!("{}, or put {} of the release here", build(args), archive_name(board))
}

/// Returns the service described by the flags, by default with the wiring of the board's page; a
/// web page needs no wiring.
fn service(args: &DeployArgs, board: &Board) -> Result<Service, String> {
    let screen = match args.screen.as_deref() {
        None if args.web.is_some() => "none",
        None | Some("oled") => board.wiring.oled.as_str(),
        Some("tft") => board.wiring.tft.as_str(),
        Some(other) => other,
    };
    let screen: ScreenPart = screen.parse().map_err(|e| format!("--screen: {e}"))?;
    if matches!(screen, ScreenPart::Terminal | ScreenPart::Png(_)) {
        return Err("--screen: a service has no terminal and saves no images; use oled, tft, ssd1306:, st7789:, fb: or none".into());
    }
    let buttons = match &args.buttons {
        Some(buttons) => buttons.clone(),
        None if args.web.is_some() => ButtonsPart::None,
        None => board.wiring.buttons.parse().map_err(|e| format!("--buttons: {e}"))?,
    };
    if buttons == ButtonsPart::Keys {
        return Err("--buttons: a service has no keyboard; use gpio:CHIP:LINE,LINE or none".into());
    }
    if args.camera.takes_input() {
        return Err("--camera: a service has no program before it; targets/README.md has the lines of a unit with a pipe".into());
    }
    if let Some(address) = args.web.filter(|address| address.port() < LOWEST_PORT) {
        return Err(format!(
            "--web: port {} is not allowed for a service; use {LOWEST_PORT} or above, such as 8080",
            address.port()
        ));
    }
    let names = args.names.clone();
    let threads = args.threads.get();
    let web = args.web;
    let camera = args.camera.clone();
    let led = args.led.clone();
    Ok(Service {
        camera,
        turn: args.turn,
        buttons,
        screen,
        rotate: args.rotate,
        led,
        names,
        threads,
        web,
    })
}

/// Returns the latest output of `targets/build.sh`: with `--static` by musl or, if rustup has none,
/// by glibc; without it; by Debian's compiler. If nothing is built yet, returns the path that
/// `--static` will write.
fn built(board: &Board) -> PathBuf {
    let glibc = board.triple.clone();
    let musl = board.triple.replace("-gnu", "-musl");
    let made = [
        ("target-arm-static", &musl),
        ("target-arm-static", &glibc),
        ("target-arm", &glibc),
        ("target-arm-std-static", &glibc),
        ("target-arm-std", &glibc),
    ];
    let made = made
        .map(|(folder, triple)| PathBuf::from(format!("{folder}/{triple}/board/offshoot-board")));
    let dated = made.iter().filter_map(|path| {
        let time = fs::metadata(path).and_then(|file| file.modified()).ok()?;
        Some((time, path))
    });
    // If equally old, the first one wins.
    let newest = dated.rev().max_by_key(|(time, _)| *time);
    newest.map_or(&made[0], |(_, path)| path).clone()
}

/// Returns the command that builds a program for all systems of the board.
fn build(args: &DeployArgs) -> String {
    format!("targets/build.sh --board {} --static", args.board)
}

/// Checks that a file is a program for the board.
fn check(program: &Path, args: &DeployArgs, board: &Board) -> Result<(), String> {
    let build = build(args);
    let bytes = fs::read(program)
        .map_err(|e| format!("{}: {e}; build it with {build}", program.display()))?;
    // ELF header: magic, class, byte order; the machine number is at offset 18.
    let found = match bytes.get(..20) {
        Some(head) if head.starts_with(b"\x7fELF") => u16::from_le_bytes([head[18], head[19]]),
        _ => return Err(format!("{}: no ELF program; build it with {build}", program.display())),
    };
    const AARCH64: u16 = 183;
    const ARM: u16 = 40;
    if found == AARCH64 || found == ARM {
        return Ok(());
    }
    Err(format!("{}: not for {}; build it with {build}", program.display(), board.triple))
}

/// Writes a built-in package to the current folder, unless it is there.
fn package_file(packages: &Packages, built_in: BuiltIn) -> Result<PathBuf, CommandError> {
    let file = built_in.file();
    let package = packages.package(built_in)?;
    let path = PathBuf::from(file);
    if fs::read(&path).ok().as_deref() != Some(&*package) {
        if path.exists() {
            let what =
                format!("{file} is another package; select it with --package, or move it away");
            return Err(CommandError::Deploy { what });
        }
        write_file(&path, &package)?;
        eprintln!("{file} written: built-in package");
    }
    Ok(path)
}
