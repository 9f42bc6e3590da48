//! aarch64 with 8-bit matrix multiplication: Cortex-A510, A710, X2, Neoverse N2 and later.
//!
//! `SMMLA` multiplies 2 pixels times 8 values by 8 weights times 2 channels. A tile is 8 pixels
//! times 8 channels. Rows are interleaved in pairs before all panels are multiplied with them:
//! doing it tile by tile would take a fifth of the multiplies' time. The intrinsics are unstable,
//! hence whole tiles in assembly.

use core::arch::aarch64::*;
use core::arch::asm;
use core::mem::MaybeUninit;

use super::common::{Head, RAW, SHIFTS, kernel};
use super::dot_depthwise;
use crate::kernels::job::{Rows, Tail};
use crate::pack::Layout;
use crate::target;

/// Output channels of a panel: two for each of four registers.
const LANES: usize = 8;

const LAYOUT: Layout = target::NEON_I8MM.rows;

kernel!(NeonI8mm: "i8mm" && "dotprod", target::NEON_I8MM, tile 8, grain 8, rows, dot_depthwise::taps, sums);

/// Positions of the bytes of two pixels after narrowing: channels come in pairs, pixel by pixel.
const UNPAIR: [u8; 16] = [0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15];

/// Loads the head of a panel with each pair of channels twice, in the order of `SMMLA`'s sums.
///
/// # Safety
/// A panel begins at `panel`.
#[target_feature(enable = "neon")]
unsafe fn paired(panel: *const i8, tail: Tail) -> Head<4> {
    // SAFETY: the caller's promise.
    let Head { bias, mantissa, .. } = unsafe { Head::<2>::load(panel, tail) };
    let twice = |[a, b]: [int32x4_t; 2]| {
        let [a, b] = [a, b].map(|v| vreinterpretq_s64_s32(v));
        [
            vdupq_laneq_s64::<0>(a),
            vdupq_laneq_s64::<1>(a),
            vdupq_laneq_s64::<0>(b),
            vdupq_laneq_s64::<1>(b),
        ]
        .map(|v| vreinterpretq_s32_s64(v))
    };
    Head::new(twice(bias), twice(mantissa), tail)
}

/// Computes a convolution of gathered rows.
///
/// # Safety
/// Same contract as [`Kernel::rows`](crate::kernels::job::Kernel::rows).
#[target_feature(enable = "i8mm")]
unsafe fn rows(job: &Rows) {
    // SAFETY: the caller's promise.
    unsafe { panels::<1>(job) }
}

/// Computes accumulators of rows.
///
/// # Safety
/// Same contract as [`Kernel::sums`](crate::kernels::job::Kernel::sums).
#[target_feature(enable = "i8mm")]
unsafe fn sums(job: &Rows) {
    // SAFETY: the caller's promise.
    unsafe { panels::<4>(job) }
}

/// Multiplies rows by all panels, for results of `WIDTH` bytes: codes or accumulators.
///
/// # Safety
/// Same contract as [`rows`] or [`sums`].
#[target_feature(enable = "i8mm")]
unsafe fn panels<const WIDTH: usize>(job: &Rows) {
    let panel_bytes = LAYOUT.panel_bytes(job.groups * LAYOUT.group);
    let mut buffer = [MaybeUninit::<[int8x16_t; 4]>::uninit(); BUFFER / 64];
    let buffer = buffer.as_mut_ptr().cast::<i8>();
    // Rows too long for the buffer are multiplied in place.
    let tiles = BUFFER / (8 * job.depth);
    for start in (0..job.pixels).step_by(8 * tiles.max(1)) {
        let pixels = (job.pixels - start).min(8 * tiles.max(1));
        let tiles = tiles.min(pixels / 8);
        // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers;
        // the buffer has room for so many tiles.
        unsafe {
            let cells = job.cells.add(start * job.stride);
            for tile in 0..tiles {
                pair_up(cells.add(8 * tile * job.stride), job, buffer.add(8 * tile * job.depth));
            }
            for panel in 0..job.channels.div_ceil(LANES) {
                let base = job.panels.add(panel * panel_bytes);
                let mut head = paired(base, job.tail);
                head.flags |= if WIDTH == 1 { 0 } else { RAW | SHIFTS };
                let left = (job.channels - panel * LANES).min(LANES);
                let out = job.out.add(start * job.out_stride + panel * LANES * WIDTH);
                let panel = Panel { head: &head, weights: base.add(8 * LANES), job, left };
                panel.tiles::<WIDTH>(buffer, tiles, out);
                let done = 8 * tiles;
                panel.pixels::<WIDTH>(
                    cells.add(done * job.stride),
                    pixels - done,
                    out.wrapping_add(done * job.out_stride),
                );
            }
        }
    }
}

/// Bytes of interleaved rows that all panels are multiplied with: a row of a tile has at most 4608
/// cells, those of a 3 x 3 window of 512 channels.
const BUFFER: usize = 8 * 4608;

/// Interleaves 8 rows in pairs: 8 cells of the first, 8 cells of the second; then the next pair.
///
/// # Safety
/// 8 rows lie behind `cells`, room for them behind `to`.
#[target_feature(enable = "neon")]
unsafe fn pair_up(cells: *const i8, job: &Rows, to: *mut i8) {
    let whole = job.depth / 16 * 16;
    // SAFETY: the caller's promise; rows have `depth` cells, a multiple of 8.
    unsafe {
        for at in (0..whole).step_by(16) {
            let rows: [int64x2_t; 8] = core::array::from_fn(|row| {
                vreinterpretq_s64_s8(vld1q_s8(cells.add(row * job.stride + at)))
            });
            for pair in 0..4 {
                let to = to.add(8 * at + 16 * pair).cast::<i64>();
                let [a, b] = [rows[2 * pair], rows[2 * pair + 1]];
                vst1q_s64(to, vzip1q_s64(a, b));
                vst1q_s64(to.add(8), vzip2q_s64(a, b));
            }
        }
        if whole < job.depth {
            for row in 0..8 {
                vst1_s8(to.add(8 * whole + 8 * row), vld1_s8(cells.add(row * job.stride + whole)));
            }
        }
    }
}

/// Panel, the job that it belongs to, and the number of its channels that exist.
struct Panel<'a> {
    head: &'a Head<4>,
    weights: *const i8,
    job: &'a Rows,
    left: usize,
}

impl Panel<'_> {
    /// Computes tiles of 8 pixels from the buffer.
    ///
    /// # Safety
    /// The tiles lie behind `paired`, and their pixels behind `out`.
    #[target_feature(enable = "i8mm")]
    unsafe fn tiles<const WIDTH: usize>(&self, paired: *const i8, tiles: usize, out: *mut i8) {
        let mut codes = MaybeUninit::<[i32; 8 * LANES]>::uninit();
        let codes = codes.as_mut_ptr().cast::<i8>();
        for tile in 0..tiles {
            // SAFETY: the caller's promise.
            unsafe {
                let paired = paired.add(8 * tile * self.job.depth);
                let out = out.add(8 * tile * self.job.out_stride);
                if self.left == LANES {
                    self.eight(paired, out, self.job.out_stride);
                } else {
                    self.eight(paired, codes, LANES * WIDTH);
                    self.store::<WIDTH>(codes, out, 8);
                }
            }
        }
    }

    /// Computes pixels two by two.
    ///
    /// # Safety
    /// A row per pixel lies behind `cells`, the pixels behind `out`.
    #[target_feature(enable = "i8mm")]
    unsafe fn pixels<const WIDTH: usize>(&self, cells: *const i8, pixels: usize, out: *mut i8) {
        let mut codes = MaybeUninit::<[i32; 2 * LANES]>::uninit();
        let codes = codes.as_mut_ptr().cast::<i8>();
        for at in (0..pixels).step_by(2) {
            let here = (pixels - at).min(2);
            // A last pixel without a partner is paired with itself.
            let stride = if here == 2 { self.job.stride } else { 0 };
            // SAFETY: the caller's promise.
            unsafe {
                let cells = cells.add(at * self.job.stride);
                let out = out.add(at * self.job.out_stride);
                if self.left == LANES && here == 2 {
                    self.two(cells, stride, out, self.job.out_stride);
                } else {
                    self.two(cells, stride, codes, LANES * WIDTH);
                    self.store::<WIDTH>(codes, out, here);
                }
            }
        }
    }

    /// Stores the existing channels of the first pixels.
    ///
    /// # Safety
    /// `pixels` pixels of 8 results were written to `codes`, and as many lie behind `out`.
    unsafe fn store<const WIDTH: usize>(&self, codes: *const i8, out: *mut i8, pixels: usize) {
        for p in 0..pixels {
            // SAFETY: the caller's promise; there are no more than 8 channels left.
            unsafe {
                let out = out.add(p * self.job.out_stride);
                out.copy_from_nonoverlapping(codes.add(p * LANES * WIDTH), self.left * WIDTH);
            }
        }
    }
}

/// Tile as assembly. For each pair of pixels: the register of their values, the same for the second
/// half of 16 cells, and the sums of four pairs of channels.
macro_rules! tile {
    ($self:ident, $head:expr, $out:expr, $out_stride:expr, $load:literal, $load_more:literal,
     [$(($x:literal, $y:literal, $a:literal, $b:literal, $c:literal, $d:literal)),+],
     $($rows:tt)+) => {
        asm!(
            ".arch_extension i8mm",
            $(concat!("ldp q", $a, ", q", $b, ", [{head}]"),
              concat!("ldp q", $c, ", q", $d, ", [{head}, #32]"),)+
            "cbz {sixteens}, 3f",
            "2:",
            $load,
            "ldp q8, q9, [{weights}], #32",
            "ldp q10, q11, [{weights}], #32",
            $load_more,
            "ldp q12, q13, [{weights}], #32",
            "ldp q14, q15, [{weights}], #32",
            "subs {sixteens}, {sixteens}, #1",
            $(concat!("smmla v", $a, ".4s, v", $x, ".16b, v8.16b"),)+
            $(concat!("smmla v", $b, ".4s, v", $x, ".16b, v9.16b"),)+
            $(concat!("smmla v", $c, ".4s, v", $x, ".16b, v10.16b"),)+
            $(concat!("smmla v", $d, ".4s, v", $x, ".16b, v11.16b"),)+
            $(concat!("smmla v", $a, ".4s, v", $y, ".16b, v12.16b"),)+
            $(concat!("smmla v", $b, ".4s, v", $y, ".16b, v13.16b"),)+
            $(concat!("smmla v", $c, ".4s, v", $y, ".16b, v14.16b"),)+
            $(concat!("smmla v", $d, ".4s, v", $y, ".16b, v15.16b"),)+
            "b.ne 2b",
            "3:",
            "tbz {depth}, #3, 4f",
            $load,
            "ldp q8, q9, [{weights}], #32",
            "ldp q10, q11, [{weights}]",
            $(concat!("smmla v", $a, ".4s, v", $x, ".16b, v8.16b"),)+
            $(concat!("smmla v", $b, ".4s, v", $x, ".16b, v9.16b"),)+
            $(concat!("smmla v", $c, ".4s, v", $x, ".16b, v10.16b"),)+
            $(concat!("smmla v", $d, ".4s, v", $x, ".16b, v11.16b"),)+
            "4:",
            // Requantization: the registers of values and weights are free.
            "ldp q0, q1, [{head}, #64]",
            "ldp q2, q3, [{head}, #96]",
            "ldr q4, [{head}, #128]",
            "ldr q5, [{unpair}]",
            "tbz {flags:w}, #0, 6f",
            "tbz {flags:w}, #2, 5f",
            // Accumulators, pixel by pixel.
            $(concat!("zip1 v0.2d, v", $a, ".2d, v", $b, ".2d"),
              concat!("zip1 v1.2d, v", $c, ".2d, v", $d, ".2d"),
              concat!("zip2 v2.2d, v", $a, ".2d, v", $b, ".2d"),
              concat!("zip2 v3.2d, v", $c, ".2d, v", $d, ".2d"),
              "st1 {{v0.4s, v1.4s}}, [{out}], {out_stride}",
              "st1 {{v2.4s, v3.4s}}, [{out}], {out_stride}",)+
            "b 8f",
            "5:",
            "ldr q6, [{head}, #176]",
            $(concat!("sqshl v", $a, ".4s, v", $a, ".4s, v6.4s"),
              concat!("sqshl v", $b, ".4s, v", $b, ".4s, v6.4s"),
              concat!("sqshl v", $c, ".4s, v", $c, ".4s, v6.4s"),
              concat!("sqshl v", $d, ".4s, v", $d, ".4s, v6.4s"),)+
            "6:",
            $(concat!("sqrdmulh v", $a, ".4s, v", $a, ".4s, v0.4s"),
              concat!("sqrdmulh v", $b, ".4s, v", $b, ".4s, v1.4s"),
              concat!("sqrdmulh v", $c, ".4s, v", $c, ".4s, v2.4s"),
              concat!("sqrdmulh v", $d, ".4s, v", $d, ".4s, v3.4s"),)+
            $(concat!("sqxtn v", $a, ".4h, v", $a, ".4s"), concat!("sqxtn v", $c, ".4h, v", $c, ".4s"),)+
            $(concat!("sqxtn2 v", $a, ".8h, v", $b, ".4s"), concat!("sqxtn2 v", $c, ".8h, v", $d, ".4s"),)+
            $(concat!("sqadd v", $a, ".8h, v", $a, ".8h, v4.8h"),
              concat!("sqadd v", $c, ".8h, v", $c, ".8h, v4.8h"),)+
            $(concat!("sqxtn v", $a, ".8b, v", $a, ".8h"),)+
            $(concat!("sqxtn2 v", $a, ".16b, v", $c, ".8h"),)+
            "tbz {flags:w}, #1, 7f",
            "ldp q0, q1, [{head}, #144]",
            $(concat!("smax v", $a, ".16b, v", $a, ".16b, v0.16b"),)+
            $(concat!("smin v", $a, ".16b, v", $a, ".16b, v1.16b"),)+
            "7:",
            $(concat!("tbl v", $a, ".16b, {{v", $a, ".16b}}, v5.16b"),)+
            $(concat!("st1 {{v", $a, ".d}}[0], [{out}], {out_stride}"),
              concat!("st1 {{v", $a, ".d}}[1], [{out}], {out_stride}"),)+
            "8:",
            head = in(reg) &raw const *$head,
            unpair = in(reg) UNPAIR.as_ptr(),
            weights = inout(reg) $self.weights => _,
            sixteens = inout(reg) $self.job.depth / 16 => _,
            depth = in(reg) $self.job.depth,
            flags = in(reg) $head.flags,
            out = inout(reg) $out => _,
            out_stride = in(reg) $out_stride,
            $($rows)+,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _,
            out("v6") _, out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _,
            out("v12") _, out("v13") _, out("v14") _, out("v15") _, out("v16") _,
            out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
            out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _,
            out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nostack),
        )
    };
}

impl Panel<'_> {
    /// Computes 8 pixels times 8 channels.
    ///
    /// # Safety
    /// 8 rows in pairs lie behind `paired`, pixels of 8 channels behind `out`.
    #[target_feature(enable = "i8mm")]
    #[inline]
    unsafe fn eight(&self, paired: *const i8, out: *mut i8, out_stride: usize) {
        // SAFETY: of each row `depth` cells are read, of the panel 8 times as many weights; every
        // pixel is written 8 bytes.
        unsafe {
            tile!(
                self, self.head, out, out_stride,
                "ldp q0, q1, [{r0}], #32\n ldp q2, q3, [{r0}], #32",
                "ldp q4, q5, [{r0}], #32\n ldp q6, q7, [{r0}], #32",
                [(0, 4, 16, 17, 18, 19), (1, 5, 20, 21, 22, 23),
                 (2, 6, 24, 25, 26, 27), (3, 7, 28, 29, 30, 31)],
                r0 = inout(reg) paired => _
            );
        }
    }

    /// Computes 2 pixels times 8 channels, of rows in place.
    ///
    /// # Safety
    /// 2 rows lie behind `cells`, `stride` apart, 2 pixels of 8 channels behind `out`.
    #[target_feature(enable = "i8mm")]
    #[inline]
    unsafe fn two(&self, cells: *const i8, stride: usize, out: *mut i8, out_stride: usize) {
        // SAFETY: as above.
        unsafe {
            tile!(
                self, self.head, out, out_stride,
                "ldr d0, [{r0}], #8\n ld1 {{v0.d}}[1], [{r1}], #8",
                "ldr d4, [{r0}], #8\n ld1 {{v4.d}}[1], [{r1}], #8",
                [(0, 4, 16, 17, 18, 19)],
                r0 = inout(reg) cells => _, r1 = inout(reg) cells.add(stride) => _
            );
        }
    }
}
