//! Tokens of text, as the two families of language backbones make them.
//!
//! Reads a `tokenizer.json` of the `tokenizers` library, or BERT's `vocab.txt`. The library itself
//! is not used: it and the sixty crates it brings rebuild tract with other features, and the two
//! algorithms are short. What a file asks for beyond them is refused, not passed over.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

mod pairs;
mod pieces;

use pairs::Pairs;
use pieces::Pieces;

/// Why there is no tokenizer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is none that we know.
    #[error(
        "{path}: {what}; known are BERT's vocab.txt, and tokenizer.json with WordPiece or byte-level BPE"
    )]
    Unknown {
        /// The file, or the package it lies in.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The tokenizer is of another model.
    #[error("{path}: ids up to {largest}; the model has {vocabulary} tokens: it is another model's")]
    OtherModel {
        /// The tokenizer's file.
        path: PathBuf,
        /// Largest id.
        largest: u32,
        /// Rows of the model's table.
        vocabulary: usize,
    },
    /// None was given.
    #[error("{path}: takes text; --tokenizer FILE names its tokenizer.json or vocab.txt")]
    Missing {
        /// The model.
        path: PathBuf,
    },
}

/// Ids by token.
type Vocabulary = HashMap<String, u32>;

/// From text to the ids of its tokens.
///
/// Special tokens such as `[SEP]` that stand in a text are text, so that nobody ends a text for others.
#[derive(Debug)]
pub struct Tokenizer {
    /// The file's text.
    source: String,
    words: Words,
    /// Ids around every text.
    before: Vec<u32>,
    after: Vec<u32>,
    pad: u32,
    largest: u32,
}

#[derive(Debug)]
enum Words {
    Pieces(Pieces),
    Pairs(Pairs),
}

impl Tokenizer {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, or asks for what is not known here.
    pub fn open(path: &Path) -> Result<Self, TokenizerError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| TokenizerError::Read { path: path.to_path_buf(), source })?;
        Self::parse(&text, path)
    }

    /// Reads the text of a file; `path` is for messages.
    ///
    /// # Errors
    /// As [`Tokenizer::open`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, TokenizerError> {
        let unknown = |what: String| TokenizerError::Unknown { path: path.to_path_buf(), what };
        let read = if text.trim_start().starts_with('{') { from_json(text) } else { from_list(text) };
        read.map_err(unknown)
    }

    /// The ids of a text's first tokens, at most `most` with those that stand around every text.
    pub fn encode(&self, text: &str, most: usize) -> Vec<u32> {
        let room = most.saturating_sub(self.before.len() + self.after.len());
        let mut ids = self.before.clone();
        match &self.words {
            Words::Pieces(pieces) => pieces.encode(text, room, &mut ids),
            Words::Pairs(pairs) => pairs.encode(text, room, &mut ids),
        }
        ids.truncate(self.before.len() + room);
        ids.extend(&self.after);
        ids.truncate(most);
        ids
    }

    /// What was read, to be kept in a package.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The id that fills what a text leaves.
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// Checks that every id is one of a model's.
    ///
    /// # Errors
    /// [`TokenizerError::OtherModel`].
    pub fn check(&self, vocabulary: usize, path: &Path) -> Result<(), TokenizerError> {
        let largest = self.largest;
        let fits = (largest as usize) < vocabulary;
        if fits {
            Ok(())
        } else {
            Err(TokenizerError::OtherModel { path: path.to_path_buf(), largest, vocabulary })
        }
    }
}

/// BERT's `vocab.txt`: a token a line, its number is its id. Texts are put into small letters where no
/// word of the vocabulary has a capital.
fn from_list(text: &str) -> Result<Tokenizer, String> {
    let vocabulary: Vocabulary = text.lines().zip(0..).map(|(token, id)| (token.to_string(), id)).collect();
    let id = |token: &str| vocabulary.get(token).copied();
    let of = |token: &str| id(token).ok_or_else(|| format!("no token `{token}` in the list"));
    let (before, after, unknown) = (vec![of("[CLS]")?], vec![of("[SEP]")?], of("[UNK]")?);
    let pad = id("[PAD]").unwrap_or(0);
    let largest = vocabulary.values().copied().max().unwrap_or(0);
    let special = |token: &str| token.starts_with('[') && token.ends_with(']');
    let lowercase = !vocabulary.keys().any(|t| !special(t) && t.chars().any(char::is_uppercase));
    let words = Words::Pieces(Pieces { vocabulary, unknown, lowercase, accents: !lowercase, spaced: true });
    Ok(Tokenizer { source: text.to_string(), words, before, after, pad, largest })
}

fn from_json(text: &str) -> Result<Tokenizer, String> {
    let json: Value = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
    let model = &json["model"];
    let mut vocabulary = Vocabulary::new();
    for (token, id) in model["vocab"].as_object().ok_or("the model has no `vocab` of names and ids")? {
        vocabulary.insert(token.clone(), whole(id).ok_or_else(|| format!("`{token}` has no id"))?);
    }
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        let (content, id) = (token["content"].as_str(), whole(&token["id"]));
        let (content, id) = content.zip(id).ok_or("an added token without content or id")?;
        if token["special"] != true {
            return Err(format!("the added token `{content}`, which is a word and not special"));
        }
        vocabulary.insert(content.to_string(), id);
    }
    let (before, after) = around(&json["post_processor"])?;
    let stated = whole(&json["padding"]["pad_id"]);
    let named = || ["[PAD]", "<pad>"].iter().find_map(|t| vocabulary.get(*t).copied());
    let pad = stated.or_else(named).unwrap_or(0);
    let largest = vocabulary.values().copied().max().ok_or("the vocabulary is empty")?;
    let kind = |part: &Value| part["type"].as_str().unwrap_or("none").to_string();
    let words = match (&*kind(model), &*kind(&json["normalizer"]), &*kind(&json["pre_tokenizer"])) {
        ("WordPiece", "BertNormalizer", "BertPreTokenizer") => {
            Words::Pieces(Pieces::of(vocabulary, model, &json["normalizer"])?)
        }
        ("BPE", "none", "ByteLevel") => Words::Pairs(Pairs::of(vocabulary, model, &json["pre_tokenizer"])?),
        (model, normalizer, before) => {
            return Err(format!("a {model} model with normalizer {normalizer} and pre-tokenizer {before}"));
        }
    };
    Ok(Tokenizer { source: text.to_string(), words, before, after, pad, largest })
}

fn whole(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|v| u32::try_from(v).ok())
}

/// The ids that a post-processor puts before and after one text.
fn around(processor: &Value) -> Result<(Vec<u32>, Vec<u32>), String> {
    let pair = |key: &str| {
        let id = whole(&processor[key][1]);
        id.map(|id| vec![id]).ok_or_else(|| format!("a post-processor without `{key}`"))
    };
    match processor["type"].as_str() {
        // What the byte level one does is to offsets, which nobody here asks for.
        None | Some("ByteLevel") => Ok((Vec::new(), Vec::new())),
        Some("BertProcessing" | "RobertaProcessing") => Ok((pair("cls")?, pair("sep")?)),
        Some("TemplateProcessing") => {
            let (mut before, mut after, mut seen) = (Vec::new(), Vec::new(), false);
            for part in processor["single"].as_array().into_iter().flatten() {
                if part.get("Sequence").is_some() {
                    seen = true;
                    continue;
                }
                let name = part["SpecialToken"]["id"].as_str().unwrap_or_default();
                let ids = processor["special_tokens"][name]["ids"].as_array();
                let ids = ids.ok_or_else(|| format!("a template with `{name}`, which has no ids"))?;
                let list = if seen { &mut after } else { &mut before };
                list.extend(ids.iter().filter_map(whole));
            }
            if seen { Ok((before, after)) } else { Err("a template without the text".to_string()) }
        }
        Some(other) => Err(format!("the post-processor {other}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The ids are those of the `tokenizers` library, 0.22, with the same vocabularies.
    fn check(tokenizer: &Tokenizer, cases: &[(&str, &[u32])]) {
        for (text, ids) in cases {
            assert_eq!(tokenizer.encode(text, 1000), *ids, "{text:?}");
        }
    }

    fn words() -> Vec<&'static str> {
        "[PAD] [UNK] [CLS] [SEP] the cat sat ##s ##ing un ##aff ##able , . ! don ' t cafe naive \u{4e2d} \
         \u{56fd} $ \u{bf} que a ##b b ##a stra\u{df}e x ##x"
            .split_whitespace()
            .collect()
    }

    fn bert(normalizer: Value, processor: Value) -> Result<Tokenizer, TokenizerError> {
        let vocab: serde_json::Map<String, Value> =
            words().into_iter().zip(0..).map(|(word, id)| (word.to_string(), json!(id))).collect();
        let file = json!({
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": vocab},
            "added_tokens": [{"id": 32, "content": "[MASK]", "special": true}],
            "normalizer": normalizer,
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": processor,
        });
        Tokenizer::parse(&file.to_string(), Path::new("tokenizer.json"))
    }

    fn normalizer(lowercase: bool) -> Value {
        json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
               "strip_accents": null, "lowercase": lowercase})
    }

    fn processor() -> Value {
        json!({"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]})
    }

    const PLAIN: [(&str, &[u32]); 7] = [
        ("unaffable un-able", &[2, 9, 10, 11, 9, 1, 1, 3]),
        ("\u{4e2d}\u{56fd}cat", &[2, 20, 21, 5, 3]),
        ("\u{200b}cat\0\u{fffd}sat", &[2, 1, 3]),
        ("cat\u{a0}sat\tthe\nthe", &[2, 5, 6, 4, 4, 3]),
        ("abab zzz b$a", &[2, 25, 26, 28, 26, 1, 27, 22, 25, 3]),
        ("", &[2, 3]),
        ("[SEP] cat", &[2, 1, 1, 1, 5, 3]),
    ];

    const SMALL: [(&str, &[u32]); 6] = [
        ("The cats, sat!", &[2, 4, 5, 7, 12, 6, 14, 3]),
        ("Don't", &[2, 15, 16, 17, 3]),
        ("CAF\u{c9} na\u{ef}ve", &[2, 18, 19, 3]),
        ("\u{bf}Qu\u{e9}?", &[2, 23, 24, 1, 3]),
        ("STRA\u{df}E", &[2, 29, 3]),
        ("cat\u{301}s \u{3002}", &[2, 5, 7, 1, 3]),
    ];

    const LARGE: [(&str, &[u32]); 6] = [
        ("The cats, sat!", &[2, 1, 5, 7, 12, 6, 14, 3]),
        ("Don't", &[2, 1, 16, 17, 3]),
        ("CAF\u{c9} na\u{ef}ve", &[2, 1, 1, 3]),
        ("\u{bf}Qu\u{e9}?", &[2, 23, 1, 1, 3]),
        ("STRA\u{df}E", &[2, 1, 3]),
        ("cat\u{301}s \u{3002}", &[2, 1, 1, 3]),
    ];

    #[test]
    fn pieces_of_words() {
        let small = bert(normalizer(true), processor()).unwrap();
        check(&small, &PLAIN);
        check(&small, &SMALL);
        let large = bert(normalizer(false), processor()).unwrap();
        check(&large, &PLAIN);
        check(&large, &LARGE);
        let long = format!("{} {}", "x".repeat(100), "x".repeat(101));
        let ids = small.encode(&long, 1000);
        assert_eq!((ids.len(), ids[1], ids[2], ids[100], ids[101]), (103, 30, 31, 31, 1));
        assert_eq!(small.encode("the cat sat the cat", 5), [2, 4, 5, 6, 3]);
        assert_eq!((small.pad(), small.largest), (0, 32));
        small.check(33, Path::new("x")).unwrap();
        assert!(small.check(32, Path::new("x")).is_err());
    }

    #[test]
    fn a_list_of_words() {
        let list = words().join("\n") + "\n";
        let small = Tokenizer::parse(&list, Path::new("vocab.txt")).unwrap();
        check(&small, &PLAIN);
        check(&small, &SMALL);
        let large = Tokenizer::parse(&(list + "Cat\n"), Path::new("vocab.txt")).unwrap();
        check(&large, &LARGE);
        assert_eq!(large.encode("Cat", 9), [2, 32, 3]);
        let error = Tokenizer::parse("a\nb\n", Path::new("v/vocab.txt")).unwrap_err().to_string();
        assert!(error.contains("v/vocab.txt: no token `[CLS]` in the list; known are BERT's"), "{error}");
    }

    #[test]
    fn templates() {
        let template = json!({"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                               "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}});
        check(&bert(normalizer(true), template).unwrap(), &SMALL);
        for (normalizer, processor, part) in [
            (json!({"type": "Sequence"}), processor(), "normalizer Sequence"),
            (normalizer(true), json!({"type": "Other"}), "post-processor Other"),
            (normalizer(true), json!({"type": "TemplateProcessing", "single": []}), "without the text"),
        ] {
            let error = bert(normalizer, processor).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    fn gpt(space: bool) -> Tokenizer {
        let mut vocab: serde_json::Map<String, Value> =
            pairs::letters().into_iter().zip(0..).map(|(c, id)| (c.to_string(), json!(id))).collect();
        let merges = [
            ["\u{120}", "t"],
            ["h", "e"],
            ["\u{120}t", "he"],
            ["i", "n"],
            ["in", "g"],
            ["l", "l"],
            ["'", "s"],
            ["t", "he"],
            ["\u{10a}", "\u{10a}"],
            ["\u{120}", "\u{120}"],
            ["\u{c3}", "\u{a9}"],
        ];
        for (pair, id) in merges.iter().zip(256..) {
            vocab.insert(pair.concat(), json!(id));
        }
        let both: Vec<String> = merges.iter().map(|pair| pair.join(" ")).collect();
        let file = json!({
            "model": {"type": "BPE", "vocab": vocab, "merges": if space { json!(both) } else { json!(merges) }},
            "added_tokens": [{"id": 267, "content": "<|endoftext|>", "special": true}],
            "normalizer": null,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": space, "use_regex": true},
            "post_processor": null,
        });
        Tokenizer::parse(&file.to_string(), Path::new("tokenizer.json")).unwrap()
    }

    #[test]
    fn pairs_of_bytes() {
        check(
            &gpt(false),
            &[
                ("the thing's", &[263, 256, 104, 260, 262]),
                ("  the  the", &[32, 258, 32, 258]),
                ("we'll they've I'M", &[119, 101, 39, 261, 258, 121, 39, 118, 101, 32, 73, 39, 77]),
                ("x123 \u{ff14}\u{ff15}", &[120, 49, 50, 51, 32, 239, 188, 148, 239, 188, 149]),
                ("a\n\n b", &[97, 264, 32, 98]),
                ("tabs\t\tend  ", &[116, 97, 98, 115, 9, 9, 101, 110, 100, 265]),
                ("h\u{e9}llo", &[104, 266, 261, 111]),
                ("!!!...the", &[33, 33, 33, 46, 46, 46, 263]),
                ("\n\nthe\n \n the", &[10, 10, 263, 10, 32, 10, 258]),
                ("\u{92e}\u{93e}\u{928}", &[224, 164, 174, 224, 164, 190, 224, 164, 168]),
                ("", &[]),
                (" ", &[32]),
                ("a's 's  's", &[97, 262, 32, 39, 115, 32, 32, 39, 115]),
            ],
        );
        check(
            &gpt(true),
            &[
                ("the thing's", &[258, 256, 104, 260, 262]),
                ("  the  the", &[32, 258, 32, 258]),
                ("\n\nthe", &[32, 10, 10, 263]),
                ("'s", &[32, 39, 115]),
                ("", &[]),
            ],
        );
        assert_eq!(gpt(false).encode("the the the", 2), [263, 258]);
    }
}
