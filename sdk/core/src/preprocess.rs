//! Preprocessing from a camera's frame to the network's input: crop, resize, normalize, quantize in
//! one pass.
//!
//! The resampling (`resample.rs`) is the antialiased triangle filter of Pillow's `BILINEAR`,
//! evaluated in integers without intermediate rounding, so that every machine produces the same
//! pixels. Normalization and the first quantization are one table lookup.

mod resample;
pub mod signal;

use resample::{Axis, resample};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::frame::Frame;
use crate::quant::Quant;
use crate::shape::Shape;

/// Resizing rule: the part of the frame that the network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resize {
    /// The whole frame, stretched to the input's sides.
    Squash,
    /// Scaling of the short side to `short_side`, then a centre crop (torchvision's `Resize` and
    /// `CenterCrop`).
    Crop {
        /// Length of the frame's short side after scaling, in pixels; at least the input's sides.
        short_side: u16,
    },
}

/// Order of the input's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channels {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// One channel of luminance (BT.601).
    Gray,
}

impl Channels {
    /// Number of channels of the input tensor.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Gray => 1,
        }
    }

    fn pick(self, [r, g, b]: [u8; 3]) -> [u8; 3] {
        match self {
            Self::Rgb => [r, g, b],
            Self::Bgr => [b, g, r],
            Self::Gray => {
                let sum = 19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b);
                [((sum + 0x8000) >> 16) as u8; 3]
            }
        }
    }
}

/// Preprocessing parameters from frame to input; stored in every package.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Number of columns of the input.
    pub width: u16,
    /// Number of rows of the input.
    pub height: u16,
    /// Order of the channels.
    pub channels: Channels,
    /// Resizing rule.
    pub resize: Resize,
    /// Mean, subtracted from each channel's value of 0 to 255.
    pub mean: [f32; 3],
    /// Divisor of each channel after the subtraction.
    pub std: [f32; 3],
}

/// Reason why a [`Preprocess`] is refused, or cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A side is zero or the crop is smaller than the input.
    #[error("input of {width}x{height} pixels with this resize rule is impossible")]
    Size {
        /// Number of columns of the input.
        width: u16,
        /// Number of rows of the input.
        height: u16,
    },
    /// A mean is not finite, or a divisor is not a positive number.
    #[error(
        "normalization of channel {channel} is not a pair of finite numbers with a positive divisor"
    )]
    Normalization {
        /// Index of the channel.
        channel: usize,
    },
    /// The output has another length.
    #[error("buffer has {have} values, the input needs {need}")]
    Length {
        /// Number of values of the input.
        need: usize,
        /// Number of values of the buffer.
        have: usize,
    },
}

impl Preprocess {
    /// Placeholder in a package that takes tokens instead of frames; has no effect.
    pub const NONE: Self = Self {
        width: 1,
        height: 1,
        channels: Channels::Gray,
        resize: Resize::Squash,
        mean: [0.0; 3],
        std: [1.0; 3],
    };

    /// Checks sizes and normalization.
    ///
    /// # Errors
    ///
    /// [`PreprocessError`] for the value that is out of range.
    pub fn check(&self) -> Result<(), PreprocessError> {
        let width = self.width;
        let height = self.height;
        let crop_fits = match self.resize {
            Resize::Squash => true,
            Resize::Crop { short_side } => short_side >= width.max(height),
        };
        if width == 0 || height == 0 || !crop_fits || self.shape().is_none() {
            return Err(PreprocessError::Size { width, height });
        }
        for channel in 0..self.channels.count() {
            let mean = self.mean[channel];
            let std = self.std[channel];
            if !mean.is_finite() || !std.is_normal() || std < 0.0 {
                return Err(PreprocessError::Normalization { channel });
            }
        }
        Ok(())
    }

    /// Shape of the network's input; `None` if a side is zero.
    #[must_use]
    pub fn shape(&self) -> Option<Shape> {
        Shape::new(self.height.into(), self.width.into(), self.channels.count() as u32)
    }

    /// Returns the part of a frame of these sides that the network sees: left, top, width and
    /// height, as shares of the frame's sides.
    #[must_use]
    pub fn field_of_view(&self, width: u32, height: u32) -> [f32; 4] {
        let Resize::Crop { short_side } = self.resize else { return [0.0, 0.0, 1.0, 1.0] };
        let scale = f32::from(short_side) / width.min(height).max(1) as f32;
        let across = (f32::from(self.width) / (scale * width.max(1) as f32)).min(1.0);
        let down = (f32::from(self.height) / (scale * height.max(1) as f32)).min(1.0);
        [(1.0 - across) / 2.0, (1.0 - down) / 2.0, across, down]
    }

    /// Returns the normalized value of a channel's byte.
    #[must_use]
    pub fn normalize(&self, channel: usize, value: u8) -> f32 {
        (f32::from(value) - self.mean[channel]) / self.std[channel]
    }

    /// Returns the quantized value of `value` in `channel`: one entry of the package's input table.
    #[must_use]
    pub fn code(&self, channel: usize, value: u8, quant: Quant) -> i8 {
        quant.quantize(self.normalize(channel, value))
    }

    /// Fills the input of a quantized network.
    ///
    /// `table` has 256 int8 values per channel (see [`Preprocess::code`]); `out` is the input
    /// tensor, row by row, channels innermost.
    ///
    /// # Errors
    ///
    /// [`PreprocessError::Length`] if a buffer has another length.
    pub fn quantize_into(
        &self,
        frame: &Frame<'_>,
        table: &[i8],
        out: &mut [i8],
    ) -> Result<(), PreprocessError> {
        let channels = self.channels.count();
        check_length(256 * channels, table.len())?;
        let (tables, _) = table.as_chunks::<256>();
        // As many as a pixel has at most, so that no lookup needs a check.
        let tables: [&[i8; 256]; 3] = core::array::from_fn(|channel| &tables[channel % channels]);
        self.fill(frame, out, |channel, value| tables[channel][usize::from(value)])
    }

    /// Fills the input of a float network.
    ///
    /// # Errors
    ///
    /// [`PreprocessError::Length`] if `out` has another length than the input.
    pub fn normalize_into(
        &self,
        frame: &Frame<'_>,
        out: &mut [f32],
    ) -> Result<(), PreprocessError> {
        self.fill(frame, out, |channel, value| self.normalize(channel, value))
    }

    /// Writes the resized image, before normalization.
    ///
    /// # Errors
    ///
    /// [`PreprocessError::Length`] if `out` has another length than the input.
    pub fn pixels_into(&self, frame: &Frame<'_>, out: &mut [u8]) -> Result<(), PreprocessError> {
        self.fill(frame, out, |_, value| value)
    }

    fn fill<T>(
        &self,
        frame: &Frame<'_>,
        out: &mut [T],
        value: impl Fn(usize, u8) -> T,
    ) -> Result<(), PreprocessError> {
        let channels = self.channels.count();
        let width = usize::from(self.width);
        check_length(width * usize::from(self.height) * channels, out.len())?;
        let (xs, ys) = self.axes(frame);
        resample(frame, &xs, &ys, |x, y, pixels| {
            let run = &mut out[(y * width + x) * channels..][..pixels.len() * channels];
            if self.channels == Channels::Rgb {
                // Without a choice in each pixel.
                for (pixel, rgb) in run.as_chunks_mut().0.iter_mut().zip(pixels) {
                    *pixel = [value(0, rgb[0]), value(1, rgb[1]), value(2, rgb[2])];
                }
                return;
            }
            for (pixel, &rgb) in run.chunks_exact_mut(channels).zip(pixels) {
                for (channel, (slot, byte)) in
                    pixel.iter_mut().zip(self.channels.pick(rgb)).enumerate()
                {
                    *slot = value(channel, byte);
                }
            }
        });
        Ok(())
    }

    /// Returns the visible part of the frame along both axes.
    fn axes(&self, frame: &Frame<'_>) -> (Axis, Axis) {
        let w = frame.width();
        let h = frame.height();
        let short = w.min(h);
        let x = Axis::new(w, self.visible(self.width, short), self.width);
        let y = Axis::new(h, self.visible(self.height, short), self.height);
        (x, y)
    }

    /// Returns the pixels of a frame, `short` on its short side, that `out` pixels show; [`None`]
    /// if they show all.
    fn visible(&self, out: u16, short: u32) -> Option<u32> {
        let Resize::Crop { short_side } = self.resize else { return None };
        let scaled = u32::from(short_side);
        Some(((u32::from(out) * short + scaled / 2) / scaled).max(1))
    }
}

fn check_length(need: usize, have: usize) -> Result<(), PreprocessError> {
    if need == have { Ok(()) } else { Err(PreprocessError::Length { need, have }) }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn spec(width: u16, height: u16, resize: Resize) -> Preprocess {
        Preprocess {
            width,
            height,
            channels: Channels::Rgb,
            resize,
            mean: [128.0; 3],
            std: [128.0; 3],
        }
    }

    fn noise(width: u32, height: u32) -> Vec<u8> {
        let mut state = 7u32;
        (0..width * height * 3)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect()
    }

    #[test]
    fn same_size_is_the_identity() {
        let pixels = noise(13, 9);
        let frame = Frame::rgb(13, 9, &pixels).unwrap();
        let mut out = vec![0u8; pixels.len()];
        spec(13, 9, Resize::Squash).pixels_into(&frame, &mut out).unwrap();
        assert_eq!(out, pixels);
    }

    #[test]
    fn constant_images_stay_constant() {
        for (w, h) in [(1, 1), (640, 480), (31, 200), (5, 3)] {
            let pixels = vec![201u8; w * h * 3];
            let frame = Frame::rgb(w as u32, h as u32, &pixels).unwrap();
            for resize in [Resize::Squash, Resize::Crop { short_side: 110 }] {
                let mut out = vec![0u8; 96 * 64 * 3];
                spec(96, 64, resize).pixels_into(&frame, &mut out).unwrap();
                assert!(out.iter().all(|&v| v == 201), "{w}x{h} {resize:?}");
            }
        }
    }

    /// Same filter in floating point, in its plain form.
    fn reference(pixels: &[u8], w: usize, h: usize, ow: usize, oh: usize) -> Vec<f64> {
        let weights = |n_in: usize, n_out: usize, o: usize| -> Vec<f64> {
            let scale = n_in as f64 / n_out as f64;
            let support = scale.max(1.0);
            let center = (o as f64 + 0.5) * scale;
            let raw: Vec<f64> = (0..n_in)
                .map(|i| (1.0 - ((i as f64 + 0.5) - center).abs() / support).max(0.0))
                .collect();
            let sum: f64 = raw.iter().sum();
            raw.iter().map(|v| v / sum).collect()
        };
        let mut out = Vec::new();
        for y in 0..oh {
            let wy = weights(h, oh, y);
            for x in 0..ow {
                let wx = weights(w, ow, x);
                for c in 0..3 {
                    let mut v = 0.0;
                    for (j, a) in wy.iter().enumerate() {
                        for (i, b) in wx.iter().enumerate() {
                            v += a * b * f64::from(pixels[(j * w + i) * 3 + c]);
                        }
                    }
                    out.push(v);
                }
            }
        }
        out
    }

    #[test]
    fn triangle_filter_matches_a_float_reference() {
        for (w, h, ow, oh) in [(40, 30, 16, 16), (7, 9, 20, 20), (33, 8, 8, 33), (1, 5, 4, 4)] {
            let pixels = noise(w, h);
            let frame = Frame::rgb(w, h, &pixels).unwrap();
            let mut out = vec![0u8; ow * oh * 3];
            spec(ow as u16, oh as u16, Resize::Squash).pixels_into(&frame, &mut out).unwrap();
            let want = reference(&pixels, w as usize, h as usize, ow, oh);
            for (got, want) in out.iter().zip(want) {
                assert!((f64::from(*got) - want).abs() <= 0.5 + 1e-9, "{w}x{h}: {got} {want}");
            }
        }
    }

    #[test]
    fn crop_takes_the_middle() {
        // Left and right fifths are white; the crop of 100x50 to its middle 40x40 never sees them.
        let mut pixels = vec![0u8; 100 * 50 * 3];
        for (i, v) in pixels.iter_mut().enumerate() {
            let x = i / 3 % 100;
            *v = if !(20..80).contains(&x) { 255 } else { 10 };
        }
        let frame = Frame::rgb(100, 50, &pixels).unwrap();
        let mut out = vec![0u8; 32 * 32 * 3];
        spec(32, 32, Resize::Crop { short_side: 40 }).pixels_into(&frame, &mut out).unwrap();
        assert!(out.iter().all(|&v| v == 10));
    }

    #[test]
    fn channels_and_table() {
        let frame = Frame::rgb(1, 1, &[10, 20, 30]).unwrap();
        let mut p = spec(1, 1, Resize::Squash);
        p.channels = Channels::Bgr;
        let mut out = [0.0; 3];
        p.normalize_into(&frame, &mut out).unwrap();
        assert_eq!(out, [30, 20, 10].map(|v| (v as f32 - 128.0) / 128.0));
        let quant = Quant::from_range(-1.0, 127.0 / 128.0);
        let table: Vec<i8> = (0..3)
            .flat_map(|c| (0..=255).map(move |v| (c, v)))
            .map(|(c, v)| p.code(c, v, quant))
            .collect();
        let mut codes = [0i8; 3];
        p.quantize_into(&frame, &table, &mut codes).unwrap();
        assert_eq!(codes, [30i16, 20, 10].map(|v| (v - 128) as i8));
        assert!(p.quantize_into(&frame, &table[1..], &mut codes).is_err());
        p.channels = Channels::Gray;
        let mut gray = [0u8; 1];
        p.pixels_into(&frame, &mut gray).unwrap();
        assert_eq!(gray, [18]);
    }

    #[test]
    fn impossible_settings_are_refused() {
        assert!(spec(0, 4, Resize::Squash).check().is_err());
        assert!(spec(8, 4, Resize::Crop { short_side: 7 }).check().is_err());
        let mut p = spec(8, 4, Resize::Squash);
        p.std[1] = 0.0;
        assert_eq!(p.check(), Err(PreprocessError::Normalization { channel: 1 }));
    }
}
