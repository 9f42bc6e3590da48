//! Class names valid for heads.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use offshoot_core::head::{Escaped, MAX_NAME_BYTES, check_name, is_hidden};

use crate::left_out::LeftOut;

/// Maps each class name to one that is valid for a head: hidden characters are escaped, long names
/// truncated, and names that would collide by that get a numeric suffix. Each change is noted.
pub(super) fn tidy<'a>(
    names: impl Iterator<Item = &'a str>,
    left_out: &mut LeftOut,
) -> BTreeMap<&'a str, String> {
    let names: BTreeSet<&str> = names.collect();
    let (good, others): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| check_name(name).is_ok());
    let mut taken: BTreeSet<String> = good.iter().map(|name| name.to_string()).collect();
    let mut tidied: BTreeMap<&str, String> =
        good.into_iter().map(|name| (name, name.to_string())).collect();
    for name in others {
        let shown = escaped(name);
        let endings = iter::once(String::new()).chain((2..).map(|n| format!("~{n}")));
        let mut candidates = endings.map(|ending| cut(&shown, &ending));
        let new = candidates.find(|new| !taken.contains(new)).unwrap_or_default();
        let why = match (name.is_empty(), name.chars().any(is_hidden)) {
            (true, _) => "a class needs a name".to_string(),
            (_, true) => {
                "control, bidirectional or zero-width characters are not shown as they are"
                    .to_string()
            }
            _ => format!("{} bytes, {MAX_NAME_BYTES} allowed", name.len()),
        };
        left_out.note(format!("class `{shown}` is renamed to `{new}`: {why}"));
        taken.insert(new.clone());
        tidied.insert(name, new);
    }
    tidied
}

/// Escapes hidden characters like Rust does: `\u{202e}`.
fn escaped(name: &str) -> String {
    if name.is_empty() {
        return "nameless".to_string();
    }
    Escaped(name).to_string()
}

/// Truncates a name so that it fits a head with `end` appended.
fn cut(name: &str, end: &str) -> String {
    let mut most = name.len().min(MAX_NAME_BYTES - end.len());
    while !name.is_char_boundary(most) {
        most -= 1;
    }
    format!("{}{end}", &name[..most])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn long_and_hidden_names_are_told_and_stay_apart() {
        let long = ["x".repeat(70), "x".repeat(71), format!("{}\u{e9}\u{e9}", "x".repeat(63))];
        let names = [&long[0], &long[1], &long[2], "cat", "ca\u{200b}t", "a\u{202e}b"];
        let mut left_out = LeftOut::default();
        let tidied = tidy(names.into_iter(), &mut left_out);
        let all: BTreeSet<&String> = tidied.values().collect();
        assert_eq!(all.len(), names.len(), "none became another's: {all:?}");
        assert!(all.iter().all(|name| check_name(name).is_ok()), "{all:?}");
        assert_eq!((&tidied["cat"][..], &tidied["ca\u{200b}t"][..]), ("cat", "ca\\u{200b}t"));
        assert_eq!(tidied[&long[1][..]], format!("{}~2", "x".repeat(62)));
        let report = left_out.report_on(Path::new("data"));
        assert_eq!(report.lines().count(), 5, "{report}");
        assert!(
            report.contains(&format!("`{}` is renamed to", long[0])) && report.contains("70 bytes"),
            "{report}"
        );
        assert!(report.contains("class `a\\u{202e}b`") && !report.contains('\u{202e}'), "{report}");
    }
}
