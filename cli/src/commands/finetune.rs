//! `offshoot finetune`.

use std::time::Instant;

use offshoot::{Error, Extractor, Head, HeadKind, Limits, Maps, Verdict};
use offshoot_convert::report::bytes;
use offshoot_dataset::Dataset;

use super::progress::Progress;
use super::shared::{check_classes, tell};
use crate::args::FinetuneArgs;
use crate::error::CommandError;
use crate::learn::embeddings::Embeddings;

/// Kind of the head that the test set is asked of.
const HEAD: HeadKind = HeadKind::Auto;

pub(super) fn run(args: &FinetuneArgs) -> Result<(), CommandError> {
    let mut data = Dataset::open_as(&args.data, &args.selection.selection())?;
    let mut extractor = args.run.open(&args.package)?;
    extractor.keep_maps().map_err(|error| untunable(args, error))?;
    let (train, val) = read(args, &mut extractor, &mut data)?;
    check_classes(&args.data, &data.classes)?;
    let maps = maps(&mut extractor, &data, &train)?;
    let begun = Instant::now();
    let mut bar = None;
    let tuned = maps.finetune(&extractor, &args.tuning(), |progress| {
        let bar = bar.get_or_insert_with(|| Progress::new(progress.of as usize, "tune"));
        bar.set(progress.done.into());
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    if let Some(bar) = bar {
        bar.finish();
    }
    println!(
        "{}: {} images of {} classes, a map of {} each, tuned in {seconds:.1} s",
        args.package.display(),
        maps.len(),
        data.classes.len(),
        bytes(extractor.map_len().unwrap_or_default()),
    );
    println!("  {}", tuned.verdict);
    let Some(tail) = tuned.tail else { return Err(refused(args, tuned.verdict)) };
    if !val.is_empty() {
        let test = |extractor: &mut Extractor| accuracy(extractor, &data, &maps, &val);
        let before = test(&mut extractor)?;
        extractor.set_tail(Some(&tail))?;
        let after = test(&mut extractor)?;
        println!("  {HEAD}: {before:.3} of {} other images before, {after:.3} after", val.len());
    }
    if let Some(path) = args.output.as_ref().filter(|_| !args.dry_run) {
        tail.save(path)?;
        println!("  {}: {}", path.display(), bytes(tail.bytes().len()));
    }
    Ok(())
}

/// Names the package that cannot be tuned.
fn untunable(args: &FinetuneArgs, error: Error) -> CommandError {
    CommandError::Untunable { path: args.package.clone(), source: error }
}

fn refused(args: &FinetuneArgs, verdict: Verdict) -> CommandError {
    match verdict {
        Verdict::TooFew { least } => {
            let what = format!("each class needs {least} samples, and there must be two classes");
            CommandError::TooFew { path: args.data.clone(), what }
        }
        _ => CommandError::Refused { path: args.data.clone() },
    }
}

/// Maps of training and test samples, as numbers.
fn read(
    args: &FinetuneArgs,
    extractor: &mut Extractor,
    data: &mut Dataset,
) -> Result<(Embeddings, Embeddings), CommandError> {
    let bar = Progress::new(data.train.len() + data.val.len(), "embed");
    let Dataset { train, left_out, .. } = &mut *data;
    let mut maps = Embeddings::extract_maps(extractor, train, left_out, || bar.step())?;
    // Before the test samples, since some may have lost their class.
    let dropped = data.drop_untaught(&args.data, "images");
    maps.relabel(&data.train);
    let Dataset { val, left_out, .. } = &mut *data;
    let tested = Embeddings::extract_maps(extractor, val, left_out, || bar.step());
    bar.finish();
    tell(&args.data, &data.left_out);
    dropped?;
    Ok((maps, tested?))
}

/// Returns the map at an index among those that were read.
fn map(all: &Embeddings, index: usize) -> Vec<i8> {
    all.get(index).iter().map(|code| code as i8).collect()
}

/// Collects the samples, the classes in turn: the order counts.
fn maps(
    extractor: &mut Extractor,
    data: &Dataset,
    train: &Embeddings,
) -> Result<Maps, CommandError> {
    let classes = u16::try_from(data.classes.len()).unwrap_or(u16::MAX);
    let mut maps = Maps::new(extractor, classes)?;
    for index in 0..train.len() {
        maps.add(train.labels[index], &map(train, index))?;
    }
    Ok(maps)
}

/// Accuracy on the test set of a head that is taught all samples.
fn accuracy(
    extractor: &mut Extractor,
    data: &Dataset,
    maps: &Maps,
    val: &Embeddings,
) -> Result<f64, CommandError> {
    let room = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let limits = Limits { classes: room(data.classes.len()), samples: room(maps.len()) };
    let mut head = Head::new(HEAD, extractor, limits)?;
    let ids: Result<Vec<_>, _> = data.classes.iter().map(|name| head.add_class(name)).collect();
    let ids = ids?;
    for (class, map) in maps.iter() {
        head.add_sample(ids[class], extractor.embed_map(map)?)?;
    }
    head.set_false_rejection_rate(0.0)?;
    head.fit()?;
    let mut right = 0;
    for (index, &label) in val.labels.iter().enumerate() {
        let answer = head.classify(extractor.embed_map(&map(val, index))?)?;
        right += usize::from(answer.class() == ids[label]);
    }
    Ok(right as f64 / val.len().max(1) as f64)
}
