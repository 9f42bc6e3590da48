//! Answers in JSON that the service and a running device have in common.

use std::collections::BTreeMap;

use offshoot::{ClassId, Extractor, Head};
use serde::Serialize;

use crate::refusal::Refusal;

/// Description of the package and the classes.
#[derive(Debug, Serialize)]
pub struct About {
    version: &'static str,
    package: String,
    dim: usize,
    takes: &'static str,
    kind: &'static str,
    classes: BTreeMap<String, usize>,
}

impl About {
    /// Describes an extractor and its head.
    pub fn of(extractor: &Extractor, head: &Head) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            package: extractor.id().to_string(),
            dim: extractor.embedding_dim(),
            takes: if extractor.token_limit().is_some() { "tokens" } else { "images" },
            kind: head.kind().name(),
            classes: samples(head),
        }
    }
}

/// Answer to a change.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Class that changed; `None` if all did.
    pub class: Option<String>,
    /// Number of training samples per class.
    pub samples: BTreeMap<String, usize>,
}

/// Evaluation on held-out samples.
#[derive(Debug, Serialize)]
pub struct Reported {
    accuracy: Option<f32>,
    /// 95 % confidence interval of the accuracy.
    interval: Option<[f32; 2]>,
    right: usize,
    asked: usize,
    classes: Vec<ClassReport>,
    advice: Vec<String>,
}

/// Held-out answers of one class.
#[derive(Debug, Serialize)]
struct ClassReport {
    name: String,
    samples: usize,
    /// Number of its samples that were taken for each class.
    taken_for: BTreeMap<String, usize>,
}

impl Reported {
    /// Evaluates a head, after a fit if it needs one.
    ///
    /// # Errors
    ///
    /// A head that nothing was taught.
    pub fn of(head: &mut Head) -> Result<Self, Refusal> {
        head.fit()?;
        let report = head.report()?;
        let interval = report.interval();
        let classes: Vec<(ClassId, &str)> = head.classes().collect();
        let rows = classes.iter().map(|(own, name)| ClassReport {
            name: (*name).to_string(),
            samples: head.samples_of(*own),
            taken_for: classes
                .iter()
                .map(|(said, name)| ((*name).to_string(), report.confusion(*own, *said)))
                .collect(),
        });
        Ok(Self {
            accuracy: report.accuracy(),
            interval: report.accuracy().map(|_| [interval.low, interval.high]),
            right: report.right(),
            asked: report.asked(),
            classes: rows.collect(),
            advice: report.advice().map(|advice| advice.to_string()).collect(),
        })
    }
}

/// Number of training samples per class.
pub fn samples(head: &Head) -> BTreeMap<String, usize> {
    head.classes().map(|(id, name)| (name.to_string(), head.samples_of(id))).collect()
}
