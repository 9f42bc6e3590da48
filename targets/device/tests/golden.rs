//! Golden images of colour panels, to be looked at: `golden/NAME-WIDTHxHEIGHT.png`. Those of
//! one colour are in `sdk/view/tests/golden`.
//!
//! `OFFSHOOT_BLESS=1` writes them anew; look at them before they are committed.

use std::path::Path;

use embedded_graphics::pixelcolor::{Rgb565, Rgb888};
use embedded_graphics::prelude::*;
use offshoot_device::Panel;

#[path = "../../../sdk/view/tests/moments/mod.rs"]
mod moments;

fn image(moment: &offshoot_view::Screen<'_>, width: u16, height: u16) -> image::RgbImage {
    let mut panel = Panel::new(width, height, Rgb565::BLACK);
    let Ok(()) = moment.draw(&mut panel);
    image::RgbImage::from_fn(width.into(), height.into(), |x, y| {
        let colour: Rgb888 = panel.pixel(Point::new(x as i32, y as i32)).unwrap().into();
        image::Rgb([colour.r(), colour.g(), colour.b()])
    })
}

#[test]
fn colour_panels_show_what_they_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut differing = Vec::new();
    for (name, moment) in moments::moments() {
        for (width, height) in [(240, 240), (320, 240)] {
            let shown = image(&moment, width, height);
            let file = folder.join(format!("{name}-{width}x{height}.png"));
            if std::env::var_os("OFFSHOOT_BLESS").is_some() {
                shown.save(&file).unwrap();
            }
            let kept = image::open(&file).map(image::DynamicImage::into_rgb8).ok();
            if kept.as_ref() != Some(&shown) {
                let beside = std::env::temp_dir().join(file.file_name().unwrap());
                shown.save(&beside).unwrap();
                differing.push(format!("{} is now {}", file.display(), beside.display()));
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
