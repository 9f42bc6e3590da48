//! Normalization presets, and the user's overrides of the preprocessing.

use offshoot_core::preprocess::{Channels, Preprocess, Resize};

use crate::import::Imported;

/// Share of the short side that a crop keeps: torchvision resizes to 256 and crops 224.
const CROP: f32 = 0.875;

/// Convention of normalization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// PyTorch: bytes scaled to 0..1, then ImageNet's mean and standard deviation per channel.
    Imagenet,
    /// TensorFlow: bytes scaled to -1..1.
    Tf,
    /// CLIP: like PyTorch, with the mean and standard deviation of its own training images.
    Clip,
    /// Bytes scaled to 0..1.
    Unit,
    /// Unchanged bytes.
    Raw,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 5] = [Self::Imagenet, Self::Tf, Self::Clip, Self::Unit, Self::Raw];

    /// Presets considered by a guess. CLIP is left out: it has no classifier to run, and is too
    /// close to PyTorch's to be distinguished.
    pub(super) const GUESSED: [Self; 4] = [Self::Imagenet, Self::Tf, Self::Unit, Self::Raw];

    /// Returns the name in options and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Imagenet => "imagenet",
            Self::Tf => "tf",
            Self::Clip => "clip",
            Self::Unit => "unit",
            Self::Raw => "raw",
        }
    }

    /// Returns mean and divisor per channel, in the order red, green, blue, for bytes of 0 to 255.
    pub fn mean_std(self) -> ([f32; 3], [f32; 3]) {
        match self {
            Self::Imagenet => ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
            Self::Tf => ([127.5; 3], [127.5; 3]),
            Self::Clip => {
                ([122.770_94, 116.746_01, 104.093_736], [68.500_534, 66.632_16, 70.323_166])
            }
            Self::Unit => ([0.0; 3], [255.0; 3]),
            Self::Raw => ([0.0; 3], [1.0; 3]),
        }
    }
}

/// Overrides of the preprocessing by the user; open parts are found automatically.
#[derive(Debug, Clone, Default)]
pub struct PreprocessOverrides {
    /// Normalization preset.
    pub preset: Option<Preset>,
    /// Mean per channel; takes precedence over the preset's.
    pub mean: Option<[f32; 3]>,
    /// Divisor per channel; takes precedence over the preset's.
    pub std: Option<[f32; 3]>,
    /// True if channels are in the order blue, green, red.
    pub bgr: bool,
    /// True if the whole image is stretched instead of centre-cropped.
    pub squash: bool,
    /// True if an earlier conversion found this, so that no check is needed.
    pub settled: bool,
}

impl PreprocessOverrides {
    /// Returns the overrides that state exactly this normalization.
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

    /// Returns the overrides with another preset instead of the stated normalization.
    pub(super) fn of_preset(&self, preset: Preset) -> Self {
        Self { preset: Some(preset), mean: None, std: None, ..self.clone() }
    }

    /// Returns the overrides as options of `convert`.
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
            (None, Some(mean), Some(std)) => {
                format!("--mean {} --std {}", numbers(mean), numbers(std))
            }
            _ => String::new(),
        };
        flags += if self.bgr { " --bgr" } else { "" };
        flags += if self.squash { " --squash" } else { "" };
        flags.trim_start().to_string()
    }

    /// Returns the preprocessing for a network's input: the preset, with the stated parts replaced.
    pub(super) fn preprocess(&self, preset: Preset, imported: &Imported) -> Preprocess {
        let shape = imported.model.layers[0].shape;
        let width = shape.w() as u16;
        let height = shape.h() as u16;
        let channels = match (shape.c(), self.bgr) {
            (1, _) => Channels::Gray,
            (_, true) => Channels::Bgr,
            _ => Channels::Rgb,
        };
        let short_side = (f32::from(width.max(height)) / CROP).round() as u16;
        let resize = if self.squash { Resize::Squash } else { Resize::Crop { short_side } };
        let (mut mean, mut std) = preset.mean_std();
        // Presets are in the order red, green, blue; the user's values are in the model's order.
        if self.bgr {
            mean.reverse();
            std.reverse();
        }
        let mean = self.mean.unwrap_or(mean);
        let std = self.std.unwrap_or(std);
        Preprocess { width, height, channels, resize, mean, std }
    }
}
