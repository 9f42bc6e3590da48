//! How a session behaves.

use std::time::Duration;

/// How a session behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names of the classes in the order of their buttons; those beyond are called `thing 3`.
    pub names: Vec<String>,
    /// Mean probability over frames from which something is recognized, 0 to 1.
    pub threshold: f32,
    /// How long to wait before a camera that is gone is tried again.
    pub patience: Duration,
    /// What the screen says can be done.
    pub hint: String,
    /// What teaches the first class, as the first screen says it.
    pub first: String,
    /// What teaches the second, as the screen says it after the first.
    pub second: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            threshold: 0.6,
            patience: Duration::from_millis(300),
            hint: "1-9 teach u undo q end".to_string(),
            first: "1".to_string(),
            second: "hold 2".to_string(),
        }
    }
}
