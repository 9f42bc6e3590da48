//! Cells of an image: feature maps in place of an embedding.

use numpy::ndarray::Array3;
use numpy::{IntoPyArray, PyArray3};
use offshoot::{CellsLayout, SpatialError};
use pyo3::prelude::*;

use super::Extractor;
use crate::error::Outcome;
use crate::pixels::Pixels;

/// Cells of an image, for ``SpatialHead`` and ``GoodHead``.
#[pyclass(frozen, module = "offshoot", eq)]
#[derive(PartialEq)]
pub(crate) struct Cells {
    layout: CellsLayout,
    codes: Vec<i8>,
}

#[pymethods]
impl Cells {
    /// Rows and columns of the finest grid.
    #[getter]
    fn grid(&self) -> (usize, usize) {
        let [rows, columns] = self.layout.grid();
        (rows, columns)
    }

    /// Number of values of a cell, with the means of its neighbourhoods.
    #[getter]
    fn values(&self) -> usize {
        self.layout.values()
    }

    /// Returns the feature maps, the int8 values of each of shape ``(rows, columns, channels)``.
    fn maps<'py>(&self, py: Python<'py>) -> Outcome<Vec<Bound<'py, PyArray3<i8>>>> {
        let cells = self.borrowed()?;
        let all = self.layout.maps().iter().enumerate();
        Ok(all
            .map(|(index, map)| {
                let shape = [map.height, map.width, map.channels].map(usize::from);
                let values = Array3::from_shape_fn(shape, |(row, column, channel)| {
                    cells.at(index, row, column)[channel]
                });
                values.into_pyarray(py)
            })
            .collect())
    }

    fn __repr__(&self) -> String {
        let [rows, columns] = self.layout.grid();
        format!("<Cells {rows} x {columns} of {} values>", self.layout.values())
    }
}

impl Cells {
    pub fn borrowed(&self) -> Outcome<offshoot::Cells<'_>> {
        Ok(offshoot::Cells::new(self.layout, &self.codes).ok_or(SpatialError::OtherCells)?)
    }
}

#[pymethods]
impl Extractor {
    /// Computes the cells of an image, as ``embed`` takes one.
    ///
    /// Raises ``PackageError`` for a package that was converted without ``--cells``.
    ///
    /// >>> import numpy as np
    /// >>> import offshoot
    /// >>> extractor = offshoot.Extractor("eyes.offshoot")
    /// >>> cells = extractor.cells(np.zeros((48, 64, 3), np.uint8))
    /// >>> cells.grid, cells.maps()[0].shape
    /// ((16, 16), (16, 16, 8))
    #[pyo3(signature = (image, *, format=None))]
    fn cells(&self, image: &Bound<'_, PyAny>, format: Option<&str>) -> Outcome<Cells> {
        let picture = Pixels::one(image, format)?;
        let frame = picture.frame()?;
        Ok(self.with(image.py(), |inner| {
            let cells = inner.cells(&frame)?;
            Ok::<_, offshoot::Error>(Cells {
                layout: *cells.layout(),
                codes: cells.codes().to_vec(),
            })
        })?)
    }
}
