//! From samples to something that answers: the choice of a recipe, the fit, and what the samples
//! say about it when each is held out.

use core::ops::RangeInclusive;

use super::memory::{Kept, Work};
use super::unknown::{Border, Lessons};
use super::{
    Fit, Fitted, HeadKind, Recipe, Transform, calibrate, gram, knn, nearest_mean, ridge, slda, softmax,
};

/// What `auto` takes where too little can be held out to choose by: lengths are halfway forgotten.
const FIRST: Recipe = Recipe { kind: HeadKind::Ridge, transform: Transform::Quarter, strength: 1.0 };

/// Strength that `auto` expects, in the middle of those that won on the collections it was tried on.
const EXPECTED_STRENGTH: f32 = 4.0;

/// Ratio of two strengths that `auto` tries one after the other.
const STRIDE: f32 = 4.0;

/// Strengths beyond are not tried.
const STRENGTHS: RangeInclusive<f32> = 0.25..=256.0;

/// What leaving the expected strength costs, in nats for each factor of e: a Laplace prior, without
/// which a handful of samples would choose by chance.
const RELUCTANCE: f32 = 0.5;

/// Samples up to which `auto` also looks for the strength of LDA: half a second on the slowest board.
const FEW: usize = 512;

/// Samples beyond which only the strength of ridge regression is chosen, by its squared errors, which
/// take two fits for all strengths together.
const MANY: usize = 4096;

/// Heads that are not linear in the samples' covariance: `auto` takes one instead of what is most likely
/// only where it is clearly more often right.
const RIVALS: [HeadKind; 2] = [HeadKind::NearestMean, HeadKind::Knn];

/// Standard deviations that count as clear: chance alone does it once in seventy fits, both rivals
/// together.
const CLEAR: f32 = 2.5;

/// Marks of the samples that the most likely recipe gets right, after those of its rivals.
const EXPECTED: u32 = 1 << RIVALS.len();

/// Fits as `recipe` says, or as the samples do where it says `Auto`.
pub(super) fn fit(recipe: Recipe, strictness: f32, kept: Kept<'_>, work: Work<'_>) -> Fitted {
    let owners = &kept.owners[..work.similarities.len()];
    let mean_length = gram::mean_length(&kept, owners.len());
    nearest_mean::lengths(&kept, owners, work.norms);
    work.counts.fill(0);
    owners.iter().for_each(|&owner| work.counts[usize::from(owner)] += 1);
    let mut task = Task { kept, owners, mean_length, work };
    // What a full head chose to keep lies nearer to the mean of all that was shown than what comes.
    // With the mean of what is kept the bound errs to the side of the known.
    task.scaled(&Recipe::of(HeadKind::NearestMean), |k, _, s, w| nearest_mean::leave_one_out(k, false, s, w));
    let Work { held_out, norms, counts, similarities, .. } = &mut task.work;
    let border = Border::find(strictness, &Lessons { kept, owners, held_out, norms, counts }, similarities);
    let (recipe, fit) = match recipe.kind {
        HeadKind::Auto => task.choose(),
        _ => (recipe, task.solve(&recipe)),
    };
    let sharpness = calibrate::sharpness(&recipe, owners, task.work.held_out);
    Fitted { fit, recipe, mean_length: mean_length as f32, sharpness, border }
}

/// A recipe, and how surprising the held-out samples are to it.
#[derive(Clone, Copy)]
struct Tried {
    recipe: Recipe,
    cost: f32,
}

/// Samples and what is to be made of them.
struct Task<'a, 'w> {
    kept: Kept<'a>,
    owners: &'a [u16],
    mean_length: f64,
    work: Work<'w>,
}

impl Task<'_, '_> {
    /// Weights, biases and held-out scores.
    fn solve(&mut self, recipe: &Recipe) -> Fit {
        self.hold_out(recipe);
        match recipe.kind {
            HeadKind::Softmax | HeadKind::Auto => return self.scaled(recipe, softmax::fit),
            HeadKind::NearestMean => {
                nearest_mean::fit(&self.kept, &mut self.work);
            }
            // Closed forms have their weights by now, neighbours have none.
            HeadKind::Ridge | HeadKind::Slda | HeadKind::Knn => {}
        }
        Fit { iterations: 0, converged: true, gradient_norm: 0.0 }
    }

    /// Held-out scores, and weights where they cost nothing more.
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
            HeadKind::Softmax | HeadKind::Auto => {
                self.work.importance.fill(1.0);
                self.scaled(recipe, softmax::cross_validate);
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

    /// The recipe that the samples speak for, fitted.
    ///
    /// Ridge regression and LDA compete by the likelihood of the held-out samples, which tells more than
    /// the number of mistakes: each at the strength that makes it greatest, then the better one also
    /// with lengths kept. Class means or neighbours replace them where they are right on so many more
    /// of the held-out samples that chance does not do that ([`CLEAR`] standard deviations of McNemar's
    /// test, 1947).
    fn choose(&mut self) -> (Recipe, Fit) {
        let samples = self.owners.len();
        let usable = (0..samples).filter(|&i| has_others(self.owners, i)).count();
        if 2 * usable < samples {
            return (FIRST, self.solve(&FIRST));
        }
        self.work.columns[3 * samples..].fill(0.0);
        let recipe = if samples > MANY { self.strongest() } else { self.most_likely() };
        for (bit, kind) in RIVALS.into_iter().enumerate().filter(|_| samples <= MANY) {
            self.hold_out(&Recipe::of(kind));
            self.mark(1 << bit);
        }
        let fit = self.solve(&recipe);
        self.mark(EXPECTED);
        let best = (0..RIVALS.len()).max_by_key(|&bit| (self.lead(1 << bit, EXPECTED).0, RIVALS.len() - bit));
        if let Some(bit) = best.filter(|&bit| self.is_clear(1 << bit, EXPECTED)) {
            let rival = Recipe::of(RIVALS[bit]);
            return (rival, self.solve(&rival));
        }
        (recipe, fit)
    }

    /// Ridge regression or LDA, whichever makes the held-out samples most likely.
    fn most_likely(&mut self) -> Recipe {
        let start = |kind| Recipe { kind, transform: Transform::Unit, strength: EXPECTED_STRENGTH };
        let ridge = self.climb(start(HeadKind::Ridge));
        let lda = match self.owners.len() {
            0..=FEW => self.climb(start(HeadKind::Slda)),
            _ => self.tried(start(HeadKind::Slda)),
        };
        let forgetting = if lda.cost < ridge.cost { lda } else { ridge };
        let keeping = self.tried(Recipe { transform: Transform::Raw, ..forgetting.recipe });
        if keeping.cost < forgetting.cost { keeping.recipe } else { forgetting.recipe }
    }

    /// Ridge regression with the least squared errors on the held-out samples.
    fn strongest(&mut self) -> Recipe {
        let recipe =
            Recipe { kind: HeadKind::Ridge, transform: Transform::Unit, strength: EXPECTED_STRENGTH };
        ridge::balance(self.owners, self.work.counts, self.work.importance);
        let errors = self.scaled(&recipe, |kept, _, scales, work| ridge::curve(kept, scales, work));
        let by_error = |a: &(f32, f32), b: &(f32, f32)| a.0.total_cmp(&b.0);
        let tried =
            errors.into_iter().zip(ridge::STRENGTHS).filter(|(_, strength)| STRENGTHS.contains(strength));
        let best = tried.min_by(by_error);
        Recipe { strength: best.map_or(EXPECTED_STRENGTH, |(_, strength)| strength), ..recipe }
    }

    /// The best strength that is reached by steps that each lead down.
    fn climb(&mut self, start: Recipe) -> Tried {
        let mut best = self.tried(start);
        for stride in [STRIDE, 1.0 / STRIDE] {
            loop {
                let strength = best.recipe.strength * stride;
                if !STRENGTHS.contains(&strength) {
                    break;
                }
                let next = self.tried(Recipe { strength, ..best.recipe });
                if next.cost >= best.cost {
                    break;
                }
                best = next;
            }
            if best.recipe != start {
                break;
            }
        }
        best
    }

    fn tried(&mut self, recipe: Recipe) -> Tried {
        self.hold_out(&recipe);
        let surprise = calibrate::least_surprise(&recipe, self.owners, self.work.held_out);
        let steps = libm::logf(recipe.strength / EXPECTED_STRENGTH).abs();
        Tried { recipe, cost: surprise + RELUCTANCE * steps }
    }

    fn marks(&self) -> impl Iterator<Item = u32> {
        self.work.columns[3 * self.owners.len()..].iter().map(|mark| mark.to_bits())
    }

    /// Sets `bit` on the samples that the held-out scores get right.
    fn mark(&mut self, bit: u32) {
        let samples = self.owners.len();
        let (held_out, marks) = (&*self.work.held_out, &mut self.work.columns[3 * samples..]);
        for (i, mark) in marks.iter_mut().enumerate() {
            if has_others(self.owners, i) && top(held_out, samples, i).0 == usize::from(self.owners[i]) {
                *mark = f32::from_bits(mark.to_bits() | bit);
            }
        }
    }

    /// By how many more samples one is right than another, and on how many they differ.
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

/// Whether a sample's class has other samples, so that it can be held out.
pub(super) fn has_others(owners: &[u16], sample: usize) -> bool {
    // From where it stands: others are mostly near.
    let (before, after) = (&owners[..sample], &owners[sample + 1..]);
    after.contains(&owners[sample]) || before.contains(&owners[sample])
}

/// The class with the highest of a sample's held-out scores, and the score.
pub(super) fn top(held_out: &[f32], samples: usize, sample: usize) -> (usize, f32) {
    let scores = held_out.iter().skip(sample).step_by(samples);
    let best = (0, f32::NEG_INFINITY);
    scores.enumerate().fold(best, |best, (class, &score)| if score > best.1 { (class, score) } else { best })
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::super::testing::{Noise, cluster, empty, taught};
    use super::*;
    use crate::embedding::Embedding;
    use std::format;
    use std::vec::Vec;

    /// What a recipe costs to classes of a shape, taught to a head of its own.
    fn cost(recipe: Recipe, shots: u16, dim: usize, spread: f32) -> f32 {
        let mut head = taught(recipe.kind, 3, shots, dim, spread);
        head.set_transform(recipe.transform);
        head.set_strength(recipe.strength).unwrap();
        head.fit().unwrap();
        let owners: Vec<u16> = head.samples().map(|(class, _)| class.index() as u16).collect();
        let (_, work) = head.parts();
        let away = libm::logf(recipe.strength / EXPECTED_STRENGTH).abs();
        calibrate::least_surprise(&recipe, &owners, work.held_out) + RELUCTANCE * away
    }

    #[test]
    fn auto_chooses_what_makes_the_held_out_samples_most_likely() {
        let mut chosen = Vec::new();
        for (shots, dim, spread) in [(12, 40, 0.3), (12, 40, 2.0), (20, 8, 1.0), (6, 40, 6.0), (3, 60, 1.0)] {
            let recipe = taught(HeadKind::Auto, 3, shots, dim, spread).chosen().unwrap();
            if !RIVALS.contains(&recipe.kind) {
                let best = cost(recipe, shots, dim, spread);
                let other = if recipe.kind == HeadKind::Ridge { HeadKind::Slda } else { HeadKind::Ridge };
                let rivals = [
                    Recipe { strength: recipe.strength * STRIDE, ..recipe },
                    Recipe { strength: recipe.strength / STRIDE, ..recipe },
                    Recipe { kind: other, transform: Transform::Unit, strength: EXPECTED_STRENGTH },
                ];
                for rival in rivals {
                    // Where lengths are kept the strength is the one that was found without them.
                    let is_tried = rival.kind != recipe.kind || recipe.transform == Transform::Unit;
                    assert!(
                        !is_tried || cost(rival, shots, dim, spread) >= best - 1e-3,
                        "{rival:?} instead of {recipe:?}"
                    );
                }
            }
            chosen.push(format!("{recipe:?}"));
        }
        chosen.sort();
        chosen.dedup();
        assert!(chosen.len() > 2, "always the same: {chosen:?}");
    }

    /// Of two classes around each other the rare one is found as often as the frequent one.
    #[test]
    fn a_rare_class_is_not_drowned_by_a_frequent_one() {
        let mut head = empty(HeadKind::Auto, 30, Limits { classes: 2, samples: 66 });
        let classes = ["rare", "frequent"].map(|name| head.add_class(name).unwrap());
        let mut noise = Noise(11);
        for i in 0..66 {
            let own = usize::from(i >= 6);
            head.add_sample(classes[own], Embedding::Float(&cluster(&mut noise, own, 30, 1.5))).unwrap();
        }
        let mut right = [0, 0];
        for i in 0..400 {
            let values = cluster(&mut noise, i % 2, 30, 1.5);
            let mut p = [0.0; 2];
            head.probabilities(Embedding::Float(&values), &mut p).unwrap();
            right[i % 2] += usize::from((p[1] > p[0]) == (i % 2 == 1));
        }
        assert!(right[0] * 10 >= right[1] * 7, "of 200 each: {right:?}");
    }

    #[test]
    fn where_nothing_can_be_held_out_it_is_what_is_expected_first() {
        assert_eq!(taught(HeadKind::Auto, 3, 1, 40, 0.3).chosen().unwrap(), FIRST);
    }

    /// Two classes around and within each other, which no line parts.
    #[test]
    fn auto_takes_a_rival_where_ridge_regression_cannot_follow() {
        let mut head = empty(HeadKind::Auto, 40, Limits { classes: 2, samples: 80 });
        let classes = ["a", "b"].map(|name| head.add_class(name).unwrap());
        let mut noise = Noise(3);
        for i in 0..80 {
            // Corners of a square, opposite ones alike.
            let (x, y) = ([4.0, -4.0][i % 2], [4.0, -4.0][i / 2 % 2]);
            let mut values: [f32; 40] = core::array::from_fn(|_| 0.3 * noise.normal());
            (values[0], values[1]) = (values[0] + x, values[1] + y);
            let class = classes[usize::from(x * y > 0.0)];
            head.add_sample(class, Embedding::Float(&values)).unwrap();
        }
        assert_eq!(head.chosen().unwrap().kind, HeadKind::Knn);
    }
}
