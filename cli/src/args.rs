//! What the user typed.

use std::num::{NonZeroU8, NonZeroUsize};
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use offshoot::{Extractor, HeadKind, Options};
use offshoot_convert::emit::prepack::parse_target;
use offshoot_convert::input_size::parse_size;
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::preprocess::preset::Preset;
use offshoot_dataset::Format;
use offshoot_engine::Target;

mod comparison;
mod dataset;
mod device;
mod learning;
mod model;
mod quantizer;
mod values;

pub use comparison::{BudgetArgs, ConvertBudgetArgs, CutsArgs};
pub use dataset::{CareArgs, SelectionArgs};
pub use device::{DeployArgs, DoctorArgs, EyesArgs, PartsArgs, TeachArgs};
pub use learning::{TrainArgs, UnknownArg, ViewArg};
pub use quantizer::QuantizerArgs;
use values::value;
pub use values::{FormatArg, PoolArg, PresetArg, RangesArg, RoundingArg, SwitchArg};

/// Grow a new classifier on an old network.
#[derive(Debug, Parser)]
#[command(name = "offshoot", version, about, propagate_version = true)]
pub struct Cli {
    /// Do the work as the child of the process with this id (see `isolate`).
    #[arg(long, hide = true, value_name = "PARENT")]
    pub inside: Option<u32>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn an ONNX model into a package.
    Convert(ConvertArgs),
    /// Print what is in a package, or where a model can be cut.
    Inspect(InspectArgs),
    /// Compare the places where a model can be cut: size, time, memory, few-shot accuracy.
    Cuts(CutsArgs),
    /// Run a package's golden vectors; the line printed is the same on every machine.
    Verify(PackageArgs),
    /// Write the embeddings of a folder of pictures for a notebook, as .npz or JSON.
    Embed(EmbedArgs),
    /// Teach a head on a folder per class.
    Train(TrainArgs),
    /// Ask a head about pictures.
    Predict(PredictArgs),
    /// Measure how well heads do on a folder per class.
    Eval(EvalArgs),
    /// Write a package and a head as one standard ONNX model.
    Export(ExportArgs),
    /// Measure what an extraction takes: time by layers, memory, heat.
    Bench(BenchArgs),
    /// What a head's own samples say about it, and what would help.
    Report(ReportArgs),
    /// Make one head of several that were taught with the same package.
    Merge(MergeArgs),
    /// Find the pictures, or texts, of a folder that are most like some others.
    Search(SearchArgs),
    /// Sort the pictures, or texts, of a folder into groups, with a contact sheet.
    Cluster(ClusterArgs),
    /// List the backbones that are known: input, normalization, licence, how to get them.
    Models(ModelsArgs),
    /// Fetch a backbone of the catalogue over HTTPS and check its digest.
    Pull(PullArgs),
    /// Teach a device with keys, a camera and a screen; runs on a laptop without any of them too.
    Teach(TeachArgs),
    /// Check what a device needs: camera, permissions, processor, memory, heat.
    Doctor(DoctorArgs),
    /// Bring the on-board program, a package and a service to a board over ssh.
    Deploy(DeployArgs),
    /// The whole way in a few seconds: convert, teach, ask; no files, no board, no network.
    Demo(DemoArgs),
}

/// Arguments of `convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The ONNX model.
    pub model: PathBuf,
    /// The package to write [default: the model's name with .offshoot, in the current folder].
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Folder of pictures like those the device will see, of a language backbone a folder of .txt files, a
    /// collection of texts or a .txt file with a text a line; 50 to 500 are good.
    #[arg(long, value_name = "DIR")]
    pub calibrate: PathBuf,
    /// Use at most this many of them.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub calibrate_limit: usize,
    /// How these pictures or texts lie in the folder [default: found out].
    #[arg(long, value_parser = value::<FormatArg, Format>())]
    pub format: Option<Format>,
    /// How much is taken of what is not as it should be.
    #[command(flatten)]
    pub care: CareArgs,
    /// Tensor that becomes the embedding, or several, which are joined [default: the one that feeds
    /// the last classifier].
    #[arg(long, value_name = "TENSOR", value_delimiter = ',')]
    pub cut: Vec<String>,
    /// What the model is, and what is wanted of it.
    #[command(flatten)]
    pub backbone: BackboneArgs,
    /// The package gives embeddings of length 1 (L2 norm).
    #[arg(long)]
    pub l2: bool,
    /// How floats become codes.
    #[command(flatten)]
    pub quantizer: QuantizerArgs,
    /// Also pack the weights for this instruction set (or `native`), so that opening on such a
    /// processor copies nothing; the package runs everywhere all the same.
    #[arg(long, value_name = "ISA", value_parser = parse_target)]
    pub target: Option<Target>,
    /// Mean per channel for bytes of 0 to 255, in the model's order.
    #[arg(long, value_name = "A,B,C", value_parser = parse_triple)]
    pub mean: Option<[f32; 3]>,
    /// Divisor per channel.
    #[arg(long, value_name = "A,B,C", value_parser = parse_triple)]
    pub std: Option<[f32; 3]>,
    /// Channels are blue, green, red.
    #[arg(long)]
    pub bgr: bool,
    /// Stretch the whole frame instead of cropping its middle.
    #[arg(long)]
    pub squash: bool,
    /// Labelled pictures, or texts, on which the package is compared with the float network: 5 a class
    /// are learned, 20 times.
    #[arg(long, value_name = "DATA")]
    pub eval: Option<PathBuf>,
    /// End with exit code 3, writing nothing, where accuracy on --eval drops by more than this many
    /// points of a hundred.
    #[arg(long, value_name = "POINTS", requires = "eval", value_parser = parse_points)]
    pub max_drop: Option<f64>,
    /// What the device has.
    #[command(flatten)]
    pub budget: ConvertBudgetArgs,
    /// Also write a page on what was done, layer by layer, and what else was measured.
    #[arg(long, value_name = "HTML")]
    pub report: Option<PathBuf>,
    /// Print what the page says as JSON instead.
    #[arg(long)]
    pub json: bool,
}

/// What a model is that is cut, and what is wanted of it.
#[derive(Debug, Args)]
pub struct BackboneArgs {
    /// What becomes of the pixels of a map, or of a text's tokens (avg, first, last).
    #[arg(long, value_parser = value::<PoolArg, Pool>(), default_value = "avg")]
    pub pool: Pool,
    /// int8 for the engine, f32 for tract.
    #[arg(long, value_enum, default_value_t = PrecisionArg::Int8)]
    pub precision: PrecisionArg,
    /// Input size where the model leaves it open, in the order of the model's own dimensions.
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = parse_size)]
    pub input_size: Option<(u32, u32)>,
    /// Of a language backbone: its tokenizer.json, vocab.txt, or vocab.json with merges.txt beside it; the
    /// package keeps it [default: what lies beside the model].
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// Of a language backbone: tokens of a text that are read, where the model leaves them open.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=8192))]
    pub tokens: Option<u16>,
    /// Read weights that the model keeps in files beside it.
    #[arg(long)]
    pub external_data: bool,
    /// How the model wants pictures normalized [default: stated by the model, or guessed].
    #[arg(long, value_parser = value::<PresetArg, Preset>())]
    pub preset: Option<Preset>,
}

/// Precision of the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// 8-bit codes.
    Int8,
    /// 32-bit floats.
    F32,
}

/// A package.
#[derive(Debug, Args)]
pub struct PackageArgs {
    /// The package.
    pub package: PathBuf,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The package, or an ONNX model.
    pub package: PathBuf,
    /// List every layer; of a model every place to cut.
    #[arg(long)]
    pub layers: bool,
    /// Read weights that the model keeps in files beside it.
    #[arg(long)]
    pub external_data: bool,
    /// Input size where the model leaves it open, in the order of the model's own dimensions.
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = parse_size)]
    pub input_size: Option<(u32, u32)>,
}

/// How packages are run.
#[derive(Debug, Clone, Copy, Args)]
pub struct RunArgs {
    /// Threads that share an int8 network; float and mixed packages run on one.
    #[arg(long, value_name = "N", default_value_t = NonZeroU8::MIN)]
    pub threads: NonZeroU8,
    /// Keep each of them on a core of its own, of those `taskset` leaves, the fastest first.
    #[arg(long)]
    pub pin: bool,
}

impl RunArgs {
    /// Opens a package to be run like this.
    ///
    /// # Errors
    /// As [`Extractor::open_with`].
    pub fn open(&self, package: &Path) -> Result<Extractor, offshoot::Error> {
        Extractor::open_with(package, &self.options())
    }

    /// What was asked for.
    pub fn options(&self) -> Options {
        Options { threads: self.threads, pin: self.pin, ..Options::default() }
    }
}

/// Arguments of `embed`.
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// The package.
    pub package: PathBuf,
    /// Folder per class, or train/ and val/ with such folders, or a collection (see --format).
    pub data: PathBuf,
    /// What of it is taken.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// The numpy archive to write.
    #[arg(short, long, visible_alias = "npz", value_name = "FILE", required_unless_present = "json")]
    pub output: Option<PathBuf>,
    /// The JSON file to write.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Bring each embedding to length 1 (L2 norm).
    #[arg(long)]
    pub l2: bool,
    /// Embed the pictures as `train --augment` sees them.
    #[arg(long, value_enum)]
    pub view: Option<ViewArg>,
    /// How the package is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The head.
    pub head: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The heads; the first says how the result decides.
    #[arg(required = true, num_args = 2..)]
    pub heads: Vec<PathBuf>,
    /// The head file to write.
    #[arg(short, long)]
    pub output: PathBuf,
}

/// Arguments of `search`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// The package.
    pub package: PathBuf,
    /// Folder of the pictures, or texts, to search, with those below it; also a .txt file with a text a
    /// line.
    pub folder: PathBuf,
    /// What to look for: pictures; of a package that takes text .txt files.
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// How many to find for each.
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::new(5).expect("not zero"))]
    pub top: NonZeroUsize,
    /// How much is taken of what is not as it should be.
    #[command(flatten)]
    pub care: CareArgs,
    /// How the package is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `cluster`.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// The package.
    pub package: PathBuf,
    /// Folder of the pictures, or texts, with those below it; also a .txt file with a text a line.
    pub folder: PathBuf,
    /// How many groups.
    #[arg(short = 'k', long, default_value_t = 8)]
    pub groups: usize,
    /// The sheet to write: as .png a row of pictures for each group, as .csv a line for each picture or
    /// text [default: clusters.png, of texts clusters.csv].
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Seed of the first centres.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// How much is taken of what is not as it should be.
    #[command(flatten)]
    pub care: CareArgs,
    /// How the package is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// The package.
    pub package: PathBuf,
    /// A head taught on it.
    pub head: PathBuf,
    /// Pictures; of a package that takes text .txt files.
    #[arg(required = true)]
    pub images: Vec<PathBuf>,
    /// Draw which parts of the picture speak for the answer and which against it (of one picture).
    #[arg(long, value_name = "PNG")]
    pub heatmap: Option<PathBuf>,
    /// Also print the N dimensions of the embedding that did most to decide against the next class.
    #[arg(long, value_name = "N")]
    pub dimensions: Option<usize>,
    /// Print JSON: a line a picture, with the probability of each class by its name.
    #[arg(long)]
    pub json: bool,
    /// How much is taken of what is not as it should be.
    #[command(flatten)]
    pub care: CareArgs,
    /// How the package is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The package.
    pub package: PathBuf,
    /// Folder per class, or train/ and val/ with such folders, or a collection (see --format).
    pub data: PathBuf,
    /// What of it is taken.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Learn from this many pictures a class, drawn at random [default: all of train/, or 5
    /// where there is no val/].
    #[arg(long)]
    pub shots: Option<usize>,
    /// Draws to average over.
    #[arg(long, default_value_t = NonZeroUsize::new(20).expect("not zero"))]
    pub draws: NonZeroUsize,
    /// Seed of the draws.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Kind of head [default: each].
    #[arg(long)]
    pub head: Option<HeadKind>,
    /// Draw which classes `auto` (or the head named) takes for which: rows are what was shown.
    #[arg(long, value_name = "PNG")]
    pub confusion: Option<PathBuf>,
    /// How the package is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The package, int8.
    pub package: PathBuf,
    /// A head taught on it: auto, ncm, softmax, ridge or slda.
    #[arg(long)]
    pub head: PathBuf,
    /// The ONNX file to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// How the package is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The package.
    pub package: PathBuf,
    /// Extractions to measure [default: as many as fit in 2 seconds, at least 10].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: Option<u32>,
    /// Run the float network of the ONNX model that the package was made from as well, by tract on
    /// one thread, in turns with the package.
    #[arg(long, value_name = "ONNX")]
    pub compare: Option<PathBuf>,
    /// Run layers one by one that would run together row by row, to see each one's time.
    #[arg(long)]
    pub no_chains: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// How the package is run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Arguments of `models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// A catalogue of your own, in the form of models/catalog.toml.
    #[arg(long, value_name = "TOML")]
    pub catalog: Option<PathBuf>,
}

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// The model's name, as `offshoot models` has it.
    pub name: String,
    /// The file to write [default: the name with .onnx]; what is part of this program is also written as a package
    /// beside it, with .offshoot.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Fetch it though there is no digest to check it by.
    #[arg(long)]
    pub unchecked: bool,
    /// The catalogue.
    #[command(flatten)]
    pub catalog: ModelsArgs,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Which of this program's packages is taught.
    #[command(flatten)]
    pub eyes: EyesArgs,
    /// Where the picture of the screen goes [default: offshoot-demo.png beside temporary files].
    #[arg(long, value_name = "PNG")]
    pub out: Option<PathBuf>,
    /// Keep the package and the head in this folder.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

fn parse_points(text: &str) -> Result<f64, String> {
    let points = text.parse().ok().filter(|p| (0.0..=100.0).contains(p));
    points.ok_or_else(|| "needs a number of 0 to 100".to_string())
}

fn parse_triple(text: &str) -> Result<[f32; 3], String> {
    let values: Option<Vec<f32>> = text.split(',').map(|t| t.trim().parse().ok()).collect();
    match values.as_deref() {
        Some(&[one]) => Ok([one; 3]),
        Some(&[a, b, c]) => Ok([a, b, c]),
        _ => Err("needs one number or three with commas between, such as 123.7,116.3,103.5".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn points_and_triples() {
        assert_eq!(parse_triple("1, 2,3"), Ok([1.0, 2.0, 3.0]));
        assert_eq!(parse_triple("128"), Ok([128.0; 3]));
        assert!(parse_triple("1,2").is_err());
        assert_eq!(parse_points("0.5"), Ok(0.5));
        assert!(parse_points("-1").is_err() && parse_points("NaN").is_err());
    }
}
