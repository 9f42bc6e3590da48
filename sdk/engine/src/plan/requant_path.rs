//! How accumulators may be multiplied with mantissas.
//!
//! `mul_q31(acc, m)` is `(acc * m + 2^30) >> 31`, which is `(q + 1) >> 1` with `q = acc * m >> 30`.
//! Where one factor bears two bits more, `q` is the upper half of a product of 64 bits, and rounding
//! is left to 16 bits, together with the zero point: `(q + 1 + 2 * zero) >> 1`.

/// What a layer's constants allow, the fastest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RequantPath {
    /// All mantissas bear the shift, and there are no doublings.
    Mantissas,
    /// In each lane the mantissa bears [`bits`], or else the accumulator; no doubling saturates.
    Lanes,
    /// With all bits, and saturating.
    Any,
}

// The same as numbers, which constant parameters must be.
pub(crate) const MANTISSAS: u8 = RequantPath::Mantissas as u8;
pub(crate) const LANES: u8 = RequantPath::Lanes as u8;
pub(crate) const ANY: u8 = RequantPath::Any as u8;

/// What a factor is shifted by, with that many doublings.
pub(crate) const fn bits(shift: u8) -> u32 {
    2 + shift as u32
}

/// The least mantissa that does not bear [`bits`].
pub(crate) const fn limit(shift: u8) -> i32 {
    bearable(bits(shift)) as i32
}

/// The least number that does not remain 31 bits and a sign when shifted by so many.
pub(crate) const fn bearable(bits: u32) -> u64 {
    (1u64 << 31).unbounded_shr(bits)
}
