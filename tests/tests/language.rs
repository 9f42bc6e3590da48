//! The language of the sources and of what users read.

use std::fs;
use std::path::{Path, PathBuf};

/// Words that a doc line, an error or a help text does not begin with: a noun or a verb says more.
const VAGUE: [&str; 7] = ["What", "Where", "Whether", "How", "That", "Of", "As"];

/// Most doc lines in a thousand that begin so all the same, as a sentence that goes on does.
const MOST_IN_THOUSAND: usize = 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
        .to_path_buf()
}

/// Files with an ending below some folders of the root, built ones and folders of a name left out.
fn files(folders: &[&str], ending: &str, without: Option<&str>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = left.pop() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let is_built = name.starts_with("target") && name != "targets";
            let is_skipped = is_built || without == Some(name.as_str());
            if !is_skipped && !name.starts_with('.') {
                let entries = fs::read_dir(&path).expect("folders can be read");
                left.extend(entries.map(|entry| entry.expect("entries can be read").path()));
            }
        } else if path.extension().is_some_and(|e| e == ending) {
            let text = fs::read_to_string(&path).expect("texts are UTF-8");
            let shown = path.strip_prefix(root()).expect("found below it").display().to_string();
            found.push((shown, text));
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no .{ending} in {folders:?}");
    found
}

/// The text of a doc line.
fn doc(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim_start)
}

fn is_vague(text: &str) -> bool {
    let first = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    VAGUE.contains(&first)
}

#[test]
fn doc_lines_begin_with_a_noun_or_a_verb() {
    let mut all = 0;
    let mut vague = Vec::new();
    for (path, text) in files(&["cli", "sdk", "targets", "tests"], "rs", None) {
        for (index, line) in text.lines().enumerate() {
            let Some(text) = doc(line) else { continue };
            all += 1;
            if is_vague(text) {
                vague.push(format!("{path}:{}: {text}", index + 1));
            }
        }
    }
    assert!(all > 5000, "found {all} doc lines only");
    let found = vague.len();
    let most = all * MOST_IN_THOUSAND / 1000;
    assert!(
        found <= most,
        "{found} of {all} doc lines begin with {VAGUE:?}, {most} may:\n{}",
        vague.join("\n")
    );
}

#[test]
fn help_and_errors_begin_with_a_noun_or_a_verb() {
    let mut vague = Vec::new();
    for (path, text) in files(&["cli", "sdk", "targets"], "rs", Some("tests")) {
        let is_help = path.starts_with("cli/src/args");
        for (index, line) in text.lines().enumerate() {
            let error = line.trim_start().strip_prefix("#[error(\"");
            let help = doc(line).filter(|_| is_help && line.trim_start().starts_with("///"));
            if error.or(help).is_some_and(is_vague) {
                vague.push(format!("{path}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    assert!(vague.is_empty(), "texts that begin with {VAGUE:?}:\n{}", vague.join("\n"));
}

#[test]
fn docs_name_nothing_outside_the_repository() {
    let mut found = Vec::new();
    for (path, text) in files(
        &["README.md", "ARCHITECTURE.md", "docs", "models", "sdk", "targets", "cli"],
        "md",
        Some("tests"),
    ) {
        for (index, line) in text.lines().enumerate() {
            if line.contains("../shared") {
                found.push(format!("{path}:{}: {line}", index + 1));
            }
        }
    }
    assert!(found.is_empty(), "readers do not have ../shared:\n{}", found.join("\n"));
}

#[test]
fn vague_beginnings_are_found() {
    assert!(
        is_vague("What it is.")
            && is_vague("As there.")
            && !is_vague("Whatever")
            && !is_vague("`What`")
    );
    assert_eq!(doc("    /// A text."), Some("A text."));
    assert_eq!(doc("    // A comment."), None);
}
