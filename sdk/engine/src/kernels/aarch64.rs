//! Kernels for 64-bit ARM.

mod common;
pub(crate) mod dot;
mod dot_depthwise;
pub(crate) mod i8mm;
pub(crate) mod neon;
mod neon_depthwise;
