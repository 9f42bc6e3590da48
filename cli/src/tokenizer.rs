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
