//! Recording that is played as if a microphone heard it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use hound::{SampleFormat, WavReader};

use super::piece;
use crate::camera::frame_buffer::CapturedFrame;
use crate::camera::frame_rate::Pace;
use crate::ports::{FrameSource, SourceError};

/// Max number of samples of a file: an hour at 16 kHz.
const MOST: u32 = 3_600 * 16_000;

/// WAV file in place of a microphone; after its end it begins again.
#[derive(Debug)]
pub struct WaveFile {
    samples: Vec<i16>,
    at: usize,
    piece: usize,
    pace: Pace,
}

impl WaveFile {
    /// Reads a file of 16 bits and any number of channels, which are averaged.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if it cannot be read, has another rate, or is too long.
    pub fn open(path: &Path, rate: u32, is_live: bool) -> Result<Self, SourceError> {
        let what = || path.display().to_string();
        let broken = |why: String| SourceError::Sound { what: what(), why };
        let file = File::open(path).map_err(|source| SourceError::io(path, source))?;
        let mut reader =
            WavReader::new(BufReader::new(file)).map_err(|error| broken(error.to_string()))?;
        let spec = reader.spec();
        if spec.sample_rate != rate {
            return Err(SourceError::Rate { what: what(), found: spec.sample_rate, wanted: rate });
        }
        if spec.sample_format != SampleFormat::Int || spec.bits_per_sample != 16 {
            return Err(broken(format!(
                "has samples of {} bits that are not those of 16-bit PCM; convert it: ffmpeg -i FILE -ar {rate} -c:a pcm_s16le NEW.wav",
                spec.bits_per_sample
            )));
        }
        // Before memory is taken.
        let channels = usize::from(spec.channels.max(1));
        if reader.duration() == 0 || reader.duration() > MOST {
            return Err(broken(format!("has {} samples; 1 to {MOST} can be", reader.duration())));
        }
        let all: Result<Vec<i16>, _> = reader.samples::<i16>().collect();
        let all = all.map_err(|error| broken(format!("ends early, or is damaged: {error}")))?;
        let mean = |frame: &[i16]| {
            (frame.iter().map(|&x| i32::from(x)).sum::<i32>() / channels as i32) as i16
        };
        let samples: Vec<i16> = all.chunks_exact(channels).map(mean).collect();
        if samples.is_empty() {
            return Err(broken("has no whole sample".to_string()));
        }
        let pause = Duration::from_millis(if is_live { 80 } else { 0 });
        Ok(Self { samples, at: 0, piece: piece(rate), pace: Pace::new(pause) })
    }
}

impl FrameSource for WaveFile {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        self.pace.wait();
        let end = (self.at + self.piece).min(self.samples.len());
        shot.hear(&self.samples[self.at..end]);
        self.at = if end == self.samples.len() { 0 } else { end };
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hound::{WavSpec, WavWriter};

    use super::*;

    fn written(
        rate: u32,
        channels: u16,
        samples: &[i16],
    ) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        let sample_format = SampleFormat::Int;
        let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        (dir, path)
    }

    #[test]
    fn channels_are_averaged_and_the_file_begins_again() {
        let (_dir, path) = written(4_000, 2, &[10, 30, -10, -30].repeat(200));
        let mut file = WaveFile::open(&path, 4_000, false).unwrap();
        let mut shot = CapturedFrame::default();
        let mut lengths = Vec::new();
        for _ in 0..3 {
            file.next(&mut shot).unwrap();
            lengths.push(shot.samples().len());
            assert_eq!(shot.samples()[..2], [20, -20]);
        }
        assert_eq!(lengths, [320, 80, 320]);
    }

    #[test]
    fn what_is_no_such_file_is_said() {
        let (_dir, path) = written(8_000, 1, &[1; 100]);
        let told = WaveFile::open(&path, 16_000, false).unwrap_err().to_string();
        assert!(told.contains("8000 Hz") && told.contains("ffmpeg"), "{told}");
        let (_dir, path) = written(16_000, 1, &[]);
        assert!(
            WaveFile::open(&path, 16_000, false).unwrap_err().to_string().contains("0 samples")
        );
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(30);
        std::fs::write(&path, bytes).unwrap();
        assert!(WaveFile::open(&path, 16_000, false).is_err());
        assert!(WaveFile::open(Path::new("no/such.wav"), 16_000, false).is_err());
    }
}
