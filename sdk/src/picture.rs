//! Frames from files.

use std::path::Path;

use image::{ImageDecoder, ImageReader, Limits};
use offshoot_core::{Frame, limits};

use crate::Error;

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Decodes a JPEG, PNG, PNM or BMP file, upright by its EXIF orientation.
    ///
    /// # Errors
    /// A file that cannot be read, does not decode, or is larger than a frame may be.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
        let mut reader = reader.map_err(|e| Error::at(e, path))?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(limits::FRAME_SIDE);
        limits.max_image_height = Some(limits::FRAME_SIDE);
        reader.limits(limits);
        let decode = || {
            let mut decoder = reader.into_decoder()?;
            // The decoder checks sides; that the picture itself fits is ours to ask.
            Limits::default().reserve(decoder.total_bytes())?;
            let orientation = decoder.orientation()?;
            let mut image = image::DynamicImage::from_decoder(decoder)?;
            image.apply_orientation(orientation);
            Ok(image.into_rgb8())
        };
        let image = decode().map_err(|e: image::ImageError| Error::at(e, path))?;
        Ok(Self { width: image.width(), height: image.height(), rgb: image.into_raw() })
    }

    /// A picture from pixels, red, green, blue; `None` if there are too few or too many.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let exact =
            Frame::rgb(width, height, &rgb).is_ok() && rgb.len() == 3 * width as usize * height as usize;
        exact.then_some(Self { width, height, rgb })
    }

    /// The picture as a frame.
    ///
    /// # Panics
    /// Never: the size was checked when it was made.
    pub fn frame(&self) -> Frame<'_> {
        Frame::rgb(self.width, self.height, &self.rgb).expect("checked when it was made")
    }

    /// The picture with left and right exchanged.
    pub fn mirrored(&self) -> Self {
        let row = 3 * self.width as usize;
        let rows = self.rgb.chunks_exact(row).flat_map(|row| row.chunks_exact(3).rev().flatten());
        Self { rgb: rows.copied().collect(), ..*self }
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Pixels, red, green, blue.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_exchanges_columns_and_keeps_rows() {
        let rgb: Vec<u8> = (0..18).collect();
        let picture = Picture::from_rgb(3, 2, rgb).unwrap();
        let mirrored = picture.mirrored();
        assert_eq!(mirrored.rgb(), [6, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11]);
        assert_eq!(mirrored.mirrored(), picture);
    }
}
