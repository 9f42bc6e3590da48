//! Tokenizers against the ids that Hugging Face's own library gives in Python
//! (`tokenizers/make.py`).

use std::path::{Path, PathBuf};

use offshoot_convert::calibrate::tokenizer::{Tokenizer, TokenizerError};
use serde_json::{Value, json};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tokenizers").join(name)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Texts with their ids: all, and those of the first 12 tokens.
fn cases(name: &str) -> Vec<(String, Vec<u32>, Vec<u32>)> {
    let all = read(&file("ids.json"));
    let ids = |key: &str, i: usize| serde_json::from_value(all[key][i].clone()).unwrap();
    let texts = all["texts"].as_array().unwrap().iter().enumerate();
    texts
        .map(|(i, t)| {
            (t.as_str().unwrap().to_string(), ids(name, i), ids(&format!("{name} 12"), i))
        })
        .collect()
}

fn check(tokenizer: &Tokenizer, cases: &[(String, Vec<u32>, Vec<u32>)]) {
    assert!(cases.len() > 15);
    for (text, ids, first) in cases {
        assert_eq!(tokenizer.encode(text, usize::MAX).unwrap(), *ids, "{text:?}");
        assert_eq!(tokenizer.encode(text, 12).unwrap(), *first, "{text:?}");
        for most in 0..4 {
            assert!(tokenizer.encode(text, most).unwrap().len() <= most);
        }
    }
}

#[test]
fn ids_are_those_of_the_library() {
    for (name, pad) in [("wordpiece", 0), ("roberta", 1), ("unigram", 1)] {
        let tokenizer = Tokenizer::open(&file(&format!("{name}.json"))).unwrap();
        assert_eq!(tokenizer.pad(), pad, "{name}");
        check(&tokenizer, &cases(name));
        // As a package keeps it.
        check(
            &Tokenizer::parse(tokenizer.source(), Path::new("x.offshoot")).unwrap(),
            &cases(name),
        );
    }
}

#[test]
fn a_list_of_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vocab.txt");
    let json = read(&file("wordpiece.json"));
    let mut words: Vec<(u64, &String)> = json["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(w, id)| (id.as_u64().unwrap(), w))
        .collect();
    words.sort();
    let list: String = words.iter().map(|(_, word)| format!("{word}\n")).collect();
    std::fs::write(&path, &list).unwrap();
    let tokenizer = Tokenizer::open(&path).unwrap();
    check(&tokenizer, &cases("wordpiece"));
    let largest = words.len();
    tokenizer.check(largest, None, &path).unwrap();
    tokenizer.check(largest, Some(0), &path).unwrap();
    let error = tokenizer.check(largest, Some(1), Path::new("m.onnx")).unwrap_err().to_string();
    assert!(
        error.contains(
            "m.onnx: tokenizer of another model: its padding id is 0, the model treats 1 as padding"
        ),
        "{error}"
    );
    let error = tokenizer.check(largest - 1, None, Path::new("m.onnx")).unwrap_err();
    assert!(matches!(error, TokenizerError::OtherModel { .. }), "{error}");
    // With one capital in the list, capitals and accents count.
    let large = Tokenizer::parse(&(list + "Fox\n"), &path).unwrap();
    let ids = |tokenizer: &Tokenizer, text| tokenizer.encode(text, 99).unwrap();
    assert_eq!(ids(&large, "Fox").len(), 3);
    assert_ne!(ids(&large, "FOX"), ids(&tokenizer, "FOX"));
    assert_eq!(ids(&tokenizer, "F\u{d6}X"), ids(&tokenizer, "fox"));
}

/// GPT-2's two files, and RoBERTa's, which only the tokens around a text tell from them.
#[test]
fn ids_by_token_and_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vocab.json");
    let mut json = read(&file("roberta.json"));
    let pairs = json["model"]["merges"].as_array().unwrap();
    let pair = |p: &Value| format!("{} {}\n", p[0].as_str().unwrap(), p[1].as_str().unwrap());
    let merges: String = pairs.iter().map(pair).collect();
    std::fs::write(&path, json["model"]["vocab"].to_string()).unwrap();
    let error = Tokenizer::open(&path).unwrap_err().to_string();
    assert!(error.contains("merges.txt: "), "{error}");
    std::fs::write(dir.path().join("merges.txt"), format!("#version: 0.2\n{merges}")).unwrap();
    let roberta = Tokenizer::open(&path).unwrap();
    check(&roberta, &cases("roberta"));
    check(&Tokenizer::parse(roberta.source(), Path::new("x.offshoot")).unwrap(), &cases("roberta"));

    json["model"]["vocab"].as_object_mut().unwrap().remove("<s>");
    std::fs::write(&path, json["model"]["vocab"].to_string()).unwrap();
    let gpt2 = Tokenizer::open(&path).unwrap();
    for (text, ids, _) in cases("roberta") {
        assert_eq!(gpt2.encode(&text, 1000).unwrap(), ids[1..ids.len() - 1], "{text:?}");
    }
}

#[test]
fn what_lies_beside_a_model_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let exported = dir.join("onnx");
    std::fs::create_dir(&exported).unwrap();
    let model = exported.join("model.onnx");
    assert_eq!(Tokenizer::beside(&model), None);
    std::fs::write(dir.join("tokenizer.json"), "").unwrap();
    assert_eq!(Tokenizer::beside(&model), Some(dir.join("tokenizer.json")));
    assert_eq!(Tokenizer::beside(&dir.join("model.onnx")), Some(dir.join("tokenizer.json")));
    std::fs::write(exported.join("vocab.json"), "").unwrap();
    assert_eq!(Tokenizer::beside(&model), Some(dir.join("tokenizer.json")), "without its pairs");
    std::fs::write(exported.join("merges.txt"), "").unwrap();
    assert_eq!(Tokenizer::beside(&model), Some(exported.join("vocab.json")));
    std::fs::write(exported.join("vocab.txt"), "").unwrap();
    assert_eq!(Tokenizer::beside(&model), Some(exported.join("vocab.txt")));
}

#[test]
fn what_is_no_tokenizer_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let good = read(&file("roberta.json"));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut json = good.clone();
        change(&mut json);
        json.to_string().into_bytes()
    };
    let charsmap = json!({"type": "Precompiled", "precompiled_charsmap": "/////w=="});
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("tokenizer.json", b"{\"model\":".to_vec(), "EOF"),
        ("tokenizer.json", b"{}".to_vec(), "Model missing"),
        ("tokenizer.json", with(&|j| j["model"]["type"] = json!("Tea")), "enum Model"),
        ("tokenizer.json", with(&|j| j["model"]["merges"][0] = json!(["no", "such"])), "no"),
        ("tokenizer.json", with(&|j| j["model"]["dropout"] = json!(0.1)), "`dropout`"),
        ("tokenizer.json", with(&|j| j["normalizer"] = charsmap.clone()), ""),
        ("tokenizer.json", with(&|j| j["pre_tokenizer"] = json!({"type": "Split"})), "pattern"),
        ("vocab.txt", b"a\nb\n".to_vec(), "no token `[CLS]` in the list"),
        ("spiece.model", vec![0x0a, 0xff, 0xfe], "SentencePiece"),
    ];
    for (name, bytes, part) in cases {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = Tokenizer::open(&path).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, TokenizerError::Unknown { .. }) && text.contains(part),
            "{part}: {text}"
        );
        assert!(
            text.contains(&format!("{}: ", path.display())) && text.contains("known formats are"),
            "{text}"
        );
    }
    let absent = Tokenizer::open(&dir.path().join("absent.json")).unwrap_err();
    assert!(matches!(absent, TokenizerError::Read { .. }), "{absent}");
}
