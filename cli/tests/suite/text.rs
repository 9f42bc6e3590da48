//! Text from end to end: a small language backbone made here, converted, taught on IMDb's layout,
//! asked.

use std::path::Path;
use std::process::Command;

use crate::common::{ok, refused};
use offshoot::{Extractor, Options, Package, Precision};
use offshoot_core::package::GoldenInput;
use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

pub(crate) const WORDS: [&str; 24] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "a", "the", "film", "story", "was", "is", "it",
    "good", "great", "fine", "lovely", "superb", "bad", "awful", "dull", "poor", "weak", "and",
    "very",
];

pub(crate) const WIDTH: i64 = 16;

/// An input of whole numbers, its length open.
fn input(name: &str) -> ValueInfoProto {
    let dim = |value| Dimension { denotation: String::new(), value: Some(value) };
    let dim = vec![dim(Value::DimValue(1)), dim(Value::DimParam("sequence".to_string()))];
    let tensor = type_proto::Tensor { elem_type: 7, shape: Some(TensorShapeProto { dim }) };
    let r#type =
        TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_string(), r#type: Some(r#type), ..ValueInfoProto::default() }
}

pub(crate) fn node(
    op: &str,
    name: &str,
    inputs: &[&str],
    attribute: Option<AttributeProto>,
) -> NodeProto {
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
    let name = "perm".to_string();
    let ints = ints.to_vec();
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
    encoded(graph(WORDS.len() as i64))
}

pub(crate) fn graph(vocabulary: i64) -> GraphProto {
    let spread = |i: i64| ((i * 7919 % 1009) as f32 - 504.0) / 504.0;
    // As in a trained table, words of one kind have something in common.
    let row = |i: i64| match (i / WIDTH, i % WIDTH) {
        (12..17, 0..4) => 1.5,
        (17..22, 0..4) => -1.5,
        _ => spread(i),
    };
    GraphProto {
        input: ["input_ids", "attention_mask", "token_type_ids"].map(input).to_vec(),
        initializer: vec![
            weights("table", &[vocabulary, WIDTH], row),
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
        output: vec![ValueInfoProto {
            name: "last_hidden_state".to_string(),
            ..Default::default()
        }],
        ..GraphProto::default()
    }
}

/// The same as RoBERTa and XLM-R are exported: places are counted from the ids that are not
/// padding.
fn roberta(vocabulary: i64) -> Vec<u8> {
    let mut graph = graph(vocabulary);
    let whole = |name: &str, value: i64| TensorProto {
        name: name.to_string(),
        data_type: 7,
        raw_data: value.to_le_bytes().to_vec(),
        ..TensorProto::default()
    };
    let spread = |i: i64| ((i * 6007 % 997) as f32 - 498.0) / 498.0;
    graph.initializer.extend([
        weights("positions", &[64, WIDTH], spread),
        whole("pad", 1),
        whole("axis", 1),
    ]);
    graph.input.retain(|input| input.name != "token_type_ids");
    graph.node.retain(|node| !["type_rows", "sum"].contains(&&*node.name));
    let counted = [
        node("Equal", "is_pad", &["input_ids", "pad"], None),
        node("Not", "is_token", &["is_pad"], None),
        node("Cast", "ones", &["is_token"], number("to", 6)),
        node("CumSum", "count", &["ones", "axis"], None),
        node("Mul", "counted", &["count", "ones"], None),
        node("Cast", "counted_long", &["counted"], number("to", 7)),
        node("Add", "places", &["counted_long", "pad"], None),
        node("Gather", "place_rows", &["positions", "places"], None),
        node("Add", "sum", &["rows", "place_rows"], None),
    ];
    graph.node.splice(1..1, counted);
    encoded(graph)
}

pub(crate) fn encoded(graph: GraphProto) -> Vec<u8> {
    let model = ModelProto {
        ir_version: 7,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        graph: Some(graph),
        ..ModelProto::default()
    };
    model.encode_to_vec()
}

/// The model, its vocabulary, and reviews as IMDb's archive has them.
pub(crate) fn prepare(dir: &Path) {
    std::fs::write(dir.join("model.onnx"), model()).unwrap();
    std::fs::write(dir.join("vocab.txt"), WORDS.join("\n")).unwrap();
    let good = &WORDS[12..17];
    let bad = &WORDS[17..22];
    for (split, offset) in [("train", 0), ("test", 2)] {
        for (class, words) in [("pos", good), ("neg", bad)] {
            let folder = dir.join("reviews").join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for (i, word) in words.iter().enumerate() {
                let other = words[(i + 1 + offset) % words.len()];
                let subject = ["film", "story"][(i + offset) % 2];
                let text =
                    format!("The {subject} was {word}.<br /><br />It is very {other} and {word}.");
                std::fs::write(folder.join(format!("{i}_7.txt")), text).unwrap();
            }
        }
    }
}

pub(crate) const CONVERT: [&str; 8] = [
    "convert",
    "model.onnx",
    "--tokenizer",
    "vocab.txt",
    "--calibrate",
    "reviews",
    "--tokens",
    "20",
];

/// Golden vectors of floats are those of every processor, to the bit.
#[test]
fn golden_vectors_are_reproducible() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path());
    ok(dir.path(), &[&CONVERT[..], &["--precision", "f32", "-o", "words.offshoot"]].concat());
    let bytes = std::fs::read(dir.path().join("words.offshoot")).unwrap();
    let options = Options::new().reproducible(true);
    let mut extractor = Extractor::from_bytes_with(bytes.clone(), &options).unwrap();
    let package = Package::open(&bytes).unwrap();
    for golden in package.goldens() {
        let GoldenInput::Tokens(ids) = golden.input else { panic!("{golden:?}") };
        let ids: Vec<u32> = ids.iter().collect();
        let embedding = extractor.embed_tokens(&ids).unwrap();
        assert!(embedding.bytes().eq(golden.output.iter().copied()), "{ids:?}");
    }
    assert_eq!(package.goldens().count(), 2);
}

#[test]
fn from_a_model_to_answers() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);
    let text = ok(dir, &[&CONVERT[..], &["-o", "words.offshoot"]].concat());
    assert!(
        text.contains("up to 20 tokens of 24; the embedding is the mean of the tokens"),
        "{text}"
    );
    ok(dir, &[&CONVERT[..], &["-o", "again.offshoot"]].concat());
    let bytes = std::fs::read(dir.join("words.offshoot")).unwrap();
    assert!(
        bytes == std::fs::read(dir.join("again.offshoot")).unwrap(),
        "the same input, other bytes"
    );
    // All that is in codes.
    let floats =
        ok(dir, &[&CONVERT[..], &["--keep-float", "dense", "-o", "floats.offshoot"]].concat());
    assert!(
        text.contains("precision      int8 dynamic") && floats.contains("precision      f32"),
        "{text} {floats}"
    );
    assert!(
        text.contains("1 linear layers in int8") && floats.contains("kept in float: dense"),
        "{text} {floats}"
    );
    // The options that are judged by the embeddings of texts.
    let judged = [
        "--keep-float",
        "1",
        "--search-seconds",
        "1",
        "--rounding",
        "adaptive",
        "--equalize",
        "on",
    ];
    let told = ok(dir, &[&CONVERT[..], &judged, &["-o", "judged.offshoot"]].concat());
    for part in ["searched: ", "kept in float: dense (", "weights rounded"] {
        assert!(told.contains(part), "{part}: {told}");
    }

    let text = ok(dir, &["inspect", "model.onnx"]);
    for part in
        ["text, 128 tokens of 24", "cut            last_hidden_state", "1x128x16", "  sum\n"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = ok(dir, &["inspect", "words.offshoot"]);
    for part in [
        "text, up to 20 tokens of 24, filled with 0",
        "mean of the tokens",
        "precision      int8 dynamic",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(ok(dir, &["verify", "words.offshoot"]).starts_with("verify ok  2 vectors"));
    let text =
        ok(dir, &["train", "words.offshoot", "reviews", "-o", "mood.head", "--unknown", "off"]);
    assert!(text.contains("10 texts of 2 classes") && text.contains("1.000 of 10 other"), "{text}");
    std::fs::write(dir.join("new.txt"), "a superb film").unwrap();
    let text =
        ok(dir, &["predict", "words.offshoot", "mood.head", "new.txt", "reviews/test/neg/0_7.txt"]);
    let answers: Vec<_> = text.lines().map(|l| l.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(answers, ["pos", "neg"], "{text}");
    let text =
        ok(dir, &["eval", "words.offshoot", "reviews/train", "--shots", "3", "--head", "ncm"]);
    assert!(text.contains("2 classes; trained on 3"), "{text}");

    std::fs::write(dir.join("lines.txt"), "the film\n\nthe film is good\n").unwrap();
    ok(dir, &["embed", "words.offshoot", "lines.txt", "--json", "lines.json"]);
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("lines.json")).unwrap()).unwrap();
    assert_eq!(json["files"], serde_json::json!(["lines.txt#1", "lines.txt#3"]));
    assert_eq!(json["embeddings"][1].as_array().unwrap().len(), WIDTH as usize);
}

/// Padding behind a text's end changes nothing, and each pooling is what it says.
#[test]
fn padding_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);
    let embed = |tokens: &str, pool: &str, ids: &[u32]| -> Vec<f32> {
        let arguments =
            [&CONVERT[..7], &[tokens, "--pool", pool, "--precision", "f32", "-o", "p.offshoot"]];
        ok(dir, &arguments.concat());
        let mut extractor = Extractor::open(dir.join("p.offshoot")).unwrap();
        assert_eq!(extractor.package().manifest().precision, Precision::Float);
        assert_eq!(extractor.token_limit(), tokens.parse().ok());
        extractor.embed_tokens(ids).unwrap().iter().collect()
    };
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let one = [12];
    let three = [2, 12, 3];
    let mean = embed("8", "avg", &three);
    assert!(near(&mean, &embed("30", "avg", &three)));
    let first = embed("8", "first", &three);
    let last = embed("8", "last", &three);
    assert!(!near(&first, &last) && !near(&first, &mean));
    // A token alone is the first, the last and the mean.
    let alone = embed("8", "avg", &one);
    assert!(near(&alone, &embed("8", "first", &one)) && near(&alone, &embed("8", "last", &one)));
}

/// Runs onnxruntime on a text, if Python has it (`OFFSHOOT_PYTHON` names another Python).
fn onnxruntime(model: &Path, length: usize, pad: u32, ids: &[u32]) -> Option<Vec<f32>> {
    let python = std::env::var("OFFSHOOT_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let has = Command::new(&python).args(["-c", "import onnxruntime, numpy"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        println!(
            "onnxruntime: skipped, {python} has no onnxruntime; set OFFSHOOT_PYTHON to one that has"
        );
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/text.py");
    let ids = ids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let mut command = Command::new(&python);
    command.args([&script, model]).args([length.to_string(), pad.to_string(), ids]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A RoBERTa with a SentencePiece vocabulary, as multilingual sentence encoders are.
#[test]
fn places_counted_from_ids() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);
    let tokenizers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokenizers");
    std::fs::copy(tokenizers.join("unigram.json"), dir.join("tokenizer.json")).unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("tokenizer.json")).unwrap()).unwrap();
    let vocabulary = json["model"]["vocab"].as_array().unwrap().len() as i64;
    std::fs::write(dir.join("model.onnx"), roberta(vocabulary)).unwrap();
    let convert = |tokens: &str, name: &str, more: &[&str]| {
        let arguments =
            ["convert", "model.onnx", "--calibrate", "reviews", "--tokens", tokens, "-o", name];
        ok(dir, &[&arguments[..], more].concat())
    };
    // The tokenizer is found beside the model, before the vocab.txt that lies there too.
    let text = convert("30", "long.offshoot", &["--precision", "f32"]);
    assert!(text.contains(&format!("up to 30 tokens of {vocabulary}")), "{text}");
    convert("12", "short.offshoot", &["--precision", "f32"]);
    let ids = [0, 40, 7, 90, 2];
    let embed = |name: &str| -> Vec<f32> {
        Extractor::open(dir.join(name)).unwrap().embed_tokens(&ids).unwrap().iter().collect()
    };
    let long = embed("long.offshoot");
    let short = embed("short.offshoot");
    assert!(long.iter().zip(&short).all(|(a, b)| (a - b).abs() < 1e-5), "{long:?} {short:?}");
    if let Some(theirs) = onnxruntime(&dir.join("model.onnx"), 30, 1, &ids) {
        assert!(long.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-4), "{long:?} {theirs:?}");
    }
    // Where it stands counts: the same tokens in another order are another text.
    let mut package = Extractor::open(dir.join("long.offshoot")).unwrap();
    let other: Vec<f32> = package.embed_tokens(&[0, 90, 7, 40, 2]).unwrap().iter().collect();
    assert!(long.iter().zip(&other).any(|(a, b)| (a - b).abs() > 1e-3));
    let text = convert("30", "dynamic.offshoot", &[]);
    assert!(text.contains("int8 dynamic"), "{text}");
    let mut wrong = json.clone();
    wrong["padding"] = serde_json::json!({"strategy": "BatchLongest", "direction": "Right",
        "pad_to_multiple_of": null, "pad_id": 2, "pad_type_id": 0, "pad_token": "</s>"});
    std::fs::write(dir.join("wrong.json"), wrong.to_string()).unwrap();
    let wrong = [
        "convert",
        "model.onnx",
        "--calibrate",
        "reviews",
        "--tokens",
        "12",
        "--tokenizer",
        "wrong.json",
    ];
    refused(
        dir,
        &wrong,
        &[
            "model.onnx: tokenizer of another model: its padding id is 2, the model treats 1 as padding",
        ],
    );
}

/// Every command that works on a package does on one that takes text.
#[test]
fn texts_are_searched_sorted_timed_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);
    ok(dir, &[&CONVERT[..], &["-o", "words.offshoot"]].concat());
    std::fs::write(dir.join("query.txt"), "a superb film").unwrap();
    let text = ok(dir, &["search", "words.offshoot", "reviews", "query.txt", "--top", "3"]);
    let found: Vec<&str> = text.lines().skip(1).collect();
    assert!(found.len() == 3 && found.iter().all(|line| line.contains("/pos/")), "{text}");
    assert!(found[0].contains("The ") && found[0].contains(" was "), "its first words: {text}");
    std::fs::write(dir.join("lines.txt"), "it is awful\n\"superb\", a film\nis it bad, or poor\n")
        .unwrap();
    let text = ok(dir, &["search", "words.offshoot", "lines.txt", "query.txt", "--top", "1"]);
    assert!(text.contains("lines.txt#2  \"superb\", a film"), "{text}");

    let text = ok(dir, &["cluster", "words.offshoot", "lines.txt", "-k", "2"]);
    assert!(text.contains("group 1: 2 texts") && text.contains("group 2: 1 text\n"), "{text}");
    let table = std::fs::read_to_string(dir.join("clusters.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "group,place,name,text"));
    let quoted = ",lines.txt#2,\"\"\"superb\"\", a film\"";
    assert!(lines[1..].iter().any(|line| line.ends_with(quoted)), "{table}");
    refused(
        dir,
        &["cluster", "words.offshoot", "lines.txt", "-o", "x.png"],
        &["x.png: -o must end in .csv"],
    );
    std::fs::create_dir(dir.join("empty")).unwrap();
    refused(dir, &["cluster", "words.offshoot", "empty"], &["empty: no .txt files"]);

    let text =
        ok(dir, &["bench", "words.offshoot", "--runs", "3", "--compare", "model.onnx", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["tokens"], &json["frame"]), (&20.into(), &serde_json::Value::Null));
    assert!(json["compare"]["cosine"].as_f64().unwrap() > 0.99, "{text}");
    assert!(ok(dir, &["bench", "words.offshoot", "--runs", "3"]).contains("(20 tokens)"));
}

#[test]
fn what_codes_cost_a_text_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);
    // More reviews than words: each is a pair of words.
    for (class, words) in [("pos", &WORDS[12..17]), ("neg", &WORDS[17..22])] {
        for (i, a) in words.iter().enumerate() {
            let name = format!("reviews/train/{class}/more{i}.txt");
            std::fs::write(dir.join(name), format!("it is a {a} {} story", words[(i + 2) % 5]))
                .unwrap();
        }
    }
    let eval = [&CONVERT[..], &["--eval", "reviews", "-o", "e.offshoot"]].concat();
    let text = ok(dir, &[&eval[..], &["--max-drop", "5"]].concat());
    assert!(text.contains("  task ") && text.contains("5 texts a class, 20 draws"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&ok(dir, &[&eval[..], &["--json"]].concat())).unwrap();
    assert!(json["few_shot"]["float"].as_f64().unwrap() > 0.9, "{json}");
    let dense =
        json["layers"].as_array().unwrap().iter().find(|layer| layer["name"] == "dense").unwrap();
    let noise =
        ["noise_alone", "noise_together"].map(|key| dense[key].as_f64().unwrap_or_default());
    assert!(dense["in_codes"] == true && noise[0] > 0.0 && noise[1] > 0.0, "{dense}");
    // No ranges, no search for better ones.
    assert_eq!(json["fixes"], serde_json::json!([]));

    let page = ["--report", "out.html", "--budget-ms", "1000", "--l2"];
    let text = ok(dir, &[&eval[..], &page].concat());
    assert!(
        text.contains("within the budget: ") && text.contains("16 values, brought to length 1"),
        "{text}"
    );
    let page = std::fs::read_to_string(dir.join("out.html")).unwrap();
    assert!(page.contains("calibrated on 20 texts; up to 20 tokens"), "{page}");
    // Samples are shown by their first words.
    assert!(page.matches("<blockquote>").count() > 2 && !page.contains("<img"), "{page}");
    let mut unit = Extractor::open(dir.join("e.offshoot")).unwrap();
    let unit = unit.embed_tokens(&[2, 12, 3]).map(|e| e.iter().map(|x| x * x).sum::<f32>());
    assert!((unit.unwrap() - 1.0).abs() < 1e-5);

    let cuts =
        ["cuts", "model.onnx", "--data", "reviews", "--tokens", "20", "--draws", "4", "--json"];
    let all: serde_json::Value =
        serde_json::from_str(&ok(dir, &[&cuts[..], &["-o", "cuts.png"]].concat())).unwrap();
    let rows = all["cuts"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["cut"].as_str().unwrap()).collect();
    assert!(names.contains(&"sum") && names.last() == Some(&"last_hidden_state"), "{names:?}");
    assert!(rows.last().unwrap()["automatic"] == true && rows.len() > 1, "{all}");
    let image = image::open(dir.join("cuts.png")).unwrap();
    assert_eq!((image.width(), image.height()), (2240, 1280));
    let command: Vec<&str> = all["command"].as_str().unwrap().split_whitespace().skip(1).collect();
    assert!(command.contains(&"--tokens") && !command.contains(&"--preset"), "{command:?}");
    ok(dir, &[&command[..], &["-o", "chosen.offshoot"]].concat());
}

#[test]
fn what_does_not_fit_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    prepare(dir);
    crate::common::images(&dir.join("pictures"), &[offshoot_simulator::Object::Mug], 2);
    std::fs::create_dir(dir.join("alone")).unwrap();
    std::fs::copy(dir.join("model.onnx"), dir.join("alone/model.onnx")).unwrap();
    let without = ["convert", "alone/model.onnx", "--calibrate", "reviews"];
    refused(
        dir,
        &without,
        &[
            "model.onnx: no tokenizer for this text model: beside it is no",
            "--tokenizer FILE names one",
        ],
    );
    refused(dir, &CONVERT[..6], &["how many tokens it takes is open: give --tokens N"]);
    let with = |more: &[&str], parts: &[&str]| refused(dir, &[&CONVERT[..], more].concat(), parts);
    with(
        &["--pool", "gem"],
        &["this --pool is for an image's feature map; allowed are avg, first and last"],
    );
    with(&["--cut", "rows,sum"], &["are cut at one tensor"]);
    with(&["--preset", "tf"], &["model.onnx: takes texts; remove --preset, which does not apply"]);
    with(&["--target", "native"], &["remove --target"]);
    with(&["--cut", "row"], &["no tensor `row`", "`rows`"]);
    with(&["--keep-float", "dens"], &["--keep-float dens: no such layer; the nearest is dense"]);
    std::fs::write(dir.join("other.txt"), WORDS.join("\n") + "\nmore").unwrap();
    let other = [
        "convert",
        "model.onnx",
        "--tokenizer",
        "other.txt",
        "--calibrate",
        "reviews",
        "--tokens",
        "20",
    ];
    refused(
        dir,
        &other,
        &["tokenizer of another model: its ids go up to 24, the model has 24 tokens"],
    );
    let images = [
        "convert",
        "model.onnx",
        "--tokenizer",
        "vocab.txt",
        "--calibrate",
        "pictures",
        "--tokens",
        "20",
    ];
    refused(dir, &images, &["pictures: no .txt files in this folder or below it", "takes text"]);
    assert!(!dir.join("model.offshoot").exists());

    ok(dir, &[&CONVERT[..], &["-o", "words.offshoot"]].concat());
    let train = |package: &str, data: &str, parts: &[&str]| {
        refused(dir, &["train", package, data, "-o", "x.head"], parts);
    };
    train("words.offshoot", "pictures", &["this is an image; the package takes text"]);
    let sprout = crate::common::sprout().with_extension("offshoot");
    train(sprout.to_str().unwrap(), "reviews", &["_7.txt: this is text; the package takes images"]);
    train("words.offshoot", "no-such-folder", &["no-such-folder"]);
    refused(
        dir,
        &["search", "words.offshoot", "reviews", "pictures/mug/0.png"],
        &["this is an image"],
    );
    let onnx = crate::common::sprout();
    let of_images = ["convert", onnx.to_str().unwrap(), "--calibrate", "pictures", "--tokens", "9"];
    refused(dir, &of_images, &["sprout.onnx: takes images; remove --tokens"]);
    let views = ["train", "words.offshoot", "reviews", "-o", "x.head", "--augment=flip"];
    refused(dir, &views, &["model.onnx: the package takes text, which has no views"]);
    refused(dir, &["search", sprout.to_str().unwrap(), "pictures", "other.txt"], &["this is text"]);
}
