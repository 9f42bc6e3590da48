//! Decoded images, and views of them for augmentation.

use numpy::PyArrayMethods;
use numpy::{PyArray1, PyArray3};
use offshoot::{Frame, PixelFormat, View};
use pyo3::prelude::*;

use crate::error::{Failure, Outcome};

/// Image of an array, or decoded from a file as a device decodes it.
///
/// The methods that take an image take anything this takes; an ``Image`` is for views.
///
/// >>> import numpy as np
/// >>> import offshoot
/// >>> image = offshoot.Image(np.arange(18, dtype=np.uint8).reshape(2, 3, 3))
/// >>> image.width, image.height
/// (3, 2)
/// >>> np.array_equal(image.seen("mirrored").numpy(), image.numpy()[:, ::-1])
/// True
#[pyclass(frozen, module = "offshoot", eq)]
#[derive(PartialEq)]
pub(crate) struct Image(pub offshoot::Image);

#[pymethods]
impl Image {
    /// Number of columns.
    #[getter]
    fn width(&self) -> u32 {
        self.0.width()
    }

    /// Number of rows.
    #[getter]
    fn height(&self) -> u32 {
        self.0.height()
    }

    /// Returns the image with ``view`` applied: ``"mirrored"``, ``"nearer"``, ``"lighter"`` or
    /// ``"darker"``.
    fn seen(&self, view: &str) -> Outcome<Self> {
        let view = match view {
            "mirrored" => View::Mirrored,
            "nearer" => View::Nearer,
            "lighter" => View::Lighter,
            "darker" => View::Darker,
            other => {
                return Err(Failure::Input(format!(
                    "view `{other}`, allowed are mirrored, nearer, lighter, darker"
                )));
            }
        };
        Ok(Self(self.0.seen(view)))
    }

    /// Returns the pixels: uint8 of shape ``(height, width, 3)``, RGB.
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let shape = [self.0.height() as usize, self.0.width() as usize, 3];
        PyArray1::from_slice(py, self.0.rgb()).reshape(shape)
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        crate::embedding::as_type(self.numpy(py)?.into_any(), dtype, copy)
    }

    fn __repr__(&self) -> String {
        format!("Image({} x {})", self.0.width(), self.0.height())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyTuple>> {
        (py.get_type::<Self>(), (self.numpy(py)?,)).into_pyobject(py)
    }
}

/// Copies a frame of an array, RGB, BGR or grey.
pub(crate) fn copied(frame: &Frame<'_>) -> Outcome<offshoot::Image> {
    let rows = (0..frame.height()).flat_map(|y| frame.row(y));
    let rgb: Vec<u8> = match frame.format() {
        PixelFormat::Rgb8 => rows.copied().collect(),
        PixelFormat::Gray8 => rows.flat_map(|&grey| [grey; 3]).collect(),
        PixelFormat::Bgr8 => {
            let mut rgb: Vec<u8> = rows.copied().collect();
            rgb.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
            rgb
        }
        other => return Err(Failure::Input(format!("{other:?} images; pass RGB, BGR or grey"))),
    };
    let image = offshoot::Image::from_rgb(frame.width(), frame.height(), rgb);
    image.ok_or_else(|| Failure::Input("the array is no image".into()))
}
