//! Choice of the range of a layer's values that its 256 quantized values cover.

use offshoot_core::Quant;

use super::histogram::Histogram;
use crate::ir::Expr;

/// Minimum and maximum of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Minimum.
    pub min: f32,
    /// Maximum.
    pub max: f32,
}

impl Range {
    /// Empty range.
    pub const EMPTY: Self = Self { min: f32::INFINITY, max: f32::NEG_INFINITY };

    /// Extends the range by the finite values.
    pub fn see(&mut self, values: &[f32]) {
        for &v in values.iter().filter(|v| v.is_finite()) {
            self.min = self.min.min(v);
            self.max = self.max.max(v);
        }
    }

    /// Returns the quantization of the range, its min and max rounded outwards to 12 bits.
    ///
    /// Float kernels differ in the last bits between processors; rounding keeps that out of the
    /// package, so that the same model gives the same bytes.
    pub fn quant(self) -> Quant {
        Quant::from_range(round_out(self.min.min(0.0)), round_out(self.max.max(0.0)))
    }
}

/// Rounds away from zero to 12 significant bits.
fn round_out(x: f32) -> f32 {
    if !x.is_finite() {
        return 0.0;
    }
    let step = 1u32 << 12;
    f32::from_bits(x.to_bits().saturating_add(step - 1) & !(step - 1))
}

/// Method to choose a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Least squared error of all values; a few large values may be clipped (Nagel et al. 2021, "A
    /// white paper on neural network quantization", 3.1).
    #[default]
    Mse,
    /// Minimum and maximum of all values.
    Minmax,
    /// All values but a share of 1e-5 at each end.
    Percentile,
    /// Least Kullback-Leibler divergence between the values and their quantized values (Migacz
    /// 2017, "8-bit inference with TensorRT").
    Kl,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 4] = [Self::Mse, Self::Minmax, Self::Percentile, Self::Kl];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::Minmax => "minmax",
            Self::Percentile => "percentile",
            Self::Kl => "kl",
        }
    }
}

/// Statistics of a layer's values on the calibration set.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// Range of all values.
    pub range: Range,
    /// Histogram of the values.
    pub histogram: Histogram,
}

/// Candidates for min and max, as shares of the range.
const CLIPS: [f32; 14] =
    [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.3];
/// Share of the values that [`Method::Percentile`] leaves out at each end.
const TAIL: f64 = 1e-5;
/// Number of bins of equal width that [`Method::Kl`] compares with quantized values.
const BINS: usize = 2048;

impl Statistics {
    /// Returns empty statistics.
    pub fn new() -> Self {
        Self { range: Range::EMPTY, histogram: Histogram::new() }
    }

    /// Adds a layer's values for one image.
    pub fn see(&mut self, values: &[f32]) {
        self.range.see(values);
        self.histogram.see(values);
    }

    /// Adds the statistics of another shard.
    pub fn merge(&mut self, other: &Self) {
        self.range.see(&[other.range.min, other.range.max]);
        self.histogram.merge(&other.histogram);
    }

    /// Returns the range to cover. If only a function of the values is read, `read`, the error of
    /// the function's results is minimized.
    pub fn chosen(&self, method: Method, read: &Expr) -> Range {
        match method {
            Method::Minmax => self.range,
            Method::Percentile => self.percentile(),
            Method::Mse => {
                // Every value counts: a few large ones, which a random sample would miss,
                // distinguish images most.
                let points = self.histogram.points();
                let wanted: Vec<f32> = points.iter().map(|p| read.eval(p.0)).collect();
                self.best(|range| error(&points, &wanted, &table_of(read, range.quant())))
            }
            Method::Kl => {
                let bins = self.bins();
                self.best(|range| divergence(&bins, self.range, range))
            }
        }
    }

    /// Returns the part of the range with the least loss. Max and min are optimized one after the
    /// other, since the optimum of each hardly depends on the other.
    fn best(&self, loss: impl Fn(Range) -> f64) -> Range {
        let Range { min, max } = self.range;
        let mut best = (f64::INFINITY, self.range);
        for end in 0..2 {
            let (_, Range { min: lo, max: hi }) = best;
            for clip in CLIPS {
                let range = if end == 0 {
                    Range { min: lo, max: max * clip }
                } else {
                    Range { min: min * clip, max: hi }
                };
                let loss = loss(range);
                if loss < best.0 {
                    best = (loss, range);
                }
            }
        }
        best.1
    }

    fn percentile(&self) -> Range {
        let mut points = self.histogram.points();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = points.iter().map(|p| p.1).sum();
        let min = behind_tail(points.iter(), total);
        let max = behind_tail(points.iter().rev(), total);
        Range { min: min.max(self.range.min), max: max.min(self.range.max) }
    }

    /// Returns the counts in [`BINS`] bins of equal width. Zeros are left out: they have a
    /// quantized value of their own, whatever the range.
    fn bins(&self) -> Vec<f64> {
        let mut bins = vec![0.0; BINS];
        let width = (self.range.max - self.range.min) / BINS as f32;
        for (v, n) in self.histogram.points().into_iter().filter(|p| p.0 != 0.0) {
            bins[(((v - self.range.min) / width) as usize).min(BINS - 1)] += n;
        }
        bins
    }
}

/// Returns the first value that is not in the tail, of values with their counts.
fn behind_tail<'p>(mut points: impl Iterator<Item = &'p (f32, f64)>, total: f64) -> f32 {
    let mut left = TAIL * total;
    let inside = points.find(|(_, count)| {
        left -= count;
        left < 0.0
    });
    inside.map_or(0.0, |(value, _)| *value)
}

impl Default for Statistics {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the sum of squared errors of the quantized results against the `wanted` ones.
fn error(points: &[(f32, f64)], wanted: &[f32], (quant, results): &(Quant, [f32; 256])) -> f64 {
    let squares = points.iter().zip(wanted).map(|(&(value, count), want)| {
        count * f64::from(results[index(*quant, value)] - want).powi(2)
    });
    squares.filter(|e| e.is_finite()).sum()
}

/// Returns the index of a value's int8 value in a table.
fn index(quant: Quant, value: f32) -> usize {
    (i16::from(quant.quantize(value)) + 128) as usize
}

/// Returns a function's result for each quantized value.
pub fn table_of(expr: &Expr, quant: Quant) -> (Quant, [f32; 256]) {
    (quant, std::array::from_fn(|i| expr.eval(quant.dequantize((i as i16 - 128) as i8))))
}

/// Returns the Kullback-Leibler divergence of the bins over `whole` from their quantization over
/// `range`. Values outside count as min or max; the mass of a quantized value is spread evenly over
/// its bins that are not empty.
fn divergence(bins: &[f64], whole: Range, range: Range) -> f64 {
    let width = (whole.max - whole.min) / BINS as f32;
    let quant = range.quant();
    let middles: Vec<f32> = (0..BINS).map(|i| whole.min + (i as f32 + 0.5) * width).collect();
    let covered = range.min - width..=range.max + width;
    let Some(first) = middles.iter().position(|m| covered.contains(m)) else {
        return f64::INFINITY;
    };
    let last = middles.iter().rposition(|m| covered.contains(m)).unwrap_or(first);
    let mut wanted = bins[first..=last].to_vec();
    wanted[0] += bins[..first].iter().sum::<f64>();
    wanted[last - first] += bins[last + 1..].iter().sum::<f64>();
    let codes: Vec<usize> = middles[first..=last].iter().map(|m| index(quant, *m)).collect();
    let mut mass = [0.0; 256];
    let mut filled = [0.0; 256];
    for (i, &n) in bins[first..=last].iter().enumerate().filter(|(_, n)| **n > 0.0) {
        mass[codes[i]] += n;
        filled[codes[i]] += 1.0;
    }
    let total = wanted.iter().sum::<f64>();
    let kept = mass.iter().sum::<f64>();
    let terms = wanted.iter().zip(codes).map(|(&p, code)| {
        // A bin that only clipped values fall into has almost no probability after quantization.
        let q = if filled[code] > 0.0 { mass[code] / filled[code] / kept } else { 0.0 };
        if p == 0.0 { 0.0 } else { p / total * (p / total / q.max(1e-12)).ln() }
    });
    terms.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_round_outwards_and_keep_zero() {
        for x in [0.1f32, 5.999_999, -3.3, 1e-20, 6.0] {
            let r = round_out(x);
            assert!(r.abs() >= x.abs() && (r - x).abs() <= x.abs() * 1e-3, "{x} {r}");
        }
        assert_eq!(round_out(6.0), 6.0);
        assert_eq!(round_out(0.0), 0.0);
    }

    fn seen(values: &[f32]) -> Statistics {
        let mut statistics = Statistics::new();
        statistics.see(values);
        statistics
    }

    fn step(statistics: &Statistics, method: Method) -> f32 {
        statistics.chosen(method, &Expr::Input).quant().scale.get()
    }

    #[test]
    fn rare_large_values_are_cut_off() {
        let mut values: Vec<f32> = (0..1 << 20).map(|i| (i * 37 % 997) as f32 / 997.0).collect();
        // An error of 1 in one of a million values is worth half a step for all others.
        values[1] = 2.0;
        let mut statistics = seen(&values);
        let whole = step(&statistics, Method::Minmax);
        assert_eq!(whole, statistics.range.quant().scale.get());
        for method in [Method::Mse, Method::Percentile, Method::Kl] {
            assert!(step(&statistics, method) < 0.6 * whole, "{method:?}");
        }
        // A value that is not rare stays.
        values.iter_mut().step_by(2).for_each(|v| *v *= 8.0);
        statistics.see(&values);
        for method in Method::ALL {
            assert!(
                step(&statistics, method) > 0.9 * step(&statistics, Method::Minmax),
                "{method:?}"
            );
        }
    }

    #[test]
    fn lanes_add_up() {
        let a = [-1.0, 0.5, 3.0];
        let b = [0.25, -7.0];
        let mut left = seen(&a);
        let whole = seen(&[a.as_slice(), &b].concat());
        left.merge(&seen(&b));
        assert_eq!((left.range, left.histogram.points()), (whole.range, whole.histogram.points()));
    }

    #[test]
    fn a_layer_of_zeros_has_a_range() {
        for method in Method::ALL {
            assert_eq!(step(&seen(&[0.0; 8]), method), 1.0, "{method:?}");
        }
    }
}
