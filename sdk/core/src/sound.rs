//! Front end for sound: from samples of a microphone to the grey picture that a network sees.
//!
//! A window of sound becomes the logarithms of its energy in some bands of frequency, a row of
//! bands per frame of time (a log-mel spectrogram), in bytes. Behind it a network for sound is one
//! for pictures of one channel: the bytes take the way of a frame's pixels
//! ([`Preprocess`](crate::preprocess::Preprocess)). All arithmetic is in whole numbers
//! (`sdk/docs/numerics.md`, section 4.5) and every table is read from the package, so the bytes are
//! the same on every processor, and for samples that arrive in pieces of any length.

#[cfg(feature = "alloc")]
mod design;
mod fourier;
mod logarithm;
mod spectrum;
mod stream;
mod take;
mod wake;

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[cfg(feature = "alloc")]
pub use design::{Design, Designed, Mel, Taper};
pub use spectrum::Level;
pub use stream::{Room, Stream};
pub use take::heard_in;
pub use wake::{Wake, threshold_for};

/// Value of a bin of frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spectrum {
    /// Magnitude of the Fourier coefficient.
    Magnitude,
    /// Square of the magnitude.
    Power,
}

/// Front end of a package for sound: parameters and tables. Logarithms are in 1/256 of an octave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sound<'a> {
    /// Name of the preset, for tables and messages.
    #[serde(borrow)]
    pub name: &'a str,
    /// Sampling rate in Hz.
    pub rate: u32,
    /// Number of samples from one frame to the next; at most the length of the window.
    pub hop: u16,
    /// Length of the Fourier transform in samples, 512 or 1024.
    pub fft: u16,
    /// Number of frames from one window of sound to the next in a stream; at most those of a
    /// window.
    pub step: u16,
    /// Subtraction of each frame's mean from its samples.
    pub centred: bool,
    /// Pre-emphasis: share of the sample before that is subtracted from each, in 1/32768, below
    /// 32,768; 0 for none.
    pub emphasis: u16,
    /// Value of a bin of frequency.
    pub spectrum: Spectrum,
    /// Number that is added to the energy of a band before its logarithm, in 1/2^20.
    pub offset: u64,
    /// Least energy of a band, in 1/2^20.
    pub floor: u64,
    /// Greatest distance of a logarithm below the loudest value of a window, if there is one.
    pub range: Option<u16>,
    /// Subtraction of each band's mean over the window.
    pub levelled: bool,
    /// Factor from a logarithm to a byte, in 1/2^20.
    pub factor: i32,
    /// Offset of the byte, in 1/2^20, with the half that rounds to nearest.
    pub shift: i64,
    /// Window function: 32 bits per sample, little-endian, 2^30 for 1; at most `fft` samples.
    #[serde(borrow)]
    pub taper: &'a [u8],
    /// Bands of frequency, from low to high. Each has its first bin, the number of its bins, and a
    /// weight for each bin, 16 bits each, little-endian.
    #[serde(borrow)]
    pub bands: &'a [u8],
}

/// Reason why a [`Sound`] is refused, or cannot run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SoundError {
    /// The sampling rate is out of range.
    #[error("a sampling rate of {rate} Hz; 4,000 to 96,000 are allowed")]
    Rate {
        /// Rate found.
        rate: u32,
    },
    /// The transform has a length that is not implemented.
    #[error("a Fourier transform of {fft} samples; 512 and 1024 are implemented")]
    Transform {
        /// Length found.
        fft: u16,
    },
    /// The window function is empty, longer than the transform, or above 1.
    #[error("the window function is empty, longer than the Fourier transform, or above 1")]
    Taper,
    /// Frames or windows do not advance, or leave samples out.
    #[error(
        "frames advance by {hop} samples and windows by {step} frames; neither can be 0 or more than its window"
    )]
    Advance {
        /// Samples from frame to frame.
        hop: u16,
        /// Frames from window to window.
        step: u16,
    },
    /// A number is out of range.
    #[error("the pre-emphasis, the floor or the scale of the bytes is out of range")]
    Number,
    /// The bands are not as many as the network's input has columns, or leave the spectrum.
    #[error("the bands of frequency do not decode, leave the spectrum, or are not {need}")]
    Bands {
        /// Number of columns of the network's input.
        need: usize,
    },
    /// The network's input has no frames, or too many.
    #[error("a window of {frames} frames is empty or longer than 2^20 samples")]
    Frames {
        /// Number of rows of the network's input.
        frames: usize,
    },
    /// Samples are more or fewer than a window has.
    #[error("{have} samples, a window has {need}")]
    Window {
        /// Number of samples of a window.
        need: usize,
        /// Number of samples given.
        have: usize,
    },
    /// All samples are the same.
    #[error(
        "nothing to hear: all samples are the same; is the microphone connected and not muted?"
    )]
    Silence,
    /// A caller's buffer has another length.
    #[error("a buffer has {have} values, the front end needs {need}")]
    Length {
        /// Number of values needed.
        need: usize,
        /// Number of values of the buffer.
        have: usize,
    },
}

/// Band of frequency: weights of successive bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band<'a> {
    /// First bin.
    pub first: usize,
    /// Weights of the bins, two little-endian bytes each.
    weights: &'a [u8],
}

impl<'a> Band<'a> {
    fn decode(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        let [first, count] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_le_bytes);
        let (weights, rest) = rest.split_at_checked(2 * usize::from(count))?;
        Some((Self { first: usize::from(first), weights }, rest))
    }

    /// Returns the number of bins.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weights.len() / 2
    }

    /// Returns true if the band is between two bins.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Returns the weights of the bins.
    #[must_use]
    pub fn weights(&self) -> impl ExactSizeIterator<Item = u16> + use<'a> {
        self.weights.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes))
    }
}

/// Largest number of samples of a window of sound.
const MOST_SAMPLES: usize = 1 << 20;

impl<'a> Sound<'a> {
    /// Decodes a section of a package, all of it; `None` if it is malformed. Only
    /// [`Sound::check`] says if it can run.
    #[must_use]
    pub fn decode(section: &'a [u8]) -> Option<Self> {
        let (sound, rest) = postcard::take_from_bytes(section).ok()?;
        rest.is_empty().then_some(sound)
    }

    /// Checks the front end of a network whose input has `frames` rows and `bands` columns.
    ///
    /// # Errors
    /// [`SoundError`] for the first value that is out of range.
    pub fn check(&self, frames: usize, bands: usize) -> Result<(), SoundError> {
        let Self { rate, hop, fft, step, .. } = *self;
        if !(4_000..=96_000).contains(&rate) {
            return Err(SoundError::Rate { rate });
        }
        if fft != 512 && fft != 1024 {
            return Err(SoundError::Transform { fft });
        }
        let length = self.frame();
        let is_whole = self.taper.len() == 4 * length;
        if !is_whole || length == 0 || length > fft.into() || self.taper().any(|w| w > 1 << 30) {
            return Err(SoundError::Taper);
        }
        if frames == 0 || self.window(frames) > MOST_SAMPLES {
            return Err(SoundError::Frames { frames });
        }
        if hop == 0 || step == 0 || usize::from(hop) > length || usize::from(step) > frames {
            return Err(SoundError::Advance { hop, step });
        }
        // Logarithms have 16 bits: no product or sum overflows.
        if self.emphasis >= 1 << 15
            || self.offset > 1 << 62
            || self.floor > 1 << 62
            || self.shift.unsigned_abs() > 1 << 62
        {
            return Err(SoundError::Number);
        }
        let mut rest = self.bands;
        for _ in 0..bands {
            let (band, tail) = Band::decode(rest).ok_or(SoundError::Bands { need: bands })?;
            if band.first + band.len() > usize::from(fft / 2 + 1) {
                return Err(SoundError::Bands { need: bands });
            }
            rest = tail;
        }
        if rest.is_empty() { Ok(()) } else { Err(SoundError::Bands { need: bands }) }
    }

    /// Returns the bands of frequency, from low to high.
    pub fn bands(&self) -> impl Iterator<Item = Band<'a>> + use<'a> {
        let mut rest = self.bands;
        core::iter::from_fn(move || {
            let (band, tail) = Band::decode(rest)?;
            rest = tail;
            Some(band)
        })
    }

    /// Returns the window function.
    #[must_use]
    pub fn taper(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.taper.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes))
    }

    /// Number of samples of a frame.
    #[must_use]
    pub fn frame(&self) -> usize {
        self.taper.len() / 4
    }

    /// Returns the number of samples of a window of `frames` frames.
    #[must_use]
    pub fn window(&self, frames: usize) -> usize {
        frames.saturating_sub(1).saturating_mul(self.hop.into()).saturating_add(self.frame())
    }

    /// Returns the byte of a logarithm: a pixel of the network's picture.
    #[must_use]
    pub fn byte(&self, logarithm: i32) -> u8 {
        let scaled = i64::from(logarithm) * i64::from(self.factor) + self.shift;
        (scaled >> SCALE_BITS).clamp(0, 255) as u8
    }
}

/// Bits behind the point of [`Sound::factor`].
const SCALE_BITS: u32 = 20;
