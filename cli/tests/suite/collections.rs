//! The commands on collections in files of their own: calibrated on, learned from, tested on.

use std::path::Path;

use crate::common::{ok, refused, sprout};
use offshoot_simulator::{Camera, Object};

const SIDE: u32 = 48;

/// Images of three objects in MNIST's files; the labels are 0 to 2.
fn idx(dir: &Path, begin: &str, each: u8) {
    let mut images = Vec::new();
    let mut labels = Vec::new();
    for n in 0..each {
        for (label, object) in [Object::Mug, Object::Plant, Object::Key].into_iter().enumerate() {
            let seed = 100 * label as u64 + u64::from(n) + 1000 * begin.len() as u64;
            let image = Camera::new(SIDE, SIDE).look(Some(object), seed);
            images.extend(image.rgb.chunks_exact(3).map(|p| p[1]));
            labels.push(label as u8);
        }
    }
    let head = |magic: u32, sides: &[u32]| -> Vec<u8> {
        [&[magic], sides].concat().iter().flat_map(|v| v.to_be_bytes()).collect()
    };
    let images = [head(0x803, &[3 * u32::from(each), SIDE, SIDE]), images].concat();
    let labels = [head(0x801, &[3 * u32::from(each)]), labels].concat();
    std::fs::write(dir.join(format!("{begin}-images-idx3-ubyte")), images).unwrap();
    std::fs::write(dir.join(format!("{begin}-labels-idx1-ubyte")), labels).unwrap();
}

#[test]
fn mnist_is_calibrated_on_learned_and_tested() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let data = dir.join("data");
    std::fs::create_dir(&data).unwrap();
    idx(&data, "train", 8);
    idx(&data, "t10k", 4);
    ok(dir, &["convert", sprout().to_str().unwrap(), "--calibrate", "data", "-o", "s.offshoot"]);
    let text = ok(dir, &["eval", "s.offshoot", "data", "--head", "ncm"]);
    assert!(text.contains("3 classes; trained on all 24 images; tested on 12 others"), "{text}");
    let right: f64 =
        text.lines().last().unwrap().trim().trim_start_matches("ncm").trim().parse().unwrap();
    assert!(right > 0.6, "three objects, a third is chance: {text}");
    let some = ["--classes", "0,2", "--per-class", "5", "--format", "idx"];
    let text = ok(dir, &[&["train", "s.offshoot", "data", "-o", "x.head"], &some[..]].concat());
    assert!(
        text.contains("10 images of 2 classes") && text.contains("of 8 other images"),
        "{text}"
    );
    ok(dir, &[&["embed", "s.offshoot", "data", "--json", "e.json"], &some[..]].concat());
    let json = std::fs::read_to_string(dir.join("e.json")).unwrap();
    assert!(json.contains("train-images-idx3-ubyte#18"), "files are named with the index");

    let none = ["eval", "s.offshoot", "data", "--classes", "mug"];
    refused(dir, &none, &["no class `mug`; there are 0, 1, 2"]);
    let images = std::fs::read(data.join("t10k-images-idx3-ubyte")).unwrap();
    std::fs::write(data.join("t10k-images-idx3-ubyte"), &images[..images.len() - 7]).unwrap();
    let at = format!("byte {}", images.len() - 7);
    refused(dir, &["eval", "s.offshoot", "data"], &["t10k-images-idx3-ubyte", &at]);
    refused(dir, &["eval", "s.offshoot", "data", "--format", "coco"], &["instances_*.json"]);
}

/// Eight images each of two objects: enough to learn from five and ask about the rest.
#[test]
fn what_quantization_costs_is_a_gate() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    crate::common::images(
        &dir.join("data"),
        &[Object::Mug, Object::Plant, Object::Key, Object::Ball],
        8,
    );
    let model = sprout();
    let convert = ["convert", model.to_str().unwrap(), "--calibrate", "data", "-o", "s.offshoot"];
    let gate = ["--eval", "data", "--max-drop"];
    let text = ok(dir, &[&convert[..], &gate[..], &["100"]].concat());
    let line =
        text.lines().find(|l| l.contains("points lost")).expect("there is a line on the task");
    let shares: Vec<f64> =
        line.split_whitespace().filter_map(|w| w.trim_end_matches(',').parse().ok()).collect();
    assert!(shares[0] > 0.3 && shares[1] > 0.3, "four objects, a quarter is chance: {text}");
    // The float package against itself loses nothing.
    let text = ok(dir, &[&convert[..], &["--precision", "f32"], &gate[..], &["0"]].concat());
    assert!(text.contains("0.00 points lost, +- 0.00"), "{text}");
    refused(dir, &[&convert[..], &["--max-drop", "1"]].concat(), &["--eval"]);
    refused(dir, &[&convert[..], &gate[..], &["101"]].concat(), &["0 to 100"]);
    std::fs::remove_file(dir.join("data/key/0.png")).unwrap();
    std::fs::remove_file(dir.join("data/key/1.png")).unwrap();
    std::fs::remove_file(dir.join("data/key/2.png")).unwrap();
    refused(
        dir,
        &[&convert[..], &gate[..], &["1"]].concat(),
        &["`key` has 5 samples, 6 required; add some"],
    );
}

/// Calibrated on darkness alone, and then equalized by that, most channels are cut off.
#[test]
fn a_package_that_lost_too_much_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    crate::common::images(&dir.join("data"), &Object::ALL, 8);
    std::fs::create_dir(dir.join("dark")).unwrap();
    image::RgbImage::new(96, 96).save(dir.join("dark/0.png")).unwrap();
    let model = sprout();
    let args = ["convert", model.to_str().unwrap(), "--calibrate", "dark", "-o", "s.offshoot"];
    let worst = ["--ranges", "kl", "--equalize", "on"];
    let args = [&args[..], &worst[..], &["--eval", "data", "--max-drop", "20"]].concat();
    let output = crate::common::offshoot(dir, &args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("points of accuracy lost on data, 20 allowed; nothing was written"),
        "{text}"
    );
    assert!(!dir.join("s.offshoot").exists());
    println!("{text}");
}
