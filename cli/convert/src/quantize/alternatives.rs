//! Measurement of alternative settings, for the report.

use super::{GraphVariant, QuantConfig, Quantizer, QuantizerError, Settings, scheme};
use crate::calibrate::ranges::Method;
use crate::ir::Model;

/// Alternative way to quantize, with its result.
#[derive(Debug, Clone)]
pub struct Alternative {
    /// Description.
    pub what: String,
    /// Options of `convert` that select it.
    pub options: String,
    /// Noise-to-signal ratio of the embedding.
    pub noise: f64,
}

/// Numbers of the worst layers tried in float.
const KEPT: [usize; 2] = [1, 4];

impl Quantizer<'_> {
    /// Measures the other methods, the opposite choice for equalization, biases and weights, and
    /// the worst layers in float, changing one setting at a time.
    pub(super) fn alternatives(
        &self,
        model: &Model,
        settings: &Settings,
        variant: &GraphVariant,
        best: &QuantConfig,
    ) -> Result<Vec<Alternative>, QuantizerError> {
        let mut all = Vec::new();
        let mut add =
            |what: String, options: String, noise| all.push(Alternative { what, options, noise });
        for method in Method::ALL.into_iter().filter(|&m| m != best.method) {
            let candidate = self.corrected(variant, settings, method)?;
            add(
                format!("ranges by {}", method.name()),
                format!("--ranges {}", method.name()),
                candidate.noise,
            );
        }
        if let Some(other) = self.other(model, variant, &mut ())? {
            let (what, switch) = match other.is_equalized() {
                true => ("channels equalized", "on"),
                false => ("channels not equalized", "off"),
            };
            let candidate = self.corrected(&other, settings, best.method)?;
            add(what.to_string(), format!("--equalize {switch}"), candidate.noise);
        }
        if best.rounded.is_none() && !scheme::trained_for_codes(model) {
            let adapted = self.adapted(variant, best, &mut ())?;
            let what = "weights rounded for their inputs".to_string();
            add(what, "--rounding adaptive".to_string(), adapted.noise);
        }
        if best.floats.is_empty() {
            let ranked = self.ranked(variant, best)?;
            for count in KEPT.into_iter().filter(|&n| n <= ranked.len()) {
                let kept = self.with_floats(variant, best, ranked[..count].to_vec())?;
                let what = match count {
                    1 => format!("{} in float", variant.model.layers[ranked[0]].name),
                    _ => format!("the {count} worst layers in float"),
                };
                add(what, format!("--keep-float {count}"), kept.noise);
            }
        }
        Ok(all)
    }

    /// Evaluates ranges by one method, with biases corrected if the settings state so.
    pub(super) fn corrected(
        &self,
        variant: &GraphVariant,
        settings: &Settings,
        method: Method,
    ) -> Result<QuantConfig, QuantizerError> {
        let mut candidate = self.candidate(variant, method)?;
        self.correct(variant, settings.correct, &mut candidate)?;
        Ok(candidate)
    }
}
