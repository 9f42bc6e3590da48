//! A preallocated file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::medium::Medium;

/// Bytes of a file's sector: a page, which is what Linux writes at least.
pub const FILE_SECTOR: u32 = 4096;

/// Why a file cannot be a medium.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Another process, or another part of this one, has it open.
    #[error("the file is in use by another store")]
    InUse,
    /// It has another size than was asked for.
    #[error("a file of {found} bytes, asked for are {asked}")]
    OtherSize {
        /// Bytes of the file.
        found: u64,
        /// Bytes asked for.
        asked: u64,
    },
    /// What the file system reports.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A file whose size never changes, locked against other stores as long as this value lives.
///
/// The lock is that of [`File::try_lock`]: other stores honour it, other programs may not.
#[derive(Debug)]
pub struct FileMedium {
    file: File,
    size: u64,
}

impl FileMedium {
    /// Opens the file at `path`, or makes it with `size` bytes of zeros; see
    /// [`medium_size`](crate::medium_size).
    ///
    /// A new file is written and synced under the name with `.new` behind it and then renamed, so
    /// that a file at `path` is always complete and a save never has to ask for room.
    ///
    /// # Errors
    /// A file of another size; a file in use; what the file system reports, such as a full disk.
    pub fn open(path: impl AsRef<Path>, size: u64) -> Result<Self, FileError> {
        let path = path.as_ref();
        let file = match existing(path) {
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => create(path, size)?,
            other => other?,
        };
        let found = file.metadata()?.len();
        if found != size {
            return Err(FileError::OtherSize { found, asked: size });
        }
        // Also for a file that was there: who made it may have been killed before this.
        sync_folder(path)?;
        Ok(Self { file, size })
    }
}

/// Opens and locks a file that is there.
fn existing(path: &Path) -> Result<File, FileError> {
    lock(OpenOptions::new().read(true).write(true).open(path)?)
}

fn lock(file: File) -> Result<File, FileError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FileError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn create(path: &Path, size: u64) -> Result<File, FileError> {
    let fresh = beside(path);
    // Not truncated on opening: another process may be making it right now, and have the lock.
    let mut file =
        lock(OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&fresh)?)?;
    if path.try_exists()? {
        // Another process was faster. Should its file be the one locked here, it lives on at `path`.
        drop(file);
        return existing(path);
    }
    let filled = fill(&mut file, size).and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = filled {
        // The error is what the caller must know; a leftover is used up by the next attempt.
        let _ = fs::remove_file(&fresh);
        return Err(error.into());
    }
    Ok(file)
}

/// Zeros are written, not only promised, so that the file system sets the blocks aside.
fn fill(file: &mut File, size: u64) -> io::Result<()> {
    file.set_len(0)?;
    let zeros = [0; FILE_SECTOR as usize];
    let mut left = size;
    while left > 0 {
        let part = left.min(zeros.len() as u64);
        // At most a sector.
        file.write_all(&zeros[..part as usize])?;
        left -= part;
    }
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}

/// A new name is only durable when the folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Elsewhere a folder cannot be opened as a file.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

impl Medium for FileMedium {
    type Error = io::Error;

    fn size(&self) -> u64 {
        self.size
    }

    fn sector(&self) -> u32 {
        FILE_SECTOR
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(out)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}
