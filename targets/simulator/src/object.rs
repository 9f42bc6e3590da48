//! The things that can stand on the table.

use std::fmt;

/// A household thing the camera can be pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A coffee mug with a handle.
    Mug,
    /// A patterned ball.
    Ball,
    /// A die, puzzle cube, toy block or present.
    Cube,
    /// A leafy plant in a pot.
    Plant,
    /// A banana, from green to spotted.
    Banana,
    /// A key lying flat.
    Key,
}

impl Object {
    /// Every object, in the order in which demos teach them.
    pub const ALL: [Self; 6] =
        [Self::Mug, Self::Ball, Self::Cube, Self::Plant, Self::Banana, Self::Key];

    /// Returns the lower-case English name, usable as a class label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mug => "mug",
            Self::Ball => "ball",
            Self::Cube => "cube",
            Self::Plant => "plant",
            Self::Banana => "banana",
            Self::Key => "key",
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_labels() {
        let mut names: Vec<_> = Object::ALL.iter().map(|object| object.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Object::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase())));
    }
}
