//! Layers kept in float, run by tract-core.

use std::str::FromStr;

use super::noise::decibels;
use super::{GraphVariant, QuantConfig, Quantizer, QuantizerError, noise};
use crate::emit::{self, EmitError};
use crate::ir::{LayerId, LayerOp, Model};
use crate::progress::{Observer, Stage};

/// Choice of the layers kept in float.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeepFloat {
    /// No layer but those that cannot be run in int8.
    #[default]
    Nothing,
    /// Fewest of the worst layers that bring most of the possible gain.
    Auto,
    /// Given number of the worst layers.
    Worst(usize),
    /// Layers of these names.
    Named(Vec<String>),
}

impl FromStr for KeepFloat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_string()).collect();
        match text.parse() {
            _ if text == "auto" => Ok(Self::Auto),
            Ok(count) => Ok(Self::Worst(count)),
            Err(_) if names.iter().any(String::is_empty) => {
                Err("expected auto, a number, or names of layers separated by commas".to_string())
            }
            Err(_) => Ok(Self::Named(names)),
        }
    }
}

/// Numbers of the worst layers that `auto` tries.
const TRIED: [usize; 4] = [1, 2, 4, 8];
/// Gain in dB that `auto` requires for a mixed package.
const WORTH: f64 = 1.0;
/// Number of samples for the ranking of layers.
const RANKED: usize = 8;

/// Returns the layers of these names.
fn named(model: &Model, names: &[String]) -> Result<Vec<LayerId>, QuantizerError> {
    names.iter().map(|name| find(model, name)).collect()
}

impl Quantizer<'_> {
    /// Keeps the chosen layers in float, and returns a line for the report.
    pub(super) fn keep(
        &self,
        wanted: &KeepFloat,
        variant: &GraphVariant,
        best: &mut QuantConfig,
        observer: &mut dyn Observer,
    ) -> Result<Option<String>, QuantizerError> {
        let before = best.noise;
        let kept = match wanted {
            KeepFloat::Nothing => return Ok(None),
            KeepFloat::Named(names) => {
                self.with_floats(variant, best, named(&variant.model, names)?)?
            }
            KeepFloat::Worst(count) => {
                let layers = self.ranked(variant, best)?.into_iter().take(*count).collect();
                self.with_floats(variant, best, layers)?
            }
            KeepFloat::Auto => {
                let ranked = self.ranked(variant, best)?;
                let mut tried = Vec::new();
                for (i, count) in TRIED.into_iter().filter(|&n| n <= ranked.len()).enumerate() {
                    observer.progress(Stage::KeepFloat, i as f32 / TRIED.len() as f32);
                    tried.push(self.with_floats(variant, best, ranked[..count].to_vec())?);
                }
                let least = tried.iter().map(|c| c.noise).fold(f64::INFINITY, f64::min);
                if decibels(least) < decibels(before) + WORTH {
                    let gain = (decibels(least) - decibels(before)).max(0.0);
                    return Ok(Some(format!(
                        "no layer kept in float: at most {gain:.2} dB would be gained"
                    )));
                }
                // Takes the fewest layers within a quarter of the best gain in dB.
                let enough = decibels(before) + 0.75 * (decibels(least) - decibels(before));
                tried.into_iter().find(|c| decibels(c.noise) >= enough).expect("the best one is")
            }
        };
        *best = kept;
        let names: Vec<&str> =
            best.floats.iter().map(|&id| &*variant.model.layers[id].name).collect();
        let gain = decibels(best.noise) - decibels(before);
        Ok(Some(format!("kept in float: {} ({gain:+.2} dB; tract runs them)", names.join(", "))))
    }

    pub(super) fn with_floats(
        &self,
        variant: &GraphVariant,
        best: &QuantConfig,
        floats: Vec<LayerId>,
    ) -> Result<QuantConfig, QuantizerError> {
        let mut kept = QuantConfig { floats, ..best.clone() };
        kept.noise = self.judge(variant, &kept)?;
        if kept.coded_means.is_none() {
            return Ok(kept);
        }
        // Means measured fully in int8 may no longer be right.
        let mut plain = QuantConfig { coded_means: None, ..kept.clone() };
        plain.noise = self.judge(variant, &plain)?;
        Ok(if plain.noise < kept.noise { plain } else { kept })
    }

    /// Returns the layers that compute in int8, ordered by their isolated loss, the largest first.
    pub(super) fn ranked(
        &self,
        variant: &GraphVariant,
        candidate: &QuantConfig,
    ) -> Result<Vec<LayerId>, QuantizerError> {
        let emitted = emit::int8(&variant.model, &self.scheme(variant, candidate))?;
        let graph = emitted.writer.graph(emitted.output).map_err(EmitError::from)?;
        let subject = variant.subject(&emitted, graph, self.preprocess);
        let inputs: Vec<_> = self.judged.iter().take(RANKED).map(|(input, _)| *input).collect();
        let losses = noise::losses(&subject, &self.floats.observed, &inputs)?;
        let computes = |id: &LayerId| {
            !variant.model.layers[*id].op.keeps_values() && losses[*id].alone.ratio().is_some()
        };
        let mut ranked: Vec<LayerId> = (1..losses.len()).filter(computes).collect();
        let ratio = |id: LayerId| losses[id].alone.ratio().unwrap_or_default();
        ranked.sort_by(|&a, &b| ratio(b).total_cmp(&ratio(a)));
        Ok(ranked)
    }
}

fn find(model: &Model, name: &str) -> Result<LayerId, QuantizerError> {
    let layers = || {
        model
            .layers
            .iter()
            .enumerate()
            .filter(|(_, l)| !matches!(l.op, LayerOp::Input | LayerOp::Tokens))
    };
    if let Some((id, _)) = layers().find(|(_, l)| l.name == name) {
        return Ok(id);
    }
    let near = |l: &str| strsim::jaro_winkler(l, name);
    let nearest = layers().max_by(|a, b| near(&a.1.name).total_cmp(&near(&b.1.name)));
    let nearest = nearest.map_or(String::new(), |(_, l)| format!("; the nearest is {}", l.name));
    Err(QuantizerError::NoLayer { name: name.to_string(), nearest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_keep_is_read() {
        assert_eq!("auto".parse(), Ok(KeepFloat::Auto));
        assert_eq!("3".parse(), Ok(KeepFloat::Worst(3)));
        assert_eq!("a, b".parse(), Ok(KeepFloat::Named(vec!["a".to_string(), "b".to_string()])));
        assert!("a,".parse::<KeepFloat>().is_err());
    }
}
