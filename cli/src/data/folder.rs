//! `DIR/<class>/*`, or `DIR/train/<class>/*` and `DIR/val/<class>/*`: ImageNet's manner.

use std::path::{Path, PathBuf};

use super::{DataError, Named, Place, entries, is_picture, subfolders};

/// Whether something belongs to the collection.
type Belongs<T> = fn(&T) -> bool;

pub(super) fn read(dir: &Path) -> Result<Named, DataError> {
    read_as(dir, is_picture, |_| true)
}

/// The files that belong, of the classes that do.
pub(super) fn read_as(dir: &Path, file: Belongs<Path>, class: Belongs<str>) -> Result<Named, DataError> {
    let labelled = |dir: &Path| labelled(dir, file, class);
    let train_dir = dir.join("train");
    if !train_dir.is_dir() {
        return Ok(Named { train: labelled(dir)?, ..Named::default() });
    }
    let train = labelled(&train_dir)?;
    let val_dir = ["val", "valid", "validation", "test"].iter().map(|n| dir.join(n)).find(|p| p.is_dir());
    let Some(val_dir) = val_dir else { return Ok(Named { train, ..Named::default() }) };
    let val = labelled(&val_dir)?;
    // Both are sorted by class, so neighbours with one name are asked about once.
    let mut known: Vec<&str> = train.iter().map(|(_, class)| class.as_str()).collect();
    known.dedup();
    if let Some((_, class)) = val.iter().find(|(_, class)| !known.contains(&class.as_str())) {
        return Err(DataError::UnknownClass { path: val_dir, class: class.clone() });
    }
    Ok(Named { train, val, ..Named::default() })
}

fn labelled(
    dir: &Path,
    belongs: Belongs<Path>,
    is_class: Belongs<str>,
) -> Result<Vec<(Place, String)>, DataError> {
    let name = |folder: &PathBuf| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut folders = subfolders(dir)?;
    folders.retain(|folder| is_class(&name(folder)));
    if folders.is_empty() {
        return Err(DataError::NoClasses { path: dir.to_path_buf() });
    }
    let mut samples = Vec::new();
    for folder in folders {
        let mut files: Vec<PathBuf> = entries(&folder)?.into_iter().filter(|p| belongs(p)).collect();
        if files.is_empty() {
            return Err(DataError::EmptyClass { path: folder });
        }
        files.sort();
        let class = name(&folder);
        samples.extend(files.into_iter().map(|path| (Place::File(path), class.clone())));
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::super::tests::touch;
    use super::super::{DataError, Dataset, pictures};

    #[test]
    fn flat_and_split_folders() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/2.jpg", "b/1.PNG", "a/1.jpg", "a/.hidden.jpg", "a/notes.txt"] {
            touch(dir.path(), name, b"x");
        }
        let set = Dataset::open(dir.path()).unwrap();
        assert_eq!(set.classes, ["a", "b"]);
        assert_eq!(set.train.iter().map(|s| s.class).collect::<Vec<_>>(), [0, 1, 1]);
        for name in ["s/train/a/1.jpg", "s/train/b/1.jpg", "s/val/b/2.jpg"] {
            touch(dir.path(), name, b"x");
        }
        let set = Dataset::open(&dir.path().join("s")).unwrap();
        assert_eq!((set.train.len(), set.val.len(), set.val[0].class), (2, 1, 1));
        touch(dir.path(), "s/val/c/2.jpg", b"x");
        assert!(matches!(Dataset::open(&dir.path().join("s")), Err(DataError::UnknownClass { .. })));
    }

    #[test]
    fn empty_folders_are_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Dataset::open(dir.path()), Err(DataError::NoClasses { .. })));
        assert!(matches!(pictures(dir.path(), 3), Err(DataError::Empty { .. })));
        touch(dir.path(), "a/1.jpg", b"x");
        std::fs::create_dir(dir.path().join("b")).unwrap();
        let error = Dataset::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("b: the class folder holds no pictures"), "{error}");
    }
}
