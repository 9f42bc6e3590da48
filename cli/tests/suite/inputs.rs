//! Operations of a model on its image before its first layer, type and size of its input, and
//! files that are something else: each is taken as it is meant, or refused with the node and the
//! next thing to do.

use crate::common::graph;
use crate::common::small;

use std::fs;

use crate::common::{images, refused};
use graph::Graph;
use offshoot_convert::pipeline::Options;
use offshoot_convert::preprocess::preset::{PreprocessOverrides, Preset};
use offshoot_core::preprocess::Channels;
use offshoot_simulator::Object;
use small::{alike, converted, embedding, error, float, of_type, plain, preprocess, preset, rest};
use tract_onnx::pb::{ModelProto, TensorProto, ValueInfoProto, type_proto};

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
    let own = converted(&model, float(PreprocessOverrides::default())).unwrap();
    assert!(own.report.preprocess_why.starts_with("raw: the model takes bytes"), "{}", own.report);
    assert!(own.report.difference < 1e-5, "{}", own.report);
    let outside = converted(&plain(), float(preset(Preset::Imagenet))).unwrap();
    assert_eq!(own.report.nodes, outside.report.nodes, "nothing is left of it in the network");
    alike(&embedding(&own), &embedding(&outside));
    let int8 = converted(&model, Options::default()).unwrap().report;
    assert!(int8.cosine_min > 0.99 && int8.nodes == 2, "a convolution and the mean: {int8}");
    // Normalized values are no bytes: another wish is left out, and that is said.
    let asked = converted(&model, float(preset(Preset::Unit))).unwrap();
    alike(&embedding(&asked), &embedding(&own));
    let warning = asked.report.preprocess_warning.unwrap();
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
        let made =
            converted(&rest(&mut graph, "shifted"), float(PreprocessOverrides::default())).unwrap();
        assert!(made.report.preprocess_why.starts_with(why), "{}", made.report);
        assert!(made.report.difference < 1e-5, "{}", made.report);
        assert_eq!(
            made.report.nodes,
            converted(&plain(), float(preset(Preset::Raw))).unwrap().report.nodes
        );
    }
}

#[test]
fn channels_in_another_order() {
    let turns: [fn(&mut Graph); 4] = [
        |g| {
            g.whole("order", &[2, 1, 0])
                .node("Gather", "turned", &["x", "order"], &[])
                .number("axis", 1);
        },
        |g| {
            g.whole("from", &[-1])
                .whole("to", &[i64::MIN + 1])
                .whole("axis", &[1])
                .whole("step", &[-1]);
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
    let outside =
        converted(&plain(), float(PreprocessOverrides { bgr: true, ..preset(Preset::Imagenet) }))
            .unwrap();
    for turn in turns {
        let mut graph = Graph::new(&[1, 3, 12, 16]);
        turn(&mut graph);
        let model = rest(&mut graph, "turned");
        let own = converted(&model, float(preset(Preset::Imagenet))).unwrap();
        assert!(
            own.report.difference < 1e-5 && own.report.nodes == outside.report.nodes,
            "{}",
            own.report
        );
        assert_eq!(preprocess(&own).channels, Channels::Bgr);
        alike(&embedding(&own), &embedding(&outside));
        let int8 = converted(
            &model,
            Options { overrides: preset(Preset::Imagenet), ..Options::default() },
        );
        assert!(int8.unwrap().report.cosine_min > 0.99);
    }
}

/// Channels picked in the middle of a network go into the layer before or behind them.
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
    let int8 = converted(&model, Options { overrides: preset(Preset::Tf), ..Options::default() })
        .unwrap()
        .report;
    assert!(int8.cosine_min > 0.99 && int8.nodes == 3, "{int8}");
}

#[test]
fn a_model_that_resizes_its_image() {
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
        own.report
            .preprocess_why
            .ends_with("the model's own resizing to 12x16 is left to the preprocessing")
    );
    alike(&embedding(&own), &embedding(&converted(&plain(), float(preset(Preset::Tf))).unwrap()));
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
        converted(&model, Options { cuts, ..float(PreprocessOverrides::default()) })
            .unwrap()
            .report
            .preprocess_why
    };
    let found = why(&[]);
    assert!(found.contains("the classifier is most confident with it"), "{found}");
    assert_eq!([why(&["relu"]), why(&["flat"])], [found.clone(), found]);
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
    let quantized = "graph.onnx: quantized already (QLinearWhere `odd`); give the float model that it was made from";
    assert!(with("QLinearWhere", "com.microsoft", false).starts_with(quantized));
    assert!(with("QAttention", "com.microsoft", false).contains("quantized already"));
    let fused = with("ReorderInput", "com.microsoft.nchwc", false);
    assert!(
        fused.contains("saved by onnxruntime's optimizer") && fused.contains("as it was exported"),
        "{fused}"
    );
    let training = with("BatchNormalization", "", true);
    assert!(
        training.contains("exported in training mode (BatchNormalization `odd`)"),
        "{training}"
    );
    assert!(training.contains("model.eval()"), "{training}");
}

/// Names the values in the file's own words.
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
        words.starts_with("graph.onnx: cannot read node `fc` (Gemm)")
            && words.contains("--cut flat"),
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
    let words = "graph.onnx: its input is fixed at 12x16, and with --input-size 24x40 node `fc` (Gemm) does not fit";
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

/// Declarations of a file beside its graph, complete or not.
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
    // A second image is read.
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
    let made =
        converted(&open, Options { size: Some((16, 12)), ..float(preset(Preset::Tf)) }).unwrap();
    alike(&embedding(&made), &want);
}

/// Through the command: exit code 2, one line, nothing written.
#[test]
fn files_that_are_no_models() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    images(&dir.join("data"), &[Object::Mug], 2);
    fs::create_dir(dir.join("saved")).unwrap();
    fs::write(dir.join("saved/saved_model.pb"), b"\x08\x01").unwrap();
    let files: [(&str, &[u8], [&str; 2]); 5] = [
        (
            "net.pt",
            b"PK\x03\x04net/data.pkl",
            ["a PyTorch checkpoint, not an ONNX model", "torch.onnx.export"],
        ),
        (
            "net.tflite",
            b"\x1c\0\0\0TFL3",
            ["a TensorFlow Lite model", "tf2onnx.convert --tflite net.tflite"],
        ),
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
