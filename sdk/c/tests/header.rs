//! `include/offshoot.h` is what cbindgen makes of the sources: `OFFSHOOT_WRITE_HEADER=1` writes it.

use std::fs;
use std::path::Path;

use cbindgen::{Builder, Config};

/// Sources with something for C, in the order of the header.
const SOURCES: [&str; 15] = [
    "fault/status.rs",
    "guard.rs",
    "embedding.rs",
    "extractor.rs",
    "extractor/signals.rs",
    "extractor/cells.rs",
    "head.rs",
    "head/teach.rs",
    "head/ask.rs",
    "head/outcome.rs",
    "activations.rs",
    "spatial.rs",
    "spatial/scene.rs",
    "spatial/good.rs",
    "tuning.rs",
];

/// Writes `In<T>` and `Out<T>`, which have the layout of pointers, as the pointers that they are.
fn with_pointers(source: &str) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some(at) = rest.find(": In<").into_iter().chain(rest.find(": Out<")).min() {
        let pointer = if rest[at..].starts_with(": In<") { ": *const " } else { ": *mut " };
        let open = at + rest[at..].find('<').expect("found above");
        let close = open + rest[open..].find('>').expect("a type parameter ends");
        out.push_str(&rest[..at]);
        out.push_str(pointer);
        out.push_str(&rest[open + 1..close]);
        rest = &rest[close + 1..];
    }
    out + rest
}

fn made() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copies = tempfile::tempdir().expect("a folder for copies");
    let config = Config::from_file(folder.join("cbindgen.toml")).expect("a configuration");
    let mut builder = Builder::new().with_config(config);
    for name in SOURCES {
        let source = fs::read_to_string(folder.join("src").join(name)).expect("a source");
        let copy = copies.path().join(name.replace('/', "_"));
        fs::write(&copy, with_pointers(&source)).expect("a copy");
        builder = builder.with_src(copy);
    }
    let mut out = Vec::new();
    builder.generate().expect("cbindgen reads the sources").write(&mut out);
    String::from_utf8(out).expect("a header is UTF-8").trim_start().to_owned()
}

#[test]
fn the_header_is_that_of_the_sources() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/offshoot.h");
    let made = made();
    if std::env::var_os("OFFSHOOT_WRITE_HEADER").is_some() {
        fs::write(&path, &made).expect("the header can be written");
    }
    let kept = fs::read_to_string(&path).expect("there is a header");
    let again = "OFFSHOOT_WRITE_HEADER=1 cargo test -p offshoot-c --test header";
    assert!(kept == made, "include/offshoot.h is old; write it: {again}");
}

/// No function is missing in the header because its file is missing above.
#[test]
fn the_header_has_every_function() {
    let made = made();
    let library = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let library = library.expect("there is a library");
    let words = library.split(|c: char| !c.is_alphanumeric() && c != '_');
    let functions: Vec<&str> = words.filter(|word| word.starts_with("offshoot_")).collect();
    assert!(functions.len() > 40, "{functions:?}");
    for function in functions {
        assert!(made.contains(&format!("{function}(")), "{function} is not in the header");
    }
}
