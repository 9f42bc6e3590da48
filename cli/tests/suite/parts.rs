//! `convert --parts`: embeddings of several depths, and heads that choose between them.

use std::path::Path;

use offshoot::{Extractor, Head, HeadKind, Image, Limits, Package};
use tempfile::TempDir;

use crate::common::{ok, refused};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/sprout/sprout.onnx");

/// Contrast of stripes that are seen clearly.
const CONTRAST: usize = 60;

/// Images of two classes that differ in nothing but fine stripes, which the last layer of a network
/// for photographs hardly sees, and the first layers do.
pub fn striped(folder: &Path, contrast: usize) {
    for (class, period) in [("fine", 2usize), ("finer", 3)] {
        let place = folder.join(class);
        std::fs::create_dir_all(&place).unwrap();
        for i in 0..12usize {
            let mut image = image::RgbImage::new(96, 96);
            for (x, y, pixel) in image.enumerate_pixels_mut() {
                let stripe = (x as usize + i) / period % 2 * contrast;
                let shade = (x as usize * (i % 5) + y as usize * (i % 3)) / 4 % 100;
                let value = (60 + stripe + shade) as u8;
                *pixel = image::Rgb([value, value / (1 + i as u8 % 2), value]);
            }
            image.save(place.join(format!("{i}.png"))).unwrap();
        }
    }
}

fn converted(parts: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    striped(&folder.path().join("data"), CONTRAST);
    ok(
        folder.path(),
        &["convert", MODEL, "--calibrate", "data", "--parts", parts, "-o", "parts.offshoot"],
    );
    folder
}

#[test]
fn a_package_states_its_parts_and_the_last_is_the_embedding_alone() {
    let folder = converted("auto");
    let path = folder.path().join("parts.offshoot");
    let mut joined = Extractor::open(&path).unwrap();
    ok(folder.path(), &["verify", "parts.offshoot"]);
    assert_eq!(joined.parts().last(), 256);
    let bytes = std::fs::read(&path).unwrap();
    let package = Package::open(&bytes).unwrap();
    let starts: Vec<usize> = package.manifest().extras.parts.iter().collect();
    assert!(starts.len() > 3 && starts[0] == 0, "{starts:?}");
    assert_eq!(starts.last(), Some(&(joined.embedding_dim() - 256)));
    // One feature map less is alive for each part that is pooled at once.
    ok(folder.path(), &["convert", MODEL, "--calibrate", "data", "-o", "single.offshoot"]);
    let mut single = Extractor::open(folder.path().join("single.offshoot")).unwrap();
    assert_eq!(joined.memory().arena, single.memory().arena, "parts cost no arena");
    let image = Image::open(folder.path().join("data/fine/3.png")).unwrap();
    let cosine = {
        let alone: Vec<f32> = single.embed(&image.frame()).unwrap().iter().collect();
        let last = joined.embed(&image.frame()).unwrap().last(256);
        last.cosine(&offshoot::Embedding::Float(&alone)).unwrap().get()
    };
    assert!(cosine > 0.98, "{cosine}");
}

#[test]
fn a_head_reads_all_parts_where_the_last_does_not_tell() {
    let folder = converted("auto");
    ok(folder.path(), &["train", "parts.offshoot", "data", "-o", "parts.head"]);
    let said = ok(folder.path(), &["report", "parts.head"]);
    let extractor = Extractor::open(folder.path().join("parts.offshoot")).unwrap();
    let mut head = Head::load(folder.path().join("parts.head"), &extractor).unwrap();
    head.fit().unwrap();
    let errors = head.part_errors().unwrap().expect("twelve of each class");
    let reads_all = errors.all < 0.95 * errors.last && errors.t > 2.0;
    assert_eq!(head.reads_all().unwrap(), reads_all, "{errors:?}");
    let words = if reads_all { "reads all " } else { "reads the last 256 of " };
    assert!(said.contains(words) && said.contains("held-out error"), "{said}");
    let json: serde_json::Value =
        serde_json::from_str(&ok(folder.path(), &["report", "parts.head", "--json"])).unwrap();
    assert_eq!(json["parts"]["last"], 256);
    assert_eq!(json["parts"]["reads_all"], reads_all);
}

#[test]
fn parts_can_be_named_and_kept_in_float() {
    let folder = tempfile::tempdir().unwrap();
    striped(&folder.path().join("data"), CONTRAST);
    ok(
        folder.path(),
        &[
            "convert",
            MODEL,
            "--calibrate",
            "data",
            "--parts",
            "block3_point,block6_depth",
            "--precision",
            "f32",
            "-o",
            "float.offshoot",
        ],
    );
    let mut extractor = Extractor::open(folder.path().join("float.offshoot")).unwrap();
    assert_eq!(extractor.parts().dim() - extractor.parts().last(), 64 + 128);
    let limits = Limits { classes: 2, samples: 24 };
    let mut head = Head::new(HeadKind::Auto, &extractor, limits).unwrap();
    for class in ["fine", "finer"] {
        let id = head.add_class(class).unwrap();
        for i in 0..6 {
            let path = folder.path().join(format!("data/{class}/{i}.png"));
            let image = Image::open(path).unwrap();
            head.add_sample(id, extractor.embed(&image.frame()).unwrap()).unwrap();
        }
    }
    head.fit().unwrap();
    assert!(head.part_errors().unwrap().is_some());
}

#[test]
fn a_part_that_does_not_exist_is_named() {
    let folder = tempfile::tempdir().unwrap();
    striped(&folder.path().join("data"), CONTRAST);
    refused(
        folder.path(),
        &["convert", MODEL, "--calibrate", "data", "--parts", "block99_point"],
        &["block99_point"],
    );
}
