//! Every public function of the facade's extractor and heads has a place in README.md, and every
//! function that it names is in the header, and the other way round.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file here")
}

/// True of the functions that C has, or not on purpose.
fn is_meant(function: &str) -> bool {
    let owners = ["Extractor::", "Head::", "SpatialHead::", "GoodHead::"];
    owners.iter().any(|owner| function.starts_with(owner))
}

/// Names that stand in a text between backquotes.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_function_of_the_facade_has_a_place() {
    let readme = text("README.md");
    let from = readme.find("## Functions of the Rust crate").expect("a table");
    let named = quoted(&readme[from..]);
    let api = text("../../tests/api/offshoot.txt");
    let functions: BTreeSet<&str> = api
        .lines()
        .filter_map(|line| line.split_once("fn offshoot::")?.1.split(['(', '<']).next())
        .filter(|function| is_meant(function))
        .collect();
    assert!(functions.len() > 100, "{functions:?}");
    let missing: Vec<_> = functions.difference(&named).collect();
    assert!(missing.is_empty(), "neither in C nor in the list of README.md: {missing:?}");
    let gone: Vec<_> =
        named.iter().filter(|name| is_meant(name) && !functions.contains(*name)).collect();
    assert!(gone.is_empty(), "README.md names what the facade has not: {gone:?}");
}

#[test]
fn every_function_of_the_header_is_in_the_manual_or_explains_itself() {
    let readme = text("README.md");
    let named = quoted(&readme);
    let header = text("include/offshoot.h");
    let functions: BTreeSet<&str> = header
        .lines()
        .filter_map(|line| line.split_once('(')?.0.split([' ', '*']).next_back())
        .filter(|word| word.starts_with("offshoot_"))
        .collect();
    assert!(functions.len() > 80, "{functions:?}");
    let known = |name: &&&str| functions.contains(name.trim_end_matches("()"));
    let calls = named.iter().filter(|name| {
        ["extractor", "head", "spatial_head", "good_head"]
            .iter()
            .any(|of| name.starts_with(&format!("offshoot_{of}_")))
    });
    let gone: Vec<_> = calls.filter(|name| !known(name)).collect();
    assert!(gone.is_empty(), "README.md names what the header has not: {gone:?}");
    let named: BTreeSet<&str> = named.iter().map(|name| name.trim_end_matches("()")).collect();
    let besides = [
        "offshoot_extractor_close",
        "offshoot_good_head_close",
        "offshoot_spatial_head_close",
        "offshoot_head_close",
        "offshoot_head_kind_named",
        "offshoot_status_name",
        "offshoot_version",
    ];
    let missing: Vec<_> =
        functions.iter().filter(|name| !named.contains(*name) && !besides.contains(name)).collect();
    assert!(missing.is_empty(), "no word of these in README.md: {missing:?}");
}

/// The table of statuses has each one.
#[test]
fn every_status_has_a_next_step() {
    let readme = text("README.md");
    let named = quoted(&readme);
    let header = text("include/offshoot.h");
    let statuses: Vec<&str> = header
        .lines()
        .filter_map(|line| line.trim().strip_prefix("OFFSHOOT_STATUS_")?.split(' ').next())
        .filter(|name| *name != "OK")
        .collect();
    assert!(statuses.len() > 30, "{statuses:?}");
    let missing: Vec<_> = statuses.iter().filter(|name| !named.contains(*name)).collect();
    assert!(missing.is_empty(), "not in README.md: {missing:?}");
}
