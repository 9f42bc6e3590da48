//! Questions to a head.

use numpy::ndarray::{Array1, Array2};
use numpy::{IntoPyArray, PyArray1};
use offshoot::Similarity;
use pyo3::prelude::*;

use super::answer::Answer;
use super::report::Report;
use super::{ClassRef, Head, transform_name};
use crate::embedding::{Values, Vectors};
use crate::error::{Failure, Outcome};

/// Outcome of ``Head.fit``.
#[pyclass(frozen, module = "offshoot", get_all, eq)]
#[derive(PartialEq)]
pub(crate) struct Fit {
    /// Number of iterations of the solver; 0 for a closed form.
    iterations: u16,
    /// True if the solver reached the optimum.
    converged: bool,
    /// Norm of the remaining gradient.
    gradient_norm: f32,
}

#[pymethods]
impl Fit {
    fn __repr__(&self) -> String {
        let converged = if self.converged { "True" } else { "False" };
        format!("Fit(iterations={}, converged={converged})", self.iterations)
    }
}

/// Kind of head with all settings of its fit.
#[pyclass(frozen, module = "offshoot", get_all, eq)]
#[derive(PartialEq)]
pub(crate) struct Recipe {
    /// Algorithm.
    kind: &'static str,
    /// Transform of L2 norms.
    transform: &'static str,
    /// Inverse L2 regularization.
    inverse_l2: f32,
}

#[pymethods]
impl Recipe {
    fn __repr__(&self) -> String {
        format!("Recipe({}, {}, inverse_l2={})", self.kind, self.transform, self.inverse_l2)
    }
}

impl Recipe {
    fn of(recipe: offshoot::Recipe) -> Self {
        Self {
            kind: recipe.kind.name(),
            transform: transform_name(recipe.transform),
            inverse_l2: recipe.inverse_l2,
        }
    }
}

/// Numbers of a linear head, to compute its answers elsewhere.
///
/// The score of class ``c`` for the values ``x`` of an embedding from ``first`` on is
/// ``gain(norm(x)) * (weights[c] @ x) + bias[c]``, where ``gain(n)`` is
/// ``inverse_temperature * stretch(n / mean_length) / n``, and ``stretch(r)`` is ``r`` for the
/// transform ``"raw"``, ``r ** 0.5`` for ``"half"``, ``r ** 0.25`` for ``"quarter"`` and 1 for
/// ``"unit"``. Probabilities are the softmax of the scores, times the probability that the
/// embedding is known: the logistic function of ``known.slope * cosine + known.margin_slope *
/// min(margin, known.most_margin) + known.offset``, of the cosine of its last part with the nearest
/// class mean and of the difference of the two greatest scores.
#[pyclass(frozen, module = "offshoot")]
pub(crate) struct Linear {
    weights: Array2<f32>,
    first: usize,
    bias: Array1<f32>,
    transform: offshoot::Transform,
    mean_length: f32,
    inverse_temperature: f32,
    known: Option<KnownOdds>,
}

#[pymethods]
impl Linear {
    /// First value of an embedding that the head reads: above 0 if it reads the last part of several.
    #[getter]
    fn first(&self) -> usize {
        self.first
    }

    /// Weights, float32 of shape ``(classes, d - first)``.
    #[getter]
    fn weights<'py>(&self, py: Python<'py>) -> Bound<'py, numpy::PyArray2<f32>> {
        self.weights.clone().into_pyarray(py)
    }

    /// Calibrated bias of each class, float32; minus infinity for a class without samples.
    #[getter]
    fn bias<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        self.bias.clone().into_pyarray(py)
    }

    /// Mean L2 norm of the samples.
    #[getter]
    fn mean_length(&self) -> f32 {
        self.mean_length
    }

    /// Transform of L2 norms.
    #[getter]
    fn transform(&self) -> &'static str {
        transform_name(self.transform)
    }

    /// Factor of the scores from calibration.
    #[getter]
    fn inverse_temperature(&self) -> f32 {
        self.inverse_temperature
    }

    /// Log odds that an embedding is known; ``None``: nothing is rejected.
    #[getter]
    fn known(&self) -> Option<KnownOdds> {
        self.known.clone()
    }
}

/// Log odds that an embedding is known (``Linear.known``).
#[pyclass(frozen, get_all, module = "offshoot")]
#[derive(Clone)]
pub(crate) struct KnownOdds {
    /// Factor of the cosine with the nearest class mean.
    slope: f32,
    /// Offset.
    offset: f32,
    /// Factor of the margin between the two greatest scores; 0 with up to five samples a class.
    margin_slope: f32,
    /// Margin that greater ones count as.
    most_margin: f32,
    /// Log odds below which an embedding is unknown.
    least: f32,
}

/// Embeddings in order, and whether the caller passed several.
struct Asked {
    rows: Vec<Values>,
    several: bool,
}

impl Asked {
    fn of(object: &Bound<'_, PyAny>) -> Outcome<Self> {
        Ok(match Vectors::of(object)? {
            Vectors::One(values) => Self { rows: vec![values], several: false },
            Vectors::Many(rows) => Self { rows, several: true },
        })
    }

    fn one(object: &Bound<'_, PyAny>) -> Outcome<Values> {
        match Vectors::of(object)? {
            Vectors::One(values) => Ok(values),
            Vectors::Many(_) => {
                Err(Failure::Input("one embedding is wanted here, not several".into()))
            }
        }
    }
}

#[pymethods]
impl Head {
    /// Fits the head to its samples, unless nothing has changed since the last fit.
    ///
    /// Raises ``HeadError`` without samples.
    fn fit(&self, py: Python<'_>) -> Outcome<Fit> {
        let fit = self.with(py, offshoot::Head::fit)?;
        let offshoot::Fit { iterations, converged, gradient_norm, .. } = fit;
        Ok(Fit { iterations, converged, gradient_norm })
    }

    /// True if nothing has changed since the last fit.
    #[getter]
    fn is_fitted(&self, py: Python<'_>) -> bool {
        self.with(py, |head| head.is_fitted())
    }

    /// Settings: kind, transform and regularization.
    #[getter]
    fn recipe(&self, py: Python<'_>) -> Recipe {
        Recipe::of(self.with(py, |head| head.recipe()))
    }

    /// Returns the confidence from which a class may be said, so that samples of ``background`` are
    /// said to be one of the others once in ``windows``; ``None`` with too few of them.
    fn wake_threshold(
        &self,
        py: Python<'_>,
        background: ClassRef,
        windows: f32,
    ) -> Outcome<Option<f32>> {
        self.fitted(py, |head| Ok(head.wake_threshold(background.find(head)?, windows)?))
    }

    /// Returns the share of a class's samples that are said to be of it with this confidence, each
    /// held out; ``None`` for fewer than two.
    fn recall(&self, py: Python<'_>, class_: ClassRef, threshold: f32) -> Outcome<Option<f32>> {
        self.fitted(py, |head| Ok(head.recall(class_.find(head)?, threshold)?))
    }

    /// Returns the recipe that the head is fitted with: of ``auto`` the one that counts most in its
    /// mean.
    fn chosen(&self, py: Python<'_>) -> Outcome<Recipe> {
        self.fitted(py, |head| Ok(Recipe::of(head.chosen()?)))
    }

    /// Classifies an embedding: an ``Answer``; a list of them for several embeddings.
    ///
    /// Raises ``HeadError`` without samples, or for an embedding of another length or with a value
    /// that is not finite.
    fn classify<'py>(&self, embedding: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyAny>> {
        let py = embedding.py();
        let asked = Asked::of(embedding)?;
        let mut answers = self.fitted(py, |head| {
            let answer = |row: &Values| Ok(Answer::of(head, head.classify(row.borrowed())?));
            asked.rows.iter().map(answer).collect::<Outcome<Vec<_>>>()
        })?;
        match answers.pop() {
            Some(answer) if !asked.several => Ok(Bound::new(py, answer)?.into_any()),
            last => {
                answers.extend(last);
                Ok(answers.into_pyobject(py)?.into_any())
            }
        }
    }

    /// Returns the probability of every class, float32: ``(classes,)``, or ``(n, classes)`` for
    /// several embeddings. The rest to 1 is the probability of something unknown.
    fn probabilities<'py>(&self, embedding: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyAny>> {
        let py = embedding.py();
        let asked = Asked::of(embedding)?;
        let (all, classes) = self.fitted(py, |head| {
            let classes = head.class_count();
            let mut all = vec![0.0; classes * asked.rows.len()];
            for (row, out) in asked.rows.iter().zip(all.chunks_exact_mut(classes)) {
                head.probabilities(row.borrowed(), out)?;
            }
            Ok((all, classes))
        })?;
        if !asked.several {
            return Ok(all.into_pyarray(py).into_any());
        }
        Ok(crate::embedding::matrix(all, (asked.rows.len(), classes))?.into_pyarray(py).into_any())
    }

    /// Returns the cosine similarity with the nearest class mean, and the threshold below which an
    /// embedding is unknown (``None``: nothing is, or too little was taught). With several classes of
    /// more than five samples the threshold is another one for each embedding.
    fn similarity(&self, embedding: &Bound<'_, PyAny>) -> Outcome<(f32, Option<f32>)> {
        let values = Asked::one(embedding)?;
        self.fitted(embedding.py(), |head| {
            let (similarity, threshold) = head.similarity(values.borrowed())?;
            Ok((similarity.get(), threshold.map(Similarity::get)))
        })
    }

    /// Returns the contribution of each dimension of an embedding to the log odds of ``class_``
    /// against ``other``, float32, and that of the bias; together they are the log odds.
    ///
    /// Raises ``HeadError`` for a class without samples, and for k-NN.
    fn contributions<'py>(
        &self,
        embedding: &Bound<'py, PyAny>,
        class_: ClassRef,
        other: ClassRef,
    ) -> Outcome<(Bound<'py, PyArray1<f32>>, f32)> {
        let values = Asked::one(embedding)?;
        let (parts, bias) = self.fitted(embedding.py(), |head| {
            let mut parts = vec![0.0; head.dim()];
            let class = class_.find(head)?;
            let other = other.find(head)?;
            let bias = head.contributions(values.borrowed(), class, other, &mut parts)?;
            Ok((parts, bias))
        })?;
        Ok((parts.into_pyarray(embedding.py()), bias))
    }

    /// Returns the weights and biases of a linear head.
    ///
    /// Raises ``HeadError`` without samples, and for k-NN.
    fn linear(&self, py: Python<'_>) -> Outcome<Linear> {
        self.fitted(py, |head| {
            let linear = head.linear()?;
            let shape = (head.class_count(), head.dim() - linear.first);
            Ok(Linear {
                weights: crate::embedding::matrix(linear.weights.to_vec(), shape)?,
                first: linear.first,
                bias: linear.bias().collect(),
                transform: linear.transform,
                mean_length: linear.mean_length,
                inverse_temperature: linear.inverse_temperature,
                known: linear.known.map(|odds| KnownOdds {
                    slope: odds.slope,
                    offset: odds.offset,
                    margin_slope: odds.margin_slope,
                    most_margin: odds.most_margin,
                    least: odds.least,
                }),
            })
        })
    }

    /// Returns ``True`` if the answers depend on all values of an embedding, ``False`` if on the last
    /// of its parts alone (``convert(parts=...)``).
    ///
    /// Raises ``HeadError`` without samples.
    fn reads_all(&self, py: Python<'_>) -> Outcome<bool> {
        self.fitted(py, |head| Ok(head.reads_all()?))
    }

    /// Returns the errors by which the parts were chosen: the mean squared held-out error on the last
    /// part, that on all values, and the statistic of a paired t-test. ``None`` if there was no
    /// choice, or too few samples for one.
    ///
    /// Raises ``HeadError`` without samples.
    fn part_errors(&self, py: Python<'_>) -> Outcome<Option<(f32, f32, f32)>> {
        self.fitted(py, |head| {
            Ok(head.part_errors()?.map(|found| (found.last, found.all, found.t)))
        })
    }

    /// Returns the held-out results of the samples: accuracy, confusions, advice.
    fn report(&self, py: Python<'_>) -> Outcome<Report> {
        self.fitted(py, |head| Ok(Report::of(head, &head.report()?)))
    }
}

impl Head {
    /// Calls `work` with the head fitted.
    fn fitted<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&offshoot::Head) -> Outcome<T> + Send,
    ) -> Outcome<T> {
        self.with(py, |head| {
            head.fit()?;
            work(head)
        })
    }
}
