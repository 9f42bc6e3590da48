//! Tokenization of text by Hugging Face's `tokenizers`.
//!
//! Reads a `tokenizer.json` of that library, BERT's `vocab.txt`, or the `vocab.json` and
//! `merges.txt` of GPT-2 and RoBERTa; the last two forms are converted to the first.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use thiserror::Error;
use tokenizers::utils::truncation::TruncationDirection;
use tokenizers::{Model, ModelWrapper, PostProcessor};

use crate::catch_panic::quietly;

/// Error of a tokenizer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The file has no known format.
    #[error(
        "{path}: {what}; known formats are tokenizer.json, BERT's vocab.txt, and vocab.json with merges.txt beside it"
    )]
    Unknown {
        /// Path of the file, or of the package that holds it.
        path: PathBuf,
        /// Contents that were found.
        what: String,
    },
    /// The tokenizer fails on a text.
    #[error("{path}: cannot tokenize the text that begins with `{begin}`: {what}")]
    Text {
        /// Path of the tokenizer's file, or of the package that holds it.
        path: PathBuf,
        /// First characters of the text.
        begin: String,
        /// Message of the library.
        what: String,
    },
    /// The tokenizer belongs to another model.
    #[error(
        "{path}: tokenizer of another model: its ids go up to {largest}, the model has {vocabulary} tokens"
    )]
    OtherModel {
        /// Path of the model.
        path: PathBuf,
        /// Largest id of the tokenizer.
        largest: u32,
        /// Number of rows of the model's embedding table.
        vocabulary: usize,
    },
    /// Model and tokenizer use different padding tokens.
    #[error(
        "{path}: tokenizer of another model: its padding id is {own}, the model treats {model} as padding"
    )]
    OtherPadding {
        /// Path of the model.
        path: PathBuf,
        /// Id that the model treats as padding.
        model: u32,
        /// Padding id of the tokenizer.
        own: u32,
    },
    /// No tokenizer was given or found.
    #[error(
        "{path}: no tokenizer for this text model: beside it is no tokenizer.json, vocab.txt, or vocab.json with merges.txt; \
         --tokenizer FILE names one"
    )]
    Missing {
        /// Path of the model.
        path: PathBuf,
    },
}

/// Names of files looked for beside a model, the first match is used.
const BESIDE: [&str; 3] = ["tokenizer.json", "vocab.txt", "vocab.json"];

/// Folder of the model in an export; its tokenizer is one folder above.
const EXPORTS: &str = "onnx";

/// Number of characters of a text in a message.
const SHOWN: usize = 40;

/// Tokenizer: from text to token ids.
///
/// Special tokens such as `[SEP]` inside a text are treated as plain text, so that the author of a
/// text cannot end it early.
#[derive(Debug)]
pub struct Tokenizer {
    /// Text of the tokenizer file, which a package keeps.
    source: String,
    path: PathBuf,
    own: tokenizers::Tokenizer,
    direction: TruncationDirection,
    pad: u32,
    largest: u32,
}

impl Tokenizer {
    /// Returns the path of the tokenizer file beside the model, if there is one.
    pub fn beside(model: &Path) -> Option<PathBuf> {
        let folder = model.parent()?;
        let above =
            folder.parent().filter(|_| folder.file_name().is_some_and(|name| name == EXPORTS));
        let whole =
            |file: &PathBuf| file.is_file() && merges(file).is_none_or(|merges| merges.is_file());
        [folder].into_iter().chain(above).flat_map(|f| BESIDE.map(|name| f.join(name))).find(whole)
    }

    /// Opens a model's tokenizer: the stated file, else the one beside the model.
    ///
    /// # Errors
    /// See [`Tokenizer::open`]; no file is stated and none lies beside the model.
    pub fn of(model: &Path, file: Option<&Path>) -> Result<Self, TokenizerError> {
        let file = file.map(Path::to_path_buf).or_else(|| Self::beside(model));
        Self::open(&file.ok_or_else(|| TokenizerError::Missing { path: model.to_path_buf() })?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is not a tokenizer.
    pub fn open(path: &Path) -> Result<Self, TokenizerError> {
        let text = String::from_utf8(read(path)?).map_err(|_| {
            unknown(
                path,
                "not text; for a SentencePiece model, make a tokenizer.json by `AutoTokenizer.save_pretrained`",
            )
        })?;
        let Some(merges) = merges(path) else { return Self::parse(&text, path) };
        let merges = String::from_utf8(read(&merges)?)
            .map_err(|_| unknown(path, "merges.txt is not text"))?;
        let file = of_pairs(&text, &merges).map_err(|what| unknown(path, what))?;
        Self::parse(&file, path)
    }

    /// Parses the text of a `tokenizer.json` or `vocab.txt`; `path` is for messages.
    ///
    /// # Errors
    /// The text is not a tokenizer, or the tokenizer draws tokens at random.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TokenizerError> {
        // The library panics on some numbers in a malformed file.
        let own = quietly(|| match text.trim_start().starts_with('{') {
            true => library(text),
            false => library(&of_list(text)?.to_string()),
        });
        let mut own = own.unwrap_or_else(Err).map_err(|what| unknown(path, what))?;
        own.set_encode_special_tokens(true);
        let pad = own
            .get_padding()
            .map(|padding| padding.pad_id)
            .or_else(|| ["[PAD]", "<pad>"].iter().find_map(|token| own.token_to_id(token)))
            .unwrap_or(0);
        let direction = own.get_truncation().map_or(TruncationDirection::Right, |t| t.direction);
        let largest = own.get_vocab(true).into_values().max().unwrap_or(0);
        own.with_padding(None);
        // Disabling truncation cannot fail.
        let _ = own.with_truncation(None);
        Ok(Self {
            source: text.to_string(),
            path: path.to_path_buf(),
            own,
            direction,
            pad,
            largest,
        })
    }

    /// Returns the ids of a text's first tokens, at most `most`, including the special tokens
    /// around every text.
    ///
    /// # Errors
    /// [`TokenizerError::Text`].
    pub fn encode(&self, text: &str, most: usize) -> Result<Vec<u32>, TokenizerError> {
        let encoded = quietly(|| self.ids(text, most));
        encoded.and_then(|ids| ids.map_err(|e| e.to_string())).map_err(|what| {
            let begin = text.chars().take(SHOWN).collect();
            TokenizerError::Text { path: self.path.clone(), begin, what }
        })
    }

    fn ids(&self, text: &str, most: usize) -> tokenizers::Result<Vec<u32>> {
        let around =
            self.own.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let mut own = self.own.encode_fast(text, false)?;
        own.truncate(most.saturating_sub(around), 0, self.direction);
        let mut ids = self.own.post_process(own, None, true)?.get_ids().to_vec();
        ids.truncate(most);
        Ok(ids)
    }

    /// Returns the text that was read, to be kept in a package.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the padding id.
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// Checks that all ids exist in the model, and that tokenizer and model agree on the padding
    /// id, if the model has one.
    ///
    /// # Errors
    /// [`TokenizerError::OtherModel`], [`TokenizerError::OtherPadding`].
    pub fn check(
        &self,
        vocabulary: usize,
        pad: Option<u32>,
        path: &Path,
    ) -> Result<(), TokenizerError> {
        let largest = self.largest;
        let own = self.pad;
        if largest as usize >= vocabulary {
            return Err(TokenizerError::OtherModel {
                path: path.to_path_buf(),
                largest,
                vocabulary,
            });
        }
        match pad {
            Some(model) if model != own => {
                Err(TokenizerError::OtherPadding { path: path.to_path_buf(), model, own })
            }
            _ => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    std::fs::read(path).map_err(|source| TokenizerError::Read { path: path.to_path_buf(), source })
}

fn unknown(path: &Path, what: impl Into<String>) -> TokenizerError {
    TokenizerError::Unknown { path: path.to_path_buf(), what: what.into() }
}

/// Returns the path of the merges file of a `vocab.json`; `None` for other files.
fn merges(vocabulary: &Path) -> Option<PathBuf> {
    let is_json = vocabulary.file_name().is_some_and(|name| name == "vocab.json");
    is_json.then(|| vocabulary.with_file_name("merges.txt"))
}

/// Parses the text with the library.
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

/// Converts BERT's `vocab.txt`: one token per line, the line number is its id. Texts are lowercased
/// if no word of the vocabulary has a capital.
fn of_list(text: &str) -> Result<Value, String> {
    let vocabulary: Map<String, Value> =
        text.lines().zip(0..).map(|(token, id)| (token.to_string(), json!(id))).collect();
    for token in ["[CLS]", "[SEP]", "[UNK]"] {
        if !vocabulary.contains_key(token) {
            return Err(format!("no token `{token}` in the list"));
        }
    }
    let words = vocabulary.keys().filter(|t| !(t.starts_with('[') && t.ends_with(']')));
    let lowercase = !words.flat_map(|t| t.chars()).any(char::is_uppercase);
    let processor = json!({"type": "BertProcessing", "cls": ["[CLS]", vocabulary["[CLS]"]],
                           "sep": ["[SEP]", vocabulary["[SEP]"]]});
    Ok(json!({
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": processor,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary},
    }))
}

/// Converts `vocab.json` and `merges.txt` of GPT-2, or of RoBERTa, which puts `<s>` and `</s>`
/// around a text.
fn of_pairs(vocabulary: &str, merges: &str) -> Result<String, String> {
    let vocabulary: Map<String, Value> =
        serde_json::from_str(vocabulary).map_err(|e| format!("no ids by token: {e}"))?;
    let merges: Vec<&str> =
        merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version")).collect();
    let around = vocabulary.get("<s>").zip(vocabulary.get("</s>"));
    let processor = around.map(|(cls, sep)| {
        json!({"type": "RobertaProcessing", "cls": ["<s>", cls], "sep": ["</s>", sep],
               "trim_offsets": true, "add_prefix_space": false})
    });
    Ok(json!({
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                          "use_regex": true},
        "post_processor": processor,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
    })
    .to_string())
}
