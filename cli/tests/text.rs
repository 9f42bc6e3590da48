//! Text from end to end: a small language backbone made here, converted, taught on IMDb's layout, asked.

mod common;

use std::path::Path;

use offshoot::{Extractor, Precision};
use prost::Message;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, attribute_proto::AttributeType, type_proto,
};

use common::{ok, refused};

const WORDS: [&str; 24] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "a", "the", "film", "story", "was", "is", "it", "good", "great",
    "fine", "lovely", "superb", "bad", "awful", "dull", "poor", "weak", "and", "very",
];

const WIDTH: i64 = 16;

/// An input of whole numbers, its length open.
fn input(name: &str) -> ValueInfoProto {
    let dim = |value| Dimension { denotation: String::new(), value: Some(value) };
    let dim = vec![dim(Value::DimValue(1)), dim(Value::DimParam("sequence".to_string()))];
    let tensor = type_proto::Tensor { elem_type: 7, shape: Some(TensorShapeProto { dim }) };
    let r#type = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_string(), r#type: Some(r#type), ..ValueInfoProto::default() }
}

fn node(op: &str, name: &str, inputs: &[&str], attribute: Option<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op.to_string(),
        name: name.to_string(),
        input: inputs.iter().map(|s| s.to_string()).collect(),
        output: vec![name.to_string()],
        attribute: attribute.into_iter().collect(),
        ..NodeProto::default()
    }
}

fn number(name: &str, i: i64) -> Option<AttributeProto> {
    Some(AttributeProto {
        name: name.to_string(),
        r#type: AttributeType::Int.into(),
        i,
        ..Default::default()
    })
}

fn permutation(ints: &[i64]) -> Option<AttributeProto> {
    let (name, ints) = ("perm".to_string(), ints.to_vec());
    Some(AttributeProto { name, r#type: AttributeType::Ints.into(), ints, ..Default::default() })
}

fn weights(name: &str, dims: &[i64], value: impl Fn(i64) -> f32) -> TensorProto {
    TensorProto {
        name: name.to_string(),
        dims: dims.to_vec(),
        data_type: 1,
        raw_data: (0..dims.iter().product()).flat_map(|i| value(i).to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

/// One layer of attention in the older exporters' manner: what is masked gets -10000.
fn model() -> Vec<u8> {
    let spread = |i: i64| ((i * 7919 % 1009) as f32 - 504.0) / 504.0;
    // As in a trained table, words of one kind have something in common.
    let row = |i: i64| match (i / WIDTH, i % WIDTH) {
        (12..17, 0..4) => 1.5,
        (17..22, 0..4) => -1.5,
        _ => spread(i),
    };
    let graph = GraphProto {
        input: ["input_ids", "attention_mask", "token_type_ids"].map(input).to_vec(),
        initializer: vec![
            weights("table", &[WORDS.len() as i64, WIDTH], row),
            weights("types", &[2, WIDTH], |i| spread(i + 5000)),
            weights("w", &[WIDTH, WIDTH], |i| 0.5 * spread(i + 9000)),
            weights("one", &[], |_| 1.0),
            weights("minus", &[], |_| -10_000.0),
        ],
        node: vec![
            node("Gather", "rows", &["table", "input_ids"], None),
            node("Gather", "type_rows", &["types", "token_type_ids"], None),
            node("Add", "sum", &["rows", "type_rows"], None),
            node("Cast", "marks", &["attention_mask"], number("to", 1)),
            node("Sub", "absent", &["one", "marks"], None),
            node("Mul", "bias", &["absent", "minus"], None),
            node("Transpose", "keys", &["sum"], permutation(&[0, 2, 1])),
            node("MatMul", "scores", &["sum", "keys"], None),
            node("Add", "masked", &["scores", "bias"], None),
            node("Softmax", "shares", &["masked"], number("axis", -1)),
            node("MatMul", "seen", &["shares", "sum"], None),
            node("MatMul", "dense", &["seen", "w"], None),
            node("Add", "skip", &["dense", "sum"], None),
            node("Tanh", "last_hidden_state", &["skip"], None),
        ],
        output: vec![ValueInfoProto { name: "last_hidden_state".to_string(), ..Default::default() }],
        ..GraphProto::default()
    };
    let model = ModelProto {
        ir_version: 7,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        graph: Some(graph),
        ..ModelProto::default()
    };
    model.encode_to_vec()
}

/// The model, its vocabulary, and reviews as IMDb's archive has them.
fn prepare(dir: &Path) {
    std::fs::write(dir.join("model.onnx"), model()).unwrap();
    std::fs::write(dir.join("vocab.txt"), WORDS.join("\n")).unwrap();
    let (good, bad) = (&WORDS[12..17], &WORDS[17..22]);
    for (split, offset) in [("train", 0), ("test", 2)] {
        for (class, words) in [("pos", good), ("neg", bad)] {
            let folder = dir.join("reviews").join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for (i, word) in words.iter().enumerate() {
                let other = words[(i + 1 + offset) % words.len()];
                let subject = ["film", "story"][(i + offset) % 2];
                let text = format!("The {subject} was {word}.<br /><br />It is very {other} and {word}.");
                std::fs::write(folder.join(format!("{i}_7.txt")), text).unwrap();
            }
        }
    }
}

const CONVERT: [&str; 8] =
    ["convert", "model.onnx", "--tokenizer", "vocab.txt", "--calibrate", "reviews", "--tokens", "20"];

#[test]
fn from_a_model_to_answers() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);
    let text = ok(dir, &[&CONVERT[..], &["-o", "words.offshoot"]].concat());
    assert!(text.contains("up to 20 tokens of 24; the embedding is the mean of the tokens"), "{text}");
    ok(dir, &[&CONVERT[..], &["-o", "again.offshoot"]].concat());
    let bytes = std::fs::read(dir.join("words.offshoot")).unwrap();
    assert!(bytes == std::fs::read(dir.join("again.offshoot")).unwrap(), "the same input, other bytes");

    let text = ok(dir, &["inspect", "model.onnx"]);
    for part in ["text, 128 tokens of 24", "cut            last_hidden_state"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = ok(dir, &["inspect", "words.offshoot"]);
    for part in ["text, up to 20 tokens of 24, filled with 0", "mean of the tokens", "precision      mixed"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(ok(dir, &["verify", "words.offshoot"]).starts_with("verify ok  2 vectors"));
    let text = ok(dir, &["train", "words.offshoot", "reviews", "-o", "mood.head", "--unknown", "off"]);
    assert!(text.contains("10 pictures of 2 classes") && text.contains("1.000 of 10 other"), "{text}");
    std::fs::write(dir.join("new.txt"), "a superb film").unwrap();
    let text = ok(dir, &["predict", "words.offshoot", "mood.head", "new.txt", "reviews/test/neg/0_7.txt"]);
    let answers: Vec<_> = text.lines().map(|l| l.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(answers, ["pos", "neg"], "{text}");
    let text = ok(dir, &["eval", "words.offshoot", "reviews/train", "--shots", "3", "--head", "ncm"]);
    assert!(text.contains("2 classes; learned from 3"), "{text}");

    std::fs::write(dir.join("lines.txt"), "the film\n\nthe film is good\n").unwrap();
    ok(dir, &["embed", "words.offshoot", "lines.txt", "--json", "lines.json"]);
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("lines.json")).unwrap()).unwrap();
    assert_eq!(json["files"], serde_json::json!(["lines.txt#1", "lines.txt#3"]));
    assert_eq!(json["embeddings"][1].as_array().unwrap().len(), WIDTH as usize);
}

/// What stands behind a text's end changes nothing, and each pooling is what it says.
#[test]
fn padding_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);
    let embed = |tokens: &str, pool: &str, ids: &[u32]| -> Vec<f32> {
        let arguments = [&CONVERT[..7], &[tokens, "--pool", pool, "--precision", "f32", "-o", "p.offshoot"]];
        ok(dir, &arguments.concat());
        let mut extractor = Extractor::open(dir.join("p.offshoot")).unwrap();
        assert_eq!(extractor.package().manifest().precision, Precision::Float);
        assert_eq!(extractor.token_limit(), tokens.parse().ok());
        extractor.embed_tokens(ids).unwrap().iter().collect()
    };
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let (one, three) = ([12], [2, 12, 3]);
    let mean = embed("8", "avg", &three);
    assert!(near(&mean, &embed("30", "avg", &three)));
    let (first, last) = (embed("8", "first", &three), embed("8", "last", &three));
    assert!(!near(&first, &last) && !near(&first, &mean));
    // A token alone is the first, the last and the mean.
    let alone = embed("8", "avg", &one);
    assert!(near(&alone, &embed("8", "first", &one)) && near(&alone, &embed("8", "last", &one)));
}

#[test]
fn what_does_not_fit_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);
    common::pictures(&dir.join("pictures"), &[offshoot_simulator::Object::Mug], 2);
    let without = ["convert", "model.onnx", "--calibrate", "reviews"];
    refused(dir, &without, &["model.onnx: takes text; --tokenizer FILE names"]);
    refused(dir, &CONVERT[..6], &["how many tokens it takes is open: give --tokens N"]);
    let with = |more: &[&str], parts: &[&str]| refused(dir, &[&CONVERT[..], more].concat(), parts);
    with(&["--pool", "gem"], &["this --pool is of a picture's map; there is avg, first and last"]);
    with(&["--cut", "rows,sum"], &["is cut at one tensor"]);
    with(&["--cut", "row"], &["no tensor `row`", "`rows`"]);
    with(&["--eval", "reviews"], &["--eval is for pictures"]);
    with(&["--keep-float", "2"], &["--keep-float is for pictures"]);
    std::fs::write(dir.join("other.txt"), WORDS.join("\n") + "\nmore").unwrap();
    let other =
        ["convert", "model.onnx", "--tokenizer", "other.txt", "--calibrate", "reviews", "--tokens", "20"];
    refused(dir, &other, &["ids up to 24; the model has 24 tokens: it is another model's"]);
    let pictures =
        ["convert", "model.onnx", "--tokenizer", "vocab.txt", "--calibrate", "pictures", "--tokens", "20"];
    refused(dir, &pictures, &[".png: this is a picture; the package takes text"]);
    assert!(!dir.join("model.offshoot").exists());

    ok(dir, &[&CONVERT[..], &["-o", "words.offshoot"]].concat());
    let train = |package: &str, data: &str, parts: &[&str]| {
        refused(dir, &["train", package, data, "-o", "x.head"], parts);
    };
    train("words.offshoot", "pictures", &["this is a picture; the package takes text"]);
    let sprout = common::sprout().with_extension("offshoot");
    train(sprout.to_str().unwrap(), "reviews", &["_7.txt: this is text; the package takes pictures"]);
    train("words.offshoot", "no-such-folder", &["no-such-folder"]);
    refused(dir, &["bench", "words.offshoot", "--runs", "1"], &["the package takes the tokens of a text"]);
}
