//! Lessons and questions, passed on to the head in core.

use offshoot_core::package::PackageId;
use offshoot_core::spatial::{
    Cells, CellsLayout, Detection, Expected, Mark, SpatialError, SpatialLimits,
};

use super::SpatialHead;

impl SpatialHead {
    /// Layout of the cells that it reads.
    #[must_use]
    pub fn layout(&self) -> &CellsLayout {
        self.head.layout()
    }

    /// Id of the package that makes its cells.
    #[must_use]
    pub fn package_id(&self) -> PackageId {
        self.head.package_id()
    }

    /// Limits of the head.
    #[must_use]
    pub fn limits(&self) -> SpatialLimits {
        self.head.limits()
    }

    /// Number of lessons: frames that were taught.
    #[must_use]
    pub fn lessons(&self) -> u32 {
        self.head.lessons()
    }

    /// True if the head is ready to detect.
    #[must_use]
    pub fn is_fitted(&self) -> bool {
        self.head.is_fitted()
    }

    /// True if cells are compared with an empty scene.
    #[must_use]
    pub fn has_reference(&self) -> bool {
        self.head.has_reference()
    }

    /// Number of classes.
    #[must_use]
    pub fn class_count(&self) -> usize {
        self.head.class_count()
    }

    /// Returns the name of a class; [`None`] if there is no such class.
    #[must_use]
    pub fn class_name(&self, class: u8) -> Option<&str> {
        self.head.class_name(class)
    }

    /// Returns the index of the class of this name.
    #[must_use]
    pub fn class_named(&self, name: &str) -> Option<u8> {
        self.head.class_named(name)
    }

    /// Returns the number of objects of a class that were taught; 0 if there is no such class.
    #[must_use]
    pub fn objects_of(&self, class: u8) -> u32 {
        self.head.objects_of(class)
    }

    /// Returns the mean width and height of a class's boxes as shares of the frame's sides; [`None`]
    /// if it has none.
    #[must_use]
    pub fn size_of(&self, class: u8) -> Option<[f32; 2]> {
        self.head.size_of(class)
    }

    /// Returns the width and height that an object of unknown size is taken to have: three cells.
    #[must_use]
    pub fn unknown_size(&self) -> [f32; 2] {
        self.head.unknown_size()
    }

    /// Returns the score from which a class is reported.
    #[must_use]
    pub fn threshold(&self, class: u8) -> f32 {
        self.head.threshold(class)
    }

    /// Returns what the lessons that were tested before they were learned let expect of a class;
    /// [`None`] before there were three.
    #[must_use]
    pub fn expected(&self, class: u8) -> Option<Expected> {
        self.head.expected(class)
    }

    /// Adds a class.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] for a name that is none, is taken, or for which there is no room.
    pub fn add_class(&mut self, name: &str) -> Result<u8, SpatialError> {
        self.head.add_class(name)
    }

    /// Renames a class. What was learned stays, and the head stays fitted.
    ///
    /// # Errors
    ///
    /// [`SpatialError::NoClass`]; [`SpatialError`] for a name that is none, or that another class has.
    pub fn rename_class(&mut self, class: u8, name: &str) -> Result<(), SpatialError> {
        self.head.rename_class(class, name)
    }

    /// Sets the empty scene of a fixed camera: from now on cells are their distance from it. It may
    /// be replaced by another one, as after the camera was moved; the last lesson can then no longer
    /// be undone.
    ///
    /// # Errors
    ///
    /// [`SpatialError::Late`] if lessons without an empty scene were learned,
    /// [`SpatialError::OtherCells`].
    pub fn set_reference(&mut self, cells: &Cells<'_>) -> Result<(), SpatialError> {
        self.head.set_reference(cells)
    }

    /// Returns the share of cells that differ from the empty scene: more than a half of them if the
    /// camera has moved, or the light has changed. [`None`] without an empty scene.
    ///
    /// # Errors
    ///
    /// [`SpatialError::OtherCells`].
    pub fn changed(&self, cells: &Cells<'_>) -> Result<Option<f32>, SpatialError> {
        self.head.changed(cells)
    }

    /// Learns a frame with all objects in it; without marks, that there are none. If the head is
    /// fitted, the frame is first asked of it: the thresholds come from these tests.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] for cells of another package, marks outside the frame, too many marks or
    /// cells.
    pub fn teach(&mut self, cells: &Cells<'_>, marks: &[Mark]) -> Result<(), SpatialError> {
        self.head.teach(cells, marks)
    }

    /// Takes the last lesson back; false if there is none that can be: after another undo, a merge,
    /// a class that was forgotten, or a load.
    pub fn undo(&mut self) -> bool {
        self.head.undo()
    }

    /// Asks the head about a frame whose objects are known, without learning it; thresholds and
    /// [`SpatialHead::expected`] count it.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] if the head is not fitted, and those of [`SpatialHead::teach`].
    pub fn test(&mut self, cells: &Cells<'_>, marks: &[Mark]) -> Result<(), SpatialError> {
        self.head.test(cells, marks)
    }

    /// Adds the tests of another head, such as one that has not learned the tested lessons; classes
    /// are matched by name.
    pub fn add_tests(&mut self, other: &Self) {
        self.head.add_tests(&other.head)
    }

    /// Computes the weights from the sums.
    ///
    /// # Errors
    ///
    /// [`SpatialError::NothingLearned`] before there are both objects and background.
    pub fn fit(&mut self) -> Result<(), SpatialError> {
        self.head.fit()
    }

    /// Finds candidates like [`SpatialHead::find`], those whose score is below the threshold of their
    /// class too, for measurements.
    ///
    /// # Errors
    ///
    /// Those of [`SpatialHead::find`].
    pub fn candidates<'f>(
        &mut self,
        cells: &Cells<'_>,
        found: &'f mut [Detection],
    ) -> Result<&'f [Detection], SpatialError> {
        self.head.candidates(cells, found)
    }

    /// Adds what another head has learned and tested; classes are matched by name.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] if the heads are of different packages, one compares with an empty scene and
    /// the other does not, or there is no room.
    pub fn merge(&mut self, other: &Self) -> Result<(), SpatialError> {
        self.head.merge(&other.head)
    }

    /// Forgets a class: it is no longer found. Its cells go on to count as none of the other
    /// classes and no background, since the products of objects are kept together. Later classes move
    /// down by one.
    ///
    /// # Errors
    ///
    /// [`SpatialError::NoClass`].
    pub fn forget(&mut self, class: u8) -> Result<(), SpatialError> {
        self.head.forget(class)
    }
}
