//! `check`: distances, separable depths and advice; `eval` side by side.

use std::fs;
use std::path::Path;

use offshoot::Package;
use offshoot_simulator::{Camera, Conditions, Object};
use serde_json::Value;

use crate::common::{images, ok, refused};
use crate::parts::striped;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/sprout/sprout.onnx");
/// Contrast of stripes that the embedding of a network for photographs hardly sees.
const FAINT: usize = 4;
const OBJECTS: [Object; 3] = [Object::Mug, Object::Plant, Object::Key];

/// Images of the simulated camera with less light, at another size.
fn dim(folder: &Path, light: f32, side: u32) {
    for (class, object) in OBJECTS.into_iter().enumerate() {
        let place = folder.join(object.name());
        fs::create_dir_all(&place).unwrap();
        for shot in 0..8 {
            let seed = 1_000 * (class as u64 + 1) + shot;
            let conditions = Conditions { light, ..Conditions::GOOD };
            let seen = Camera::new(side, side).look_in(Some(object), seed, conditions);
            let image = image::RgbImage::from_raw(side, side, seen.rgb).unwrap();
            image.save(place.join(format!("{shot}.png"))).unwrap();
        }
    }
}

fn checked(dir: &Path, words: &[&str]) -> Value {
    let text = ok(dir, &[&["check"], words, &["--json"]].concat());
    serde_json::from_str(&text).unwrap()
}

fn advised(found: &Value, change: &str) -> bool {
    let all = found["advice"].as_array().unwrap();
    let one = all.iter().find(|one| one["change"] == change);
    one.unwrap_or_else(|| panic!("no {change}: {found:#}"))["advised"].as_bool().unwrap()
}

#[test]
fn foreign_images_are_told_and_parts_advised_where_they_help() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    images(&dir.join("data"), &OBJECTS, 12);
    striped(&dir.join("stripes"), FAINT);
    dim(&dir.join("dark"), 0.05, 120);
    dim(&dir.join("small"), 1.0, 24);
    ok(dir, &["convert", MODEL, "--calibrate", "data", "-o", "a.offshoot"]);
    ok(dir, &["convert", MODEL, "--calibrate", "data", "-o", "b.offshoot"]);
    let bytes = fs::read(dir.join("a.offshoot")).unwrap();
    assert!(bytes == fs::read(dir.join("b.offshoot")).unwrap(), "the same images, the same bytes");
    let domain = Package::open(&bytes).unwrap().domain().expect("36 images are enough");
    assert_eq!(domain.samples(), 36);
    assert!(domain.depths().count() > 4);

    let own = checked(dir, &["a.offshoot", "data", "--quick"]);
    let far = checked(dir, &["a.offshoot", "stripes", "--quick"]);
    // Foreign images may well be near at the embedding, which hardly sees them.
    let farthest = |found: &Value| -> f64 {
        let all = found["distances"].as_array().unwrap().iter();
        all.map(|depth| depth["percentile"].as_f64().unwrap()).fold(0.0, f64::max)
    };
    assert!(farthest(&own) < 80.0, "{own:#}");
    assert!(farthest(&far) > 99.0, "{far:#}");
    assert!(own["images"].as_array().unwrap().is_empty(), "{own:#}");
    assert!(advised(&far, "parts") && !advised(&own, "parts"), "{far:#}\n{own:#}");

    let dark = checked(dir, &["a.offshoot", "dark", "--quick"]);
    assert!(dark["advice"][0]["why"].as_str().unwrap().contains("dark"), "{dark:#}");
    assert!(advised(&dark, "images"));
    let small = checked(dir, &["a.offshoot", "small", "--quick"]);
    let why = small["advice"][0]["why"].as_str().unwrap().to_string();
    assert!(why.contains("24 pixels are enlarged to the network's 96"), "{why}");

    let text = ok(dir, &["check", "a.offshoot", "stripes", "--report", "check.html"]);
    for part in ["24 samples of 2 classes", "--parts auto", "tuning", "embedding", "95 %"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let page = fs::read_to_string(dir.join("check.html")).unwrap();
    assert!(page.contains("parts: yes") && page.ends_with("</html>\n"), "{page}");
}

#[test]
fn a_package_without_statistics_says_so_and_takes_known_images() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    images(&dir.join("data"), &OBJECTS, 8);
    ok(dir, &["pull", "sprout"]);
    let text = ok(dir, &["check", "sprout.offshoot", "data", "--quick"]);
    assert!(text.contains("no statistics of its calibration set"), "{text}");
    let known = checked(dir, &["sprout.offshoot", "data", "--quick", "--known", "data"]);
    assert!(!known["distances"].as_array().unwrap().is_empty());
    refused(
        dir,
        &["check", "sprout.offshoot", "data", "--quick", "--known", "data/mug"],
        &["data/mug", "16 are needed"],
    );
    fs::create_dir_all(dir.join("one")).unwrap();
    fs::rename(dir.join("data/mug"), dir.join("one/mug")).unwrap();
    refused(dir, &["check", "sprout.offshoot", "one"], &["only class"]);
}

#[test]
fn eval_shows_frozen_parts_and_tuned() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    striped(&dir.join("data"), FAINT);
    ok(dir, &["convert", MODEL, "--calibrate", "data", "-o", "a.offshoot"]);
    ok(dir, &["convert", MODEL, "--calibrate", "data", "--parts", "auto", "-o", "p.offshoot"]);
    let words = ["eval", "a.offshoot", "data", "--shots", "6", "--draws", "3"];
    let text = ok(dir, &[&words[..], &["--parts", "p.offshoot", "--tuned"]].concat());
    let score = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name}: {text}"));
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    // Six samples a class are too few for the gate to take the parts, or they gain.
    assert!(score("parts") >= score("frozen"), "{text}");
    assert!(score("tuned") >= 0.0 && text.contains("kept in") && text.contains("gain"), "{text}");
    let plain = ok(dir, &[&words[..], &["--head", "auto"]].concat());
    assert!(plain.contains(&format!("{:.3}", score("frozen"))), "{plain}\n{text}");
    refused(dir, &["eval", "p.offshoot", "data", "--tuned", "--shots", "3"], &["p.offshoot"]);
}
