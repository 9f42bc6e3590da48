//! Helpers of the command's tests: running it, and images to run it on.

pub mod attempt;
pub mod graph;
pub mod quantized;
pub mod refill;
pub mod small;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use offshoot_simulator::{Camera, Object};

/// The command under test, with the tests' folder as its own.
pub fn offshoot(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_offshoot"))
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the command starts")
}

/// Standard output of a run that must succeed.
pub fn ok(folder: &Path, args: &[&str]) -> String {
    let output = offshoot(folder, args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{args:?}: {text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Checks that a run ends with exit code 2 and a message that holds every one of `parts`.
pub fn refused(folder: &Path, args: &[&str], parts: &[&str]) {
    let output = offshoot(folder, args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    for part in parts {
        assert!(text.contains(part), "{args:?}: `{part}` is not in: {text}");
    }
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{text}");
}

/// The backbone we ship.
pub fn sprout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/sprout/sprout.onnx")
}

/// The folder of data beside the repository.
///
/// # Panics
/// Returns the folder of shared data; without one, tests that call it are ignored (`build.rs`).
pub fn shared() -> PathBuf {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    assert!(shared.is_dir(), "{} is not here", shared.display());
    shared
}

/// A Python that has onnxruntime.
pub fn python() -> Option<String> {
    let python = std::env::var("OFFSHOOT_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let has = Command::new(&python).args(["-c", "import onnx, onnxruntime"]).output();
    let has = has.is_ok_and(|output| output.status.success());
    if !has {
        println!("onnxruntime: skipped, {python} has none; set OFFSHOOT_PYTHON to one that has");
    }
    has.then_some(python)
}

/// `DIR/<object>/<n>.png` from the simulated camera.
pub fn images(folder: &Path, objects: &[Object], each: u64) {
    for (class, &object) in objects.iter().enumerate() {
        let class_folder = folder.join(object.name());
        std::fs::create_dir_all(&class_folder).unwrap();
        for n in 0..each {
            let frame = Camera::new(128, 96).look(Some(object), 100 * class as u64 + n);
            let image = image::RgbImage::from_raw(frame.width, frame.height, frame.rgb).unwrap();
            image.save(class_folder.join(format!("{n}.png"))).unwrap();
        }
    }
}
