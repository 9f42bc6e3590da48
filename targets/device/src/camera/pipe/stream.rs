//! Camera that another program reads: its frames on standard input.

use std::io::{self, BufReader, ErrorKind, IsTerminal, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::format::{PipeFormat, RawFormat};
use super::split::{Part, Splitter};
use crate::camera::frame_buffer::CapturedFrame;
use crate::camera::pixels::{PixelError, Pixels, Raw, Turn};
use crate::ports::{FrameSource, SourceError};

/// Time limit of a frame, that of other cameras.
const PATIENCE: Duration = Duration::from_secs(3);

/// Time limit of a frame while the stream is silent, so that keys are still heard.
const AGAIN: Duration = Duration::from_millis(250);

/// Bytes read at once: what a pipe of Linux holds.
const ROOM: usize = 64 << 10;

/// Max bytes without a JPEG image, after which the stream is taken for another format.
const MOST_JUNK: u64 = 4 << 20;

/// End of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Between,
    InsideFrame,
    Error(ErrorKind),
    /// The reader has panicked.
    Fault,
}

impl End {
    fn of(error: io::Error) -> Self {
        Self::Error(error.kind())
    }
}

#[derive(Debug, Default)]
struct Slot {
    /// Newest frame, undecoded.
    bytes: Vec<u8>,
    is_new: bool,
    /// True if there was much and no image in it.
    is_junk: bool,
    /// Number of frames that were read whole.
    arrived: u64,
    /// Number of frames that were not; taken out when a frame is asked for.
    broken: u64,
    end: Option<End>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    slot: Mutex<Slot>,
    changed: Condvar,
}

impl Shared {
    /// A panic cannot leave partial changes in here.
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frames that another program writes, such as `rpicam-vid` for a camera on the ribbon.
///
/// A thread reads all of them, so that the other program never waits, and keeps the newest; only
/// frames that are asked for are decoded. Broken images of a stream of JPEG images are passed over
/// and counted. After the end of the stream every frame is an error at once.
#[derive(Debug)]
pub struct Piped {
    shared: Arc<Shared>,
    format: PipeFormat,
    turn: Turn,
    /// Frame that is decoded; swapped with the newest.
    bytes: Vec<u8>,
    /// True if a frame was decoded.
    has_seen: bool,
    broken: u64,
    /// Time of the last frame, or of the beginning.
    last: Instant,
    patience: Duration,
}

impl Piped {
    /// Starts to read standard input.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if that is a terminal, or there is no thread.
    pub fn stdin(format: PipeFormat, turn: Turn) -> Result<Self, SourceError> {
        let input = io::stdin();
        if input.is_terminal() {
            return Err(SourceError::NoPipe);
        }
        Self::new(input, format, turn)
    }

    /// Starts to read frames.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if there is no thread.
    pub fn new(
        input: impl Read + Send + 'static,
        format: PipeFormat,
        turn: Turn,
    ) -> Result<Self, SourceError> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        // Not joined: it may wait for a byte that never comes.
        let reader = thread::Builder::new()
            .name("stream".to_string())
            .spawn(move || drain(input, format, &theirs));
        reader.map_err(|source| SourceError::Io { what: "standard input".to_string(), source })?;
        let last = Instant::now();
        let bytes = Vec::new();
        Ok(Self {
            shared,
            format,
            turn,
            bytes,
            has_seen: false,
            broken: 0,
            last,
            patience: PATIENCE,
        })
    }

    /// Takes the newest frame; waits for one until a time.
    fn take(&mut self, due: Instant) -> Result<(), SourceError> {
        let slot = self.shared.lock();
        let left = due.saturating_duration_since(Instant::now());
        let waited = self.shared.changed.wait_timeout_while(slot, left, |slot| {
            !slot.is_new && !slot.is_junk && slot.end.is_none()
        });
        let mut slot = waited.unwrap_or_else(PoisonError::into_inner).0;
        self.broken += std::mem::take(&mut slot.broken);
        if std::mem::take(&mut slot.is_new) {
            std::mem::swap(&mut slot.bytes, &mut self.bytes);
            return Ok(());
        }
        let is_junk = std::mem::take(&mut slot.is_junk);
        let end = slot.end;
        let arrived = slot.arrived;
        drop(slot);
        match end {
            Some(end) => Err(self.ended(end, arrived)),
            None if is_junk => Err(SourceError::NoImages),
            None => Err(SourceError::Silent(self.last.elapsed().as_secs())),
        }
    }

    fn ended(&self, end: End, arrived: u64) -> SourceError {
        match end {
            End::Fault => SourceError::Ended,
            End::Error(kind) => {
                SourceError::Io { what: "standard input".to_string(), source: kind.into() }
            }
            End::InsideFrame if arrived == 0 => SourceError::OtherSize(self.format.to_string()),
            _ if arrived + self.broken == 0 => SourceError::NoStream,
            _ if arrived == 0 => SourceError::NoImages,
            _ => {
                let broken = self.broken + u64::from(end == End::InsideFrame);
                SourceError::StreamEnded { frames: arrived, broken }
            }
        }
    }

    fn convert(&self, shot: &mut CapturedFrame) -> Result<(), PixelError> {
        let bytes = &self.bytes;
        let raw = match &self.format {
            PipeFormat::Mjpeg => {
                Raw { pixels: Pixels::Mjpeg, width: 0, height: 0, stride: 0, bytes }
            }
            PipeFormat::Raw(format) => format.frame(bytes),
        };
        raw.convert(self.turn, shot)
    }
}

impl FrameSource for Piped {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        let due = Instant::now() + self.patience;
        // Until a frame has come.
        self.patience = AGAIN;
        loop {
            self.take(due)?;
            match self.convert(shot) {
                Ok(()) => {
                    self.has_seen = true;
                    (self.last, self.patience) = (Instant::now(), PATIENCE);
                    return Ok(());
                }
                // The next one may be whole.
                Err(_) if Instant::now() < due => self.broken += 1,
                Err(_) if !self.has_seen => return Err(SourceError::NoImages),
                Err(source) => {
                    self.broken += 1;
                    let what = "standard input".to_string();
                    return Err(SourceError::Pixels { what, source });
                }
            }
        }
    }

    /// Does nothing: a stream that is silent or broken is still read, and one that ended does not
    /// come back.
    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn broken_frames(&self) -> u64 {
        self.broken
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
    }
}

/// Reports the end of the reader on every path.
struct Ending<'a>(&'a Shared, End);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.lock().end = Some(self.1);
        self.0.changed.notify_all();
    }
}

/// Reads frames until the end.
fn drain(input: impl Read, format: PipeFormat, shared: &Shared) {
    let mut ending = Ending(shared, End::Fault);
    let mut input = BufReader::with_capacity(ROOM, input);
    let mut splitter = Splitter::new(MOST_JUNK);
    let mut bytes = Vec::new();
    loop {
        let part = match &format {
            PipeFormat::Mjpeg => splitter.next(&mut input, &mut bytes).map_err(End::of),
            PipeFormat::Raw(format) => raw(&mut input, format, &mut bytes),
        };
        let mut slot = shared.lock();
        slot.broken += splitter.take_broken();
        match part {
            Ok(Part::Image) => {
                std::mem::swap(&mut slot.bytes, &mut bytes);
                slot.is_new = true;
                slot.arrived += 1;
            }
            Ok(Part::Junk) => slot.is_junk = true,
            Ok(Part::End) => ending.1 = End::Between,
            Err(end) => ending.1 = end,
        }
        let is_over = ending.1 != End::Fault || slot.closed;
        // The ending takes the lock as well.
        drop(slot);
        if is_over {
            return;
        }
        shared.changed.notify_all();
    }
}

/// Reads one raw frame.
fn raw(input: &mut impl Read, format: &RawFormat, bytes: &mut Vec<u8>) -> Result<Part, End> {
    // The size of a frame, which was checked when the format was read.
    bytes.resize(format.bytes(), 0);
    let mut filled = 0;
    while filled < bytes.len() {
        match input.read(&mut bytes[filled..]) {
            Ok(0) if filled == 0 => return Ok(Part::End),
            Ok(0) => return Err(End::InsideFrame),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(End::of(error)),
        }
    }
    Ok(Part::Image)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const SHADES: [u8; 3] = [40, 90, 160];

    fn jpeg(shade: u8) -> Vec<u8> {
        let image = image::RgbImage::from_pixel(16, 8, image::Rgb([shade; 3]));
        let mut bytes = io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    fn piped(format: &str) -> (io::PipeWriter, Piped) {
        let (reader, writer) = io::pipe().unwrap();
        (writer, Piped::new(reader, PipeFormat::parse(format).unwrap(), Turn::None).unwrap())
    }

    fn shade(piped: &mut Piped) -> Result<u8, SourceError> {
        let mut shot = CapturedFrame::default();
        piped.next(&mut shot).map(|()| shot.rgb()[0])
    }

    /// Waits until the reader has read that many frames.
    fn arrived(piped: &Piped, frames: u64) {
        while piped.shared.lock().arrived < frames {
            thread::yield_now();
        }
    }

    #[test]
    fn the_newest_frame_is_shown_and_the_end_is_said_again_and_again() {
        for format in ["-", "-:grey:16x8"] {
            let (mut writer, mut piped) = piped(format);
            let frame = |shade| if format == "-" { jpeg(shade) } else { vec![shade; 16 * 8] };
            // More than a pipe holds: the writer is never kept waiting.
            let count = 2000;
            for number in 0..count {
                writer.write_all(&frame(SHADES[number % 2])).unwrap();
            }
            writer.write_all(&frame(SHADES[2])).unwrap();
            arrived(&piped, count as u64 + 1);
            assert!(shade(&mut piped).unwrap().abs_diff(SHADES[2]) < 4);
            writer.write_all(&frame(SHADES[0])).unwrap();
            assert!(shade(&mut piped).unwrap().abs_diff(SHADES[0]) < 4);
            // The last frame is still shown when the stream has ended behind it.
            writer.write_all(&[&frame(SHADES[1])[..], &frame(9)[..9]].concat()).unwrap();
            drop(writer);
            assert!(shade(&mut piped).unwrap().abs_diff(SHADES[1]) < 4);
            for _ in 0..3 {
                let start = Instant::now();
                piped.reopen().unwrap();
                let error = shade(&mut piped).unwrap_err().to_string();
                assert!(error.contains("stream ended (2003 frames, 1 broken)"), "{error}");
                assert!(start.elapsed() < AGAIN);
            }
        }
    }

    #[test]
    fn broken_images_are_passed_over_and_counted() {
        let (mut writer, mut piped) = piped("-");
        let whole = jpeg(40);
        // Lost its end, lost its tables.
        writer.write_all(&[&whole[..whole.len() - 3], &[0xff, 0xd8, 0xff, 0xd9]].concat()).unwrap();
        arrived(&piped, 1);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(50));
                writer.write_all(&jpeg(90)).unwrap();
            });
            assert!(shade(&mut piped).unwrap().abs_diff(90) < 4);
        });
        assert_eq!(piped.broken_frames(), 2);
    }

    #[test]
    fn a_silent_stream_is_told_of_and_heard_again() {
        let (mut writer, mut piped) = piped("-:rgb:1x1");
        let start = Instant::now();
        assert!(matches!(shade(&mut piped), Err(SourceError::Silent(3))));
        assert!(start.elapsed() >= PATIENCE);
        // From then on keys are waited for more than frames.
        let start = Instant::now();
        assert!(matches!(shade(&mut piped), Err(SourceError::Silent(3))));
        assert!(start.elapsed() < PATIENCE / 2);
        writer.write_all(&[7, 7, 7]).unwrap();
        assert_eq!(shade(&mut piped).unwrap(), 7);
        assert_eq!(piped.patience, PATIENCE);
    }

    #[test]
    fn what_is_no_video_is_named() {
        let (writer, mut other) = piped("-");
        drop(writer);
        assert!(matches!(shade(&mut other), Err(SourceError::NoStream)));
        // An image that has no end.
        let (mut writer, mut other) = piped("-");
        writer.write_all(&[0xff, 0xd8, 0xff, 0xe0, 0, 4]).unwrap();
        drop(writer);
        assert!(matches!(shade(&mut other), Err(SourceError::NoImages)));
        let (mut writer, mut other) = piped("-:rgb:640x480");
        writer.write_all(&[1; 999]).unwrap();
        drop(writer);
        let error = shade(&mut other).unwrap_err().to_string();
        assert!(error.contains("inside a frame: is it -:rgb:640x480"), "{error}");
        // Bytes in which the beginning of an image was never found.
        let (mut writer, mut other) = piped("-");
        writer.write_all(&[0xff, 0].repeat(MOST_JUNK as usize / 2 + 9)).unwrap();
        assert!(matches!(shade(&mut other), Err(SourceError::NoImages)));
    }

    #[test]
    fn frames_are_decoded_into_the_same_memory() {
        let (mut writer, mut piped) = piped("-:i420:4x2,stride=8");
        let rows = [[16, 235, 16, 235, 0, 0, 0, 0], [235, 16, 235, 16, 0, 0, 0, 0]].concat();
        let colour = [128, 128, 0, 0, 128, 128, 0, 0];
        writer.write_all(&[&rows[..], &colour].concat()).unwrap();
        let mut shot = CapturedFrame::default();
        piped.next(&mut shot).unwrap();
        let reds: Vec<u8> = shot.rgb().iter().step_by(3).copied().collect();
        assert_eq!(reds, [0, 255, 0, 255, 255, 0, 255, 0]);
    }
}
