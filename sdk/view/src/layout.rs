//! Layouts: the size of the panel selects the full or the compact one.

pub(crate) mod compact;
pub(crate) mod full;
pub(crate) mod pen;
mod pointing;

use embedded_graphics::prelude::*;
use pen::Pen;

use crate::ink::{Ink, Theme};
use crate::screen::Screen;

impl Screen<'_> {
    /// Draws the screen in the standard theme of the target's colours.
    ///
    /// # Errors
    ///
    /// Returns the error of the target.
    pub fn draw<D>(&self, target: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget,
        D::Color: Ink,
    {
        self.draw_in(&D::Color::THEME, target)
    }

    /// Draws the screen in a theme of the application.
    ///
    /// # Errors
    ///
    /// Returns the error of the target.
    pub fn draw_in<D>(&self, theme: &Theme<D::Color>, target: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget,
        D::Color: Ink,
    {
        let area = target.bounding_box();
        target.clear(theme.background)?;
        let mut pen = Pen { target, theme };
        if area.size.width >= full::LEAST.width && area.size.height >= full::LEAST.height {
            full::draw(self, &mut pen, area)
        } else {
            compact::draw(self, &mut pen, area)
        }
    }
}
