//! Where a decision came from, drawn over what the network saw.

use image::{Rgb, RgbImage};
use offshoot::{Activations, Package, Picture};
use offshoot_core::preprocess::Channels;

/// Pixels of the longer side of a drawing, at least.
const SIDE: u32 = 448;

/// How much of the picture the warmest place covers.
const COVER: f32 = 0.65;

/// What the network sees of a picture: bytes row by row, channels innermost and in the network's
/// order.
pub fn seen(package: &Package<'_>, picture: &Picture) -> Vec<u8> {
    let preprocess = package.manifest().preprocess;
    // A table of codes that are the bytes themselves.
    let channels = preprocess.channels.count();
    let table: Vec<i8> = (0..channels).flat_map(|_| (0..=255u8).map(|byte| byte as i8)).collect();
    let values = usize::from(preprocess.width) * usize::from(preprocess.height) * channels;
    let mut codes = vec![0; values];
    preprocess
        .quantize_into(&picture.frame(), &table, &mut codes)
        .expect("both lengths are those of the input");
    codes.into_iter().map(|code| code as u8).collect()
}

/// What the network saw of a picture, warmer where it spoke for the class; places that spoke against
/// it stay as they are.
pub fn draw(package: &Package<'_>, picture: &Picture, found: &Activations) -> RgbImage {
    let preprocess = package.manifest().preprocess;
    let (width, height) = (u32::from(preprocess.width), u32::from(preprocess.height));
    let bytes = seen(package, picture);
    let seen = RgbImage::from_fn(width, height, |x, y| {
        let at = (y * width + x) as usize;
        match preprocess.channels {
            Channels::Rgb => Rgb([bytes[3 * at], bytes[3 * at + 1], bytes[3 * at + 2]]),
            Channels::Bgr => Rgb([bytes[3 * at + 2], bytes[3 * at + 1], bytes[3 * at]]),
            Channels::Gray => Rgb([bytes[at]; 3]),
        }
    });
    let scale = SIDE.div_ceil(width.max(height));
    let filter = image::imageops::FilterType::Triangle;
    let mut drawing = image::imageops::resize(&seen, width * scale, height * scale, filter);
    let most = found.values.iter().copied().fold(0.0, f32::max);
    let (columns, rows) = drawing.dimensions();
    for (x, y, pixel) in drawing.enumerate_pixels_mut() {
        let place = [(x, columns, found.width), (y, rows, found.height)];
        let [x, y] = place.map(|(at, all, parts)| (at as f32 + 0.5) / all as f32 * parts as f32 - 0.5);
        let warmth = if most > 0.0 { (between(found, x, y) / most).clamp(0.0, 1.0) } else { 0.0 };
        let share = COVER * warmth;
        // From red to yellow.
        let warm = [255.0, 255.0 * warmth, 0.0];
        for (value, warm) in pixel.0.iter_mut().zip(warm) {
            *value = (f32::from(*value) * (1.0 - share) + warm * share).round() as u8;
        }
    }
    drawing
}

/// The value at a place between the middles of parts.
fn between(found: &Activations, x: f32, y: f32) -> f32 {
    let split = |at: f32, parts: usize| {
        let at = at.clamp(0.0, parts as f32 - 1.0);
        let low = (at as usize).min(parts.saturating_sub(2));
        (low, (low + 1).min(parts - 1), at - low as f32)
    };
    let ((left, right, fx), (above, below, fy)) = (split(x, found.width), split(y, found.height));
    let value = |row: usize, column: usize| found.values[row * found.width + column];
    let row = |row: usize| value(row, left) * (1.0 - fx) + value(row, right) * fx;
    row(above) * (1.0 - fy) + row(below) * fy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_met_at_the_middles_and_blended_between() {
        let found = Activations { width: 2, height: 2, values: vec![0.0, 1.0, 2.0, 3.0] };
        for (x, y, want) in
            [(0.0, 0.0, 0.0), (1.0, 1.0, 3.0), (0.5, 0.0, 0.5), (0.5, 0.5, 1.5), (-1.0, 9.0, 2.0)]
        {
            assert_eq!(between(&found, x, y), want, "{x} {y}");
        }
        let point = Activations { width: 1, height: 1, values: vec![4.0] };
        assert_eq!(between(&point, 0.3, -2.0), 4.0);
    }
}
