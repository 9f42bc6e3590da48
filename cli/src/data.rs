//! Folders of pictures: one per class, or none.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Endings of the pictures we read.
const ENDINGS: [&str; 7] = ["jpg", "jpeg", "png", "bmp", "ppm", "pgm", "pnm"];

/// Why a folder is not what it should be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The folder cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// No picture anywhere.
    #[error("{path}: no pictures ({}) in this folder or below it", ENDINGS.join(", "))]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A class without pictures.
    #[error("{path}: the class folder holds no pictures; add some or remove it")]
    EmptyClass {
        /// The class folder.
        path: PathBuf,
    },
    /// Not at least one folder per class.
    #[error("{path}: needs one folder of pictures per class (or train/ and val/ with such folders)")]
    NoClasses {
        /// The folder.
        path: PathBuf,
    },
    /// Training and validation name different classes.
    #[error("{path}: class `{class}` is not among the training classes")]
    UnknownClass {
        /// The validation folder.
        path: PathBuf,
        /// The class.
        class: String,
    },
}

/// A picture of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The file.
    pub path: PathBuf,
    /// Index of its class.
    pub class: usize,
}

/// Labelled pictures, sorted by class and name.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Names of the classes, sorted.
    pub classes: Vec<String>,
    /// Pictures to learn from: all of them where the folder is not split.
    pub train: Vec<Sample>,
    /// Pictures to test on; empty where the folder is not split.
    pub val: Vec<Sample>,
}

impl Dataset {
    /// Reads `DIR/<class>/*`, or `DIR/train/<class>/*` and `DIR/val/<class>/*` (or `test`).
    ///
    /// # Errors
    /// A folder that cannot be read, an empty class, no classes, other classes in `val`.
    pub fn open(dir: &Path) -> Result<Self, DataError> {
        let train_dir = dir.join("train");
        if !train_dir.is_dir() {
            let (classes, train) = labelled(dir)?;
            return Ok(Self { classes, train, val: Vec::new() });
        }
        let (classes, train) = labelled(&train_dir)?;
        let val_dir = ["val", "test"].iter().map(|n| dir.join(n)).find(|p| p.is_dir());
        let Some(val_dir) = val_dir else { return Ok(Self { classes, train, val: Vec::new() }) };
        let (names, mut val) = labelled(&val_dir)?;
        for sample in &mut val {
            let name = &names[sample.class];
            sample.class = classes
                .iter()
                .position(|c| c == name)
                .ok_or_else(|| DataError::UnknownClass { path: val_dir.clone(), class: name.clone() })?;
        }
        Ok(Self { classes, train, val })
    }
}

/// Up to `limit` pictures of a folder and the folders below it, evenly spread over the sorted list.
///
/// # Errors
/// A folder that cannot be read or holds no pictures.
pub fn pictures(dir: &Path, limit: usize) -> Result<Vec<PathBuf>, DataError> {
    let mut all = Vec::new();
    collect(dir, 3, &mut all)?;
    if all.is_empty() {
        return Err(DataError::Empty { path: dir.to_path_buf() });
    }
    all.sort();
    let take = limit.clamp(1, all.len());
    Ok((0..take).map(|i| all[i * all.len() / take].clone()).collect())
}

fn collect(dir: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), DataError> {
    for path in entries(dir)? {
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, out)?;
        } else if is_picture(&path) {
            out.push(path);
        }
    }
    Ok(())
}

fn labelled(dir: &Path) -> Result<(Vec<String>, Vec<Sample>), DataError> {
    let mut folders: Vec<PathBuf> = entries(dir)?.into_iter().filter(|p| p.is_dir()).collect();
    folders.sort();
    if folders.is_empty() {
        return Err(DataError::NoClasses { path: dir.to_path_buf() });
    }
    let (mut classes, mut samples) = (Vec::new(), Vec::new());
    for (class, folder) in folders.into_iter().enumerate() {
        let mut files: Vec<PathBuf> = entries(&folder)?.into_iter().filter(|p| is_picture(p)).collect();
        if files.is_empty() {
            return Err(DataError::EmptyClass { path: folder });
        }
        files.sort();
        classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
        samples.extend(files.into_iter().map(|path| Sample { path, class }));
    }
    Ok((classes, samples))
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

    fn touch(dir: &Path, name: &str) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"x").unwrap();
    }

    #[test]
    fn flat_and_split_folders() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/2.jpg", "b/1.PNG", "a/1.jpg", "a/.hidden.jpg", "a/notes.txt"] {
            touch(dir.path(), name);
        }
        let set = Dataset::open(dir.path()).unwrap();
        assert_eq!(set.classes, ["a", "b"]);
        assert_eq!(set.train.iter().map(|s| s.class).collect::<Vec<_>>(), [0, 1, 1]);
        for name in ["s/train/a/1.jpg", "s/train/b/1.jpg", "s/val/b/2.jpg"] {
            touch(dir.path(), name);
        }
        let set = Dataset::open(&dir.path().join("s")).unwrap();
        assert_eq!((set.train.len(), set.val.len(), set.val[0].class), (2, 1, 1));
        touch(dir.path(), "s/val/c/2.jpg");
        assert!(matches!(Dataset::open(&dir.path().join("s")), Err(DataError::UnknownClass { .. })));
    }

    #[test]
    fn empty_folders_are_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Dataset::open(dir.path()), Err(DataError::NoClasses { .. })));
        assert!(matches!(pictures(dir.path(), 3), Err(DataError::Empty { .. })));
        touch(dir.path(), "a/1.jpg");
        std::fs::create_dir(dir.path().join("b")).unwrap();
        let error = Dataset::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("b: the class folder holds no pictures"), "{error}");
    }

    #[test]
    fn a_limit_spreads_over_the_list() {
        let dir = tempfile::tempdir().unwrap();
        (0..10).for_each(|i| touch(dir.path(), &format!("{i}.jpg")));
        let names: Vec<_> =
            pictures(dir.path(), 5).unwrap().iter().map(|p| p.file_stem().unwrap().to_owned()).collect();
        assert_eq!(names, ["0", "2", "4", "6", "8"]);
        assert_eq!(pictures(dir.path(), 99).unwrap().len(), 10);
    }
}
