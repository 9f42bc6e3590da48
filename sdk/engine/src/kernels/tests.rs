//! Every kernel's jobs against plain sums, in memory that ends exactly where the job's does.

#[cfg_attr(target_arch = "wasm32", path = "tests/canary.rs")]
mod guarded;

use std::vec;
use std::vec::Vec;

use guarded::Guarded;
use offshoot_core::graph::Clamp;
use offshoot_core::quant;

use super::job::{Kernel, MOST_ROWS, Pieces, Product, Rows, Sum, Tail, Taps};
use crate::dispatch::by_isa;
use crate::isa::{Isa, Kind};
use crate::pack::{Constants, Layout};
use crate::plan::requant_path::RequantPath;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    fn codes(&mut self, n: usize) -> Vec<i8> {
        (0..n).map(|_| self.next() as i8).collect()
    }
}

/// Constants of one layer, plain and packed.
struct Layer {
    weights: Vec<i8>,
    bias: Vec<i32>,
    mantissas: Vec<i32>,
    tail: Tail,
    packed: Guarded,
}

impl Layer {
    /// `fan_in` weights for each channel; `places` puts them where the layout has them.
    fn random(random: &mut Random, layout: &Layout, channels: usize, fan_in: usize) -> Self {
        // Kernels may sum more products in 16 bits where weights are small.
        let small = random.below(3);
        let weights: Vec<i8> =
            random.codes(channels * fan_in).into_iter().map(|w| w >> small).collect();
        let bias: Vec<i32> = (0..channels).map(|_| random.next() as i32 >> 18).collect();
        let requant =
            [RequantPath::Mantissas, RequantPath::Lanes, RequantPath::Any][random.below(3)];
        // Small mantissas suit every requantization method.
        let mantissas: Vec<i32> = (0..channels).map(|_| random.next() as i32 & 0xff_ffff).collect();
        let shift = if requant == RequantPath::Any { random.below(3) as u8 } else { 0 };
        let tail =
            Tail { shift, requant, zero: random.next() as i8, clamp: Clamp { lo: -100, hi: 101 } };
        let packed = Guarded::new(layout.bytes(channels, fan_in));
        let mut layer = Self { weights, bias, mantissas, tail, packed };
        layer.repack(layout);
        layer
    }

    /// Packs again after the constants have changed.
    fn repack(&mut self, layout: &Layout) {
        let Self { weights, bias, mantissas, packed, .. } = self;
        let channels = bias.len();
        let fan_in = weights.len() / bias.len();
        let constants = Constants {
            weight: |channel: usize, place: usize, row: &mut [i8]| {
                row.copy_from_slice(&weights[channel * fan_in + place..][..row.len()]);
            },
            bias: bytemuck::cast_slice(bias),
            mantissas: bytemuck::cast_slice(mantissas),
            first: 0,
            channels,
            fan_in,
            zero: 0,
        };
        layout.pack(&constants, packed);
    }

    /// Computes the sum of a channel's products.
    fn sum(&self, channel: usize, codes: impl Iterator<Item = i8>) -> i32 {
        let fan_in = self.weights.len() / self.bias.len();
        let row = self.weights[channel * fan_in..][..fan_in].iter();
        row.zip(codes).map(|(&w, code)| i32::from(w) * i32::from(code)).sum()
    }

    /// Computes the expected value of a channel from activations with zero point 0.
    fn want(&self, channel: usize, codes: impl Iterator<Item = i8>) -> i8 {
        let acc = self.sum(channel, codes);
        let multiplier =
            offshoot_core::Multiplier { mantissa: self.mantissas[channel], shift: self.tail.shift };
        let Tail { zero, clamp, .. } = self.tail;
        quant::requantize(self.bias[channel] + acc, multiplier, zero, clamp.lo, clamp.hi)
    }
}

fn rows<K: Kernel>(kernel: K, random: &mut Random, pixels: usize, channels: usize, fan_in: usize) {
    let layer = Layer::random(random, &K::ROWS, channels, fan_in);
    let codes: Vec<Vec<i8>> = (0..pixels).map(|_| random.codes(fan_in)).collect();
    check_rows(kernel, random, &layer, &codes);
}

fn check_rows<K: Kernel>(kernel: K, random: &mut Random, layer: &Layer, codes: &[Vec<i8>]) {
    let pixels = codes.len();
    let channels = layer.bias.len();
    let fan_in = codes[0].len();
    let stride = K::ROWS.row_bytes(fan_in);
    let mut cells = Guarded::new(pixels * stride);
    for (row, codes) in cells.chunks_exact_mut(stride).zip(codes) {
        kernel.widen(codes, row);
    }
    let out_stride = channels + random.below(5);
    let mut out = Guarded::new((pixels - 1) * out_stride + channels);
    let mut spare = Guarded::new(K::spare_bytes(stride));
    let job = Rows {
        cells: cells.as_ptr(),
        stride,
        depth: stride / K::ROWS.width(),
        pixels,
        groups: fan_in.div_ceil(K::ROWS.group),
        panels: layer.packed.as_ptr(),
        channels,
        out: out.as_mut_ptr(),
        out_stride,
        spare: spare.as_mut_ptr(),
        tail: layer.tail,
    };
    // SAFETY: all of it was made to measure.
    unsafe { kernel.rows(&job) };
    for (p, codes) in codes.iter().enumerate() {
        for c in 0..channels {
            let want = layer.want(c, codes.iter().copied());
            assert_eq!(out[p * out_stride + c], want, "{pixels} x {channels} x {fan_in}: {p} {c}");
        }
        let gap = out[p * out_stride..].iter().take(out_stride).skip(channels);
        assert!(gap.copied().all(|code| code == 0), "{pixels} x {channels} x {fan_in}: gap {p}");
    }
}

/// Tests sums of products that just fit 16 bits, or just do not, with activations at both ends.
fn brinks<K: Kernel>(kernel: K, random: &mut Random, fan_in: usize) {
    let channels = 12;
    for largest in [31, 63, 64, 85, 127, -64, -127, -128] {
        let mut layer = Layer::random(random, &K::ROWS, channels, fan_in);
        layer.weights.fill(largest);
        // One of them is larger by one or less, somewhere.
        let odd = random.below(channels * fan_in);
        layer.weights[odd] =
            [largest.saturating_add(1), largest.saturating_sub(1), -largest.max(-127)]
                [random.below(3)];
        layer.tail = Tail { shift: 0, requant: RequantPath::Mantissas, ..layer.tail };
        layer.mantissas.fill(1 << 14);
        layer.repack(&K::ROWS);
        let codes: Vec<Vec<i8>> =
            [-128, 127, -127, 126, 0, -128, 127, 1].map(|code| vec![code; fan_in]).into();
        check_rows(kernel, random, &layer, &codes);
    }
}

/// Tests accumulators, of weights of which no two, some or any two give products beyond 16 bits.
fn accumulators<K: Kernel>(
    kernel: K,
    random: &mut Random,
    pixels: usize,
    channels: usize,
    fan_in: usize,
) {
    let Some(layout) = K::TARGET.sums else { return };
    for largest in [64, 127, -128] {
        let mut layer = Layer::random(random, &layout, channels, fan_in);
        layer.bias.fill(0);
        layer.mantissas.fill(0);
        layer.weights.iter_mut().for_each(|w| *w = (*w).clamp(-64, 64));
        let odd = random.below(channels * fan_in);
        layer.weights[odd..].iter_mut().take(2).for_each(|w| *w = largest);
        layer.repack(&layout);
        let mut codes: Vec<Vec<i8>> = (0..pixels).map(|_| random.codes(fan_in)).collect();
        codes[0].fill([127, -128][random.below(2)]);
        check_accumulators(kernel, random, &layout, &layer, &codes);
    }
}

fn check_accumulators<K: Kernel>(
    kernel: K,
    random: &mut Random,
    layout: &Layout,
    layer: &Layer,
    codes: &[Vec<i8>],
) {
    let pixels = codes.len();
    let channels = layer.bias.len();
    let fan_in = codes[0].len();
    let stride = layout.row_bytes(fan_in);
    let mut cells = Guarded::new(pixels * stride);
    // What lies behind the last place has no weight.
    cells.fill(99);
    for (row, codes) in cells.chunks_exact_mut(stride).zip(codes) {
        row[..fan_in].copy_from_slice(codes);
    }
    let out_stride = 4 * (channels + random.below(5));
    let mut out = Guarded::new((pixels - 1) * out_stride + 4 * channels);
    let mut spare = Guarded::new(K::SUMS_SPARE);
    let job = Rows {
        cells: cells.as_ptr(),
        stride,
        depth: stride,
        pixels,
        groups: fan_in.div_ceil(layout.group),
        panels: layer.packed.as_ptr(),
        channels,
        out: out.as_mut_ptr(),
        out_stride,
        spare: spare.as_mut_ptr(),
        tail: layer.tail,
    };
    // SAFETY: all of it was made to measure.
    unsafe { kernel.sums(&job) };
    for (p, codes) in codes.iter().enumerate() {
        for c in 0..channels {
            let want = layer.sum(c, codes.iter().copied());
            let got: [i8; 4] = *out[p * out_stride + 4 * c..].first_chunk().unwrap();
            let got = i32::from_le_bytes(got.map(|byte| byte as u8));
            assert_eq!(got, want, "{pixels} x {channels} x {fan_in}: {p} {c}");
        }
        let gap = out[p * out_stride..].iter().take(out_stride).skip(4 * channels);
        assert!(gap.copied().all(|code| code == 0), "{pixels} x {channels} x {fan_in}: gap {p}");
    }
}

fn taps<K: Kernel>(kernel: K, random: &mut Random, channels: usize, side: usize, stride: usize) {
    let pixels = 1 + random.below(8);
    let column = K::TAPS.column(side);
    let filled = column > side;
    let mut layer = Layer::random(random, &K::TAPS, channels, side * column);
    // Filled places have no weight.
    for (place, weight) in layer.weights.iter_mut().enumerate() {
        if place % column >= side {
            *weight = 0;
        }
    }
    layer.repack(&K::TAPS);
    // Columns that adjacent windows share, each tap in its own memory.
    let step = stride.min(side) * side;
    let count = (pixels - 1) * step + side * side;
    let codes = random.codes(count * channels);
    let map: Vec<Guarded> = codes.chunks_exact(channels).map(Guarded::filled).collect();
    let mut pointers: Vec<*const i8> = map.iter().map(|tap| tap.as_ptr()).collect();
    // Kernels may read pointers, and what they point to, up to a whole group.
    pointers.extend_from_slice(&[map[0].as_ptr(); 64]);
    let out_stride = channels + random.below(5);
    let mut out = Guarded::new((pixels - 1) * out_stride + channels);
    let job = Taps {
        taps: pointers.as_ptr(),
        step,
        rows: side,
        columns: side,
        filled,
        pixels,
        lines: 1,
        line_step: 0,
        below: false,
        groups: (side * column).div_ceil(K::TAPS.group),
        panels: layer.packed.as_ptr(),
        channels,
        out: out.as_mut_ptr(),
        out_stride,
        tail: layer.tail,
    };
    // SAFETY: as above.
    unsafe { kernel.taps(&job) };
    for p in 0..pixels {
        for c in 0..channels {
            let taps = (0..side * column).map(|place| {
                let x = place / column;
                let y = place % column;
                if y < side { codes[(p * step + x * side + y) * channels + c] } else { 0 }
            });
            let want = layer.want(c, taps);
            assert_eq!(
                out[p * out_stride + c],
                want,
                "{side}x{side}/{stride} of {channels}: {p} {c}"
            );
        }
    }
}

fn sums<K: Kernel>(kernel: K, random: &mut Random, len: usize) {
    let [a, b] = [random.codes(len), random.codes(len)];
    let factors = [9000, -7000];
    let offset = 1 << 13;
    let shift = 14;
    let clamp = Clamp { lo: -90, hi: 80 };
    let [x, y, mut out] = [Guarded::filled(&a), Guarded::filled(&b), Guarded::new(len)];
    let job = Sum {
        a: x.as_ptr(),
        b: y.as_ptr(),
        out: out.as_mut_ptr(),
        len,
        factors,
        offset,
        shift,
        clamp,
    };
    // SAFETY: as above.
    unsafe { kernel.sum(&job) };
    for i in 0..len {
        let sum = i32::from(a[i]) * i32::from(factors[0]) + i32::from(b[i]) * i32::from(factors[1]);
        let want = ((sum + offset) >> shift).clamp(clamp.lo.into(), clamp.hi.into()) as i8;
        assert_eq!(out[i], want, "sum of {len}");
    }
}

/// Tests products of floats: each sum from zero in the order of the depth.
fn products<K: Kernel>(kernel: K, random: &mut Random, columns: usize) {
    if !K::PRODUCTS {
        return;
    }
    let [rows, depth] = [21, 30].map(|n| 1 + random.below(n));
    let mut floats = |n: usize| -> Vec<f32> {
        (0..n).map(|_| random.next() as i32 as f32 / 1e8 - 10.0).collect()
    };
    let [a, b] = [floats(rows * depth), floats(depth * columns)];
    let bytes = |values: &[f32]| -> Vec<i8> {
        values.iter().flat_map(|v| v.to_le_bytes().map(|byte| byte as i8)).collect()
    };
    let [x, z] = [&a, &b].map(|values| Guarded::filled(&bytes(values)));
    let mut out = Guarded::new(4 * rows * columns);
    let job = Product {
        a: x.as_ptr().cast(),
        b: z.as_ptr().cast(),
        out: out.as_mut_ptr().cast(),
        rows,
        depth,
        columns,
    };
    // SAFETY: as above.
    unsafe { kernel.product(&job) };
    let sum = |i: usize| {
        let terms = (0..depth).map(|k| [a[i / columns * depth + k], b[k * columns + i % columns]]);
        terms.fold(0f32, |sum, [a, b]| sum + a * b)
    };
    let want: Vec<f32> = (0..rows * columns).map(sum).collect();
    assert_eq!(out[..], bytes(&want)[..], "{rows} x {depth} x {columns}");
}

fn pieces<K: Kernel>(kernel: K, random: &mut Random, len: usize) {
    let count = 1 + random.below(4);
    let step = 1 + random.below(40);
    let codes = random.codes((count - 1) * step + len);
    let stride = len * K::ROWS.width() + random.below(9);
    let from = Guarded::filled(&codes);
    let mut cells = Guarded::new((count - 1) * stride + len * K::ROWS.width());
    let job = Pieces { codes: from.as_ptr(), step, len, count, cells: cells.as_mut_ptr(), stride };
    // SAFETY: as above.
    unsafe { kernel.pieces(&job) };
    for i in 0..count {
        let mut want = vec![0; len * K::ROWS.width()];
        kernel.widen(&codes[i * step..][..len], &mut want);
        assert_eq!(cells[i * stride..][..want.len()], want);
    }
}

fn all<K: Kernel>(kernel: K) {
    let mut random = Random(1);
    for size in (1..=40).chain([47, 48, 49, 63, 64, 65, 80, 96, 112, 127, 128, 129]) {
        sums(kernel, &mut random, size);
        pieces(kernel, &mut random, size);
        products(kernel, &mut random, size);
        let [pixels, fan_in, channels] = [26, 40, 70].map(|n| 1 + random.below(n));
        rows(kernel, &mut random, pixels, size, fan_in);
        rows(kernel, &mut random, 1 + size % 27, channels, size);
        brinks(kernel, &mut random, size);
        accumulators(kernel, &mut random, 1 + size % 27, channels, size);
        accumulators(kernel, &mut random, pixels, size, 400 + 7 * fan_in);
        for (side, stride) in [(1, 1), (2, 1), (3, 1), (3, 2), (3, 3), (5, 1), (5, 2), (7, 1)] {
            taps(kernel, &mut random, size, side, stride);
        }
    }
    accumulators(kernel, &mut random, MOST_ROWS, 37, 1100);
}

#[test]
fn jobs_and_nothing_behind_them() {
    for isa in Isa::available() {
        by_isa!(isa, kernel => all(kernel), ());
    }
}
