//! Description of a package.

use offshoot_core::preprocess::{Channels, Resize};
use pyo3::prelude::*;

/// Description of a package: its model and its preprocessing.
///
/// >>> import offshoot
/// >>> manifest = offshoot.Extractor("sprout.offshoot").manifest
/// >>> manifest.precision
/// 'int8'
#[pyclass(frozen, module = "offshoot", get_all, eq)]
#[derive(Debug, PartialEq)]
pub(crate) struct Manifest {
    /// Name of the source model's file.
    source: String,
    /// SHA-256 of the source model, hexadecimal.
    source_sha256: String,
    /// Tensor of the source model that became the embedding.
    cut: String,
    /// Program and version that wrote the package.
    tool: String,
    /// Digest that binds heads to this package.
    id: String,
    /// Precision: ``"int8"``, ``"int8 dynamic"``, ``"f32"`` or ``"mixed"``.
    precision: &'static str,
    /// True if embeddings are L2-normalized.
    unit_length: bool,
    /// True if the package takes text.
    takes_text: bool,
    /// Number of golden vectors.
    goldens: usize,
    /// Columns of the network's input.
    width: u16,
    /// Rows of the network's input.
    height: u16,
    /// Order of the input's channels: ``"rgb"``, ``"bgr"`` or ``"grey"``.
    channels: &'static str,
    /// Side to which the short one is scaled before a centre crop; ``None``: stretched.
    short_side: Option<u16>,
    /// Mean that is subtracted from each channel of 0 to 255.
    mean: [f32; 3],
    /// Divisor of each channel after that.
    std: [f32; 3],
}

impl Manifest {
    pub fn of(extractor: &offshoot::Extractor) -> Self {
        let package = extractor.package();
        let manifest = package.manifest();
        let preprocess = manifest.preprocess;
        Self {
            source: manifest.source.into(),
            source_sha256: manifest.source_sha256.iter().map(|b| format!("{b:02x}")).collect(),
            cut: manifest.cut.into(),
            tool: manifest.tool.into(),
            id: manifest.id.to_string(),
            precision: manifest.precision.name(),
            unit_length: manifest.extras.unit_length,
            takes_text: package.text().is_some(),
            goldens: manifest.goldens.into(),
            width: preprocess.width,
            height: preprocess.height,
            channels: match preprocess.channels {
                Channels::Rgb => "rgb",
                Channels::Bgr => "bgr",
                Channels::Gray => "grey",
            },
            short_side: match preprocess.resize {
                Resize::Squash => None,
                Resize::Crop { short_side } => Some(short_side),
            },
            mean: preprocess.mean,
            std: preprocess.std,
        }
    }
}

#[pymethods]
impl Manifest {
    fn __repr__(&self) -> String {
        format!("<Manifest of {}, {}, cut at {}>", self.source, self.precision, self.cut)
    }
}
