//! `offshoot cuts`: the comparison fits together, budgets choose, the command that it prints works.

use std::path::Path;

use crate::common::{images, offshoot, ok, sprout};
use offshoot_simulator::Object;
use serde_json::Value;

fn compare(folder: &Path, model: &str, more: &[&str]) -> Value {
    let args = [&["cuts", model, "--json", "--draws", "4"], more].concat();
    serde_json::from_str(&ok(folder, &args)).unwrap()
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or_else(|| panic!("{key} in {row}"))
}

#[test]
fn a_comparison_fits_together_and_its_command_works() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("my data"), &[Object::Mug, Object::Key, Object::Ball], 6);
    let model = sprout();
    let model = model.to_str().unwrap();
    let more = ["--data", "my data", "--shots", "3", "--most", "5", "-o", "cuts.svg"];
    let all = compare(dir, model, &more);
    let rows = all["cuts"].as_array().unwrap();
    assert_eq!((rows.len(), all["left_out"].as_array().unwrap().len()), (5, 0));
    assert_eq!(rows.iter().filter(|row| row["automatic"] == true).count(), 1);
    assert!(rows.windows(2).all(|w| number(&w[0], "macs") <= number(&w[1], "macs")));
    for row in rows {
        assert!(number(row, "ms") > 0.0 && number(row, "ram") >= number(row, "arena"), "{row}");
        assert!(
            number(row, "cosine") > 0.95 && row["scores"].as_array().unwrap().len() == 4,
            "{row}"
        );
        let map: Vec<u64> =
            row["map"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        assert_eq!(number(row, "values") as u64, map[2], "pooled: {row}");
    }
    // What is deeper is the better for the task, here as everywhere.
    assert!(number(&rows[4], "accuracy") > number(&rows[0], "accuracy"), "{all}");
    let chosen = &rows[all["chosen"].as_u64().unwrap() as usize];
    let best = rows.iter().map(|row| number(row, "accuracy")).fold(0.0, f64::max);
    assert!(number(chosen, "accuracy") > best - 0.002);

    let svg = std::fs::read_to_string(dir.join("cuts.svg")).unwrap();
    let mut reader = quick_xml::Reader::from_str(&svg);
    let mut circles = 0;
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Empty(e) if e.name().as_ref() == b"circle" => circles += 1,
            _ => {}
        }
    }
    // A point and a line of the list for each, and three in the legend; each with its rim.
    assert_eq!(circles, 2 * (2 * rows.len() + 3));
    for row in rows {
        let name = row["cut"].as_str().unwrap();
        assert!(svg.contains(&name[name.len().saturating_sub(20)..]), "{name}");
    }

    // The command, as a shell would take it, makes the package of that row.
    let command = all["command"].as_str().unwrap();
    let words: Vec<&str> = command
        .split('\'')
        .flat_map(
            |part| if part == "my data" { vec![part] } else { part.split_whitespace().collect() },
        )
        .collect();
    ok(dir, &[&words[1..], &["--calibrate-limit", "16", "-o", "out.offshoot"]].concat());
    let inspected = ok(dir, &["inspect", "out.offshoot"]);
    assert!(inspected.contains(chosen["cut"].as_str().unwrap()), "{inspected}");
}

#[test]
fn budgets_choose_or_say_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("data"), &[Object::Mug, Object::Key], 6);
    let model = sprout();
    let model = model.to_str().unwrap();
    let base = ["--data", "data", "--shots", "2", "--most", "4"];
    let all = compare(dir, model, &base);
    let smallest = all["cuts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["ram"].as_u64().unwrap())
        .min()
        .unwrap();
    let budget = smallest.to_string();
    let within = compare(dir, model, &[&base[..], &["--budget-ram", &budget]].concat());
    let chosen = &within["cuts"][within["chosen"].as_u64().unwrap() as usize];
    assert_eq!(chosen["ram"], smallest);
    let args = ["cuts", model, "--draws", "1", "--budget-ms", "0.0001", "--budget-ram", "7"];
    let output = offshoot(dir, &[&args[..], &base].concat());
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["sprout.onnx: no cut is within the budget", "the fastest, `", "the smallest, `"] {
        assert!(text.contains(part), "{text}");
    }
    // What was measured is shown all the same.
    assert!(String::from_utf8_lossy(&output.stdout).contains("(convert's own)"));
    // `convert` chooses by the same.
    let args = ["convert", model, "--calibrate", "data", "--eval", "data", "-o", "x.offshoot"];
    let text = ok(dir, &[&args[..], &["--budget-ram", &budget]].concat());
    assert!(text.contains("within the budget: ") && dir.join("x.offshoot").exists(), "{text}");
    let output = offshoot(dir, &[&args[..7], &["y.offshoot", "--budget-ram", "7"]].concat());
    assert!(output.status.code() == Some(1) && !dir.join("y.offshoot").exists());
    crate::common::refused(
        dir,
        &["convert", model, "--calibrate", "data", "--budget-ms", "5"],
        &["--eval"],
    );
    crate::common::refused(
        dir,
        &[&["cuts", model, "--shots", "9"], &base[..2]].concat(),
        &["class `", "lower --shots"],
    );
    crate::common::refused(
        dir,
        &[&["cuts", model, "--budget-ms", "0"], &base[..2]].concat(),
        &["--budget-ms"],
    );
    let form = ["cuts", model, "--data", "no-such", "-o", "cuts.pdf"];
    crate::common::refused(dir, &form, &["cuts.pdf: -o must end in .svg or .png"]);
}

/// A network with real weights on photographs: what is deep is worth its time.
#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn real_weights_on_photographs() {
    let shared = crate::common::shared();
    let dir = tempfile::tempdir().unwrap();
    let model = shared.join("models/real/mobilenet_v1_0.25_128.onnx");
    let data = shared.join("data/hymenoptera");
    let more = [
        "--data",
        data.to_str().unwrap(),
        "--per-class",
        "30",
        "--most",
        "4",
        "--calibrate-limit",
        "8",
    ];
    let all = compare(dir.path(), model.to_str().unwrap(), &more);
    let rows = all["cuts"].as_array().unwrap();
    assert_eq!(rows.last().unwrap()["automatic"], true);
    assert!(number(&rows[3], "accuracy") > number(&rows[0], "accuracy") + 0.1, "{all}");
    // Known by its digest, so that the command says so too.
    assert!(all["command"].as_str().unwrap().contains("--preset tf"), "{all}");
}
