//! Catalogue of known backbones: sources, files and preprocessing.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use super::preset::{PreprocessOverrides, Preset};

/// Error of a catalogue or of a look-up in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The file is not a catalogue.
    #[error("{path}: {reason}")]
    Broken {
        /// Path of the file.
        path: PathBuf,
        /// Reason, with the line.
        reason: String,
    },
    /// No entry has this name.
    #[error(
        "no model `{name}` in the catalogue; the nearest is `{nearest}`, `offshoot models` lists all"
    )]
    Unknown {
        /// Name asked for.
        name: String,
        /// Most similar name.
        nearest: String,
    },
}

/// Catalogue entry of one backbone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name for `pull`.
    pub name: String,
    /// Source of the model, or instructions to make it.
    pub source: String,
    /// SPDX identifier of its licence.
    pub licence: String,
    /// Note on the licence, or on the way to make the file.
    pub note: Option<String>,
    /// Address of the file for `pull`.
    pub url: Option<String>,
    /// SHA-256 of the file.
    #[serde(default, deserialize_with = "digest")]
    pub sha256: Option<[u8; 32]>,
    /// SHA-256 that its publisher states, of a file that we had no copy of; a download must have it, and
    /// is not verified for all that.
    #[serde(default, deserialize_with = "digest")]
    pub published_sha256: Option<[u8; 32]>,
    /// Size of the file in bytes.
    pub bytes: Option<u64>,
    /// Width and height of the input in pixels.
    #[serde(deserialize_with = "size")]
    pub input: (u32, u32),
    /// Normalization preset.
    pub preset: Option<Preset>,
    /// Mean per channel; takes precedence over the preset's.
    pub mean: Option<[f32; 3]>,
    /// Divisor per channel; takes precedence over the preset's.
    pub std: Option<[f32; 3]>,
    /// True if channels are in the order blue, green, red.
    #[serde(default)]
    pub bgr: bool,
    /// True if the whole image is stretched to the input size.
    #[serde(default)]
    pub squash: bool,
    /// Name of the tensor to cut at.
    pub cut: Option<String>,
    /// Front end of a network for sound, a preset of `--sound`; `input` is then frames x bands.
    pub sound: Option<String>,
    /// Kind of sound that a network tells apart: `speech` or `sounds`.
    pub hears: Option<String>,
}

impl Recipe {
    /// Returns the preprocessing of the entry; `None` if the entry leaves it open.
    pub fn overrides(&self) -> Option<PreprocessOverrides> {
        let Self { preset, mean, std, bgr, squash, .. } = *self;
        (preset.is_some() || mean.zip(std).is_some()).then_some(PreprocessOverrides {
            preset,
            mean,
            std,
            bgr,
            squash,
            settled: false,
        })
    }

    /// Returns a short name of the normalization.
    pub fn normalization(&self) -> &'static str {
        match (self.preset, self.mean.or(self.std)) {
            _ if self.sound.is_some() => "sound",
            (_, Some(_)) => "its own",
            (Some(preset), None) => preset.name(),
            (None, None) => "open",
        }
    }
}

fn digest<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<[u8; 32]>, D::Error> {
    let text = String::deserialize(from)?;
    let bytes = (0..32).map(|i| {
        let digits = text.get(2 * i..2 * i + 2)?;
        u8::from_str_radix(digits, 16).ok()
    });
    let bytes: Option<Vec<u8>> = bytes.collect();
    let digest = bytes.filter(|_| text.len() == 64).and_then(|b| b.try_into().ok());
    digest.map(Some).ok_or_else(|| serde::de::Error::custom("a SHA-256 has 64 hexadecimal digits"))
}

fn size<'de, D: serde::Deserializer<'de>>(from: D) -> Result<(u32, u32), D::Error> {
    crate::input_size::parse_size(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// Catalogue: the backbones of one file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Entries in the order of the file.
    pub model: Vec<Recipe>,
}

impl Catalog {
    /// Returns the catalogue that comes with the program, `models/catalog.toml`.
    ///
    /// # Panics
    /// Never: a test reads the file.
    pub fn built_in() -> Self {
        toml::from_str(include_str!("../../../../models/catalog.toml")).expect("tested")
    }

    /// Reads a catalogue file of the user.
    ///
    /// # Errors
    /// File that cannot be read or is not a catalogue.
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CatalogError::Read { path: path.to_path_buf(), source })?;
        toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            let reason = format!("line {line}: {}", e.message());
            CatalogError::Broken { path: path.to_path_buf(), reason }
        })
    }

    /// Returns the entry of this name.
    ///
    /// # Errors
    /// No entry has this name; the error names the most similar one.
    pub fn by_name(&self, name: &str) -> Result<&Recipe, CatalogError> {
        self.model.iter().find(|r| r.name == name).ok_or_else(|| {
            // Users leave out the part of the name before the slash.
            let nearest = self.model.iter().max_by_key(|recipe| {
                let short = recipe.name.rsplit('/').next().unwrap_or_default();
                (1e3 * strsim::jaro_winkler(short, name)) as u32
            });
            let nearest = nearest.map(|recipe| recipe.name.clone()).unwrap_or_default();
            CatalogError::Unknown { name: name.to_string(), nearest }
        })
    }

    /// Returns the entry whose file has this digest.
    pub fn by_digest(&self, sha256: &[u8; 32]) -> Option<&Recipe> {
        self.model.iter().find(|r| r.sha256.as_ref() == Some(sha256))
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_catalogue_can_be_read_and_knows_our_backbone() {
        let catalog = Catalog::built_in();
        let mut names: Vec<&str> = catalog.model.iter().map(|r| r.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), catalog.model.len(), "every name once");
        let bytes = std::fs::read(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/sprout/sprout.onnx"),
        );
        let bytes = bytes.unwrap();
        let recipe = catalog.by_digest(&Sha256::digest(&bytes).into()).unwrap();
        assert_eq!((recipe.name.as_str(), recipe.bytes), ("sprout", Some(bytes.len() as u64)));
        assert_eq!(recipe.overrides().unwrap().preset, Some(Preset::Tf));
        assert!(catalog.by_digest(&[0; 32]).is_none());
        let error = catalog.by_name("resnet18").unwrap_err().to_string();
        assert!(error.contains("`torchvision/resnet18`"), "{error}");
        for recipe in &catalog.model {
            assert!(recipe.url.iter().all(|url| url.starts_with("https://")), "{}", recipe.name);
            assert!(recipe.sha256.is_none() || recipe.bytes.is_some(), "{}", recipe.name);
        }
    }

    #[test]
    fn broken_catalogues_name_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        let good = "[[model]]\nname = \"a\"\nsource = \"b\"\nlicence = \"c\"\ninput = \"8x9\"\n";
        for (text, part) in [
            (good.to_string() + "sha256 = \"12\"\n", "line 6: a SHA-256 has 64"),
            (good.to_string() + "presett = \"tf\"\n", "line 6: unknown field `presett`"),
            (good.to_string() + "preset = \"tff\"\n", "line 6: unknown variant `tff`"),
            (good.replace("8x9", "8x"), "line 5: needs HEIGHTxWIDTH"),
            ("[[model]\n".to_string(), "line 1"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Catalog::open(&path).unwrap_err().to_string();
            assert!(
                error.contains("c.toml") && error.contains(part),
                "`{part}` is not in: {error}"
            );
        }
        std::fs::write(&path, good).unwrap();
        let catalog = Catalog::open(&path).unwrap();
        assert_eq!(
            (catalog.model[0].input, catalog.model[0].overrides().is_none()),
            ((9, 8), true)
        );
    }
}
