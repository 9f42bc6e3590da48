//! Folder per class: `DIR/<class>/*`, or `DIR/train/<class>/*` and `DIR/val/<class>/*` (ImageNet).

use std::path::{Path, PathBuf};

use crate::files::{Wanted, below, entries, file_name, folders_named, subfolders};
use crate::left_out::{Care, Reason};
use crate::{DataError, Named, Place};

/// Names of training and test folders, in the order of preference, ignoring case.
const LEARNED: [&str; 4] = ["train", "training", "train_set", "training_set"];
const TESTED: [&str; 11] = [
    "val",
    "valid",
    "validation",
    "dev",
    "val_set",
    "validation_set",
    "test",
    "testing",
    "eval",
    "test_set",
    "tests",
];

/// Maximum number of enclosing folders to descend through.
const AROUND: usize = 3;

pub(crate) fn read(dir: &Path, care: Care) -> Result<Named, DataError> {
    read_as(dir, Wanted::Images, |_| true, care)
}

/// Reads files of a kind in class folders that satisfy `is_class`.
pub(crate) fn read_as(
    dir: &Path,
    wanted: Wanted,
    is_class: fn(&str) -> bool,
    care: Care,
) -> Result<Named, DataError> {
    let mut named = Named::new(care);
    let classes = Classes { wanted, is_class };
    let dir = &around(dir, wanted)?;
    let learned = folders_named(dir, &LEARNED).into_iter().find(|folder| wanted.is_below(folder));
    let mut tested = folders_named(dir, &TESTED);
    tested.retain(|folder| wanted.is_below(folder));
    let Some(learned) = learned else {
        let all = subfolders(dir)?;
        let others = all.iter().filter(|folder| wanted.is_below(folder)).count() - tested.len();
        // A lone test folder with subfolders is used for training; otherwise such folders are
        // classes.
        return match tested
            .first()
            .filter(|folder| others == 0 && subfolders(folder).is_ok_and(|f| !f.is_empty()))
        {
            None => classes.of(dir, &mut named, true).map(|()| named),
            Some(folder) => {
                named
                    .left_out
                    .note(format!("{} is the only part: used for training", file_name(folder)));
                classes.of(folder, &mut named, true).map(|()| named)
            }
        };
    };
    classes.of(&learned, &mut named, true)?;
    let mut tested = tested.into_iter();
    if let Some(folder) = tested.next() {
        classes.of(&folder, &mut named, false)?;
        check_known(&folder, &named)?;
        for other in tested {
            let count = below(&other, wanted, &mut named.left_out)?.len();
            let [used, unused] = [&folder, &other].map(|path| file_name(path));
            named.left_out.note(format!("{unused}/ is left out: {used}/ is used for testing"));
            named.left_out.add(Reason::Unused, count);
        }
    }
    Ok(named)
}

/// Refuses test classes without training samples in strict mode; otherwise they are counted later.
fn check_known(folder: &Path, named: &Named) -> Result<(), DataError> {
    let known: std::collections::BTreeSet<&str> =
        named.train.iter().map(|(_, class)| class.as_str()).collect();
    let strange = named.val.iter().find(|(_, class)| !known.contains(class.as_str()));
    match strange.filter(|_| named.left_out.care().strict) {
        Some((_, class)) => {
            Err(DataError::UnknownClass { path: folder.to_path_buf(), class: class.clone() })
        }
        None => Ok(()),
    }
}

/// Descends through enclosing folders: while a folder holds a single folder that itself has
/// subfolders.
fn around(dir: &Path, wanted: Wanted) -> Result<PathBuf, DataError> {
    let mut dir = dir.to_path_buf();
    for _ in 0..AROUND {
        let mut folders = subfolders(&dir)?;
        folders.retain(|folder| wanted.is_below(folder));
        let [only] = &folders[..] else { break };
        let inside = entries(only)?;
        let is_around = inside.iter().any(|path| path.is_dir() && wanted.is_below(path))
            && !inside.iter().any(|path| wanted.has(path))
            && !entries(&dir)?.iter().any(|path| wanted.has(path));
        let is_part =
            LEARNED.iter().chain(&TESTED).any(|name| file_name(only).eq_ignore_ascii_case(name));
        if !is_around || is_part {
            break;
        }
        dir = only.clone();
    }
    Ok(dir)
}

/// Reader of class folders.
struct Classes {
    wanted: Wanted,
    is_class: fn(&str) -> bool,
}

impl Classes {
    /// Adds a class for each folder that has files of the wanted kind, in it or below it.
    fn of(&self, dir: &Path, named: &mut Named, is_train: bool) -> Result<(), DataError> {
        let mut folders = subfolders(dir)?;
        folders.retain(|folder| (self.is_class)(&file_name(folder)));
        let beside = entries(dir)?.iter().filter(|path| self.wanted.has(path)).count();
        if folders.is_empty() {
            return Err(DataError::NoClasses { path: dir.to_path_buf(), beside });
        }
        named.left_out.add(Reason::Unlabelled, beside);
        for folder in folders {
            let files = below(&folder, self.wanted, &mut named.left_out)?;
            if files.is_empty() {
                named.left_out.pass(DataError::EmptyClass { path: folder })?;
                continue;
            }
            let class = file_name(&folder);
            named
                .part(is_train)
                .extend(files.into_iter().map(|path| (Place::File(path), class.clone())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::tests::{refused, strictly, touch};
    use crate::{DataError, Dataset, LeftOut, Reason, images};

    fn lay(dir: &Path, names: &[&str]) {
        names.iter().for_each(|name| touch(dir, name, b"x"));
    }

    #[test]
    fn flat_and_split_folders() {
        let dir = tempfile::tempdir().unwrap();
        lay(dir.path(), &["b/2.jpg", "b/1.PNG", "a/1.jpg", "a/.hidden.jpg", "a/notes.txt"]);
        let set = Dataset::open(dir.path()).unwrap();
        assert_eq!(set.classes, ["a", "b"]);
        assert_eq!(set.train.iter().map(|s| s.class).collect::<Vec<_>>(), [0, 1, 1]);
        let split = &dir.path().join("s");
        lay(split, &["train/a/1.jpg", "train/b/1.jpg", "val/b/2.jpg"]);
        let set = Dataset::open(split).unwrap();
        assert_eq!((set.train.len(), set.val.len(), set.val[0].class), (2, 1, 1));
        lay(split, &["val/c/2.jpg"]);
        assert!(matches!(strictly(split), Err(DataError::UnknownClass { .. })));
        let set = Dataset::open(split).unwrap();
        assert_eq!((set.val.len(), set.left_out.count(Reason::Untaught)), (1, 1));
    }

    #[test]
    fn empty_folders_are_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Dataset::open(dir.path()), Err(DataError::NoClasses { .. })));
        assert!(matches!(
            images(dir.path(), 3, &mut LeftOut::default()),
            Err(DataError::Empty { .. })
        ));
        lay(dir.path(), &["a/1.jpg"]);
        std::fs::create_dir(dir.path().join("b")).unwrap();
        refused(dir.path(), &["b: the class folder holds no images"]);
        let set = Dataset::open(dir.path()).unwrap();
        assert_eq!(
            (&set.classes[..], set.left_out.count(Reason::EmptyClass)),
            (&["a".to_string()][..], 1)
        );
    }

    /// Parts under the names that users and tools give them.
    #[test]
    fn parts_by_other_names() {
        let whole = tempfile::tempdir().unwrap();
        for (n, (names, learned, tested, note)) in [
            (&["Train/a/1.jpg", "Train/b/1.jpg", "Test/a/2.jpg"][..], 2, 1, ""),
            (&["training/a/1.jpg", "training/b/1.jpg", "validation/a/2.jpg"], 2, 1, ""),
            (&["test/a/1.jpg", "test/b/1.jpg"], 2, 0, "test is the only part: used for training"),
            (
                &["train/a/1.jpg", "train/b/1.jpg", "val/a/2.jpg", "test/a/3.jpg"],
                2,
                1,
                "test/ is left out: val/ is used for testing",
            ),
            (&["set/train/a/1.jpg", "set/train/b/1.jpg", "set/val/a/2.jpg"], 2, 1, ""),
            // A class may have the name of a part.
            (&["test/1.jpg", "a/1.jpg"], 2, 0, ""),
        ]
        .into_iter()
        .enumerate()
        {
            let dir = whole.path().join(n.to_string());
            lay(&dir, names);
            let set = Dataset::open(&dir).unwrap();
            assert_eq!(
                (set.train.len(), set.val.len(), set.classes.len()),
                (learned, tested, 2),
                "{names:?}"
            );
            let report = set.left_out.report_on(&dir);
            assert!(
                report.contains(note) && (!note.is_empty() || report.is_empty()),
                "{names:?}: {report}"
            );
        }
    }

    #[test]
    fn folders_within_folders() {
        let whole = tempfile::tempdir().unwrap();
        let dir = &whole.path().join("sets");
        lay(
            dir,
            &["pets/images/cat/tabby/1.jpg", "pets/images/cat/2.jpg", "pets/images/dog/x/y/3.jpg"],
        );
        let set = Dataset::open(dir).unwrap();
        assert_eq!(
            (&set.classes[..], set.train.len()),
            (&["cat".to_string(), "dog".to_string()][..], 3)
        );
        // Files beside the class folders have no class.
        lay(dir, &["pets/images/4.jpg"]);
        assert_eq!(
            Dataset::open(&dir.join("pets/images")).unwrap().left_out.count(Reason::Unlabelled),
            1
        );
    }

    #[test]
    fn one_class_alone_is_said() {
        let dir = tempfile::tempdir().unwrap();
        lay(dir.path(), &["images/1.jpg", "images/2.jpg"]);
        let set = Dataset::open(dir.path()).unwrap();
        let report = set.left_out.report_on(Path::new("DIR"));
        assert!(report.starts_with("DIR: `images` is the only class"), "{report}");
    }
}
