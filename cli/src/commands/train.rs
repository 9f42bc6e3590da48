//! `offshoot train`.

use std::time::Instant;

use offshoot::Extractor;

use super::{CommandError, progress_bar};
use crate::args::TrainArgs;
use crate::data::Dataset;
use crate::embeddings::Embeddings;
use crate::teach::{accuracy, teach};

pub(super) fn run(args: &TrainArgs) -> Result<(), CommandError> {
    let data = Dataset::open(&args.data)?;
    let mut extractor = Extractor::open(&args.package)?;
    let bar = progress_bar(data.train.len() + data.val.len(), "embed");
    let train = Embeddings::extract(&mut extractor, &data.train, || bar.inc(1))?;
    let val = Embeddings::extract(&mut extractor, &data.val, || bar.inc(1))?;
    bar.finish_and_clear();
    let start = Instant::now();
    let picks: Vec<usize> = (0..train.len()).collect();
    let mut head = teach(args.head, &extractor, &data.classes, &train, &picks)?;
    let fitted = start.elapsed();
    head.save(&args.output)?;
    println!(
        "{}: {} on {} pictures of {} classes, taught in {:.1} ms",
        args.output.display(),
        args.head,
        train.len(),
        data.classes.len(),
        1e3 * fitted.as_secs_f64()
    );
    if !val.is_empty() {
        let picks: Vec<usize> = (0..val.len()).collect();
        println!("  {:.3} of {} other pictures right", accuracy(&mut head, &val, &picks)?, val.len());
    }
    Ok(())
}
