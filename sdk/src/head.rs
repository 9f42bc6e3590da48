//! A head in memory of its own, with files.

mod ask;
mod samples;
mod wake;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use offshoot_core::head::{EncodeError, Head as CoreHead, HeadError, HeadKind, Limits};
use offshoot_core::package::PackageId;

use crate::{Error, Extractor};

/// The name of the class that is the empty scene, nothing before the camera, as `teach` and the
/// on-board program teach it. To a head it is a class like any other; a device answers with it as
/// with nothing: no light, no name.
pub const NOTHING: &str = "nothing";

/// A classifier taught on the board: classes and samples are added, corrected and forgotten, in
/// memory that is reserved once. [`offshoot_core::head::Head`] is the same without an allocator.
///
/// # Example
///
/// ```
/// use offshoot::{Answer, Extractor, Frame, Head, HeadKind, Limits};
///
/// let mut extractor = Extractor::open("tests/tiny.offshoot")?;
/// let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 4, samples: 20 })?;
/// let (dark, light) = (head.add_class("dark")?, head.add_class("light")?);
/// for shade in [0, 20, 40, 60] {
///     head.add_sample(dark, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;
///     head.add_sample(light, extractor.embed(&Frame::rgb(8, 8, &[255 - shade; 192])?)?)?;
/// }
/// head.fit()?;
/// match head.classify(extractor.embed(&Frame::rgb(8, 8, &[230; 192])?)?)? {
///     Answer::Known { class, confidence, .. } => assert!(class == light && confidence.get() > 0.5),
///     answer => panic!("{answer:?}"),
/// }
/// // The last press of the button was a mistake.
/// assert_eq!(head.undo(), Some(light));
/// head.fit()?;
/// println!("{} right of {}", head.report()?.right(), head.report()?.asked());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Head(CoreHead<Box<[u32]>>);

impl Head {
    /// An empty head for the extractor's embeddings. Every byte it will use is reserved here.
    ///
    /// # Errors
    /// Limits of zero or beyond what a head, or the memory, can hold.
    pub fn new(kind: HeadKind, extractor: &Extractor, limits: Limits) -> Result<Self, Error> {
        Ok(Self(CoreHead::boxed_for(kind, extractor.parts(), extractor.id(), limits)?))
    }

    /// An empty head for embeddings of `dim` dimensions that no extractor of this program computes:
    /// another program's, or of another network. `package` binds the head to their source.
    ///
    /// ```
    /// use offshoot::{Embedding, Head, HeadKind, Limits, PackageId};
    ///
    /// let limits = Limits { classes: 2, samples: 10 };
    /// let mut head = Head::for_embeddings(HeadKind::Ridge, 3, PackageId::new([7; 32]), limits)?;
    /// let mug = head.add_class("mug")?;
    /// head.add_sample(mug, Embedding::Float(&[0.1, 0.9, 0.3]))?;
    /// assert_eq!((head.dim(), head.package_id().as_bytes()[0]), (3, 7));
    /// # Ok::<(), offshoot::Error>(())
    /// ```
    ///
    /// # Errors
    /// Limits or dimensions of zero, or beyond what a head can hold.
    pub fn for_embeddings(
        kind: HeadKind,
        dim: usize,
        package: PackageId,
        limits: Limits,
    ) -> Result<Self, Error> {
        Ok(Self(CoreHead::boxed(kind, dim, package, limits)?))
    }

    /// Saves the head: the file holds the old head or the new one, whenever the power fails.
    ///
    /// The bytes go to a second file beside `path`, are flushed to the medium, and replace it
    /// by rename.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 1, samples: 1 })?;
    /// # let class = head.add_class("grey")?;
    /// # head.add_sample(class, extractor.embed(&Frame::rgb(8, 8, &[100; 192])?)?)?;
    /// # let folder = std::env::temp_dir().join(format!("offshoot-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// let path = folder.join("things.head");
    /// head.save(&path)?;
    /// let again = Head::load(&path, &extractor)?;
    /// assert_eq!(again.sample_count(), head.sample_count());
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// I/O errors of the file system; the old file is then still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        replace_file(path.as_ref(), &self.to_bytes())
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

    fn open(path: &Path, package: Option<PackageId>) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(|e| Error::of_file(e, path, "a head file"))?;
        Self::decoded(&bytes, package).map_err(|e| Error::at(e, path))
    }

    /// Returns the length of [`Head::encode`]'s output, in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    /// Writes the head to the front of `out`, to be kept in `offshoot-store` or sent; returns the
    /// length. The same training data gives the same bytes.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 1, samples: 1 })?;
    /// # let class = head.add_class("grey")?;
    /// # head.add_sample(class, extractor.embed(&Frame::rgb(8, 8, &[100; 192])?)?)?;
    /// // As long as a record of the store.
    /// let mut record = [0; 4096];
    /// let length = head.encode(&mut record)?;
    /// let again = Head::from_bytes(&record[..length], &extractor)?;
    /// assert_eq!(again.sample_count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An `out` shorter than [`Head::encoded_len`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        self.0.encode(out)
    }

    /// Returns the content of the file that [`Head::save`] writes: what [`Head::encode`] writes, in
    /// memory of its own.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 1, samples: 1 })?;
    /// # let class = head.add_class("grey")?;
    /// # head.add_sample(class, extractor.embed(&Frame::rgb(8, 8, &[100; 192])?)?)?;
    /// let again = Head::from_bytes(&head.to_bytes(), &extractor)?;
    /// assert_eq!(again.sample_count(), head.sample_count());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.encoded_len()];
        let written = self.encode(&mut bytes);
        debug_assert_eq!(
            written,
            Ok(bytes.len()),
            "the buffer has the length that the head states"
        );
        bytes
    }

    /// Makes the head of [`Head::to_bytes`] or [`Head::encode`], as a device keeps it in
    /// `offshoot-store`; it was taught on this extractor's package.
    ///
    /// # Errors
    /// Bytes that are damaged or belong to another package.
    pub fn from_bytes(bytes: &[u8], extractor: &Extractor) -> Result<Self, Error> {
        Ok(Self::decoded(bytes, Some(extractor.id()))?)
    }

    /// Makes the head of [`Head::to_bytes`] or [`Head::encode`] without its package: to look at it,
    /// to merge it, to copy it. [`Head::from_bytes`] is for answers.
    ///
    /// ```
    /// # use offshoot::{Embedding, Head, HeadKind, Limits, PackageId};
    /// # let limits = Limits { classes: 2, samples: 10 };
    /// # let mut head = Head::for_embeddings(HeadKind::Ridge, 3, PackageId::new([7; 32]), limits)?;
    /// # let mug = head.add_class("mug")?;
    /// # head.add_sample(mug, Embedding::Float(&[0.1, 0.9, 0.3]))?;
    /// let copy = Head::decode(&head.to_bytes())?;
    /// assert_eq!(copy.samples_of(mug), 1);
    /// # Ok::<(), offshoot::Error>(())
    /// ```
    ///
    /// # Errors
    /// Bytes that are damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self::decoded(bytes, None)?)
    }

    fn decoded(bytes: &[u8], package: Option<PackageId>) -> Result<Self, HeadError> {
        CoreHead::decode_boxed(bytes, package).map(Self)
    }

    /// One head of several, with room for what all have room for: of the first one's kind and
    /// settings, taught what each was taught, in order. Classes of the same name are the same.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// let mut heads = Vec::new();
    /// for (name, shade) in [("dark", 10), ("light", 240)] {
    ///     let mut head = Head::new(HeadKind::Ridge, &extractor, Limits { classes: 1, samples: 5 })?;
    ///     let class = head.add_class(name)?;
    ///     head.add_sample(class, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;
    ///     heads.push(head);
    /// }
    /// let fleet = Head::merged(&heads)?;
    /// assert_eq!((fleet.class_count(), fleet.sample_count()), (2, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        let mut all = CoreHead::boxed_for(first.kind(), first.parts(), first.package_id(), limits)?;
        all.set_inverse_l2(first.inverse_l2())?;
        all.set_transform(first.recipe().transform);
        all.set_false_rejection_rate(first.false_rejection_rate())?;
        all.set_when_full(first.when_full());
        for head in heads {
            all.merge(&head.0)?;
        }
        Ok(Self(all))
    }
}

/// Replaces a file: it holds the old bytes or the new ones, whenever the power fails.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let fresh = beside(path);
    let written = write_durably(&fresh, path, bytes);
    if written.is_err() {
        // The error is what the caller must know; a leftover is replaced by the next save.
        let _ = fs::remove_file(&fresh);
    }
    written.map_err(|e| Error::at(e, path))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}

/// A file that was not there: a link that somebody has put in its place is not followed.
fn create(fresh: &Path) -> io::Result<File> {
    match File::create_new(fresh) {
        // A leftover of a save that power cut short.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(fresh)?;
            File::create_new(fresh)
        }
        made => made,
    }
}

fn write_durably(fresh: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(fresh, path)?;
    // The rename itself is only durable when the folder is.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
