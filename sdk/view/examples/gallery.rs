//! Draws every state on every size of panel and writes them as PPM files.
//!
//! `cargo run -p offshoot-view --example gallery -- folder [image.ppm]`

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

fn write<T, C>(panel: &T, path: &str) -> std::io::Result<()>
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
    let mut rgb = Vec::new();
    for y in 0..120u8 {
        for x in 0..160u8 {
            let inside = (60..100).contains(&x) && (40..80).contains(&y);
            rgb.extend(if inside { [230, 160, 40] } else { [x, 90, y] });
        }
    }
    (160, 120, rgb)
}

/// Draws a screen on panels of every kind.
fn write_all(screen: &Screen<'_>, folder: &str, name: &str) -> std::io::Result<()> {
    let stem = format!("{folder}/{name}");
    let mut wide = Colour::<320, 240, { buffer_size::<Rgb565>(320, 240) }>::new();
    let Ok(()) = screen.draw(&mut wide);
    write(&wide, &format!("{stem}-320x240.ppm"))?;
    let mut square = Colour::<240, 240, { buffer_size::<Rgb565>(240, 240) }>::new();
    let Ok(()) = screen.draw(&mut square);
    write(&square, &format!("{stem}-240x240.ppm"))?;
    let mut memory = Mono::<320, 240, { buffer_size::<BinaryColor>(320, 240) }>::new();
    let Ok(()) = screen.draw(&mut memory);
    write(&memory, &format!("{stem}-320x240-mono.ppm"))?;
    let mut tiny = Mono::<128, 64, { buffer_size::<BinaryColor>(128, 64) }>::new();
    let Ok(()) = Screen { hint: "A teach  B next", ..*screen }.draw(&mut tiny);
    write(&tiny, &format!("{stem}-128x64.ppm"))
}

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().unwrap_or_else(|| ".".into());
    let (width, height, rgb) = args.next().and_then(|path| read(&path)).unwrap_or_else(stand_in);
    let classes = [
        ("mug", 5, 0.93),
        ("ball", 5, 0.04),
        ("plant", 3, 0.02),
        ("remote control of the television", 2, 0.01),
        ("key", 0, f32::NAN),
        ("cube", 0, 0.0),
    ];
    let classes =
        classes.map(|(name, samples, probability)| ClassLine { name, samples, probability });
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
            objects: None,
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
