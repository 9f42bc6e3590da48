//! Images with text.

use std::convert::Infallible;

use embedded_graphics::mono_font::iso_8859_1::FONT_7X13;
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Pixel, Point, Size};
use embedded_graphics::text::{Baseline, Text};
use image::{Rgb, RgbImage};

/// Font; characters beyond Latin-1 become question marks.
const FONT: &MonoFont<'_> = &FONT_7X13;

/// Advance of a character in pixels.
pub const ADVANCE: u32 = 7;

/// Line height in pixels, with spacing.
pub const LINE: u32 = 17;

/// Image to write text on.
#[derive(Debug, Clone)]
pub struct Canvas(pub RgbImage);

impl Canvas {
    /// Returns a white canvas of the given size in pixels.
    pub fn white(width: u32, height: u32) -> Self {
        Self(RgbImage::from_pixel(width, height, Rgb([255; 3])))
    }

    /// Writes a line of text with its upper left corner at (`x`, `y`); clips at the edges.
    pub fn write(&mut self, x: u32, y: u32, text: &str, colour: [u8; 3]) {
        let style = MonoTextStyle::new(FONT, Rgb888::new(colour[0], colour[1], colour[2]));
        let at = Point::new(x as i32, y as i32);
        let Ok(_) = Text::with_baseline(text, at, style, Baseline::Top).draw(self);
    }

    /// Writes a line of text from bottom to top, with its lower left corner at (`x`, `y`).
    pub fn write_upwards(&mut self, x: u32, y: u32, text: &str, colour: [u8; 3]) {
        let mut line = Self::white(width(text).max(1), LINE);
        line.write(0, 2, text, colour);
        let turned = image::imageops::rotate270(&line.0);
        let top = i64::from(y) - i64::from(turned.height());
        image::imageops::overlay(&mut self.0, &turned, x.into(), top);
    }
}

/// Returns the width of a line of text in pixels.
pub fn width(text: &str) -> u32 {
    text.chars().count() as u32 * ADVANCE
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            let place = u32::try_from(at.x).ok().zip(u32::try_from(at.y).ok());
            if let Some(pixel) = place.and_then(|(x, y)| self.0.get_pixel_mut_checked(x, y)) {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inked(canvas: &Canvas) -> Vec<(u32, u32)> {
        let dark = canvas.0.enumerate_pixels().filter(|(_, _, p)| p.0 == [0; 3]);
        dark.map(|(x, y, _)| (x, y)).collect()
    }

    #[test]
    fn writing_stays_where_it_was_put_and_is_cut_at_the_edge() {
        let mut canvas = Canvas::white(60, 40);
        canvas.write(10, 5, "K\u{e4}se", [0; 3]);
        let across = inked(&canvas);
        let inside = |&(x, y): &(u32, u32)| {
            (10..10 + width("K\u{e4}se")).contains(&x) && (5..22).contains(&y)
        };
        assert!(across.len() > 20 && across.iter().all(inside), "{across:?}");
        let mut upright = Canvas::white(60, 40);
        upright.write_upwards(20, 38, "K\u{e4}se", [0; 3]);
        let up = inked(&upright);
        assert_eq!(up.len(), across.len(), "the same letters, turned");
        assert!(up.iter().all(|&(x, y)| (20..37).contains(&x) && (10..38).contains(&y)), "{up:?}");
        let mut small = Canvas::white(4, 4);
        small.write(0, 0, "longer than that", [0; 3]);
        small.write_upwards(0, 3, "longer than that", [0; 3]);
        assert_eq!(small.0.dimensions(), (4, 4));
    }
}
