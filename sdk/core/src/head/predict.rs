//! Inference with a head.

mod activation;
pub(super) mod answer;
pub(super) mod linear;
mod part_choice;
pub(super) mod query;

use query::Query;

use super::error::AskError;
use super::fit::knn;
use super::fit::margin::margin;
use super::linalg::vector;
use super::storage::views::{Kept, Solved, View, Work};
use super::storage::{MAX_CLASSES, Memory};
use super::{
    Answer, ClassId, Fit, Fitted, Head, HeadKind, Probability, Recipe, Report, Similarity, fit,
};
use crate::embedding::Embedding;

/// Number of classes up to which the scores of an answer take 256 bytes of stack, not 4 KiB.
const FEW_CLASSES: usize = 64;

/// Fitting and classification: [`Head::fit`] after a change of samples or settings, then questions.
impl<M: Memory> Head<M> {
    /// Fits the head to its samples, unless nothing has changed since the last fit.
    ///
    /// The result depends on the samples and the settings only, not on earlier fits. The time is
    /// cubic in the lesser of samples and dimensions, but for class means and k-NN.
    ///
    /// # Errors
    ///
    /// [`AskError::NothingTaught`] without samples.
    pub fn fit(&mut self) -> Result<Fit, AskError> {
        if let Some(fitted) = self.fitted {
            return Ok(fitted.fit);
        }
        if self.samples == 0 {
            return Err(AskError::NothingTaught);
        }
        let choice = self.choose();
        let recipe = self.recipe;
        let false_rejection_rate = self.false_rejection_rate;
        let (kept, work) = self.view(View::Last);
        let border = fit::border(false_rejection_rate, kept, work);
        let (kept, work) = self.view(choice.view);
        let rejection = fit::Rejection { border, false_rejection_rate };
        let fitted = fit::fit(recipe, choice, rejection, kept, work);
        self.fitted = Some(fitted);
        Ok(fitted.fit)
    }

    /// Returns true if the head can be asked: it is fitted to its samples as they are.
    pub fn is_fitted(&self) -> bool {
        self.fitted.is_some()
    }

    /// Returns the recipe of the fit: for [`HeadKind::Auto`] the chosen one, or the one with the
    /// greatest weight in the average.
    ///
    /// # Errors
    ///
    /// [`AskError::NothingTaught`] without samples, [`AskError::NotFitted`] before [`Head::fit`].
    pub fn chosen(&self) -> Result<Recipe, AskError> {
        Ok(self.fitted()?.recipe)
    }

    /// Returns the evaluation of the head on its held-out samples, which the fit has made.
    ///
    /// # Errors
    ///
    /// [`AskError::NothingTaught`] without samples, [`AskError::NotFitted`] before [`Head::fit`].
    pub fn report(&self) -> Result<Report<'_>, AskError> {
        let fitted = self.fitted()?;
        Ok(Report::new(self.kept(), self.solved(&fitted), fitted.tally, fitted.inverse_temperature))
    }

    /// Returns the training data and the data computed from it, restricted to a view and to the
    /// existing samples.
    pub(super) fn view(&mut self, view: View) -> (Kept<'_>, Work<'_>) {
        let (kept, mut work) = self.layout.split_view(self.memory.words_mut(), view);
        work.keep(self.classes, self.samples, kept.dim());
        (kept, work)
    }

    /// Returns the data computed by a fit, restricted to the existing samples.
    pub(super) fn solved(&self, fitted: &Fitted) -> Solved<'_> {
        let mut solved = self.layout.solved(self.memory.words());
        solved.keep(self.classes, self.samples, self.layout.dim_of(fitted.choice.view));
        solved
    }

    pub(super) fn fitted(&self) -> Result<Fitted, AskError> {
        match self.fitted {
            Some(fitted) => Ok(fitted),
            None if self.samples == 0 => Err(AskError::NothingTaught),
            None => Err(AskError::NotFitted),
        }
    }

    /// Checks an embedding, and restricts it to what the fit reads.
    fn query<'q>(&self, embedding: Embedding<'q>) -> Result<(Query<'q>, Fitted), AskError> {
        let fitted = self.checked(embedding)?;
        let dim = self.layout.dim_of(fitted.choice.view);
        Ok((Query::new(embedding.last(dim)), fitted))
    }

    /// Checks an embedding; returns the last fit.
    fn checked(&self, embedding: Embedding<'_>) -> Result<Fitted, AskError> {
        let found = embedding.len();
        let needed = self.layout.dim;
        if found != needed {
            return Err(AskError::WrongLength { found, needed });
        }
        if let Some(index) = embedding.first_non_finite() {
            return Err(AskError::NotFinite { index });
        }
        self.fitted()
    }

    /// Classifies `embedding`.
    ///
    /// Takes a product with every class, two unless [`Head::set_false_rejection_rate`] turned
    /// unknown answers off; k-NN one with every sample. Of an embedding of several parts the last
    /// one decides that it is unknown, whatever the class depends on. Stack: 256 bytes for up to 64 classes, 4
    /// KiB for more.
    ///
    /// # Errors
    ///
    /// [`AskError`] if the head has no samples or is not fitted to them, or for an embedding of
    /// another dimension or with a value that is not finite.
    pub fn classify(&self, embedding: Embedding<'_>) -> Result<Answer, AskError> {
        let fitted = self.checked(embedding)?;
        if self.classes > FEW_CLASSES {
            return Ok(self.answer_of_many(embedding, &fitted));
        }
        let mut scores = [0.0; FEW_CLASSES];
        Ok(self.answer(embedding, &fitted, &mut scores[..self.classes]))
    }

    #[inline(never)]
    fn answer_of_many(&self, embedding: Embedding<'_>, fitted: &Fitted) -> Answer {
        let mut scores = [0.0; MAX_CLASSES as usize];
        self.answer(embedding, fitted, &mut scores[..self.classes])
    }

    /// Computes the answer and, in `scores`, the probability of every class.
    #[inline(never)]
    fn answer(&self, embedding: Embedding<'_>, fitted: &Fitted, scores: &mut [f32]) -> Answer {
        let query = Query::new(embedding.last(self.layout.dim_of(fitted.choice.view)));
        let kept = self.kept().view(fitted.choice.view);
        let solved = self.solved(fitted);
        if fitted.recipe.kind == HeadKind::Knn {
            let owners = kept.owners[..self.samples].iter().enumerate();
            knn::scores(owners.map(|(i, &owner)| (query.cosine(&kept, i), owner)), scores);
        } else {
            for (score, linear) in scores.iter_mut().zip(linear_scores(&query, fitted, &solved)) {
                *score = linear;
            }
        }
        scores.iter_mut().for_each(|score| *score *= fitted.inverse_temperature);
        let margin = margin(scores.iter().copied());
        vector::softmax(scores);
        let Some(least) = fitted.border.least(margin) else { return best(scores) };
        let (nearest, score) = match self.layout.dim_of(fitted.choice.view) > self.layout.last {
            true => self.nearest(&Query::new(embedding.last(self.layout.last)), solved.norms),
            false => self.nearest(&query, solved.norms),
        };
        let known = fitted.border.known(score.0, margin);
        scores.iter_mut().for_each(|score| *score *= known);
        if score < least {
            return Answer::Unknown { nearest, score };
        }
        best(scores)
    }

    /// Classifies like [`Head::classify`] and also writes the probability of every class to the
    /// front of `out`. The difference between their sum and 1 is the probability that it is none of
    /// them; 0 with a target false-rejection rate of 0.
    ///
    /// # Errors
    ///
    /// Those of [`Head::classify`]; [`AskError`] if `out` is shorter than the number of classes.
    pub fn probabilities(
        &self,
        embedding: Embedding<'_>,
        out: &mut [f32],
    ) -> Result<Answer, AskError> {
        let found = out.len();
        let needed = self.classes;
        let out = out.get_mut(..needed).ok_or(AskError::TooShort { found, needed })?;
        let fitted = self.checked(embedding)?;
        Ok(self.answer(embedding, &fitted, out))
    }

    /// Returns the similarity of `embedding` (of its last part, if it has several) with the nearest
    /// class mean, for any target false-rejection rate, and the similarity below which it is unknown
    /// (`None`: nothing is, or there are too few samples). With more than five samples a class the
    /// latter depends on the embedding: it is higher where two classes are about as probable
    /// ([`KnownOdds`](crate::head::KnownOdds)), -1 to 1.
    ///
    /// # Errors
    ///
    /// Those of [`Head::classify`].
    pub fn similarity(
        &self,
        embedding: Embedding<'_>,
    ) -> Result<(Similarity, Option<Similarity>), AskError> {
        let fitted = self.checked(embedding)?;
        let solved = self.solved(&fitted);
        let query = Query::new(embedding.last(self.layout.last));
        let (_, score) = self.nearest(&query, solved.norms);
        let mut between = 0.0;
        if fitted.border.reads_margin() {
            let query = Query::new(embedding.last(self.layout.dim_of(fitted.choice.view)));
            let scores = linear_scores(&query, &fitted, &solved);
            between = margin(scores.map(|score| score * fitted.inverse_temperature));
        }
        let least = fitted.border.least(between);
        Ok((score, least.map(|least| Similarity(least.0.clamp(-1.0, 1.0)))))
    }

    /// Returns the class whose mean is nearest by angle, of the last part of embeddings.
    fn nearest(&self, query: &Query<'_>, norms: &[f32]) -> (ClassId, Similarity) {
        nearest_mean(query, &self.kept().view(View::Last), norms)
    }

    /// Writes the contribution of each dimension of `embedding` to the log odds of `class` against
    /// `other` to the front of `out`, 0 for dimensions that the head does not read; returns the
    /// contribution of the bias. Their sum is the log odds.
    ///
    /// # Errors
    ///
    /// Those of [`Head::classify`]; [`AskError`] for classes that do not exist or have no samples,
    /// an `out` shorter than the embedding, or a head that is not linear ([`HeadKind::is_linear`]).
    pub fn contributions(
        &self,
        embedding: Embedding<'_>,
        class: ClassId,
        other: ClassId,
        out: &mut [f32],
    ) -> Result<f32, AskError> {
        let (query, fitted) = self.query(embedding)?;
        if !fitted.recipe.kind.is_linear() {
            return Err(AskError::NotLinear);
        }
        let found = out.len();
        let dim = self.layout.dim;
        let out = out.get_mut(..dim).ok_or(AskError::TooShort { found, needed: dim })?;
        let solved = self.solved(&fitted);
        let bias = taught_bias(solved.bias, class)? - taught_bias(solved.bias, other)?;
        let factor =
            fitted.inverse_temperature * query.factor(fitted.recipe.transform, fitted.mean_length);
        let (unread, out) = out.split_at_mut(dim - self.layout.dim_of(fitted.choice.view));
        unread.fill(0.0);
        let dim = out.len();
        let own = &solved.weights[class.index() * dim..][..dim];
        let others = &solved.weights[other.index() * dim..][..dim];
        for (index, out) in out.iter_mut().enumerate() {
            *out = factor * query.value(index) * (own[index] - others[index]);
        }
        Ok(fitted.inverse_temperature * bias)
    }
}

/// Computes the scores of a linear head, before calibration.
fn linear_scores(
    query: &Query<'_>,
    fitted: &Fitted,
    solved: &Solved<'_>,
) -> impl Iterator<Item = f32> {
    let factor = query.factor(fitted.recipe.transform, fitted.mean_length);
    let dim = solved.weights.len() / solved.bias.len().max(1);
    let rows = solved.weights.chunks_exact(dim.max(1)).zip(solved.bias);
    rows.map(move |(weights, bias)| factor * query.dot(weights) + bias)
}

/// Returns the bias of a class that exists and has samples.
fn taught_bias(biases: &[f32], class: ClassId) -> Result<f32, AskError> {
    let bias = biases.get(class.index()).copied().filter(|bias| bias.is_finite());
    bias.ok_or(AskError::NoSuchClass { class: class.index() })
}

/// Returns the class whose mean is nearest by angle.
fn nearest_mean(query: &Query<'_>, kept: &Kept<'_>, norms: &[f32]) -> (ClassId, Similarity) {
    let mut best = (ClassId(0), Similarity(f32::NEG_INFINITY));
    for (class, &norm) in norms.iter().enumerate() {
        // Negative for a class without samples.
        let score = if norm < 0.0 { -1.0 } else { query.cosine_with_mean(kept.sum(class), norm) };
        if score > best.1.0 {
            best = (ClassId(class as u16), Similarity(score));
        }
    }
    best
}

/// Returns the most probable class.
fn best(probabilities: &[f32]) -> Answer {
    let mut class = 0;
    let mut first = 0.0;
    let mut second = 0.0;
    for (index, &p) in probabilities.iter().enumerate() {
        if p > first {
            (class, first, second) = (index, p, first);
        } else if p > second {
            second = p;
        }
    }
    Answer::Known {
        class: ClassId(class as u16),
        confidence: Probability(first),
        margin: first - second,
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::head::Limits;
    use crate::head::testing::{Noise, cluster, empty, fingerprint, taught};
    use crate::quant::{Quant, Scale};

    #[test]
    fn clusters_are_told_apart() {
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 4, 5, 40, 0.6);
            assert_eq!(head.chosen().unwrap_err(), AskError::NotFitted);
            assert!(!head.is_fitted() && head.fit().is_ok() && head.is_fitted());
            let mut noise = Noise(3);
            for class in (0..4).flat_map(|class| [class; 50]) {
                let values = cluster(&mut noise, class, 40, 0.6);
                let answer = head.classify(Embedding::Float(&values)).unwrap();
                assert_eq!(answer.class().index(), class, "{kind}");
                assert!(
                    answer.confidence().get() > 0.3 && answer.margin() > 0.0,
                    "{kind} {answer:?}"
                );
            }
        }
    }

    /// Reference values for every processor: CI runs this on two.
    #[test]
    fn answers_have_the_same_bits_everywhere() {
        let digest = |kind| {
            let bits = fingerprint(&mut taught(kind, 5, 7, 101, 1.0));
            crate::checksum::hash(bytemuck::cast_slice(&bits))
        };
        let digests = HeadKind::ALL.map(digest);
        assert_eq!(
            digests,
            [
                3_734_968_004,
                1_851_602_683,
                2_808_970_471,
                1_589_680_731,
                3_772_523_364,
                2_188_467_564
            ]
        );
    }

    #[test]
    fn probabilities_sum_to_one_and_agree_with_the_answer() {
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 3, 4, 20, 1.0);
            let empty = head.add_class("empty").unwrap();
            head.fit().unwrap();
            let values = cluster(&mut Noise(4), 1, 20, 1.0);
            let mut out = [9.0; 5];
            let answer = head.probabilities(Embedding::Float(&values), &mut out).unwrap();
            assert!((out[..4].iter().sum::<f32>() - 1.0).abs() < 1e-6);
            assert_eq!((out[empty.index()], out[4]), (0.0, 9.0), "an empty class is no answer");
            let mut sorted = out[..4].to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(
                (answer.confidence().get(), answer.margin()),
                (sorted[0], sorted[0] - sorted[1])
            );
            assert_eq!(out[answer.class().index()], sorted[0]);
            let short = head.probabilities(Embedding::Float(&values), &mut out[..3]);
            assert_eq!(short, Err(AskError::TooShort { found: 3, needed: 4 }));
        }
    }

    #[test]
    fn one_class_is_certain() {
        for kind in HeadKind::ALL {
            let mut head = empty(kind, 3, Limits { classes: 2, samples: 2 });
            let query = Embedding::Float(&[0.0, 2.0, 1.0]);
            assert_eq!(head.classify(query), Err(AskError::NothingTaught));
            let only = head.add_class("only").unwrap();
            head.add_class("other").unwrap();
            assert_eq!(head.fit(), Err(AskError::NothingTaught));
            head.add_sample(only, Embedding::Float(&[1.0, 0.0, 0.0])).unwrap();
            head.fit().unwrap();
            let answer = head.classify(query).unwrap();
            assert_eq!(
                (answer.class(), answer.confidence().get(), answer.margin()),
                (only, 1.0, 1.0)
            );
        }
    }

    #[test]
    fn bad_questions_are_refused() {
        let mut head = taught(HeadKind::Softmax, 2, 2, 3, 0.5);
        let before = fingerprint(&mut head);
        let refused = |head: &mut crate::head::testing::TestHead, values: &[f32]| {
            head.classify(Embedding::Float(values)).unwrap_err()
        };
        assert_eq!(refused(&mut head, &[1.0]), AskError::WrongLength { found: 1, needed: 3 });
        let infinite = [0.0, f32::NEG_INFINITY, f32::NAN];
        assert_eq!(refused(&mut head, &infinite), AskError::NotFinite { index: 1 });
        assert_eq!(fingerprint(&mut head), before);
    }

    #[test]
    fn codes_and_floats_of_the_same_values_get_the_same_answer() {
        let quant = Quant { scale: Scale::new(0.02).unwrap(), zero_point: -128 };
        for kind in HeadKind::ALL {
            let mut head = taught(kind, 3, 5, 37, 0.6);
            head.fit().unwrap();
            for class in 0..3 {
                let values = cluster(&mut Noise(5), class, 37, 0.6);
                let codes: Vec<i8> = values.iter().map(|&x| quant.quantize(x)).collect();
                let codes = Embedding::Int8 { codes: &codes, quant };
                let floats: Vec<f32> = codes.iter().collect();
                let mut a = [0.0; 3];
                let mut b = [0.0; 3];
                head.probabilities(codes, &mut a).unwrap();
                head.probabilities(Embedding::Float(&floats), &mut b).unwrap();
                assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
            }
        }
    }

    /// Invalid training data must give finite answers; more cannot be asked of it.
    #[test]
    fn hostile_features_give_finite_answers() {
        let huge = f32::MAX;
        let tiny = f32::MIN_POSITIVE / 4.0;
        let cases: [[[f32; 3]; 4]; 8] = [
            [[0.0; 3]; 4],
            [[1.0; 3]; 4],
            [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [-1.0, 5.0, 0.0]],
            [[huge; 3], [-huge; 3], [huge, -huge, 0.0], [0.0; 3]],
            [[tiny; 3], [0.0, tiny, 0.0], [-tiny; 3], [0.0; 3]],
            [[huge; 3], [1.0; 3], [tiny; 3], [-1.0, 0.0, huge]],
            [[1e-12, 0.0, 0.0], [0.0, 1e-12, 0.0], [1e12, 0.0, 0.0], [0.0, 1e12, 0.0]],
            [[0.0; 3], [0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        ];
        for (kind, case) in HeadKind::ALL.into_iter().flat_map(|k| cases.map(|case| (k, case))) {
            let mut head = empty(kind, 3, Limits { classes: 2, samples: 4 });
            let classes = ["a", "b"].map(|name| head.add_class(name).unwrap());
            for (i, values) in case.iter().enumerate() {
                head.add_sample(classes[i % 2], Embedding::Float(values)).unwrap();
            }
            for inverse_l2 in [1e-3, 10.0, 1e3] {
                head.set_inverse_l2(inverse_l2).unwrap();
                let fit = head.fit().unwrap();
                assert!(fit.gradient_norm.is_finite(), "{kind} {case:?} {fit:?}");
                let linear = head.chosen().unwrap().kind.is_linear();
                let (_, work) = head.layout.split(&mut *head.memory);
                assert!(
                    !linear || work.weights.iter().chain(&*work.bias).all(|w| w.is_finite()),
                    "{case:?}"
                );
                for values in case.iter().chain(&[[huge; 3], [tiny; 3], [0.0, -1.0, huge]]) {
                    let mut p = [0.0; 2];
                    head.probabilities(Embedding::Float(values), &mut p).unwrap();
                    assert!((p[0] + p[1] - 1.0).abs() < 1e-5, "{kind} {case:?} {values:?} {p:?}");
                }
            }
        }
    }
}
