//! The commands on collections in files of their own: calibrated on, learned from, tested on.

mod common;

use std::path::Path;

use common::{ok, refused, sprout};
use offshoot_simulator::{Camera, Object};

const SIDE: u32 = 48;

/// Pictures of three objects in MNIST's files; the labels are 0 to 2.
fn idx(dir: &Path, begin: &str, each: u8) {
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for n in 0..each {
        for (label, object) in [Object::Mug, Object::Plant, Object::Key].into_iter().enumerate() {
            let seed = 100 * label as u64 + u64::from(n) + 1000 * begin.len() as u64;
            let picture = Camera::new(SIDE, SIDE).look(Some(object), seed);
            images.extend(picture.rgb.chunks_exact(3).map(|p| p[1]));
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
    assert!(text.contains("3 classes; learned from all 24 pictures; tested on 12 others"), "{text}");
    let right: f64 = text.lines().last().unwrap().trim().trim_start_matches("ncm").trim().parse().unwrap();
    assert!(right > 0.6, "three objects, a third is chance: {text}");
    let some = ["--classes", "0,2", "--per-class", "5", "--format", "idx"];
    let text = ok(dir, &[&["train", "s.offshoot", "data", "-o", "x.head"], &some[..]].concat());
    assert!(text.contains("10 pictures of 2 classes") && text.contains("of 8 other pictures"), "{text}");
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
