//! Numbers: weights and embeddings that are none, operators by arithmetic of their own, and what a
//! package is worth beside its model. Operators by ONNX's own tests: `oracle.rs`.

use crate::common::graph;
use crate::common::small;

use std::path::Path;

use graph::Graph;
use offshoot::{Extractor, Image};
use offshoot_convert::import::Source;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{Options, convert};
use offshoot_convert::preprocess::preset::{PreprocessOverrides, Preset};
use offshoot_convert::report::verdict::Grade;
use offshoot_simulator::Object;
use prost::Message;
use small::{alike, converted, error, float, plain, preset};
use tract_onnx::pb::ModelProto;

fn with_weight(at: usize, value: f32) -> ModelProto {
    let mut model = plain();
    let weights = &mut model.graph.as_mut().unwrap().initializer[0].raw_data;
    weights[4 * at..4 * at + 4].copy_from_slice(&value.to_le_bytes());
    model
}

#[test]
fn weights_that_are_no_numbers() {
    for (value, said) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let error = error(&with_weight(5, value));
        let words = "graph.onnx: node `conv` (Conv): 1 of the 216 values of `w` is no finite number, the first is ";
        assert!(error.starts_with(&format!("{words}{said}; export")), "{error}");
    }
    // What the cut leaves out is not looked at.
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 3, 3]).floats("nan", &[f32::NAN]);
    graph.node("Conv", "conv", &["x", "w"], &[]).node("Mul", "spoiled", &["conv", "nan"], &[]);
    let cuts = vec!["conv".to_string()];
    converted(&graph.model(13), Options { cuts, ..float(preset(Preset::Tf)) }).unwrap();
}

/// Finite weights of a network whose values are not.
#[test]
fn embeddings_that_are_no_numbers_or_nothing() {
    for quantized in [false, true] {
        let options =
            || Options { float: !quantized, overrides: preset(Preset::Tf), ..Options::default() };
        let fails = |model: &ModelProto| converted(model, options()).unwrap_err().to_string();
        let huge = fails(&with_weight(5, 1e38));
        assert!(
            huge.contains("layer `conv` gives no finite number") && huge.contains("(4 of 4)"),
            "{huge}"
        );
        let mut small = plain();
        let weights = &mut small.graph.as_mut().unwrap().initializer[0].raw_data;
        *weights = weights
            .as_chunks()
            .0
            .iter()
            .flat_map(|b| (1e-38 * f32::from_le_bytes(*b)).to_le_bytes())
            .collect();
        let small = fails(&small);
        assert!(small.contains("layer `conv` gives nothing but zeros"), "{small}");
    }
    // A root of what may be below zero.
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 3, 3]).node("Conv", "conv", &["x", "w"], &[]).node(
        "Sqrt",
        "root",
        &["conv"],
        &[],
    );
    graph.node("GlobalAveragePool", "pool", &["root"], &[]);
    let root = error(&graph.model(13));
    assert!(root.contains("layer `root` gives no finite number"), "{root}");
}

/// By arithmetic of its own, since tract forgets a factor; nine values through both.
#[test]
fn celu_is_scaled() {
    let mut graph = Graph::new(&[1, 1, 3, 3]);
    graph.node("Celu", "celu", &["x"], &[]);
    let alpha = tract_onnx::pb::AttributeProto {
        name: "alpha".to_string(),
        r#type: tract_onnx::pb::attribute_proto::AttributeType::Float.into(),
        f: 2.0,
        ..Default::default()
    };
    graph.0.node[0].attribute.push(alpha);
    let bytes: Vec<u8> = (0..9).map(|i| 28 * i).collect();
    let image = Image::from_rgb(3, 3, bytes.iter().flat_map(|&b| [b; 3]).collect()).unwrap();
    let mean = Some([128.0; 3]);
    let std = Some([32.0; 3]);
    let overrides =
        PreprocessOverrides { mean, std, squash: true, ..PreprocessOverrides::default() };
    let source = Source::parse(Path::new("celu.onnx"), &graph.model(12).encode_to_vec()).unwrap();
    let pool = offshoot_convert::ir::pooling::Pool::None;
    let options = Options { pool, ..float(overrides) };
    let made =
        convert(&source, Samples::Images(std::slice::from_ref(&image)), &options, &mut ()).unwrap();
    let got: Vec<f32> =
        Extractor::from_bytes(made.bytes).unwrap().embed(&image.frame()).unwrap().iter().collect();
    let celu = |x: f64| x.max(0.0) + (2.0 * ((x / 2.0).exp() - 1.0)).min(0.0);
    let want: Vec<f32> =
        bytes.iter().map(|&b| celu((f64::from(b) - 128.0) / 32.0) as f32).collect();
    alike(&got, &want);
}

/// Padding counts, what the last windows reach beyond it does not.
#[test]
fn a_mean_over_stated_padding_and_beyond() {
    for pads in [[1, 1, 1, 1], [0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]] {
        let mut graph = Graph::new(&[1, 1, 4, 6]);
        graph
            .node(
                "AveragePool",
                "mean",
                &["x"],
                &[("kernel_shape", &[3, 3]), ("strides", &[2, 2]), ("pads", &pads)],
            )
            .number("ceil_mode", 1)
            .number("count_include_pad", 1);
        let bytes: Vec<u8> = (0..24).map(|i| (i * 53 % 200 + 20) as u8).collect();
        let image = Image::from_rgb(6, 4, bytes.iter().flat_map(|&b| [b; 3]).collect()).unwrap();
        let source =
            Source::parse(Path::new("mean.onnx"), &graph.model(19).encode_to_vec()).unwrap();
        let pool = offshoot_convert::ir::pooling::Pool::None;
        let options =
            Options { pool, ..float(PreprocessOverrides { squash: true, ..preset(Preset::Raw) }) };
        let made =
            convert(&source, Samples::Images(std::slice::from_ref(&image)), &options, &mut ())
                .unwrap();
        let got: Vec<f32> = Extractor::from_bytes(made.bytes)
            .unwrap()
            .embed(&image.frame())
            .unwrap()
            .iter()
            .collect();
        alike(&got, &means(&bytes, pads));
    }
}

/// ONNX's definition: a window counts what of it lies on the map and its padding.
fn means(bytes: &[u8], [above, left, below, right]: [i64; 4]) -> Vec<f32> {
    let out = |n: i64, before: i64, after: i64| {
        let ceiled = (n + before + after - 3 + 1).div_euclid(2) + 1;
        // No window begins behind the map and the padding before it.
        if (ceiled - 1) * 2 >= n + before { ceiled - 1 } else { ceiled }
    };
    let mut means = Vec::new();
    for (y, x) in
        (0..out(4, above, below)).flat_map(|y| (0..out(6, left, right)).map(move |x| (y, x)))
    {
        let mut sum = 0.0;
        let mut count = 0.0;
        for (r, c) in
            (0..3).flat_map(|r| (0..3).map(move |c| (2 * y - above + r, 2 * x - left + c)))
        {
            if r < 4 + below && c < 6 + right {
                count += 1.0;
                if (0..4).contains(&r) && (0..6).contains(&c) {
                    sum += f32::from(bytes[(6 * r + c) as usize]);
                }
            }
        }
        means.push(sum / count);
    }
    means
}

/// Global response normalization (ConvNeXt V2), channels last, as timm's models are exported.
#[test]
fn global_response_normalization() {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 2, 2]).weights("g", &[8]).weights("b", &[8]).floats("eps", &[1e-6]);
    graph.weights("v", &[8, 5]);
    graph
        .node("Conv", "conv", &["x", "w"], &[("strides", &[2, 2])])
        .node("Transpose", "pixels", &["conv"], &[("perm", &[0, 2, 3, 1])])
        .node("ReduceL2", "norms", &["pixels"], &[("axes", &[1, 2])])
        .number("keepdims", 1)
        .node("ReduceMean", "mean", &["norms"], &[("axes", &[-1])])
        .number("keepdims", 1)
        .node("Add", "above", &["mean", "eps"], &[])
        .node("Div", "shares", &["norms", "above"], &[])
        .node("Mul", "response", &["pixels", "shares"], &[])
        .node("Mul", "weighted", &["response", "g"], &[])
        .node("Add", "shifted", &["weighted", "b"], &[])
        .node("Add", "sum", &["pixels", "shifted"], &[])
        .node("MatMul", "last", &["sum", "v"], &[]);
    let model = graph.model(13);
    let made = converted(&model, float(preset(Preset::Tf))).unwrap().report;
    assert!(made.difference < 1e-5, "{made}");
    let int8 = converted(&model, Options { overrides: preset(Preset::Tf), ..Options::default() })
        .unwrap()
        .report;
    assert!(int8.cosine_min > 0.98, "{int8}");
}

#[test]
fn a_verdict_sees_single_images() {
    let mut report =
        converted(&plain(), Options { overrides: preset(Preset::Tf), ..Options::default() })
            .unwrap()
            .report;
    let mut judged = |noise: f64, mean: f64, worst: f64| {
        (report.noise, report.cosine_mean, report.cosine_min) = (noise, mean, worst);
        (report.grade(), report.verdict())
    };
    assert_eq!(judged(0.001, 0.999, 0.997).0, Grade::Good);
    // What images that are loud hide in the sum.
    let (grade, words) = judged(0.005, 0.985, 0.92);
    assert!(
        grade == Grade::Usable && words.contains("0.985 in the mean, 0.920 in the worst"),
        "{words}"
    );
    assert_eq!(judged(0.005, 0.98, 0.5).0, Grade::Poor);
    assert_eq!(judged(0.03, 0.98, 0.95).0, Grade::Usable);
    assert_eq!(judged(0.03, 0.69, 0.06).0, Grade::Unusable);
    assert!(judged(0.03, 0.69, 0.06).1.starts_with("Not usable"));
    report.constant = true;
    (report.noise, report.cosine_mean, report.cosine_min) = (0.0, 1.0, 1.0);
    assert!(report.grade() == Grade::Poor && report.verdict().contains("same embedding"));
}

/// Rounding takes all that such a network knows: nothing is written, and a script sees it.
#[test]
fn what_is_not_usable_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 3, 3]).floats("up", &[1000.0; 8]).floats("down", &[-1000.0]);
    graph
        .node("Conv", "conv", &["x", "w", "up"], &[])
        .node("Relu", "large", &["conv"], &[])
        .node("Add", "small", &["large", "down"], &[])
        .node("Relu", "relu", &["small"], &[])
        .node("GlobalAveragePool", "pooled", &["relu"], &[]);
    std::fs::write(dir.path().join("net.onnx"), graph.model(13).encode_to_vec()).unwrap();
    crate::common::images(&dir.path().join("data"), &[Object::Mug, Object::Plant], 4);
    let args =
        ["convert", "net.onnx", "--calibrate", "data", "--preset", "tf", "-o", "net.offshoot"];
    let output = crate::common::offshoot(dir.path(), &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("net.onnx") && said.contains("--precision f32"), "{said}");
    assert!(!dir.path().join("net.offshoot").exists());
    crate::common::ok(dir.path(), &[&args[..], &["--precision", "f32"]].concat());
}
