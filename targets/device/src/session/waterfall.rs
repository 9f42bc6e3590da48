//! Picture of the newest sound: time from left to right, frequency from bottom to top, and the level
//! at the right edge.

use offshoot::{Frame, Level};

use crate::camera::frame_buffer::CapturedFrame;

/// Columns of the picture, of which the last are those of the level; least number of rows.
const COLUMNS: usize = 128;
const LEVEL: usize = 6;
const ROWS: usize = 96;

/// Level in decibels below full scale at the bottom of its bar, and where it is too loud.
const QUIETEST: f32 = -60.0;
const TOO_LOUD: u16 = 32_000;

/// Colours of bytes 0, 64, 128, 192 and 255, dark to light.
const RAMP: [[u8; 3]; 5] =
    [[4, 6, 24], [60, 20, 110], [170, 50, 110], [245, 135, 60], [250, 250, 190]];

const GREEN: [u8; 3] = [76, 207, 168];
const RED: [u8; 3] = [255, 122, 107];
const TRACK: [u8; 3] = [27, 34, 45];

/// Spectrogram that moves to the left, as the picture of a device that hears.
#[derive(Debug)]
pub struct Waterfall {
    bands: usize,
    /// Number of frames from window to window.
    step: usize,
    /// Bytes of the newest frames, band by band from low to high, the oldest first.
    columns: Vec<u8>,
    level: Level,
}

impl Waterfall {
    /// Creates a picture of silence, for windows of `bands` bands that follow each other by `step`
    /// frames.
    pub fn new(bands: usize, step: usize) -> Self {
        Self { bands, step, columns: vec![0; (COLUMNS - LEVEL) * bands], level: Level::default() }
    }

    /// Adds the newest frames of a window: a row for each frame.
    pub fn add(&mut self, picture: Frame<'_>, level: Level) {
        let height = picture.height() as usize;
        let newest = self.step.min(height).min(COLUMNS - LEVEL);
        self.columns.copy_within(newest * self.bands.., 0);
        let columns = self.columns.chunks_exact_mut(self.bands).skip(COLUMNS - LEVEL - newest);
        for (column, row) in columns.zip(height - newest..) {
            column.copy_from_slice(picture.row(row as u32));
        }
        self.level = level;
    }

    /// Draws the picture into a frame.
    pub fn paint(&self, shot: &mut CapturedFrame) {
        let each = ROWS.div_ceil(self.bands).max(1);
        let rows = each * self.bands;
        let pixels = shot.reshape(COLUMNS as u32, rows as u32);
        // What is no louder than the mean is dark.
        let mean =
            self.columns.iter().map(|&byte| usize::from(byte)).sum::<usize>() / self.columns.len();
        let loudest = self.columns.iter().copied().max().map_or(1, usize::from);
        let span = loudest.saturating_sub(mean).max(32);
        let share = 1.0 - self.level.decibels().max(QUIETEST) / QUIETEST;
        let lit = (share * rows as f32) as usize;
        let loud = if self.level.peak >= TOO_LOUD { RED } else { GREEN };
        for (y, line) in pixels.chunks_exact_mut(3 * COLUMNS).enumerate() {
            let band = self.bands - 1 - y / each;
            let line = line.as_chunks_mut::<3>().0;
            let (sound, level) = line.split_at_mut(COLUMNS - LEVEL);
            for (pixel, column) in sound.iter_mut().zip(self.columns.chunks_exact(self.bands)) {
                let above = usize::from(column[band]).saturating_sub(mean);
                *pixel = colour((above * 255 / span).min(255) as u8);
            }
            level.fill(if rows - y <= lit { loud } else { TRACK });
            level[0] = RAMP[0];
        }
    }
}

/// Returns the colour of a byte.
fn colour(byte: u8) -> [u8; 3] {
    let place = usize::from(byte / 64);
    let share = u32::from(byte % 64);
    let [low, high] = [RAMP[place], RAMP[place + 1]];
    [0, 1, 2].map(|i| ((u32::from(low[i]) * (64 - share) + u32::from(high[i]) * share) / 64) as u8)
}
