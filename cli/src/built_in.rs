//! Built-in packages. Statics, not constants: a constant of megabytes is in the program once for each use.

use offshoot_device::{BuiltIn, Machine};

/// ONNX model of the small package, which `demo` converts and `pull` writes.
pub static SPROUT: &[u8] = include_bytes!("../../models/sprout/sprout.onnx");

/// Built-in package `sharp`, made as described in `models/sharp/README.md`.
static SHARP_PACKAGE: &[u8] = include_bytes!("../../models/sharp/sharp.offshoot");

/// Built-in package `small`, as written by `demo --extractor small --keep`.
static SMALL_PACKAGE: &[u8] = include_bytes!("../../models/sprout/sprout.offshoot");

/// Returns a built-in package.
pub fn package(built_in: BuiltIn) -> &'static [u8] {
    match built_in {
        BuiltIn::Sharp => SHARP_PACKAGE,
        BuiltIn::Small => SMALL_PACKAGE,
    }
}

/// Returns the package asked for, or else the one that fits this processor.
pub fn or_fitting(asked: Option<BuiltIn>) -> BuiltIn {
    asked.unwrap_or_else(|| BuiltIn::of(&Machine::default()))
}

/// Returns the built-in files of a catalogue entry: file name extensions and contents; empty if
/// there are none.
pub fn files(name: &str) -> &'static [(&'static str, &'static [u8])] {
    static SHARP_FILES: &[(&str, &[u8])] = &[("offshoot", SHARP_PACKAGE)];
    static SMALL_FILES: &[(&str, &[u8])] = &[("onnx", SPROUT), ("offshoot", SMALL_PACKAGE)];
    match name {
        "sharp" => SHARP_FILES,
        "sprout" => SMALL_FILES,
        _ => &[],
    }
}
