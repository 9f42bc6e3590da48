//! Symmetric positive definite matrices stored as their lower triangle, row by row.
//!
//! Limited to the needs of the closed forms: the Cholesky factor, its inverse in place, and with
//! that solutions and the diagonal of the inverse. Every sum has a fixed order.

use super::vector::{add_four, add_scaled, dot, dot_pair};

/// Returns the index where a row of the lower triangle begins.
pub(crate) fn start(row: usize) -> usize {
    row * (row + 1) / 2
}

/// Returns one row, up to the diagonal.
pub(crate) fn row(matrix: &[f32], row: usize) -> &[f32] {
    &matrix[start(row)..][..=row]
}

/// Replaces a matrix `A = L * L^T` by the inverse of `L`, in place; `n^3 / 3` multiplications.
///
/// Pivots below `floor`, which only rounding can cause, are raised to it: the result is finite for
/// every finite matrix. `scratch` has `n` numbers.
pub(crate) fn invert_factor(matrix: &mut [f32], floor: f32, scratch: &mut [f32]) {
    factor(matrix, floor, scratch.len());
    for row in 0..scratch.len() {
        let (above, rest) = matrix.split_at_mut(start(row));
        let this = &mut rest[..=row];
        let scratch = &mut scratch[..=row];
        scratch.copy_from_slice(this);
        this.fill(0.0);
        let row_of = |k: usize| &above[start(k)..][..=k];
        let fours = scratch[..row].chunks_exact(4);
        let rest = row - fours.remainder().len();
        for (four, factors) in fours.enumerate() {
            let factors = [-factors[0], -factors[1], -factors[2], -factors[3]];
            add_four(this, factors, core::array::from_fn(|i| row_of(4 * four + i)));
        }
        for (k, &factor) in (rest..).zip(&scratch[rest..row]) {
            add_scaled(this, -factor, row_of(k));
        }
        let pivot = scratch[row];
        for x in &mut this[..row] {
            *x /= pivot;
        }
        this[row] = 1.0 / pivot;
    }
}

/// Computes the Cholesky factor, row by row.
fn factor(matrix: &mut [f32], floor: f32, n: usize) {
    for row in 0..n {
        let (above, rest) = matrix.split_at_mut(start(row));
        let this = &mut rest[..=row];
        // Two columns at a time: the second needs the first only for its last product.
        for column in (0..row.saturating_sub(1)).step_by(2) {
            let (before, after) = this.split_at_mut(column);
            let (other, pivot) = above[start(column)..][..=column].split_at(column);
            let (next, next_pivot) = above[start(column + 1)..][..column + 2].split_at(column + 1);
            let first = |product: f32| (after[0] - product) / pivot[0];
            let (one, two) = dot_pair(before, other, next, first);
            (after[0], after[1]) = (first(one), (after[1] - two) / next_pivot[0]);
        }
        if row % 2 == 1 {
            let column = row - 1;
            let (other, pivot) = above[start(column)..][..row].split_at(column);
            this[column] = (this[column] - dot(&this[..column], other)) / pivot[0];
        }
        let pivot = this[row] - dot(&this[..row], &this[..row]);
        // The comparison also replaces NaN.
        this[row] = libm::sqrtf(if pivot > floor { pivot } else { floor });
    }
}

/// Computes the diagonal of `A^-1`, given the inverse of its factor.
pub(crate) fn inverse_diagonal(inverse: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for i in 0..out.len() {
        for (out, &x) in out.iter_mut().zip(row(inverse, i)) {
            *out += x * x;
        }
    }
}

/// Computes `x = A^-1 * x`, given the inverse of the factor.
pub(crate) fn solve(inverse: &[f32], x: &mut [f32], scratch: &mut [f32]) {
    for (i, out) in scratch.iter_mut().enumerate() {
        *out = dot(row(inverse, i), &x[..=i]);
    }
    x.fill(0.0);
    for (i, &t) in scratch.iter().enumerate() {
        add_scaled(&mut x[..=i], t, row(inverse, i));
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::head::testing::Noise;

    #[test]
    fn solutions_and_diagonals_are_right() {
        for n in [1usize, 2, 7, 33] {
            let mut noise = Noise(n as u64);
            let x: Vec<Vec<f64>> =
                (0..n).map(|_| (0..n + 3).map(|_| f64::from(noise.normal())).collect()).collect();
            let product = |i: usize, j: usize| {
                x[i].iter().zip(&x[j]).map(|(a, b)| a * b).sum::<f64>()
                    + if i == j { 1.0 } else { 0.0 }
            };
            let mut matrix: Vec<f32> = (0..n)
                .flat_map(|i| (0..=i).map(move |j| (i, j)))
                .map(|(i, j)| product(i, j) as f32)
                .collect();
            let mut scratch = vec![0.0; n];
            let mut diagonal = vec![0.0; n];
            invert_factor(&mut matrix, 1e-9, &mut scratch);
            inverse_diagonal(&matrix, &mut diagonal);
            for unit in 0..n {
                let mut column = vec![0.0; n];
                column[unit] = 1.0;
                solve(&matrix, &mut column, &mut scratch);
                assert!((column[unit] - diagonal[unit]).abs() < 1e-4);
                for i in 0..n {
                    let got: f64 = (0..n).map(|j| product(i, j) * f64::from(column[j])).sum();
                    let want = if i == unit { 1.0 } else { 0.0 };
                    assert!((got - want).abs() < 2e-3, "{n}: {got} instead of {want}");
                }
            }
        }
    }

    #[test]
    fn a_matrix_that_is_none_gives_finite_numbers() {
        let mut matrix = [1.0, 1.0, 1.0, 5.0, 5.0, -3.0];
        let mut scratch = [0.0; 3];
        let mut diagonal = [0.0; 3];
        invert_factor(&mut matrix, 1e-3, &mut scratch);
        inverse_diagonal(&matrix, &mut diagonal);
        assert!(matrix.iter().chain(&diagonal).all(|x| x.is_finite()), "{matrix:?}");
    }
}
