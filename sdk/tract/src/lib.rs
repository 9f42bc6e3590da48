//! Runs float and mixed networks on tract-core: graphs that the int8 engine does not run, or runs
//! only in part.
//!
//! A package's graph becomes one tract model: a node per float operation, and one custom operation
//! per run of int8 nodes, which is the engine with its arena. Feature maps keep the order of the
//! package (rows, columns, channels), so that nothing is transposed between the two.
//!
//! tract-core is pinned: only the `tract` facade is under semver, and this crate uses the
//! interfaces below it (operations with state) that make an allocation-free operation possible.

// docs.rs says by each item which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod convert;
mod lower;
mod network;
mod segment;
mod shown;

pub use network::{Network, TractError, Values};
