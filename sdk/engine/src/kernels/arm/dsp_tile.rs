//! Loops of the DSP extension in assembly: tiles of pixels times panels of two channels.
//!
//! Whole functions are assembly, because the compiler keeps two of the registers for itself and a
//! tile needs all fourteen. `LDR` and `STRH` take any address in normal memory, `LDRD` and `LDM` do not:
//! loops that give codes want panels aligned to words, those that give sums do not.

use core::arch::naked_asm;

use super::dsp_common::extension;

/// Pixels of a tile.
pub(super) const PIXELS: usize = 4;

/// Operands of the loops; assembly knows the order.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// Widened cells: for each two of a row, those of every pixel.
    pub cells: *const u32,
    /// End of the last 16 cells of a row.
    pub sixteens: *const u32,
    /// End of the cells.
    pub end: *const u32,
    /// First panel, and the end of the last.
    pub panels: *const i8,
    pub panels_end: *const i8,
    /// Results: codes of two channels of each pixel, or sums.
    pub out: *mut i8,
    /// Bytes from pixel to pixel, and three times as many.
    pub stride: usize,
    pub stride3: usize,
    /// Zero point of the output.
    pub zero: i32,
    /// 1 if the number of sixteens of a row is even: one after the first, then two at a time.
    pub even: usize,
}

/// Defines a loop over panels: sums from r0 on, cells in r8, panels in r9; on the stack a copy of
/// [`Tile`] and the head of the panel. Instructions `$aside` lie behind the function's end.
macro_rules! panels {
    ($(#[$doc:meta])* $name:ident, [$($begin:literal)*], [$($step:literal)*], [$($finish:literal)*],
     [$($aside:literal)*]) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(tile: *const Tile) {
            naked_asm!(
                extension!(),
                "push {{r4, r5, r6, r7, r8, r9, r10, r11, lr}}",
                "sub sp, sp, #44",
                "ldm r0, {{r1, r2, r3, r4, r5, r6, r7, r8, r9, r10}}",
                "stm sp, {{r1, r2, r3, r4, r5, r6, r7, r8, r9, r10}}",
                "mov r9, r4",
                "1:",
                "str r9, [sp, #40]",
                "ldr r0, [r9], #4",
                "ldr r1, [r9], #12",
                "ldr r8, [sp, #0]",
                $($begin,)*
                "ldr r12, [sp, #4]",
                "cmp r8, r12",
                "beq 3f",
                "2:",
                $($step,)* $($step,)* $($step,)* $($step,)*
                "ldr r12, [sp, #4]",
                "cmp r8, r12",
                "bne 2b",
                "3:",
                "ldr r12, [sp, #8]",
                "cmp r8, r12",
                "beq 5f",
                "4:",
                $($step,)*
                "ldr r12, [sp, #8]",
                "cmp r8, r12",
                "bne 4b",
                "5:",
                $($finish,)*
                "ldr r12, [sp, #16]",
                "cmp r9, r12",
                "bne 1b",
                "add sp, sp, #44",
                "pop {{r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
                $($aside,)*
            )
        }
    };
}

/// Defines the same loop for joined weights, whose rows are a multiple of 16 cells; `$first` are the
/// first four of them, and `$step` any other four.
///
/// Joined weights, as 16-bit numbers, are 256 times one channel's plus the other's. So sums of the
/// second channel's products come with those of the first, and only the second needs widening.
macro_rules! joined_panels {
    ($(#[$doc:meta])* $name:ident, [$($first:literal)*], [$($step:literal)*], [$($finish:literal)*],
     [$($aside:literal)*]) => {
        $(#[$doc])*
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(tile: *const Tile) {
            naked_asm!(
                extension!(),
                "push {{r4, r5, r6, r7, r8, r9, r10, r11, lr}}",
                "sub sp, sp, #44",
                "ldm r0, {{r1, r2, r3, r4, r5, r6, r7, r8, r9, r10}}",
                "stm sp, {{r1, r2, r3, r4, r5, r6, r7, r8, r9, r10}}",
                "mov r9, r4",
                "1:",
                "str r9, [sp, #40]",
                "ldr r0, [r9], #16",
                "ldr r8, [sp, #0]",
                $($first,)* $($step,)* $($step,)* $($step,)*
                "ldr r12, [sp, #36]",
                "cmp r12, #0",
                "bne 3f",
                "b 4f",
                "2:",
                $($step,)* $($step,)* $($step,)* $($step,)*
                "3:",
                $($step,)* $($step,)* $($step,)* $($step,)*
                "4:",
                "ldr r12, [sp, #8]",
                "cmp r8, r12",
                "bne 2b",
                $($finish,)*
                "ldr r12, [sp, #16]",
                "cmp r9, r12",
                "bne 1b",
                "add sp, sp, #44",
                "pop {{r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
                $($aside,)*
            )
        }
    };
}

/// Sums of four cells of four pixels and two channels, in r0 to r7.
macro_rules! four {
    (plain $(#[$doc:meta])* $name:ident, [$($finish:literal)*], [$($aside:literal)*]) => {
        panels! {
            $(#[$doc])*
            $name,
            ["mov r2, r0" "mov r3, r1" "mov r4, r0" "mov r5, r1" "mov r6, r0" "mov r7, r1"],
            [
            "ldr r11, [r9], #4"
            "ldrd r12, lr, [r8], #8"
            "sxtb16 r10, r11" "sxtb16 r11, r11, ror #8"
            "smlad r0, r12, r10, r0" "smlad r1, r12, r11, r1"
            "smlad r2, lr, r10, r2" "smlad r3, lr, r11, r3"
            "ldrd r12, lr, [r8], #8"
            "smlad r4, r12, r10, r4" "smlad r5, r12, r11, r5"
            "smlad r6, lr, r10, r6" "smlad r7, lr, r11, r7"
            "ldr r11, [r9], #4"
            "ldrd r12, lr, [r8], #8"
            "sxtb16 r10, r11" "sxtb16 r11, r11, ror #8"
            "smlad r0, r12, r10, r0" "smlad r1, r12, r11, r1"
            "smlad r2, lr, r10, r2" "smlad r3, lr, r11, r3"
            "ldrd r12, lr, [r8], #8"
            "smlad r4, r12, r10, r4" "smlad r5, r12, r11, r5"
            "smlad r6, lr, r10, r6" "smlad r7, lr, r11, r7"
            ],
            ["ldr r8, [sp, #40]" $($finish)*],
            [$($aside)*]
        }
    };
    (joined $(#[$doc:meta])* $name:ident, [$($finish:literal)*], [$($aside:literal)*]) => {
        joined_panels! {
            $(#[$doc])*
            $name,
            [
            "ldr r11, [r9], #4"
            "ldrd r12, lr, [r8, #8]"
            "sxtb16 r10, r11" "smlad r4, r12, r10, r0"
            "smlad r5, r12, r11, r0" "smlad r6, lr, r10, r0"
            "smlad r7, lr, r11, r0"
            "ldrd r12, lr, [r8], #16"
            "smlad r3, lr, r11, r0" "smlad r2, lr, r10, r0"
            "smlad r1, r12, r11, r0" "smlad r0, r12, r10, r0"
            "ldr r11, [r9], #4"
            "ldrd r12, lr, [r8], #8"
            "sxtb16 r10, r11" "smlad r0, r12, r10, r0"
            "smlad r1, r12, r11, r1" "smlad r2, lr, r10, r2"
            "smlad r3, lr, r11, r3"
            "ldrd r12, lr, [r8], #8"
            "smlad r4, r12, r10, r4" "smlad r5, r12, r11, r5"
            "smlad r6, lr, r10, r6" "smlad r7, lr, r11, r7"
            ],
            [
            "ldr r11, [r9], #4"
            "ldrd r12, lr, [r8], #8"
            "sxtb16 r10, r11" "smlad r0, r12, r10, r0"
            "smlad r1, r12, r11, r1" "smlad r2, lr, r10, r2"
            "smlad r3, lr, r11, r3"
            "ldrd r12, lr, [r8], #8"
            "smlad r4, r12, r10, r4" "smlad r5, r12, r11, r5"
            "smlad r6, lr, r10, r6" "smlad r7, lr, r11, r7"
            "ldr r11, [r9], #4"
            "ldrd r12, lr, [r8], #8"
            "sxtb16 r10, r11" "smlad r0, r12, r10, r0"
            "smlad r1, r12, r11, r1" "smlad r2, lr, r10, r2"
            "smlad r3, lr, r11, r3"
            "ldrd r12, lr, [r8], #8"
            "smlad r4, r12, r10, r4" "smlad r5, r12, r11, r5"
            "smlad r6, lr, r10, r6" "smlad r7, lr, r11, r7"
            ],
            [
            "ldr r8, [sp, #40]"
            "ldr lr, [r8, #4]"
            "sub r1, r1, r0" "sub r3, r3, r2"
            "sub r5, r5, r4" "sub r7, r7, r6"
            "add r1, lr, r1, asr #8" "add r3, lr, r3, asr #8"
            "add r5, lr, r5, asr #8" "add r7, lr, r7, asr #8"
            $($finish)*
            ],
            [$($aside)*]
        }
    };
}

/// The same of one pixel, in r0 and r1.
macro_rules! one {
    (plain $(#[$doc:meta])* $name:ident, [$($finish:literal)*]) => {
        panels! {
            $(#[$doc])*
            $name,
            [],
            [
            "ldrd r2, r3, [r8], #8"
            "ldr r4, [r9], #4"
            "ldr r5, [r9], #4"
            "sxtb16 r6, r4" "sxtb16 r4, r4, ror #8"
            "sxtb16 r7, r5" "sxtb16 r5, r5, ror #8"
            "smlad r0, r2, r6, r0" "smlad r1, r2, r4, r1"
            "smlad r0, r3, r7, r0" "smlad r1, r3, r5, r1"
            ],
            ["ldr r8, [sp, #40]" $($finish)*],
            []
        }
    };
    (joined $(#[$doc:meta])* $name:ident, [$($finish:literal)*]) => {
        joined_panels! {
            $(#[$doc])*
            $name,
            [
            "ldrd r2, r3, [r8], #8"
            "ldr r4, [r9], #4"
            "ldr r5, [r9], #4"
            "sxtb16 r6, r4" "sxtb16 r7, r5"
            "smlad r1, r2, r4, r0" "smlad r0, r2, r6, r0"
            "smlad r0, r3, r7, r0" "smlad r1, r3, r5, r1"
            ],
            [
            "ldrd r2, r3, [r8], #8"
            "ldr r4, [r9], #4"
            "ldr r5, [r9], #4"
            "sxtb16 r6, r4" "sxtb16 r7, r5"
            "smlad r0, r2, r6, r0" "smlad r1, r2, r4, r1"
            "smlad r0, r3, r7, r0" "smlad r1, r3, r5, r1"
            ],
            [
            "ldr r8, [sp, #40]"
            "ldr r2, [r8, #4]"
            "sub r1, r1, r0" "add r1, r2, r1, asr #8"
            $($finish)*
            ],
            []
        }
    };
}

/// Codes of four pixels times pairs of channels. A mantissa doubled beyond 2^31 reads as 2^32 less:
/// the sum itself is what the product then lacks.
macro_rules! four_codes {
    ($way:ident $(#[$doc:meta])* $name:ident) => {
        four! {
            $way
            $(#[$doc])*
            $name,
            [
            "ldrd r10, r11, [r8, #8]"
            "ldr r12, [sp, #32]"
            "orrs lr, r10, r11"
            "bmi 7f"
            "smmlar r0, r0, r10, r12" "smmlar r1, r1, r11, r12"
            "smmlar r2, r2, r10, r12" "smmlar r3, r3, r11, r12"
            "smmlar r4, r4, r10, r12" "smmlar r5, r5, r11, r12"
            "smmlar r6, r6, r10, r12" "smmlar r7, r7, r11, r12"
            "6:"
            "ssat r0, #8, r0" "ssat r1, #8, r1"
            "ssat r2, #8, r2" "ssat r3, #8, r3"
            "ssat r4, #8, r4" "ssat r5, #8, r5"
            "ssat r6, #8, r6" "ssat r7, #8, r7"
            "ldr r8, [sp, #20]"
            "ldrd r10, r11, [sp, #24]"
            "bfi r0, r1, #8, #8" "bfi r2, r3, #8, #8"
            "bfi r4, r5, #8, #8" "bfi r6, r7, #8, #8"
            "strh r0, [r8]" "strh r2, [r8, r10]"
            "strh r4, [r8, r10, lsl #1]" "strh r6, [r8, r11]"
            "adds r8, r8, #2"
            "str r8, [sp, #20]"
            ],
            [
            "7:"
            "cmp r10, #0"
            "blt 8f"
            "smmlar r0, r0, r10, r12" "smmlar r2, r2, r10, r12"
            "smmlar r4, r4, r10, r12" "smmlar r6, r6, r10, r12"
            "b 9f"
            "8:"
            "add lr, r12, r0" "smmlar r0, r0, r10, lr"
            "add lr, r12, r2" "smmlar r2, r2, r10, lr"
            "add lr, r12, r4" "smmlar r4, r4, r10, lr"
            "add lr, r12, r6" "smmlar r6, r6, r10, lr"
            "9:"
            "cmp r11, #0"
            "blt 10f"
            "smmlar r1, r1, r11, r12" "smmlar r3, r3, r11, r12"
            "smmlar r5, r5, r11, r12" "smmlar r7, r7, r11, r12"
            "b 6b"
            "10:"
            "add lr, r12, r1" "smmlar r1, r1, r11, lr"
            "add lr, r12, r3" "smmlar r3, r3, r11, lr"
            "add lr, r12, r5" "smmlar r5, r5, r11, lr"
            "add lr, r12, r7" "smmlar r7, r7, r11, lr"
            "b 6b"
            ]
        }
    };
}

/// Codes of one pixel.
macro_rules! one_codes {
    ($way:ident $(#[$doc:meta])* $name:ident) => {
        one! {
            $way
            $(#[$doc])*
            $name,
            [
            "ldrd r10, r11, [r8, #8]"
            "ldr r12, [sp, #32]"
            "mov r2, r12"
            "cmp r10, #0"
            "it lt"
            "addlt r2, r2, r0"
            "cmp r11, #0"
            "it lt"
            "addlt r12, r12, r1"
            "smmlar r0, r0, r10, r2" "smmlar r1, r1, r11, r12"
            "ssat r0, #8, r0" "ssat r1, #8, r1"
            "ldr r8, [sp, #20]"
            "bfi r0, r1, #8, #8" "strh r0, [r8], #2"
            "str r8, [sp, #20]"
            ]
        }
    };
}

/// Sums of four pixels, eight for each panel.
macro_rules! four_sums {
    ($way:ident $(#[$doc:meta])* $name:ident) => {
        four! {
            $way
            $(#[$doc])*
            $name,
            ["ldr r8, [sp, #20]" "stm r8!, {{r0, r1, r2, r3, r4, r5, r6, r7}}" "str r8, [sp, #20]"],
            []
        }
    };
}

/// Sums of one pixel, two for each panel.
macro_rules! one_sums {
    ($way:ident $(#[$doc:meta])* $name:ident) => {
        one! {
            $way
            $(#[$doc])*
            $name,
            ["ldr r8, [sp, #20]" "stm r8!, {{r0, r1}}" "str r8, [sp, #20]"]
        }
    };
}

four_codes! {
    plain
    /// Computes codes of four pixels times pairs of channels.
    ///
    /// # Safety
    /// The operands lie as [`Tile`] says; cells and panels are aligned to words.
    four_pixels
}

four_sums! {
    plain
    /// Computes sums of four pixels times pairs of channels.
    ///
    /// # Safety
    /// The operands lie as [`Tile`] says; cells are aligned to words.
    four_pixel_sums
}

one_codes! {
    plain
    /// Computes codes of one pixel times pairs of channels.
    ///
    /// # Safety
    /// The operands lie as [`Tile`] says; cells and panels are aligned to words.
    one_pixel
}

one_sums! {
    plain
    /// Computes sums of one pixel times pairs of channels.
    ///
    /// # Safety
    /// The operands lie as [`Tile`] says; cells are aligned to words.
    one_pixel_sums
}

four_codes! {
    joined
    /// Computes codes of four pixels times pairs of channels from joined weights.
    ///
    /// # Safety
    /// The operands lie as [`Tile`] says; cells and panels are aligned to words.
    joined_four_pixels
}

four_sums! {
    joined
    /// Computes sums of four pixels times pairs of channels from joined weights.
    ///
    /// # Safety
    /// The operands lie as [`Tile`] says; cells are aligned to words.
    joined_four_pixel_sums
}

one_codes! {
    joined
    /// Computes codes of one pixel times pairs of channels from joined weights.
    ///
    /// # Safety
    /// The operands lie as [`Tile`] says; cells and panels are aligned to words.
    joined_one_pixel
}

one_sums! {
    joined
    /// Computes sums of one pixel times pairs of channels from joined weights.
    ///
    /// # Safety
    /// The operands lie as [`Tile`] says; cells are aligned to words.
    joined_one_pixel_sums
}
