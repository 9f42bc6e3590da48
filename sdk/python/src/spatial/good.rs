//! Heads that know good images alone, and mark what is unusual.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::fit_if_possible;
use crate::embedding::matrix;
use crate::error::Outcome;
use crate::extractor::Extractor;
use crate::extractor::cells::Cells;

/// Head that knows good parts and marks what is unusual, and where.
///
/// ``fixed`` if parts always lie alike before the camera, so that each place has a mean of its own.
/// Five good images or more; from the third on each is first asked of the head, and the threshold
/// comes from that.
///
/// >>> import numpy as np
/// >>> import offshoot
/// >>> extractor = offshoot.Extractor("eyes.offshoot")
/// >>> head = offshoot.GoodHead(extractor)
/// >>> rng = np.random.default_rng(1)
/// >>> parts = rng.integers(90, 110, (8, 32, 32, 3), np.uint8)
/// >>> for part in parts:
/// ...     head.teach(extractor.cells(part))
/// >>> scratched = parts[0].copy()
/// >>> scratched[10:14, 10:20] = 250
/// >>> found = head.look(extractor.cells(scratched))
/// >>> found.unusual, found.heat.shape
/// (True, (16, 16))
#[pyclass(frozen, module = "offshoot")]
pub(crate) struct GoodHead {
    inner: Mutex<offshoot::GoodHead>,
}

/// Answer to an image: true if it is unusual.
#[pyclass(frozen, module = "offshoot")]
pub(crate) struct Unusual {
    /// True if the score is above the threshold.
    #[pyo3(get)]
    unusual: bool,
    /// Score of the most unusual cell; 1 is usual.
    #[pyo3(get)]
    score: f32,
    /// Score from which an image is unusual; ``None`` before three good ones were tested.
    #[pyo3(get)]
    threshold: Option<f32>,
    /// Share of the width at which the middle of that cell is.
    #[pyo3(get)]
    x: f32,
    /// Share of the height at which the middle of that cell is.
    #[pyo3(get)]
    y: f32,
    heat: Array2<f32>,
}

#[pymethods]
impl Unusual {
    /// Score of each cell, float32 of shape ``(rows, columns)``.
    #[getter]
    fn heat<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f32>> {
        self.heat.clone().into_pyarray(py)
    }

    fn __bool__(&self) -> bool {
        self.unusual
    }

    fn __repr__(&self) -> String {
        let kind = if self.unusual { "unusual" } else { "usual" };
        format!("<Unusual: {kind}, {:.2} at {:.2}, {:.2}>", self.score, self.x, self.y)
    }
}

/// Fits a head, unless nothing has changed since the last fit.
fn fitted(head: &mut offshoot::GoodHead) -> Outcome<()> {
    match head.is_fitted() {
        true => Ok(()),
        false => Ok(head.fit()?),
    }
}

#[pymethods]
impl GoodHead {
    /// Makes an empty head.
    ///
    /// Raises ``PackageError`` for a package that gives no cells.
    #[new]
    #[pyo3(signature = (extractor, *, fixed=false))]
    fn new(py: Python<'_>, extractor: &Extractor, fixed: bool) -> Outcome<Self> {
        Ok(Self::of(extractor.with(py, |inner| offshoot::GoodHead::new(inner, fixed))?))
    }

    /// Loads a head that was taught on the extractor's package.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf, extractor: &Extractor) -> Outcome<Self> {
        Ok(Self::of(extractor.with(py, |inner| offshoot::GoodHead::load(&path, inner))?))
    }

    /// Saves the head: the file holds the old head or the new one, whenever the power fails.
    fn save(&self, py: Python<'_>, path: PathBuf) -> Outcome<()> {
        Ok(self.with(py, |head| head.save(&path))?)
    }

    /// Returns the head's bytes, the same for the same lessons.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.with(py, offshoot::GoodHead::to_bytes))
    }

    /// Makes the head of ``to_bytes``, which was taught on the extractor's package.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8], extractor: &Extractor) -> Outcome<Self> {
        Ok(Self::of(extractor.with(py, |inner| offshoot::GoodHead::from_bytes(data, inner))?))
    }

    /// Learns a good image.
    ///
    /// Raises ``HeadError`` for cells of another package, or more images than a head can hold.
    fn teach(&self, py: Python<'_>, cells: &Cells) -> Outcome<()> {
        self.with(py, |head| {
            fit_if_possible(fitted(head))?;
            Ok(head.teach(&cells.borrowed()?)?)
        })
    }

    /// Asks the head about a good image without learning it; the threshold counts it.
    fn test(&self, py: Python<'_>, cells: &Cells) -> Outcome<()> {
        self.with(py, |head| {
            fitted(head)?;
            Ok(head.test(&cells.borrowed()?)?)
        })
    }

    /// Takes the last lesson back; false if there is none that can be.
    fn undo(&self, py: Python<'_>) -> bool {
        self.with(py, offshoot::GoodHead::undo)
    }

    /// Computes means and covariance from what was learned; ``look`` and lessons do it if they
    /// must.
    fn fit(&self, py: Python<'_>) -> Outcome<()> {
        Ok(self.with(py, offshoot::GoodHead::fit)?)
    }

    /// Measures how unusual an image is, and where.
    ///
    /// Raises ``HeadError`` before two lessons.
    fn look(&self, py: Python<'_>, cells: &Cells) -> Outcome<Unusual> {
        self.with(py, |head| {
            fitted(head)?;
            let layout = *head.layout();
            let found = head.look(&cells.borrowed()?)?;
            let [rows, columns] = layout.grid();
            let [y, x] = layout.centre(found.place / columns, found.place % columns);
            Ok(Unusual {
                unusual: found.is_unusual(),
                score: found.score,
                threshold: found.threshold,
                x,
                y,
                heat: matrix(found.heat.to_vec(), (rows, columns))?,
            })
        })
    }

    /// Number of good images that were learned.
    #[getter]
    fn lessons(&self, py: Python<'_>) -> u32 {
        self.with(py, |head| head.lessons())
    }

    /// True if nothing was learned since the last fit.
    #[getter]
    fn is_fitted(&self, py: Python<'_>) -> bool {
        self.with(py, |head| head.is_fitted())
    }

    /// True if each place has a mean of its own.
    #[getter]
    fn fixed(&self, py: Python<'_>) -> bool {
        self.with(py, |head| head.is_fixed())
    }

    /// Score from which an image is unusual; ``None`` before three good ones were tested.
    #[getter]
    fn threshold(&self, py: Python<'_>) -> Option<f32> {
        self.with(py, |head| head.threshold())
    }

    /// Digest of the package that makes its cells: 64 hexadecimal digits.
    #[getter]
    fn package_id(&self, py: Python<'_>) -> String {
        self.with(py, |head| head.package_id().to_string())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let fixed = if self.fixed(py) { "True" } else { "False" };
        format!("<GoodHead fixed={fixed}, {} lessons>", self.lessons(py))
    }
}

impl GoodHead {
    fn of(head: offshoot::GoodHead) -> Self {
        Self { inner: Mutex::new(head) }
    }

    /// Calls `work` with the head when it is free; Python runs on meanwhile.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut offshoot::GoodHead) -> T + Send,
    ) -> T {
        py.detach(|| work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
