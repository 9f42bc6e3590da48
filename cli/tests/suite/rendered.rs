//! A MobileNetV3 with real weights, PaddleOCR's text-direction classifier, on rendered text.
//!
//! Its export leaves every dimension open and has batch norm and hard swish in pieces. Wants
//! `../shared`.

#[allow(dead_code)] // It has more than is needed here.
#[path = "../../../sdk/tests/common/random.rs"]
mod random;

use std::path::Path;

use crate::common::{ok, refused};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, ascii};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use image::{Rgb, RgbImage, imageops};
use offshoot::{Extractor, Image};
use offshoot_convert::calibrate::cosine;
use prost::Message;
use random::Random;
use tract_onnx::pb::ModelProto;

const FONTS: [&MonoFont<'static>; 4] =
    [&ascii::FONT_10X20, &ascii::FONT_9X15_BOLD, &ascii::FONT_9X18, &ascii::FONT_8X13_ITALIC];

const SIDES: (u32, u32) = (192, 48);

/// Paper to write on, with the fonts of displays.
struct Paper(RgbImage);

impl OriginDimensions for Paper {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Paper {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Self::Error> {
        for Pixel(at, colour) in pixels {
            let place = u32::try_from(at.x).ok().zip(u32::try_from(at.y).ok());
            if let Some(pixel) = place.and_then(|(x, y)| self.0.get_pixel_mut_checked(x, y)) {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

/// A line as an OCR's detector cuts it out: ink on paper, upright or on its head, a little noise.
fn line(random: &mut Random) -> RgbImage {
    let mut below = |n: usize| random.below(n);
    let font = FONTS[below(4)];
    let length = 4 + below(12);
    let text: String = (0..length)
        .map(|i| match (i, below(6)) {
            (1.., 0) => ' ',
            (_, 1) => char::from(b'0' + below(10) as u8),
            (_, 2) => char::from(b'A' + below(26) as u8),
            _ => char::from(b'a' + below(26) as u8),
        })
        .collect();
    let mut shade = |from: usize| [(); 3].map(|()| (from + below(60)) as u8);
    let mut ink = shade(0);
    let mut paper = shade(190);
    if below(4) == 0 {
        std::mem::swap(&mut ink, &mut paper);
    }
    let size = font.character_size;
    let width = size.width * length as u32 + 4 + below(8) as u32;
    let height = size.height + 2 + below(6) as u32;
    let mut sheet = Paper(RgbImage::from_pixel(width, height, Rgb(paper)));
    let style = MonoTextStyle::new(font, Rgb888::new(ink[0], ink[1], ink[2]));
    let middle =
        TextStyleBuilder::new().alignment(Alignment::Center).baseline(Baseline::Middle).build();
    let at = Point::new(width as i32 / 2, height as i32 / 2);
    Text::with_text_style(&text, at, style, middle).draw(&mut sheet).unwrap();
    let mut image = imageops::resize(&sheet.0, SIDES.0, SIDES.1, imageops::FilterType::Triangle);
    if below(2) == 0 {
        imageops::rotate180_in_place(&mut image);
    }
    for value in image.iter_mut() {
        *value = value.saturating_add_signed(below(17) as i8 - 8);
    }
    image
}

fn lines(folder: &Path, seed: u64, count: usize) -> Vec<Image> {
    std::fs::create_dir_all(folder).unwrap();
    let mut random = Random(seed);
    (0..count)
        .map(|n| {
            let image = line(&mut random);
            image.save(folder.join(format!("{n:03}.png"))).unwrap();
            Image::from_rgb(image.width(), image.height(), image.into_raw()).unwrap()
        })
        .collect()
}

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn text_directions_in_int8() {
    let shared = crate::common::shared();
    let model = shared.join("models/real/ppocr_cls_mobilenet_v3.onnx");
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    lines(&dir.join("lines"), 1, 128);
    // As a file that the catalogue does not know, which would say the size.
    let mut own = ModelProto::decode(&std::fs::read(&model).unwrap()[..]).unwrap();
    own.producer_version = "own".to_string();
    std::fs::write(dir.join("own.onnx"), own.encode_to_vec()).unwrap();
    let convert =
        ["convert", "own.onnx", "--calibrate", "lines", "--preset", "tf", "--bgr", "--squash"];
    refused(
        dir,
        &convert,
        &["own.onnx", "Its size is open: give --input-size HEIGHTxWIDTH, such as 224x224."],
    );
    let sized = [&convert[..], &["--input-size", "48x192"]].concat();
    let text = ok(dir, &[&sized[..], &["-o", "int8.offshoot"]].concat());
    assert!(text.contains("precision      int8") && text.contains("reshape2_0.tmp_0"), "{text}");
    ok(
        dir,
        &[&sized[..], &["--precision", "f32", "--calibrate-limit", "4", "-o", "float.offshoot"]]
            .concat(),
    );
    let open = |name: &str| Extractor::open(dir.join(name)).unwrap();
    let mut int8 = open("int8.offshoot");
    let mut float = open("float.offshoot");
    assert!(int8.isa().is_some(), "the engine alone runs it");
    // Lines that were not calibrated on.
    let mut cosines = Vec::new();
    for image in lines(&dir.join("others"), 2, 100) {
        let [got, want] = [&mut int8, &mut float]
            .map(|e| e.embed(&image.frame()).unwrap().iter().collect::<Vec<f32>>());
        cosines.push(cosine(&got, &want));
    }
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    let worst = cosines.iter().copied().fold(1.0, f64::min);
    println!(
        "ppocr_cls_mobilenet_v3 on {} rendered lines: {mean:.4} mean, {worst:.4} worst",
        cosines.len()
    );
    assert!(mean >= 0.99 && worst >= 0.98, "{mean} mean, {worst} worst");
}
