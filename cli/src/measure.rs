//! Measurements: time, accuracy, comparison of cuts.

pub mod checkup;
pub mod compare_cuts;
pub mod cycle_counter;
pub mod timing;
