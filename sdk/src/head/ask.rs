//! Questions to a head.

use offshoot_core::head::AskError;
use offshoot_core::{Embedding, head};

use super::Head;
use crate::{Answer, ClassId, Fit, Linear, PartErrors, Recipe, Report, Similarity};

/// Learning and answering. [`Head::fit`] learns what was taught and takes milliseconds; questions
/// come after it, by `&self`: threads may ask one head at the same time.
impl Head {
    /// Fits the head to its samples, unless nothing has changed since the last fit.
    ///
    /// The result depends on the samples and the settings only, not on earlier fits.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Ridge, &extractor, Limits { classes: 2, samples: 8 })?;
    /// # let (dark, light) = (head.add_class("dark")?, head.add_class("light")?);
    /// # for shade in [0, 20, 40, 60] {
    /// #     head.add_sample(dark, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;
    /// #     head.add_sample(light, extractor.embed(&Frame::rgb(8, 8, &[255 - shade; 192])?)?)?;
    /// # }
    /// assert!(!head.is_fitted());
    /// let fit = head.fit()?;
    /// assert!(head.is_fitted() && fit.gradient_norm.is_finite());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AskError::NothingTaught`] without samples.
    pub fn fit(&mut self) -> Result<Fit, AskError> {
        self.0.fit()
    }

    /// Returns true if the head can be asked: nothing has changed since the last fit.
    #[must_use]
    pub fn is_fitted(&self) -> bool {
        self.0.is_fitted()
    }

    /// Returns the recipe that the head is fitted with: for
    /// [`HeadKind::Auto`](crate::HeadKind::Auto) the one that counts most in its mean.
    ///
    /// # Errors
    /// [`AskError::NothingTaught`] without samples, [`AskError::NotFitted`] before [`Head::fit`].
    pub fn chosen(&self) -> Result<Recipe, AskError> {
        self.0.chosen()
    }

    /// Returns true if the answers depend on all values of an embedding, not on its last part
    /// alone: see [`Parts`](crate::Parts).
    ///
    /// # Errors
    /// Those of [`Head::chosen`].
    pub fn reads_all(&self) -> Result<bool, AskError> {
        self.0.reads_all()
    }

    /// Returns the held-out errors by which the parts were chosen; `None` if there was no choice, or
    /// too few samples for one.
    ///
    /// # Errors
    /// Those of [`Head::chosen`].
    pub fn part_errors(&self) -> Result<Option<PartErrors>, AskError> {
        self.0.part_errors()
    }

    /// Classifies an embedding: the class with its confidence, or `Unknown`.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Ridge, &extractor, Limits { classes: 2, samples: 8 })?;
    /// # let (dark, light) = (head.add_class("dark")?, head.add_class("light")?);
    /// # for shade in [0, 20, 40, 60] {
    /// #     head.add_sample(dark, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;
    /// #     head.add_sample(light, extractor.embed(&Frame::rgb(8, 8, &[255 - shade; 192])?)?)?;
    /// # }
    /// let camera = [230; 192];
    /// head.fit()?;
    /// let answer = head.classify(extractor.embed(&Frame::rgb(8, 8, &camera)?)?)?;
    /// assert_eq!(head.class_name(answer.class()), Some("light"));
    /// assert!(answer.confidence().get() > 0.5 && answer.margin() > 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AskError::NothingTaught`] without samples, [`AskError::NotFitted`] before [`Head::fit`];
    /// an embedding of another length, or with a value that is not finite.
    pub fn classify(&self, embedding: Embedding<'_>) -> Result<Answer, AskError> {
        self.0.classify(embedding)
    }

    /// [`Head::classify`] that also writes the probability of every class to the front of `out`.
    /// The rest to 1 is the probability of something unknown.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Ridge, &extractor, Limits { classes: 2, samples: 8 })?;
    /// # let (dark, light) = (head.add_class("dark")?, head.add_class("light")?);
    /// # for shade in [0, 20, 40, 60] {
    /// #     head.add_sample(dark, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;
    /// #     head.add_sample(light, extractor.embed(&Frame::rgb(8, 8, &[255 - shade; 192])?)?)?;
    /// # }
    /// let mut probabilities = vec![0.0; head.class_count()];
    /// let camera = [230; 192];
    /// head.fit()?;
    /// head.probabilities(extractor.embed(&Frame::rgb(8, 8, &camera)?)?, &mut probabilities)?;
    /// assert!(probabilities[light.index()] > probabilities[dark.index()]);
    /// assert!(probabilities.iter().sum::<f32>() < 1.0 + 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Head::classify`], and [`AskError::TooShort`] where `out` has fewer elements than
    /// there are classes.
    pub fn probabilities(
        &self,
        embedding: Embedding<'_>,
        out: &mut [f32],
    ) -> Result<Answer, AskError> {
        self.0.probabilities(embedding, out)
    }

    /// Returns the cosine similarity of an embedding with the nearest class mean, and the rejection
    /// threshold below which it is unknown (`None`: nothing is, or too little was taught). With several
    /// classes of more than five samples the threshold is another one for each embedding: it is higher
    /// where two classes are about as probable.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Ridge, &extractor, Limits { classes: 1, samples: 8 })?;
    /// # let grey = head.add_class("grey")?;
    /// # for shade in [100, 120] {
    /// #     head.add_sample(grey, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;
    /// # }
    /// let camera = [110; 192];
    /// head.fit()?;
    /// let (similarity, _) = head.similarity(extractor.embed(&Frame::rgb(8, 8, &camera)?)?)?;
    /// assert!(similarity.get() <= 1.0 + 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Head::classify`].
    pub fn similarity(
        &self,
        embedding: Embedding<'_>,
    ) -> Result<(Similarity, Option<Similarity>), AskError> {
        self.0.similarity(embedding)
    }

    /// Writes to the front of `out` the contribution of each dimension of an embedding to the log
    /// odds of `class` against `other`; returns the contribution of the bias. Their sum is the log
    /// odds.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Ridge, &extractor, Limits { classes: 2, samples: 8 })?;
    /// # let (dark, light) = (head.add_class("dark")?, head.add_class("light")?);
    /// # for shade in [0, 20, 40, 60] {
    /// #     head.add_sample(dark, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;
    /// #     head.add_sample(light, extractor.embed(&Frame::rgb(8, 8, &[255 - shade; 192])?)?)?;
    /// # }
    /// let camera = [230; 192];
    /// let embedding = extractor.embed(&Frame::rgb(8, 8, &camera)?)?;
    /// let mut parts = vec![0.0; embedding.len()];
    /// head.fit()?;
    /// let bias = head.contributions(embedding, light, dark, &mut parts)?;
    /// assert!(bias + parts.iter().sum::<f32>() > 0.0, "the log odds of `light` against `dark`");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Head::classify`]; a class that is absent or has no samples; an `out` shorter than
    /// the embedding; [`AskError::NotLinear`] of k-NN.
    pub fn contributions(
        &self,
        embedding: Embedding<'_>,
        class: ClassId,
        other: ClassId,
        out: &mut [f32],
    ) -> Result<f32, AskError> {
        self.0.contributions(embedding, class, other, out)
    }

    /// Returns the weights and biases of a linear head, to compute its logits elsewhere.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Ridge, &extractor, Limits { classes: 2, samples: 2 })?;
    /// # for (name, shade) in [("dark", 10), ("light", 240)] {
    /// #     let class = head.add_class(name)?;
    /// #     head.add_sample(class, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;
    /// # }
    /// head.fit()?;
    /// assert_eq!(head.linear()?.bias().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AskError::NothingTaught`] without samples, [`AskError::NotFitted`] before [`Head::fit`],
    /// [`AskError::NotLinear`] of k-NN.
    pub fn linear(&self) -> Result<Linear<'_>, AskError> {
        self.0.linear()
    }

    /// Returns the leave-one-out result of the samples: accuracy, confusions, advice.
    ///
    /// ```
    /// # use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
    /// # let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// # let mut head = Head::new(HeadKind::Ridge, &extractor, Limits { classes: 2, samples: 8 })?;
    /// # let (dark, light) = (head.add_class("dark")?, head.add_class("light")?);
    /// # for shade in [0, 20, 40, 60] {
    /// #     head.add_sample(dark, extractor.embed(&Frame::rgb(8, 8, &[shade; 192])?)?)?;
    /// #     head.add_sample(light, extractor.embed(&Frame::rgb(8, 8, &[255 - shade; 192])?)?)?;
    /// # }
    /// head.fit()?;
    /// let report = head.report()?;
    /// assert_eq!(report.asked(), 8);
    /// assert_eq!(report.right() + report.confusion(dark, light) + report.confusion(light, dark), 8);
    /// for advice in report.advice() {
    ///     println!("{advice:?}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AskError::NothingTaught`] without samples, [`AskError::NotFitted`] before [`Head::fit`].
    pub fn report(&self) -> Result<Report<'_>, AskError> {
        self.0.report()
    }

    /// Returns the settings: kind, transform and regularization.
    #[must_use]
    pub fn recipe(&self) -> Recipe {
        self.0.recipe()
    }

    /// Returns the inverse L2 regularization; see [`Recipe::inverse_l2`].
    #[must_use]
    pub fn inverse_l2(&self) -> f32 {
        self.0.inverse_l2()
    }

    /// Sets the inverse L2 regularization (scikit-learn's `C`); `auto`, class means and k-NN do not
    /// use it.
    ///
    /// ```
    /// # use offshoot::{Extractor, Head, HeadKind, Limits};
    /// # let extractor = Extractor::open("tests/tiny.offshoot")?;
    /// let mut head = Head::new(HeadKind::Softmax, &extractor, Limits { classes: 2, samples: 20 })?;
    /// head.set_inverse_l2(10.0)?;
    /// assert!(head.set_inverse_l2(-1.0).is_err());
    /// assert_eq!(head.inverse_l2(), 10.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A value outside [`MIN_INVERSE_L2`](head::MIN_INVERSE_L2) to
    /// [`MAX_INVERSE_L2`](head::MAX_INVERSE_L2); nothing is changed.
    pub fn set_inverse_l2(&mut self, inverse_l2: f32) -> Result<(), head::HeadError> {
        self.0.set_inverse_l2(inverse_l2)
    }

    /// Sets the transform of embeddings before they are learned; `auto` chooses its own.
    pub fn set_transform(&mut self, transform: crate::Transform) {
        self.0.set_transform(transform);
    }

    /// Returns the target false-rejection rate: the share of known samples that may be called
    /// unknown.
    #[must_use]
    pub fn false_rejection_rate(&self) -> f32 {
        self.0.false_rejection_rate()
    }

    /// Sets the target false-rejection rate; 0 turns unknown answers off.
    ///
    /// ```
    /// # use offshoot::{Extractor, Head, HeadKind, Limits};
    /// # let extractor = Extractor::open("tests/tiny.offshoot")?;
    /// let mut head = Head::new(HeadKind::Auto, &extractor, Limits { classes: 2, samples: 20 })?;
    /// head.set_false_rejection_rate(0.05)?;
    /// assert!(head.set_false_rejection_rate(0.9).is_err());
    /// assert_eq!(head.false_rejection_rate(), 0.05);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A rate outside 0 to [`MAX_FALSE_REJECTION_RATE`](head::MAX_FALSE_REJECTION_RATE); nothing is
    /// changed.
    pub fn set_false_rejection_rate(&mut self, rate: f32) -> Result<(), head::HeadError> {
        self.0.set_false_rejection_rate(rate)
    }
}
