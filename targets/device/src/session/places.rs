//! Where classes stand on a screen and under which button.
//!
//! A head has its classes in the order of their first lessons. Buttons and screens have them in the same order, but
//! the empty scene, which has a button of its own and stands last.

use offshoot::{ClassId, Embedding, Error, Head, NOTHING};

use super::limits::{MOST_CLASSES, PLACES};

/// The place of the empty scene.
pub(crate) const EMPTY: usize = MOST_CLASSES;

/// The classes that have buttons, in the order of these.
pub(crate) fn ordinary(head: &Head) -> impl Iterator<Item = (ClassId, &str)> {
    head.classes().filter(|(_, name)| *name != NOTHING)
}

/// The class at a place, if it was taught.
pub(crate) fn class_at(head: &Head, place: usize) -> Option<ClassId> {
    match place {
        EMPTY => head.class_named(NOTHING),
        _ => ordinary(head).nth(place).map(|(id, _)| id),
    }
}

/// The place of a class.
pub(crate) fn place_of(head: &Head, class: ClassId) -> usize {
    ordinary(head).position(|(id, _)| id == class).unwrap_or(EMPTY)
}

/// Lessons of the class at a place.
pub(crate) fn shown_at(head: &Head, place: usize) -> u32 {
    class_at(head, place).map_or(0, |id| head.shown_of(id))
}

/// Values of the head's classes, in their order, at their places.
pub(crate) fn placed(head: &Head, values: &[f32]) -> [f32; PLACES] {
    let mut placed = [0.0; PLACES];
    for ((id, _), value) in head.classes().zip(values) {
        placed[place_of(head, id)] = *value;
    }
    placed
}

/// Adds the classes up to this place if need be, and the sample.
pub(crate) fn teach(
    head: &mut Head,
    names: &[String],
    place: usize,
    embedding: Embedding<'_>,
) -> Result<(), Error> {
    if place == EMPTY {
        let class = match class_at(head, EMPTY) {
            Some(class) => class,
            None => head.add_class(NOTHING)?,
        };
        return Ok(head.add_sample(class, embedding)?);
    }
    for name in names.iter().take(place + 1).skip(ordinary(head).count()) {
        head.add_class(name)?;
    }
    // There are as many names as buttons, so that the class is there now.
    class_at(head, place).map_or(Ok(()), |id| Ok(head.add_sample(id, embedding)?))
}
