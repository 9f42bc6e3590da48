//! Sensor in place of a camera: windows of a table, or of another program's samples.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;

use offshoot::Probe;

use super::frame_buffer::CapturedFrame;
use super::frame_rate::Pace;
use crate::ports::{FrameSource, SourceError};

/// Extension of a table.
pub(crate) const END: &str = "csv";
/// Most bytes of a line.
const MOST_LINE: u64 = 1 << 16;
/// Columns of a table that are no channels.
const TIMES: [&str; 7] = ["", "t", "time", "timestamp", "time_s", "time_ms", "index"];

/// Form of samples on standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleForm {
    /// Lines of text: a place each, its channels separated by commas.
    Csv,
    /// Integers of 16 bits, little-endian, channel after channel, place after place.
    Int16,
    /// Floats of 32 bits, in the same order.
    Float32,
}

impl SampleForm {
    /// All forms with their names.
    pub(crate) const NAMES: [(&'static str, Self); 3] =
        [("csv", Self::Csv), ("i16", Self::Int16), ("f32", Self::Float32)];
}

impl fmt::Display for SampleForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, form)| form == self).map_or("?", |(name, _)| name);
        write!(f, "-:{name}")
    }
}

/// Samples of a sensor as windows of a package: each frame is the next window, a step later.
#[derive(Debug)]
pub struct SensorStream<R> {
    name: String,
    input: BufReader<R>,
    form: SampleForm,
    probe: Probe,
    line: Vec<u8>,
    place: Vec<f32>,
    /// Columns that are channels, once the first line was read.
    columns: Option<Vec<usize>>,
    /// Number of windows, and of lines that were no place.
    frames: u64,
    broken: u64,
}

impl SensorStream<io::Stdin> {
    /// Reads standard input.
    ///
    /// # Errors
    /// [`SourceError`] if that is a terminal.
    pub fn stdin(form: SampleForm, probe: Probe) -> Result<Self, SourceError> {
        let input = io::stdin();
        if input.is_terminal() {
            return Err(SourceError::NoSamples);
        }
        Ok(Self::new(input, "standard input", form, probe))
    }
}

impl<R: Read> SensorStream<R> {
    /// Reads samples.
    pub fn new(input: R, name: &str, form: SampleForm, probe: Probe) -> Self {
        let place = vec![0.0; probe.channels()];
        Self {
            name: name.to_string(),
            input: BufReader::new(input),
            form,
            probe,
            line: Vec::new(),
            place,
            columns: None,
            frames: 0,
            broken: 0,
        }
    }

    /// Reads the next place; false at the end.
    fn read_place(&mut self) -> Result<bool, SourceError> {
        match self.form {
            SampleForm::Csv => self.read_line(),
            SampleForm::Int16 => {
                let mut bytes = [0; 2];
                for at in 0..self.place.len() {
                    if !self.read_sample(&mut bytes, at)? {
                        return Ok(false);
                    }
                    self.place[at] = self.probe.real(i16::from_le_bytes(bytes));
                }
                Ok(true)
            }
            SampleForm::Float32 => {
                let mut bytes = [0; 4];
                for at in 0..self.place.len() {
                    if !self.read_sample(&mut bytes, at)? {
                        return Ok(false);
                    }
                    self.place[at] = f32::from_le_bytes(bytes);
                }
                Ok(true)
            }
        }
    }

    /// Reads a sample; false at an end between two places. A place that is cut off is counted.
    fn read_sample(&mut self, bytes: &mut [u8], channel: usize) -> Result<bool, SourceError> {
        match self.input.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.broken += u64::from(channel > 0);
                Ok(false)
            }
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Reads lines until one is a place; false at the end. A line of names says which columns are
    /// times; other lines that are no numbers are counted.
    fn read_line(&mut self) -> Result<bool, SourceError> {
        loop {
            self.line.clear();
            let mut rest = (&mut self.input).take(MOST_LINE);
            let count = rest.read_until(b'\n', &mut self.line);
            match count {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(source) => return Err(self.failed(source)),
            }
            let line = String::from_utf8_lossy(&self.line);
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let between = if line.contains(';') { ';' } else { ',' };
            let fields: Vec<&str> = line.split(between).map(str::trim).collect();
            let is_first = self.columns.is_none();
            let columns = self.columns.get_or_insert_with(|| channels(&fields));
            let mut found = columns.iter().map(|&at| fields.get(at)?.parse::<f32>().ok());
            let is_place = columns.len() == self.place.len()
                && self.place.iter_mut().all(|slot| match found.next().flatten() {
                    Some(value) if value.is_finite() => {
                        *slot = value;
                        true
                    }
                    _ => false,
                });
            if is_place {
                return Ok(true);
            }
            if columns.len() != self.place.len() {
                let found = columns.len();
                return Err(SourceError::OtherChannels {
                    what: self.name.clone(),
                    found,
                    need: self.place.len(),
                });
            }
            self.broken += u64::from(!is_first);
        }
    }

    fn failed(&self, source: io::Error) -> SourceError {
        SourceError::Io { what: self.name.clone(), source }
    }

    /// Takes places until a window is complete; false at the end.
    fn advance(&mut self, shot: &mut CapturedFrame) -> Result<bool, SourceError> {
        while self.read_place()? {
            match self.probe.advance(&self.place) {
                Ok(false) => {}
                Ok(true) => {
                    if let Ok(window) = self.probe.signal() {
                        shot.take_signal(&window);
                    }
                    self.frames += 1;
                    return Ok(true);
                }
                // Not a number, on a binary stream.
                Err(_) => self.broken += 1,
            }
        }
        Ok(false)
    }
}

/// Returns the columns of a first line that are channels: all, but for times if it has names.
fn channels(fields: &[&str]) -> Vec<usize> {
    let has_names = fields.iter().any(|field| field.parse::<f32>().is_err());
    let is_time = |at: usize| TIMES.contains(&fields[at].to_ascii_lowercase().as_str());
    (0..fields.len()).filter(|&at| !has_names || !is_time(at)).collect()
}

impl<R: Read> FrameSource for SensorStream<R> {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        if self.advance(shot)? {
            return Ok(());
        }
        if self.frames == 0 {
            return Err(SourceError::NoWindow { what: self.name.clone() });
        }
        Err(SourceError::StreamEnded { frames: self.frames, broken: self.broken })
    }

    /// Does nothing: a stream that ended does not come back.
    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn broken_frames(&self) -> u64 {
        self.broken
    }
}

/// Table of samples (.csv) in place of a sensor, again and again; no window spans its end.
#[derive(Debug)]
pub struct SensorFile {
    path: PathBuf,
    stream: SensorStream<File>,
    pace: Pace,
}

impl SensorFile {
    /// Opens a table: a place in each line, a window every `pause`.
    ///
    /// # Errors
    /// [`SourceError`] if the file cannot be read, has other channels than the package, or no whole
    /// window.
    pub fn open(path: &Path, probe: Probe, pause: Duration) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(|source| SourceError::io(path, source))?;
        let name = path.display().to_string();
        let stream = SensorStream::new(file, &name, SampleForm::Csv, probe);
        let mut table = Self { path: path.to_path_buf(), stream, pace: Pace::new(pause) };
        table.stream.next(&mut CapturedFrame::default())?;
        table.rewind()?;
        Ok(table)
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        self.stream.probe.clear();
        self.stream.columns = None;
        let rewound = self.stream.input.rewind();
        rewound.map_err(|source| SourceError::io(&self.path, source))
    }
}

impl FrameSource for SensorFile {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        self.pace.wait();
        if self.stream.advance(shot)? {
            return Ok(());
        }
        self.rewind()?;
        // One window is there, which was checked on opening.
        self.stream.next(shot)
    }

    /// Does nothing: a line that is no place is passed over.
    fn reopen(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn broken_frames(&self) -> u64 {
        self.stream.broken
    }
}
