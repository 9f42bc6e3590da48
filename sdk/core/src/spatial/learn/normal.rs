//! Least squares from sums: a ridge per class, and one for the numbers of a box.
//!
//! Objects together and background count the same, whatever their numbers of cells. With the mean
//! `m` of the two means and the products `A` centred on it, the weights of a class are
//! `(A + l)^-1 (S_c / n - m n_c / n)` with `n` cells of objects, `n_c` of the class and `l` a tenth
//! of the mean diagonal of `A`. Sums are turned into floats here, in a fixed order, so that every
//! processor has the same bits.

use super::sums::{BOX, BoxCounts, STEPS, Sums};
use crate::head::linalg::cholesky::{self, start};
use crate::head::linalg::vector::dot;

/// Weight decay as a share of the mean diagonal.
const DECAY: f64 = 0.1;

/// Working memory of a fit.
#[derive(Debug)]
pub(crate) struct Solver<'m> {
    pub matrix: &'m mut [f32],
    pub scratch: &'m mut [f32],
    pub means: &'m mut [f64],
    /// Weights and bias of each class, then of each number of a box.
    pub weights: &'m mut [f32],
}

/// Fits the classes, then the numbers of a box if every object had one. `counts` are the cells of
/// the background, of each class, and of classes that were forgotten; those of the background and of
/// objects are not 0.
pub(crate) fn fit(sums: &Sums<'_>, counts: &[u64], boxes: &BoxCounts, solver: &mut Solver<'_>) {
    let dim = solver.means.len();
    let classes = counts.len() - 2;
    let objects = counts[1..].iter().sum::<u64>() as f64;
    let background = counts[0] as f64;
    let Solver { matrix, scratch, means, weights } = solver;
    for (i, mean) in means.iter_mut().enumerate() {
        let of_objects: i64 = sums.values[dim..].iter().skip(i).step_by(dim).sum();
        *mean = (sums.values[i] as f64 / background + of_objects as f64 / objects) / 2.0;
    }
    let parts = [(&*sums.products[0], objects), (&*sums.products[1], background)];
    invert(&parts, means, matrix, scratch);
    for class in 0..classes {
        let share = counts[class + 1] as f64 / objects;
        let own = &sums.values[(class + 1) * dim..][..dim];
        let row = &mut weights[class * (dim + 1)..][..=dim];
        for ((x, &sum), mean) in row.iter_mut().zip(own).zip(&**means) {
            *x = (sum as f64 / objects - mean * share) as f32;
        }
        solve(matrix, means, scratch, row, share / 2.0);
    }
    if boxes.pointed > 0 || boxes.boxed == 0 {
        return;
    }
    let boxed = boxes.boxed as f64;
    for (i, mean) in means.iter_mut().enumerate() {
        let of_objects: i64 = sums.values[dim..].iter().skip(i).step_by(dim).sum();
        *mean = of_objects as f64 / objects;
    }
    invert(&parts[..1], means, matrix, scratch);
    for number in 0..BOX {
        let mean_number = boxes.sums[number] as f64 / boxed;
        let own = &sums.boxes[number * dim..][..dim];
        let row = &mut weights[(classes + number) * (dim + 1)..][..=dim];
        let steps = f64::from(STEPS[number]);
        for ((x, &sum), mean) in row.iter_mut().zip(own).zip(&**means) {
            *x = ((sum as f64 / boxed - mean * mean_number) / steps) as f32;
        }
        solve(matrix, means, scratch, row, mean_number / steps);
    }
}

/// Computes the centred products of the sum of `parts`, each divided by its number of cells, adds
/// the decay and replaces them by their inverse factor.
fn invert(parts: &[(&[i64], f64)], means: &[f64], matrix: &mut [f32], scratch: &mut [f32]) {
    let count = parts.len() as f64;
    let mut diagonal = 0.0;
    for (i, &own) in means.iter().enumerate() {
        for (j, &other) in means[..=i].iter().enumerate() {
            let at = start(i) + j;
            let sum: f64 = parts.iter().map(|(sums, cells)| sums[at] as f64 / cells).sum();
            matrix[at] = (sum - count * own * other) as f32;
        }
        diagonal += f64::from(matrix[start(i) + i].max(0.0));
    }
    let decay = (DECAY * diagonal / means.len() as f64) as f32;
    let decay = if decay > 0.0 { decay } else { 1.0 };
    for i in 0..means.len() {
        matrix[start(i) + i] += decay;
    }
    cholesky::invert_factor(matrix, decay, scratch);
}

/// Replaces the right-hand side by the weights, and writes the bias behind them.
fn solve(inverse: &[f32], means: &[f64], scratch: &mut [f32], row: &mut [f32], mean: f64) {
    let dim = means.len();
    cholesky::solve(inverse, &mut row[..dim], scratch);
    for (x, &mean) in scratch.iter_mut().zip(means) {
        *x = mean as f32;
    }
    row[dim] = mean as f32 - dot(&row[..dim], scratch);
}
