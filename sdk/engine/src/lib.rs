//! The int8 engine: a checked graph becomes a [`Plan`]; a plan runs in memory that the caller owns.
//!
//! ```text
//! Graph --Plan::new(isa)--> steps, bytes of arena and packed weights
//!       --Plan::pack------> weights in the order of that instruction set's kernels
//!       --Plan::run-------> int8 embedding
//! ```
//!
//! `no_std`, allocates nothing. The arithmetic is specified in `sdk/docs/numerics.md`; the code in
//! `src/ops` implements it portably and is the reference for `src/kernels`, which contain all
//! unsafe code of this crate.

#![no_std]
#![deny(unsafe_code)]
#![deny(missing_docs)]
// docs.rs says by each item which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(feature = "std")]
mod buffer;
mod dispatch;
mod error;
mod extractor;
mod isa;
#[allow(unsafe_code)] // intrinsics and pointers; nowhere else
mod kernels;
mod ops;
mod pack;
mod plan;
mod target;

#[cfg(feature = "std")]
pub use buffer::{Buffer, IsaError};
pub use error::{PlanError, RunError};
pub use extractor::{Arena, Extractor, Layers, OpenError};
pub use isa::Isa;
#[cfg(feature = "std")]
pub use kernels::team::Team;
pub use plan::slots::Slot;
pub use plan::step::{Step, Value};
pub use plan::steps::Steps;
#[cfg(feature = "std")]
pub use plan::text_plan::TextPlan;
pub use plan::{Config, Plan, Segment};
pub use target::Target;
