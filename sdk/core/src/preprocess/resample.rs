//! Triangle filter of `numerics.md` 4.3: exact integers, one rounding, memory on the stack.
//!
//! The columns of the frame are summed first, a strip at a time, because neighbouring bytes of a
//! row then have the same weight and are processed with SIMD. Nothing is rounded between the axes,
//! so the order changes no bit.

use core::iter;
use core::ops::{AddAssign, Mul, Range, RangeInclusive};

use crate::frame::{Frame, PixelFormat};

/// Max number of frame pixels under a strip.
const SPAN: usize = 256;
/// Max number of output pixels per row of a strip.
const COLUMNS: usize = 128;
/// Max number of weights of a strip's columns.
const WEIGHTS: usize = 4 * SPAN;

/// Resampling of one axis: `seen` source pixels from `start` become `out` pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    start: u32,
    seen: u32,
    out: u32,
    /// Common divisor of `seen` and `out`; weights and their sums are divided by it, which changes
    /// no rounded mean.
    unit: u32,
}

impl Axis {
    pub fn new(source: u32, seen: Option<u32>, out: u16) -> Self {
        let seen = seen.unwrap_or(source).min(source);
        let mut unit = seen;
        let mut rest = u32::from(out);
        while rest > 0 {
            (unit, rest) = (rest, unit % rest);
        }
        Self { start: (source - seen) / 2, seen, out: out.into(), unit }
    }

    /// Returns the source pixels under output pixel `o` that have a weight.
    fn taps(&self, o: u32) -> Taps {
        // All distances in units of `unit / (2 * out)` source pixels, so that they are integers:
        // below 2^32, because a side of the frame is below 2^14 and one of the output below 2^16.
        let out = self.out / self.unit;
        let seen = self.seen / self.unit;
        let reach = 2 * out.max(seen);
        let center = (2 * o + 1) * seen;
        // Pixel `i` has a weight if `(2 * i + 1) * out` is less than `reach` from the center.
        let first = (center.saturating_sub(reach) / out).div_ceil(2);
        let last = ((center + reach).div_ceil(out) / 2).min(self.seen);
        Taps { start: self.start, first, last, out, center, reach }
    }

    /// Returns the source positions of taps, or `few` of which they are a part, if that is not 0.
    fn padded(&self, taps: &Taps, few: usize) -> Range<usize> {
        let range = taps.range();
        if few == 0 {
            return range;
        }
        let end = (self.start + self.seen) as usize;
        let start = range.start.min(end - few);
        start..start + few
    }

    /// Returns the max number of source pixels under an output pixel, and the largest sum of their
    /// weights.
    fn most(&self) -> (usize, u32) {
        let all = (0..self.out).map(|o| self.taps(o));
        all.fold((0, 0), |(len, sum), taps| (taps.range().len().max(len), taps.total().max(sum)))
    }
}

/// Weights of one output pixel along one axis.
#[derive(Debug, Clone, Copy)]
struct Taps {
    start: u32,
    first: u32,
    last: u32,
    out: u32,
    center: u32,
    reach: u32,
}

impl Taps {
    /// Returns the source positions.
    fn range(&self) -> Range<usize> {
        (self.start + self.first) as usize..(self.start + self.last) as usize
    }

    /// Returns source positions and their weights: each below 2^16, because a side is below 2^14.
    fn iter(&self) -> impl Iterator<Item = (usize, u16)> + '_ {
        (self.first..self.last).map(|i| {
            let distance = ((2 * i + 1) * self.out).abs_diff(self.center);
            ((self.start + i) as usize, self.reach.saturating_sub(distance) as u16)
        })
    }

    fn total(&self) -> u32 {
        self.iter().map(|(_, w)| u32::from(w)).sum()
    }
}

/// Passes every output pixel to `put`, in runs: column of the first, row, red, green, blue.
pub(crate) fn resample(
    frame: &Frame<'_>,
    xs: &Axis,
    ys: &Axis,
    put: impl FnMut(usize, usize, &[[u8; 3]]),
) {
    let (span, width) = xs.most();
    let (_, height) = ys.most();
    if span > SPAN || !divides(width.into(), height.into()) || height > u32::MAX / 255 {
        return plain(frame, xs, ys, put);
    }
    // Few weights of one row are as many for every column, so that their loops have a known length.
    let is_small = u64::from(width) * u64::from(height) < SMALL;
    let few = if is_small && span <= xs.seen as usize && FEW.contains(&span) { span } else { 0 };
    match (frame.format(), 255 * height > u16::MAX.into()) {
        (PixelFormat::Gray8, false) => strips::<u16, 1>(frame, xs, ys, few, put),
        (PixelFormat::Gray8, true) => strips::<u32, 1>(frame, xs, ys, few, put),
        (_, false) => strips::<u16, 3>(frame, xs, ys, few, put),
        (_, true) => strips::<u32, 3>(frame, xs, ys, few, put),
    }
}

/// Returns true if [`Inverse`] is exact for sums of such weights.
fn divides(width: u64, height: u64) -> bool {
    u128::from(width) * u128::from(width) * u128::from(height) < 1 << 56
}

/// Reference form of the filter, used for frames that are very much larger than the output.
///
/// Nothing overflows: a whole side of [`limits::FRAME_SIDE`] under one output pixel has weights
/// that add up to 1.5 times its square, below 2^28; two axes and a byte stay below 2^64.
///
/// [`limits::FRAME_SIDE`]: crate::limits::FRAME_SIDE
fn plain(frame: &Frame<'_>, xs: &Axis, ys: &Axis, mut put: impl FnMut(usize, usize, &[[u8; 3]])) {
    for (y, x) in (0..ys.out).flat_map(|y| (0..xs.out).map(move |x| (y, x))) {
        let columns = xs.taps(x);
        let rows = ys.taps(y);
        let mut sum = [0u64; 3];
        for (row, wy) in rows.iter() {
            let mut line = [0u64; 3];
            for (column, wx) in columns.iter() {
                let pixel = frame.rgb_at(column, row as u32);
                line.iter_mut()
                    .zip(pixel)
                    .for_each(|(acc, v)| *acc += u64::from(wx) * u64::from(v));
            }
            sum.iter_mut().zip(line).for_each(|(acc, v)| *acc += u64::from(wy) * v);
        }
        let total = u64::from(columns.total()) * u64::from(rows.total());
        put(x as usize, y as usize, &[sum.map(|s| ((s + total / 2) / total) as u8)]);
    }
}

/// Division by a constant of at least 2: `floor(n / d)` for `n * d` below 2^64.
#[derive(Debug, Clone, Copy, Default)]
struct Inverse(u64);

impl Inverse {
    fn new(divisor: u64) -> Self {
        Self(u64::MAX / divisor + 1)
    }

    fn divide(self, n: u64) -> u64 {
        ((u128::from(n) * u128::from(self.0)) >> 64) as u64
    }
}

/// Least divisor that [`small_mean`] does not take: sums are at most 255.5 times as large, and their
/// product with the divisor is below 2^32.
const SMALL: u64 = 4096;

/// Numbers of weights that are few.
const FEW: RangeInclusive<usize> = 2..=4;

/// Returns the rounded mean of values with these weights, in 32 bits: microcontrollers have no more.
#[inline]
fn small_mean<A: Copy + Into<u32>, const N: usize>(
    values: &[[A; N]],
    weights: &[u16],
    divisor: u32,
) -> [u8; N] {
    let inverse = u32::MAX / divisor + 1;
    let mut sum = [divisor / 2; N];
    for (values, &weight) in values.iter().zip(weights) {
        for (acc, &value) in sum.iter_mut().zip(values) {
            let value: u32 = value.into();
            *acc += u32::from(weight) * value;
        }
    }
    sum.map(|s| ((u64::from(s) * u64::from(inverse)) >> 32) as u8)
}

/// Column of a strip's output.
#[derive(Debug, Clone, Copy, Default)]
struct Column {
    /// Index of the first pixel, counted from the strip's.
    first: usize,
    /// Range of its weights among the strip's.
    weights: (usize, usize),
    total: u32,
    inverse: Inverse,
}

/// Neighbouring columns of the output with all parameters they need for a row.
struct Strip {
    /// Columns of the frame.
    source: Range<usize>,
    columns: [Column; COLUMNS],
    weights: [u16; WEIGHTS],
    len: usize,
    /// Number of weights of every column; 0: columns have different numbers.
    few: usize,
}

impl Strip {
    /// Returns the widest strip from column `x` of the output on; every column has `few` weights, if
    /// that is not 0.
    fn new(xs: &Axis, x: usize, few: usize) -> Self {
        let first = xs.padded(&xs.taps(x as u32), few);
        let mut strip = Self {
            source: first,
            columns: [Column::default(); COLUMNS],
            weights: [0; WEIGHTS],
            len: 0,
            few,
        };
        let mut used = 0;
        for (column, x) in strip.columns.iter_mut().zip(x as u32..xs.out) {
            let taps = xs.taps(x);
            let range = xs.padded(&taps, few);
            let start = strip.source.start;
            let end = used + range.len();
            if range.end - start > SPAN || end > WEIGHTS {
                break;
            }
            for (source, weight) in taps.iter() {
                strip.weights[used + source - range.start] = weight;
            }
            let total = taps.total();
            // A small divisor takes none.
            let inverse = if few > 0 { Inverse(0) } else { Inverse::new(total.into()) };
            *column = Column { first: range.start - start, weights: (used, end), total, inverse };
            strip.source.end = range.end;
            strip.len += 1;
            used = end;
        }
        strip
    }

    /// Computes the means under each column of a row whose columns were summed.
    fn means<A: Copy + Into<u32>, const N: usize>(
        &self,
        sums: &[A],
        total: u32,
        pixels: &mut [[u8; 3]],
    ) {
        let sums = sums.as_chunks::<N>().0;
        match self.few {
            2 => return self.means_of_few::<A, N, 2>(sums, total, pixels),
            3 => return self.means_of_few::<A, N, 3>(sums, total, pixels),
            4 => return self.means_of_few::<A, N, 4>(sums, total, pixels),
            _ => {}
        }
        let inverse = Inverse::new(total.into());
        for (column, pixel) in self.columns[..self.len].iter().zip(pixels) {
            let weights = &self.weights[column.weights.0..column.weights.1];
            let sums = &sums[column.first..];
            let divisor = u64::from(column.total) * u64::from(total);
            let mean = if divisor < SMALL {
                small_mean(sums, weights, divisor as u32)
            } else {
                let mut sum = [divisor / 2; N];
                for (values, &weight) in sums.iter().zip(weights) {
                    for (acc, &value) in sum.iter_mut().zip(values) {
                        let value: u32 = value.into();
                        *acc += u64::from(weight) * u64::from(value);
                    }
                }
                // Dividing by one axis after the other is dividing by both: floors nest.
                sum.map(|s| inverse.divide(column.inverse.divide(s)) as u8)
            };
            *pixel = core::array::from_fn(|c| mean[c % N]);
        }
    }

    /// Computes the same where every column has `FEW` weights and divisors are small.
    fn means_of_few<A: Copy + Into<u32>, const N: usize, const FEW: usize>(
        &self,
        sums: &[[A; N]],
        total: u32,
        pixels: &mut [[u8; 3]],
    ) {
        let weights = self.weights.as_chunks::<FEW>().0;
        let columns = self.columns[..self.len].iter().zip(weights);
        for ((column, weights), pixel) in columns.zip(pixels) {
            let Some(values) = sums[column.first..].first_chunk::<FEW>() else { return };
            let mean = small_mean(values, weights, column.total * total);
            *pixel = core::array::from_fn(|c| mean[c % N]);
        }
    }
}

/// Filters values of `N` channels whose sums over the rows fit `A`.
///
/// Not inlined, nor are the users of tiles of samples: else their kilobytes would lie in the frame of
/// a microcontroller's main function, below all that it calls later.
#[inline(never)]
fn strips<A, const N: usize>(
    frame: &Frame<'_>,
    xs: &Axis,
    ys: &Axis,
    few: usize,
    mut put: impl FnMut(usize, usize, &[[u8; 3]]),
) where
    A: Copy + Default + AddAssign + Mul<Output = A> + From<u8> + From<u16> + Into<u32>,
{
    let mut x = 0;
    let width = xs.out as usize;
    while x < width {
        let strip = Strip::new(xs, x, few);
        let mut sums = [[A::default(); SPAN]; N];
        let sums = &mut sums.as_flattened_mut()[..N * strip.source.len()];
        let mut pixels = [[0; 3]; COLUMNS];
        for y in 0..ys.out {
            let taps = ys.taps(y);
            add_rows(frame, &taps, &strip.source, sums);
            strip.means::<A, N>(sums, taps.total(), &mut pixels);
            if frame.format() == PixelFormat::Bgr8 {
                pixels.iter_mut().for_each(|pixel| pixel.reverse());
            }
            put(x, y as usize, &pixels[..strip.len]);
        }
        x += strip.len;
    }
}

/// Computes weighted sums of rows of the frame, of some columns, in the order of their bytes.
fn add_rows<A>(frame: &Frame<'_>, rows: &Taps, columns: &Range<usize>, sums: &mut [A])
where
    A: Copy + AddAssign + Mul<Output = A> + From<u8> + From<u16>,
{
    let mut weighted = rows.iter().map(|(row, weight)| (row as u32, A::from(weight)));
    let Some((row, weight)) = weighted.next() else { return };
    let Some(values) = bytes(frame, row, columns) else {
        // Pixels of other formats are converted first.
        let mut pixels = [[0; 3]; SPAN];
        let pixels = &mut pixels[..columns.len()];
        sums.fill(A::from(0u8));
        for (row, weight) in iter::once((row, weight)).chain(weighted) {
            frame.rgb_into(row, columns.start, pixels);
            add(pixels.as_flattened(), weight, sums);
        }
        return;
    };
    let second = weighted.next().and_then(|(row, w)| Some((bytes(frame, row, columns)?, w)));
    let Some((others, other)) = second else {
        return sums.iter_mut().zip(values).for_each(|(sum, &v)| *sum = weight * A::from(v));
    };
    // Most outputs that are larger than the frame have no more rows than these.
    for ((sum, &value), &next) in sums.iter_mut().zip(values).zip(others) {
        *sum = weight * A::from(value);
        *sum += other * A::from(next);
    }
    for (row, weight) in weighted {
        add(bytes(frame, row, columns).unwrap_or_default(), weight, sums);
    }
}

/// Adds weighted values to sums.
fn add<A: Copy + AddAssign + Mul<Output = A> + From<u8>>(values: &[u8], weight: A, sums: &mut [A]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum += weight * A::from(value);
    }
}

/// Returns some columns of a row whose bytes are values of pixels.
fn bytes<'a>(frame: &Frame<'a>, row: u32, columns: &Range<usize>) -> Option<&'a [u8]> {
    let format = frame.format();
    match format {
        PixelFormat::Rgb8 | PixelFormat::Bgr8 | PixelFormat::Gray8 => {
            let bytes = format.bytes();
            Some(&frame.row(row)[columns.start * bytes..columns.end * bytes])
        }
        PixelFormat::Rgb565 | PixelFormat::Yuyv | PixelFormat::Nv12 | PixelFormat::I420 => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::limits;

    /// Formulas of `numerics.md` 4.3, in 128 bits and without a common divisor.
    fn reference(frame: &Frame<'_>, out: [u16; 2], seen: [Option<u64>; 2]) -> Vec<[u8; 3]> {
        let side = [frame.width(), frame.height()].map(u128::from);
        let weights = |axis: usize, o: u128| -> Vec<(u128, u128)> {
            let n = side[axis];
            let out = u128::from(out[axis]);
            let seen = seen[axis].map_or(n, u128::from).min(n);
            let center = (2 * o + 1) * seen;
            let weight =
                |i: u128| (2 * out.max(seen)).saturating_sub(((2 * i + 1) * out).abs_diff(center));
            (0..seen).map(|i| ((n - seen) / 2 + i, weight(i))).filter(|&(_, w)| w > 0).collect()
        };
        let mut pixels = Vec::new();
        for y in 0..out[1] {
            for x in 0..out[0] {
                let wx = weights(0, x.into());
                let wy = weights(1, y.into());
                let mut sum = [0; 3];
                let mut total = 0;
                for &(row, b) in &wy {
                    for &(column, a) in &wx {
                        let pixel = frame.rgb_at(column as usize, row as u32);
                        (0..3).for_each(|c| sum[c] += a * b * u128::from(pixel[c]));
                        total += a * b;
                    }
                }
                pixels.push(sum.map(|s| ((s + total / 2) / total) as u8));
            }
        }
        pixels
    }

    fn noise(len: usize) -> Vec<u8> {
        let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        // Runs of black and white among the noise: sums at their min and max.
        let byte = |v: u32| [0, 255, (v >> 16) as u8, (v >> 16) as u8][(v >> 30) as usize];
        iter::successors(Some(7u32), next).map(byte).take(len).collect()
    }

    fn both(frame: &Frame<'_>, out: [u16; 2], seen: [Option<u64>; 2]) {
        let [xs, ys] = [(frame.width(), 0), (frame.height(), 1)]
            .map(|(side, axis)| Axis::new(side, seen[axis].map(|seen| seen as u32), out[axis]));
        let want = reference(frame, out, seen);
        let width = usize::from(out[0]);
        for slow in [false, true] {
            let mut got = vec![[7; 3]; want.len()];
            let mut count = 0;
            let put = |x: usize, y: usize, run: &[[u8; 3]]| {
                got[y * width + x..][..run.len()].copy_from_slice(run);
                count += run.len();
            };
            if slow {
                plain(frame, &xs, &ys, put)
            } else {
                resample(frame, &xs, &ys, put)
            }
            let size = (frame.width(), frame.height());
            assert!(got == want, "{size:?} {:?} to {out:?}, {seen:?}, slow {slow}", frame.format());
            assert_eq!(count, want.len(), "every pixel once");
        }
    }

    #[test]
    fn strips_give_the_bits_of_the_definition() {
        use PixelFormat::{Bgr8, Gray8, I420, Nv12, Rgb8, Rgb565, Yuyv};
        let pixels = noise(700 * 3 * 40);
        for format in [Rgb8, Bgr8, Gray8, Rgb565, Yuyv, Nv12, I420] {
            // Smaller, larger, coprime, equal; more than one strip; one pixel; sums beyond 16 bits;
            // too wide for a strip.
            for (w, h, ow, oh) in [
                (64, 40, 16, 12),
                (5, 3, 40, 17),
                (61, 37, 13, 11),
                (9, 9, 9, 9),
                (700, 4, 100, 3),
                (300, 2, 290, 2),
                (3, 2, 300, 1),
                (1, 1, 3, 5),
                (2, 400, 3, 3),
                (600, 3, 1, 2),
            ] {
                let is_yuv = matches!(format, Yuyv | Nv12 | I420);
                let (w, h) = if is_yuv { (w + w % 2, h + h % 2) } else { (w, h) };
                let frame = Frame::new(w, h, format, &pixels).unwrap();
                both(&frame, [ow, oh], [None; 2]);
                both(&frame, [ow, oh], [Some(w as u64 * 2 / 3 + 1), Some(h as u64 / 2 + 1)]);
            }
        }
    }

    #[test]
    fn strides_are_followed() {
        let pixels = noise(3000);
        for format in [PixelFormat::Rgb8, PixelFormat::Gray8] {
            both(&Frame::with_stride(11, 9, 41, format, &pixels).unwrap(), [5, 7], [None; 2]);
        }
    }

    #[test]
    fn white_stays_white() {
        // Largest sums: in debug builds an overflow of a kernel's numbers ends the test.
        let pixels = vec![255; 3 * 2400 * 1700];
        for (w, h, out) in [(2400, 1700, 31), (1281, 721, 224), (641, 479, 224), (640, 480, 96)] {
            let frame = Frame::rgb(w, h, &pixels).unwrap();
            let [xs, ys] = [w, h].map(|side| Axis::new(side, None, out));
            resample(&frame, &xs, &ys, |_, _, run| assert!(run.iter().all(|p| *p == [255; 3])));
        }
    }

    #[test]
    fn inverses_divide() {
        for divisor in [2, 3, 5, 7, 114, 457, 65_535, 1 << 20, (1 << 24) - 1] {
            let inverse = Inverse::new(divisor);
            let most = u64::MAX / divisor;
            for n in (0..300).chain(most - 300..most).chain((1..300).map(|q| q * divisor)) {
                assert_eq!(inverse.divide(n), n / divisor, "{n} / {divisor}");
                assert_eq!(inverse.divide(n.saturating_sub(1)), n.saturating_sub(1) / divisor);
            }
        }
    }

    #[test]
    fn small_means_are_exact() {
        for divisor in 4..SMALL as u32 {
            for mean in 0..=255 {
                let least = mean * divisor;
                for value in [least, least + divisor / 2, least + divisor - 1] {
                    // Weights add up to the divisor, and values are bytes.
                    let value = value.min(255 * divisor);
                    let values: [u32; 1] = [value];
                    let [got] = small_mean(&[values], &[1], divisor);
                    assert_eq!(
                        u32::from(got),
                        (value + divisor / 2) / divisor,
                        "{value} / {divisor}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_largest_frame_under_one_pixel_does_not_overflow() {
        // A side that has no divisor in common with any output, so that nothing is divided out.
        for side in [limits::FRAME_SIDE, limits::FRAME_SIDE - 7] {
            for out in [1, 2, 3] {
                let (_, total) = Axis::new(side, None, out).most();
                let total = u128::from(total);
                assert!(total * total * 255 + total * total / 2 <= u128::from(u64::MAX), "{total}");
            }
        }
    }
}
