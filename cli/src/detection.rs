//! Detection: heads that find objects, on packages with cells.

pub mod lessons;
pub mod overlay;
pub mod scoring;
pub mod sizing;
