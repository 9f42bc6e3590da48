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
        "docs/quantization.md",
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
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let images = text.split(" src=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for link in links.chain(images) {
            let local = !link.starts_with("http") && !link.starts_with('#');
            let target = path.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(!local || target.exists(), "{name} links to {link}");
        }
    }
}

/// A claim of README, and what holds it.
struct Claim {
    /// Words of README.
    words: &'static str,
    /// File with the test, the step of CI or the table.
    file: &'static str,
    /// Words in that file.
    held_by: &'static str,
}

const fn claim(words: &'static str, file: &'static str, held_by: &'static str) -> Claim {
    Claim { words, file, held_by }
}

/// Claims before `# Reference`, from the top; numbers of tables are in the next test.
const CLAIMS: [Claim; 26] = [
    claim(
        "ONNX backbone to one small package file",
        "cli/tests/suite/flow.rs",
        "fn the_same_input_gives_the_same_bytes",
    ),
    claim("in int8 without a heap", "sdk/tests/no_alloc.rs", "fn extracting()"),
    claim(
        "trains a classifier there",
        "targets/board/tests/program.rs",
        "fn a_head_is_taught_in_two_sittings_and_asked",
    ),
    claim(
        "show five images of a mug",
        "cli/tests/suite/teach.rs",
        "fn the_same_script_draws_the_same_images",
    ),
    claim("No network, no cloud", "sdk/wasm/tests/page.test.mjs", "async function alone"),
    claim(
        "docs/pictures/lesson.png",
        "cli/tests/suite/pictures.rs",
        "fn the_lesson_of_the_documents_is_what_the_screen_shows",
    ),
    claim(
        "docs/pictures/page-laptop.png",
        "targets/device/tests/pictures.rs",
        "fn the_page_looks_as_the_documents_show_it",
    ),
    claim(
        "docs/pictures/page-points.png",
        "targets/device/tests/pictures.rs",
        "fn the_page_that_points_looks_as_the_documents_show_it",
    ),
    claim("allocations of an extraction | 0", "sdk/tests/no_alloc.rs", "fn extracting()"),
    claim("one script makes it", "targets/release.sh", ">SHA256SUMS"),
    claim("teaches from your webcam", "sdk/wasm/tests/page.test.mjs", "test('the page alone'"),
    claim("nothing leaves your machine", "sdk/wasm/tests/page.test.mjs", "async function alone"),
    claim(
        "is taught by the same page",
        "targets/device/tests/browser.rs",
        "fn two_lessons_of_two_classes_are_enough_for_the_right_answer",
    ),
    claim("two buttons and a small screen", "targets/device/tests/panels.rs", "#[test]"),
    claim(
        "offshoot deploy pi@raspberrypi.local",
        "cli/tests/suite/deploy.rs",
        "fn what_is_printed_does_what_run_does",
    ),
    claim(
        "prints the page's address",
        "cli/tests/suite/deploy.rs",
        "fn a_page_has_a_token_that_only_root_reads_and_its_address_is_told",
    ),
    claim("offshoot.Head(extractor", "sdk/python/tests/test_docs.py", "README.md"),
    claim("the board loads it", "tests/doors.sh", "things.head"),
    claim("offshoot convert mobilenet_v2.onnx", "cli/tests/suite/accuracy.rs", "mobilenet"),
    claim("offshoot eval extractor.offshoot DATA", "cli/tests/suite/flow.rs", "\"eval\""),
    claim("CMake and pkg-config; OpenCV, GStreamer, ROS 2", "sdk/c/test.sh", "pkg-config"),
    claim("offshoot::Extractor::open(", "sdk/c/test.sh", "README.md"),
    claim("demo      # the whole way in seconds", ".ci/run", "timeout 15 \"$offshoot\" demo"),
    claim(
        "hold 1, press n, hold 2; 0 is the empty table, q ends",
        "targets/device/src/buttons/keyboard.rs",
        "presses.hear(event('q')",
    ),
    claim("needs nothing but Rust and a C compiler", ".ci/run", "step 'C compiler'"),
    claim("Rust 1.91 or newer", ".ci/policy", "RUSTUP_TOOLCHAIN=$oldest"),
];

#[test]
fn every_claim_is_held_by_something() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (top, _) = readme.split_once("\n# Reference\n").unwrap();
    for Claim { words, file, held_by } in CLAIMS {
        assert!(top.contains(words), "README no longer says `{words}`: take its row out of CLAIMS");
        let holder =
            fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(holder.contains(held_by), "`{words}`: {file} has no `{held_by}`");
    }
}

/// Cells of the first row of a table that begins so, without emphasis.
fn row(text: &str, begin: &str) -> Vec<String> {
    let line = text.lines().find(|line| line.starts_with(begin));
    let line = line.unwrap_or_else(|| panic!("no row begins with `{begin}`"));
    line.trim_matches('|').split('|').map(|cell| cell.trim().replace("**", "")).collect()
}

#[test]
fn the_numbers_are_those_of_the_tables() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let readme = read("README.md");
    let performance = read("docs/performance.md");
    let milliseconds = |who: &str| -> f64 {
        row(&performance, &format!("| MobileNetV2 1.0/224 | 1 | {who}"))[3].parse().unwrap()
    };
    let litert = milliseconds("LiteRT int8");
    let time = row(&readme, "| time of an extraction");
    let ratio = row(&performance, "| MobileNetV2 1.0/224 | 1 | LiteRT int8")[4].clone();
    assert_eq!(time[1], format!("{ratio} of LiteRT's"));
    let onnxruntime = milliseconds("onnxruntime int8") / litert;
    assert_eq!(time[2], format!("onnxruntime int8: {onnxruntime:.2} of LiteRT's"));
    let agreement = row(&read("docs/quantization.md"), "| MobileNetV2 1.0/224 | ");
    let same = row(&readme, "| same class as the float network, 500 photographs");
    assert_eq!(same[1], agreement[2].split(',').next().unwrap());
    assert_eq!(same[2], format!("onnxruntime {}", agreement[1].split(',').next().unwrap()));
    let size =
        row(&read("targets/README.md"), "| aarch64, `--small --static` |")[2].replace(',', "");
    let megabytes = size.parse::<f64>().unwrap() / 1e6;
    assert_eq!(row(&readme, "| on-board program")[1], format!("{megabytes:.1} MB"));
    // CI fails above it.
    assert!(read(".ci/run").contains("((size <= 1000000))"));
    let rust = read("Cargo.toml");
    let (_, rust) = rust.split_once("rust-version = \"").unwrap();
    let rust = rust.split('"').next().unwrap();
    assert!(readme.contains(&format!("It needs Rust {rust} or newer")), "{rust}");
    let build = row(&read("CONTRIBUTING.md"), "| `cargo test` |")[2].clone();
    assert!(readme.contains(&format!("takes {build} of processor time")), "{build}");
}

#[test]
fn the_part_before_the_reference_is_short() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let lines = readme.lines().take_while(|l| *l != "# Reference").count();
    assert!(lines <= 90, "{lines} lines: a screen and a half is the limit");
}
