//! Exact shortcuts for multiplying accumulators by mantissas.
//!
//! `mul_q31(acc, m)` is `(acc * m + 2^30) >> 31`, which is `(q + 1) >> 1` with `q = acc * m >> 30`.
//! If one factor has two spare bits, `q` is the upper half of a product of 64 bits, and rounding is
//! done in 16 bits, together with the zero point: `(q + 1 + 2 * zero) >> 1`.

/// Requantization methods that a layer's constants allow, the fastest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RequantPath {
    /// Shifted mantissas: all of them have [`bits`] to spare, and the layer's shift is 0.
    Mantissas,
    /// Shifted mantissa or accumulator, lane by lane, whichever has [`bits`] to spare; the shift of
    /// the layer saturates nowhere.
    Lanes,
    /// All bits of the product, saturating.
    Any,
}

// Const parameters must be numbers.
pub(crate) const MANTISSAS: u8 = RequantPath::Mantissas as u8;
pub(crate) const LANES: u8 = RequantPath::Lanes as u8;
pub(crate) const ANY: u8 = RequantPath::Any as u8;
/// No requantization: accumulators are the result.
pub(crate) const RAW: u8 = ANY + 1;

/// Returns the bits by which a factor is shifted if the layer's shift is `shift`.
pub(crate) const fn bits(shift: u8) -> u32 {
    2 + shift as u32
}

/// Returns the least mantissa without [`bits`] to spare.
pub(crate) const fn limit(shift: u8) -> i32 {
    bearable(bits(shift)) as i32
}

/// Returns the least number that exceeds 31 bits and a sign when shifted left by `bits`.
pub(crate) const fn bearable(bits: u32) -> u64 {
    (1u64 << 31).unbounded_shr(bits)
}
