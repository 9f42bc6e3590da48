//! Accuracy gate `convert --eval DATA --max-drop POINTS`: few-shot accuracy of package and float
//! network.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use offshoot::{Extractor, HeadKind};
use offshoot_convert::import::Source;
use offshoot_convert::pipeline::Converted;
use offshoot_convert::pipeline::job::ConvertJob;
use offshoot_convert::report::Task;
use offshoot_dataset::{Dataset, LeftOut, Opener, Sample, Selection};

use super::eval::{DEFAULT_SHOTS, check};
use super::progress::Progress;
use super::shared::{beginning, check_classes, open_data, tell};
use crate::args::ConvertArgs;
use crate::draw::contact_sheet::thumbnail;
use crate::draw::report_html::evidence::{Answers, Evidence, Example, Shown};
use crate::error::CommandError;
use crate::learn::embeddings::Embeddings;
use crate::learn::few_shot::{FewShot, Protocol, few_shot};

/// Number of draws to average over.
const DRAWS: usize = 20;

/// Samples to verify the float package with, as proof that it equals the network in the file.
const PROOFS: usize = 4;

/// Quality of the JPEG images in a report, from 1 to 100.
const QUALITY: u8 = 80;

/// Outcome of the gate.
pub(super) struct Gate {
    /// Accuracy of package and float network.
    pub(super) task: Task,
    /// Answers of the package; `None` without a page to show them.
    pub(super) evidence: Option<Evidence>,
}

/// Answers of one of the networks.
struct Asked {
    found: FewShot,
    /// Samples that were asked about, in the order of [`FewShot::answers`].
    samples: Vec<Sample>,
}

/// Measures the accuracy loss of the package; `None` without `--eval`.
pub(super) fn run(
    args: &ConvertArgs,
    source: &Source,
    job: &ConvertJob<'_>,
    converted: &Converted,
) -> Result<Option<Gate>, CommandError> {
    let Some(folder) = &args.eval else { return Ok(None) };
    let data = open_data(folder, &Selection { care: args.care.into(), ..Selection::default() })?;
    check_classes(folder, &data.classes)?;
    let package = Extractor::from_bytes(converted.bytes.clone())?;
    // Float package of the same cut with the same preprocessing.
    let float =
        job.clone().cut_or_at(&converted.report.cut).as_in(converted).in_float().few(PROOFS);
    let float = Extractor::from_bytes(float.convert(source, &mut ())?.bytes)?;
    let mut left_out = LeftOut::new(args.care.into());
    let before = ask(float, &data, folder, &mut left_out)?.found.scores;
    tell(folder, &left_out);
    // Texts without a token are the same for both packages.
    let asked = ask(package, &data, folder, &mut LeftOut::new(args.care.into()))?;
    let after = &asked.found.scores;
    // The draws are the same, so their differences are due to quantization.
    let count = before.len() as f64;
    let drops: Vec<f64> = before.iter().zip(after).map(|(b, a)| 100.0 * (b - a)).collect();
    let drop = drops.iter().sum::<f64>() / count;
    let spread = (drops.iter().map(|d| (d - drop).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    let half = 1.96 * spread / count.sqrt();
    if let Some(allowed) = args.max_drop.filter(|&allowed| drop > allowed) {
        let path = args.model.clone();
        let data = folder.clone();
        return Err(CommandError::Drop { path, data, drop, allowed });
    }
    let float = before.iter().sum::<f64>() / count;
    let own = after.iter().sum::<f64>() / count;
    let kind = converted.report.kind;
    let name = folder.display().to_string();
    let shots = DEFAULT_SHOTS;
    let task = Task { data: name, kind, own, float, drop, half, shots, draws: DRAWS };
    let evidence =
        args.report.is_some().then(|| evidence(&data.classes, &asked, &task, args)).transpose()?;
    Ok(Some(Gate { task, evidence }))
}

/// Collects what the report shows of the answers.
fn evidence(
    classes: &[String],
    asked: &Asked,
    task: &Task,
    args: &ConvertArgs,
) -> Result<Evidence, CommandError> {
    let Asked { found, samples } = asked;
    let labels: Vec<usize> = samples.iter().map(|sample| sample.class).collect();
    let mut opener = Opener::new(args.care.into());
    let mut examples = Vec::new();
    for answers in Answers::chosen(&labels, classes.len(), &found.answers) {
        let sample = &samples[answers.sample];
        let shown = match task.kind {
            "texts" => Shown::Text(beginning(&sample.text()?)),
            "sounds" | "signals" => Shown::Text(sample.name()),
            _ => Shown::Image(jpeg(&thumbnail(&opener.open(sample)?.into()))?),
        };
        examples.push(Example { answers, name: sample.name(), shown });
    }
    let how = format!(
        "Head auto, taught {} {} a class of {}, asked about the others, {} draws; the unknown is not allowed as an answer.",
        task.shots, task.kind, task.data, task.draws
    );
    let classes = classes.to_vec();
    let confusion = found.confusion.clone();
    Ok(Evidence { how, classes, confusion, examples })
}

fn jpeg(image: &image::RgbImage) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode_image(image)
        .map_err(|e| CommandError::write(Path::new("report"), std::io::Error::other(e)))?;
    Ok(bytes)
}

/// Returns the answers of head `auto` in each draw.
fn ask(
    mut extractor: Extractor,
    data: &Dataset,
    folder: &Path,
    left_out: &mut LeftOut,
) -> Result<Asked, CommandError> {
    let bar = Progress::new(data.train.len() + data.val.len(), "eval");
    let mut taught = data.train.clone();
    let train = Embeddings::extract(&mut extractor, &mut taught, left_out, || bar.step())?;
    let mut others = data.val.clone();
    let val = Embeddings::extract(&mut extractor, &mut others, left_out, || bar.step())?;
    bar.finish();
    check(folder, &data.classes, &train, !val.is_empty(), Some(DEFAULT_SHOTS), "add some")?;
    let protocol = Protocol { kind: HeadKind::Auto, shots: DEFAULT_SHOTS, draws: DRAWS, seed: 0 };
    let found = few_shot(&protocol, &extractor, &data.classes, &train, &val)?;
    Ok(Asked { found, samples: if others.is_empty() { taught } else { others } })
}
