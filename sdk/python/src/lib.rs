//! Python module of Offshoot: `offshoot._offshoot`, which `offshoot/__init__.py` makes public.
//!
//! Modules of the flow: [`pixels`] -> [`extractor`] -> [`embedding`] -> [`head`].
//!
//! Objects are frozen and keep what changes behind a lock that is taken only without Python's: a
//! thread that waits for an extractor never keeps another one from finishing with it.

#[cfg(feature = "convert")]
mod convert;
mod embedding;
mod error;
mod extractor;
mod head;
mod image;
mod manifest;
mod pixels;
mod spatial;
mod tuning;

use pyo3::prelude::*;

/// Compiled part of ``offshoot``.
#[pymodule]
mod _offshoot {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::embedding::{Embedding, Embeddings};
    #[pymodule_export]
    use crate::extractor::cells::Cells;
    #[pymodule_export]
    use crate::extractor::signals::Sensor;
    #[pymodule_export]
    use crate::extractor::stream::{Ears, Probe};
    #[pymodule_export]
    use crate::extractor::{Extractor, Memory, Verification, instruction_sets};
    #[pymodule_export]
    use crate::head::Head;
    #[pymodule_export]
    use crate::head::answer::Answer;
    #[pymodule_export]
    use crate::head::ask::{Fit, KnownOdds, Linear, Recipe};
    #[pymodule_export]
    use crate::head::report::{Advice, Report};
    #[pymodule_export]
    use crate::image::Image;
    #[pymodule_export]
    use crate::manifest::Manifest;
    #[pymodule_export]
    use crate::spatial::good::{GoodHead, Unusual};
    #[pymodule_export]
    use crate::spatial::{Detection, Expected, SpatialHead};
    #[pymodule_export]
    use crate::tuning::FineTuned;

    #[cfg(feature = "convert")]
    #[pymodule_export]
    use crate::convert::command::command;
    #[cfg(feature = "convert")]
    #[pymodule_export]
    use crate::convert::{Conversion, Cut, convert, cuts, export, inspect};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("NOTHING", offshoot::NOTHING)
    }
}
