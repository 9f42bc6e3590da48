//! What is behind a moment, for screens with more room than a panel.

use std::time::Duration;

use offshoot::{Activations, ClassId, Extractor, Head, Report};
use offshoot_core::head::AskError;
use offshoot_core::preprocess::Resize;

use super::limits::GOAL;
use super::places::{EMPTY, class_at, ordinary, shown_at};

/// Where the time of a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// Waiting for the camera, and making pixels of what it sends.
    pub camera: Duration,
    /// From the picture to its embedding.
    pub eyes: Duration,
    /// The answer, or the lesson and keeping it.
    pub head: Duration,
    /// Drawing the frame before.
    pub screen: Duration,
}

/// A look into a [`Session`](crate::Session) after a frame. Nothing is computed that is not asked for.
#[derive(Debug)]
pub struct Details<'a> {
    pub(crate) eyes: &'a Extractor,
    pub(crate) head: &'a mut Head,
    pub(crate) names: &'a [String],
    pub(crate) likeliest: Option<usize>,
    pub(crate) times: Times,
    pub(crate) has_lost: bool,
}

impl Details<'_> {
    /// Names of the classes with a button, taught or not.
    pub fn names(&self) -> &[String] {
        self.names
    }

    /// The classes that were taught, in the order of their buttons; the empty scene last.
    pub fn ids(&self) -> impl Iterator<Item = ClassId> {
        ordinary(self.head).map(|(id, _)| id).chain(class_at(self.head, EMPTY))
    }

    /// What a class that was taught is called.
    pub fn name(&self, class: ClassId) -> &str {
        self.head.class_name(class).unwrap_or("?")
    }

    /// The class that was last thought likeliest, recognized or not; none while that is the empty scene.
    pub fn likeliest(&self) -> Option<usize> {
        self.likeliest
    }

    /// Lessons that a class was given.
    pub fn lessons(&self, class: usize) -> u32 {
        shown_at(self.head, class)
    }

    /// Lessons that the empty scene was given.
    pub fn empty_lessons(&self) -> u32 {
        shown_at(self.head, EMPTY)
    }

    /// Lessons that a class wants before it counts as taught.
    pub fn goal(&self) -> u32 {
        GOAL
    }

    /// Whether the newest lesson was damaged and is lost; until the next one is kept.
    pub fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// Where the time of the last frame went.
    pub fn times(&self) -> Times {
        self.times
    }

    /// What the samples say about the head when held out.
    ///
    /// # Errors
    /// Nothing was taught yet.
    pub fn report(&mut self) -> Result<Report<'_>, AskError> {
        self.head.report()
    }

    /// Where in the last frame the decision for a class came from; `None` where that is not known:
    /// by neighbours, through tract-core, or of a class without samples. Allocates.
    pub fn heat(&mut self, class: usize) -> Option<Activations> {
        let class = class_at(self.head, class)?;
        self.eyes.activations(self.head, class).ok().flatten()
    }

    /// The part of a frame of these sides that the network sees: left, top, width and height as
    /// shares of the sides.
    pub fn seen_part(&self, width: u32, height: u32) -> [f32; 4] {
        let preprocess = self.eyes.package().manifest().preprocess;
        let Resize::Crop { short_side } = preprocess.resize else { return [0.0, 0.0, 1.0, 1.0] };
        let scale = f32::from(short_side) / width.min(height).max(1) as f32;
        let share = |input: u16, side: u32| (f32::from(input) / (scale * side.max(1) as f32)).min(1.0);
        let (across, down) = (share(preprocess.width, width), share(preprocess.height, height));
        [(1.0 - across) / 2.0, (1.0 - down) / 2.0, across, down]
    }
}
