//! Makes a head of background for wake words from a folder of words:
//! `cargo run --release -p offshoot-device --example background -- PACKAGE WORDS HEAD`.
//!
//! WORDS has a folder of 16-bit WAV files for each word. The windows of each, three at a time as the
//! device asks them, are samples of one class; those that stand best for all are kept.

use std::fs;
use std::path::{Path, PathBuf};

use offshoot::{Ears, Embedding, Extractor, Head, HeadKind, Limits, NOTHING, WhenFull};

/// Samples of the head; windows whose mean is one, and windows from one to the next.
const SAMPLES: u16 = 120;
const SPAN: usize = 3;
const APART: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [package, words, out] = &arguments[..] else { return Err("PACKAGE WORDS HEAD".into()) };
    let mut extractor = Extractor::open(package)?;
    let limits = Limits { classes: 1, samples: SAMPLES };
    let mut head = Head::new(HeadKind::Auto, &extractor, limits)?;
    head.set_when_full(WhenFull::Herding);
    let class = head.add_class(NOTHING)?;
    for path in files(Path::new(words))? {
        let windows = windows(&mut extractor, &samples(&path)?)?;
        for some in windows.windows(SPAN).skip(APART - 1).step_by(APART) {
            let dim = extractor.embedding_dim();
            let mean: Vec<f32> =
                (0..dim).map(|i| some.iter().map(|w| w[i]).sum::<f32>() / SPAN as f32).collect();
            head.add_sample(class, Embedding::Float(&mean))?;
        }
    }
    head.save(out)?;
    println!("{} of {} samples", head.sample_count(), head.shown_of(class));
    Ok(())
}

/// Returns the WAV files of a folder of folders, in the order of their names.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for word in fs::read_dir(folder)? {
        let word = word?.path();
        if word.is_dir() {
            for file in fs::read_dir(word)? {
                found.push(file?.path());
            }
        }
    }
    found.retain(|path| path.extension().is_some_and(|end| end == "wav"));
    found.sort();
    Ok(found)
}

/// Reads a clip of one channel, with three quarters of a second of quiet noise on both sides.
fn samples(path: &Path) -> Result<Vec<i16>, Box<dyn std::error::Error>> {
    let mut reader = hound::WavReader::open(path)?;
    let rim = reader.spec().sample_rate as usize * 3 / 4;
    let clip: Result<Vec<i16>, _> = reader.samples().collect();
    let mut state = 1u32;
    let mut quiet = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as i16 - 8
    };
    let mut all: Vec<i16> = (0..rim).map(|_| quiet()).collect();
    all.extend(clip?);
    all.extend((0..rim).map(|_| quiet()));
    Ok(all)
}

fn windows(extractor: &mut Extractor, samples: &[i16]) -> Result<Vec<Vec<f32>>, offshoot::Error> {
    let mut ears = Ears::new(extractor)?;
    let mut rest = samples;
    let mut windows = Vec::new();
    while let Some(embedding) = ears.push(extractor, &mut rest)? {
        windows.push(embedding.iter().collect());
    }
    Ok(windows)
}
