//! Class activation maps.

use numpy::{IntoPyArray, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use super::{ClassRef, Head};
use crate::error::{Failure, Outcome};
use crate::extractor::Extractor;

/// Here and not with the extractor, which knows nothing of heads.
#[pymethods]
impl Extractor {
    /// Returns the class activation map of the last image that was embedded: float32 of shape
    /// ``(rows, columns)``, the contribution of each part to the log odds of the class; ``None`` if
    /// the embedding is not the mean of an int8 feature map.
    ///
    /// Raises ``HeadError`` for a head of another package, a k-NN, or a class without samples.
    fn activations<'py>(
        &self,
        py: Python<'py>,
        head: &Head,
        class_: ClassRef,
    ) -> Outcome<Option<Bound<'py, PyArray2<f32>>>> {
        let map = self.with(py, |inner| {
            let mut head = head.lock();
            head.fit()?;
            let class = class_.find(&head)?;
            Ok::<_, Failure>(inner.activations(&head, class)?)
        })?;
        let Some(map) = map else { return Ok(None) };
        let values = map.values.into_pyarray(py).reshape([map.height, map.width])?;
        Ok(Some(values))
    }
}
