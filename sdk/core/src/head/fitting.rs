//! From samples to something that answers: the choice of a recipe, the fit, and what the samples
//! say about it when each is held out.

use super::memory::{Kept, Work};
use super::{
    Fit, Fitted, HeadKind, Recipe, Transform, calibrate, gram, knn, nearest_mean, ridge, slda, softmax,
    unknown,
};

/// What `auto` makes of classes that are nearly separate: lengths are kept.
const WITH_LENGTHS: Recipe = Recipe { kind: HeadKind::Ridge, transform: Transform::Raw, strength: 1.0 };

/// What `auto` makes of two classes that are nearly separate.
const OF_TWO: Recipe = Recipe { kind: HeadKind::Softmax, transform: Transform::Raw, strength: 8.0 };

/// What `auto` makes of more classes that are separate: nearly the widest margin.
const WIDE_MARGIN: Recipe = Recipe { kind: HeadKind::Softmax, transform: Transform::Raw, strength: 500.0 };

/// Share of held-out samples that ridge regression may get wrong for the classes to count as separate;
/// the standard deviation of their number is taken off first.
const SEPARATE: f32 = 0.07;

/// The same for nearly separate ones.
///
/// The rule was tried on other data than the table's: `examples/auto.py`.
const NEARLY: f32 = 0.2;

/// Samples squared times classes up to which `auto` affords softmax regression, which has to be
/// solved six times: about a second on the slowest board.
const AFFORDABLE: usize = 1 << 20;

/// Samples up to which `auto` also tries LDA, which is as much work as ridge regression.
const FEW: usize = 256;

/// Heads that `auto` takes instead of the expected one where the samples speak for them.
const RIVALS: [HeadKind; 3] = [HeadKind::NearestMean, HeadKind::Knn, HeadKind::Slda];

/// Standard deviations that count as clear: chance alone does it once in fifty fits, three rivals
/// together.
const CLEAR: f32 = 2.5;

/// Marks of the samples that ridge regression gets right, after those of its rivals.
const EXPECTED: u32 = 1 << RIVALS.len();

/// Fits as `recipe` says, or as the samples do where it says `Auto`.
pub(super) fn fit(recipe: Recipe, strictness: f32, kept: Kept<'_>, work: Work<'_>) -> Fitted {
    let owners = &kept.owners[..work.similarities.len()];
    let mean_length = gram::mean_length(&kept, owners.len());
    nearest_mean::lengths(&kept, owners, work.norms);
    work.importance.fill(1.0);
    work.counts.fill(0);
    owners.iter().for_each(|&owner| work.counts[usize::from(owner)] += 1);
    let mut task = Task { kept, owners, mean_length, work };
    // What a full head chose to keep lies nearer to the mean of all that was shown than what comes.
    // With the mean of what is kept the bound errs to the side of the known.
    task.scaled(&Recipe::of(HeadKind::NearestMean), |k, _, s, w| nearest_mean::leave_one_out(k, false, s, w));
    let least_similarity =
        unknown::least_similarity(strictness, owners, task.work.held_out, task.work.similarities);
    let (recipe, fit) = match recipe.kind {
        HeadKind::Auto => task.choose(),
        _ => (recipe, task.solve(&recipe)),
    };
    let sharpness = calibrate::sharpness(&recipe, owners, task.work.held_out);
    Fitted { fit, recipe, mean_length: mean_length as f32, sharpness, least_similarity }
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
            HeadKind::Ridge => self.scaled(recipe, ridge::fit),
            HeadKind::Slda => self.scaled(recipe, slda::fit),
            HeadKind::Softmax | HeadKind::Auto => self.scaled(recipe, softmax::cross_validate),
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
    /// Ridge regression is what to expect. Another closed form replaces it where it is right on so
    /// many more of the held-out samples that chance does not do that ([`CLEAR`] standard deviations
    /// of McNemar's test, 1947). Where it gets few wrong, embeddings keep their lengths; where the
    /// classes are separate, or two, softmax regression is as good or better.
    fn choose(&mut self) -> (Recipe, Fit) {
        let (samples, classes) = (self.owners.len(), self.work.bias.len());
        self.work.columns[3 * samples..].fill(0.0);
        let usable = (0..samples).filter(|&i| has_others(self.owners, i)).count();
        if 2 * usable >= samples {
            for (bit, kind) in RIVALS.into_iter().enumerate() {
                if kind != HeadKind::Slda || samples <= FEW {
                    self.hold_out(&Recipe::of(kind));
                    self.mark(1 << bit);
                }
            }
        }
        let expected = Recipe::of(HeadKind::Ridge);
        let fit = self.solve(&expected);
        if 2 * usable < samples {
            return (expected, fit);
        }
        self.mark(EXPECTED);
        let best = (0..RIVALS.len()).max_by_key(|&bit| (self.lead(1 << bit, EXPECTED).0, RIVALS.len() - bit));
        if let Some(bit) = best.filter(|&bit| self.is_clear(1 << bit, EXPECTED)) {
            let recipe = Recipe::of(RIVALS[bit]);
            return (recipe, self.solve(&recipe));
        }
        let wrong = (usable - self.right(EXPECTED)) as f32;
        let share = (wrong - libm::sqrtf(wrong)) / usable as f32;
        if share > NEARLY {
            return (expected, fit);
        }
        let recipe = match classes {
            _ if samples * samples * classes > AFFORDABLE => WITH_LENGTHS,
            ..=2 => OF_TWO,
            _ if share <= SEPARATE => WIDE_MARGIN,
            _ => WITH_LENGTHS,
        };
        (recipe, self.solve(&recipe))
    }

    /// Samples that have the mark.
    fn right(&self, mark: u32) -> usize {
        self.marks().filter(|marks| marks & mark != 0).count()
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

    #[test]
    fn auto_takes_less_from_embeddings_the_fewer_are_wrong() {
        let mut separate = taught(HeadKind::Auto, 3, 12, 40, 0.3);
        assert_eq!(separate.chosen().unwrap(), WIDE_MARGIN);
        // Six of 42 in the wrong class.
        let mut nearly = separate;
        let mut noise = Noise(7);
        for class in [0, 1, 0, 1, 0, 1] {
            let values = cluster(&mut noise, 2, 40, 0.3);
            nearly.add_sample(nearly.class_at(class).unwrap(), Embedding::Float(&values)).unwrap();
        }
        assert_eq!(nearly.chosen().unwrap(), WITH_LENGTHS);
        let mut overlapping = taught(HeadKind::Auto, 3, 12, 40, 6.0);
        assert_eq!(overlapping.chosen().unwrap(), Recipe::of(HeadKind::Ridge));
        assert_eq!(taught(HeadKind::Auto, 2, 12, 40, 0.3).chosen().unwrap(), OF_TWO);
        assert_eq!(taught(HeadKind::Auto, 2, 40, 40, 40.0).chosen().unwrap(), Recipe::of(HeadKind::Ridge));
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
