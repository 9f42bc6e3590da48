//! Video in place of a camera: a file of JPEG images one after the other.

use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::path::PathBuf;
use std::time::Duration;

use super::frame_buffer::CapturedFrame;
use super::frame_rate::Pace;
use super::pipe::split::{Part, Splitter};
use super::pixels::{Pixels, Raw, Turn};
use crate::ports::{FrameSource, SourceError};

/// Extensions of such files.
pub(crate) const ENDS: [&str; 2] = ["mjpeg", "mjpg"];

/// File of JPEG images (MJPEG, as `ffmpeg -c:v mjpeg -f mjpeg` and cameras write it), again and
/// again. Bytes between the images are skipped.
#[derive(Debug)]
pub struct Video {
    path: PathBuf,
    file: BufReader<File>,
    turn: Turn,
    bytes: Vec<u8>,
    pace: Pace,
}

impl Video {
    /// Opens the images of a file, one every `pause`.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the file cannot be read, or has no readable image.
    pub fn open(
        path: impl Into<PathBuf>,
        turn: Turn,
        pause: Duration,
    ) -> Result<Self, SourceError> {
        let path = path.into();
        let file = File::open(&path).map_err(|source| SourceError::io(&path, source))?;
        let mut video = Self {
            path,
            file: BufReader::new(file),
            turn,
            bytes: Vec::new(),
            pace: Pace::new(pause),
        };
        video.check()?;
        Ok(video)
    }

    /// Checks that there is a readable image, and rewinds to the first.
    fn check(&mut self) -> Result<(), SourceError> {
        let mut shot = CapturedFrame::default();
        let mut first = None;
        while self.read_one().map_err(|e| self.failed(e))? {
            match self.shoot(&mut shot) {
                Ok(()) => return self.file.rewind().map_err(|e| self.failed(e)),
                Err(error) => first = first.or(Some(error.to_string())),
            }
        }
        let what = self.path.display().to_string();
        let first = first.unwrap_or("no JPEG image in this file".to_string());
        Err(SourceError::NoneReadable { what, first })
    }

    /// Decodes the image that was read last.
    fn shoot(&self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        let raw = Raw { pixels: Pixels::Mjpeg, width: 0, height: 0, stride: 0, bytes: &self.bytes };
        raw.convert(self.turn, shot)
            .map_err(|source| SourceError::Pixels { what: self.path.display().to_string(), source })
    }

    fn failed(&self, source: io::Error) -> SourceError {
        SourceError::io(&self.path, source)
    }

    /// Reads the next image into `bytes`; false if there is none up to the end of the file.
    fn read_one(&mut self) -> io::Result<bool> {
        let part = Splitter::new(u64::MAX).next(&mut self.file, &mut self.bytes)?;
        Ok(part == Part::Image)
    }

    /// Reads the next image into `bytes`, after the last one the first.
    fn read(&mut self) -> io::Result<()> {
        if !self.read_one()? {
            self.file.rewind()?;
            if !self.read_one()? {
                return Err(io::Error::other("no JPEG image in this file"));
            }
        }
        Ok(())
    }
}

impl FrameSource for Video {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        self.pace.wait();
        self.read().map_err(|e| self.failed(e))?;
        self.shoot(shot)
    }

    /// Does nothing: a broken image is reported once, and the next one follows.
    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn jpeg(shade: u8) -> Vec<u8> {
        let image = image::RgbImage::from_pixel(16, 8, image::Rgb([shade; 3]));
        let mut bytes = io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    /// Image with a small one in a segment, a thumbnail of a camera.
    fn with_thumbnail(shade: u8) -> Vec<u8> {
        let whole = jpeg(shade);
        let small = jpeg(255);
        let length = (small.len() as u16 + 2).to_be_bytes();
        [&whole[..2], &[0xff, 0xe1], &length, &small, &whole[2..]].concat()
    }

    fn shades(file: &[u8], count: usize) -> Vec<Result<u8, String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mjpeg");
        fs::write(&path, file).unwrap();
        let mut video = Video::open(path, Turn::None, Duration::ZERO).unwrap();
        let mut shot = CapturedFrame::default();
        let mut shade = || match video.next(&mut shot) {
            Ok(()) => Ok(shot.rgb()[0]),
            Err(error) => Err(error.to_string()),
        };
        (0..count).map(|_| shade()).collect()
    }

    #[test]
    fn images_follow_each_other_and_begin_again() {
        let film = [b"junk".as_slice(), &jpeg(40), &[0, 0xff, 7], &with_thumbnail(90), &jpeg(160)]
            .concat();
        let near =
            |found: &Result<u8, String>, wanted: u8| found.as_ref().unwrap().abs_diff(wanted) < 4;
        let found = shades(&film, 5);
        assert!(found.iter().zip([40, 90, 160, 40, 90]).all(|(f, w)| near(f, w)), "{found:?}");
        // Cut off, for example by a full card.
        let found = shades(&film[..film.len() - 20], 3);
        assert!(found.iter().zip([40, 90, 40]).all(|(f, w)| near(f, w)), "{found:?}");
    }

    #[test]
    fn what_holds_no_image_is_told_of_and_a_broken_one_is_passed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mjpeg");
        for (film, part) in [
            (&b"no image \xff\xff\xd8\xff"[..], "no JPEG image in this file"),
            (&[0xff, 0xd8, 0xff, 0xd9, 0xff, 0xd8, 0xff, 0xd9], "not a JPEG image"),
        ] {
            fs::write(&path, film).unwrap();
            let told = Video::open(&path, Turn::None, Duration::ZERO).unwrap_err().to_string();
            assert!(
                told.contains("film.mjpeg: no image in it can be read") && told.contains(part),
                "{told}"
            );
        }
        let broken = [0xff, 0xd8, 0xff, 0xd9];
        let found = shades(&[&broken, jpeg(40).as_slice()].concat(), 2);
        assert!(found[0].is_err() && found[1].is_ok(), "{found:?}");
        assert!(Video::open("no/such.mjpeg", Turn::None, Duration::ZERO).is_err());
    }
}
