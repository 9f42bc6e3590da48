//! Linear algebra of heads: products of samples and factorizations, all in the caller's memory.

pub(super) mod cholesky;
pub(super) mod gram;
pub(super) mod tile;
pub(super) mod tridiagonal;
pub(super) mod vector;
