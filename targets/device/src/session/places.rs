//! Index of a class on a screen and among the buttons.
//!
//! A head has its classes in the order of their first training samples. Buttons and screens have
//! them in the same order, except for the empty scene, which has a button of its own and comes
//! last.

use offshoot::{ClassId, Embedding, Error, Head, NOTHING};
use offshoot_view::ClassLine;

use super::limits::{MOST_CLASSES, PLACES};

/// Index of the empty scene.
pub(crate) const EMPTY: usize = MOST_CLASSES;

/// Returns the classes that have buttons, in the order of the buttons.
pub(crate) fn ordinary(head: &Head) -> impl Iterator<Item = (ClassId, &str)> {
    head.classes().filter(|(_, name)| *name != NOTHING)
}

/// Returns the class at an index, if it was taught.
pub(crate) fn class_at(head: &Head, place: usize) -> Option<ClassId> {
    match place {
        EMPTY => head.class_named(NOTHING),
        _ => ordinary(head).nth(place).map(|(id, _)| id),
    }
}

/// Returns the index of a class.
pub(crate) fn place_of(head: &Head, class: ClassId) -> usize {
    ordinary(head).position(|(id, _)| id == class).unwrap_or(EMPTY)
}

/// Number of training samples of the class at an index.
pub(crate) fn shown_at(head: &Head, place: usize) -> u32 {
    class_at(head, place).map_or(0, |id| head.shown_of(id))
}

/// Returns a line for each class that was taught, and their number; `values` are by index.
pub(crate) fn lines<'a>(
    head: &Head,
    names: &'a [String],
    values: &[f32],
) -> ([ClassLine<'a>; PLACES], usize) {
    let mut lines = [ClassLine { name: "", samples: 0, probability: 0.0 }; PLACES];
    let taught = (0..PLACES).filter(|place| class_at(head, *place).is_some());
    let mut count = 0;
    for (line, place) in lines.iter_mut().zip(taught) {
        let samples = shown_at(head, place);
        *line = ClassLine { name: &names[place], samples, probability: values[place] };
        count += 1;
    }
    (lines, count)
}

/// Rearranges values from the order of the head's classes to their indices.
pub(crate) fn placed(head: &Head, values: &[f32]) -> [f32; PLACES] {
    let mut placed = [0.0; PLACES];
    for ((id, _), value) in head.classes().zip(values) {
        placed[place_of(head, id)] = *value;
    }
    placed
}

/// Adds the classes up to this index if necessary, and the sample.
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
    // There is a name for every button, so the class exists now.
    class_at(head, place).map_or(Ok(()), |id| Ok(head.add_sample(id, embedding)?))
}

/// Puts the names that the head has first, gives a name to every place, and returns how many are the
/// head's or the user's; the empty scene is not counted.
pub(crate) fn complete_names(names: &mut Vec<String>, head: &Head) -> usize {
    // Classes of the memory keep their names and their indices.
    let named = put_first(names, ordinary(head).map(|(_, name)| name.to_string()).collect());
    // Index of the empty scene.
    names.push(NOTHING.to_string());
    named
}

/// Puts the names of taught classes first and gives a name to every button; returns how many are
/// taught or the user's.
pub(crate) fn put_first(names: &mut Vec<String>, taught: Vec<String>) -> usize {
    names.retain(|name| !taught.contains(name) && name != NOTHING);
    names.splice(0..0, taught);
    let named = names.len().min(MOST_CLASSES);
    for number in names.len()..MOST_CLASSES {
        names.push(format!("thing {}", number + 1));
    }
    names.truncate(MOST_CLASSES);
    named
}
