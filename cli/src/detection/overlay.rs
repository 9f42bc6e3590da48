//! Drawing of detections over an image.

use image::RgbImage;
use image::imageops::{FilterType, resize};
use offshoot::{Detection, Image, Mark, SpatialHead};

use super::scoring::hits;
use crate::draw::canvas::{Anchor, Area, Canvas, PALE, SHARP, Style};
use crate::draw::colour_ramp::ink_on;

/// Longer side of an image in points.
const SIDE: f32 = 480.0;
/// Width of a frame around an object, and side of the dot in its middle, in points.
const LINE: f32 = 1.5;
const DOT: f32 = 4.0;
const MARGIN: f32 = 16.0;
const LINE_HEIGHT: f32 = 18.0;

const LABEL: Style = Style::new(10.0).bold();
const BELOW: Style = Style::new(12.0).coloured(PALE);

/// Colours of classes, from the palette of Okabe and Ito that people with any colour vision tell
/// apart.
const COLOURS: [[u8; 3]; 7] = [
    [86, 180, 233],
    [230, 159, 0],
    [0, 158, 115],
    [240, 228, 66],
    [204, 121, 167],
    [213, 94, 0],
    [0, 114, 178],
];

/// Colour of an object that was missed, and of a false alarm.
const MISSED: [u8; 3] = [240, 228, 66];
const FALSE: [u8; 3] = [213, 94, 0];

/// Returns the number of objects of each class in words, such as `2 cup, 1 pen`.
pub fn counted(head: &SpatialHead, found: &[Detection]) -> String {
    let mut words = Vec::new();
    for class in 0..head.class_count() as u8 {
        let count = found.iter().filter(|own| own.class == class).count();
        if count > 0 {
            words.push(format!("{count} {}", head.class_name(class).unwrap_or_default()));
        }
    }
    if words.is_empty() { "nothing".to_string() } else { words.join(", ") }
}

/// Picture with things drawn on it.
struct Picture {
    canvas: Canvas,
    width: f32,
    height: f32,
}

impl Picture {
    fn new(image: &Image) -> Self {
        let longest = image.width().max(image.height()) as f32;
        let width = SIDE * image.width() as f32 / longest;
        let height = SIDE * image.height() as f32 / longest;
        let own = RgbImage::from_raw(image.width(), image.height(), image.rgb().to_vec());
        let mut canvas = Canvas::white(width + 2.0 * MARGIN, height + 2.0 * MARGIN + LINE_HEIGHT);
        if let Some(own) = own {
            let sharp = [width, height].map(|side| (side * SHARP as f32) as u32);
            let own = resize(&own, sharp[0].max(1), sharp[1].max(1), FilterType::Triangle);
            canvas.put(MARGIN, MARGIN, &own);
        }
        Self { canvas, width, height }
    }

    /// Draws a frame, with a dot in its middle, and a label above it.
    fn mark(&mut self, [x, y, width, height]: [f32; 4], colour: [u8; 3], label: &str) {
        let left = MARGIN + x * self.width;
        let top = MARGIN + y * self.height;
        let width = width * self.width;
        let height = height * self.height;
        let bars = [
            Area { x: left, y: top, width, height: LINE },
            Area { x: left, y: top + height - LINE, width, height: LINE },
            Area { x: left, y: top, width: LINE, height },
            Area { x: left + width - LINE, y: top, width: LINE, height },
        ];
        let dot = [left + (width - DOT) / 2.0, top + (height - DOT) / 2.0];
        bars.into_iter().for_each(|bar| self.canvas.fill(bar, colour));
        self.canvas.fill(Area { x: dot[0], y: dot[1], width: DOT, height: DOT }, colour);
        if label.is_empty() {
            return;
        }
        let above = Area {
            x: left,
            y: (top - LABEL.size - 4.0).max(0.0),
            width: LABEL.width(label) + 6.0,
            height: LABEL.size + 4.0,
        };
        self.canvas.fill(above, colour);
        let style = LABEL.coloured(ink_on(colour));
        self.canvas.write(above.x + 3.0, above.y + above.height / 2.0, Anchor::Start, label, style);
    }

    fn finish(mut self, below: &str) -> RgbImage {
        let y = self.height + 1.5 * MARGIN + LINE_HEIGHT / 2.0;
        self.canvas.write(MARGIN, y, Anchor::Start, below, BELOW);
        self.canvas.into_image()
    }
}

/// Draws what was found: a frame, the class and the score of each object, and the counts below.
pub fn draw(image: &Image, head: &SpatialHead, found: &[Detection]) -> RgbImage {
    let mut picture = Picture::new(image);
    let unknown = head.unknown_size();
    for own in found.iter().rev() {
        let colour = COLOURS[usize::from(own.class) % COLOURS.len()];
        let name = head.class_name(own.class).unwrap_or_default();
        picture.mark(own.area(unknown), colour, &format!("{name} {:.2}", own.score));
    }
    picture.finish(&counted(head, found))
}

/// Draws how unusual each cell is over the picture: from the threshold on yellow, below it up to
/// nothing.
pub fn draw_heat(
    image: &Image,
    [rows, columns]: [usize; 2],
    heat: &[f32],
    threshold: Option<f32>,
) -> RgbImage {
    let threshold = threshold.unwrap_or(f32::INFINITY);
    let mut own = RgbImage::from_raw(image.width(), image.height(), image.rgb().to_vec())
        .unwrap_or_else(|| RgbImage::new(image.width(), image.height()));
    for (x, y, pixel) in own.enumerate_pixels_mut() {
        let row = y as usize * rows / image.height() as usize;
        let column = x as usize * columns / image.width() as usize;
        let cover = (heat[row * columns + column] / threshold - 0.5).clamp(0.0, 0.5) * 1.4;
        for (byte, colour) in pixel.0.iter_mut().zip(MISSED) {
            *byte = (f32::from(*byte) * (1.0 - cover) + f32::from(colour) * cover) as u8;
        }
    }
    let shown = Image::from_rgb(image.width(), image.height(), own.into_raw());
    let highest = heat.iter().copied().fold(0.0, f32::max);
    let picture = Picture::new(shown.as_ref().unwrap_or(image));
    let word = if highest > threshold { "unusual" } else { "good" };
    picture.finish(&format!("{word}: {highest:.2}, threshold {threshold:.2}"))
}

/// Draws what was missed and what was found in error, over what was right.
pub fn draw_errors(
    image: &Image,
    head: &SpatialHead,
    found: &[Detection],
    marks: &[Mark],
) -> RgbImage {
    let mut picture = Picture::new(image);
    let unknown = head.unknown_size();
    let hits = hits(found, marks, unknown);
    let name = |class: u8| head.class_name(class).unwrap_or_default();
    let mut counts = [0; 3];
    for (own, hit) in found.iter().zip(&hits) {
        if hit.is_some() {
            counts[0] += 1;
            picture.mark(own.area(unknown), COLOURS[0], "");
        }
    }
    for (at, mark) in marks.iter().enumerate() {
        if !hits.contains(&Some(at)) {
            counts[1] += 1;
            let own =
                Detection { class: mark.class, score: 0.0, centre: mark.centre, size: mark.size };
            picture.mark(own.area(unknown), MISSED, &format!("missed {}", name(mark.class)));
        }
    }
    for (own, hit) in found.iter().zip(&hits) {
        if hit.is_none() {
            counts[2] += 1;
            picture.mark(own.area(unknown), FALSE, &format!("no {}", name(own.class)));
        }
    }
    let [right, missed, wrong] = counts;
    picture.finish(&format!("{right} right (blue), {missed} missed (yellow), {wrong} wrong (red)"))
}
