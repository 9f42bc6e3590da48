//! Streams of sensors and microphones, as windows for an extractor.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use super::Extractor;
use super::signals::Samples;
use crate::embedding::{Embeddings, Values};
use crate::error::Outcome;

/// Stream of a sensor: takes samples in pieces of any length, and returns the embeddings of the
/// windows that they complete, ``sensor.step`` places apart.
///
/// >>> import numpy as np
/// >>> import offshoot
/// >>> probe = offshoot.Probe(offshoot.Extractor("gestures.offshoot"))
/// >>> [len(probe.push(np.zeros((8, 3), np.int16))) for _ in range(4)]
/// [0, 1, 1, 2]
#[pyclass(frozen, module = "offshoot")]
pub(crate) struct Probe {
    inner: Mutex<offshoot::Probe>,
    channels: usize,
    extractor: Py<Extractor>,
}

#[pymethods]
impl Probe {
    /// Reserves the memory for a package's windows.
    ///
    /// Raises ``InputError`` if the package takes no signals.
    #[new]
    fn new(py: Python<'_>, extractor: Py<Extractor>) -> Outcome<Self> {
        let inner = extractor.get().with(py, |inner| offshoot::Probe::new(inner))?;
        let channels = inner.channels();
        Ok(Self { inner: Mutex::new(inner), channels, extractor })
    }

    /// Takes samples, as ``Extractor.embed_signal`` does but of any number of places; returns
    /// ``Embeddings``.
    ///
    /// A place with a value that is not finite raises ``InputError``; those before it were taken,
    /// and the embeddings that they completed are lost.
    #[pyo3(signature = (signal, /))]
    fn push(&self, signal: &Bound<'_, PyAny>) -> Outcome<Embeddings> {
        let py = signal.py();
        let samples = Samples::of(signal)?;
        let signal = samples.signal(self.channels)?;
        let is_int16 = matches!(samples, Samples::Int16(_));
        let extractor = self.extractor.get();
        let rows = extractor.with(py, |extractor| {
            let mut probe = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let mut place = vec![0.0; signal.channels()];
            let mut rows = Vec::new();
            for at in 0..signal.places() {
                for (channel, value) in place.iter_mut().enumerate() {
                    *value = signal.get(at, channel).unwrap_or_default();
                    if is_int16 {
                        // Exact: it was a sample of 16 bits.
                        *value = probe.real(*value as i16);
                    }
                }
                rows.extend(probe.push(extractor, &place)?.map(Values::of));
            }
            Ok::<_, offshoot::Error>(rows)
        })?;
        Ok(Embeddings::of(rows, extractor.dim))
    }

    /// Forgets all places; the next window begins with the next one.
    fn clear(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Stream of a microphone: takes int16 samples at ``sensor.rate`` in pieces of any length, and
/// returns the embeddings of the windows that they complete.
#[pyclass(frozen, module = "offshoot")]
pub(crate) struct Ears {
    inner: Mutex<offshoot::Ears>,
    extractor: Py<Extractor>,
}

#[pymethods]
impl Ears {
    /// Reserves the memory for a package's windows.
    ///
    /// Raises ``InputError`` if the package takes no sound.
    #[new]
    fn new(py: Python<'_>, extractor: Py<Extractor>) -> Outcome<Self> {
        let inner = extractor.get().with(py, |inner| offshoot::Ears::new(inner))?;
        Ok(Self { inner: Mutex::new(inner), extractor })
    }

    /// Takes samples; returns ``Embeddings``.
    #[pyo3(signature = (samples, /))]
    fn push(&self, samples: &Bound<'_, PyAny>) -> Outcome<Embeddings> {
        let py = samples.py();
        let samples = Samples::of(samples)?;
        let mut samples = samples.sound()?;
        let extractor = self.extractor.get();
        let rows = extractor.with(py, |extractor| {
            let mut ears = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let mut rows = Vec::new();
            while let Some(embedding) = ears.push(extractor, &mut samples)? {
                rows.push(Values::of(embedding));
            }
            Ok::<_, offshoot::Error>(rows)
        })?;
        Ok(Embeddings::of(rows, extractor.dim))
    }

    /// Forgets what was heard; the next window begins with the next sample.
    fn clear(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
