//! Durable memory of a head of cells.

use std::path::{Path, PathBuf};

use offshoot::{Extractor, SpatialHead, SpatialLimits};
use offshoot_store::FileMedium;

use crate::session::limits::MOST_CLASSES;
use crate::session::record_file::{Cause, MemoryError, RecordFile, replaced, size};

/// Limits of every head of a session.
pub(crate) const LIMITS: SpatialLimits = SpatialLimits { classes: MOST_CLASSES as u8 };

/// Preallocated file with two slots for a head of cells (`sdk/docs/power.md`).
#[derive(Debug)]
pub struct CellMemory {
    file: RecordFile,
}

impl CellMemory {
    /// Opens the file, or creates it; returns the head that was saved last, if there is one.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] if the package gives no cells, the file cannot be opened, is in use, is not a
    /// memory, or holds a head of another package.
    pub fn open(
        path: impl AsRef<Path>,
        extractor: &Extractor,
    ) -> Result<(Self, Option<SpatialHead>), MemoryError> {
        let path = path.as_ref();
        let bad = |error| MemoryError::new(path, Cause::Head(error));
        let most = SpatialHead::most_encoded(extractor, LIMITS).map_err(bad)?;
        let wanted = size(most).ok_or_else(|| MemoryError::new(path, Cause::TooLarge(most)))?;
        let mut file = RecordFile::open(path, FileMedium::open(path, wanted))?;
        let record = file.load()?;
        let head = record.map(|bytes| SpatialHead::from_bytes(bytes, extractor)).transpose();
        let head = head.map_err(bad)?;
        Ok((Self { file }, head))
    }

    /// Returns true if the newest lesson could not be read and the head is the one before it; false
    /// again after a save.
    pub fn has_lost(&self) -> bool {
        self.file.has_lost()
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
        head: &SpatialHead,
    ) -> Result<PathBuf, MemoryError> {
        let path = self.file.path.clone();
        replaced(&path, self, || {
            let (mut memory, _) = Self::open(&path, extractor)?;
            memory.save(head)?;
            Ok(memory)
        })
    }

    /// Saves the head. When this returns, it survives a power cut.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] if the file system reports an error; the previous head still loads.
    pub fn save(&mut self, head: &SpatialHead) -> Result<(), MemoryError> {
        self.file.save_with(head.encoded_len(), |out| head.encode(out).ok())
    }
}
