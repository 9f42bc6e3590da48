//! Embeddings as Python objects: int8 values as the network gave them, or floats.

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use offshoot::Similarity;
use offshoot_core::quant::{Quant, Scale};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySlice, PyTuple};

use crate::error::{Failure, Outcome};

/// Values of one embedding, owned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    Codes { codes: Vec<i8>, quant: Quant },
    Floats(Vec<f32>),
}

impl Values {
    pub fn of(embedding: offshoot::Embedding<'_>) -> Self {
        match embedding {
            offshoot::Embedding::Int8 { codes, quant } => {
                Self::Codes { codes: codes.to_vec(), quant }
            }
            offshoot::Embedding::Float(values) => Self::Floats(values.to_vec()),
        }
    }

    pub fn borrowed(&self) -> offshoot::Embedding<'_> {
        match self {
            Self::Codes { codes, quant } => offshoot::Embedding::Int8 { codes, quant: *quant },
            Self::Floats(values) => offshoot::Embedding::Float(values),
        }
    }

    fn real(&self) -> Vec<f32> {
        self.borrowed().iter().collect()
    }

    fn quant(&self) -> Option<Quant> {
        match self {
            Self::Codes { quant, .. } => Some(*quant),
            Self::Floats(_) => None,
        }
    }
}

/// Embedding of one image or text: ``d`` numbers.
///
/// ``numpy.asarray(embedding)`` gives the real values as float32; ``codes`` are the int8 values of
/// a quantized network, which a head takes as they are. A head that is taught an array of floats
/// quantizes them again, to within half a step.
///
/// >>> import numpy as np
/// >>> import offshoot
/// >>> embedding = offshoot.Embedding([3.0, 4.0])
/// >>> np.asarray(embedding)
/// array([3., 4.], dtype=float32)
/// >>> round(embedding.cosine(offshoot.Embedding([4.0, 3.0])), 2)
/// 0.96
#[pyclass(frozen, module = "offshoot", sequence)]
pub(crate) struct Embedding(pub Values);

#[pymethods]
impl Embedding {
    /// Makes an embedding of real values.
    #[new]
    fn new(values: &Bound<'_, PyAny>) -> Outcome<Self> {
        match Vectors::of(values)? {
            Vectors::One(values) => Ok(Self(values)),
            Vectors::Many(_) => {
                Err(Failure::Input("an embedding is one vector; `Embeddings` holds several".into()))
            }
        }
    }

    /// Makes an embedding of int8 values: ``real = scale * (code - zero_point)``.
    ///
    /// Raises ``InputError`` for a scale that is not a positive finite number.
    #[staticmethod]
    fn from_codes(codes: PyReadonlyArray1<'_, i8>, scale: f32, zero_point: i8) -> Outcome<Self> {
        let scale = Scale::new(scale).ok_or_else(|| {
            Failure::Input(format!("scale {scale}, allowed are positive finite numbers"))
        })?;
        let codes = codes.as_array().iter().copied().collect();
        Ok(Self(Values::Codes { codes, quant: Quant { scale, zero_point } }))
    }

    /// Int8 values of a quantized network; ``None`` if the embedding is of floats.
    #[getter]
    fn codes<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<i8>>> {
        match &self.0 {
            Values::Codes { codes, .. } => Some(PyArray1::from_slice(py, codes)),
            Values::Floats(_) => None,
        }
    }

    /// Step of the int8 values; ``None`` if the embedding is of floats.
    #[getter]
    fn scale(&self) -> Option<f32> {
        self.0.quant().map(|quant| quant.scale.get())
    }

    /// Int8 value of zero; ``None`` if the embedding is of floats.
    #[getter]
    fn zero_point(&self) -> Option<i8> {
        self.0.quant().map(|quant| quant.zero_point)
    }

    /// Shape of the array: ``(d,)``.
    #[getter]
    fn shape(&self) -> (usize,) {
        (self.__len__(),)
    }

    /// Returns the real values, float32.
    fn numpy<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        self.0.real().into_pyarray(py)
    }

    /// Returns the bytes as a package's golden vectors have them: int8, or float32 little-endian.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.borrowed().bytes().collect::<Vec<u8>>())
    }

    /// Returns the cosine similarity, -1 to 1; ``None`` if lengths differ or a vector is zero.
    fn cosine(&self, other: &Bound<'_, PyAny>) -> Outcome<Option<f32>> {
        let Vectors::One(other) = Vectors::of(other)? else {
            return Err(Failure::Input("the cosine is that of one other embedding".into()));
        };
        Ok(self.0.borrowed().cosine(&other.borrowed()).map(Similarity::get))
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        as_type(self.numpy(py).into_any(), dtype, copy)
    }

    fn __len__(&self) -> usize {
        self.0.borrowed().len()
    }

    fn __getitem__(&self, index: isize) -> PyResult<f32> {
        let at = place(index, self.__len__())?;
        Ok(self.0.borrowed().get(at).unwrap_or_default())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn __repr__(&self) -> String {
        match &self.0 {
            Values::Codes { quant, .. } => format!(
                "Embedding({} values, int8 of scale {} and zero point {})",
                self.__len__(),
                quant.scale.get(),
                quant.zero_point
            ),
            Values::Floats(_) => format!("Embedding({} values, float32)", self.__len__()),
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let class = py.get_type::<Self>();
        match &self.0 {
            Values::Codes { codes, quant } => {
                let codes = PyArray1::from_slice(py, codes);
                let arguments = (codes, quant.scale.get(), quant.zero_point);
                (class.getattr("from_codes")?, arguments).into_pyobject(py)
            }
            Values::Floats(values) => {
                (class, (PyArray1::from_slice(py, values),)).into_pyobject(py)
            }
        }
    }
}

/// Embeddings of several images or texts, in order: ``n`` rows of ``d`` numbers.
///
/// ``numpy.asarray(embeddings)`` gives the real values, float32 of shape ``(n, d)``; an index gives
/// an ``Embedding``, a slice gives ``Embeddings``.
///
/// >>> import offshoot
/// >>> several = offshoot.Embeddings([[3.0, 4.0], [0.0, 1.0], [1.0, 0.0]])
/// >>> several.shape, len(several[1:]), several[-1][0]
/// ((3, 2), 2, 1.0)
#[pyclass(frozen, module = "offshoot", sequence)]
pub(crate) struct Embeddings {
    pub rows: Vec<Values>,
    pub dim: usize,
}

#[pymethods]
impl Embeddings {
    /// Makes embeddings of an array of ``n`` rows, or of a sequence of ``Embedding``.
    #[new]
    fn new(rows: &Bound<'_, PyAny>) -> Outcome<Self> {
        match Vectors::of(rows)? {
            Vectors::Many(rows) => Ok(Self::of(rows, 0)),
            Vectors::One(_) => {
                Err(Failure::Input("embeddings are rows: an array of two dimensions".into()))
            }
        }
    }

    /// Shape of the array: ``(n, d)``.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.rows.len(), self.dim)
    }

    /// Int8 values, ``(n, d)``; ``None`` if any row is of floats.
    #[getter]
    fn codes<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<i8>>>> {
        let mut all = Vec::with_capacity(self.rows.len() * self.dim);
        for row in &self.rows {
            let Values::Codes { codes, .. } = row else { return Ok(None) };
            all.extend_from_slice(codes);
        }
        Ok(Some(matrix(all, self.shape())?.into_pyarray(py)))
    }

    /// Steps of the int8 values, one per row; ``None`` if any row is of floats.
    #[getter]
    fn scales<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        let quants: Option<Vec<_>> = self.rows.iter().map(Values::quant).collect();
        let scales: Vec<f32> = quants?.iter().map(|quant| quant.scale.get()).collect();
        Some(scales.into_pyarray(py))
    }

    /// Int8 values of zero, one per row; ``None`` if any row is of floats.
    #[getter]
    fn zero_points<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<i8>>> {
        let quants: Option<Vec<_>> = self.rows.iter().map(Values::quant).collect();
        let points: Vec<i8> = quants?.iter().map(|quant| quant.zero_point).collect();
        Some(points.into_pyarray(py))
    }

    /// Returns the real values, float32 of shape ``(n, d)``.
    fn numpy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let all: Vec<f32> = self.rows.iter().flat_map(|row| row.borrowed().iter()).collect();
        Ok(matrix(all, self.shape())?.into_pyarray(py))
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        as_type(self.numpy(py)?.into_any(), dtype, copy)
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(slice) = index.cast::<PySlice>() {
            let length = isize::try_from(self.rows.len())?;
            let span = slice.indices(length)?;
            let mut rows = Vec::with_capacity(span.slicelength);
            let mut at = span.start;
            for _ in 0..span.slicelength {
                rows.push(self.rows[at.unsigned_abs()].clone());
                at += span.step;
            }
            return Ok(Bound::new(py, Self::of(rows, self.dim))?.into_any());
        }
        let at = place(index.extract()?, self.rows.len())?;
        Ok(Bound::new(py, Embedding(self.rows[at].clone()))?.into_any())
    }

    fn __repr__(&self) -> String {
        format!("Embeddings({} of {} values)", self.rows.len(), self.dim)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let rows = self.rows.iter().map(|row| Bound::new(py, Embedding(row.clone())));
        let rows = PyList::new(py, rows.collect::<PyResult<Vec<_>>>()?)?;
        (py.get_type::<Self>(), (rows,)).into_pyobject(py)
    }
}

impl Embeddings {
    /// Takes rows of one length, and the length of none.
    pub fn of(rows: Vec<Values>, dim: usize) -> Self {
        let dim = rows.first().map_or(dim, |row| row.borrowed().len());
        Self { rows, dim }
    }
}

/// Embeddings that a method was passed.
pub(crate) enum Vectors {
    One(Values),
    Many(Vec<Values>),
}

impl Vectors {
    /// Reads an `Embedding`, `Embeddings`, a sequence of the former, or anything that numpy makes
    /// an array of one or two dimensions of.
    pub fn of(object: &Bound<'_, PyAny>) -> Outcome<Self> {
        if let Ok(one) = object.cast::<Embedding>() {
            return Ok(Self::One(one.get().0.clone()));
        }
        if let Ok(many) = object.cast::<Embeddings>() {
            return Ok(Self::Many(many.get().rows.clone()));
        }
        if let Some(rows) = listed(object)? {
            return Ok(Self::Many(rows));
        }
        let numpy = object.py().import("numpy")?;
        let array = numpy.call_method1("asarray", (object,))?;
        let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
        if !["f", "i", "u", "b"].contains(&kind.as_str()) {
            return Err(Failure::Input(format!(
                "an embedding of {}; pass numbers",
                array.getattr("dtype")?.str()?
            )));
        }
        let array = numpy.call_method1("ascontiguousarray", (array, "float32"))?;
        if let Ok(row) = array.cast::<PyArray1<f32>>() {
            return Ok(Self::One(Values::Floats(row.to_vec().map_err(PyErr::from)?)));
        }
        let Ok(rows) = array.cast::<PyArray2<f32>>() else {
            return Err(Failure::Input(format!(
                "an array of {} dimensions; one embedding has 1, several have 2",
                array.getattr("ndim")?.str()?
            )));
        };
        let dim = rows.dims()[1];
        let all = rows.to_vec().map_err(PyErr::from)?;
        let row = |at: usize| Values::Floats(all[at * dim..(at + 1) * dim].to_vec());
        Ok(Self::Many((0..rows.dims()[0]).map(row).collect()))
    }
}

/// Reads a list or tuple of `Embedding`; `None` for all else.
fn listed(object: &Bound<'_, PyAny>) -> Outcome<Option<Vec<Values>>> {
    if !object.is_instance_of::<PyList>() && !object.is_instance_of::<PyTuple>() {
        return Ok(None);
    }
    let mut rows: Vec<Values> = Vec::new();
    for item in object.try_iter()? {
        let item = item?;
        let Ok(item) = item.cast::<Embedding>() else { return Ok(None) };
        rows.push(item.get().0.clone());
    }
    let lengths = rows.iter().map(|row| row.borrowed().len());
    match lengths.clone().min() == lengths.max() {
        true => Ok((!rows.is_empty()).then_some(rows)),
        false => Err(Failure::Input("embeddings of different lengths".into())),
    }
}

pub(crate) fn matrix<T>(values: Vec<T>, shape: (usize, usize)) -> PyResult<Array2<T>> {
    Array2::from_shape_vec(shape, values)
        .map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))
}

/// Index from the front, as Python counts.
fn place(index: isize, length: usize) -> PyResult<usize> {
    let from_end = || length.checked_sub(index.unsigned_abs());
    let at = if index < 0 { from_end() } else { Some(index.unsigned_abs()) };
    at.filter(|&at| at < length)
        .ok_or_else(|| PyIndexError::new_err(format!("index {index} of {length}")))
}

/// Answers numpy's `__array__`: a new array each time, so that `copy=False` is refused.
pub(crate) fn as_type<'py>(
    array: Bound<'py, PyAny>,
    dtype: Option<&Bound<'py, PyAny>>,
    copy: Option<bool>,
) -> PyResult<Bound<'py, PyAny>> {
    if copy == Some(false) {
        return Err(pyo3::exceptions::PyValueError::new_err(
            "real values are computed, so that an array of them is always a copy",
        ));
    }
    match dtype {
        Some(dtype) => array.call_method1("astype", (dtype,)),
        None => Ok(array),
    }
}
