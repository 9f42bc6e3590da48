//! File of a session's newest record, its errors, and the name under which an old one is kept.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use offshoot::TuneError;
use offshoot_store::{
    FILE_SECTOR, FileError, FileMedium, LoadError, OpenError, SaveError, Store, medium_size,
};

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
    pub(crate) fn new(path: &Path, cause: impl Into<Cause>) -> Self {
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
    /// The file keeps no maps, and lessons without them cannot be tuned.
    #[error("these lessons were kept without what tuning needs: name another file, or {ANEW}")]
    NoMaps,
    /// The package has nothing that can be tuned.
    #[error(transparent)]
    Untunable(#[from] TuneError),
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

/// Preallocated file with two slots for a record (`sdk/docs/power.md`).
#[derive(Debug)]
pub(crate) struct RecordFile {
    store: Store<FileMedium>,
    pub path: PathBuf,
    bytes: Vec<u8>,
}

impl RecordFile {
    /// Takes a file that was opened.
    pub fn open(path: &Path, opened: Result<FileMedium, FileError>) -> Result<Self, MemoryError> {
        let medium = opened.map_err(|error| match error {
            FileError::OtherSize { .. } => MemoryError::new(path, Cause::OtherFile(error)),
            error => MemoryError::new(path, Cause::File(error)),
        })?;
        let store = Store::open(medium).map_err(|e| MemoryError::new(path, e))?;
        if store.is_foreign() {
            return Err(MemoryError::new(path, Cause::Foreign));
        }
        let bytes = vec![0; store.capacity()];
        Ok(Self { store, path: path.to_path_buf(), bytes })
    }

    /// Reads the newest record; `None` in a new file.
    pub fn load(&mut self) -> Result<Option<&[u8]>, MemoryError> {
        let record = self.store.load(&mut self.bytes);
        let record = record.map_err(|e| MemoryError::new(&self.path, e))?;
        Ok(record)
    }

    /// Saves a record, of which `encode` writes the bytes and returns their number, `None` if there
    /// is no room for `length`. When this returns, it survives a power cut.
    pub fn save_with(
        &mut self,
        length: usize,
        encode: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<(), MemoryError> {
        let written = encode(&mut self.bytes);
        let too_large = || MemoryError::new(&self.path, Cause::TooLarge(length));
        let written = written.ok_or_else(too_large)?;
        let saved = self.store.save(&self.bytes[..written]);
        saved.map_err(|e| MemoryError::new(&self.path, e))?;
        Ok(())
    }

    /// Returns true if the newest record could not be read and the one before was; false again after
    /// a save.
    pub fn has_lost(&self) -> bool {
        self.store.has_lost()
    }
}

/// Returns the size of a file with room for records of `most` bytes.
pub(crate) fn size(most: usize) -> Option<u64> {
    medium_size(u32::try_from(most).ok()?, FILE_SECTOR)
}

/// Renames a file, with any content, so that a new one can be made; returns its new name, or `None`
/// if there is no file.
pub(crate) fn set_aside(path: &Path) -> Result<Option<PathBuf>, MemoryError> {
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

/// Renames the file behind `memory` and goes on with the one that `make` creates under its name;
/// returns the new name of the old file. After an error everything is as it was.
pub(crate) fn replaced<M>(
    path: &Path,
    memory: &mut M,
    make: impl FnOnce() -> Result<M, MemoryError>,
) -> Result<PathBuf, MemoryError> {
    let aside = free_name(path).map_err(|e| MemoryError::of_file(path, e))?;
    fs::rename(path, &aside).map_err(|e| MemoryError::of_file(path, e))?;
    match make() {
        Ok(fresh) => {
            *memory = fresh;
            Ok(aside)
        }
        Err(error) => {
            // What was begun under the name is replaced; the old file was open all the time.
            let _ = fs::rename(&aside, path);
            Err(error)
        }
    }
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
