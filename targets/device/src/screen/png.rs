//! Screens as PNG files.

use std::fs;
use std::path::{Path, PathBuf};

use embedded_graphics::pixelcolor::{BinaryColor, Rgb565, Rgb888};
use embedded_graphics::prelude::*;

use super::panel::Panel;
use crate::ports::{Screen, ScreenError};

/// Panels of three usual sizes; their content is saved as `NAME-WIDTHxHEIGHT.png`.
#[derive(Debug)]
pub struct Images {
    folder: PathBuf,
    wide: Panel<Rgb565>,
    square: Panel<Rgb565>,
    small: Panel<BinaryColor>,
}

impl Images {
    /// Creates panels of 320 x 240 and 240 x 240 in colour and of 128 x 64 in one, saved in
    /// `folder`, which is created if necessary.
    ///
    /// # Errors
    ///
    /// [`ScreenError`] if the folder cannot be created.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self, ScreenError> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(|source| ScreenError::of_file(&folder, source))?;
        Ok(Self {
            wide: Panel::new(320, 240, Rgb565::BLACK),
            square: Panel::new(240, 240, Rgb565::BLACK),
            small: Panel::new(128, 64, BinaryColor::Off),
            folder,
        })
    }
}

impl Screen for Images {
    fn show(&mut self, moment: &offshoot_view::Screen<'_>) -> Result<(), ScreenError> {
        let Ok(()) = moment.draw(&mut self.wide);
        let Ok(()) = moment.draw(&mut self.square);
        let Ok(()) = moment.draw(&mut self.small);
        Ok(())
    }

    fn keep(&mut self, name: &str) -> Result<(), ScreenError> {
        write(&self.wide, &self.folder.join(format!("{name}-320x240.png")))?;
        write(&self.square, &self.folder.join(format!("{name}-240x240.png")))?;
        write(&self.small, &self.folder.join(format!("{name}-128x64.png")))
    }
}

fn write<C: PixelColor + Into<Rgb888>>(panel: &Panel<C>, path: &Path) -> Result<(), ScreenError> {
    let Size { width, height } = panel.size();
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        let at = Point::new(x as i32, y as i32);
        let colour = panel.pixel(at).map_or(Rgb888::BLACK, Into::into);
        image::Rgb([colour.r(), colour.g(), colour.b()])
    });
    image
        .save_with_format(path, image::ImageFormat::Png)
        .map_err(|e| ScreenError::of_file(path, std::io::Error::other(e)))
}
