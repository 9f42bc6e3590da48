//! Held-out results of a head's samples, to read and to show in a notebook.

use std::fmt::Write;

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray2};
use offshoot_core::head::Advice as CoreAdvice;
use pyo3::prelude::*;

/// Held-out results of a head's samples: every sample is classified by a head without it.
///
/// A notebook shows it as a table.
///
/// >>> import offshoot
/// >>> head = offshoot.Head(2, "ncm")
/// >>> _ = head.add_class("left"), head.add_class("up")
/// >>> head.add_samples("left", [[1, 0], [1, 0.1], [1, 0.2]])
/// >>> head.add_samples("up", [[0, 1], [0.1, 1], [0.2, 1]])
/// >>> report = head.report()
/// >>> report.right, report.asked, report.confusion.tolist()
/// (6, 6, [[3, 0], [0, 3]])
/// >>> print(report.advice[0])
/// `left` has 3 samples
#[pyclass(frozen, module = "offshoot", get_all)]
pub(crate) struct Report {
    /// Number of samples that were evaluated.
    asked: usize,
    /// Number of samples that were classified correctly.
    right: usize,
    /// Share of correct answers; ``None`` if no sample could be evaluated.
    accuracy: Option<f32>,
    /// Confidence interval of 95 % of the accuracy on new samples.
    interval: (f32, f32),
    /// Mean difference between confidence and accuracy; ``None`` if no sample could be evaluated.
    calibration_error: Option<f32>,
    /// Names of the classes.
    classes: Vec<String>,
    /// Held-out prediction of each sample and its probability; ``None`` where there is none.
    answers: Vec<Option<(String, f32)>>,
    /// Advice, most useful first.
    advice: Vec<Advice>,
    #[pyo3(name = "_counts")]
    counts: Vec<Vec<u32>>,
}

/// Advice to the user; ``str`` gives the sentence.
#[pyclass(frozen, module = "offshoot", get_all, eq, from_py_object)]
#[derive(Clone, PartialEq)]
pub(crate) struct Advice {
    /// Sort: ``"few-samples"``, ``"confused"``, ``"costly"``, ``"pessimistic"``, ``"uneven"``,
    /// ``"suspect"``.
    kind: &'static str,
    /// Names of the classes concerned.
    classes: Vec<String>,
    /// Index of the sample concerned, to remove it; ``None`` if there is none.
    sample: Option<usize>,
    /// Sentence.
    text: String,
}

#[pymethods]
impl Advice {
    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!("<Advice {}: {}>", self.kind, self.text)
    }
}

impl Advice {
    fn of(advice: CoreAdvice<'_>) -> Self {
        let (kind, classes, sample): (_, Vec<&str>, _) = match advice {
            CoreAdvice::FewSamples { class, .. } => ("few-samples", vec![class], None),
            CoreAdvice::Confused { first, second, .. } => ("confused", vec![first, second], None),
            CoreAdvice::Costly { class, mostly, .. } => ("costly", vec![class, mostly], None),
            CoreAdvice::Uneven { small, large, .. } => ("uneven", vec![small, large], None),
            CoreAdvice::Suspect { sample, class, looks_like, .. } => {
                ("suspect", vec![class, looks_like], Some(sample))
            }
            _ => ("pessimistic", Vec::new(), None),
        };
        let classes = classes.into_iter().map(str::to_string).collect();
        Self { kind, classes, sample, text: advice.to_string() }
    }
}

impl Report {
    pub fn of(head: &offshoot::Head, report: &offshoot::Report<'_>) -> Self {
        let ids: Vec<_> = head.classes().map(|(class, _)| class).collect();
        let row = |&own: &_| ids.iter().map(|&said| report.confusion(own, said) as u32).collect();
        let answers = (0..head.sample_count())
            .map(|sample| report.answer(sample).map(|(class, p)| (super::name_of(head, class), p)));
        Self {
            asked: report.asked(),
            right: report.right(),
            accuracy: report.accuracy(),
            interval: (report.interval().low, report.interval().high),
            calibration_error: report.calibration_error(),
            classes: head.classes().map(|(_, name)| name.to_string()).collect(),
            answers: answers.collect(),
            advice: report.advice().map(Advice::of).collect(),
            counts: ids.iter().map(row).collect(),
        }
    }
}

#[pymethods]
impl Report {
    /// Confusion matrix, uint32: rows are the classes, columns the predictions.
    #[getter]
    fn confusion<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<u32>>> {
        let side = self.classes.len();
        let flat: Vec<u32> = self.counts.iter().flatten().copied().collect();
        let matrix: Array2<u32> = crate::embedding::matrix(flat, (side, side))?;
        Ok(matrix.into_pyarray(py))
    }

    fn __str__(&self) -> String {
        let mut text = self.headline();
        for advice in &self.advice {
            text.push('\n');
            text.push_str(&advice.text);
        }
        text
    }

    fn __repr__(&self) -> String {
        format!("<Report {}>", self.headline())
    }

    fn _repr_html_(&self) -> String {
        let mut page = format!("<p>{}</p><table><tr><th></th>", html(&self.headline()));
        for name in &self.classes {
            let _ = write!(page, "<th scope=\"col\">{}</th>", html(name));
        }
        for (name, row) in self.classes.iter().zip(&self.counts) {
            let _ = write!(page, "</tr><tr><th scope=\"row\">{}</th>", html(name));
            for count in row {
                let _ = write!(page, "<td>{count}</td>");
            }
        }
        page.push_str("</tr></table><ul>");
        for advice in &self.advice {
            let _ = write!(page, "<li>{}</li>", html(&advice.text));
        }
        page.push_str("</ul>");
        page
    }
}

impl Report {
    fn headline(&self) -> String {
        let Some(accuracy) = self.accuracy else {
            return "no sample could be evaluated: classes need two each".into();
        };
        format!(
            "{} of {} held-out samples right ({:.0} %; 95 % interval {:.0} to {:.0} %)",
            self.right,
            self.asked,
            100.0 * accuracy,
            100.0 * self.interval.0,
            100.0 * self.interval.1
        )
    }
}

/// Text for a page.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
