//! Extractor and head behind the service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use offshoot::{ClassId, Error, Extractor, Head};
use offshoot_http::StatusCode;
use serde::Serialize;

use crate::Options;
use crate::contract::{About, Changed, Reported, samples};
use crate::input::Input;
use crate::refusal::Refusal;

/// Answer to `/classify`.
#[derive(Debug, Serialize)]
pub struct Classified {
    /// Recognized class; `None` if the input is unknown.
    pub class: Option<String>,
    /// Probability that it is known and of the most similar class.
    pub confidence: f32,
    /// Most similar class, also of something unknown.
    pub nearest: String,
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
        About::of(&self.extractor, &self.head)
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
            return Err(Refusal::nothing_to_undo());
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
            return Err(Refusal::no_class(class));
        };
        self.head.remove_class(id)?;
        self.changed(Some(class.to_string()))
    }

    pub fn report(&mut self) -> Result<Reported, Refusal> {
        Reported::of(&mut self.head)
    }

    /// Returns the head as a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.head.to_bytes()
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
        samples(&self.head)
    }

    fn name(&self, class: ClassId) -> String {
        self.head.class_name(class).unwrap_or_default().to_string()
    }
}

fn milliseconds(start: Instant) -> f64 {
    1e3 * start.elapsed().as_secs_f64()
}
