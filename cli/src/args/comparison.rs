//! What the user typed after `cuts`.

use std::path::PathBuf;

use clap::Args;
use offshoot::HeadKind;

use super::{BackboneArgs, RunArgs, SelectionArgs};
use crate::measure::compare_cuts::Budget;

/// Arguments of `cuts`.
#[derive(Debug, Args)]
pub struct CutsArgs {
    /// The ONNX model.
    pub model: PathBuf,
    /// Labelled pictures, or texts, to learn and test on: folder per class, or a collection (see --format).
    #[arg(long, value_name = "DATA")]
    pub data: PathBuf,
    /// What of it is taken.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Folder of pictures, or texts, to calibrate on [default: those that are learned from].
    #[arg(long, value_name = "DIR")]
    pub calibrate: Option<PathBuf>,
    /// Use at most this many of them.
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub calibrate_limit: usize,
    /// Compare at most this many places.
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub most: usize,
    /// What the device has.
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// The picture to write: accuracy against time, as .svg or .png.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// What the model is, and what is wanted of it.
    #[command(flatten)]
    pub backbone: BackboneArgs,
    /// Pictures of each class to learn from, drawn at random.
    #[arg(long, value_name = "K", default_value_t = 5)]
    pub shots: usize,
    /// Draws to average over.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub draws: usize,
    /// Seed of the draws.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Kind of head.
    #[arg(long, default_value_t = HeadKind::Auto)]
    pub head: HeadKind,
    /// How packages are run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What the device has for an extraction.
#[derive(Debug, Clone, Copy, Args)]
pub struct BudgetArgs {
    /// An extraction may take so many milliseconds, as measured on this machine.
    #[arg(long, value_name = "MS", value_parser = parse_ms)]
    pub budget_ms: Option<f64>,
    /// An extraction may take so many bytes of memory: the arena, and the weights as the kernels want
    /// them.
    #[arg(long, value_name = "BYTES")]
    pub budget_ram: Option<usize>,
}

impl BudgetArgs {
    /// As the comparison wants it.
    pub fn budget(&self) -> Budget {
        Budget { ms: self.budget_ms, ram: self.budget_ram }
    }
}

/// The same of `convert`, which then takes the best cut within it.
#[derive(Debug, Clone, Copy, Args)]
pub struct ConvertBudgetArgs {
    /// Take the most accurate cut on --eval whose extraction takes at most so many milliseconds on
    /// this machine (see `cuts`).
    #[arg(long, value_name = "MS", requires = "eval", conflicts_with = "cut", value_parser = parse_ms)]
    pub budget_ms: Option<f64>,
    /// The same for bytes of memory.
    #[arg(long, value_name = "BYTES", requires = "eval", conflicts_with = "cut")]
    pub budget_ram: Option<usize>,
}

impl ConvertBudgetArgs {
    /// As the comparison wants it, if there is one.
    pub fn budget(&self) -> Option<Budget> {
        let budget = Budget { ms: self.budget_ms, ram: self.budget_ram };
        Some(budget).filter(|b| *b != Budget::default())
    }
}

fn parse_ms(text: &str) -> Result<f64, String> {
    let ms = text.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms > 0.0);
    ms.ok_or_else(|| "needs a number of milliseconds above 0".to_string())
}
