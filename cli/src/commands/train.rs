//! `offshoot train`.

use std::time::Instant;

use offshoot::View;

use super::eval::check;
use super::{CommandError, Embedded, check_count, embed_data};
use crate::args::{TrainArgs, UnknownArg};
use crate::report::bytes;
use crate::teach::{Draws, teach, told};

pub(super) fn run(args: &TrainArgs) -> Result<(), CommandError> {
    let views: Vec<View> = args.augment.iter().copied().map(View::from).collect();
    let Embedded { data, extractor, train, val } =
        embed_data(&args.run, &args.package, &args.data, &args.selection, &views)?;
    // Nothing has to be left to test on.
    check(&args.data, &data.classes, &train, true, args.shots, "lower --shots")?;
    check_count(args.keep, "--keep", &args.data)?;
    let shots = args.shots.unwrap_or(usize::MAX);
    let (mut picks, _) = Draws::new(args.seed, 0).split(&train.labels, data.classes.len(), shots);
    picks.sort_unstable();
    let room = args.keep.map_or(picks.len(), |keep| keep.saturating_mul(data.classes.len()));
    let start = Instant::now();
    let mut head = teach(args.head, &extractor, &data.classes, &train, &picks, room)?;
    let fitted = start.elapsed();
    if args.unknown == UnknownArg::Off {
        head.set_strictness(0.0).map_err(offshoot::Error::from)?;
    }
    head.save(&args.output)?;
    let memory = head.limits().bytes(head.kind(), head.dim()).map_err(offshoot::Error::from)?;
    let chosen = head.chosen().map_err(offshoot::Error::from)?;
    println!(
        "{}: {} on {} pictures of {} classes, {} kept, taught in {:.1} ms; {} in memory, {} saved",
        args.output.display(),
        if chosen.kind == args.head {
            args.head.to_string()
        } else {
            format!("{}, {}", args.head, chosen.kind)
        },
        picks.len(),
        data.classes.len(),
        head.sample_count(),
        1e3 * fitted.as_secs_f64(),
        bytes(memory),
        bytes(head.encoded_len()),
    );
    let report = head.report().map_err(offshoot::Error::from)?;
    if let Some(accuracy) = report.accuracy() {
        let (low, high) = (report.interval().low, report.interval().high);
        println!("  {accuracy:.3} of its own pictures right when held out ({low:.3} to {high:.3})");
    }
    if !val.is_empty() {
        let (mut right, mut unknown) = (0, 0);
        for i in 0..val.len() {
            let told = told(&mut head, &val, i)?;
            right += usize::from(told == Some(val.labels[i]));
            unknown += usize::from(told.is_none());
        }
        let share = right as f64 / val.len() as f64;
        println!("  {share:.3} of {} other pictures right, {unknown} of them unknown", val.len());
    }
    Ok(())
}
