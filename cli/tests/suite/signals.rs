//! Networks for signals: from conversion to answers, through every command; wrong data is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use offshoot::{Extractor, Package, Signal};

use crate::common::{ok, refused};

/// Small network of an accelerometer, with its data: `models/gestures`.
fn gestures(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/gestures");
    folder.join(file).canonicalize().unwrap().display().to_string()
}

fn converted(folder: &Path) -> PathBuf {
    let command = ["convert", &gestures("gestures.onnx"), "--calibrate", &gestures("learned.npz")];
    let text = ok(folder, &[&command[..], &["-o", "gestures.offshoot", "--json"]].concat());
    let said: serde_json::Value = serde_json::from_str(&text).unwrap();
    println!("cosine {} {}", said["cosine_mean"], said["cosine_min"]);
    assert!(said["cosine_mean"].as_f64().unwrap() >= 0.999, "{text}");
    folder.join("gestures.offshoot")
}

/// Accuracy of the head `auto` in what `eval` prints.
fn accuracy(text: &str) -> f64 {
    let line = text.lines().find(|line| line.trim_start().starts_with("auto")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn gestures_from_conversion_to_answers() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let bytes = fs::read(converted(dir)).unwrap();
    let package = Package::open(&bytes).unwrap();
    let sensor = package.sensor().unwrap();
    assert_eq!((sensor.rate, sensor.step, package.embedding_dim()), (100.0, 32, 48));
    assert_eq!(package.manifest().precision.name(), "int8");
    assert_eq!(package.domain().unwrap().depths().count(), 1);
    assert!(ok(dir, &["verify", "gestures.offshoot"]).contains("verify ok  2 vectors"));
    let said = ok(dir, &["inspect", "gestures.offshoot"]);
    assert!(said.contains("signal, 128 places of 3 channels at 100 Hz"), "{said}");
    let taught = gestures("taught.npz");
    for (shots, least) in [("1", 0.7), ("5", 0.9)] {
        let text =
            ok(dir, &["eval", "gestures.offshoot", &taught, "--shots", shots, "--head", "auto"]);
        println!("{text}");
        assert!(accuracy(&text) >= least, "{shots} shots: {text}");
    }
    ok(dir, &["train", "gestures.offshoot", &taught, "-o", "taught.head"]);
    ok(dir, &["embed", "gestures.offshoot", &taught, "-o", "taught.embeddings.npz"]);
    let said = ok(
        dir,
        &[
            "bench",
            "gestures.offshoot",
            "--runs",
            "3",
            "--json",
            "--compare",
            &gestures("gestures.onnx"),
        ],
    );
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(said["compare"]["cosine"].as_f64().unwrap() > 0.99, "{said}");
    // A recording of twenty motions is longer than a window; its first half is of pushes.
    let stream = fs::read_to_string(gestures("stream.csv")).unwrap();
    let push: Vec<&str> = stream.lines().take(1 + 10 * 128).collect();
    fs::write(dir.join("push.csv"), push.join("\n")).unwrap();
    let said = ok(dir, &["predict", "gestures.offshoot", "taught.head", "push.csv", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(said["nearest"].is_string(), "{said}");
    let one: Vec<&str> = stream.lines().take(1 + 128).collect();
    fs::write(dir.join("one.csv"), one.join("\n")).unwrap();
    let said = ok(dir, &["predict", "gestures.offshoot", "taught.head", "one.csv", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["nearest"], "push", "{said}");
}

#[test]
fn a_board_is_taught_from_a_table_and_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    converted(dir);
    // A window is a motion here: the steps between are those of the table.
    let stream = fs::read_to_string(gestures("stream.csv")).unwrap();
    fs::write(dir.join("teach.script"), "teach 1 8\nlook 28\nteach 2 8\nlook 12\nsnap end\n")
        .unwrap();
    let table = gestures("stream.csv");
    let options = ["gestures.offshoot", "--camera", &table, "--script", "teach.script"];
    let screen = ["--screen", "png:.", "--names", "push,v", "--export", "a.head"];
    let teach = [&["teach"][..], &options, &screen].concat();
    let text = ok(dir, &teach);
    println!("{text}");
    assert!(dir.join("end-240x240.png").exists());
    assert!(ok(dir, &["report", "a.head"]).contains("push"));
    let feed = |form: &str, bytes: Vec<u8>| {
        let arguments = ["teach", "gestures.offshoot", "--camera", form];
        let mut command = Command::new(env!("CARGO_BIN_EXE_offshoot"));
        command.current_dir(dir).args(arguments).args(["--script", "one.script"]);
        command.args(["--screen", "none", "--start-anew", "--export", "b.head"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The program may end before all of it was read.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), &bytes);
        child.wait_with_output().unwrap()
    };
    fs::write(dir.join("one.script"), "teach 1\n").unwrap();
    let rows: Vec<Vec<f32>> = stream
        .lines()
        .skip(1)
        .map(|line| line.split(',').skip(1).map(|field| field.parse().unwrap()).collect())
        .collect();
    let floats: Vec<u8> = rows.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
    for (form, bytes) in [("-:csv", stream.clone().into_bytes()), ("-:f32", floats)] {
        let output = feed(form, bytes);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{form}: {said}");
        assert!(ok(dir, &["report", "b.head"]).contains("thing 1"), "{form}");
    }
    fs::write(dir.join("two.csv"), "x,y\n1,2\n").unwrap();
    let with = |camera| {
        [
            "teach",
            "gestures.offshoot",
            "--camera",
            camera,
            "--script",
            "one.script",
            "--screen",
            "none",
            "--start-anew",
        ]
    };
    refused(dir, &with("two.csv"), &["2 columns, the package takes 3 channels"]);
    refused(dir, &with("sim"), &["the package takes signals", "--camera FILE.csv"]);
    fs::write(dir.join("short.csv"), "1,2,3\n4,5,6\n").unwrap();
    refused(dir, &with("short.csv"), &["fewer rows of numbers than a window"]);
    let images = [
        "teach",
        "--extractor",
        "small",
        "--camera",
        "short.csv",
        "--script",
        "one.script",
        "--screen",
        "none",
        "--memory",
        "images.store",
    ];
    refused(dir, &images, &["the package takes images"]);
}

#[test]
fn wrong_data_and_options_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let model = gestures("gestures.onnx");
    let data = gestures("learned.npz");
    let with = |more: &[&str]| {
        let all = [&["convert", &model, "--calibrate", &data][..], more].concat();
        all.iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    let refuse = |arguments: Vec<String>, parts: &[&str]| {
        refused(dir, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), parts);
    };
    refuse(with(&["--mean", "1,2"]), &["--mean has 2 values; the input has 3 channels"]);
    refuse(with(&["--bgr"]), &["--bgr"]);
    refuse(with(&["--step", "999"]), &["the step from window to window"]);
    refuse(with(&["--std", "0"]), &["its divisor no positive number"]);
    fs::create_dir_all(dir.join("other/a")).unwrap();
    fs::write(dir.join("other/a/1.csv"), "1,2,3,4\n1,2,3,4\n").unwrap();
    let other = ["convert", &model, "--calibrate", "other"];
    refused(dir, &other, &["2 x 4", "neither their first nor their last length"]);
    fs::write(dir.join("other/a/1.csv"), "1,2,3\n1,2,3\n").unwrap();
    refused(dir, &other, &["no recording", "128 places", "3 channels"]);
    let sprout = crate::common::sprout().display().to_string();
    let images = ["convert", &sprout, "--calibrate", "other", "--rate", "5"];
    refused(dir, &images, &["no recording", "9216 places", "3 channels"]);
    converted(dir);
    fs::write(dir.join("a.jpg"), "no image").unwrap();
    let train = ["train", "gestures.offshoot", "other", "-o", "a.head"];
    refused(dir, &train, &["1.csv: 2 places", "a window of the package has 128"]);
}

/// Models with other inputs than pictures: channels, batch and order by the data.
#[test]
fn vectors_maps_and_channels_last() {
    let Some(python) = crate::common::python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/signals.py");
    let output = Command::new(python).arg(script).arg(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, places, channels, precision) in [
        ("vector", 1, 30, "int8"),
        ("vector", 1, 30, "f32"),
        ("series", 64, 6, "int8"),
        ("series_last", 64, 6, "int8"),
        ("open", 50, 2, "int8"),
        ("map1", 576, 1, "int8"),
        ("map2", 576, 2, "int8"),
        ("map4", 576, 4, "int8"),
        ("map4", 576, 4, "f32"),
        ("map6_last", 576, 6, "int8"),
    ] {
        let model = format!("{name}.onnx");
        let data = format!("{name}.npz");
        let mut command =
            vec!["convert", &model, "--calibrate", &data, "-o", "a.offshoot", "--json"];
        command.extend(["--precision", precision]);
        if name == "open" {
            refused(dir, &command, &["length is open", "--window"]);
            command.extend(["--window", "50"]);
        }
        let said = ok(dir, &command);
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        let least = if precision == "f32" { 0.999_99 } else { 0.99 };
        println!("{name} {precision}: {}", said["cosine_mean"]);
        assert!(said["cosine_mean"].as_f64().unwrap() >= least, "{name}: {said}");
        let mut extractor = Extractor::open(dir.join("a.offshoot")).unwrap();
        assert_eq!(extractor.window_places(), Some(places), "{name}");
        assert_eq!(extractor.sensor().unwrap().normalization().len(), channels, "{name}");
        // The embedding of a golden sample is that of onnxruntime.
        let read = |ending: &str| -> Vec<f32> {
            let bytes = fs::read(dir.join(format!("{name}.{ending}"))).unwrap();
            bytes.as_chunks::<4>().0.iter().map(|&x| f32::from_le_bytes(x)).collect()
        };
        let samples = read("in");
        let signal = Signal::float(channels, &samples).unwrap();
        let got: Vec<f32> = extractor.embed_signal(&signal).unwrap().iter().collect();
        let want = read("out");
        assert_eq!(got.len(), want.len(), "{name}");
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let cosine = dot(&got, &want) / (dot(&got, &got) * dot(&want, &want)).sqrt();
        assert!(cosine > 0.99, "{name} {precision}: {cosine}");
    }
}
