//! Widening of bytes to pairs of 16 bits, in the order in which the loops multiply them.

use core::arch::naked_asm;

use super::dsp_common::extension;

/// Widens four cells of each of four rows.
macro_rules! sixteen {
    () => {
        concat!(
            "ldr r8, [r0], #4\n ",
            "ldr r10, [r4], #4\n ",
            "sxtb16 r7, r8\n ",
            "sxtb16 r9, r8, ror #8\n ",
            "sxtb16 r8, r10\n ",
            "sxtb16 r10, r10, ror #8\n ",
            "strd r7, r8, [r2]\n ",
            "strd r9, r10, [r2, #16]\n ",
            "ldr r8, [r5], #4\n ",
            "ldr r10, [r6], #4\n ",
            "sxtb16 r7, r8\n ",
            "sxtb16 r9, r8, ror #8\n ",
            "sxtb16 r8, r10\n ",
            "sxtb16 r10, r10, ror #8\n ",
            "strd r7, r8, [r2, #8]\n ",
            "strd r9, r10, [r2, #24]\n ",
            "add r2, r2, #32\n ",
        )
    };
}

/// Widens the cells of four rows, `stride` bytes apart, `fours` times four of each: places 0 and 2
/// of all rows, then 1 and 3.
///
/// # Safety
/// Rows and cells are that long; cells are aligned to words; `fours` is not 0.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn widen_four(
    rows: *const i8,
    stride: usize,
    cells: *mut u32,
    fours: usize,
) {
    naked_asm!(
        extension!(),
        "push {{r4, r5, r6, r7, r8, r9, r10, r11, lr}}",
        "add r4, r0, r1",
        "add r5, r4, r1",
        "add r6, r5, r1",
        // Twice a round; an odd one first.
        "lsrs r3, r3, #1",
        "bcc 2f",
        "add r3, r3, #1",
        "b 3f",
        "2:",
        sixteen!(),
        "3:",
        sixteen!(),
        "subs r3, r3, #1",
        "bne 2b",
        "pop {{r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
    )
}

/// Widens the cells of one row.
///
/// # Safety
/// The contract of [`widen_four`].
#[unsafe(naked)]
pub(super) unsafe extern "C" fn widen_one(row: *const i8, cells: *mut u32, fours: usize) {
    naked_asm!(
        extension!(),
        "push {{r4, lr}}",
        "2:",
        "ldr r4, [r0], #4",
        "sxtb16 r3, r4",
        "sxtb16 r4, r4, ror #8",
        "strd r3, r4, [r1], #8",
        "subs r2, r2, #1",
        "bne 2b",
        "pop {{r4, pc}}",
    )
}

/// Widens one column.
macro_rules! column {
    () => {
        concat!(
            "ldm r0!, {{r11, r12, lr}}\n ",
            "ldr r11, [r11, r1]\n ",
            "ldr r12, [r12, r1]\n ",
            "ldr lr, [lr, r1]\n ",
            "sxtb16 r6, r11\n ",
            "sxtb16 r9, r11, ror #8\n ",
            "sxtb16 r11, lr\n ",
            "sxtb16 lr, lr, ror #8\n ",
            "sxtb16 r5, r12\n ",
            "sxtb16 r8, r12, ror #8\n ",
            "pkhbt r4, r6, r11, lsl #16\n ",
            "pkhtb r6, r11, r6, asr #16\n ",
            "pkhbt r7, r9, lr, lsl #16\n ",
            "pkhtb r9, lr, r9, asr #16\n ",
            "stm r3!, {{r4, r5, r6, r7, r8, r9}}\n ",
        )
    };
}

/// Widens columns of three rows for the four channels from `channel` on, each to the words of
/// `dsp_depthwise`.
///
/// # Safety
/// Three pointers for each column lead to pixels with these channels; there is room for the columns.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn widen_columns(
    taps: *const *const i8,
    channel: usize,
    count: usize,
    columns: *mut u32,
) {
    naked_asm!(
        extension!(),
        "push {{r4, r5, r6, r7, r8, r9, r10, r11, lr}}",
        // Two columns a round; an odd one first.
        "lsrs r2, r2, #1",
        "bcc 2f",
        "add r2, r2, #1",
        "b 3f",
        "2:",
        column!(),
        "3:",
        column!(),
        "subs r2, r2, #1",
        "bne 2b",
        "pop {{r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
    )
}
