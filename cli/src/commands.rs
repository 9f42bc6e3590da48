//! One file per verb.

use std::path::{Path, PathBuf};
use std::time::Duration;

use offshoot::{Extractor, View};
use offshoot_device::{BenchError, PartError, ScriptError};
use thiserror::Error;

use crate::args::{Command, EyesArgs, RunArgs};
use crate::catalog::CatalogError;
use crate::convert::ConvertError;
use crate::data::{Care, DataError, Dataset, LeftOut, Sample, Selection, pictures, texts_below};
use crate::deploy::StepError;
use crate::embeddings::{Embeddings, Reader, kind};
use crate::export::ExportError;
use crate::eyes;
use crate::import::ImportError;
use crate::isolate::IsolateError;
use crate::packing::PackingError;
use crate::pull::{PullError, hex};

mod bench;
mod cluster;
mod convert;
mod cuts;
mod demo;
mod deploy;
mod doctor;
mod embed;
mod eval;
mod export;
mod gate;
mod inspect;
mod merge;
mod predict;
mod pull;
mod report;
mod search;
mod teach;
mod train;
mod verify;

/// Why a command did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A model was not converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The process that worked on a model did not end by itself.
    #[error(transparent)]
    Isolate(#[from] IsolateError),
    /// A package was not packed.
    #[error(transparent)]
    Packing(#[from] PackingError),
    /// There is no catalogue, or no such entry.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A model was not fetched.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// A folder of pictures is not one.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A package, head or picture is broken, or a head cannot learn.
    #[error(transparent)]
    Offshoot(#[from] offshoot::Error),
    /// A file could not be written.
    #[error("{path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The folder has too few pictures for what was asked, or more than can be kept.
    #[error("{path}: {what}")]
    TooFew {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// The model to compare with is another one.
    #[error("{path}: {what}")]
    Compare {
        /// The model.
        path: PathBuf,
        /// How it differs.
        what: String,
    },
    /// There is nothing to draw, or too much.
    #[error("{path}: {what}")]
    Heatmap {
        /// The file at fault.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// A head decides by no sum over dimensions.
    #[error("{path}: {what}; train another --head for --dimensions")]
    Dimensions {
        /// The head.
        path: PathBuf,
        /// Why not.
        what: &'static str,
    },
    /// A head or a package cannot be written as ONNX.
    #[error("{path}: {source}")]
    Export {
        /// The file at fault.
        path: PathBuf,
        /// The cause.
        source: ExportError,
    },
    /// No place to cut is cheap enough.
    #[error("{path}: no cut is within the budget; {what}")]
    Budget {
        /// The model.
        path: PathBuf,
        /// What there is.
        what: String,
    },
    /// The package loses more than was allowed.
    #[error(
        "{path}: {drop:.2} points of accuracy lost on {data}, allowed are {allowed}; nothing was written. \
         More or other --calibrate pictures, another --cut, or --precision f32"
    )]
    Drop {
        /// The model.
        path: PathBuf,
        /// The pictures it was measured on.
        data: PathBuf,
        /// Points of a hundred.
        drop: f64,
        /// As many were allowed.
        allowed: f64,
    },
    /// The package is another network than the model.
    #[error(
        "{path}: int8 loses too much: the cosine to float is {mean:.3} in the mean, {worst:.3} in the worst; nothing \
         was written. --precision f32 or --keep-float auto lose less; where your task stands it, say so by --eval \
         DATA --max-drop POINTS"
    )]
    Unusable {
        /// The model.
        path: PathBuf,
        /// Mean cosine of the embeddings.
        mean: f64,
        /// Worst of them.
        worst: f64,
    },
    /// An option is for models that take something else.
    #[error("{path}: takes {takes}, for which there is no {option}; leave it out")]
    OtherKind {
        /// The model.
        path: PathBuf,
        /// What it takes.
        takes: &'static str,
        /// The option.
        option: &'static str,
    },
    /// A file cannot be written in the form that its name asks for.
    #[error("{path}: {what}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What there is.
        what: &'static str,
    },
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The signals of this process cannot be taken.
    #[error("signals: {0}")]
    Signals(std::io::Error),
    /// A script of presses is not one.
    #[error("{path}: {source}")]
    Script {
        /// The script.
        path: PathBuf,
        /// The cause.
        source: ScriptError,
    },
    /// A part of a device is not there.
    #[error(transparent)]
    Part(#[from] PartError),
    /// A device cannot begin or go on.
    #[error(transparent)]
    Device(#[from] BenchError),
    /// There is nothing to bring to a board, or no such board.
    #[error("{what}")]
    Deploy {
        /// What is wrong, and what to do.
        what: String,
    },
    /// Something on the way to a board failed.
    #[error(transparent)]
    Step(#[from] StepError),
    /// This machine lacks something that a device needs.
    #[error("{0} of the checks failed")]
    Doctor(usize),
    /// A golden vector gave something else.
    #[error("{path}: this machine does not compute what the package's maker did")]
    Verify {
        /// The package.
        path: PathBuf,
    },
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        ConvertError::from(error).into()
    }
}

impl CommandError {
    /// 1 where a check failed, 2 where the input or the usage is at fault, 3 where too much is lost.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Verify { .. } | Self::Doctor(_) | Self::Budget { .. } => 1,
            Self::Drop { .. } | Self::Unusable { .. } => 3,
            _ => 2,
        }
    }
}

/// Runs a command.
///
/// # Errors
/// See [`CommandError`].
pub fn run(command: &Command) -> Result<(), CommandError> {
    match command {
        Command::Convert(args) => convert::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Cuts(args) => cuts::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Embed(args) => embed::run(args),
        Command::Train(args) => train::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Export(args) => export::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Report(args) => report::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Search(args) => search::run(args),
        Command::Cluster(args) => cluster::run(args),
        Command::Models(args) => pull::models(args),
        Command::Pull(args) => pull::run(args),
        Command::Teach(args) => teach::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Deploy(args) => deploy::run(args),
        Command::Demo(args) => demo::run(args),
    }
}

/// Opens a package, or one that is part of this program.
fn open_or_built_in(
    run: &RunArgs,
    package: Option<&Path>,
    eyes: EyesArgs,
) -> Result<Extractor, CommandError> {
    Ok(match package {
        Some(path) => run.open(path)?,
        None => {
            let package = eyes::package(eyes::or_fitting(eyes.eyes));
            Extractor::from_bytes_with(package.to_vec(), &run.options())?
        }
    })
}

/// Characters of a text that stand behind its name.
const SHOWN: usize = 72;

/// Writes a file whole or not at all.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let failed = |source| CommandError::Write { path: path.to_path_buf(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Said of the file that was asked for, not of the temporary one.
    std::fs::metadata(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut file, bytes).map_err(failed)?;
    // Temporary files are private; the result is as any file the user makes.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(failed)?;
    }
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// A picture as PNG; `path` is where it is to go, for the error.
fn png(image: &image::RgbImage, path: &Path) -> Result<Vec<u8>, CommandError> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let failed = |e| CommandError::Write { path: path.to_path_buf(), source: std::io::Error::other(e) };
    image.write_to(&mut bytes, image::ImageFormat::Png).map_err(failed)?;
    Ok(bytes.into_inner())
}

/// Says of an option that is for models of the other kind that it is.
fn check_kind(model: &Path, takes_text: bool, option: Option<&'static str>) -> Result<(), CommandError> {
    let (path, takes) = (model.to_path_buf(), kind(takes_text));
    option.map_or(Ok(()), |option| Err(CommandError::OtherKind { path, takes, option }))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:,=+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A sample's name; of a text with its first words.
fn described(sample: &Sample, reader: &Reader) -> Result<String, DataError> {
    let name = sample.name();
    Ok(if reader.takes_text() { format!("{name}  {}", beginning(&sample.text()?)) } else { name })
}

/// The first words of a text.
fn beginning(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &words[..end]),
        None => words,
    }
}

/// To teach or to keep nothing is a mistake.
fn check_count(count: Option<usize>, option: &str, data: &Path) -> Result<(), CommandError> {
    if count == Some(0) {
        let what = format!("{option} must be at least 1");
        return Err(CommandError::TooFew { path: data.to_path_buf(), what });
    }
    Ok(())
}

/// Labelled pictures, or texts, all of which can be opened; says what was left out of them.
fn open_data(folder: &Path, selection: &Selection) -> Result<Dataset, CommandError> {
    let mut data = Dataset::open_as(folder, selection)?;
    let bar = progress_bar(data.train.len() + data.val.len(), "read");
    let dropped = data.drop_unreadable(folder, || bar.inc(1));
    bar.finish_and_clear();
    tell(folder, &data.left_out);
    dropped?;
    Ok(data)
}

/// Says what was left out of a folder.
fn tell(folder: &Path, left_out: &LeftOut) {
    eprint!("{}", left_out.told_of(folder));
}

/// What can only be measured with two classes and more.
fn check_classes(folder: &Path, classes: &[String]) -> Result<(), CommandError> {
    let [only] = classes else { return Ok(()) };
    let what = format!(
        "`{only}` is the only class: there is nothing to tell it from; add a folder of something else, or a \
         labels.csv (file,label)"
    );
    Err(CommandError::TooFew { path: folder.to_path_buf(), what })
}

/// A labelled folder and its embeddings.
struct Embedded {
    data: Dataset,
    extractor: Extractor,
    train: Embeddings,
    val: Embeddings,
    /// What the samples are, in words.
    kind: &'static str,
}

/// What is learned is seen in these views as well.
fn embed_data(
    run: &RunArgs,
    package: &Path,
    folder: &Path,
    selection: &Selection,
    views: &[View],
) -> Result<Embedded, CommandError> {
    let mut data = Dataset::open_as(folder, selection)?;
    let mut extractor = run.open(package)?;
    let kind = kind(extractor.token_limit().is_some());
    let bar = progress_bar(data.train.len() + data.val.len(), "embed");
    let each = || bar.inc(1);
    let Dataset { train, left_out, .. } = &mut data;
    let mut train = match views {
        [] => Embeddings::extract(&mut extractor, train, left_out, each)?,
        views => Embeddings::extract_augmented(&mut extractor, train, views, left_out, each)?,
    };
    // Before what is tested, of which some may have lost its class.
    let dropped = data.drop_untaught(folder, kind);
    train.relabel(&data.train);
    let Dataset { val, left_out, .. } = &mut data;
    let val = Embeddings::extract(&mut extractor, val, left_out, || bar.inc(1));
    bar.finish_and_clear();
    tell(folder, &data.left_out);
    dropped?;
    Ok(Embedded { data, extractor, train, val: val?, kind })
}

/// What lies in a folder and those below it, as a package takes it, and its embeddings.
fn embed_all(
    extractor: &mut Extractor,
    reader: &Reader,
    folder: &Path,
    care: Care,
) -> Result<(Vec<Sample>, Embeddings), CommandError> {
    let mut left_out = LeftOut::new(care);
    let mut samples: Vec<Sample> = if reader.takes_text() {
        texts_below(folder, &mut left_out)?
    } else {
        pictures(folder, usize::MAX, &mut left_out)?.into_iter().map(Sample::of_file).collect()
    };
    let bar = progress_bar(samples.len(), "embed");
    let embeddings = Embeddings::extract(extractor, &mut samples, &mut left_out, || bar.inc(1));
    bar.finish_and_clear();
    tell(folder, &left_out);
    left_out.check_some(folder, samples.len(), reader.kind())?;
    Ok((samples, embeddings?))
}

/// A bar on the terminal; nothing where the output goes to a file.
fn progress_bar(total: usize, what: &str) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(total as u64);
    let style = indicatif::ProgressStyle::with_template("{msg:>14} {wide_bar} {pos}/{len} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(what.to_string());
    bar
}

/// Shows on a terminal that work goes on of which no part is known, and for how long it has.
fn spinner(what: impl Into<String>) -> indicatif::ProgressBar {
    let spinner = indicatif::ProgressBar::new_spinner();
    if let Ok(style) = indicatif::ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.set_message(what.into());
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("/a/b.onnx"), "/a/b.onnx");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's;"), "'it'\\''s;'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn texts_are_known_by_their_first_words() {
        assert_eq!(beginning(" a\n\tb  c "), "a b c");
        assert_eq!(beginning(&"\u{e9}".repeat(100)), format!("{}...", "\u{e9}".repeat(SHOWN)));
    }
}
