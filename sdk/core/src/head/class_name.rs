//! Names of classes.

use core::fmt::{self, Write};

use super::error::ClassError;
use super::storage::MAX_NAME_BYTES;

/// Checks a name like [`Head::add_class`](super::Head::add_class), except for duplicates.
///
/// # Errors
///
/// [`ClassError`] for a name that is empty, longer than [`MAX_NAME_BYTES`], or with a hidden
/// character ([`is_hidden`]).
pub fn check_name(name: &str) -> Result<(), ClassError> {
    match name.len() {
        0 => Err(ClassError::Empty),
        found if found > MAX_NAME_BYTES => Err(ClassError::TooLong { found }),
        _ if name.chars().any(is_hidden) => Err(ClassError::NotPrintable),
        _ => Ok(()),
    }
}

/// Returns true for a character that is invisible in a displayed name, or changes the reading of
/// its neighbours: control characters, line separators, bidirectional controls (Unicode's UAX 9),
/// and zero-width characters (UAX 31's default ignorable characters except for the variation
/// selectors, without which an emoji is another one).
///
/// Two names that look alike would be two classes, and a name could break a terminal or a line of a
/// file.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e00ff}')
}

/// Name for a screen, a terminal or a line of a file: hidden characters ([`is_hidden`]) are escaped
/// in Rust's notation, such as `\u{202e}`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match is_hidden(c) {
            true => c.escape_unicode().fmt(f),
            false => f.write_char(c),
        })
    }
}

/// Returns true if an older version may have accepted the name: it allowed hidden characters that
/// are no control characters.
pub(super) fn is_readable(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use std::{format, vec};

    use super::*;
    use crate::head::testing::empty;
    use crate::head::{Head, HeadError, HeadKind, Limits};

    /// Head of an older version, in whose record three bytes of the name are these.
    fn of_before(name: &[u8; 3]) -> Result<vec::Vec<u8>, HeadError> {
        let limits = Limits { classes: 2, samples: 2 };
        let mut head = empty(HeadKind::Auto, 2, limits);
        head.add_class("xyz").unwrap();
        let mut bytes = vec![0; head.encoded_len()];
        let length = head.encode(&mut bytes).unwrap();
        let at = bytes.windows(3).position(|part| part == b"xyz").unwrap();
        bytes[at..at + 3].copy_from_slice(name);
        let sum = crate::checksum::hash(&bytes[..length - 4]);
        bytes[length - 4..].copy_from_slice(&sum.to_le_bytes());
        let memory = &mut vec![0; limits.words(HeadKind::Auto, 2)?][..];
        let old = Head::decode(&bytes, None, memory)?;
        let mut merged = empty(HeadKind::Auto, 2, limits);
        merged.merge(&old).unwrap();
        assert_eq!(merged.class_count(), 1);
        let mut again = vec![0; old.encoded_len()];
        old.encode(&mut again).unwrap();
        assert_eq!(again, bytes);
        Ok(bytes)
    }

    #[test]
    fn heads_of_before_are_read_though_their_names_are_refused_now() {
        let name = "\u{200b}";
        assert!(check_name(name).is_err());
        of_before(name.as_bytes().try_into().unwrap()).unwrap();
        assert!(of_before(b"a\nb").is_err());
    }

    #[test]
    fn what_cannot_be_seen_is_refused() {
        let hidden = [
            "\n",
            "\u{7f}",
            "\u{85}",
            "\u{200b}",
            "\u{200d}",
            "\u{202e}",
            "\u{2066}",
            "\u{feff}",
            "\u{ad}",
            "\u{2028}",
            "\u{e0041}",
            "\u{3164}",
        ];
        for c in hidden {
            assert_eq!(check_name(&format!("a{c}b")), Err(ClassError::NotPrintable), "{c:?}");
        }
        for name in
            ["K\u{e4}se", "\u{732b}", "\u{645}\u{627}\u{647}", "\u{2764}\u{fe0f}", "a b", "\u{a0}"]
        {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn folders_of_imagenet_have_room() {
        for name in ["n02093428_American_Staffordshire_terrier", &"x".repeat(64)] {
            assert_eq!(check_name(name), Ok(()));
        }
        assert_eq!(check_name(&"x".repeat(65)), Err(ClassError::TooLong { found: 65 }));
    }
}
