//! Video in place of a camera: a file of JPEG images one after the other.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
use std::path::PathBuf;
use std::time::Duration;

use super::frame_buffer::CapturedFrame;
use super::frame_rate::Pace;
use super::pixels::{Pixels, Raw, Turn};
use crate::ports::{FrameSource, SourceError};

/// Extensions of such files.
pub(crate) const ENDS: [&str; 2] = ["mjpeg", "mjpg"];

/// Max bytes of an image.
const MOST: usize = 64 << 20;

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
        while image(&mut self.file, &mut self.bytes).map_err(|e| self.failed(e))? {
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

    /// Reads the next image into `bytes`, after the last one the first.
    fn read(&mut self) -> io::Result<()> {
        if !image(&mut self.file, &mut self.bytes)? {
            self.file.rewind()?;
            if !image(&mut self.file, &mut self.bytes)? {
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

/// Reads one image, without the bytes before it; false if no more begins. An image cut off by the
/// end of the file is skipped.
///
/// Markers are parsed (ITU-T T.81, B.1): an image in a segment, such as a thumbnail, has an end
/// marker of its own.
fn image(file: &mut impl BufRead, out: &mut Vec<u8>) -> io::Result<bool> {
    out.clear();
    match begin(file).and_then(|()| {
        out.extend([0xff, 0xd8]);
        follow(file, out)
    }) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        result => result.map(|()| true),
    }
}

/// Skips to the end of the marker that begins an image.
fn begin(file: &mut impl BufRead) -> io::Result<()> {
    let mut before = 0;
    loop {
        let byte = take(file)?;
        if before == 0xff && byte == 0xd8 {
            return Ok(());
        }
        before = byte;
    }
}

/// Copies everything after the first marker up to and including the last one.
fn follow(file: &mut impl BufRead, out: &mut Vec<u8>) -> io::Result<()> {
    loop {
        copy(file, out)?;
        // Not a marker: entropy-coded data, in which 0xff is followed by zero or a restart.
        if out[out.len() - 1] != 0xff {
            continue;
        }
        let mut marker = copy(file, out)?;
        while marker == 0xff {
            marker = copy(file, out)?;
        }
        match marker {
            0xd9 => return Ok(()),
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = [copy(file, out)?, copy(file, out)?];
                for _ in 2..u16::from_be_bytes(length) {
                    copy(file, out)?;
                }
            }
        }
    }
}

fn copy(file: &mut impl BufRead, out: &mut Vec<u8>) -> io::Result<u8> {
    if out.len() >= MOST {
        return Err(io::Error::other(format!("an image of more than {MOST} bytes")));
    }
    let byte = take(file)?;
    out.push(byte);
    Ok(byte)
}

fn take(file: &mut impl BufRead) -> io::Result<u8> {
    let byte = *file.fill_buf()?.first().ok_or(io::ErrorKind::UnexpectedEof)?;
    file.consume(1);
    Ok(byte)
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
