//! GPT-2's tokens: bytes, of which the pairs that were joined first when the vocabulary was learned
//! are joined first (Radford et al. 2019, as in openai/gpt-2's `encoder.py`).

use std::collections::HashMap;

use serde_json::Value;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::Vocabulary;

#[derive(Debug)]
pub(super) struct Pairs {
    /// The id of each single byte.
    bytes: Vec<u32>,
    /// The rank of each pair that is joined, and what it becomes.
    joints: HashMap<(u32, u32), (usize, u32)>,
    space_before: bool,
}

impl Pairs {
    pub(super) fn of(vocabulary: Vocabulary, model: &Value, splitter: &Value) -> Result<Self, String> {
        if splitter["use_regex"] == false {
            return Err("a byte level pre-tokenizer without its regular expression".to_string());
        }
        for (key, plain) in [("continuing_subword_prefix", ""), ("end_of_word_suffix", "")] {
            if model[key].as_str().is_some_and(|text| text != plain) {
                return Err(format!("a {key}"));
            }
        }
        let id = |token: &str| vocabulary.get(token).copied().ok_or_else(|| format!("no token `{token}`"));
        let letters = letters();
        let bytes = letters.iter().map(|c| id(&c.to_string())).collect::<Result<Vec<_>, _>>()?;
        let mut joints = HashMap::new();
        for (rank, pair) in model["merges"].as_array().ok_or("no `merges`")?.iter().enumerate() {
            // Older files have both in one string.
            let both = match pair {
                Value::String(both) => both.split_once(' '),
                pair => pair[0].as_str().zip(pair[1].as_str()),
            };
            let (a, b) = both.ok_or_else(|| format!("merge {rank} is no pair"))?;
            joints.insert((id(a)?, id(b)?), (rank, id(&format!("{a}{b}"))?));
        }
        let space_before = splitter["add_prefix_space"].as_bool().unwrap_or(false);
        Ok(Self { bytes, joints, space_before })
    }

    /// Appends ids until there are at least `room` or the text ends.
    pub(super) fn encode(&self, text: &str, room: usize, ids: &mut Vec<u32>) {
        let end = ids.len() + room;
        let spaced;
        let mut rest = text;
        if self.space_before && !text.is_empty() && !text.starts_with(' ') {
            spaced = format!(" {text}");
            rest = &spaced;
        }
        while !rest.is_empty() && ids.len() < end {
            let (word, tail) = rest.split_at(word(rest));
            self.join(word.as_bytes(), ids);
            rest = tail;
        }
    }

    fn join(&self, word: &[u8], ids: &mut Vec<u32>) {
        let mut tokens: Vec<u32> = word.iter().map(|&b| self.bytes[usize::from(b)]).collect();
        let best = |tokens: &[u32]| {
            let pairs = tokens.windows(2).enumerate();
            let known =
                pairs.filter_map(|(at, w)| self.joints.get(&(w[0], w[1])).map(|&(rank, id)| (rank, at, id)));
            known.min()
        };
        while let Some((_, at, id)) = best(&tokens) {
            tokens[at] = id;
            tokens.remove(at + 1);
        }
        ids.extend(tokens);
    }
}

/// Bytes of the first word, as GPT-2's regular expression cuts:
/// `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
fn word(text: &str) -> usize {
    if let Some(ending) = ["'s", "'d", "'m", "'t", "'ll", "'ve", "'re"].iter().find(|e| text.starts_with(*e))
    {
        return ending.len();
    }
    let body = text.strip_prefix(' ').unwrap_or(text);
    let space = text.len() - body.len();
    if let Some(kind) = body.chars().next().map(Kind::of).filter(|&kind| kind != Kind::Space) {
        return space + body.find(|c| Kind::of(c) != kind).unwrap_or(body.len());
    }
    let run = text.find(|c| Kind::of(c) != Kind::Space).unwrap_or(text.len());
    // The last space goes with the word behind it.
    let last = text[..run].chars().next_back().map_or(0, char::len_utf8);
    if run == text.len() || run == last { run } else { run - last }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Number,
    Space,
    Other,
}

impl Kind {
    fn of(c: char) -> Self {
        match c.general_category_group() {
            GeneralCategoryGroup::Letter => Self::Letter,
            GeneralCategoryGroup::Number => Self::Number,
            _ if c.is_whitespace() => Self::Space,
            _ => Self::Other,
        }
    }
}

/// The letter that stands for each byte in vocabularies: itself where it can be printed, others from
/// U+0100 on.
pub(super) fn letters() -> Vec<char> {
    let printed = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut others = (0x100u32..).filter_map(char::from_u32);
    (0..=255).filter_map(|b| if printed(b) { Some(char::from(b)) } else { others.next() }).collect()
}
