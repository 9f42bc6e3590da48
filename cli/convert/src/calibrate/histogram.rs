//! Histogram of a layer's values with logarithmic bins, so that the rare large values count and
//! memory does not grow with the number of images.

use pulp::{Arch, NullaryFnOnce};

/// Bins per power of two.
const STEPS: i32 = 64;
/// Exponents with bins of their own; smaller values count as zero, larger ones as the largest.
const OCTAVES: std::ops::Range<i32> = -40..24;
const BINS: usize = (STEPS * (OCTAVES.end - OCTAVES.start)) as usize;

/// Offsets of the counters: bins of positive values, of negative values, zeros, and one for values
/// that are not finite.
const ZEROS: usize = 2 * BINS;
const NOTHING: usize = ZEROS + SPREAD;
const PLACES: usize = NOTHING + 1;
/// Number of counters of zeros. Zeros come in long runs, and consecutive updates of a single
/// counter would stall.
const SPREAD: usize = 16;
/// Number of values whose bins are computed together.
const BLOCK: usize = 256;

/// Histogram of values.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
}

impl Histogram {
    /// Returns an empty histogram.
    pub fn new() -> Self {
        Self { counts: vec![0; PLACES] }
    }

    /// Counts the finite values.
    pub fn see(&mut self, values: &[f32]) {
        let mut places = [0; BLOCK];
        for values in values.chunks(BLOCK) {
            Arch::new().dispatch(Places { values, places: &mut places });
            places[..values.len()].iter().for_each(|&place| self.counts[usize::from(place)] += 1);
        }
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(own, more)| *own += more);
    }

    /// Returns representative values with the number of values each represents: three per bin,
    /// because the rounding error at the middle of a bin differs from that of the whole bin.
    pub fn points(&self) -> Vec<(f32, f64)> {
        let mut points = vec![(0.0, self.counts[ZEROS..NOTHING].iter().sum::<u64>() as f64)];
        for (i, &count) in self.counts[..ZEROS].iter().enumerate().filter(|(_, c)| **c > 0) {
            let sign = if i < BINS { 1.0 } else { -1.0 };
            let bin = (i % BINS) as i32;
            let octave = 2f32.powi(bin.div_euclid(STEPS) + OCTAVES.start);
            let at =
                |share: f32| octave * (1.0 + (bin.rem_euclid(STEPS) as f32 + share) / STEPS as f32);
            points.extend([1.0, 3.0, 5.0].map(|n| (sign * at(n / 6.0), count as f64 / 3.0)));
        }
        points
    }
}

/// Bins of values: plain loops, compiled for the vector instructions of the processor.
struct Places<'a> {
    values: &'a [f32],
    places: &'a mut [u16; BLOCK],
}

impl NullaryFnOnce for Places<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (i, (place, v)) in self.places.iter_mut().zip(self.values).enumerate() {
            // Exponent and six bits of the mantissa form an integer that grows with the value.
            let bin = (v.abs().to_bits() >> 17) as i32 - STEPS * (127 + OCTAVES.start);
            let sided = bin.min(BINS as i32 - 1) + if *v < 0.0 { BINS as i32 } else { 0 };
            let zero = (ZEROS + i % SPREAD) as i32;
            let place_of = if bin < 0 { zero } else { sided };
            *place = if v.is_finite() { place_of } else { NOTHING as i32 } as u16;
        }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_for_the_values() {
        let mut histogram = Histogram::new();
        let values: Vec<f32> = (0..10_000).map(|i| (i as f32 - 3000.0) / 700.0).collect();
        histogram.see(&values);
        histogram.see(&[f32::NAN, f32::INFINITY]);
        let points = histogram.points();
        let sum = |f: fn(f64) -> f64| points.iter().map(|&(v, n)| f(v.into()) * n).sum::<f64>();
        let want = |f: fn(f64) -> f64| values.iter().map(|&v| f(v.into())).sum::<f64>();
        assert!((sum(|_| 1.0) - 10_000.0).abs() < 1e-6);
        assert!((sum(|v| v) / want(|v| v) - 1.0).abs() < 1e-3);
        assert!((sum(|v| v * v) / want(|v| v * v) - 1.0).abs() < 1e-3);
    }
}
