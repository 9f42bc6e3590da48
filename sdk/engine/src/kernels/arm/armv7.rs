//! 32-bit ARM with NEON, on Linux: Cortex-A7, A9, A15, and 64-bit boards with a 32-bit system.
//!
//! `VMULL` and `VMLAL` leave sums of two products in 16 bits, `VPADAL` adds adjacent pairs to 32
//! bits, like their counterparts on aarch64. Intrinsics are unstable, and compilers for ARMv7 may
//! not use NEON by themselves, hence whole tiles in assembly. 16 registers hold 2 pixels times 4
//! channels.

use core::arch::asm;

use offshoot_core::quant::shift_down;

use crate::kernels::job::{Kernel, Rows, Sum, Tail, Taps};
use crate::pack::word;
use crate::target::{self, Target};

/// Output channels of a panel of rows: one register.
const LANES: usize = 4;

/// Number of products that three instructions sum.
const GROUP: usize = 16;

/// Channels of a panel of taps.
const WIDE: usize = 16;

/// Proof that the processor has NEON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Armv7(());

impl Armv7 {
    pub fn detect() -> Option<Self> {
        let has = cfg!(target_feature = "neon") || system_says_neon();
        (has && cfg!(target_endian = "little")).then_some(Self(()))
    }
}

/// Reads the processor's features from the auxiliary vector of the process: querying the processor
/// itself is privileged.
#[cfg(feature = "std")]
fn system_says_neon() -> bool {
    const HARDWARE: u32 = 16;
    const NEON: u32 = 1 << 12;
    let entries = std::fs::read("/proc/self/auxv").unwrap_or_default();
    let (entries, _) = entries.as_chunks::<8>();
    entries.iter().any(|&[a, b, c, d, e, f, g, h]| {
        let key = u32::from_le_bytes([a, b, c, d]);
        let value = u32::from_le_bytes([e, f, g, h]);
        key == HARDWARE && value & NEON != 0
    })
}

#[cfg(not(feature = "std"))]
fn system_says_neon() -> bool {
    false
}

impl Kernel for Armv7 {
    const TARGET: Target = target::ARMV7;
    const TILE: usize = 2;
    const GRAIN: usize = 8;

    #[inline]
    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; `self` proves NEON.
        unsafe { rows(job) }
    }

    #[inline]
    unsafe fn taps(self, job: &Taps) {
        // SAFETY: as above.
        unsafe { taps(job) }
    }

    unsafe fn sum(self, job: &Sum) {
        for i in 0..job.len {
            // SAFETY: the caller's promise.
            unsafe {
                let [a, b] = [*job.a.add(i), *job.b.add(i)].map(i32::from);
                let sum =
                    a * i32::from(job.factors[0]) + b * i32::from(job.factors[1]) + job.offset;
                *job.out.add(i) = shift_down(sum, job.shift, job.clamp.lo, job.clamp.hi);
            }
        }
    }
}

/// Head of a panel and tail of the layer, in the order in which tiles load them.
#[repr(C)]
struct Head<const N: usize> {
    bias: [i32; N],
    mantissa: [i32; N],
    shift: [i32; 4],
    /// Zero point of the output.
    zero: [i16; 8],
    lo: [i8; 16],
    hi: [i8; 16],
    /// Bit 0: shift other than 0. Bit 1: clamp narrower than the int8 range.
    flags: u32,
}

impl<const N: usize> Head<N> {
    fn new(panel: &[i8], tail: Tail) -> Self {
        let clamps = tail.clamp.lo > i8::MIN || tail.clamp.hi < i8::MAX;
        Self {
            bias: core::array::from_fn(|i| head_word(panel, i)),
            mantissa: core::array::from_fn(|i| head_word(panel, N + i)),
            shift: [tail.shift.into(); 4],
            zero: [tail.zero.into(); 8],
            lo: [tail.clamp.lo; 16],
            hi: [tail.clamp.hi; 16],
            flags: u32::from(tail.shift > 0) | u32::from(clamps) << 1,
        }
    }
}

/// Returns word `at` of the head of a panel.
fn head_word(panel: &[i8], at: usize) -> i32 {
    word(&[0, 1, 2, 3].map(|i| panel[4 * at + i] as u8), 0)
}

/// Computes a convolution of gathered rows.
///
/// # Safety
/// Same contract as [`Kernel::rows`].
unsafe fn rows(job: &Rows) {
    let panel_bytes = Armv7::ROWS.panel_bytes(job.groups * GROUP);
    for panel in 0..job.channels.div_ceil(LANES) {
        // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers.
        unsafe {
            let bytes =
                core::slice::from_raw_parts(job.panels.add(panel * panel_bytes), panel_bytes);
            let head = Head::<LANES>::new(bytes, job.tail);
            let weights = &bytes[8 * LANES..];
            let left = (job.channels - panel * LANES).min(LANES);
            let extreme = weights.contains(&i8::MIN);
            for pixel in (0..job.pixels).step_by(2) {
                // A last pixel without a partner is paired with itself.
                let other = (pixel + 1).min(job.pixels - 1);
                let cells = [pixel, other].map(|p| job.cells.add(p * job.stride));
                let out = [pixel, other].map(|p| job.out.add(p * job.out_stride + panel * LANES));
                let mut codes = [[0i8; LANES]; 2];
                let whole = left == LANES;
                let to = if whole { out } else { codes.each_mut().map(|c| c.as_mut_ptr()) };
                if extreme {
                    two::<true>(&head, job.depth, weights, cells, to);
                } else {
                    two::<false>(&head, job.depth, weights, cells, to);
                }
                if !whole {
                    out[0].copy_from_nonoverlapping(codes[0].as_ptr(), left);
                    out[1].copy_from_nonoverlapping(codes[1].as_ptr(), left);
                }
            }
        }
    }
}

/// Adds products of two channels in `d4` to `d7` with two pixels to four sums: of 16 cells, of 16
/// where two products may not fit 16 bits, or of the last 8.
macro_rules! products {
    (pairs $a:literal $b:literal $c:literal $d:literal) => {
        concat!(
            "vmull.s8 q4, d0, d4\n vmull.s8 q5, d2, d4\n vmull.s8 q6, d0, d6\n vmull.s8 q7, d2, d6\n",
            "vmlal.s8 q4, d1, d5\n vmlal.s8 q5, d3, d5\n vmlal.s8 q6, d1, d7\n vmlal.s8 q7, d3, d7\n",
            products!(add $a $b $c $d)
        )
    };
    (apart $a:literal $b:literal $c:literal $d:literal) => {
        concat!(
            products!(half $a $b $c $d),
            "vmull.s8 q4, d1, d5\n vmull.s8 q5, d3, d5\n vmull.s8 q6, d1, d7\n vmull.s8 q7, d3, d7\n",
            products!(add $a $b $c $d)
        )
    };
    (half $a:literal $b:literal $c:literal $d:literal) => {
        concat!(
            "vmull.s8 q4, d0, d4\n vmull.s8 q5, d2, d4\n vmull.s8 q6, d0, d6\n vmull.s8 q7, d2, d6\n",
            products!(add $a $b $c $d)
        )
    };
    (add $a:literal $b:literal $c:literal $d:literal) => {
        concat!(
            "vpadal.s16 q", $a, ", q4\n vpadal.s16 q", $b, ", q5\n",
            "vpadal.s16 q", $c, ", q6\n vpadal.s16 q", $d, ", q7\n",
        )
    };
}

/// Tile of 2 pixels times 4 channels as assembly.
macro_rules! two {
    ($products:tt, $head:ident, $depth:ident, $weights:ident, $cells:ident, $out:ident) => {
        asm!(
            ".fpu neon",
            "vmov.i32 q8, #0\n vmov.i32 q9, #0\n vmov.i32 q10, #0\n vmov.i32 q11, #0",
            "vmov.i32 q12, #0\n vmov.i32 q13, #0\n vmov.i32 q14, #0\n vmov.i32 q15, #0",
            "cmp {sixteens}, #0",
            "beq 3f",
            "2:",
            "vld1.8 {{d0, d1}}, [{a}]!",
            "vld1.8 {{d2, d3}}, [{b}]!",
            "vld1.8 {{d4, d5, d6, d7}}, [{weights}]!",
            "subs {sixteens}, {sixteens}, #1",
            products!($products 8 12 9 13),
            "vld1.8 {{d4, d5, d6, d7}}, [{weights}]!",
            products!($products 10 14 11 15),
            "bne 2b",
            "3:",
            "tst {depth}, #8",
            "beq 4f",
            "vld1.8 {{d0}}, [{a}]",
            "vld1.8 {{d2}}, [{b}]",
            "vld1.8 {{d4, d5, d6, d7}}, [{weights}]!",
            products!(half 8 12 9 13),
            "vld1.8 {{d4, d5, d6, d7}}, [{weights}]",
            products!(half 10 14 11 15),
            "4:",
            // Four channels of each pixel in a register.
            "vpadd.i32 d0, d16, d17\n vpadd.i32 d1, d18, d19\n vpadd.i32 d2, d20, d21",
            "vpadd.i32 d3, d22, d23\n vpadd.i32 d4, d24, d25\n vpadd.i32 d5, d26, d27",
            "vpadd.i32 d6, d28, d29\n vpadd.i32 d7, d30, d31\n vpadd.i32 d0, d0, d1",
            "vpadd.i32 d1, d2, d3\n vpadd.i32 d2, d4, d5\n vpadd.i32 d3, d6, d7",
            "vld1.8 {{d16, d17, d18, d19}}, [{head}]!",
            "vld1.8 {{d20, d21, d22, d23}}, [{head}]!",
            "vadd.i32 q0, q0, q8\n vadd.i32 q1, q1, q8",
            "tst {flags}, #1",
            "beq 5f",
            "vqshl.s32 q0, q0, q10\n vqshl.s32 q1, q1, q10",
            "5:",
            "vqrdmulh.s32 q0, q0, q9\n vqrdmulh.s32 q1, q1, q9",
            "vqmovn.s32 d0, q0\n vqmovn.s32 d1, q1",
            "vqadd.s16 q0, q0, q11",
            "vqmovn.s16 d0, q0",
            "tst {flags}, #2",
            "beq 6f",
            "vld1.8 {{d4, d5, d6, d7}}, [{head}]",
            "vmax.s8 d0, d0, d4\n vmin.s8 d0, d0, d6",
            "6:",
            "vst1.32 {{d0[1]}}, [{second}]",
            "vst1.32 {{d0[0]}}, [{first}]",
            a = inout(reg) $cells[0] => _,
            b = inout(reg) $cells[1] => _,
            weights = inout(reg) $weights.as_ptr() => _,
            sixteens = inout(reg) $depth / GROUP => _,
            depth = in(reg) $depth,
            head = inout(reg) &raw const *$head => _,
            flags = in(reg) $head.flags,
            first = in(reg) $out[0],
            second = in(reg) $out[1],
            // Named by halves: compilers without NEON know only those, and use them.
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _,
            out("d7") _, out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _,
            out("d13") _, out("d14") _, out("d15") _, out("q8") _, out("q9") _, out("q10") _,
            out("q11") _, out("q12") _, out("q13") _, out("q14") _, out("q15") _,
            options(nostack),
        )
    };
}

/// Computes 2 pixels times 4 channels; `EXTREME` if two products may not fit 16 bits. If both
/// pixels are the same one, it is written twice.
///
/// # Safety
/// A row of `depth` cells lies behind each of `cells`, room for 4 codes behind each of `out`.
#[inline]
unsafe fn two<const EXTREME: bool>(
    head: &Head<LANES>,
    depth: usize,
    weights: &[i8],
    cells: [*const i8; 2],
    out: [*mut i8; 2],
) {
    assert!(weights.len() >= depth.next_multiple_of(GROUP) * LANES);
    // SAFETY: the caller's promise; of the weights whole groups are read.
    unsafe {
        if EXTREME {
            two!(apart, head, depth, weights, cells, out);
        } else {
            two!(pairs, head, depth, weights, cells, out);
        }
    }
}

/// Computes depthwise windows.
///
/// # Safety
/// Same contract as [`Kernel::taps`].
unsafe fn taps(job: &Taps) {
    let panel_bytes = Armv7::TAPS.panel_bytes(job.groups);
    for panel in 0..job.channels.div_ceil(WIDE) {
        // SAFETY: the caller's promise: every tap has `channels` codes, the panels belong to them.
        unsafe {
            let bytes =
                core::slice::from_raw_parts(job.panels.add(panel * panel_bytes), panel_bytes);
            let head = Head::<WIDE>::new(bytes, job.tail);
            let weights = &bytes[8 * WIDE..];
            let channel = panel * WIDE;
            let left = (job.channels - channel).min(WIDE);
            let extreme = weights.contains(&i8::MIN);
            for pixel in 0..job.pixels {
                let taps = job.taps.add(pixel * job.step);
                let out = job.out.add(pixel * job.out_stride + channel);
                match (left, extreme) {
                    (WIDE, false) => {
                        window::<false>(&head, weights, taps, job.groups, channel, out)
                    }
                    (WIDE, true) => window::<true>(&head, weights, taps, job.groups, channel, out),
                    _ => narrow(&head, weights, taps, job.groups, channel, out, left),
                }
            }
        }
    }
}

/// Computes one window of which only `left` of 16 channels exist, tap by tap through a copy.
///
/// # Safety
/// Every tap and `out` have `left` channels from `channel` on.
unsafe fn narrow(
    head: &Head<WIDE>,
    weights: &[i8],
    taps: *const *const i8,
    count: usize,
    channel: usize,
    out: *mut i8,
    left: usize,
) {
    let mut copies = [[0i8; WIDE]; crate::kernels::drive::MAX_TAPS];
    let mut pointers = [core::ptr::null(); crate::kernels::drive::MAX_TAPS];
    let mut codes = [0i8; WIDE];
    for (i, (copy, pointer)) in copies.iter_mut().zip(&mut pointers).enumerate().take(count) {
        // SAFETY: the caller's promise.
        unsafe { copy.as_mut_ptr().copy_from_nonoverlapping((*taps.add(i)).add(channel), left) };
        *pointer = copy.as_ptr();
    }
    // SAFETY: copies and codes have 16 channels; the caller's promise for what exists of them.
    unsafe {
        window::<true>(head, weights, pointers.as_ptr(), count, 0, codes.as_mut_ptr());
        out.copy_from_nonoverlapping(codes.as_ptr(), left);
    }
}

/// Window times 16 channels as assembly.
macro_rules! window {
    ([$($multiply:literal),+],
     $head:ident, $weights:ident, $taps:ident, $count:ident, $channel:ident, $out:ident) => {
        asm!(
            ".fpu neon",
            "vld1.8 {{d24, d25, d26, d27}}, [{head}]!",
            "vld1.8 {{d28, d29, d30, d31}}, [{head}]!",
            "subs {count}, {count}, #2",
            "blt 3f",
            "2:",
            "ldr {a}, [{taps}], #4",
            "ldr {b}, [{taps}], #4",
            "add {a}, {a}, {channel}",
            "add {b}, {b}, {channel}",
            "vld1.8 {{d0, d1}}, [{a}]",
            "vld1.8 {{d2, d3}}, [{b}]",
            "vld1.8 {{d4, d5, d6, d7}}, [{weights}]!",
            "subs {count}, {count}, #2",
            "vmull.s8 q4, d0, d4\n vmull.s8 q5, d1, d5",
            $($multiply,)+
            "vaddw.s16 q12, q12, d8\n vaddw.s16 q13, q13, d9",
            "vaddw.s16 q14, q14, d10\n vaddw.s16 q15, q15, d11",
            "bge 2b",
            "3:",
            // One less than none is left: a last tap without a partner.
            "cmn {count}, #1",
            "bne 4f",
            "ldr {a}, [{taps}]",
            "add {a}, {a}, {channel}",
            "vld1.8 {{d0, d1}}, [{a}]",
            "vld1.8 {{d4, d5}}, [{weights}]",
            "vmull.s8 q4, d0, d4\n vmull.s8 q5, d1, d5",
            "vaddw.s16 q12, q12, d8\n vaddw.s16 q13, q13, d9",
            "vaddw.s16 q14, q14, d10\n vaddw.s16 q15, q15, d11",
            "4:",
            "vld1.8 {{d0, d1, d2, d3}}, [{head}]!",
            "vld1.8 {{d4, d5, d6, d7}}, [{head}]!",
            "vld1.8 {{d8, d9, d10, d11}}, [{head}]!",
            "tst {flags}, #1",
            "beq 5f",
            "vqshl.s32 q12, q12, q4\n vqshl.s32 q13, q13, q4",
            "vqshl.s32 q14, q14, q4\n vqshl.s32 q15, q15, q4",
            "5:",
            "vqrdmulh.s32 q12, q12, q0\n vqrdmulh.s32 q13, q13, q1",
            "vqrdmulh.s32 q14, q14, q2\n vqrdmulh.s32 q15, q15, q3",
            "vqmovn.s32 d0, q12\n vqmovn.s32 d1, q13\n vqmovn.s32 d2, q14\n vqmovn.s32 d3, q15",
            "vqadd.s16 q0, q0, q5\n vqadd.s16 q1, q1, q5",
            "vqmovn.s16 d0, q0\n vqmovn.s16 d1, q1",
            "tst {flags}, #2",
            "beq 6f",
            "vld1.8 {{d4, d5, d6, d7}}, [{head}]",
            "vmax.s8 q0, q0, q2\n vmin.s8 q0, q0, q3",
            "6:",
            "vst1.8 {{d0, d1}}, [{out}]",
            a = out(reg) _,
            b = out(reg) _,
            taps = inout(reg) $taps => _,
            count = inout(reg) $count => _,
            weights = inout(reg) $weights.as_ptr() => _,
            channel = in(reg) $channel,
            head = inout(reg) &raw const *$head => _,
            flags = in(reg) $head.flags,
            out = in(reg) $out,
            // Named by halves: compilers without NEON know only those, and use them.
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _,
            out("d7") _, out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _,
            out("d13") _, out("d14") _, out("d15") _, out("q8") _, out("q9") _, out("q10") _,
            out("q11") _, out("q12") _, out("q13") _, out("q14") _, out("q15") _,
            options(nostack),
        )
    };
}

/// Computes one window times 16 channels; `EXTREME` if two products may not fit 16 bits.
///
/// # Safety
/// Every tap and `out` have 16 channels from `channel` on.
#[inline]
unsafe fn window<const EXTREME: bool>(
    head: &Head<WIDE>,
    weights: &[i8],
    taps: *const *const i8,
    count: usize,
    channel: usize,
    out: *mut i8,
) {
    assert!(weights.len() >= count * WIDE);
    // SAFETY: the caller's promise.
    unsafe {
        if EXTREME {
            window!(
                [
                    "vaddw.s16 q12, q12, d8\n vaddw.s16 q13, q13, d9",
                    "vaddw.s16 q14, q14, d10\n vaddw.s16 q15, q15, d11",
                    "vmull.s8 q4, d2, d6\n vmull.s8 q5, d3, d7"
                ],
                head,
                weights,
                taps,
                count,
                channel,
                out
            );
        } else {
            window!(
                ["vmlal.s8 q4, d2, d6\n vmlal.s8 q5, d3, d7"],
                head,
                weights,
                taps,
                count,
                channel,
                out
            );
        }
    }
}
