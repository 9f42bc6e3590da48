//! Linear algebra of heads: products of samples, factorizations, all in caller's memory.

pub(super) mod cholesky;
pub(super) mod gram;
pub(super) mod tile;
pub(super) mod tridiagonal;
pub(super) mod vector;
