//! `offshoot convert`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use offshoot::Image;
use offshoot_convert::calibrate::tokenizer::Tokenizer;
use offshoot_convert::emit::prepack::{PackingError, pack};
use offshoot_convert::import::Source;
use offshoot_convert::pipeline::job::{ConvertJob, Samples};
use offshoot_convert::pipeline::{CellsOption, ConvertError, Converted, Options, Recording};
use offshoot_convert::preprocess::catalog::Catalog;
use offshoot_convert::preprocess::preset::PreprocessOverrides;
use offshoot_convert::report::verdict::Grade;
use offshoot_convert::report::{Report, bytes};
use offshoot_core::sound::Design;
use offshoot_dataset::{
    DataError, LeftOut, Sample, Selection, has_signals, signals, sounds, unlabelled,
};

use super::progress::Progress;
use super::retype::again;
use super::shared::{check_kind, decoded, tell as tell_left_out, write_file};
use super::{accuracy_gate, cuts};
use crate::args::{ConvertArgs, Numbers};
use crate::detection::sizing::{Proposal, propose};
use crate::draw::report_html::evidence::Evidence;
use crate::draw::report_html::{self, Page};
use crate::draw::report_json;
use crate::error::CommandError;

pub(super) fn run(args: &ConvertArgs) -> Result<(), CommandError> {
    let start = Instant::now();
    if args.target.is_some() && args.backbone.float() {
        return Err(PackingError::Float.into());
    }
    let source = Source::open(&args.model)?.with_external_data(args.backbone.external_data)?;
    if !source.takes_text() && has_signals(&args.calibrate) {
        return of_signals(args, start, source);
    }
    check_kind(&args.model, source.takes_text(), args.of_other_kind(source.takes_text()))?;
    check_triples(args)?;
    if source.takes_text() {
        let options = options(args);
        options.check_text(&args.model)?;
        let (tokenizer, texts) = texts(args)?;
        let samples = Samples::Texts(&texts, &tokenizer);
        return go(args, start, &source, ConvertJob { samples, options });
    }
    if let Some(design) = front_end(args, &source) {
        let clips = clips(args, design.rate)?;
        let samples = Samples::Sounds(&clips, &design);
        return go(args, start, &source, ConvertJob { samples, options: options(args) });
    }
    let images = load(args)?;
    let samples = Samples::Images(&images);
    let options = Options { size: size(args)?, ..options(args) };
    go(args, start, &source, ConvertJob { samples, options })
}

/// Returns the input size: as asked, or proposed by the boxes of objects.
fn size(args: &ConvertArgs) -> Result<Option<(u32, u32)>, CommandError> {
    let asked = args.backbone.input_size;
    let Some(data) = args.boxes.as_ref().filter(|_| asked.is_none()) else { return Ok(asked) };
    let Proposal { size, cells } = propose(data, &Selection::default())?;
    if !args.json {
        println!(
            "{}: --input-size {}x{} is proposed: the median object is {:.1} to {:.1} cells wide, by class",
            data.display(),
            size.1,
            size.0,
            cells[0],
            cells[1]
        );
    }
    Ok(Some(size))
}

/// Converts a network for signals.
fn of_signals(args: &ConvertArgs, start: Instant, mut source: Source) -> Result<(), CommandError> {
    if let Some(option) = args.of_no_signal() {
        let path = args.model.clone();
        return Err(CommandError::OtherKind { path, takes: "signals", option });
    }
    let mut left_out = LeftOut::new(args.care.into());
    let files = signals(&args.calibrate, args.calibrate_limit, &mut left_out)?;
    let mut arrays = Vec::new();
    for file in &files {
        match file.array() {
            Ok(array) => arrays.push((file.name(), array)),
            Err(fault) => left_out.pass(fault)?,
        }
    }
    left_out.check_some(&args.calibrate, arrays.len(), "signals")?;
    let window = args.sensor.window.map(usize::from);
    let channels = source.take_signals(&arrays[0].1.dims, window)?;
    let mut recordings = Vec::new();
    for (name, array) in arrays {
        match array.of_channels(channels) {
            Some(samples) => recordings.push(Recording { channels, samples }),
            None => left_out.pass(DataError::Channels { name, dims: array.dims, channels })?,
        }
    }
    tell_left_out(&args.calibrate, &left_out);
    left_out.check_some(&args.calibrate, recordings.len(), "signals")?;
    let sensor = args.sensor.options(args.mean.as_ref(), args.std.as_ref(), &source);
    let samples = Samples::Signals(&recordings, &sensor);
    go(args, start, &source, ConvertJob { samples, options: options(args) })
}

/// Rejects lists that are not those of an image's channels.
fn check_triples(args: &ConvertArgs) -> Result<(), CommandError> {
    for (option, numbers) in [("--mean", &args.mean), ("--std", &args.std)] {
        if let Some(have) = numbers.as_ref().filter(|n| n.triple().is_none()).map(|n| n.0.len()) {
            return Err(ConvertError::Channels { option, have, need: 3 }.into());
        }
    }
    Ok(())
}

fn options(args: &ConvertArgs) -> Options {
    Options {
        cuts: args.cut.clone(),
        parts: args.parts(),
        cells: match args.neighbours {
            _ if !args.cells => CellsOption::None,
            None => CellsOption::Auto,
            Some(own) => CellsOption::With(own),
        },
        pool: args.backbone.pool,
        float: args.backbone.float(),
        size: args.backbone.input_size,
        tokens: args.backbone.tokens.map(usize::from),
        overrides: PreprocessOverrides {
            preset: args.backbone.preset,
            mean: args.mean.as_ref().and_then(Numbers::triple),
            std: args.std.as_ref().and_then(Numbers::triple),
            bgr: args.bgr,
            squash: args.squash,
            settled: false,
        },
        // Alternatives are measured only if a report is requested.
        quantizer: args.quantizer.settings(args.report.is_some() || args.json),
        requantize: args.quantizer.requantize,
        unit_length: args.l2,
        statistics: true,
    }
}

fn go(
    args: &ConvertArgs,
    start: Instant,
    source: &Source,
    job: ConvertJob<'_>,
) -> Result<(), CommandError> {
    let job = cuts::within_budget(args, source, job)?;
    let mut bar = Progress::new(100, "import");
    let converted = job.convert(source, &mut bar);
    bar.finish();
    let mut converted = converted?;
    let gate = accuracy_gate::run(args, source, &job, &converted)?;
    let evidence = gate.as_ref().and_then(|gate| gate.evidence.clone());
    converted.report.task = gate.map(|gate| gate.task);
    check_worth(args, &converted.report)?;
    finish(args, start, &converted, evidence.as_ref())
}

/// Rejects a package whose embeddings are too far from the float network, unless `--max-drop`
/// allows it.
fn check_worth(args: &ConvertArgs, report: &Report) -> Result<(), CommandError> {
    if report.grade() > Grade::Unusable || args.max_drop.is_some() {
        return Ok(());
    }
    let path = args.model.clone();
    let mean = report.cosine_mean;
    let worst = report.cosine_min;
    Err(CommandError::Unusable { path, mean, worst })
}

/// Loads the tokenizer and the calibration texts of a language backbone.
fn texts(args: &ConvertArgs) -> Result<(Tokenizer, Vec<String>), CommandError> {
    let tokenizer = Tokenizer::of(&args.model, args.backbone.tokenizer.as_deref())?;
    let mut left_out = LeftOut::new(args.care.into());
    let texts =
        offshoot_dataset::texts(&args.calibrate, args.format, args.calibrate_limit, &mut left_out)?;
    Ok((tokenizer, texts.iter().map(Sample::text).collect::<Result<_, _>>()?))
}

/// Writes the package and prints the summary.
fn finish(
    args: &ConvertArgs,
    start: Instant,
    converted: &Converted,
    evidence: Option<&Evidence>,
) -> Result<(), CommandError> {
    let output = args.output.clone().unwrap_or_else(|| default_output(&args.model));
    write_file(&output, &converted.bytes)?;
    if let Some(path) = &args.report {
        let title = &args.model.file_name().unwrap_or_default().to_string_lossy();
        let command = &again(args);
        let page = report_html::page(&Page { report: &converted.report, title, command, evidence });
        write_file(path, page.as_bytes())?;
    }
    tell(args, &output, &converted.report, start);
    if let Some(target) = &args.target {
        let packed = pack(&converted.bytes, target)?;
        write_file(&output, &packed)?;
        if !args.json {
            let name = target.name();
            let all = bytes(packed.len());
            println!("  prepacked for {name}, {all} in total; opening there copies nothing");
        }
    }
    Ok(())
}

/// Prints the report, as a table or as JSON.
fn tell(args: &ConvertArgs, output: &Path, report: &Report, start: Instant) {
    if args.json {
        println!("{:#}", report_json::value(report, &again(args)));
        return;
    }
    println!(
        "{} -> {} in {:.1} s",
        args.model.display(),
        output.display(),
        start.elapsed().as_secs_f64()
    );
    println!("{report}");
    if let Some(path) = &args.report {
        println!("  report         {}", path.display());
    }
}

/// Returns the front end of a network for sound: as asked, or that of the catalogue or the model.
fn front_end(args: &ConvertArgs, source: &Source) -> Option<Design> {
    let catalog = Catalog::built_in();
    let known = catalog.by_digest(&source.sha256).and_then(|recipe| recipe.sound.as_deref());
    let stated = || source.metadata("offshoot.sound");
    args.sound.or_else(|| Design::named(known.or_else(stated)?))
}

/// Reads the calibration clips at a sampling rate.
fn clips(args: &ConvertArgs, rate: u32) -> Result<Vec<Vec<i16>>, DataError> {
    let mut left_out = LeftOut::new(args.care.into());
    let files = sounds(&args.calibrate, args.calibrate_limit, &mut left_out)?;
    let mut clips = Vec::new();
    for file in &files {
        match file.sound(rate) {
            Ok(clip) => clips.push(clip),
            Err(fault) => left_out.pass(fault)?,
        }
    }
    tell_left_out(&args.calibrate, &left_out);
    left_out.check_some(&args.calibrate, clips.len(), "sounds")?;
    Ok(clips)
}

/// Loads and decodes the calibration images.
fn load(args: &ConvertArgs) -> Result<Vec<Image>, DataError> {
    let mut left_out = LeftOut::new(args.care.into());
    let files = unlabelled(&args.calibrate, args.format, args.calibrate_limit, &mut left_out)?;
    decoded(&args.calibrate, &files, &mut left_out)
}

fn default_output(model: &Path) -> PathBuf {
    let mut name = model.file_stem().unwrap_or_default().to_os_string();
    name.push(".offshoot");
    PathBuf::from(name)
}
