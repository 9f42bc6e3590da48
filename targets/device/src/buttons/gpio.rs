//! Lines of Linux' GPIO character devices: buttons, a light, pins of a panel.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use embedded_hal::digital::{self, ErrorKind, ErrorType, OutputPin};
use gpiocdev::Request;
use gpiocdev::chip::{Chip, chips};
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};

use super::debounce::{Edge, Lines};
use crate::ports::Led;
use crate::setup::part_spec::Pull;

/// Name of a line's user in the kernel's list.
const CONSUMER: &str = "offshoot";

/// Returns the device of a chip: a path, a name in `/dev`, or the label that its driver gives it,
/// which does not change from one kernel to the next.
///
/// # Errors
///
/// An I/O error that lists the chips if there is none of that name.
pub(crate) fn chip(name: &str) -> io::Result<PathBuf> {
    if name.contains('/') {
        return Ok(name.into());
    }
    let path = Path::new("/dev").join(name);
    if fs::exists(&path)? {
        return Ok(path);
    }
    let mut found = Vec::new();
    for path in chips().map_err(system)? {
        let info = Chip::from_path(&path).and_then(|chip| chip.info()).map_err(system)?;
        if info.label == name {
            return Ok(path);
        }
        found.push(format!("{} ({})", path.display(), info.label));
    }
    let found = if found.is_empty() { "none".to_string() } else { found.join(", ") };
    Err(io::Error::new(io::ErrorKind::NotFound, format!("no such chip; there are: {found}")))
}

/// Returns the system's own error if there is one: its kind determines the advice.
fn system(error: gpiocdev::Error) -> io::Error {
    match error {
        gpiocdev::Error::Os(errno) => io::Error::from_raw_os_error(errno.0),
        error => io::Error::other(error.to_string()),
    }
}

fn request(chip: &Path, line: u32, pull: Pull) -> io::Result<Request> {
    let mut request = Request::builder();
    request.on_chip(chip).with_consumer(CONSUMER).with_line(line).as_input();
    match pull {
        Pull::Up => request.with_bias(Bias::PullUp).as_active_low(),
        Pull::Down => request.with_bias(Bias::PullDown),
        Pull::Off => request.as_active_low(),
    };
    request.with_edge_detection(EdgeDetection::BothEdges).request().map_err(|e| of_line(line, e))
}

/// Buttons on several lines. The kernel keeps the times of their changes.
///
/// One request per line: kernels before 5.10 report changes of one line per request only.
#[derive(Debug)]
pub struct GpioLines {
    requests: Vec<Request>,
    start: Instant,
}

impl GpioLines {
    /// Requests these lines of a chip; kernels before 5.5 support no [`Pull`] except [`Pull::Off`].
    ///
    /// # Errors
    ///
    /// An I/O error if there is no such chip or line, it is in use, or permission is denied.
    pub fn open(name: &str, lines: &[u32], pull: Pull) -> io::Result<Self> {
        let chip = chip(name)?;
        let requests = lines.iter().map(|line| request(&chip, *line, pull));
        let requests = requests.collect::<io::Result<_>>()?;
        Ok(Self { requests, start: Instant::now() })
    }
}

fn of_line(line: u32, error: gpiocdev::Error) -> io::Error {
    let error = system(error);
    io::Error::new(error.kind(), format!("line {line}: {error}"))
}

impl Lines for GpioLines {
    fn count(&self) -> usize {
        self.requests.len()
    }

    fn edge(&mut self) -> io::Result<Option<Edge>> {
        for (line, request) in self.requests.iter().enumerate() {
            if request.has_edge_event().map_err(system)? {
                let event = request.read_edge_event().map_err(system)?;
                let at = Duration::from_nanos(event.timestamp_ns);
                return Ok(Some(Edge { line, down: event.kind == EdgeKind::Rising, at }));
            }
        }
        Ok(None)
    }

    fn is_down(&mut self, line: usize) -> io::Result<bool> {
        Ok(self.requests[line].lone_value().map_err(system)? == Value::Active)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Output line: a light, or a pin of a panel. It is released when the program ends.
#[derive(Debug)]
pub struct Pin {
    request: Request,
    is_on: bool,
}

impl Pin {
    /// Requests a line of a chip and drives it: low, or high if it is `active_low`.
    ///
    /// # Errors
    ///
    /// An I/O error if there is no such chip or line, it is in use, or permission is denied.
    pub fn open(name: &str, line: u32, active_low: bool) -> io::Result<Self> {
        let mut request = Request::builder();
        request
            .on_chip(chip(name)?)
            .with_consumer(CONSUMER)
            .with_line(line)
            .as_output(Value::Inactive);
        if active_low {
            request.as_active_low();
        }
        Ok(Self { request: request.request().map_err(|e| of_line(line, e))?, is_on: false })
    }

    fn drive(&mut self, is_on: bool) -> Result<(), PinError> {
        self.request.set_lone_value(if is_on { Value::Active } else { Value::Inactive })?;
        self.is_on = is_on;
        Ok(())
    }
}

impl Led for Pin {
    fn set(&mut self, on: bool) {
        if on != self.is_on {
            // A light is no reason to stop; it is tried again with the next frame.
            let _ = self.drive(on);
        }
    }
}

/// Error of a pin that cannot be driven.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PinError(#[from] gpiocdev::Error);

impl digital::Error for PinError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Pin {
    type Error = PinError;
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), PinError> {
        self.drive(false)
    }

    fn set_high(&mut self) -> Result<(), PinError> {
        self.drive(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_chip_is_named() {
        for (name, kind) in [
            ("/dev/no-such-chip", io::ErrorKind::NotFound),
            ("no-such-label", io::ErrorKind::NotFound),
            ("/dev/null", io::ErrorKind::Other),
        ] {
            let buttons = GpioLines::open(name, &[1, 2], Pull::Up).unwrap_err();
            let light = Pin::open(name, 1, false).unwrap_err();
            assert_eq!((buttons.kind(), light.kind()), (kind, kind), "{buttons} {light}");
        }
        let told = GpioLines::open("no-such-label", &[1, 2], Pull::Up).unwrap_err().to_string();
        assert!(told.starts_with("no such chip; there are: "), "{told}");
    }
}
