//! Durable memory: training samples survive a power cut.

use std::path::{Path, PathBuf};

use offshoot::{Extractor, Head, Limits, TuneError};
use offshoot_store::{FileError, FileMedium};

use super::limits::{MOST_CLASSES, limits};
use super::record::{self, Beside, Lessons};
use super::record_file::{Cause, MemoryError, RecordFile, replaced, set_aside, size};

/// Bytes by which the limit of names grew: older files are smaller, and are still written to. Only
/// a full head with long names does not fit them.
const NAMES_GREW: usize = 32;

/// Preallocated file with two slots for a head (`sdk/docs/power.md`).
#[derive(Debug)]
pub struct Memory {
    file: RecordFile,
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
        let mut file = RecordFile::open(path, opened)?;
        let bad = |error| MemoryError::new(path, Cause::Head(error));
        let mut head = None;
        let mut read = None;
        match file.load()? {
            Some(record) if keeps_maps => {
                let lessons = record::decode(record, extractor).map_err(bad)?;
                let (own, beside) = lessons.without_head();
                (head, read) = (Some(own), Some(beside));
            }
            Some(record) => head = Some(Head::from_bytes(record, extractor).map_err(bad)?),
            None => {}
        }
        Ok((Self { file, keeps_maps, read }, head))
    }

    /// Returns true if the file has room for maps and a tuned tail.
    pub fn keeps_maps(&self) -> bool {
        self.keeps_maps
    }

    /// Returns the error of lessons that cannot be tuned on, because their maps are not kept.
    pub(crate) fn without_maps(&self) -> MemoryError {
        MemoryError::new(&self.file.path, Cause::NoMaps)
    }

    /// Returns maps and tail that were read with the head, once.
    pub(crate) fn take_read(&mut self) -> Option<Lessons<()>> {
        self.read.take()
    }

    /// Returns true if the newest training samples could not be read and the head is the one before
    /// them; false again after a save.
    pub fn has_lost(&self) -> bool {
        self.file.has_lost()
    }

    /// Renames the file at `path`, with any content, so that [`Memory::open`] creates a new one;
    /// returns the new name, or `None` if there is no file.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] if the file is in use, or the file system reports an error.
    pub fn set_aside(path: impl AsRef<Path>) -> Result<Option<PathBuf>, MemoryError> {
        set_aside(path.as_ref())
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
        let keeps_maps = self.keeps_maps;
        let path = self.file.path.clone();
        replaced(&path, self, || {
            let (mut memory, _) = match keeps_maps {
                true => Self::open_for_tuning(&path, extractor, limits())?,
                false => Self::open(&path, extractor, limits())?,
            };
            let none = Beside { maps: &[], tail: None, tuned: 0 };
            memory.save_with(head, keeps_maps.then_some(none))?;
            Ok(memory)
        })
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
        let keeps_maps = self.keeps_maps;
        match beside {
            Some(beside) if keeps_maps => self
                .file
                .save_with(head.encoded_len(), |out| record::encode(head, &beside, out).ok()),
            None if keeps_maps => Err(self.without_maps()),
            _ => self.file.save_with(head.encoded_len(), |out| head.encode(out).ok()),
        }
    }
}

/// Returns the size of a file with room for maps and a tail as well; `None` if the package cannot be
/// tuned.
fn size_with_maps(extractor: &Extractor, limits: Limits) -> Option<u64> {
    let most = limits.most_encoded_for(extractor.parts());
    size(record::longest(extractor, most, limits.samples.into())?)
}

/// Max bytes of a head before the limit of names grew and the empty scene could be a class.
fn most_before(limits: Limits, dim: usize) -> usize {
    let limits = Limits { classes: limits.classes.min(MOST_CLASSES as u16), ..limits };
    limits.most_encoded(dim) - NAMES_GREW * usize::from(limits.classes)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use offshoot::HeadKind;
    use offshoot_store::{FILE_SECTOR, Store, medium_size};

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
