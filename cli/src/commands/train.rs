//! `offshoot train`.

use std::path::Path;
use std::time::Instant;

use offshoot::{Advice, Extractor, Head, Limits, Parts, Report, View};
use offshoot_convert::report::bytes;
use offshoot_core::head::HeadError;
use offshoot_device::Machine;

use super::eval::check;
use super::find;
use super::progress::spinner;
use super::shared::{Embedded, check_count, check_no_cells, embed_data};
use crate::args::{TrainArgs, UnknownArg};
use crate::error::CommandError;
use crate::learn::embeddings::Embeddings;
use crate::learn::few_shot::{Draws, predict, teach};

/// Size of a head in bytes from which its memory use is announced.
const LARGE: usize = 100 << 20;

/// Maximum number of hints that are printed.
const ADVICE: usize = 5;

pub(super) fn run(args: &TrainArgs) -> Result<(), CommandError> {
    check_count(args.shots, "--shots", &args.data)?;
    check_count(args.keep, "--keep", &args.data)?;
    let extractor = args.tail.open(args.run, &args.package)?;
    if extractor.cells_layout().is_some() {
        return find::train(args, extractor);
    }
    let of_cells = [(args.good.is_some(), "--good"), (args.templates.is_some(), "--templates")];
    check_no_cells(&args.package, &of_cells)?;
    classify(args, extractor)
}

/// Trains a head that classifies.
fn classify(args: &TrainArgs, extractor: Extractor) -> Result<(), CommandError> {
    let views: Vec<View> = args.augment.iter().copied().map(View::from).collect();
    let Embedded { data, extractor, train, val, kind } =
        embed_data(extractor, &args.data, &args.selection.selection(), &views)?;
    // No test samples have to be left.
    check(&args.data, &data.classes, &train, true, args.shots, "lower --shots")?;
    let shots = args.shots.unwrap_or(usize::MAX);
    let (mut picks, _) = Draws::new(args.seed, 0).split(&train.labels, data.classes.len(), shots);
    picks.sort_unstable();
    let room = args.keep.map_or(picks.len(), |keep| keep.saturating_mul(data.classes.len()));
    tell_room(args, data.classes.len(), room.min(picks.len()), extractor.parts())?;
    let start = Instant::now();
    let spinner = spinner(format!("fit {} {kind}", picks.len()));
    let head = teach(args.head, &extractor, &data.classes, &train, &picks, room)
        .and_then(|head| fit(head, args.unknown));
    let fitted = start.elapsed();
    spinner.finish_and_clear();
    let head = head?;
    head.save(&args.output)?;
    let memory = head.limits().bytes_for(head.kind(), head.parts())?;
    let chosen = head.chosen()?;
    println!(
        "{}: {} on {} {kind} of {} classes, {} kept, trained in {:.1} ms; {} in memory, {} saved",
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
    if !head.parts().is_single() {
        println!("  {}", super::report::parts(&head)?);
    }
    let is_alone = data.classes.len() == 1;
    let report = head.report()?;
    // With a single class every sample is right.
    if let Some(accuracy) = report.accuracy().filter(|_| !is_alone) {
        let low = report.interval().low;
        let high = report.interval().high;
        println!(
            "  accuracy {accuracy:.3} on its own {kind} when held out (95 %: {low:.3} to {high:.3})"
        );
    }
    advise(&report, &args.output, |sample| {
        (room >= picks.len()).then(|| data.train[picks[sample]].name())
    });
    test(&head, &val, kind, is_alone)
}

fn fit(mut head: Head, unknown: UnknownArg) -> Result<Head, offshoot::Error> {
    if unknown == UnknownArg::Off {
        head.set_false_rejection_rate(0.0)?;
    }
    head.fit()?;
    Ok(head)
}

/// Classifies the test set and prints the accuracy.
fn test(head: &Head, val: &Embeddings, kind: &str, is_alone: bool) -> Result<(), CommandError> {
    if val.is_empty() {
        return Ok(());
    }
    let mut right = 0;
    let mut unknown = 0;
    for i in 0..val.len() {
        let predicted = predict(head, val, i)?;
        right += usize::from(predicted == Some(val.labels[i]));
        unknown += usize::from(predicted.is_none());
    }
    let share = right as f64 / val.len() as f64;
    match is_alone {
        true => println!("  {right} of {} other {kind} taken for it, {unknown} unknown", val.len()),
        false => {
            println!("  {share:.3} of {} other {kind} right, {unknown} of them unknown", val.len())
        }
    }
    Ok(())
}

/// Prints the advice; a suspect sample is named by `file`, if the head stores all samples.
fn advise(report: &Report<'_>, head: &Path, file: impl Fn(usize) -> Option<String>) {
    for advice in report.advice().take(ADVICE) {
        let named = match advice {
            Advice::Suspect { sample, .. } => file(sample),
            _ => None,
        };
        println!("  {advice}{}", named.map(|file| format!(": {file}")).unwrap_or_default());
    }
    let more = report.advice().skip(ADVICE).count();
    if more > 0 {
        println!("  and {more} more: offshoot report {}", head.display());
    }
}

/// Announces the memory use of a large head before it is allocated.
fn tell_room(
    args: &TrainArgs,
    classes: usize,
    samples: usize,
    parts: Parts,
) -> Result<(), CommandError> {
    let needed = check_room(args, classes, samples, parts, Machine::default().available())?;
    if needed >= LARGE {
        eprintln!(
            "the head takes {} of memory for training; --keep N stores N samples per class",
            bytes(needed)
        );
    }
    Ok(())
}

/// Returns the bytes of memory the head needs; fails if a head cannot store the samples or this
/// machine has too little memory.
fn check_room(
    args: &TrainArgs,
    classes: usize,
    samples: usize,
    parts: Parts,
    available: Option<u64>,
) -> Result<usize, CommandError> {
    let path = args.data.clone();
    let what = format!(
        "{samples} samples are more than a head can store; --keep N stores N samples per class"
    );
    let Ok(classes) = u16::try_from(classes) else {
        return Err(CommandError::TooFew { path, what });
    };
    let Ok(most) = u16::try_from(samples) else {
        return Err(CommandError::TooFew { path, what });
    };
    let needed = match (Limits { classes, samples: most }).bytes_for(args.head, parts) {
        Ok(needed) => needed,
        Err(HeadError::TooLarge { .. }) => return Err(CommandError::TooFew { path, what }),
        // Other errors are reported when the head is created.
        Err(_) => return Ok(0),
    };
    let Some(left) = available.filter(|&left| needed as u64 > left) else { return Ok(needed) };
    let what = format!(
        "a head of {samples} samples takes {} of memory, this machine has {} left; --keep N stores N per class",
        bytes(needed),
        bytes(left as usize),
    );
    Err(CommandError::TooFew { path, what })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn more_than_a_head_can_keep_is_refused_before_it_is_taught() {
        let cli =
            Cli::try_parse_from(["offshoot", "train", "p.offshoot", "digits", "-o", "d.head"])
                .unwrap();
        let Command::Train(args) = cli.command else { panic!("train") };
        check_room(&args, 10, 20_000, Parts::single(1280), None).unwrap();
        let needed = check_room(&args, 10, 60_000, Parts::single(1280), None).unwrap();
        let error =
            check_room(&args, 10, 1_000_000, Parts::single(1280), None).unwrap_err().to_string();
        assert!(error.starts_with("digits: ") && error.contains("--keep N"), "{error}");
        assert_eq!(
            check_room(&args, 10, 60_000, Parts::single(1280), Some(needed as u64)).unwrap(),
            needed
        );
        let error = check_room(&args, 10, 60_000, Parts::single(1280), Some(needed as u64 - 1))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("of memory, this machine has ") && error.contains("--keep N"),
            "{error}"
        );
    }
}
