//! Heat map of a prediction, drawn over the network's input.

use image::{Rgb, RgbImage};
use offshoot::{Activations, Image, Package};
use offshoot_core::preprocess::Channels;

use super::canvas::{Canvas, LINE};

/// Minimum length of the longer side of an image in pixels.
const SIDE: u32 = 448;

/// Gap between the two images and above the text in pixels.
const GAP: u32 = 6;

/// Opacity of the strongest activation.
const COVER: f32 = 0.8;

/// Returns the network's input for an image: bytes row by row, channels innermost, in the network's
/// channel order.
pub fn seen(package: &Package<'_>, image: &Image) -> Vec<u8> {
    let preprocess = package.manifest().preprocess;
    // Quantization table that maps each byte to itself.
    let channels = preprocess.channels.count();
    let table: Vec<i8> = (0..channels).flat_map(|_| (0..=255u8).map(|byte| byte as i8)).collect();
    let values = usize::from(preprocess.width) * usize::from(preprocess.height) * channels;
    let mut codes = vec![0; values];
    preprocess
        .quantize_into(&image.frame(), &table, &mut codes)
        .expect("both lengths are those of the input");
    codes.into_iter().map(|code| code as u8).collect()
}

/// Draws the network's input and beside it the class evidence by position: for the class red to
/// yellow, against it blue, over a pale grey copy; `said` is written below.
pub fn draw(package: &Package<'_>, image: &Image, found: &Activations, said: &str) -> RgbImage {
    let preprocess = package.manifest().preprocess;
    let width = u32::from(preprocess.width);
    let height = u32::from(preprocess.height);
    let bytes = seen(package, image);
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
    let plain = image::imageops::resize(&seen, width * scale, height * scale, filter);
    let (columns, rows) = plain.dimensions();
    let most = found.values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let mut drawing = Canvas::white(2 * columns + GAP, rows + GAP + LINE);
    image::imageops::overlay(&mut drawing.0, &plain, 0, 0);
    for (x, y, pixel) in plain.enumerate_pixels() {
        let place = [(x, columns, found.width), (y, rows, found.height)];
        let [across, down] =
            place.map(|(at, all, parts)| (at as f32 + 0.5) / all as f32 * parts as f32 - 0.5);
        let heat =
            if most > 0.0 { (between(found, across, down) / most).clamp(-1.0, 1.0) } else { 0.0 };
        drawing.0.put_pixel(columns + GAP + x, y, tinted(*pixel, heat));
    }
    drawing.write(2, rows + GAP, said, [40; 3]);
    drawing.0
}

/// Returns a pixel as grey, tinted by evidence for (above 0) or against the class.
fn tinted(Rgb([r, g, b]): Rgb<u8>, heat: f32) -> Rgb<u8> {
    let light = 0.3 * f32::from(r) + 0.59 * f32::from(g) + 0.11 * f32::from(b);
    // Grey pale enough for the colours to stand out.
    let grey = 70.0 + 0.6 * light;
    let colour = if heat > 0.0 { [235.0, 235.0 * heat, 0.0] } else { [30.0, 90.0, 235.0] };
    let share = COVER * heat.abs();
    Rgb(colour.map(|colour| (grey * (1.0 - share) + colour * share).round() as u8))
}

/// Two neighbouring cells that a position lies between.
struct Neighbours {
    low: usize,
    high: usize,
    /// Weight of the higher one.
    weight: f32,
}

impl Neighbours {
    fn of(at: f32, cells: usize) -> Self {
        let at = at.clamp(0.0, cells as f32 - 1.0);
        let low = (at as usize).min(cells.saturating_sub(2));
        Self { low, high: (low + 1).min(cells - 1), weight: at - low as f32 }
    }

    fn mean(&self, low: f32, high: f32) -> f32 {
        low * (1.0 - self.weight) + high * self.weight
    }
}

/// Interpolates the activations bilinearly between cell centres.
fn between(found: &Activations, x: f32, y: f32) -> f32 {
    let columns = Neighbours::of(x, found.width);
    let rows = Neighbours::of(y, found.height);
    let above = &found.values[rows.low * found.width..];
    let below = &found.values[rows.high * found.width..];
    rows.mean(
        columns.mean(above[columns.low], above[columns.high]),
        columns.mean(below[columns.low], below[columns.high]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_for_is_warm_and_what_speaks_against_is_blue() {
        let [cold, none, warm] = [-1.0, 0.0, 1.0].map(|heat| tinted(Rgb([200, 100, 0]), heat).0);
        assert!(
            warm[0] > warm[2] + 100 && cold[2] > cold[0] + 100 && none[0] == none[2],
            "{warm:?} {cold:?}"
        );
    }

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
