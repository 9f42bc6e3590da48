//! Held-out scores of samples.

/// Returns true if a sample's class has other samples, so that it can be held out.
pub(in crate::head) fn has_others(owners: &[u16], sample: usize) -> bool {
    // Search starts at the sample: others are mostly near.
    let before = &owners[..sample];
    let after = &owners[sample + 1..];
    after.contains(&owners[sample]) || before.contains(&owners[sample])
}

/// Returns the class with the highest of a sample's held-out scores, and the score.
pub(in crate::head) fn top(held_out: &[f32], samples: usize, sample: usize) -> (usize, f32) {
    let scores = held_out.iter().skip(sample).step_by(samples);
    let best = (0, f32::NEG_INFINITY);
    scores
        .enumerate()
        .fold(best, |best, (class, &score)| if score > best.1 { (class, score) } else { best })
}
