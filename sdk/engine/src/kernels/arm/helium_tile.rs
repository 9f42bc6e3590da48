//! Loop of Helium over panels: three pixels times four channels.
//!
//! Whole functions are assembly: six sums, four pointers and the counter of the loop take ten of the
//! registers, and sums stand in even ones alone.

use core::arch::naked_asm;

/// Pixels of a tile.
pub(super) const PIXELS: usize = 3;

/// Operands of the loop; assembly knows the order.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Tile {
    /// Cells of each pixel.
    pub rows: [*const i8; PIXELS],
    /// Results of each pixel, advanced by the loop.
    pub outs: [*mut i8; PIXELS],
    /// Cells of a row.
    pub depth: usize,
    pub panels: *const i8,
    /// Channels that are left, counted down by the loop.
    pub channels: usize,
    /// Zero point of the output.
    pub zero: i32,
    /// Left shift of sums.
    pub shift: u32,
    pub lo: [i32; 4],
    pub hi: [i32; 4],
}

/// Sums two channels of three pixels, weights from `$weights` bytes behind the panel's start on, and
/// puts them into two lanes of q5 to q7.
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

/// Defines the loop, with `$shift` between sums and mantissas.
macro_rules! tile {
    ($(#[$doc:meta])* $name:ident, [$($shift:literal)*]) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(operands: *mut Tile) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4, r5, r6, r7, r8, r9, r10, r11, r12, lr}}",
                "vpush {{d8-d15}}",
                "mov r12, r0",
                "ldrd r9, r11, [r12, #24]",
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
                "vadd.i32 q5, q5, q0",
                "vadd.i32 q6, q6, q0",
                "vadd.i32 q7, q7, q0",
                $($shift,)*
                "vqrdmulh.s32 q5, q5, q1",
                "vqrdmulh.s32 q6, q6, q1",
                "vqrdmulh.s32 q7, q7, q1",
                "vqadd.s32 q5, q5, r0",
                "vqadd.s32 q6, q6, r0",
                "vqadd.s32 q7, q7, r0",
                "vmax.s32 q5, q5, q2",
                "vmax.s32 q6, q6, q2",
                "vmax.s32 q7, q7, q2",
                "vmin.s32 q5, q5, q3",
                "vmin.s32 q6, q6, q3",
                "vmin.s32 q7, q7, q3",
                "vctp.32 r4",
                "vpsttt",
                "vstrbt.32 q5, [r1], #4",
                "vstrbt.32 q6, [r3], #4",
                "vstrbt.32 q7, [r5], #4",
                "stm r7, {{r1, r3, r5}}",
                "subs r4, r4, #4",
                "str r4, [r12, #32]",
                "bgt 1b",
                "vpop {{d8-d15}}",
                "pop {{r4, r5, r6, r7, r8, r9, r10, r11, r12, pc}}",
            )
        }
    };
}

tile! {
    /// Computes three pixels times all channels.
    ///
    /// # Safety
    /// Operands lie as [`Tile`] says, panels of four channels in groups of 16 places; neither depth nor
    /// channels are 0.
    tile, []
}

tile! {
    /// Computes three pixels times all channels of a layer with a shift.
    ///
    /// # Safety
    /// The contract of [`tile`].
    shifted_tile,
    ["ldr r2, [r12, #40]" "vqshl.s32 q5, r2" "vqshl.s32 q6, r2" "vqshl.s32 q7, r2"]
}
