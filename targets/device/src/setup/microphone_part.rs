//! Microphone of a device as text on the command line.

use std::fmt;
use std::path::{Path, PathBuf};

use super::part_spec::PartSpecError;
use crate::microphone::piped_sound::PipedSound;
use crate::microphone::rehearsed::Rehearsed;
use crate::microphone::wave_file::WaveFile;
use crate::ports::{FrameSource, SourceError};

/// Source of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MicrophonePart {
    /// Simulated microphone.
    Simulated,
    /// WAV file, again and again.
    File(PathBuf),
    /// Samples of another program, on standard input.
    Pipe,
}

impl TryFrom<&Path> for MicrophonePart {
    type Error = PartSpecError;

    /// Takes a path, which need not be UTF-8, or `sim` or `-`.
    fn try_from(path: &Path) -> Result<Self, PartSpecError> {
        match path.as_os_str().as_encoded_bytes() {
            b"sim" => Ok(Self::Simulated),
            b"-" => Ok(Self::Pipe),
            b"" => Err(PartSpecError::new("needs sim, FILE.wav or -")),
            text if text.starts_with(b"alsa:") => Err(PartSpecError::new(
                "this program has no ALSA; let arecord read the microphone: arecord -q -D DEV -t raw -f S16_LE -c 1 -r 16000 | offshoot-board listen --microphone -",
            )),
            _ => Ok(Self::File(path.into())),
        }
    }
}

impl fmt::Display for MicrophonePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simulated => f.write_str("sim"),
            Self::File(path) => path.display().fmt(f),
            Self::Pipe => f.write_str("-"),
        }
    }
}

impl MicrophonePart {
    /// Opens the microphone at a sampling rate in Hz; one that is not real plays in real time if it
    /// is live, else as fast as it is heard.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if it does not exist, or has another rate.
    pub fn open(&self, rate: u32, is_live: bool) -> Result<Box<dyn FrameSource>, SourceError> {
        Ok(match self {
            Self::Simulated => Box::new(Rehearsed::new(rate, is_live)?),
            Self::File(path) => Box::new(WaveFile::open(path, rate, is_live)?),
            Self::Pipe => Box::new(PipedSound::stdin(rate)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microphones_are_read() {
        let part = |text: &str| MicrophonePart::try_from(Path::new(text));
        for text in ["sim", "-", "folder/clip.wav"] {
            assert_eq!(part(text).unwrap().to_string(), text);
        }
        assert!(part("").unwrap_err().to_string().contains("FILE.wav"));
        assert!(part("alsa:plughw:1,0").unwrap_err().to_string().contains("arecord"));
        assert!(MicrophonePart::Simulated.open(44_100, false).is_err());
        assert!(part("no/such.wav").unwrap().open(16_000, false).is_err());
    }
}
