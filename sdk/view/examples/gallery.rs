//! Draws every state on every size of panel and writes them as PPM files.
//!
//! `cargo run -p offshoot-view --example gallery -- folder [image.ppm]`

use std::path::Path;

use embedded_graphics::framebuffer::{Framebuffer, buffer_size};
use embedded_graphics::image::GetPixel;
use embedded_graphics::pixelcolor::raw::BigEndian;
use embedded_graphics::pixelcolor::{BinaryColor, Rgb565, Rgb888};
use embedded_graphics::prelude::*;
use offshoot_view::{ClassLine, Image, Screen, State};

type Colour<const W: usize, const H: usize, const N: usize> =
    Framebuffer<Rgb565, <Rgb565 as PixelColor>::Raw, BigEndian, W, H, N>;
type Mono<const W: usize, const H: usize, const N: usize> =
    Framebuffer<BinaryColor, <BinaryColor as PixelColor>::Raw, BigEndian, W, H, N>;

fn write<T, C>(panel: &T, path: &Path) -> std::io::Result<()>
where
    T: GetPixel<Color = C> + OriginDimensions,
    C: Into<Rgb888>,
{
    let Size { width, height } = panel.size();
    let mut bytes = format!("P6 {width} {height} 255\n").into_bytes();
    for point in panel.bounding_box().points() {
        let colour: Rgb888 = panel.pixel(point).expect("inside").into();
        bytes.extend([colour.r(), colour.g(), colour.b()]);
    }
    std::fs::write(path, bytes)
}

/// Reads a PPM file in the form that other tools of this project write: one header line, no
/// comments.
fn read(path: &str) -> Option<(u32, u32, Vec<u8>)> {
    let bytes = std::fs::read(path).ok()?;
    let end = bytes.iter().position(|&b| b == b'\n')?;
    let header = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut numbers = header.split(' ').skip(1).map(|word| word.parse().ok());
    Some((numbers.next()??, numbers.next()??, bytes[end + 1..].to_vec()))
}

/// Returns a default image: a gradient with a square.
fn stand_in() -> (u32, u32, Vec<u8>) {
    let pixel = |i: u32| {
        let x = i % 160;
        let y = i / 160;
        let inside = (60..100).contains(&x) && (40..80).contains(&y);
        if inside { [230, 160, 40] } else { [x as u8, 90, y as u8] }
    };
    (160, 120, (0..160 * 120).flat_map(pixel).collect())
}

/// Draws a screen on panels of every kind.
fn write_all(screen: &Screen<'_>, folder: &str, name: &str) -> std::io::Result<()> {
    let path = |size: &str| Path::new(folder).join(format!("{name}-{size}.ppm"));
    let mut wide = Colour::<320, 240, { buffer_size::<Rgb565>(320, 240) }>::new();
    let Ok(()) = screen.draw(&mut wide);
    write(&wide, &path("320x240"))?;
    let mut square = Colour::<240, 240, { buffer_size::<Rgb565>(240, 240) }>::new();
    let Ok(()) = screen.draw(&mut square);
    write(&square, &path("240x240"))?;
    let mut memory = Mono::<320, 240, { buffer_size::<BinaryColor>(320, 240) }>::new();
    let Ok(()) = screen.draw(&mut memory);
    write(&memory, &path("320x240-mono"))?;
    let mut tiny = Mono::<128, 64, { buffer_size::<BinaryColor>(128, 64) }>::new();
    let Ok(()) = Screen { hint: "A teach  B next", ..*screen }.draw(&mut tiny);
    write(&tiny, &path("128x64"))
}

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().unwrap_or_else(|| ".".into());
    let (width, height, rgb) = args.next().and_then(|path| read(&path)).unwrap_or_else(stand_in);
    let line = |name, samples, probability| ClassLine { name, samples, probability };
    let classes = [
        line("mug", 5, 0.93),
        line("ball", 5, 0.04),
        line("plant", 3, 0.02),
        line("remote control of the television", 2, 0.01),
        line("key", 0, f32::NAN),
        line("cube", 0, 0.0),
    ];
    let states = [
        ("welcome", State::Welcome { class: "mug", button: "A" }),
        ("answer", State::Answer { class: "mug", confidence: 0.93 }),
        ("teaching", State::Teaching { class: "plant", count: 3, goal: 5 }),
        ("unknown", State::Unknown),
        (
            "report",
            State::Report {
                right: 13,
                asked: 15,
                advice: "`plant` and `ball` are confused: show 3 more of each",
            },
        ),
        ("error", State::Error("/dev/video0: no such device; is the camera plugged in?")),
        ("message", State::Message("Card full: remove a class to go on")),
        ("long", State::Answer { class: "remote control of the television", confidence: 1.5 }),
    ];
    let hint = "A teach   B next class   hold: forget";
    for (name, state) in states {
        let image = Image::new(width, height, &rgb);
        let screen = Screen {
            title: "Offshoot",
            image,
            state,
            classes: &classes,
            threshold: Some(0.6),
            advice: "",
            hint,
        };
        write_all(&screen, &folder, name)?;
    }
    Ok(())
}
