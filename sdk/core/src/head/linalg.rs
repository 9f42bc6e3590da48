//! Linear algebra of heads: products of samples and factorizations, all in the caller's memory.

pub(crate) mod cholesky;
pub(super) mod gram;
pub(super) mod tile;
pub(super) mod tridiagonal;
pub(crate) mod vector;
