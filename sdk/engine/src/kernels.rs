//! Kernels, one file per instruction set, and the code they share.
//!
//! The only unsafe code of the engine. [`drive`] turns a layer into jobs: it checks lengths,
//! gathers rows, and hands out pointers; a [`job::Kernel`] multiplies. Jobs are specified in
//! `job.rs`; `sdk/engine/tests/spec.rs` tests every kernel against the specification, bit for bit.

pub(crate) mod arena;
pub(crate) mod drive;
#[allow(dead_code)] // fields that no kernel of this processor reads
pub(crate) mod job;
pub(crate) mod run;
#[cfg(feature = "std")]
pub(crate) mod team;
#[cfg(feature = "std")]
mod turns;

/// Atomics that [`turns`] uses; its loom test substitutes its own.
#[cfg(feature = "std")]
mod atomic {
    pub(super) use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
}

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
#[cfg(target_arch = "arm")]
pub(crate) mod arm;
#[cfg(all(test, feature = "std", any(target_os = "linux", target_arch = "wasm32")))]
mod tests;
pub(crate) mod unavailable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod wasm32;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;
