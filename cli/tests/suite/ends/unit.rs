//! Embeddings that a model brings to length 1 itself.

use super::*;

/// `x / |x|` as exporters write it.
fn normalize(graph: &mut Graph, x: &str, manner: &str) {
    graph
        .floats("least", &[1e-12])
        .floats("two", &[2.0])
        .floats("minus half", &[-0.5])
        .whole("axes", &[1]);
    let axes: (&str, &[i64]) = ("axes", &[1]);
    match manner {
        "torch" => graph
            .node("ReduceL2", "norm", &[x], &[axes])
            .node("Clip", "clipped", &["norm", "least"], &[])
            .node("Shape", "shape", &[x], &[])
            .node("Expand", "spread", &["clipped", "shape"], &[])
            .node("Div", "unit", &[x, "spread"], &[]),
        "tf" => graph
            .node("Mul", "square", &[x, x], &[])
            .node("ReduceSum", "sum", &["square", "axes"], &[])
            .node("Max", "clipped", &["sum", "least"], &[])
            .node("Sqrt", "norm", &["clipped"], &[])
            .node("Reciprocal", "inverse", &["norm"], &[])
            .node("Mul", "unit", &[x, "inverse"], &[]),
        "pow" => graph
            .node("Pow", "square", &[x, "two"], &[])
            .node("ReduceSum", "sum", &["square", "axes"], &[])
            .node("Pow", "inverse", &["sum", "minus half"], &[])
            .node("Mul", "unit", &["inverse", x], &[]),
        "sum" => graph
            .node("ReduceSumSquare", "sum", &[x], &[axes])
            .node("Sqrt", "norm", &["sum"], &[])
            .node("Div", "unit", &[x, "norm"], &[]),
        _ => graph.node("LpNormalization", "unit", &[x], &[]).number("axis", 1).number("p", 2),
    };
}

const MANNERS: [&str; 5] = ["torch", "tf", "pow", "sum", "operation"];

#[test]
fn an_embedding_of_length_1_is_kept_and_the_package_brings_it_there() {
    for manner in MANNERS {
        let mut graph = features();
        graph.weights("wide", &[24, 16]);
        for name in ["scale", "mean", "variance"] {
            graph.floats(name, &[1.5; 24]);
        }
        gemm(&mut graph, "projected", "features", "wide");
        graph.node(
            "BatchNormalization",
            "bn",
            &["projected", "scale", "scale", "mean", "variance"],
            &[],
        );
        normalize(&mut graph, "bn", manner);
        let model = graph.model(13);
        let found = converted(&model, Options::default()).unwrap();
        assert_eq!(
            (&*found.report.cut, found.report.dim, found.report.unit_length),
            ("unit", 24, true)
        );
        let mut package = Extractor::from_bytes(found.bytes).unwrap();
        let length: f32 =
            package.embed(&images()[0].frame()).unwrap().iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 0.02, "{manner}: {length}");
        // Asked for by its name, or before it with --l2, it is the same.
        let asked = |cut: &str, unit_length| {
            let cuts = vec![cut.to_string()];
            converted(&model, Options { cuts, unit_length, ..Options::default() }).unwrap()
        };
        let named = asked("unit", false);
        let before = asked("bn", true);
        let goldens = |made: &Converted| {
            let mut package = Extractor::from_bytes(made.bytes.clone()).unwrap();
            package.embed(&images()[1].frame()).unwrap().iter().collect::<Vec<f32>>()
        };
        assert_eq!(goldens(&named), goldens(&before), "{manner}");
        assert!(named.report.unit_length && named.report.cosine_min > 0.98, "{}", named.report);
    }
}

#[test]
fn a_cosine_classifier_is_cut_at_the_unit_features() {
    for manner in MANNERS {
        let mut graph = features();
        normalize(&mut graph, "features", manner);
        graph.weights("directions", &[16, 10]).floats("scale", &[30.0]);
        graph.node("MatMul", "cosines", &["unit", "directions"], &[]);
        graph.node("Mul", "out", &["cosines", "scale"], &[]);
        let cut = imported(&graph.model(13));
        assert_eq!(
            (&*cut.cut.name, cut.cut.has_classifier, cut.unit_length),
            ("unit", true, true),
            "{manner}"
        );
    }
}

/// Logits that are brought to length 1 are said to be doubtful, and two of them are none to keep.
#[test]
fn few_values_of_length_1_may_be_classes() {
    for (classes, cut) in [(10, "unit"), (4, "features")] {
        let mut graph = features();
        graph.weights("narrow", &[classes, 16]);
        gemm(&mut graph, "logits", "features", "narrow");
        normalize(&mut graph, "logits", "torch");
        let found = imported(&graph.model(13)).cut;
        assert_eq!(found.name, cut);
        let said = found.unsure.iter().any(|line| line.ends_with("--cut features"));
        assert_eq!(said, cut == "unit", "{found:?}");
    }
}

/// Norms of layers are no embeddings of length 1.
#[test]
fn other_divisions_are_no_unit_length() {
    let mut graph = features();
    graph.whole("axes", &[1]).floats("two", &[2.0]);
    graph
        .node("Pow", "square", &["features", "two"], &[])
        .node("ReduceMean", "mean", &["square"], &[("axes", &[1])])
        .node("Sqrt", "root", &["mean"], &[])
        .node("Div", "out", &["features", "root"], &[]);
    let found = imported(&graph.model(13));
    assert_eq!((&*found.cut.name, found.unit_length), ("out", false));
}
