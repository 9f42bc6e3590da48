//! Arguments of `finetune`, and of commands that run a tuned network.

use std::path::{Path, PathBuf};

use clap::Args;
use offshoot::{Extractor, TunedTail, Tuning};

use super::{RunArgs, SelectionArgs};

/// Tuned tail of a package.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Execution")]
pub struct TailArgs {
    /// Tuned tail of the package, written by `finetune`; heads are bound to it.
    #[arg(long, value_name = "TAIL")]
    pub tail: Option<PathBuf>,
}

impl TailArgs {
    /// Opens a package, with its tail if one is given.
    ///
    /// # Errors
    /// Fails like [`Extractor::open_with`] and [`TunedTail::load`], and if the tail is of another
    /// package.
    pub fn open(&self, run: RunArgs, package: &Path) -> Result<Extractor, offshoot::Error> {
        let mut extractor = run.open(package)?;
        if let Some(path) = &self.tail {
            extractor.set_tail(Some(&TunedTail::load(path)?))?;
        }
        Ok(extractor)
    }
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Package to run.
    pub package: PathBuf,
    /// Tail to verify in place of the package's golden vectors.
    #[command(flatten)]
    pub tail: TailArgs,
}

/// Arguments of `finetune`.
#[derive(Debug, Args)]
pub struct FinetuneArgs {
    /// Package to tune.
    pub package: PathBuf,
    /// Data set: folder per class, train/ and val/ with such folders, or a collection (see
    /// --format). With train/ and val/, val/ is only for testing.
    pub data: PathBuf,
    /// Subset of the data set.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Tail file to write, if tuning is better on held-out samples.
    #[arg(short, long, value_name = "TAIL", required_unless_present = "dry_run")]
    pub output: Option<PathBuf>,
    /// Passes over the samples [default: 20; 40 with ten samples a class or fewer].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub epochs: Option<u16>,
    /// Tune all weights of the layer in place of its biases: a larger file, and 0.9 MB of memory for
    /// sprout.
    #[arg(long)]
    pub all: bool,
    /// Step relative to the size of what is tuned, 0 to 1 [default: 0.05; 0.02 with --all].
    #[arg(long, value_name = "S")]
    pub step: Option<f32>,
    /// Number of parts into which the samples are divided; each is held out once.
    #[arg(long, value_name = "K", default_value_t = Tuning::default().folds,
        value_parser = clap::value_parser!(u8).range(2..=10))]
    pub folds: u8,
    /// Seed of the order of the samples.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u32,
    /// Write the tail whatever the held-out samples say.
    #[arg(long)]
    pub force: bool,
    /// Print the verdict and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Execution options.
    #[command(flatten)]
    pub run: RunArgs,
}

impl FinetuneArgs {
    /// Returns the recipe of the library.
    pub fn tuning(&self) -> Tuning {
        let least_t = if self.force { f32::NEG_INFINITY } else { Tuning::default().least_t };
        let recipe = if self.all { Tuning::all() } else { Tuning::default() };
        Tuning {
            epochs: self.epochs,
            step: self.step.unwrap_or(recipe.step),
            folds: self.folds,
            seed: self.seed,
            least_t,
            ..recipe
        }
    }
}
