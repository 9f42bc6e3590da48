//! Command-line arguments of `offshoot`.

use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use offshoot::{Extractor, Options};
use offshoot_convert::emit::prepack::parse_target;
use offshoot_convert::input_size::parse_size;
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::preprocess::preset::Preset;
use offshoot_core::sound::Design;
use offshoot_core::spatial::Neighbours;
use offshoot_dataset::Format;
use offshoot_engine::Target;

mod comparison;
mod dataset;
mod device;
mod learning;
mod model;
mod quantizer;
mod running;
mod sensor;
mod tuning;
mod values;

pub use comparison::{BudgetArgs, ConvertBudgetArgs, CutsArgs};
pub use dataset::{CareArgs, SelectionArgs};
pub use device::{BuiltInArgs, DeployArgs, DoctorArgs, PartsArgs, ServeArgs, TeachArgs};
pub use learning::{GoodArg, TrainArgs, UnknownArg, ViewArg};
pub use quantizer::QuantizerArgs;
pub use running::{
    BenchArgs, CheckArgs, ClusterArgs, EmbedArgs, EvalArgs, ExportArgs, MergeArgs, PredictArgs,
    ReportArgs, SearchArgs,
};
use sensor::parse_numbers;
pub use sensor::{Numbers, SensorArgs};
pub use tuning::{FinetuneArgs, TailArgs, VerifyArgs};
use values::value;
pub use values::{FormatArg, PoolArg, PresetArg, RangesArg, RoundingArg, SwitchArg};

/// Few-shot classifiers on a frozen, quantized backbone.
#[derive(Debug, Parser)]
#[command(name = "offshoot", version, about, propagate_version = true)]
pub struct Cli {
    /// Output of progress and colour.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is made in the life of the program")]
pub enum Command {
    /// Convert an ONNX model into an int8 or float package.
    #[command(
        after_help = "Example:\n  offshoot convert mobilenet_v2.onnx --calibrate photos -o extractor.offshoot"
    )]
    Convert(ConvertArgs),
    /// Print the content of a package, or the cut points of a model.
    #[command(after_help = "Example:\n  offshoot inspect extractor.offshoot --layers")]
    Inspect(InspectArgs),
    /// Compare the cut points of a model: size, time, memory, few-shot accuracy.
    #[command(
        after_help = "Example:\n  offshoot cuts mobilenet_v2.onnx --data photos --budget-ms 40 -o cuts.svg"
    )]
    Cuts(CutsArgs),
    /// Run a package's golden vectors; the line printed is the same on every machine.
    #[command(after_help = "Example:\n  offshoot verify extractor.offshoot")]
    Verify(VerifyArgs),
    /// Write the embeddings of a labelled data set as .npz or JSON.
    ///
    /// Parquet files are written by the Python module: offshoot.parquet.write_embeddings.
    #[command(after_help = "Example:\n  offshoot embed extractor.offshoot photos --npz photos.npz")]
    Embed(EmbedArgs),
    /// Check a labelled data set: how foreign it is to a package, and what would help.
    #[command(
        after_help = "Example:\n  offshoot check extractor.offshoot photos --report check.html"
    )]
    Check(CheckArgs),
    /// Train a head on a labelled data set.
    #[command(after_help = "Example:\n  offshoot train extractor.offshoot photos -o things.head")]
    Train(TrainArgs),
    /// Fine-tune a package's last layer on a labelled data set, if held-out samples say it helps.
    #[command(
        after_help = "Example:\n  offshoot finetune extractor.offshoot photos -o things.tail"
    )]
    Finetune(FinetuneArgs),
    /// Classify images or texts with a head.
    #[command(
        after_help = "Example:\n  offshoot predict extractor.offshoot things.head new.jpg --heatmap why.png"
    )]
    Predict(PredictArgs),
    /// Measure the few-shot accuracy of heads on a labelled data set.
    #[command(
        after_help = "Example:\n  offshoot eval extractor.offshoot photos --shots 5 --confusion confusion.png"
    )]
    Eval(EvalArgs),
    /// Export a package with a head as one standard ONNX model.
    #[command(
        after_help = "Example:\n  offshoot export extractor.offshoot --head things.head -o full.onnx"
    )]
    Export(ExportArgs),
    /// Measure an extraction: time by layer, memory, temperature.
    #[command(after_help = "Example:\n  offshoot bench extractor.offshoot --threads 4")]
    Bench(BenchArgs),
    /// Print the quality report of a head: cross-validation on its own samples, and advice.
    #[command(after_help = "Example:\n  offshoot report things.head")]
    Report(ReportArgs),
    /// Merge several heads that were trained with the same package.
    #[command(after_help = "Example:\n  offshoot merge kitchen.head garage.head -o both.head")]
    Merge(MergeArgs),
    /// Search a folder for the images or texts most similar to the given ones.
    #[command(
        after_help = "Example:\n  offshoot search extractor.offshoot photos like_this.jpg --top 10"
    )]
    Search(SearchArgs),
    /// Cluster the images or texts of a folder by k-means, with a contact sheet.
    #[command(
        after_help = "Example:\n  offshoot cluster extractor.offshoot photos -k 12 -o groups.png"
    )]
    Cluster(ClusterArgs),
    /// List the known backbones: input, normalization, licence, source.
    #[command(after_help = "Example:\n  offshoot models")]
    Models(ModelsArgs),
    /// Download a backbone of the catalogue over HTTPS and verify its digest.
    #[command(after_help = "Example:\n  offshoot pull sprout")]
    Pull(PullArgs),
    /// Teach a device with keys, a camera and a screen; also runs on a laptop, simulated.
    #[command(
        after_help = "Example:\n  offshoot teach --camera /dev/video0 --names mug,plant --web 8080"
    )]
    Teach(TeachArgs),
    /// Serve an extractor and a head to other programs: HTTP on a port or a Unix socket.
    #[command(
        after_help = "Example:\n  offshoot serve --head things.head --listen unix:/tmp/offshoot.socket"
    )]
    Serve(ServeArgs),
    /// Check the needs of a device: camera, permissions, processor, memory, temperature.
    #[command(after_help = "Example:\n  offshoot doctor")]
    Doctor(DoctorArgs),
    /// Deploy the on-board program, a package and a service to a board over ssh.
    #[command(
        after_help = "Example:\n  offshoot deploy pi@raspberrypi.local --board raspberry-pi-5 --web --run"
    )]
    Deploy(DeployArgs),
    /// Run the whole workflow in seconds: convert, teach, predict; needs nothing.
    #[command(after_help = "Example:\n  offshoot demo --keep first")]
    Demo(DemoArgs),
    /// Print the completions of a shell, for its startup file.
    #[command(after_help = "Example:\n  offshoot completions bash")]
    Completions(CompletionsArgs),
    /// Write the manual pages of all commands into a folder.
    #[command(after_help = "Example:\n  offshoot manual man1")]
    Manual(ManualArgs),
}

/// Options of all commands.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Show no progress; results, errors and warnings remain.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Colour of help and errors.
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell that reads them.
    pub shell: Shell,
}

/// Arguments of `manual`.
#[derive(Debug, Args)]
pub struct ManualArgs {
    /// Folder to write into; it is made if it is not there.
    pub folder: PathBuf,
}

/// Arguments of `convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// ONNX model to convert.
    pub model: PathBuf,
    /// Package to write [default: the model's name with .offshoot, in the current folder].
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Calibration set: a folder of images like those the device will see; for a language backbone
    /// a folder of .txt files, a text collection, or a .txt file with one text per line; for signals a
    /// folder of .npy, .npz or .csv files, or an .npz or .csv file of many; 50 to 500 samples are good.
    #[arg(long, value_name = "DIR")]
    pub calibrate: PathBuf,
    /// Front end of a network for sound, whose input is a log-mel spectrogram; the calibration set
    /// is then a folder of .wav files [default: known by the model's digest, or stated by it].
    #[arg(long, value_name = "PRESET", value_parser = parse_sound)]
    pub sound: Option<Design>,
    /// Maximum number of calibration samples.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub calibrate_limit: usize,
    /// Format of the calibration set [default: detected].
    #[arg(long, value_parser = value::<FormatArg, Format>())]
    pub format: Option<Format>,
    /// Handling of broken files.
    #[command(flatten)]
    pub care: CareArgs,
    /// Tensor that becomes the embedding, or several, concatenated [default: the input of the last
    /// classifier].
    #[arg(long, value_name = "TENSOR", value_delimiter = ',')]
    pub cut: Vec<String>,
    /// Give feature maps as cells, for heads that find objects, instead of an embedding. The maps are
    /// those of --cut [default: the narrowest of stride 8 and 16]; the whole frame is stretched.
    #[arg(long, conflicts_with_all = ["parts", "l2", "pool", "sound", "eval"])]
    pub cells: bool,
    /// Data set with boxes of the objects, from which the input size is proposed [default: the model's own
    /// size]; --input-size overrides it.
    #[arg(long, value_name = "DATA", requires = "cells")]
    pub boxes: Option<PathBuf>,
    /// Neighbourhoods whose means are appended to each cell: 3x3 cells, 7x7 cells [default: 3,7 or, if
    /// a cell has too many values then, 3].
    #[arg(long, value_name = "none|3|3,7", requires = "cells", value_parser = parse_neighbours)]
    pub neighbours: Option<Neighbours>,
    /// Other depths whose pooled feature maps become parts of the embedding: `auto`, `none`, or
    /// tensors. Heads read all parts where that is clearly better, else the last one, the cut's.
    #[arg(long, value_name = "auto|none|TENSOR,...", default_value = "none")]
    pub parts: String,
    /// Model and conversion options.
    #[command(flatten)]
    pub backbone: BackboneArgs,
    /// Normalize embeddings to L2 norm 1 in the package.
    #[arg(long)]
    pub l2: bool,
    /// Quantization options.
    #[command(flatten)]
    pub quantizer: QuantizerArgs,
    /// Also prepack the weights for this instruction set (or `native`), so that opening on such a
    /// processor copies nothing; the package still runs everywhere.
    #[arg(long, value_name = "ISA", value_parser = parse_target)]
    pub target: Option<Target>,
    /// Mean per channel, in pixel values of 0 to 255, in the model's channel order; of signals in their
    /// units.
    #[arg(long, value_name = "A,B,C", value_parser = parse_numbers, allow_hyphen_values = true)]
    pub mean: Option<Numbers>,
    /// Divisor (standard deviation) per channel, in pixel values of 0 to 255; of signals in their units.
    #[arg(long, value_name = "A,B,C", value_parser = parse_numbers)]
    pub std: Option<Numbers>,
    /// Options of signals.
    #[command(flatten)]
    pub sensor: SensorArgs,
    /// Feed channels in the order blue, green, red.
    #[arg(long)]
    pub bgr: bool,
    /// Stretch the whole frame to the input size instead of cropping its centre.
    #[arg(long)]
    pub squash: bool,
    /// Labelled data set to compare the package with the float network on: 5-shot accuracy,
    /// averaged over 20 draws.
    #[arg(long, value_name = "DATA")]
    pub eval: Option<PathBuf>,
    /// Maximum loss of accuracy on --eval, in percentage points; beyond it exit with code 3 and
    /// write nothing.
    #[arg(long, value_name = "POINTS", requires = "eval", value_parser = parse_points)]
    pub max_drop: Option<f64>,
    /// Budgets of the device.
    #[command(flatten)]
    pub budget: ConvertBudgetArgs,
    /// HTML page to write: conversion report, layer by layer, with the alternatives measured; with
    /// --eval also the answers, with small copies of some images.
    #[arg(long, value_name = "HTML")]
    pub report: Option<PathBuf>,
    /// Print the conversion report as JSON instead.
    #[arg(long)]
    pub json: bool,
}

/// Options of the model and of its conversion.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct BackboneArgs {
    /// Pooling of the feature map; over the tokens of a text avg, first or last.
    #[arg(long, value_parser = value::<PoolArg, Pool>(), default_value = "avg")]
    pub pool: Pool,
    /// Precision of the package: int8 runs on the engine, f32 on tract.
    #[arg(long, value_enum, default_value_t = PrecisionArg::Int8)]
    pub precision: PrecisionArg,
    /// Input size if the model leaves it open, in the order of the model's own dimensions.
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = parse_size)]
    pub input_size: Option<(u32, u32)>,
    /// Tokenizer of a language backbone: tokenizer.json, vocab.txt, or vocab.json with merges.txt
    /// beside it; stored in the package [default: found beside the model].
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// Tokens read per text by a language backbone, if the model leaves the length open.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=8192))]
    pub tokens: Option<u16>,
    /// Read weights that the model stores in external files beside it.
    #[arg(long)]
    pub external_data: bool,
    /// Normalization of the input [default: stated by the model, or guessed].
    #[arg(long, value_parser = value::<PresetArg, Preset>())]
    pub preset: Option<Preset>,
}

/// Precision of the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// 8-bit integers, on the engine.
    Int8,
    /// 32-bit floats, on tract.
    F32,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Package, or ONNX model.
    pub package: PathBuf,
    /// List every layer; of a model every cut point.
    #[arg(long)]
    pub layers: bool,
    /// Print JSON: of a model kind, cut and cut points.
    #[arg(long)]
    pub json: bool,
    /// Read weights that the model stores in external files beside it.
    #[arg(long)]
    pub external_data: bool,
    /// Input size if the model leaves it open, in the order of the model's own dimensions.
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = parse_size)]
    pub input_size: Option<(u32, u32)>,
}

/// Execution options of packages.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Execution")]
pub struct RunArgs {
    /// Number of threads for an int8 network; float and mixed packages run on one.
    #[arg(long, value_name = "N", default_value_t = NonZeroU8::MIN)]
    pub threads: NonZeroU8,
    /// Pin each thread to a core of its own, among those `taskset` allows, the fastest first.
    #[arg(long)]
    pub pin: bool,
}

impl RunArgs {
    /// Opens a package with these options.
    ///
    /// # Errors
    /// Fails like [`Extractor::open_with`].
    pub fn open(&self, package: &Path) -> Result<Extractor, offshoot::Error> {
        Extractor::open_with(package, &self.options())
    }

    /// Returns the options of the library.
    pub fn options(&self) -> Options {
        Options::new().threads(self.threads).pin(self.pin)
    }
}

/// Arguments of `models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Catalogue of your own, in the form of models/catalog.toml.
    #[arg(long, value_name = "TOML")]
    pub catalog: Option<PathBuf>,
}

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// Name of the model, as listed by `offshoot models`.
    pub name: String,
    /// File to write [default: the name with .onnx]; a built-in model is also written as a package
    /// beside it, with .offshoot.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Download even if the digest was not computed from a copy of the file.
    #[arg(long, alias = "unchecked")]
    pub trust: bool,
    /// Catalogue to read.
    #[command(flatten)]
    pub catalog: ModelsArgs,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Sounds of a simulated microphone in place of images, with the built-in package for sound.
    #[arg(long, conflicts_with = "extractor")]
    pub sound: bool,
    /// Built-in package to use.
    #[command(flatten)]
    pub extractor: BuiltInArgs,
    /// Screenshot to write [default: offshoot-demo.png in the folder of temporary files].
    #[arg(long, value_name = "PNG")]
    pub out: Option<PathBuf>,
    /// Keep the package and the head in this folder.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

fn parse_points(text: &str) -> Result<f64, String> {
    let points = text.parse().ok().filter(|p| (0.0..=100.0).contains(p));
    points.ok_or_else(|| "number from 0 to 100 required".to_string())
}

fn parse_sound(text: &str) -> Result<Design, String> {
    let names = || Design::ALL.map(|design| design.name).join(", ");
    Design::named(text).ok_or_else(|| format!("no such front end; there are {}", names()))
}

fn parse_neighbours(text: &str) -> Result<Neighbours, String> {
    let found = Neighbours::ALL.into_iter().find(|own| own.name() == text);
    found.ok_or_else(|| "none, 3 or 3,7 required".to_string())
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
    fn every_command_ends_with_an_example_that_parses() {
        use clap::CommandFactory;
        for command in Cli::command().get_subcommands() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let line = text.lines().last().unwrap_or_default().trim();
            assert!(line.starts_with(&format!("offshoot {}", command.get_name())), "{line}");
            if let Err(error) = Cli::try_parse_from(line.split_whitespace()) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn points_and_triples() {
        let triple = |text| parse_numbers(text).map(|numbers| numbers.triple());
        assert_eq!(triple("1, 2,3"), Ok(Some([1.0, 2.0, 3.0])));
        assert_eq!(triple("128"), Ok(Some([128.0; 3])));
        assert_eq!(triple("1,-2"), Ok(None));
        assert!(triple("1,x").is_err() && triple("inf").is_err());
        assert_eq!(parse_points("0.5"), Ok(0.5));
        assert!(parse_points("-1").is_err() && parse_points("NaN").is_err());
    }
}
