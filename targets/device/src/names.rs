//! Names of classes that the user gives before they are taught.

use offshoot_core::head::{ClassError, Escaped, check_name};

use crate::session::limits::MOST_CLASSES;

/// Error in the names of classes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamesError {
    /// A name is not valid for a class; hidden characters are escaped in it.
    #[error("the name `{name}`: {source}")]
    Name {
        /// Name of the class.
        name: String,
        /// Reason why it is not valid.
        source: ClassError,
    },
    /// Two classes have the same name.
    #[error("the name `{name}` is given twice")]
    Twice {
        /// Name of both.
        name: String,
    },
    /// There are more names than buttons.
    #[error("{found} names, allowed are {MOST_CLASSES}")]
    TooMany {
        /// Number of names given.
        found: usize,
    },
}

/// Checks names of classes, in the order of their buttons, before anything is opened or shown.
///
/// # Errors
///
/// [`NamesError`] for a name that is not valid ([`check_name`]), a duplicate, or too many names.
pub fn check_names(names: &[String]) -> Result<(), NamesError> {
    for (place, name) in names.iter().enumerate() {
        check_name(name)
            .map_err(|source| NamesError::Name { name: Escaped(name).to_string(), source })?;
        if names[..place].contains(name) {
            return Err(NamesError::Twice { name: Escaped(name).to_string() });
        }
    }
    match names.len() {
        found if found > MOST_CLASSES => Err(NamesError::TooMany { found }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_dropped_in_silence() {
        let check = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            check_names(&names).map_err(|error| error.to_string())
        };
        assert_eq!(
            check(&["mug", "caf\u{e9}", "n02093428_American_Staffordshire_terrier"]),
            Ok(())
        );
        for (names, told) in [
            (&["mug", ""][..], "the name ``: a class needs a name"),
            (
                &["a\u{202e}b"],
                "the name `a\\u{202e}b`: a name with control, bidirectional or zero-width",
            ),
            (&["a\nb"], "the name `a\\u{a}b`"),
            (&["mug", "pen", "mug"], "`mug` is given twice"),
            (&[&"x".repeat(65)], "65 bytes, allowed are 64"),
        ] {
            let error = check(names).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        let many: Vec<String> = (0..=MOST_CLASSES).map(|n| n.to_string()).collect();
        assert_eq!(check_names(&many), Err(NamesError::TooMany { found: MOST_CLASSES + 1 }));
    }
}
