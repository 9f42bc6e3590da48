//! `offshoot eval`.

use offshoot::HeadKind;

use super::{CommandError, Embedded, embed_data};
use crate::args::EvalArgs;
use crate::data::Dataset;
use crate::embeddings::Embeddings;
use crate::teach::{Lesson, few_shot};

/// Shots where nobody says and there is nothing to test on.
const DEFAULT_SHOTS: usize = 5;

pub(super) fn run(args: &EvalArgs) -> Result<(), CommandError> {
    let Embedded { data, extractor, train, val } = embed_data(&args.run, &args.package, &args.data)?;
    let shots = args.shots.or(val.is_empty().then_some(DEFAULT_SHOTS));
    check(args, &data, &train, &val, shots)?;
    let kinds: Vec<HeadKind> = args.head.map_or_else(|| HeadKind::ALL.to_vec(), |kind| vec![kind]);
    let tested = if val.is_empty() { "the rest".to_string() } else { format!("{} others", val.len()) };
    let learned = match shots {
        Some(n) => format!("{n} pictures a class, mean of {} draws", args.draws.max(1)),
        None => format!("all {} pictures", train.len()),
    };
    println!(
        "{}: {} classes; learned from {learned}; tested on {tested}",
        args.data.display(),
        data.classes.len()
    );
    for kind in kinds {
        let draws = if shots.is_some() { args.draws.max(1) } else { 1 };
        let lesson = Lesson { kind, shots: shots.unwrap_or(usize::MAX), draws, seed: args.seed };
        let scores = few_shot(&lesson, &extractor, &data.classes, &train, &val)?;
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let spread = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / scores.len() as f64).sqrt();
        let spread = if scores.len() > 1 { format!("  +- {spread:.3}") } else { String::new() };
        println!("  {kind:<14} {mean:.3}{spread}");
    }
    Ok(())
}

/// Every class needs its shots, and something to test on.
fn check(
    args: &EvalArgs,
    data: &Dataset,
    train: &Embeddings,
    val: &Embeddings,
    shots: Option<usize>,
) -> Result<(), CommandError> {
    let Some(shots) = shots else { return Ok(()) };
    let too_few = |what| Err(CommandError::TooFew { path: args.data.clone(), what });
    if shots == 0 {
        return too_few("--shots must be at least 1".to_string());
    }
    for (class, name) in data.classes.iter().enumerate() {
        let have = train.labels.iter().filter(|&&l| l == class).count();
        let need = shots + usize::from(val.is_empty());
        if have < need {
            return too_few(format!("class `{name}` has {have} pictures, {need} are needed; lower --shots"));
        }
    }
    Ok(())
}
