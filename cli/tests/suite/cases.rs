//! Small graphs from situations that people report: what becomes of each. Wants `../shared/cases`,
//! whose README says what each shows.
//!
//! `cases/graphs.txt` has a line for every file: its path, then `cut TENSOR` if it converts or
//! `refused`, then parts of the report or of the message, all with ` | ` between. A file without a
//! line is a fault. What converts gives in float what onnxruntime gives at the cut, within 1e-4 or
//! the number after `within`: models of few bits are compared with their floats; `in float` is for
//! networks that are compared in float alone, `apart` for inputs that are not the pictures.
//!
//! Wants a Python with `onnxruntime` (`OFFSHOOT_PYTHON`, else `python3`) for that; says so where there
//! is none.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use offshoot::{Extractor, Image};
use offshoot_convert::import::Source;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{Converted, Options, convert};
use offshoot_convert::preprocess::preset::{PreprocessOverrides, Preset};
use offshoot_simulator::{Camera, Object};

/// Words that no user ever wrote: tract's operations, its parts of a node, its manner of error.
const INNER: [&str; 8] = [
    "Impossible to unify",
    "MultiBroadcastTo",
    "EinSum",
    "TypedBinOp",
    ".test",
    " GT ",
    " Ln ",
    "Translating",
];

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn every_graph_does_what_the_table_says() {
    let shared = crate::common::shared();
    let folder = shared.join("cases");
    let mut expected: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for line in include_str!("../cases/graphs.txt").lines() {
        let mut parts = line.split('|').map(str::trim);
        let file = parts.next().unwrap().to_string();
        assert!(expected.insert(file, parts.collect()).is_none(), "twice in the table: {line}");
    }
    let images = images();
    let python = crate::common::python();
    let mut wrong = Vec::new();
    for file in graphs(&folder) {
        let Some(parts) = expected.remove(&file) else {
            wrong.push(format!("{file} is not in the table"));
            continue;
        };
        let path = folder.join(&file);
        let fault =
            fault(&path, &parts, &images).or_else(|| beside(&path, &parts, &images, &python));
        wrong.extend(fault.map(|what| format!("{file}: {what}")));
    }
    wrong.extend(expected.keys().map(|file| format!("{file} is in the table alone")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Every .onnx of the cases, as the table has it.
fn graphs(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for part in ["graphs", "timm"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".onnx") {
                files.push(format!("{part}/{name}"));
            }
        }
    }
    files.sort();
    files
}

/// Words of a table's line about how it is compared; the others are parts of a report.
fn is_about_comparing(part: &str) -> bool {
    ["in float", "apart"].contains(&part) || part.starts_with("within ")
}

/// Returns the difference to the table; `None` if there is none.
fn fault(path: &Path, parts: &[&str], images: &[Image]) -> Option<String> {
    let float = converted(path, true, images);
    let int8 = match parts.contains(&"in float") {
        true => converted(path, true, images),
        false => converted(path, false, images),
    };
    let words: Vec<&str> = parts[1..].iter().copied().filter(|p| !is_about_comparing(p)).collect();
    let wanted = parts[0].strip_prefix("cut ");
    match (float, int8, wanted) {
        (Ok(float), Ok(int8), Some(cut)) => {
            let float = float.report;
            let int8 = int8.report;
            let text = int8.to_string();
            let right = int8.cut == cut && float.difference <= 1e-4 && int8.cosine_mean >= 0.98;
            let whole = words.iter().all(|part| text.contains(part));
            let said =
                || format!("wanted {parts:?}, in float {:.1e} off:\n{text}", float.difference);
            (!(right && whole)).then(said)
        }
        (Err(error), Err(_), None) => {
            let whole = words.iter().all(|part| error.contains(part));
            let inner = INNER.iter().find(|name| error.contains(**name));
            (!whole || inner.is_some())
                .then(|| format!("wanted {parts:?} without {inner:?}: {error}"))
        }
        (float, int8, _) => {
            let said =
                |made: Result<Converted, String>| made.map_or_else(|e| e, |c| c.report.to_string());
            Some(format!("wanted {parts:?}: {}\n{}", said(float), said(int8)))
        }
    }
}

/// Returns the difference of the float package to onnxruntime; `None` if there is none.
fn beside(
    path: &Path,
    parts: &[&str],
    images: &[Image],
    python: &Option<String>,
) -> Option<String> {
    let cut = parts[0].strip_prefix("cut ").filter(|_| !parts.contains(&"apart"))?;
    let python = python.as_deref()?;
    let within = parts.iter().find_map(|part| part.strip_prefix("within "));
    let within = within.map_or(1e-4, |number| number.parse::<f64>().unwrap());
    let made = converted(path, true, images).unwrap();
    let unit = made.report.unit_length;
    let mut extractor = Extractor::from_bytes(made.bytes).unwrap();
    let taken = extractor.package().manifest().preprocess;
    let height = u32::from(taken.height);
    let width = u32::from(taken.width);
    let pictures = tempfile::NamedTempFile::new().unwrap();
    let shown: Vec<Image> = match [height, width] == [SIDE; 2] {
        true => images.to_vec(),
        false => (0..4).map(|seed| image(height, width, seed)).collect(),
    };
    let bytes: Vec<u8> = shown.iter().flat_map(|image| image.rgb().to_vec()).collect();
    std::fs::write(pictures.path(), bytes).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/cases.py");
    let arguments = [path.to_str().unwrap(), cut, &height.to_string(), &width.to_string()];
    let output = Command::new(python).arg(script).args(arguments).arg(pictures.path()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{cut}: {}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Vec<f64>> = serde_json::from_slice(&output.stdout).unwrap();
    for (image, mut right) in shown.iter().zip(rows) {
        let got: Vec<f32> = extractor.embed(&image.frame()).unwrap().iter().collect();
        if unit {
            let length = right.iter().map(|v| v * v).sum::<f64>().sqrt();
            right.iter_mut().for_each(|v| *v /= length);
        }
        let off = got.iter().zip(&right).map(|(g, r)| (f64::from(*g) - r).powi(2)).sum::<f64>();
        let size = right.iter().map(|r| r * r).sum::<f64>();
        let error = (off / size).sqrt();
        if got.len() != right.len() || error.is_nan() || error > within {
            return Some(format!("{error:.1e} off onnxruntime, {} of {}", got.len(), right.len()));
        }
    }
    None
}

fn converted(path: &Path, float: bool, images: &[Image]) -> Result<Converted, String> {
    let source = Source::open(path).map_err(|e| e.to_string())?;
    let overrides = PreprocessOverrides {
        preset: Some(Preset::Unit),
        squash: true,
        ..PreprocessOverrides::default()
    };
    let options = Options { overrides, float, ..Options::default() };
    convert(&source, Samples::Images(images), &options, &mut ()).map_err(|e| e.to_string())
}

/// Side of most graphs' inputs.
const SIDE: u32 = 64;

fn images() -> Vec<Image> {
    (0..4).map(|seed| image(SIDE, SIDE, seed)).collect()
}

fn image(height: u32, width: u32, seed: u64) -> Image {
    let picture = Camera::new(width, height).look(Some(Object::Mug), seed);
    Image::from_rgb(picture.width, picture.height, picture.rgb).unwrap()
}
