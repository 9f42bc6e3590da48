//! Durable memory: training samples survive a power cut.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use offshoot::{Extractor, Head, Limits, TuneError};
use offshoot_store::{
    FILE_SECTOR, FileError, FileMedium, LoadError, OpenError, SaveError, Store, medium_size,
};

use super::limits::{MOST_CLASSES, limits};
use super::record::{self, Beside, Lessons};

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

/// Preallocated file with two slots for a head (`sdk/docs/power.md`).
#[derive(Debug)]
pub struct Memory {
    store: Store<FileMedium>,
    path: PathBuf,
    bytes: Vec<u8>,
    /// True if the file has room for the maps of the samples and a tuned tail.
    keeps_maps: bool,
    /// Lessons that were read, without their head, until the session takes them.
    read: Option<Lessons<()>>,
}

impl Memory {
    /// Opens the file, or creates it, with room for any head of these limits; returns the head that
    /// was saved last, if there is one. A file of [`Memory::open_for_tuning`] goes on as such.
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
        let with_maps = size_with_maps(extractor, limits);
        match FileMedium::open(path, now) {
            Err(FileError::OtherSize { found, .. }) if with_maps == Some(found) => {
                Self::read(path, FileMedium::open(path, found), extractor, true)
            }
            Err(FileError::OtherSize { found, .. }) if before == Some(found) => {
                Self::read(path, FileMedium::open(path, found), extractor, false)
            }
            opened => Self::read(path, opened, extractor, false),
        }
    }

    /// Opens the file, or creates it, with room for the map of each sample and for a tuned tail,
    /// too: they are one record with the head.
    ///
    /// # Errors
    ///
    /// Those of [`Memory::open`]; a package that cannot be tuned, and a file of lessons without maps.
    pub fn open_for_tuning(
        path: impl AsRef<Path>,
        extractor: &Extractor,
        limits: Limits,
    ) -> Result<(Self, Option<Head>), MemoryError> {
        let path = path.as_ref();
        let size_of = size_with_maps(extractor, limits);
        let wanted = size_of.ok_or_else(|| MemoryError::new(path, TuneError::NoTail))?;
        let plain = [
            size(limits.most_encoded_for(extractor.parts())),
            size(most_before(limits, extractor.embedding_dim())),
        ];
        match FileMedium::open(path, wanted) {
            Err(FileError::OtherSize { found, .. }) if plain.contains(&Some(found)) => {
                Err(MemoryError::new(path, Cause::NoMaps))
            }
            opened => Self::read(path, opened, extractor, true),
        }
    }

    /// Reads a file that was opened.
    fn read(
        path: &Path,
        opened: Result<FileMedium, FileError>,
        extractor: &Extractor,
        keeps_maps: bool,
    ) -> Result<(Self, Option<Head>), MemoryError> {
        let medium = opened.map_err(|error| match error {
            FileError::OtherSize { .. } => MemoryError::new(path, Cause::OtherFile(error)),
            error => MemoryError::new(path, Cause::File(error)),
        })?;
        let mut store = Store::open(medium).map_err(|e| MemoryError::new(path, e))?;
        if store.is_foreign() {
            return Err(MemoryError::new(path, Cause::Foreign));
        }
        let mut bytes = vec![0; store.capacity()];
        let record = store.load(&mut bytes).map_err(|e| MemoryError::new(path, e))?;
        let bad = |error| MemoryError::new(path, Cause::Head(error));
        let mut head = None;
        let mut read = None;
        match record {
            Some(record) if keeps_maps => {
                let lessons = record::decode(record, extractor).map_err(bad)?;
                let (own, beside) = lessons.without_head();
                (head, read) = (Some(own), Some(beside));
            }
            Some(record) => head = Some(Head::from_bytes(record, extractor).map_err(bad)?),
            None => {}
        }
        Ok((Self { store, path: path.to_path_buf(), bytes, keeps_maps, read }, head))
    }

    /// Returns true if the file has room for maps and a tuned tail.
    pub fn keeps_maps(&self) -> bool {
        self.keeps_maps
    }

    /// Returns the error of lessons that cannot be tuned on, because their maps are not kept.
    pub(crate) fn without_maps(&self) -> MemoryError {
        MemoryError::new(&self.path, Cause::NoMaps)
    }

    /// Returns maps and tail that were read with the head, once.
    pub(crate) fn take_read(&mut self) -> Option<Lessons<()>> {
        self.read.take()
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
        let opened = match self.keeps_maps {
            true => Self::open_for_tuning(&self.path, extractor, limits()),
            false => Self::open(&self.path, extractor, limits()),
        };
        let none = Beside { maps: &[], tail: None, tuned: 0 };
        let beside = self.keeps_maps.then_some(none);
        let fresh =
            opened.and_then(|(mut memory, _)| memory.save_with(head, beside).map(|()| memory));
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
    /// [`MemoryError`] if the file system reports an error; the previous head still loads. A file
    /// with room for maps takes the heads of a session only.
    pub fn save(&mut self, head: &Head) -> Result<(), MemoryError> {
        self.save_with(head, None)
    }

    /// Saves the head, in one record with its maps and its tail if the file has room for them.
    pub(crate) fn save_with(
        &mut self,
        head: &Head,
        beside: Option<Beside<'_>>,
    ) -> Result<(), MemoryError> {
        let encoded = match beside {
            Some(beside) if self.keeps_maps => record::encode(head, &beside, &mut self.bytes),
            None if self.keeps_maps => return Err(self.without_maps()),
            _ => head.encode(&mut self.bytes),
        };
        let too_large = |_| MemoryError::new(&self.path, Cause::TooLarge(head.encoded_len()));
        let length = encoded.map_err(too_large)?;
        let saved = self.store.save(&self.bytes[..length]);
        saved.map_err(|e| MemoryError::new(&self.path, e))?;
        Ok(())
    }
}

/// Returns the size of a file with room for maps and a tail as well; `None` if the package cannot be
/// tuned.
fn size_with_maps(extractor: &Extractor, limits: Limits) -> Option<u64> {
    let most = limits.most_encoded_for(extractor.parts());
    size(record::longest(extractor, most, limits.samples.into())?)
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
