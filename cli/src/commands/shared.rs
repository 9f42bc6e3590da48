//! Steps that several commands share: open, embed, write, show progress.

use std::path::Path;

use offshoot::{Extractor, Image, View};
use offshoot_convert::calibrate::input::{kind, kind_of};
use offshoot_dataset::{
    Care, DataError, Dataset, LeftOut, Opener, Sample, Selection, Wanted, images, signals, sounds,
    texts_below,
};

use super::progress::Progress;
use crate::args::{BuiltInArgs, RunArgs};
use crate::built_in::Packages;
use crate::error::CommandError;
use crate::learn::embeddings::{Embeddings, Reader};

/// Opens a package, or a built-in one if none is given.
pub(super) fn open_or_built_in(
    packages: &Packages,
    run: &RunArgs,
    package: Option<&Path>,
    extractor: BuiltInArgs,
) -> Result<Extractor, CommandError> {
    Ok(match package {
        Some(path) => run.open(path)?,
        None => {
            let package = packages.package(packages.or_fitting(extractor.extractor))?;
            Extractor::from_bytes_with(package.into_owned(), &run.options())?
        }
    })
}

/// Maximum number of characters of a text printed after its name.
const SHOWN: usize = 72;

/// Writes a file atomically: whole or not at all.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    // Errors must name the requested file, not the temporary one.
    replace(path, bytes).map_err(|source| CommandError::write(path, source))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::metadata(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, bytes)?;
    // Temporary files are private; the result gets the usual permissions.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
    }
    file.persist(path)?;
    Ok(())
}

/// Encodes an image as PNG; `path` is its destination, for the error.
pub(super) fn png(image: &image::RgbImage, path: &Path) -> Result<Vec<u8>, CommandError> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|e| CommandError::write(path, std::io::Error::other(e)))?;
    Ok(bytes.into_inner())
}

/// Returns true if a file name ends in a dot and `ending`, ignoring case.
pub(super) fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// Rejects an option that is for models of the other kind.
pub(super) fn check_kind(
    model: &Path,
    takes_text: bool,
    option: Option<&'static str>,
) -> Result<(), CommandError> {
    let path = model.to_path_buf();
    let takes = kind(takes_text);
    option.map_or(Ok(()), |option| Err(CommandError::OtherKind { path, takes, option }))
}

/// Rejects the first given option that is for packages with cells.
pub(super) fn check_no_cells(
    package: &Path,
    options: &[(bool, &'static str)],
) -> Result<(), CommandError> {
    let path = package.to_path_buf();
    match options.iter().find(|(given, _)| *given) {
        Some(&(_, option)) => Err(CommandError::NeedsCells { path, option }),
        None => Ok(()),
    }
}

/// Returns the name of a sample, for a text with its first words.
pub(super) fn described(sample: &Sample, reader: &Reader) -> Result<String, DataError> {
    let name = sample.name();
    Ok(if reader.takes_text() { format!("{name}  {}", beginning(&sample.text()?)) } else { name })
}

/// Returns the first words of a text.
pub(super) fn beginning(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &words[..end]),
        None => words,
    }
}

/// Rejects a count of 0: training or storing nothing is a mistake.
pub(super) fn check_count(
    count: Option<usize>,
    option: &str,
    data: &Path,
) -> Result<(), CommandError> {
    if count == Some(0) {
        let what = format!("{option} must be at least 1");
        return Err(CommandError::TooFew { path: data.to_path_buf(), what });
    }
    Ok(())
}

/// Opens a labelled data set, drops unreadable samples and reports what was left out.
pub(super) fn open_data(folder: &Path, selection: &Selection) -> Result<Dataset, CommandError> {
    let mut data = Dataset::open_as(folder, selection)?;
    let bar = Progress::new(data.train.len() + data.val.len(), "read");
    let dropped = data.drop_unreadable(folder, || bar.step());
    bar.finish();
    tell(folder, &data.left_out);
    dropped?;
    Ok(data)
}

/// Reports on standard error what was left out of a folder.
pub(super) fn tell(folder: &Path, left_out: &LeftOut) {
    eprint!("{}", left_out.report_on(folder));
}

/// Rejects a single class: accuracy needs two classes or more.
pub(super) fn check_classes(folder: &Path, classes: &[String]) -> Result<(), CommandError> {
    let [only] = classes else { return Ok(()) };
    let what = format!(
        "`{only}` is the only class, at least 2 are needed; add a folder of another class, or a labels.csv \
         (file,label)"
    );
    Err(CommandError::TooFew { path: folder.to_path_buf(), what })
}

/// Labelled data set with its embeddings.
pub(super) struct Embedded {
    pub(super) data: Dataset,
    pub(super) extractor: Extractor,
    pub(super) train: Embeddings,
    pub(super) val: Embeddings,
    /// Kind of the samples, in words.
    pub(super) kind: &'static str,
}

/// Opens a data set and extracts its embeddings; training samples are averaged with the given
/// views.
pub(super) fn embed_data(
    mut extractor: Extractor,
    folder: &Path,
    selection: &Selection,
    views: &[View],
) -> Result<Embedded, CommandError> {
    let mut data = Dataset::open_as(folder, selection)?;
    let kind = kind_of(&extractor.package());
    let bar = Progress::new(data.train.len() + data.val.len(), "embed");
    let Dataset { train, left_out, .. } = &mut data;
    let mut train = match views {
        [] => Embeddings::extract(&mut extractor, train, left_out, || bar.step())?,
        _ => Embeddings::extract_augmented(&mut extractor, train, views, left_out, || bar.step())?,
    };
    // Before the test samples, since some may have lost their class.
    let dropped = data.drop_untaught(folder, kind);
    train.relabel(&data.train);
    let Dataset { val, left_out, .. } = &mut data;
    let val = Embeddings::extract(&mut extractor, val, left_out, || bar.step());
    bar.finish();
    tell(folder, &data.left_out);
    dropped?;
    Ok(Embedded { data, extractor, train, val: val?, kind })
}

/// Extracts the embeddings of all samples in a folder and its subfolders.
pub(super) fn embed_all(
    extractor: &mut Extractor,
    reader: &Reader,
    folder: &Path,
    care: Care,
) -> Result<(Vec<Sample>, Embeddings), CommandError> {
    let mut left_out = LeftOut::new(care);
    let mut samples: Vec<Sample> = match reader.wanted() {
        Wanted::Texts => texts_below(folder, &mut left_out)?,
        Wanted::Sounds => sounds(folder, usize::MAX, &mut left_out)?,
        Wanted::Signals => signals(folder, usize::MAX, &mut left_out)?,
        Wanted::Images => {
            images(folder, usize::MAX, &mut left_out)?.into_iter().map(Sample::of_file).collect()
        }
    };
    let bar = Progress::new(samples.len(), "embed");
    let embeddings = Embeddings::extract(extractor, &mut samples, &mut left_out, || bar.step());
    bar.finish();
    tell(folder, &left_out);
    left_out.check_some(folder, samples.len(), reader.kind())?;
    Ok((samples, embeddings?))
}

/// Decodes the images of a folder and reports those that fail.
pub(super) fn decoded(
    folder: &Path,
    files: &[Sample],
    left_out: &mut LeftOut,
) -> Result<Vec<Image>, DataError> {
    let bar = Progress::new(files.len(), "read images");
    let mut opener = Opener::new(left_out.care());
    let mut images = Vec::new();
    for file in files {
        bar.step();
        match opener.open(file) {
            Ok(image) => images.push(image),
            Err(fault) => left_out.pass(fault)?,
        }
    }
    bar.finish();
    tell(folder, left_out);
    left_out.check_some(folder, images.len(), "images")?;
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_known_by_their_first_words() {
        assert_eq!(beginning(" a\n\tb  c "), "a b c");
        assert_eq!(beginning(&"\u{e9}".repeat(100)), format!("{}...", "\u{e9}".repeat(SHOWN)));
    }
}
