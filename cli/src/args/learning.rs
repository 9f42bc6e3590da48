//! Arguments of `train`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use offshoot::{HeadKind, View};

use super::{RunArgs, SelectionArgs, TailArgs};

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Package to train with.
    pub package: PathBuf,
    /// Data set: folder per class, or a collection (see --format); with train/ and val/, train/ is
    /// for training and val/ for testing.
    pub data: PathBuf,
    /// Subset of the data set.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Head file to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Kind of head: auto, ncm, softmax, ridge, slda or knn.
    #[arg(long, default_value_t = HeadKind::Auto)]
    pub head: HeadKind,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
    /// Tuned tail.
    #[command(flatten)]
    pub tail: TailArgs,
    /// Rejection of samples unlike all training samples, as class `unknown`.
    #[arg(long, value_enum, default_value_t = UnknownArg::Auto)]
    pub unknown: UnknownArg,
    /// Learn good pictures alone, of a folder without labels: `predict` then tells what is unusual, and where
    /// (package with cells). `fixed` if parts always lie alike, else `anywhere`.
    #[arg(long, value_enum, value_name = "fixed|anywhere", conflicts_with_all = ["templates", "shots"])]
    pub good: Option<GoodArg>,
    /// Folder with each picture's scene without objects, under the name of the picture: cells are then
    /// compared with it (package with cells).
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// Training samples per class, drawn at random; of a package with cells, pictures [default: all].
    #[arg(long, value_name = "K")]
    pub shots: Option<usize>,
    /// Maximum number of samples per class stored in the head, chosen to keep the class mean
    /// (herding); class means still count all training samples [default: all].
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// Seed of the draw.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Augmentation: train on the mean embedding of each image and of these views of it (flip if
    /// none is given); each view costs one extraction; flip suits objects seen from either side.
    #[arg(long, value_enum, num_args = 0.., require_equals = true, value_delimiter = ',',
        value_name = "VIEW,...", default_missing_value = "flip")]
    pub augment: Vec<ViewArg>,
}

/// Position of good parts in their pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GoodArg {
    /// Always the same: each place has a mean of its own.
    Fixed,
    /// Any: all places share one mean.
    Anywhere,
}

/// Rejection of unknown samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnknownArg {
    /// Threshold chosen from the training samples.
    Auto,
    /// No rejection: every sample is given one of the classes.
    Off,
}

/// Augmented view of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ViewArg {
    /// Mirror image, left and right exchanged.
    Flip,
    /// Centre crop, four fifths of each side.
    Crop,
    /// Brightness raised by a quarter.
    Light,
    /// Brightness lowered by a fifth.
    Dark,
}

impl From<ViewArg> for View {
    fn from(view: ViewArg) -> Self {
        match view {
            ViewArg::Flip => Self::Mirrored,
            ViewArg::Crop => Self::Nearer,
            ViewArg::Light => Self::Lighter,
            ViewArg::Dark => Self::Darker,
        }
    }
}
