//! Ends of models, and the cuts that follow: classifiers by their structure whatever follows
//! them, embeddings that are brought to length 1, maps; what is unsure is said, and what is refused
//! has the file's own names.

use crate::common::graph;
mod unit;

use std::path::Path;

use graph::Graph;
use offshoot::{Extractor, Image};
use offshoot_convert::import::{ImportError, Imported, Source, Unsupported};
use offshoot_convert::ir::pooling::Pool;
use offshoot_convert::pipeline::job::Samples;
use offshoot_convert::pipeline::{ConvertError, Converted, Options, convert};
use offshoot_convert::preprocess::preset::{PreprocessOverrides, Preset};
use offshoot_simulator::{Camera, Object};
use prost::Message;
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto, ValueInfoProto};

/// An image's map of 16 channels at half its size, `map`; its means, `features`.
fn features() -> Graph {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[16, 3, 3, 3]).weights("v", &[16, 16, 3, 3]);
    graph.weights("fc", &[10, 16]).weights("fc2", &[10, 16]).weights("bias", &[10]);
    let pads: (&str, &[i64]) = ("pads", &[1; 4]);
    let strides: (&str, &[i64]) = ("strides", &[2, 2]);
    graph
        .node("Conv", "conv", &["x", "w"], &[pads])
        .node("Relu", "early", &["conv"], &[])
        .node("Conv", "conv2", &["early", "v"], &[pads, strides])
        .node("Relu", "map", &["conv2"], &[])
        .node("GlobalAveragePool", "means", &["map"], &[])
        .node("Flatten", "features", &["means"], &[]);
    graph
}

/// [`features`] and a classifier, `logits`.
fn classifier() -> Graph {
    let mut graph = features();
    gemm(&mut graph, "logits", "features", "fc");
    graph
}

fn gemm<'g>(graph: &'g mut Graph, name: &str, input: &str, weights: &str) -> &'g mut Graph {
    graph.node("Gemm", name, &[input, weights], &[]).number("transB", 1)
}

fn output(model: &mut ModelProto, name: &str) {
    let info = ValueInfoProto { name: name.to_string(), ..ValueInfoProto::default() };
    model.graph.as_mut().unwrap().output.push(info);
}

fn source(model: &ModelProto) -> Source {
    Source::parse(Path::new("graph.onnx"), &model.encode_to_vec()).unwrap()
}

fn imported(model: &ModelProto) -> Imported {
    source(model).import(&[], None, Pool::Avg).unwrap()
}

fn converted(model: &ModelProto, options: Options) -> Result<Converted, ConvertError> {
    let overrides =
        PreprocessOverrides { preset: Some(Preset::Tf), ..PreprocessOverrides::default() };
    convert(&source(model), Samples::Images(&images()), &Options { overrides, ..options }, &mut ())
}

fn images() -> Vec<Image> {
    let look = |seed| Camera::new(64, 48).look(Some(Object::Mug), seed);
    (0..4).map(look).map(|p| Image::from_rgb(p.width, p.height, p.rgb).unwrap()).collect()
}

/// The nodes that a model is refused for.
fn unsupported(model: &ModelProto, cuts: &[&str]) -> Vec<Unsupported> {
    match source(model).import(cuts, None, Pool::Avg) {
        Err(ImportError::Unsupported { nodes, .. }) => nodes,
        Ok(imported) => panic!("it is cut at {}", imported.cut.name),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn whatever_follows_a_classifier_the_features_are_before_it() {
    let ends: [&[&str]; 14] = [
        &[],
        &["Sigmoid"],
        &["Tanh"],
        &["Exp"],
        &["Softmax"],
        &["LogSoftmax"],
        &["Softplus"],
        &["HardSigmoid"],
        &["Relu"],
        &["Identity", "Sigmoid"],
        &["Softmax", "Log"],
        &["Exp", "Neg", "Tanh"],
        &["Softmax", "ArgMax"],
        &["Sigmoid", "Round"],
    ];
    for end in ends {
        let mut graph = classifier();
        let mut last = "logits".to_string();
        for (i, op) in end.iter().enumerate() {
            let name = format!("end{i}");
            graph.node(op, &name, &[&last], &[]);
            last = name;
        }
        let imported = imported(&graph.model(13));
        assert!(
            imported.cut.has_classifier && imported.cut.unsure.is_empty(),
            "{end:?}: {:?}",
            imported.cut
        );
        assert_eq!(
            (&*imported.cut.name, imported.outputs[0].values(Pool::Avg)),
            ("features", 16),
            "{end:?}"
        );
    }
}

/// One sigmoid, as Keras' tutorial of cats and dogs ends; a bias, a temperature and a part of the
/// result.
#[test]
fn products_biases_scales_and_parts_follow_too() {
    let mut graph = features();
    graph
        .weights("one", &[16, 1])
        .floats("offset", &[0.5])
        .floats("temperature", &[4.0])
        .whole("place", &[0]);
    graph
        .node("MatMul", "product", &["features", "one"], &[])
        .node("Add", "biased", &["product", "offset"], &[])
        .node("Mul", "scaled", &["biased", "temperature"], &[])
        .node("Sigmoid", "score", &["scaled"], &[])
        .node("Gather", "part", &["score", "place"], &[])
        .number("axis", 1);
    assert_eq!(imported(&graph.model(13)).cut.name, "features");
}

#[test]
fn several_heads_on_the_same_features() {
    for joint in ["Add", "Concat", "Mean", "Max"] {
        let mut graph = classifier();
        gemm(&mut graph, "other", "features", "fc2").floats("half", &[0.5]);
        graph.node("Sigmoid", "a", &["logits"], &[]).node("Sigmoid", "b", &["other"], &[]).node(
            joint,
            "joined",
            &["a", "b"],
            &[],
        );
        if joint == "Concat" {
            graph.number("axis", 1);
        }
        graph.node("Mul", "out", &["joined", "half"], &[]);
        let cut = imported(&graph.model(13)).cut;
        assert_eq!((&*cut.name, cut.has_classifier), ("features", true), "{joint}");
    }
    // As outputs of their own.
    let mut graph = classifier();
    gemm(&mut graph, "age", "features", "fc2");
    let mut model = graph.model(13);
    output(&mut model, "logits");
    assert_eq!(imported(&model).cut.name, "features");
}

#[test]
fn heads_on_different_features() {
    // Hidden layers of their own: what both come from is a vector.
    let mut graph = features();
    graph.weights("h", &[12, 16]).weights("g", &[12, 16]).weights("last", &[10, 12]);
    gemm(&mut graph, "hidden", "features", "h");
    gemm(&mut graph, "hidden2", "features", "g");
    graph.node("Relu", "relu", &["hidden"], &[]).node("Relu", "relu2", &["hidden2"], &[]);
    gemm(&mut graph, "a", "relu", "last");
    gemm(&mut graph, "b", "relu2", "last");
    graph.node("Add", "out", &["a", "b"], &[]);
    let cut = imported(&graph.model(13)).cut;
    assert_eq!((&*cut.name, cut.unsure.len()), ("features", 0), "{cut:?}");
    // Two pools of one map: both vectors are the features.
    let mut graph = classifier();
    graph.node("GlobalMaxPool", "largest", &["map"], &[]).node(
        "Flatten",
        "peaks",
        &["largest"],
        &[],
    );
    gemm(&mut graph, "other", "peaks", "fc2");
    graph.node("Add", "out", &["logits", "other"], &[]);
    let imported = imported(&graph.model(13));
    assert_eq!((&*imported.cut.name, imported.outputs.len()), ("features,peaks", 2));
    assert!(imported.cut.unsure[0].contains("2 different features"), "{:?}", imported.cut);
    // A head half-way, as networks have that were hard to train, is none to go by.
    let mut graph = classifier();
    graph.node("GlobalAveragePool", "half", &["early"], &[]).node(
        "Flatten",
        "flat",
        &["half"],
        &[],
    );
    gemm(&mut graph, "auxiliary", "flat", "fc2");
    let mut model = graph.model(13);
    output(&mut model, "logits");
    assert_eq!(self::imported(&model).cut.name, "features");
}

#[test]
fn classifiers_that_are_convolutions() {
    let conv = || {
        let mut graph = features();
        graph.weights("point", &[2, 16, 1, 1]);
        graph
    };
    // Of what is pooled.
    for end in ["Sigmoid", "Identity"] {
        let mut graph = conv();
        graph.node("Conv", "scores", &["means", "point"], &[]).node(end, "out", &["scores"], &[]);
        assert_eq!(imported(&graph.model(13)).cut.name, "means");
    }
    // Of each place, and pooled after that.
    for end in ["Sigmoid", "LogSoftmax", "Identity"] {
        let mut graph = conv();
        graph
            .node("Conv", "places", &["map", "point"], &[])
            .node("Relu", "positive", &["places"], &[])
            .node("GlobalAveragePool", "scores", &["positive"], &[])
            .node("Flatten", "flat", &["scores"], &[])
            .node(end, "out", &["flat"], &[]);
        let cut = imported(&graph.model(13)).cut;
        assert_eq!((&*cut.name, cut.has_classifier), ("map", true), "{end}");
    }
}

/// Features of a network whose classifier was taken off, in its author's manner.
#[test]
fn what_has_no_classifier_is_kept_whole() {
    // A last convolution that makes more channels, then an activation and the mean.
    let mut graph = features();
    graph.weights("wide", &[64, 16, 1, 1]);
    graph
        .node("Conv", "last", &["map", "wide"], &[])
        .node("Relu", "relu", &["last"], &[])
        .node("GlobalAveragePool", "pool", &["relu"], &[])
        .node("Flatten", "out", &["pool"], &[]);
    let cut = imported(&graph.model(13)).cut;
    assert_eq!((&*cut.name, cut.has_classifier), ("out", false));
    // A hidden layer with its activation, in one operation and in pieces.
    for pieces in [false, true] {
        let mut graph = features();
        graph.weights("wide", &[64, 16]);
        gemm(&mut graph, "hidden", "features", "wide");
        if pieces {
            graph.node("Sigmoid", "gate", &["hidden"], &[]).node(
                "Mul",
                "out",
                &["hidden", "gate"],
                &[],
            );
        } else {
            graph.node("HardSwish", "out", &["hidden"], &[]);
        }
        let cut = imported(&graph.model(14)).cut;
        assert_eq!((&*cut.name, cut.has_classifier), ("out", false), "{pieces}");
    }
    // A block with a shortcut and a gate for each channel.
    let mut graph = features();
    graph.weights("point", &[16, 16, 1, 1]);
    graph
        .node("Conv", "squeeze", &["means", "point"], &[])
        .node("Sigmoid", "gates", &["squeeze"], &[])
        .node("Mul", "gated", &["map", "gates"], &[])
        .node("Add", "sum", &["gated", "map"], &[])
        .node("Relu", "out", &["sum"], &[]);
    assert_eq!(imported(&graph.model(13)).cut.name, "out");
}

#[test]
fn hidden_layers_are_features_unless_they_are_narrow() {
    for (width, cut) in [(12, "relu"), (4, "features")] {
        let mut graph = features();
        graph.weights("h", &[width, 16]).weights("last", &[2, width]);
        gemm(&mut graph, "hidden", "features", "h").node("Relu", "relu", &["hidden"], &[]);
        gemm(&mut graph, "logits", "relu", "last").node("Softmax", "out", &["logits"], &[]);
        let found = imported(&graph.model(13)).cut;
        assert_eq!((&*found.name, found.unsure.len()), (cut, 0), "{found:?}");
    }
}

/// A last layer without a softmax may be one of features.
#[test]
fn wide_last_layers_are_doubted() {
    for (name, classes, doubted) in
        [("out", 128, true), ("embedding", 100, true), ("out", 100, false)]
    {
        let mut graph = features();
        graph.weights("wide", &[classes, 16]);
        gemm(&mut graph, name, "features", "wide");
        let found = imported(&graph.model(13)).cut;
        assert_eq!(found.name, "features");
        assert_eq!(found.unsure.len(), usize::from(doubted), "{found:?}");
        assert!(!doubted || found.unsure[0].ends_with(&format!("--cut {name}")), "{found:?}");
    }
}

#[test]
fn an_enlarged_map_half_way_makes_no_detector() {
    let mut graph = Graph::new(&[1, 3, 12, 16]);
    graph.weights("w", &[16, 3, 3, 3]).weights("v", &[16, 16, 3, 3]).weights("fc", &[1, 16]);
    graph.floats("", &[]).floats("scales", &[1.0, 1.0, 2.0, 2.0]);
    graph
        .node("Conv", "conv", &["x", "w"], &[("strides", &[2, 2])])
        .node("Relu", "early", &["conv"], &[])
        .node("Resize", "larger", &["early", "", "scales"], &[])
        .node("Conv", "conv2", &["larger", "v"], &[])
        .node("Relu", "map", &["conv2"], &[])
        .node("GlobalAveragePool", "means", &["map"], &[])
        .node("Flatten", "features", &["means"], &[]);
    gemm(&mut graph, "logits", "features", "fc").node("Sigmoid", "out", &["logits"], &[]);
    graph.0.initializer.retain(|t| !t.name.is_empty());
    nearest(&mut graph);
    assert_eq!(imported(&graph.model(13)).cut.name, "features");
}

/// A branch in the middle, as `torch.squeeze` writes it: the cut is behind it, not at the first
/// activation.
#[test]
fn a_branch_half_way_is_refused_by_its_name() {
    let mut graph = features();
    graph.0.node.truncate(2);
    let inside = |name: &str| {
        let mut inside = Graph::new(&[1]);
        inside.node("Identity", name, &["early"], &[]);
        let mut inside = inside.model(13).graph.unwrap();
        inside.input.clear();
        inside
    };
    graph.node("Shape", "lengths", &["early"], &[]).node("If", "branch", &["lengths"], &[]);
    graph.branch("then_branch", inside("then")).branch("else_branch", inside("else"));
    graph
        .node("Conv", "conv2", &["branch", "v"], &[])
        .node("GlobalAveragePool", "means", &["conv2"], &[])
        .node("Flatten", "features", &["means"], &[]);
    gemm(&mut graph, "out", "features", "fc");
    let nodes = unsupported(&graph.model(13), &[]);
    let seen: Vec<_> = nodes.iter().map(|n| (&*n.node, &*n.operation, n.cut.as_deref())).collect();
    assert_eq!(seen, [("branch", "If", Some("early"))]);
}

fn nearest(graph: &mut Graph) {
    use tract_onnx::pb::AttributeProto;
    let words = [
        ("mode", "nearest"),
        ("coordinate_transformation_mode", "asymmetric"),
        ("nearest_mode", "floor"),
    ];
    let resize = graph.0.node.iter_mut().find(|node| node.op_type == "Resize").unwrap();
    resize.attribute.extend(words.map(|(name, word)| AttributeProto {
        name: name.to_string(),
        r#type: 3,
        s: word.as_bytes().to_vec(),
        ..AttributeProto::default()
    }));
}

/// A backbone that gives its maps, shallow ones first.
fn pyramid(lateral: bool) -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 32, 32]);
    graph.weights("w0", &[8, 3, 3, 3]);
    let mut last = "x".to_string();
    for level in 0..4 {
        let conv = format!("conv{level}");
        let map = format!("map{level}");
        let weights = format!("w{level}");
        if level > 0 {
            graph.weights(&weights, &[8, 8, 3, 3]);
        }
        graph.node("Conv", &conv, &[&last, &weights], &[("pads", &[1; 4]), ("strides", &[2, 2])]);
        graph.node("Relu", &map, &[&conv], &[]);
        last = map;
    }
    graph.weights("point", &[9, 8, 1, 1]);
    if lateral {
        for level in 0..4 {
            graph.node("Conv", &format!("out{level}"), &[&format!("map{level}"), "point"], &[]);
        }
    }
    let mut model = graph.model(13);
    let outputs = (0..4).map(|level| format!("{}{level}", if lateral { "out" } else { "map" }));
    model.graph.as_mut().unwrap().output.clear();
    outputs.for_each(|name| output(&mut model, &name));
    model
}

#[test]
fn of_several_maps_the_deepest_is_taken() {
    for lateral in [false, true] {
        let cut = imported(&pyramid(lateral)).cut;
        assert_eq!((&*cut.name, cut.unsure.len()), ("map3", 1), "{lateral}: {cut:?}");
    }
}

/// Few values are said to be few, and are not called good; what was asked for is given.
#[test]
fn an_embedding_of_few_values_is_doubtful() {
    let mut graph = features();
    graph.weights("narrow", &[3, 16, 3, 3]);
    graph.node("Conv", "few", &["map", "narrow"], &[]).node("Relu", "out", &["few"], &[]);
    let model = graph.model(13);
    let report = converted(&model, Options::default()).unwrap().report;
    assert_eq!((&*report.cut, report.dim), ("out", 3));
    assert!(report.cut_unsure[0].starts_with("an embedding of 3 values"), "{report}");
    assert!(report.verdict().starts_with("Doubtful: an embedding of 3 values"), "{report}");
    assert!(report.to_string().contains("\n  unsure         an embedding of 3 values"), "{report}");
    let cuts = vec!["out".to_string()];
    let report = converted(&model, Options { cuts, ..Options::default() }).unwrap().report;
    assert!(report.cut_unsure.is_empty() && !report.verdict().starts_with("Doubtful"), "{report}");
}

#[test]
fn commands_say_what_is_unsure() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    crate::common::images(&dir.join("data"), &[Object::Mug, Object::Key], 6);
    std::fs::write(dir.join("maps.onnx"), pyramid(false).encode_to_vec()).unwrap();
    let unsure = "the model has no classifier of whole images";
    let text = crate::common::ok(dir, &["inspect", "maps.onnx"]);
    assert!(text.contains("  cut            map3 (") && text.contains(unsure), "{text}");
    let args = [
        "convert",
        "maps.onnx",
        "--calibrate",
        "data",
        "--preset",
        "tf",
        "--report",
        "out.html",
        "--json",
    ];
    let report: serde_json::Value = serde_json::from_str(&crate::common::ok(dir, &args)).unwrap();
    assert!(report["cut_unsure"][0].as_str().unwrap().starts_with(unsure), "{report}");
    assert!(std::fs::read_to_string(dir.join("out.html")).unwrap().contains(unsure));
    let args =
        ["cuts", "maps.onnx", "--data", "data", "--shots", "2", "--draws", "1", "--most", "2"];
    assert!(crate::common::ok(dir, &args).contains(unsure));
}

/// Advice is tried: one value, or what cannot be run either, is none.
#[test]
fn cuts_are_tried_before_they_are_advised() {
    let mut graph = features();
    graph
        .node("ReduceMean", "mean", &["features"], &[("axes", &[1])])
        .node("Sin", "sine", &["mean"], &[])
        .node("Add", "out", &["features", "sine"], &[]);
    let nodes = unsupported(&graph.model(13), &[]);
    let seen: Vec<_> = nodes.iter().map(|n| (&*n.node, &*n.operation, n.cut.as_deref())).collect();
    assert_eq!(seen, [("sine", "Sin", Some("features"))]);
}

/// tract takes some operations apart; its parts' names are none of the file's.
#[test]
fn what_is_refused_has_the_files_names() {
    for op in ["Sin", "Cos", "Mod", "Det", "com.example.Fancy"] {
        let mut graph = features();
        graph.floats("three", &[3.0]);
        let inputs: &[&str] = if op == "Mod" { &["map", "three"] } else { &["map"] };
        graph.node(op, "odd", inputs, &[]).node("GlobalAveragePool", "out", &["odd"], &[]);
        graph.0.node.iter_mut().find(|node| node.op_type == op).unwrap().name =
            "block.1/odd_n".to_string();
        let nodes = unsupported(&graph.model(13), &[]);
        let seen: Vec<_> =
            nodes.iter().map(|n| (&*n.node, &*n.operation, n.cut.as_deref())).collect();
        assert_eq!(seen, [("block.1/odd_n", op, Some("map"))]);
    }
    let mut graph = features();
    graph.node("ReduceProd", "largest", &["map"], &[("axes", &[1])]).node(
        "Mul",
        "out",
        &["map", "largest"],
        &[],
    );
    let nodes = unsupported(&graph.model(13), &[]);
    assert_eq!((&*nodes[0].node, &*nodes[0].operation), ("largest", "ReduceProd"));
}

/// Weights as small files have them: the network computes with numbers all the same.
#[test]
fn weights_may_be_stored_in_codes() {
    let mut graph = classifier();
    let codes = TensorProto {
        name: "codes".to_string(),
        dims: vec![16, 16, 3, 3],
        data_type: 3,
        raw_data: (0..16 * 16 * 9).map(|i| (i * 37 % 101) as u8).collect(),
        ..TensorProto::default()
    };
    graph.0.initializer.retain(|t| t.name != "v");
    graph.0.initializer.push(codes);
    graph.floats("step", &[0.01]).node("DequantizeLinear", "v", &["codes", "step"], &[]);
    graph.0.initializer.iter_mut().for_each(|t| {
        if t.name == "step" {
            t.dims.clear();
        }
    });
    let node = graph.0.node.pop().unwrap();
    graph.0.node.insert(0, node);
    let report = converted(&graph.model(13), Options::default()).unwrap().report;
    assert!(report.cut == "features" && report.cosine_min > 0.98, "{report}");
}

/// ONNX wants nodes in order; some writers do not keep to it.
#[test]
fn nodes_in_any_order() {
    let mut model = classifier().model(13);
    let graph: &mut GraphProto = model.graph.as_mut().unwrap();
    graph.node.reverse();
    assert_eq!(imported(&model).cut.name, "features");
}
