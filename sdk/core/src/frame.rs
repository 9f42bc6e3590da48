//! Pictures as cameras deliver them, borrowed.

use thiserror::Error;

use crate::limits;

/// How the bytes of one pixel are read.
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
}

impl PixelFormat {
    /// Bytes of one pixel.
    pub fn bytes(self) -> usize {
        match self {
            Self::Rgb8 | Self::Bgr8 => 3,
            Self::Gray8 => 1,
            Self::Rgb565 => 2,
        }
    }
}

/// Why a buffer is not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A side is zero or beyond [`limits::FRAME_SIDE`].
    #[error("a frame of {width}x{height} pixels; sides must be 1 to {}", limits::FRAME_SIDE)]
    Size {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
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
        /// Bytes that the size and stride imply.
        need: usize,
        /// Bytes given.
        have: usize,
    },
}

/// A picture in somebody else's memory: checked once, so that reading a pixel cannot fail.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    width: u32,
    height: u32,
    stride: usize,
    format: PixelFormat,
    pixels: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A frame whose rows follow each other without gaps.
    ///
    /// # Errors
    /// A side out of range, or a buffer that is too short.
    pub fn new(width: u32, height: u32, format: PixelFormat, pixels: &'a [u8]) -> Result<Self, FrameError> {
        Self::with_stride(width, height, (width as usize).saturating_mul(format.bytes()), format, pixels)
    }

    /// A frame of [`PixelFormat::Rgb8`] without gaps.
    ///
    /// # Errors
    /// As [`Frame::new`].
    pub fn rgb(width: u32, height: u32, pixels: &'a [u8]) -> Result<Self, FrameError> {
        Self::new(width, height, PixelFormat::Rgb8, pixels)
    }

    /// A frame whose rows begin `stride_bytes` apart, as V4L2 delivers them.
    ///
    /// # Errors
    /// A side out of range, a stride shorter than a row, or a buffer that is too short.
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
        // The last row need not be followed by its gap.
        let need = stride_bytes.saturating_mul(height as usize - 1).saturating_add(row);
        if pixels.len() < need {
            return Err(FrameError::Short { need, have: pixels.len() });
        }
        Ok(Self { width, height, stride: stride_bytes, format, pixels })
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// How a pixel's bytes are read.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// The bytes of row `y`, without the gap behind it.
    ///
    /// # Panics
    /// If `y` is not below the height.
    pub fn row(&self, y: u32) -> &'a [u8] {
        let start = y as usize * self.stride;
        &self.pixels[start..start + self.width as usize * self.format.bytes()]
    }
}

/// Red, green and blue of pixel `x` of a row.
pub(crate) fn rgb_at(row: &[u8], x: usize, format: PixelFormat) -> [u8; 3] {
    match format {
        PixelFormat::Rgb8 => [row[3 * x], row[3 * x + 1], row[3 * x + 2]],
        PixelFormat::Bgr8 => [row[3 * x + 2], row[3 * x + 1], row[3 * x]],
        PixelFormat::Gray8 => [row[x]; 3],
        PixelFormat::Rgb565 => rgb565([row[2 * x], row[2 * x + 1]]),
    }
}

/// Red, green and blue of a pixel of [`PixelFormat::Rgb565`].
pub(crate) fn rgb565(bytes: [u8; 2]) -> [u8; 3] {
    let word = u16::from_le_bytes(bytes);
    let (r, g, b) = ((word >> 11) as u8, (word >> 5 & 63) as u8, (word & 31) as u8);
    [r << 3 | r >> 2, g << 2 | g >> 4, b << 3 | b >> 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert!(matches!(Frame::rgb(0, 4, &[]), Err(FrameError::Size { .. })));
        assert!(matches!(Frame::rgb(u32::MAX, 4, &[]), Err(FrameError::Size { .. })));
        assert_eq!(Frame::rgb(2, 2, &[0; 11]).unwrap_err(), FrameError::Short { need: 12, have: 11 });
        let strided = Frame::with_stride(2, 2, 8, PixelFormat::Rgb8, &[7; 14]).unwrap();
        assert_eq!(strided.row(1).len(), 6);
        assert!(Frame::with_stride(2, 2, 5, PixelFormat::Rgb8, &[7; 14]).is_err());
    }

    #[test]
    fn formats_agree_on_a_colour() {
        let orange = [0xff, 0x82, 0x00];
        assert_eq!(rgb_at(&orange, 0, PixelFormat::Rgb8), orange);
        assert_eq!(rgb_at(&[0x00, 0x82, 0xff], 0, PixelFormat::Bgr8), orange);
        let word: u16 = 0xfc00;
        assert_eq!(rgb_at(&word.to_le_bytes(), 0, PixelFormat::Rgb565), [0xff, 0x82, 0x00]);
    }
}
