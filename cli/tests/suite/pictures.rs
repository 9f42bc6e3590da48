//! Pictures of the documents: figures of the command, the report in headless Chromium, and a lesson
//! on the small screen. `OFFSHOOT_BLESS=1` (`docs/pictures.sh`) writes them.

#[path = "common/apng.rs"]
mod apng;

use std::fs;
use std::path::Path;

use crate::browser::Browser;
use crate::common::{ok, sprout};
use crate::comparison::{Alike, check, fonts};
use apng::Frame;
use image::imageops::FilterType;
use offshoot_simulator::{Camera, Object};

const THINGS: [Object; 6] =
    [Object::Mug, Object::Plant, Object::Banana, Object::Ball, Object::Key, Object::Cube];

/// Most bytes of the animation.
const ANIMATION: usize = 400_000;

/// Writes photographs of the simulated camera, a folder per class.
fn photographs(folder: &Path, each: u64) {
    for (class, object) in (0..).zip(THINGS) {
        let class_folder = folder.join(object.name());
        fs::create_dir_all(&class_folder).unwrap();
        for n in 0..each {
            let frame = Camera::new(320, 240).look(Some(object), 100 * class + n);
            let image = image::RgbImage::from_raw(frame.width, frame.height, frame.rgb).unwrap();
            image.save(class_folder.join(format!("{n}.png"))).unwrap();
        }
    }
}

/// Returns an image at half its size, a pixel per point, as PNG: documents need no more.
fn halved(image: &image::RgbImage) -> Vec<u8> {
    let [width, height] = [image.width() / 2, image.height() / 2];
    let half = image::imageops::resize(image, width, height, FilterType::Triangle);
    let mut bytes = std::io::Cursor::new(Vec::new());
    half.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn package(name: &str) -> String {
    format!("{}/../models/{name}/{name}.offshoot", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn figures_of_the_documents_are_what_the_command_draws() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    photographs(&dir.join("data"), 10);
    photographs(&dir.join("few"), 6);
    for object in [Object::Ball, Object::Key, Object::Cube] {
        fs::remove_dir_all(dir.join("few").join(object.name())).unwrap();
    }
    let [sprout, sharp] = ["sprout", "sharp"].map(package);
    let eval = ["eval", &sprout, "data", "--shots", "1", "--draws", "10", "--head", "auto"];
    ok(dir, &[&eval[..], &["--confusion", "confusion.png"]].concat());
    ok(dir, &["cluster", &sharp, "few", "-k", "3", "-o", "contact-sheet.png"]);
    ok(dir, &["train", &sharp, "data", "-o", "things.head"]);
    let new = Camera::new(320, 240).look(Some(Object::Mug), 4_005);
    let new = image::RgbImage::from_raw(new.width, new.height, new.rgb).unwrap();
    new.save(dir.join("new.png")).unwrap();
    ok(dir, &["predict", &sharp, "things.head", "new.png", "--heatmap", "heatmap.png"]);
    for name in ["confusion", "contact-sheet", "heatmap"] {
        let image = image::open(dir.join(name).with_extension("png")).unwrap().into_rgb8();
        check(name, &halved(&image), Alike::Exactly);
    }
}

#[test]
fn the_report_looks_as_the_documents_show_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::start_with_fonts(&fonts(folder.path())) else { return };
    let dir = folder.path();
    photographs(&dir.join("data"), 8);
    fs::copy(sprout(), dir.join("sprout.onnx")).unwrap();
    let convert = ["convert", "sprout.onnx", "--calibrate", "data", "-o", "e.offshoot"];
    ok(dir, &[&convert[..], &["--report", "report.html", "--eval", "data"]].concat());
    browser.open(&format!("file://{}/report.html", dir.display()));
    browser.wait(&Browser::text("h1"), "sprout.onnx");
    browser.look((1280, 800), "light");
    check("report-laptop", &browser.screen(), Alike::ToTheEye);
    let headings = "[...document.querySelectorAll('h2')]";
    for (name, heading) in [("answers", "Answers on your data"), ("layers", "Noise of each layer")]
    {
        let found = format!("{headings}.find((h) => h.textContent === '{heading}')");
        browser.get(&format!("window.scrollTo(0, {found}.offsetTop - 24)"));
        check(&format!("report-{name}"), &browser.screen(), Alike::ToTheEye);
    }
    browser.look((390, 844), "light");
    browser.get("window.scrollTo(0, 0)");
    check("report-phone", &browser.screen(), Alike::ToTheEye);
}

#[test]
fn the_lesson_of_the_documents_is_what_the_screen_shows() {
    let dir = tempfile::tempdir().unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/lesson.script");
    let arguments = ["teach", "--script", script, "--extractor", "sharp"];
    let own = ["--names", "mug,plant", "--screen", "png:shots"];
    ok(dir.path(), &[&arguments[..], &own].concat());
    let mut frames = Vec::new();
    let mut names: Vec<String> = fs::read_to_string(script)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("snap ").map(String::from))
        .collect();
    names.sort();
    for name in names {
        let file = dir.path().join(format!("shots/{name}-320x240.png"));
        let image = image::open(file).unwrap().into_rgb8();
        let milliseconds = name.split_once('-').unwrap().1.parse().unwrap();
        frames.push(Frame { image, milliseconds });
    }
    assert!(frames.len() > 15, "{} frames", frames.len());
    let animation = apng::encode(&frames);
    assert!(animation.len() < ANIMATION, "{} bytes", animation.len());
    check("lesson", &animation, Alike::ToTheByte);
}
