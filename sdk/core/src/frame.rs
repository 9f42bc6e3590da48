//! Borrowed camera frames.

use thiserror::Error;

use crate::limits;

/// Pixel format of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Three bytes: red, green, blue.
    Rgb8,
    /// Three bytes: blue, green, red (OpenCV's order).
    Bgr8,
    /// One byte of luminance.
    Gray8,
    /// Two bytes, little-endian: 5 bits of red, 6 of green, 5 of blue.
    Rgb565,
    /// Packed YUV 4:2:2 (V4L2 `YUYV`, also called YUY2): luma, U, luma, V for two pixels of a row.
    /// The width is even.
    Yuyv,
    /// Planar YUV 4:2:0 (V4L2 `NV12`): a plane of luma, then one of interleaved U and V, a pair for
    /// 2 x 2 pixels, with the stride of the luma plane. Both sides are even.
    Nv12,
    /// Planar YUV 4:2:0 (V4L2 `YU12`, also called I420 and yuv420p): planes of luma, U and V; those
    /// of U and V have half the stride. Both sides, and the stride, are even.
    I420,
}

impl PixelFormat {
    /// Number of bytes of one pixel in a row; for a planar format those of the luma plane.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Rgb8 | Self::Bgr8 => 3,
            Self::Gray8 | Self::Nv12 | Self::I420 => 1,
            Self::Rgb565 | Self::Yuyv => 2,
        }
    }

    /// Pixels that share chroma, across and down.
    fn block(self) -> (u32, u32) {
        match self {
            Self::Rgb8 | Self::Bgr8 | Self::Gray8 | Self::Rgb565 => (1, 1),
            Self::Yuyv => (2, 1),
            Self::Nv12 | Self::I420 => (2, 2),
        }
    }
}

/// Reason why a buffer is not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A side is zero or beyond [`limits::FRAME_SIDE`].
    #[error("a frame of {width}x{height} pixels; sides must be 1 to {}", limits::FRAME_SIDE)]
    Size {
        /// Number of columns given.
        width: u32,
        /// Number of rows given.
        height: u32,
    },
    /// A side of a YUV frame is odd, or the stride of [`PixelFormat::I420`].
    #[error(
        "{format:?} frame of {width}x{height} pixels with rows of {stride} bytes; YUV wants even numbers"
    )]
    Odd {
        /// Pixel format of the frame.
        format: PixelFormat,
        /// Number of columns given.
        width: u32,
        /// Number of rows given.
        height: u32,
        /// Bytes from one row to the next.
        stride: usize,
    },
    /// The rows overlap.
    #[error("a row stride of {stride} bytes is shorter than a row of {row} bytes")]
    Stride {
        /// Bytes from one row to the next.
        stride: usize,
        /// Bytes of one row.
        row: usize,
    },
    /// The buffer ends too early.
    #[error("the frame needs {need} bytes, the buffer has {have}")]
    Short {
        /// Number of bytes that the size and stride require.
        need: usize,
        /// Number of bytes given.
        have: usize,
    },
}

/// Frame in borrowed memory: checked once, so that reading a pixel cannot fail.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    width: u32,
    height: u32,
    stride: usize,
    format: PixelFormat,
    pixels: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Checks a frame whose rows follow each other without gaps.
    ///
    /// # Errors
    ///
    /// [`FrameError`] for a side out of range, or a buffer that is too short.
    pub fn new(
        width: u32,
        height: u32,
        format: PixelFormat,
        pixels: &'a [u8],
    ) -> Result<Self, FrameError> {
        Self::with_stride(
            width,
            height,
            (width as usize).saturating_mul(format.bytes()),
            format,
            pixels,
        )
    }

    /// Checks a frame of [`PixelFormat::Rgb8`] without gaps.
    ///
    /// # Errors
    ///
    /// Those of [`Frame::new`].
    pub fn rgb(width: u32, height: u32, pixels: &'a [u8]) -> Result<Self, FrameError> {
        Self::new(width, height, PixelFormat::Rgb8, pixels)
    }

    /// Checks a frame whose rows begin `stride_bytes` apart, the layout of V4L2.
    ///
    /// # Errors
    ///
    /// [`FrameError`] for a side out of range, a stride shorter than a row, or a buffer that is too
    /// short.
    pub fn with_stride(
        width: u32,
        height: u32,
        stride_bytes: usize,
        format: PixelFormat,
        pixels: &'a [u8],
    ) -> Result<Self, FrameError> {
        let sides = 1..=limits::FRAME_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(FrameError::Size { width, height });
        }
        let row = width as usize * format.bytes();
        if stride_bytes < row {
            return Err(FrameError::Stride { stride: stride_bytes, row });
        }
        let (across, down) = format.block();
        let is_odd = !width.is_multiple_of(across) || !height.is_multiple_of(down);
        if is_odd || format == PixelFormat::I420 && !stride_bytes.is_multiple_of(2) {
            return Err(FrameError::Odd { format, width, height, stride: stride_bytes });
        }
        // Rows of luma with the size of all planes; the last row need not be followed by its gap.
        let rows = if down == 2 { height / 2 * 3 } else { height };
        let last = match format {
            PixelFormat::I420 => row / 2 + if rows > 1 { stride_bytes / 2 } else { 0 },
            _ => row,
        };
        let need = stride_bytes.saturating_mul(rows as usize - 1).saturating_add(last);
        if pixels.len() < need {
            return Err(FrameError::Short { need, have: pixels.len() });
        }
        Ok(Self { width, height, stride: stride_bytes, format, pixels })
    }

    /// Number of columns.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Number of rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Pixel format of the frame.
    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Returns the bytes of row `y`, without the gap behind it; for a planar format those of luma.
    ///
    /// # Panics
    ///
    /// If `y` is not below the height.
    #[must_use]
    pub fn row(&self, y: u32) -> &'a [u8] {
        let start = y as usize * self.stride;
        &self.pixels[start..start + self.width as usize * self.format.bytes()]
    }

    /// Returns red, green and blue of the pixel in column `x` of row `y`.
    pub(crate) fn rgb_at(&self, x: usize, y: u32) -> [u8; 3] {
        let row = self.row(y);
        match self.format {
            PixelFormat::Rgb8 => [row[3 * x], row[3 * x + 1], row[3 * x + 2]],
            PixelFormat::Bgr8 => [row[3 * x + 2], row[3 * x + 1], row[3 * x]],
            PixelFormat::Gray8 => [row[x]; 3],
            PixelFormat::Rgb565 => rgb565([row[2 * x], row[2 * x + 1]]),
            PixelFormat::Yuyv => bt601(row[2 * x], row[4 * (x / 2) + 1], row[4 * (x / 2) + 3]),
            PixelFormat::Nv12 => {
                let chroma = self.chroma(0, y);
                bt601(row[x], chroma[x & !1], chroma[x | 1])
            }
            PixelFormat::I420 => bt601(row[x], self.chroma(0, y)[x / 2], self.chroma(1, y)[x / 2]),
        }
    }

    /// Writes red, green and blue of the pixels of row `y` from column `first` on to `out`, until
    /// it is full.
    pub(crate) fn rgb_into(&self, y: u32, first: usize, out: &mut [[u8; 3]]) {
        if self.format == PixelFormat::Rgb565 {
            let pixels = self.row(y)[2 * first..].as_chunks().0;
            return out.iter_mut().zip(pixels).for_each(|(out, &pixel)| *out = rgb565(pixel));
        }
        for (out, x) in out.iter_mut().zip(first..) {
            *out = self.rgb_at(x, y);
        }
    }

    /// Returns the chroma of row `y` of a planar format, from its first byte on: interleaved U and
    /// V of NV12, U or V of I420 by `plane`.
    fn chroma(&self, plane: usize, y: u32) -> &'a [u8] {
        let height = self.height as usize;
        let row = y as usize / 2;
        let luma = height * self.stride;
        match self.format {
            PixelFormat::I420 => {
                let stride = self.stride / 2;
                &self.pixels[luma + (plane * (height / 2) + row) * stride..]
            }
            _ => &self.pixels[luma + row * self.stride..],
        }
    }
}

/// Converts a YUV pixel to red, green and blue by ITU-R BT.601 with luma of 16 to 235, the format
/// of cameras, in fixed point with 8 fractional bits (`numerics.md` 4.1).
#[must_use]
pub fn bt601(y: u8, u: u8, v: u8) -> [u8; 3] {
    let y = 298 * (i32::from(y) - 16);
    let u = i32::from(u) - 128;
    let v = i32::from(v) - 128;
    let rgb = [y + 409 * v, y - 100 * u - 208 * v, y + 516 * u];
    rgb.map(|value| ((value + 128) >> 8).clamp(0, 255) as u8)
}

/// Converts a pixel of [`PixelFormat::Rgb565`] to red, green and blue.
pub(crate) fn rgb565(bytes: [u8; 2]) -> [u8; 3] {
    let word = u16::from_le_bytes(bytes);
    let r = (word >> 11) as u8;
    let g = (word >> 5 & 63) as u8;
    let b = (word & 31) as u8;
    [r << 3 | r >> 2, g << 2 | g >> 4, b << 3 | b >> 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert!(matches!(Frame::rgb(0, 4, &[]), Err(FrameError::Size { .. })));
        assert!(matches!(Frame::rgb(u32::MAX, 4, &[]), Err(FrameError::Size { .. })));
        assert_eq!(
            Frame::rgb(2, 2, &[0; 11]).unwrap_err(),
            FrameError::Short { need: 12, have: 11 }
        );
        let strided = Frame::with_stride(2, 2, 8, PixelFormat::Rgb8, &[7; 14]).unwrap();
        assert_eq!(strided.row(1).len(), 6);
        assert!(Frame::with_stride(2, 2, 5, PixelFormat::Rgb8, &[7; 14]).is_err());
    }

    #[test]
    fn formats_agree_on_a_colour() {
        let orange = [0xff, 0x82, 0x00];
        let one = |format, bytes: &[u8]| Frame::new(1, 1, format, bytes).unwrap().rgb_at(0, 0);
        assert_eq!(one(PixelFormat::Rgb8, &orange), orange);
        assert_eq!(one(PixelFormat::Bgr8, &[0x00, 0x82, 0xff]), orange);
        let word: u16 = 0xfc00;
        assert_eq!(one(PixelFormat::Rgb565, &word.to_le_bytes()), [0xff, 0x82, 0x00]);
    }

    /// Same 4 x 2 pixels, two of a colour side by side, in every YUV format, with gaps.
    #[test]
    fn yuv_formats_agree() {
        let luma = [[16, 60, 100, 140], [180, 235, 90, 30]];
        let u = [90, 200];
        let v = [240, 110];
        let mut yuyv = std::vec::Vec::new();
        for row in luma {
            for pair in 0..2 {
                yuyv.extend([row[2 * pair], u[pair], row[2 * pair + 1], v[pair]]);
            }
            yuyv.extend([9; 2]);
        }
        let rows = luma.map(|row| [row[0], row[1], row[2], row[3], 9, 9]).concat();
        let nv12 = [&rows[..], &[u[0], v[0], u[1], v[1]]].concat();
        let i420 = [&rows[..], &[u[0], u[1], 9, v[0], v[1]]].concat();
        let frames = [
            Frame::with_stride(4, 2, 10, PixelFormat::Yuyv, &yuyv[..18]).unwrap(),
            Frame::with_stride(4, 2, 6, PixelFormat::Nv12, &nv12).unwrap(),
            Frame::with_stride(4, 2, 6, PixelFormat::I420, &i420).unwrap(),
        ];
        for frame in frames {
            for (y, row) in luma.iter().enumerate() {
                for (x, &luma) in row.iter().enumerate() {
                    let want = bt601(luma, u[x / 2], v[x / 2]);
                    assert_eq!(frame.rgb_at(x, y as u32), want, "{:?} {x} {y}", frame.format());
                }
            }
        }
        assert_eq!((bt601(16, 128, 128), bt601(235, 128, 128)), ([0; 3], [255; 3]));
        let short = |format, bytes: &[u8]| Frame::with_stride(4, 2, 6, format, bytes).unwrap_err();
        let need = |need| FrameError::Short { need, have: need - 1 };
        assert_eq!(short(PixelFormat::Nv12, &nv12[..15]), need(16));
        assert_eq!(short(PixelFormat::I420, &i420[..16]), need(17));
    }

    #[test]
    fn yuv_wants_even_numbers() {
        let odd = |width, height, stride, format| {
            let frame = Frame::with_stride(width, height, stride, format, &[0; 99]);
            matches!(frame, Err(FrameError::Odd { .. }))
        };
        assert!(odd(3, 2, 8, PixelFormat::Yuyv) && !odd(4, 3, 8, PixelFormat::Yuyv));
        assert!(odd(4, 3, 8, PixelFormat::Nv12) && odd(3, 4, 8, PixelFormat::Nv12));
        assert!(odd(4, 2, 5, PixelFormat::I420) && !odd(4, 2, 5, PixelFormat::Nv12));
    }
}
