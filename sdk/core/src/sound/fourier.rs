//! Fourier transform of real samples in integers: radix 2, halved at each stage.
//!
//! Two neighbouring samples are one complex number, so that a transform of N real samples is one
//! of N / 2 complex ones and a separation. Factors have 30 bits behind the point; each butterfly
//! is rounded once.

/// Number of steps of a whole turn in [`SINE`].
const TURN: usize = 1024;
/// Bits behind the point of a factor.
const BITS: u32 = 30;

/// Sines of a quarter turn, in 1/2^30.
static SINE: [i32; TURN / 4 + 1] = sines();

const fn sines() -> [i32; TURN / 4 + 1] {
    let mut table = [0; TURN / 4 + 1];
    let mut k = 0;
    while k < table.len() {
        let x = k as f64 * (2.0 * core::f64::consts::PI / TURN as f64);
        // Taylor's series: the term after x^23 is below 2^-60.
        let mut term = x;
        let mut sum = x;
        let mut n = 1;
        while n < 12 {
            term *= -x * x / ((2 * n) as f64 * (2 * n + 1) as f64);
            sum += term;
            n += 1;
        }
        table[k] = (sum * (1u32 << BITS) as f64 + 0.5) as i32;
        k += 1;
    }
    table
}

/// Returns cosine and negative sine of `step` steps of a turn, up to half a turn: e^(-i angle).
fn factor(step: usize) -> [i64; 2] {
    let quarter = TURN / 4;
    let [cosine, sine] = match step <= quarter {
        true => [SINE[quarter - step], SINE[step]],
        false => [-SINE[step - quarter], SINE[2 * quarter - step]],
    };
    [cosine.into(), (-sine).into()]
}

/// Replaces N real samples of magnitude up to 2^30 by the squares of the magnitudes of their
/// Fourier coefficients, each divided by N. `words` has N + 2 values: the lower and the upper 32
/// bits of bins 0 to N / 2, in turn.
pub(super) fn powers(words: &mut [i32]) {
    let half = words.len() / 2 - 1;
    let (pairs, _) = words.as_chunks_mut::<2>();
    transform(&mut pairs[..half]);
    let first = pairs[0];
    for low in 0..=half / 2 {
        let high = half - low;
        let b = if low == 0 { first } else { pairs[high] };
        let a = if low == 0 { first } else { pairs[low] };
        let step = TURN / (2 * half);
        pairs[low] = separated(a, b, factor(low * step));
        pairs[high] = separated(b, a, factor(high * step));
    }
}

/// Returns the square of the magnitude of a coefficient of the real samples, from the coefficients
/// of the complex ones at its frequency and at the mirrored one.
fn separated(a: [i32; 2], b: [i32; 2], [cosine, sine]: [i64; 2]) -> [i32; 2] {
    let [ar, ai, br, bi] = [a[0], a[1], b[0], b[1]].map(i64::from);
    let even = [ar + br, ai - bi];
    let odd = [ai + bi, br - ar];
    let turned = [odd[0] * cosine - odd[1] * sine, odd[0] * sine + odd[1] * cosine];
    let part = |at: usize| ((even[at] << BITS) + turned[at] + (1 << (BITS + 1))) >> (BITS + 2);
    let [re, im] = [part(0), part(1)];
    let power = (re * re + im * im) as u64;
    [power as u32 as i32, (power >> 32) as i32]
}

/// Transforms complex numbers in place; the coefficients are divided by their number.
fn transform(values: &mut [[i32; 2]]) {
    let count = values.len();
    let bits = count.trailing_zeros();
    for i in 0..count {
        let mirrored = i.reverse_bits() >> (usize::BITS - bits);
        if i < mirrored {
            values.swap(i, mirrored);
        }
    }
    let mut half = 1;
    while half < count {
        let step = TURN / (2 * half);
        for block in values.chunks_exact_mut(2 * half) {
            let (front, back) = block.split_at_mut(half);
            for (k, (a, b)) in front.iter_mut().zip(back).enumerate() {
                butterfly(a, b, factor(k * step));
            }
        }
        half *= 2;
    }
}

fn butterfly(a: &mut [i32; 2], b: &mut [i32; 2], [cosine, sine]: [i64; 2]) {
    let [re, im] = b.map(i64::from);
    let turned = [re * cosine - im * sine, re * sine + im * cosine];
    for at in 0..2 {
        let own = (i64::from(a[at]) << BITS) + (1 << BITS);
        a[at] = ((own + turned[at]) >> (BITS + 1)) as i32;
        b[at] = ((own - turned[at]) >> (BITS + 1)) as i32;
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// Powers by the definition of the transform, in floats.
    fn expected(samples: &[i32]) -> Vec<f64> {
        let count = samples.len();
        let power = |bin: usize| {
            let mut sum = [0.0f64; 2];
            for (i, &x) in samples.iter().enumerate() {
                let turn = (bin * i % count) as f64 / count as f64;
                let angle = 2.0 * core::f64::consts::PI * turn;
                sum[0] += f64::from(x) * libm::cos(angle);
                sum[1] += f64::from(x) * libm::sin(angle);
            }
            (sum[0] * sum[0] + sum[1] * sum[1]) / (count * count) as f64
        };
        (0..=count / 2).map(power).collect()
    }

    fn check(samples: &[i32], error: f64) {
        let mut words = samples.to_vec();
        words.extend([0, 0]);
        powers(&mut words);
        for (bin, (pair, want)) in words.chunks(2).zip(expected(samples)).enumerate() {
            let got = u64::from(pair[0] as u32) | u64::from(pair[1] as u32) << 32;
            let off = libm::sqrt(got as f64) - libm::sqrt(want);
            assert!(off.abs() <= error, "{} samples, bin {bin}: off by {off}", samples.len());
        }
    }

    #[test]
    fn powers_are_those_of_the_definition() {
        let top = 1 << 30;
        for count in [512usize, 1024] {
            let mut state = 7u32;
            let mut noise = |bits: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state as i32 >> bits
            };
            for bits in [2, 12, 22] {
                let samples: Vec<i32> = (0..count).map(|_| noise(bits)).collect();
                check(&samples, 4.0);
            }
            check(&alloc::vec![0; count], 0.0);
            // DC, Nyquist, a square wave at full scale, and one sample.
            check(&alloc::vec![top; count], 4.0);
            check(&alloc::vec![-top; count], 4.0);
            for period in [2, 4, 8, 64] {
                let square = |i: usize| if i % period < period / 2 { top } else { -top };
                check(&(0..count).map(square).collect::<Vec<_>>(), 4.0);
            }
            for at in [0, 1, count - 1] {
                let mut single = alloc::vec![0; count];
                single[at] = -top;
                check(&single, 1.5);
            }
        }
    }

    #[test]
    fn factors_are_sines() {
        for step in 0..=TURN / 2 {
            let angle = step as f64 * 2.0 * core::f64::consts::PI / TURN as f64;
            let want = [libm::cos(angle), -libm::sin(angle)];
            for (got, want) in factor(step).into_iter().zip(want) {
                assert!((got as f64 - want * f64::from(1 << BITS)).abs() < 0.51, "{step}");
            }
        }
    }
}
