//! Panel in memory, of any size.

use std::convert::Infallible;

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// Pixels that can be drawn to and read back.
#[derive(Debug, Clone)]
pub struct Panel<C> {
    size: Size,
    pixels: Vec<C>,
}

impl<C: PixelColor> Panel<C> {
    /// Creates a panel in one colour.
    pub fn new(width: u16, height: u16, colour: C) -> Self {
        let pixels = vec![colour; usize::from(width) * usize::from(height)];
        Self { size: Size::new(width.into(), height.into()), pixels }
    }

    /// Returns the colour at a point; `None` outside.
    pub fn pixel(&self, at: Point) -> Option<C> {
        Some(self.pixels[self.place(at)?])
    }

    /// Returns a row from left to right; empty outside.
    pub fn row(&self, y: u16) -> &[C] {
        let width = self.size.width as usize;
        let start = usize::from(y) * width;
        self.pixels.get(start..start + width).unwrap_or_default()
    }

    fn place(&self, at: Point) -> Option<usize> {
        let inside = self.bounding_box().contains(at);
        inside.then(|| at.y as usize * self.size.width as usize + at.x as usize)
    }
}

impl<C> OriginDimensions for Panel<C> {
    fn size(&self) -> Size {
        self.size
    }
}

impl<C: PixelColor> DrawTarget for Panel<C> {
    type Color = C;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<C>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            if let Some(place) = self.place(at) {
                self.pixels[place] = colour;
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: C) -> Result<(), Infallible> {
        let area = area.intersection(&self.bounding_box());
        let left = area.top_left.x as usize;
        let width = area.size.width as usize;
        for y in area.rows() {
            let start = y as usize * self.size.width as usize + left;
            self.pixels[start..start + width].fill(colour);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use embedded_graphics::pixelcolor::BinaryColor::{Off, On};

    use super::*;

    #[test]
    fn what_lies_outside_is_left_out() {
        let mut panel = Panel::new(3, 2, Off);
        let Ok(()) = panel.fill_solid(&Rectangle::new(Point::new(2, -1), Size::new(9, 2)), On);
        let Ok(()) =
            panel.draw_iter([(0, 1), (3, 0), (-1, 0)].map(|(x, y)| Pixel(Point::new(x, y), On)));
        let lit: Vec<bool> =
            panel.bounding_box().points().map(|p| panel.pixel(p) == Some(On)).collect();
        assert_eq!(lit, [false, false, true, true, false, false]);
        assert_eq!(panel.pixel(Point::new(3, 0)), None);
        assert_eq!((panel.row(0), panel.row(2)), ([Off, Off, On].as_slice(), [].as_slice()));
    }
}
