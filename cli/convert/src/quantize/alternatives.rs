//! What else could be done, measured: for the report.

use super::{GraphVariant, QuantConfig, Quantizer, QuantizerError, Settings, scheme};
use crate::calibrate::ranges::Method;
use crate::ir::Model;

/// Another way to quantize, and what came of it.
#[derive(Debug, Clone)]
pub struct Alternative {
    /// In words.
    pub what: String,
    /// The options of `convert` that do it.
    pub options: String,
    /// Noise by signal of the embedding.
    pub noise: f64,
}

/// How many of the worst layers are tried in float.
const KEPT: [usize; 2] = [1, 4];

impl Quantizer<'_> {
    /// The other methods, the other way with channels, biases and weights, the worst layers in float: one thing
    /// changed at a time.
    pub(super) fn alternatives(
        &self,
        model: &Model,
        settings: &Settings,
        variant: &GraphVariant,
        best: &QuantConfig,
    ) -> Result<Vec<Alternative>, QuantizerError> {
        let mut all = Vec::new();
        let mut add = |what: String, options: String, noise| all.push(Alternative { what, options, noise });
        for method in Method::ALL.into_iter().filter(|&m| m != best.method) {
            let candidate = self.corrected(variant, settings, method)?;
            add(
                format!("ranges by {}", method.name()),
                format!("--ranges {}", method.name()),
                candidate.noise,
            );
        }
        if let Some(other) = self.other(model, variant, &mut |_| ())? {
            let (what, switch) = match other.is_equalized() {
                true => ("channels equalized", "on"),
                false => ("channels left alone", "off"),
            };
            let candidate = self.corrected(&other, settings, best.method)?;
            add(what.to_string(), format!("--equalize {switch}"), candidate.noise);
        }
        if best.rounded.is_none() && !scheme::trained_for_codes(model) {
            let adapted = self.adapted(variant, best, &mut |_| ())?;
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

    /// Ranges by one method, and biases corrected if they are to be.
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
