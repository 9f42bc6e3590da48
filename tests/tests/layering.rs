//! Dependencies that the crates may have, and the house rules that no other tool checks.
//!
//! Reads `cargo metadata` and the sources; needs no network.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The arrows: a crate, what it may depend on, and what its own tests and examples may use besides.
const ARROWS: [(&str, &[&str], &[&str]); 18] = [
    ("offshoot-core", &[], &[]),
    ("offshoot-engine", &["offshoot-core"], &[]),
    ("offshoot-store", &[], &[]),
    ("offshoot-view", &[], &["offshoot-simulator"]),
    ("offshoot-simulator", &[], &[]),
    ("offshoot-tract", &["offshoot-core", "offshoot-engine"], &[]),
    (
        "offshoot",
        &["offshoot-core", "offshoot-engine", "offshoot-tract"],
        &["offshoot-simulator", "offshoot-store", "offshoot-view"],
    ),
    ("offshoot-wasm", &["offshoot", "offshoot-core"], &[]),
    ("offshoot-c", &["offshoot", "offshoot-core"], &[]),
    ("offshoot-convert", &["offshoot", "offshoot-core", "offshoot-engine", "offshoot-tract"], &[]),
    ("offshoot-dataset", &["offshoot", "offshoot-core"], &[]),
    (
        "offshoot-cli",
        &[
            "offshoot",
            "offshoot-convert",
            "offshoot-core",
            "offshoot-dataset",
            "offshoot-device",
            "offshoot-engine",
            "offshoot-service",
            "offshoot-simulator",
            "offshoot-view",
        ],
        &["offshoot-tract"],
    ),
    (
        "offshoot-device",
        &[
            "offshoot",
            "offshoot-core",
            "offshoot-http",
            "offshoot-service",
            "offshoot-simulator",
            "offshoot-store",
            "offshoot-view",
        ],
        &[],
    ),
    ("offshoot-python", &["offshoot", "offshoot-cli", "offshoot-convert", "offshoot-core"], &[]),
    ("offshoot-http", &[], &[]),
    ("offshoot-service", &["offshoot", "offshoot-http"], &[]),
    (
        "offshoot-board",
        &["offshoot", "offshoot-device", "offshoot-service"],
        &["offshoot-core", "offshoot-simulator"],
    ),
    (
        "offshoot-tests",
        &[
            "offshoot",
            "offshoot-board",
            "offshoot-cli",
            "offshoot-core",
            "offshoot-engine",
            "offshoot-simulator",
            "offshoot-tract",
            "offshoot-view",
        ],
        &[],
    ),
];

/// Crates from elsewhere that only some may name: how the name begins, and who may.
const GUARDED: [(&str, &[&str]); 29] = [
    ("ab_glyph", &["offshoot-cli"]),
    ("colorous", &["offshoot-cli"]),
    ("tract-core", &["offshoot-tract"]),
    ("tract-onnx", &["offshoot-convert"]),
    ("tract", &["offshoot-tract", "offshoot-convert"]),
    (
        "embedded-graphics",
        &[
            "offshoot-view",
            "offshoot-cli",
            "offshoot-board",
            "offshoot-simulator",
            "offshoot-device",
        ],
    ),
    ("crossterm", &["offshoot-device"]),
    ("embedded-hal", &["offshoot-device"]),
    ("embedded-storage", &["offshoot-store"]),
    ("getrandom", &["offshoot-http"]),
    ("gpiocdev", &["offshoot-device"]),
    ("http-body-util", &["offshoot-http"]),
    ("hyper", &["offshoot-http"]),
    ("js-sys", &["offshoot-wasm"]),
    ("linux-embedded-hal", &["offshoot-device"]),
    ("linuxvideo", &["offshoot-device"]),
    ("memmap2", &["offshoot", "offshoot-engine"]),
    ("mipidsi", &["offshoot-device"]),
    ("numpy", &["offshoot-python"]),
    ("plotters", &["offshoot-cli"]),
    ("pyo3", &["offshoot-python"]),
    ("rumqttc", &["offshoot-device"]),
    ("signal-hook", &["offshoot-device"]),
    ("pulp", &["offshoot-tract", "offshoot-convert"]),
    ("ssd1306", &["offshoot-device"]),
    ("tokenizers", &["offshoot-convert"]),
    ("unicode-width", &["offshoot-device", "offshoot-view"]),
    ("tokio", &["offshoot-device", "offshoot-http", "offshoot-service"]),
    ("wasm-bindgen", &["offshoot-wasm"]),
];

/// Crates for boards without an operating system.
const BARE: [&str; 4] = ["sdk/core", "sdk/engine", "sdk/store", "sdk/view"];

/// Files that may use `unsafe`: the memory map, kernels, the counting allocator, the instruction
/// counter's markers, and the functions for C, whose pointers `memory.rs` follows.
const TRUSTED: [&str; 9] = [
    "sdk/c/src/",
    "sdk/c/examples/overhead.rs",
    "sdk/c/tests/common/mod.rs",
    "sdk/c/tests/misuse.rs",
    "sdk/src/extractor/open.rs",
    "sdk/engine/src/kernels/",
    "sdk/engine/examples/mobilenet_v2.rs",
    "sdk/tests/common/counting.rs",
    "targets/mcu/qemu/src/",
];

/// Lines of a file before its unit tests, and of a file of tests, which lists cases.
const FILE_LINES: usize = 500;
const TEST_FILE_LINES: usize = 600;

/// Lines of a function, with its signature and closing brace, and of one that tests.
const FUNCTION_LINES: usize = 60;
const TEST_FUNCTION_LINES: usize = 90;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
        .to_path_buf()
}

/// The crates of the workspace as cargo sees them.
fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output =
        Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    metadata["packages"].as_array().expect("there are packages").clone()
}

/// Name, kind (empty, `dev`, `build`) and whether it is ours, of every dependency of a crate.
fn dependencies(package: &Value) -> Vec<(String, String, bool)> {
    let one = |d: &Value| {
        let text = |key: &str| d[key].as_str().unwrap_or_default().to_string();
        (text("name"), text("kind"), d["path"].is_string())
    };
    package["dependencies"].as_array().expect("there is a list").iter().map(one).collect()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("every package has a name")
}

/// Fails with all complaints in one message.
fn none(complaints: &[String], rule: &str) {
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}

#[test]
fn arrows_point_down() {
    let packages = packages();
    let members: BTreeSet<&str> = packages.iter().map(name).collect();
    let listed: BTreeSet<&str> = ARROWS.iter().map(|row| row.0).collect();
    assert_eq!(members, listed, "every crate has a row in ARROWS, and every row a crate");
    let mut complaints = Vec::new();
    for package in &packages {
        let from = name(package);
        let (_, allowed, in_tests) =
            ARROWS.iter().find(|row| row.0 == from).expect("compared above");
        for (to, kind, ours) in dependencies(package) {
            let in_test = kind == "dev" && in_tests.contains(&to.as_str());
            if ours && to != from && !allowed.contains(&to.as_str()) && !in_test {
                complaints.push(format!("{from} -> {to} {kind}"));
            }
        }
    }
    none(&complaints, "arrows that ARCHITECTURE.md does not have");
}

#[test]
fn guarded_crates_are_named_where_they_may_be() {
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    for package in packages() {
        for (to, kind, ours) in dependencies(&package) {
            let counts = !ours && kind != "dev";
            let rules = GUARDED.iter().filter(|(prefix, _)| counts && to.starts_with(prefix));
            for (prefix, may) in rules {
                seen.insert(*prefix);
                if !may.contains(&name(&package)) {
                    complaints.push(format!("{} names {to}", name(&package)));
                }
            }
        }
    }
    complaints.dedup();
    none(&complaints, "dependencies in the wrong crate");
    assert_eq!(seen.len(), GUARDED.len(), "a row of GUARDED that guards nothing: {seen:?}");
}

/// Every `.rs` file of the workspace, by its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("folders can be read") {
            let path = entry.expect("entries can be read").path();
            let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let built = file_name == "target" || file_name.starts_with("target-");
            if path.is_dir() && !built && !file_name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let from_root = path.strip_prefix(root()).expect("found below it");
                let from_root = from_root.to_string_lossy().replace('\\', "/");
                found.push((from_root, fs::read_to_string(&path).expect("sources are UTF-8")));
            }
        }
    }
    found.sort();
    assert!(found.len() > 50 && found.iter().any(|(path, _)| path == "sdk/core/src/lib.rs"));
    found
}

/// A line without its comment and without what stands in quotes.
fn code(line: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted => drop(chars.next()),
            '"' => quoted = !quoted,
            _ if quoted => {}
            // A quote as a character is no beginning of a string.
            '\'' if chars.peek() == Some(&'"') => drop(chars.next()),
            '/' if chars.peek() == Some(&'/') => break,
            c => out.push(c),
        }
    }
    out
}

/// Returns true if a word stands in a line of code, not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part(line[..at].chars().next_back()) && !part(line[at + word.len()..].chars().next())
    })
}

#[test]
fn bare_crates_stay_bare() {
    let mut complaints = Vec::new();
    for folder in BARE {
        let file = format!("{folder}/src/lib.rs");
        let text = fs::read_to_string(root().join(&file)).expect("every crate has a lib.rs");
        // A crate with kernels can only deny; `words_that_do_not_belong` says where they are.
        let has_kernels = TRUSTED.iter().any(|place| place.starts_with(&format!("{folder}/")));
        let lint = if has_kernels { "#![deny(unsafe_code)]" } else { "#![forbid(unsafe_code)]" };
        for attribute in ["#![no_std]", lint, "#![deny(missing_docs)]"] {
            if !text.lines().any(|line| line == attribute) {
                complaints.push(format!("{file} lacks {attribute}"));
            }
        }
    }
    none(&complaints, "crates for bare boards");
}

#[test]
fn words_that_do_not_belong() {
    let mut complaints = Vec::new();
    for (path, text) in sources() {
        let trusted = TRUSTED.iter().any(|place| path.starts_with(place));
        for (index, line) in text.lines().enumerate() {
            let line_of_code = code(line);
            let mut complain =
                |what: &str| complaints.push(format!("{path}:{}: {what}", index + 1));
            if !trusted && has_word(&line_of_code, "unsafe") {
                complain("unsafe");
            }
            for word in ["todo", "unimplemented", "dbg"] {
                let is_macro = line_of_code.contains(&format!("{word}!"));
                if is_macro && has_word(&line_of_code, word) {
                    complain(word);
                }
            }
            if !line.is_ascii() {
                complain("not ASCII");
            }
        }
    }
    none(&complaints, "words that do not belong");
}

#[test]
fn files_and_functions_are_short() {
    let mut complaints = Vec::new();
    let mut functions = 0;
    for (path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        let before_tests =
            lines.iter().position(|line| *line == "mod tests {").unwrap_or(lines.len());
        let is_test = path.contains("/tests/");
        if before_tests > if is_test { TEST_FILE_LINES } else { FILE_LINES } {
            complaints.push(format!("{path}: {before_tests} lines before its tests"));
        }
        for (start, length) in function_lengths(&lines) {
            functions += 1;
            let tests = is_test || start > before_tests;
            if length > if tests { TEST_FUNCTION_LINES } else { FUNCTION_LINES } {
                complaints.push(format!("{path}:{}: a function of {length} lines", start + 1));
            }
        }
    }
    assert!(functions > 300, "found {functions} functions only");
    none(
        &complaints,
        &format!("longer than {FILE_LINES} lines a file, {FUNCTION_LINES} a function"),
    );
}

/// First line and number of lines of every function, by the indentation that rustfmt gives.
fn function_lengths(lines: &[&str]) -> Vec<(usize, usize)> {
    let begins = |line: &str| {
        let words = code(line);
        let mut words = words.split_whitespace().skip_while(|word| {
            word.starts_with("pub") || ["const", "async", "unsafe", "extern"].contains(word)
        });
        words.next() == Some("fn")
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let length = |start: usize| {
        let closes =
            |line: &str| indent(line) == indent(lines[start]) && line.trim_start().starts_with('}');
        // A signature alone, as traits have it, ends with a semicolon.
        let ends = |line: &str| {
            closes(line) || (line.ends_with(';') && indent(line) == indent(lines[start]))
        };
        let whole = lines[start].ends_with('}') || lines[start].ends_with(';');
        let rest = lines[start + 1..].iter().take_while(|line| !ends(line)).count();
        if whole { 1 } else { rest + 2 }
    };
    (0..lines.len()).filter(|&i| begins(lines[i])).map(|i| (i, length(i))).collect()
}

/// The rules above are only as good as the reading they rest on.
#[test]
fn the_reader_reads() {
    let mut long = String::from("    pub(crate) const fn long(\n        a: u8,\n    ) -> u8 {\n");
    for line in 0..70 {
        let _ = writeln!(long, "        let x{line} = a;");
    }
    long.push_str("    }\n\n    fn short() {}\n    fn asked(&self) -> u8;\nasync fn two() {\n}\n");
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(function_lengths(&lines), [(0, 74), (75, 1), (76, 1), (77, 2)]);
    let word = "unsafe";
    let text = format!("a = \"{word} \\\" // {word}\"; '\"'; {word}_code // {word}");
    assert_eq!(code(&text), format!("a = ; '; {word}_code "));
    assert!(has_word("x unsafe {", "unsafe") && !has_word("unsafe_code; not_unsafe", "unsafe"));
}
