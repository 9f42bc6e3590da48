//! Heads that find objects in cells, taught from Python.

pub(crate) mod good;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use offshoot::{ErrorKind, Mark, SpatialError, SpatialLimits};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::error::{Failure, Outcome};
use crate::extractor::Extractor;
use crate::extractor::cells::Cells;
use crate::head::ClassRef;

/// Head that finds objects, names and counts them, taught with points and boxes.
///
/// ``extractor`` gives cells; ``classes`` is the room for them, at most 16. All objects of the
/// head's classes in an image must be marked: what is not is learned as background. A mark is a
/// tuple of a class and its place, as shares of the image's width and height: ``(class, x, y)`` for
/// a point, ``(class, left, top, width, height)`` for a box. Threads may share a head: one call
/// runs at a time.
///
/// >>> import numpy as np
/// >>> import offshoot
/// >>> extractor = offshoot.Extractor("eyes.offshoot")
/// >>> head = offshoot.SpatialHead(extractor, classes=4)
/// >>> head.add_class("cup")
/// 0
/// >>> table = np.full((32, 32, 3), 40, np.uint8)
/// >>> table[8:16, 16:24] = 220
/// >>> cells = extractor.cells(table)
/// >>> head.teach(cells, [("cup", 0.5, 0.25, 0.25, 0.25)])
/// >>> for found in head.find(cells):
/// ...     print(found.name, round(found.x, 2), round(found.y, 2))
/// cup 0.62 0.37
#[pyclass(frozen, module = "offshoot")]
pub(crate) struct SpatialHead {
    inner: Mutex<offshoot::SpatialHead>,
}

/// Object that was found; its middle is at ``x``, ``y``, as shares of the image's width and height.
#[pyclass(frozen, module = "offshoot", get_all, eq)]
#[derive(PartialEq)]
pub(crate) struct Detection {
    /// Name of its class.
    name: String,
    /// Number of its class.
    class_id: u8,
    /// Score, about 1 in the middle of an object.
    score: f32,
    /// Share of the width at which its middle is.
    x: f32,
    /// Share of the height at which its middle is.
    y: f32,
    /// Width and height as shares of the image's; ``None`` if they are not known.
    size: Option<(f32, f32)>,
}

#[pymethods]
impl Detection {
    fn __repr__(&self) -> String {
        let Self { name, score, x, y, .. } = self;
        format!("<Detection {name}, {score:.2} at {x:.2}, {y:.2}>")
    }
}

/// Outcome of lessons that were tested before they were learned, for a class.
#[pyclass(frozen, module = "offshoot", get_all, eq)]
#[derive(PartialEq)]
pub(crate) struct Expected {
    /// Share of detections that were right.
    precision: f32,
    /// Share of objects that were found.
    recall: f32,
    /// Harmonic mean of both.
    f1: f32,
    /// Number of objects in the tested lessons.
    objects: u32,
}

#[pymethods]
impl Expected {
    fn __repr__(&self) -> String {
        let Self { precision, recall, objects, .. } = self;
        format!("<Expected precision {precision:.2}, recall {recall:.2}, of {objects} objects>")
    }
}

/// Mark as Python passes it.
#[derive(FromPyObject)]
pub(crate) enum MarkRef {
    Box((ClassRef, f32, f32, f32, f32)),
    Point((ClassRef, f32, f32)),
}

impl MarkRef {
    fn of(&self, head: &offshoot::SpatialHead) -> Outcome<Mark> {
        Ok(match self {
            Self::Box((class, left, top, width, height)) => {
                Mark::boxed(number(head, class)?, [*left, *top, *width, *height])
            }
            Self::Point((class, x, y)) => Mark::point(number(head, class)?, [*x, *y]),
        })
    }
}

fn number(head: &offshoot::SpatialHead, class: &ClassRef) -> Outcome<u8> {
    let count = head.class_count();
    let found = match class {
        ClassRef::Number(number) if *number < count => Some(*number as u8),
        ClassRef::Number(_) => None,
        ClassRef::Name(name) => head.class_named(name),
    };
    found.ok_or_else(|| class.missing(count))
}

fn name_of(head: &offshoot::SpatialHead, class: u8) -> String {
    head.class_name(class).unwrap_or_default().to_string()
}

/// Passes over a head that has learned too little to be fitted.
fn fit_if_possible(fitted: Outcome<()>) -> Outcome<()> {
    match fitted {
        Err(Failure::Facade(error))
            if matches!(error.kind(), ErrorKind::Spatial(SpatialError::NothingLearned)) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Fits a head, unless nothing has changed since the last fit.
fn fitted(head: &mut offshoot::SpatialHead) -> Outcome<()> {
    match head.is_fitted() {
        true => Ok(()),
        false => Ok(head.fit()?),
    }
}

#[pymethods]
impl SpatialHead {
    /// Makes an empty head.
    ///
    /// Raises ``PackageError`` for a package that gives no cells, ``HeadError`` for room that a
    /// head cannot have.
    #[new]
    #[pyo3(signature = (extractor, *, classes=8))]
    fn new(py: Python<'_>, extractor: &Extractor, classes: u8) -> Outcome<Self> {
        let limits = SpatialLimits { classes };
        Ok(Self::of(extractor.with(py, |inner| offshoot::SpatialHead::new(inner, limits))?))
    }

    /// Loads a head that was taught on the extractor's package.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf, extractor: &Extractor) -> Outcome<Self> {
        Ok(Self::of(extractor.with(py, |inner| offshoot::SpatialHead::load(&path, inner))?))
    }

    /// Saves the head: the file holds the old head or the new one, whenever the power fails.
    fn save(&self, py: Python<'_>, path: PathBuf) -> Outcome<()> {
        Ok(self.with(py, |head| head.save(&path))?)
    }

    /// Returns the head's bytes, the same for the same lessons.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.with(py, |head| head.to_bytes()))
    }

    /// Makes the head of ``to_bytes``; with an extractor only one that was taught on its package.
    #[staticmethod]
    #[pyo3(signature = (data, extractor=None))]
    fn from_bytes(py: Python<'_>, data: &[u8], extractor: Option<&Extractor>) -> Outcome<Self> {
        let head = match extractor {
            Some(extractor) => {
                extractor.with(py, |inner| offshoot::SpatialHead::from_bytes(data, inner))?
            }
            None => py.detach(|| offshoot::SpatialHead::decode(data))?,
        };
        Ok(Self::of(head))
    }

    /// Adds a class; returns its number.
    fn add_class(&self, py: Python<'_>, name: &str) -> Outcome<u8> {
        self.with(py, |head| head.add_class(name)).map_err(|error| Failure::of_name(error, name))
    }

    /// Renames a class; what was learned stays.
    fn rename_class(&self, py: Python<'_>, class_: ClassRef, name: &str) -> Outcome<()> {
        self.with(py, |head| {
            let class = number(head, &class_)?;
            head.rename_class(class, name).map_err(|error| Failure::of_name(error, name))
        })
    }

    /// Forgets a class: it is no longer found, and its cells go on to count as none of the others.
    /// The numbers of the classes after it move down by one.
    fn forget(&self, py: Python<'_>, class_: ClassRef) -> Outcome<()> {
        self.with(py, |head| {
            let class = number(head, &class_)?;
            Ok(head.forget(class)?)
        })
    }

    /// Learns an image with all objects in it; without marks, that there are none. It is first
    /// asked of the head: the thresholds come from these tests.
    ///
    /// Raises ``HeadError`` for cells of another package, marks outside the image or more than 128.
    #[pyo3(signature = (cells, marks=Vec::new()))]
    fn teach(&self, py: Python<'_>, cells: &Cells, marks: Vec<MarkRef>) -> Outcome<()> {
        self.lesson(py, cells, &marks, offshoot::SpatialHead::teach)
    }

    /// Asks the head about an image whose objects are known, without learning it; the thresholds
    /// count it.
    #[pyo3(signature = (cells, marks=Vec::new()))]
    fn test(&self, py: Python<'_>, cells: &Cells, marks: Vec<MarkRef>) -> Outcome<()> {
        self.lesson(py, cells, &marks, offshoot::SpatialHead::test)
    }

    /// Takes the last lesson back; false if there is none that can be: after another undo, a merge,
    /// a class that was forgotten, or a load.
    fn undo(&self, py: Python<'_>) -> bool {
        self.with(py, offshoot::SpatialHead::undo)
    }

    /// Computes the weights from what was learned; ``find`` and lessons do it if they must.
    fn fit(&self, py: Python<'_>) -> Outcome<()> {
        Ok(self.with(py, offshoot::SpatialHead::fit)?)
    }

    /// Finds the objects of an image, at most 64, those with the highest scores first.
    ///
    /// Raises ``HeadError`` before there are both objects and background.
    fn find(&self, py: Python<'_>, cells: &Cells) -> Outcome<Vec<Detection>> {
        self.with(py, |head| {
            fitted(head)?;
            let found = head.find(&cells.borrowed()?)?.to_vec();
            let found = found.iter().map(|found| Detection {
                name: name_of(head, found.class),
                class_id: found.class,
                score: found.score,
                x: found.centre[0],
                y: found.centre[1],
                size: found.size.map(|[width, height]| (width, height)),
            });
            Ok(found.collect())
        })
    }

    /// Sets the empty scene of a fixed camera, before the first lesson: cells are their distance
    /// from it then. It may be replaced by another one.
    fn set_reference(&self, py: Python<'_>, cells: &Cells) -> Outcome<()> {
        self.with(py, |head| Ok(head.set_reference(&cells.borrowed()?)?))
    }

    /// Returns the share of cells that differ from the empty scene, more than a half if the camera
    /// has moved; ``None`` without an empty scene.
    fn changed(&self, py: Python<'_>, cells: &Cells) -> Outcome<Option<f32>> {
        self.with(py, |head| Ok(head.changed(&cells.borrowed()?)?))
    }

    /// Adds what another head has learned; classes of the same name are the same.
    fn merge(&self, py: Python<'_>, other: &Self) -> Outcome<()> {
        // A copy: two threads that merge two heads into each other do not wait for each other.
        let bytes = other.with(py, |head| head.to_bytes());
        let other = py.detach(|| offshoot::SpatialHead::decode(&bytes))?;
        Ok(self.with(py, |head| head.merge(&other))?)
    }

    /// Names of the classes, in the order of their numbers.
    #[getter]
    fn classes(&self, py: Python<'_>) -> Vec<String> {
        self.with(py, |head| {
            (0..head.class_count()).map(|class| name_of(head, class as u8)).collect()
        })
    }

    /// Number of lessons.
    #[getter]
    fn lessons(&self, py: Python<'_>) -> u32 {
        self.with(py, |head| head.lessons())
    }

    /// Number of classes that memory is reserved for.
    #[getter]
    fn limit(&self, py: Python<'_>) -> u8 {
        self.with(py, |head| head.limits().classes)
    }

    /// True if nothing was learned since the last fit.
    #[getter]
    fn is_fitted(&self, py: Python<'_>) -> bool {
        self.with(py, |head| head.is_fitted())
    }

    /// True if cells are compared with an empty scene.
    #[getter]
    fn has_reference(&self, py: Python<'_>) -> bool {
        self.with(py, |head| head.has_reference())
    }

    /// Digest of the package that makes its cells: 64 hexadecimal digits.
    #[getter]
    fn package_id(&self, py: Python<'_>) -> String {
        self.with(py, |head| head.package_id().to_string())
    }

    /// Returns the number of objects of a class that were taught.
    fn objects_of(&self, py: Python<'_>, class_: ClassRef) -> Outcome<u32> {
        self.with(py, |head| Ok(head.objects_of(number(head, &class_)?)))
    }

    /// Returns the score from which a class is reported.
    fn threshold(&self, py: Python<'_>, class_: ClassRef) -> Outcome<f32> {
        self.with(py, |head| Ok(head.threshold(number(head, &class_)?)))
    }

    /// Returns the mean width and height of a class's boxes; ``None`` if it has none.
    fn size_of(&self, py: Python<'_>, class_: ClassRef) -> Outcome<Option<(f32, f32)>> {
        self.with(py, |head| {
            let size = head.size_of(number(head, &class_)?);
            Ok(size.map(|[width, height]| (width, height)))
        })
    }

    /// Returns what the tested lessons let expect of a class; ``None`` before there were three.
    fn expected(&self, py: Python<'_>, class_: ClassRef) -> Outcome<Option<Expected>> {
        self.with(py, |head| {
            let expected = head.expected(number(head, &class_)?);
            Ok(expected.map(|found| Expected {
                precision: found.precision,
                recall: found.recall,
                f1: found.f1,
                objects: found.objects,
            }))
        })
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.with(py, |head| {
            let room = head.limits().classes;
            format!(
                "<SpatialHead, {} of {room} classes, {} lessons>",
                head.class_count(),
                head.lessons()
            )
        })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let make = py.get_type::<Self>().getattr("from_bytes")?;
        (make, (self.to_bytes(py),)).into_pyobject(py)
    }
}

impl SpatialHead {
    fn of(head: offshoot::SpatialHead) -> Self {
        Self { inner: Mutex::new(head) }
    }

    /// Calls `work` with the head when it is free; Python runs on meanwhile.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut offshoot::SpatialHead) -> T + Send,
    ) -> T {
        py.detach(|| work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn lesson(
        &self,
        py: Python<'_>,
        cells: &Cells,
        marks: &[MarkRef],
        learn: fn(
            &mut offshoot::SpatialHead,
            &offshoot::Cells<'_>,
            &[Mark],
        ) -> Result<(), SpatialError>,
    ) -> Outcome<()> {
        self.with(py, |head| {
            fit_if_possible(fitted(head))?;
            let marks = marks.iter().map(|mark| mark.of(head)).collect::<Outcome<Vec<_>>>()?;
            Ok(learn(head, &cells.borrowed()?, &marks)?)
        })
    }
}
