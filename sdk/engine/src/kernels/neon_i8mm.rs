//! aarch64 with 8-bit matrix multiplication: Cortex-A510, A710, X2, Neoverse N2 and later.
//!
//! `SMMLA` multiplies 2 pixels times 8 codes by 8 weights times 2 channels. A tile is 8 pixels
//! times 8 channels. The intrinsics are unstable, hence whole tiles in assembly.

use core::arch::aarch64::*;
use core::arch::asm;

use super::job::{Kernel, Pieces, Rows, Sum, Tail, Taps};
use super::neon_common::{Head, block, copy, pieces, sum};
use super::{neon_dot_taps, neon_taps};
use crate::pack::Layout;

/// Output channels of a panel: two for each of four registers.
const LANES: usize = 8;

const LAYOUT: Layout = Layout { lanes: &[0, 1, 2, 3, 4, 5, 6, 7], group: 8, wide: false };

/// Proof that the processor has matrix multiplication and dot products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NeonI8mm(());

impl NeonI8mm {
    pub fn detect() -> Option<Self> {
        #[cfg(feature = "std")]
        let has = std::arch::is_aarch64_feature_detected!("i8mm")
            && std::arch::is_aarch64_feature_detected!("dotprod");
        #[cfg(not(feature = "std"))]
        let has = cfg!(all(target_feature = "i8mm", target_feature = "dotprod"));
        // Lanes are numbered the other way round on the few that are big-endian.
        (has && cfg!(target_endian = "little")).then_some(Self(()))
    }
}

impl Kernel for NeonI8mm {
    const ROWS: Layout = LAYOUT;
    const TAPS: Layout = neon_taps::LAYOUT;
    const TILE: usize = 8;

    #[inline]
    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; `self` proves matrix multiplication.
        unsafe { rows(job) }
    }

    #[inline]
    unsafe fn taps(self, job: &Taps) {
        // SAFETY: as above; `self` proves dot products, too.
        unsafe { neon_dot_taps::taps(job) }
    }

    #[inline]
    unsafe fn sum(self, job: &Sum) {
        // SAFETY: as above; NEON is implied.
        unsafe { sum(job) }
    }

    #[inline]
    fn widen(self, codes: &[i8], cells: &mut [i8]) {
        copy(codes, cells);
    }

    #[inline]
    unsafe fn pieces(self, job: &Pieces) {
        // SAFETY: the caller's promise.
        unsafe { pieces(job) }
    }
}

/// Where the bytes of two pixels are after narrowing: channels come in pairs, pixel by pixel.
const UNPAIR: [u8; 16] = [0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15];

/// The head of a panel with each pair of channels twice, as `SMMLA` leaves its sums.
///
/// # Safety
/// A panel begins at `panel`.
#[target_feature(enable = "neon")]
unsafe fn paired(panel: *const i8, tail: Tail) -> Head<4> {
    // SAFETY: the caller's promise.
    let Head { bias, mantissa, .. } = unsafe { Head::<2>::load(panel, tail) };
    let twice = |[a, b]: [int32x4_t; 2]| {
        let [a, b] = [a, b].map(|v| vreinterpretq_s64_s32(v));
        [vdupq_laneq_s64::<0>(a), vdupq_laneq_s64::<1>(a), vdupq_laneq_s64::<0>(b), vdupq_laneq_s64::<1>(b)]
            .map(|v| vreinterpretq_s32_s64(v))
    };
    Head::new(twice(bias), twice(mantissa), tail)
}

/// # Safety
/// As [`Kernel::rows`].
#[target_feature(enable = "i8mm")]
unsafe fn rows(job: &Rows) {
    let panel_bytes = LAYOUT.panel_bytes(job.groups * LAYOUT.group);
    let block = block(job.stride, 8);
    for start in (0..job.pixels).step_by(block) {
        let pixels = block.min(job.pixels - start);
        for panel in 0..job.channels.div_ceil(LANES) {
            // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers.
            unsafe {
                let base = job.panels.add(panel * panel_bytes);
                let head = paired(base, job.tail);
                let tiles = Tiles { head: &head, weights: base.add(8 * LANES), job };
                let cells = job.cells.add(start * job.stride);
                let out = job.out.add(start * job.out_stride + panel * LANES);
                let left = (job.channels - panel * LANES).min(LANES);
                tiles.run(cells, out, pixels, left);
            }
        }
    }
}

/// A panel and the job it belongs to.
struct Tiles<'a> {
    head: &'a Head<4>,
    weights: *const i8,
    job: &'a Rows,
}

impl Tiles<'_> {
    /// # Safety
    /// `pixels` rows lie behind `cells`, as many pixels of `left` channels behind `out`.
    #[target_feature(enable = "i8mm")]
    unsafe fn run(&self, cells: *const i8, out: *mut i8, pixels: usize, left: usize) {
        let (stride, out_stride) = (self.job.stride, self.job.out_stride);
        let mut done = 0;
        // SAFETY: the caller's promise.
        unsafe {
            while left == LANES && pixels - done >= 8 {
                self.eight(cells.add(done * stride), stride, out.add(done * out_stride), out_stride);
                done += 8;
            }
            while left == LANES && pixels - done >= 2 {
                self.two(cells.add(done * stride), stride, out.add(done * out_stride), out_stride);
                done += 2;
            }
            let mut codes = [0i8; 8 * LANES];
            while done < pixels {
                let here = (pixels - done).min(8);
                let cells = cells.add(done * stride);
                // A last pixel without a neighbour is its own.
                match here {
                    8 => self.eight(cells, stride, codes.as_mut_ptr(), LANES),
                    1 => self.two(cells, 0, codes.as_mut_ptr(), LANES),
                    _ => self.two(cells, stride, codes.as_mut_ptr(), LANES),
                }
                let here = if here == 8 { 8 } else { here.min(2) };
                for (p, pixel) in codes.chunks_exact(LANES).enumerate().take(here) {
                    out.add((done + p) * out_stride).copy_from_nonoverlapping(pixel.as_ptr(), left);
                }
                done += here;
            }
        }
    }
}

/// A tile as assembly. For each pair of pixels: the pointers of both, the register of their codes,
/// the same for the second half of 16 cells, and the sums of four pairs of channels.
macro_rules! tile {
    ($name:ident: $(($p:literal, $r:ident, $q:literal, $s:ident, $x:literal, $y:literal,
                      $a:literal, $b:literal, $c:literal, $d:literal)),+) => {
        impl Tiles<'_> {
            /// As many pixels as there are rows times 8 channels.
            ///
            /// # Safety
            /// That many rows lie behind `cells`, pixels of 8 channels behind `out`.
            #[target_feature(enable = "i8mm")]
            #[inline]
            unsafe fn $name(&self, cells: *const i8, stride: usize, out: *mut i8, out_stride: usize) {
                // SAFETY: of each row `depth` cells are read, of the panel 8 times as many weights;
                // every pixel is written 8 bytes.
                unsafe {
                    asm!(
                        ".arch_extension i8mm",
                        $(concat!("ldp q", $a, ", q", $b, ", [{head}]"),
                          concat!("ldp q", $c, ", q", $d, ", [{head}, #32]"),)+
                        "cbz {sixteens}, 3f",
                        "2:",
                        $(concat!("ldr d", $x, ", [{", stringify!($r), "}], #8"),)+
                        $(concat!("ld1 {{v", $x, ".d}}[1], [{", stringify!($s), "}], #8"),)+
                        "ldp q8, q9, [{weights}], #32",
                        "ldp q10, q11, [{weights}], #32",
                        $(concat!("ldr d", $y, ", [{", stringify!($r), "}], #8"),)+
                        $(concat!("ld1 {{v", $y, ".d}}[1], [{", stringify!($s), "}], #8"),)+
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
                        $(concat!("ldr d", $x, ", [{", stringify!($r), "}]"),)+
                        $(concat!("ld1 {{v", $x, ".d}}[1], [{", stringify!($s), "}]"),)+
                        "ldp q8, q9, [{weights}], #32",
                        "ldp q10, q11, [{weights}]",
                        $(concat!("smmla v", $a, ".4s, v", $x, ".16b, v8.16b"),)+
                        $(concat!("smmla v", $b, ".4s, v", $x, ".16b, v9.16b"),)+
                        $(concat!("smmla v", $c, ".4s, v", $x, ".16b, v10.16b"),)+
                        $(concat!("smmla v", $d, ".4s, v", $x, ".16b, v11.16b"),)+
                        "4:",
                        // Requantization: the registers of codes and weights are free.
                        "ldp q0, q1, [{head}, #64]",
                        "ldp q2, q3, [{head}, #96]",
                        "ldr q4, [{head}, #128]",
                        "ldr q5, [{unpair}]",
                        "tbz {flags:w}, #0, 6f",
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
                        $(concat!("sqxtn v", $a, ".4h, v", $a, ".4s"),
                          concat!("sqxtn v", $c, ".4h, v", $c, ".4s"),)+
                        $(concat!("sqxtn2 v", $a, ".8h, v", $b, ".4s"),
                          concat!("sqxtn2 v", $c, ".8h, v", $d, ".4s"),)+
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
                        head = in(reg) &raw const *self.head,
                        unpair = in(reg) UNPAIR.as_ptr(),
                        weights = inout(reg) self.weights => _,
                        sixteens = inout(reg) self.job.depth / 16 => _,
                        depth = in(reg) self.job.depth,
                        flags = in(reg) self.head.flags,
                        out = inout(reg) out => _,
                        out_stride = in(reg) out_stride,
                        $($r = inout(reg) cells.add($p * stride) => _,
                          $s = inout(reg) cells.add($q * stride) => _,)+
                        out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _,
                        out("v6") _, out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _,
                        out("v12") _, out("v13") _, out("v14") _, out("v15") _, out("v16") _,
                        out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
                        out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _,
                        out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
                        options(nostack),
                    );
                }
            }
        }
    };
}

tile!(eight: (0, r0, 1, r1, 0, 4, 16, 17, 18, 19), (2, r2, 3, r3, 1, 5, 20, 21, 22, 23),
             (4, r4, 5, r5, 2, 6, 24, 25, 26, 27), (6, r6, 7, r7, 3, 7, 28, 29, 30, 31));
tile!(two: (0, r0, 1, r1, 0, 4, 16, 17, 18, 19));
