//! Accuracy gate `convert --eval DATA --max-drop POINTS`: few-shot accuracy of package and float
//! network.
//! network.

use std::path::Path;

use offshoot::{Extractor, HeadKind};
use offshoot_convert::import::Source;
use offshoot_convert::pipeline::Converted;
use offshoot_convert::pipeline::job::ConvertJob;
use offshoot_convert::report::Task;
use offshoot_dataset::{Dataset, LeftOut, Selection};

use super::eval::{DEFAULT_SHOTS, check};
use super::progress::Progress;
use super::shared::{check_classes, open_data, tell};
use crate::args::ConvertArgs;
use crate::error::CommandError;
use crate::learn::embeddings::Embeddings;
use crate::learn::few_shot::{Protocol, few_shot};

/// Number of draws to average over.
const DRAWS: usize = 20;

/// Samples to verify the float package with, as proof that it equals the network in the file.
const PROOFS: usize = 4;

/// Measures the accuracy loss of the package; `None` without `--eval`.
pub(super) fn run(
    args: &ConvertArgs,
    source: &Source,
    job: &ConvertJob<'_>,
    converted: &Converted,
) -> Result<Option<Task>, CommandError> {
    let Some(folder) = &args.eval else { return Ok(None) };
    let data = open_data(folder, &Selection { care: args.care.into(), ..Selection::default() })?;
    check_classes(folder, &data.classes)?;
    let package = Extractor::from_bytes(converted.bytes.clone())?;
    // Float package of the same cut with the same preprocessing.
    let float =
        job.clone().cut_or_at(&converted.report.cut).as_in(converted).in_float().few(PROOFS);
    let float = Extractor::from_bytes(float.convert(source, &mut ())?.bytes)?;
    let mut left_out = LeftOut::new(args.care.into());
    let before = scores(float, &data, folder, &mut left_out)?;
    tell(folder, &left_out);
    // Texts without a token are the same for both packages.
    let after = scores(package, &data, folder, &mut LeftOut::new(args.care.into()))?;
    // The draws are the same, so their differences are due to quantization.
    let count = before.len() as f64;
    let drops: Vec<f64> = before.iter().zip(&after).map(|(b, a)| 100.0 * (b - a)).collect();
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
    let data = folder.display().to_string();
    let kind = converted.report.kind;
    Ok(Some(Task { data, kind, own, float, drop, half, shots: DEFAULT_SHOTS, draws: DRAWS }))
}

/// Returns the accuracy of head `auto` in each draw.
fn scores(
    mut extractor: Extractor,
    data: &Dataset,
    folder: &Path,
    left_out: &mut LeftOut,
) -> Result<Vec<f64>, CommandError> {
    let bar = Progress::new(data.train.len() + data.val.len(), "eval");
    let mut samples = data.train.clone();
    let train = Embeddings::extract(&mut extractor, &mut samples, left_out, || bar.step())?;
    let mut samples = data.val.clone();
    let val = Embeddings::extract(&mut extractor, &mut samples, left_out, || bar.step())?;
    bar.finish();
    check(folder, &data.classes, &train, !val.is_empty(), Some(DEFAULT_SHOTS), "add some")?;
    let protocol = Protocol { kind: HeadKind::Auto, shots: DEFAULT_SHOTS, draws: DRAWS, seed: 0 };
    Ok(few_shot(&protocol, &extractor, &data.classes, &train, &val)?.scores)
}
