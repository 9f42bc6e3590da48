//! The front end for sound: the definition in floats, pieces of any length, the same bytes on every
//! processor, and settings that are refused.

#![cfg(feature = "alloc")]

use offshoot_core::Sound;
use offshoot_core::sound::{
    Design, Designed, Level, Mel, Room, SoundError, Spectrum, Stream, Taper,
};

#[path = "../../tests/common/mod.rs"]
mod common;

use common::random::Random;

/// Memory of a stream.
struct Owned {
    samples: Vec<i16>,
    words: Vec<i32>,
    rows: Vec<i16>,
}

impl Owned {
    fn new(sound: &Sound<'_>, frames: usize, bands: usize) -> Self {
        Self {
            samples: vec![0; sound.frame()],
            words: vec![0; usize::from(sound.fft) + 2],
            rows: vec![0; frames * bands],
        }
    }

    fn room(&mut self) -> Room<'_> {
        Room { samples: &mut self.samples, words: &mut self.words, rows: &mut self.rows }
    }
}

/// Returns the windows of samples that are pushed in pieces of some lengths, in turn.
fn windows(design: &Design, samples: &[i16], pieces: &[usize]) -> Vec<Vec<u8>> {
    let designed = design.build();
    let sound = designed.sound();
    let frames = usize::from(design.frames);
    let bands = usize::from(design.bands);
    sound.check(frames, bands).unwrap();
    let mut owned = Owned::new(&sound, frames, bands);
    let mut stream = Stream::new(frames, bands);
    let mut found = Vec::new();
    let mut rest = samples;
    for &piece in pieces.iter().cycle() {
        let (mut part, tail) = rest.split_at(piece.min(rest.len()));
        while stream.push(&sound, &mut owned.room(), &mut part).unwrap() {
            let mut window = vec![0; frames * bands];
            stream.window(&sound, &owned.room(), &mut window).unwrap();
            found.push(window);
        }
        rest = tail;
        if rest.is_empty() {
            return found;
        }
    }
    found
}

/// Sound with a bit of everything: a chirp, noise down to one step of a sample, clipping.
fn mixture(count: usize, seed: u64) -> Vec<i16> {
    let mut random = Random(seed);
    let sample = |i: usize| {
        let t = i as f64 / 16_000.0;
        let noise = f64::from(random.below(65_536) as u32) / 32_768.0 - 1.0;
        let loudness = [0.3, 30.0, 3000.0, 0.0][i / 4000 % 4];
        let turn = 2.0 * std::f64::consts::PI * t * (200.0 + 700.0 * t);
        let chirp = libm::sin(turn) * [9000.0, 200.0, 40_000.0][i / 7000 % 3];
        (chirp + noise * loudness).clamp(-32_768.0, 32_767.0) as i16
    };
    (0..count).map(sample).collect()
}

/// Values of the network's input by the definition, in floats and without a fast transform.
struct Definition<'a> {
    design: &'a Design,
    taper: Vec<f64>,
    filters: Vec<Vec<f64>>,
}

impl<'a> Definition<'a> {
    fn new(design: &'a Design) -> Self {
        let n = f64::from(design.length);
        let weight = |i: u16| {
            let x = f64::from(i) * 2.0 * std::f64::consts::PI;
            match design.taper {
                Taper::Hann => 0.5 - 0.5 * (x / n).cos(),
                Taper::Povey => (0.5 - 0.5 * (x / (n - 1.0)).cos()).powf(0.85),
            }
        };
        let rim = vec![0.0; design.margin.into()];
        let middle: Vec<f64> = (0..design.length).map(weight).collect();
        let taper = [rim.clone(), middle, rim].concat();
        let filters = filters(design);
        Self { design, taper, filters }
    }

    fn row(&self, samples: &[i16]) -> Vec<f64> {
        let design = self.design;
        let n = usize::from(design.fft);
        let full = design.full_scale / 32_768.0;
        let mut x: Vec<f64> = samples.iter().map(|&x| f64::from(x) * full).collect();
        if design.centred {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            x.iter_mut().for_each(|x| *x -= mean);
        }
        for i in (0..x.len()).rev() {
            x[i] -= design.emphasis * x[i.saturating_sub(1)];
        }
        x.iter_mut().zip(&self.taper).for_each(|(x, w)| *x *= w);
        let bin = |bin: usize| {
            let mut sum = [0.0; 2];
            for (i, x) in x.iter().enumerate() {
                let angle = (bin * i % n) as f64 / n as f64 * 2.0 * std::f64::consts::PI;
                sum = [sum[0] + x * angle.cos(), sum[1] + x * angle.sin()];
            }
            let power = sum[0] * sum[0] + sum[1] * sum[1];
            if design.spectrum == Spectrum::Power { power } else { power.sqrt() }
        };
        let bins: Vec<f64> = (0..=n / 2).map(bin).collect();
        let energy =
            |weights: &Vec<f64>| weights.iter().zip(&bins).map(|(w, b)| w * b).sum::<f64>();
        let logarithm = |weights| (energy(weights) + design.offset).max(design.floor).ln();
        self.filters.iter().map(logarithm).collect()
    }

    /// Returns the values of a window, and for each if it is above all floors.
    fn window(&self, samples: &[i16]) -> Vec<(f64, bool)> {
        let design = self.design;
        let frame = |i: usize| &samples[i * usize::from(design.hop)..][..self.taper.len()];
        let rows: Vec<Vec<f64>> = (0..design.frames.into()).map(|i| self.row(frame(i))).collect();
        let loudest = rows.concat().into_iter().fold(f64::MIN, f64::max);
        let range = design.range.map_or(f64::MAX, |decibels| decibels / 10.0 * 10f64.ln());
        let mut values = Vec::new();
        for row in &rows {
            for (band, &value) in row.iter().enumerate() {
                let held = value.max(loudest - range);
                let column = rows.iter().map(|row| row[band].max(loudest - range));
                let mean = column.sum::<f64>() / rows.len() as f64;
                let level = if design.levelled { mean } else { 0.0 };
                values.push(((held - level) * design.factor + design.shift, held == value));
            }
        }
        values
    }
}

/// Triangles of the two scales, written down a second time.
fn filters(design: &Design) -> Vec<Vec<f64>> {
    let mel = |hz: f64| match design.mel {
        Mel::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
        Mel::Slaney if hz < 1000.0 => 3.0 * hz / 200.0,
        Mel::Slaney => 15.0 + 27.0 * (hz / 1000.0).log(6.4),
    };
    let count = usize::from(design.bands);
    let step = (mel(design.high) - mel(design.low)) / (count + 1) as f64;
    let edge = |i: usize| mel(design.low) + step * i as f64;
    // Frequencies of the edges by bisection of the scale.
    let hz = |target: f64| {
        let mut low = 0.0;
        let mut high = 48_000.0;
        for _ in 0..80 {
            let middle = (low + high) / 2.0;
            if mel(middle) < target { low = middle } else { high = middle }
        }
        low
    };
    let bins = usize::from(design.fft) / 2;
    let mut filters = vec![vec![0.0; bins + 1]; count];
    for (b, filter) in filters.iter_mut().enumerate() {
        let edges = [edge(b), edge(b + 1), edge(b + 2)];
        for (bin, weight) in filter.iter_mut().enumerate() {
            let f = bin as f64 * f64::from(design.rate) / f64::from(design.fft);
            let (x, [a, b, c], area) = match design.mel {
                Mel::Htk => (mel(f), edges, 1.0),
                Mel::Slaney => {
                    let edges = edges.map(hz);
                    (f, edges, 2.0 / (edges[2] - edges[0]))
                }
            };
            let inside = design.mel == Mel::Slaney || (bin > 0 && bin < bins);
            let triangle = ((x - a) / (b - a)).min((c - x) / (c - b)).max(0.0);
            *weight = if inside { area * triangle } else { 0.0 };
        }
    }
    filters
}

/// Mean and largest distance of the bytes from the definition, in bytes, where it is inside them
/// and above the floor.
fn distance(design: &Design, designed: &Designed, samples: &[i16], got: &[u8]) -> [f64; 2] {
    let preprocess = designed.preprocess(design.frames);
    let want = Definition::new(design).window(samples);
    let mut sum = 0.0;
    let mut most = 0.0f64;
    let mut count = 0.0;
    for (&byte, (value, above)) in got.iter().zip(want) {
        let exact = value * f64::from(preprocess.std[0]) + f64::from(preprocess.mean[0]);
        if above && (0.0..=255.0).contains(&exact) {
            let error = (f64::from(byte) - exact).abs();
            sum += error;
            most = most.max(error);
            count += 1.0;
        }
    }
    assert!(count > 0.0);
    [sum / count, most]
}

#[test]
fn bytes_are_those_of_the_definition() {
    for design in &Design::ALL {
        let designed = design.build();
        let need = designed.sound().window(design.frames.into());
        for seed in [1, 2] {
            let samples = mixture(need, seed);
            let found = windows(design, &samples, &[need]);
            assert_eq!(found.len(), 1, "{}", design.name);
            let [mean, most] = distance(design, &designed, &samples, &found[0]);
            println!("{}: {mean:.3} codes in the mean, {most:.3} at most", design.name);
            assert!(mean <= 0.5 && most <= 1.0, "{}: {mean} {most}", design.name);
        }
    }
}

#[test]
fn pieces_of_any_length_give_the_same_bytes() {
    for design in &Design::ALL {
        let samples = mixture(90_000, 3);
        let whole = windows(design, &samples, &[samples.len()]);
        assert!(whole.len() >= 2, "{}", design.name);
        for pieces in [&[1][..], &[7], &[160], &[4_800], &[1, 399, 2, 1_000, 0, 161]] {
            assert_eq!(windows(design, &samples, pieces), whole, "{} {pieces:?}", design.name);
        }
        // A window in the stream is that of its own samples.
        let hop = usize::from(design.hop) * usize::from(design.step);
        assert_eq!(windows(design, &samples[hop..], &[5_000])[0], whole[1]);
    }
}

/// Holds on every processor: CI runs it on ARM too.
#[test]
fn bytes_are_the_same_everywhere() {
    let digest = |design: &Design| {
        let windows = windows(design, &mixture(90_000, 4), &[333]).concat();
        let designed = design.build();
        let sound = designed.sound();
        let tables = sound.taper.iter().chain(sound.bands);
        tables.chain(&windows).fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    };
    let digests: Vec<String> = Design::ALL
        .iter()
        .map(|design| format!("{} {:016x}", design.name, digest(design)))
        .collect();
    assert_eq!(digests, DIGESTS);
}

/// FNV-1a of tables and windows.
const DIGESTS: [&str; 4] = [
    "speech-embedding afdd52f3e4a45b69",
    "yamnet 96ae30d8365cb8a8",
    "pann a8d4fa6dcde2502b",
    "kaldi80 5c267996f9f713b5",
];

#[test]
fn corners_have_finite_bytes() {
    let design = &Design::SPEECH_EMBEDDING;
    let need = design.build().sound().window(76);
    let one = |at: usize| (0..need).map(|i| if i == at { i16::MIN } else { 0 }).collect();
    let square = |half: usize| {
        (0..need).map(|i| if (i / half).is_multiple_of(2) { i16::MAX } else { i16::MIN }).collect()
    };
    let sounds: [Vec<i16>; 6] = [
        vec![0; need],
        vec![i16::MIN; need],
        vec![i16::MAX; need],
        square(1),
        square(40),
        one(need / 2),
    ];
    for design in &Design::ALL {
        for sound in &sounds {
            windows(design, &sound.repeat(6), &[777]);
        }
    }
    // Silence has no loudest value to be far below of: one byte everywhere.
    let silent = &windows(design, &sounds[0], &[need])[0];
    assert!(silent.iter().all(|&byte| byte == silent[0]));
    assert_eq!(Level::of(&[]), Level::default());
    assert_eq!(Level::of(&sounds[1]), Level { rms: 32_768, peak: 32_768 });
    assert!(Level::of(&[i16::MIN, i16::MAX]).decibels().abs() < 0.001);
}

#[test]
fn settings_out_of_range_are_refused() {
    let designed = Design::YAMNET.build();
    let good = designed.sound();
    let check = |sound: Sound<'_>| sound.check(96, 64);
    assert_eq!(check(good), Ok(()));
    assert_eq!(check(Sound { rate: 3_999, ..good }), Err(SoundError::Rate { rate: 3_999 }));
    assert_eq!(check(Sound { fft: 256, ..good }), Err(SoundError::Transform { fft: 256 }));
    let long = vec![0; 4 * 513];
    let high = [1, 0, 0, 0x40].repeat(400);
    for taper in [&[][..], &good.taper[1..], &long, &high] {
        assert_eq!(check(Sound { taper, ..good }), Err(SoundError::Taper));
    }
    for (hop, step) in [(0, 1), (401, 1), (1, 0), (1, 97)] {
        let error = SoundError::Advance { hop, step };
        assert_eq!(check(Sound { hop, step, ..good }), Err(error));
    }
    for sound in [
        Sound { emphasis: 1 << 15, ..good },
        Sound { floor: u64::MAX, ..good },
        Sound { offset: u64::MAX, ..good },
        Sound { shift: i64::MIN, ..good },
    ] {
        assert_eq!(check(sound), Err(SoundError::Number));
    }
    let mut outside = good.bands.to_vec();
    outside[0] = 255;
    outside[1] = 255;
    for bands in [&[][..], &good.bands[1..], &[good.bands, &[0]].concat(), &outside] {
        assert_eq!(check(Sound { bands, ..good }), Err(SoundError::Bands { need: 64 }));
    }
    for (frames, bands) in [(0, 64), (1 << 20, 64), (96, 63), (96, 65)] {
        assert!(good.check(frames, bands).is_err());
    }
}

/// Settings at their limits run without an overflow (the tests check for it).
#[test]
fn settings_at_their_limits_run() {
    let weights = [u8::MAX; 2 * 513];
    let bands = [&[0, 0, 1, 2][..], &weights].concat();
    let taper = [0, 0, 0, 0x40].repeat(1024);
    let extreme = Sound {
        name: "limit",
        rate: 96_000,
        hop: 1,
        fft: 1024,
        step: 1,
        centred: true,
        emphasis: (1 << 15) - 1,
        spectrum: Spectrum::Power,
        offset: 1 << 62,
        floor: 1 << 62,
        range: Some(u16::MAX),
        levelled: true,
        factor: i32::MIN,
        shift: -(1 << 62),
        taper: &taper,
        bands: &bands,
    };
    extreme.check(3, 1).unwrap();
    let mut random = Random(8);
    for spectrum in [Spectrum::Power, Spectrum::Magnitude] {
        for centred in [false, true] {
            let sound = Sound { spectrum, centred, ..extreme };
            let mut owned = Owned::new(&sound, 3, 1);
            let mut stream = Stream::new(3, 1);
            let samples: Vec<i16> = (0..1_100)
                .map(|i| match i % 3 {
                    0 => [i16::MIN, i16::MAX][random.below(2)],
                    _ => {
                        if i / 512 % 2 == 0 {
                            i16::MIN
                        } else {
                            i16::MAX
                        }
                    }
                })
                .collect();
            let mut rest = &samples[..];
            while stream.push(&sound, &mut owned.room(), &mut rest).unwrap() {
                stream.window(&sound, &owned.room(), &mut [0; 3]).unwrap();
            }
        }
    }
}

#[test]
fn buffers_of_another_length_are_refused() {
    let designed = Design::YAMNET.build();
    let sound = designed.sound();
    let mut stream = Stream::new(96, 64);
    for (samples, words, rows, error) in [
        (399, 514, 96 * 64, SoundError::Length { need: 400, have: 399 }),
        (400, 512, 96 * 64, SoundError::Length { need: 514, have: 512 }),
        (400, 514, 1, SoundError::Length { need: 96 * 64, have: 1 }),
    ] {
        let mut owned =
            Owned { samples: vec![0; samples], words: vec![0; words], rows: vec![0; rows] };
        let mut rest = &[1i16; 5][..];
        assert_eq!(stream.push(&sound, &mut owned.room(), &mut rest), Err(error));
        assert_eq!(rest.len(), 5);
        assert_eq!(stream.window(&sound, &owned.room(), &mut [0; 96 * 64]), Err(error));
    }
    let mut owned = Owned::new(&sound, 96, 64);
    let error = SoundError::Length { need: 96 * 64, have: 2 };
    assert_eq!(stream.window(&sound, &owned.room(), &mut [0; 2]), Err(error));
}
