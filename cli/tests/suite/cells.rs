//! Packages with cells, and heads that find objects in them: places of cells against a delta image,
//! commands, accuracy on real data (needs `../shared`).

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use offshoot::{Extractor, Frame, Package};
use prost::Message;

use crate::common::graph::Graph;
use crate::common::{ok, refused, shared};

/// Three layers of stride 2, then one more, with pads on these sides: above, left, below, right.
fn backbone(pads: [i64; 4], side: i64) -> Vec<u8> {
    let mut graph = Graph::new(&[1, 3, side, side]);
    let mut before = "x".to_string();
    let mut channels = 3;
    for (at, own) in [8, 8, 8, 12].into_iter().enumerate() {
        let weights = format!("w{at}");
        let name = format!("map{at}");
        // All alike and positive: the answer to a dot is as wide to each side.
        let values = vec![0.05f32; (own * channels * 9) as usize];
        graph.floats(&weights, &values);
        let tensor = graph.0.initializer.last_mut().expect("just added");
        tensor.dims = vec![own, channels, 3, 3];
        let attributes: [(&str, &[i64]); 3] =
            [("pads", &pads), ("strides", &[2, 2]), ("kernel_shape", &[3, 3])];
        graph.node("Conv", &name, &[&before, &weights], &attributes);
        before = name;
        channels = own;
    }
    graph.model(13).encode_to_vec()
}

/// Photographs of noise: any calibration set will do.
fn noise(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let mut state = 1u32;
    for n in 0..6 {
        let image = RgbImage::from_fn(96, 96, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
        });
        image.save(folder.join(format!("{n}.png"))).expect("a file");
    }
}

/// Dark images with a few bright dots, so that a dot alone is far from the least step.
fn dots(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    for n in 0..6u32 {
        let mut image = RgbImage::new(96, 96);
        for at in 0..4 {
            image.put_pixel((n * 29 + at * 23) % 96, (n * 17 + at * 37) % 96, Rgb([255; 3]));
        }
        image.save(folder.join(format!("{n}.png"))).expect("a file");
    }
}

#[test]
fn cells_lie_where_a_dot_in_the_image_is_seen() {
    for pads in [[0, 0, 1, 1], [1, 1, 1, 1]] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("m.onnx"), backbone(pads, 96)).unwrap();
        dots(&dir.path().join("photos"));
        let mut args = vec!["convert", "m.onnx", "--calibrate", "photos", "--preset", "raw"];
        args.extend(["--cells", "--cut", "map2,map3", "--neighbours", "none", "-o", "m.offshoot"]);
        let told = ok(dir.path(), &args);
        assert!(told.contains("cells          12x12 of 20 values"), "{told}");
        let mut extractor = Extractor::open(dir.path().join("m.offshoot")).unwrap();
        let layout = *extractor.cells_layout().unwrap();
        assert_eq!(layout.maps()[0].stride, [8, 8]);
        assert_eq!(layout.maps()[1].stride, [16, 16]);
        for [x, y] in [[40usize, 48usize], [55, 39]] {
            let mut rgb = vec![0; 3 * 96 * 96];
            rgb[3 * (96 * y + x)..][..3].fill(255);
            let frame = Frame::rgb(96, 96, &rgb).unwrap();
            let cells = extractor.cells(&frame).unwrap();
            // Middle of the answer, weighted by its strength, against the middle of the dot.
            for (index, map) in layout.maps().iter().enumerate() {
                let mut sums = [0.0f64; 3];
                for row in 0..usize::from(map.height) {
                    for column in 0..usize::from(map.width) {
                        let own = f64::from(cells.at(index, row, column)[0])
                            - f64::from(layout.zero_point());
                        let place = |at: usize, axis: usize| {
                            (at * usize::from(map.stride[axis])) as f64
                                + f64::from(map.offset[axis]) / 2.0
                        };
                        sums[0] += own;
                        sums[1] += own * place(row, 0);
                        sums[2] += own * place(column, 1);
                    }
                }
                assert!(sums[0] > 0.0, "the dot is seen");
                let tolerance = 0.5 * f64::from(map.stride[0]);
                assert!((sums[1] / sums[0] - y as f64 - 0.5).abs() < tolerance, "{pads:?} {map:?}");
                assert!((sums[2] / sums[0] - x as f64 - 0.5).abs() < tolerance, "{pads:?} {map:?}");
            }
        }
    }
}

#[test]
fn what_is_no_cells_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("m.onnx"), backbone([1, 1, 1, 1], 96)).unwrap();
    noise(&dir.path().join("photos"));
    let base = ["convert", "m.onnx", "--calibrate", "photos", "--preset", "raw", "--cells"];
    let with = |more: &[&'static str]| -> Vec<&str> {
        base.iter().copied().chain(more.iter().copied()).collect()
    };
    refused(
        dir.path(),
        &with(&["--cut", "map2,map3", "--input-size", "72x72"]),
        &["multiples of 16"],
    );
    refused(dir.path(), &with(&["--cut", "map9"]), &["map9"]);
    refused(dir.path(), &with(&["--parts", "auto"]), &["--parts"]);
    refused(dir.path(), &with(&["--neighbours", "5"]), &["none, 3 or 3,7"]);
    ok(dir.path(), &with(&["--cut", "map3", "-o", "cells.offshoot"]));
    ok(
        dir.path(),
        &["convert", "m.onnx", "--calibrate", "photos", "--preset", "raw", "-o", "m.offshoot"],
    );
    refused(
        dir.path(),
        &["train", "m.offshoot", "photos", "-o", "a.head", "--good", "fixed"],
        &["--good needs cells"],
    );
    fs::create_dir_all(dir.path().join("things/a")).unwrap();
    fs::copy(dir.path().join("photos/1.png"), dir.path().join("things/a/1.png")).unwrap();
    refused(
        dir.path(),
        &["train", "cells.offshoot", "things", "-o", "a.cells"],
        &["no boxes", "VOC"],
    );
}

/// Scenes with bright squares on noise, as YOLO labels, a third of them to test on.
fn squares(folder: &Path, count: usize) {
    let mut state = 7u32;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    fs::create_dir_all(folder).unwrap();
    fs::write(
        folder.join("data.yaml"),
        "names: [red, green]\ntrain: images/train\nval: images/val\n",
    )
    .unwrap();
    for n in 0..count {
        let part = if n % 3 == 2 { "val" } else { "train" };
        fs::create_dir_all(folder.join("images").join(part)).unwrap();
        fs::create_dir_all(folder.join("labels").join(part)).unwrap();
        let mut image = RgbImage::from_fn(96, 96, |_, _| Rgb([random(40) as u8; 3]));
        let mut labels = String::new();
        for class in 0..2 {
            let x = random(36) + if class == 0 { 0 } else { 46 };
            let y = random(80);
            for dy in 0..14 {
                for dx in 0..14 {
                    let colour = if class == 0 { [250, 20, 20] } else { [20, 250, 20] };
                    image.put_pixel(x + dx, y + dy, Rgb(colour));
                }
            }
            let middle = |at: u32| f64::from(at + 7) / 96.0;
            labels +=
                &format!("{class} {} {} {} {}\n", middle(x), middle(y), 14.0 / 96.0, 14.0 / 96.0);
        }
        image.save(folder.join("images").join(part).join(format!("{n}.png"))).unwrap();
        fs::write(folder.join("labels").join(part).join(format!("{n}.txt")), labels).unwrap();
    }
}

/// Checks the results of `predict --json` against the labels of the picture.
fn results_lie_where_the_labels_do(folder: &Path, one: &str) {
    let told = ok(folder, &["predict", "eyes.offshoot", "squares.cells", one, "--json"]);
    let results: serde_json::Value = serde_json::from_str(&told).unwrap();
    let first = &results[0];
    assert_eq!(first["image_id"], 2);
    assert_eq!(first["bbox"].as_array().unwrap().len(), 4);
    let labels = fs::read_to_string(folder.join("squares/labels/val/2.txt")).unwrap();
    for own in results.as_array().unwrap() {
        // Classes of a head are sorted by name, those of the labels are not.
        let class = u64::from(own["category"] != "red");
        assert_eq!(own["category_id"], 2 - class);
        let line = labels.lines().find(|line| line.starts_with(&class.to_string())).unwrap();
        let want: Vec<f64> = line.split(' ').map(|x| x.parse().unwrap()).collect();
        let middle = |at: usize| {
            own["bbox"][at].as_f64().unwrap() + own["bbox"][at + 2].as_f64().unwrap() / 2.0
        };
        // Within a cell.
        assert!((middle(0) - 96.0 * want[1]).abs() <= 8.0, "{own} {want:?}");
        assert!((middle(1) - 96.0 * want[2]).abs() <= 8.0, "{own} {want:?}");
    }
}

#[test]
fn objects_are_found_by_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    squares(&folder.join("squares"), 18);
    let model = format!("{}", crate::common::sprout().display());
    let told = ok(
        folder,
        &[
            "convert",
            &model,
            "--calibrate",
            "squares",
            "--cells",
            "--input-size",
            "96x96",
            "-o",
            "eyes.offshoot",
        ],
    );
    assert!(told.contains("cells          12x12 of"), "{told}");
    assert!(ok(folder, &["verify", "eyes.offshoot"]).contains("verify ok"));
    let inspected = ok(folder, &["inspect", "eyes.offshoot"]);
    assert!(inspected.contains("cells"), "{inspected}");
    let told = ok(folder, &["train", "eyes.offshoot", "squares", "-o", "squares.cells"]);
    assert!(told.contains("24 objects of 2 classes in 12 pictures"), "{told}");
    assert!(told.contains("red: expect F1"), "{told}");
    // The same lessons give the same bytes.
    ok(folder, &["train", "eyes.offshoot", "squares", "-o", "again.cells"]);
    let bytes = fs::read(folder.join("squares.cells")).unwrap();
    assert_eq!(bytes, fs::read(folder.join("again.cells")).unwrap());
    let told = ok(folder, &["eval", "eyes.offshoot", "squares", "--confusion", "errors.png"]);
    let all = told.lines().find(|line| line.trim_start().starts_with("all")).expect("a row");
    let f1: f64 = all.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(f1 > 0.9, "{told}");
    assert!(told.contains("counting error"), "{told}");
    assert!(image::open(folder.join("errors.png")).is_ok());
    let one = "squares/images/val/2.png";
    let told =
        ok(folder, &["predict", "eyes.offshoot", "squares.cells", one, "--draw", "found.png"]);
    assert!(told.contains("1 red") && told.contains("1 green"), "{told}");
    assert!(image::open(folder.join("found.png")).is_ok());
    results_lie_where_the_labels_do(folder, one);
    refused(
        folder,
        &["predict", "eyes.offshoot", "squares.cells", one, one, "--draw", "no.png"],
        &["--draw"],
    );
    taught_by_taps(folder, one);
}

/// Teaches three pictures as the page does, by boxes on a still picture, and asks about another one.
fn taught_by_taps(folder: &Path, one: &str) {
    let mut script = "look 1\n".to_string();
    // A folder is shown in the order of its names.
    for n in ["0", "1", "10"] {
        script += "still\n";
        let labels = fs::read_to_string(folder.join(format!("squares/labels/train/{n}.txt")));
        for line in labels.unwrap().lines() {
            let want: Vec<f64> = line.split(' ').map(|x| x.parse().unwrap()).collect();
            let [left, top] = [want[1] - want[3] / 2.0, want[2] - want[4] / 2.0];
            script += &format!("point {} {left} {top} {} {}\n", want[0] + 1.0, want[3], want[4]);
        }
        script += "live\nlook 1\n";
    }
    fs::write(folder.join("taps"), script).unwrap();
    let teach = ["teach", "eyes.offshoot", "--camera", "squares/images/train", "--names"];
    let teach = [&teach[..], &["red,green", "--script", "taps", "--screen", "png:seen"]].concat();
    let told = ok(folder, &[&teach[..], &["--export", "taught.cells"]].concat());
    assert!(told.contains("red          3 objects"), "{told}");
    assert!(told.contains("keeps them, of 3 pictures"), "{told}");
    let told = ok(folder, &["predict", "eyes.offshoot", "taught.cells", one]);
    assert!(told.contains("1 red") && told.contains("1 green"), "{told}");
    // The next session goes on, and what knows classes only is refused.
    fs::write(folder.join("nothing"), "look 1\n").unwrap();
    let again = [&teach[..6], &["--script", "nothing", "--screen", "png:seen"]].concat();
    assert!(ok(folder, &again).contains("green        3 objects"));
    let told = ok(folder, &["report", "squares.cells"]);
    assert!(told.contains("24 objects of 2 classes in 12 pictures"), "{told}");
    assert!(told.contains("red      12 objects") && told.contains("F1"), "{told}");
    let both = ["merge", "squares.cells", "taught.cells", "-o", "both.cells"];
    assert!(ok(folder, &both).contains("15 pictures, 2 classes of objects, from 2 heads"));
    let told = ok(folder, &["report", "both.cells", "--package", "eyes.offshoot", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&report["pictures"], &report["classes"][0]["objects"]), (&15.into(), &15.into()));
    fs::write(folder.join("no.head"), "a head of classes").unwrap();
    let mixed = ["merge", "squares.cells", "no.head", "-o", "no.cells"];
    refused(folder, &mixed, &["no.head", "no head of cells"]);
    refused(folder, &[&again[..], &["--api", "0"]].concat(), &["--api", "--web shows objects"]);
}

#[test]
fn an_input_size_is_proposed_by_boxes() {
    let dir = tempfile::tempdir().unwrap();
    squares(&dir.path().join("squares"), 6);
    let model = format!("{}", crate::common::sprout().display());
    let told = ok(
        dir.path(),
        &[
            "convert",
            &model,
            "--calibrate",
            "squares",
            "--cells",
            "--boxes",
            "squares",
            "-o",
            "e.offshoot",
        ],
    );
    // 14 of 96 pixels; about 39 are wanted.
    assert!(told.contains("--input-size 256x256 is proposed"), "{told}");
    let bytes = fs::read(dir.path().join("e.offshoot")).unwrap();
    assert_eq!(Package::open(&bytes).unwrap().cells().unwrap().input(), [256, 256]);
}

fn model() -> String {
    shared().join("models/real/mobilenet_v2_1.0_224.onnx").display().to_string()
}

/// F1 of all classes, and the counting error.
fn scores(told: &str) -> [f64; 2] {
    let number = |line: &str, at: usize| -> f64 {
        told.lines()
            .find(|own| own.trim_start().starts_with(line))
            .and_then(|own| own.split_whitespace().nth(at)?.parse().ok())
            .unwrap_or_else(|| panic!("no {line} in {told}"))
    };
    [number("all", 3), number("counting error", 2)]
}

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn blood_cells_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let data = shared().join("data/bccd-mini").display().to_string();
    let model = model();
    let told = ok(
        dir.path(),
        &[
            "convert",
            &model,
            "--calibrate",
            &data,
            "--cells",
            "--input-size",
            "256x320",
            "-o",
            "e.offshoot",
        ],
    );
    println!("{told}");
    assert!(told.contains("cells          32x40 of 384 values"), "{told}");
    let told = ok(dir.path(), &["eval", "e.offshoot", &data]);
    println!("{told}");
    let [f1, counting] = scores(&told);
    assert!(f1 >= 0.76 && counting <= 4.5, "{told}");
}

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn defects_of_boards_are_found_by_their_difference() {
    let dir = tempfile::tempdir().unwrap();
    let data = shared().join("data/deeppcb-mini").display().to_string();
    let templates = format!("{data}/Templates");
    let cut = "/MobilenetV2/expanded_conv_6/expand/Clip_output_0";
    let model = model();
    let size = "320x320";
    ok(
        dir.path(),
        &[
            "convert",
            &model,
            "--calibrate",
            &data,
            "--cells",
            "--cut",
            cut,
            "--neighbours",
            "3",
            "--input-size",
            size,
            "-o",
            "e.offshoot",
        ],
    );
    let plain = ok(dir.path(), &["eval", "e.offshoot", &data]);
    let told = ok(dir.path(), &["eval", "e.offshoot", &data, "--templates", &templates]);
    println!("{plain}{told}");
    let [without, _] = scores(&plain);
    let [with, _] = scores(&told);
    // 0.668 when this was written; a chance of a few hundredths lies in 30 pictures.
    assert!(with >= 0.65 && with >= without + 0.12, "{told}");
}

/// Board with a pattern, noise and light of its own; a scratch or a missing part in every bad one.
fn board(seed: u32, is_bad: bool) -> RgbImage {
    let mut state = seed.wrapping_mul(2_654_435_761);
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let light = 100 + random(24);
    let mut image = RgbImage::from_fn(96, 96, |x, y| {
        let is_part = x % 24 > 8 && y % 24 > 8;
        let own = if is_part { [220, 180, 60] } else { [30, 110, 50] };
        let noise = random(16);
        Rgb(own.map(|value: u32| ((value * light / 112).saturating_sub(8) + noise).min(255) as u8))
    });
    if !is_bad {
        return image;
    }
    if seed.is_multiple_of(2) {
        // A part is missing.
        let x = 24 * random(4);
        let y = 24 * random(4);
        for dy in 9..24 {
            for dx in 9..24 {
                image.put_pixel(x + dx, y + dy, Rgb([30, 110, 50]));
            }
        }
    } else {
        let y = 10 + random(60);
        let x = 10 + random(40);
        for along in 0..40 {
            for wide in 0..2 {
                image.put_pixel(x + along, y + along / 3 + wide, Rgb([235; 3]));
            }
        }
    }
    image
}

/// Share of pairs of a bad and a good one in which the bad one has the higher score.
fn auroc(good: &[f64], bad: &[f64]) -> f64 {
    let pairs = good.iter().flat_map(|good| bad.iter().map(move |bad| (good, bad)));
    let won: f64 = pairs
        .map(|(good, bad)| {
            if bad > good {
                1.0
            } else if bad == good {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    won / (good.len() * bad.len()) as f64
}

#[test]
fn unusual_parts_are_told_from_good_ones_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    for (part, count, is_bad) in [("train", 12, false), ("good", 20, false), ("bad", 20, true)] {
        fs::create_dir_all(folder.join(part)).unwrap();
        for n in 0..count {
            let seed = n + if part == "train" { 1_000 } else { 0 } + if is_bad { 500 } else { 0 };
            board(seed, is_bad).save(folder.join(part).join(format!("{n:02}.png"))).unwrap();
        }
    }
    let model = format!("{}", crate::common::sprout().display());
    ok(folder, &["convert", &model, "--calibrate", "train", "--cells", "-o", "e.offshoot"]);
    for position in ["fixed", "anywhere"] {
        let told =
            ok(folder, &["train", "e.offshoot", "train", "--good", position, "-o", "a.good"]);
        assert!(told.contains("12 good pictures"), "{told}");
        let scores = |part: &str| -> Vec<f64> {
            let files: Vec<String> = (0..20).map(|n| format!("{part}/{n:02}.png")).collect();
            let mut args = vec!["predict", "e.offshoot", "a.good", "--json"];
            args.extend(files.iter().map(String::as_str));
            let lines = ok(folder, &args);
            let value = |line: &str| -> serde_json::Value { serde_json::from_str(line).unwrap() };
            lines.lines().map(|line| value(line)["score"].as_f64().unwrap()).collect()
        };
        let auroc = auroc(&scores("good"), &scores("bad"));
        println!("{position}: AUROC {auroc:.3}");
        assert!(auroc >= 0.95, "{position}: {auroc}");
    }
    ok(folder, &["predict", "e.offshoot", "a.good", "bad/00.png", "--draw", "heat.png"]);
    assert!(image::open(folder.join("heat.png")).is_ok());
    fs::create_dir_all(folder.join("few")).unwrap();
    fs::copy(folder.join("good/00.png"), folder.join("few/0.png")).unwrap();
    refused(
        folder,
        &["train", "e.offshoot", "few", "--good", "fixed", "-o", "b.good"],
        &["at least 5"],
    );
}
