//! Arguments of the commands that run packages and heads.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use offshoot::HeadKind;

use super::{CareArgs, RunArgs, SelectionArgs, TailArgs, ViewArg};

/// Arguments of `embed`.
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// Package to embed with.
    pub package: PathBuf,
    /// Data set: folder per class, train/ and val/ with such folders, or a collection (see
    /// --format).
    pub data: PathBuf,
    /// Subset of the data set.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// NumPy archive (.npz) to write.
    #[arg(
        short,
        long,
        visible_alias = "npz",
        value_name = "FILE",
        required_unless_present = "json"
    )]
    pub output: Option<PathBuf>,
    /// JSON file to write.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Normalize each embedding to L2 norm 1.
    #[arg(long)]
    pub l2: bool,
    /// Augmentation of the images, like in `train --augment`.
    #[arg(long, value_enum)]
    pub view: Option<ViewArg>,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
    /// Tuned tail.
    #[command(flatten)]
    pub tail: TailArgs,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Head to report on.
    pub head: PathBuf,
    /// Package of the head, to say how foreign its samples are.
    #[arg(long, value_name = "PACKAGE")]
    pub package: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `merge`.
///
/// Tuned tails are not merged: heads that were taught with a tail merge with heads of the same tail
/// only. To tune on the samples of several boards, bring their images together and `finetune` anew.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Heads to merge; the first one sets the head kind and options of the result.
    #[arg(required = true, num_args = 2..)]
    pub heads: Vec<PathBuf>,
    /// Head file to write.
    #[arg(short, long)]
    pub output: PathBuf,
}

/// Arguments of `search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Package to embed with.
    pub package: PathBuf,
    /// Folder of images or texts to search, with its subfolders; or a .txt file with one text per
    /// line.
    pub folder: PathBuf,
    /// Queries: images, or .txt files for a package that takes text.
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Number of results per query.
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(5).expect("not zero"))]
    pub top: NonZeroUsize,
    /// Handling of broken files.
    #[command(flatten)]
    pub care: CareArgs,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
    /// Tuned tail.
    #[command(flatten)]
    pub tail: TailArgs,
}

/// Arguments of `cluster`.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// Package to embed with.
    pub package: PathBuf,
    /// Folder of images or texts, with its subfolders; or a .txt file with one text per line.
    pub folder: PathBuf,
    /// Number of clusters.
    #[arg(short = 'k', long, default_value_t = 8)]
    pub groups: usize,
    /// Contact sheet to write: a .png with one row of images per cluster, or a .csv with one line
    /// per sample [default: clusters.png, of texts clusters.csv].
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Seed of the initial centres.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Handling of broken files.
    #[command(flatten)]
    pub care: CareArgs,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Package the head was trained with.
    pub package: PathBuf,
    /// Head to classify with.
    pub head: PathBuf,
    /// Images, .txt files for a package that takes text, .wav files for one that takes sound, .npy, .npz or
    /// .csv files for one that takes signals.
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Ask at least every SECONDS of a recording and print the events found, with their times.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub every: Option<f64>,
    /// Heat map to write: regions of the image that support the prediction or oppose it (one image
    /// only).
    #[arg(long, value_name = "PNG")]
    pub heatmap: Option<PathBuf>,
    /// Image to write with what was found: frames, classes, scores (one image only; package with
    /// cells).
    #[arg(long, value_name = "PNG")]
    pub draw: Option<PathBuf>,
    /// Picture of the scene without objects, to compare with (package with cells).
    #[arg(long, value_name = "IMAGE")]
    pub template: Option<PathBuf>,
    /// Also print the N dimensions of the embedding that decided most against the runner-up class.
    #[arg(long, value_name = "N")]
    pub dimensions: Option<usize>,
    /// Print JSON: one line per image, with the probability of each class by name; of a package with
    /// cells, one list in the form of COCO's results.
    #[arg(long)]
    pub json: bool,
    /// Handling of broken files.
    #[command(flatten)]
    pub care: CareArgs,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
    /// Tuned tail.
    #[command(flatten)]
    pub tail: TailArgs,
}

/// Parses a time of 0.01 to 3600 seconds.
fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "needs a number of seconds, 0.01 to 3600".to_string())
}

/// Arguments of `eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Package to evaluate.
    pub package: PathBuf,
    /// Data set: folder per class, train/ and val/ with such folders, or a collection (see
    /// --format).
    pub data: PathBuf,
    /// Subset of the data set.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Folder with each picture's scene without objects, under the name of the picture: cells are then
    /// compared with it (package with cells).
    #[arg(long, value_name = "DIR")]
    pub templates: Option<PathBuf>,
    /// Training samples per class, drawn at random; of a package with cells, pictures [default: all of
    /// train/, or 5 if there is no val/].
    #[arg(long)]
    pub shots: Option<usize>,
    /// Number of draws to average over.
    #[arg(long, default_value_t = NonZeroUsize::new(20).expect("not zero"))]
    pub draws: NonZeroUsize,
    /// Seed of the draws.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Kind of head [default: all kinds].
    #[arg(long)]
    pub head: Option<HeadKind>,
    /// Confusion matrix to draw for `auto` (or the head given): rows are true classes; of a package with
    /// cells, the picture with the most errors.
    #[arg(long, value_name = "PNG")]
    pub confusion: Option<PathBuf>,
    /// Package of the same model converted with --parts, to show beside this one on the same draws,
    /// with `auto` or the head given.
    #[arg(long, value_name = "PACKAGE", conflicts_with_all = ["confusion", "tail"])]
    pub parts: Option<PathBuf>,
    /// Show beside it the package tuned on the samples of each draw, where they say it helps.
    #[arg(long, conflicts_with_all = ["confusion", "tail"])]
    pub tuned: bool,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
    /// Tuned tail.
    #[command(flatten)]
    pub tail: TailArgs,
}

impl EvalArgs {
    /// Returns true if other ways to use the network are shown beside it.
    pub fn is_beside(&self) -> bool {
        self.parts.is_some() || self.tuned
    }
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Package to check the data set with.
    pub package: PathBuf,
    /// Data set: folder per class, or a collection (see --format); with train/ and val/, train/ is
    /// checked.
    pub data: PathBuf,
    /// Subset of the data set.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Folder of images that the backbone knows, for a package that states no statistics of its
    /// calibration set, or other ones.
    #[arg(long, value_name = "IMAGES")]
    pub known: Option<PathBuf>,
    /// Leave out the trial of tuning.
    #[arg(long)]
    pub quick: bool,
    /// HTML page to write.
    #[arg(long, value_name = "HTML")]
    pub report: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Package, int8.
    pub package: PathBuf,
    /// Head trained with it, of kind auto, ncm, softmax, ridge or slda.
    #[arg(long)]
    pub head: PathBuf,
    /// ONNX file to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
    /// Tuned tail, whose layer is written in place of the package's.
    #[command(flatten)]
    pub tail: TailArgs,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Package to measure.
    pub package: PathBuf,
    /// Number of extractions to measure [default: as many as fit in 2 seconds, at least 10].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: Option<u32>,
    /// ONNX model the package was made from: also time its float network on tract with one thread,
    /// alternating with the package.
    #[arg(long, value_name = "ONNX")]
    pub compare: Option<PathBuf>,
    /// Run the layers of fused chains one by one, to time each of them.
    #[arg(long)]
    pub no_chains: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
}
