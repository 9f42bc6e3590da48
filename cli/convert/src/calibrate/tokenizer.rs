//! Tokens of text, by Hugging Face's `tokenizers`.
//!
//! Reads a `tokenizer.json` of that library, BERT's `vocab.txt`, or the `vocab.json` and `merges.txt` of
//! GPT-2 and RoBERTa, which are brought into the form of the first.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use thiserror::Error;
use tokenizers::utils::truncation::TruncationDirection;
use tokenizers::{Model, ModelWrapper, PostProcessor};

use crate::catch_panic::quietly;

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
        "{path}: {what}; known are tokenizer.json, BERT's vocab.txt, and vocab.json with merges.txt beside it"
    )]
    Unknown {
        /// The file, or the package it lies in.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A text that the tokenizer makes no tokens of.
    #[error("{path}: no tokens of the text that begins with `{begin}`: {what}")]
    Text {
        /// The tokenizer's file, or the package it lies in.
        path: PathBuf,
        /// The text's first characters.
        begin: String,
        /// What the library says.
        what: String,
    },
    /// The tokenizer is of another model.
    #[error("{path}: ids up to {largest}; the model has {vocabulary} tokens: it is another model's")]
    OtherModel {
        /// The model.
        path: PathBuf,
        /// Largest id.
        largest: u32,
        /// Rows of the model's table.
        vocabulary: usize,
    },
    /// Model and tokenizer do not mean the same by padding.
    #[error(
        "{path}: the model counts tokens other than {model}, its tokenizer fills with {own}: it is another model's"
    )]
    OtherPadding {
        /// The model.
        path: PathBuf,
        /// The id that the model passes over.
        model: u32,
        /// The tokenizer's.
        own: u32,
    },
    /// None was given.
    #[error(
        "{path}: takes text, and beside it lies no tokenizer.json, vocab.txt, or vocab.json with merges.txt; \
         --tokenizer FILE names one"
    )]
    Missing {
        /// The model.
        path: PathBuf,
    },
}

/// Files that are looked for beside a model, the first of which is taken.
const BESIDE: [&str; 3] = ["tokenizer.json", "vocab.txt", "vocab.json"];

/// Where exporters put the model, its tokenizer a folder above.
const EXPORTS: &str = "onnx";

/// Characters of a text that a message shows.
const SHOWN: usize = 40;

/// From text to the ids of its tokens.
///
/// Special tokens such as `[SEP]` that stand in a text are text, so that nobody ends a text for others.
#[derive(Debug)]
pub struct Tokenizer {
    /// What a package keeps.
    source: String,
    path: PathBuf,
    own: tokenizers::Tokenizer,
    direction: TruncationDirection,
    pad: u32,
    largest: u32,
}

impl Tokenizer {
    /// The file with a model's tokenizer, if it lies beside the model.
    pub fn beside(model: &Path) -> Option<PathBuf> {
        let folder = model.parent()?;
        let above = folder.parent().filter(|_| folder.file_name().is_some_and(|name| name == EXPORTS));
        let whole = |file: &PathBuf| file.is_file() && merges(file).is_none_or(|merges| merges.is_file());
        [folder].into_iter().chain(above).flat_map(|f| BESIDE.map(|name| f.join(name))).find(whole)
    }

    /// A model's: of the file that somebody named, else of the one beside the model.
    ///
    /// # Errors
    /// As [`Tokenizer::open`], and where there is none.
    pub fn of(model: &Path, file: Option<&Path>) -> Result<Self, TokenizerError> {
        let file = file.map(Path::to_path_buf).or_else(|| Self::beside(model));
        Self::open(&file.ok_or_else(|| TokenizerError::Missing { path: model.to_path_buf() })?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, or is no tokenizer.
    pub fn open(path: &Path) -> Result<Self, TokenizerError> {
        let unknown =
            |what: &str| TokenizerError::Unknown { path: path.to_path_buf(), what: what.to_string() };
        let read = |path: &Path| {
            let failed = |source| TokenizerError::Read { path: path.to_path_buf(), source };
            std::fs::read(path).map_err(failed)
        };
        let text = String::from_utf8(read(path)?).map_err(|_| {
            unknown(
                "not text; of a SentencePiece model `AutoTokenizer.save_pretrained` makes a tokenizer.json",
            )
        })?;
        let Some(merges) = merges(path) else { return Self::parse(&text, path) };
        let merges = String::from_utf8(read(&merges)?).map_err(|_| unknown("merges.txt is not text"))?;
        let file = of_pairs(&text, &merges).map_err(|what| unknown(&what))?;
        Self::parse(&file, path)
    }

    /// Reads the text of a `tokenizer.json` or `vocab.txt`; `path` is for messages.
    ///
    /// # Errors
    /// What is no tokenizer, or one that draws its tokens at random.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TokenizerError> {
        let is_json = text.trim_start().starts_with('{');
        let read = || if is_json { library(text) } else { library(&of_list(text)?.to_string()) };
        // The library trusts numbers that stand in the file.
        let own = quietly(read).unwrap_or_else(Err);
        let mut own = own.map_err(|what| TokenizerError::Unknown { path: path.to_path_buf(), what })?;
        own.set_encode_special_tokens(true);
        let named = || ["[PAD]", "<pad>"].iter().find_map(|token| own.token_to_id(token));
        let pad = own.get_padding().map(|padding| padding.pad_id).or_else(named).unwrap_or(0);
        let direction = own.get_truncation().map_or(TruncationDirection::Right, |t| t.direction);
        let largest = own.get_vocab(true).into_values().max().unwrap_or(0);
        own.with_padding(None);
        // Nothing is asked of no truncation.
        let _ = own.with_truncation(None);
        Ok(Self { source: text.to_string(), path: path.to_path_buf(), own, direction, pad, largest })
    }

    /// The ids of a text's first tokens, at most `most` with those that stand around every text.
    ///
    /// # Errors
    /// [`TokenizerError::Text`].
    pub fn encode(&self, text: &str, most: usize) -> Result<Vec<u32>, TokenizerError> {
        let around = self.own.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let encode = || -> tokenizers::Result<Vec<u32>> {
            let mut own = self.own.encode_fast(text, false)?;
            own.truncate(most.saturating_sub(around), 0, self.direction);
            let mut ids = self.own.post_process(own, None, true)?.get_ids().to_vec();
            ids.truncate(most);
            Ok(ids)
        };
        let encoded = quietly(encode).and_then(|ids| ids.map_err(|e| e.to_string()));
        encoded.map_err(|what| {
            let begin = text.chars().take(SHOWN).collect();
            TokenizerError::Text { path: self.path.clone(), begin, what }
        })
    }

    /// What was read, to be kept in a package.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The id that fills what a text leaves.
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// Checks that every id is one of a model's, and that both mean the same by padding, where the model
    /// has a meaning of it.
    ///
    /// # Errors
    /// [`TokenizerError::OtherModel`], [`TokenizerError::OtherPadding`].
    pub fn check(&self, vocabulary: usize, pad: Option<u32>, path: &Path) -> Result<(), TokenizerError> {
        let (largest, own) = (self.largest, self.pad);
        if largest as usize >= vocabulary {
            return Err(TokenizerError::OtherModel { path: path.to_path_buf(), largest, vocabulary });
        }
        match pad {
            Some(model) if model != own => {
                Err(TokenizerError::OtherPadding { path: path.to_path_buf(), model, own })
            }
            _ => Ok(()),
        }
    }
}

/// The file of pairs that belongs to a `vocab.json`; nothing for other files.
fn merges(vocabulary: &Path) -> Option<PathBuf> {
    let is_json = vocabulary.file_name().is_some_and(|name| name == "vocab.json");
    is_json.then(|| vocabulary.with_file_name("merges.txt"))
}

/// The library's tokenizer.
fn library(text: &str) -> Result<tokenizers::Tokenizer, String> {
    let own: tokenizers::Tokenizer = text.parse().map_err(|e: tokenizers::Error| e.to_string())?;
    match own.get_model() {
        ModelWrapper::BPE(pairs) if pairs.dropout.is_some_and(|share| share > 0.0) => {
            Err("it leaves out pairs at random (`dropout`): set that to null".to_string())
        }
        model if model.get_vocab_size() == 0 => Err("its vocabulary is empty".to_string()),
        _ => Ok(own),
    }
}

/// BERT's `vocab.txt`: a token a line, its number is its id. Texts are put into small letters where no
/// word of the vocabulary has a capital.
fn of_list(text: &str) -> Result<Value, String> {
    let vocabulary: Map<String, Value> =
        text.lines().zip(0..).map(|(token, id)| (token.to_string(), json!(id))).collect();
    for token in ["[CLS]", "[SEP]", "[UNK]"] {
        if !vocabulary.contains_key(token) {
            return Err(format!("no token `{token}` in the list"));
        }
    }
    let special = |token: &str| token.starts_with('[') && token.ends_with(']');
    let lowercase = !vocabulary.keys().any(|t| !special(t) && t.chars().any(char::is_uppercase));
    let around = |token: &str| json!([token, vocabulary[token]]);
    let processor = json!({"type": "BertProcessing", "cls": around("[CLS]"), "sep": around("[SEP]")});
    Ok(json!({
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": processor,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    }))
}

/// GPT-2's `vocab.json` and `merges.txt`, and RoBERTa's, which puts `<s>` and `</s>` around a text.
fn of_pairs(vocabulary: &str, merges: &str) -> Result<String, String> {
    let vocabulary: Map<String, Value> =
        serde_json::from_str(vocabulary).map_err(|e| format!("no ids by token: {e}"))?;
    let merges: Vec<&str> =
        merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version")).collect();
    let around = |token: &str| Some(json!([token, vocabulary.get(token)?]));
    let roberta = |(cls, sep)| {
        json!({"type": "RobertaProcessing", "cls": cls, "sep": sep, "trim_offsets": true,
               "add_prefix_space": false})
    };
    Ok(json!({
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                          "use_regex": true},
        "post_processor": around("<s>").zip(around("</s>")).map(roberta),
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
    })
    .to_string())
}
