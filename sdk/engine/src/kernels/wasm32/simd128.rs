//! WebAssembly with 128-bit SIMD.
//!
//! Activations and weights are interleaved to 16 bits for `i32x4.dot_i16x8_s`, which adds two products
//! without overflow and is one instruction of x86 and three of ARM. Browsers give a function the
//! 16 registers of x86: 8 hold 4 pixels times 8 channels, 2 the weights of those channels.
//!
//! A module is checked as a whole before it runs, so that one with these instructions runs only
//! where they are: the compilation decides, there is nothing to ask.

use core::arch::wasm32::*;

use super::simd128_common::{Head, PANEL, interleaved, load, store};
use super::simd128_depthwise;
use crate::kernels::job::{Kernel, Rows, Sum, Taps};
use crate::pack::Layout;
use crate::plan::requant_path::{ANY, LANES, MANTISSAS, RequantPath};
use crate::target::{self, Target};

const LAYOUT: Layout = target::WASM_SIMD128.rows;

/// Number of pixels of a tile.
const TILE: usize = 4;

/// Proof that the module was compiled with 128-bit SIMD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Simd128(());

impl Simd128 {
    pub fn detect() -> Option<Self> {
        Some(Self(()))
    }
}

impl Kernel for Simd128 {
    const TARGET: Target = target::WASM_SIMD128;
    const TILE: usize = TILE;

    unsafe fn rows(self, job: &Rows) {
        debug_assert!(job.depth == job.groups * LAYOUT.group, "rows are gathered");
        // SAFETY: the caller's promise.
        unsafe {
            match job.tail.requant {
                RequantPath::Mantissas => panels::<MANTISSAS>(job),
                RequantPath::Lanes => panels::<LANES>(job),
                RequantPath::Any => panels::<ANY>(job),
            }
        }
    }

    unsafe fn taps(self, job: &Taps) {
        // SAFETY: the caller's promise.
        unsafe { simd128_depthwise::taps(job) }
    }

    unsafe fn sum(self, job: &Sum) {
        // SAFETY: the caller's promise.
        unsafe { sum(job) }
    }

    fn widen(self, codes: &[i8], cells: &mut [i8]) {
        assert!(cells.len() >= 2 * codes.len());
        let (blocks, rest) = codes.as_chunks::<PANEL>();
        let done = blocks.len() * PANEL;
        // SAFETY: `cells` has two bytes per code.
        unsafe {
            for (i, block) in blocks.iter().enumerate() {
                let wide = i16x8_load_extend_i8x8(block.as_ptr());
                v128_store(cells.as_mut_ptr().cast::<v128>().add(i), wide);
            }
            for (i, &code) in rest.iter().enumerate() {
                let cell = cells.as_mut_ptr().cast::<i16>().add(done + i);
                cell.write_unaligned(i16::from(code));
            }
        }
    }
}

/// Computes a convolution of gathered rows by one requantization method.
///
/// # Safety
/// Same contract as [`Kernel::rows`].
unsafe fn panels<const PATH: u8>(job: &Rows) {
    let size = LAYOUT.panel_bytes(job.groups * LAYOUT.group);
    for panel in 0..job.channels.div_ceil(PANEL) {
        // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers.
        unsafe {
            let base = job.panels.add(panel * size);
            let left = (job.channels - panel * PANEL).min(PANEL);
            let weights = base.add(8 * PANEL);
            let out = job.out.add(panel * PANEL);
            let strip = Strip { head: Head::<PATH>::load(base, job.tail), weights, out, left };
            let rest = job.pixels % TILE;
            for pixel in (0..job.pixels - rest).step_by(TILE) {
                strip.tile::<TILE>(job, pixel);
            }
            match rest {
                3 => strip.tile::<3>(job, job.pixels - 3),
                2 => strip.tile::<2>(job, job.pixels - 2),
                1 => strip.tile::<1>(job, job.pixels - 1),
                _ => {}
            }
        }
    }
}

/// Panel, computed for all pixels.
struct Strip<const PATH: u8> {
    head: Head<PATH>,
    weights: *const i8,
    out: *mut i8,
    /// Number of channels that exist.
    left: usize,
}

impl<const PATH: u8> Strip<PATH> {
    /// Computes `M` pixels times 8 channels.
    ///
    /// # Safety
    /// The job has `M` pixels from `pixel` on.
    #[inline(always)]
    unsafe fn tile<const M: usize>(&self, job: &Rows, pixel: usize) {
        let mut acc = [self.head.bias; M];
        // SAFETY: a row has `groups` pairs of cells, the panel `groups` pairs of vectors.
        unsafe {
            let cells = job.cells.add(pixel * job.stride);
            let rows: [*const i8; M] = core::array::from_fn(|m| cells.wrapping_add(m * job.stride));
            for group in 0..job.groups {
                let w = self.weights.cast::<v128>().add(2 * group);
                let w0 = v128_load(w);
                let w1 = v128_load(w.add(1));
                for (row, acc) in rows.iter().zip(&mut acc) {
                    let pair = v128_load32_splat(row.cast::<u32>().add(group));
                    acc[0] = i32x4_add(acc[0], i32x4_dot_i16x8(pair, w0));
                    acc[1] = i32x4_add(acc[1], i32x4_dot_i16x8(pair, w1));
                }
            }
            for (m, acc) in acc.into_iter().enumerate() {
                store(self.head.codes(acc), self.out.add((pixel + m) * job.out_stride), self.left);
            }
        }
    }
}

/// Adds two feature maps.
///
/// # Safety
/// Same contract as [`Kernel::sum`].
unsafe fn sum(job: &Sum) {
    let [fa, fb] = job.factors;
    let factors = i16x8(fa, fb, fa, fb, fa, fb, fa, fb);
    let offset = i32x4_splat(job.offset);
    let lo = i8x16_splat(job.clamp.lo);
    let hi = i8x16_splat(job.clamp.hi);
    for at in (0..job.len).step_by(PANEL) {
        let left = (job.len - at).min(PANEL);
        // SAFETY: `at + left <= len`; an operand that is the result is read before it is written.
        unsafe {
            let a = load(job.a.add(at), left);
            let b = load(job.b.add(at), left);
            let [low, high] = interleaved(a, b).map(|pairs| {
                let sum = i32x4_add(i32x4_dot_i16x8(pairs, factors), offset);
                i32x4_shr(sum, job.shift.min(31).into())
            });
            let wide = i16x8_narrow_i32x4(low, high);
            let codes = i8x16_min(i8x16_max(i8x16_narrow_i16x8(wide, wide), lo), hi);
            store(codes, job.out.add(at), left);
        }
    }
}
