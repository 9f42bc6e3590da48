//! Kind that a network is believed to be, by its structure, and the cut that follows from it.

use std::path::Path;

use offshoot_convert::import::{NetworkKind, Source, Sure};
use offshoot_convert::ir::pooling::Pool;
use prost::Message;
use tract_onnx::pb::{ModelProto, ValueInfoProto};

use crate::common::graph::Graph;
use crate::common::{ok, refill, shared, sprout};

/// Kind, sureness and cut of a model.
fn believed(model: &ModelProto) -> (NetworkKind, Sure, String) {
    let mut source = Source::parse(Path::new("m.onnx"), &model.encode_to_vec()).unwrap();
    source.take_signals_by_shape();
    let imported = source.import(&[], None, Pool::Avg).unwrap();
    let input = imported.model.layers[0].shape;
    let belief = source.belief(&imported.cut, input).unwrap();
    println!("{}: {}", belief.kind.name(), belief.why);
    (belief.kind, belief.sure, imported.cut.name)
}

/// Network of three levels, each half of the size of the one before: `c0`, `c1`, `c2`.
fn trunk(input: &[i64]) -> Graph {
    let mut graph = Graph::new(input);
    let mut last = ("x".to_string(), input[1]);
    for (level, channels) in [8, 16, 32].into_iter().enumerate() {
        let [w, conv, relu] = ["w", "conv", "c"].map(|part| format!("{part}{level}"));
        graph.weights(&w, &[channels, last.1, 3, 3]);
        let options = [("strides", &[2, 2][..]), ("pads", &[1, 1, 1, 1])];
        graph.node("Conv", &conv, &[&last.0, &w], &options).node("Relu", &relu, &[&conv], &[]);
        last = (relu, channels);
    }
    graph
}

/// Model with these outputs.
fn with_outputs(mut graph: Graph, outputs: &[&str]) -> ModelProto {
    let mut model = graph.model(13);
    let named = |name: &&str| ValueInfoProto { name: name.to_string(), ..Default::default() };
    model.graph.as_mut().unwrap().output = outputs.iter().map(named).collect();
    model
}

/// Features, a layer of `classes` values, and an operation behind it.
fn classifier(classes: i64, end: Option<&str>) -> ModelProto {
    let mut graph = trunk(&[1, 3, 32, 32]);
    graph.weights("fc", &[32, classes]);
    graph
        .node("GlobalAveragePool", "pooled", &["c2"], &[])
        .node("Flatten", "features", &["pooled"], &[])
        .node("MatMul", "logits", &["features", "fc"], &[]);
    if let Some(end) = end {
        graph.node(end, "out", &["logits"], &[]);
    }
    graph.model(13)
}

#[test]
fn classifiers_by_their_ends() {
    use NetworkKind::{Classifier, Multilabel};
    for (classes, end, kind, sure) in [
        (10, Some("Softmax"), Classifier, Sure::Certain),
        (10, Some("Sigmoid"), Multilabel, Sure::Certain),
        (1, Some("Sigmoid"), Classifier, Sure::Likely),
        (1000, None, Classifier, Sure::Likely),
        (10, None, Classifier, Sure::Likely),
        (128, None, Classifier, Sure::Guess),
    ] {
        let found = believed(&classifier(classes, end));
        assert_eq!(found, (kind, sure, "features".to_string()), "{classes} {end:?}");
    }
}

#[test]
fn features_without_a_head() {
    let mut graph = trunk(&[1, 3, 32, 32]);
    graph.node("GlobalAveragePool", "pooled", &["c2"], &[]).node(
        "Flatten",
        "out",
        &["pooled"],
        &[],
    );
    let (kind, sure, cut) = believed(&graph.model(13));
    assert_eq!((kind, sure, &*cut), (NetworkKind::Features, Sure::Likely, "out"));
    let mut graph = trunk(&[1, 3, 32, 32]);
    graph.weights("fc", &[32, 24]);
    graph
        .node("GlobalAveragePool", "pooled", &["c2"], &[])
        .node("Flatten", "features", &["pooled"], &[])
        .node("MatMul", "embedding", &["features", "fc"], &[])
        .node("LpNormalization", "out", &["embedding"], &[])
        .number("axis", 1);
    let (kind, sure, cut) = believed(&graph.model(13));
    assert_eq!((kind, sure, &*cut), (NetworkKind::MetricLearning, Sure::Certain, "out"));
}

/// Boxes of two scales without any enlargement, as SSD gives them.
#[test]
fn scales_are_a_detector_and_an_enlargement_is_not() {
    let mut graph = trunk(&[1, 3, 32, 32]);
    graph.weights("h1", &[12, 16, 3, 3]).weights("h2", &[12, 32, 3, 3]);
    let same = [("pads", &[1, 1, 1, 1][..])];
    graph.node("Conv", "boxes1", &["c1", "h1"], &same).node("Conv", "boxes2", &["c2", "h2"], &same);
    let model = with_outputs(graph, &["boxes1", "boxes2"]);
    let (kind, sure, cut) = believed(&model);
    assert_eq!((kind, sure), (NetworkKind::Detector, Sure::Likely));
    assert!(cut.starts_with('c'), "{cut}");
    // The same with a top-down path: the deepest map of the backbone.
    let mut graph = trunk(&[1, 3, 32, 32]);
    graph.weights("up", &[32, 16, 2, 2]);
    graph.weights("h1", &[12, 16, 3, 3]).weights("h2", &[12, 32, 3, 3]);
    graph
        .node("ConvTranspose", "larger", &["c2", "up"], &[("strides", &[2, 2])])
        .node("Add", "sum", &["larger", "c1"], &[])
        .node("Conv", "boxes1", &["sum", "h1"], &same)
        .node("Conv", "boxes2", &["c2", "h2"], &same);
    let (kind, _, cut) = believed(&with_outputs(graph, &["boxes1", "boxes2"]));
    assert_eq!((kind, &*cut), (NetworkKind::Detector, "c2"));
}

#[test]
fn masks_and_maps_that_were_fused() {
    let enlarged = |graph: &mut Graph| {
        graph.weights("up", &[32, 16, 2, 2]);
        graph.node("ConvTranspose", "larger", &["c2", "up"], &[("strides", &[2, 2])]).node(
            "Add",
            "sum",
            &["larger", "c1"],
            &[],
        );
    };
    let mut graph = trunk(&[1, 3, 32, 32]);
    enlarged(&mut graph);
    graph.weights("mask", &[2, 16, 1, 1]).node("Conv", "out", &["sum", "mask"], &[]);
    let (kind, sure, cut) = believed(&graph.model(13));
    assert_eq!((kind, sure, &*cut), (NetworkKind::Segmentation, Sure::Likely, "c2"));
    // Maps of several scales that all see each other, as HRNet's: the one with the fewest places.
    let mut graph = trunk(&[1, 3, 32, 32]);
    enlarged(&mut graph);
    graph.weights("down", &[32, 16, 3, 3]);
    let options = [("strides", &[2, 2][..]), ("pads", &[1, 1, 1, 1])];
    graph
        .node("Relu", "fine", &["sum"], &[])
        .node("Conv", "small", &["fine", "down"], &options)
        .node("Add", "sums", &["small", "c2"], &[])
        .node("Relu", "coarse", &["sums"], &[]);
    let (kind, sure, cut) = believed(&with_outputs(graph, &["fine", "coarse"]));
    assert_eq!((kind, sure, &*cut), (NetworkKind::Features, Sure::Likely, "coarse"));
}

#[test]
fn series_and_spectrograms_may_be_sound() {
    let mut graph = Graph::new(&[1, 1, 8000]);
    graph.weights("w", &[8, 1, 9]);
    graph
        .node("Conv", "conv", &["x", "w"], &[("strides", &[8])])
        .node("Relu", "map", &["conv"], &[])
        .node("GlobalAveragePool", "pooled", &["map"], &[])
        .node("Flatten", "out", &["pooled"], &[]);
    assert_eq!(believed(&graph.model(13)).0, NetworkKind::Audio);
    let mut graph = trunk(&[1, 1, 96, 64]);
    graph.node("GlobalAveragePool", "pooled", &["c2"], &[]).node(
        "Flatten",
        "out",
        &["pooled"],
        &[],
    );
    let (kind, sure, _) = believed(&graph.model(13));
    assert_eq!((kind, sure), (NetworkKind::Audio, Sure::Guess));
}

#[test]
fn inspect_says_it_in_words_and_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("m.onnx"), classifier(10, Some("Softmax")).encode_to_vec()).unwrap();
    let said = ok(dir, &["inspect", "m.onnx"]);
    assert!(said.contains("network        classifier, certain: probabilities of 10"), "{said}");
    let said: serde_json::Value =
        serde_json::from_str(&ok(dir, &["inspect", "m.onnx", "--json"])).unwrap();
    assert_eq!(said["network"]["kind"], "classifier");
    assert_eq!((&said["cut"], &said["input"]), (&"features".into(), &vec![32, 32, 3].into()));
    assert!(!said["places"].as_array().unwrap().is_empty());
    let sprout = sprout().with_extension("offshoot").display().to_string();
    let said: serde_json::Value =
        serde_json::from_str(&ok(dir, &["inspect", &sprout, "--json"])).unwrap();
    assert_eq!((&said["takes"], &said["precision"]), (&"images".into(), &"int8".into()));
}

/// Graphs of others' exporters, with the kind that their authors say.
#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn graphs_of_exporters_are_of_their_kind() {
    for (name, kinds) in [
        ("resnet50_op13", &["classifier"][..]),
        ("mobilenet_v3_large_op17", &["classifier"]),
        ("bert_tiny_op13", &["language"]),
        ("gpt2_tiny_op17", &["language"]),
        ("ssdlite320_mobilenet_v3_large_full_op17", &["detector"]),
        ("ssdlite320_mobilenet_v3_large_raw_op13", &["detector"]),
        ("yolov8n_op13", &["detector"]),
        ("fasterrcnn_mobilenet_v3_large_320_fpn_backbone_op17", &["features", "detector"]),
    ] {
        let (bytes, _) = refill::skeleton(&shared(), name);
        let source = Source::parse(Path::new(name), &bytes).unwrap();
        let belief = if source.takes_text() {
            let imported = source.import_text(&[], None);
            let imported = imported.or_else(|_| source.import_text(&[], Some(64))).unwrap();
            source.belief(&imported.cut, imported.model.layers[0].shape)
        } else {
            let imported = source.import(&[], None, Pool::Avg).unwrap();
            source.belief(&imported.cut, imported.model.layers[0].shape)
        };
        let belief = belief.unwrap();
        println!("{name}: {}, {}: {}", belief.kind.name(), belief.sure.name(), belief.why);
        assert!(kinds.contains(&belief.kind.name()), "{name}: {belief:?}");
    }
}
