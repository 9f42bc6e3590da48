//! An exported model gives the answers of package and head: in tract always, in onnxruntime where
//! Python has it (`OFFSHOOT_PYTHON` names another Python).

use std::path::{Path, PathBuf};
use std::process::Command;

use offshoot::{Extractor, Head, HeadKind, Image};
use offshoot_cli::draw::heatmap;
use offshoot_dataset::{LeftOut, images};
use offshoot_simulator::Object;
use tempfile::TempDir;
use tract_onnx::prelude::*;

const CLASSES: [Object; 3] = [Object::Mug, Object::Plant, Object::Key];

/// A package of our backbone and twelve images of three things.
fn taught(options: &[&str]) -> TempDir {
    taught_from(4, options)
}

/// A package of our backbone and some images of each of three things.
fn taught_from(images: u64, options: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    crate::common::images(&folder.path().join("data"), &CLASSES, images);
    let sprout = crate::common::sprout();
    let convert =
        ["convert", sprout.to_str().unwrap(), "--calibrate", "data", "-o", "eyes.offshoot"];
    crate::common::ok(folder.path(), &[&convert[..], options].concat());
    folder
}

/// Returns the shape and the bytes of an image that the network sees.
fn seen(extractor: &Extractor, image: &Image) -> (Vec<usize>, Vec<u8>) {
    let package = extractor.package();
    let shape = package.manifest().preprocess.shape().unwrap();
    (vec![1, shape.h(), shape.w(), shape.c()], heatmap::seen(&package, image))
}

/// Similarities, probabilities and embedding of one image.
type Row = [Vec<f32>; 3];

fn tract(model: &Path, images: &[(Vec<usize>, Vec<u8>)]) -> Vec<Row> {
    let model = onnx().model_for_path(model).unwrap().into_optimized().unwrap();
    let model = model.into_runnable().unwrap();
    let run = |(shape, bytes): &(Vec<usize>, Vec<u8>)| {
        let input = Tensor::from_shape(shape, bytes).unwrap();
        let outputs = model.run(tvec!(input.into())).unwrap();
        let floats = |i: usize| {
            outputs[i]
                .cast_to::<f32>()
                .unwrap()
                .to_plain_array_view::<f32>()
                .unwrap()
                .iter()
                .copied()
                .collect()
        };
        [2, 1, 0].map(floats)
    };
    images.iter().map(run).collect()
}

fn onnxruntime(folder: &Path, model: &Path, images: &[(Vec<usize>, Vec<u8>)]) -> Option<Vec<Row>> {
    let python = std::env::var("OFFSHOOT_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let has = Command::new(&python).args(["-c", "import onnx, onnxruntime, numpy"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        println!(
            "onnxruntime: skipped, {python} has no onnxruntime; set OFFSHOOT_PYTHON to one that has"
        );
        return None;
    }
    let path = folder.join("images.npy");
    let shape: Vec<u64> =
        [images.len()].iter().chain(&images[0].0[1..]).map(|&n| n as u64).collect();
    let mut bytes = Vec::new();
    {
        use npyz::WriterBuilder;
        let mut writer = npyz::WriteOptions::new()
            .default_dtype()
            .shape(&shape)
            .writer(&mut bytes)
            .begin_nd()
            .unwrap();
        writer.extend(images.iter().flat_map(|(_, bytes)| bytes.iter().copied())).unwrap();
        writer.finish().unwrap();
    }
    std::fs::write(&path, bytes).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/full.py");
    let output = Command::new(&python).args([&script, model, &path]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["metadata"]["offshoot.classes"], r#"["key","mug","plant"]"#);
    let floats = |value: &serde_json::Value| {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect::<Vec<_>>()
    };
    let rows = said["rows"].as_array().unwrap().iter();
    Some(
        rows.map(|row| ["similarity", "probabilities", "embedding"].map(|name| floats(&row[name])))
            .collect(),
    )
}

/// Codes may differ by a step where ONNX rounds otherwise; answers by no more than this.
const TOLERANCE: f32 = 0.02;

#[test]
fn an_exported_model_answers_alike() {
    let kinds =
        [HeadKind::Auto, HeadKind::NearestMean, HeadKind::Softmax, HeadKind::Ridge, HeadKind::Slda];
    answers_alike(&taught(&[]), &kinds, false, &[]);
}

/// With so many samples the margin has a part in the odds.
#[test]
fn of_many_samples_too() {
    let folder = taught_from(12, &[]);
    answers_alike(&folder, &[HeadKind::Auto, HeadKind::Slda], false, &[]);
    let extractor = Extractor::open(folder.path().join("eyes.offshoot")).unwrap();
    let mut head = Head::load(folder.path().join("slda.head"), &extractor).unwrap();
    head.fit().unwrap();
    assert!(head.linear().unwrap().known.unwrap().margin_slope > 0.0);
}

#[test]
fn of_embeddings_of_length_1_too() {
    answers_alike(&taught(&["--l2"]), &[HeadKind::Auto, HeadKind::Ridge], true, &[]);
}

#[test]
fn of_embeddings_of_several_parts_too() {
    let folder = taught(&["--parts", "auto"]);
    let inspected = crate::common::ok(folder.path(), &["inspect", "eyes.offshoot"]);
    assert!(inspected.contains("\n  parts "), "{inspected}");
    let kinds = [HeadKind::Auto, HeadKind::NearestMean, HeadKind::Slda];
    answers_alike(&folder, &kinds, false, &[]);
}

#[test]
fn of_tuned_networks_too() {
    for all in [&[][..], &["--all"]] {
        let folder = taught(&[]);
        let tune = ["finetune", "eyes.offshoot", "data", "--force", "-o", "things.tail"];
        crate::common::ok(folder.path(), &[&tune[..], all].concat());
        answers_alike(&folder, &[HeadKind::Ridge], false, &["--tail", "things.tail"]);
    }
}

fn answers_alike(folder: &TempDir, kinds: &[HeadKind], unit_length: bool, tail: &[&str]) {
    let path = |name: &str| folder.path().join(name);
    let mut extractor = Extractor::open(path("eyes.offshoot")).unwrap();
    if let Some(name) = tail.last() {
        let tail = offshoot::TunedTail::load(path(name)).unwrap();
        extractor.set_tail(Some(&tail)).unwrap();
    }
    crate::common::images(&path("others"), &CLASSES, 5);
    let files: Vec<PathBuf> = images(&path("others"), 100, &mut LeftOut::default()).unwrap();
    let images: Vec<Image> = files.iter().map(|f| Image::open(f).unwrap()).collect();
    let seen: Vec<_> = images.iter().map(|p| seen(&extractor, p)).collect();
    for kind in kinds {
        let head = format!("{kind}.head");
        crate::common::ok(
            folder.path(),
            &[&["train", "eyes.offshoot", "data", "--head", kind.name(), "-o", &head], tail]
                .concat(),
        );
        crate::common::ok(
            folder.path(),
            &[&["export", "eyes.offshoot", "--head", &head, "-o", "full.onnx"], tail].concat(),
        );
        let mut head = Head::load(path(&head), &extractor).unwrap();
        head.fit().unwrap();
        let mut want = Vec::new();
        for image in &images {
            let embedding = extractor.embed(&image.frame()).unwrap();
            let mut p = vec![0.0; 3];
            head.probabilities(embedding, &mut p).unwrap();
            let own: Vec<f32> = embedding.iter().collect();
            want.push((head.similarity(embedding).unwrap().0.get(), p, own));
        }
        let mut peers = vec![("tract", tract(&path("full.onnx"), &seen))];
        let theirs = onnxruntime(folder.path(), &path("full.onnx"), &seen);
        peers.extend(theirs.map(|rows| ("onnxruntime", rows)));
        for (peer, rows) in peers {
            let mut worst = 0.0f32;
            for ((similarity, p, own), [similarities, theirs, embedding]) in want.iter().zip(&rows)
            {
                let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
                assert!((length(embedding) / length(own) - 1.0).abs() < 0.02, "{kind}, {peer}");
                assert_eq!((length(embedding) - 1.0).abs() < 1e-4, unit_length, "{kind}, {peer}");
                worst = p.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(worst, f32::max);
                let nearest = similarities.iter().copied().fold(f32::MIN, f32::max);
                assert!(
                    (similarity - nearest).abs() < 0.01,
                    "{kind}, {peer}: {similarity} {nearest}"
                );
            }
            println!("{kind}: {peer} differs by {worst:.4} at most, {} images", rows.len());
            assert!(worst < TOLERANCE && rows.len() == images.len(), "{kind}, {peer}: {worst}");
        }
    }
}

#[test]
fn what_cannot_be_exported_is_refused_and_nothing_is_written() {
    let folder = taught(&[]);
    crate::common::ok(
        folder.path(),
        &["train", "eyes.offshoot", "data", "--head", "knn", "-o", "knn.head"],
    );
    let args = ["export", "eyes.offshoot", "--head", "knn.head", "-o", "full.onnx"];
    crate::common::refused(
        folder.path(),
        &args,
        &["knn.head", "`knn`", "auto, ncm, softmax, ridge or slda"],
    );
    let sprout = crate::common::sprout();
    let convert = [
        "convert",
        sprout.to_str().unwrap(),
        "--calibrate",
        "data",
        "--precision",
        "f32",
        "-o",
        "f.offshoot",
    ];
    crate::common::ok(folder.path(), &convert);
    crate::common::ok(folder.path(), &["train", "f.offshoot", "data", "-o", "f.head"]);
    let args = ["export", "f.offshoot", "--head", "f.head", "-o", "full.onnx"];
    crate::common::refused(folder.path(), &args, &["f.offshoot", "int8"]);
    assert!(!folder.path().join("full.onnx").exists());
}
