//! Details of a state, for screens with more room than a panel.

use std::time::Duration;

use offshoot::{Activations, ClassId, Extractor, Head, Progress, Report};
use offshoot_core::head::AskError;
use offshoot_core::statistics::Fault;

use super::limits::GOAL;
use super::places::{EMPTY, class_at, ordinary, shown_at};

/// Time per stage of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// Wait for the camera, and conversion to pixels.
    pub camera: Duration,
    /// Extraction: from the frame to its embedding.
    pub extractor: Duration,
    /// Inference, or training and saving the sample.
    pub head: Duration,
    /// Drawing of the previous frame.
    pub screen: Duration,
}

/// View of a [`Session`](crate::Session) after a frame. Values are computed on request only.
#[derive(Debug)]
pub struct Details<'a> {
    pub(crate) extractor: &'a Extractor,
    pub(crate) head: &'a mut Head,
    pub(crate) names: &'a [String],
    /// Class with the largest mean probability, and that mean; `None` if the frame got no answer.
    pub(crate) best: Option<(usize, f32)>,
    pub(crate) times: Times,
    pub(crate) has_lost: bool,
    pub(crate) tuning: Option<Progress>,
    pub(crate) is_tuned: bool,
    pub(crate) fault: Option<Fault>,
}

impl Details<'_> {
    /// Returns the names of the classes with a button, taught or not.
    pub fn names(&self) -> &[String] {
        self.names
    }

    /// Returns the classes that were taught, in the order of their buttons; the empty scene last.
    pub fn ids(&self) -> impl Iterator<Item = ClassId> {
        ordinary(self.head).map(|(id, _)| id).chain(class_at(self.head, EMPTY))
    }

    /// Returns the name of a taught class.
    pub fn name(&self, class: ClassId) -> &str {
        self.head.class_name(class).unwrap_or("?")
    }

    /// Returns the class that was last most probable, recognized or not; `None` while that is the
    /// empty scene.
    pub fn likeliest(&self) -> Option<usize> {
        self.best.filter(|(class, mean)| *mean > 0.0 && *class != EMPTY).map(|(class, _)| class)
    }

    /// Number of training samples of a class.
    pub fn lessons(&self, class: usize) -> u32 {
        shown_at(self.head, class)
    }

    /// Number of training samples of a taught class.
    pub(crate) fn shown(&self, class: ClassId) -> u32 {
        self.head.shown_of(class)
    }

    /// Number of training samples of the empty scene.
    pub fn empty_lessons(&self) -> u32 {
        shown_at(self.head, EMPTY)
    }

    /// Number of training samples from which a class counts as taught.
    pub fn goal(&self) -> u32 {
        GOAL
    }

    /// Returns true if the newest training sample was damaged and is lost; until the next one is
    /// saved.
    pub fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// Returns the progress of tuning, while the device tunes.
    pub fn tuning(&self) -> Option<Progress> {
        self.tuning
    }

    /// Returns true if the network runs with a tail that was tuned on the lessons.
    pub fn is_tuned(&self) -> bool {
        self.is_tuned
    }

    /// Returns the fault of camera or light that lasts, if there is one.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Returns the time per stage of the last frame.
    pub fn times(&self) -> Times {
        self.times
    }

    /// Evaluates the head on its held-out samples.
    ///
    /// # Errors
    ///
    /// [`AskError`] if nothing was taught yet.
    pub fn report(&mut self) -> Result<Report<'_>, AskError> {
        self.head.fit()?;
        self.head.report()
    }

    /// Returns the class activation map of the last frame for a class; `None` if there is none: for
    /// k-NN, with tract-core, or for a class without samples. Allocates.
    pub fn heat(&mut self, class: usize) -> Option<Activations> {
        let class = class_at(self.head, class)?;
        self.head.fit().ok()?;
        self.extractor.activations(self.head, class).ok().flatten()
    }

    /// Returns the network's field of view in a frame of these sides: left, top, width and height
    /// as shares of the sides.
    pub fn seen_part(&self, width: u32, height: u32) -> [f32; 4] {
        self.extractor.package().manifest().preprocess.field_of_view(width, height)
    }
}
