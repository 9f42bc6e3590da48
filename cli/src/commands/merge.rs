//! `offshoot merge`.

use offshoot::Head;

use super::CommandError;
use crate::args::MergeArgs;

pub(super) fn run(args: &MergeArgs) -> Result<(), CommandError> {
    let heads: Result<Vec<Head>, _> = args.heads.iter().map(Head::read).collect();
    let merged = Head::merged(&heads?)?;
    merged.save(&args.output)?;
    println!(
        "{}: {}, {} samples of {} classes, from {} heads",
        args.output.display(),
        merged.kind(),
        merged.sample_count(),
        merged.class_count(),
        args.heads.len()
    );
    Ok(())
}
