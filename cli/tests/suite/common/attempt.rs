//! A conversion that may end in any way but one.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Max time of a hostile model, on a slow machine.
pub const QUICK: Duration = Duration::from_secs(20);

/// Options for a backbone of images.
pub const IMAGES: [&str; 4] = ["--preset", "raw", "--input-size", "48x192"];

/// Converts `bad.onnx` of a folder, by what is in its `data`.
pub fn attempt(folder: &Path, options: &[&str], variables: &[(&str, &str)]) -> (Output, Duration) {
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_offshoot"));
    command
        .args(["convert", "bad.onnx", "--calibrate", "data", "-o", "out.offshoot"])
        .args(options);
    let output = command.current_dir(folder).envs(variables.iter().copied()).output().unwrap();
    (output, start.elapsed())
}

/// Nothing half done may be left, however the work ended.
pub fn check_folder(folder: &Path, context: &str) {
    let names =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let others: Vec<String> =
        names.filter(|n| !["bad.onnx", "data", "out.offshoot"].contains(&n.as_str())).collect();
    assert!(others.is_empty(), "{context}: {others:?}");
}
