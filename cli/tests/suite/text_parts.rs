//! `convert --parts` of a language backbone.

use offshoot::Extractor;

use crate::common::{ok, refused};
use crate::text::{CONVERT, WIDTH, WORDS, encoded, graph, node, prepare};

/// Four more layers of the model, each as wide as the first.
fn deep() -> Vec<u8> {
    let mut graph = graph(WORDS.len() as i64);
    let mut before = "last_hidden_state".to_string();
    for layer in 0..4 {
        let [dense, skip, hidden] =
            ["dense", "skip", "hidden"].map(|name| format!("{name}_{layer}"));
        graph.node.extend([
            node("MatMul", &dense, &[&before, "w"], None),
            node("Add", &skip, &[&dense, &before], None),
            node("Tanh", &hidden, &[&skip], None),
        ]);
        before = hidden;
    }
    graph.output[0].name = before;
    encoded(graph)
}

#[test]
fn layers_of_a_language_backbone_are_parts() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);
    std::fs::write(dir.join("model.onnx"), deep()).unwrap();
    let convert = |name: &str, more: &[&str]| {
        ok(dir, &[&CONVERT[..], &["-o", name], more].concat());
        ok(dir, &["verify", name]);
        Extractor::open(dir.join(name)).unwrap()
    };
    let width = WIDTH as usize;
    let text = [2, 12, 3];
    for precision in ["int8", "f32"] {
        let mut alone = convert("alone.offshoot", &["--precision", precision]);
        let mut all = convert("all.offshoot", &["--precision", precision, "--parts", "auto"]);
        assert_eq!((all.parts().dim(), all.parts().last()), (4 * width, width));
        let last: Vec<f32> = alone.embed_tokens(&text).unwrap().iter().collect();
        let cosine = {
            let joined = all.embed_tokens(&text).unwrap().last(width);
            joined.cosine(&offshoot::Embedding::Float(&last)).unwrap().get()
        };
        assert!(cosine > 0.99, "{precision}: {cosine}");
    }
    let named = convert("named.offshoot", &["--parts", "sum,hidden_1", "--pool", "first"]);
    assert_eq!(named.parts().dim(), 3 * width);
    ok(dir, &["train", "all.offshoot", "reviews/train", "-o", "all.head"]);
    let said: serde_json::Value =
        serde_json::from_str(&ok(dir, &["report", "all.head", "--json"])).unwrap();
    assert_eq!(said["parts"]["last"], width);
    let bench = ["bench", "all.offshoot", "--runs", "1", "--compare", "model.onnx", "--json"];
    let bench: serde_json::Value = serde_json::from_str(&ok(dir, &bench)).unwrap();
    assert!(bench["compare"]["cosine"].as_f64().unwrap() > 0.99, "{bench}");
    refused(dir, &[&CONVERT[..], &["--parts", "hidden_9"]].concat(), &["hidden_9"]);
}
