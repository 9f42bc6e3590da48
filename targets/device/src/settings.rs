//! Settings of a session.

use std::time::Duration;

/// Settings of a session.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names of the classes in the order of their buttons; further classes are called `thing 3`.
    pub names: Vec<String>,
    /// Threshold of recognition: mean probability over frames, 0 to 1.
    pub threshold: f32,
    /// Time before a camera that is gone is tried again.
    pub patience: Duration,
    /// Description of the keys for the screen.
    pub hint: String,
    /// Button of the first class, for the first screen.
    pub first: String,
    /// Button of the second class, for the screen after the first.
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
