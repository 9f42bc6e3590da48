//! Linear discriminant analysis with one covariance for all classes, shrunk towards a sphere: the
//! head of streaming LDA (Hayes and Kanan, "Lifelong Machine Learning with Deep Streaming Linear
//! Discriminant Analysis", 2020).
//!
//! With class means `m` and the scatter within classes `S`, the score of class `c` is
//! `w z - w m / 2` for `w = (S + l)^-1 m`, where `l` is the variance of all samples divided by
//! `inverse_l2`. Classes have equal weight, however many samples they have. The paper keeps the
//! covariance, `dim^2` numbers; here the samples are kept and, unless there are more of them than
//! dimensions, `(S + l)^-1` is applied among them by Woodbury's identity: with `B` the samples
//! minus their class means, `(S + l)^-1 = (1 - B^T (B B^T + l)^-1 B) / l`.
//!
//! Leaving sample `i` out changes one mean and takes one outer product from the scatter, so the
//! leave-one-out scores follow exactly by Sherman and Morrison's formula.

use super::primal;
use super::ridge::decay;
use crate::head::Recipe;
use crate::head::linalg::cholesky::start;
use crate::head::linalg::vector::dot;
use crate::head::linalg::{cholesky, gram};
use crate::head::storage::views::{Kept, Work};

/// Min of the scatter that remains in a sample's direction without that sample.
const LEAST_SLACK: f32 = 1e-4;

/// Computes biases, held-out scores and, in `work.solver`, the coefficients of the samples (in
/// dimensions the weights).
pub(crate) fn fit(kept: &Kept<'_>, recipe: &Recipe, scales: &[f32], work: &mut Work<'_>) {
    if scales.len() > kept.dim() {
        return primal::slda(kept, recipe.inverse_l2, scales, work);
    }
    let samples = scales.len();
    let classes = work.bias.len();
    let owners = &kept.owners[..samples];
    gram::scaled(work.gram, scales, work.square);
    let (alphas, sums) = work.solver.split_at_mut(classes * samples);
    let sums = &mut sums[..classes * samples];
    gram::class_sums(work.gram, scales, owners, sums);
    let (diagonal, rest) = work.columns.split_at_mut(samples);
    let (scratch, rest) = rest.split_at_mut(samples);
    let own = &mut rest[..samples];
    let decay = decay(work.square, recipe.inverse_l2, scratch);
    for (class, sums) in sums.chunks_exact_mut(samples).enumerate() {
        let count = work.counts[class].max(1) as f32;
        sums.iter_mut().for_each(|sum| *sum /= count);
    }
    within(work.square, sums, owners, decay, scratch);
    cholesky::invert_factor(work.square, decay, scratch);
    cholesky::inverse_diagonal(work.square, diagonal);
    diagonal.iter_mut().for_each(|x| *x = 1.0 - decay * *x);
    // Directions: the inverse applied to the class means, in the span of the samples.
    for (class, images) in work.held_out.chunks_exact_mut(samples).enumerate() {
        images.copy_from_slice(&sums[class * samples..][..samples]);
        centre_by_class(images, owners, classes, work.scores);
        cholesky::solve(work.square, images, scratch);
        for (i, &owner) in owners.iter().enumerate() {
            if usize::from(owner) == class {
                own[i] = images[i];
            }
        }
    }
    for class in 0..classes {
        let alpha = &mut alphas[class * samples..][..samples];
        let images = &mut work.held_out[class * samples..][..samples];
        let count = work.counts[class];
        if count == 0 {
            images.fill(f32::NEG_INFINITY);
            work.bias[class] = f32::NEG_INFINITY;
            alpha.fill(0.0);
            continue;
        }
        alpha.copy_from_slice(images);
        centre_by_class(alpha, owners, classes, work.scores);
        for (alpha, &owner) in alpha.iter_mut().zip(owners) {
            let mean = if usize::from(owner) == class { 1.0 / count as f32 } else { 0.0 };
            *alpha = (mean - *alpha) / decay;
        }
        // Scores of the class means, without the bias.
        for (score, sums) in work.scores.iter_mut().zip(sums.chunks_exact(samples)) {
            *score = dot(alpha, sums);
        }
        work.bias[class] = -0.5 * work.scores[class];
        Out { owners, counts: work.counts, class, lengths: diagonal, own, means: work.scores }
            .leave(images);
    }
}

/// Data for leaving samples out of one class's scores.
pub(crate) struct Out<'a> {
    pub owners: &'a [u16],
    /// Number of samples of each class.
    pub counts: &'a [u32],
    pub class: usize,
    /// Squared norm of each sample's deviation in the metric of the inverse.
    pub lengths: &'a [f32],
    /// Product of each sample's deviation with the mean of its own class.
    pub own: &'a [f32],
    /// Product of each class mean with this class's mean.
    pub means: &'a [f32],
}

impl Out<'_> {
    /// Turns the products of deviations with the class mean into held-out scores.
    pub fn leave(&self, images: &mut [f32]) {
        for (i, image) in images.iter_mut().enumerate() {
            let owner = usize::from(self.owners[i]);
            let count = self.counts[owner] as f32;
            let others = count - 1.0;
            let length = self.lengths[i];
            if others == 0.0 {
                // A class left without samples has no score, and its samples are not evaluated.
                *image = self.means[owner] + *image - 0.5 * self.means[self.class];
                continue;
            }
            let growth = (count / others) / (1.0 - count / others * length).max(LEAST_SLACK);
            let along = self.own[i] + length;
            let mut product = self.means[owner] + *image;
            let mut square = self.means[self.class];
            let mut lean = *image;
            if owner == self.class {
                product -= along / others;
                square += (length / others - 2.0 * *image) / others;
                lean -= length / others;
            }
            product += growth * along * lean;
            square += growth * lean * lean;
            *image = product - 0.5 * square;
        }
    }
}

/// Subtracts from each number the mean of its class; `means` is scratch, one number per class.
fn centre_by_class(x: &mut [f32], owners: &[u16], classes: usize, means: &mut [f32]) {
    for (class, out) in means[..classes].iter_mut().enumerate() {
        let members = || x.iter().zip(owners).filter(|(_, owner)| usize::from(**owner) == class);
        *out = members().map(|(x, _)| x).sum::<f32>() / members().count().max(1) as f32;
    }
    for (x, &owner) in x.iter_mut().zip(owners) {
        *x -= means[usize::from(owner)];
    }
}

/// Converts the products of samples to those of their deviations from their class means, with the
/// weight decay on the diagonal. `means` are the products with the class means, class by class.
fn within(matrix: &mut [f32], means: &[f32], owners: &[u16], decay: f32, scratch: &mut [f32]) {
    let samples = owners.len();
    let product = |a: usize, b: u16| means[usize::from(b) * samples + a];
    for row in 0..samples {
        // The product of two class means is the mean of the products with one of them.
        let own = owners[row];
        for column in 0..=row {
            let other = owners[column];
            matrix[start(row) + column] -= product(row, other) + product(column, own);
        }
    }
    // Add it once per pair of classes: its row of sums, then its share in each.
    for class in 0..means.len() / samples {
        scratch.copy_from_slice(&means[class * samples..][..samples]);
        average_by_class(scratch, owners);
        for row in (0..samples).filter(|&row| usize::from(owners[row]) == class) {
            for (x, &mean) in matrix[start(row)..][..=row].iter_mut().zip(&*scratch) {
                *x += mean;
            }
        }
    }
    for row in 0..samples {
        matrix[start(row) + row] += decay;
    }
}

/// Replaces each number by the mean of its class.
fn average_by_class(x: &mut [f32], owners: &[u16]) {
    for first in 0..x.len() {
        let class = owners[first];
        // Computed once per class, at its first sample.
        if owners[..first].contains(&class) {
            continue;
        }
        let members = (first..x.len()).filter(|&i| owners[i] == class);
        let mean = members.clone().map(|i| x[i]).sum::<f32>() / members.clone().count() as f32;
        members.for_each(|i| x[i] = mean);
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use crate::head::testing::{features, held_out, owners, solve, taught, variance};
    use crate::head::{HeadKind, Transform};

    /// Returns scores of `query` by class means and scatter without the samples in `without`.
    fn plain(
        z: &[Vec<f64>],
        owners: &[usize],
        decay: f64,
        without: Option<usize>,
        query: &[f64],
    ) -> Vec<f64> {
        let dim = z[0].len();
        let classes = owners.iter().max().unwrap() + 1;
        let rows =
            |class: usize| (0..z.len()).filter(move |&i| Some(i) != without && owners[i] == class);
        let mean = |class: usize| -> Vec<f64> {
            let count = rows(class).count() as f64;
            (0..dim).map(|d| rows(class).map(|i| z[i][d]).sum::<f64>() / count).collect()
        };
        let means: Vec<Vec<f64>> = (0..classes).map(mean).collect();
        let mut scatter = vec![vec![0.0; dim]; dim];
        for (class, mean) in means.iter().enumerate() {
            for i in rows(class) {
                for a in 0..dim {
                    for (b, sum) in scatter[a].iter_mut().enumerate() {
                        *sum += (z[i][a] - mean[a]) * (z[i][b] - mean[b]);
                    }
                }
            }
        }
        (0..dim).for_each(|d| scatter[d][d] += decay);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let score = |mean: &Vec<f64>| {
            let w = solve(scatter.clone(), mean.clone());
            dot(&w, query) - 0.5 * dot(&w, mean)
        };
        means.iter().map(score).collect()
    }

    #[test]
    fn weights_and_held_out_scores_are_those_of_the_formulas() {
        let settings = [(Transform::Half, 1.0), (Transform::Raw, 5.0), (Transform::Unit, 0.3)];
        // Fewer dimensions than samples, and more.
        for ((transform, inverse_l2), dim) in settings.into_iter().flat_map(|s| [(s, 9), (s, 20)]) {
            let mut head = taught(HeadKind::Slda, 3, 5, dim, 1.0);
            head.set_transform(transform);
            head.set_inverse_l2(inverse_l2).unwrap();
            // Uneven: 3, 5 and 5.
            head.remove_sample(0).unwrap();
            head.remove_sample(5).unwrap();
            let z = features(&mut head);
            let owners = owners(&head);
            let decay = variance(&z) / f64::from(inverse_l2);
            let found = held_out(&mut head);
            for (i, z_i) in z.iter().enumerate() {
                let without = plain(&z, &owners, decay, Some(i), z_i);
                for (got, want) in found[i].iter().zip(without) {
                    assert!(
                        (got - want).abs() < 1e-3 * (1.0 + want.abs()),
                        "{transform:?} {i}: {got} not {want}"
                    );
                }
            }
            let origin = plain(&z, &owners, decay, None, &vec![0.0; dim]);
            let (_, work) = head.layout.split(&mut *head.memory);
            for (bias, want) in work.bias.iter().zip(origin) {
                assert!(
                    (f64::from(*bias) - want).abs() < 1e-4 * (1.0 + want.abs()),
                    "{bias} not {want}"
                );
            }
        }
    }
}
