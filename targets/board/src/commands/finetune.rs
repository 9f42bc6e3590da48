//! `finetune`: tunes the last layer of a network on a folder of frames.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use offshoot::{Extractor, Image, Maps, Tuning, Verdict};

use super::{Outcome, Result};
use crate::error::BoardError;

/// Advice on the folder of lessons.
const FOLDERS: &str = "give a folder with a folder of frames for each class, two or more";

pub(super) fn run(
    package: &Path,
    folder: &Path,
    tail: &Path,
    out: &mut dyn Write,
) -> Result<Outcome> {
    let mut extractor = Extractor::open(package)?;
    let classes: Vec<PathBuf> = entries(folder)?.into_iter().filter(|path| path.is_dir()).collect();
    let count = u16::try_from(classes.len()).ok().filter(|count| *count > 1);
    let count = count.ok_or_else(|| BoardError::File {
        what: format!("{}: {} classes", folder.display(), classes.len()),
        next: FOLDERS,
    })?;
    let mut maps =
        Maps::new(&mut extractor, count).map_err(|error| BoardError::at(package, error))?;
    for (class, path) in classes.iter().enumerate() {
        for frame in entries(path)?.into_iter().filter(|path| path.is_file()) {
            let image = Image::open(&frame)?;
            maps.add_frame(class, &mut extractor, &image.frame())
                .map_err(|error| BoardError::at(&frame, error))?;
        }
    }
    let tuned = maps
        .finetune(&extractor, &Tuning::default(), |_| {})
        .map_err(|error| BoardError::at(package, error))?;
    writeln!(out, "{} frames of {count} classes", maps.len())?;
    writeln!(out, "{}", tuned.verdict)?;
    if let Verdict::TooFew { .. } = tuned.verdict {
        let what = format!("{}: {}", folder.display(), tuned.verdict);
        return Err(BoardError::File { what, next: FOLDERS });
    }
    let Some(file) = tuned.tail else { return Ok(Outcome::CheckFailed) };
    file.save(tail)?;
    writeln!(out, "{}: {} bytes", tail.display(), file.bytes().len())?;
    Ok(Outcome::Done)
}

/// Returns what a folder has, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()
    });
    let mut paths = read.map_err(|error| BoardError::File {
        what: format!("{}: {error}", folder.display()),
        next: FOLDERS,
    })?;
    paths.sort();
    Ok(paths)
}
