//! Results of this machine, as a file: `npm.test.mjs` asks the module for the same ones, bit for
//! bit. `OFFSHOOT_BLESS=1` writes the file.

use std::fmt::Write;
use std::path::Path;

use offshoot::{Extractor, Frame, Head, HeadKind, Limits};

/// Pseudorandom pixels (Numerical Recipes' generator); the test in JavaScript has the same.
fn pixels(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn floats(values: &[f32]) -> String {
    hex(values.iter().flat_map(|value| value.to_le_bytes()))
}

/// Writes what a package and a head taught on it give.
fn results(out: &mut String, name: &str, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let mut extractor = Extractor::open(path).unwrap();
    writeln!(out, "{name} verify {}", extractor.verify().unwrap()).unwrap();
    for (width, height) in [(8, 8), (96, 96), (97, 61), (160, 120)] {
        let rgb = pixels(width * height, 3 * (width * height) as usize);
        let embedding = extractor.embed(&Frame::rgb(width, height, &rgb).unwrap()).unwrap();
        writeln!(out, "{name} embed {width}x{height} {}", hex(embedding.bytes())).unwrap();
    }
    let limits = Limits { classes: 3, samples: 12 };
    let mut head = Head::new(HeadKind::Auto, &extractor, limits).unwrap();
    let classes = ["one", "two", "three"].map(|name| head.add_class(name).unwrap());
    for sample in 0..12 {
        let rgb = pixels(sample, 3 * 32 * 32);
        // Classes differ in brightness.
        let shade: Vec<u8> = rgb.iter().map(|byte| byte / 4 + 80 * (sample % 3) as u8).collect();
        let embedding = extractor.embed(&Frame::rgb(32, 32, &shade).unwrap()).unwrap();
        head.add_sample(classes[sample as usize % 3], embedding).unwrap();
    }
    head.fit().unwrap();
    writeln!(out, "{name} head {}", hex(head.to_bytes())).unwrap();
    let mut probabilities = [0.0; 3];
    let rgb = pixels(99, 3 * 32 * 32);
    let embedding = extractor.embed(&Frame::rgb(32, 32, &rgb).unwrap()).unwrap();
    head.probabilities(embedding, &mut probabilities).unwrap();
    writeln!(out, "{name} probabilities {}", floats(&probabilities)).unwrap();
    let map = extractor.activations(&head, classes[1]).unwrap();
    writeln!(out, "{name} activations {}", map.map_or(String::new(), |map| floats(&map.values)))
        .unwrap();
}

#[test]
fn results_are_those_of_the_file() {
    let mut out = String::new();
    results(&mut out, "tiny", "../tests/tiny.offshoot");
    results(&mut out, "sprout", "../../models/sprout/sprout.offshoot");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/native.txt");
    if std::env::var_os("OFFSHOOT_BLESS").is_some() {
        std::fs::write(&path, &out).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(out == kept, "other results than in {}; OFFSHOOT_BLESS=1 writes it", path.display());
}
