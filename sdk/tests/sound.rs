//! Packages that take sound, through the facade: windows, streams, clips.
#![cfg(feature = "sound")]

use offshoot::{Ears, ErrorKind, Extractor, Level, SoundError};
use offshoot_core::graph::Window;
use offshoot_core::sound::{Design, Designed};

mod common;

use common::counting::{self, Counting, Counts, counted};
use common::net::{Net, window};
use common::random::Random;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Samples of a window of the tests, and from window to window.
const WINDOW: usize = 8 * 160 + 512;
const ADVANCE: usize = 3 * 160;

fn designed() -> Designed {
    Design { step: 3, ..Design::SPEECH_EMBEDDING }.build()
}

fn package(goldens: &[(Vec<i16>, Vec<u8>)]) -> Vec<u8> {
    let mut net = Net::listening(&designed(), 9, 1);
    let map = net.conv("map", Net::INPUT, window(3, 2, 1), 1, 8);
    let output = net.conv("features", map, Window { kernel: [5, 16], ..window(1, 1, 0) }, 1, 12);
    net.sound_package(&designed(), output, goldens)
}

fn extractor() -> Extractor {
    Extractor::from_bytes(package(&[])).unwrap()
}

fn noise(count: usize, seed: u64) -> Vec<i16> {
    let mut random = Random(seed);
    (0..count).map(|i| (random.bits() as i16) >> (i / 900 % 9)).collect()
}

fn values(extractor: &mut Extractor, samples: &[i16]) -> Vec<f32> {
    extractor.embed_window(samples).unwrap().iter().collect()
}

/// Embeddings of a stream that is pushed in pieces of one length.
fn streamed(extractor: &mut Extractor, samples: &[i16], piece: usize) -> Vec<Vec<f32>> {
    let mut ears = Ears::new(extractor).unwrap();
    let mut found = Vec::new();
    for mut part in samples.chunks(piece) {
        while let Some(embedding) = ears.push(extractor, &mut part).unwrap() {
            found.push(embedding.iter().collect());
        }
        assert!(part.is_empty());
    }
    found
}

#[test]
fn golden_vectors_begin_at_samples() {
    let samples = noise(WINDOW, 1);
    let output: Vec<u8> = extractor().embed_window(&samples).unwrap().bytes().collect();
    let file = package(&[(samples.clone(), output.clone())]);
    let verification = Extractor::from_bytes(file).unwrap().verify().unwrap();
    assert!(verification.is_ok() && verification.vectors == 1);
    let other = noise(WINDOW, 2);
    let verification = Extractor::from_bytes(package(&[(other, output)])).unwrap().verify();
    assert!(!verification.unwrap().is_ok(), "other samples, another embedding");
}

#[test]
fn a_stream_gives_the_windows_of_its_samples() {
    let mut extractor = extractor();
    assert_eq!(extractor.window_samples(), Some(WINDOW));
    let samples = noise(WINDOW + 20 * ADVANCE + 77, 3);
    let alone: Vec<Vec<f32>> =
        (0..=20).map(|i| values(&mut extractor, &samples[i * ADVANCE..][..WINDOW])).collect();
    assert!(alone[0] != alone[10]);
    for piece in [1, 7, 160, 4_800, samples.len()] {
        assert_eq!(streamed(&mut extractor, &samples, piece), alone, "{piece}");
    }
}

#[test]
fn a_clip_is_the_mean_of_its_windows() {
    let mut extractor = extractor();
    // A quarter of a second of silence at both ends.
    for count in [1_000, 5_000] {
        let samples: Vec<i16> = (0..count).map(|i| (i * 7919 % 2001 - 1000) as i16).collect();
        let silence = vec![0; 4_000];
        let padded = [&silence[..], &samples, &silence].concat();
        let advance = |i: usize| i * ADVANCE;
        let energy = |i: usize| -> u64 {
            padded[advance(i)..][..WINDOW]
                .iter()
                .map(|&x| (i64::from(x) * i64::from(x)) as u64)
                .sum()
        };
        let windows: Vec<usize> = (0..=(padded.len() - WINDOW) / ADVANCE).collect();
        let quiet = windows.iter().map(|&i| energy(i)).min().unwrap();
        let loud: Vec<usize> = windows.into_iter().filter(|&i| energy(i) >= 10 * quiet).collect();
        assert!(!loud.is_empty());
        let mut mean = vec![0.0f32; 12];
        for &i in &loud {
            let embedding = values(&mut extractor, &padded[advance(i)..][..WINDOW]);
            mean.iter_mut().zip(embedding).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= loud.len() as f32);
        let got: Vec<f32> = extractor.embed_samples(&samples).unwrap().iter().collect();
        assert_eq!(got, mean, "{count} samples");
    }
    // Shorter than a window even with its silence, and two samples.
    for count in [2, 600] {
        extractor.embed_samples(&noise(count, 5)).unwrap();
    }
}

#[test]
fn sound_and_its_absence_are_told_apart() {
    let mut extractor = extractor();
    for samples in [&[][..], &[5], &[-3; 20_000]] {
        let error = extractor.embed_samples(samples).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Sound(SoundError::Silence)), "{error}");
    }
    for have in [0, 1, WINDOW - 1, WINDOW + 1, WINDOW + ADVANCE] {
        let error = extractor.embed_window(&noise(have, 1)).unwrap_err();
        assert_eq!(error.to_string(), format!("{have} samples, a window has {WINDOW}"));
    }
    assert!(extractor.embed_window(&vec![0; WINDOW]).is_ok(), "a window may be silent");
    let mut images = Extractor::open("tests/tiny.offshoot").unwrap();
    for error in [
        images.embed_window(&[0; 400]).map(|_| ()).unwrap_err(),
        images.embed_samples(&[0; 400]).map(|_| ()).unwrap_err(),
        Ears::new(&images).map(|_| ()).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "the package takes images");
    }
    let mut ears = Ears::new(&extractor).unwrap();
    assert!(ears.push(&mut images, &mut &[0; 400][..]).is_err());
}

#[test]
fn ears_say_what_they_hear() {
    let mut extractor = extractor();
    let mut ears = Ears::new(&extractor).unwrap();
    assert_eq!(ears.level(), Level::default());
    assert!(ears.push(&mut extractor, &mut &[100, -100, 100, -200][..]).unwrap().is_none());
    assert_eq!(ears.level(), Level { rms: 132, peak: 200 });
    let mut samples = &noise(WINDOW, 6)[..];
    assert!(ears.push(&mut extractor, &mut samples).unwrap().is_some());
    assert_eq!(samples.len(), 4);
    let picture = ears.picture().unwrap();
    assert_eq!((picture.width(), picture.height()), (32, 9));
    ears.clear();
    let mut samples = &noise(WINDOW, 6)[..];
    let heard: Vec<f32> =
        ears.push(&mut extractor, &mut samples).unwrap().unwrap().iter().collect();
    assert_eq!(heard, values(&mut extractor, &noise(WINDOW, 6)));
}

#[test]
fn hearing_takes_no_memory() {
    counting::prove_live();
    let mut extractor = extractor();
    let mut ears = Ears::new(&extractor).unwrap();
    let samples = noise(WINDOW + 1_000 * ADVANCE, 7);
    let (counts, windows) = counted(|| {
        let mut windows = 0;
        let mut rest = &samples[..];
        while ears.push(&mut extractor, &mut rest).unwrap().is_some() {
            windows += 1;
        }
        extractor.embed_samples(&samples[..9_000]).unwrap();
        extractor.embed_window(&samples[..WINDOW]).unwrap();
        windows
    });
    assert_eq!((counts, windows), (Counts::NONE, 1_001));
}
