//! One frame of sound: window function, Fourier transform, bands, logarithms.

use super::{Sound, Spectrum, fourier, logarithm};

/// Bits behind the point of a sample while the mean and the pre-emphasis are subtracted.
const SAMPLE_BITS: u32 = 14;
/// Bits behind the point of the pre-emphasis.
const SHARE_BITS: u32 = 15;
/// Bits of a value that enters the Fourier transform.
const VALUE_BITS: u32 = 30;
/// Most bits of a sample times a weight of the window function: 16 of a sample, one more for each
/// subtraction, 14 behind its point, 30 of the weight.
const PRODUCT_BITS: u32 = 62;
/// Bits behind the point of [`Sound::offset`] and [`Sound::floor`].
const ENERGY_BITS: u32 = 20;

impl Sound<'_> {
    /// Writes the logarithm of each band's energy in a frame.
    ///
    /// `samples` has [`Sound::frame`] values, `words` two more than the transform, `row` one for
    /// each band.
    pub(super) fn row(&self, samples: &[i16], words: &mut [i32], row: &mut [i16]) {
        let spare = self.taper_into(samples, words);
        fourier::powers(words);
        let bins = words.as_chunks_mut::<2>().0;
        let mut octaves = 2 * spare;
        if self.spectrum == Spectrum::Magnitude {
            octaves = spare;
            for bin in bins.iter_mut() {
                *bin = [whole(*bin).isqrt() as i32, 0];
            }
        }
        let [offset, floor] =
            [self.offset, self.floor].map(|x| (u128::from(x) << octaves) >> ENERGY_BITS);
        for (slot, band) in row.iter_mut().zip(self.bands()) {
            // Each half of a bin has 32 bits, a weight 16, and there are at most 513 bins.
            let mut sums = [0u64; 2];
            for (&[low, high], weight) in bins[band.first..].iter().zip(band.weights()) {
                sums[0] += u64::from(low as u32) * u64::from(weight);
                sums[1] += u64::from(high as u32) * u64::from(weight);
            }
            let energy = u128::from(sums[0]) + (u128::from(sums[1]) << 32);
            let logarithm = logarithm::log2((energy + offset).max(floor).max(1));
            *slot = logarithm - 256 * octaves as i16;
        }
    }

    /// Writes the samples under the window function, and zeros behind them, with as many bits as a
    /// frame of this loudness can have; returns how many more than the loudest frame has.
    fn taper_into(&self, samples: &[i16], words: &mut [i32]) -> u32 {
        let peak = self.products(samples).map(i64::unsigned_abs).max().unwrap_or(0);
        let bits = u64::BITS - peak.leading_zeros();
        let shift = bits.saturating_sub(VALUE_BITS);
        let half = (1 << shift) >> 1;
        let (front, back) = words.split_at_mut(samples.len().min(words.len()));
        for (word, product) in front.iter_mut().zip(self.products(samples)) {
            *word = ((product + half) >> shift) as i32;
        }
        back.fill(0);
        PRODUCT_BITS - VALUE_BITS - shift
    }

    /// Returns the samples of a frame times the window function.
    fn products(&self, samples: &[i16]) -> impl Iterator<Item = i64> {
        let mean = if self.centred { mean(samples) } else { 0 };
        let share = i64::from(self.emphasis);
        let mut before = samples.first().map_or(0, |&x| (i64::from(x) << SAMPLE_BITS) - mean);
        samples.iter().zip(self.taper()).map(move |(&x, weight)| {
            let own = (i64::from(x) << SAMPLE_BITS) - mean;
            let value = own - ((before * share + (1 << (SHARE_BITS - 1))) >> SHARE_BITS);
            before = own;
            value * i64::from(weight)
        })
    }
}

/// Returns the bits of a bin as one number.
fn whole([low, high]: [i32; 2]) -> u64 {
    u64::from(low as u32) | u64::from(high as u32) << 32
}

/// Returns the mean of samples with [`SAMPLE_BITS`] bits behind the point, rounded down.
fn mean(samples: &[i16]) -> i64 {
    let sum: i64 = samples.iter().map(|&x| i64::from(x)).sum();
    (sum << SAMPLE_BITS).div_euclid(samples.len().max(1) as i64)
}

/// Loudness of some samples, as shares of full scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Root of the mean square, 0 to 32,768.
    pub rms: u16,
    /// Largest magnitude, 0 to 32,768; samples were cut off if it is 32,767 or more.
    pub peak: u16,
}

impl Level {
    /// Returns the loudness of samples; zeros if there are none.
    ///
    /// ```
    /// use offshoot_core::sound::Level;
    ///
    /// let level = Level::of(&[300, -400, 300, -400]);
    /// assert_eq!((level.rms, level.peak), (353, 400));
    /// ```
    #[must_use]
    pub fn of(samples: &[i16]) -> Self {
        let square: u64 = samples.iter().map(|&x| u64::from(x.unsigned_abs()).pow(2)).sum();
        let peak = samples.iter().map(|x| x.unsigned_abs()).max().unwrap_or(0);
        Self { rms: (square / samples.len().max(1) as u64).isqrt() as u16, peak }
    }

    /// Returns the loudness in decibels below full scale: 0 for a square wave at full scale, about
    /// -96 for silence.
    #[must_use]
    pub fn decibels(self) -> f32 {
        (20.0 * libm::log10(f64::from(self.rms.max(1)) / 32_768.0)) as f32
    }
}
