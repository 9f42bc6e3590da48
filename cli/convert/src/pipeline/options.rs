//! Options of a conversion.

use std::path::Path;

use offshoot_core::spatial::Neighbours;
use offshoot_core::tokens::Pooling;

use crate::import::ImportError;
use crate::ir::pooling::Pool;
use crate::preprocess::preset::PreprocessOverrides;
use crate::quantize::Settings;

/// Options of a conversion, of an image or a text model.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Names of the tensors to cut at, at most one for a text model; chosen automatically if empty.
    pub cuts: Vec<String>,
    /// Pooling of the feature maps, or of the tokens' vectors, at the cut.
    pub pool: Pool,
    /// Gives feature maps as cells instead of an embedding; the cuts are then the maps.
    pub cells: CellsOption,
    /// Other depths whose pooled feature maps become parts of the embedding, in front of the cut's.
    pub parts: PartsOption,
    /// Keeps the network in float instead of int8.
    pub float: bool,
    /// Width and height of the input, for an image model that leaves them open.
    pub size: Option<(u32, u32)>,
    /// Number of tokens, for a text model that leaves it open.
    pub tokens: Option<usize>,
    /// Normalization stated by the user, for an image model.
    pub overrides: PreprocessOverrides,
    /// Settings of the quantizer.
    pub quantizer: Settings,
    /// Quantizes a file anew that is quantized already, from the floats that its codes stand for.
    pub requantize: bool,
    /// Enables scaling of embeddings to L2 norm 1.
    pub unit_length: bool,
    /// Enables the statistics of the calibration set in the package, by which `check` tells foreign
    /// images; a set of fewer than 16 samples has none.
    pub statistics: bool,
}

/// Output of cells instead of an embedding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CellsOption {
    /// An embedding.
    #[default]
    None,
    /// Cells with as many neighbourhoods as fit.
    Auto,
    /// Cells with these neighbourhoods.
    With(Neighbours),
}

impl CellsOption {
    /// Returns the neighbourhoods to try, in order.
    pub(super) fn neighbours(self) -> Vec<Neighbours> {
        match self {
            Self::None => Vec::new(),
            Self::Auto => vec![Neighbours::ThreeAndSeven, Neighbours::Three],
            Self::With(one) => vec![one],
        }
    }
}

/// Depths of a network whose pooled feature maps become parts of the embedding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PartsOption {
    /// None beside the cut.
    #[default]
    None,
    /// The last feature map of each shape before the cut, at most seven.
    Auto,
    /// Tensors of these names.
    Named(Vec<String>),
}

impl Options {
    /// True if the integers of a quantized file are not taken.
    pub(super) fn anew(&self) -> bool {
        self.requantize || self.float
    }

    /// Checks that cut and pooling fit a text model, the one at `path`.
    ///
    /// # Errors
    /// There are several cuts, or the pooling is for images.
    pub fn check_text(&self, path: &Path) -> Result<(), ImportError> {
        self.text_cut(path)?;
        self.text_pooling(path)?;
        Ok(())
    }

    /// Returns the stated cut of a text model.
    pub(super) fn text_cut(&self, path: &Path) -> Result<Option<&str>, ImportError> {
        match &self.cuts[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(ImportError::SeveralCuts { path: path.to_path_buf() }),
        }
    }

    /// Returns the pooling of a text model's tokens.
    pub(super) fn text_pooling(&self, path: &Path) -> Result<Pooling, ImportError> {
        self.pool.of_tokens().ok_or_else(|| ImportError::Pool {
            path: path.to_path_buf(),
            of: "an image's feature map",
            instead: "avg, first and last",
        })
    }
}
