//! Weighted mean of linear heads, each weighted by the likelihood of the held-out samples.
//!
//! Sums of scores are scores of summed weights, so a mean of heads answers as fast as one head. In
//! the dual form the coefficients of the samples are summed, which are fewer than weights.

use crate::head::storage::views::Work;

/// Threshold of a weight; lower weights count as zero. Nothing is multiplied with them, because
/// scores of empty classes are infinite.
const TRIFLE: f32 = 1e-6;

/// Parts of a linear head, in a fixed order: coefficients, biases, held-out scores.
type Parts<'a> = [&'a [f32]; 3];

/// Weighted sum of the added heads.
pub(crate) struct Blend<'a> {
    parts: [&'a mut [f32]; 3],
    /// Least cost of a head so far: its weight is 1.
    least: f32,
    /// Sum of the weights.
    total: f32,
}

impl<'a> Blend<'a> {
    /// Takes memory for `lengths` off the front of `words`.
    pub fn carve(words: &mut &'a mut [f32], lengths: [usize; 3]) -> Self {
        let parts = lengths.map(|length| {
            let (part, rest) = core::mem::take(words).split_at_mut(length);
            *words = rest;
            part
        });
        Self { parts, least: f32::INFINITY, total: 0.0 }
    }

    /// Adds a head, weighted by its cost in nats, its scores multiplied with `factor`; returns true
    /// if it costs least so far.
    pub fn add(&mut self, cost: f32, factor: f32, parts: Parts<'_>) -> bool {
        let is_best = cost < self.least;
        let least = self.least.min(cost);
        let keep = libm::expf(least - self.least);
        let share = libm::expf(least - cost);
        for (sum, part) in self.parts.iter_mut().zip(parts) {
            mix(sum, keep, share, factor, part);
        }
        self.total = keep * self.total + share;
        self.least = least;
        is_best
    }

    /// Cost of all heads together: lower with more likely heads.
    pub fn cost(&self) -> f32 {
        self.least - libm::logf(self.total)
    }

    /// Share of the head that costs least.
    pub fn greatest(&self) -> f32 {
        1.0 / self.total
    }

    /// Adds the mean of another blend's heads to the own mean, by shares that sum to one.
    pub fn join(&mut self, share: f32, other: &Blend<'_>) {
        for (sum, part) in self.parts.iter_mut().zip(&other.parts) {
            mix(sum, (1.0 - share) / self.total, share, 1.0 / other.total, part);
        }
        self.total = 1.0;
    }

    /// Writes the blended head, in units of scores that were multiplied with `factor`.
    pub fn write(
        &self,
        factor: f32,
        coefficients: &mut [f32],
        bias: &mut [f32],
        held_out: &mut [f32],
    ) {
        for (out, part) in [coefficients, bias, held_out].into_iter().zip(&self.parts) {
            mix(out, 0.0, 1.0, 1.0 / (self.total * factor), part);
        }
    }
}

/// Computes `sum = keep * sum + share * factor * part`.
fn mix(sum: &mut [f32], keep: f32, share: f32, factor: f32, part: &[f32]) {
    if keep < TRIFLE {
        sum.fill(0.0);
    } else if keep != 1.0 {
        sum.iter_mut().for_each(|sum| *sum *= keep);
    }
    if share >= TRIFLE {
        sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += share * factor * x);
    }
}

/// Returns the end of a solver's scratch, and the number of a head's coefficients: one per sample
/// and class or, in dimensions, the weights.
pub(crate) fn sizes(work: &Work<'_>, samples: usize) -> (usize, usize) {
    let classes = work.bias.len();
    let dim = work.weights.len() / classes;
    if samples > dim {
        (classes * dim, classes * dim)
    } else {
        (2 * classes * samples, classes * samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blended(heads: &[(f32, f32, f32)]) -> (f32, f32) {
        // The memory is uninitialized before.
        let mut words = [f32::NAN; 3];
        let mut blend = Blend::carve(&mut &mut words[..], [1; 3]);
        for &(cost, factor, x) in heads {
            blend.add(cost, factor, [&[x], &[f32::NEG_INFINITY], &[2.0 * x]]);
        }
        let mut a = [0.0];
        let mut b = [0.0];
        let mut c = [0.0];
        blend.write(0.5, &mut a, &mut b, &mut c);
        assert_eq!(b[0], f32::NEG_INFINITY);
        assert!((c[0] - 2.0 * a[0]).abs() < 1e-6);
        (a[0], blend.cost())
    }

    #[test]
    fn it_is_the_mean_by_likelihood_in_any_order() {
        let heads = [(10.0, 2.0, 1.0), (11.0, 1.0, 5.0), (9.0, 3.0, -1.0), (300.0, 1.0, 1e9)];
        let weights = heads.map(|(cost, ..)| f64::from(9.0 - cost).exp());
        let total: f64 = weights.iter().sum();
        let sum: f64 = heads.iter().zip(weights).map(|((_, f, x), w)| w * f64::from(f * x)).sum();
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1]] {
            let (mean, cost) = blended(&order.map(|i| heads[i]));
            assert!((f64::from(mean) - sum / total / 0.5).abs() < 1e-5, "{mean}");
            assert!((f64::from(cost) - (9.0 - total.ln())).abs() < 1e-5, "{cost}");
        }
    }

    #[test]
    fn two_join_by_their_shares() {
        for share in [0.0, 0.25, 1.0] {
            let mut words = [f32::NAN; 6];
            let mut rest = &mut words[..];
            let mut blends = [0, 1].map(|_| Blend::carve(&mut rest, [1; 3]));
            for (blend, x) in blends.iter_mut().zip([1.0, 3.0]) {
                blend.add(7.0, 1.0, [&[x], &[x], &[x]]);
                blend.add(7.0, 1.0, [&[x], &[x], &[x]]);
            }
            let [one, other] = &mut blends;
            one.join(share, other);
            let mut a = [0.0];
            let mut b = [0.0];
            let mut c = [0.0];
            one.write(1.0, &mut a, &mut b, &mut c);
            assert!(
                (a[0] - (1.0 + 2.0 * share)).abs() < 1e-6 && a == b && b == c,
                "{share}: {a:?}"
            );
        }
    }
}
