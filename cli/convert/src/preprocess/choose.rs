//! Choice of the normalization: by the user, the catalogue, the model, or a guess.

use std::ops::RangeInclusive;

use offshoot_core::Frame;
use offshoot_core::preprocess::Preprocess;
use tract_onnx::prelude::TypedModel;

use super::catalog::{Catalog, Recipe};
use super::preset::{PreprocessOverrides, Preset};
use crate::calibrate::CalibrateError;
use crate::calibrate::reference::{Prepared, Reference};
use crate::import::{Imported, Source};

/// Chosen preprocessing, with the reason in one sentence.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Preprocessing.
    pub preprocess: Preprocess,
    /// Reason of the choice.
    pub why: String,
    /// Warning that the preprocessing, or the calibration set, may be wrong all the same.
    pub warning: Option<String>,
}

/// Number of images that a guess is based on.
const IMAGES: usize = 16;

/// Least lead in mean top-1 probability that counts. With MobileNets the right preset leads by 0.02
/// to 0.11.
const LEAD: f32 = 0.05;

/// Chooses the preprocessing by the user's overrides, else by the catalogue or the model, else by
/// the preset under which the model's classifier is most confident on the images.
///
/// # Errors
/// Error of tract, when the classifier is run.
pub fn choose(
    overrides: &PreprocessOverrides,
    source: &Source,
    imported: &Imported,
    frames: &[Frame<'_>],
) -> Result<Chosen, CalibrateError> {
    let frames = &frames[..frames.len().min(IMAGES)];
    let catalog = Catalog::built_in();
    let known =
        catalog.by_digest(&source.sha256).and_then(|recipe| Some((recipe, recipe.overrides()?)));
    let stated = stated(overrides, source, known.as_ref());
    if stated.is_none()
        && let Some((preset, why)) = evident(source, imported)
    {
        let preprocess = overrides.preprocess(preset, imported);
        return Ok(Chosen { preprocess, why: format!("{}: {why}", preset.name()), warning: None });
    }
    let Some((stated, why)) = stated else { return guess(overrides, source, imported, frames) };
    let preprocess = stated.preprocess(stated.preset.unwrap_or(Preset::Unit), imported);
    let mut chosen = Chosen { preprocess, why, warning: None };
    // Statements of a model are trusted, those of users about models of others checked.
    if overrides.settled
        || overrides.preset.is_none() && overrides.mean.zip(overrides.std).is_none()
    {
        return Ok(chosen);
    }
    if source.takes_bytes() && overrides.preset != Some(Preset::Raw) {
        return Ok(of_bytes(overrides, imported));
    }
    if let Some((recipe, known)) = known {
        let right = known.preprocess(known.preset.unwrap_or(Preset::Unit), imported);
        if (right.mean, right.std, right.channels)
            != (preprocess.mean, preprocess.std, preprocess.channels)
        {
            let has = recipe.normalization();
            chosen.warning = Some(format!(
                "the catalogue has {has} for {}, not the stated preprocessing",
                recipe.name
            ));
        }
    } else if let Some((preset, why)) = evident(source, imported) {
        let right = overrides.of_preset(preset).preprocess(preset, imported);
        if (right.mean, right.std) != (preprocess.mean, preprocess.std) {
            chosen.warning = Some(format!(
                "{why}, so --preset {} may be meant, not the stated preprocessing",
                preset.name()
            ));
        }
    } else if let Some(classifier) = source.classifier(imported) {
        let own = sureness(&classifier, imported, &preprocess, frames)?;
        let (best, score) = ranked(overrides, &classifier, imported, frames)?[0];
        if score > own + LEAD {
            let name = best.name();
            chosen.warning = Some(format!(
                "the classifier is more confident on the images with --preset {name} ({score:.2}) than as stated ({own:.2})"
            ));
        }
    }
    Ok(chosen)
}

/// Returns the preprocessing of a model that takes bytes, in place of a normalization that was
/// stated: its values would be no bytes.
fn of_bytes(overrides: &PreprocessOverrides, imported: &Imported) -> Chosen {
    let left_out = "the stated normalization is left out: the model takes bytes (its input is uint8); --preset raw says so";
    Chosen {
        preprocess: overrides.of_preset(Preset::Raw).preprocess(Preset::Raw, imported),
        why: "raw: the model takes bytes (its input is uint8)".to_string(),
        warning: Some(left_out.to_string()),
    }
}

/// Returns the preprocessing stated by the user, the catalogue or the model, with the source of the
/// statement.
fn stated(
    overrides: &PreprocessOverrides,
    source: &Source,
    known: Option<&(&Recipe, PreprocessOverrides)>,
) -> Option<(PreprocessOverrides, String)> {
    if let Some(preset) = overrides.preset {
        return Some((overrides.clone(), format!("{}, as asked", preset.name())));
    }
    if overrides.mean.is_some() && overrides.std.is_some() {
        return Some((overrides.clone(), "mean and std as asked".to_string()));
    }
    if let Some((recipe, known)) = known {
        let merged = PreprocessOverrides {
            mean: overrides.mean.or(known.mean),
            std: overrides.std.or(known.std),
            bgr: overrides.bgr || known.bgr,
            squash: overrides.squash || known.squash,
            ..known.clone()
        };
        return Some((
            merged,
            format!("{}, as the catalogue has it for {}", recipe.normalization(), recipe.name),
        ));
    }
    let stated = source.metadata("offshoot.preset");
    let preset = Preset::ALL.into_iter().find(|p| Some(p.name()) == stated)?;
    let overrides = PreprocessOverrides { preset: Some(preset), ..overrides.clone() };
    Some((overrides, format!("{}, as the model states", preset.name())))
}

/// Largest factor of a network's first layers that still means that it scales bytes down.
const OF_BYTES: f64 = 1.0 / 16.0;
/// Ranges of the mean that networks subtract from bytes, and from values of 0 to 1.
const MIDDLES: [RangeInclusive<f64>; 2] = [50.0..=200.0, 0.2..=0.8];

/// Returns the preset that follows from the model's own graph, without running it, with the reason.
fn evident(source: &Source, imported: &Imported) -> Option<(Preset, &'static str)> {
    let front = &imported.front;
    let [bytes, units] = MIDDLES.map(|middle| front.centres(middle));
    if source.takes_bytes() {
        return Some((Preset::Raw, "the model takes bytes (its input is uint8)"));
    }
    if bytes || front.largest_factor() <= OF_BYTES {
        return Some((Preset::Raw, "the model normalizes bytes by itself"));
    }
    (units && front.largest_factor() > 1.0)
        .then_some((Preset::Unit, "the model normalizes values of 0 to 1 by itself"))
}

fn guess(
    overrides: &PreprocessOverrides,
    source: &Source,
    imported: &Imported,
    frames: &[Frame<'_>],
) -> Result<Chosen, CalibrateError> {
    let Some(classifier) = &source.classifier(imported) else {
        let why = "imagenet, a guess: the model has no classifier to compare presets by; --preset overrides it";
        return Ok(Chosen {
            preprocess: overrides.preprocess(Preset::Imagenet, imported),
            why: why.to_string(),
            warning: None,
        });
    };
    let ranked = ranked(overrides, classifier, imported, frames)?;
    let [(best, score), (second, runner_up), ..] = ranked;
    let why = format!(
        "{}, a guess: the classifier is most confident with it ({score:.2}; {} {runner_up:.2}); --preset overrides it",
        best.name(),
        second.name()
    );
    let close = format!(
        "the guess is close: {} {score:.2}, {} {runner_up:.2}; look up the preprocessing that the model was trained with, and state it by --preset",
        best.name(),
        second.name()
    );
    Ok(Chosen {
        preprocess: overrides.preprocess(best, imported),
        why,
        warning: (score < runner_up + LEAD).then_some(close),
    })
}

/// Returns the classifier's confidence under each preset, the highest first.
fn ranked(
    overrides: &PreprocessOverrides,
    classifier: &TypedModel,
    imported: &Imported,
    frames: &[Frame<'_>],
) -> Result<[(Preset, f32); 4], CalibrateError> {
    let open = PreprocessOverrides { preset: None, mean: None, std: None, ..overrides.clone() };
    let mut ranked = Preset::GUESSED.map(|preset| (preset, 0.0));
    for (preset, score) in &mut ranked {
        *score = sureness(classifier, imported, &open.preprocess(*preset, imported), frames)?;
    }
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(ranked)
}

/// Returns the classifier's largest probability, averaged over the images.
fn sureness(
    classifier: &TypedModel,
    imported: &Imported,
    preprocess: &Preprocess,
    frames: &[Frame<'_>],
) -> Result<f32, CalibrateError> {
    let mut reference = Reference::new(classifier.clone())?;
    let mut sum = 0.0;
    for frame in frames {
        let input = Prepared::image(frame, preprocess, imported.input)?;
        sum += reference.run(&input)?.first().map_or(0.0, |output| largest_probability(output));
    }
    Ok(sum / frames.len().max(1) as f32)
}

/// Returns the largest probability, from probabilities or logits.
fn largest_probability(output: &[f32]) -> f32 {
    let sum: f32 = output.iter().sum();
    let probabilities = output.iter().all(|&v| v >= 0.0) && (sum - 1.0).abs() < 1e-2;
    let largest = output.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if probabilities {
        return largest;
    }
    let total: f32 = output.iter().map(|v| (v - largest).exp()).sum();
    if total.is_finite() { 1.0 / total } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normalization of values of 0 to 1 in `clip.py` of openai/CLIP.
    #[test]
    fn clip_is_as_published() {
        let (mean, std) = Preset::Clip.mean_std();
        let published =
            ([0.481_454_66, 0.457_827_5, 0.408_210_73], [0.268_629_54, 0.261_302_6, 0.275_777_1]);
        for (got, want) in mean.iter().chain(&std).zip(published.0.iter().chain(&published.1)) {
            assert!((got / 255.0 - want).abs() < 1e-6, "{got} {want}");
        }
        assert!(
            Preset::ALL
                .iter()
                .all(|p| Preset::ALL.iter().filter(|q| q.name() == p.name()).count() == 1)
        );
    }

    #[test]
    fn wishes_are_said_as_flags() {
        let (mean, std) = Preset::Imagenet.mean_std();
        let mut overrides = PreprocessOverrides {
            mean: Some(mean),
            std: Some(std),
            ..PreprocessOverrides::default()
        };
        assert_eq!(overrides.flags(), "--preset imagenet");
        (overrides.bgr, overrides.squash) = (true, true);
        assert_eq!(
            overrides.flags(),
            "--mean 123.675,116.28,103.53 --std 58.395,57.12,57.375 --bgr --squash"
        );
        overrides.mean.as_mut().unwrap().reverse();
        overrides.std.as_mut().unwrap().reverse();
        assert_eq!(overrides.flags(), "--preset imagenet --bgr --squash");
        assert_eq!(PreprocessOverrides::default().flags(), "");
    }

    #[test]
    fn largest_probability_of_probabilities_and_logits() {
        assert_eq!(largest_probability(&[0.1, 0.7, 0.2]), 0.7);
        assert!((largest_probability(&[0.0, 0.0]) - 0.5).abs() < 1e-6);
        assert!(largest_probability(&[10.0, 0.0]) > 0.99);
        assert_eq!(largest_probability(&[f32::NAN, 0.0]), 0.0);
    }
}
