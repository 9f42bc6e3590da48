//! SSD1306 panels of 128 x 64 in one colour, over I2C.

use std::{fmt, io};

use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::*;
use embedded_hal::i2c::I2c;
use ssd1306::mode::{BufferedGraphicsMode, DisplayConfig};
use ssd1306::prelude::{DisplayRotation, I2CInterface};
use ssd1306::size::DisplaySize128x64;
use ssd1306::{I2CDisplayInterface, Ssd1306};

use super::canvas::Canvas;
use crate::camera::pixels::Turn;
use crate::ports::{Screen, ScreenError};

type Driver<I> =
    Ssd1306<I2CInterface<I>, DisplaySize128x64, BufferedGraphicsMode<DisplaySize128x64>>;

/// SSD1306 panel. A state takes bus time in proportion to its changes.
pub struct Oled<I> {
    driver: Driver<I>,
    canvas: Canvas<BinaryColor>,
    what: String,
}

impl<I> fmt::Debug for Oled<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oled({})", self.what)
    }
}

impl<I: I2c> Oled<I> {
    /// Wakes the panel at this address of a bus; `what` names it in errors.
    ///
    /// # Errors
    ///
    /// [`ScreenError`] if no device answers.
    pub fn new(bus: I, address: u8, turn: Turn, what: String) -> Result<Self, ScreenError> {
        let rotation = match turn {
            Turn::None => DisplayRotation::Rotate0,
            Turn::Right => DisplayRotation::Rotate90,
            Turn::Half => DisplayRotation::Rotate180,
            Turn::Left => DisplayRotation::Rotate270,
        };
        let interface = I2CDisplayInterface::new_custom_address(bus, address);
        let mut driver =
            Ssd1306::new(interface, DisplaySize128x64, rotation).into_buffered_graphics_mode();
        let (width, height) = driver.dimensions();
        let canvas = Canvas::new(width.into(), height.into());
        driver.init().map_err(|_| silent(&what, address))?;
        Ok(Self { driver, canvas, what })
    }
}

/// Error without the bus's own error, which the driver does not pass on.
fn silent(what: &str, address: u8) -> ScreenError {
    let source = io::Error::other(format!(
        "nothing answers at address {address:#04x}; check its four wires, and `i2cdetect -y` for its address"
    ));
    ScreenError { what: what.to_string(), source }
}

impl<I: I2c> Screen for Oled<I> {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        self.canvas.draw(moment);
        // Drawing goes to the driver's memory and cannot fail.
        let drawn = self.driver.draw_iter(self.canvas.changed());
        let shown = drawn.and_then(|()| self.driver.flush());
        self.canvas.keep(shown.is_ok());
        shown.map_err(|_| ScreenError {
            what: self.what.clone(),
            source: io::Error::other("it does not answer any more; check its wires"),
        })
    }
}
