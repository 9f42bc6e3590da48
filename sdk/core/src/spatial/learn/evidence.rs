//! Evidence of a class: scores of objects that were found, and of false alarms, in lessons that were
//! tested before they were learned. The threshold is where F1 is high around it.

/// Number of bins between the scores 0 and 1.
pub(crate) const BINS: usize = 64;

/// Words of a class: hits and misses of each bin, and the number of objects.
pub(crate) const WORDS: usize = 2 * BINS + 1;

/// Number of tested lessons below which the threshold stays at [`UNTESTED`].
const LEAST_LESSONS: u32 = 3;

/// Bins on both sides over which F1 is averaged.
const SPREAD: usize = 6;

/// Number of objects that the threshold before there is evidence counts for.
const PRIOR: f32 = 20.0;

/// Threshold before there is evidence.
pub(crate) const UNTESTED: f32 = 0.5;

/// Precision, recall and F1 that a class is expected to have, from tested lessons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Share of detections that were right; 1 if there was none.
    pub precision: f32,
    /// Share of objects that were found; 0 if there was none.
    pub recall: f32,
    /// Harmonic mean of both.
    pub f1: f32,
    /// Number of objects in the tested lessons.
    pub objects: u32,
}

fn bin(score: f32) -> usize {
    ((score.clamp(0.0, 1.0) * BINS as f32) as usize).min(BINS - 1)
}

/// Adds one detection.
pub(crate) fn see(words: &mut [u32], score: f32, is_hit: bool) {
    let at = bin(score) + if is_hit { 0 } else { BINS };
    words[at] = words[at].saturating_add(1);
}

/// Adds one object.
pub(crate) fn see_object(words: &mut [u32]) {
    words[2 * BINS] = words[2 * BINS].saturating_add(1);
}

/// Returns the threshold: where the mean of F1 over the [`SPREAD`] bins on both sides is highest, and
/// as if [`PRIOR`] more objects had said [`UNTESTED`]. The bare peak is the luck of a few objects.
pub(crate) fn threshold(words: &[u32], lessons: u32) -> f32 {
    let objects = words[2 * BINS];
    if lessons < LEAST_LESSONS || objects == 0 {
        return UNTESTED;
    }
    let mut curve = [0.0; BINS];
    cumulated(words).for_each(|(at, all)| curve[at] = all.f1);
    let spread = SPREAD as isize;
    let smooth = |at: usize| -> f32 {
        let near = (-spread..=spread).map(|by| at.saturating_add_signed(by).min(BINS - 1));
        near.map(|at| curve[at]).sum()
    };
    let peak = (0..BINS).rev().fold(
        BINS - 1,
        |best, at| {
            if smooth(at) > smooth(best) { at } else { best }
        },
    );
    let own = peak as f32 / BINS as f32;
    (own * objects as f32 + UNTESTED * PRIOR) / (objects as f32 + PRIOR)
}

/// Returns what to expect at a threshold; [`None`] before there is evidence.
pub(crate) fn expected(words: &[u32], lessons: u32) -> Option<Expected> {
    let at = bin(threshold(words, lessons));
    let seen = lessons >= LEAST_LESSONS && words[2 * BINS] > 0;
    cumulated(words).find(|&(from, _)| from == at).map(|(_, all)| all).filter(|_| seen)
}

/// Returns for each bin, from the highest down, what a threshold at its lower end gives.
fn cumulated(words: &[u32]) -> impl Iterator<Item = (usize, Expected)> + '_ {
    let objects = words[2 * BINS];
    let mut hits = 0.0f32;
    let mut misses = 0.0f32;
    (0..BINS).rev().map(move |at| {
        hits += words[at] as f32;
        misses += words[BINS + at] as f32;
        let found = hits + misses;
        let all = objects as f32;
        let precision = if found > 0.0 { hits / found } else { 1.0 };
        let recall = if all > 0.0 { hits / all } else { 0.0 };
        let f1 = if found + all > 0.0 { 2.0 * hits / (found + all) } else { 0.0 };
        (at, Expected { precision, recall, f1, objects })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_where_f1_peaks() {
        let mut words = [0; WORDS];
        assert_eq!(threshold(&words, 9), UNTESTED);
        // A thousand of each: three of four without a false alarm (F1 6/7), or four of four with
        // two (8/10).
        for _ in 0..1_000 {
            for score in [0.9, 0.8, 0.7] {
                see(&mut words, score, true);
                see_object(&mut words);
            }
            see_object(&mut words);
            for score in [0.3, 0.2] {
                see(&mut words, score, false);
            }
            see(&mut words, 0.1, true);
        }
        let found = threshold(&words, 9);
        // Anywhere between 0.3 and 0.7, and not at the edge.
        assert!((0.35..=0.65).contains(&found), "{found}");
        assert_eq!(threshold(&words, 2), UNTESTED);
        let all = expected(&words, 9).unwrap();
        assert_eq!((all.precision, all.recall, all.objects), (1.0, 0.75, 4_000));
        // One object says little.
        let mut few = [0; WORDS];
        see(&mut few, 0.9, true);
        see_object(&mut few);
        assert!((threshold(&few, 9) - UNTESTED).abs() < 0.02);
        assert!(expected(&few, 9).is_some() && expected(&few, 2).is_none());
        let mut words = [0; WORDS];
        see(&mut words, f32::NAN, false);
        see(&mut words, 7.0, true);
        assert_eq!(words[BINS - 1], 1);
    }
}
