//! Logarithm of an integer by a table.

/// Number of steps of an octave in [`TABLE`].
const STEPS: usize = 256;
/// Bits behind the point of the table.
const BITS: u32 = 24;

/// Logarithms to base 2 of 1 to 2, in 1/2^24.
static TABLE: [u32; STEPS + 1] = logarithms();

const fn logarithms() -> [u32; STEPS + 1] {
    let mut table = [0; STEPS + 1];
    let mut k = 0;
    while k <= STEPS {
        let x = k as f64 / STEPS as f64;
        // ln(1 + x) = 2 artanh(y), y at most 1/3: the term after y^39 is below 2^-60.
        let y = x / (2.0 + x);
        let mut power = y;
        let mut sum = 0.0;
        let mut n = 0;
        while n < 20 {
            sum += power / (2 * n + 1) as f64;
            power *= y * y;
            n += 1;
        }
        table[k] = (sum * 2.0 / core::f64::consts::LN_2 * (1u32 << BITS) as f64 + 0.5) as u32;
        k += 1;
    }
    table
}

/// Returns the logarithm of a number to base 2, in 1/256; the number is at least 1 and below 2^120.
pub(super) fn log2(value: u128) -> i16 {
    let octave = 127 - value.leading_zeros();
    // The top bit of the mantissa is 1.
    let mantissa = (value << value.leading_zeros() >> 96) as u32;
    let at = (mantissa >> 23) as usize & (STEPS - 1);
    let part = u64::from(mantissa & ((1 << 23) - 1));
    let [low, high] = [TABLE[at], TABLE[at + 1]];
    let fraction = u64::from(low) + ((u64::from(high - low) * part) >> 23);
    let whole = (u64::from(octave) << BITS) + fraction;
    ((whole + (1 << (BITS - 9))) >> (BITS - 8)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_rounded_to_nearest() {
        let mut value = 1u128;
        while value < 1 << 100 {
            let want = libm::log2(value as f64) * 256.0;
            assert!((f64::from(log2(value)) - want).abs() < 0.502, "{value}");
            value += value / 97 + 1;
        }
        assert_eq!([1, 2, 3, 4].map(log2), [0, 256, 406, 512]);
    }
}
