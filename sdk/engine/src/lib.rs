//! The int8 engine: a checked graph becomes a [`Plan`], a plan runs in memory the caller owns.
//!
//! ```text
//! Graph --Plan::new--> steps + arena bytes --Plan::run(weights, arena)--> embedding codes
//! ```
//!
//! `no_std`, allocates nothing, no unsafe. The arithmetic is the one of
//! `sdk/docs/numerics.md`; the code in `src/ops` is its portable form and the reference for every
//! kernel to come.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(test)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod memory;
mod ops;
mod plan;
mod step;

pub use memory::Slot;
pub use plan::{Plan, PlanError, RunError};
pub use step::{Step, Value};
