//! Commands of the program. Frames are read before anything is written: a failed `teach` leaves the
//! head unchanged.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[cfg(feature = "tune")]
use offshoot::TunedTail;
use offshoot::{ErrorKind, Extractor, Frame, Head, HeadKind, Image, Limits};
#[cfg(feature = "device")]
use offshoot_device::Machine;

use crate::args::{self, Command};
use crate::error::BoardError;

#[cfg(feature = "tune")]
mod finetune;
#[cfg(feature = "device")]
mod run;
#[cfg(feature = "device")]
mod serve;

/// Limits of a new head: under 1 MiB for an embedding of 256 values.
const LIMITS: Limits = Limits { classes: 32, samples: 512 };

/// Size of the frame that is timed: the format of a cheap camera.
const TIMED: (u32, u32) = (640, 480);

/// Outcome of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    CheckFailed,
}

type Result<T> = std::result::Result<T, BoardError>;

/// Runs the command.
pub fn run(command: Command, out: &mut dyn Write) -> Result<Outcome> {
    match command {
        Command::Help => writeln!(out, "{}", args::USAGE)?,
        Command::Version => writeln!(out, "offshoot-board {}", env!("CARGO_PKG_VERSION"))?,
        Command::Info { package } => info(&package, out)?,
        Command::Verify { package, tail } => return verify(&package, tail.as_deref(), out),
        #[cfg(feature = "tune")]
        Command::Finetune { package, folder, tail } => {
            return finetune::run(&package, &folder, &tail, out);
        }
        #[cfg(feature = "device")]
        Command::Doctor { package } => return doctor(&package, out),
        Command::Teach { package, head, kind, label, frames, tail } => {
            let extractor = open(&package, tail.as_deref())?;
            teach(extractor, &head, kind, &label, &frames, out)?;
        }
        Command::Ask { package, head, frames, tail } => {
            ask(open(&package, tail.as_deref())?, &head, &frames, out)?;
        }
        Command::Time { package, runs } => time(&package, runs, out)?,
        #[cfg(feature = "device")]
        Command::Serve { package, head, address } => serve::run(&package, head, address, out)?,
        #[cfg(feature = "device")]
        Command::Run(args) => return run::run(&args, out),
    }
    Ok(Outcome::Done)
}

fn info(path: &Path, out: &mut dyn Write) -> Result<()> {
    let extractor = Extractor::open(path)?;
    let package = extractor.package();
    let memory = extractor.memory();
    let manifest = package.manifest();
    let input = &manifest.preprocess;
    writeln!(out, "package    {}, {} bytes", path.display(), memory.package)?;
    writeln!(out, "source     {}, cut at {}", manifest.source, manifest.cut)?;
    writeln!(out, "precision  {}", manifest.precision.name())?;
    writeln!(out, "input      {}x{}x{}", input.width, input.height, input.channels.count())?;
    writeln!(out, "embedding  {} values", extractor.embedding_dim())?;
    writeln!(out, "work       {} multiply-adds", package.graph().macs())?;
    if memory.arena > 0 {
        let live_set = memory.live_set;
        writeln!(out, "arena      {} bytes (largest live set {live_set})", memory.arena)?;
    } else {
        writeln!(out, "arena      managed by tract-core")?;
    }
    writeln!(out, "golden     {} vectors", manifest.goldens)?;
    writeln!(out, "id         {}", extractor.id())?;
    Ok(())
}

/// Opens a package, with its tuned tail if one is given.
fn open(package: &Path, tail: Option<&Path>) -> Result<Extractor> {
    #[cfg_attr(not(feature = "tune"), allow(unused_mut))]
    let mut extractor = Extractor::open(package)?;
    #[cfg(feature = "tune")]
    if let Some(path) = tail {
        let tail = TunedTail::load(path)?;
        extractor.set_tail(Some(&tail)).map_err(|e| BoardError::at(path, e))?;
    }
    #[cfg(not(feature = "tune"))]
    let _ = tail;
    Ok(extractor)
}

fn verify(path: &Path, tail: Option<&Path>, out: &mut dyn Write) -> Result<Outcome> {
    let verification = open(path, tail)?.verify().map_err(|e| BoardError::at(path, e))?;
    writeln!(out, "{verification}")?;
    Ok(if verification.is_ok() { Outcome::Done } else { Outcome::CheckFailed })
}

#[cfg(feature = "device")]
fn doctor(path: &Path, out: &mut dyn Write) -> Result<Outcome> {
    let checks = offshoot_device::checks(&Machine::default(), &Extractor::open(path)?);
    for check in &checks {
        writeln!(out, "{check}")?;
    }
    let is_bad = checks.iter().any(|check| check.outcome == offshoot_device::Outcome::Bad);
    Ok(if is_bad { Outcome::CheckFailed } else { Outcome::Done })
}

fn teach(
    mut extractor: Extractor,
    path: &Path,
    kind: Option<HeadKind>,
    label: &str,
    frames: &[PathBuf],
    out: &mut dyn Write,
) -> Result<()> {
    let mut head = open_head(path, kind, &extractor)?;
    let class = match head.class_named(label) {
        Some(class) => class,
        None => head.add_class(label).map_err(|e| BoardError::at(path, e))?,
    };
    for frame in frames {
        let image = Image::open(frame)?;
        let embedding = extractor.embed(&image.frame()).map_err(|e| BoardError::at(frame, e))?;
        head.add_sample(class, embedding).map_err(|e| BoardError::at(path, e))?;
    }
    head.save(path)?;
    writeln!(
        out,
        "taught {} x {label}, kept in {} ({})",
        frames.len(),
        path.display(),
        head.kind()
    )?;
    for (class, name) in head.classes() {
        writeln!(out, "{:6} {name}", head.samples_of(class))?;
    }
    let Limits { classes, samples } = head.limits();
    let taught = head.class_count();
    let shown = head.sample_count();
    writeln!(out, "{taught} of {classes} classes, {shown} of {samples} samples")?;
    Ok(())
}

/// Opens the head in the file, or creates an empty one if there is no file.
fn open_head(path: &Path, kind: Option<HeadKind>, extractor: &Extractor) -> Result<Head> {
    match Head::load(path, extractor) {
        Ok(head) if kind.is_some_and(|kind| kind != head.kind()) => Err(BoardError::File {
            what: format!("{}: this head is {}", path.display(), head.kind()),
            next: "leave --head out, or name a new HEAD file",
        }),
        Ok(head) => Ok(head),
        Err(error) if is_absent(error.kind()) => {
            let kind = kind.unwrap_or(HeadKind::Auto);
            Head::new(kind, extractor, LIMITS).map_err(|e| BoardError::at(path, e))
        }
        Err(error) => Err(error.into()),
    }
}

fn is_absent(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::NotFound)
}

fn ask(
    mut extractor: Extractor,
    path: &Path,
    frames: &[PathBuf],
    out: &mut dyn Write,
) -> Result<()> {
    let mut head = Head::load(path, &extractor)?;
    head.fit().map_err(|e| BoardError::at(path, e))?;
    for frame in frames {
        let image = Image::open(frame)?;
        let embedding = extractor.embed(&image.frame()).map_err(|e| BoardError::at(frame, e))?;
        let answer = head.classify(embedding).map_err(|e| BoardError::at(path, e))?;
        let label = answer.known().map_or("unknown", |class| head.class_name(class).unwrap_or("?"));
        let confidence = answer.confidence().get();
        let margin = answer.margin();
        writeln!(out, "{}\t{label}\t{confidence:.3}\t{margin:.3}", frame.display())?;
    }
    Ok(())
}

fn time(path: &Path, runs: u32, out: &mut dyn Write) -> Result<()> {
    let mut extractor = Extractor::open(path)?;
    let (width, height) = TIMED;
    let pixels = texture(width, height);
    let frame = Frame::rgb(width, height, &pixels).expect("as many pixels as the sides say");
    // Samples of a window, as loud as a voice.
    let samples: Option<Vec<i16>> = extractor.window_samples().map(|count| {
        let bytes = pixels.iter().copied().cycle().take(count);
        bytes.map(|byte| 16 * (i16::from(byte) - 128)).collect()
    });
    let mut times = Vec::new();
    // Warm-up run: pages of the weights are read, caches and clocks come up.
    for run in 0..=runs {
        let start = Instant::now();
        let done = match &samples {
            Some(samples) => extractor.embed_window(samples),
            None => extractor.embed(&frame),
        };
        done.map_err(|e| BoardError::at(path, e))?;
        if run > 0 {
            times.push(start.elapsed());
        }
    }
    let input = match &samples {
        Some(samples) => format!("window of {} samples", samples.len()),
        None => format!("{width}x{height} frame"),
    };
    times.sort_unstable();
    let median = 1e3 * times[times.len() / 2].as_secs_f64();
    let fastest = 1e3 * times[0].as_secs_f64();
    writeln!(out, "embed  median {median:.2} ms  fastest {fastest:.2} ms  {runs} runs  {input}")?;
    Ok(())
}

/// Returns pixels that differ from each other, the same on every board.
fn texture(width: u32, height: u32) -> Vec<u8> {
    (0..3 * width * height).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
}
