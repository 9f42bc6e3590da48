//! Format of the frames that another program writes.

use std::fmt;

use offshoot_core::limits::FRAME_SIDE;

use crate::camera::pixels::{PixelError, Pixels, Raw};

/// Names of the pixel formats.
const NAMES: [(&str, Pixels); 6] = [
    ("yuyv", Pixels::Yuyv),
    ("nv12", Pixels::Nv12),
    ("i420", Pixels::I420),
    ("rgb", Pixels::Rgb24),
    ("bgr", Pixels::Bgr24),
    ("grey", Pixels::Grey),
];

/// Syntax of a raw format.
const NEEDS: &str = "needs -, or -:FORMAT:COLUMNSxROWS with yuyv, nv12, i420, rgb, bgr or grey, such as -:i420:640x480";

/// Format of frames on standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeFormat {
    /// JPEG images one after the other.
    Mjpeg,
    /// Frames of raw pixels one after the other, without anything between them.
    Raw(RawFormat),
}

/// Format of raw frames, which has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFormat {
    pixels: Pixels,
    width: u32,
    height: u32,
    stride: usize,
}

impl RawFormat {
    /// Creates a format; `stride` is the number of bytes from one row of the first plane to the
    /// next, by default without padding. The planes of colour of I420 have half of it.
    fn new(
        pixels: Pixels,
        (width, height): (u32, u32),
        stride: Option<usize>,
    ) -> Result<Self, PixelError> {
        // Sides that are too long are refused below.
        let row = pixels.row(width.min(FRAME_SIDE) as usize);
        let format = Self { pixels, width, height, stride: stride.unwrap_or(row) };
        format.frame(&[]).needed()?;
        Ok(format)
    }

    /// Returns a frame with these bytes.
    pub(crate) fn frame<'a>(&self, bytes: &'a [u8]) -> Raw<'a> {
        let Self { pixels, width, height, stride } = *self;
        Raw { pixels, width, height, stride, bytes }
    }

    /// Number of bytes of a frame with its padding.
    pub(crate) fn bytes(&self) -> usize {
        let rows = match self.pixels {
            Pixels::Nv12 | Pixels::I420 => self.height + self.height / 2,
            _ => self.height,
        };
        self.stride * rows as usize
    }
}

impl PipeFormat {
    /// Parses a part of a command line that begins with `-`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (text, stride) = match text.split_once(",stride=") {
            Some((text, stride)) => {
                let bytes = stride.parse().ok().filter(|bytes| *bytes <= MOST_STRIDE);
                let bytes = bytes.ok_or_else(|| {
                    format!("stride={stride}: needs a number of bytes up to {MOST_STRIDE}")
                })?;
                (text, Some(bytes))
            }
            None => (text, None),
        };
        let mut words = text.split(':');
        match (words.next(), words.next(), words.next(), words.next(), stride) {
            (Some("-"), None | Some("mjpeg"), None, None, None) => Ok(Self::Mjpeg),
            (Some("-"), Some(name), Some(size), None, _) => {
                let known = NAMES.into_iter().find(|(known, _)| *known == name);
                let size = size.split_once('x');
                let size =
                    size.and_then(|(w, h)| Some((w.parse::<u32>().ok()?, h.parse::<u32>().ok()?)));
                let ((_, pixels), size) = known.zip(size).ok_or_else(|| NEEDS.to_string())?;
                let format = RawFormat::new(pixels, size, stride);
                format.map(Self::Raw).map_err(|error| error.to_string())
            }
            _ => Err(NEEDS.to_string()),
        }
    }
}

/// Max stride: four times the longest side.
const MOST_STRIDE: usize = 4 * FRAME_SIDE as usize;

impl fmt::Display for PipeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Raw(RawFormat { pixels, width, height, stride }) = self else {
            return f.write_str("-");
        };
        let name =
            NAMES.into_iter().find(|(_, known)| known == pixels).map_or("?", |(name, _)| name);
        write!(f, "-:{name}:{width}x{height}")?;
        if *stride != pixels.row(*width as usize) {
            write!(f, ",stride={stride}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_and_written() {
        for (text, bytes) in [
            ("-:yuyv:640x480", 640 * 480 * 2),
            ("-:rgb:6x3", 54),
            ("-:grey:5x3,stride=8", 24),
            ("-:nv12:640x480", 640 * 480 * 3 / 2),
            // Rows of 780 bytes, which a Raspberry Pi pads to 832.
            ("-:i420:780x360,stride=832", 832 * 360 * 3 / 2),
        ] {
            let format = PipeFormat::parse(text).unwrap();
            assert_eq!(format.to_string(), text);
            let PipeFormat::Raw(raw) = format else { panic!("{format}") };
            assert_eq!(raw.bytes(), bytes, "{text}");
        }
        for text in ["-", "-:mjpeg"] {
            assert_eq!(PipeFormat::parse(text), Ok(PipeFormat::Mjpeg));
        }
        assert_eq!(PipeFormat::parse("-:rgb:6x3,stride=18").unwrap().to_string(), "-:rgb:6x3");
    }

    #[test]
    fn what_no_frame_has_is_refused() {
        for (text, what) in [
            ("-:i420", NEEDS),
            ("-:h264:640x480", NEEDS),
            ("-:yuyv:640", NEEDS),
            ("-:mjpeg:640x480", NEEDS),
            ("-:yuyv:640x480:2", NEEDS),
            ("-,stride=3", NEEDS),
            ("-yuyv", NEEDS),
            ("-:i420:641x480", "an image of 641x480"),
            ("-:rgb:0x480", "an image of 0x480"),
            ("-:rgb:12288x12288", "an image of 12288x12288"),
            ("-:rgb:640x480,stride=640", "a stride of 640 bytes"),
            ("-:grey:640x480,stride=99999999999", "stride=99999999999: needs"),
        ] {
            let said = PipeFormat::parse(text).unwrap_err();
            assert!(said.starts_with(what), "{text}: {said}");
        }
    }
}
