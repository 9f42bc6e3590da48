//! Learning curve: held-out accuracy with fewer samples, extrapolated to more.
//!
//! Errors fall with the number of samples about as a power (Hestness et al. 2017; Viering and Loog
//! 2023 for its limits): a line through the logarithms, whose slope is known as well as the draws
//! agree. It foretells one doubling, not more.

use offshoot_core::Parts;

use super::held_out::ridge;
use crate::learn::few_shot::Draws;

/// Number of draws of each size below the full one.
const DRAWS: u64 = 6;

/// Number of halvings below the full size.
const HALVINGS: usize = 2;

/// Least number of samples of a class on the curve.
const LEAST: usize = 2;

/// Learning curve of a data set.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// Points, fewest samples first; the last has all samples.
    pub points: Vec<Point>,
    /// Accuracy with twice the samples; none with fewer than two points, or without a mistake.
    pub doubled: Option<Forecast>,
}

/// Point of a learning curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Number of samples of a class.
    pub shots: usize,
    /// Mean accuracy on held-out samples.
    pub accuracy: f64,
    /// Standard error of the mean over the draws.
    pub error: f64,
}

/// Accuracy that is foretold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Number of samples of a class.
    pub shots: usize,
    /// Accuracy.
    pub accuracy: f64,
    /// Gain over the last point.
    pub gain: f64,
    /// Standard error of the gain.
    pub error: f64,
}

impl Curve {
    /// Measures the accuracy with a quarter, half and all of the samples.
    ///
    /// # Errors
    /// Fails if there are more classes or samples than a head holds.
    pub fn measure(
        values: &[f32],
        parts: Parts,
        labels: &[usize],
        classes: usize,
    ) -> Result<Self, offshoot::Error> {
        let mean = labels.len() / classes.max(1);
        let sizes = (0..=HALVINGS).rev().map(|halving| mean >> halving);
        let mut points = Vec::new();
        for shots in sizes.filter(|&shots| shots >= LEAST) {
            let draws = if shots == mean { 1 } else { DRAWS };
            let mut scores = Vec::new();
            for draw in 0..draws {
                let all = (0..labels.len()).collect();
                let picks = match shots == mean {
                    true => all,
                    false => Draws::new(shots as u64, draw).split(labels, classes, shots).0,
                };
                scores.push(accuracy(values, parts, labels, classes, &picks)?);
            }
            points.push(Point::of(shots, &scores));
        }
        let doubled = forecast(&points);
        Ok(Self { points, doubled })
    }
}

impl Point {
    fn of(shots: usize, scores: &[f64]) -> Self {
        let count = scores.len() as f64;
        let mean = scores.iter().sum::<f64>() / count;
        let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        let error = (squares / (count - 1.0).max(1.0) / count).sqrt();
        Self { shots, accuracy: mean, error }
    }
}

/// Accuracy of the samples at `picks`, each held out once.
fn accuracy(
    values: &[f32],
    parts: Parts,
    labels: &[usize],
    classes: usize,
    picks: &[usize],
) -> Result<f64, offshoot::Error> {
    let dim = parts.dim();
    let rows: Vec<f32> =
        picks.iter().flat_map(|&i| &values[i * dim..(i + 1) * dim]).copied().collect();
    let own: Vec<usize> = picks.iter().map(|&i| labels[i]).collect();
    Ok(ridge(&rows, parts, &own, classes)?.accuracy())
}

/// Fits a line through the logarithms of errors and samples, and goes on for a doubling.
fn forecast(points: &[Point]) -> Option<Forecast> {
    let last = points.last().filter(|_| points.len() > 1)?;
    let now = 1.0 - last.accuracy;
    if now <= 0.0 {
        return None;
    }
    let logs: Vec<(f64, f64)> = points
        .iter()
        .map(|point| ((point.shots as f64).ln(), (1.0 - point.accuracy).max(1e-3).ln()))
        .collect();
    let count = logs.len() as f64;
    let x_mean = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let y_mean = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let spread: f64 = logs.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let slope = logs.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum::<f64>() / spread;
    // The slope is as sure as its points; the last has one draw, as sure as those before it.
    let worst = points.iter().map(|point| point.error).fold(0.0, f64::max);
    let noise =
        points.iter().map(|point| worst.max(point.error) / (1.0 - point.accuracy).max(1e-3));
    let variance: f64 =
        logs.iter().zip(noise).map(|((x, _), noise)| ((x - x_mean) / spread * noise).powi(2)).sum();
    let doubling = std::f64::consts::LN_2;
    let then = now * (slope * doubling).exp().min(1.0);
    let error = then * doubling * variance.sqrt();
    Some(Forecast { shots: 2 * last.shots, accuracy: 1.0 - then, gain: now - then, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(errors: &[f64]) -> Vec<Point> {
        let shots = [5, 10, 20];
        let of =
            |(&shots, error): (&usize, &f64)| Point { shots, accuracy: 1.0 - error, error: 0.01 };
        shots.iter().zip(errors).map(of).collect()
    }

    #[test]
    fn errors_that_halve_go_on_to_halve() {
        let found = forecast(&points(&[0.4, 0.2, 0.1])).unwrap();
        assert_eq!(found.shots, 40);
        assert!((found.accuracy - 0.95).abs() < 1e-9 && (found.gain - 0.05).abs() < 1e-9);
        assert!(found.error > 0.0 && found.error < found.gain, "{found:?}");
    }

    #[test]
    fn flat_curves_and_perfect_ones_promise_nothing() {
        assert_eq!(forecast(&points(&[0.3, 0.3, 0.3])).unwrap().gain, 0.0);
        assert_eq!(forecast(&points(&[0.2, 0.1, 0.0])), None);
        assert_eq!(forecast(&points(&[0.2])), None);
    }
}
