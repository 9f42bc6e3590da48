//! The commands in the order a user meets them, on images from the simulated camera.

use std::fs;
use std::path::Path;

use crate::common::{images, ok, refused, sprout};
use offshoot_simulator::Object;

const OBJECTS: [Object; 3] = [Object::Mug, Object::Plant, Object::Key];

#[test]
fn convert_inspect_verify_train_predict_eval_embed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("data/train"), &OBJECTS, 5);
    images(&dir.join("data/val"), &OBJECTS, 7);
    let model = sprout();
    let model = model.to_str().unwrap();

    let text = ok(dir, &["convert", model, "--calibrate", "data", "-o", "sprout.offshoot"]);
    for part in [
        "cut            embedding",
        "tf, as the catalogue has it for sprout",
        "int8",
        "MACs",
        "arena",
        "cosine",
        "worst layers",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let text = ok(dir, &["inspect", "sprout.offshoot", "--layers"]);
    for part in ["sprout.onnx", "96x96", "256 values", "weights", "group conv", "sha256:"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let line = ok(dir, &["verify", "sprout.offshoot"]);
    assert!(
        line.starts_with("verify ok  2 vectors  sha256:") && line.trim_end().len() == 29 + 64,
        "{line}"
    );

    let text = ok(dir, &["train", "sprout.offshoot", "data", "-o", "things.head"]);
    assert!(text.contains("15 images of 3 classes"), "{text}");
    let text = ok(
        dir,
        &[
            "predict",
            "sprout.offshoot",
            "things.head",
            "data/train/plant/0.png",
            "data/train/key/1.png",
        ],
    );
    mirrors_and_heat(dir);
    let names: Vec<&str> = text.lines().filter_map(|l| l.split("  ").nth(1)).collect();
    assert_eq!(names, ["plant", "key"], "images it was taught: {text}");
    let text = ok(dir, &["eval", "sprout.offshoot", "data"]);
    assert!(
        text.contains("softmax") && text.contains("ncm") && text.contains("21 others"),
        "{text}"
    );
    let text = ok(
        dir,
        &[
            "eval",
            "sprout.offshoot",
            "data/val",
            "--shots",
            "2",
            "--draws",
            "3",
            "--head",
            "softmax",
        ],
    );
    assert!(text.contains("mean of 3 draws") && !text.contains("ncm"), "{text}");

    embeddings_for_notebooks(dir);
    a_image_in_the_wrong_folder_is_named(dir);
}

fn a_image_in_the_wrong_folder_is_named(dir: &Path) {
    images(&dir.join("mixed"), &OBJECTS, 8);
    fs::copy(dir.join("mixed/key/7.png"), dir.join("mixed/mug/wrong.png")).unwrap();
    let text = ok(dir, &["train", "sprout.offshoot", "mixed", "-o", "mixed.head"]);
    let hint = text.lines().find(|line| line.ends_with("wrong.png"));
    assert!(hint.is_some_and(|hint| hint.contains("of `mug` looks like `key`")), "{text}");
}

/// Mirror images are learned, and what an answer came from is drawn.
fn mirrors_and_heat(dir: &Path) {
    let mirrored =
        ok(dir, &["train", "sprout.offshoot", "data", "--augment", "-o", "mirrored.head"]);
    assert!(mirrored.contains("other images right"), "{mirrored}");
    let plain = fs::read(dir.join("things.head"));
    let mirrored = fs::read(dir.join("mirrored.head"));
    let plain = plain.unwrap();
    let mirrored = mirrored.unwrap();
    assert!(plain.len() == mirrored.len() && plain != mirrored, "as many samples, but others");
    let views =
        ["train", "sprout.offshoot", "data", "--augment=flip,crop,light,dark", "-o", "views.head"];
    ok(dir, &views);
    assert!(fs::read(dir.join("views.head")).unwrap() != mirrored);
    refused(
        dir,
        &["train", "sprout.offshoot", "data", "--augment=upside", "-o", "x"],
        &["upside", "flip, crop"],
    );
    let one = [
        "predict",
        "sprout.offshoot",
        "things.head",
        "data/train/key/1.png",
        "--heatmap",
        "heat.png",
    ];
    ok(dir, &one);
    let heat = image::open(dir.join("heat.png")).unwrap().into_rgb8();
    // The image, where the answer came from, and the scale below.
    assert!(heat.width() == 1248 && heat.height() > 800, "{:?}", heat.dimensions());
    let right = heat.enumerate_pixels().filter(|(x, y, _)| *x > 640 && (190..750).contains(y));
    let warm = right.filter(|(_, _, p)| p.0[0] > p.0[2].saturating_add(40)).count();
    assert!(warm > 1000 && warm < 560 * 560, "{warm}");
    // Across the scale it goes from blue to yellow.
    let scale: Vec<_> = [650, 1190].map(|x| heat.get_pixel(x, 770).0).to_vec();
    assert!(scale[0][2] > scale[0][0] + 30 && scale[1][0] > scale[1][2] + 60, "{scale:?}");
    let two = [&one[..], &["data/val/key/1.png"]].concat();
    refused(dir, &two, &["--heatmap", "2 were given"]);
    decisions(dir);
}

/// Explanations of a decision, as text and as data.
fn decisions(dir: &Path) {
    let key = "data/train/key/1.png";
    let text = ok(dir, &["predict", "sprout.offshoot", "things.head", key, "--dimensions", "3"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.len() == 5 && lines[1].contains("log odds against") && lines[4].contains("dimension"),
        "{text}"
    );
    let asked = ["predict", "sprout.offshoot", "things.head", key, "data/val/mug/6.png", "--json"];
    let parsed = |line: &str| -> serde_json::Value { serde_json::from_str(line).unwrap() };
    let text = ok(dir, &asked);
    for line in text.lines() {
        let said = parsed(line);
        let chances = said["probabilities"].as_object().unwrap();
        let sum: f64 = chances.values().map(|p| p.as_f64().unwrap()).sum();
        // What is missing to one is the chance of a thing that was not taught.
        assert!(chances.len() == 3 && sum > 0.0 && sum < 1.0 + 1e-4, "{line}");
        if let Some(class) = said["class"].as_str() {
            assert!(sum > 0.5 && said["confidence"] == chances[class], "{line}");
        }
        assert!(said["similarity"].as_f64().unwrap() <= 1.0, "{line}");
        assert!(said.get("dimensions").is_none() && line.len() < 500, "not asked for: {line}");
    }
    for line in ok(dir, &[&asked[..], &["--dimensions", "256"]].concat()).lines() {
        let said = parsed(line);
        let number = |value: &serde_json::Value| value.as_f64().unwrap();
        let of = |name: &serde_json::Value| number(&said["probabilities"][name.as_str().unwrap()]);
        let dimensions = said["dimensions"].as_array().unwrap();
        let odds =
            dimensions.iter().map(|d| number(&d["log_odds"])).sum::<f64>() + number(&said["bias"]);
        if said["class"].is_string() {
            let want = (of(&said["class"]) / of(&said["against"])).ln();
            assert!(dimensions.len() == 256 && (odds - want).abs() < 1e-3, "{odds} {want}: {line}");
        }
    }
    assert_eq!(text.lines().count(), 2, "{text}");
    ok(dir, &["train", "sprout.offshoot", "data", "--head", "knn", "-o", "knn.head"]);
    let asked = ["predict", "sprout.offshoot", "knn.head", key, "--dimensions", "3"];
    refused(dir, &asked, &["knn.head", "no weights", "--head"]);
    refused(
        dir,
        &["train", "sprout.offshoot", "data", "--shots", "6", "-o", "x"],
        &["has 5", "6 required"],
    );
    refused(dir, &["eval", "sprout.offshoot", "data", "--draws", "0"], &["--draws"]);
    refused(dir, &["search", "sprout.offshoot", "data", key, "--top", "0"], &["--top"]);
    assert!(!dir.join("x").exists());
}

/// 36 images as an archive of numpy and as JSON.
fn embeddings_for_notebooks(dir: &Path) {
    ok(dir, &["embed", "sprout.offshoot", "data", "--npz", "e.npz", "--json", "e.json"]);
    refused(dir, &["embed", "sprout.offshoot", "data"], &["--output", "required"]);
    let bytes = fs::read(dir.join("e.npz")).unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut array = Vec::new();
    std::io::copy(&mut zip.by_name("embeddings.npy").unwrap(), &mut array).unwrap();
    let array = npyz::NpyFile::new(&array[..]).unwrap();
    assert_eq!(array.shape(), [36, 256]);
    let values: Vec<f32> = array.into_vec().unwrap();
    assert!(values.iter().all(|v| v.is_finite()) && values.iter().any(|&v| v != 0.0));
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("e.json")).unwrap()).unwrap();
    let rows =
        json["embeddings"].as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
    assert!(
        rows.map(|v| v.as_f64().unwrap() as f32).eq(values),
        "JSON and the archive hold the same"
    );
    assert_eq!(json["labels"].as_array().map(Vec::len), Some(36));
    assert!(
        ["labels.npy", "split.npy", "classes.npy", "files.npy"]
            .iter()
            .all(|n| zip.by_name(n).is_ok())
    );
}

/// Heads from two devices made one, what their samples say, and embeddings without classes.
#[test]
fn heads_are_merged_and_reported_and_images_searched_and_sorted() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("data"), &OBJECTS, 6);
    for (half, object) in
        [("one", OBJECTS[0]), ("one", OBJECTS[1]), ("two", OBJECTS[2]), ("two", OBJECTS[0])]
    {
        let to = dir.join(half).join(object.name());
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(dir.join("data").join(object.name())).unwrap() {
            let from = entry.unwrap().path();
            fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
        }
    }
    let model = sprout();
    ok(dir, &["convert", model.to_str().unwrap(), "--calibrate", "data", "-o", "s.offshoot"]);
    let text = ok(dir, &["train", "s.offshoot", "one", "-o", "one.head", "--head", "ridge"]);
    assert!(
        text.contains("ridge on 12 images of 2 classes") && text.contains("when held out"),
        "{text}"
    );
    ok(
        dir,
        &[
            "train",
            "s.offshoot",
            "two",
            "-o",
            "two.head",
            "--shots",
            "4",
            "--seed",
            "3",
            "--unknown",
            "off",
        ],
    );
    let text = ok(dir, &["merge", "one.head", "two.head", "-o", "all.head"]);
    assert!(text.contains("ridge, 20 samples of 3 classes, from 2 heads"), "{text}");
    // Both were shown the same images of one object.
    assert!(text.contains("4 samples were in an earlier head as well"), "{text}");
    let text = ok(dir, &["merge", "one.head", "one.head", "-o", "twice.head"]);
    assert!(text.contains("12 samples were in an earlier head as well"), "{text}");
    reported(dir);
    let text =
        ok(dir, &["train", "s.offshoot", "data", "-o", "few.head", "--head", "ncm", "--keep", "2"]);
    assert!(text.contains("18 images of 3 classes, 6 kept"), "{text}");
    refused(
        dir,
        &["train", "s.offshoot", "data", "-o", "x.head", "--keep", "0"],
        &["--keep", "at least 1"],
    );
    refused(
        dir,
        &["merge", "one.head", "s.offshoot", "-o", "x.head"],
        &["s.offshoot", "not a head"],
    );
    assert!(!dir.join("x.head").exists());

    searched_and_sorted(dir);
}

/// Reports on the samples of the merged head, in words and as JSON.
fn reported(dir: &Path) {
    let text = ok(dir, &["report", "all.head"]);
    assert!(
        text.contains("ridge, 20 samples of 3 classes") && text.contains("of 20; 95 %"),
        "{text}"
    );
    let name = OBJECTS[2].name();
    assert!(text.contains(&format!("`{name}` has 4 samples")), "{text}");
    let report: serde_json::Value =
        serde_json::from_str(&ok(dir, &["report", "all.head", "--json"])).unwrap();
    assert_eq!((&report["kind"], &report["asked"]), (&"ridge".into(), &20.into()), "{report}");
    let told = report["classes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|c| c["taken_for"].as_array().unwrap());
    assert_eq!(told.map(|n| n.as_u64().unwrap()).sum::<u64>(), 20, "{report}");
}

/// Retrieval, groups and the image of what is taken for what.
fn searched_and_sorted(dir: &Path) {
    let wanted = format!("data/{}/0.png", OBJECTS[2].name());
    let text = ok(dir, &["search", "s.offshoot", "data", &wanted, "--top", "2"]);
    let found: Vec<&str> = text.lines().skip(1).collect();
    assert!(
        found.len() == 2
            && found[0].trim_start().starts_with("1.000")
            && found[0].ends_with(&wanted),
        "{text}"
    );
    let text = ok(dir, &["cluster", "s.offshoot", "data", "-k", "3", "-o", "sheet.png"]);
    assert_eq!(
        text.lines().filter(|l| l.ends_with(".png") && l.starts_with("  ")).count(),
        18,
        "{text}"
    );
    let sheet = image::open(dir.join("sheet.png")).unwrap().into_rgb8();
    let images = sheet.pixels().filter(|p| p.0 != [255; 3]).count();
    assert!(images > 18 * 200 * 200 && sheet.height() > 3 * 208, "{images} {}", sheet.height());
    refused(dir, &["cluster", "s.offshoot", "data", "-k", "19"], &["18 images"]);
    ok(
        dir,
        &["eval", "s.offshoot", "data", "--shots", "3", "--draws", "2", "--confusion", "c.png"],
    );
    let confusion = image::open(dir.join("c.png")).unwrap().into_rgb8();
    let blue = confusion.pixels().filter(|p| p.0[2] > p.0[0].saturating_add(40)).count();
    assert!(confusion.width() > 3 * 128 && blue > 120 * 120, "{} {blue}", confusion.width());
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("data"), &OBJECTS, 3);
    let model = sprout();
    for name in ["a.offshoot", "b.offshoot"] {
        ok(dir, &["convert", model.to_str().unwrap(), "--calibrate", "data", "-o", name]);
    }
    assert!(fs::read(dir.join("a.offshoot")).unwrap() == fs::read(dir.join("b.offshoot")).unwrap());
}

#[test]
fn a_float_package_does_all_that_an_int8_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("data"), &OBJECTS, 3);
    let model = sprout();
    let args = [
        "convert",
        model.to_str().unwrap(),
        "--calibrate",
        "data",
        "-o",
        "f.offshoot",
        "--precision",
        "f32",
    ];
    let text = ok(dir, &args);
    assert!(text.contains("f32") && text.contains("1.0000 mean"), "{text}");
    assert!(ok(dir, &["verify", "f.offshoot"]).starts_with("verify ok  2 vectors"));
    ok(dir, &["train", "f.offshoot", "data", "-o", "f.head"]);
    let text = ok(dir, &["predict", "f.offshoot", "f.head", "data/mug/2.png"]);
    assert!(text.contains("  mug  "), "{text}");
}

#[test]
fn demo_teaches_and_draws() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (extractor, file, fewest) in
        [("sharp", "sharp.offshoot", 28), ("small", "sprout.offshoot", 20)]
    {
        let text =
            ok(dir, &["demo", "--extractor", extractor, "--out", "screen.png", "--keep", "kept"]);
        assert!(text.lines().count() <= 18, "{text}");
        let right: usize = text
            .lines()
            .find_map(|l| l.trim().strip_suffix(" of 30 right"))
            .and_then(|n| n.parse().ok())
            .expect("the demo says how many answers were right");
        // By chance 10; a last bit of the calibration may cost sprout one or two.
        assert!(right >= fewest, "{text}");
        let screen = image::open(dir.join("screen.png")).unwrap().into_rgb8();
        assert_eq!(screen.dimensions(), (640, 480));
        let first = *screen.get_pixel(0, 0);
        assert!(screen.pixels().filter(|p| **p != first).count() > 20_000, "the screen is empty");
        assert!(ok(dir, &["verify", &format!("kept/{file}")]).starts_with("verify ok"));
        assert!(dir.join("kept/demo.head").exists());
    }
}

/// Keeps the clone clean: a picture there would be one more file that git does not know.
#[test]
fn demo_leaves_nothing_in_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().join("here");
    let temporary = dir.path().join("temporary");
    for folder in [&here, &temporary] {
        fs::create_dir(folder).unwrap();
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_offshoot"));
    command.args(["demo", "--extractor", "small"]).current_dir(&here).env("TMPDIR", &temporary);
    assert!(command.status().unwrap().success());
    assert_eq!(fs::read_dir(&here).unwrap().count(), 0);
    assert!(temporary.join("offshoot-demo.png").exists());
}
