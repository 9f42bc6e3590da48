//! The packages that are part of this program.

use offshoot_device::{Eyes, Machine};

/// The backbone of the small ones, which `demo` converts and `pull` writes.
pub const SPROUT: &[u8] = include_bytes!("../../models/sprout/sprout.onnx");

/// Made as `models/sharp/README.md` says.
const SHARP_PACKAGE: &[u8] = include_bytes!("../../models/sharp/sharp.offshoot");

/// As `demo --eyes small --keep` writes it.
const SMALL_PACKAGE: &[u8] = include_bytes!("../../models/sprout/sprout.offshoot");

/// A package that is part of this program.
pub fn package(eyes: Eyes) -> &'static [u8] {
    match eyes {
        Eyes::Sharp => SHARP_PACKAGE,
        Eyes::Small => SMALL_PACKAGE,
    }
}

/// Those that were asked for, or that fit this processor.
pub fn or_fitting(asked: Option<Eyes>) -> Eyes {
    asked.unwrap_or_else(|| Eyes::of(&Machine::default()))
}

/// What this program holds of a backbone of the catalogue: the ends of file names, and what is in the files.
pub fn files(name: &str) -> &'static [(&'static str, &'static [u8])] {
    const SHARP_FILES: &[(&str, &[u8])] = &[("offshoot", SHARP_PACKAGE)];
    const SMALL_FILES: &[(&str, &[u8])] = &[("onnx", SPROUT), ("offshoot", SMALL_PACKAGE)];
    match name {
        "sharp" => SHARP_FILES,
        "sprout" => SMALL_FILES,
        _ => &[],
    }
}
