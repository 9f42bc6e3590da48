//! Readers of labelled images, texts, sounds and signals in common data set formats.

use formats::array;
use formats::coco;
use formats::csv;
use formats::folder;
use formats::idx_cifar;
use formats::mirflickr;
use formats::open_images;
use formats::text;
use formats::voc;
use formats::wav;
use formats::yolo;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

mod boxes;
mod error;
mod files;
mod formats;
mod left_out;
mod names;
mod sample;
mod table;

pub use boxes::Area;
use boxes::Folders;
pub use boxes::scenes::{Scene, Scenes};
pub use error::{At, DataError};
pub use files::{Wanted, images};
use files::{below, entries, spread};
pub use formats::array::{Array, Arrays};
pub use formats::idx_cifar::Packed;
pub use left_out::{Care, LeftOut, Reason};
pub use sample::{Opener, Place, Sample, by_file};

/// Format of a labelled data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Folder per class, or train/ and val/ with such folders (ImageNet).
    Folder,
    /// Table labels.csv of files and classes, in columns such as `file` and `label`.
    Csv,
    /// IDX files (MNIST, Fashion-MNIST, EMNIST), also with .gz.
    Idx,
    /// CIFAR-10 or CIFAR-100, binary version.
    Cifar,
    /// COCO: annotations/instances_*.json, _annotations.coco.json or annotations.json; one image
    /// per box.
    Coco,
    /// Pascal VOC: Annotations/*.xml and JPEGImages/, or beside each other; one image per box.
    Voc,
    /// YOLO: data.yaml or classes.txt, and a .txt file of boxes per image; one image per box.
    Yolo,
    /// Open Images: *-annotations-bbox.csv; one image per box.
    OpenImages,
    /// MIRFLICKR: im1.jpg, meta/tags/tags1.txt; images with exactly one of the tags.
    Mirflickr,
    /// Folder of .txt files per class, or train/ and test/ with such folders (IMDb).
    Texts,
    /// SQuAD: train-v*.json, dev-v*.json; paragraphs labelled by article.
    Squad,
    /// WikiText: wiki.train.tokens or .raw; paragraphs labelled by article.
    Wikitext,
    /// Text file (.txt), one text per line.
    Lines,
    /// Folder of .wav files per class, or train/ and val/ with such folders; Speech Commands with
    /// its lists.
    Sounds,
    /// Folder of .npy, .npz and .csv files per class, a recording each, or train/ and val/ with such
    /// folders.
    Signals,
    /// File of many samples: .npz with x and y (or x_train, y_train, x_test, y_test), or .csv with a
    /// column `label`.
    Arrays,
}

impl Format {
    /// Detects the format of a folder; [`Format::Folder`] if no other is recognized.
    pub fn detect(dir: &Path) -> Self {
        type IsHere = fn(&Path) -> bool;
        let here: [(IsHere, Self); 15] = [
            (idx_cifar::is_idx, Self::Idx),
            (idx_cifar::is_cifar, Self::Cifar),
            (coco::is_here, Self::Coco),
            (voc::is_here, Self::Voc),
            (open_images::is_here, Self::OpenImages),
            (mirflickr::is_here, Self::Mirflickr),
            (array::is_file, Self::Arrays),
            (csv::is_here, Self::Csv),
            (yolo::is_here, Self::Yolo),
            (text::is_squad, Self::Squad),
            (text::is_wikitext, Self::Wikitext),
            (files::is_text, Self::Lines),
            (text::is_folder, Self::Texts),
            (wav::is_folder, Self::Sounds),
            (array::is_folder, Self::Signals),
        ];
        here.iter().find(|(is_here, _)| is_here(dir)).map_or(Self::Folder, |&(_, format)| format)
    }
}

/// Subset of a data set.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Format of the data set; detected if `None`.
    pub format: Option<Format>,
    /// Classes to restrict to; all if empty.
    pub classes: Vec<String>,
    /// Maximum number of samples per class, spread evenly over them.
    pub per_class: Option<std::num::NonZeroUsize>,
    /// Handling of broken files.
    pub care: Care,
}

/// Result of a reader, before classes are numbered.
#[derive(Debug, Default)]
struct Named {
    train: Vec<(Place, String)>,
    val: Vec<(Place, String)>,
    /// Whole images with their boxes, of formats with boxes.
    scenes: Vec<boxes::scenes::Marked>,
    left_out: LeftOut,
}

/// Labelled samples, sorted by class, then in the order of their collection.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Names of the classes, sorted; numeric names by value. All are valid class names of a head.
    pub classes: Vec<String>,
    /// Training samples: all samples if the data set is not split.
    pub train: Vec<Sample>,
    /// Test samples; empty if the data set is not split.
    pub val: Vec<Sample>,
    /// Record of labelled samples left out, and notes on the others.
    pub left_out: LeftOut,
}

impl Dataset {
    /// Opens all of a data set, in any [`Format`].
    ///
    /// # Errors
    /// Fails if a folder cannot be read, there are no classes, or a list of annotations is broken.
    pub fn open(dir: &Path) -> Result<Self, DataError> {
        Self::open_as(dir, &Selection::default())
    }

    /// Opens the selected subset of a data set.
    ///
    /// # Errors
    /// Fails like [`Dataset::open`], and on an unknown class; with [`Care::strict`] on anything
    /// broken.
    pub fn open_as(dir: &Path, selection: &Selection) -> Result<Self, DataError> {
        let care = selection.care;
        let format = selection.format.unwrap_or_else(|| Format::detect(dir));
        let mut named = match format {
            Format::Folder => folder::read(dir, care),
            Format::Csv => csv::read(dir, care),
            Format::Idx => idx_cifar::idx(dir).map(|named| named.with_care(care)),
            Format::Cifar => idx_cifar::cifar(dir).map(|named| named.with_care(care)),
            Format::Coco => coco::read(dir, care),
            Format::Voc => voc::read(dir, care),
            Format::Yolo => yolo::read(dir, care),
            Format::OpenImages => open_images::read(dir, care),
            Format::Mirflickr => mirflickr::read(dir, &selection.classes, care),
            Format::Texts => text::folders(dir, care),
            Format::Squad => text::squad(dir).map(|named| named.with_care(care)),
            Format::Wikitext => text::wikitext(dir).map(|named| named.with_care(care)),
            Format::Sounds => wav::folders(dir, care),
            Format::Signals => array::folders(dir, care),
            Format::Arrays => array::labelled(dir).map(|named| named.with_care(care)),
            Format::Lines => text::lines(dir).map(|named| named.with_care(care)),
        }?;
        named.tidy();
        let mut data = named.number(dir, selection)?;
        // A file of lines always has a single class.
        if let ([only], false) = (&data.classes[..], format == Format::Lines) {
            let note =
                format!("`{only}` is the only class, at least 2 are needed to measure accuracy");
            data.left_out.note(note);
        }
        Ok(data)
    }

    /// Opens the selected samples with their classes; of a folder without classes, all files of the
    /// wanted kind and no class.
    ///
    /// # Errors
    /// Fails like [`Dataset::open_as`], and if there are no samples of the wanted kind.
    pub fn of_any(dir: &Path, selection: &Selection, wanted: Wanted) -> Result<Self, DataError> {
        let no_classes = match Self::open_as(dir, selection) {
            Err(error @ DataError::NoClasses { .. }) if selection.classes.is_empty() => error,
            other => return other,
        };
        let mut left_out = LeftOut::new(selection.care);
        let files = below(dir, wanted, &mut left_out)?;
        if files.is_empty() {
            return Err(no_classes);
        }
        let most = selection.per_class.map_or(usize::MAX, usize::from);
        let train = spread(&files, most).into_iter().map(Sample::of_file).collect();
        Ok(Self { classes: Vec::new(), train, val: Vec::new(), left_out })
    }

    /// Leaves out samples that cannot be opened, and classes that have no others.
    ///
    /// # Errors
    /// Fails on the first fault with [`Care::strict`], or if no training samples are left.
    pub fn drop_unreadable(&mut self, dir: &Path, mut each: impl FnMut()) -> Result<(), DataError> {
        let mut opener = Opener::new(self.left_out.care());
        for samples in [&mut self.train, &mut self.val] {
            let mut opens = vec![true; samples.len()];
            for i in by_file(samples) {
                each();
                let is_text = matches!(samples[i].place, Place::Text { .. });
                let opened = if is_text { Ok(()) } else { opener.open(&samples[i]).map(|_| ()) };
                match opened {
                    // Samples of the other kind are rejected or accepted by the caller.
                    Ok(()) | Err(DataError::OtherKind { .. }) => {}
                    Err(fault) => {
                        self.left_out.pass(fault)?;
                        opens[i] = false;
                    }
                }
            }
            keep(samples, &opens);
        }
        self.drop_untaught(dir, "images")
    }

    /// Leaves out classes without training samples, and their test samples.
    ///
    /// # Errors
    /// Fails if no class is left.
    pub fn drop_untaught(&mut self, dir: &Path, kind: &'static str) -> Result<(), DataError> {
        self.left_out.check_some(dir, self.train.len(), kind)?;
        let taught: Vec<bool> = (0..self.classes.len())
            .map(|class| self.train.iter().any(|s| s.class == class))
            .collect();
        if self.classes.is_empty() || taught.iter().all(|taught| *taught) {
            return Ok(());
        }
        let tested: Vec<bool> = self.val.iter().map(|s| taught[s.class]).collect();
        self.left_out.add(Reason::Untaught, tested.iter().filter(|tested| !**tested).count());
        keep(&mut self.val, &tested);
        for sample in self.train.iter_mut().chain(&mut self.val) {
            sample.class = taught[..sample.class].iter().filter(|taught| **taught).count();
        }
        for (name, _) in self.classes.iter().zip(&taught).filter(|(_, taught)| !**taught) {
            self.left_out
                .note(format!("class `{name}` is left out: none of its samples can be read"));
        }
        keep(&mut self.classes, &taught);
        Ok(())
    }
}

/// Keeps the elements of a list that are marked.
pub fn keep<T>(list: &mut Vec<T>, marks: &[bool]) {
    let mut marks = marks.iter();
    list.retain(|_| marks.next().copied().unwrap_or(true));
}

impl Named {
    fn new(care: Care) -> Self {
        Self::default().with_care(care)
    }

    /// Returns the samples with an empty record of left-out items.
    fn with_care(self, care: Care) -> Self {
        Self { left_out: LeftOut::new(care), ..self }
    }

    /// Returns the training or the test samples.
    fn part(&mut self, is_train: bool) -> &mut Vec<(Place, String)> {
        if is_train { &mut self.train } else { &mut self.val }
    }

    /// Returns the image that an annotation names, if it exists; a name that leads out of the
    /// folder is counted.
    fn find(&mut self, folders: &Folders, name: &str) -> Result<Option<PathBuf>, DataError> {
        let found = folders.find(name, self.left_out.care());
        found.or_else(|fault| self.left_out.pass(fault).map(|()| None))
    }

    /// Makes the class names valid for heads.
    fn tidy(&mut self) {
        let Self { train, val, left_out, .. } = self;
        let tidied: Vec<(String, String)> = {
            let names = train.iter().chain(val.iter()).map(|(_, name)| name.as_str());
            let tidied = names::tidy(names, left_out).into_iter();
            tidied
                .filter(|(old, new)| old != new)
                .map(|(old, new)| (old.to_string(), new))
                .collect()
        };
        if tidied.is_empty() {
            return;
        }
        for (_, name) in train.iter_mut().chain(val.iter_mut()) {
            if let Ok(at) = tidied.binary_search_by(|(old, _)| old.as_str().cmp(name)) {
                name.clone_from(&tidied[at].1);
            }
        }
    }

    fn number(mut self, dir: &Path, selection: &Selection) -> Result<Dataset, DataError> {
        let path = dir.to_path_buf();
        if self.train.is_empty() {
            // A data set with test samples only is used for training.
            std::mem::swap(&mut self.train, &mut self.val);
        }
        let Self { train, val, mut left_out, .. } = self;
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
            return Err(match (left_out.count(Reason::Absent), left_out.first()) {
                (0, None) => DataError::Empty { path },
                (0, Some(first)) => DataError::NothingLeft { path, first: first.to_string() },
                (absent, _) => DataError::Absent { path, absent },
            });
        }
        let most = selection.per_class.map_or(usize::MAX, usize::from);
        let mut numbering = Numbering::new(&classes);
        let train = numbering.apply(train, most);
        let val = numbering.apply(val, most);
        // Test samples of classes that were not selected are not reported.
        if selection.classes.is_empty() {
            left_out.add(Reason::Untaught, numbering.untaught);
        }
        Ok(Dataset { classes, train, val, left_out })
    }
}

/// Numbers of classes by their names.
struct Numbering<'a> {
    numbers: HashMap<&'a str, usize>,
    /// Number of samples whose class has no number.
    untaught: usize,
}

impl<'a> Numbering<'a> {
    fn new(classes: &'a [String]) -> Self {
        let numbers = classes.iter().enumerate().map(|(i, class)| (class.as_str(), i)).collect();
        Self { numbers, untaught: 0 }
    }

    /// Returns the samples sorted by class, at most `most` of each, evenly spread.
    fn apply(&mut self, named: Vec<(Place, String)>, most: usize) -> Vec<Sample> {
        let mut of_class: Vec<Vec<Sample>> = vec![Vec::new(); self.numbers.len()];
        for (place, name) in named {
            match self.numbers.get(name.as_str()) {
                Some(&class) => of_class[class].push(Sample { place, class }),
                None => self.untaught += 1,
            }
        }
        of_class.iter().flat_map(|samples| spread(samples, most)).collect()
    }
}

/// Returns up to `limit` whole images of a data set in any format, evenly spread over them: frames
/// as a device sees them, for calibration.
///
/// # Errors
/// Fails like [`images`] and [`Dataset::open`].
pub fn unlabelled(
    dir: &Path,
    format: Option<Format>,
    limit: usize,
    left_out: &mut LeftOut,
) -> Result<Vec<Sample>, DataError> {
    let files = match format.unwrap_or_else(|| Format::detect(dir)) {
        Format::Idx | Format::Cifar => {
            let selection = Selection { format, ..Selection::default() };
            return Ok(spread(&Dataset::open_as(dir, &selection)?.train, limit.max(1)));
        }
        Format::Voc => {
            let mut all = Vec::new();
            for folder in voc::images(dir) {
                all.extend(below(&folder, Wanted::Images, left_out)?);
            }
            if all.is_empty() {
                return Err(DataError::Empty { path: dir.to_path_buf() });
            }
            spread(&all, limit.max(1))
        }
        _ => images(dir, limit, left_out)?,
    };
    Ok(files.into_iter().map(Sample::of_file).collect())
}

/// Returns up to `limit` texts of a collection, or of a folder with its subfolders, evenly spread
/// over them.
///
/// # Errors
/// Fails like [`texts_below`].
pub fn texts(
    dir: &Path,
    format: Option<Format>,
    limit: usize,
    left_out: &mut LeftOut,
) -> Result<Vec<Sample>, DataError> {
    let all = match format.unwrap_or_else(|| Format::detect(dir)) {
        Format::Folder => files_below(dir, left_out)?,
        found => {
            Dataset::open_as(dir, &Selection { format: Some(found), ..Selection::default() })?.train
        }
    };
    Ok(spread(&all, limit.max(1)))
}

/// Returns all texts of a collection, or of a folder and its subfolders.
///
/// # Errors
/// Fails like [`Dataset::open`], and if there are no texts.
pub fn texts_below(dir: &Path, left_out: &mut LeftOut) -> Result<Vec<Sample>, DataError> {
    if !matches!(Format::detect(dir), Format::Folder | Format::Texts) {
        let Dataset { mut train, val, .. } = Dataset::open(dir)?;
        train.extend(val);
        return Ok(train);
    }
    files_below(dir, left_out)
}

/// Returns up to `limit` WAV files of a folder and its subfolders, evenly spread over the sorted
/// list.
///
/// # Errors
/// Fails if a folder cannot be read, or there are no WAV files.
pub fn sounds(dir: &Path, limit: usize, left_out: &mut LeftOut) -> Result<Vec<Sample>, DataError> {
    let all = below(dir, Wanted::Sounds, left_out)?;
    if all.is_empty() {
        return Err(DataError::NoSounds { path: dir.to_path_buf() });
    }
    Ok(spread(&all, limit.max(1)).into_iter().map(Sample::of_file).collect())
}

/// Returns up to `limit` signals of a folder and its subfolders, or of a file of many, evenly spread
/// over them.
///
/// # Errors
/// Fails if a folder cannot be read, there are no signals, or a file of many is broken.
pub fn signals(dir: &Path, limit: usize, left_out: &mut LeftOut) -> Result<Vec<Sample>, DataError> {
    if array::is_file(dir) {
        let data = Dataset::open_as(
            dir,
            &Selection { format: Some(Format::Arrays), ..Selection::default() },
        );
        return Ok(spread(&data?.train, limit.max(1)));
    }
    let all = below(dir, Wanted::Signals, left_out)?;
    if all.is_empty() {
        return Err(DataError::NoSignals { path: dir.to_path_buf() });
    }
    Ok(spread(&all, limit.max(1)).into_iter().map(Sample::of_file).collect())
}

/// Returns true if a file, or a folder with its subfolders, has signals and no images.
pub fn has_signals(dir: &Path) -> bool {
    array::is_file(dir) || Wanted::Signals.is_below(dir) && !Wanted::Images.is_below(dir)
}

/// Returns all .txt files of a folder and its subfolders, sorted.
fn files_below(dir: &Path, left_out: &mut LeftOut) -> Result<Vec<Sample>, DataError> {
    let all = below(dir, Wanted::Texts, left_out)?;
    if all.is_empty() {
        return Err(DataError::NoTexts { path: dir.to_path_buf() });
    }
    Ok(all.into_iter().map(Sample::of_file).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a file and the folders it lies in.
    pub(crate) fn touch(dir: &Path, name: &str, bytes: &[u8]) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Opens a data set like with `--strict`.
    pub(crate) fn strictly(dir: &Path) -> Result<Dataset, DataError> {
        let care = Care { strict: true, cut_short: false };
        let data = Dataset::open_as(dir, &Selection { care, ..Selection::default() })?;
        let open = |sample: &Sample| match sample.place {
            Place::Part { .. } => sample.open().map(|_| ()),
            _ => Ok(()),
        };
        data.train.iter().chain(&data.val).try_for_each(open)?;
        Ok(data)
    }

    /// Checks that a folder is strictly refused with a message that holds every one of `parts`.
    pub(crate) fn refused(dir: &Path, parts: &[&str]) {
        let error = strictly(dir).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }

    #[test]
    fn a_selection() {
        let dir = tempfile::tempdir().unwrap();
        let classes = ["10", "9", "a"];
        classes
            .iter()
            .for_each(|c| (0..6).for_each(|i| touch(dir.path(), &format!("{c}/{i}.jpg"), b"x")));
        assert_eq!(Dataset::open(dir.path()).unwrap().classes, ["9", "10", "a"]);
        let mut selection =
            Selection { per_class: std::num::NonZeroUsize::new(2), ..Selection::default() };
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
    fn text_is_told_from_images() {
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
        assert!(error.ends_with("0_9.txt: this is text; the package takes images"), "{error}");
        // A note beside images does not make them texts of a class.
        touch(dir.path(), "p/a/1.jpg", b"x");
        touch(dir.path(), "p/a/notes.txt", b"x");
        assert_eq!(Format::detect(&dir.path().join("p")), Format::Folder);
        let image = &Dataset::open(&dir.path().join("p")).unwrap().train[0];
        assert!(
            image.text().unwrap_err().to_string().ends_with("an image; the package takes text")
        );
    }

    #[test]
    fn whole_images_of_any_collection() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        touch(dir, "JPEGImages/1.jpg", b"x");
        touch(dir, "SegmentationClass/1.png", b"x");
        touch(dir, "Annotations/1.xml", b"<annotation><filename>1.jpg</filename></annotation>");
        assert_eq!(unlabelled(dir, None, 9, &mut LeftOut::default()).unwrap().len(), 1);
        assert_eq!(
            unlabelled(dir, Some(Format::Folder), 9, &mut LeftOut::default()).unwrap().len(),
            2
        );
    }

    #[test]
    fn names_that_no_head_has_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let long = "n02093428_American_Staffordshire_terrier".to_string();
        let longer = format!("{long}_{long}");
        for class in [&long, &longer, "a\u{202e}b"] {
            touch(dir, &format!("{class}/1.jpg"), b"x");
        }
        let set = Dataset::open(dir).unwrap();
        assert_eq!(set.classes, ["a\\u{202e}b", &long, &longer[..64]]);
        let report = set.left_out.report_on(dir);
        assert!(
            report.contains(&format!("class `{longer}` is renamed to"))
                && report.contains("a\\u{202e}b"),
            "{report}"
        );
        assert!(!report.contains(&format!("class `{long}` ")), "{report}");
    }

    #[test]
    fn a_folder_without_classes_is_taken_where_none_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        touch(dir, "1.jpg", b"x");
        touch(dir, "2.webp", b"x");
        let any = |wanted| Dataset::of_any(dir, &Selection::default(), wanted);
        let set = any(Wanted::Images).unwrap();
        assert_eq!((set.classes.len(), set.train.len()), (0, 2));
        assert!(any(Wanted::Texts).is_err());
        refused(dir, &["2 files without a class"]);
    }

    #[test]
    fn what_cannot_be_opened_is_dropped_and_so_is_a_class_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let image = image::RgbImage::from_pixel(8, 8, image::Rgb([9; 3]));
        for class in ["a", "c"] {
            std::fs::create_dir_all(dir.join("train").join(class)).unwrap();
            image.save(dir.join("train").join(class).join("1.png")).unwrap();
        }
        touch(dir, "train/c/2.png", b"");
        touch(dir, "train/b/1.jpg", b"<html>not found</html>");
        std::fs::create_dir_all(dir.join("val/b")).unwrap();
        std::fs::create_dir_all(dir.join("val/c")).unwrap();
        image.save(dir.join("val/b/1.png")).unwrap();
        image.save(dir.join("val/c/1.png")).unwrap();
        let mut set = Dataset::open(dir).unwrap();
        set.drop_unreadable(dir, || ()).unwrap();
        assert_eq!(
            (&set.classes[..], set.train.len(), set.val.len()),
            (&["a".to_string(), "c".to_string()][..], 2, 1)
        );
        assert_eq!((set.train[1].class, set.val[0].class), (1, 1));
        assert_eq!(
            (set.left_out.count(Reason::Unreadable), set.left_out.count(Reason::Untaught)),
            (2, 1)
        );
        assert!(set.left_out.report_on(dir).contains("class `b` is left out"));
        std::fs::remove_file(dir.join("train/a/1.png")).unwrap();
        std::fs::remove_file(dir.join("train/c/1.png")).unwrap();
        touch(dir, "train/a/1.png", b"");
        let mut set = Dataset::open(dir).unwrap();
        let error = set.drop_unreadable(dir, || ()).unwrap_err().to_string();
        assert!(error.contains("none of the 3 images can be read"), "{error}");
    }
}
