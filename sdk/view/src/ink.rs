//! Colours: themes, and the conversion of photographs.

use embedded_graphics::pixelcolor::{BinaryColor, Rgb565};
use embedded_graphics::prelude::*;

/// Pixel type that a screen can be drawn with.
pub trait Ink: PixelColor {
    /// Default colours.
    const THEME: Theme<Self>;

    /// Returns the colour of a pixel of a photograph at position `at` of the panel.
    fn photo(rgb: [u8; 3], at: Point) -> Self;
}

/// Colours of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme<C> {
    /// Background of the screen.
    pub background: C,
    /// Background of header, label and camera image.
    pub panel: C,
    /// Empty part of a bar.
    pub track: C,
    /// Names and title.
    pub text: C,
    /// Hints and numbers, and the bars of classes that do not lead.
    pub dim: C,
    /// Answer and its class.
    pub answer: C,
    /// Teaching and its class.
    pub lesson: C,
    /// Unknown object.
    pub doubt: C,
    /// Error that stops the device.
    pub fault: C,
    /// Draws panels and tracks as outlines, for displays without shades.
    pub outlined: bool,
}

impl Ink for Rgb565 {
    const THEME: Theme<Self> = Theme {
        background: colour(0x0f131a),
        panel: colour(0x1b222d),
        track: colour(0x2c3645),
        text: colour(0xe9eef4),
        dim: colour(0x8391a3),
        answer: colour(0x4ccfa8),
        lesson: colour(0x6cacff),
        doubt: colour(0xf2b55e),
        fault: colour(0xff7a6b),
        outlined: false,
    };

    fn photo([r, g, b]: [u8; 3], _: Point) -> Self {
        Self::new(r >> 3, g >> 2, b >> 3)
    }
}

impl Ink for BinaryColor {
    const THEME: Theme<Self> = Theme {
        background: Self::Off,
        panel: Self::Off,
        track: Self::On,
        text: Self::On,
        dim: Self::On,
        answer: Self::On,
        lesson: Self::On,
        doubt: Self::On,
        fault: Self::On,
        outlined: true,
    };

    fn photo([r, g, b]: [u8; 3], at: Point) -> Self {
        /// Bayer's matrix: the order in which the pixels of a tile light up.
        const ORDER: [[u32; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];
        let luma = (77 * u32::from(r) + 150 * u32::from(g) + 29 * u32::from(b)) >> 8;
        let order = ORDER[(at.y & 3) as usize][(at.x & 3) as usize];
        Self::from(luma > order * 16 + 7)
    }
}

const fn colour(hex: u32) -> Rgb565 {
    Rgb565::new((hex >> 19 & 31) as u8, (hex >> 10 & 63) as u8, (hex >> 3 & 31) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_colours_keep_their_high_bits() {
        assert_eq!(colour(0xffffff), Rgb565::WHITE);
        assert_eq!(colour(0xff0000), Rgb565::RED);
        assert_eq!(colour(0x00ff00), Rgb565::GREEN);
        assert_eq!(Rgb565::photo([0, 0, 255], Point::zero()), Rgb565::BLUE);
    }

    #[test]
    fn dither_lights_a_share_of_the_pixels() {
        let lit = |level: u8| {
            let tile = (0..16).map(|i| Point::new(i % 4 - 2, i / 4 - 2));
            tile.filter(|&at| BinaryColor::photo([level; 3], at).is_on()).count()
        };
        assert_eq!((lit(0), lit(128), lit(255)), (0, 8, 16));
    }
}
