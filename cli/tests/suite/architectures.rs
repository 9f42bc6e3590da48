//! Real exporter graphs of the architectures people bring, weights refilled where they came
//! without; and the table in `models/README.md`.
//!
//! A few small ones by default; all of them with `OFFSHOOT_ALL=1`, or those named in it with commas
//! between; then their rows of the table are written anew. Wants `../shared`. In the order of the
//! mission's list.

use crate::common::refill;

use std::path::Path;

use offshoot::{Extractor, Image, Package, Precision};
use offshoot_convert::calibrate::ranges::Method;
use offshoot_convert::calibrate::tokenizer::Tokenizer;
use offshoot_convert::import::Source;
use offshoot_convert::ir::cut_points::{candidates, last_of_each_cost};
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{Converted, Options, convert};
use offshoot_convert::preprocess::preset::{PreprocessOverrides, Preset};
use offshoot_convert::quantize::{KeepFloat, Settings};
use offshoot_convert::report::Report;
use offshoot_tract::Network;
use serde_json::Value;

struct Case {
    name: &'static str,
    /// The cut, where it is not the classifier's input that the recipe names.
    cut: Option<&'static str>,
    precision: Precision,
    /// Least mean cosine of the int8 package; random weights leave less than trained ones do.
    cosine: f64,
    quick: bool,
}

const fn int8(name: &'static str) -> Case {
    Case { name, cut: None, precision: Precision::Int8, cosine: 0.98, quick: false }
}

impl Case {
    const fn quick(self) -> Self {
        Self { quick: true, ..self }
    }

    const fn dynamic(self) -> Self {
        Self { precision: Precision::Dynamic, ..self }
    }

    const fn at(self, cut: &'static str) -> Self {
        Self { cut: Some(cut), ..self }
    }

    const fn least(self, cosine: f64) -> Self {
        Self { cosine, ..self }
    }
}

const CASES: [Case; 42] = [
    int8("vgg16_op13").least(0.97),
    int8("vgg19_op17").least(0.93),
    int8("light_vgg19").least(0.94),
    int8("resnet18_op13").quick(),
    int8("resnet18_op17_dynbatch"),
    int8("resnet18_dynamo"),
    int8("resnet50_op13"),
    int8("resnet50_op17_bn"),
    int8("light_resnet50"),
    int8("resnet101_op17"),
    int8("resnet152_op13"),
    int8("light_inception_v1"),
    int8("googlenet_op17"),
    int8("light_inception_v2"),
    int8("inception_v3_op13"),
    int8("mobilenet_v1_0.25_128").at("/MobilenetV1/Logits/GlobalAveragePool_output_0").quick(),
    int8("mobilenet_v2_1.0_224").at("/MobilenetV2/Logits/Conv2d_1c_1x1/Flatten_output_0"),
    int8("mobilenet_v2_op13"),
    int8("mobilenet_v2_op17_bn_dynbatch").quick(),
    int8("mobilenet_v2_dynamo"),
    int8("mobilenet_v3_small_op13").quick(),
    int8("mobilenet_v3_large_op17"),
    int8("ppocr_cls_mobilenet_v3").at("reshape2_0.tmp_0").quick(),
    int8("efficientnet_b0_op13").quick(),
    int8("efficientnet_v2_s_op17"),
    int8("light_squeezenet").quick(),
    int8("squeezenet1_1_op13"),
    int8("light_shufflenet").quick(),
    int8("shufflenet_v2_x0_5_op17").quick(),
    int8("light_densenet121"),
    int8("densenet121_op13"),
    int8("mnasnet0_5_op17").quick(),
    int8("regnet_y_400mf_op13").quick(),
    int8("convnext_tiny_op17").dynamic(),
    int8("light_bvlc_alexnet"),
    int8("light_zfnet512"),
    int8("ssdlite320_mobilenet_v3_large_raw_op13").at(SSD_MAP),
    int8("ssdlite320_mobilenet_v3_large_full_op17")
        .at("/backbone/features.0/features.0.13/features.0.13.2/HardSwish_output_0")
        .quick(),
    int8("fasterrcnn_mobilenet_v3_large_320_fpn_backbone_op17")
        .at("/b/fpn/inner_blocks.1/inner_blocks.1.0/Conv_output_0"),
    int8("yolov8n_op13").at("/model.9/cv2/act/Mul_output_0"),
    int8("vit_b_16_op17").dynamic(),
    // Trained; the classifier is kept.
    int8("mobilenet_v1_0.5_160").at("/MobilenetV1/Logits/GlobalAveragePool_output_0"),
];

const SSD_MAP: &str = "/backbone/features.0/features.0.13/features.0.13.2/Mul_output_0";

/// Images calibrated and compared on.
const IMAGES: usize = 8;

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn every_architecture_converts() {
    let shared = crate::common::shared();
    let asked = std::env::var("OFFSHOOT_ALL").ok();
    let wanted = |name: &str, quick: bool| match asked.as_deref() {
        None => quick,
        Some("1") => true,
        Some(names) => names.split(',').any(|n| n == name),
    };
    let images = images(&shared);
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    for case in CASES.iter().filter(|case| wanted(case.name, case.quick)) {
        let (bytes, cut) = model(&shared, case);
        let [float, int8] =
            [true, false].map(|float| convert_bytes(case.name, &bytes, float, &images));
        let golden = golden(&shared, case, &float);
        let float = float.report;
        let int8 = int8.report;
        let row = row(case.name, &float, &int8, golden);
        println!("{row}");
        rows.push(row);
        let right = int8.cut == cut
            && int8.precision == case.precision
            && int8.cosine_mean >= case.cosine
            && float.precision == Precision::Float
            && float.difference <= 1e-4
            && golden.is_none_or(|error| error <= 1e-4);
        if !right {
            wrong.push(format!(
                "{} (cut wanted: {cut}), golden {golden:?}:\n{float}\n{int8}",
                case.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if asked.is_some() {
        let text = TEXT.iter().filter(|name| wanted(name, false));
        rows.extend(text.map(|name| text_row(&shared, name).0));
        write_table(&rows);
    }
}

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn language_backbones_convert() {
    let shared = crate::common::shared();
    for name in TEXT {
        let (row, right) = text_row(&shared, name);
        println!("{row}");
        assert!(right, "{row}");
    }
}

/// Language backbones: in float like onnxruntime, with a mean of all tokens and by the first one.
const TEXT: [&str; 4] =
    ["bert_tiny_op13", "bert_tiny_op17_dyn", "bert_tiny_dynamo", "gpt2_tiny_op17"];

/// Tokens of the golden texts.
const TOKENS: usize = 32;

fn text_row(shared: &Path, name: &str) -> (String, bool) {
    let (bytes, _) = refill::skeleton(shared, name);
    let source = Source::parse(Path::new(name), &bytes).unwrap();
    // Between the blocks all goes through one tensor, whatever the mask does beside it.
    let imported = source.import_text(&[], Some(TOKENS)).unwrap();
    let places = last_of_each_cost(&candidates(&imported.model, |layer| source.tensor_of(layer)));
    let names: Vec<&str> = places.iter().map(|place| &*place.name).collect();
    // Seven sums with a shortcut, or the layer norms behind them.
    assert_eq!(names.len(), 7, "{name}: {names:?}");
    // Words w0 to w995 behind what BERT's lists begin with.
    let list = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_string).into_iter();
    let list: Vec<String> = list.chain((0..996).map(|n| format!("w{n}"))).collect();
    let tokenizer = Tokenizer::parse(&list.join("\n"), Path::new("vocab.txt")).unwrap();
    // Of every length, and one that is cut off.
    let text = |n: u32| -> String {
        refill::ids(&format!("text{n}"), 2 + 5 * u64::from(n), 996)
            .iter()
            .map(|id| format!("w{id} "))
            .collect()
    };
    let texts: Vec<String> = (0..8).map(text).collect();
    let with =
        |options| convert(&source, Samples::Texts(&texts, &tokenizer), &options, &mut ()).unwrap();
    let usual = Options { tokens: Some(TOKENS), ..Options::default() };
    let converted = |pool, float| with(Options { pool, float, ..usual.clone() });
    let mean = converted(Pool::Avg, true);
    let first = converted(Pool::First, true);
    let last = converted(Pool::Last, true).report;
    let int8 = converted(Pool::Avg, false);
    // Scales are computed in the run: nothing depends on ranges, and all on which layers are in int8.
    let quantizer = Settings { ranges: Method::Minmax, ..Settings::default() };
    let other = with(Options { quantizer, ..usual.clone() });
    assert!(other.bytes == int8.bytes, "{name}: ranges count");
    let keep = KeepFloat::Worst(1);
    let quantizer = Settings { ranges: Method::Minmax, keep, ..Settings::default() };
    let mixed = with(Options { quantizer, ..usual.clone() }).report;
    let by_tract = mixed.precision == Precision::Mixed && mixed.cosine_min > 0.98;
    assert!(by_tract, "{name}: the worst layer in float");
    let int8 = int8.report;
    let recipe = refill::recipe(shared, name);
    let ids = refill::ids("input_ids", TOKENS as u64, 1000);
    let embed = |converted: &Converted| -> Vec<f32> {
        let mut extractor = Extractor::from_bytes(converted.bytes.clone()).unwrap();
        assert!(extractor.verify().unwrap().is_ok());
        extractor.embed_tokens(&ids).unwrap().iter().collect()
    };
    let golden = golden_error(
        &recipe["golden"]["outputs"]["last_hidden_state"],
        &embed(&first),
        &embed(&mean),
    );
    let float = mean.report;
    let right = int8.cut == "last_hidden_state"
        && int8.precision == Precision::Dynamic
        && int8.cosine_min >= 0.999
        && [&float, &first.report, &last]
            .iter()
            .all(|r| r.precision == Precision::Float && r.difference <= 1e-4)
        && golden <= 1e-4;
    (row(name, &float, &int8, Some(golden)), right)
}

/// Relative error of the first eight values, or of the mean of all, whichever is larger.
fn golden_error(golden: &Value, first: &[f32], all: &[f32]) -> f64 {
    let want: Vec<f64> =
        golden["first8"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let size = norm(&mut want.iter().copied());
    let error = norm(&mut first.iter().zip(&want).map(|(&got, want)| f64::from(got) - want)) / size;
    let mean = all.iter().map(|&v| f64::from(v)).sum::<f64>() / all.len() as f64;
    let typical = size / (want.len() as f64).sqrt();
    error.max((mean - golden["mean"].as_f64().unwrap()).abs() / typical)
}

/// Distance of the float package from onnxruntime, if its values at the cut are known.
fn golden(shared: &Path, case: &Case, float: &Converted) -> Option<f64> {
    if float.report.pool.is_some() {
        return None;
    }
    let real = shared.join(format!("models/real/{}.onnx", case.name)).exists();
    let (spec, golden) = if real {
        let all: Value =
            serde_json::from_slice(&std::fs::read(shared.join("models/real/golden.json")).unwrap())
                .unwrap();
        let blocks = all.get(case.name)?["blocks_input"].clone();
        let golden =
            serde_json::json!({"first8": blocks["feature_first8"], "mean": blocks["feature_mean"]});
        (blocks["spec"].clone(), golden)
    } else if case.cut.is_none() {
        let recipe = refill::recipe(shared, case.name);
        (recipe["inputs"][0].clone(), recipe["golden"]["feature"].clone())
    } else {
        return None;
    };
    let dims: Vec<usize> =
        spec["dims"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect();
    let &[1, c, h, w] = &dims[..] else { panic!("{dims:?}") };
    let grid = spec["grid"].as_u64().unwrap() as usize;
    let planes = refill::blocks(spec["name"].as_str().unwrap(), [c, h, w], grid);
    let pixels: Vec<f32> =
        (0..h * w).flat_map(|i| (0..c).map(move |c| c * h * w + i)).map(|i| planes[i]).collect();
    let package = Package::open(&float.bytes).unwrap();
    let mut network = Network::new(package.graph()).unwrap();
    network.run_floats(&pixels).unwrap();
    Some(golden_error(&golden, network.floats(), network.floats()))
}

const HEAD: &str = "\
| model | cut | values | M MACs | int8: precision | bytes | cosine, mean | worst | float: bytes | difference | to onnxruntime |
|---|---|---|---|---|---|---|---|---|---|---|
";

fn row(name: &str, float: &Report, int8: &Report, golden: Option<f64>) -> String {
    format!(
        "| {name} | `{}`{} | {} | {:.0} | {} | {} | {:.4} | {:.4} | {} | {:.0e} | {} |",
        int8.cut,
        if int8.pool.is_some() { ", pooled" } else { "" },
        int8.dim,
        int8.macs as f64 / 1e6,
        int8.precision.name(),
        int8.package,
        int8.cosine_mean,
        int8.cosine_min,
        float.package,
        float.difference,
        golden.map_or("-".to_string(), |error| format!("{error:.0e}")),
    )
}

/// The model's bytes and the cut that it must find.
fn model(shared: &Path, case: &Case) -> (Vec<u8>, String) {
    let real = shared.join(format!("models/real/{}.onnx", case.name));
    if real.exists() {
        return (std::fs::read(real).unwrap(), case.cut.unwrap().to_string());
    }
    let (bytes, cut) = refill::skeleton(shared, case.name);
    (bytes, case.cut.map_or(cut, str::to_string))
}

fn images(shared: &Path) -> Vec<Image> {
    let folder = shared.join("data/imagenet-sample");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "jpg"));
    files.sort();
    files
        .iter()
        .step_by(files.len() / IMAGES)
        .take(IMAGES)
        .map(|f| Image::open(f).unwrap())
        .collect()
}

fn convert_bytes(name: &str, bytes: &[u8], float: bool, images: &[Image]) -> Converted {
    let source = Source::parse(Path::new(name), bytes).unwrap();
    let tf = name.starts_with("mobilenet_v1")
        || name == "mobilenet_v2_1.0_224"
        || name.starts_with("ppocr");
    let preset = if tf { Preset::Tf } else { Preset::Imagenet };
    let overrides = PreprocessOverrides { preset: Some(preset), ..PreprocessOverrides::default() };
    // Its size is open; those of the others are their own.
    let size = name.starts_with("ppocr").then_some((192, 48));
    let options = Options { overrides, float, size, ..Options::default() };
    convert(&source, Samples::Images(images), &options, &mut ()).unwrap()
}

/// Puts rows in the place of those of the same models, in the order of the cases.
fn write_table(rows: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- table -->\n").unwrap();
    let (old, after) = rest.split_once("<!-- end of table -->").unwrap();
    let model = |row: &str| row.split('|').nth(1).unwrap_or_default().trim().to_string();
    let mut table = String::from(HEAD);
    for name in CASES.iter().map(|case| case.name).chain(TEXT) {
        let new = rows.iter().map(String::as_str).find(|row| model(row) == name);
        if let Some(row) = new.or_else(|| old.lines().find(|row| model(row) == name)) {
            table += row;
            table.push('\n');
        }
    }
    std::fs::write(&path, format!("{before}<!-- table -->\n{table}<!-- end of table -->{after}"))
        .unwrap();
}
