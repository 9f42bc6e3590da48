//! Data as people have it: what is broken is counted and named, and the rest is learned.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::common::{images, offshoot, ok, refused};
use offshoot_simulator::Object;

fn package() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sprout/sprout.offshoot");
    path.to_str().unwrap().to_string()
}

/// `data/mug` and `data/ball`, four images each.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    images(&dir.path().join("data"), &[Object::Mug, Object::Ball], 4);
    dir
}

/// A JPEG file of one of the images.
fn jpeg(dir: &Path) -> Vec<u8> {
    let image = image::open(dir.join("data/mug/0.png")).unwrap().into_rgb8();
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn has(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "`{part}` is not in: {text}"));
}

#[test]
fn one_broken_image_does_not_end_everything() {
    let dir = folder();
    let dir = dir.path();
    let package = package();
    let whole = jpeg(dir);
    fs::write(dir.join("data/mug/empty.png"), b"").unwrap();
    fs::write(dir.join("data/mug/page.jpg"), b"<!DOCTYPE html><html>404</html>").unwrap();
    fs::write(dir.join("data/ball/cut.jpg"), &whole[..whole.len() * 2 / 3]).unwrap();
    fs::write(dir.join("data/ball/phone.heic"), b"ftypheic").unwrap();
    fs::create_dir(dir.join("data/plant")).unwrap();
    let train = ["train", &package, "data", "-o", "x.head"];
    let output = offshoot(dir, &train);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    has(&text, &["8 images of 2 classes"]);
    has(
        &told,
        &[
            "2 that cannot be read",
            "1 cut short (--cut-short accepts them)",
            "1 in unsupported formats",
        ],
    );
    has(
        &told,
        &[
            "data/mug/empty.png",
            "data/mug/page.jpg",
            "data/ball/cut.jpg",
            "phone.heic",
            "data/plant: the class",
        ],
    );
    // With what ends early there is one more.
    has(&ok(dir, &[&train[..], &["--cut-short"]].concat()), &["9 images of 2 classes"]);
    let asked =
        ["predict", &package, "x.head", "data/ball/cut.jpg", "--heatmap", "cut.png", "--cut-short"];
    ok(dir, &asked);
    assert!(dir.join("cut.png").exists());
    refused(
        dir,
        &[&["train", &package, "data", "-o", "y.head"][..], &["--strict"]].concat(),
        &["data/"],
    );
    assert!(!dir.join("y.head").exists());
    // The other commands that read folders.
    let search = ["search", &package, "data", "data/mug/1.png", "--top", "9"];
    assert_eq!(ok(dir, &search).lines().count(), 9, "eight images and the one asked about");
    refused(dir, &[&search[..], &["--strict"]].concat(), &["data/"]);
    ok(dir, &["cluster", &package, "data", "-k", "2"]);
    let text =
        ok(dir, &["eval", &package, "data", "--shots", "2", "--head", "ncm", "--draws", "2"]);
    has(&text, &["2 classes"]);
    // All that can be is answered, and the exit code says that something was not.
    let output = offshoot(
        dir,
        &["predict", &package, "x.head", "data/mug/1.png", "data/mug/page.jpg", "data/ball/1.png"],
    );
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stdout).lines().count()),
        (Some(2), 2)
    );
    has(&said(&output), &["data/mug/page.jpg"]);
    // Nothing at all is an error that names the first.
    fs::create_dir_all(dir.join("bad/a")).unwrap();
    fs::write(dir.join("bad/a/1.jpg"), b"").unwrap();
    refused(
        dir,
        &["train", &package, "bad", "-o", "x.head"],
        &["none of the 1 images", "bad/a/1.jpg"],
    );
    refused(dir, &["search", &package, "bad", "data/mug/1.png"], &["none of the 1 images"]);
}

#[test]
fn one_class_alone_is_never_right() {
    let dir = folder();
    let dir = dir.path();
    let package = package();
    fs::create_dir(dir.join("set")).unwrap();
    fs::create_dir(dir.join("set/images")).unwrap();
    for (class, object) in ["mug", "ball"].into_iter().enumerate() {
        for n in 0..4 {
            let to = dir.join(format!("set/images/{}.png", 4 * class + n));
            fs::copy(dir.join(format!("data/{object}/{n}.png")), to).unwrap();
        }
    }
    let train = ["train", &package, "set", "-o", "x.head"];
    let output = offshoot(dir, &train);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success()
            && !text.contains("1.000")
            && !text.contains("right")
            && !text.contains("accuracy"),
        "{text}"
    );
    has(&said(&output), &["set: `images` is the only class, at least 2 are needed"]);
    let text = ok(dir, &["report", "x.head"]);
    assert!(!text.contains("1.000"), "{text}");
    refused(
        dir,
        &["eval", &package, "set", "--shots", "2"],
        &["`images` is the only class", "labels.csv"],
    );
    // With the table beside it there are two.
    let lines: String =
        (0..8).map(|n| format!("{n}.png,{}\n", if n < 4 { "mug" } else { "ball" })).collect();
    fs::write(dir.join("set/labels.csv"), format!("file,label\n{lines}")).unwrap();
    has(&ok(dir, &train), &["8 images of 2 classes"]);
    has(&ok(dir, &["eval", &package, "set", "--shots", "2", "--head", "ncm"]), &["2 classes"]);
}

#[test]
fn other_formats_are_read_by_their_content() {
    let dir = folder();
    let dir = dir.path();
    let package = package();
    for (n, (ending, named)) in
        [("webp", "webp"), ("gif", "gif"), ("tiff", "tif"), ("webp", "jpg"), ("png", "")]
            .into_iter()
            .enumerate()
    {
        let image = image::open(dir.join(format!("data/mug/{}.png", n % 4))).unwrap().into_rgb8();
        let made = dir.join(format!("made.{ending}"));
        image.save(&made).unwrap();
        fs::rename(made, dir.join("data/mug/made").with_extension(format!("{n}.{named}"))).unwrap();
    }
    fs::rename(dir.join("data/mug/made.4."), dir.join("data/mug/made")).unwrap();
    let output = offshoot(dir, &["train", &package, "data", "-o", "x.head"]);
    assert_eq!(said(&output), "");
    has(&String::from_utf8_lossy(&output.stdout), &["13 images of 2 classes"]);
}

/// Folder without classes, which is taken if none is needed.
#[test]
fn flat_folders() {
    let dir = folder();
    let dir = dir.path();
    let package = package();
    let flat = "data/mug";
    ok(dir, &["embed", &package, flat, "--json", "e.json"]);
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("e.json")).unwrap()).unwrap();
    assert_eq!(json["labels"], serde_json::json!([-1, -1, -1, -1]));
    assert_eq!(
        (json["classes"].as_array().map(Vec::len), json["files"].as_array().map(Vec::len)),
        (Some(0), Some(4))
    );
    ok(dir, &["search", &package, flat, "data/ball/0.png"]);
    ok(dir, &["cluster", &package, flat, "-k", "2"]);
    let model = crate::common::sprout();
    ok(dir, &["convert", model.to_str().unwrap(), "--calibrate", flat, "-o", "s.offshoot"]);
    refused(
        dir,
        &["train", &package, flat, "-o", "x.head"],
        &["4 files without a class", "labels.csv"],
    );
}

#[test]
fn names_that_cannot_be_shown_are_refused_or_told() {
    let dir = folder();
    let dir = dir.path();
    let package = package();
    fs::write(dir.join("script"), "teach 1\n").unwrap();
    for (names, part) in [
        (
            "mug,a\u{202e}b",
            "the name `a\\u{202e}b`: a name with control, bidirectional or zero-width characters",
        ),
        ("mug,a\u{200b}", "the name `a\\u{200b}`"),
        ("mug,mug", "`mug` is given twice"),
        ("mug,", "a class needs a name"),
    ] {
        let teach = [
            "teach", "--script", "script", "--screen", "none", "--memory", "m.store", "--names",
            names,
        ];
        refused(dir, &teach, &[part]);
        assert!(!dir.join("m.store").exists(), "nothing was begun");
    }
    let longer = format!("{}_terrier", "n02093428_American_Staffordshire".repeat(2));
    fs::rename(dir.join("data/mug"), dir.join("data").join(&longer)).unwrap();
    fs::rename(dir.join("data/ball"), dir.join("data/ba\u{2066}ll")).unwrap();
    let output = offshoot(dir, &["train", &package, "data", "-o", "x.head"]);
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    has(
        &told,
        &[
            &format!("class `{longer}` is renamed to `{}`: 72 bytes", &longer[..64]),
            "class `ba\\u{2066}ll`",
        ],
    );
    has(&ok(dir, &["report", "x.head"]), &[&longer[..64], "ba\\u{2066}ll"]);
}

#[test]
fn a_film_of_which_nothing_can_be_read_teaches_nothing() {
    let dir = folder();
    let dir = dir.path();
    let whole = jpeg(dir);
    let teach = |film: &str| -> Vec<String> {
        [
            "teach", "--camera", film, "--script", "script", "--screen", "none", "--memory",
            "m.store", "--export", "x.head",
        ]
        .map(String::from)
        .to_vec()
    };
    let run =
        |film: &str| offshoot(dir, &teach(film).iter().map(String::as_str).collect::<Vec<_>>());
    fs::write(dir.join("script"), "teach 1 2\n").unwrap();
    fs::write(dir.join("empty.mjpeg"), b"").unwrap();
    fs::write(dir.join("broken.mjpeg"), b"\xff\xd8\xff\xd9".repeat(4)).unwrap();
    for film in ["empty.mjpeg", "broken.mjpeg"] {
        let output = run(film);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        has(&said(&output), &[film, "no image in it can be read"]);
        assert!(!dir.join("x.head").exists());
    }
    // One that can be read is enough; a lesson on a broken one is lost, and the next one counts.
    fs::write(dir.join("some.mjpeg"), [b"\xff\xd8\xff\xd9", &whole[..], &whole[..]].concat())
        .unwrap();
    let output = run("some.mjpeg");
    assert!(output.status.success() && dir.join("x.head").exists(), "{}", said(&output));
    // Nothing taught, nothing written.
    fs::write(dir.join("script"), "look 1\n").unwrap();
    fs::remove_file(dir.join("x.head")).unwrap();
    fs::remove_file(dir.join("m.store")).unwrap();
    let output = run("some.mjpeg");
    assert_eq!(output.status.code(), Some(2));
    has(&said(&output), &["x.head: no training samples, so no head is written"]);
}

/// 300 boxes on one large image take about as long as one: it is decoded once.
#[test]
fn a_image_of_many_boxes_is_decoded_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let package = package();
    let noise = |x: u32, y: u32| {
        (x.wrapping_mul(73) ^ y.wrapping_mul(151)).wrapping_mul(2_654_435_761) >> 24
    };
    let large = image::RgbImage::from_fn(1600, 1200, |x, y| {
        image::Rgb([noise(x, y) as u8, x as u8, y as u8])
    });
    fs::create_dir_all(dir.join("set/images")).unwrap();
    large.save(dir.join("set/images/0.jpg")).unwrap();
    fs::write(dir.join("set/classes.txt"), "a\nb\n").unwrap();
    fs::create_dir(dir.join("set/labels")).unwrap();
    let time = |boxes: usize| {
        let line = |n: usize| format!("{} 0.{:03} 0.5 0.05 0.05\n", n % 2, 100 + n);
        fs::write(dir.join("set/labels/0.txt"), (0..boxes).map(line).collect::<String>()).unwrap();
        let start = std::time::Instant::now();
        ok(dir, &["embed", &package, "set", "--json", "e.json"]);
        start.elapsed()
    };
    let few = time(2);
    let many = time(300);
    println!("2 boxes {few:?}, 300 boxes {many:?}");
    let one = {
        let start = std::time::Instant::now();
        image::open(dir.join("set/images/0.jpg")).unwrap();
        start.elapsed()
    };
    assert!(many < few + 150 * one, "2 boxes {few:?}, 300 boxes {many:?}, one decoding {one:?}");
}

/// The files beside the project, each with what its table says is right.
mod cases {
    use super::*;

    fn files() -> PathBuf {
        crate::common::shared().join("cases/files")
    }

    fn train(data: &Path) -> Option<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        let output = offshoot(dir.path(), &["train", &package(), data.to_str()?, "-o", "x.head"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", said(&output));
        Some((text, said(&output)))
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
    fn collections() {
        let files = files();
        for (name, parts) in [
            ("csv", &["6 images of 2 classes"][..]),
            ("mixedwebp", &["12 images of 2 classes"]),
            ("voc_entity", &["4 images of 2 classes"]),
            ("coco_crowd_bool", &["4 images of 2 classes"]),
        ] {
            let (text, _) = train(&files.join(name)).unwrap();
            has(&text, parts);
        }
        let (text, told) = train(&files.join("coco_zero_neg")).unwrap();
        // Of the four that are no boxes one is cut to what lies in the image.
        has(&text, &["5 images of 2 classes"]);
        has(&told, &["2 unclear or small", "1 outside their image"]);
        let dir = tempfile::tempdir().unwrap();
        let data = files.join("voc_entity");
        ok(dir.path(), &["embed", &package(), data.to_str().unwrap(), "--json", "e.json"]);
        has(&fs::read_to_string(dir.path().join("e.json")).unwrap(), &["cat & kitten"]);
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
    fn images() {
        let files = files();
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir(dir.join("set")).unwrap();
        for name in ["trunc.jpg", "lossy.webp", "webp_named.jpg"] {
            fs::copy(files.join(name), dir.join("set").join(name)).unwrap();
        }
        let count = |more: &[&str]| {
            let output =
                offshoot(dir, &[&["embed", &package(), "set", "--json", "e.json"], more].concat());
            assert!(output.status.success(), "{}", said(&output));
            let json: serde_json::Value =
                serde_json::from_slice(&fs::read(dir.join("e.json")).unwrap()).unwrap();
            (json["files"].as_array().map_or(0, Vec::len), said(&output))
        };
        let (taken, told) = count(&[]);
        assert_eq!(taken, 2);
        has(
            &told,
            &["1 cut short", "trunc.jpg: the file ends after 6221 bytes, before its image does"],
        );
        assert_eq!(count(&["--cut-short"]).0, 3);
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
    fn a_film_without_tables() {
        let files = files();
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::write(dir.join("script"), "teach 1 3\n").unwrap();
        let film = files.join("no_dht.mjpeg");
        let teach =
            ["teach", "--camera", film.to_str().unwrap(), "--script", "script", "--screen", "none"];
        ok(dir, &[&teach[..], &["--memory", "m.store", "--export", "x.head"]].concat());
        has(&ok(dir, &["report", "x.head"]), &["3 samples of 1 classes"]);
    }
}
