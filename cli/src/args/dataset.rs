//! Arguments that select data sets.

use std::num::NonZeroUsize;

use clap::Args;
use offshoot_dataset::{Care, Format, Selection};

use super::values::{FormatArg, value};

/// Handling of broken files.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Broken files")]
pub struct CareArgs {
    /// Fail on the first broken file, box, line or folder instead of leaving it out.
    #[arg(long)]
    pub strict: bool,
    /// Accept truncated JPEG files; the missing part is grey.
    #[arg(long)]
    pub cut_short: bool,
}

impl From<CareArgs> for Care {
    fn from(args: CareArgs) -> Self {
        Self { strict: args.strict, cut_short: args.cut_short }
    }
}

/// Subset of a data set.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data set")]
pub struct SelectionArgs {
    /// Format of the data set [default: detected].
    #[arg(long, value_parser = value::<FormatArg, Format>())]
    pub format: Option<Format>,
    /// Restrict to these classes.
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Maximum number of samples per class, spread evenly over them.
    #[arg(long, value_name = "N")]
    pub per_class: Option<NonZeroUsize>,
    /// Handling of broken files.
    #[command(flatten)]
    pub care: CareArgs,
}

impl SelectionArgs {
    /// Returns the selection for a data set reader.
    pub fn selection(&self) -> Selection {
        Selection {
            format: self.format,
            classes: self.classes.clone(),
            per_class: self.per_class,
            care: self.care.into(),
        }
    }
}
