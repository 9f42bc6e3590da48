//! Tridiagonal form of a symmetric matrix, with which several weight decays cost little more than
//! one.
//!
//! Householder's reflections (1958), last row first as in EISPACK's `tred2` (Martin, Reinsch and
//! Wilkinson 1968): `A = Q T Q^T` with `T` tridiagonal, `2 / 3 * n^3` multiplications. `Q` is kept
//! as the reflections. Then `(A + l)^-1 = Q (T + l)^-1 Q^T`, and `T + l` is solved in `n` steps,
//! here for [`SHIFTS`] decays at once, one per lane (for ridge regression Elden 1977).

use super::cholesky;
use super::cholesky::start;
use super::vector::{add_scaled, dot};

/// Number of decays that are solved for together.
pub(crate) const SHIFTS: usize = 8;

/// One number for each decay.
pub(crate) type Lanes = [f32; SHIFTS];

/// Turns the lower triangle of `A` into reflections, row by row, and writes `T`: its diagonal and
/// its subdiagonal, which is shorter by one. `scratch` has `n` numbers.
pub(crate) fn reduce(
    matrix: &mut [f32],
    diagonal: &mut [f32],
    below: &mut [f32],
    scratch: &mut [f32],
) {
    for row in (1..diagonal.len()).rev() {
        let (block, rest) = matrix.split_at_mut(start(row));
        let (reflection, last) = rest[..=row].split_at_mut(row);
        diagonal[row] = last[0];
        below[row - 1] = reflect(reflection);
        let image = &mut scratch[..row];
        super::gram::times(block, reflection, image);
        let half = -0.5 * dot(reflection, image);
        add_scaled(image, half, reflection);
        // Block between two reflections.
        for column in 0..row {
            let out = &mut block[start(column)..][..=column];
            let a = reflection[column];
            let b = image[column];
            for ((out, image), reflection) in out.iter_mut().zip(&*image).zip(&*reflection) {
                *out -= a * image + b * reflection;
            }
        }
    }
    diagonal[0] = matrix[0];
}

/// Replaces `x` by the `v` of the reflection `1 - v v^T` that maps `x` to its last coordinate only,
/// and returns that coordinate.
fn reflect(x: &mut [f32]) -> f32 {
    let last = x.len() - 1;
    let most = x.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    if x[..last].iter().all(|&x| x == 0.0) {
        let kept = x[last];
        x[last] = 0.0;
        return kept;
    }
    // Scaled, so that squares neither overflow nor underflow.
    x.iter_mut().for_each(|x| *x /= most);
    let length = libm::sqrtf(dot(x, x)).copysign(x[last]);
    x[last] += length;
    let gain = libm::sqrtf(2.0 / dot(x, x));
    x.iter_mut().for_each(|x| *x *= gain);
    -length * most
}

/// Computes `x = Q^T x`.
pub(crate) fn rotate(reflections: &[f32], x: &mut [f32]) {
    for row in (2..x.len()).rev() {
        let reflection = &cholesky::row(reflections, row)[..row];
        let product = dot(reflection, &x[..row]);
        add_scaled(&mut x[..row], -product, reflection);
    }
}

/// Computes `x = Q x`, in every lane.
pub(crate) fn rotate_back(reflections: &[f32], x: &mut [Lanes]) {
    for row in 2..x.len() {
        let reflection = &cholesky::row(reflections, row)[..row];
        let mut products = [0.0; SHIFTS];
        for (x, &v) in x.iter().zip(reflection) {
            products.iter_mut().zip(x).for_each(|(sum, x)| *sum += v * x);
        }
        for (x, &v) in x.iter_mut().zip(reflection) {
            x.iter_mut().zip(products).for_each(|(x, product)| *x -= v * product);
        }
    }
}

/// Factorization `T + l = L D L^T` for every decay `l`.
pub(crate) struct Shifted<'a> {
    /// Diagonal of `D`.
    pivots: &'a mut [Lanes],
    /// Subdiagonal of `L`, after an unused first entry.
    ratios: &'a mut [Lanes],
}

impl<'a> Shifted<'a> {
    /// Factorizes a matrix without negative eigenvalues (except by rounding).
    pub fn new(
        diagonal: &[f32],
        below: &[f32],
        decays: Lanes,
        pivots: &'a mut [Lanes],
        ratios: &'a mut [Lanes],
    ) -> Self {
        let mut before = [1.0; SHIFTS];
        let mut ratio = [0.0; SHIFTS];
        for (i, (pivot, kept)) in pivots.iter_mut().zip(ratios.iter_mut()).enumerate() {
            let off = if i > 0 { below[i - 1] } else { 0.0 };
            for lane in 0..SHIFTS {
                ratio[lane] = off / before[lane];
                // Pivots of `A + l` are at least `l` in exact arithmetic.
                let rest = diagonal[i] + decays[lane] - ratio[lane] * off;
                before[lane] = if rest > decays[lane] { rest } else { decays[lane] };
            }
            (*pivot, *kept) = (before, ratio);
        }
        Self { pivots, ratios }
    }

    /// Returns `x (T + l)^-1 x` for every decay.
    pub fn form(&self, x: &[f32]) -> Lanes {
        let mut form = [0.0; SHIFTS];
        let mut before = [0.0; SHIFTS];
        for ((&x, pivot), ratio) in x.iter().zip(&*self.pivots).zip(&*self.ratios) {
            for lane in 0..SHIFTS {
                before[lane] = x - ratio[lane] * before[lane];
                form[lane] += before[lane] * before[lane] / pivot[lane];
            }
        }
        form
    }

    /// Computes `(T + l)^-1 x` for every decay.
    pub fn solve(&self, x: &[f32], out: &mut [Lanes]) {
        let mut before = [0.0; SHIFTS];
        for ((out, &x), ratio) in out.iter_mut().zip(x).zip(&*self.ratios) {
            for lane in 0..SHIFTS {
                before[lane] = x - ratio[lane] * before[lane];
            }
            *out = before;
        }
        let mut after = [0.0; SHIFTS];
        let mut ratio = [0.0; SHIFTS];
        for (i, out) in out.iter_mut().enumerate().rev() {
            for lane in 0..SHIFTS {
                after[lane] = out[lane] / self.pivots[i][lane] - ratio[lane] * after[lane];
            }
            (*out, ratio) = (after, self.ratios[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::head::testing::{Noise, solve};

    #[test]
    fn every_decay_is_solved_as_by_elimination() {
        for n in [1usize, 2, 3, 8, 21] {
            let mut noise = Noise(n as u64);
            // Rank-deficient, like a centred matrix.
            let x: Vec<Vec<f32>> =
                (0..n).map(|_| (0..n.div_ceil(2)).map(|_| noise.normal()).collect()).collect();
            let product =
                |i: usize, j: usize| x[i].iter().zip(&x[j]).map(|(a, b)| a * b).sum::<f32>();
            let mut matrix: Vec<f32> = (0..n)
                .flat_map(|i| (0..=i).map(move |j| (i, j)))
                .map(|(i, j)| product(i, j))
                .collect();
            let mut diagonal = vec![0.0; n];
            let mut below = vec![0.0; n];
            let mut scratch = vec![0.0; n];
            reduce(&mut matrix, &mut diagonal, &mut below, &mut scratch);
            let decays: Lanes = core::array::from_fn(|lane| 0.01 * 4f32.powi(lane as i32));
            let mut pivots = vec![[0.0; SHIFTS]; n];
            let mut ratios = vec![[0.0; SHIFTS]; n];
            let shifted = Shifted::new(&diagonal, &below, decays, &mut pivots, &mut ratios);
            let right: Vec<f32> = (0..n).map(|_| noise.normal()).collect();
            let mut rotated = right.clone();
            rotate(&matrix, &mut rotated);
            let form = shifted.form(&rotated);
            let mut found = vec![[0.0; SHIFTS]; n];
            shifted.solve(&rotated, &mut found);
            rotate_back(&matrix, &mut found);
            for (lane, decay) in decays.into_iter().enumerate() {
                let shift = |i, j| if i == j { f64::from(decay) } else { 0.0 };
                let plain: Vec<Vec<f64>> = (0..n)
                    .map(|i| (0..n).map(|j| f64::from(product(i, j)) + shift(i, j)).collect())
                    .collect();
                let want = solve(plain, right.iter().map(|&x| f64::from(x)).collect());
                let size = want.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                for (found, want) in found.iter().zip(&want) {
                    assert!(
                        (f64::from(found[lane]) - want).abs() < 1e-3 * size,
                        "{n} {decay}: {found:?} {want}"
                    );
                }
                let whole: f64 = want.iter().zip(&right).map(|(w, &r)| w * f64::from(r)).sum();
                assert!(
                    (f64::from(form[lane]) / whole - 1.0).abs() < 1e-3,
                    "{n} {decay}: {form:?} {whole}"
                );
            }
        }
    }

    #[test]
    fn matrices_of_zeros_and_of_great_numbers_give_finite_answers() {
        for size in [0.0, 1e-30, 1e15] {
            let mut matrix: Vec<f32> = vec![size; 15];
            let mut diagonal = [0.0; 5];
            let mut below = [0.0; 5];
            let mut scratch = [0.0; 5];
            reduce(&mut matrix, &mut diagonal, &mut below, &mut scratch);
            let mut pivots = [[0.0; SHIFTS]; 5];
            let mut ratios = [[0.0; SHIFTS]; 5];
            let shifted = Shifted::new(&diagonal, &below, [1e-3; SHIFTS], &mut pivots, &mut ratios);
            let mut out = [[0.0; SHIFTS]; 5];
            shifted.solve(&[1.0, 2.0, -3.0, 0.0, 0.5], &mut out);
            assert!(
                out.iter().flatten().chain(&shifted.form(&[1.0; 5])).all(|x| x.is_finite()),
                "{size}"
            );
        }
    }
}
