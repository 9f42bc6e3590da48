//! Pictures of the documents, `docs/pictures/NAME.png`: drawn anew and compared.
//!
//! `OFFSHOOT_BLESS=1` writes them (`docs/pictures.sh`); look at them before they are committed.
#![allow(dead_code, reason = "every suite uses a part")]

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;

/// Side of the blocks whose mean colours are compared, in pixels, the most that these may differ,
/// and the share of blocks that may differ more: versions of a browser draw the edges of letters
/// otherwise.
const BLOCK: u32 = 8;
const SHADE: u32 = 14;
const SHARE: f64 = 0.001;

/// Required likeness of two pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alike {
    /// In every byte: an animation.
    ToTheByte,
    /// In every pixel: drawn by ourselves.
    Exactly,
    /// In the colours of blocks: drawn by a browser.
    ToTheEye,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("docs/pictures"))
        .find(|folder| folder.is_dir())
        .expect("docs/pictures")
        .join(name)
        .with_extension("png")
}

/// True if pictures are written, not compared.
pub fn is_written() -> bool {
    std::env::var_os("OFFSHOOT_BLESS").is_some()
}

/// Compares a file's bytes with the picture of this name, or writes them.
///
/// # Panics
/// Fails if the picture is another, and leaves the new one in the folder for temporary files.
pub fn check(name: &str, png: &[u8], alike: Alike) {
    let path = path(name);
    if is_written() {
        fs::write(&path, png).unwrap();
        return;
    }
    let kept = fs::read(&path).unwrap_or_default();
    let may_differ = alike != Alike::ToTheByte && !kept.is_empty();
    if kept == png || may_differ && differing(&decoded(&kept), &decoded(png), alike) == 0 {
        return;
    }
    let beside = std::env::temp_dir().join(format!("{name}.png"));
    fs::write(&beside, png).unwrap();
    panic!(
        "{} is now {}; look at both, then docs/pictures.sh writes what has changed",
        path.display(),
        beside.display()
    );
}

fn decoded(png: &[u8]) -> RgbImage {
    image::load_from_memory_with_format(png, image::ImageFormat::Png).expect("a PNG").into_rgb8()
}

/// Number of places that differ, 0 if they are few enough.
pub fn differing(one: &RgbImage, other: &RgbImage, alike: Alike) -> usize {
    if one.dimensions() != other.dimensions() {
        return usize::MAX;
    }
    if alike != Alike::ToTheEye {
        return one.pixels().zip(other.pixels()).filter(|(one, other)| one != other).count();
    }
    let columns = one.width().div_ceil(BLOCK);
    let rows = one.height().div_ceil(BLOCK);
    let places = (0..rows).flat_map(|y| (0..columns).map(move |x| (x * BLOCK, y * BLOCK)));
    let count = places
        .filter(|&(x, y)| {
            let [one, other] = [one, other].map(|image| mean(image, x, y));
            one.iter().zip(other).any(|(one, other)| one.abs_diff(other) > SHADE)
        })
        .count();
    let few = SHARE * f64::from(columns * rows);
    if count as f64 > few { count } else { 0 }
}

fn mean(image: &RgbImage, x: u32, y: u32) -> [u32; 3] {
    let width = BLOCK.min(image.width() - x);
    let height = BLOCK.min(image.height() - y);
    let mut sums = [0u32; 3];
    for (dx, dy) in (0..width).flat_map(|dx| (0..height).map(move |dy| (dx, dy))) {
        let pixel = image.get_pixel(x + dx, y + dy).0;
        sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(value));
    }
    sums.map(|sum| sum / (width * height))
}

/// Writes the fonts that come with the command into a folder; returns its `fonts.conf`, which knows
/// no others.
pub fn fonts(folder: &Path) -> PathBuf {
    for (name, font) in [
        ("DejaVuSans.ttf", dejavu::sans::regular()),
        ("DejaVuSans-Bold.ttf", dejavu::sans::bold()),
        ("DejaVuSansMono.ttf", dejavu::sans_mono::regular()),
    ] {
        fs::write(folder.join(name), font).unwrap();
    }
    let place = folder.display();
    let alias = |family: &str, font: &str| {
        format!("<alias><family>{family}</family><prefer><family>{font}</family></prefer></alias>")
    };
    let conf = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE fontconfig SYSTEM \"fonts.dtd\"><fontconfig><dir>{place}</dir>\
         <cachedir>{place}/cache</cachedir>{}{}{}</fontconfig>",
        alias("system-ui", "DejaVu Sans"),
        alias("sans-serif", "DejaVu Sans"),
        alias("monospace", "DejaVu Sans Mono")
    );
    let path = folder.join("fonts.conf");
    fs::write(&path, conf).unwrap();
    path
}
