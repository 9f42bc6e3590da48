//! The buffer that frames are written into.

use offshoot::Frame;

/// A picture in memory that is used again for the next one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CapturedFrame {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl CapturedFrame {
    /// Columns; 0 before the first picture.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows; 0 before the first picture.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Red, green and blue of every pixel, top row first.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Gives the picture this size and its bytes to fill: `3 * width * height`, row by row, with
    /// what they held before. Allocates only where it was never so large.
    pub fn reshape(&mut self, width: u32, height: u32) -> &mut [u8] {
        (self.width, self.height) = (width, height);
        self.rgb.resize(3 * width as usize * height as usize, 0);
        &mut self.rgb
    }

    /// The picture for an extractor; `None` before the first one, or if it is larger than a frame
    /// may be.
    pub fn frame(&self) -> Option<Frame<'_>> {
        Frame::rgb(self.width, self.height, &self.rgb).ok()
    }
}
