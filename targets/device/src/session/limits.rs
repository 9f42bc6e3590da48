//! Limits of a session: classes, samples, and samples of a class that is taught.

use offshoot::{Extractor, HeadKind, Limits};

/// Max number of classes with a button of their own: the digits of a keyboard.
pub const MOST_CLASSES: usize = 9;

/// Number of class slots: those with a button, and the empty scene.
pub(crate) const PLACES: usize = MOST_CLASSES + 1;

/// Max number of samples that are kept, all classes together.
const SAMPLES: u16 = 180;

/// Number of samples from which a class counts as taught.
pub(crate) const GOAL: u32 = 5;

/// Returns the kind of a new head. Softmax regression hears words best: at the threshold that its
/// background keeps to, 0.26 of the takes of others without a false accept in 1,800 words, where
/// [`HeadKind::Auto`] hears 0.06 (`suite wake::`).
pub(crate) fn kind_for(extractor: &Extractor) -> HeadKind {
    if extractor.sound().is_some() { HeadKind::Softmax } else { HeadKind::Auto }
}

/// Limits of every head of a session; the empty scene is one of the classes.
pub const fn limits() -> Limits {
    Limits { classes: PLACES as u16, samples: SAMPLES }
}
