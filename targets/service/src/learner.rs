//! Extractor and head behind the service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use offshoot::{ClassId, Error, Extractor, Head};
use offshoot_http::StatusCode;
use serde::Serialize;

use crate::Options;
use crate::input::Input;
use crate::refusal::Refusal;

/// Description of the service.
#[derive(Debug, Serialize)]
pub struct About {
    version: &'static str,
    package: String,
    dim: usize,
    takes: &'static str,
    kind: &'static str,
    classes: BTreeMap<String, usize>,
}

/// Answer to `/classify`.
#[derive(Debug, Serialize)]
pub struct Classified {
    /// Recognized class; `None` if the input is unknown.
    pub class: Option<String>,
    /// Probability that it is known and of the most similar class.
    pub confidence: f32,
    /// Most similar class, also of something unknown.
    nearest: String,
    /// Probability per class; the rest to 1 is that of something unknown.
    probabilities: BTreeMap<String, f32>,
    /// Time of extraction and inference.
    milliseconds: f64,
}

/// Answer to `/embed`.
#[derive(Debug, Serialize)]
pub struct Embedded {
    pub embedding: Vec<f32>,
    milliseconds: f64,
}

/// Answer to a change.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Class that changed; `None` if all did.
    pub class: Option<String>,
    /// Number of training samples per class.
    pub samples: BTreeMap<String, usize>,
}

/// Answer to `/report`.
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
pub struct ClassReport {
    name: String,
    samples: usize,
    /// Number of its samples that were taken for each class.
    taken_for: BTreeMap<String, usize>,
}

/// Extractor, head, and the file of the head.
#[derive(Debug)]
pub struct Learner {
    extractor: Extractor,
    head: Head,
    file: Option<PathBuf>,
}

impl Learner {
    /// Loads the head, or makes a new one.
    pub fn open(extractor: Extractor, options: &Options) -> Result<Self, Error> {
        let stored = options.head.as_ref().filter(|path| path.exists());
        let head = match stored {
            Some(path) => Head::load(path, &extractor)?,
            None => Head::new(options.kind, &extractor, options.limits)?,
        };
        Ok(Self { extractor, head, file: options.head.clone() })
    }

    pub fn about(&self) -> About {
        About {
            version: env!("CARGO_PKG_VERSION"),
            package: self.extractor.id().to_string(),
            dim: self.extractor.embedding_dim(),
            takes: if self.extractor.token_limit().is_some() { "tokens" } else { "images" },
            kind: self.head.kind().name(),
            classes: self.samples(),
        }
    }

    pub fn classify(&mut self, input: &Input) -> Result<Classified, Refusal> {
        let start = Instant::now();
        if !self.head.is_fitted() {
            self.head.fit()?;
        }
        let embedding = input.embed(&mut self.extractor)?;
        let mut probabilities = vec![0.0; self.head.class_count()];
        let answer = self.head.probabilities(embedding, &mut probabilities)?;
        let named = self.head.classes().zip(probabilities);
        Ok(Classified {
            class: answer.known().map(|class| self.name(class)),
            confidence: answer.confidence().get(),
            nearest: self.name(answer.class()),
            probabilities: named.map(|((_, name), share)| (name.to_string(), share)).collect(),
            milliseconds: milliseconds(start),
        })
    }

    pub fn embed(&mut self, input: &Input) -> Result<Embedded, Refusal> {
        let start = Instant::now();
        let embedding = input.embed(&mut self.extractor)?.iter().collect();
        Ok(Embedded { embedding, milliseconds: milliseconds(start) })
    }

    /// Teaches an input as a class, which is added if it is new.
    pub fn teach(&mut self, class: &str, input: &Input) -> Result<Changed, Refusal> {
        let embedding = input.embed(&mut self.extractor)?;
        let known = self.head.class_named(class);
        let id = match known {
            Some(id) => id,
            None => self.head.add_class(class)?,
        };
        if let Err(error) = self.head.add_sample(id, embedding) {
            if known.is_none() {
                // Leaves no trace of a class that has no sample.
                self.head.remove_class(id)?;
            }
            return Err(error.into());
        }
        self.changed(Some(class.to_string()))
    }

    /// Takes back the newest sample, and its class if that was its only one.
    pub fn undo(&mut self) -> Result<Changed, Refusal> {
        let Some(class) = self.head.undo() else {
            return Err(Refusal::new(StatusCode::CONFLICT, "no training sample is left to undo"));
        };
        let name = self.name(class);
        if self.head.samples_of(class) == 0 {
            self.head.remove_class(class)?;
        }
        self.changed(Some(name))
    }

    /// Removes a class with its samples.
    pub fn forget(&mut self, class: &str) -> Result<Changed, Refusal> {
        let Some(id) = self.head.class_named(class) else {
            let why = format!("no class `{class}` is taught; GET / lists those that are");
            return Err(Refusal::new(StatusCode::NOT_FOUND, why));
        };
        self.head.remove_class(id)?;
        self.changed(Some(class.to_string()))
    }

    pub fn report(&mut self) -> Result<Reported, Refusal> {
        self.head.fit()?;
        let report = self.head.report()?;
        let interval = report.interval();
        let classes: Vec<(ClassId, &str)> = self.head.classes().collect();
        let rows = classes.iter().map(|(own, name)| ClassReport {
            name: (*name).to_string(),
            samples: self.head.samples_of(*own),
            taken_for: classes
                .iter()
                .map(|(said, name)| ((*name).to_string(), report.confusion(*own, *said)))
                .collect(),
        });
        Ok(Reported {
            accuracy: report.accuracy(),
            interval: report.accuracy().map(|_| [interval.low, interval.high]),
            right: report.right(),
            asked: report.asked(),
            classes: rows.collect(),
            advice: report.advice().map(|advice| advice.to_string()).collect(),
        })
    }

    /// Returns the head as a file.
    pub fn encoded(&self) -> Result<Vec<u8>, Refusal> {
        let mut bytes = vec![0; self.head.encoded_len()];
        let written = self.head.encode(&mut bytes).map_err(Error::from)?;
        bytes.truncate(written);
        Ok(bytes)
    }

    /// Replaces the head by one of a file.
    pub fn replace(&mut self, bytes: &[u8]) -> Result<Changed, Refusal> {
        let head = Head::from_bytes(bytes, &self.extractor)?;
        self.head = head;
        self.changed(None)
    }

    /// Saves the head after a change.
    fn changed(&mut self, class: Option<String>) -> Result<Changed, Refusal> {
        if let Some(file) = &self.file {
            self.head.save(file).map_err(|error| {
                let why = format!("changed, but not saved: {error}");
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why)
            })?;
        }
        Ok(Changed { class, samples: self.samples() })
    }

    /// Number of training samples per class.
    pub fn samples(&self) -> BTreeMap<String, usize> {
        let classes = self.head.classes();
        classes.map(|(id, name)| (name.to_string(), self.head.samples_of(id))).collect()
    }

    fn name(&self, class: ClassId) -> String {
        self.head.class_name(class).unwrap_or_default().to_string()
    }
}

fn milliseconds(start: Instant) -> f64 {
    1e3 * start.elapsed().as_secs_f64()
}
