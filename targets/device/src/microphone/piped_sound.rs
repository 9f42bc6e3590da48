//! Microphone that another program reads: its samples on standard input.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::piece;
use crate::camera::frame_buffer::CapturedFrame;
use crate::ports::{FrameSource, SourceError};

/// Time limit of the first samples, and of those while the stream is silent, so that keys are heard.
const PATIENCE: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(250);

/// Bytes read at once.
const ROOM: usize = 4096;

/// Most bytes of a WAV header before its samples.
const HEADER: usize = 4096;

#[derive(Debug, Default)]
struct Queue {
    samples: VecDeque<i16>,
    /// Number of samples that came.
    arrived: u64,
    /// Number of times that samples came too fast and the oldest were dropped.
    overruns: u64,
    end: Option<End>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Closed,
    Error(io::ErrorKind),
    /// A header of a WAV file of another kind.
    Other(String),
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    /// A panic cannot leave partial changes in here.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Samples of 16 bits, little-endian, one channel, that another program writes, such as
/// `arecord -t raw -f S16_LE -r 16000`. A WAV header before them is read and passed over.
///
/// A thread reads all of them, so that the other program never waits. If they are not taken in time,
/// the oldest beyond a second are dropped, and counted as an overrun.
#[derive(Debug)]
pub struct PipedSound {
    shared: Arc<Shared>,
    rate: u32,
    /// Time of the last samples, or of the beginning.
    last: Instant,
    patience: Duration,
}

impl PipedSound {
    /// Starts to read standard input.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if that is a terminal, or there is no thread.
    pub fn stdin(rate: u32) -> Result<Self, SourceError> {
        let input = io::stdin();
        if input.is_terminal() {
            return Err(SourceError::NoSoundPipe(rate));
        }
        Self::new(input, rate)
    }

    /// Starts to read samples.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if there is no thread.
    pub fn new(input: impl Read + Send + 'static, rate: u32) -> Result<Self, SourceError> {
        let shared = Arc::new(Shared::default());
        shared.lock().samples.reserve(2 * rate as usize);
        let theirs = Arc::clone(&shared);
        // Not joined: it may wait for a byte that never comes.
        let reader = thread::Builder::new().name("sound".to_string());
        let reader = reader.spawn(move || {
            let end = drain(input, rate, &theirs);
            theirs.lock().end = Some(end);
            theirs.changed.notify_all();
        });
        reader.map_err(|source| SourceError::Io { what: "standard input".to_string(), source })?;
        Ok(Self { shared, rate, last: Instant::now(), patience: PATIENCE })
    }
}

impl FrameSource for PipedSound {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        let need = piece(self.rate);
        let patience = std::mem::replace(&mut self.patience, AGAIN);
        let queue = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(queue, patience, |queue| {
            queue.samples.len() < need && queue.end.is_none()
        });
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        if queue.samples.len() >= need {
            shot.hear_all(queue.samples.drain(..need));
            drop(queue);
            (self.last, self.patience) = (Instant::now(), PATIENCE);
            return Ok(());
        }
        let seconds = queue.arrived / u64::from(self.rate);
        Err(match &queue.end {
            None => SourceError::Silent(self.last.elapsed().as_secs()),
            Some(End::Closed) if queue.arrived == 0 => SourceError::NoSound,
            Some(End::Closed) => SourceError::SoundEnded { seconds },
            Some(End::Error(kind)) => {
                SourceError::Io { what: "standard input".to_string(), source: (*kind).into() }
            }
            Some(End::Other(why)) => {
                SourceError::Sound { what: "standard input".to_string(), why: why.clone() }
            }
        })
    }

    /// Does nothing: a stream that is silent may go on, one that ended does not.
    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn broken_frames(&self) -> u64 {
        self.shared.lock().overruns
    }
}

/// Reads to the end.
fn drain(mut input: impl Read, rate: u32, shared: &Shared) -> End {
    let mut buffer = [0; ROOM];
    // Bytes before the first sample, and then the first half of a sample.
    let mut rest: Vec<u8> = Vec::with_capacity(HEADER + ROOM);
    let mut is_begun = false;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => return End::Closed,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return End::Error(error.kind()),
        };
        rest.extend_from_slice(&buffer[..count]);
        if !is_begun {
            match samples_begin(&rest, rate) {
                Ok(Some(at)) => drop(rest.drain(..at)),
                Ok(None) => continue,
                Err(why) => return End::Other(why),
            }
            is_begun = true;
        }
        let whole = rest.len() & !1;
        let mut queue = shared.lock();
        let samples = rest[..whole].as_chunks().0;
        queue.samples.extend(samples.iter().map(|&bytes| i16::from_le_bytes(bytes)));
        queue.arrived += (whole / 2) as u64;
        let most = rate as usize;
        if queue.samples.len() > most {
            let late = queue.samples.len() - most;
            queue.samples.drain(..late);
            queue.overruns += 1;
        }
        drop(queue);
        rest.drain(..whole);
        shared.changed.notify_all();
    }
}

/// Returns the place of the first sample behind a header, if there is one; [`None`] if more bytes are
/// needed to know.
fn samples_begin(bytes: &[u8], rate: u32) -> Result<Option<usize>, String> {
    let sign = b"RIFF";
    let known = bytes.len().min(sign.len());
    if bytes[..known] != sign[..known] {
        return Ok(Some(0));
    }
    let mut at = 12;
    // Chunks: four letters, the length, the content.
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.split_first_chunk::<8>()) {
        let ([a, b, c, d, length @ ..], content) = chunk;
        let length = u32::from_le_bytes(*length) as usize;
        match &[*a, *b, *c, *d] {
            b"data" => return Ok(Some(at + 8)),
            b"fmt " => {
                let Some(format) = content.first_chunk::<16>() else { return Ok(None) };
                let number = |at: usize| u16::from_le_bytes([format[at], format[at + 1]]);
                let found = u32::from(number(4)) | u32::from(number(6)) << 16;
                if [number(0), number(2), number(14)] != [1, 1, 16] || found != rate {
                    return Err(format!(
                        "has {} channels of {} bits at {found} Hz; this package takes one of 16 bits at {rate} Hz: arecord -t raw -f S16_LE -c 1 -r {rate}",
                        number(2),
                        number(14)
                    ));
                }
            }
            _ => {}
        }
        at = at.saturating_add(8).saturating_add(length);
        if at > HEADER {
            return Err(format!(
                "begins like a WAV file, but no samples come within {HEADER} bytes"
            ));
        }
    }
    if bytes.len() > HEADER {
        Err("begins like a WAV file without samples".to_string())
    } else {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that come in pieces of this length.
    struct Pieces(VecDeque<u8>, usize);

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(out.len()).min(self.0.len());
            out.iter_mut().zip(self.0.drain(..count)).for_each(|(slot, byte)| *slot = byte);
            Ok(count)
        }
    }

    fn heard(bytes: Vec<u8>, length: usize) -> (Vec<i16>, String) {
        let mut sound = PipedSound::new(Pieces(bytes.into(), length), 4_000).unwrap();
        let mut shot = CapturedFrame::default();
        let mut all = Vec::new();
        loop {
            match sound.next(&mut shot) {
                Ok(()) => all.extend_from_slice(shot.samples()),
                Err(error) => return (all, error.to_string()),
            }
        }
    }

    fn header(rate: u32, channels: u16) -> Vec<u8> {
        let mut bytes = b"RIFF\xff\xff\xff\xffWAVELIST\x04\0\0\0abcdfmt \x10\0\0\0\x01\0".to_vec();
        bytes.extend(channels.to_le_bytes());
        bytes.extend(rate.to_le_bytes());
        bytes.extend((2 * rate).to_le_bytes());
        bytes.extend([2, 0, 16, 0]);
        bytes.extend(b"data\xff\xff\xff\xff");
        bytes
    }

    #[test]
    fn samples_come_whole_in_pieces_of_any_length_with_and_without_a_header() {
        let samples: Vec<i16> = (0..3_200).map(|i| i * 7).collect();
        let bytes: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
        for length in [1, 3, 640, 4_096] {
            for begin in [Vec::new(), header(4_000, 1)] {
                let (all, end) = heard([begin, bytes.clone()].concat(), length);
                assert!(all == samples, "{length}: {} of {}", all.len(), samples.len());
                assert!(end.contains("ended after 0 seconds"), "{end}");
            }
        }
    }

    #[test]
    fn another_stream_and_none_are_said() {
        let (all, told) = heard([header(8_000, 2), vec![0; 9_000]].concat(), 100);
        assert!(all.is_empty() && told.contains("2 channels of 16 bits at 8000 Hz"), "{told}");
        let (_, told) = heard(Vec::new(), 1);
        assert!(told.contains("before its first sample"), "{told}");
        let (_, told) = heard([b"RIFF....WAVE".to_vec(), vec![0; 9_000]].concat(), 1_000);
        assert!(told.contains("WAV"), "{told}");
    }

    #[test]
    fn the_oldest_samples_of_a_slow_loop_are_dropped_and_counted() {
        let bytes = vec![1; 2 * 3 * 4_000];
        let sound = PipedSound::new(Pieces(bytes.into(), 4_096), 4_000).unwrap();
        while sound.shared.lock().end.is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(sound.shared.lock().samples.len(), 4_000);
        assert!(sound.broken_frames() > 0);
    }
}
