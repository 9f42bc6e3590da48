//! Preprocessing of the images a model takes: presets, and the choice among them.

pub mod catalog;
pub mod choose;
pub mod preset;
