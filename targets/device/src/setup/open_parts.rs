//! Opening of parts.

use std::io;
use std::time::Duration;

use offshoot::{Extractor, Probe};

use super::part_spec::{ButtonsPart, CameraPart, LedPart, ScreenPart};
use crate::camera::folder::Folder;
use crate::camera::latest::Latest;
use crate::camera::mjpeg::Video;
use crate::camera::pipe::stream::Piped;
use crate::camera::pixels::Turn;
use crate::camera::sensor::{SensorFile, SensorStream};
use crate::camera::simulated::Simulated;
use crate::ports::{Buttons, Dark, FrameSource, Led, NoButtons, NoLed, Screen, SourceError};
use crate::screen::png::Images;

/// Reason why a part is not available.
#[derive(Debug, thiserror::Error)]
#[error("{part}: {source}; {next}")]
pub struct PartError {
    /// Text of the part on the command line.
    pub part: String,
    /// Cause of the error.
    pub source: io::Error,
    /// Advice to the user.
    pub next: &'static str,
}

impl PartError {
    fn new(part: &impl ToString, source: io::Error) -> Self {
        let next = match source.kind() {
            io::ErrorKind::NotFound => {
                "is the name right, and is the bus switched on? the board's page says how"
            }
            io::ErrorKind::PermissionDenied => "`doctor` says which group is wanted",
            io::ErrorKind::ResourceBusy => "another program uses it",
            io::ErrorKind::Unsupported => "take another part here",
            _ => "`--testui` goes through the parts one by one",
        };
        Self { part: part.to_string(), source, next }
    }

    /// Creates the error of a missing terminal.
    pub fn terminal(source: io::Error) -> Self {
        let next = "give --script FILE and --screen png:DIR, or --web PORT and --screen none, or run it in a terminal";
        Self { part: "terminal".to_string(), source, next }
    }

    /// Creates the error of a missing terminal beside a camera that takes standard input.
    #[cfg(feature = "terminal")]
    fn no_tty(source: io::Error) -> Self {
        let next = "the camera takes standard input, so keys come from the terminal, and there is none: give --buttons gpio:CHIP:LINES or none, or --web PORT";
        Self { part: "/dev/tty".to_string(), source, next }
    }
}

#[allow(dead_code, reason = "not called where every part is in the program")]
fn absent() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "not a part of this program on this system")
}

impl CameraPart {
    /// Returns true if it takes standard input.
    pub fn takes_input(&self) -> bool {
        matches!(self, Self::Pipe(_) | Self::Samples(_))
    }

    /// Returns true if it gives signals in place of images.
    pub fn is_sensor(&self) -> bool {
        matches!(self, Self::Table(_) | Self::Samples(_))
    }

    /// Opens the camera or sensor for a package; one that is not real takes a frame every `pause`.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the package takes another kind of input, or as [`CameraPart::open`] does.
    pub fn open_for(
        &self,
        extractor: &Extractor,
        turn: Turn,
        pause: Duration,
    ) -> Result<Box<dyn FrameSource>, SourceError> {
        let what = self.to_string();
        let probe = match (Probe::new(extractor), self.is_sensor()) {
            (Ok(probe), true) => probe,
            (Err(_), false) => return self.open(turn, pause),
            (Ok(_), false) => {
                let next = "give --camera FILE.csv, or -:csv, -:i16 or -:f32 for standard input";
                return Err(SourceError::OtherKind { what, takes: "signals", next });
            }
            (Err(_), true) => {
                let next = "give a camera, a folder of images or sim";
                return Err(SourceError::OtherKind { what, takes: "images", next });
            }
        };
        Ok(match self {
            Self::Table(path) => Box::new(SensorFile::open(path, probe, pause)?),
            Self::Samples(form) => {
                let latest = Latest::new(SensorStream::stdin(*form, probe)?);
                Box::new(latest.map_err(|source| SourceError::Io { what, source })?)
            }
            _ => return self.open(turn, pause),
        })
    }

    /// Opens the camera; one that is not real takes a frame every `pause`.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if it does not exist or delivers no readable format; a sensor is opened for a
    /// package ([`CameraPart::open_for`]).
    pub fn open(&self, turn: Turn, pause: Duration) -> Result<Box<dyn FrameSource>, SourceError> {
        Ok(match self {
            Self::Table(_) | Self::Samples(_) => {
                let next = "a sensor needs a package that takes signals";
                let what = self.to_string();
                return Err(SourceError::OtherKind { what, takes: "images", next });
            }
            Self::Simulated => Box::new(Simulated::new(pause)),
            Self::Folder(path) => Box::new(Folder::open(path, pause)?),
            Self::Video(path) => Box::new(Video::open(path, turn, pause)?),
            Self::Pipe(format) => Box::new(Piped::stdin(*format, turn)?),
            #[cfg(all(feature = "v4l", target_os = "linux"))]
            Self::Device(path) => {
                let camera = crate::Camera::open(path, turn)?;
                let latest = Latest::new(camera);
                Box::new(latest.map_err(|source| SourceError::io(path, source))?)
            }
            #[cfg(not(all(feature = "v4l", target_os = "linux")))]
            Self::Device(path) => {
                return Err(SourceError::io(path, absent()));
            }
        })
    }
}

impl ButtonsPart {
    /// Opens the buttons: beside a camera or a microphone on standard input, keys are those of the
    /// controlling terminal (`/dev/tty`).
    ///
    /// # Errors
    ///
    /// [`PartError`] if they do not exist.
    pub fn open(&self, takes_input: bool) -> Result<Box<dyn Buttons>, PartError> {
        let _ = takes_input;
        match self {
            Self::None => Ok(Box::new(NoButtons)),
            #[cfg(feature = "terminal")]
            Self::Keys if takes_input => {
                let keys = crate::Keyboard::beside_stream().map_err(PartError::no_tty)?;
                Ok(Box::new(keys))
            }
            #[cfg(feature = "terminal")]
            Self::Keys => Ok(Box::new(crate::Keyboard::new().map_err(PartError::terminal)?)),
            #[cfg(not(feature = "terminal"))]
            Self::Keys => Err(PartError::new(self, absent())),
            #[cfg(all(feature = "buses", target_os = "linux"))]
            Self::Gpio { chip, lines, pull } => {
                let lines = crate::GpioLines::open(chip, lines, *pull);
                let presses =
                    lines.and_then(crate::Presses::new).map_err(|e| PartError::new(self, e))?;
                Ok(Box::new(presses))
            }
            #[cfg(not(all(feature = "buses", target_os = "linux")))]
            Self::Gpio { .. } => Err(PartError::new(self, absent())),
        }
    }
}

impl LedPart {
    /// Opens the light.
    ///
    /// # Errors
    ///
    /// [`PartError`] if it does not exist.
    pub fn open(&self) -> Result<Box<dyn Led>, PartError> {
        match self {
            Self::None => Ok(Box::new(NoLed)),
            #[cfg(all(feature = "buses", target_os = "linux"))]
            Self::Gpio { chip, line, active_low } => {
                let pin = crate::Pin::open(chip, *line, *active_low)
                    .map_err(|e| PartError::new(self, e))?;
                Ok(Box::new(pin))
            }
            #[cfg(not(all(feature = "buses", target_os = "linux")))]
            Self::Gpio { .. } => Err(PartError::new(self, absent())),
        }
    }
}

impl ScreenPart {
    /// Opens the screen, turned clockwise; PNG files and terminals are never turned.
    ///
    /// # Errors
    ///
    /// [`PartError`] if it does not exist.
    pub fn open(&self, turn: Turn) -> Result<Box<dyn Screen>, PartError> {
        // Panels exist on Linux only.
        let _ = turn;
        match self {
            Self::None => Ok(Box::new(Dark)),
            Self::Png(folder) => {
                let images = Images::new(folder);
                Ok(Box::new(images.map_err(|e| PartError::new(self, e.source))?))
            }
            #[cfg(feature = "terminal")]
            Self::Terminal => Ok(Box::new(crate::Terminal::new().map_err(PartError::terminal)?)),
            #[cfg(not(feature = "terminal"))]
            Self::Terminal => Err(PartError::new(self, absent())),
            #[cfg(target_os = "linux")]
            Self::Framebuffer(path) => {
                let panel = crate::Framebuffer::open(path, turn);
                Ok(Box::new(panel.map_err(|e| PartError::new(self, e.source))?))
            }
            #[cfg(all(feature = "buses", target_os = "linux"))]
            Self::Ssd1306 { bus, address } => {
                let bus = bus::i2c(bus).map_err(|e| PartError::new(self, e))?;
                let panel = crate::Oled::new(bus, *address, turn, self.to_string());
                Ok(Box::new(panel.map_err(|e| PartError::new(self, e.source))?))
            }
            #[cfg(all(feature = "buses", target_os = "linux"))]
            Self::St7789(panel) => bus::tft(panel, turn).map_err(|e| PartError::new(self, e)),
            #[cfg(not(target_os = "linux"))]
            Self::Framebuffer(_) => Err(PartError::new(self, absent())),
            #[cfg(not(all(feature = "buses", target_os = "linux")))]
            Self::Ssd1306 { .. } | Self::St7789(_) => Err(PartError::new(self, absent())),
        }
    }
}

/// Linux' buses behind the traits of the panel drivers.
#[cfg(all(feature = "buses", target_os = "linux"))]
mod bus {
    use std::io;
    use std::path::Path;

    use linux_embedded_hal::i2cdev::linux::LinuxI2CError;
    use linux_embedded_hal::spidev::{SpiModeFlags, Spidev, SpidevOptions};
    use linux_embedded_hal::{Delay, I2cdev, SpidevDevice};

    use crate::buttons::gpio::Pin;
    use crate::camera::pixels::Turn;
    use crate::ports::Screen;
    use crate::screen::st7789::{PanelGeometry, Tft};
    use crate::setup::part_spec::St7789;

    pub(crate) fn i2c(path: &Path) -> io::Result<I2cdev> {
        I2cdev::new(path).map_err(|error| match error {
            LinuxI2CError::Io(error) => error,
            LinuxI2CError::Errno(number) => io::Error::from_raw_os_error(number),
        })
    }

    pub(crate) fn tft(panel: &St7789, turn: Turn) -> io::Result<Box<dyn Screen>> {
        let mut bus = SpidevDevice(Spidev::open(&panel.bus)?);
        let mode = SpiModeFlags::from_bits_truncate(panel.mode.into());
        bus.configure(
            &SpidevOptions::new().bits_per_word(8).max_speed_hz(panel.hertz).mode(mode).build(),
        )?;
        if let Some(light) = panel.bl {
            // Held as long as the program runs, which is as long as the panel.
            Box::leak(Box::new(Pin::open(&panel.chip, light, true)?));
        }
        let glass = PanelGeometry { size: panel.size, offset: panel.offset, turn };
        let data = Pin::open(&panel.chip, panel.dc, false)?;
        let what = panel.to_string();
        Ok(match panel.rst {
            None => {
                let tft = Tft::new(bus, data, glass, &mut Delay, what);
                Box::new(tft.map_err(|e| e.source)?)
            }
            Some(reset) => {
                let pins = (data, Pin::open(&panel.chip, reset, false)?);
                let tft = Tft::with_reset(bus, pins, glass, &mut Delay, what);
                Box::new(tft.map_err(|e| e.source)?)
            }
        })
    }
}

#[cfg(all(test, feature = "buses", target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_told_with_what_to_do() {
        for (screen, next) in [
            ("ssd1306:/dev/i2c-99", "is the bus switched on?"),
            ("st7789:/dev/spidev9.9,dc=1", "is the bus switched on?"),
            ("fb:/dev/fb99", "is the bus switched on?"),
            ("fb:/dev/null", "is the bus switched on?"),
        ] {
            let part: ScreenPart = screen.parse().unwrap();
            let error = part.open(Turn::None).err().unwrap().to_string();
            assert!(error.starts_with(&format!("{screen}: ")) && error.contains(next), "{error}");
        }
        let buttons: ButtonsPart = "gpio:gpiochip99:1,2".parse().unwrap();
        let error = buttons.open(false).err().unwrap().to_string();
        assert!(error.starts_with("gpio:gpiochip99:1,2: no such chip; there are:"), "{error}");
        let light: LedPart = "gpio:/dev/gpiochip99:1".parse().unwrap();
        assert!(light.open().is_err());
        for part in ["film.mjpeg", "/dev/no-such-camera", "no-such-folder"] {
            let camera: CameraPart = part.parse().unwrap();
            let error = camera.open(Turn::None, Duration::ZERO).err().unwrap().to_string();
            assert!(error.starts_with(part), "{error}");
        }
    }
}
