//! How pictures are normalized: the named conventions, and a guess where nobody says.

use offshoot_core::Frame;
use offshoot_core::preprocess::{Channels, Preprocess, Resize};

use crate::calibrate::{CalibrateError, Reference};
use crate::import::{Imported, Source};

/// A convention of normalization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// PyTorch's: bytes to 0..1, then ImageNet's mean and deviation per channel.
    Imagenet,
    /// TensorFlow's: bytes to -1..1.
    Tf,
    /// Bytes to 0..1.
    Unit,
    /// Bytes as they are.
    Raw,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 4] = [Self::Imagenet, Self::Tf, Self::Unit, Self::Raw];

    /// The word for flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imagenet => "imagenet",
            Self::Tf => "tf",
            Self::Unit => "unit",
            Self::Raw => "raw",
        }
    }

    /// Mean and divisor per channel, red first, for bytes of 0 to 255.
    pub fn mean_std(self) -> ([f32; 3], [f32; 3]) {
        match self {
            Self::Imagenet => ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
            Self::Tf => ([127.5; 3], [127.5; 3]),
            Self::Unit => ([0.0; 3], [255.0; 3]),
            Self::Raw => ([0.0; 3], [1.0; 3]),
        }
    }
}

/// What the user stated about preprocessing; what is left open is found out.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// A convention.
    pub preset: Option<Preset>,
    /// Mean per channel, over the preset's.
    pub mean: Option<[f32; 3]>,
    /// Divisor per channel, over the preset's.
    pub std: Option<[f32; 3]>,
    /// Whether channels are in the order blue, green, red.
    pub bgr: bool,
    /// Whether the whole frame is stretched instead of its middle cropped.
    pub squash: bool,
}

/// The chosen preprocessing and one sentence on how it was chosen.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The preprocessing.
    pub preprocess: Preprocess,
    /// Why this one.
    pub why: String,
}

/// Share of the short side that a crop keeps: torchvision resizes to 256 and crops 224.
const CROP: f32 = 0.875;

/// Pictures that a guess looks at.
const GUESS_PICTURES: usize = 16;

/// Chooses by the user's wishes, else by what the model states, else by which convention makes
/// its classifier surest of the pictures.
///
/// # Errors
/// What tract reports when the classifier is run.
pub fn choose(
    wishes: &Wishes,
    source: &Source,
    imported: &Imported,
    frames: &[Frame<'_>],
) -> Result<Chosen, CalibrateError> {
    let base = base(wishes, imported);
    let with = |preset: Preset, why: String| {
        let (mean, std) = preset.mean_std();
        let mut preprocess =
            Preprocess { mean: wishes.mean.unwrap_or(mean), std: wishes.std.unwrap_or(std), ..base };
        // Presets name red first; what the user gives is in the model's order.
        if wishes.bgr && wishes.mean.is_none() {
            preprocess.mean.reverse();
        }
        if wishes.bgr && wishes.std.is_none() {
            preprocess.std.reverse();
        }
        Chosen { preprocess, why }
    };
    if let Some(preset) = wishes.preset {
        return Ok(with(preset, format!("{}, as asked", preset.name())));
    }
    if wishes.mean.is_some() && wishes.std.is_some() {
        return Ok(with(Preset::Unit, "mean and std as asked".to_string()));
    }
    let stated = source.metadata("offshoot.preset");
    if let Some(preset) = Preset::ALL.into_iter().find(|p| Some(p.name()) == stated) {
        return Ok(with(preset, format!("{}, as the model states", preset.name())));
    }
    let Some(classifier) = &imported.classifier else {
        let why = "imagenet, a guess: the model has no classifier to ask; --preset says otherwise";
        return Ok(with(Preset::Imagenet, why.to_string()));
    };
    let mut scores = Vec::new();
    for preset in Preset::ALL {
        let mut reference =
            Reference::new(classifier.clone(), imported.input, &with(preset, String::new()).preprocess)?;
        let mut sum = 0.0;
        let seen = &frames[..frames.len().min(GUESS_PICTURES)];
        for frame in seen {
            sum += reference.run(frame)?.first().map_or(0.0, |output| sureness(output));
        }
        scores.push((preset, sum / seen.len().max(1) as f32));
    }
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    let [(best, score), (second, runner_up), ..] = scores[..] else { unreachable!("there are four presets") };
    let why = format!(
        "{}, a guess: the classifier is surest with it ({score:.2}; {} {runner_up:.2}); --preset says otherwise",
        best.name(),
        second.name()
    );
    Ok(with(best, why))
}

fn base(wishes: &Wishes, imported: &Imported) -> Preprocess {
    let shape = imported.model.layers[0].shape;
    let (width, height) = (shape.w() as u16, shape.h() as u16);
    let channels = match (shape.c(), wishes.bgr) {
        (1, _) => Channels::Gray,
        (_, true) => Channels::Bgr,
        _ => Channels::Rgb,
    };
    let short_side = (f32::from(width.max(height)) / CROP).round() as u16;
    let resize = if wishes.squash { Resize::Squash } else { Resize::Crop { short_side } };
    Preprocess { width, height, channels, resize, mean: [0.0; 3], std: [1.0; 3] }
}

/// The largest probability, of probabilities or of logits.
fn sureness(output: &[f32]) -> f32 {
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

    #[test]
    fn sureness_reads_probabilities_and_logits() {
        assert_eq!(sureness(&[0.1, 0.7, 0.2]), 0.7);
        assert!((sureness(&[0.0, 0.0]) - 0.5).abs() < 1e-6);
        assert!(sureness(&[10.0, 0.0]) > 0.99);
        assert_eq!(sureness(&[f32::NAN, 0.0]), 0.0);
    }
}
