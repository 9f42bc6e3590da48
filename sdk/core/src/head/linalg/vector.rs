//! Sums in a fixed order: the same bits on every processor, in lanes for the vector unit.

const LANES: usize = 16;

/// Adds the lanes pairwise, always in the same order.
fn fold(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Computes `sum of a * b`.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot_shrunk(a, b, 1.0)
}

/// Computes `sum of a * one` and `sum of a * other`, the same bits as [`dot`], in less time because
/// the two sums do not wait for each other. `other` may be longer by one than `a` and `one`: `last`
/// computes the factor of its last value from the first sum.
pub(crate) fn dot_pair(
    a: &[f32],
    one: &[f32],
    other: &[f32],
    last: impl FnOnce(f32) -> f32,
) -> (f32, f32) {
    let mut firsts = [0.0; LANES];
    let mut seconds = [0.0; LANES];
    let rest = a.len() / LANES * LANES;
    let chunks = a.chunks_exact(LANES).zip(one.chunks_exact(LANES)).zip(other.chunks_exact(LANES));
    for ((a, one), other) in chunks {
        for i in 0..LANES {
            firsts[i] += a[i] * one[i];
            seconds[i] += a[i] * other[i];
        }
    }
    for (i, &a) in a[rest..].iter().enumerate() {
        firsts[i] += a * one[rest + i];
        seconds[i] += a * other[rest + i];
    }
    let first = fold(firsts);
    if let Some(&value) = other.get(a.len()) {
        seconds[a.len() - rest] += last(first) * value;
    }
    (first, fold(seconds))
}

/// Computes `sum of a * (b * factor)`; a factor of 1 changes no bit, and as a constant costs
/// nothing.
#[inline(always)]
pub(crate) fn dot_shrunk(a: &[f32], b: &[f32], factor: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let a = a.chunks_exact(LANES);
    let b = b.chunks_exact(LANES);
    let tail_a = a.remainder();
    let tail_b = b.remainder();
    for (a, b) in a.zip(b) {
        for i in 0..LANES {
            lanes[i] += a[i] * (b[i] * factor);
        }
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(tail_a.iter().zip(tail_b)) {
        *lane += a * (b * factor);
    }
    fold(lanes)
}

/// Computes `sum of weights * (codes - zero)`.
pub(crate) fn dot_codes(weights: &[f32], codes: &[i8], zero: i8) -> f32 {
    dot_codes_shrunk(weights, codes, zero, 1.0)
}

/// Computes `sum of (weights * factor) * (codes - zero)`; a factor of 1 changes no bit.
#[inline]
pub(crate) fn dot_codes_shrunk(weights: &[f32], codes: &[i8], zero: i8, factor: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let w = weights.chunks_exact(LANES);
    let c = codes.chunks_exact(LANES);
    let tail_w = w.remainder();
    let tail_c = c.remainder();
    for (w, c) in w.zip(c) {
        for i in 0..LANES {
            lanes[i] += w[i] * factor * centred(c[i], zero);
        }
    }
    for (lane, (w, &c)) in lanes.iter_mut().zip(tail_w.iter().zip(tail_c)) {
        *lane += w * factor * centred(c, zero);
    }
    fold(lanes)
}

/// Computes `sum of (a - a_zero) * (b - b_zero)`, exactly, for up to [`crate::head::MAX_DIM`]
/// dimensions.
pub(crate) fn dot_exact(a: &[i8], a_zero: i8, b: &[i8], b_zero: i8) -> i64 {
    let a_zero = i16::from(a_zero);
    let b_zero = i16::from(b_zero);
    let product =
        |a: i8, b: i8| i32::from(i16::from(a) - a_zero) * i32::from(i16::from(b) - b_zero);
    // Sums of two neighbours are one instruction on most processors. A lane sees an eighth of the
    // products, each at most 255 * 255: below 2^30.
    let mut lanes = [0i32; LANES / 2];
    let a = a.chunks_exact(LANES);
    let b = b.chunks_exact(LANES);
    let tail = a.remainder().iter().zip(b.remainder()).map(|(&a, &b)| product(a, b)).sum::<i32>();
    for (a, b) in a.zip(b) {
        for i in 0..LANES / 2 {
            lanes[i] += product(a[2 * i], b[2 * i]) + product(a[2 * i + 1], b[2 * i + 1]);
        }
    }
    lanes.iter().map(|&lane| i64::from(lane)).sum::<i64>() + i64::from(tail)
}

/// Computes `sum of (codes - zero) * sums`, exactly, for up to [`crate::head::MAX_DIM`] dimensions.
pub(crate) fn dot_sum(codes: &[i8], zero: i8, sums: &[i32]) -> i64 {
    let product =
        |(&code, &sum): (&i8, &i32)| i64::from(i16::from(code) - i16::from(zero)) * i64::from(sum);
    codes.iter().zip(sums).map(product).sum()
}

/// Computes `out += factor * x`.
pub(crate) fn add_scaled(out: &mut [f32], factor: f32, x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += factor * x;
    }
}

/// Computes `out += factor * x` for four vectors, one after the other and each over its own length:
/// the same bits as four calls of [`add_scaled`], but `out` is read and written once. Lengths must
/// not decrease.
pub(crate) fn add_four(out: &mut [f32], factors: [f32; 4], [a, b, c, d]: [&[f32]; 4]) {
    let [p, q, r, s] = factors;
    let shared = a.len();
    let rows = a.iter().zip(b).zip(c.iter().zip(d));
    for (out, ((a, b), (c, d))) in out.iter_mut().zip(rows) {
        *out = (((*out + p * a) + q * b) + r * c) + s * d;
    }
    for (factor, x) in factors.into_iter().zip([a, b, c, d]) {
        add_scaled(&mut out[shared..], factor, &x[shared..]);
    }
}

/// Computes `out += factor * (codes - zero)`.
pub(crate) fn add_codes(out: &mut [f32], factor: f32, codes: &[i8], zero: i8) {
    for (out, &code) in out.iter_mut().zip(codes) {
        *out += factor * centred(code, zero);
    }
}

/// Subtracts the mean.
pub(crate) fn centre(x: &mut [f32]) {
    let mean = mean(x);
    for x in x {
        *x -= mean;
    }
}

/// Returns the mean; 0 of an empty slice.
pub(crate) fn mean(x: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    for chunk in x.chunks(LANES) {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x;
        }
    }
    fold(lanes) / x.len().max(1) as f32
}

/// Computes the softmax of scores. A score of minus infinity gets 0; at least one must be finite.
pub(crate) fn softmax(scores: &mut [f32]) {
    let top = scores.iter().fold(f32::NEG_INFINITY, |top, &s| top.max(s));
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = libm::expf(*score - top);
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

fn centred(code: i8, zero: i8) -> f32 {
    f32::from(i16::from(code) - i16::from(zero))
}

/// Fixed-point unit of a coordinate of a unit vector; a sum of 65,535 of them fits an `i32`.
pub(crate) const ONE: i32 = 32_768;

/// Returns the unit vector of int8 values in fixed point; all zeros for an embedding without
/// direction.
///
/// Sums of these are sums of integers: they do not depend on the order of the samples, and
/// subtraction removes a sample exactly.
pub(crate) fn unit(codes: &[i8], zero: i8, inverse: f32) -> impl Iterator<Item = i32> {
    let factor = inverse * ONE as f32;
    codes.iter().map(move |&code| round(f32::from(i16::from(code) - i16::from(zero)) * factor))
}

/// Rounds halves away from zero, without the call that `libm::roundf` costs per coordinate.
fn round(x: f32) -> i32 {
    (x + 0.5f32.copysign(x)) as i32
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn sums_are_right_at_every_length() {
        for len in 0..70usize {
            let a: Vec<i8> = (0..len).map(|i| (i * 37 % 251) as u8 as i8).collect();
            let b: Vec<i8> = (0..len).map(|i| (i * 91 % 253) as u8 as i8).collect();
            let floats =
                |x: &[i8], zero: i8| x.iter().map(|&c| centred(c, zero)).collect::<Vec<_>>();
            let fa = floats(&a, -128);
            let fb = floats(&b, 7);
            let want: f64 = fa.iter().zip(&fb).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            assert_eq!(dot_exact(&a, -128, &b, 7) as f64, want);
            assert_eq!(f64::from(dot(&fa, &fb)), want, "{len}");
            assert_eq!(f64::from(dot_codes(&fa, &b, 7)), want, "{len}");
        }
    }

    #[test]
    fn sums_in_pairs_have_the_same_bits() {
        for len in 0..70usize {
            let value = |i: usize| (i * 37 % 101) as f32 * 0.37 - 11.0;
            let a: Vec<f32> = (0..len).map(value).collect();
            let one: Vec<f32> = (0..len).map(|i| value(i * 7 + 1)).collect();
            let other: Vec<f32> = (0..=len).map(|i| value(i * 3 + 2)).collect();
            let last = |first: f32| first * 0.01;
            let (first, second) = dot_pair(&a, &one, &other, last);
            assert_eq!(first.to_bits(), dot(&a, &one).to_bits(), "{len}");
            let longer: Vec<f32> = a.iter().copied().chain([last(first)]).collect();
            assert_eq!(second.to_bits(), dot(&longer, &other).to_bits(), "{len}");
        }
    }

    #[test]
    fn four_at_once_have_the_same_bits() {
        let value = |i: usize| (i * 37 % 101) as f32 * 0.37 - 11.0;
        for len in [0usize, 1, 5, 40] {
            let rows: Vec<Vec<f32>> =
                (0..4).map(|row| (0..len + row).map(|i| value(i * (row + 2))).collect()).collect();
            let factors = [0.3, -7.7, 1e-3, 12.0];
            let mut out: Vec<f32> = (0..len + 5).map(value).collect();
            let mut want = out.clone();
            for (factor, row) in factors.into_iter().zip(&rows) {
                add_scaled(&mut want, factor, row);
            }
            add_four(&mut out, factors, core::array::from_fn(|row| &rows[row][..]));
            assert!(
                out.iter().zip(&want).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{len}: {out:?} {want:?}"
            );
        }
    }

    #[test]
    fn exact_sums_hold_the_largest_embedding() {
        let low = [-128i8; 65_535];
        let high = [127i8; 65_535];
        assert_eq!(dot_exact(&low, 127, &low, 127), 255 * 255 * 65_535);
        assert_eq!(dot_exact(&low, 127, &high, -128), -255 * 255 * 65_535);
    }

    #[test]
    fn softmax_survives_extreme_scores() {
        let mut scores = [1e30, f32::NEG_INFINITY, -1e30, 1e30];
        softmax(&mut scores);
        assert_eq!(scores, [0.5, 0.0, 0.0, 0.5]);
    }
}
