//! What every command has: help with an example, completions, manual pages, colour, quiet.

use std::fs;
use std::process::Command;

use crate::common::{offshoot, ok, refused};

const ESCAPE: char = '\u{1b}';

#[test]
fn completions_are_scripts_of_their_shells() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = ok(folder.path(), &["completions", shell]);
        assert!(script.contains("--calibrate") || script.contains("l calibrate"), "{shell}");
        // The option of the sandboxed child is none for users.
        assert!(!script.contains("inside"), "{shell}");
        fs::write(folder.path().join(shell), script).unwrap();
        if let Ok(read) = Command::new(shell).arg("-n").arg(folder.path().join(shell)).output() {
            assert!(read.status.success(), "{read:?}");
        }
    }
    refused(folder.path(), &["completions", "dos"], &["dos", "bash"]);
}

#[test]
fn every_command_has_a_manual_page_with_its_example() {
    let folder = tempfile::tempdir().unwrap();
    ok(folder.path(), &["manual", "man/1"]);
    let pages: Vec<String> = fs::read_dir(folder.path().join("man/1"))
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    let help = ok(folder.path(), &["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = commands.map_while(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        let page = format!("offshoot-{name}.1");
        assert!(pages.contains(&page), "{page} is not in {pages:?}");
        let text = fs::read_to_string(folder.path().join("man/1").join(page)).unwrap();
        assert!(text.contains("Example:"), "{name}");
    }
    assert!(pages.contains(&"offshoot.1".to_string()));
    fs::write(folder.path().join("file"), "").unwrap();
    refused(folder.path(), &["manual", "file"], &["file"]);
}

#[test]
fn colour_is_for_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let colours = |args: &[&str]| {
        let output = offshoot(folder.path(), args);
        let both = [output.stdout, output.stderr].concat();
        String::from_utf8(both).unwrap().contains(ESCAPE)
    };
    for args in [["verify", "absent.offshoot"].as_slice(), &["--help"], &["grow"]] {
        assert!(!colours(args), "{args:?} into a pipe");
        assert!(colours(&[&["--color", "always"], args].concat()), "{args:?}");
        assert!(!colours(&[&["--color=never"], args].concat()), "{args:?}");
    }
}

#[test]
fn options_stand_in_groups() {
    let folder = tempfile::tempdir().unwrap();
    let help = ok(folder.path(), &["convert", "--help"]);
    for group in ["Model:", "Quantization:", "Budget:", "Broken files:", "Output:"] {
        assert!(help.lines().any(|line| line == group), "{group}\n{help}");
    }
    assert!(help.trim_end().ends_with("-o extractor.offshoot"), "{help}");
}
