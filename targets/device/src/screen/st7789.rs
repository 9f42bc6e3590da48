//! ST7789 panels of 240 x 240 or 240 x 320 in colour, over SPI.

use std::{fmt, io};

use embedded_graphics::pixelcolor::Rgb565;
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;
use mipidsi::interface::SpiInterface;
use mipidsi::models::ST7789;
use mipidsi::options::{ColorInversion, Orientation, Rotation};
use mipidsi::{Builder, Display, InitError, NoResetPin};

use super::canvas::Canvas;
use crate::camera::pixels::Turn;
use crate::ports::{Screen, ScreenError};

/// Bytes of one transfer: the default limit of Linux' SPI devices.
const TRANSFER: usize = 4096;

/// Position of the glass on the controller's 240 x 320, and its mounting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PanelGeometry {
    /// Columns and rows, in the orientation of the manufacturer.
    pub size: (u16, u16),
    /// First column and row.
    pub offset: (u16, u16),
    /// Rotation of the panel, clockwise.
    pub turn: Turn,
}

/// ST7789 panel. A state takes bus time in proportion to its changed rows.
pub struct Tft<S, D, R>
where
    S: SpiDevice,
    D: OutputPin,
    R: OutputPin,
{
    driver: Display<SpiInterface<'static, S, D>, ST7789, R>,
    canvas: Canvas<Rgb565>,
    what: String,
}

impl<S: SpiDevice, D: OutputPin, R: OutputPin> fmt::Debug for Tft<S, D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tft({})", self.what)
    }
}

impl<S: SpiDevice, D: OutputPin> Tft<S, D, NoResetPin> {
    /// Wakes a panel that is reset by a command, which takes about a third of a second. `data` is
    /// high for data and low for commands; `what` names the panel in errors.
    ///
    /// # Errors
    ///
    /// [`ScreenError`] if a bus or a pin fails, or the glass does not lie on the controller's
    /// memory. SPI has no acknowledgement: a panel that is not there is no error.
    pub fn new(
        bus: S,
        data: D,
        glass: PanelGeometry,
        delay: &mut impl DelayNs,
        what: String,
    ) -> Result<Self, ScreenError> {
        Self::start(builder(bus, data, glass), glass, delay, what)
    }
}

impl<S: SpiDevice, D: OutputPin, R: OutputPin> Tft<S, D, R> {
    /// Wakes a panel that is reset by a pin, low for reset, otherwise like [`Tft::new`].
    ///
    /// # Errors
    ///
    /// Those of [`Tft::new`].
    pub fn with_reset(
        bus: S,
        (data, reset): (D, R),
        glass: PanelGeometry,
        delay: &mut impl DelayNs,
        what: String,
    ) -> Result<Self, ScreenError> {
        Self::start(builder(bus, data, glass).reset_pin(reset), glass, delay, what)
    }

    fn start(
        builder: Builder<SpiInterface<'static, S, D>, ST7789, R>,
        glass: PanelGeometry,
        delay: &mut impl DelayNs,
        what: String,
    ) -> Result<Self, ScreenError> {
        let (width, height) = glass.size;
        let (width, height) =
            if glass.turn.is_sideways() { (height, width) } else { (width, height) };
        match builder.init(delay) {
            Ok(driver) => Ok(Self { driver, canvas: Canvas::new(width, height), what }),
            Err(InitError::InvalidConfiguration(_)) => {
                let source =
                    io::Error::other("its size and offset are not on the controller's 240x320");
                Err(ScreenError { what, source })
            }
            Err(error) => Err(ScreenError { what, source: io::Error::other(format!("{error:?}")) }),
        }
    }
}

/// Creates the driver. The bytes of a transfer are never freed: a panel exists as long as the
/// program.
fn builder<S: SpiDevice, D: OutputPin>(
    bus: S,
    data: D,
    glass: PanelGeometry,
) -> Builder<SpiInterface<'static, S, D>, ST7789, NoResetPin> {
    let rotation = match glass.turn {
        Turn::None => Rotation::Deg0,
        Turn::Right => Rotation::Deg90,
        Turn::Half => Rotation::Deg180,
        Turn::Left => Rotation::Deg270,
    };
    let buffer = Box::leak(vec![0; TRANSFER].into_boxed_slice());
    Builder::new(ST7789, SpiInterface::new(bus, data, buffer))
        // Usual for these panels: without it black is white.
        .invert_colors(ColorInversion::Inverted)
        .orientation(Orientation::new().rotate(rotation))
        .display_size(glass.size.0, glass.size.1)
        .display_offset(glass.offset.0, glass.offset.1)
}

impl<S: SpiDevice, D: OutputPin, R: OutputPin> Screen for Tft<S, D, R> {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        self.canvas.draw(moment);
        let rows = self.canvas.changed_rows();
        if rows.is_empty() {
            return Ok(());
        }
        let right = self.canvas.size().0 - 1;
        let bottom = rows.end - 1;
        let pixels = rows.clone().flat_map(|y| self.canvas.row(y).iter().copied());
        let sent = self.driver.set_pixels(0, rows.start, right, bottom, pixels);
        self.canvas.keep(sent.is_ok());
        sent.map_err(|e| ScreenError {
            what: self.what.clone(),
            source: io::Error::other(format!("{e:?}")),
        })
    }
}
