//! Sound that arrives in pieces, as a window of frames that moves on.

use super::{Sound, SoundError};

/// Caller's memory of a [`Stream`].
#[derive(Debug)]
pub struct Room<'m> {
    /// Samples of the frame that is being filled, [`Sound::frame`] values.
    pub samples: &'m mut [i16],
    /// Work of the Fourier transform, two more values than [`Sound::fft`].
    pub words: &'m mut [i32],
    /// Logarithms of the latest window: frames times bands.
    pub rows: &'m mut [i16],
}

/// Place in a sound that arrives in pieces. Its memory is a [`Room`], the same in all calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    frames: usize,
    bands: usize,
    /// Number of samples in the frame that is being filled.
    filled: usize,
    /// Row of the next frame.
    next: usize,
    /// Number of frames until a window is complete.
    missing: usize,
}

impl Stream {
    /// Begins a sound for a network whose input has `frames` rows and `bands` columns.
    #[must_use]
    pub fn new(frames: usize, bands: usize) -> Self {
        Self { frames, bands, filled: 0, next: 0, missing: frames }
    }

    /// Takes samples until a window is complete; returns true if one is, and leaves the rest of the
    /// samples in `samples`. Windows follow each other by [`Sound::step`] frames, and are the same
    /// for pieces of any length.
    ///
    /// # Errors
    /// [`SoundError::Length`] if a buffer of the room has another length; nothing is taken then.
    pub fn push(
        &mut self,
        sound: &Sound<'_>,
        room: &mut Room<'_>,
        samples: &mut &[i16],
    ) -> Result<bool, SoundError> {
        self.check(sound, room)?;
        while !samples.is_empty() {
            let count = samples.len().min(room.samples.len() - self.filled);
            let (taken, rest) = samples.split_at(count);
            room.samples[self.filled..][..count].copy_from_slice(taken);
            self.filled += count;
            *samples = rest;
            if self.filled == room.samples.len() && self.close_frame(sound, room) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes the latest window as bytes, row by row, the oldest frame first.
    ///
    /// # Errors
    /// [`SoundError::Length`] if `out` has not frames times bands values, or a buffer of the room
    /// has another length.
    pub fn window(
        &self,
        sound: &Sound<'_>,
        room: &Room<'_>,
        out: &mut [u8],
    ) -> Result<(), SoundError> {
        self.check(sound, room)?;
        same(room.rows.len(), out.len())?;
        let loudest = room.rows.iter().copied().max().unwrap_or(0);
        let least = sound.range.map_or(i32::MIN, |range| i32::from(loudest) - i32::from(range));
        let (late, early) = room.rows.split_at(self.next * self.bands);
        for band in 0..self.bands {
            let column = early.iter().chain(late).skip(band).step_by(self.bands);
            let values = column.map(|&value| i32::from(value).max(least));
            let mean = match sound.levelled {
                true => values.clone().map(i64::from).sum::<i64>().div_euclid(self.frames as i64),
                false => 0,
            };
            let slots = out.iter_mut().skip(band).step_by(self.bands);
            for (slot, value) in slots.zip(values) {
                *slot = sound.byte(value - mean as i32);
            }
        }
        Ok(())
    }

    /// Makes a row of a full frame and moves on; returns true if a window is complete.
    fn close_frame(&mut self, sound: &Sound<'_>, room: &mut Room<'_>) -> bool {
        let row = &mut room.rows[self.next * self.bands..][..self.bands];
        sound.row(room.samples, room.words, row);
        let hop = usize::from(sound.hop);
        room.samples.copy_within(hop.., 0);
        self.filled -= hop;
        self.next = (self.next + 1) % self.frames;
        self.missing -= 1;
        let is_complete = self.missing == 0;
        if is_complete {
            self.missing = sound.step.into();
        }
        is_complete
    }

    fn check(&self, sound: &Sound<'_>, room: &Room<'_>) -> Result<(), SoundError> {
        same(sound.frame(), room.samples.len())?;
        same(usize::from(sound.fft) + 2, room.words.len())?;
        same(self.frames * self.bands, room.rows.len())
    }
}

fn same(need: usize, have: usize) -> Result<(), SoundError> {
    if need == have { Ok(()) } else { Err(SoundError::Length { need, have }) }
}
