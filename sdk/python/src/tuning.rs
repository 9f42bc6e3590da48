//! Fine-tuning: images and their classes in, a tuned tail out.

use std::collections::HashMap;

use offshoot::{Maps, Tuning, Verdict};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::{Failure, Outcome};
use crate::extractor::{Extractor, tail_of};
use crate::pixels::Pixels;

/// Outcome of ``Extractor.finetune``: true if the tuned network is better.
#[pyclass(frozen, module = "offshoot", get_all)]
pub(crate) struct FineTuned {
    /// True if the tuned network is better.
    kept: bool,
    /// Number of samples that were held out, each once.
    samples: u16,
    /// Number of them that a head on the network as it is classified wrongly.
    wrong_before: u16,
    /// Number of them that a head on the tuned network classified wrongly.
    wrong_after: u16,
    /// Mean squared error of the probabilities on the network as it is.
    error_before: f32,
    /// Mean squared error of the probabilities on the tuned network.
    error_after: f32,
    /// Difference of the errors, divided by its standard error.
    t: f32,
    /// Bytes of the tail; ``None`` if it is refused.
    tail: Option<Py<PyBytes>>,
    /// Verdict as a sentence.
    line: String,
}

#[pymethods]
impl FineTuned {
    fn __str__(&self) -> &str {
        &self.line
    }

    fn __repr__(&self) -> String {
        format!("<{}>", self.line)
    }

    fn __bool__(&self) -> bool {
        self.kept
    }
}

#[pymethods]
impl Extractor {
    /// Runs the network with a tuned tail from now on: the path of a file that ``offshoot finetune``
    /// wrote, or bytes; ``None``: as it is in the package.
    ///
    /// ``id`` is then the tail's, and heads that were taught without it are refused. Threads that
    /// share the extractor get the tuned network, too.
    ///
    /// Raises ``PackageError`` for a tail that is damaged, or of another package.
    #[pyo3(signature = (tail, /))]
    fn set_tail(&self, tail: Option<&Bound<'_, PyAny>>, py: Python<'_>) -> Outcome<()> {
        let tail = tail.map(tail_of).transpose()?;
        Ok(self.with(py, |inner| inner.set_tail(tail.as_ref()))?)
    }

    /// Tunes the network's last layer on images of known classes; samples that are held out say if
    /// the result is kept. The extractor stays as it is: see ``set_tail``.
    ///
    /// ``images`` are several, as ``embed`` takes them, ``labels`` their classes, anything that can
    /// be compared. ``all`` tunes all weights of the layer in place of its biases. ``epochs`` passes over
    /// the samples (20; 40 with ten samples a class or fewer); ``step`` relative to the size of what is
    /// tuned (0.05 for biases, 0.02 for all weights); ``force`` keeps the result whatever the held-out samples say. The same images in the same
    /// order give the same bytes everywhere.
    ///
    /// Raises ``PackageError`` for a network without a layer that can be tuned, ``InputError`` for
    /// labels that do not fit the images.
    ///
    /// >>> import numpy as np
    /// >>> import offshoot
    /// >>> extractor = offshoot.Extractor("sprout.offshoot")
    /// >>> frames = np.zeros((12, 32, 32, 3), np.uint8)
    /// >>> frames[:] = np.arange(12, dtype=np.uint8)[:, None, None, None] * 20
    /// >>> tuned = extractor.finetune(frames, ["even", "odd"] * 6)
    /// >>> bool(tuned), tuned.tail is None
    /// (False, True)
    #[pyo3(signature = (
        images, labels, *, all=false, epochs=None, step=None, folds=3, seed=0, force=false, format=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn finetune(
        &self,
        images: &Bound<'_, PyAny>,
        labels: Vec<Bound<'_, PyAny>>,
        all: bool,
        epochs: Option<u16>,
        step: Option<f32>,
        folds: u8,
        seed: u32,
        force: bool,
        format: Option<&str>,
    ) -> Outcome<FineTuned> {
        let py = images.py();
        let least_t = if force { f32::NEG_INFINITY } else { Tuning::default().least_t };
        let recipe = if all { Tuning::all() } else { Tuning::default() };
        let step = step.unwrap_or(recipe.step);
        let tuning = Tuning { epochs, step, folds, seed, least_t, ..recipe };
        let owners = owners(&labels)?;
        let classes = owners.iter().max().map_or(0, |most| most + 1);
        let count = u16::try_from(classes)
            .map_err(|_| Failure::Input(format!("{classes} classes, allowed are {}", u16::MAX)))?;
        let maps = self.with(py, |inner| Maps::new(inner, count))?;
        let tuned = self
            .maps(images, &owners, maps, format)
            .and_then(|maps| Ok(self.with(py, |inner| maps.finetune(inner, &tuning, |_| {}))?));
        let tuned = tuned?;
        let evidence = tuned.verdict.evidence();
        if let Verdict::TooFew { .. } = tuned.verdict {
            return Err(Failure::Input(tuned.verdict.to_string()));
        }
        let of = |value: fn(&offshoot::Evidence) -> f32| evidence.as_ref().map_or(0.0, value);
        let counted = |value: fn(&offshoot::Evidence) -> u16| evidence.as_ref().map_or(0, value);
        Ok(FineTuned {
            kept: tuned.verdict.keeps(),
            samples: counted(|evidence| evidence.samples),
            wrong_before: counted(|evidence| evidence.wrong_before),
            wrong_after: counted(|evidence| evidence.wrong_after),
            error_before: of(|evidence| evidence.before),
            error_after: of(|evidence| evidence.after),
            t: of(|evidence| evidence.t),
            tail: tuned.tail.map(|tail| PyBytes::new(py, tail.bytes()).unbind()),
            line: tuned.verdict.to_string(),
        })
    }
}

impl Extractor {
    /// Computes the maps of images of these classes.
    fn maps(
        &self,
        images: &Bound<'_, PyAny>,
        owners: &[usize],
        mut maps: Maps,
        format: Option<&str>,
    ) -> Outcome<Maps> {
        let py = images.py();
        let fits = |count: usize| match count == owners.len() {
            true => Ok(()),
            false => Err(Failure::Input(format!("{count} images, {} labels", owners.len()))),
        };
        match Pixels::of(images, format)? {
            Pixels::One(_) => return Err(Failure::Input("one image, several wanted".into())),
            Pixels::Stack(stack) => {
                fits(stack.count())?;
                for (index, &owner) in owners.iter().enumerate() {
                    py.check_signals()?;
                    let frame = stack.frame(index)?;
                    self.add_map(py, &mut maps, owner, &frame)?;
                }
            }
            Pixels::List(images) => {
                fits(images.len())?;
                for (image, &owner) in images.iter().zip(owners) {
                    py.check_signals()?;
                    let picture = Pixels::one(image, format)?;
                    self.add_map(py, &mut maps, owner, &picture.frame()?)?;
                }
            }
        }
        Ok(maps)
    }

    fn add_map(
        &self,
        py: Python<'_>,
        maps: &mut Maps,
        owner: usize,
        frame: &offshoot::Frame<'_>,
    ) -> Outcome<()> {
        Ok(self.with(py, |inner| {
            // Another thread may have taken a tail off, and the maps with it.
            inner.keep_maps()?;
            maps.add_frame(owner, inner, frame)
        })?)
    }
}

/// Numbers labels in the order in which they first appear.
fn owners(labels: &[Bound<'_, PyAny>]) -> Outcome<Vec<usize>> {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut owners = Vec::with_capacity(labels.len());
    for label in labels {
        let next = numbers.len();
        owners.push(*numbers.entry(label.repr()?.to_string()).or_insert(next));
    }
    Ok(owners)
}
