//! `offshoot eval`.

use std::path::Path;

use offshoot::{Extractor, HeadKind};

use super::find;
use super::shared::{
    Embedded, check_classes, check_count, check_no_cells, embed_data, png, write_file,
};
use crate::args::EvalArgs;
use crate::draw::confusion::{Matrix, draw};
use crate::error::CommandError;
use crate::learn::embeddings::Embeddings;
use crate::learn::few_shot::{FewShot, Protocol, few_shot};

/// Default number of training samples per class if there is no test set.
pub(super) const DEFAULT_SHOTS: usize = 5;

pub(super) fn run(args: &EvalArgs) -> Result<(), CommandError> {
    let extractor = args.tail.open(args.run, &args.package)?;
    if extractor.cells_layout().is_some() {
        return find::eval(args, extractor);
    }
    check_no_cells(&args.package, &[(args.templates.is_some(), "--templates")])?;
    classify(args, extractor)
}

/// Measures heads that classify.
fn classify(args: &EvalArgs, extractor: Extractor) -> Result<(), CommandError> {
    let Embedded { data, extractor, train, val, kind } =
        embed_data(extractor, &args.data, &args.selection.selection(), &[])?;
    check_classes(&args.data, &data.classes)?;
    let shots = args.shots.or(val.is_empty().then_some(DEFAULT_SHOTS));
    check(&args.data, &data.classes, &train, !val.is_empty(), shots, "lower --shots")?;
    let kinds: Vec<HeadKind> = args.head.map_or_else(|| HeadKind::ALL.to_vec(), |kind| vec![kind]);
    let tested =
        if val.is_empty() { "the rest".to_string() } else { format!("{} others", val.len()) };
    let learned = match shots {
        Some(1) => {
            format!("1 {} a class, mean of {} draws", kind.trim_end_matches('s'), args.draws)
        }
        Some(n) => format!("{n} {kind} a class, mean of {} draws", args.draws),
        None => format!("all {} {kind}", train.len()),
    };
    println!(
        "{}: {} classes; trained on {learned}; tested on {tested}",
        args.data.display(),
        data.classes.len()
    );
    let drawn = args.head.unwrap_or(HeadKind::Auto);
    for kind in kinds {
        let draws = if shots.is_some() { args.draws.get() } else { 1 };
        let protocol =
            Protocol { kind, shots: shots.unwrap_or(usize::MAX), draws, seed: args.seed };
        let FewShot { scores, confusion, .. } =
            few_shot(&protocol, &extractor, &data.classes, &train, &val)?;
        let count = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / count;
        let spread = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>()
            / (count - 1.0).max(1.0))
        .sqrt();
        // Half width of the 95 % confidence interval of the mean over the draws.
        let half = 1.96 * spread / count.sqrt();
        let interval = if scores.len() > 1 {
            format!("  +- {spread:.3}, 95 % of means within {half:.3}")
        } else {
            String::new()
        };
        println!("  {:<8} {mean:.3}{interval}", kind.name());
        if let Some(path) = args.confusion.as_ref().filter(|_| kind == drawn) {
            let matrix = Matrix {
                title: &format!("{:.1} of 100 right", 100.0 * mean),
                below: &format!("head {kind}, trained on {learned}"),
                classes: &data.classes,
                counts: &confusion,
            };
            write_file(path, &png(&draw(&matrix), path)?)?;
            println!(
                "  {}: rows are true classes, columns the predictions of {kind}",
                path.display()
            );
        }
    }
    Ok(())
}

/// Checks that every class has its training samples, and one more if there is no separate test set.
pub(super) fn check(
    folder: &Path,
    classes: &[String],
    train: &Embeddings,
    has_rest: bool,
    shots: Option<usize>,
    hint: &str,
) -> Result<(), CommandError> {
    check_count(shots, "--shots", folder)?;
    let Some(shots) = shots else { return Ok(()) };
    let need = shots.saturating_add(usize::from(!has_rest));
    for (class, name) in classes.iter().enumerate() {
        let have = train.labels.iter().filter(|&&l| l == class).count();
        if have < need {
            let what = format!("class `{name}` has {have} samples, {need} required; {hint}");
            return Err(CommandError::TooFew { path: folder.to_path_buf(), what });
        }
    }
    Ok(())
}
