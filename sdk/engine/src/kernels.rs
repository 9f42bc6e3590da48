//! Kernels, one file per instruction set, and what they share.
//!
//! The only unsafe code of the engine. [`drive`] turns a layer into jobs: it checks lengths,
//! gathers rows, and hands out pointers; a [`job::Kernel`] multiplies. What a job means is
//! written in `job.rs`; `sdk/engine/tests/spec.rs` holds every kernel to it, bit for bit.

pub(crate) mod arena;
pub(crate) mod drive;
#[allow(dead_code)] // what no kernel of this processor reads
pub(crate) mod job;
pub(crate) mod run;
#[cfg(feature = "std")]
pub(crate) mod team;
#[cfg(feature = "std")]
mod turns;

/// What [`turns`] is built of; its test has others.
#[cfg(feature = "std")]
mod atomic {
    pub(super) use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
}

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
#[cfg(all(target_arch = "arm", target_os = "linux"))]
pub(crate) mod arm;
#[cfg(all(test, feature = "std", target_os = "linux"))]
mod tests;
pub(crate) mod unavailable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;
