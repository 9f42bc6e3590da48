//! Measurement of alternative settings, for the report.

use super::{Alternative, Change, Quantizer, QuantizerError, scheme};
use crate::calibrate::ranges::Method;

/// Numbers of the worst layers tried in float.
const KEPT: [usize; 2] = [1, 4];

impl Quantizer<'_> {
    /// Measures the other methods, the opposite choice for equalization, adaptive rounding, and the
    /// worst layers in float, changing one setting at a time.
    pub(super) fn alternatives(&self) -> Result<Vec<Alternative>, QuantizerError> {
        let Self { data, settings, variant, best, .. } = self;
        let mut all = Vec::new();
        for method in Method::ALL.into_iter().filter(|&m| m != best.method) {
            let noise = data.corrected(variant, settings.correct, method)?.noise;
            all.push(Alternative { change: Change::Ranges(method), noise });
        }
        if let Some(other) = data.other(variant, &mut ())? {
            let noise = data.corrected(&other, settings.correct, best.method)?.noise;
            all.push(Alternative { change: Change::Equalization(other.is_equalized()), noise });
        }
        if best.rounded.is_none() && !data.takes() && !scheme::trained_for_codes(&data.model) {
            let noise = data.adapted(variant, best, &mut ())?.noise;
            all.push(Alternative { change: Change::AdaptiveRounding, noise });
        }
        if best.floats.is_empty() {
            let ranked = data.ranked(variant, best)?;
            for count in KEPT.into_iter().filter(|&n| n <= ranked.len()) {
                let noise = data.with_floats(variant, best, ranked[..count].to_vec())?.noise;
                let worst = variant.model.layers[ranked[0]].name.clone();
                all.push(Alternative { change: Change::KeepFloat { count, worst }, noise });
            }
        }
        Ok(all)
    }
}
