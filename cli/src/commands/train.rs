//! `offshoot train`.

use std::time::Instant;

use super::{CommandError, Embedded, embed_data};
use crate::args::TrainArgs;
use crate::teach::{accuracy, teach};

pub(super) fn run(args: &TrainArgs) -> Result<(), CommandError> {
    let Embedded { data, extractor, train, val } = embed_data(&args.run, &args.package, &args.data)?;
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
