//! Buffer that frames are written into.

use offshoot::Frame;

/// Frame in memory, reused for the next one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CapturedFrame {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    /// Samples since the frame before, of a microphone.
    samples: Vec<i16>,
}

impl CapturedFrame {
    /// Number of columns; 0 before the first frame.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Number of rows; 0 before the first frame.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns red, green and blue of every pixel, top row first.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Resizes the frame and returns its bytes to fill: `3 * width * height`, row by row, with
    /// their previous content. Allocates only for a new largest size.
    pub fn reshape(&mut self, width: u32, height: u32) -> &mut [u8] {
        (self.width, self.height) = (width, height);
        self.rgb.resize(3 * width as usize * height as usize, 0);
        &mut self.rgb
    }

    /// Returns the samples since the frame before; empty for a camera.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Replaces the samples. Allocates only for a new largest number.
    pub fn hear(&mut self, samples: &[i16]) {
        self.hear_all(samples.iter().copied());
    }

    /// Replaces the samples by those of an iterator.
    pub(crate) fn hear_all(&mut self, samples: impl Iterator<Item = i16>) {
        self.samples.clear();
        self.samples.extend(samples);
    }

    /// Returns the frame for an extractor; `None` before the first one, or if it is larger than a
    /// frame may be.
    pub fn frame(&self) -> Option<Frame<'_>> {
        Frame::rgb(self.width, self.height, &self.rgb).ok()
    }
}
