//! Cameras of Linux (V4L2).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use linuxvideo::format::{PixFormat, PixelFormat};
use linuxvideo::stream::ReadStream;
use linuxvideo::{BufType, Device};

use super::frame_buffer::CapturedFrame;
use super::pixels::{Pixels, Raw, Turn};
use crate::ports::{FrameSource, SourceError};

/// Requested width; drivers return the nearest that they support.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

/// Time limit of a frame.
const PATIENCE: Duration = Duration::from_secs(3);
/// Polling interval for a frame.
const NAP: Duration = Duration::from_millis(2);

/// Readable formats, the cheapest first.
const READABLE: [([u8; 4], Pixels); 6] = [
    (*b"RGB3", Pixels::Rgb24),
    (*b"BGR3", Pixels::Bgr24),
    (*b"YUYV", Pixels::Yuyv),
    (*b"NV12", Pixels::Nv12),
    (*b"MJPG", Pixels::Mjpeg),
    (*b"GREY", Pixels::Grey),
];

/// Pixel format of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// Four-character code (FourCC).
    pub fourcc: [u8; 4],
    /// True if frames of it can be read.
    pub readable: bool,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.fourcc))
    }
}

fn read_as(fourcc: [u8; 4]) -> Option<Pixels> {
    READABLE.into_iter().find(|(name, _)| *name == fourcc).map(|(_, pixels)| pixels)
}

/// Returns the formats of a camera.
///
/// # Errors
///
/// An I/O error if the device cannot be opened or is not a V4L2 device.
pub fn modes(path: impl AsRef<Path>) -> io::Result<Vec<Mode>> {
    modes_of(&Device::open(path)?)
}

fn modes_of(device: &Device) -> io::Result<Vec<Mode>> {
    device
        .formats(BufType::VIDEO_CAPTURE)
        .map(|format| {
            let fourcc = format?.pixel_format().as_fourcc();
            Ok(Mode { fourcc, readable: read_as(fourcc).is_some() })
        })
        .collect()
}

/// Returns the error of a camera that was unplugged.
fn gone() -> io::Error {
    io::Error::from(io::ErrorKind::NotConnected)
}

/// Camera that delivers frames into mapped buffers.
pub struct Camera {
    path: PathBuf,
    turn: Turn,
    pixels: Pixels,
    width: u32,
    height: u32,
    stride: usize,
    /// Stream; `None` while the camera is gone.
    stream: Option<ReadStream>,
}

impl fmt::Debug for Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, pixels, width, height, .. } = self;
        write!(f, "Camera({} {width}x{height} {pixels:?})", path.display())
    }
}

impl Camera {
    /// Opens a device such as `/dev/video0` and starts to stream.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the device cannot be opened or has no readable format.
    pub fn open(path: impl Into<PathBuf>, turn: Turn) -> Result<Self, SourceError> {
        let path = path.into();
        let pixels = Pixels::Grey;
        let mut camera = Self { path, turn, pixels, width: 0, height: 0, stride: 0, stream: None };
        camera.reopen()?;
        Ok(camera)
    }

    fn failed(&self, source: io::Error) -> SourceError {
        SourceError::io(&self.path, source)
    }

    /// Returns the error of a camera that delivers no readable format.
    fn unreadable(&self, modes: &[Mode]) -> SourceError {
        SourceError::Format {
            what: self.path.display().to_string(),
            found: modes.iter().map(Mode::to_string).collect::<Vec<_>>().join(", "),
        }
    }

    fn start(&mut self) -> Result<(), SourceError> {
        let device = Device::open(&self.path).map_err(|e| self.failed(e))?;
        let modes = modes_of(&device).map_err(|e| self.failed(e))?;
        let wanted =
            READABLE.into_iter().find(|(name, _)| modes.iter().any(|mode| mode.fourcc == *name));
        let (fourcc, _) = wanted.ok_or_else(|| self.unreadable(&modes))?;
        let format = PixFormat::new(WIDTH, HEIGHT, PixelFormat::from_fourcc(fourcc));
        let capture = device.video_capture(format).map_err(|e| self.failed(e))?;
        let given = capture.format();
        // A driver may set another format than requested.
        let pixels = read_as(given.pixel_format().as_fourcc());
        let pixels = pixels.ok_or_else(|| self.unreadable(&modes))?;
        let width = given.width();
        let height = given.height();
        let stride = given.bytes_per_line() as usize;
        let stream = capture.into_stream().map_err(|e| self.failed(e))?;
        (self.pixels, self.width, self.height, self.stride) = (pixels, width, height, stride);
        self.stream = Some(stream);
        Ok(())
    }
}

impl FrameSource for Camera {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        let start = Instant::now();
        let pixels = self.pixels;
        let width = self.width;
        let height = self.height;
        let stride = self.stride;
        loop {
            let Some(stream) = &mut self.stream else { return Err(self.failed(gone())) };
            // Not left to the driver: some wait for ever once a camera is gone.
            if stream.will_block().map_err(|e| self.failed(e))? {
                if start.elapsed() > PATIENCE {
                    return Err(SourceError::Silent(PATIENCE.as_secs()));
                }
                thread::sleep(NAP);
                continue;
            }
            let Some(stream) = &mut self.stream else { return Err(self.failed(gone())) };
            let turn = self.turn;
            let read = stream.dequeue(|buffer| {
                let raw = Raw { pixels, width, height, stride, bytes: &buffer };
                Ok(if buffer.is_error() { None } else { Some(raw.convert(turn, shot)) })
            });
            match read.map_err(|e| self.failed(e))? {
                Some(Ok(())) => return Ok(()),
                // A frame that was damaged on its way: the next one may be intact.
                None | Some(Err(_)) if start.elapsed() < PATIENCE => {}
                None => return Err(SourceError::Silent(PATIENCE.as_secs())),
                Some(Err(source)) => {
                    return Err(SourceError::Pixels {
                        what: self.path.display().to_string(),
                        source,
                    });
                }
            }
        }
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        // The old stream holds the device.
        self.stream = None;
        self.start()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_camera_is_named() {
        for path in ["/dev/null", "/dev/no-such-camera"] {
            let error = Camera::open(path, Turn::None).unwrap_err().to_string();
            assert!(error.starts_with(path), "{error}");
            assert!(modes(path).is_err());
        }
    }
}
