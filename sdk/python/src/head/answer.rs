//! Answers of a head.

use pyo3::prelude::*;

/// Answer of a head to one embedding.
///
/// >>> import offshoot
/// >>> head = offshoot.Head(2, "ncm")
/// >>> _ = head.add_class("left"), head.add_class("up")
/// >>> head.add_samples("left", [[1, 0], [1, 0.1]])
/// >>> head.add_samples("up", [[0, 1], [0.1, 1]])
/// >>> answer = head.classify([1, 0.05])
/// >>> answer.known, answer.name, answer.class_id, answer.confidence > 0.5
/// (True, 'left', 0, True)
#[pyclass(frozen, module = "offshoot", get_all, eq)]
#[derive(Clone, PartialEq)]
pub(crate) struct Answer {
    /// True if the embedding is of a class; false if it is unlike all samples.
    known: bool,
    /// Name of the class; ``None`` if unknown.
    name: Option<String>,
    /// Number of the class; ``None`` if unknown.
    class_id: Option<usize>,
    /// Name of the class, or of the nearest one.
    nearest: String,
    /// Number of the class, or of the nearest one.
    nearest_id: usize,
    /// Probability of the class, calibrated on held-out samples; 0 if unknown.
    confidence: f32,
    /// Difference to the probability of the next class; 0 if unknown.
    margin: f32,
    /// Cosine similarity with the nearest class mean if unknown, else ``None``.
    score: Option<f32>,
}

impl Answer {
    pub fn of(head: &offshoot::Head, answer: offshoot::Answer) -> Self {
        let nearest = head.class_name(answer.class()).unwrap_or_default().to_string();
        let known = answer.known().is_some();
        let score = match answer {
            offshoot::Answer::Unknown { score, .. } => Some(score.get()),
            _ => None,
        };
        Self {
            known,
            name: known.then(|| nearest.clone()),
            class_id: answer.known().map(offshoot::ClassId::index),
            nearest,
            nearest_id: answer.class().index(),
            confidence: answer.confidence().get(),
            margin: answer.margin(),
            score,
        }
    }
}

#[pymethods]
impl Answer {
    fn __repr__(&self) -> String {
        match &self.score {
            None => format!("<Answer {}, {:.0} %>", self.nearest, 100.0 * self.confidence),
            Some(score) => {
                format!("<Answer unknown, nearest {} at cosine {score:.2}>", self.nearest)
            }
        }
    }
}
