//! `offshoot bench`: what it prints fits together, and with what other commands say.

use std::path::Path;

use crate::common::{images, ok, refused, sprout};
use offshoot_simulator::Object;
use serde_json::Value;

/// sprout as `s.offshoot`, or as floats.
fn convert(dir: &Path, precision: &str) {
    images(&dir.join("data"), &[Object::Mug, Object::Plant], 3);
    let model = sprout();
    let model = model.to_str().unwrap();
    ok(
        dir,
        &["convert", model, "--calibrate", "data", "-o", "s.offshoot", "--precision", precision],
    );
}

fn bench(dir: &Path, more: &[&str]) -> Value {
    let mut args = vec!["bench", "s.offshoot", "--json"];
    args.extend_from_slice(more);
    serde_json::from_str(&ok(dir, &args)).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The runs of a field, its percentiles in order.
fn check_percentiles(report: &Value, field: &str, runs: u64) {
    let p = &report[field];
    assert_eq!(p["runs"].as_u64(), Some(runs), "{field}: {p}");
    let times = ["min_ns", "p50_ns", "p90_ns", "p99_ns"].map(|key| number(&p[key]));
    assert!(times[0] > 0.0 && times.is_sorted(), "{field}: {p}");
}

/// Checks that hold for whatever runs the network.
fn check(dir: &Path, report: &Value, runs: u64) {
    check_percentiles(report, "extraction", runs);
    check_percentiles(report, "network", runs);
    let [open, first, network] =
        ["open_ns", "first_ns", "first_network_ns"].map(|key| number(&report[key]));
    assert!(open > 0.0 && 0.0 < network && network < first, "{report}");

    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers[0]["operation"], "preprocessing");
    let sum = |key: &str| layers.iter().map(|layer| number(&layer[key])).sum::<f64>();
    assert!((sum("share") - 1.0).abs() < 1e-9, "shares sum to {}", sum("share"));
    assert_eq!(sum("macs"), number(&report["macs"]));
    let inspected = ok(dir, &["inspect", "s.offshoot"]);
    let macs = format!("MACs           {:.1} M", number(&report["macs"]) / 1e6);
    assert!(inspected.contains(&macs), "`{macs}` is not in: {inspected}");
    let arena = format!("arena          {} bytes", report["memory"]["arena"]);
    // Each thread has scratch of its own in the arena; `inspect` plans for one, with chains.
    if report["threads"] == 1 && report["chains"] == true && report["precision"] == "int8" {
        assert!(inspected.contains(&arena), "`{arena}` is not in: {inspected}");
    }
    let package = dir.join("s.offshoot").metadata().unwrap().len();
    assert_eq!(report["memory"]["package"].as_u64(), Some(package));

    for layer in layers.iter().filter(|layer| number(&layer["macs"]) > 0.0) {
        let rate = number(&layer["macs"]) / number(&layer["ns"]);
        assert!((number(&layer["mac_per_ns"]) / rate - 1.0).abs() < 1e-9, "{layer}");
        // Either cycles are counted, or it is said why not.
        let counted = layer["mac_per_cycle"].as_f64();
        assert_eq!(counted.is_some(), report["no_cycle_counter"].is_null(), "{report}");
        assert!(counted.is_none_or(|rate| rate > 0.0), "{layer}");
    }
    // Every layer once, in the order of the graph.
    let nodes: Vec<u64> = layers[1..]
        .iter()
        .flat_map(|layer| {
            let [first, last] = [0, 1].map(|i| layer["nodes"][i].as_u64().unwrap());
            first..=last
        })
        .collect();
    assert!(nodes.windows(2).all(|pair| pair[0] < pair[1]), "{nodes:?}");
    let line = inspected.lines().find(|l| l.trim_start().starts_with("layers")).unwrap();
    let count: u64 = line.split_whitespace().last().unwrap().parse().unwrap();
    assert_eq!(nodes.last(), Some(&(count - 1)));
}

#[test]
fn an_int8_package() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    convert(dir, "int8");
    let report = bench(dir, &["--runs", "7"]);
    check(dir, &report, 7);
    assert_eq!((&report["precision"], &report["threads"]), (&"int8".into(), &1.into()));
    assert!(report["isa"].is_string() && report["compare"].is_null(), "{report}");
    assert!(report["memory"]["live_set"].as_u64() > Some(0));
    #[cfg(target_os = "linux")]
    {
        let [now, anonymous, peak] =
            ["resident", "anonymous", "peak"].map(|key| number(&report["memory"][key]));
        assert!(0.0 < anonymous && anonymous <= now && now <= peak, "{report}");
    }

    let two = bench(dir, &["--runs", "5", "--threads", "2", "--pin"]);
    check(dir, &two, 5);
    assert_eq!(two["threads"], 2);

    let apart = bench(dir, &["--runs", "5", "--no-chains"]);
    check(dir, &apart, 5);
    let longest = |report: &Value| {
        let layers = report["layers"].as_array().unwrap()[1..].iter();
        layers.map(|l| number(&l["nodes"][1]) - number(&l["nodes"][0])).fold(0.0, f64::max)
    };
    assert_eq!(longest(&apart), 0.0, "every layer alone");
    assert!(longest(&report) > 0.0 || report["isa"] == "generic", "kernels chain");

    let text = ok(dir, &["bench", "s.offshoot", "--runs", "3"]);
    let parts = [
        "p50",
        "p99",
        "3 runs",
        "arena",
        "packed weights",
        "preprocessing",
        "MAC/ns",
        "temperature",
    ];
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let rows = text.lines().filter(|line| line.contains(" % ")).count();
    assert_eq!(rows, report["layers"].as_array().unwrap().len(), "a row for each layer: {text}");
}

#[test]
fn without_a_number_of_runs_it_measures_for_two_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    convert(dir, "int8");
    let start = std::time::Instant::now();
    let report = bench(dir, &[]);
    assert!(start.elapsed().as_secs_f64() >= 2.0);
    let runs = report["extraction"]["runs"].as_u64().unwrap();
    assert!(runs >= 10, "{runs}");
    check(dir, &report, runs);
}

#[test]
fn beside_the_float_network() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    convert(dir, "int8");
    let model = sprout();
    let model = model.to_str().unwrap();
    let report = bench(dir, &["--runs", "5", "--compare", model]);
    check(dir, &report, 5);
    let compare = &report["compare"];
    check_percentiles(compare, "network", 5);
    let ratio = number(&report["network"]["p50_ns"]) / number(&compare["network"]["p50_ns"]);
    assert!((number(&compare["ratio"]) / ratio - 1.0).abs() < 1e-9, "{compare}");
    assert_eq!(compare["pays"], ratio < 1.0);
    let cosine = number(&compare["cosine"]);
    assert!((0.9..=1.0 + 1e-6).contains(&cosine), "the same network: {cosine}");
    let text = ok(dir, &["bench", "s.offshoot", "--runs", "3", "--compare", model]);
    assert!(text.contains("tract f32") && text.contains("ratio"), "{text}");
}

#[test]
fn a_float_package() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    convert(dir, "f32");
    let report = bench(dir, &["--runs", "4", "--threads", "2"]);
    check(dir, &report, 4);
    assert_eq!(
        (&report["threads"], &report["isa"]),
        (&1.into(), &Value::Null),
        "tract-core runs it"
    );
}

/// Runs portable code, which is near the float network's speed or below it.
#[test]
fn it_says_where_int8_does_not_pay() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    convert(dir, "int8");
    let model = sprout();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_offshoot"))
        .args(["bench", "s.offshoot", "--runs", "5", "--compare", model.to_str().unwrap()])
        .current_dir(dir)
        .env("OFFSHOOT_ISA", "generic")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let ratio = text.split("ratio ").nth(1).and_then(|rest| rest.split(',').next());
    let ratio: f64 =
        ratio.and_then(|r| r.parse().ok()).unwrap_or_else(|| panic!("no ratio: {text}"));
    assert_eq!(text.contains("does not pay"), ratio >= 1.0, "{text}");
}

#[test]
fn what_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    convert(dir, "int8");
    let model = sprout();
    refused(dir, &["bench", "missing.offshoot"], &["missing.offshoot", "No such file"]);
    refused(dir, &["bench", "data/mug/0.png"], &["data/mug/0.png", "not an offshoot package"]);
    refused(dir, &["bench", model.to_str().unwrap()], &["sprout.onnx", "not an offshoot package"]);
    refused(dir, &["bench", "s.offshoot", "--runs", "0"], &["--runs"]);
    refused(dir, &["bench", "s.offshoot", "--threads", "0"], &["--threads"]);
    refused(dir, &["bench", "s.offshoot", "--compare", "no.onnx"], &["no.onnx", "No such file"]);
    std::fs::write(dir.join("text.onnx"), "this is not a model").unwrap();
    refused(
        dir,
        &["bench", "s.offshoot", "--compare", "text.onnx"],
        &["text.onnx", "not an ONNX model"],
    );
    // The same network with one byte more is another file.
    let mut other = std::fs::read(&model).unwrap();
    other.extend([0x3a, 0]);
    std::fs::write(dir.join("other.onnx"), other).unwrap();
    let parts = ["other.onnx", "not the model `sprout.onnx` that the package was made from"];
    refused(dir, &["bench", "s.offshoot", "--compare", "other.onnx"], &parts);
}

#[test]
fn packed_weights_stay_in_the_package() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    convert(dir, "int8");
    let plain = bench(dir, &["--runs", "2"]);
    let digest = ok(dir, &["verify", "s.offshoot"]);
    assert_eq!(plain["memory"]["packed_in_file"], false);
    let model = sprout();
    let model = model.to_str().unwrap();
    let said = ok(
        dir,
        &["convert", model, "--calibrate", "data", "-o", "s.offshoot", "--target", "native"],
    );
    assert!(said.contains("packed for"), "{said}");
    let packed = bench(dir, &["--runs", "2"]);
    assert_eq!(packed["memory"]["packed_in_file"], packed["isa"] != "generic");
    assert_eq!(ok(dir, &["verify", "s.offshoot"]), digest);
    let args = ["convert", model, "--calibrate", "data", "--target"];
    refused(dir, &[&args[..], &["mmx"]].concat(), &["--target", "avx2", "neon-dot"]);
    refused(dir, &[&args[..], &["neon", "--precision", "f32"]].concat(), &["--target", "int8"]);
}
