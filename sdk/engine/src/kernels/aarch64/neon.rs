//! aarch64 with baseline NEON: Cortex-A53, A57, A72.
//!
//! Int8 values are multiplied without widening. `SMULL` and `SMLAL2` leave sums of two products in
//! 16 bits, `SADALP` adds adjacent pairs to 32 bits: three instructions for 16 products. Two
//! products fit 16 bits unless both weights are -128, which the converter never writes; panels that
//! hold -128 are multiplied without the sum in 16 bits.

use core::arch::aarch64::*;
use core::arch::asm;

use super::common::{Head, block, has_extreme, kernel, store};
use super::neon_depthwise;
use crate::kernels::job::Rows;
use crate::pack::Layout;
use crate::target;

/// Output channels of a panel: one register.
const LANES: usize = 4;

/// Number of products that three instructions sum.
const GROUP: usize = 16;

const LAYOUT: Layout = target::NEON.rows;

kernel!(Neon: "neon", target::NEON, tile 4, grain 8, rows, neon_depthwise::taps);

/// Loads the next 16 cells of four rows and the next 16 weights of four channels.
macro_rules! load {
    ($size:literal, $step:literal) => {
        concat!(
            "ldr ",
            $size,
            "0, [{r0}], ",
            $step,
            "\n ldr ",
            $size,
            "1, [{r1}], ",
            $step,
            "\n",
            "ldr ",
            $size,
            "2, [{r2}], ",
            $step,
            "\n ldr ",
            $size,
            "3, [{r3}], ",
            $step,
            "\n",
            "ldp q4, q5, [{weights}], #32\n ldp q6, q7, [{weights}], #32"
        )
    };
}

/// Computes sums of two products of one channel and four pixels, 8 of them in a register.
macro_rules! pairs {
    ($multiply:literal, $half:literal, $w:literal: $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            $multiply, " v", $a, ".8h, v0.", $half, ", v", $w, ".", $half, "\n", $multiply, " v",
            $b, ".8h, v1.", $half, ", v", $w, ".", $half, "\n", $multiply, " v", $c, ".8h, v2.",
            $half, ", v", $w, ".", $half, "\n", $multiply, " v", $d, ".8h, v3.", $half, ", v", $w,
            ".", $half, "\n",
        )
    };
}

/// Adds pairs to the sums of one channel and four pixels.
macro_rules! add {
    ($add:literal: $a:literal, $b:literal, $c:literal, $d:literal;
     $e:literal, $f:literal, $g:literal, $h:literal) => {
        concat!(
            $add, " v", $a, ".4s, v", $e, ".8h\n", $add, " v", $b, ".4s, v", $f, ".8h\n", $add,
            " v", $c, ".4s, v", $g, ".8h\n", $add, " v", $d, ".4s, v", $h, ".8h\n",
        )
    };
}

/// Adds 16 products to each of 16 sums, two channels at a time to hide the latency of multiplies.
macro_rules! products {
    ($add:literal) => {
        concat!(
            pairs!("smull", "8b", 4: 8, 9, 10, 11), pairs!("smull", "8b", 5: 12, 13, 14, 15),
            pairs!("smlal2", "16b", 4: 8, 9, 10, 11), pairs!("smlal2", "16b", 5: 12, 13, 14, 15),
            add!($add: 16, 20, 24, 28; 8, 9, 10, 11), add!($add: 17, 21, 25, 29; 12, 13, 14, 15),
            pairs!("smull", "8b", 6: 8, 9, 10, 11), pairs!("smull", "8b", 7: 12, 13, 14, 15),
            pairs!("smlal2", "16b", 6: 8, 9, 10, 11), pairs!("smlal2", "16b", 7: 12, 13, 14, 15),
            add!($add: 18, 22, 26, 30; 8, 9, 10, 11), add!($add: 19, 23, 27, 31; 12, 13, 14, 15),
        )
    };
}

/// Adds the last 8 products of each sum.
macro_rules! half {
    () => {
        concat!(
            load!("d", "#8"), "\n",
            pairs!("smull", "8b", 4: 8, 9, 10, 11), pairs!("smull", "8b", 5: 12, 13, 14, 15),
            add!("sadalp": 16, 20, 24, 28; 8, 9, 10, 11), add!("sadalp": 17, 21, 25, 29; 12, 13, 14, 15),
            pairs!("smull", "8b", 6: 8, 9, 10, 11), pairs!("smull", "8b", 7: 12, 13, 14, 15),
            add!("sadalp": 18, 22, 26, 30; 8, 9, 10, 11), add!("sadalp": 19, 23, 27, 31; 12, 13, 14, 15),
        )
    };
}

/// Emits one instruction for each of the 16 sums.
macro_rules! for_sums {
    ($before:literal, $behind:literal) => {
        for_sums!($before, $behind: 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
    };
    ($before:literal, $behind:literal: $($sum:literal)+) => { concat!($($before, $sum, $behind, "\n"),+) };
}

/// Reduces sums to a register of four channels for each pixel, and adds biases.
macro_rules! reduce {
    () => {
        concat!(
            reduce!(16, 17, 18, 19),
            reduce!(20, 21, 22, 23),
            reduce!(24, 25, 26, 27),
            reduce!(28, 29, 30, 31),
            "ldr q0, [{head}]\n",
            reduce!(16, 18),
            reduce!(20, 22),
            reduce!(24, 26),
            reduce!(28, 30),
            reduce!(16),
            reduce!(20),
            reduce!(24),
            reduce!(28),
        )
    };
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(reduce!($a, $b), reduce!($c, $d))
    };
    ($a:literal, $b:literal) => {
        concat!("addp v", $a, ".4s, v", $a, ".4s, v", $b, ".4s\n")
    };
    ($a:literal) => {
        concat!("add v", $a, ".4s, v", $a, ".4s, v0.4s\n")
    };
}

/// Requantizes 16 sums to one register.
macro_rules! codes {
    () => {
        concat!(
            "ldp q0, q1, [{head}, #16]\n",
            "tbz {flags:w}, #0, 5f\n",
            "ldr q2, [{head}, #80]\n",
            "sqshl v16.4s, v16.4s, v2.4s\n",
            "sqshl v20.4s, v20.4s, v2.4s\n",
            "sqshl v24.4s, v24.4s, v2.4s\n",
            "sqshl v28.4s, v28.4s, v2.4s\n",
            "5:\n",
            "sqrdmulh v16.4s, v16.4s, v0.4s\n",
            "sqrdmulh v20.4s, v20.4s, v0.4s\n",
            "sqrdmulh v24.4s, v24.4s, v0.4s\n",
            "sqrdmulh v28.4s, v28.4s, v0.4s\n",
            "sqxtn v16.4h, v16.4s\n",
            "sqxtn v24.4h, v24.4s\n",
            "sqxtn2 v16.8h, v20.4s\n",
            "sqxtn2 v24.8h, v28.4s\n",
            "sqadd v16.8h, v16.8h, v1.8h\n",
            "sqadd v24.8h, v24.8h, v1.8h\n",
            "sqxtn v16.8b, v16.8h\n",
            "sqxtn2 v16.16b, v24.8h\n",
            "tbz {flags:w}, #1, 6f\n",
            "ldp q0, q1, [{head}, #48]\n",
            "smax v16.16b, v16.16b, v0.16b\n",
            "smin v16.16b, v16.16b, v1.16b\n",
            "6:\n",
        )
    };
}

/// Computes a convolution of gathered rows.
///
/// # Safety
/// Same contract as [`Kernel::rows`](crate::kernels::job::Kernel::rows).
#[target_feature(enable = "neon")]
unsafe fn rows(job: &Rows) {
    let panel_bytes = LAYOUT.panel_bytes(job.groups * GROUP);
    let block = block(job.stride, 4);
    for start in (0..job.pixels).step_by(block) {
        let pixels = block.min(job.pixels - start);
        for panel in 0..job.channels.div_ceil(LANES) {
            // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the
            // pointers.
            unsafe {
                let base = job.panels.add(panel * panel_bytes);
                let head = Head::load(base, job.tail);
                let tiles = Tiles { head: &head, weights: base.add(8 * LANES), job };
                let cells = job.cells.add(start * job.stride);
                let out = job.out.add(start * job.out_stride + panel * LANES);
                tiles.run(cells, out, pixels, (job.channels - panel * LANES).min(LANES));
            }
        }
    }
}

/// Panel and the job that it belongs to.
struct Tiles<'a> {
    head: &'a Head<1>,
    weights: *const i8,
    job: &'a Rows,
}

impl Tiles<'_> {
    /// Computes `pixels` pixels of `left` channels.
    ///
    /// # Safety
    /// `pixels` rows lie behind `cells`, and `pixels` pixels of `left` channels behind `out`.
    #[target_feature(enable = "neon")]
    unsafe fn run(&self, cells: *const i8, out: *mut i8, pixels: usize, left: usize) {
        let stride = self.job.stride;
        let out_stride = self.job.out_stride;
        // SAFETY: the caller's promise.
        unsafe {
            let extreme = has_extreme(self.weights, self.job.groups * LANES);
            let tiled = if left < LANES || extreme { 0 } else { pixels / 4 * 4 };
            for at in (0..tiled).step_by(4) {
                self.four(cells.add(at * stride), out.add(at * out_stride));
            }
            for at in tiled..pixels {
                let sums = match extreme {
                    true => self.pixel::<true>(cells.add(at * stride)),
                    false => self.pixel::<false>(cells.add(at * stride)),
                };
                let codes = self.head.codes([sums; 4], [self.head.mantissa[0]; 4]);
                store(codes, out.add(at * out_stride), left);
            }
        }
    }

    /// Computes the sums of one pixel; `EXTREME` if two products may not fit 16 bits.
    ///
    /// # Safety
    /// A row lies behind `cells`.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn pixel<const EXTREME: bool>(&self, cells: *const i8) -> int32x4_t {
        let whole = self.job.depth / GROUP * GROUP;
        let mut acc = [vdupq_n_s32(0); LANES];
        // SAFETY: the caller's promise; rows have `depth` cells, a multiple of 8.
        unsafe {
            for at in (0..whole).step_by(GROUP) {
                let x = vld1q_s8(cells.add(at));
                for (c, acc) in acc.iter_mut().enumerate() {
                    let w = vld1q_s8(self.weights.add(at * LANES + GROUP * c));
                    let low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
                    *acc = if EXTREME {
                        vpadalq_s16(vpadalq_s16(*acc, low), vmull_high_s8(x, w))
                    } else {
                        vpadalq_s16(*acc, vmlal_high_s8(low, x, w))
                    };
                }
            }
            if self.job.depth > whole {
                let x = vld1_s8(cells.add(whole));
                for (c, acc) in acc.iter_mut().enumerate() {
                    let w = vld1_s8(self.weights.add(whole * LANES + GROUP * c));
                    *acc = vpadalq_s16(*acc, vmull_s8(x, w));
                }
            }
        }
        let [a, b, c, d] = acc;
        vaddq_s32(vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)), self.head.bias[0])
    }

    /// Computes 4 pixels times 4 channels.
    ///
    /// Uses assembly, because the compiler turns pairwise sums back into shuffles and spills.
    ///
    /// # Safety
    /// 4 rows lie behind `cells`, 4 pixels of 4 channels behind `out`; no two products are too
    /// large for 16 bits.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn four(&self, cells: *const i8, out: *mut i8) {
        let stride = self.job.stride;
        // SAFETY: of each row `depth` cells are read, of the panel 4 times as many weights, in
        // whole groups; every pixel is written 4 bytes.
        unsafe {
            asm!(
                "cbnz {sixteens}, 7f",
                for_sums!("movi v", ".4s, #0"),
                "b 3f",
                "7:",
                load!("q", "#16"),
                products!("saddlp"),
                "subs {sixteens}, {sixteens}, #1",
                "b.eq 3f",
                "2:",
                load!("q", "#16"),
                products!("sadalp"),
                "subs {sixteens}, {sixteens}, #1",
                "b.ne 2b",
                "3:",
                "tbz {depth}, #3, 4f",
                half!(),
                "4:",
                reduce!(),
                codes!(),
                "st1 {{v16.s}}[0], [{out}], {out_stride}",
                "st1 {{v16.s}}[1], [{out}], {out_stride}",
                "st1 {{v16.s}}[2], [{out}], {out_stride}",
                "st1 {{v16.s}}[3], [{out}], {out_stride}",
                head = in(reg) &raw const *self.head,
                weights = inout(reg) self.weights => _,
                sixteens = inout(reg) self.job.depth / GROUP => _,
                depth = in(reg) self.job.depth,
                flags = in(reg) self.head.flags,
                out = inout(reg) out => _,
                out_stride = in(reg) self.job.out_stride,
                r0 = inout(reg) cells => _,
                r1 = inout(reg) cells.add(stride) => _,
                r2 = inout(reg) cells.add(2 * stride) => _,
                r3 = inout(reg) cells.add(3 * stride) => _,
                out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
                out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _,
                out("v13") _, out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _,
                out("v19") _, out("v20") _, out("v21") _, out("v22") _, out("v23") _, out("v24") _,
                out("v25") _, out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _,
                out("v31") _,
                options(nostack),
            );
        }
    }
}
