//! Objects in a frame: a linear head for each cell of frozen feature maps, taught on the device by
//! points and boxes.
//!
//! A package with cells gives several feature maps instead of an embedding ([`Cells`]). To the
//! values of each place of the finest map the coarser maps and the means of its neighbourhoods are
//! appended. A [`SpatialHead`] keeps exact sums over cells, no samples: a lesson adds to them, undo
//! subtracts, heads of several devices add up, and the memory is the same whatever was shown. The
//! fit is a ridge regression from these sums; the answer are the peaks of its scores.
//!
//! # Example
//!
//! ```
//! use offshoot_core::package::PackageId;
//! use offshoot_core::spatial::{
//!     CellMap, Cells, CellsLayout, Detection, Mark, Neighbours, SpatialHead, SpatialLimits,
//! };
//!
//! // One map of 8 x 8 cells and one channel, of an input of 64 x 64 pixels.
//! let map = CellMap { height: 8, width: 8, channels: 1, stride: [8; 2], offset: [8; 2] };
//! let layout = CellsLayout::new(&[map], Neighbours::Three, [64, 64], 0).ok_or("layout")?;
//! let limits = SpatialLimits { classes: 1 };
//! let memory = vec![0; limits.words(&layout)?];
//! let mut head = SpatialHead::new(layout, PackageId::new([0; 32]), limits, memory)?;
//! let dot = head.add_class("dot")?;
//!
//! // A bright cell at row 2, column 5: the middle is at 44/64, 20/64.
//! let mut codes = [0; 64];
//! codes[2 * 8 + 5] = 100;
//! let cells = Cells::new(layout, &codes).ok_or("length")?;
//! head.teach(&cells, &[Mark::point(dot, [44.0 / 64.0, 20.0 / 64.0])])?;
//! head.fit()?;
//!
//! let mut codes = [0; 64];
//! codes[6 * 8 + 1] = 100;
//! let mut found = [Detection::NONE; 8];
//! let found = head.detect(&Cells::new(layout, &codes).ok_or("length")?, &mut found)?;
//! assert_eq!((found.len(), found[0].class), (1, dot));
//! assert_eq!(found[0].centre, [12.0 / 64.0, 52.0 / 64.0]);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

pub(crate) mod cells;
mod learn;
mod lessons;
mod marks;
mod peaks;
mod spatial_error;
pub(crate) mod spatial_record;
mod spatial_room;

use core::fmt;

pub use cells::{CellMap, Cells, CellsLayout, MAX_CELL_VALUES, MAX_CELLS, MAX_MAPS, Neighbours};
pub(crate) use cells::{Window, rows};
use learn::evidence;
pub use learn::evidence::Expected;
pub(crate) use learn::sums::{BLOCK, Gram, MOST_VALUE};
use learn::sums::{BOX, BoxCounts, STEPS};
pub use marks::Mark;
pub use peaks::Detection;
use peaks::UNKNOWN_CELLS;
pub use spatial_error::SpatialError;
pub use spatial_record::{SPATIAL_MAGIC, SpatialRecord};
pub use spatial_room::SpatialLimits;
pub(crate) use spatial_room::take;
use spatial_room::{Kept, SpatialRoom};

use crate::head::{MAX_NAME_BYTES, check_name};
use crate::package::PackageId;

/// Max number of classes of one spatial head.
pub const MAX_SPATIAL_CLASSES: usize = 16;

/// Max number of marks in one frame.
pub const MAX_MARKS: usize = 128;

/// Class of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class {
    name: [u8; MAX_NAME_BYTES],
    length: u8,
    /// Number of marks.
    objects: u32,
    /// Number of those with a box.
    boxed: u32,
    /// Sums of the logarithms of their sides, in steps of 1/4096.
    sides: [i64; 2],
}

impl Class {
    const EMPTY: Self =
        Self { name: [0; MAX_NAME_BYTES], length: 0, objects: 0, boxed: 0, sides: [0; 2] };

    fn name(&self) -> &str {
        core::str::from_utf8(&self.name[..self.length.into()]).unwrap_or_default()
    }

    /// Sets a name that was checked.
    fn set_name(&mut self, name: &str) {
        self.name = [0; MAX_NAME_BYTES];
        self.name[..name.len()].copy_from_slice(name.as_bytes());
        self.length = name.len() as u8;
    }

    /// Returns the geometric means of width and height; [`None`] without boxes.
    fn size(&self) -> Option<[f32; 2]> {
        let count = self.boxed as f32;
        let side = |sum: i64| libm::expf(sum as f32 / STEPS[2] / count);
        (self.boxed > 0).then(|| self.sides.map(side))
    }
}

/// Last lesson, as far as it can be undone.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// Number of marks.
    marks: usize,
    /// Number of tested lessons before.
    tested: u32,
}

/// Head that finds objects in frames; see the [module](self). `M` is its memory of
/// [`SpatialLimits::words`] 8-byte words: a slice, an array, a vector or a box.
pub struct SpatialHead<M> {
    layout: CellsLayout,
    package_id: PackageId,
    /// Room for classes.
    room: usize,
    classes: [Class; MAX_SPATIAL_CLASSES],
    count: usize,
    /// Cells of the background, of each class there is room for, and of those that were forgotten.
    cells: [u64; MAX_SPATIAL_CLASSES + 2],
    boxes: BoxCounts,
    lessons: u32,
    tested: u32,
    has_reference: bool,
    is_fitted: bool,
    last: Option<Last>,
    memory: M,
}

impl<M> fmt::Debug for SpatialHead<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpatialHead")
            .field("grid", &self.layout.grid())
            .field("values", &self.layout.values())
            .field("classes", &self.count)
            .field("lessons", &self.lessons)
            .finish_non_exhaustive()
    }
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> SpatialHead<M> {
    /// Creates an empty head for the cells of the package `package_id`. The memory's content does
    /// not matter.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] if the room for classes is out of range, or the memory is too short.
    pub fn new(
        layout: CellsLayout,
        package_id: PackageId,
        limits: SpatialLimits,
        mut memory: M,
    ) -> Result<Self, SpatialError> {
        let needed = limits.words(&layout)?;
        let found = memory.as_ref().len();
        if found < needed {
            return Err(SpatialError::Memory { found, needed });
        }
        memory.as_mut()[..needed].fill(0);
        Ok(Self {
            layout,
            package_id,
            room: limits.classes.into(),
            classes: [Class::EMPTY; MAX_SPATIAL_CLASSES],
            count: 0,
            cells: [0; MAX_SPATIAL_CLASSES + 2],
            boxes: BoxCounts::default(),
            lessons: 0,
            tested: 0,
            has_reference: false,
            is_fitted: false,
            last: None,
            memory,
        })
    }

    /// Layout of the cells that it reads.
    pub fn layout(&self) -> &CellsLayout {
        &self.layout
    }

    /// Id of the package that makes its cells.
    pub fn package_id(&self) -> PackageId {
        self.package_id
    }

    /// Limits of the head.
    pub fn limits(&self) -> SpatialLimits {
        SpatialLimits { classes: self.room as u8 }
    }

    /// Number of lessons: frames that were taught.
    pub fn lessons(&self) -> u32 {
        self.lessons
    }

    /// True if the head is ready to detect.
    pub fn is_fitted(&self) -> bool {
        self.is_fitted
    }

    /// True if cells are compared with an empty scene.
    pub fn has_reference(&self) -> bool {
        self.has_reference
    }

    /// Number of classes.
    pub fn class_count(&self) -> usize {
        self.count
    }

    /// Returns the name of a class; [`None`] if there is no such class.
    pub fn class_name(&self, class: u8) -> Option<&str> {
        self.classes[..self.count].get(usize::from(class)).map(Class::name)
    }

    /// Returns the index of the class of this name.
    pub fn class_named(&self, name: &str) -> Option<u8> {
        self.classes[..self.count].iter().position(|own| own.name() == name).map(|at| at as u8)
    }

    /// Returns the number of objects of a class that were taught; 0 if there is no such class.
    pub fn objects_of(&self, class: u8) -> u32 {
        self.classes[..self.count].get(usize::from(class)).map_or(0, |own| own.objects)
    }

    /// Returns the mean width and height of a class's boxes as shares of the frame's sides; [`None`]
    /// if it has none.
    pub fn size_of(&self, class: u8) -> Option<[f32; 2]> {
        self.classes[..self.count].get(usize::from(class))?.size()
    }

    /// Returns the width and height that an object of unknown size is taken to have: three cells.
    pub fn unknown_size(&self) -> [f32; 2] {
        let [down, across] = self.layout.step();
        [across * UNKNOWN_CELLS, down * UNKNOWN_CELLS]
    }

    /// Returns the score from which a class is reported.
    pub fn threshold(&self, class: u8) -> f32 {
        evidence::threshold(self.evidence_of(class), self.tested)
    }

    /// Returns what the lessons that were tested before they were learned let expect of a class;
    /// [`None`] before there were three.
    pub fn expected(&self, class: u8) -> Option<Expected> {
        evidence::expected(self.evidence_of(class), self.tested)
    }

    /// Adds a class.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] for a name that is none, is taken, or for which there is no room.
    pub fn add_class(&mut self, name: &str) -> Result<u8, SpatialError> {
        check_name(name)?;
        if self.class_named(name).is_some() {
            return Err(SpatialError::Duplicate);
        }
        if self.count == self.room {
            return Err(SpatialError::FullClasses { limit: self.room as u8 });
        }
        self.classes[self.count] = Class::EMPTY;
        self.classes[self.count].set_name(name);
        self.count += 1;
        self.is_fitted = false;
        Ok((self.count - 1) as u8)
    }

    /// Renames a class. What was learned stays, and the head stays fitted.
    ///
    /// # Errors
    ///
    /// [`SpatialError::NoClass`]; [`SpatialError`] for a name that is none, or that another class has.
    pub fn rename_class(&mut self, class: u8, name: &str) -> Result<(), SpatialError> {
        check_name(name)?;
        if usize::from(class) >= self.count {
            return Err(SpatialError::NoClass { found: class });
        }
        if self.class_named(name).is_some_and(|other| other != class) {
            return Err(SpatialError::Duplicate);
        }
        self.classes[usize::from(class)].set_name(name);
        Ok(())
    }

    /// Words of evidence of a class; those of none if there is no such class.
    fn evidence_of(&self, class: u8) -> &[u32] {
        let at = usize::from(class) * evidence::WORDS;
        let all = self.kept().evidence;
        if usize::from(class) < self.count { &all[at..][..evidence::WORDS] } else { &NOTHING }
    }

    fn kept(&self) -> Kept<'_> {
        Kept::of(self.memory.as_ref(), &self.layout, self.room)
    }

    fn parts(&mut self) -> SpatialRoom<'_> {
        SpatialRoom::carve(self.memory.as_mut(), &self.layout, self.room)
    }

    /// Limits of the numbers of a box: two and a half deviations around their mean; [`None`] if they
    /// are not predicted.
    fn box_limits(&self) -> Option<[[f32; 2]; BOX]> {
        let BoxCounts { pointed, boxed, sums, squares } = self.boxes;
        let count = boxed as f64;
        let limits = core::array::from_fn(|i| {
            let mean = sums[i] as f64 / count;
            let reach = 2.5 * libm::sqrt((squares[i] as f64 / count - mean * mean).max(0.0));
            [mean - reach, mean + reach].map(|steps| (steps / f64::from(STEPS[i])) as f32)
        });
        (pointed == 0 && boxed > 0).then_some(limits)
    }
}

/// Evidence of no class.
const NOTHING: [u32; evidence::WORDS] = [0; evidence::WORDS];
