//! Kernels for WebAssembly.

pub(crate) mod simd128;
mod simd128_common;
mod simd128_depthwise;
