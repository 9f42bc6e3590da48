//! Loop of Helium over panels: three pixels times four channels.
//!
//! Whole functions are assembly: six sums, four pointers and the counter of the loop take ten of
//! the registers, and sums stand in even ones alone.

use core::arch::naked_asm;

use crate::kernels::job::{Rows, Tail};

/// Pixels of a tile.
pub(super) const PIXELS: usize = 3;

/// Channels of a panel.
const LANES: usize = 4;

/// Operands of the loop; assembly knows the order.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Tiles {
    /// Cells of each pixel of a tile, and its results; the loop advances them.
    rows: [*const i8; PIXELS],
    outs: [*mut i8; PIXELS],
    /// Cells of a row.
    depth: usize,
    panels: *const i8,
    /// Channels that are left of a tile, for the loop.
    left: usize,
    /// Zero point of the output.
    zero: i32,
    /// Left shift of sums.
    shift: u32,
    lo: [i32; LANES],
    hi: [i32; LANES],
    channels: usize,
    /// Bytes from a tile's cells to those of the next, and from behind its results.
    row_advance: usize,
    out_advance: usize,
    /// Number of tiles.
    count: usize,
}

impl Tiles {
    /// Returns tiles, the first of which has these pixels; others follow it.
    pub fn new(job: &Rows, pixels: [usize; PIXELS], count: usize) -> Self {
        let Tail { shift, zero, clamp, .. } = job.tail;
        let written = job.channels.next_multiple_of(LANES);
        Self {
            rows: pixels.map(|pixel| job.cells.wrapping_add(pixel * job.stride)),
            outs: pixels.map(|pixel| job.out.wrapping_add(pixel * job.out_stride)),
            depth: job.depth,
            panels: job.panels,
            left: 0,
            zero: zero.into(),
            shift: shift.into(),
            lo: [clamp.lo.into(); LANES],
            hi: [clamp.hi.into(); LANES],
            channels: job.channels,
            row_advance: PIXELS * job.stride,
            out_advance: (PIXELS * job.out_stride).wrapping_sub(written),
            count,
        }
    }

    /// Computes all channels of the tiles.
    ///
    /// # Safety
    /// The job has these pixels; panels are of four channels in groups of 16 places; neither depth,
    /// channels nor tiles are 0.
    pub unsafe fn run(&mut self) {
        // SAFETY: the caller's promise.
        unsafe {
            if self.shift == 0 {
                tiles(self);
            } else {
                shifted_tiles(self);
            }
        }
    }
}

/// Sums two channels of three pixels, weights from `$weights` bytes behind the panel's start on,
/// and puts them into two lanes of q5 to q7.
macro_rules! half {
    ($weights:literal, $upper:literal, $lower:literal) => {
        concat!(
            "ldm r12, {{r1, r3, r5}}\n ",
            "clrm {{r0, r2, r4, r6, r8, r10}}\n ",
            "add r7, r11, #",
            $weights,
            "\n ",
            "dlstp.8 lr, r9\n ",
            "2:\n ",
            "vldrb.u8 q3, [r7], #64\n ",
            "vldrb.u8 q0, [r1], #16\n ",
            "vmladava.s8 r0, q0, q3\n ",
            "vldrb.u8 q1, [r3], #16\n ",
            "vmladava.s8 r4, q1, q3\n ",
            "vldrb.u8 q2, [r5], #16\n ",
            "vmladava.s8 r8, q2, q3\n ",
            "vldrb.u8 q4, [r7, #-32]\n ",
            "vmladava.s8 r2, q0, q4\n ",
            "vmladava.s8 r6, q1, q4\n ",
            "vmladava.s8 r10, q2, q4\n ",
            "letp lr, 2b\n ",
            "vmov q5[",
            $upper,
            "], q5[",
            $lower,
            "], r0, r2\n ",
            "vmov q6[",
            $upper,
            "], q6[",
            $lower,
            "], r4, r6\n ",
            "vmov q7[",
            $upper,
            "], q7[",
            $lower,
            "], r8, r10\n ",
        )
    };
}

/// The same operation on the sums of all three pixels.
macro_rules! each {
    ($operation:literal, $operand:literal) => {
        concat!(
            $operation,
            " q5, q5, ",
            $operand,
            "\n ",
            $operation,
            " q6, q6, ",
            $operand,
            "\n ",
            $operation,
            " q7, q7, ",
            $operand,
        )
    };
}

/// Defines the loop, with `$shift` between sums and mantissas.
macro_rules! tiles {
    ($(#[$doc:meta])* $name:ident, [$($shift:literal)*]) => {
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "C" fn $name(operands: *mut Tiles) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4, r5, r6, r7, r8, r9, r10, r11, r12, lr}}",
                "vpush {{d8-d15}}",
                "mov r12, r0",
                "ldr r9, [r12, #24]",
                "0:",
                "ldr r11, [r12, #28]",
                "ldr r4, [r12, #76]",
                "str r4, [r12, #32]",
                "1:",
                half!("32", "2", "0"),
                half!("48", "3", "1"),
                "vldrb.u8 q0, [r11]",
                "vldrb.u8 q1, [r11, #16]",
                "sub r11, r7, #16",
                "add r7, r12, #12",
                "ldm r7, {{r1, r3, r5}}",
                "ldrd r4, r0, [r12, #32]",
                "vldrw.u32 q2, [r12, #44]",
                "vldrw.u32 q3, [r12, #60]",
                each!("vadd.i32", "q0"),
                $($shift,)*
                each!("vqrdmulh.s32", "q1"),
                each!("vqadd.s32", "r0"),
                each!("vmax.s32", "q2"),
                each!("vmin.s32", "q3"),
                "vctp.32 r4",
                "vpsttt",
                "vstrbt.32 q5, [r1], #4",
                "vstrbt.32 q6, [r3], #4",
                "vstrbt.32 q7, [r5], #4",
                "stm r7, {{r1, r3, r5}}",
                "subs r4, r4, #4",
                "str r4, [r12, #32]",
                "bgt 1b",
                "ldrd r0, r2, [r12, #80]",
                "add r1, r1, r2",
                "add r3, r3, r2",
                "add r5, r5, r2",
                "stm r7, {{r1, r3, r5}}",
                "ldm r12, {{r1, r3, r5}}",
                "add r1, r1, r0",
                "add r3, r3, r0",
                "add r5, r5, r0",
                "stm r12, {{r1, r3, r5}}",
                "ldr r4, [r12, #88]",
                "subs r4, r4, #1",
                "str r4, [r12, #88]",
                "bne 0b",
                "vpop {{d8-d15}}",
                "pop {{r4, r5, r6, r7, r8, r9, r10, r11, r12, pc}}",
            )
        }
    };
}

tiles! {
    /// Computes tiles of three pixels times all channels.
    ///
    /// # Safety
    /// Operands lie as [`Tiles`] says, panels as [`Tiles::run`] does.
    tiles, []
}

tiles! {
    /// The same for a layer with a shift.
    ///
    /// # Safety
    /// The contract of [`tiles`].
    shifted_tiles,
    ["ldr r2, [r12, #40]" "vqshl.s32 q5, r2" "vqshl.s32 q6, r2" "vqshl.s32 q7, r2"]
}
