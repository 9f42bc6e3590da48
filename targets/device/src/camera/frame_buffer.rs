//! Buffer that frames are written into.

use offshoot::{Frame, Signal};

/// Sides of the picture of a signal.
const WIDTH: u32 = 160;
const HEIGHT: u32 = 120;
/// Its background, and the colours of its channels, those of Okabe and Ito for the colour-blind.
const BACK: u8 = 16;
const COLOURS: [[u8; 3]; 6] =
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [213, 94, 0], [204, 121, 167]];

/// Frame in memory, reused for the next one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CapturedFrame {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    /// Samples since the frame before, of a microphone.
    samples: Vec<i16>,
    /// Samples of a window, in place of an image; the pixels are then its picture.
    window: Vec<f32>,
    /// Number of their channels; 0 without a window.
    channels: usize,
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
        self.channels = 0;
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

    /// Returns the window of a signal that was taken in place of an image.
    pub fn signal(&self) -> Option<Signal<'_>> {
        Signal::float(self.channels, &self.window).ok()
    }

    /// Takes a window of a signal, and draws its channels over time as the pixels. Allocates only for
    /// a new largest window.
    pub fn take_signal(&mut self, signal: &Signal<'_>) {
        self.reshape(WIDTH, HEIGHT);
        self.channels = signal.channels();
        self.window.clear();
        let at = |place, channel| signal.get(place, channel).unwrap_or_default();
        for place in 0..signal.places() {
            self.window.extend((0..signal.channels()).map(|channel| at(place, channel)));
        }
        self.rgb.fill(BACK);
        let range = self
            .window
            .iter()
            .fold([f32::MAX, f32::MIN], |[lo, hi], &value| [lo.min(value), hi.max(value)]);
        let span = (range[1] - range[0]).max(f32::MIN_POSITIVE);
        let row = |value: f32| ((range[1] - value) / span * (HEIGHT - 1) as f32) as u32;
        for channel in 0..signal.channels() {
            let mut last = row(at(0, channel));
            for column in 0..WIDTH {
                let place = column as usize * signal.places() / WIDTH as usize;
                let next = row(at(place, channel));
                for y in last.min(next)..=last.max(next).min(HEIGHT - 1) {
                    let pixel = 3 * (y * WIDTH + column) as usize;
                    let colour = COLOURS[channel % COLOURS.len()];
                    self.rgb[pixel..pixel + 3].copy_from_slice(&colour);
                }
                last = next;
            }
        }
    }
}
