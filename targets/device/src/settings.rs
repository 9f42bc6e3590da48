//! Settings of a session.

use std::time::Duration;

use offshoot::Tuning;

/// Tuning of the network on the lessons.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Tunes {
    /// Not; a network that was tuned before stays so.
    #[default]
    No,
    /// Between frames while nothing is pressed, by this recipe.
    Idle(Tuning),
    /// Not; what was tuned before is undone.
    Undone,
}

/// Settings of a session.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names of the classes in the order of their buttons; further classes are called `thing 3`.
    pub names: Vec<String>,
    /// Threshold of recognition: mean probability over frames, 0 to 1.
    pub threshold: f32,
    /// Threshold of a package that takes sound, in place of the one that its background keeps to.
    pub wake_threshold: Option<f32>,
    /// True of a camera that stands still, for a package with cells: the first empty scene is what
    /// all later frames are compared with.
    pub is_fixed: bool,
    /// Time before a camera that is gone is tried again.
    pub patience: Duration,
    /// Description of the keys for the screen.
    pub hint: String,
    /// Button of the first class, for the first screen.
    pub first: String,
    /// Button of the second class, for the screen after the first.
    pub second: String,
    /// Tuning of the network on the lessons.
    pub tunes: Tunes,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            threshold: 0.6,
            wake_threshold: None,
            is_fixed: false,
            patience: Duration::from_millis(300),
            hint: "1-9 teach u undo q end".to_string(),
            first: "1".to_string(),
            second: "hold 2".to_string(),
            tunes: Tunes::No,
        }
    }
}
