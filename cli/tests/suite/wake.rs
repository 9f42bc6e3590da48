//! Wake words as a device that hears is taught them, and asked in a stream (needs `../shared`).
//!
//! The kind of head was chosen on the command words; the digits, of another recording and other
//! voices, were looked at once.

use std::path::Path;

use offshoot::{Ears, Embedding, Extractor, Head, HeadKind, Limits, NOTHING, WhenFull};
use offshoot_dataset::{LeftOut, sounds};

use crate::common::shared;

/// Number of windows whose mean is asked, and windows in an hour.
const SPAN: usize = 3;
const HOUR: f32 = 45_000.0;

/// Clip: means of its windows in a stream, and the sample that it is as a take.
struct Clip {
    means: Vec<Vec<f32>>,
    take: Vec<f32>,
}

/// Reads the clips of a folder for each word, at most so many of each.
fn words(extractor: &mut Extractor, name: &str, most: usize) -> Vec<Vec<Clip>> {
    let root = shared().join("data").join(name);
    let mut folders: Vec<_> =
        std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders.iter().map(|word| clips(extractor, word, most)).collect()
}

fn clips(extractor: &mut Extractor, folder: &Path, most: usize) -> Vec<Clip> {
    let files = sounds(folder, most, &mut LeftOut::default()).unwrap();
    let clip = |samples: Vec<i16>| Clip {
        means: means(extractor, &samples),
        take: extractor.embed_samples(&samples).unwrap().iter().collect(),
    };
    files.iter().map(|file| file.sound(16_000).unwrap()).map(clip).collect()
}

/// Means of the windows of a clip, with three quarters of a second of quiet noise on both sides.
fn means(extractor: &mut Extractor, clip: &[i16]) -> Vec<Vec<f32>> {
    let mut state = 1u32;
    let mut quiet = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as i16 - 8
    };
    let before: Vec<i16> = (0..12_000).map(&mut quiet).collect();
    let after: Vec<i16> = (0..12_000).map(&mut quiet).collect();
    let all = [&before, clip, &after].concat();
    let mut ears = Ears::new(extractor).unwrap();
    let mut rest = &all[..];
    let mut windows: Vec<Vec<f32>> = Vec::new();
    while let Some(embedding) = ears.push(extractor, &mut rest).unwrap() {
        windows.push(embedding.iter().collect());
    }
    let mean = |some: &[Vec<f32>]| {
        let values = 0..some[0].len();
        values.map(|i| some.iter().map(|w| w[i]).sum::<f32>() / SPAN as f32).collect()
    };
    windows.windows(SPAN).map(mean).collect()
}

/// Wake word, taught with background.
struct Taught {
    head: Head,
    threshold: f32,
}

impl Taught {
    /// Teaches takes against some of the windows of other words, as a device does.
    fn new(
        extractor: &Extractor,
        kind: HeadKind,
        takes: &[&Clip],
        background: &[&Vec<Clip>],
    ) -> Self {
        let limits = Limits { classes: 2, samples: 180 };
        let mut head = Head::new(kind, extractor, limits).unwrap();
        head.set_when_full(WhenFull::Herding);
        let nothing = head.add_class(NOTHING).unwrap();
        let word = head.add_class("word").unwrap();
        for clip in background.iter().copied().flatten() {
            for mean in clip.means.iter().skip(4).step_by(5) {
                head.add_sample(nothing, Embedding::Float(mean)).unwrap();
            }
        }
        for clip in takes {
            head.add_sample(word, Embedding::Float(&clip.take)).unwrap();
        }
        head.fit().unwrap();
        let threshold = head.wake_threshold(nothing, HOUR).unwrap().unwrap();
        Self { head, threshold }
    }

    /// Highest probability of the word in a clip.
    fn score(&self, clip: &Clip) -> f32 {
        let mut shares = [0.0; 2];
        let scores = clip.means.iter().map(|mean| {
            self.head.probabilities(Embedding::Float(mean), &mut shares).unwrap();
            shares[1]
        });
        scores.fold(0.0, f32::max)
    }
}

/// What was heard of takes and of other words.
#[derive(Default, Debug)]
struct Heard {
    takes: usize,
    /// Of them, at the threshold that 2 % of the others reach, and at that of the background.
    at_two_per_cent: usize,
    at_default: usize,
    others: usize,
    /// Clips of other words that are heard at the threshold of the background.
    false_accepts: usize,
}

impl Heard {
    fn ask(&mut self, taught: &Taught, takes: &[&Clip], others: &[&Clip]) {
        let mut wrong: Vec<f32> = others.iter().map(|clip| taught.score(clip)).collect();
        wrong.sort_by(|a, b| b.total_cmp(a));
        let two_per_cent = wrong[wrong.len() / 50];
        for clip in takes {
            let score = taught.score(clip);
            self.takes += 1;
            self.at_two_per_cent += usize::from(score > two_per_cent);
            self.at_default += usize::from(score >= taught.threshold);
        }
        self.others += wrong.len();
        self.false_accepts += wrong.iter().filter(|score| **score >= taught.threshold).count();
    }

    fn shares(&self) -> [f32; 2] {
        [self.at_two_per_cent, self.at_default].map(|heard| heard as f32 / self.takes as f32)
    }
}

/// Each of the command words once, in three draws.
fn heard_commands(extractor: &Extractor, commands: &[Vec<Clip>], kind: HeadKind) -> Heard {
    let mut heard = Heard::default();
    for draw in 0..3 {
        for (word, own) in commands.iter().enumerate() {
            let other = |at: usize| &commands[(word + 1 + at) % commands.len()];
            // Five takes of five people; five other people ask.
            let is_taught = |at: usize| (0..5).any(|i| (2 * i + draw) % 10 == at);
            let of = |taught: bool| {
                let own = own.iter().enumerate().filter(move |(at, _)| is_taught(*at) == taught);
                own.map(|(_, clip)| clip).collect::<Vec<&Clip>>()
            };
            let background: Vec<_> = (0..6).map(|at| other(2 * at)).collect();
            let others: Vec<&Clip> = (0..5).flat_map(|at| other(2 * at + 1)).collect();
            let taught = Taught::new(extractor, kind, &of(true), &background);
            heard.ask(&taught, &of(false), &others);
        }
    }
    println!("commands, {kind}: {heard:?} {:?}", heard.shares());
    heard
}

#[test]
#[cfg_attr(not(shared), ignore = "needs the data beside the repository")]
fn words_are_heard_and_others_are_not() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/speech/speech.offshoot");
    let mut extractor = Extractor::open(path).unwrap();
    let commands = words(&mut extractor, "speech-commands-mini", 10);
    let heard = heard_commands(&extractor, &commands, HeadKind::Softmax);
    let [at_two_per_cent, at_default] = heard.shares();
    assert!(at_two_per_cent >= 0.85 && at_default >= 0.2, "{heard:?}");
    // A clip is about a word: some 15 minutes of speech.
    assert!(heard.false_accepts <= 4, "{heard:?}");
    let less = heard_commands(&extractor, &commands, HeadKind::Auto);
    assert!(less.at_two_per_cent < heard.at_two_per_cent && less.at_default < heard.at_default);

    let digits = words(&mut extractor, "spoken-digits-mini", 30);
    let mut heard = Heard::default();
    for (digit, own) in digits.iter().enumerate() {
        let takes = [0, 1, 5, 6, 10].map(|at| &own[at]);
        // Of three speakers who did not teach.
        let asked: Vec<&Clip> = own[15..].iter().collect();
        let background: Vec<_> = (0..6).map(|at| &commands[(digit + 2 * at) % 12]).collect();
        let other_digits = digits.iter().enumerate().filter(|(at, _)| *at != digit);
        let others: Vec<&Clip> = other_digits.flat_map(|(_, clips)| clips).collect();
        let taught = Taught::new(&extractor, HeadKind::Softmax, &takes, &background);
        heard.ask(&taught, &asked, &others);
    }
    println!("digits: {heard:?} {:?}", heard.shares());
    let [at_two_per_cent, at_default] = heard.shares();
    assert!(at_two_per_cent >= 0.85 && at_default >= 0.2, "{heard:?}");
    assert!(heard.false_accepts <= 4, "{heard:?}");
}
