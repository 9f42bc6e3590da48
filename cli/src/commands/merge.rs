//! `offshoot merge`.

use std::collections::HashSet;

use offshoot::Head;

use super::cell_heads;
use crate::args::MergeArgs;
use crate::error::CommandError;

pub(super) fn run(args: &MergeArgs) -> Result<(), CommandError> {
    if args.heads.iter().any(|path| cell_heads::is_one(path)) {
        return cell_heads::merge(args);
    }
    let heads: Result<Vec<Head>, _> = args.heads.iter().map(Head::read).collect();
    let heads = heads?;
    let merged = Head::merged(&heads)?;
    merged.save(&args.output)?;
    println!(
        "{}: {}, {} samples of {} classes, from {} heads",
        args.output.display(),
        merged.kind(),
        merged.sample_count(),
        merged.class_count(),
        args.heads.len()
    );
    let again = repeated(&heads);
    if again > 0 {
        println!("  {again} samples were in an earlier head as well: they count twice");
    }
    Ok(())
}

/// Counts samples that are bit-identical to one of an earlier head: heads that began as copies of
/// one share them.
fn repeated(heads: &[Head]) -> usize {
    let mut seen = HashSet::new();
    let mut again = 0;
    for head in heads {
        let samples = head.samples().map(|(class, sample)| {
            (
                head.class_name(class).unwrap_or_default(),
                sample.iter().map(f32::to_bits).collect::<Vec<_>>(),
            )
        });
        let own: HashSet<_> = samples.collect();
        again += own.iter().filter(|sample| seen.contains(*sample)).count();
        seen.extend(own);
    }
    again
}
