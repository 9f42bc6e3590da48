//! Arguments of `train`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use offshoot::{HeadKind, View};

use super::{RunArgs, SelectionArgs};

/// Arguments of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The package.
    pub package: PathBuf,
    /// Folder per class, or a collection (see --format); of train/ and val/, train/ is learned and
    /// val/ tested.
    pub data: PathBuf,
    /// What of it is taken.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// The head file to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Kind of head: auto, ncm, softmax, ridge, slda or knn.
    #[arg(long, default_value_t = HeadKind::Auto)]
    pub head: HeadKind,
    /// How the package is run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Whether the head says `unknown` to what is unlike all it was taught.
    #[arg(long, value_enum, default_value_t = UnknownArg::Auto)]
    pub unknown: UnknownArg,
    /// Learn from this many pictures a class, drawn at random [default: all].
    #[arg(long, value_name = "K")]
    pub shots: Option<usize>,
    /// Keep at most this many pictures a class in the head, those with the mean of all that were
    /// learned; class means are of all [default: all].
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// Seed of the draw.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Learn the mean of each picture and of these views of it, of the mirror image if none is named;
    /// each takes as long as the picture. Flip is for what may be seen from either side.
    #[arg(long, value_enum, num_args = 0.., require_equals = true, value_delimiter = ',',
        value_name = "VIEW,...", default_missing_value = "flip")]
    pub augment: Vec<ViewArg>,
}

/// Whether there is an answer `unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnknownArg {
    /// Where the threshold is follows from the samples.
    Auto,
    /// Everything is one of the classes.
    Off,
}

/// A view of a picture that is learned besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ViewArg {
    /// Left and right exchanged.
    Flip,
    /// Its middle, four fifths of each side.
    Crop,
    /// A quarter lighter.
    Light,
    /// A fifth darker.
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
