//! Heads of the few shots that data sets give: embeddings, accuracy, clusters.

pub mod embeddings;
pub mod few_shot;
pub mod k_means;
