//! Measurements: time, accuracy, cuts side by side.

pub mod compare_cuts;
pub mod cycle_counter;
pub mod timing;
