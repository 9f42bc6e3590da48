//! Layers kept in float, run by tract-core.

use std::str::FromStr;

use super::noise::decibels;
use super::{Calibration, GraphVariant, QuantConfig, Quantizer, QuantizerError, StepReport, noise};
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
pub(super) fn named(model: &Model, names: &[String]) -> Result<Vec<LayerId>, QuantizerError> {
    names.iter().map(|name| find(model, name)).collect()
}

impl Quantizer<'_> {
    /// Keeps the layers of the settings in float.
    pub(super) fn keep_float(&mut self, observer: &mut dyn Observer) -> Result<(), QuantizerError> {
        let before = self.best.noise;
        let kept = match &self.settings.keep {
            KeepFloat::Nothing => return Ok(()),
            KeepFloat::Named(names) => {
                let layers = named(&self.variant.model, names)?;
                self.data.with_floats(&self.variant, &self.best, layers)?
            }
            KeepFloat::Worst(count) => {
                let ranked = self.data.ranked(&self.variant, &self.best)?;
                let layers = ranked.into_iter().take(*count).collect();
                self.data.with_floats(&self.variant, &self.best, layers)?
            }
            KeepFloat::Auto => {
                let tried = self.with_worst_in_float(observer)?;
                let least = tried.iter().map(|c| c.noise).fold(f64::INFINITY, f64::min);
                let gain_db = decibels(least) - decibels(before);
                if decibels(least) < decibels(before) + WORTH {
                    self.refinements.push(StepReport::KeptNone { gain_db: gain_db.max(0.0) });
                    return Ok(());
                }
                // Takes the fewest layers within a quarter of the best gain in dB.
                let enough = decibels(before) + 0.75 * gain_db;
                tried.into_iter().find(|c| decibels(c.noise) >= enough).expect("the best one is")
            }
        };
        let layers = &self.variant.model.layers;
        let layers = kept.floats.iter().map(|&id| layers[id].name.clone()).collect();
        let gain_db = decibels(kept.noise) - decibels(before);
        self.refinements.push(match self.data.alone {
            true => StepReport::KeptOrdered { layers, gain_db },
            false => StepReport::KeptFloat { layers, gain_db },
        });
        self.best = kept;
        Ok(())
    }

    /// Evaluates some numbers of the worst layers in float.
    fn with_worst_in_float(
        &self,
        observer: &mut dyn Observer,
    ) -> Result<Vec<QuantConfig>, QuantizerError> {
        let ranked = self.data.ranked(&self.variant, &self.best)?;
        let mut tried = Vec::new();
        for (i, count) in TRIED.into_iter().filter(|&n| n <= ranked.len()).enumerate() {
            observer.progress(Stage::KeepFloat, i as f32 / TRIED.len() as f32);
            let layers = ranked[..count].to_vec();
            tried.push(self.data.with_floats(&self.variant, &self.best, layers)?);
        }
        Ok(tried)
    }
}

impl Calibration<'_> {
    /// Evaluates a configuration with these layers in float.
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
        config: &QuantConfig,
    ) -> Result<Vec<LayerId>, QuantizerError> {
        let emitted = emit::int8(&variant.model, &self.scheme(variant, config))?;
        let graph = emitted.writer.graph(emitted.output).map_err(EmitError::from)?;
        let subject = variant.subject(&emitted, graph, self.preprocess);
        let inputs: Vec<_> = self.judged.iter().take(RANKED).map(|sample| sample.input).collect();
        let losses = noise::losses(&subject, &self.floats.observed, &inputs)?;
        let mut ranked: Vec<Ranked> = losses
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(id, _)| !variant.model.layers[*id].op.keeps_values())
            .filter_map(|(layer, loss)| Some(Ranked { layer, noise: loss.alone.ratio()? }))
            .collect();
        ranked.sort_by(|a, b| b.noise.total_cmp(&a.noise));
        Ok(ranked.into_iter().map(|ranked| ranked.layer).collect())
    }
}

/// Layer with its isolated noise.
struct Ranked {
    layer: LayerId,
    noise: f64,
}

fn find(model: &Model, name: &str) -> Result<LayerId, QuantizerError> {
    let layers: Vec<(LayerId, &str)> = model
        .layers
        .iter()
        .enumerate()
        .filter(|(_, l)| !matches!(l.op, LayerOp::Input | LayerOp::Tokens))
        .map(|(id, l)| (id, &*l.name))
        .collect();
    if let Some((id, _)) = layers.iter().find(|(_, own)| *own == name) {
        return Ok(*id);
    }
    let nearest = layers
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a.1, name).total_cmp(&strsim::jaro_winkler(b.1, name)));
    let nearest = nearest.map_or(String::new(), |(_, own)| format!("; the nearest is {own}"));
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
