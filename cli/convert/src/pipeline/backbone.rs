//! Differences between conversions of image and of text models.

use offshoot::Extractor;
use offshoot_core::graph::{Blob, Element, Graph, TensorId};
use offshoot_core::package::{
    Extras, FloatBytes, Golden, GoldenInput, GraphWriter, Manifest, PackageId, Precision,
    SampleBytes, TokenIds, WriteError,
};
use offshoot_core::preprocess::Preprocess;

use super::ConvertError;
use crate::calibrate::CalibrateError;
use crate::calibrate::input::Input;
use crate::calibrate::reference::Reference;
use crate::import::Cut;
use crate::ir::Model;
use crate::preprocess::preset::PreprocessOverrides;
use crate::report::Report;

/// Number of samples kept as golden vectors.
pub(super) const GOLDENS: usize = 2;

/// Imported model with its calibration set, of images or of texts.
pub(super) trait Backbone {
    /// Returns the network up to the embedding.
    fn model(&self) -> &Model;

    /// Returns the cut.
    fn cut(&self) -> &Cut;

    /// Returns what the package states of its embeddings beside the graph.
    fn extras(&self) -> Extras<'_>;

    /// Returns the samples as inputs of the network.
    fn inputs(&self) -> Vec<Input<'_>>;

    /// Plans the network in the model file.
    fn reference(&self) -> Result<Reference, CalibrateError>;

    /// Returns the embedding of a sample by the network in the model file.
    fn embedding(&self, by: &mut Reference, sample: usize) -> Result<Vec<f32>, CalibrateError>;

    /// Returns a warning for a sample on which the imported network disagrees with the network in
    /// the file, by a relative error.
    ///
    /// # Errors
    /// The disagreement is a bug in the importer.
    fn doubt(&self, sample: usize, error: f64) -> Result<String, ConvertError>;

    /// Returns the preprocessing in the package.
    fn preprocess(&self) -> Preprocess;

    /// Appends the table of inputs, for a graph of this precision with this kind of input.
    fn input_table(
        &self,
        writer: &mut GraphWriter,
        precision: Precision,
        input: Element,
    ) -> Result<Blob, WriteError>;

    /// Returns true if the padding of a text changes no bit of its embedding by this graph.
    ///
    /// # Errors
    /// The graph does not fit memory.
    fn own_length(&self, _: &Graph<'_>) -> Result<bool, CalibrateError> {
        Ok(false)
    }

    /// Returns the digest that binds heads to the network.
    fn id(&self, writer: &GraphWriter, output: TensorId, extras: &Extras<'_>) -> PackageId;

    /// Returns the golden vectors, by the package without them.
    fn goldens(&self, draft: &mut Extractor) -> Result<Vec<GoldenVector>, offshoot::Error>;

    /// Returns the bytes of the package.
    fn write(
        &self,
        manifest: &Manifest<'_>,
        writer: &GraphWriter,
        goldens: &[Golden<'_>],
    ) -> Result<Vec<u8>, WriteError>;

    /// Adds the reason of the preprocessing, and warnings, to the report.
    fn describe(&self, report: &mut Report);

    /// Returns the preprocessing of the input of the model file.
    fn overrides(&self) -> PreprocessOverrides;
}

/// Sample with its embedding, to verify a package with.
pub(super) struct GoldenVector {
    pub(super) sample: GoldenSample,
    /// Bytes of the embedding.
    pub(super) output: Vec<u8>,
}

/// Sample of a golden vector.
pub(super) enum GoldenSample {
    /// Image.
    Frame {
        /// Number of columns.
        width: u16,
        /// Number of rows.
        height: u16,
        /// Pixels: red, green, blue.
        rgb: Vec<u8>,
    },
    /// Packed token ids.
    Tokens(Vec<[u8; 3]>),
    /// Packed samples of a window of sound.
    Samples(Vec<[u8; 2]>),
    /// Packed samples of a window of a signal.
    Signal(Vec<[u8; 4]>),
}

impl GoldenVector {
    pub(super) fn golden(&self) -> Golden<'_> {
        let input = match &self.sample {
            GoldenSample::Frame { width, height, rgb } => {
                GoldenInput::Frame { width: *width, height: *height, rgb }
            }
            GoldenSample::Samples(window) => GoldenInput::Samples(SampleBytes::new(window)),
            GoldenSample::Signal(window) => GoldenInput::Signal(FloatBytes::new(window)),
            GoldenSample::Tokens(ids) => GoldenInput::Tokens(TokenIds::new(ids)),
        };
        Golden { input, output: &self.output }
    }
}
