//! A head that finds objects, in memory of its own, with files.

pub mod anomaly;
mod methods;

use std::fs;
use std::path::Path;

use offshoot_core::package::PackageId;
use offshoot_core::spatial::{
    Cells, CellsLayout, Detection, SpatialError, SpatialHead as CoreHead, SpatialLimits,
    SpatialRecord,
};

use crate::head::replace_file;
use crate::{Error, ErrorKind, Extractor};

/// Max number of objects that are found in a frame.
const MOST: usize = 64;

/// Head that finds, points at and counts objects, taught on the board with points and boxes.
///
/// [`offshoot_core::spatial::SpatialHead`] is the same without an allocator.
///
/// # Example
///
/// ```no_run
/// use offshoot::{Extractor, Image, Mark, SpatialHead, SpatialLimits};
///
/// let mut extractor = Extractor::open("cells.offshoot")?;
/// let mut head = SpatialHead::new(&extractor, SpatialLimits { classes: 4 })?;
/// let cup = head.add_class("cup")?;
///
/// // Left, top, width and height as shares of the frame; all cups in it.
/// let desk = Image::open("desk.jpg")?;
/// let boxes = [Mark::boxed(cup, [0.1, 0.4, 0.2, 0.25]), Mark::boxed(cup, [0.6, 0.5, 0.2, 0.2])];
/// head.teach(&extractor.cells(&desk.frame())?, &boxes)?;
/// // No cup in this one.
/// let floor = Image::open("floor.jpg")?;
/// head.teach(&extractor.cells(&floor.frame())?, &[])?;
/// head.fit()?;
///
/// let table = Image::open("table.jpg")?;
/// for found in head.find(&extractor.cells(&table.frame())?)? {
///     let [across, down] = found.centre;
///     println!("class {} at {across:.2}, {down:.2}", found.class);
/// }
/// head.save("cups.cells")?;
/// # Ok::<(), offshoot::Error>(())
/// ```
#[derive(Debug)]
pub struct SpatialHead {
    head: CoreHead<Box<[u64]>>,
    found: Vec<Detection>,
}

impl SpatialHead {
    /// An empty head for the extractor's cells. Every byte it will use is reserved here.
    ///
    /// # Errors
    /// [`ErrorKind::NoCells`] of a package that gives none; limits out of range; not enough memory.
    pub fn new(extractor: &Extractor, limits: SpatialLimits) -> Result<Self, Error> {
        let layout = layout_of(extractor)?;
        let memory = reserve(limits.words(layout)?)?;
        Ok(Self::of(CoreHead::new(*layout, extractor.id(), limits, memory)?))
    }

    fn of(head: CoreHead<Box<[u64]>>) -> Self {
        Self { head, found: vec![Detection::NONE; MOST] }
    }

    /// Finds objects in the cells of a frame, those with the highest scores first, at most 64.
    ///
    /// # Errors
    /// A head that is not fitted, and cells of another package.
    pub fn find(&mut self, cells: &Cells<'_>) -> Result<&[Detection], Error> {
        Ok(self.head.detect(cells, &mut self.found)?)
    }

    /// Returns the number of bytes of the longest [`SpatialHead::to_bytes`] with these limits, for
    /// memory that is taken in advance.
    ///
    /// # Errors
    /// [`ErrorKind::NoCells`] of a package that gives none; limits out of range.
    pub fn most_encoded(extractor: &Extractor, limits: SpatialLimits) -> Result<usize, Error> {
        Ok(limits.most_encoded(layout_of(extractor)?)?)
    }

    /// Writes the bytes of [`SpatialHead::to_bytes`] to the front of `out` and returns their number.
    ///
    /// # Errors
    /// A buffer shorter than [`SpatialHead::encoded_len`].
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Error> {
        Ok(self.head.encode(out)?)
    }

    /// Returns the number of bytes of [`SpatialHead::save`].
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.head.encoded_len()
    }

    /// Returns the bytes of [`SpatialHead::save`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.head.encoded_len()];
        let written = self.head.encode(&mut bytes);
        debug_assert_eq!(written, Ok(bytes.len()), "as long as the head states");
        bytes
    }

    /// Makes the head of [`SpatialHead::to_bytes`], fitted if it has learned anything; it was taught on
    /// this extractor's package.
    ///
    /// # Errors
    /// Bytes that are damaged or of another package; not enough memory.
    pub fn from_bytes(bytes: &[u8], extractor: &Extractor) -> Result<Self, Error> {
        Self::decoded(bytes, Some(extractor.id()))
    }

    /// Makes the head of [`SpatialHead::to_bytes`] without its package: to look at it, to merge it.
    ///
    /// # Errors
    /// Bytes that are damaged; not enough memory.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Self::decoded(bytes, None)
    }

    fn decoded(bytes: &[u8], package: Option<PackageId>) -> Result<Self, Error> {
        let record = SpatialRecord::open(bytes)?;
        // Before memory is taken for what the bytes state.
        if package.is_some_and(|id| id != record.package_id()) {
            return Err(SpatialError::OtherPackage.into());
        }
        let memory = reserve(record.limits().words(record.layout())?)?;
        let mut head = CoreHead::decode(bytes, package, memory)?;
        match head.fit() {
            Ok(()) | Err(SpatialError::NothingLearned) => Ok(Self::of(head)),
            Err(error) => Err(error.into()),
        }
    }

    /// Saves the head: the file holds the old head or the new one, whenever the power fails.
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

    /// Loads a head without its package: to look at it, to merge it.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open(path.as_ref(), None)
    }

    fn open(path: &Path, package: Option<PackageId>) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(|e| Error::of_file(e, path, "a head of cells"))?;
        Self::decoded(&bytes, package).map_err(|error| error.in_file(path))
    }
}

/// Returns the layout of a package's cells, or the error of one that gives none.
fn layout_of(extractor: &Extractor) -> Result<&CellsLayout, Error> {
    let none = ErrorKind::NoCells { gives: "an embedding, not cells" };
    extractor.cells_layout().ok_or_else(|| none.into())
}

/// Reserves zeroed memory, or reports that there is not as much.
pub(crate) fn reserve(words: usize) -> Result<Box<[u64]>, Error> {
    let mut memory = Vec::new();
    let need = words.saturating_mul(8);
    memory.try_reserve_exact(words).map_err(|_| ErrorKind::Memory { need })?;
    memory.resize(words, 0);
    Ok(memory.into_boxed_slice())
}
