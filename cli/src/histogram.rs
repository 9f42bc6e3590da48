//! All values of a layer in bins that grow with the values, so that the rare large ones count and
//! memory does not grow with the pictures.

/// Bins from one power of two to the next.
const STEPS: i32 = 64;
/// Powers of two that are told apart; smaller values count as zero, larger ones as the largest.
const OCTAVES: std::ops::Range<i32> = -40..24;
const BINS: usize = (STEPS * (OCTAVES.end - OCTAVES.start)) as usize;

/// Counts of values.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// Those above zero, then those below.
    counts: Vec<u64>,
    zeros: u64,
}

impl Histogram {
    /// Nothing counted.
    pub fn new() -> Self {
        Self { counts: vec![0; 2 * BINS], zeros: 0 }
    }

    /// Counts the finite values.
    pub fn see(&mut self, values: &[f32]) {
        for &v in values.iter().filter(|v| v.is_finite()) {
            // Exponent and six bits of the mantissa, as a number that grows with the value.
            let bin = (v.abs().to_bits() >> 17) as i32 - STEPS * (127 + OCTAVES.start);
            let Ok(bin) = usize::try_from(bin) else {
                self.zeros += 1;
                continue;
            };
            self.counts[bin.min(BINS - 1) + if v < 0.0 { BINS } else { 0 }] += 1;
        }
    }

    /// Takes in what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.zeros += other.zeros;
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
    }

    /// Values that stand for all, each with how many it stands for: three for each bin, because
    /// what rounding does to a bin's middle is not what it does to the bin.
    pub fn points(&self) -> Vec<(f32, f64)> {
        let mut points = vec![(0.0, self.zeros as f64)];
        for (i, &count) in self.counts.iter().enumerate().filter(|(_, c)| **c > 0) {
            let sign = if i < BINS { 1.0 } else { -1.0 };
            let bin = (i % BINS) as i32;
            let octave = 2f32.powi(bin.div_euclid(STEPS) + OCTAVES.start);
            let at = |share: f32| octave * (1.0 + (bin.rem_euclid(STEPS) as f32 + share) / STEPS as f32);
            points.extend([1.0, 3.0, 5.0].map(|n| (sign * at(n / 6.0), count as f64 / 3.0)));
        }
        points
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
