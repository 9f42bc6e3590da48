//! Operators against what ONNX says they are. tract reads a model for the converter and runs the
//! reference that `convert` compares with, so what tract misreads no comparison with tract can
//! show. ONNX's own node tests come with the values that are right: every one of them that is
//! accepted must give these, in float, and near them in int8.
//!
//! Needs a Python that has `onnx` (`OFFSHOOT_PYTHON`, else `python3`); says so where there is none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use offshoot::{Extractor, Image};
use offshoot_convert::import::Source;
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{Options, convert};
use offshoot_convert::preprocess::preset::{PreprocessOverrides, Preset};

/// Tolerance relative to the right values, as ONNX has it for tests, some with values of four
/// digits.
const FLOAT: f64 = 1e-3;
/// Codes have 255 steps from the least to the greatest value, and some networks here several
/// layers.
const INT8: f64 = 0.06;

/// A node test, and what ONNX says that it gives.
struct Case {
    name: String,
    model: Vec<u8>,
    rows: u32,
    columns: u32,
    right: Vec<f32>,
}

/// Outcome of a comparison.
enum Outcome {
    /// The result is that of ONNX; its deviation.
    Agrees(f64),
    /// The converter does not take it, and says why.
    Refused(String),
    /// Something else, taken without a word.
    Wrong(f64),
}

/// Part of the names of tests whose masked weights are a thousand times the others: int8 weights
/// beside them are 0.
const OUTLIERS: &str = "poison";

fn cases() -> Option<Vec<Case>> {
    let python = std::env::var("OFFSHOOT_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let has = Command::new(&python).args(["-c", "import onnx.backend.test.case.node"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no onnx; set OFFSHOOT_PYTHON to one that has");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/nodes.py");
    let output = Command::new(&python).arg(script).arg(dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut cases = Vec::new();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "onnx") {
            continue;
        }
        let said: serde_json::Value =
            serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
        let right =
            said["right"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
        let side = |name: &str| said[name].as_u64().unwrap() as u32;
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let rows = side("rows");
        let columns = side("columns");
        cases.push(Case { name, model: fs::read(&path).unwrap(), rows, columns, right });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Some(cases)
}

impl Case {
    /// The package's embedding in the order of ONNX's output.
    fn run(&self, float: bool) -> Result<Vec<f32>, String> {
        let source =
            Source::parse(Path::new(&self.name), &self.model).map_err(|e| e.to_string())?;
        let black = vec![0; (3 * self.rows * self.columns) as usize];
        let image = Image::from_rgb(self.columns, self.rows, black).unwrap();
        let overrides = PreprocessOverrides {
            preset: Some(Preset::Raw),
            squash: true,
            ..PreprocessOverrides::default()
        };
        let cuts = vec![source.outputs().next().unwrap().to_string()];
        let options = Options {
            cuts: cuts.clone(),
            pool: Pool::None,
            float,
            overrides,
            ..Options::default()
        };
        let made =
            convert(&source, Samples::Images(std::slice::from_ref(&image)), &options, &mut ());
        let bytes = made.map_err(|e| e.to_string())?.bytes;
        let embedding: Vec<f32> =
            Extractor::from_bytes(bytes).unwrap().embed(&image.frame()).unwrap().iter().collect();
        let imported = source.import(&[&cuts[0]], None, Pool::None).unwrap();
        Ok(imported.outputs[0].places.iter().map(|&place| embedding[place]).collect())
    }

    fn outcome(&self, float: bool) -> Outcome {
        let got = match self.run(float) {
            Ok(got) => got,
            Err(reason) => return Outcome::Refused(reason),
        };
        let square =
            |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let off = square(&mut got.iter().zip(&self.right).map(|(g, r)| f64::from(g - r)));
        let size = square(&mut self.right.iter().map(|&r| r.into()));
        let error =
            if got.len() == self.right.len() { off / size.max(1e-6) } else { f64::INFINITY };
        // Not a number is no agreement.
        if error <= if float { FLOAT } else { INT8 } {
            Outcome::Agrees(error)
        } else {
            Outcome::Wrong(error)
        }
    }
}

/// Operators that networks of images are made of: each has a test that converts, so that nothing
/// is hidden by a refusal.
const NEEDED: [&str; 59] = [
    "add",
    "averagepool",
    "batchnorm",
    "celu",
    "clip",
    "concat",
    "conv",
    "convtranspose",
    "depthtospace",
    "div",
    "dropout",
    "elu",
    "erf",
    "exp",
    "expand",
    "flatten",
    "gather",
    "gelu",
    "gemm",
    "globalaveragepool",
    "group_normalization",
    "hardsigmoid",
    "hardswish",
    "instancenorm",
    "layer_normalization",
    "leakyrelu",
    "log",
    "lrn",
    "matmul",
    "max",
    "maxpool",
    "mish",
    "mul",
    "neg",
    "pow",
    "prelu",
    "reduce",
    "reduce_l2",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "relu",
    "rms_normalization",
    "reshape",
    "resize",
    "selu",
    "shrink",
    "sigmoid",
    "sign",
    "slice",
    "softmax",
    "softplus",
    "softsign",
    "spacetodepth",
    "sqrt",
    "squeeze",
    "tanh",
    "thresholdedrelu",
    "transpose",
];

#[test]
fn accepted_operators_are_what_onnx_says() {
    let Some(cases) = cases() else { return };
    assert!(cases.len() > 500, "{} tests", cases.len());
    for float in [true, false] {
        let mut agree = BTreeMap::new();
        let mut refused = BTreeMap::new();
        let mut wrong = Vec::new();
        for case in &cases {
            match case.outcome(float) {
                Outcome::Agrees(error) => drop(agree.insert(case.name.clone(), error)),
                Outcome::Refused(reason) => drop(refused.insert(case.name.clone(), reason)),
                Outcome::Wrong(_) if !float && case.name.contains(OUTLIERS) => {}
                Outcome::Wrong(error) => wrong.push(format!("{}: {error:.1e}", case.name)),
            }
        }
        println!(
            "float {float}: {} agree, {} are refused, {} are wrong",
            agree.len(),
            refused.len(),
            wrong.len()
        );
        if std::env::var_os("OFFSHOOT_ALL").is_some() {
            agree.iter().for_each(|(name, error)| println!("  {name}: {error:.1e}"));
            refused
                .iter()
                .for_each(|(name, why)| println!("  {name}: {}", why.replace('\n', " / ")));
        }
        assert!(wrong.is_empty(), "accepted, and other than ONNX says:\n{}", wrong.join("\n"));
        for operator in NEEDED {
            let begins = |name: &&String| name.trim_start_matches("test_").starts_with(operator);
            assert!(agree.keys().any(|name| begins(&name)), "no test of {operator} converts");
        }
        // tract's inner words are no reason that a user could do anything about.
        let own = ["unify", "TDim", "OutletId", "Translating node", "ToTypedTranslator"];
        let foreign: Vec<_> =
            refused.iter().filter(|(_, why)| own.iter().any(|word| why.contains(word))).collect();
        assert!(foreign.is_empty(), "{foreign:#?}");
    }
}
