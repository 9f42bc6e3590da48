//! Statistics of one image: light, contrast, sharpness and colour.

/// Bytes of a pixel: red, green, blue.
const RGB: usize = 3;

/// Luma at or below which a pixel is black, and at or above which it is white.
const BLACK: u8 = 4;
const WHITE: u8 = 251;

/// Standard deviation of the luma below which an image is flat: it has no sharpness.
const FLAT: f32 = 1.0;

/// Statistic of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// Mean luma (BT.601), 0 to 255.
    Light,
    /// Standard deviation of the luma, 0 to 128.
    Contrast,
    /// Mean absolute difference of neighbouring pixels' luma, as a share of the contrast; 0 for an
    /// image of one colour.
    Sharpness,
    /// Mean difference of a pixel's largest and smallest channel, 0 to 255.
    Saturation,
    /// Mean difference of red and blue, -255 to 255.
    Warmth,
    /// Share of the pixels that are black or white, 0 to 1.
    Clipped,
}

impl Measure {
    /// All measures, in the order of [`Appearance::values`].
    pub const ALL: [Self; 6] = [
        Self::Light,
        Self::Contrast,
        Self::Sharpness,
        Self::Saturation,
        Self::Warmth,
        Self::Clipped,
    ];

    /// Returns the name for tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Contrast => "contrast",
            Self::Sharpness => "sharpness",
            Self::Saturation => "saturation",
            Self::Warmth => "warmth",
            Self::Clipped => "clipped",
        }
    }
}

/// Statistics of one image.
///
/// Sums are exact integers and each later step is rounded once: the same bits on every processor.
///
/// ```
/// use offshoot_core::statistics::{Appearance, Measure};
///
/// let grey = [128; 3 * 4 * 4];
/// let seen = Appearance::of(4, &grey, 1).unwrap();
/// assert_eq!((seen.get(Measure::Light), seen.get(Measure::Contrast)), (128.0, 0.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Appearance([f32; Measure::ALL.len()]);

impl Appearance {
    /// Measures an image of `width` pixels a row, three bytes each: red, green, blue.
    ///
    /// Reads every `step`-th pixel of every `step`-th row, with its neighbours to the right and
    /// below; 1 and 0 read all. [`None`] for an image without pixels, or with an incomplete row.
    #[must_use]
    pub fn of(width: usize, rgb: &[u8], step: usize) -> Option<Self> {
        let row = width.checked_mul(RGB)?;
        if row == 0 || rgb.is_empty() || !rgb.len().is_multiple_of(row) {
            return None;
        }
        let step = step.max(1);
        let mut sums = Sums::default();
        for (y, line) in rgb.chunks_exact(row).enumerate().step_by(step) {
            let below = rgb.get((y + 1) * row..(y + 2) * row);
            for (x, pixel) in line.chunks_exact(RGB).enumerate().step_by(step) {
                let right = line.get((x + 1) * RGB..(x + 2) * RGB);
                let lower = below.and_then(|below| below.get(x * RGB..(x + 1) * RGB));
                sums.add(pixel, [right, lower]);
            }
        }
        Some(sums.finish())
    }

    /// Makes the statistics of their values, in the order of [`Measure::ALL`].
    #[must_use]
    pub const fn from_values(values: [f32; Measure::ALL.len()]) -> Self {
        Self(values)
    }

    /// Returns the values in the order of [`Measure::ALL`].
    #[must_use]
    pub const fn values(&self) -> &[f32; Measure::ALL.len()] {
        &self.0
    }

    /// Returns one value.
    #[must_use]
    pub fn get(&self, measure: Measure) -> f32 {
        self.0[measure as usize]
    }
}

/// Sums over the pixels of an image.
#[derive(Default)]
struct Sums {
    pixels: u64,
    luma: u64,
    squares: u64,
    /// Neighbours compared, and the sum of their differences.
    pairs: u64,
    steps: u64,
    saturation: u64,
    warmth: i64,
    clipped: u64,
}

impl Sums {
    fn add(&mut self, pixel: &[u8], neighbours: [Option<&[u8]>; 2]) {
        let own = luma(pixel);
        let least = pixel.iter().copied().fold(u8::MAX, u8::min);
        let most = pixel.iter().copied().fold(u8::MIN, u8::max);
        self.pixels += 1;
        self.luma += u64::from(own);
        self.squares += u64::from(own) * u64::from(own);
        self.saturation += u64::from(most - least);
        self.warmth += i64::from(pixel[0]) - i64::from(pixel[2]);
        self.clipped += u64::from(own <= BLACK || own >= WHITE);
        for other in neighbours.into_iter().flatten() {
            self.pairs += 1;
            self.steps += u64::from(own.abs_diff(luma(other)));
        }
    }

    fn finish(&self) -> Appearance {
        let count = self.pixels as f64;
        let mean = self.luma as f64 / count;
        let variance = self.squares as f64 / count - mean * mean;
        let contrast = libm::sqrt(if variance > 0.0 { variance } else { 0.0 }) as f32;
        let step = (self.steps as f64 / self.pairs.max(1) as f64) as f32;
        Appearance([
            mean as f32,
            contrast,
            if contrast < FLAT { 0.0 } else { step / contrast },
            (self.saturation as f64 / count) as f32,
            (self.warmth as f64 / count) as f32,
            (self.clipped as f64 / count) as f32,
        ])
    }
}

/// Returns the luma of a pixel (BT.601), rounded.
fn luma(pixel: &[u8]) -> u8 {
    let [r, g, b] = [0, 1, 2].map(|channel| u32::from(pixel[channel]));
    ((19_595 * r + 38_470 * g + 7_471 * b + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn stripes(width: usize, period: usize) -> Vec<u8> {
        let line =
            (0..width).flat_map(|x| [if (x / period).is_multiple_of(2) { 40 } else { 200 }; RGB]);
        line.collect::<Vec<u8>>().repeat(width)
    }

    #[test]
    fn one_colour_has_light_and_colour_only() {
        let seen = Appearance::of(5, &[200, 100, 50].repeat(20), 1).unwrap();
        let luma = (0.299f32 * 200.0 + 0.587 * 100.0 + 0.114 * 50.0).round();
        assert_eq!(*seen.values(), [luma, 0.0, 0.0, 150.0, 150.0, 0.0]);
        let black = Appearance::of(5, &[0; 60], 1).unwrap();
        assert_eq!(black.get(Measure::Clipped), 1.0);
    }

    #[test]
    fn wide_stripes_are_less_sharp_at_the_same_contrast() {
        let [fine, wide] =
            [1, 8].map(|period| Appearance::of(64, &stripes(64, period), 1).unwrap());
        assert_eq!(fine.get(Measure::Light), 120.0);
        assert_eq!(fine.get(Measure::Contrast), 80.0);
        assert_eq!(wide.get(Measure::Contrast), 80.0);
        assert!(fine.get(Measure::Sharpness) > 6.0 * wide.get(Measure::Sharpness));
    }

    #[test]
    fn steps_leave_pixels_out_and_keep_their_neighbours() {
        let all = Appearance::of(64, &stripes(64, 1), 1).unwrap();
        let some = Appearance::of(64, &stripes(64, 1), 3).unwrap();
        assert!((all.get(Measure::Sharpness) - some.get(Measure::Sharpness)).abs() < 0.05);
        assert_eq!(Appearance::of(64, &stripes(64, 1), 0), Some(all));
    }

    #[test]
    fn incomplete_images_are_none() {
        for (width, bytes) in [(0, 12), (2, 0), (2, 7), (usize::MAX, 12)] {
            assert_eq!(
                Appearance::of(width, &[0; 12][..bytes.min(12)], 1),
                None,
                "{width} {bytes}"
            );
        }
        assert!(Appearance::of(1, &[1, 2, 3], 1).is_some());
    }
}
