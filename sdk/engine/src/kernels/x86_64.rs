//! Kernels for x86-64.

pub(crate) mod avx2;
mod avx2_common;
mod avx2_depthwise;
mod avx2_sums;
pub(crate) mod avx512_common;
mod avx512_depthwise;
mod avx512_product;
pub(crate) mod avx512_vnni;
pub(crate) mod avx_vnni;
