//! Diagnostics: the machine, its parts, a test of screen and buttons.

pub(crate) mod doctor;
pub(crate) mod machine;
pub(crate) mod test_ui;
