//! Division of an embedding into parts.

/// Division of an embedding into the pooled features of several depths of its network, the last of
/// which is the embedding of a network cut at one place.
///
/// A head of such embeddings reads either the last part or all values, whichever predicts its
/// held-out samples better ([`Head::reads_all`](crate::head::Head::reads_all)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    dim: usize,
    last: usize,
}

impl Parts {
    /// Returns an embedding of `dim` values that is not divided.
    #[must_use]
    pub const fn single(dim: usize) -> Self {
        Self { dim, last: dim }
    }

    /// Returns an embedding of `dim` values whose last `last` values are the last part.
    ///
    /// [`None`] if `last` is 0 or above `dim`.
    #[must_use]
    pub const fn joined(dim: usize, last: usize) -> Option<Self> {
        if last == 0 || last > dim { None } else { Some(Self { dim, last }) }
    }

    /// Number of values of an embedding.
    #[must_use]
    pub const fn dim(self) -> usize {
        self.dim
    }

    /// Number of values of the last part; all of them if the embedding is not divided.
    #[must_use]
    pub const fn last(self) -> usize {
        self.last
    }

    /// Returns true if the embedding is not divided.
    #[must_use]
    pub const fn is_single(self) -> bool {
        self.last == self.dim
    }
}
