//! Camera image, scaled to its place.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use crate::ink::Ink;

/// Camera image with three bytes per pixel.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    width: u32,
    height: u32,
    rgb: &'a [u8],
    on_small_panels: bool,
}

impl<'a> Image<'a> {
    /// Creates an image from red, green and blue of every pixel, top row first.
    ///
    /// Returns `None` if a side is zero or longer than 65535, or if `rgb` has fewer bytes than the
    /// sides need; further bytes are ignored.
    pub fn new(width: u32, height: u32, rgb: &'a [u8]) -> Option<Self> {
        let limit = u32::from(u16::MAX);
        let sides = 1..=limit;
        let needed = (u64::from(width) * u64::from(height)).saturating_mul(3);
        let fits = sides.contains(&width) && sides.contains(&height) && rgb.len() as u64 >= needed;
        fits.then_some(Self { width, height, rgb, on_small_panels: false })
    }

    /// Shows the image on small panels, too, in place of the bars, stretched to the place: a
    /// spectrogram says more there than a photograph.
    #[must_use]
    pub fn on_small_panels(self) -> Self {
        Self { on_small_panels: true, ..self }
    }

    /// Returns true if small panels show the image.
    pub(crate) fn is_on_small_panels(&self) -> bool {
        self.on_small_panels
    }

    /// Returns the width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns red, green and blue of every pixel, top row first, without further bytes.
    pub fn rgb(&self) -> &'a [u8] {
        &self.rgb[..3 * self.width as usize * self.height as usize]
    }

    /// Returns the mean colour of one cell of a grid of columns and rows laid over the image.
    ///
    /// Cells beyond the grid count as those at its edge; an empty grid counts as one cell.
    pub fn sample(&self, (x, y): (u16, u16), (columns, rows): (u16, u16)) -> [u8; 3] {
        self.average(cell_span(x, columns, self.width), cell_span(y, rows, self.height))
    }

    /// Returns the largest centred part of an area that has the image's proportions.
    pub(crate) fn place_in(&self, area: Rectangle) -> Rectangle {
        let Size { width, height } = area.size;
        let full_height = scaled(width, self.height, self.width);
        let full_width = scaled(height, self.width, self.height);
        let size = if full_height <= height {
            Size::new(width, full_height)
        } else {
            Size::new(full_width, height)
        };
        let spare = area.size.saturating_sub(size);
        Rectangle::new(area.top_left + spare / 2, size)
    }

    /// Fills the area with the image: pixels are averaged if it shrinks, repeated if it grows.
    pub(crate) fn draw<D>(&self, target: &mut D, area: Rectangle) -> Result<(), D::Error>
    where
        D: DrawTarget,
        D::Color: Ink,
    {
        let Size { width, height } = area.size;
        let rows = (0..height).map(|y| span(y, height, self.height));
        let pixels = rows.zip(area.rows()).flat_map(|(rows, at_y)| {
            (0..width).zip(area.columns()).map(move |(x, at_x)| {
                let columns = span(x, width, self.width);
                D::Color::photo(self.average(columns, rows), Point::new(at_x, at_y))
            })
        });
        target.fill_contiguous(&area, pixels)
    }

    fn average(&self, (left, right): (u32, u32), (top, bottom): (u32, u32)) -> [u8; 3] {
        let mut sum = [0; 3];
        for y in top..bottom {
            let row = y as usize * self.width as usize;
            let pixels = &self.rgb[(row + left as usize) * 3..(row + right as usize) * 3];
            for pixel in pixels.chunks_exact(3) {
                sum.iter_mut().zip(pixel).for_each(|(sum, &c)| *sum += u64::from(c));
            }
        }
        let count = u64::from(right - left) * u64::from(bottom - top);
        sum.map(|sum| ((sum + count / 2) / count) as u8)
    }
}

/// Returns the range of source pixels, at least one, that belong to a drawn pixel.
fn span(at: u32, drawn: u32, source: u32) -> (u32, u32) {
    let first = scaled(at, source, drawn);
    (first, scaled(at + 1, source, drawn).max(first + 1))
}

/// Returns the range of source pixels that belong to a cell of a grid; a cell beyond its edge
/// counts as the last.
fn cell_span(at: u16, cells: u16, source: u32) -> (u32, u32) {
    let cells = u32::from(cells).max(1);
    span(u32::from(at).min(cells - 1), cells, source)
}

/// Returns `value * by / of`, rounded down.
fn scaled(value: u32, by: u32, of: u32) -> u32 {
    (u64::from(value) * u64::from(by) / u64::from(of)) as u32
}

#[cfg(test)]
mod tests {
    use embedded_graphics::mock_display::MockDisplay;
    use embedded_graphics::pixelcolor::{BinaryColor, Rgb565};

    use super::*;

    #[test]
    fn lies_about_the_size_are_refused() {
        assert!(Image::new(2, 2, &[0; 12]).is_some());
        assert!(Image::new(2, 2, &[0; 11]).is_none());
        assert!(Image::new(0, 2, &[0; 12]).is_none());
        assert!(Image::new(u32::MAX, u32::MAX, &[0; 12]).is_none());
    }

    #[test]
    fn proportions_are_kept() {
        let area = Rectangle::new(Point::new(10, 20), Size::new(120, 120));
        let wide = Image::new(160, 120, &[0; 57_600]).unwrap();
        assert_eq!(wide.place_in(area), Rectangle::new(Point::new(10, 35), Size::new(120, 90)));
        let tall = Image::new(120, 160, &[0; 57_600]).unwrap();
        assert_eq!(tall.place_in(area), Rectangle::new(Point::new(25, 20), Size::new(90, 120)));
    }

    #[test]
    fn growing_repeats_and_shrinking_averages() {
        let mut display = MockDisplay::<BinaryColor>::new();
        let bytes = [0, 0, 0, 255, 255, 255];
        let image = Image::new(2, 1, &bytes).unwrap();
        image.draw(&mut display, Rectangle::new(Point::zero(), Size::new(4, 2))).unwrap();
        display.assert_pattern(&["..##", "..##"]);
        assert_eq!(image.average((0, 2), (0, 1)), [128; 3]);
        let mut one = MockDisplay::<Rgb565>::new();
        image.draw(&mut one, Rectangle::new(Point::new(1, 1), Size::new(1, 1))).unwrap();
        assert_eq!(one.get_pixel(Point::new(1, 1)), Some(Rgb565::new(16, 32, 16)));
    }

    #[test]
    fn every_source_pixel_is_used_when_shrinking() {
        let mut next = 0;
        for at in 0..7 {
            let (first, end) = span(at, 7, 160);
            assert_eq!(first, next);
            next = end;
        }
        assert_eq!(next, 160);
    }
}
