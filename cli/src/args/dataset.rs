//! Arguments about data sets.

use std::num::NonZeroUsize;

use clap::Args;
use offshoot_dataset::{Care, Format, Selection};

use super::values::{FormatArg, value};

/// How much is taken of files that are not as they should be.
#[derive(Debug, Clone, Copy, Args)]
pub struct CareArgs {
    /// End at the first file, box, line or folder that is broken, instead of leaving it out.
    #[arg(long)]
    pub strict: bool,
    /// Take JPEG files that end before their picture does; what is missing of them is grey.
    #[arg(long)]
    pub cut_short: bool,
}

impl From<CareArgs> for Care {
    fn from(args: CareArgs) -> Self {
        Self { strict: args.strict, cut_short: args.cut_short }
    }
}

/// What of a folder is taken.
#[derive(Debug, Clone, Args)]
pub struct SelectionArgs {
    /// How the pictures lie in the folder [default: found out].
    #[arg(long, value_parser = value::<FormatArg, Format>())]
    pub format: Option<Format>,
    /// Take only these classes.
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Take at most this many pictures of each class, spread evenly over them.
    #[arg(long, value_name = "N")]
    pub per_class: Option<NonZeroUsize>,
    /// How much is taken of what is not as it should be.
    #[command(flatten)]
    pub care: CareArgs,
}

impl SelectionArgs {
    /// The selection for a reader.
    pub fn selection(&self) -> Selection {
        Selection {
            format: self.format,
            classes: self.classes.clone(),
            per_class: self.per_class,
            care: self.care.into(),
        }
    }
}
