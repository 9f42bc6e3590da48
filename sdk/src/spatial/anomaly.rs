//! A head that tells unusual places from good frames alone, in memory of its own, with files.

use std::fs;
use std::path::Path;

use offshoot_core::anomaly::{GoodHead as CoreHead, GoodRecord, Unusual};
use offshoot_core::package::PackageId;
use offshoot_core::spatial::{Cells, CellsLayout, SpatialError};

use crate::head::replace_file;
use crate::spatial::reserve;
use crate::{Error, ErrorKind, Extractor};

/// Head that knows good parts and marks what is unusual, and where.
///
/// [`offshoot_core::anomaly::GoodHead`] is the same without an allocator.
///
/// ```no_run
/// use offshoot::{Extractor, GoodHead, Image};
///
/// let mut extractor = Extractor::open("cells.offshoot")?;
/// // Parts that always lie alike before the camera.
/// let mut head = GoodHead::new(&extractor, true)?;
/// for path in ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg"] {
///     let part = Image::open(path)?;
///     head.teach(&extractor.cells(&part.frame())?)?;
///     // From the second on, a part is first asked of the head: the threshold comes from that.
///     let _ = head.fit();
/// }
/// let part = Image::open("next.jpg")?;
/// let found = head.look(&extractor.cells(&part.frame())?)?;
/// println!("{:.1}, unusual: {}", found.score, found.is_unusual());
/// # Ok::<(), offshoot::Error>(())
/// ```
#[derive(Debug)]
pub struct GoodHead(CoreHead<Box<[u64]>>);

impl GoodHead {
    /// An empty head for the extractor's cells; of a fixed frame each place has a mean of its own.
    ///
    /// # Errors
    /// [`ErrorKind::NoCells`] of a package that gives none; not enough memory.
    pub fn new(extractor: &Extractor, is_fixed: bool) -> Result<Self, Error> {
        let layout = extractor
            .cells_layout()
            .ok_or(ErrorKind::NoCells { gives: "an embedding, not cells" })?;
        let memory = reserve(CoreHead::<Box<[u64]>>::words(layout, is_fixed))?;
        Ok(Self(CoreHead::new(*layout, extractor.id(), is_fixed, memory)?))
    }

    /// Returns the number of bytes of [`GoodHead::save`].
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    /// Returns the bytes of [`GoodHead::save`].
    ///
    /// ```no_run
    /// use offshoot::{Extractor, GoodHead};
    ///
    /// let extractor = Extractor::open("cells.offshoot")?;
    /// let mut head = GoodHead::load("part.good", &extractor)?;
    /// let copy = GoodHead::from_bytes(&head.to_bytes(), &extractor)?;
    /// assert_eq!(copy.lessons(), head.lessons());
    /// # Ok::<(), offshoot::Error>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.0.encoded_len()];
        let written = self.0.encode(&mut bytes);
        debug_assert_eq!(written, Ok(bytes.len()), "as long as the head states");
        bytes
    }

    /// Makes the head of [`GoodHead::to_bytes`], fitted if it has learned enough; it was taught on
    /// this extractor's package.
    ///
    /// # Errors
    /// Bytes that are damaged or of another package; not enough memory.
    pub fn from_bytes(bytes: &[u8], extractor: &Extractor) -> Result<Self, Error> {
        let record = GoodRecord::open(bytes)?;
        // Before memory is taken for what the bytes state.
        if record.package_id() != extractor.id() {
            return Err(SpatialError::OtherPackage.into());
        }
        let words = CoreHead::<Box<[u64]>>::words(record.layout(), record.is_fixed());
        let mut head = CoreHead::decode(bytes, Some(extractor.id()), reserve(words)?)?;
        match head.fit() {
            Ok(()) | Err(SpatialError::NothingLearned) => Ok(Self(head)),
            Err(error) => Err(error.into()),
        }
    }

    /// Saves the head: the file holds the old head or the new one, whenever the power fails.
    ///
    /// # Errors
    /// I/O errors of the file system; the old file is then still there.
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        replace_file(path.as_ref(), &self.to_bytes())
    }

    /// Loads a head that was taught on this extractor's package, fitted if it has learned enough.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or belongs to another package.
    pub fn load(path: impl AsRef<Path>, extractor: &Extractor) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|e| Error::of_file(e, path, "a head of good frames"))?;
        Self::from_bytes(&bytes, extractor).map_err(|error| error.in_file(path))
    }

    /// Layout of the cells that it reads.
    #[must_use]
    pub fn layout(&self) -> &CellsLayout {
        self.0.layout()
    }

    /// Id of the package that makes its cells.
    #[must_use]
    pub fn package_id(&self) -> PackageId {
        self.0.package_id()
    }

    /// Number of good frames that were learned.
    #[must_use]
    pub fn lessons(&self) -> u32 {
        self.0.lessons()
    }

    /// True if nothing was learned since the last fit.
    #[must_use]
    pub fn is_fitted(&self) -> bool {
        self.0.is_fitted()
    }

    /// True if each place has a mean of its own.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.0.is_fixed()
    }

    /// Returns the score from which a frame is unusual: three deviations above the mean of the good
    /// frames that were tested before they were learned; [`None`] before there were three.
    #[must_use]
    pub fn threshold(&self) -> Option<f32> {
        self.0.threshold()
    }

    /// Learns a good frame. If the head is fitted, the frame is first asked of it: the threshold comes
    /// from these tests.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] for cells of another package, or too many frames.
    pub fn teach(&mut self, cells: &Cells<'_>) -> Result<(), SpatialError> {
        self.0.teach(cells)
    }

    /// Takes the last lesson back; false if there is none that can be.
    pub fn undo(&mut self) -> bool {
        self.0.undo()
    }

    /// Asks the head about a good frame without learning it; the threshold counts it.
    ///
    /// # Errors
    ///
    /// Those of [`GoodHead::look`].
    pub fn test(&mut self, cells: &Cells<'_>) -> Result<(), SpatialError> {
        self.0.test(cells)
    }

    /// Computes means and covariance from the sums.
    ///
    /// # Errors
    ///
    /// [`SpatialError::NothingLearned`] before two lessons.
    pub fn fit(&mut self) -> Result<(), SpatialError> {
        self.0.fit()
    }

    /// Measures how unusual a frame is, and where.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] if the head is not fitted, or the cells are of another package.
    pub fn look(&mut self, cells: &Cells<'_>) -> Result<Unusual<'_>, SpatialError> {
        self.0.look(cells)
    }
}
