//! Colours of values: cividis (Nunez, Anderton, Renslow 2018), a ramp that people with any colour
//! vision see alike, and that stays a ramp in grey.

use colorous::CIVIDIS;

/// Colour of a share from 0 to 1: nothing is nearly white, little is yellow, all is dark blue.
///
/// The ramp goes by the square root, so that a mistake in a hundred differs from none.
pub fn share_colour(share: f64) -> [u8; 3] {
    if share <= 0.0 {
        return NOTHING;
    }
    CIVIDIS.eval_continuous(1.0 - share.min(1.0).sqrt()).as_array()
}

/// Colour of a cell without a sample.
pub const NOTHING: [u8; 3] = [244, 245, 246];

/// Colour of evidence from -1, dark blue, over 0, grey, to 1, yellow.
pub fn evidence_colour(evidence: f64) -> [u8; 3] {
    CIVIDIS.eval_continuous(0.5 + 0.5 * evidence.clamp(-1.0, 1.0)).as_array()
}

/// Colour of text on a colour: the one of black and white that differs more.
pub fn ink_on(colour: [u8; 3]) -> [u8; 3] {
    if luminance(colour) > 0.179 { [0; 3] } else { [255; 3] }
}

/// Relative luminance of WCAG 2, from 0 to 1.
fn luminance(colour: [u8; 3]) -> f64 {
    let [r, g, b] = colour.map(|value| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_darker_and_text_on_it_can_be_read() {
        let mut before = luminance(NOTHING);
        for percent in 1..=100 {
            let colour = share_colour(f64::from(percent) / 100.0);
            let light = luminance(colour);
            assert!(light < before, "{percent} %: {light} after {before}");
            before = light;
            let ink = luminance(ink_on(colour));
            let contrast = (light.max(ink) + 0.05) / (light.min(ink) + 0.05);
            // Of WCAG 2, level AA.
            assert!(contrast >= 4.5, "{percent} %: {contrast}");
        }
    }

    #[test]
    fn evidence_against_is_blue_and_for_is_yellow() {
        let [against, none, for_it] = [-1.0, 0.0, 1.0].map(evidence_colour);
        assert!(against[2] > against[0] + 40 && for_it[0] > for_it[2] + 100, "{against:?}");
        assert!(none.iter().max().unwrap() - none.iter().min().unwrap() < 12, "{none:?}");
    }
}
