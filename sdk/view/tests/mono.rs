//! Golden images of a monochrome panel of 128 x 64, as text: `golden/NAME.txt`.
//!
//! `OFFSHOOT_BLESS=1` writes them anew; look at them before they are committed.

use std::path::Path;

use embedded_graphics::framebuffer::{Framebuffer, buffer_size};
use embedded_graphics::image::GetPixel;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::pixelcolor::raw::{BigEndian, RawU1};
use embedded_graphics::prelude::*;

#[path = "moments/mod.rs"]
mod moments;

type Panel =
    Framebuffer<BinaryColor, RawU1, BigEndian, 128, 64, { buffer_size::<BinaryColor>(128, 64) }>;

/// A line of text for two rows of pixels: letters are about as high as two pixels are wide.
fn text(panel: &Panel) -> String {
    let lit = |x: i32, y: i32| panel.pixel(Point::new(x, y)) == Some(BinaryColor::On);
    let cell = |x, y| match (lit(x, y), lit(x, y + 1)) {
        (true, true) => '#',
        (true, false) => '"',
        (false, true) => '.',
        (false, false) => ' ',
    };
    let line = |y| (0..128).map(|x| cell(x, y)).collect::<String>();
    (0..64).step_by(2).map(|y| format!("{}\n", line(y).trim_end())).collect()
}

#[test]
fn small_panels_show_what_they_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut differing = Vec::new();
    for (name, moment) in moments::moments() {
        let mut panel = Panel::new();
        let Ok(()) = moment.draw(&mut panel);
        let shown = text(&panel);
        let file = folder.join(format!("{name}.txt"));
        if std::env::var_os("OFFSHOOT_BLESS").is_some() {
            std::fs::write(&file, &shown).unwrap();
        }
        if std::fs::read_to_string(&file).ok().as_ref() != Some(&shown) {
            differing.push(format!("{}:\n{shown}", file.display()));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
