//! BERT's tokens: words cut at spaces and punctuation, then the longest pieces of the vocabulary
//! (Wu et al. 2016, as in google-research/bert's `tokenization.py`).

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use super::Vocabulary;

/// Longest word, in characters; longer ones are unknown as a whole.
const LONGEST: usize = 100;

#[derive(Debug)]
pub(super) struct Pieces {
    pub vocabulary: Vocabulary,
    pub unknown: u32,
    pub lowercase: bool,
    /// Whether they stay.
    pub accents: bool,
    /// Whether Chinese characters are words of their own.
    pub spaced: bool,
}

impl Pieces {
    pub(super) fn of(vocabulary: Vocabulary, model: &Value, normalizer: &Value) -> Result<Self, String> {
        let prefix = model["continuing_subword_prefix"].as_str().unwrap_or("##");
        if prefix != "##" {
            return Err(format!("pieces that begin with `{prefix}`"));
        }
        if normalizer["clean_text"] == false {
            return Err("a normalizer that does not clean texts".to_string());
        }
        let name = model["unk_token"].as_str().unwrap_or("[UNK]");
        let unknown = *vocabulary.get(name).ok_or_else(|| format!("no token `{name}`"))?;
        let lowercase = normalizer["lowercase"].as_bool().unwrap_or(true);
        let accents = !normalizer["strip_accents"].as_bool().unwrap_or(lowercase);
        let spaced = normalizer["handle_chinese_chars"].as_bool().unwrap_or(true);
        Ok(Self { vocabulary, unknown, lowercase, accents, spaced })
    }

    /// Appends ids until there are at least `room` or the text ends.
    pub(super) fn encode(&self, text: &str, room: usize, ids: &mut Vec<u32>) {
        let end = ids.len() + room;
        for word in self.normalized(text).split_whitespace() {
            let mut rest = word;
            while let Some(first) = rest.chars().next() {
                if ids.len() >= end {
                    return;
                }
                let length = if is_punctuation(first) {
                    first.len_utf8()
                } else {
                    rest.find(is_punctuation).unwrap_or(rest.len())
                };
                let (part, tail) = rest.split_at(length);
                self.word(part, ids);
                rest = tail;
            }
        }
    }

    fn normalized(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for c in text.chars().filter(|&c| c != '\0' && c != '\u{fffd}' && !is_control(c)) {
            if c.is_whitespace() {
                clean.push(' ');
            } else if self.spaced && is_chinese(c) {
                clean.extend([' ', c, ' ']);
            } else {
                clean.push(c);
            }
        }
        if !self.accents {
            let is_accent = |c: &char| c.general_category() == GeneralCategory::NonspacingMark;
            clean = clean.nfd().filter(|c| !is_accent(c)).collect();
        }
        if self.lowercase { clean.to_lowercase() } else { clean }
    }

    /// The longest pieces from the left; the word is unknown where none fits.
    fn word(&self, word: &str, ids: &mut Vec<u32>) {
        let begin = ids.len();
        let mut at = 0;
        while at < word.len() && word.chars().count() <= LONGEST {
            let ends = word[at..].char_indices().map(|(i, c)| at + i + c.len_utf8()).rev();
            let found = ends.into_iter().find_map(|end| {
                let piece = &word[at..end];
                let id = if at == 0 {
                    self.vocabulary.get(piece)
                } else {
                    self.vocabulary.get(&format!("##{piece}"))
                };
                id.map(|&id| (id, end))
            });
            let Some((id, end)) = found else { break };
            ids.push(id);
            at = end;
        }
        if at < word.len() {
            ids.truncate(begin);
            ids.push(self.unknown);
        }
    }
}

fn is_control(c: char) -> bool {
    !['\t', '\n', '\r'].contains(&c) && c.general_category_group() == GeneralCategoryGroup::Other
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// The blocks of CJK ideographs.
fn is_chinese(c: char) -> bool {
    matches!(u32::from(c),
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x2_a6df
        | 0x2_a700..=0x2_ceaf | 0x2_f800..=0x2_fa1f)
}
