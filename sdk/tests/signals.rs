//! Packages that take signals, through the facade: windows, recordings, streams.

use offshoot::{ErrorKind, Extractor, Frame, Probe, Sensor, Signal, SignalError};
use offshoot_core::Shape;
use offshoot_core::graph::Window;

mod common;

use common::counting::{self, Counting, Counts, counted};
use common::net::{Net, window};
use common::random::Random;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Places of a window, and channels.
const WINDOW: usize = 16;
const CHANNELS: usize = 3;
const STEP: usize = 5;

fn package(goldens: &[(Vec<f32>, Vec<u8>)]) -> Vec<u8> {
    let shape = Shape::new(1, WINDOW as u32, CHANNELS as u32).unwrap();
    let mut net = Net::sensing(shape, 1);
    let map = net.conv("map", Net::INPUT, Window { kernel: [1, 3], ..window(1, 1, 0) }, 1, 8);
    let output = net.conv("features", map, Window { kernel: [1, 14], ..window(1, 1, 0) }, 1, 12);
    let channels = Sensor::pack(&[[0.0, 500.0], [100.0, 400.0], [-50.0, 900.0]]);
    let sensor = Sensor { rate: 50.0, unit: 0.5, step: STEP as u32, channels: &channels };
    net.signal_package(&sensor, output, goldens)
}

fn extractor() -> Extractor {
    Extractor::from_bytes(package(&[])).unwrap()
}

fn noise(places: usize, seed: u64) -> Vec<i16> {
    let mut random = Random(seed);
    (0..places * CHANNELS).map(|_| random.bits() as i16 >> 5).collect()
}

fn floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|&sample| f32::from(sample) * 0.5).collect()
}

fn of_window(extractor: &mut Extractor, samples: &[i16]) -> Vec<f32> {
    let signal = Signal::int16(CHANNELS, samples).unwrap();
    extractor.embed_signal(&signal).unwrap().iter().collect()
}

#[test]
fn golden_vectors_begin_at_samples() {
    let samples = floats(&noise(WINDOW, 1));
    let signal = Signal::float(CHANNELS, &samples).unwrap();
    let want: Vec<u8> = extractor().embed_signal(&signal).unwrap().bytes().collect();
    let mut wrong = want.clone();
    wrong[0] ^= 1;
    for (output, is_ok) in [(want, true), (wrong, false)] {
        let file = package(&[(samples.clone(), output)]);
        assert_eq!(Extractor::from_bytes(file).unwrap().verify().unwrap().is_ok(), is_ok);
    }
}

#[test]
fn samples_of_16_bits_and_floats_are_the_same() {
    let mut extractor = extractor();
    for seed in 0..20 {
        let samples = noise(WINDOW, seed);
        let want = of_window(&mut extractor, &samples);
        let floats = floats(&samples);
        let signal = Signal::float(CHANNELS, &floats).unwrap();
        assert!(extractor.embed_signal(&signal).unwrap().iter().eq(want));
    }
}

#[test]
fn a_stream_has_the_windows_of_its_recording() {
    let mut extractor = extractor();
    let samples = noise(60, 3);
    let starts: Vec<usize> = (0..=60 - WINDOW).step_by(STEP).collect();
    let wanted: Vec<Vec<f32>> = starts
        .iter()
        .map(|&start| of_window(&mut extractor, &samples[start * CHANNELS..][..WINDOW * CHANNELS]))
        .collect();
    let mut probe = Probe::new(&extractor).unwrap();
    for round in 0..2 {
        let mut found = Vec::new();
        for place in samples.chunks_exact(CHANNELS) {
            let place: Vec<f32> = place.iter().map(|&sample| probe.real(sample)).collect();
            if let Some(embedding) = probe.push(&mut extractor, &place).unwrap() {
                found.push(embedding.iter().collect::<Vec<f32>>());
            }
        }
        assert_eq!(found, wanted, "round {round}");
        probe.clear();
    }
    let recording = Signal::int16(CHANNELS, &samples).unwrap();
    let mean: Vec<f32> = extractor.embed_recording(&recording).unwrap().iter().collect();
    for (at, got) in mean.iter().enumerate() {
        let want = wanted.iter().map(|row| row[at]).sum::<f32>() / wanted.len() as f32;
        assert!((got - want).abs() < 1e-5, "{got} {want}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_the_extractor_usable() {
    let mut extractor = extractor();
    assert_eq!(extractor.window_places(), Some(WINDOW));
    let samples = noise(WINDOW, 4);
    let want = of_window(&mut extractor, &samples);
    let frame = extractor.embed(&Frame::rgb(8, 8, &[128; 192]).unwrap()).unwrap_err();
    assert!(matches!(frame.kind(), ErrorKind::OtherInput { takes: "signals" }), "{frame}");
    let tokens = extractor.embed_tokens(&[1]).unwrap_err();
    assert!(matches!(tokens.kind(), ErrorKind::OtherInput { takes: "signals" }), "{tokens}");
    let sound = extractor.embed_window(&[1; 512]).unwrap_err();
    assert!(matches!(sound.kind(), ErrorKind::OtherInput { takes: "signals" }), "{sound}");
    let short = Signal::int16(CHANNELS, &samples[..3 * 5]).unwrap();
    for error in [
        extractor.embed_signal(&short).map(drop).unwrap_err(),
        extractor.embed_recording(&short).map(drop).unwrap_err(),
    ] {
        let places = SignalError::Places { need: WINDOW, have: 5 };
        assert!(matches!(error.kind(), ErrorKind::Signal(found) if *found == places), "{error}");
    }
    let other = Signal::int16(2, &samples[..2 * WINDOW]).unwrap();
    let error = extractor.embed_signal(&other).unwrap_err();
    assert_eq!(error.to_string(), "a signal of 2 channels, the package takes 3");
    let mut odd = floats(&noise(2 * WINDOW, 4));
    odd[3 * WINDOW + 20] = f32::NAN;
    let odd = Signal::float(CHANNELS, &odd).unwrap();
    assert!(extractor.embed_recording(&odd).is_err());
    assert_eq!(of_window(&mut extractor, &samples), want);
    let mut images = Extractor::open("tests/tiny.offshoot").unwrap();
    assert!(Probe::new(&images).is_err());
    let signal = Signal::int16(CHANNELS, &samples).unwrap();
    let error = images.embed_signal(&signal).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::OtherInput { takes: "images" }), "{error}");
    let mut probe = Probe::new(&extractor).unwrap();
    assert!(probe.signal().is_err());
    assert!(probe.push(&mut extractor, &[1.0, 2.0]).is_err());
    assert!(probe.push(&mut extractor, &[1.0, 2.0, f32::NAN]).is_err());
    assert!(probe.signal().is_err());
}

#[test]
fn nothing_is_allocated() {
    let mut extractor = extractor();
    let mut probe = Probe::new(&extractor).unwrap();
    let samples = noise(40, 5);
    let recording = Signal::int16(CHANNELS, &samples).unwrap();
    counting::prove_live();
    let (counts, seen) = counted(|| {
        let mut seen = extractor.embed_recording(&recording).unwrap().len();
        for place in samples.as_chunks::<CHANNELS>().0 {
            let place = place.map(|sample| probe.real(sample));
            seen += probe.push(&mut extractor, &place).unwrap().map_or(0, |found| found.len());
        }
        seen
    });
    assert_eq!((counts, seen), (Counts::NONE, 12 * 6));
}
