//! Decision that a class was heard in a stream, and the threshold that a background keeps to.

use libm::{exp, log};

/// Number of the newest windows that are looked at, and how many of them must agree.
const LOOKED: usize = 3;
const AGREE: usize = 2;

/// Share of the background scores that the tail is fitted to, as one of this many, and their least
/// number.
const TAIL: usize = 10;
const FEWEST: usize = 5;

/// Largest log odds of a score: beyond it a probability of 32 bits is 1.
const MOST: f64 = 16.0;

/// Decision rule of a stream: a class is heard if two of the last three windows are of it, at the
/// threshold or above; then nothing is heard until a pause has passed.
///
/// ```
/// use offshoot_core::sound::Wake;
///
/// let mut wake = Wake::new(0.9, 12);
/// assert_eq!(wake.hear(Some((1, 0.95))), None, "one window may err");
/// assert_eq!(wake.hear(None), None);
/// assert_eq!(wake.hear(Some((1, 0.97))), Some(1));
/// assert_eq!(wake.hear(Some((1, 0.99))), None, "the same word");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wake {
    threshold: f32,
    pause: u16,
    /// Classes of the newest windows, the oldest first.
    recent: [Option<u16>; LOOKED],
    /// Number of windows until something is heard again.
    left: u16,
}

impl Wake {
    /// Creates a rule with a threshold of scores, and a pause in windows after a class was heard.
    #[must_use]
    pub const fn new(threshold: f32, pause: u16) -> Self {
        Self { threshold, pause, recent: [None; LOOKED], left: 0 }
    }

    /// Takes the class of a window that is not background, with its score; returns the class if it
    /// is heard now. A score that is no number is below every threshold.
    pub fn hear(&mut self, window: Option<(u16, f32)>) -> Option<u16> {
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        self.recent.rotate_left(1);
        let class = window.and_then(|(class, score)| (score >= self.threshold).then_some(class));
        self.recent[LOOKED - 1] = class;
        let class = class?;
        if self.recent.iter().filter(|&&other| other == Some(class)).count() < AGREE {
            return None;
        }
        self.clear();
        self.left = self.pause;
        Some(class)
    }

    /// Returns true during the pause after a class was heard.
    #[must_use]
    pub fn is_pausing(&self) -> bool {
        self.left > 0
    }

    /// Returns the threshold.
    #[must_use]
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Sets the threshold.
    pub fn set_threshold(&mut self, threshold: f32) {
        self.threshold = threshold;
    }

    /// Forgets the latest windows and ends the pause.
    pub fn clear(&mut self) {
        self.recent = [None; LOOKED];
        self.left = 0;
    }
}

/// Returns the threshold that one of `windows` windows of background reaches, estimated from the
/// scores of some: probabilities of 0 to 1 that were held out. [`None`] for fewer than ten scores.
///
/// The tail of a score's log odds falls exponentially from a level that a tenth of the scores
/// exceed (peaks over a threshold: Pickands 1975, with a shape of 0); so rates are estimated that
/// are far below one in the number of scores. Values that are no numbers count as 0. Sorts the
/// scores.
#[must_use]
pub fn threshold_for(scores: &mut [f32], windows: f32) -> Option<f32> {
    if scores.len() < 2 * FEWEST {
        return None;
    }
    for score in scores.iter_mut().filter(|score| score.is_nan()) {
        *score = 0.0;
    }
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    let count = (scores.len() / TAIL).max(FEWEST);
    let level = log_odds(scores[count]);
    let excess: f64 = scores[..count].iter().map(|&score| log_odds(score) - level).sum();
    let scale = excess / count as f64;
    let share = count as f64 / scores.len() as f64;
    // A number of windows that is none is as many as can be.
    let wanted = f64::from(windows).min(1e12);
    let least = level + scale * log((share * wanted).max(1.0));
    Some((1.0 / (1.0 + exp(-least.clamp(level, MOST)))) as f32)
}

fn log_odds(score: f32) -> f64 {
    let score = f64::from(score.clamp(0.0, 1.0));
    log(score.max(1e-9) / (1.0 - score).max(1e-9)).clamp(-MOST, MOST)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// SplitMix64.
    struct Noise(u64);

    impl Noise {
        fn bits(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        }
    }

    /// Plain model: looks through all windows from the beginning.
    fn plain(windows: &[Option<(u16, f32)>], threshold: f32, pause: usize) -> Vec<Option<u16>> {
        let mut said = Vec::new();
        let mut from = 0;
        for at in 0..windows.len() {
            let mut heard = None;
            if at >= from {
                let over = |window: &Option<(u16, f32)>| {
                    window.filter(|(_, score)| *score >= threshold).map(|(class, _)| class)
                };
                let first = from.max(at.saturating_sub(LOOKED - 1));
                let classes: Vec<Option<u16>> = windows[first..=at].iter().map(over).collect();
                let class = *classes.last().unwrap();
                let same = classes.iter().filter(|other| **other == class).count();
                if class.is_some() && same >= AGREE {
                    heard = class;
                    from = at + 1 + pause;
                }
            }
            said.push(heard);
        }
        said
    }

    #[test]
    fn random_streams_are_decided_as_by_a_plain_model() {
        let mut noise = Noise(7);
        for round in 0..200u16 {
            let pause = round % 5;
            let windows: Vec<Option<(u16, f32)>> = (0..100)
                .map(|_| {
                    let bits = noise.bits();
                    let score = (bits >> 8 & 15) as f32 / 15.0;
                    (bits & 3 != 0).then_some(((bits >> 4 & 1) as u16, score))
                })
                .collect();
            let mut wake = Wake::new(0.6, pause);
            let said: Vec<Option<u16>> = windows.iter().map(|window| wake.hear(*window)).collect();
            assert_eq!(said, plain(&windows, 0.6, pause.into()), "{round}");
            assert!(said.iter().any(Option::is_some));
        }
    }

    #[test]
    fn a_word_is_heard_once_and_again_after_the_pause() {
        let mut wake = Wake::new(0.5, 3);
        let heard: Vec<bool> = (0..10).map(|_| wake.hear(Some((0, 0.9))).is_some()).collect();
        // Two windows, a pause of three, two windows, a pause of three.
        let at: Vec<usize> = (0..10).filter(|&i| heard[i]).collect();
        assert_eq!(at, [1, 6]);
        wake.clear();
        assert_eq!(wake.hear(Some((0, f32::NAN))), None);
        assert_eq!(wake.hear(Some((0, 0.9))), None);
        assert_eq!(wake.hear(Some((1, 0.9))), None, "another class does not agree");
        assert_eq!(wake.hear(Some((0, 0.9))), Some(0));
        assert!(wake.is_pausing());
    }

    /// A score whose log odds fall exponentially above -2, by 1.5.
    fn score(noise: &mut Noise) -> f32 {
        let unit = ((noise.bits() >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
        (1.0 / (1.0 + exp(2.0 + 1.5 * log(unit)))) as f32
    }

    #[test]
    fn thresholds_are_reached_as_often_as_asked() {
        let mut noise = Noise(3);
        let mut over = 0;
        // One of 2,000 windows, from 200 scores each.
        for _ in 0..100 {
            let mut scores: Vec<f32> = (0..200).map(|_| score(&mut noise)).collect();
            let least = threshold_for(&mut scores, 2_000.0).unwrap();
            over += (0..2_000).filter(|_| score(&mut noise) >= least).count();
        }
        // 100 are meant; estimates from 20 values of a tail vary.
        assert!((50..400).contains(&over), "{over}");
    }

    #[test]
    fn thresholds_of_odd_scores_are_thresholds() {
        assert_eq!(threshold_for(&mut [0.5; 9], 100.0), None);
        for odd in [f32::NAN, 0.0, 1.0, f32::INFINITY, f32::NEG_INFINITY, -3.0, 0.5] {
            for windows in [f32::NAN, 0.0, 1.0, 45_000.0, f32::INFINITY] {
                let least = threshold_for(&mut [odd; 12], windows).unwrap();
                assert!((0.0..=1.0).contains(&least), "{odd} {windows}: {least}");
            }
        }
        let of = |windows| {
            let mut scores: Vec<f32> = (0..100).map(|i| i as f32 / 200.0).collect();
            threshold_for(&mut scores, windows).unwrap()
        };
        assert!(of(10.0) < of(100.0) && of(100.0) < of(45_000.0) && of(45_000.0) < 1.0);
    }
}
