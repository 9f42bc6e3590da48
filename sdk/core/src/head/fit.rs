//! Training of a head: choice of a recipe, fit, and held-out scores of the samples.

mod blend;
mod calibrate;
pub(super) mod choice;
mod descent;
pub(super) mod knn;
pub(super) mod margin;
pub(super) mod nearest_mean;
pub(super) mod primal;
pub(super) mod rejection;
pub(super) mod ridge;
pub(super) mod scores;
mod slda;
mod softmax;

use blend::Blend;
use choice::Choice;
use margin::HeldOut;
use rejection::{Border, Taught};
use scores::{has_others, top};

use super::linalg::gram;
use super::report::Tally;
use super::storage::views::{Kept, Work};
use super::{Fit, Fitted, HeadKind, Recipe, Transform};

/// Recipe of `auto` if too few samples can be held out to choose by; norms are partly normalized.
const FIRST: Recipe =
    Recipe { kind: HeadKind::Ridge, transform: Transform::Quarter, inverse_l2: 1.0 };

/// Inverse L2 regularization that `auto` expects, in the middle of the best ones on the data sets
/// it was tried on.
const EXPECTED_INVERSE_L2: f32 = 4.0;

/// Inverse L2 regularizations of the heads that `auto` averages.
const GRID: [f32; 3] = [0.25, EXPECTED_INVERSE_L2, 64.0];

/// Cost of leaving the expected regularization, in nats for each factor of e: a Laplace prior,
/// without which a handful of samples would choose by chance.
const RELUCTANCE: f32 = 0.5;

/// Nats that count as one between ridge regression and LDA. They err on other samples, so that both
/// together are better than the likelier one unless the other is much worse.
const TOLERANCE: f32 = 8.0;

/// Number of samples up to which `auto` also averages regularizations of LDA: half a second on the
/// slowest board.
const FEW: usize = 512;

/// Number of samples beyond which only the regularization of ridge regression is chosen, by its
/// squared errors, which take two fits for the whole grid.
const MANY: usize = 4096;

/// Heads that are not linear in the samples' covariance: `auto` takes one in place of the most
/// likely recipe only if it is clearly more often right.
const RIVALS: [HeadKind; 2] = [HeadKind::NearestMean, HeadKind::Knn];

/// Standard deviations that count as clear: chance alone exceeds it once in seventy fits, both
/// rivals together.
const CLEAR: f32 = 2.5;

/// Bit of the samples that the most likely recipe gets right, after the bits of its rivals.
const EXPECTED: u32 = 1 << RIVALS.len();

/// Boundary by the cosines, and the rate that it was found for.
pub(super) struct Rejection {
    pub border: Border,
    pub false_rejection_rate: f32,
}

/// Finds the boundary between known and unknown, and writes the norms of the classes' sums.
pub(super) fn border(false_rejection_rate: f32, kept: Kept<'_>, work: Work<'_>) -> Border {
    let mut task = Task::new(kept, work);
    let owners = task.owners;
    nearest_mean::lengths(&kept, owners, task.work.norms);
    // Samples selected by a full head lie nearer to the mean of all samples seen than new ones.
    // With the mean of the kept samples the bound errs in favour of the known.
    task.scaled(&Recipe::of(HeadKind::NearestMean), |k, _, s, w| {
        nearest_mean::leave_one_out(k, false, s, w)
    });
    let Work { held_out, norms, counts, similarities, columns, .. } = &mut task.work;
    let taught = Taught { kept, owners, held_out, norms, counts };
    Border::find(false_rejection_rate, &taught, similarities, columns)
}

/// Fits the head by `recipe`, or by the recipe that the samples choose if it is `Auto`; `rejection`
/// is the boundary that [`border`] has found.
pub(super) fn fit(
    recipe: Recipe,
    choice: Choice,
    rejection: Rejection,
    kept: Kept<'_>,
    work: Work<'_>,
) -> Fitted {
    let mut task = Task::new(kept, work);
    let Task { owners, mean_length, .. } = task;
    let (recipe, fit) = match recipe.kind {
        HeadKind::Auto => task.choose(),
        _ => (recipe, task.solve(&recipe)),
    };
    let inverse_temperature = calibrate::inverse_temperature(&recipe, owners, task.work.held_out);
    let border = task.with_margin(&rejection, recipe.kind, inverse_temperature);
    let tally = Tally::count(&kept, &mut task.work);
    let mean_length = mean_length as f32;
    Fitted { fit, choice, recipe, mean_length, inverse_temperature, border, tally }
}

/// Result of a fit in closed form, without iterations.
const CLOSED: Fit = Fit { iterations: 0, converged: true, gradient_norm: 0.0 };

/// Head in the average, with the factor that turns its scores into log odds.
struct Weighed {
    recipe: Recipe,
    factor: f32,
}

/// Samples with the settings of the fit.
struct Task<'a, 'w> {
    kept: Kept<'a>,
    owners: &'a [u16],
    mean_length: f64,
    work: Work<'w>,
}

impl<'a, 'w> Task<'a, 'w> {
    fn new(kept: Kept<'a>, work: Work<'w>) -> Self {
        let owners = &kept.owners[..work.similarities.len()];
        let mean_length = gram::mean_length(&kept, owners.len());
        work.counts.fill(0);
        owners.iter().for_each(|&owner| work.counts[usize::from(owner)] += 1);
        Self { kept, owners, mean_length, work }
    }

    /// Returns the boundary with the part that the margins of the held-out scores have in it.
    fn with_margin(
        &mut self,
        rejection: &Rejection,
        kind: HeadKind,
        inverse_temperature: f32,
    ) -> Border {
        let Work { held_out, counts, similarities, columns, .. } = &mut self.work;
        let held = HeldOut {
            kind,
            owners: self.owners,
            counts,
            scores: held_out,
            inverse_temperature,
            cosines: similarities,
        };
        rejection.border.with_margin(rejection.false_rejection_rate, &held, columns)
    }

    /// Computes weights, biases and held-out scores.
    fn solve(&mut self, recipe: &Recipe) -> Fit {
        if matches!(recipe.kind, HeadKind::Softmax | HeadKind::Auto) {
            self.work.importance.fill(1.0);
            return self.scaled(recipe, softmax::fit);
        }
        self.hold_out(recipe);
        match recipe.kind {
            HeadKind::NearestMean => {
                nearest_mean::fit(&self.kept, &mut self.work);
            }
            HeadKind::Ridge | HeadKind::Slda => {
                self.scaled(recipe, |k, _, s, w| gram::weigh(k, s, w))
            }
            HeadKind::Softmax | HeadKind::Auto | HeadKind::Knn => {}
        }
        CLOSED
    }

    /// Computes held-out scores; for closed forms also biases and coefficients.
    fn hold_out(&mut self, recipe: &Recipe) {
        match recipe.kind {
            HeadKind::NearestMean => {
                self.scaled(recipe, |k, _, s, w| nearest_mean::leave_one_out(k, true, s, w));
            }
            HeadKind::Knn => self.scaled(recipe, |k, _, s, w| knn::leave_one_out(k, s, w)),
            HeadKind::Ridge => {
                ridge::balance(self.owners, self.work.counts, self.work.importance);
                self.scaled(recipe, ridge::fit);
            }
            HeadKind::Slda => self.scaled(recipe, slda::fit),
            // Held-out scores come with the weights.
            HeadKind::Softmax | HeadKind::Auto => {
                self.solve(recipe);
            }
        }
    }

    /// Runs `step` on the samples as the recipe transforms them.
    fn scaled<T>(
        &mut self,
        recipe: &Recipe,
        step: impl FnOnce(&Kept<'_>, &Recipe, &[f32], &mut Work<'_>) -> T,
    ) -> T {
        let scales = core::mem::take(&mut self.work.scales);
        gram::scales(&self.kept, recipe.transform, self.mean_length, scales);
        let result = step(&self.kept, recipe, scales, &mut self.work);
        self.work.scales = scales;
        result
    }

    /// Chooses and fits the head by the samples; returns the recipe with the greatest weight.
    ///
    /// Ridge regression and LDA are each the mean of several regularizations, weighted by the
    /// likelihood of the held-out samples, which is more informative than the number of mistakes.
    /// Class means or k-NN replace them if they are right on significantly more of the held-out
    /// samples ([`CLEAR`] standard deviations of McNemar's test, 1947).
    fn choose(&mut self) -> (Recipe, Fit) {
        let samples = self.owners.len();
        let usable = (0..samples).filter(|&i| has_others(self.owners, i)).count();
        if 2 * usable < samples {
            return (FIRST, self.solve(&FIRST));
        }
        self.work.columns[3 * samples..].fill(0.0);
        for (bit, kind) in RIVALS.into_iter().enumerate().filter(|_| samples <= MANY) {
            self.hold_out(&Recipe::of(kind));
            self.mark(1 << bit);
        }
        let recipe = if samples > MANY { self.strongest() } else { self.average() };
        self.mark(EXPECTED);
        let best = (0..RIVALS.len())
            .max_by_key(|&bit| (self.lead(1 << bit, EXPECTED).0, RIVALS.len() - bit));
        if let Some(bit) = best.filter(|&bit| self.is_clear(1 << bit, EXPECTED)) {
            let rival = Recipe::of(RIVALS[bit]);
            return (rival, self.solve(&rival));
        }
        (recipe, CLOSED)
    }

    /// Averages ridge regression and LDA of several regularizations, weighted by the likelihood of
    /// the held-out samples. Scores are in units of the recipe with the greatest weight, which is
    /// returned.
    fn average(&mut self) -> Recipe {
        let samples = self.owners.len();
        let classes = self.work.bias.len();
        let (scratch, size) = blend::sizes(&self.work, samples);
        let (front, mut rest) = core::mem::take(&mut self.work.solver).split_at_mut(scratch);
        self.work.solver = front;
        let lengths = [size, classes, classes * samples];
        let mut of = |kind| {
            let mut blend = Blend::carve(&mut rest, lengths);
            let best = self.blend(kind, &mut blend);
            (blend, best)
        };
        let (mut ridge, mut best) = of(HeadKind::Ridge);
        let (lda, best_lda) = of(HeadKind::Slda);
        let share = 1.0 / (1.0 + libm::expf((lda.cost() - ridge.cost()) / TOLERANCE));
        if share * lda.greatest() > (1.0 - share) * ridge.greatest() {
            best = best_lda;
        }
        ridge.join(share, &lda);
        let Work { weights, bias, held_out, solver, .. } = &mut self.work;
        let coefficients = if samples > self.kept.dim() { weights } else { solver };
        ridge.write(best.factor, &mut coefficients[..size], bias, held_out);
        self.scaled(&best.recipe, |k, _, s, w| gram::weigh(k, s, w));
        best.recipe
    }

    /// Adds one kind at all regularizations; returns the one that makes the held-out samples most
    /// likely.
    fn blend(&mut self, kind: HeadKind, blend: &mut Blend<'_>) -> Weighed {
        let mut best = Weighed { recipe: FIRST, factor: 1.0 };
        let samples = self.owners.len();
        let is_slow = kind == HeadKind::Slda && samples > FEW;
        for inverse_l2 in GRID.into_iter().filter(|&s| !is_slow || s == EXPECTED_INVERSE_L2) {
            let recipe = Recipe { kind, inverse_l2, ..FIRST };
            self.hold_out(&recipe);
            let (_, size) = blend::sizes(&self.work, samples);
            let Work { weights, bias, held_out, solver, .. } = &self.work;
            let (factor, surprise) = calibrate::most_likely(&recipe, self.owners, held_out);
            let cost = surprise + RELUCTANCE * libm::logf(inverse_l2 / EXPECTED_INVERSE_L2).abs();
            let coefficients = if samples > self.kept.dim() { &**weights } else { &solver[..size] };
            if blend.add(cost, factor, [coefficients, bias, held_out]) {
                best = Weighed { recipe, factor };
            }
        }
        best
    }

    /// Fits ridge regression with the least squared errors on the held-out samples.
    fn strongest(&mut self) -> Recipe {
        let recipe = self.least_squares();
        self.solve(&recipe);
        recipe
    }

    /// Returns ridge regression with the least squared errors on the held-out samples.
    fn least_squares(&mut self) -> Recipe {
        let recipe = Recipe { inverse_l2: EXPECTED_INVERSE_L2, ..FIRST };
        ridge::balance(self.owners, self.work.counts, self.work.importance);
        let errors = self.scaled(&recipe, |kept, _, scales, work| ridge::curve(kept, scales, work));
        let by_error = |a: &(f32, f32), b: &(f32, f32)| a.0.total_cmp(&b.0);
        let tried =
            errors.into_iter().zip(ridge::GRID).filter(|(_, inverse_l2)| *inverse_l2 >= GRID[0]);
        let best = tried.min_by(by_error);
        Recipe {
            inverse_l2: best.map_or(EXPECTED_INVERSE_L2, |(_, inverse_l2)| inverse_l2),
            ..recipe
        }
    }

    fn marks(&self) -> impl Iterator<Item = u32> {
        self.work.columns[3 * self.owners.len()..].iter().map(|mark| mark.to_bits())
    }

    /// Sets `bit` on the samples that the held-out scores get right.
    fn mark(&mut self, bit: u32) {
        let samples = self.owners.len();
        let held_out = &*self.work.held_out;
        let marks = &mut self.work.columns[3 * samples..];
        for (i, mark) in marks.iter_mut().enumerate() {
            if has_others(self.owners, i)
                && top(held_out, samples, i).0 == usize::from(self.owners[i])
            {
                *mark = f32::from_bits(mark.to_bits() | bit);
            }
        }
    }

    /// Returns the difference in right samples between two recipes, and the number of samples they
    /// differ on.
    fn lead(&self, one: u32, other: u32) -> (i32, u32) {
        let step = |(lead, differ), mark: u32| match (mark & one != 0, mark & other != 0) {
            (true, false) => (lead + 1, differ + 1),
            (false, true) => (lead - 1, differ + 1),
            _ => (lead, differ),
        };
        self.marks().fold((0, 0), step)
    }

    fn is_clear(&self, one: u32, other: u32) -> bool {
        let (lead, differ) = self.lead(one, other);
        lead as f32 > 1.0 + CLEAR * libm::sqrtf(differ as f32)
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::vec::Vec;

    use super::*;
    use crate::embedding::Embedding;
    use crate::head::Limits;
    use crate::head::storage::views::View;
    use crate::head::testing::{Noise, TestHead, cluster, empty, taught};

    /// Returns a linear head as numbers: weights and, behind them, biases.
    fn numbers(head: &mut TestHead) -> Vec<f64> {
        head.fit().unwrap();
        let linear = head.linear().unwrap();
        linear.weights.iter().chain(linear.raw_bias).map(|&x| f64::from(x)).collect()
    }

    /// Fits the same samples in a head of the recipe: its numbers as log odds, its factor and its
    /// cost.
    fn single(
        recipe: Recipe,
        (classes, shots, dim, spread): (u16, u16, usize, f32),
    ) -> (Vec<f64>, f32, f64) {
        let mut head = taught(recipe.kind, classes, shots, dim, spread);
        head.set_transform(recipe.transform);
        head.set_inverse_l2(recipe.inverse_l2).unwrap();
        let numbers = numbers(&mut head);
        let owners: Vec<u16> = head.samples().map(|(class, _)| class.index() as u16).collect();
        let (_, work) = head.view(View::All);
        let (factor, surprise) = calibrate::most_likely(&recipe, &owners, work.held_out);
        let away = f64::from(libm::logf(recipe.inverse_l2 / EXPECTED_INVERSE_L2).abs());
        let cost = f64::from(surprise) + f64::from(RELUCTANCE) * away;
        (numbers.into_iter().map(|x| x * f64::from(factor)).collect(), factor, cost)
    }

    /// Returns the sum of `heads`, weighted by their costs, in nats of `tolerance`, and their
    /// common cost.
    fn mean(heads: &[(Vec<f64>, f64)], tolerance: f64) -> (Vec<f64>, f64) {
        let shares: Vec<f64> = heads.iter().map(|(_, cost)| (-cost / tolerance).exp()).collect();
        let total: f64 = shares.iter().sum();
        let sum = |i: usize| {
            heads.iter().zip(&shares).map(|((x, _), share)| share * x[i]).sum::<f64>() / total
        };
        ((0..heads[0].0.len()).map(sum).collect(), -total.ln())
    }

    #[test]
    fn auto_is_the_mean_of_heads_by_the_likelihood_of_the_held_out_samples() {
        let mut leading = Vec::new();
        // The third has more samples than dimensions.
        for shape in
            [(3, 12, 40, 0.3), (3, 12, 40, 2.0), (3, 20, 8, 1.0), (3, 6, 40, 6.0), (3, 3, 60, 1.0)]
        {
            let mut head = taught(HeadKind::Auto, shape.0, shape.1, shape.2, shape.3);
            head.fit().unwrap();
            let chosen = head.chosen().unwrap();
            if RIVALS.contains(&chosen.kind) {
                continue;
            }
            let kinds = [HeadKind::Ridge, HeadKind::Slda].map(|kind| {
                let one = |inverse_l2| single(Recipe { kind, inverse_l2, ..FIRST }, shape);
                mean(
                    &GRID.map(|inverse_l2| {
                        let (x, _, cost) = one(inverse_l2);
                        (x, cost)
                    }),
                    1.0,
                )
            });
            let (want, _) = mean(&kinds, f64::from(TOLERANCE));
            let factor = f64::from(single(chosen, shape).1);
            let greatest = want.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            for (got, want) in numbers(&mut head).into_iter().zip(want) {
                assert!(
                    (got * factor - want).abs() < 1e-3 * greatest,
                    "{shape:?}: {} not {want}",
                    got * factor
                );
            }
            leading.push(format!("{chosen:?}"));
        }
        leading.sort();
        leading.dedup();
        assert!(leading.len() > 2, "always the same leads: {leading:?}");
    }

    /// A rare class is found as often as a frequent one around it.
    #[test]
    fn a_rare_class_is_not_drowned_by_a_frequent_one() {
        let mut head = empty(HeadKind::Auto, 30, Limits { classes: 2, samples: 66 });
        let classes = ["rare", "frequent"].map(|name| head.add_class(name).unwrap());
        let mut noise = Noise(11);
        for i in 0..66 {
            let own = usize::from(i >= 6);
            head.add_sample(classes[own], Embedding::Float(&cluster(&mut noise, own, 30, 1.5)))
                .unwrap();
        }
        let mut right = [0, 0];
        for i in 0..400 {
            let values = cluster(&mut noise, i % 2, 30, 1.5);
            let mut p = [0.0; 2];
            head.fit().unwrap();
            head.probabilities(Embedding::Float(&values), &mut p).unwrap();
            right[i % 2] += usize::from((p[1] > p[0]) == (i % 2 == 1));
        }
        assert!(right[0] * 10 >= right[1] * 7, "of 200 each: {right:?}");
    }

    #[test]
    fn where_nothing_can_be_held_out_it_is_what_is_expected_first() {
        let mut head = taught(HeadKind::Auto, 3, 1, 40, 0.3);
        head.fit().unwrap();
        assert_eq!(head.chosen().unwrap(), FIRST);
    }

    /// Two classes around and within each other, which no line separates.
    #[test]
    fn auto_takes_a_rival_where_ridge_regression_cannot_follow() {
        let mut head = empty(HeadKind::Auto, 40, Limits { classes: 2, samples: 80 });
        let classes = ["a", "b"].map(|name| head.add_class(name).unwrap());
        let mut noise = Noise(3);
        for i in 0..80 {
            // Corners of a square, opposite ones alike.
            let x = [4.0, -4.0][i % 2];
            let y = [4.0, -4.0][i / 2 % 2];
            let mut values: [f32; 40] = core::array::from_fn(|_| 0.3 * noise.normal());
            (values[0], values[1]) = (values[0] + x, values[1] + y);
            let class = classes[usize::from(x * y > 0.0)];
            head.add_sample(class, Embedding::Float(&values)).unwrap();
        }
        head.fit().unwrap();
        assert_eq!(head.chosen().unwrap().kind, HeadKind::Knn);
    }
}
