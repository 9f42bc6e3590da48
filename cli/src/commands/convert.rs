//! `offshoot convert`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use offshoot::Picture;

use super::{CommandError, cuts, gate, progress_bar, write_file};
use crate::args::{ConvertArgs, PrecisionArg};
use crate::convert::{Converted, Options, convert};
use crate::convert_text::{TextOptions, convert_text};
use crate::data::{DataError, Format, Sample, texts, unlabelled};
use crate::import::{ImportError, Source};
use crate::packing::{PackingError, pack};
use crate::preset::Wishes;
use crate::report::bytes;
use crate::tokenizer::{Tokenizer, TokenizerError};

pub(super) fn run(args: &ConvertArgs) -> Result<(), CommandError> {
    let start = Instant::now();
    if args.target.is_some() && args.precision == PrecisionArg::F32 {
        return Err(PackingError::Float.into());
    }
    let source = Source::open(&args.model)?.with_external_data(args.external_data)?;
    if source.takes_text() {
        let converted = of_text(args, &source)?;
        return finish(args, start, &converted, None);
    }
    let pictures = load(&args.calibrate, args.format, args.calibrate_limit)?;
    let options = Options {
        cuts: args.cut.clone(),
        pool: args.pool,
        float: args.precision == PrecisionArg::F32,
        size: args.input_size,
        wishes: Wishes {
            preset: args.preset,
            mean: args.mean,
            std: args.std,
            bgr: args.bgr,
            squash: args.squash,
        },
    };
    let options = cuts::within_budget(args, &source, &pictures, options)?;
    let converted = with_bar(|progress| convert(&source, &pictures, &options, progress))?;
    let gated = gate::run(args, &source, &pictures, &options, &converted)?;
    finish(args, start, &converted, gated)
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

/// A language backbone.
fn of_text(args: &ConvertArgs, source: &Source) -> Result<Converted, CommandError> {
    let path = || args.model.clone();
    let instead = "avg, first and last";
    let pooling = args.pool.of_tokens();
    let pooling =
        pooling.ok_or_else(|| ImportError::Pool { path: path(), of: "a picture's map", instead })?;
    if args.eval.is_some() {
        return Err(CommandError::TextGate { path: path() });
    }
    let file = args.tokenizer.as_deref();
    let file = file.ok_or_else(|| TokenizerError::Missing { path: path() }).map_err(DataError::from)?;
    let tokenizer = Tokenizer::open(file).map_err(DataError::from)?;
    let texts = texts(&args.calibrate, args.format, args.calibrate_limit)?;
    let cut = match &args.cut[..] {
        [] => None,
        [one] => Some(one.clone()),
        _ => return Err(ImportError::SeveralCuts { path: path() }.into()),
    };
    let float = args.precision == PrecisionArg::F32;
    let options = TextOptions { cut, pooling, float, length: args.tokens.map(usize::from) };
    Ok(with_bar(|progress| convert_text(source, &texts, &tokenizer, &options, progress))?)
}

/// Writes the package and says what there is to say.
fn finish(
    args: &ConvertArgs,
    start: Instant,
    converted: &Converted,
    gated: Option<String>,
) -> Result<(), CommandError> {
    let output = args.output.clone().unwrap_or_else(|| default_output(&args.model));
    write_file(&output, &converted.bytes)?;
    println!("{} -> {} in {:.1} s", args.model.display(), output.display(), start.elapsed().as_secs_f64());
    println!("{}", converted.report);
    if let Some(line) = gated {
        println!("{line}");
    }
    if let Some(target) = &args.target {
        let packed = pack(&converted.bytes, target)?;
        write_file(&output, &packed)?;
        println!(
            "  packed for {}, {} in all: opened there, nothing is copied",
            target.name(),
            bytes(packed.len())
        );
    }
    Ok(())
}

/// Pictures to calibrate on, decoded.
fn load(folder: &Path, format: Option<Format>, limit: usize) -> Result<Vec<Picture>, DataError> {
    let files = unlabelled(folder, format, limit)?;
    let bar = progress_bar(files.len(), "read pictures");
    let pictures: Result<Vec<_>, _> = files.iter().inspect(|_| bar.inc(1)).map(Sample::open).collect();
    bar.finish_and_clear();
    pictures
}

fn default_output(model: &Path) -> PathBuf {
    let mut name = model.file_stem().unwrap_or_default().to_os_string();
    name.push(".offshoot");
    PathBuf::from(name)
}
