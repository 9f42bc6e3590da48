//! Search for image and text files.

use std::io::Read;
use std::path::{Path, PathBuf};

use encoding_rs::{Encoding, WINDOWS_1252};

use crate::DataError;
use crate::left_out::LeftOut;

/// File extensions of supported images.
pub(super) const ENDINGS: [&str; 14] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "bmp", "ppm", "pgm", "pbm", "pnm", "webp", "gif", "tif",
    "tiff",
];

/// File extensions of unsupported images; AVIF and HEIC have no decoder in pure Rust.
const UNREAD: [&str; 14] = [
    "avif", "heic", "heif", "jxl", "jp2", "psd", "svg", "ico", "dng", "cr2", "cr3", "nef", "arw",
    "tga",
];

/// File extensions that are never images, so that their content is not examined.
const OTHERS: [&str; 15] = [
    "wav", "txt", "csv", "tsv", "json", "xml", "yaml", "yml", "md", "html", "npy", "npz", "zip",
    "gz", "mat",
];

/// File extensions of signals.
const SIGNALS: [&str; 3] = ["npy", "npz", "csv"];

/// Maximum depth of subfolders.
const DEPTH: usize = 8;

/// Kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Image in a supported format, by its extension or first bytes.
    Image,
    /// Image in an unsupported format.
    Unread,
    Other,
}

/// Returns the kind of a file by its extension, or by its first bytes if the extension is unknown.
fn kind(path: &Path) -> Kind {
    let ending =
        path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let ending = ending.as_str();
    match () {
        _ if OTHERS.contains(&ending) || !path.is_file() => Kind::Other,
        _ if ENDINGS.contains(&ending) => Kind::Image,
        _ if UNREAD.contains(&ending) => Kind::Unread,
        _ if begins_as_image(path) => Kind::Image,
        _ => Kind::Other,
    }
}

/// Returns true if a file of unknown extension begins like a supported image.
fn begins_as_image(path: &Path) -> bool {
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let mut first = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(16).read_to_end(&mut first));
    read.is_ok()
        && image::guess_format(&first)
            .is_ok_and(|format| matches!(format, Bmp | Gif | Jpeg | Png | Tiff | WebP))
}

pub(super) fn is_image(path: &Path) -> bool {
    kind(path) == Kind::Image
}

pub(super) fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("txt")) && path.is_file()
}

pub(super) fn is_sound(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav")) && path.is_file()
}

/// Returns true for a file of numbers.
pub(super) fn is_signal(path: &Path) -> bool {
    let is_ending = |e: &std::ffi::OsStr| SIGNALS.iter().any(|own| e.eq_ignore_ascii_case(own));
    path.extension().is_some_and(is_ending) && path.is_file()
}

/// Kind of files to search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Images.
    Images,
    /// Text files.
    Texts,
    /// WAV files.
    Sounds,
    /// Files of numbers: .npy, .npz, .csv.
    Signals,
}

impl Wanted {
    pub(super) fn has(self, path: &Path) -> bool {
        match self {
            Self::Images => is_image(path),
            Self::Texts => is_text(path),
            Self::Sounds => is_sound(path),
            Self::Signals => is_signal(path),
        }
    }

    /// Returns true if a folder or one of its subfolders has such a file.
    pub(super) fn is_below(self, dir: &Path) -> bool {
        self.is_within(dir, DEPTH)
    }

    fn is_within(self, dir: &Path, depth: usize) -> bool {
        let inside = entries(dir).unwrap_or_default();
        inside.iter().any(|path| self.has(path))
            || depth > 0
                && inside.iter().any(|path| path.is_dir() && self.is_within(path, depth - 1))
    }
}

/// Returns at most `limit` elements of a list, evenly spread over it.
pub(super) fn spread<T: Clone>(all: &[T], limit: usize) -> Vec<T> {
    let take = limit.min(all.len());
    (0..take).map(|i| all[i * all.len() / take].clone()).collect()
}

/// Returns up to `limit` images of a folder and its subfolders, evenly spread over the sorted list.
///
/// # Errors
/// Fails if a folder cannot be read, or there are no images.
pub fn images(dir: &Path, limit: usize, left_out: &mut LeftOut) -> Result<Vec<PathBuf>, DataError> {
    let all = below(dir, Wanted::Images, left_out)?;
    if all.is_empty() {
        return Err(DataError::Empty { path: dir.to_path_buf() });
    }
    Ok(spread(&all, limit.max(1)))
}

/// Returns all files of a kind in a folder and its subfolders, sorted; images in unsupported
/// formats are counted.
pub(super) fn below(
    dir: &Path,
    wanted: Wanted,
    left_out: &mut LeftOut,
) -> Result<Vec<PathBuf>, DataError> {
    let mut all = Vec::new();
    collect(dir, DEPTH, &mut all)?;
    all.sort();
    // If texts are wanted, unsupported images do not matter.
    if wanted == Wanted::Images {
        for path in all.iter().filter(|path| kind(path) == Kind::Unread) {
            left_out.pass(DataError::OtherFormat { path: path.clone() })?;
        }
    }
    all.retain(|path| wanted.has(path));
    Ok(all)
}

fn collect(dir: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), DataError> {
    for path in entries(dir)? {
        if !path.is_dir() {
            out.push(path);
        } else if depth > 0 {
            collect(&path, depth - 1, out)?;
        }
    }
    Ok(())
}

pub(super) fn subfolders(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut folders = entries(dir)?;
    folders.retain(|p| p.is_dir());
    folders.sort();
    Ok(folders)
}

/// Returns the subfolders with the given names, ignoring case, in the order of `names`.
pub(super) fn folders_named(dir: &Path, names: &[&str]) -> Vec<PathBuf> {
    let all = subfolders(dir).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| all.iter().find(|p| file_name(p).eq_ignore_ascii_case(name)).cloned())
        .collect()
}

/// Returns the last part of a path.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the entries of a folder, without hidden files and the `__MACOSX` folder of macOS
/// archives.
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let list = std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let list = list.map_err(|source| DataError::read(dir, source))?;
    Ok(list.into_iter().map(|e| e.path()).filter(|path| is_visible(path)).collect())
}

fn is_visible(path: &Path) -> bool {
    let name = file_name(path);
    !name.starts_with('.') && name != "__MACOSX"
}

/// Reads a text file: UTF-8 or UTF-16 by its byte order mark, which is removed; without one UTF-8,
/// or Windows-1252 if the bytes are not valid UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::read(path, source))?;
    if let Some((encoding, mark)) = Encoding::for_bom(&bytes) {
        return Ok(encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => Ok(WINDOWS_1252.decode_without_bom_handling(error.as_bytes()).0.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::left_out::Reason;
    use crate::tests::touch;

    #[test]
    fn a_limit_spreads_over_the_list() {
        let dir = tempfile::tempdir().unwrap();
        (0..10).for_each(|i| touch(dir.path(), &format!("{i}.jpg"), b"x"));
        let mut left_out = LeftOut::default();
        let five = images(dir.path(), 5, &mut left_out).unwrap();
        let names: Vec<_> = five.iter().map(|p| p.file_stem().unwrap().to_owned()).collect();
        assert_eq!(names, ["0", "2", "4", "6", "8"]);
        assert_eq!(images(dir.path(), 99, &mut left_out).unwrap().len(), 10);
    }

    #[test]
    fn names_and_beginnings_say_what_is_a_image() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for name in ["a.JPG", "b.jfif", "c.webp", "d.tif", "e/f/g/h/i.gif"] {
            touch(dir, name, b"x");
        }
        touch(dir, "of_a_camera", b"\xff\xd8\xff\xe0 and so on");
        touch(dir, "readme", b"no image");
        touch(dir, "list.txt", b"\xff\xd8\xff\xe0");
        touch(dir, ".hidden.jpg", b"x");
        touch(dir, "__MACOSX/a.jpg", b"x");
        touch(dir, "phone.HEIC", b"x");
        let mut left_out = LeftOut::default();
        assert_eq!(images(dir, 99, &mut left_out).unwrap().len(), 6);
        assert_eq!(left_out.count(Reason::OtherFormat), 1);
        assert!(left_out.to_string().contains("phone.HEIC"), "{left_out}");
    }

    #[test]
    fn text_in_any_encoding_is_read() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), "a", b"\xef\xbb\xbfcaf\xc3\xa9");
        touch(dir.path(), "b", b"caf\xe9");
        touch(dir.path(), "c", b"\xff\xfec\0a\0f\0\xe9\0");
        touch(dir.path(), "d", b"\xfe\xff\0c\0a\0f\0\xe9");
        for name in ["a", "b", "c", "d"] {
            assert_eq!(read_text(&dir.path().join(name)).unwrap(), "caf\u{e9}");
        }
    }
}
