//! `offshoot eval --parts PACKAGE --tuned`: frozen, parts and tuned, side by side.

use offshoot::{Extractor, HeadKind};
use offshoot_dataset::Dataset;

use super::eval::{DEFAULT_SHOTS, check};
use super::progress::Progress;
use super::shared::{Embedded, check_classes, embed_data, tell};
use crate::args::EvalArgs;
use crate::error::CommandError;
use crate::learn::embeddings::Embeddings;
use crate::learn::few_shot::Protocol;
use crate::learn::side_by_side::{Draw, Row, draws, measure, tuned};

pub(super) fn run(args: &EvalArgs) -> Result<(), CommandError> {
    let extractor = args.run.open(&args.package)?;
    let selection = args.selection.selection();
    let Embedded { data, extractor, train, val, .. } =
        embed_data(extractor, &args.data, &selection, &[])?;
    check_classes(&args.data, &data.classes)?;
    let shots = args.shots.or(val.is_empty().then_some(DEFAULT_SHOTS));
    check(&args.data, &data.classes, &train, !val.is_empty(), shots, "lower --shots")?;
    let kind = args.head.unwrap_or(HeadKind::Auto);
    let number = if shots.is_some() { args.draws.get() } else { 1 };
    let shots = shots.unwrap_or(usize::MAX);
    let protocol = Protocol { kind, shots, draws: number, seed: args.seed };
    let draws = draws(&protocol, &train.labels, data.classes.len(), val.len());
    println!(
        "{}: {} classes, head {kind}, mean of {} draws; gain over frozen on the same draws",
        args.data.display(),
        data.classes.len(),
        draws.len()
    );
    let tests = if val.is_empty() { &train } else { &val };
    let frozen = measure(kind, &extractor, &data.classes, [&train, tests], &draws)?;
    show("frozen", &frozen, None, "");
    if let Some(package) = &args.parts {
        let other = args.run.open(package)?;
        let Embedded { extractor, train, val, .. } =
            embed_data(other, &args.data, &selection, &[])?;
        let tests = if val.is_empty() { &train } else { &val };
        let parts = measure(kind, &extractor, &data.classes, [&train, tests], &draws)?;
        show("parts", &parts, Some(&frozen), &format!("  {}", package.display()));
    }
    if args.tuned {
        tune(args, kind, extractor, &draws, &frozen)?;
    }
    Ok(())
}

/// Tunes the package anew on the samples of every draw.
fn tune(
    args: &EvalArgs,
    kind: HeadKind,
    mut extractor: Extractor,
    draws: &[Draw],
    frozen: &Row,
) -> Result<(), CommandError> {
    let untunable = |source| CommandError::Untunable { path: args.package.clone(), source };
    extractor.keep_maps().map_err(untunable)?;
    let mut data = Dataset::open_as(&args.data, &args.selection.selection())?;
    let bar = Progress::new(data.train.len() + data.val.len(), "maps");
    let Dataset { train, left_out, .. } = &mut data;
    let mut maps = Embeddings::extract_maps(&mut extractor, train, left_out, || bar.step())?;
    let dropped = data.drop_untaught(&args.data, "images");
    maps.relabel(&data.train);
    let Dataset { val, left_out, .. } = &mut data;
    let tested = Embeddings::extract_maps(&mut extractor, val, left_out, || bar.step())?;
    bar.finish();
    tell(&args.data, &data.left_out);
    dropped?;
    let tests = if tested.is_empty() { &maps } else { &tested };
    let bar = Progress::new(draws.len(), "tune");
    let all = [&maps, tests];
    let (row, kept) =
        tuned(kind, &mut extractor, &data.classes, all, draws, frozen, || bar.step())?;
    bar.finish();
    show("tuned", &row, Some(frozen), &format!("  kept in {kept} of {}", draws.len()));
    Ok(())
}

fn show(name: &str, row: &Row, over: Option<&Row>, note: &str) {
    let (mean, half) = row.mean();
    let within = |half: f64| {
        if row.scores.len() > 1 { format!(" +- {half:.3}") } else { String::new() }
    };
    let gain = over.map_or(String::new(), |over| {
        let (gain, half) = row.gain(over);
        format!("  gain {gain:+.3}{}", within(half))
    });
    println!("  {name:<8} {mean:.3}{}{gain}{note}", within(half));
}
