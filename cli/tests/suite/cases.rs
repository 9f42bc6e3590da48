//! Small graphs from situations that people report: what becomes of each. Wants `../shared/cases`,
//! whose README says what each shows.
//!
//! `cases/graphs.txt` has a line for every file: its path, then `cut TENSOR` if it converts or
//! `refused`, then parts of the report or of the message, all with ` | ` between. A file without a
//! line is a fault.

use std::collections::BTreeMap;
use std::path::Path;

use offshoot::Image;
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
    let mut wrong = Vec::new();
    for file in graphs(&folder) {
        let Some(parts) = expected.remove(&file) else {
            wrong.push(format!("{file} is not in the table"));
            continue;
        };
        wrong.extend(
            fault(&folder.join(&file), &parts, &images).map(|what| format!("{file}: {what}")),
        );
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

/// Returns the difference to the table; `None` if there is none.
fn fault(path: &Path, parts: &[&str], images: &[Image]) -> Option<String> {
    let [float, int8] = [true, false].map(|float| converted(path, float, images));
    let wanted = parts[0].strip_prefix("cut ");
    match (float, int8, wanted) {
        (Ok(float), Ok(int8), Some(cut)) => {
            let float = float.report;
            let int8 = int8.report;
            let text = int8.to_string();
            let right = int8.cut == cut && float.difference <= 1e-4 && int8.cosine_mean >= 0.98;
            let whole = parts[1..].iter().all(|part| text.contains(part));
            let said =
                || format!("wanted {parts:?}, in float {:.1e} off:\n{text}", float.difference);
            (!(right && whole)).then(said)
        }
        (Err(error), Err(_), None) => {
            let whole = parts[1..].iter().all(|part| error.contains(part));
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

/// Exactly as large as the graphs' inputs.
fn images() -> Vec<Image> {
    let look = |seed| Camera::new(64, 64).look(Some(Object::Mug), seed);
    (0..4).map(look).map(|p| Image::from_rgb(p.width, p.height, p.rgb).unwrap()).collect()
}
