//! aarch64 with the dot product instructions: Cortex-A55, A76, A78 and later.
//!
//! `SDOT` adds four products to each of four channels. A tile is 8 pixels times 8 channels, which
//! needs the fewest loads per multiply: 64 `SDOT` read 8 registers of values and 8 of weights, and
//! all 32 registers are in use. The intrinsics are unstable, hence whole tiles in assembly.

use core::arch::asm;
use core::mem::MaybeUninit;

use super::common::{Head, RAW, SHIFTS, block, kernel};
use super::dot_depthwise;
use crate::kernels::job::Rows;
use crate::pack::Layout;
use crate::target;

/// Output channels of a panel: two registers.
const LANES: usize = 8;

const LAYOUT: Layout = target::NEON_DOT.rows;

kernel!(NeonDot: "dotprod", target::NEON_DOT, tile 8, grain 4, rows, dot_depthwise::taps, sums);

/// Computes a convolution of gathered rows.
///
/// # Safety
/// Same contract as [`Kernel::rows`](crate::kernels::job::Kernel::rows).
#[target_feature(enable = "dotprod")]
unsafe fn rows(job: &Rows) {
    // SAFETY: the caller's promise.
    unsafe { panels::<1>(job) }
}

/// Computes accumulators of rows.
///
/// # Safety
/// Same contract as [`Kernel::sums`](crate::kernels::job::Kernel::sums).
#[target_feature(enable = "dotprod")]
unsafe fn sums(job: &Rows) {
    // SAFETY: the caller's promise.
    unsafe { panels::<4>(job) }
}

/// Multiplies rows by all panels, for results of `WIDTH` bytes: codes or accumulators.
///
/// # Safety
/// Same contract as [`rows`] or [`sums`].
#[target_feature(enable = "dotprod")]
unsafe fn panels<const WIDTH: usize>(job: &Rows) {
    let panel_bytes = LAYOUT.panel_bytes(job.groups * LAYOUT.group);
    let block = block(job.stride, 8);
    for start in (0..job.pixels).step_by(block) {
        let pixels = block.min(job.pixels - start);
        for panel in 0..job.channels.div_ceil(LANES) {
            // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the
            // pointers.
            unsafe {
                let base = job.panels.add(panel * panel_bytes);
                let mut head = Head::load(base, job.tail);
                head.flags |= if WIDTH == 1 { 0 } else { RAW | SHIFTS };
                let tiles = Tiles { head: &head, weights: base.add(8 * LANES), job };
                let cells = job.cells.add(start * job.stride);
                let out = job.out.add(start * job.out_stride + panel * LANES * WIDTH);
                match job.channels - panel * LANES {
                    left @ 1..LANES => tiles.narrow::<WIDTH>(cells, out, pixels, left),
                    _ => tiles.run(cells, out, pixels),
                }
            }
        }
    }
}

/// Panel and the job that it belongs to.
struct Tiles<'a> {
    head: &'a Head<2>,
    weights: *const i8,
    job: &'a Rows,
}

impl Tiles<'_> {
    /// Computes `pixels` pixels of 8 channels.
    ///
    /// # Safety
    /// `pixels` rows lie behind `cells`, and `pixels` pixels of 8 channels behind `out`.
    #[target_feature(enable = "dotprod")]
    unsafe fn run(&self, cells: *const i8, out: *mut i8, pixels: usize) {
        let stride = self.job.stride;
        let out_stride = self.job.out_stride;
        let [eights, fours] = [pixels / 8 * 8, pixels / 4 * 4];
        // SAFETY: the caller's promise.
        unsafe {
            if eights > 0 {
                self.tiles::<8>(cells, eights / 8, out, out_stride);
            }
            if fours > eights {
                self.tiles::<4>(
                    cells.add(eights * stride),
                    1,
                    out.add(eights * out_stride),
                    out_stride,
                );
            }
            if pixels > fours {
                let cells = cells.add(fours * stride);
                let out = out.add(fours * out_stride);
                self.tiles::<1>(cells, pixels - fours, out, out_stride);
            }
        }
    }

    /// Computes `pixels` pixels of which only `left` of 8 channels exist, `WIDTH` bytes each.
    ///
    /// # Safety
    /// Same contract as [`Tiles::run`], with `left` channels.
    #[target_feature(enable = "dotprod")]
    unsafe fn narrow<const WIDTH: usize>(
        &self,
        cells: *const i8,
        out: *mut i8,
        pixels: usize,
        left: usize,
    ) {
        let mut codes = MaybeUninit::<[i32; 8 * LANES]>::uninit();
        let codes = codes.as_mut_ptr().cast::<i8>();
        let step = LANES * WIDTH;
        for start in (0..pixels).step_by(8) {
            let here = (pixels - start).min(8);
            // SAFETY: the caller's promise; `codes` has room for 8 pixels of 8 channels.
            unsafe {
                let cells = cells.add(start * self.job.stride);
                match here {
                    8 => self.tiles::<8>(cells, 1, codes, step),
                    _ => self.tiles::<1>(cells, here, codes, step),
                }
                for p in 0..here {
                    let out = out.add((start + p) * self.job.out_stride);
                    // The tiles have written what is copied.
                    out.copy_from_nonoverlapping(codes.add(p * step), left * WIDTH);
                }
            }
        }
    }
}

/// Tile as assembly. For each pixel: its pointer, the register of its values, and those of the sums
/// of its first and its last four channels.
macro_rules! tile {
    ($self:ident, $cells:ident, $out:ident, $out_stride:ident, $tiles:expr, $pixels:literal,
     $(($pixel:literal, $row:ident, $x:literal, $lo:literal, $hi:literal)),+) => {
        asm!(
            ".arch_extension dotprod",
            "8:",
            "lsr {sixteens}, {depth}, #4",
            $(concat!("ldp q", $lo, ", q", $hi, ", [{head}]"),)+
            "cbz {sixteens}, 3f",
            "2:",
            $(concat!("ldr q", $x, ", [{", stringify!($row), "}], #16"),)+
            "ldp q8, q9, [{weights}], #32",
            "ldp q10, q11, [{weights}], #32",
            "ldp q12, q13, [{weights}], #32",
            "ldp q14, q15, [{weights}], #32",
            "subs {sixteens}, {sixteens}, #1",
            $(concat!("sdot v", $lo, ".4s, v8.16b, v", $x, ".4b[0]"),)+
            $(concat!("sdot v", $hi, ".4s, v9.16b, v", $x, ".4b[0]"),)+
            $(concat!("sdot v", $lo, ".4s, v10.16b, v", $x, ".4b[1]"),)+
            $(concat!("sdot v", $hi, ".4s, v11.16b, v", $x, ".4b[1]"),)+
            $(concat!("sdot v", $lo, ".4s, v12.16b, v", $x, ".4b[2]"),)+
            $(concat!("sdot v", $hi, ".4s, v13.16b, v", $x, ".4b[2]"),)+
            $(concat!("sdot v", $lo, ".4s, v14.16b, v", $x, ".4b[3]"),)+
            $(concat!("sdot v", $hi, ".4s, v15.16b, v", $x, ".4b[3]"),)+
            "b.ne 2b",
            "3:",
            "tbz {depth}, #3, 4f",
            $(concat!("ldr d", $x, ", [{", stringify!($row), "}], #8"),)+
            "ldp q8, q9, [{weights}], #32",
            "ldp q10, q11, [{weights}], #32",
            $(concat!("sdot v", $lo, ".4s, v8.16b, v", $x, ".4b[0]"),)+
            $(concat!("sdot v", $hi, ".4s, v9.16b, v", $x, ".4b[0]"),)+
            $(concat!("sdot v", $lo, ".4s, v10.16b, v", $x, ".4b[1]"),)+
            $(concat!("sdot v", $hi, ".4s, v11.16b, v", $x, ".4b[1]"),)+
            "4:",
            "tbz {depth}, #2, 5f",
            $(concat!("ldr s", $x, ", [{", stringify!($row), "}], #4"),)+
            "ldp q8, q9, [{weights}], #32",
            $(concat!("sdot v", $lo, ".4s, v8.16b, v", $x, ".4b[0]"),)+
            $(concat!("sdot v", $hi, ".4s, v9.16b, v", $x, ".4b[0]"),)+
            "5:",
            // Requantization: the registers of values and weights are free.
            "ldp q0, q1, [{head}, #32]",
            "ldr q2, [{head}, #64]",
            "tbz {flags:w}, #0, 6f",
            "tbz {flags:w}, #2, 9f",
            $(concat!("st1 {{v", $lo, ".4s, v", $hi, ".4s}}, [{out}], {out_stride}"),)+
            "b 12f",
            "9:",
            "ldr q3, [{head}, #112]",
            $(concat!("sqshl v", $lo, ".4s, v", $lo, ".4s, v3.4s"),)+
            $(concat!("sqshl v", $hi, ".4s, v", $hi, ".4s, v3.4s"),)+
            "6:",
            $(concat!("sqrdmulh v", $lo, ".4s, v", $lo, ".4s, v0.4s"),)+
            $(concat!("sqrdmulh v", $hi, ".4s, v", $hi, ".4s, v1.4s"),)+
            $(concat!("sqxtn v", $lo, ".4h, v", $lo, ".4s"),)+
            $(concat!("sqxtn2 v", $lo, ".8h, v", $hi, ".4s"),)+
            $(concat!("sqadd v", $lo, ".8h, v", $lo, ".8h, v2.8h"),)+
            $(concat!("sqxtn v", $lo, ".8b, v", $lo, ".8h"),)+
            "tbz {flags:w}, #1, 7f",
            "ldp q3, q4, [{head}, #80]",
            $(concat!("smax v", $lo, ".8b, v", $lo, ".8b, v3.8b"),)+
            $(concat!("smin v", $lo, ".8b, v", $lo, ".8b, v4.8b"),)+
            "7:",
            $(concat!("st1 {{v", $lo, ".8b}}, [{out}], {out_stride}"),)+
            "12:",
            // The next pixels of the same panel.
            $(concat!("add {", stringify!($row), "}, {", stringify!($row), "}, {step}"),)+
            "sub {weights}, {weights}, {depth}, lsl #3",
            "subs {tiles}, {tiles}, #1",
            "b.ne 8b",
            head = in(reg) &raw const *$self.head,
            weights = inout(reg) $self.weights => _,
            sixteens = out(reg) _,
            tiles = inout(reg) $tiles => _,
            step = in(reg) ($pixels * $self.job.stride).wrapping_sub($self.job.depth),
            depth = in(reg) $self.job.depth,
            flags = in(reg) $self.head.flags,
            out = inout(reg) $out => _,
            out_stride = in(reg) $out_stride,
            $($row = inout(reg) $cells.add($pixel * $self.job.stride) => _,)+
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

impl Tiles<'_> {
    /// Computes `tiles` tiles, at least one, of `PIXELS` (8, 4 or 1) times 8 channels.
    ///
    /// # Safety
    /// `PIXELS` rows a tile lie behind `cells`, pixels of 8 channels behind `out`.
    #[target_feature(enable = "dotprod")]
    #[inline]
    unsafe fn tiles<const PIXELS: usize>(
        &self,
        cells: *const i8,
        tiles: usize,
        out: *mut i8,
        out_stride: usize,
    ) {
        // SAFETY: of each row `depth` cells are read, of the panel 8 times as many weights; every
        // pixel is written 8 bytes, or 8 accumulators.
        unsafe {
            match PIXELS {
                8 => tile!(
                    self,
                    cells,
                    out,
                    out_stride,
                    tiles,
                    8,
                    (0, r0, 0, 16, 17),
                    (1, r1, 1, 18, 19),
                    (2, r2, 2, 20, 21),
                    (3, r3, 3, 22, 23),
                    (4, r4, 4, 24, 25),
                    (5, r5, 5, 26, 27),
                    (6, r6, 6, 28, 29),
                    (7, r7, 7, 30, 31)
                ),
                4 => tile!(
                    self,
                    cells,
                    out,
                    out_stride,
                    tiles,
                    4,
                    (0, r0, 0, 16, 17),
                    (1, r1, 1, 18, 19),
                    (2, r2, 2, 20, 21),
                    (3, r3, 3, 22, 23)
                ),
                _ => tile!(self, cells, out, out_stride, tiles, 1, (0, r0, 0, 16, 17)),
            }
        }
    }
}
