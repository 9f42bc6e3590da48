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

pub(crate) mod absent;
#[cfg(all(target_arch = "arm", target_os = "linux"))]
pub(crate) mod armv7;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512_taps;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512_vnni;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx_vnni;

#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_common;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon_dot;
#[cfg(target_arch = "aarch64")]
mod neon_dot_taps;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon_i8mm;
#[cfg(target_arch = "aarch64")]
mod neon_taps;

#[cfg(all(test, feature = "std", target_os = "linux"))]
mod tests;
