//! Comparison with the calibration set: distances, and statistics of the images.

use offshoot_core::package::Domain;
use offshoot_core::statistics::Measure;

use super::Seen;

/// Percentiles of the calibration set beyond which the middle of a data set is off.
const LOW: f32 = 2.0;
const HIGH: f32 = 98.0;

/// Share of the network's input sides below which images are enlarged.
const SMALL: f64 = 0.75;

/// Distance of a data set from the calibration set at one depth.
#[derive(Debug, Clone)]
pub struct Distance {
    /// Name of the depth.
    pub name: String,
    /// Percentile of the middle image among held-out calibration images, 0 to 100.
    pub percentile: f32,
    /// Its distance, divided by that of the middle calibration image.
    pub ratio: f32,
}

/// Statistic in which images are off.
#[derive(Debug, Clone)]
pub struct ImageFault {
    /// Name of the statistic.
    pub name: &'static str,
    /// Value of the middle image.
    pub value: f32,
    /// Its percentile in the calibration set, 0 to 100; none for the number of pixels.
    pub percentile: Option<f32>,
    /// Description.
    pub what: String,
    /// Remedy.
    pub remedy: &'static str,
}

/// Measures the distance at each depth that the package has statistics of.
pub fn distances(seen: &Seen, domain: &Domain<'_>) -> Vec<Distance> {
    let mut found = Vec::new();
    for depth in domain.depths() {
        let own = seen.depths.iter().find(|own| own.tensor == depth.tensor());
        let Some(own) = own.filter(|own| own.len == depth.len()) else { continue };
        let rows = own.values.chunks_exact(own.len);
        let middle = median(rows.map(|row| depth.distance(row.iter().copied())).collect());
        found.push(Distance {
            name: own.name.clone(),
            percentile: depth.distances().percentile(middle),
            ratio: middle / depth.distances().median().max(f32::MIN_POSITIVE),
        });
    }
    found
}

/// Finds statistics in which the middle image lies outside nearly all of the calibration set, and
/// images of fewer pixels than the network's input has.
pub fn faults(seen: &Seen, domain: Option<&Domain<'_>>, input: [u32; 2]) -> Vec<ImageFault> {
    let mut found: Vec<ImageFault> = resolution(seen, input).into_iter().collect();
    if seen.images.is_empty() {
        return found;
    }
    for measure in Measure::ALL {
        let value = median(seen.images.iter().map(|image| image.get(measure)).collect());
        let known = domain.and_then(|domain| domain.appearance(measure));
        let Some(percentile) = known.map(|known| known.percentile(value)) else { continue };
        let is_low = percentile < LOW;
        if let Some((what, remedy)) = words(measure, is_low).filter(|_| is_low || percentile > HIGH)
        {
            let what = what.to_string();
            let percentile = Some(percentile);
            found.push(ImageFault { name: measure.name(), value, percentile, what, remedy });
        }
    }
    found
}

/// Compares the number of pixels with the network's input.
fn resolution(seen: &Seen, [width, height]: [u32; 2]) -> Option<ImageFault> {
    let sides = seen.sizes.iter().map(|[w, h]| (*w).min(*h) as f32).collect();
    let side = median(sides);
    let need = width.min(height);
    let is_small = !seen.sizes.is_empty() && f64::from(side) < SMALL * f64::from(need);
    is_small.then(|| ImageFault {
        name: "pixels",
        value: side,
        percentile: None,
        what: format!("images of {side:.0} pixels are enlarged to the network's {need}"),
        remedy: "take images of more pixels, nearer to the thing",
    })
}

/// Description and remedy of a statistic that is too low or too high; none where it is harmless.
fn words(measure: Measure, is_low: bool) -> Option<(&'static str, &'static str)> {
    Some(match (measure, is_low) {
        (Measure::Light, true) => ("the images are dark", "give more light or a longer exposure"),
        (Measure::Light, false) => ("the images are bright", "shorten the exposure"),
        (Measure::Contrast, true) => {
            ("the images have little contrast", "light from the side, or crop to the thing")
        }
        (Measure::Contrast, false) => ("the images have much contrast", "soften the light"),
        (Measure::Sharpness, true) => {
            ("the images are blurred or enlarged", "focus, or take images of more pixels")
        }
        (Measure::Sharpness, false) => {
            ("the images are noisy or finely textured", "give more light, or go nearer")
        }
        (Measure::Saturation, true) => {
            ("the images are nearly grey", "calibrate on grey images, or use a colour camera")
        }
        (Measure::Saturation, false) => {
            ("the colours are strong", "calibrate on such images, or lower the saturation")
        }
        (Measure::Warmth, true) => ("the images are blue", "set the white balance"),
        (Measure::Warmth, false) => ("the images are red", "set the white balance"),
        (Measure::Clipped, false) => ("many pixels are black or white", "set the exposure"),
        _ => return None,
    })
}

/// Returns the number in the middle; 0 for none.
fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_images_are_told_and_large_ones_not() {
        let of = |side| Seen { sizes: vec![[side, 2 * side]; 3], ..Seen::default() };
        let found = faults(&of(32), None, [96, 96]);
        assert!(found.len() == 1 && found[0].what.contains("32 pixels"), "{found:?}");
        assert!(faults(&of(200), None, [96, 96]).is_empty());
        assert!(faults(&Seen::default(), None, [96, 96]).is_empty());
    }
}
