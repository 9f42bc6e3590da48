//! `offshoot cuts`.

use std::io;
use std::path::Path;

use offshoot::{HeadKind, Options as RunOptions};
use offshoot_convert::calibrate::tokenizer::Tokenizer;
use offshoot_convert::import::Source;
use offshoot_convert::pipeline::Options;
use offshoot_convert::pipeline::job::{ConvertJob, Samples};
use offshoot_convert::preprocess::preset::PreprocessOverrides;
use offshoot_convert::report::{bytes, millions};
use offshoot_dataset::{DataError, Dataset, Format, LeftOut, Sample, Selection, texts, unlabelled};
use serde_json::{Value, json};

use super::eval::{DEFAULT_SHOTS, check};
use super::progress::Progress;
use super::retype::command;
use super::shared::{check_classes, check_kind, decoded, has_ending, open_data, png, write_file};
use crate::args::{ConvertArgs, CutsArgs};
use crate::draw::cut_chart::Drawing;
use crate::error::CommandError;
use crate::learn::embeddings::Embeddings;
use crate::learn::few_shot::Protocol;
use crate::measure::compare_cuts::{Budget, Compared, Comparison, Row, choose, frontier};

pub(super) fn run(args: &CutsArgs) -> Result<(), CommandError> {
    args.output.as_deref().map(is_svg).transpose()?;
    let source = Source::open(&args.model)?.with_external_data(args.backbone.external_data)?;
    check_kind(&args.model, source.takes_text(), args.of_other_kind(source.takes_text()))?;
    let data = open_data(&args.data, &args.selection.selection())?;
    check_classes(&args.data, &data.classes)?;
    check_shots(&args.data, &data, args.shots)?;
    let mut left_out = LeftOut::new(args.selection.care.into());
    let options = Options {
        pool: args.backbone.pool,
        float: args.backbone.float(),
        size: args.backbone.input_size,
        tokens: args.backbone.tokens.map(usize::from),
        overrides: PreprocessOverrides {
            preset: args.backbone.preset,
            ..PreprocessOverrides::default()
        },
        ..Options::default()
    };
    if source.takes_text() {
        let tokenizer = Tokenizer::of(&args.model, args.backbone.tokenizer.as_deref())?;
        let texts = calibration(args, &data, &mut left_out, texts)?
            .iter()
            .map(Sample::text)
            .collect::<Result<Vec<_>, _>>()?;
        options.check_text(&args.model)?;
        let samples = Samples::Texts(&texts, &tokenizer);
        return compare(args, &source, &data, ConvertJob { samples, options });
    }
    let images = calibration(args, &data, &mut left_out, unlabelled)?;
    let images = decoded(args.calibrate.as_ref().unwrap_or(&args.data), &images, &mut left_out)?;
    compare(args, &source, &data, ConvertJob { samples: Samples::Images(&images), options })
}

fn compare(
    args: &CutsArgs,
    source: &Source,
    data: &Dataset,
    job: ConvertJob<'_>,
) -> Result<(), CommandError> {
    let shots = args.shots;
    let draws = args.draws.max(1);
    let protocol = Protocol { kind: args.head, shots, draws, seed: args.seed };
    let run = args.run.options();
    let compared = observed(&Comparison { source, data, job, protocol, most: args.most, run })?;
    let budget = args.budget.budget();
    let chosen = choose(&compared.rows, &budget);
    let command = chosen.map(|i| command(args, &compared, i));
    if let Some(path) = &args.output {
        let title = format!("{}, cut at {} places", source.file_name(), compared.rows.len());
        let below = learned(args, data);
        let rows = &compared.rows[..];
        draw(path, &Drawing { title: &title, below: &below, rows, chosen, budget })?;
    }
    if args.json {
        println!("{:#}", as_json(args, &compared, chosen, command.as_deref()));
    } else {
        print(args, data, &compared, chosen);
    }
    let Some(command) = command else { return Err(too_dear(&args.model, &budget, &compared.rows)) };
    if !args.json {
        println!("\n  {command}");
    }
    Ok(())
}

/// Returns true for an .svg and false for a .png, by the file name.
fn is_svg(path: &Path) -> Result<bool, CommandError> {
    let is_svg = has_ending(path, "svg");
    if is_svg || has_ending(path, "png") {
        return Ok(is_svg);
    }
    Err(CommandError::Form { path: path.to_path_buf(), what: "-o must end in .svg or .png" })
}

fn draw(path: &Path, drawing: &Drawing<'_>) -> Result<(), CommandError> {
    if is_svg(path)? {
        let svg = drawing.svg();
        let svg = svg.map_err(|what| CommandError::write(path, io::Error::other(what)))?;
        return write_file(path, svg.as_bytes());
    }
    let pixels = drawing.pixels();
    let pixels = pixels.map_err(|what| CommandError::write(path, io::Error::other(what)))?;
    write_file(path, &png(&pixels, path)?)
}

fn observed(comparison: &Comparison<'_>) -> Result<Compared, CommandError> {
    let mut bar = Progress::new(100, "import");
    let compared = comparison.run(&mut bar);
    bar.finish();
    compared
}

/// Calibration samples and cut points of a comparison in `convert`.
const FEW: usize = 32;
const MOST: usize = 12;

/// Returns the job with the best cut within the budget of `convert`, if a budget is given.
pub(super) fn within_budget<'a>(
    args: &ConvertArgs,
    source: &Source,
    mut job: ConvertJob<'a>,
) -> Result<ConvertJob<'a>, CommandError> {
    let Some(budget) = args.budget.budget() else { return Ok(job) };
    let Some(folder) = &args.eval else { return Ok(job) };
    let data = open_data(folder, &Selection { care: args.care.into(), ..Selection::default() })?;
    check_classes(folder, &data.classes)?;
    check_shots(folder, &data, DEFAULT_SHOTS)?;
    let compared = observed(&Comparison {
        source,
        data: &data,
        job: job.clone().few(FEW).quick(),
        protocol: Protocol { kind: HeadKind::Auto, shots: DEFAULT_SHOTS, draws: 20, seed: 0 },
        most: MOST,
        run: RunOptions::new(),
    })?;
    let chosen = choose(&compared.rows, &budget);
    let chosen = chosen.ok_or_else(|| too_dear(&args.model, &budget, &compared.rows))?;
    let row = &compared.rows[chosen];
    if !args.json {
        let ms = row.ms();
        let accuracy = row.accuracy();
        println!(
            "within the budget: {}, {ms:.2} ms, {accuracy:.3} of {}",
            row.cut,
            folder.display()
        );
    }
    job.options.overrides = compared.overrides;
    Ok(if row.automatic { job } else { job.cut_at(&row.cut) })
}

fn check_shots(folder: &Path, data: &Dataset, shots: usize) -> Result<(), CommandError> {
    let labels = data.train.iter().map(|s| s.class).collect();
    let train = Embeddings { labels, ..Embeddings::default() };
    check(
        folder,
        &data.classes,
        &train,
        !data.val.is_empty(),
        Some(shots),
        "lower --shots, or add some",
    )
}

/// Selects the calibration samples: those of `--calibrate`, else training samples evenly over all
/// classes.
fn calibration(
    args: &CutsArgs,
    data: &Dataset,
    left_out: &mut LeftOut,
    read: impl Fn(&Path, Option<Format>, usize, &mut LeftOut) -> Result<Vec<Sample>, DataError>,
) -> Result<Vec<Sample>, DataError> {
    let most = args.calibrate_limit.max(1);
    if let Some(folder) = &args.calibrate {
        return read(folder, None, most, left_out);
    }
    let step = data.train.len().div_ceil(most).max(1);
    Ok(data.train.iter().step_by(step).cloned().collect())
}

fn learned(args: &CutsArgs, data: &Dataset) -> String {
    format!(
        "{}: {} classes, {} of each learned, mean of {} draws",
        args.data.display(),
        data.classes.len(),
        args.shots,
        args.draws.max(1)
    )
}

fn print(args: &CutsArgs, data: &Dataset, compared: &Compared, chosen: Option<usize>) {
    println!("{}", args.model.display());
    println!("  {}\n", learned(args, data));
    println!(
        "    {:>3}  {:>13} {:>6} {:>9} {:>10} {:>10} {:>8}  {:<15} cut",
        "", "map", "values", "MACs", "package", "arena", "ms", "accuracy"
    );
    let best = frontier(&compared.rows);
    for (i, row) in compared.rows.iter().enumerate() {
        let mark = if chosen == Some(i) { "->" } else { "" };
        let on = if best.contains(&i) { "*" } else { "" };
        let map = row.map.map(|m| m.to_string()).unwrap_or_default();
        let arena = row.arena.map_or("-".to_string(), |a| a.to_string());
        let accuracy = format!("{:.3} +- {:.3}", row.accuracy(), row.half_width());
        println!(
            "  {mark:>2} {:>2}{on:1} {map:>13} {:>6} {:>9} {:>10} {arena:>10} {:>8.2}  {accuracy:<15} {}{}",
            i + 1,
            row.dim,
            millions(row.macs),
            row.package,
            row.ms(),
            row.cut,
            if row.automatic { "  (convert's own)" } else { "" }
        );
    }
    println!(
        "\n  * no other is both faster and more accurate; -> the most accurate within the budget"
    );
    for unsure in &compared.unsure {
        println!("  unsure of convert's own cut: {unsure}");
    }
    for (cut, why) in &compared.failed {
        println!("  left out: {cut}: {}", why.lines().next().unwrap_or_default());
    }
}

fn as_json(
    args: &CutsArgs,
    compared: &Compared,
    chosen: Option<usize>,
    command: Option<&str>,
) -> Value {
    let failed = compared.failed.iter();
    let left_out: Vec<Value> = failed.map(|(cut, why)| json!({ "cut": cut, "why": why })).collect();
    json!({
        "model": args.model.display().to_string(),
        "data": args.data.display().to_string(),
        "shots": args.shots,
        "draws": args.draws.max(1),
        "head": args.head.name(),
        "budget_ms": args.budget.budget_ms,
        "budget_ram": args.budget.budget_ram,
        "cuts": compared.rows.iter().map(row_json).collect::<Vec<_>>(),
        "unsure": compared.unsure,
        "left_out": left_out,
        "frontier": frontier(&compared.rows),
        "chosen": chosen,
        "command": command,
    })
}

fn row_json(row: &Row) -> Value {
    json!({
        "cut": row.cut,
        "automatic": row.automatic,
        "map": row.map.map(|m| [m.h(), m.w(), m.c()]),
        "values": row.dim,
        "macs": row.macs,
        "package": row.package,
        "arena": row.arena,
        "ram": row.ram,
        "ms": row.ms(),
        "ms_p90": offshoot_convert::report::ms(row.time.p90),
        "cosine": row.cosine,
        "accuracy": row.accuracy(),
        "half_width": row.half_width(),
        "scores": row.scores,
    })
}

fn too_dear(model: &Path, budget: &Budget, rows: &[Row]) -> CommandError {
    let Budget { ms, ram } = budget;
    let fastest = rows.iter().min_by(|a, b| a.ms().total_cmp(&b.ms()));
    let smallest = rows.iter().filter_map(|row| Some((row.ram?, row))).min_by_key(|(ram, _)| *ram);
    let fastest = fastest.filter(|_| ms.is_some());
    let fastest =
        fastest.map(|row| format!("the fastest, `{}`, takes {:.2} ms", row.cut, row.ms()));
    let smallest = smallest.filter(|_| ram.is_some());
    let smallest =
        smallest.map(|(ram, row)| format!("the smallest, `{}`, takes {}", row.cut, bytes(ram)));
    let what: Vec<String> = fastest.into_iter().chain(smallest).collect();
    CommandError::Budget { path: model.to_path_buf(), what: what.join("; ") }
}
