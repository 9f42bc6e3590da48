//! Preprocessing of the input images of a model: presets, and the choice among them.

pub mod catalog;
pub mod choose;
pub mod preset;
