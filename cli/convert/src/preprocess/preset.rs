//! Conventions of normalization, and what a user states about preprocessing.

use offshoot_core::preprocess::{Channels, Preprocess, Resize};

use crate::import::Imported;

/// Share of the short side that a crop keeps: torchvision resizes to 256 and crops 224.
const CROP: f32 = 0.875;

/// A convention of normalization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// PyTorch's: bytes to 0..1, then ImageNet's mean and deviation per channel.
    Imagenet,
    /// TensorFlow's: bytes to -1..1.
    Tf,
    /// CLIP's: as PyTorch's, with the mean and deviation of the pictures it was taught with.
    Clip,
    /// Bytes to 0..1.
    Unit,
    /// Bytes as they are.
    Raw,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 5] = [Self::Imagenet, Self::Tf, Self::Clip, Self::Unit, Self::Raw];

    /// Those that are guessed: CLIP has no classifier to ask, and is too near PyTorch's to be told from it.
    pub(super) const GUESSED: [Self; 4] = [Self::Imagenet, Self::Tf, Self::Unit, Self::Raw];

    /// The word for flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imagenet => "imagenet",
            Self::Tf => "tf",
            Self::Clip => "clip",
            Self::Unit => "unit",
            Self::Raw => "raw",
        }
    }

    /// Mean and divisor per channel, red first, for bytes of 0 to 255.
    pub fn mean_std(self) -> ([f32; 3], [f32; 3]) {
        match self {
            Self::Imagenet => ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
            Self::Tf => ([127.5; 3], [127.5; 3]),
            Self::Clip => ([122.770_94, 116.746_01, 104.093_736], [68.500_534, 66.632_16, 70.323_166]),
            Self::Unit => ([0.0; 3], [255.0; 3]),
            Self::Raw => ([0.0; 3], [1.0; 3]),
        }
    }
}

/// What the user stated about preprocessing; what is left open is found out.
#[derive(Debug, Clone, Default)]
pub struct PreprocessOverrides {
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
    /// Whether this was found before, so that nobody need be asked again.
    pub settled: bool,
}

impl PreprocessOverrides {
    /// Those that ask for this very normalization.
    pub fn of(preprocess: &Preprocess) -> Self {
        Self {
            preset: None,
            mean: Some(preprocess.mean),
            std: Some(preprocess.std),
            bgr: preprocess.channels == Channels::Bgr,
            squash: preprocess.resize == Resize::Squash,
            settled: true,
        }
    }

    /// With a convention in place of what was wished.
    pub(super) fn of_preset(&self, preset: Preset) -> Self {
        Self { preset: Some(preset), mean: None, std: None, ..self.clone() }
    }

    /// The same as flags of `convert`.
    pub fn flags(&self) -> String {
        let numbers = |v: [f32; 3]| format!("{},{},{}", v[0], v[1], v[2]);
        let named = self.preset.or_else(|| {
            Preset::ALL.into_iter().find(|preset| {
                let (mut mean, mut std) = preset.mean_std();
                if self.bgr {
                    mean.reverse();
                    std.reverse();
                }
                (self.mean, self.std) == (Some(mean), Some(std))
            })
        });
        let mut flags = match (named, self.mean, self.std) {
            (Some(preset), ..) => format!("--preset {}", preset.name()),
            (None, Some(mean), Some(std)) => format!("--mean {} --std {}", numbers(mean), numbers(std)),
            _ => String::new(),
        };
        flags += if self.bgr { " --bgr" } else { "" };
        flags += if self.squash { " --squash" } else { "" };
        flags.trim_start().to_string()
    }

    /// The preprocessing for a network's input with a convention, but for what is stated.
    pub(super) fn preprocess(&self, preset: Preset, imported: &Imported) -> Preprocess {
        let shape = imported.model.layers[0].shape;
        let (width, height) = (shape.w() as u16, shape.h() as u16);
        let channels = match (shape.c(), self.bgr) {
            (1, _) => Channels::Gray,
            (_, true) => Channels::Bgr,
            _ => Channels::Rgb,
        };
        let short_side = (f32::from(width.max(height)) / CROP).round() as u16;
        let resize = if self.squash { Resize::Squash } else { Resize::Crop { short_side } };
        let (mut mean, mut std) = preset.mean_std();
        // Presets name red first; what the user gives is in the model's order.
        if self.bgr {
            mean.reverse();
            std.reverse();
        }
        let (mean, std) = (self.mean.unwrap_or(mean), self.std.unwrap_or(std));
        Preprocess { width, height, channels, resize, mean, std }
    }
}
