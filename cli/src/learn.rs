//! Few-shot learning on data sets: embeddings, accuracy, clusters.

pub mod embeddings;
pub mod few_shot;
pub mod k_means;
pub mod side_by_side;
