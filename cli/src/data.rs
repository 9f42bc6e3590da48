//! Labelled pictures and texts, in the manners in which people keep them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use offshoot::Picture;
mod boxes;
mod coco;
mod error;
mod folder;
mod mirflickr;
mod open_images;
mod packed;
mod text;
mod voc;

pub use boxes::Area;
pub use error::{At, DataError};
pub use packed::Packed;

/// Endings of the pictures we read.
const ENDINGS: [&str; 7] = ["jpg", "jpeg", "png", "bmp", "ppm", "pgm", "pnm"];

/// How labelled pictures, or texts, lie in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A folder per class, or train/ and val/ with such folders (ImageNet).
    Folder,
    /// IDX files (MNIST, Fashion-MNIST, EMNIST), also with .gz.
    Idx,
    /// Binary CIFAR-10 or CIFAR-100.
    Cifar,
    /// COCO: annotations/instances_*.json, or _annotations.coco.json; a picture for each box.
    Coco,
    /// Pascal VOC: Annotations/*.xml and JPEGImages/; a picture for each box.
    Voc,
    /// Open Images: *-annotations-bbox.csv; a picture for each box.
    OpenImages,
    /// MIRFLICKR: im1.jpg, meta/tags/tags1.txt; pictures with exactly one of the tags.
    Mirflickr,
    /// A folder of .txt files per class, or train/ and test/ with such folders (IMDb).
    Texts,
    /// SQuAD: train-v*.json, dev-v*.json; paragraphs by their article.
    Squad,
    /// WikiText: wiki.train.tokens or .raw; paragraphs by their article.
    Wikitext,
    /// A .txt file, each line a text.
    Lines,
}

impl Format {
    /// What lies in a folder; folders per class if nothing else is recognised.
    pub fn detect(dir: &Path) -> Self {
        type IsHere = fn(&Path) -> bool;
        let here: [(IsHere, Self); 10] = [
            (packed::is_idx, Self::Idx),
            (packed::is_cifar, Self::Cifar),
            (coco::is_here, Self::Coco),
            (voc::is_here, Self::Voc),
            (open_images::is_here, Self::OpenImages),
            (mirflickr::is_here, Self::Mirflickr),
            (text::is_squad, Self::Squad),
            (text::is_wikitext, Self::Wikitext),
            (text::is_text, Self::Lines),
            (text::is_folder, Self::Texts),
        ];
        here.iter().find(|(is_here, _)| is_here(dir)).map_or(Self::Folder, |&(_, format)| format)
    }
}

/// What of a folder is taken.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Selection {
    /// How the pictures lie in the folder [default: found out].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Take only these classes.
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Take at most this many pictures of each class, spread evenly over them.
    #[arg(long, value_name = "N")]
    pub per_class: Option<std::num::NonZeroUsize>,
}

/// Where a picture is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file of its own.
    File(PathBuf),
    /// A part of one.
    Part {
        /// The file.
        path: PathBuf,
        /// The part.
        area: Area,
    },
    /// One of many in a file.
    Packed {
        /// The file.
        file: Arc<Packed>,
        /// Which, from 0.
        index: usize,
    },
    /// A text of many in a file.
    Text {
        /// The file.
        path: Arc<Path>,
        /// Which line or paragraph.
        index: usize,
        /// The text itself.
        text: Arc<str>,
    },
}

/// A picture, or a text, of a class.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Where it is.
    pub place: Place,
    /// Index of its class.
    pub class: usize,
}

impl Sample {
    /// A file of no class.
    pub fn of_file(path: PathBuf) -> Self {
        Self { place: Place::File(path), class: 0 }
    }

    /// The picture.
    ///
    /// # Errors
    /// A file that does not decode, a box outside it, a text.
    pub fn open(&self) -> Result<Picture, DataError> {
        match &self.place {
            Place::File(path) if !text::is_text(path) => Ok(Picture::open(path)?),
            Place::File(_) | Place::Text { .. } => {
                Err(DataError::OtherKind { name: self.name(), is: "text", takes: "pictures" })
            }
            Place::Part { path, area } => {
                area.of(&Picture::open(path)?).ok_or_else(|| DataError::EmptyBox { name: self.name() })
            }
            // The length was checked when the file was read.
            Place::Packed { file, index } => {
                file.picture(*index).ok_or_else(|| DataError::Empty { path: file.path().to_path_buf() })
            }
        }
    }

    /// The text.
    ///
    /// # Errors
    /// A file that cannot be read, a picture.
    pub fn text(&self) -> Result<String, DataError> {
        match &self.place {
            Place::Text { text, .. } => Ok(text.to_string()),
            Place::File(path) if text::is_text(path) => {
                let read = |source| DataError::Read { path: path.clone(), source };
                let bytes = std::fs::read(path).map_err(read)?;
                // IMDb's texts came from web pages.
                Ok(String::from_utf8_lossy(&bytes).replace("<br />", "\n"))
            }
            _ => Err(DataError::OtherKind { name: self.name(), is: "a picture", takes: "text" }),
        }
    }

    /// The file; `#` and the box or the index behind it where it holds more than this sample.
    pub fn name(&self) -> String {
        match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::Part { path, area: Area { x, y, width, height } } => {
                format!("{}#{x},{y},{width}x{height}", path.display())
            }
            Place::Packed { file, index } => format!("{}#{index}", file.path().display()),
            Place::Text { path, index, .. } => format!("{}#{index}", path.display()),
        }
    }
}

/// What was labelled and not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The picture is not there.
    pub absent: usize,
    /// Crowds, groups, difficult or very small boxes; pictures with none or several of the tags.
    pub unclear: usize,
    /// To be tested on, but of a class that is not learned.
    pub untaught: usize,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { absent, unclear, untaught } = self;
        write!(f, "left out: {absent} whose picture is not there, {unclear} unclear or small, ")?;
        write!(f, "{untaught} of classes that are not learned")
    }
}

/// What a reader found, before classes have numbers.
#[derive(Debug, Default)]
struct Named {
    train: Vec<(Place, String)>,
    val: Vec<(Place, String)>,
    left_out: LeftOut,
}

/// Labelled pictures, sorted by class, then as their collection has them.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Names of the classes, sorted; numbers by their value.
    pub classes: Vec<String>,
    /// Pictures to learn from: all of them where the folder is not split.
    pub train: Vec<Sample>,
    /// Pictures to test on; empty where the folder is not split.
    pub val: Vec<Sample>,
    /// What was labelled and not taken.
    pub left_out: LeftOut,
}

impl Dataset {
    /// Reads all of what lies in a folder, in whatever [`Format`] it is.
    ///
    /// # Errors
    /// A folder that cannot be read, an empty class, no classes, other classes in `val`, broken files.
    pub fn open(dir: &Path) -> Result<Self, DataError> {
        Self::open_as(dir, &Selection::default())
    }

    /// Reads what is asked for.
    ///
    /// # Errors
    /// As [`Dataset::open`], and a class that is not there.
    pub fn open_as(dir: &Path, selection: &Selection) -> Result<Self, DataError> {
        let named = match selection.format.unwrap_or_else(|| Format::detect(dir)) {
            Format::Folder => folder::read(dir),
            Format::Idx => packed::idx(dir),
            Format::Cifar => packed::cifar(dir),
            Format::Coco => coco::read(dir),
            Format::Voc => voc::read(dir),
            Format::OpenImages => open_images::read(dir),
            Format::Mirflickr => mirflickr::read(dir, &selection.classes),
            Format::Texts => text::folders(dir),
            Format::Squad => text::squad(dir),
            Format::Wikitext => text::wikitext(dir),
            Format::Lines => text::lines(dir),
        }?;
        named.number(dir, selection)
    }
}

impl Named {
    fn number(mut self, dir: &Path, selection: &Selection) -> Result<Dataset, DataError> {
        let path = dir.to_path_buf();
        if self.train.is_empty() {
            // What there is to test on can be learned from as well.
            std::mem::swap(&mut self.train, &mut self.val);
        }
        let Self { train, val, mut left_out } = self;
        let mut classes: Vec<String> = train.iter().map(|(_, class)| class.clone()).collect();
        classes.sort_by_cached_key(|name| (name.parse().unwrap_or(u64::MAX), name.clone()));
        classes.dedup();
        if let Some(class) = selection.classes.iter().find(|c| !classes.contains(c)) {
            return Err(DataError::NoSuchClass { path, class: class.clone(), classes });
        }
        if !selection.classes.is_empty() {
            classes.retain(|class| selection.classes.contains(class));
        }
        if classes.is_empty() {
            return Err(match left_out.absent {
                0 => DataError::Empty { path },
                absent => DataError::Absent { path, absent },
            });
        }
        let most = selection.per_class.map_or(usize::MAX, usize::from);
        let mut untaught = 0;
        let mut numbered = |named: Vec<(Place, String)>| {
            let mut of_class: Vec<Vec<Sample>> = classes.iter().map(|_| Vec::new()).collect();
            for (place, name) in named {
                match classes.iter().position(|c| *c == name) {
                    Some(class) => of_class[class].push(Sample { place, class }),
                    None => untaught += 1,
                }
            }
            of_class.iter().flat_map(|samples| spread(samples, most)).collect()
        };
        let train = numbered(train);
        // What was not asked for is not missed.
        let val = numbered(val);
        if selection.classes.is_empty() {
            left_out.untaught = untaught;
        }
        Ok(Dataset { classes, train, val, left_out })
    }
}

/// At most `limit` of a list, evenly spread over it.
fn spread<T: Clone>(all: &[T], limit: usize) -> Vec<T> {
    let take = limit.min(all.len());
    (0..take).map(|i| all[i * all.len() / take].clone()).collect()
}

/// Up to `limit` whole pictures of a folder in any format, evenly spread over them: what a device sees,
/// to calibrate on.
///
/// # Errors
/// As [`pictures`] and [`Dataset::open`].
pub fn unlabelled(dir: &Path, format: Option<Format>, limit: usize) -> Result<Vec<Sample>, DataError> {
    let files = |files: Vec<PathBuf>| files.into_iter().map(Sample::of_file);
    match format.unwrap_or_else(|| Format::detect(dir)) {
        Format::Idx | Format::Cifar => {
            let selection = Selection { format, ..Selection::default() };
            Ok(spread(&Dataset::open_as(dir, &selection)?.train, limit.max(1)))
        }
        Format::Voc => Ok(files(pictures(&dir.join("JPEGImages"), limit)?).collect()),
        _ => Ok(files(pictures(dir, limit)?).collect()),
    }
}

/// Up to `limit` texts of a collection, or of a folder without classes and those below it, evenly spread.
///
/// # Errors
/// As [`texts_below`].
pub fn texts(dir: &Path, format: Option<Format>, limit: usize) -> Result<Vec<Sample>, DataError> {
    let all = match format.unwrap_or_else(|| Format::detect(dir)) {
        Format::Folder => files_below(dir)?,
        found => Dataset::open_as(dir, &Selection { format: Some(found), ..Selection::default() })?.train,
    };
    Ok(spread(&all, limit.max(1)))
}

/// All texts of a collection, or of a folder and the folders below it.
///
/// # Errors
/// As [`Dataset::open`], and a folder without texts.
pub fn texts_below(dir: &Path) -> Result<Vec<Sample>, DataError> {
    if !matches!(Format::detect(dir), Format::Folder | Format::Texts) {
        let Dataset { mut train, val, .. } = Dataset::open(dir)?;
        train.extend(val);
        return Ok(train);
    }
    files_below(dir)
}

/// All .txt files of a folder and of those below it, sorted.
fn files_below(dir: &Path) -> Result<Vec<Sample>, DataError> {
    let mut all = Vec::new();
    collect(dir, 3, text::is_text, &mut all)?;
    if all.is_empty() {
        return Err(DataError::NoTexts { path: dir.to_path_buf() });
    }
    all.sort();
    Ok(all.into_iter().map(Sample::of_file).collect())
}

/// Up to `limit` pictures of a folder and the folders below it, evenly spread over the sorted list.
///
/// # Errors
/// A folder that cannot be read or holds no pictures.
pub fn pictures(dir: &Path, limit: usize) -> Result<Vec<PathBuf>, DataError> {
    let mut all = Vec::new();
    collect(dir, 3, is_picture, &mut all)?;
    if all.is_empty() {
        return Err(DataError::Empty { path: dir.to_path_buf() });
    }
    all.sort();
    Ok(spread(&all, limit.max(1)))
}

fn collect(
    dir: &Path,
    depth: usize,
    wanted: fn(&Path) -> bool,
    out: &mut Vec<PathBuf>,
) -> Result<(), DataError> {
    for path in entries(dir)? {
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, wanted, out)?;
        } else if wanted(&path) {
            out.push(path);
        }
    }
    Ok(())
}

fn subfolders(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut folders = entries(dir)?;
    folders.retain(|p| p.is_dir());
    folders.sort();
    Ok(folders)
}

/// What a folder holds, hidden files left out.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let read = |source| DataError::Read { path: dir.to_path_buf(), source };
    let list: Result<Vec<_>, _> = std::fs::read_dir(dir).map_err(read)?.collect();
    let visible = |p: &PathBuf| !p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
    Ok(list.map_err(read)?.into_iter().map(|e| e.path()).filter(visible).collect())
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|e| ENDINGS.contains(&e.as_str())) && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a file and the folders it lies in.
    pub(super) fn touch(dir: &Path, name: &str, bytes: &[u8]) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Checks that a folder is refused with a message that holds every one of `parts`.
    pub(super) fn refused(dir: &Path, parts: &[&str]) {
        let error = Dataset::open(dir).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }

    #[test]
    fn a_limit_spreads_over_the_list() {
        let dir = tempfile::tempdir().unwrap();
        (0..10).for_each(|i| touch(dir.path(), &format!("{i}.jpg"), b"x"));
        let names: Vec<_> =
            pictures(dir.path(), 5).unwrap().iter().map(|p| p.file_stem().unwrap().to_owned()).collect();
        assert_eq!(names, ["0", "2", "4", "6", "8"]);
        assert_eq!(pictures(dir.path(), 99).unwrap().len(), 10);
    }

    #[test]
    fn a_selection() {
        let dir = tempfile::tempdir().unwrap();
        let classes = ["10", "9", "a"];
        classes.iter().for_each(|c| (0..6).for_each(|i| touch(dir.path(), &format!("{c}/{i}.jpg"), b"x")));
        assert_eq!(Dataset::open(dir.path()).unwrap().classes, ["9", "10", "a"]);
        let mut selection = Selection { per_class: std::num::NonZeroUsize::new(2), ..Selection::default() };
        selection.classes = vec!["a".into(), "10".into()];
        let set = Dataset::open_as(dir.path(), &selection).unwrap();
        assert_eq!(set.classes, ["10", "a"]);
        let names: Vec<_> =
            set.train.iter().map(|s| s.name().rsplit_once('/').unwrap().1.to_string()).collect();
        assert_eq!(
            (names, set.left_out),
            (["0.jpg", "3.jpg", "0.jpg", "3.jpg"].map(String::from).to_vec(), LeftOut::default())
        );
        selection.classes.push("b".into());
        let error = Dataset::open_as(dir.path(), &selection).unwrap_err().to_string();
        assert!(error.ends_with("no class `b`; there are 9, 10, a"), "{error}");
    }

    #[test]
    fn text_is_told_from_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let cases = [
            ("i/train/pos/0_9.txt", "i", Format::Texts),
            ("s/train-v2.0.json", "s", Format::Squad),
            ("w/wiki.train.tokens", "w", Format::Wikitext),
            ("l.txt", "l.txt", Format::Lines),
        ];
        for (file, name, format) in cases {
            touch(dir.path(), file, b"x");
            assert_eq!(Format::detect(&dir.path().join(name)), format, "{file}");
        }
        let set = Dataset::open(&dir.path().join("i")).unwrap();
        let error = set.train[0].open().unwrap_err().to_string();
        assert!(error.ends_with("0_9.txt: this is text; the package takes pictures"), "{error}");
        // A note beside pictures is no text of a class.
        touch(dir.path(), "p/a/1.jpg", b"x");
        touch(dir.path(), "p/a/notes.txt", b"x");
        assert_eq!(Format::detect(&dir.path().join("p")), Format::Folder);
        let picture = &Dataset::open(&dir.path().join("p")).unwrap().train[0];
        assert!(picture.text().unwrap_err().to_string().ends_with("a picture; the package takes text"));
    }

    #[test]
    fn whole_pictures_of_any_collection() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        touch(dir, "JPEGImages/1.jpg", b"x");
        touch(dir, "SegmentationClass/1.png", b"x");
        touch(dir, "Annotations/1.xml", b"<annotation><filename>1.jpg</filename></annotation>");
        assert_eq!(unlabelled(dir, None, 9).unwrap().len(), 1);
        assert_eq!(unlabelled(dir, Some(Format::Folder), 9).unwrap().len(), 2);
    }
}
