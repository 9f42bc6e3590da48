//! Heads of the few shots that data sets give: embeddings, accuracy, clusters.

pub mod cluster;
pub mod embeddings;
pub mod few_shot;
