//! `offshoot convert`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use offshoot::Picture;
use offshoot_core::tokens::Pooling;

use super::{CommandError, check_kind, cuts, gate, progress_bar, quoted, write_file};
use crate::args::{BackboneArgs, ConvertArgs};
use crate::convert::{Converted, Options};
use crate::convert_text::TextOptions;
use crate::data::{self, DataError, LeftOut, Opener, Sample, unlabelled};
use crate::embedding::Pool;
use crate::import::{ImportError, Source};
use crate::material::Material;
use crate::packing::{PackingError, pack};
use crate::preset::Wishes;
use crate::quantizer::Settings;
use crate::report::verdict::Grade;
use crate::report::{Report, bytes, html, json};
use crate::tokenizer::Tokenizer;

pub(super) fn run(args: &ConvertArgs) -> Result<(), CommandError> {
    let start = Instant::now();
    if args.target.is_some() && args.backbone.float() {
        return Err(PackingError::Float.into());
    }
    let source = Source::open(&args.model)?.with_external_data(args.backbone.external_data)?;
    check_kind(&args.model, source.takes_text(), args.of_other_kind(source.takes_text()))?;
    if source.takes_text() {
        let options = text_options(args)?;
        let (tokenizer, texts) = texts(args)?;
        return go(args, start, &source, Material::Texts(&texts, &tokenizer, options));
    }
    let pictures = load(args)?;
    let options = Options {
        cuts: args.cut.clone(),
        pool: args.backbone.pool,
        float: args.backbone.float(),
        size: args.backbone.input_size,
        wishes: Wishes {
            preset: args.backbone.preset,
            mean: args.mean,
            std: args.std,
            bgr: args.bgr,
            squash: args.squash,
            settled: false,
        },
        quantizer: settings(args),
        unit_length: args.l2,
    };
    go(args, start, &source, Material::Pictures(&pictures, options))
}

fn go(
    args: &ConvertArgs,
    start: Instant,
    source: &Source,
    material: Material<'_>,
) -> Result<(), CommandError> {
    let material = cuts::within_budget(args, source, material)?;
    let mut converted = with_bar(|progress| material.convert(source, progress))?;
    converted.report.task = gate::run(args, source, &material, &converted)?;
    check_worth(args, &converted.report)?;
    finish(args, start, &converted)
}

/// Refuses what is another network than the model, unless a task has judged it.
fn check_worth(args: &ConvertArgs, report: &Report) -> Result<(), CommandError> {
    if report.grade() > Grade::Unusable || args.max_drop.is_some() {
        return Ok(());
    }
    let (path, mean, worst) = (args.model.clone(), report.cosine_mean, report.cosine_min);
    Err(CommandError::Unusable { path, mean, worst })
}

/// Shows how far a conversion is.
fn with_bar<T>(work: impl FnOnce(&mut dyn FnMut(&str, f32)) -> T) -> T {
    let bar = progress_bar(100, "import");
    let done = work(&mut |stage, done| {
        bar.set_message(stage.to_string());
        bar.set_position((100.0 * done) as u64);
    });
    bar.finish_and_clear();
    done
}

/// What a language backbone is calibrated on.
fn texts(args: &ConvertArgs) -> Result<(Tokenizer, Vec<String>), CommandError> {
    let tokenizer =
        Tokenizer::of(&args.model, args.backbone.tokenizer.as_deref()).map_err(DataError::from)?;
    let mut left_out = LeftOut::new(args.care);
    let texts = data::texts(&args.calibrate, args.format, args.calibrate_limit, &mut left_out)?;
    Ok((tokenizer, texts.iter().map(Sample::text).collect::<Result<_, _>>()?))
}

fn text_options(args: &ConvertArgs) -> Result<TextOptions, CommandError> {
    let path = || args.model.clone();
    let cut = match &args.cut[..] {
        [] => None,
        [one] => Some(one.clone()),
        _ => return Err(ImportError::SeveralCuts { path: path() }.into()),
    };
    let float = args.backbone.float();
    let pooling = pooling(&args.model, args.backbone.pool)?;
    let length = args.backbone.tokens.map(usize::from);
    let (quantizer, unit_length) = (settings(args), args.l2);
    Ok(TextOptions { cut, pooling, float, length, unit_length, quantizer })
}

/// Other ways are measured for whoever looks at the report.
fn settings(args: &ConvertArgs) -> Settings {
    args.quantizer.settings(args.report.is_some() || args.json)
}

/// What `--pool` is of a text's tokens.
pub(super) fn pooling(model: &Path, pool: Pool) -> Result<Pooling, ImportError> {
    let (path, instead) = (model.to_path_buf(), "avg, first and last");
    pool.of_tokens().ok_or(ImportError::Pool { path, of: "a picture's map", instead })
}

/// Writes the package and says what there is to say.
fn finish(args: &ConvertArgs, start: Instant, converted: &Converted) -> Result<(), CommandError> {
    let output = args.output.clone().unwrap_or_else(|| default_output(&args.model));
    write_file(&output, &converted.bytes)?;
    tell(args, &output, &converted.report, start)?;
    if let Some(target) = &args.target {
        let packed = pack(&converted.bytes, target)?;
        write_file(&output, &packed)?;
        if !args.json {
            let (name, all) = (target.name(), bytes(packed.len()));
            println!("  packed for {name}, {all} in all: opened there, nothing is copied");
        }
    }
    Ok(())
}

/// The report in the forms that were asked for.
fn tell(args: &ConvertArgs, output: &Path, report: &Report, start: Instant) -> Result<(), CommandError> {
    let command = again(args);
    if let Some(path) = &args.report {
        let title = args.model.file_name().unwrap_or_default().to_string_lossy();
        write_file(path, html::page(report, &title, &command).as_bytes())?;
    }
    if args.json {
        println!("{:#}", json::value(report, &command));
        return Ok(());
    }
    println!("{} -> {} in {:.1} s", args.model.display(), output.display(), start.elapsed().as_secs_f64());
    println!("{report}");
    if let Some(path) = &args.report {
        println!("  report         {}", path.display());
    }
    Ok(())
}

/// What was typed, so far as other options go with it.
fn again(args: &ConvertArgs) -> String {
    let path = |path: &Path| quoted(&path.display().to_string());
    let mut command = format!("offshoot convert {} --calibrate {}", path(&args.model), path(&args.calibrate));
    if !args.cut.is_empty() {
        command += &format!(" --cut {}", quoted(&args.cut.join(",")));
    }
    command += if args.l2 { " --l2" } else { "" };
    if let Some(preset) = args.backbone.preset {
        command += &format!(" --preset {}", preset.name());
    }
    command += &backbone(&args.backbone);
    if let Some(output) = &args.output {
        command += &format!(" -o {}", path(output));
    }
    command
}

/// What was typed of the backbone that any other command on it wants too, each option behind a space.
pub(super) fn backbone(args: &BackboneArgs) -> String {
    let mut command = String::new();
    let mut add = |option: &str, value: &str| command.extend([" ", option, " ", &*quoted(value)]);
    if let Some((width, height)) = args.input_size {
        add("--input-size", &format!("{height}x{width}"));
    }
    if let Some(tokenizer) = &args.tokenizer {
        add("--tokenizer", &tokenizer.display().to_string());
    }
    if let Some(tokens) = args.tokens {
        add("--tokens", &tokens.to_string());
    }
    if args.pool != Pool::default() {
        add("--pool", args.pool.name());
    }
    command
}

/// Pictures to calibrate on, decoded.
fn load(args: &ConvertArgs) -> Result<Vec<Picture>, DataError> {
    let mut left_out = LeftOut::new(args.care);
    let files = unlabelled(&args.calibrate, args.format, args.calibrate_limit, &mut left_out)?;
    decoded(&args.calibrate, &files, &mut left_out)
}

/// Pictures of a folder, decoded; says which are not.
pub(super) fn decoded(
    folder: &Path,
    files: &[Sample],
    left_out: &mut LeftOut,
) -> Result<Vec<Picture>, DataError> {
    let bar = progress_bar(files.len(), "read pictures");
    let mut opener = Opener::new(left_out.care());
    let mut pictures = Vec::new();
    for file in files {
        bar.inc(1);
        match opener.open(file) {
            Ok(picture) => pictures.push(picture),
            Err(fault) => left_out.pass(fault)?,
        }
    }
    bar.finish_and_clear();
    super::tell(folder, left_out);
    left_out.check_some(folder, pictures.len(), "pictures")?;
    Ok(pictures)
}

fn default_output(model: &Path) -> PathBuf {
    let mut name = model.file_stem().unwrap_or_default().to_os_string();
    name.push(".offshoot");
    PathBuf::from(name)
}
