//! Microphones: each is a source of frames that have samples in place of pixels.

pub(crate) mod piped_sound;
pub(crate) mod rehearsed;
pub(crate) mod wave_file;

/// Number of samples of a frame: 80 ms.
pub(crate) fn piece(rate: u32) -> usize {
    (rate * 2 / 25) as usize
}
