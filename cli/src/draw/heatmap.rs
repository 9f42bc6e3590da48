//! Heat map of a prediction, drawn over the network's input.

use image::{Rgb, RgbImage};
use offshoot::{Activations, Image, Package};
use offshoot_core::preprocess::Channels;

use super::canvas::{Anchor, Area, Canvas, PALE, SHARP, Style};
use super::colour_ramp::evidence_colour;

/// Longer side of each of the two images in points.
const SIDE: f32 = 280.0;

/// Margin, gap between the images, distance of texts, and height of the scale, in points.
const MARGIN: f32 = 24.0;
const BETWEEN: f32 = 16.0;
const GAP: f32 = 8.0;
const BAR: f32 = 10.0;

/// Opacity of the strongest activation.
const COVER: f32 = 0.85;

/// Grey that the scale is drawn over.
const MIDDLE_GREY: Rgb<u8> = Rgb([128; 3]);

const TITLE: Style = Style::new(16.0).bold();
const BELOW: Style = Style::new(12.0).coloured(PALE);
const CAPTION: Style = Style::new(11.0).coloured(PALE);
const MARK: Style = Style::new(11.0);

/// Content of the heat map.
#[derive(Debug)]
pub struct HeatMap<'a> {
    /// Package that was asked.
    pub package: Package<'a>,
    /// Image.
    pub image: &'a Image,
    /// Evidence by position.
    pub found: &'a Activations,
    /// Class that the evidence is for.
    pub class: &'a str,
    /// Title: the answer.
    pub title: &'a str,
    /// Details of the answer.
    pub below: &'a str,
}

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

/// Draws the network's input and beside it the evidence for a class by position over a pale grey
/// copy, from dark blue, against the class, to yellow, for it; below is the scale.
pub fn draw(map: &HeatMap<'_>) -> RgbImage {
    let plain = input(map);
    let [columns, rows] = [plain.width(), plain.height()].map(|side| side as f32 / SHARP as f32);
    let most = map.found.values.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let head = TITLE.size + GAP + BELOW.size + 2.0 * GAP + CAPTION.size + GAP;
    let foot = GAP + BAR + 0.75 * GAP + MARK.size + 0.75 * GAP + CAPTION.size;
    let titles = TITLE.width(map.title).max(BELOW.width(map.below));
    let width = (2.0 * columns + BETWEEN).max(titles) + 2.0 * MARGIN;
    let mut canvas = Canvas::white(width, head + rows + foot + 2.0 * MARGIN);
    let middle = MARGIN + 0.5 * TITLE.size;
    canvas.write(MARGIN, middle, Anchor::Start, map.title, TITLE);
    let below = middle + 0.5 * TITLE.size + GAP + 0.5 * BELOW.size;
    canvas.write(MARGIN, below, Anchor::Start, map.below, BELOW);
    let top = MARGIN + head;
    let right = MARGIN + columns + BETWEEN;
    for (x, caption, image) in [
        (MARGIN, "seen by the network", &plain),
        (right, "share in the log odds, by place", &heated(&plain, map.found, most)),
    ] {
        let caption = CAPTION.shortened(caption, columns);
        canvas.write(x, top - GAP - 0.5 * CAPTION.size, Anchor::Start, &caption, CAPTION);
        canvas.put(x, top, image);
    }
    let bar = Area { x: right, y: top + rows + GAP, width: columns, height: BAR };
    scale(&mut canvas, bar, most, map.class);
    canvas.into_image()
}

/// Draws the scale with its ends, and says below what they mean.
fn scale(canvas: &mut Canvas, bar: Area, most: f32, class: &str) {
    canvas.fill_by(bar, |across, _| tinted(MIDDLE_GREY, 2.0 * across as f32 - 1.0).0);
    let marks = bar.y + BAR + 0.75 * GAP + 0.5 * MARK.size;
    let words = marks + 0.75 * GAP + MARK.size;
    let room = 0.5 * bar.width - GAP;
    for (share, anchor, sign, what) in [
        (0.0, Anchor::Start, -1.0, "against"),
        (0.5, Anchor::Middle, 0.0, ""),
        (1.0, Anchor::End, 1.0, "for"),
    ] {
        let x = bar.x + share * bar.width;
        let mark = if sign == 0.0 { "0".to_string() } else { format!("{:+.2}", sign * most) };
        canvas.write(x, marks, anchor, &mark, MARK);
        if sign != 0.0 {
            let said = CAPTION.shortened(&format!("{what} {class}"), room);
            canvas.write(x, words, anchor, &said, CAPTION);
        }
    }
}

/// Returns the network's input, enlarged.
fn input(map: &HeatMap<'_>) -> RgbImage {
    let preprocess = map.package.manifest().preprocess;
    let width = u32::from(preprocess.width);
    let height = u32::from(preprocess.height);
    let bytes = seen(&map.package, map.image);
    let seen = RgbImage::from_fn(width, height, |x, y| {
        let at = (y * width + x) as usize;
        match preprocess.channels {
            Channels::Rgb => Rgb([bytes[3 * at], bytes[3 * at + 1], bytes[3 * at + 2]]),
            Channels::Bgr => Rgb([bytes[3 * at + 2], bytes[3 * at + 1], bytes[3 * at]]),
            Channels::Gray => Rgb([bytes[at]; 3]),
        }
    });
    let scale = SIDE * SHARP as f32 / width.max(height) as f32;
    let [columns, rows] = [width, height].map(|side| (side as f32 * scale).round() as u32);
    let filter = image::imageops::FilterType::Triangle;
    image::imageops::resize(&seen, columns, rows, filter)
}

/// Returns a copy with the evidence over it; `most` is the strongest.
fn heated(plain: &RgbImage, found: &Activations, most: f32) -> RgbImage {
    let (columns, rows) = plain.dimensions();
    RgbImage::from_fn(columns, rows, |x, y| {
        let place = [(x, columns, found.width), (y, rows, found.height)];
        let [across, down] =
            place.map(|(at, all, parts)| (at as f32 + 0.5) / all as f32 * parts as f32 - 0.5);
        let heat =
            if most > 0.0 { (between(found, across, down) / most).clamp(-1.0, 1.0) } else { 0.0 };
        tinted(*plain.get_pixel(x, y), heat)
    })
}

/// Returns a pixel as pale grey, tinted by evidence for (above 0) or against the class.
fn tinted(Rgb([r, g, b]): Rgb<u8>, heat: f32) -> Rgb<u8> {
    let light = 0.3 * f32::from(r) + 0.59 * f32::from(g) + 0.11 * f32::from(b);
    // Neither end of the ramp, so that both stand out.
    let grey = 80.0 + 0.5 * light;
    let share = COVER * heat.abs();
    let colour = evidence_colour(heat.into());
    Rgb(colour.map(|colour| (grey * (1.0 - share) + f32::from(colour) * share).round() as u8))
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
    fn what_speaks_for_is_yellow_and_light_and_what_speaks_against_is_blue_and_dark() {
        let [cold, none, warm] = [-1.0, 0.0, 1.0].map(|heat| tinted(Rgb([200, 100, 0]), heat).0);
        assert!(warm[0] > warm[2] + 80 && cold[2] > cold[0] + 30, "{warm:?} {cold:?}");
        assert!(none[0] == none[2] && warm[1] > none[1] + 30 && cold[1] < none[1] - 30, "{none:?}");
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
