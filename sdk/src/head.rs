//! A head in memory of its own, with files.

use std::fs::{self, File};
use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use offshoot_core::head::{Head as CoreHead, HeadError, HeadKind, Limits, Record};
use offshoot_core::package::PackageId;

use crate::{Error, Extractor};

/// A classifier taught on the board. All that can be taught and asked is on
/// [`offshoot_core::head::Head`], to which this dereferences.
#[derive(Debug)]
pub struct Head(CoreHead<Box<[u32]>>);

impl Head {
    /// An empty head for the extractor's embeddings. Every byte it will use is reserved here.
    ///
    /// # Errors
    /// Limits of zero or beyond what a head can hold.
    pub fn new(kind: HeadKind, extractor: &Extractor, limits: Limits) -> Result<Self, Error> {
        Ok(Self(CoreHead::boxed(kind, extractor.embedding_dim(), *extractor.id(), limits)?))
    }

    /// Saves the head: the file holds the old head or the new one, whenever the power fails.
    ///
    /// The bytes go to a second file beside `path`, are flushed to the medium, and replace it
    /// by rename.
    ///
    /// # Errors
    /// What the file system reports; the old file is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let mut bytes = vec![0; self.0.encoded_len()];
        let length = self.0.encode(&mut bytes).map_err(|e| Error::at(e, path))?;
        let fresh = beside(path);
        let written = write_durably(&fresh, path, &bytes[..length]);
        if written.is_err() {
            // The error is what the caller must know; a leftover is replaced by the next save.
            let _ = fs::remove_file(&fresh);
        }
        written.map_err(|e| Error::at(e, path))
    }

    /// Loads a head that was taught on this extractor's package.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or belongs to another package.
    pub fn load(path: impl AsRef<Path>, extractor: &Extractor) -> Result<Self, Error> {
        Self::open(path.as_ref(), Some(extractor.id()))
    }

    /// Loads a head without its package: to look at it, to merge it. Embeddings of another
    /// package would get answers without sense; [`Head::load`] refuses that.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open(path.as_ref(), None)
    }

    fn open(path: &Path, package: Option<&PackageId>) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(|e| Error::at(e, path))?;
        let load = || {
            let record = Record::open(&bytes)?;
            // Before memory is taken for what the file states.
            if package.is_some_and(|id| record.package_id() != id) {
                return Err(HeadError::OtherPackage);
            }
            let words = record.limits().words(record.kind(), record.dim())?;
            CoreHead::decode(&bytes, package, vec![0; words].into_boxed_slice())
        };
        load().map(Self).map_err(|e| Error::at(e, path))
    }

    /// One head of several, with room for what all have room for: of the first one's kind and
    /// settings, taught what each was taught, in order. Classes of the same name are the same.
    ///
    /// # Errors
    /// No heads at all, heads of different packages, or together more than a head can hold.
    pub fn merged(heads: &[Self]) -> Result<Self, Error> {
        let first = heads.first().ok_or(HeadError::NoSamples)?;
        let mut names = std::collections::BTreeSet::new();
        names.extend(heads.iter().flat_map(|head| head.classes().map(|(_, name)| name)));
        let spare = heads.iter().map(|head| usize::from(head.limits().classes)).max().unwrap_or(0);
        let samples: usize = heads.iter().map(|head| usize::from(head.limits().samples)).sum();
        let room = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let limits = Limits { classes: room(spare.max(names.len())), samples: room(samples) };
        let mut all = CoreHead::boxed(first.kind(), first.dim(), *first.package_id(), limits)?;
        all.set_strength(first.strength())?;
        all.set_transform(first.recipe().transform);
        all.set_strictness(first.strictness())?;
        all.set_when_full(first.when_full());
        for head in heads {
            all.merge(head)?;
        }
        Ok(Self(all))
    }
}

impl Deref for Head {
    type Target = CoreHead<Box<[u32]>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Head {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}

fn write_durably(fresh: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(fresh, path)?;
    // The rename itself is only durable when the folder is.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
