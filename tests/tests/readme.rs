//! README says what the project does: its example is the one that compiles, its files exist.

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn the_example_is_the_one_that_compiles() {
    let readme = fs::read_to_string(root().join("sdk/README.md")).unwrap();
    let example = fs::read_to_string(root().join("sdk/examples/first_lesson.rs")).unwrap();
    let code = &example[example.find("use offshoot").unwrap()..];
    assert!(
        readme.contains(code),
        "sdk/README.md does not hold sdk/examples/first_lesson.rs as it is"
    );
    assert!(code.lines().count() <= 35, "the first lesson is {} lines long", code.lines().count());
}

/// Manuals' snippets are run: by `sdk/python/tests`, and by `sdk/c/test.sh`.
#[test]
fn the_snippets_are_those_of_the_manuals() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for (language, manual) in [("python", "sdk/python/README.md"), ("cpp", "sdk/c/README.md")] {
        let begin = format!("```{language}\n");
        let (_, rest) = readme.split_once(&begin).expect("a snippet");
        let (code, _) = rest.split_once("```").unwrap();
        let manual_text = fs::read_to_string(root().join(manual)).unwrap();
        assert!(manual_text.contains(&format!("{begin}{code}```")), "{manual} has another snippet");
    }
}

#[test]
fn links_lead_somewhere() {
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "docs/SUMMARY.md",
        "docs/how-good.md",
        "docs/performance.md",
        "docs/troubleshooting.md",
        "docs/tutorials/maker.md",
        "docs/tutorials/ml-engineer.md",
        "docs/tutorials/robotics.md",
        "sdk/README.md",
        "sdk/c/README.md",
        "sdk/python/README.md",
        "targets/README.md",
        "models/README.md",
        "models/sharp/README.md",
        "models/sprout/README.md",
    ] {
        let path = root().join(name);
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let local = !link.starts_with("http") && !link.starts_with('#');
            let target = path.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(!local || target.exists(), "{name} links to {link}");
        }
    }
}

#[test]
fn the_part_before_the_reference_is_short() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let lines = readme.lines().take_while(|l| *l != "# Reference").count();
    assert!(lines <= 90, "{lines} lines: a screen and a half is the limit");
}
