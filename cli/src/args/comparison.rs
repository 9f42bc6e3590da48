//! Arguments of `cuts`, and the budgets it shares with `convert`.

use std::path::PathBuf;

use clap::Args;
use offshoot::HeadKind;

use super::{BackboneArgs, RunArgs, SelectionArgs};
use crate::measure::compare_cuts::Budget;

/// Arguments of `cuts`.
#[derive(Debug, Args)]
pub struct CutsArgs {
    /// ONNX model to compare cuts of.
    pub model: PathBuf,
    /// Data set to train and test on: folder per class, or a collection (see --format).
    #[arg(long, value_name = "DATA")]
    pub data: PathBuf,
    /// Subset of the data set.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Calibration set: a folder of images or texts [default: the training samples].
    #[arg(long, value_name = "DIR")]
    pub calibrate: Option<PathBuf>,
    /// Maximum number of calibration samples.
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub calibrate_limit: usize,
    /// Maximum number of cut points to compare.
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub most: usize,
    /// Budgets of the device.
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// Chart to write, as .svg or .png: accuracy against time.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Model and conversion options.
    #[command(flatten)]
    pub backbone: BackboneArgs,
    /// Training samples per class, drawn at random.
    #[arg(long, value_name = "K", default_value_t = 5)]
    pub shots: usize,
    /// Number of draws to average over.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub draws: usize,
    /// Seed of the draws.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Kind of head.
    #[arg(long, default_value_t = HeadKind::Auto)]
    pub head: HeadKind,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Budgets of an extraction on the device.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Budget")]
pub struct BudgetArgs {
    /// Maximum time of an extraction in milliseconds, measured on this machine.
    #[arg(long, value_name = "MS", value_parser = parse_ms)]
    pub budget_ms: Option<f64>,
    /// Maximum memory of an extraction in bytes: the arena and the weights as packed for the
    /// kernels.
    #[arg(long, value_name = "BYTES")]
    pub budget_ram: Option<usize>,
}

impl BudgetArgs {
    /// Returns the budget of the comparison.
    pub fn budget(&self) -> Budget {
        Budget { ms: self.budget_ms, ram: self.budget_ram }
    }
}

/// Budgets of `convert`, which then takes the best cut within them.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Budget")]
pub struct ConvertBudgetArgs {
    /// Maximum time of an extraction in milliseconds on this machine: take the cut within it that
    /// is most accurate on --eval (see `cuts`).
    #[arg(long, value_name = "MS", requires = "eval", conflicts_with = "cut", value_parser = parse_ms)]
    pub budget_ms: Option<f64>,
    /// Maximum memory of an extraction in bytes: take the cut within it that is most accurate on
    /// --eval.
    #[arg(long, value_name = "BYTES", requires = "eval", conflicts_with = "cut")]
    pub budget_ram: Option<usize>,
}

impl ConvertBudgetArgs {
    /// Returns the budget of the comparison, if one was given.
    pub fn budget(&self) -> Option<Budget> {
        let budget = Budget { ms: self.budget_ms, ram: self.budget_ram };
        Some(budget).filter(|b| *b != Budget::default())
    }
}

fn parse_ms(text: &str) -> Result<f64, String> {
    let ms = text.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms > 0.0);
    ms.ok_or_else(|| "number of milliseconds above 0 required".to_string())
}
