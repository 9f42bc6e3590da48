//! What a model does to its picture before its first layer, in what type and size it takes it, and models that
//! are not in order: each is taken as it is meant, or refused with the node and the next thing to do.

mod common;
#[path = "common/graph.rs"]
mod graph;

use std::fs;
use std::path::Path;

use common::{pictures, refused};
use graph::Graph;
use offshoot::{Extractor, Picture};
use offshoot_cli::convert::{ConvertError, Converted, Options, convert};
use offshoot_cli::import::Source;
use offshoot_cli::preset::{Preset, Wishes};
use offshoot_cli::report::verdict::Grade;
use offshoot_core::preprocess::{Channels, Preprocess};
use offshoot_simulator::{Camera, Object};
use prost::Message;
use tract_onnx::pb::{ModelProto, TensorProto, ValueInfoProto, type_proto};

fn looks(count: u64) -> Vec<Picture> {
    let look = |seed| {
        let p = Camera::new(64, 48).look(Some(Object::ALL[seed as usize % 3]), seed);
        Picture::from_rgb(p.width, p.height, p.rgb).unwrap()
    };
    (0..count).map(look).collect()
}

fn converted(model: &ModelProto, options: Options) -> Result<Converted, ConvertError> {
    let source = Source::parse(Path::new("graph.onnx"), &model.encode_to_vec())?;
    convert(&source, &looks(4), &options, &mut |_, _| {})
}

fn float(wishes: Wishes) -> Options {
    Options { float: true, wishes, ..Options::default() }
}

fn preset(preset: Preset) -> Wishes {
    Wishes { preset: Some(preset), ..Wishes::default() }
}

fn error(model: &ModelProto) -> String {
    converted(model, float(preset(Preset::Tf))).expect_err("the model is refused").to_string()
}

fn embedding(made: &Converted) -> Vec<f32> {
    let mut eyes = Extractor::from_bytes(made.bytes.clone()).unwrap();
    eyes.embed(&looks(5)[4].frame()).unwrap().iter().collect()
}

fn preprocess(made: &Converted) -> Preprocess {
    Extractor::from_bytes(made.bytes.clone()).unwrap().package().manifest().preprocess
}

fn alike(a: &[f32], b: &[f32]) {
    let length = b.iter().map(|v| v * v).sum::<f32>().sqrt();
    let off = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    assert!(a.len() == b.len() && off < 1e-4 * length, "{a:?}\n{b:?}");
}

/// A network behind `x`, by a convolution whose border must be that of normalized pictures.
fn rest(graph: &mut Graph, x: &str) -> ModelProto {
    graph
        .weights("w", &[8, 3, 3, 3])
        .node("Conv", "conv", &[x, "w"], &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])])
        .node("Relu", "relu", &["conv"], &[])
        .node("GlobalAveragePool", "pool", &["relu"], &[]);
    graph.model(13)
}

fn plain() -> ModelProto {
    rest(&mut Graph::new(&[1, 3, 12, 16]), "x")
}

fn of_type(model: &mut ModelProto, kind: i32) {
    let input = &mut model.graph.as_mut().unwrap().input[0];
    let Some(type_proto::Value::TensorType(tensor)) = &mut input.r#type.as_mut().unwrap().value else {
        panic!()
    };
    tensor.elem_type = kind;
}

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];

#[test]
fn bytes_that_the_model_normalizes_itself() {
    let mut graph = Graph::new(&[1, 12, 16, 3]);
    graph.floats("255", &[255.0]).floats("mean", &MEAN).floats("std", &STD);
    graph
        .node("Cast", "cast", &["x"], &[])
        .number("to", 1)
        .node("Div", "units", &["cast", "255"], &[])
        .node("Sub", "centred", &["units", "mean"], &[])
        .node("Div", "normal", &["centred", "std"], &[])
        .node("Transpose", "planes", &["normal"], &[("perm", &[0, 3, 1, 2])]);
    let mut model = rest(&mut graph, "planes");
    of_type(&mut model, 2);
    let own = converted(&model, float(Wishes::default())).unwrap();
    assert!(own.report.preprocess_why.starts_with("raw: the model takes bytes"), "{}", own.report);
    assert!(own.report.difference < 1e-5, "{}", own.report);
    let outside = converted(&plain(), float(preset(Preset::Imagenet))).unwrap();
    assert_eq!(own.report.nodes, outside.report.nodes, "nothing is left of it in the network");
    alike(&embedding(&own), &embedding(&outside));
    let int8 = converted(&model, Options::default()).unwrap().report;
    assert!(int8.cosine_min > 0.99 && int8.nodes == 2, "a convolution and the mean: {int8}");
    // Another wish is followed, and doubted.
    let asked = converted(&model, float(preset(Preset::Imagenet))).unwrap().report;
    let warning = asked.preprocess_warning.unwrap();
    assert!(warning.contains("takes bytes") && warning.contains("--preset raw"), "{warning}");
}

/// Without a word of its type, by what it does first.
#[test]
fn the_first_operations_say_what_a_model_takes() {
    let cases: [(&[f32], &[f32], &str); 4] = [
        (&[1.0 / 255.0], &[0.0], "raw: the model normalizes bytes"),
        (&[1.0 / 127.5], &[-1.0], "raw: the model normalizes bytes"),
        (&[1.0; 3], &[-123.7, -116.8, -103.9], "raw: the model normalizes bytes"),
        (&[4.0, 4.5, 4.4], &[-2.0, -2.1, -1.9], "unit: the model normalizes values of 0 to 1"),
    ];
    for (factors, offsets, why) in cases {
        let mut graph = Graph::new(&[1, 3, 12, 16]);
        graph.floats("f", factors).floats("o", offsets);
        for name in ["f", "o"] {
            let tensor = graph.0.initializer.iter_mut().find(|t| t.name == name).unwrap();
            tensor.dims = vec![tensor.dims[0], 1, 1];
        }
        graph.node("Mul", "scaled", &["x", "f"], &[]).node("Add", "shifted", &["scaled", "o"], &[]);
        let made = converted(&rest(&mut graph, "shifted"), float(Wishes::default())).unwrap();
        assert!(made.report.preprocess_why.starts_with(why), "{}", made.report);
        assert!(made.report.difference < 1e-5, "{}", made.report);
        assert_eq!(made.report.nodes, converted(&plain(), float(preset(Preset::Raw))).unwrap().report.nodes);
    }
}

#[test]
fn channels_in_another_order() {
    let turns: [fn(&mut Graph); 4] = [
        |g| {
            g.whole("order", &[2, 1, 0]).node("Gather", "turned", &["x", "order"], &[]).number("axis", 1);
        },
        |g| {
            g.whole("from", &[-1]).whole("to", &[i64::MIN + 1]).whole("axis", &[1]).whole("step", &[-1]);
            g.node("Slice", "turned", &["x", "from", "to", "axis", "step"], &[]);
        },
        |g| {
            g.whole("ones", &[1, 1, 1]).node("Split", "r", &["x", "ones"], &[]).number("axis", 1);
            g.0.node.last_mut().unwrap().output.extend(["g".to_string(), "b".to_string()]);
            g.node("Concat", "turned", &["b", "g", "r"], &[]).number("axis", 1);
        },
        |g| {
            for (name, from) in [("r", 0), ("g", 1), ("b", 2)] {
                g.whole(&format!("{name}0"), &[from]).whole(&format!("{name}1"), &[from + 1]);
                g.whole(&format!("{name}a"), &[1]);
                g.node(
                    "Slice",
                    name,
                    &["x", &format!("{name}0"), &format!("{name}1"), &format!("{name}a")],
                    &[],
                );
            }
            g.node("Concat", "turned", &["b", "g", "r"], &[]).number("axis", 1);
        },
    ];
    let outside = converted(&plain(), float(Wishes { bgr: true, ..preset(Preset::Imagenet) })).unwrap();
    for turn in turns {
        let mut graph = Graph::new(&[1, 3, 12, 16]);
        turn(&mut graph);
        let model = rest(&mut graph, "turned");
        let own = converted(&model, float(preset(Preset::Imagenet))).unwrap();
        assert!(own.report.difference < 1e-5 && own.report.nodes == outside.report.nodes, "{}", own.report);
        assert_eq!(preprocess(&own).channels, Channels::Bgr);
        alike(&embedding(&own), &embedding(&outside));
        let int8 = converted(&model, Options { wishes: preset(Preset::Imagenet), ..Options::default() });
        assert!(int8.unwrap().report.cosine_min > 0.99);
    }
}

/// What is picked in the middle of a network goes into the layer before or behind it.
#[test]
fn channels_are_picked_in_any_order() {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 3, 3]).weights("v", &[4, 5, 3, 3]).whole("some", &[7, 0, 3, 3, 5]);
    graph
        .node("Conv", "conv", &["x", "w"], &[])
        .node("Relu", "relu", &["conv"], &[])
        .node("Gather", "picked", &["relu", "some"], &[])
        .number("axis", 1)
        .node("Conv", "last", &["picked", "v"], &[("pads", &[1, 1, 1, 1])]);
    let model = graph.model(13);
    let made = converted(&model, float(preset(Preset::Tf))).unwrap().report;
    assert!(
        made.difference < 1e-5 && made.nodes == 4,
        "two convolutions, one with a limit, and the mean: {made}"
    );
    let int8 =
        converted(&model, Options { wishes: preset(Preset::Tf), ..Options::default() }).unwrap().report;
    assert!(int8.cosine_min > 0.99 && int8.nodes == 3, "{int8}");
}

#[test]
fn a_model_that_resizes_its_picture() {
    let mut graph = Graph::new(&[1, 3, 24, 20]);
    graph.whole("size", &[1, 3, 12, 16]);
    graph.node("Resize", "resized", &["x", "", "", "size"], &[]);
    let mode = tract_onnx::pb::AttributeProto {
        name: "mode".to_string(),
        r#type: tract_onnx::pb::attribute_proto::AttributeType::String.into(),
        s: b"linear".to_vec(),
        ..Default::default()
    };
    graph.0.node.last_mut().unwrap().attribute.push(mode);
    let own = converted(&rest(&mut graph, "resized"), float(preset(Preset::Tf))).unwrap();
    assert!(
        own.report.preprocess_why.ends_with("the model's own resizing to 12x16 is left to the preprocessing")
    );
    alike(&embedding(&own), &embedding(&converted(&plain(), float(preset(Preset::Tf))).unwrap()));
}

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
        let words =
            "graph.onnx: node `conv` (Conv): 1 of the 216 values of `w` is no finite number, the first is ";
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
        let options = || Options { float: !quantized, wishes: preset(Preset::Tf), ..Options::default() };
        let fails = |model: &ModelProto| converted(model, options()).unwrap_err().to_string();
        let huge = fails(&with_weight(5, 1e38));
        assert!(huge.contains("layer `conv` gives no finite number") && huge.contains("(4 of 4)"), "{huge}");
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
    let picture = Picture::from_rgb(3, 3, bytes.iter().flat_map(|&b| [b; 3]).collect()).unwrap();
    let (mean, std) = (Some([128.0; 3]), Some([32.0; 3]));
    let wishes = Wishes { mean, std, squash: true, ..Wishes::default() };
    let source = Source::parse(Path::new("celu.onnx"), &graph.model(12).encode_to_vec()).unwrap();
    let pool = offshoot_cli::embedding::Pool::None;
    let options = Options { pool, ..float(wishes) };
    let made = convert(&source, std::slice::from_ref(&picture), &options, &mut |_, _| {}).unwrap();
    let got: Vec<f32> =
        Extractor::from_bytes(made.bytes).unwrap().embed(&picture.frame()).unwrap().iter().collect();
    let celu = |x: f64| x.max(0.0) + (2.0 * ((x / 2.0).exp() - 1.0)).min(0.0);
    let want: Vec<f32> = bytes.iter().map(|&b| celu((f64::from(b) - 128.0) / 32.0) as f32).collect();
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
        let picture = Picture::from_rgb(6, 4, bytes.iter().flat_map(|&b| [b; 3]).collect()).unwrap();
        let source = Source::parse(Path::new("mean.onnx"), &graph.model(19).encode_to_vec()).unwrap();
        let pool = offshoot_cli::embedding::Pool::None;
        let options = Options { pool, ..float(Wishes { squash: true, ..preset(Preset::Raw) }) };
        let made = convert(&source, std::slice::from_ref(&picture), &options, &mut |_, _| {}).unwrap();
        let got: Vec<f32> =
            Extractor::from_bytes(made.bytes).unwrap().embed(&picture.frame()).unwrap().iter().collect();
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
    for (y, x) in (0..out(4, above, below)).flat_map(|y| (0..out(6, left, right)).map(move |x| (y, x))) {
        let (mut sum, mut count) = (0.0, 0.0);
        for (r, c) in (0..3).flat_map(|r| (0..3).map(move |c| (2 * y - above + r, 2 * x - left + c))) {
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
    let int8 =
        converted(&model, Options { wishes: preset(Preset::Tf), ..Options::default() }).unwrap().report;
    assert!(int8.cosine_min > 0.98, "{int8}");
}

#[test]
fn the_classifier_is_asked_wherever_the_cut_is() {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 3, 3]).weights("d", &[8, 7]);
    graph
        .node("Conv", "conv", &["x", "w"], &[])
        .node("Relu", "relu", &["conv"], &[])
        .node("GlobalAveragePool", "pool", &["relu"], &[])
        .node("Flatten", "flat", &["pool"], &[])
        .node("Gemm", "logits", &["flat", "d"], &[])
        .node("Softmax", "names", &["logits"], &[]);
    let model = graph.model(13);
    let why = |cuts: &[&str]| {
        let cuts = cuts.iter().map(|c| c.to_string()).collect();
        converted(&model, Options { cuts, ..float(Wishes::default()) }).unwrap().report.preprocess_why
    };
    let found = why(&[]);
    assert!(found.contains("the classifier is surest with it"), "{found}");
    assert_eq!([why(&["relu"]), why(&["flat"])], [found.clone(), found]);
}

#[test]
fn a_verdict_sees_single_pictures() {
    let mut report =
        converted(&plain(), Options { wishes: preset(Preset::Tf), ..Options::default() }).unwrap().report;
    let mut judged = |noise: f64, mean: f64, worst: f64| {
        (report.noise, report.cosine_mean, report.cosine_min) = (noise, mean, worst);
        (report.grade(), report.verdict())
    };
    assert_eq!(judged(0.001, 0.999, 0.997).0, Grade::Good);
    // What pictures that are loud hide in the sum.
    let (grade, words) = judged(0.005, 0.985, 0.92);
    assert!(grade == Grade::Usable && words.contains("0.985 in the mean, 0.920 in the worst"), "{words}");
    assert_eq!(judged(0.005, 0.98, 0.5).0, Grade::Poor);
    assert_eq!(judged(0.03, 0.98, 0.95).0, Grade::Usable);
    assert_eq!(judged(0.03, 0.69, 0.06).0, Grade::Unusable);
    assert!(judged(0.03, 0.69, 0.06).1.starts_with("Not usable"));
    report.constant = true;
    (report.noise, report.cosine_mean, report.cosine_min) = (0.0, 1.0, 1.0);
    assert!(report.grade() == Grade::Poor && report.verdict().contains("same embedding"));
}

fn half(tensor: &mut TensorProto) {
    use tract_onnx::prelude::f16;
    let values = tensor.raw_data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
    tensor.raw_data = values.flat_map(|v| f16::from_f32(v).to_bits().to_le_bytes()).collect();
    tensor.data_type = 10;
}

#[test]
fn half_floats_are_widened() {
    let mut model = plain();
    of_type(&mut model, 10);
    model.graph.as_mut().unwrap().initializer.iter_mut().for_each(half);
    let own = converted(&model, float(preset(Preset::Tf))).unwrap();
    let off = embedding(&own)
        .iter()
        .zip(&embedding(&converted(&plain(), float(preset(Preset::Tf))).unwrap()))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(off > 0.0 && off < 1e-3, "{off}");
}

#[test]
fn models_made_ready_for_something_else() {
    let with = |op: &str, domain: &str, mode: bool| {
        let mut graph = Graph::new(&[1, 3, 12, 16]);
        graph.weights("w", &[8, 3, 3, 3]).node("Conv", "conv", &["x", "w"], &[]).node(
            op,
            "odd",
            &["conv"],
            &[],
        );
        graph.0.node.last_mut().unwrap().domain = domain.to_string();
        if mode {
            graph.number("training_mode", 1);
        }
        error(&graph.node("Relu", "relu", &["odd"], &[]).model(13))
    };
    let quantized =
        "graph.onnx: quantized already (QLinearAdd `odd`); give the float model that it was made from";
    assert!(with("QLinearAdd", "com.microsoft", false).starts_with(quantized));
    assert!(with("DynamicQuantizeLinear", "", false).contains("quantized already"));
    let fused = with("FusedConv", "com.microsoft", false);
    assert!(
        fused.contains("saved by onnxruntime's optimizer") && fused.contains("as it was exported"),
        "{fused}"
    );
    let training = with("BatchNormalization", "", true);
    assert!(training.contains("exported in training mode (BatchNormalization `odd`)"), "{training}");
    assert!(training.contains("model.eval()"), "{training}");
}

/// In the file's own words.
#[test]
fn what_does_not_fit_is_said_with_its_node() {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[8, 3, 3, 3]).weights("d", &[9, 7]);
    graph
        .node("Conv", "conv", &["x", "w"], &[])
        .node("GlobalAveragePool", "pool", &["conv"], &[])
        .node("Flatten", "flat", &["pool"], &[])
        .node("Gemm", "fc", &["flat", "d"], &[]);
    let model = graph.model(13);
    let words = error(&model);
    assert!(
        words.starts_with("graph.onnx: cannot read node `fc` (Gemm)") && words.contains("--cut flat"),
        "{words}"
    );
    assert!(!words.contains("unify") && !words.contains('#'), "{words}");
    let cuts = vec!["flat".to_string()];
    converted(&model, Options { cuts, ..float(preset(Preset::Tf)) }).unwrap();
}

#[test]
fn sizes_that_are_asked_for() {
    let at = |model: &ModelProto, size| {
        let made = converted(model, Options { size: Some(size), ..float(preset(Preset::Tf)) });
        made.map(|made| (preprocess(&made), made.report))
    };
    let (preprocess, report) = at(&plain(), (40, 24)).unwrap();
    assert_eq!((preprocess.width, preprocess.height, report.dim), (40, 24, 8));
    assert!(report.difference < 1e-5, "{report}");
    assert_eq!(at(&plain(), (16, 12)).unwrap().1.dim, 8, "its own size");
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[2, 3, 3, 3]).weights("d", &[280, 7]).whole("row", &[-1, 280]);
    graph.node("Conv", "conv", &["x", "w"], &[]).node("Flatten", "flat", &["conv"], &[]);
    graph.node("Gemm", "fc", &["flat", "d"], &[]);
    let error = at(&graph.model(13), (40, 24)).unwrap_err().to_string();
    let words =
        "graph.onnx: its input is fixed at 12x16, and with --input-size 24x40 node `fc` (Gemm) does not fit";
    assert!(error.starts_with(words) && error.contains("leave --input-size out"), "{error}");
    // Without its classifier it fits, but as another embedding.
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[2, 3, 3, 3]).node("Conv", "conv", &["x", "w"], &[]).node(
        "Flatten",
        "flat",
        &["conv"],
        &[],
    );
    let error = at(&graph.model(13), (40, 24)).unwrap_err().to_string();
    assert!(error.contains("its embedding would have 1672 values instead of 280"), "{error}");
}

/// What a file says beside its graph, or does not.
#[test]
fn inputs_shapes_and_leftovers() {
    let info = |name: &str, dims: &[i64]| ValueInfoProto {
        name: name.to_string(),
        ..Graph::new(dims).0.input.remove(0)
    };
    let want = embedding(&converted(&plain(), float(preset(Preset::Tf))).unwrap());
    let mut model = plain();
    let graph = model.graph.as_mut().unwrap();
    // A switch that nobody reads, and shapes of another version.
    graph.input.push(info("training", &[]));
    graph.value_info.push(info("conv", &[1, 64, 7, 7]));
    alike(&embedding(&converted(&model, float(preset(Preset::Tf))).unwrap()), &want);
    // A second picture is read.
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.0.input.push(info("y", &[1, 3, 12, 16]));
    graph.node("Add", "sum", &["x", "y"], &[]);
    let two = error(&rest(&mut graph, "sum"));
    assert!(two.contains("The model has 2 inputs: `x`, `y`"), "{two}");
    let mut open = plain();
    open.graph.as_mut().unwrap().input[0] =
        ValueInfoProto { name: "x".to_string(), ..Graph::new(&[]).0.input.remove(0) };
    let Some(type_proto::Value::TensorType(tensor)) =
        &mut open.graph.as_mut().unwrap().input[0].r#type.as_mut().unwrap().value
    else {
        panic!()
    };
    tensor.shape = None;
    let words = error(&open);
    assert!(
        words.contains("input `x` is float32 of no stated shape") && words.contains("--input-size"),
        "{words}"
    );
    let made = converted(&open, Options { size: Some((16, 12)), ..float(preset(Preset::Tf)) }).unwrap();
    alike(&embedding(&made), &want);
}

/// Through the command: exit code 2, one line, nothing written.
#[test]
fn files_that_are_no_models() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pictures(&dir.join("data"), &[Object::Mug], 2);
    fs::create_dir(dir.join("saved")).unwrap();
    fs::write(dir.join("saved/saved_model.pb"), b"\x08\x01").unwrap();
    let files: [(&str, &[u8], [&str; 2]); 5] = [
        (
            "net.pt",
            b"PK\x03\x04net/data.pkl",
            ["a PyTorch checkpoint, not an ONNX model", "torch.onnx.export"],
        ),
        ("net.tflite", b"\x1c\0\0\0TFL3", ["a TensorFlow Lite model", "tf2onnx.convert --tflite net.tflite"]),
        (
            "net.onnx",
            b"version https://git-lfs.github.com/spec/v1\n",
            ["a pointer of Git LFS", "git lfs pull"],
        ),
        ("page.onnx", b"<!doctype html><html>", ["a web page", "raw"]),
        ("saved", b"", ["a TensorFlow SavedModel", "--saved-model saved"]),
    ];
    for (name, bytes, parts) in files {
        if !bytes.is_empty() {
            fs::write(dir.join(name), bytes).unwrap();
        }
        refused(dir, &["convert", name, "--calibrate", "data", "-o", "out.offshoot"], &parts);
        assert!(!dir.join("out.offshoot").exists());
    }
}
