//! Kernels for 32-bit ARM.

pub(crate) mod armv7;
