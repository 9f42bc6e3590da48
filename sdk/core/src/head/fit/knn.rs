//! k-NN: votes of the nearest samples by angle (Fix and Hodges 1951; Coral's `project-teachable`
//! uses three).
//!
//! Fits classes of any shape at a cost: an answer takes a product with every sample, and with few
//! samples it is less often right than the linear heads.

use super::primal;
use crate::head::linalg::cholesky;
use crate::head::storage::views::{Kept, Work};

/// Number of neighbours that vote (k).
const NEIGHBOURS: usize = 5;

/// Decay of a vote with the distance: a cosine less by 1 / 20 than the nearest counts 1 / e.
const SHARPNESS: f32 = 20.0;

/// Nearest samples so far, nearest first; of two equal ones, the one added first.
#[derive(Clone, Copy)]
pub(crate) struct Nearest {
    found: [(f32, u16); NEIGHBOURS],
    count: usize,
}

impl Nearest {
    pub fn new() -> Self {
        Self { found: [(f32::NEG_INFINITY, 0); NEIGHBOURS], count: 0 }
    }

    pub fn meet(&mut self, similarity: f32, owner: u16) {
        let place = self.found[..self.count].iter().take_while(|(s, _)| *s >= similarity).count();
        if place < NEIGHBOURS {
            self.count = (self.count + 1).min(NEIGHBOURS);
            self.found[place..self.count].rotate_right(1);
            self.found[place] = (similarity, owner);
        }
    }

    /// Returns the class and the share of each vote.
    fn votes(&self) -> impl Iterator<Item = (usize, f32)> {
        let found = &self.found[..self.count];
        let top = self.found[0].0;
        let weight = move |s: f32| libm::expf(SHARPNESS * (s - top));
        let all: f32 = found.iter().map(|&(s, _)| weight(s)).sum();
        found.iter().map(move |&(s, owner)| (usize::from(owner), weight(s) / all))
    }
}

/// Computes the shares of the votes for a query, given its similarity and the class of each sample.
pub(crate) fn scores(samples: impl Iterator<Item = (f32, u16)>, out: &mut [f32]) {
    out.fill(f32::NEG_INFINITY);
    let mut nearest = Nearest::new();
    for (similarity, owner) in samples {
        out[usize::from(owner)] = 0.0;
        nearest.meet(similarity, owner);
    }
    for (class, share) in nearest.votes() {
        out[class] += share;
    }
}

/// Computes exact held-out scores: the votes of the other samples.
pub(crate) fn leave_one_out(kept: &Kept<'_>, scales: &[f32], work: &mut Work<'_>) {
    let samples = scales.len();
    let owners = &kept.owners[..scales.len()];
    for (class, scores) in work.held_out.chunks_exact_mut(samples).enumerate() {
        let taught = owners.iter().any(|&owner| usize::from(owner) == class);
        scores.fill(if taught { 0.0 } else { f32::NEG_INFINITY });
    }
    if samples > kept.dim() {
        primal::neighbours(kept, scales, |i, nearest| {
            nearest.votes().for_each(|(class, share)| work.held_out[class * samples + i] += share);
        });
        return;
    }
    for i in 0..samples {
        let mut nearest = Nearest::new();
        for j in (0..samples).filter(|&j| j != i) {
            let product = cholesky::row(work.gram, i.max(j))[i.min(j)];
            nearest.meet(product * scales[i] * scales[j], owners[j]);
        }
        for (class, share) in nearest.votes() {
            work.held_out[class * samples + i] += share;
        }
    }
}
