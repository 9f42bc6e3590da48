//! Durable memory: training samples survive a power cut.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use offshoot::{Extractor, Head, Limits};
use offshoot_store::{
    FILE_SECTOR, FileError, FileMedium, LoadError, OpenError, SaveError, Store, medium_size,
};

use super::limits::{MOST_CLASSES, limits};

/// Bytes by which the limit of names grew: older files are smaller, and are still written to. Only
/// a full head with long names does not fit them.
const NAMES_GREW: usize = 32;

/// Reason why training samples are not saved.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct MemoryError {
    /// Path of the file.
    pub path: PathBuf,
    /// Cause of the error.
    pub cause: Cause,
}

impl MemoryError {
    fn new(path: &Path, cause: impl Into<Cause>) -> Self {
        Self { path: path.to_path_buf(), cause: cause.into() }
    }

    fn of_file(path: &Path, error: impl Into<FileError>) -> Self {
        Self::new(path, Cause::File(error.into()))
    }
}

/// Cause of an error of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The file was made for another package or another size of head.
    #[error(
        "{0}; it may be another package's: take that one (--extractor, or its file), name another file, or {ANEW}"
    )]
    OtherFile(FileError),
    /// The file has the right size by chance.
    #[error("no memory of lessons, and therefore left as it is: name another file, or {ANEW}")]
    Foreign,
    /// The file cannot be opened.
    #[error(transparent)]
    File(FileError),
    /// The file is not a store, or cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError<io::Error>),
    /// The content cannot be read.
    #[error(transparent)]
    Load(LoadError<io::Error>),
    /// The file had training samples, and none can be read.
    #[error("its lessons are damaged, and so are those before them; {ANEW}")]
    Damaged,
    /// The file cannot be written; its previous content is intact.
    #[error(transparent)]
    Save(#[from] SaveError<io::Error>),
    /// The content is not a head for this package.
    #[error("{0}; name another file, or {ANEW}")]
    Head(offshoot::Error),
    /// The head is larger than any file for it.
    #[error("a head of {0} bytes is too large to be kept")]
    TooLarge(usize),
}

/// Advice on `--start-anew`.
const ANEW: &str = "begin without it by --start-anew, which keeps it under another name";

impl From<LoadError<io::Error>> for Cause {
    fn from(error: LoadError<io::Error>) -> Self {
        match error {
            LoadError::Damaged => Self::Damaged,
            error => Self::Load(error),
        }
    }
}

/// Preallocated file with two slots for a head (`sdk/docs/power.md`).
#[derive(Debug)]
pub struct Memory {
    store: Store<FileMedium>,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Memory {
    /// Opens the file, or creates it, with room for any head of these limits; returns the head that
    /// was saved last, if there is one.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] if the file cannot be opened, is in use, is not a memory, or holds a head of
    /// another package.
    pub fn open(
        path: impl AsRef<Path>,
        extractor: &Extractor,
        limits: Limits,
    ) -> Result<(Self, Option<Head>), MemoryError> {
        let path = path.as_ref();
        let most = limits.most_encoded_for(extractor.parts());
        let now = size(most).ok_or_else(|| MemoryError::new(path, Cause::TooLarge(most)))?;
        let before = size(most_before(limits, extractor.embedding_dim()));
        let medium = match (FileMedium::open(path, now), before) {
            (Err(FileError::OtherSize { found, .. }), Some(before)) if found == before => {
                FileMedium::open(path, before)
            }
            (opened, _) => opened,
        };
        let medium = medium.map_err(|error| match error {
            FileError::OtherSize { .. } => MemoryError::new(path, Cause::OtherFile(error)),
            error => MemoryError::new(path, Cause::File(error)),
        })?;
        let mut store = Store::open(medium).map_err(|e| MemoryError::new(path, e))?;
        if store.is_foreign() {
            return Err(MemoryError::new(path, Cause::Foreign));
        }
        let mut bytes = vec![0; store.capacity()];
        let record = store.load(&mut bytes).map_err(|e| MemoryError::new(path, e))?;
        let head = record.map(|record| Head::from_bytes(record, extractor)).transpose();
        let head = head.map_err(|e| MemoryError::new(path, Cause::Head(e)))?;
        Ok((Self { store, path: path.to_path_buf(), bytes }, head))
    }

    /// Returns true if the newest training samples could not be read and the head is the one before
    /// them; false again after a save.
    pub fn has_lost(&self) -> bool {
        self.store.has_lost()
    }

    /// Renames the file at `path`, with any content, so that [`Memory::open`] creates a new one;
    /// returns the new name, or `None` if there is no file.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] if the file is in use, or the file system reports an error.
    pub fn set_aside(path: impl AsRef<Path>) -> Result<Option<PathBuf>, MemoryError> {
        let path = path.as_ref();
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|e| MemoryError::of_file(path, e))?,
        };
        // Locked like the store locks it: a file in use by another process stays.
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(MemoryError::of_file(path, FileError::InUse));
            }
            Err(TryLockError::Error(error)) => return Err(MemoryError::of_file(path, error)),
        }
        let aside = free_name(path).map_err(|e| MemoryError::of_file(path, e))?;
        fs::rename(path, &aside).map_err(|e| MemoryError::of_file(path, e))?;
        Ok(Some(aside))
    }

    /// Renames the file and goes on with a new one that holds this head; returns the new name of the
    /// old file. After an error everything is as it was.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] if the file system reports an error.
    pub fn start_over(
        &mut self,
        extractor: &Extractor,
        head: &Head,
    ) -> Result<PathBuf, MemoryError> {
        let aside = free_name(&self.path).map_err(|e| MemoryError::of_file(&self.path, e))?;
        fs::rename(&self.path, &aside).map_err(|e| MemoryError::of_file(&self.path, e))?;
        let fresh = Self::open(&self.path, extractor, limits())
            .and_then(|(mut memory, _)| memory.save(head).map(|()| memory));
        match fresh {
            Ok(fresh) => {
                *self = fresh;
                Ok(aside)
            }
            Err(error) => {
                // What was begun under the name is replaced; the old file was open all the time.
                let _ = fs::rename(&aside, &self.path);
                Err(error)
            }
        }
    }

    /// Saves the head. When this returns, it survives a power cut.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] if the file system reports an error; the previous head still loads.
    pub fn save(&mut self, head: &Head) -> Result<(), MemoryError> {
        let length = head
            .encode(&mut self.bytes)
            .map_err(|_| MemoryError::new(&self.path, Cause::TooLarge(head.encoded_len())))?;
        let saved = self.store.save(&self.bytes[..length]);
        saved.map_err(|e| MemoryError::new(&self.path, e))?;
        Ok(())
    }
}

/// Returns the size of a file with room for heads of `most` bytes.
fn size(most: usize) -> Option<u64> {
    medium_size(u32::try_from(most).ok()?, FILE_SECTOR)
}

/// Max bytes of a head before the limit of names grew and the empty scene could be a class.
fn most_before(limits: Limits, dim: usize) -> usize {
    let limits = Limits { classes: limits.classes.min(MOST_CLASSES as u16), ..limits };
    limits.most_encoded(dim) - NAMES_GREW * usize::from(limits.classes)
}

/// Returns an unused name beside `path`, reserved by an empty file.
fn free_name(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default();
    let mut number = 1;
    loop {
        let mut aside = name.to_os_string();
        aside.push(format!(".aside-{number}"));
        let aside = path.with_file_name(aside);
        match OpenOptions::new().write(true).create_new(true).open(&aside) {
            Ok(_) => return Ok(aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use offshoot::HeadKind;

    use super::*;

    #[test]
    fn files_of_before_names_became_longer_are_read_and_written() {
        let extractor = Extractor::open("../../models/sprout/sprout.offshoot").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lessons.store");
        let most = limits().most_encoded(extractor.embedding_dim());
        let size = |most: usize| medium_size(most as u32, FILE_SECTOR).unwrap();
        let before = most_before(limits(), extractor.embedding_dim());
        assert_ne!(size(before), size(most), "else there is nothing to test");
        let mut head = Head::new(HeadKind::Auto, &extractor, limits()).unwrap();
        head.add_class("mug").unwrap();
        let mut store = Store::open(FileMedium::open(&path, size(before)).unwrap()).unwrap();
        store.save(&head.to_bytes()).unwrap();
        drop(store);
        let (mut memory, read) = Memory::open(&path, &extractor, limits()).unwrap();
        assert_eq!(read.unwrap().class_count(), 1);
        head.add_class("pen").unwrap();
        memory.save(&head).unwrap();
        drop(memory);
        let (_, read) = Memory::open(&path, &extractor, limits()).unwrap();
        assert_eq!(read.unwrap().class_count(), 2);
        // Files of any other size belong to another package, like before.
        File::options().write(true).open(&path).unwrap().set_len(2 * size(most)).unwrap();
        let error = Memory::open(&path, &extractor, limits()).unwrap_err().to_string();
        assert!(error.contains("another package's"), "{error}");
    }
}
