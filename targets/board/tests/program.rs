//! The program from outside: what it prints, what it keeps, how it ends.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use offshoot::Extractor;
use offshoot_core::graph::{Clamp, Element, Graph, Int8Op, Op, Tensor, Window};
use offshoot_core::package::{
    Extras, Golden, GoldenInput, GraphWriter, Manifest, Precision, write_package,
};
use offshoot_core::preprocess::{Channels, Preprocess, Resize};
use offshoot_core::{Embedding, Frame, Multiplier, Quant, Scale, Shape};

/// Sides of the network's input and of the frames.
const SIDE: u16 = 4;

/// A package whose embedding is the mean colour of a frame, with a golden vector for each output.
fn colours(outputs: &[[u8; 3]]) -> Vec<u8> {
    let quant = Quant { scale: Scale::ONE, zero_point: -128 };
    let tensor = |shape| Tensor { shape, element: Element::Int8(quant) };
    let input = tensor(Shape::new(SIDE.into(), SIDE.into(), 3).unwrap());
    let mut writer = GraphWriter::new(input);
    let mean = Int8Op::AveragePool {
        window: Window::covering(input.shape).unwrap(),
        include_pad: false,
        multiplier: Multiplier::new(1.0).unwrap(),
        clamp: Clamp::NONE,
    };
    let embedding = tensor(Shape::vector(3).unwrap());
    let output = writer.node("mean", Op::Int8(mean), &[Graph::INPUT], embedding).unwrap();
    let codes: Vec<i8> = (0..3).flat_map(|_| i8::MIN..=i8::MAX).collect();
    let input_table = writer.codes(&codes).unwrap();
    let preprocess = Preprocess {
        width: SIDE,
        height: SIDE,
        channels: Channels::Rgb,
        resize: Resize::Squash,
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    let manifest = Manifest {
        source: "colours.onnx",
        source_sha256: [0; 32],
        cut: "mean",
        tool: "test",
        id: writer.id(&preprocess, output, &Extras::default()),
        precision: Precision::Int8,
        preprocess,
        input_table,
        tensors: 2,
        output,
        goldens: outputs.len() as u8,
        extras: Extras::default(),
    };
    let rgb = shades();
    let input = GoldenInput::Frame { width: SIDE, height: SIDE, rgb: &rgb };
    let goldens: Vec<_> = outputs.iter().map(|output| Golden { input, output }).collect();
    write_package(&manifest, &writer, &goldens).unwrap()
}

/// The pixels of the golden frame.
fn shades() -> Vec<u8> {
    (0..3 * SIDE * SIDE).map(|i| (5 * i) as u8).collect()
}

/// The output that [`colours`] gives for [`shades`].
fn right() -> [u8; 3] {
    let mut extractor = Extractor::from_bytes(colours(&[])).unwrap();
    let rgb = shades();
    let Embedding::Int8 { codes, .. } =
        extractor.embed(&Frame::rgb(SIDE.into(), SIDE.into(), &rgb).unwrap()).unwrap()
    else {
        panic!("an int8 package gives codes");
    };
    [0, 1, 2].map(|channel| codes[channel] as u8)
}

/// A folder with a package and frames of one colour each.
struct Board(tempfile::TempDir);

impl Board {
    fn new() -> Self {
        let board = Self(tempfile::tempdir().unwrap());
        fs::write(board.file("eyes.offshoot"), colours(&[right()])).unwrap();
        for (name, colour) in
            [("red", [250, 10, 20]), ("rose", [220, 40, 60]), ("blue", [0, 20, 240])]
        {
            let mut ppm = format!("P6 {SIDE} {SIDE} 255\n").into_bytes();
            ppm.extend([colour; (SIDE * SIDE) as usize].concat());
            fs::write(board.file(&format!("{name}.ppm")), ppm).unwrap();
        }
        board
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, line: &str) -> Output {
        let program = env!("CARGO_BIN_EXE_offshoot-board");
        let mut command = Command::new(program);
        command.args(line.split_whitespace()).current_dir(self.0.path()).output().unwrap()
    }

    /// Standard output of a run that must succeed.
    fn ok(&self, line: &str) -> String {
        let run = self.run(line);
        assert!(run.status.success() && run.stderr.is_empty(), "{line}: {run:?}");
        String::from_utf8(run.stdout).unwrap()
    }

    /// Standard error of a run that must be refused.
    fn refused(&self, line: &str) -> String {
        let run = self.run(line);
        assert_eq!(
            (run.status.code(), run.stdout.as_slice()),
            (Some(2), &b""[..]),
            "{line}: {run:?}"
        );
        String::from_utf8(run.stderr).unwrap()
    }
}

#[test]
fn a_package_is_described_and_timed() {
    let board = Board::new();
    let info = board.ok("info eyes.offshoot");
    for fact in
        ["colours.onnx, cut at mean", "int8", "4x4x3", "3 values", "largest live set", "1 vectors"]
    {
        assert!(info.contains(fact), "{info}");
    }
    let time = board.ok("time eyes.offshoot 3");
    assert!(time.starts_with("embed  median ") && time.contains(" 3 runs "), "{time}");
}

#[test]
fn verify_prints_one_line_and_tells_right_from_wrong() {
    let board = Board::new();
    let line = board.ok("verify eyes.offshoot");
    let digest = line.strip_prefix("verify ok  1 vectors  sha256:").expect("the agreed line");
    assert!(digest.trim_end().len() == 64 && line.lines().count() == 1, "{line}");

    let [r, g, b] = right();
    fs::write(board.file("wrong.offshoot"), colours(&[[r ^ 1, g, b]])).unwrap();
    let run = board.run("verify wrong.offshoot");
    let line = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert!(line.starts_with("verify FAILED") && line.lines().count() == 1, "{line}");
    // The digest is of what came out, not of what should have.
    assert!(line.ends_with(digest), "{line}");
}

#[test]
fn a_head_is_taught_in_two_sittings_and_asked() {
    let board = Board::new();
    for kind in ["softmax", "ncm", "auto"] {
        let first = board.ok(&format!("teach eyes.offshoot {kind}.head red red.ppm --head {kind}"));
        assert!(
            first.contains(kind) && first.contains("1 of 32 classes, 1 of 512 samples"),
            "{first}"
        );
        let second = board.ok(&format!("teach eyes.offshoot {kind}.head blue blue.ppm blue.ppm"));
        assert!(second.contains("     1 red\n     2 blue\n2 of 32 classes, 3 of 512"), "{second}");

        let answers = board.ok(&format!("ask eyes.offshoot {kind}.head rose.ppm blue.ppm"));
        let fields: Vec<Vec<&str>> =
            answers.lines().map(|line| line.split('\t').collect()).collect();
        let found: Vec<_> = fields.iter().map(|f| (f[0], f[1])).collect();
        assert_eq!(found, [("rose.ppm", "red"), ("blue.ppm", "blue")], "{answers}");
        for number in fields.iter().flat_map(|f| &f[2..]) {
            assert!((0.0..=1.0).contains(&number.parse::<f32>().unwrap()), "{answers}");
        }
    }
}

#[test]
fn doctor_says_what_this_machine_lacks() {
    let board = Board::new();
    let run = board.run("doctor eyes.offshoot");
    let said = String::from_utf8(run.stdout).unwrap();
    for about in ["camera", "processor: ", "memory: "] {
        assert!(said.contains(about), "{said}");
    }
    let is_bad = said.lines().any(|line| line.starts_with("bad"));
    assert_eq!(run.status.code(), Some(i32::from(is_bad)), "{said}");
}

#[test]
fn it_runs_as_a_device_that_is_taught() {
    let board = Board::new();
    fs::create_dir_all(board.file("seen/red")).unwrap();
    fs::create_dir_all(board.file("seen/blue")).unwrap();
    fs::rename(board.file("red.ppm"), board.file("seen/red/1.ppm")).unwrap();
    fs::rename(board.file("blue.ppm"), board.file("seen/blue/1.ppm")).unwrap();
    fs::write(
        board.file("script"),
        "show red\nteach 1 3\nshow blue\nteach 2 2\nlook 1\nundo\nlook 1\n",
    )
    .unwrap();
    let line =
        "run eyes.offshoot --camera seen --names red,blue --script script --memory kept.store";
    let said = board.ok(line);
    assert_eq!(said, "     3 red\n     1 blue\nkept.store keeps them\n");
    // The next run begins with what this one kept.
    fs::write(board.file("script"), "show blue\nteach\nchoose\nteach 2\n").unwrap();
    assert_eq!(board.ok(line), "     4 red\n     2 blue\nkept.store keeps them\n");
    // With a page beside it.
    let said = board.ok(&format!("{line} --web 0"));
    assert!(said.starts_with("open http://127.0.0.1:") && said.ends_with("keeps them\n"), "{said}");
}

/// Runs the program behind a camera's program that writes these bytes again and again, so often at
/// most, and then ends.
fn behind_a_pipe(board: &Board, line: &str, bytes: &[u8], times: u32) -> Output {
    let mut run = Command::new(env!("CARGO_BIN_EXE_offshoot-board"))
        .args(line.split_whitespace())
        .current_dir(board.0.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut camera = run.stdin.take().unwrap();
    for _ in 0..times {
        // The program has ended.
        if camera.write_all(bytes).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    drop(camera);
    run.wait_with_output().unwrap()
}

#[test]
fn frames_of_another_program_are_taught() {
    let board = Board::new();
    let red = [250, 10, 20].repeat(usize::from(SIDE * SIDE));
    let line = "run eyes.offshoot --camera -:rgb:4x4 --names red --script script --memory kept";
    fs::write(board.file("script"), "teach 1 3\nlook 2\n").unwrap();
    let run = behind_a_pipe(&board, line, &red, u32::MAX);
    assert_eq!(String::from_utf8_lossy(&run.stdout), "     3 red\nkept keeps them\n", "{run:?}");
    // The stream ends behind its second lesson: what was taught is kept, and the script goes on.
    fs::write(board.file("script"), "teach 1\nlook 1\nteach 1\nundo\nteach 1\n").unwrap();
    let run = behind_a_pipe(&board, line, &red, 1);
    assert_eq!(String::from_utf8_lossy(&run.stdout), "     3 red\nkept keeps them\n", "{run:?}");
    assert!(run.status.success() && run.stderr.is_empty(), "{run:?}");
    // Nothing ever comes.
    let run = behind_a_pipe(&board, line, &red, 0);
    assert!(run.status.success(), "{run:?}");
}

/// Two seconds of a tone of 440 Hz every second, at 16 kHz.
fn tone() -> Vec<u8> {
    let sample = |i: u32| {
        let phase = f64::from(i % 16_000) * 440.0 * std::f64::consts::TAU / 16_000.0;
        let loud = if i % 16_000 < 8_000 { 8_000.0 } else { 3.0 };
        (loud * phase.sin()) as i16
    };
    (0..32_000).flat_map(|i| sample(i).to_le_bytes()).collect()
}

#[test]
fn sound_of_another_program_is_taught() {
    let board = Board::new();
    let package = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/speech/speech.offshoot");
    let line = format!("listen {package} --names tone --script script --memory kept");
    fs::write(board.file("script"), "look 12\nteach 1\nlook 2\n").unwrap();
    let run = behind_a_pipe(&board, &line, &tone(), u32::MAX);
    assert!(run.status.success() && run.stderr.is_empty(), "{run:?}");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(said.contains("     1 tone\n") && said.ends_with("kept keeps them\n"), "{said}");
    // The stream ends before there is a take: what was taught before is kept.
    fs::write(board.file("script"), "look 1\nteach 1\nlook 1\n").unwrap();
    let run = behind_a_pipe(&board, &line, &tone()[..8_000], 1);
    assert!(String::from_utf8_lossy(&run.stdout).contains("     1 tone\n"), "{run:?}");
    // Samples of it are nowhere in what is kept: the file is that of embeddings.
    let kept = fs::read(board.file("kept")).unwrap();
    let heard = tone();
    let pieces: Vec<&[u8]> = heard[..16_000].chunks_exact(400).collect();
    assert!(!kept.windows(400).any(|some| pieces.contains(&some)));
    let refused = board.refused("listen eyes.offshoot --microphone sim --script script");
    assert!(refused.contains("takes no sound"), "{refused}");
    let timed = board.ok(&format!("time {package} 1"));
    assert!(timed.contains("window of 12512 samples"), "{timed}");
}

#[cfg(target_os = "linux")]
#[test]
fn keys_beside_a_stream_are_those_of_the_terminal() {
    let board = Board::new();
    // A process of a session of its own has no terminal.
    let run = Command::new("setsid")
        .args(["-w", env!("CARGO_BIN_EXE_offshoot-board"), "run", "eyes.offshoot", "--camera", "-"])
        .args(["--buttons", "keys"])
        .current_dir(board.0.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(
        said.contains("/dev/tty: ") && said.contains("the camera takes standard input"),
        "{said}"
    );
}

#[test]
fn parts_are_gone_through_one_by_one() {
    let board = Board::new();
    fs::write(board.file("script"), "teach 1\nteach 2\nundo\nteach 1\n").unwrap();
    let said = board.ok("run --testui --script script");
    assert_eq!(said, "ok       press 1\nok       press 2\nok       press u\nok       screen\n");
    fs::write(board.file("script"), "teach 1\n").unwrap();
    let run = board.run("run --testui --script script");
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    assert!(String::from_utf8_lossy(&run.stdout).contains("bad      press 2: left out"), "{run:?}");
}

#[test]
fn a_failed_lesson_leaves_the_head_as_it_was() {
    let board = Board::new();
    fs::write(board.file("torn.jpg"), b"\xff\xd8\xff\xe0 torn").unwrap();
    board.refused("teach eyes.offshoot new.head red red.ppm torn.jpg");
    assert!(!board.file("new.head").exists());

    board.ok("teach eyes.offshoot old.head red red.ppm");
    let before = fs::read(board.file("old.head")).unwrap();
    board.refused("teach eyes.offshoot old.head blue blue.ppm torn.jpg");
    board.refused("teach eyes.offshoot old.head blue blue.ppm --head nearest-mean");
    assert_eq!(fs::read(board.file("old.head")).unwrap(), before);
    assert!(!Path::new(&board.file("old.head.new")).exists());
}

#[test]
fn eyes_are_found_beside_the_program_or_here() {
    let board = Board::new();
    fs::write(board.file("script"), "teach 1\n").unwrap();
    let line = "run --camera sim --script script --memory kept --extractor";
    let said = board.refused(&format!("{line} sharp"));
    assert!(said.contains("no sharp.offshoot") && said.contains("offshoot pull sharp"), "{said}");
    fs::copy(board.file("eyes.offshoot"), board.file("sprout.offshoot")).unwrap();
    board.refused(&format!("{line} sharp"));
    board.ok(&format!("{line} small"));
    // Not told: what fits, or else what is there.
    board.ok("run --camera sim --script script --memory kept");
    let said = board.refused("run eyes.offshoot --extractor small");
    assert!(said.contains("--extractor: not allowed with a PACKAGE"), "{said}");
}

#[test]
fn damaged_lessons_are_put_aside_when_told() {
    let board = Board::new();
    fs::write(board.file("script"), "teach 1 2\n").unwrap();
    let line = "run eyes.offshoot --camera sim --script script --memory kept";
    board.ok(line);
    let mut bytes = fs::read(board.file("kept")).unwrap();
    let slot = bytes.len() / 2;
    for at in 0..2 {
        bytes[at * slot + 4096 + 40] ^= 0xff;
    }
    fs::write(board.file("kept"), &bytes).unwrap();
    let said = board.refused(line);
    assert!(said.contains("damaged") && said.contains("--start-anew"), "{said}");
    let run = board.run(&format!("{line} --start-anew"));
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said == "kept: kept as kept.aside-1\n", "{said}");
    assert!(fs::read(board.file("kept.aside-1")).unwrap() == bytes);
}

#[test]
fn errors_name_the_file_and_the_next_thing_to_do() {
    let board = Board::new();
    fs::write(board.file("torn.jpg"), b"\xff\xd8\xff\xe0 torn").unwrap();
    let mut package = colours(&[]);
    *package.last_mut().unwrap() ^= 1;
    fs::write(board.file("flipped.offshoot"), &package).unwrap();
    fs::write(board.file("cut.offshoot"), &package[..package.len() / 2]).unwrap();
    fs::write(board.file("not.head"), b"not a head").unwrap();
    board.ok("teach eyes.offshoot good.head red red.ppm");
    let long = "x".repeat(65);
    let long = format!("teach eyes.offshoot good.head {long} red.ppm");
    let cases = [
        ("info absent.offshoot", "absent.offshoot", "check the name"),
        ("verify flipped.offshoot", "flipped.offshoot", "copy the package"),
        ("verify cut.offshoot", "cut.offshoot", "copy the package"),
        ("info red.ppm", "red.ppm", "copy the package"),
        ("ask eyes.offshoot absent.head red.ppm", "absent.head", "check the name"),
        ("ask eyes.offshoot not.head red.ppm", "not.head", "name a new HEAD"),
        ("ask eyes.offshoot good.head torn.jpg", "torn.jpg", "file that is complete"),
        ("ask eyes.offshoot good.head absent.jpg", "absent.jpg", "check the name"),
        ("teach eyes.offshoot no/where.head red red.ppm", "no/where.head", "check the name"),
        (&long, "good.head", "another LABEL"),
        (
            "teach eyes.offshoot good.head red red.ppm --head nearest-mean",
            "good.head",
            "leave --head out",
        ),
        ("inof eyes.offshoot", "no command 'inof'", "usage:"),
        ("run eyes.offshoot --camera /dev/video99", "/dev/video99", "`doctor` looks at cameras"),
        (
            "run eyes.offshoot --camera sim --screen ssd1306:/dev/i2c-99",
            "/dev/i2c-99",
            "is the bus switched on?",
        ),
        (
            "run eyes.offshoot --camera sim --buttons gpio:gpiochip99:1,2",
            "gpiochip99",
            "no such chip",
        ),
        ("run eyes.offshoot --camera sim --led gpio:gpiochip99:1", "gpiochip99", "no such chip"),
        ("run eyes.offshoot --camera -:h264:640x480", "needs -, or -:FORMAT", "-:i420:640x480"),
        ("run eyes.offshoot --camera sim --script absent", "absent", "check the name"),
        ("run eyes.offshoot --camera red.ppm", "red.ppm", "`doctor` looks at cameras"),
        ("run eyes.offshoot --camera sim --memory red.ppm", "red.ppm", "name another file"),
    ];
    for (line, what, next) in cases {
        let said = board.refused(line);
        assert!(
            said.starts_with("error: ") && said.contains(what) && said.contains(next),
            "{line}: {said}"
        );
    }
}
