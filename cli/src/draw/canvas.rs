//! Images with text, in the fonts that come with the command.
//!
//! Places and sizes are in points; an image has [`SHARP`] pixels per point.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, Point, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

/// Pixels per point.
pub const SHARP: u32 = 2;

/// Colour of text, and of what matters less.
pub const INK: [u8; 3] = [31, 41, 51];
pub const PALE: [u8; 3] = [97, 110, 124];

/// Height of a capital letter, as a share of the size of the font.
const CAPITAL: f32 = 0.729;

/// DejaVu Sans.
struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
}

static FONTS: LazyLock<Fonts> = LazyLock::new(|| Fonts {
    regular: FontRef::try_from_slice(dejavu::sans::regular()).expect("the font is built in"),
    bold: FontRef::try_from_slice(dejavu::sans::bold()).expect("the font is built in"),
});

/// Font and colour of a text.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Size of the font in points.
    pub size: f32,
    /// True for the bold font.
    pub is_bold: bool,
    /// Red, green and blue.
    pub colour: [u8; 3],
}

impl Style {
    /// Returns the regular font in the colour of text.
    pub const fn new(size: f32) -> Self {
        Self { size, is_bold: false, colour: INK }
    }

    /// Returns the same in bold.
    pub const fn bold(self) -> Self {
        Self { is_bold: true, ..self }
    }

    /// Returns the same in a colour.
    pub const fn coloured(self, colour: [u8; 3]) -> Self {
        Self { colour, ..self }
    }

    fn font(&self) -> &'static FontRef<'static> {
        if self.is_bold { &FONTS.bold } else { &FONTS.regular }
    }

    /// Returns the height of the line in pixels, by which the fonts' library scales.
    fn scale(&self) -> PxScale {
        let font = self.font();
        let em = font.units_per_em().unwrap_or(2048.0);
        PxScale::from(self.size * SHARP as f32 * font.height_unscaled() / em)
    }

    /// Returns the glyphs of a text with the place of each along the line, and the line's length,
    /// in pixels.
    fn set(&self, text: &str) -> Line {
        let font = self.font().as_scaled(self.scale());
        let mut line = Line { glyphs: Vec::new(), length: 0.0 };
        let mut before: Option<GlyphId> = None;
        for letter in text.chars() {
            let glyph = font.glyph_id(letter);
            line.length += before.map_or(0.0, |before| font.kern(before, glyph));
            line.glyphs.push(Placed { glyph, at: line.length });
            line.length += font.h_advance(glyph);
            before = Some(glyph);
        }
        line
    }

    /// Returns the width of a text in points.
    pub fn width(&self, text: &str) -> f32 {
        self.set(text).length / SHARP as f32
    }

    /// Returns a text that is at most `most` points wide: what is too long loses its middle, since
    /// names differ at their ends.
    pub fn shortened(&self, text: &str, most: f32) -> String {
        if self.width(text) <= most {
            return text.to_string();
        }
        let letters: Vec<char> = text.chars().collect();
        for kept in (2..letters.len()).rev() {
            let head = kept.div_ceil(2);
            let tail = kept / 2;
            let short: String = letters[..head]
                .iter()
                .chain(&['\u{2026}'])
                .chain(&letters[letters.len() - tail..])
                .collect();
            if self.width(&short) <= most {
                return short;
            }
        }
        letters.first().map_or(String::new(), |letter| format!("{letter}\u{2026}"))
    }
}

struct Line {
    glyphs: Vec<Placed>,
    length: f32,
}

struct Placed {
    glyph: GlyphId,
    at: f32,
}

/// Place of a text: the end, or the middle, that is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Left end of a line; lower end of one that is written upwards.
    Start,
    /// Middle of the line.
    Middle,
    /// Right, or upper, end.
    End,
}

/// Rectangle in points.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// Image to draw on.
#[derive(Debug, Clone)]
pub struct Canvas {
    image: RgbImage,
}

impl Canvas {
    /// Returns a white canvas of the given size in points.
    pub fn white(width: f32, height: f32) -> Self {
        let [width, height] = [width, height].map(|side| (side * SHARP as f32).ceil() as u32);
        Self { image: RgbImage::from_pixel(width, height, Rgb([255; 3])) }
    }

    /// Returns the image.
    pub fn into_image(self) -> RgbImage {
        self.image
    }

    /// Fills a rectangle; clips at the edges.
    pub fn fill(&mut self, area: Area, colour: [u8; 3]) {
        self.fill_by(area, |_, _| colour);
    }

    /// Fills a rectangle with colours by place: from 0 to 1 across and down.
    pub fn fill_by(&mut self, area: Area, colour: impl Fn(f64, f64) -> [u8; 3]) {
        let [left, right, top, bottom] =
            [area.x, area.x + area.width, area.y, area.y + area.height]
                .map(|edge| (edge * SHARP as f32).round().max(0.0) as u32);
        for y in top..bottom.min(self.image.height()) {
            for x in left..right.min(self.image.width()) {
                let [across, down] = [(x, left, right), (y, top, bottom)]
                    .map(|(at, from, to)| (f64::from(at - from) + 0.5) / f64::from(to - from));
                self.image.put_pixel(x, y, Rgb(colour(across, down)));
            }
        }
    }

    /// Puts an image, of pixels, with its upper left corner at (`x`, `y`) points.
    pub fn put(&mut self, x: f32, y: f32, image: &RgbImage) {
        let [x, y] = [x, y].map(|at| (at * SHARP as f32).round() as i64);
        image::imageops::overlay(&mut self.image, image, x, y);
    }

    /// Writes a line of text, `y` at half the height of its capitals; clips at the edges.
    pub fn write(&mut self, x: f32, y: f32, anchor: Anchor, text: &str, style: Style) {
        let half = 0.5 * CAPITAL * style.size;
        self.draw(text, style, anchor, |along, down| (x + along, y + half + down));
    }

    /// Writes a line of text from bottom to top, `x` at half the height of its capitals.
    pub fn write_upwards(&mut self, x: f32, y: f32, anchor: Anchor, text: &str, style: Style) {
        let half = 0.5 * CAPITAL * style.size;
        self.draw(text, style, anchor, |along, down| (x + half + down, y - along));
    }

    /// Draws the glyphs; `place` has the point of each distance along the line and below it.
    fn draw(
        &mut self,
        text: &str,
        style: Style,
        anchor: Anchor,
        place: impl Fn(f32, f32) -> (f32, f32),
    ) {
        let line = style.set(text);
        let from = match anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -0.5 * line.length,
            Anchor::End => -line.length,
        };
        let sharp = SHARP as f32;
        // Where the line begins, on a whole pixel, so that its letters are as sharp as can be.
        let (x, y) = place(0.0, 0.0);
        let origin = point((x * sharp).round(), (y * sharp).round());
        let right = place(1.0, 0.0);
        let below = place(0.0, 1.0);
        for placed in line.glyphs {
            let glyph =
                placed.glyph.with_scale_and_position(style.scale(), point(from + placed.at, 0.0));
            let Some(outline) = style.font().outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, cover| {
                // The middle of the pixel, turned with the line.
                let [along, down] = [corner.x + dx as f32 + 0.5, corner.y + dy as f32 + 0.5];
                let at = point(
                    origin.x + along * (right.0 - x) + down * (below.0 - x),
                    origin.y + along * (right.1 - y) + down * (below.1 - y),
                );
                self.blend(at, cover, style.colour);
            });
        }
    }

    fn blend(&mut self, at: Point, cover: f32, colour: [u8; 3]) {
        let inside = |at: f32| (at >= 0.0).then_some(at as u32);
        let place = inside(at.x).zip(inside(at.y));
        let pixel = place.and_then(|(x, y)| self.image.get_pixel_mut_checked(x, y));
        let Some(Rgb(pixel)) = pixel else { return };
        for (value, ink) in pixel.iter_mut().zip(colour) {
            *value = (f32::from(*value) * (1.0 - cover) + f32::from(ink) * cover).round() as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "K\u{e4}se \u{43c}\u{44b}\u{448}\u{44c}";

    fn inked(canvas: &Canvas) -> Vec<(u32, u32)> {
        let dark = canvas.image.enumerate_pixels().filter(|(_, _, p)| p.0[0] < 128);
        dark.map(|(x, y, _)| (x, y)).collect()
    }

    #[test]
    fn writing_stays_where_it_was_put_and_is_cut_at_the_edge() {
        let style = Style::new(12.0).coloured([0; 3]);
        let width = style.width(NAME);
        let mut canvas = Canvas::white(120.0, 120.0);
        canvas.write(10.0, 20.0, Anchor::Start, NAME, style);
        let across = inked(&canvas);
        let inside = |&(x, y): &(u32, u32)| {
            (20..(20.0 + 2.0 * width) as u32 + 1).contains(&x) && (26..56).contains(&y)
        };
        assert!(across.len() > 200 && across.iter().all(inside), "{across:?}");
        let mut upright = Canvas::white(120.0, 120.0);
        upright.write_upwards(20.0, 110.0, Anchor::Start, NAME, style);
        let up = inked(&upright);
        let turned: Vec<_> = up.iter().map(|&(x, y)| (220 + 19 - y, x)).collect();
        assert!(turned.iter().all(|place| across.contains(place)), "the same letters, turned");
        assert_eq!(up.len(), across.len());
        let mut ended = Canvas::white(120.0, 120.0);
        ended.write(110.0, 20.0, Anchor::End, NAME, style);
        assert!(inked(&ended).iter().all(|&(x, _)| x <= 220), "it ends there");
        let mut small = Canvas::white(4.0, 4.0);
        small.write(0.0, 2.0, Anchor::Middle, "longer than that", style);
        small.write_upwards(2.0, 3.0, Anchor::End, "longer than that", style);
        assert_eq!(small.into_image().dimensions(), (8, 8));
    }

    #[test]
    fn long_names_lose_their_middle() {
        let style = Style::new(11.0);
        assert_eq!(style.shortened("mug", 40.0), "mug");
        let long = format!("{}_17", "quantization_aware".repeat(9));
        let short = style.shortened(&long, 90.0);
        assert!(short.starts_with("quant") && short.ends_with("_17"), "{short}");
        assert!(style.width(&short) <= 90.0 && style.width(&short) > 75.0, "{short}");
        assert_eq!(style.shortened("mmmm", 1.0), "m\u{2026}");
    }

    #[test]
    fn fills_keep_to_their_area() {
        let mut canvas = Canvas::white(10.0, 10.0);
        let area = Area { x: 2.0, y: 3.0, width: 4.0, height: 20.0 };
        canvas.fill_by(area, |across, _| if across < 0.5 { [0; 3] } else { [90; 3] });
        let left: Vec<_> = canvas.image.enumerate_pixels().filter(|p| p.2.0 == [0; 3]).collect();
        assert_eq!(left.len(), 4 * 14);
        assert!(left.iter().all(|(x, y, _)| (4..8).contains(x) && *y >= 6));
    }
}
