//! Medium in a preallocated file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::medium::Medium;

/// Bytes of a file's sector: a page, the unit in which Linux writes.
pub const FILE_SECTOR: u32 = 4096;

/// Most attempts to create a new file while other processes create it too.
const ATTEMPTS: usize = 16;

/// Reason that a file cannot be a medium.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Another process, or another store of this process, has the file open.
    #[error("file is in use by another store")]
    InUse,
    /// Size of the file differs from the one requested.
    #[error("file has {found} bytes, {asked} requested")]
    OtherSize {
        /// Bytes of the file.
        found: u64,
        /// Bytes requested.
        asked: u64,
    },
    /// Link, folder or device in the place of the new file.
    #[error("{} is no plain file; remove it", .0.display())]
    NotPlain(PathBuf),
    /// Error of the file system.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// File of constant size, locked against other stores as long as this value lives.
///
/// The lock is that of [`File::try_lock`]: other stores honour it, other programs may not.
#[derive(Debug)]
pub struct FileMedium {
    file: File,
    size: u64,
}

impl FileMedium {
    /// Opens the file at `path`, or creates it with `size` bytes of zeros; see
    /// [`medium_size`](crate::medium_size).
    ///
    /// A new file is written and synced under the name with `.new` appended and then renamed, so
    /// that a file at `path` is always complete and a save never allocates blocks. A link under
    /// that name is not followed.
    ///
    /// # Errors
    /// The file has another size or is in use; a link, folder or device lies in the place of the
    /// new file; the file system fails, for instance because the disk is full.
    pub fn open(path: impl AsRef<Path>, size: u64) -> Result<Self, FileError> {
        let path = path.as_ref();
        let file = match existing(path) {
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                create(path, size)?
            }
            other => other?,
        };
        let found = file.metadata()?.len();
        if found != size {
            return Err(FileError::OtherSize { found, asked: size });
        }
        // Also for an existing file: its creator may have been killed before this sync.
        sync_folder(path)?;
        Ok(Self { file, size })
    }
}

/// Opens and locks an existing file.
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

/// Creates the file under another name, which must be free: nothing that another program has put
/// there is followed or written to.
fn create(path: &Path, size: u64) -> Result<File, FileError> {
    let fresh = beside(path);
    for _ in 0..ATTEMPTS {
        let (made, is_new) = match File::create_new(&fresh) {
            // Left by a process that was killed, or in use by one that has the lock.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (plain(&fresh), false),
            made => (made.map_err(FileError::Io), true),
        };
        let mut file = match made {
            Err(FileError::Io(error)) if !is_new && error.kind() == io::ErrorKind::NotFound => {
                continue;
            }
            made => lock(made?)?,
        };
        if path.try_exists()? {
            // Another process was faster. Should its file be the one locked here, it lives on at
            // `path`.
            drop(file);
            return existing(path);
        }
        // The owner of the lock may remove the file. Another process may have done so before this
        // one had the lock.
        if !is_at(&file, &fresh) {
            continue;
        }
        if !is_new {
            fs::remove_file(&fresh)?;
            continue;
        }
        let filled = fill(&mut file, size).and_then(|()| fs::rename(&fresh, path));
        if let Err(error) = filled {
            // The caller needs the first error; a leftover is removed by the next attempt.
            let _ = fs::remove_file(&fresh);
            return Err(error.into());
        }
        return Ok(file);
    }
    Err(FileError::InUse)
}

/// Opens an existing plain file; follows no link.
fn plain(path: &Path) -> Result<File, FileError> {
    let not_plain = || FileError::NotPlain(path.to_path_buf());
    // Checked before opening, because opening a device may have side effects.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(not_plain());
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NOFOLLOW | libc::O_NONBLOCK,
    );
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_plain()) }
}

/// True if a name still refers to an open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let there = fs::symlink_metadata(path).map(|there| (there.dev(), there.ino()));
    let here = file.metadata().map(|here| (here.dev(), here.ino()));
    matches!((here, there), (Ok(here), Ok(there)) if here == there)
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Fills the file with zeros, written rather than sparse, so that the file system allocates blocks.
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

/// Syncs the folder: a new name is durable only then.
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
