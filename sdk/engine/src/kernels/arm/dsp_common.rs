//! Requantization, clamps and words of a panel, for the kernels of the DSP extension.

use offshoot_core::graph::Clamp;
use offshoot_core::{Multiplier, quant};

use crate::kernels::job::Tail;
use crate::plan::requant_path::RequantPath;

/// True if `SMMLAR` requantizes a layer: without a shift, and where its zero point overflows nothing.
pub(super) fn is_short(tail: &Tail) -> bool {
    tail.shift == 0 && tail.requant != RequantPath::Any
}

/// Requantizes a sum by a doubled mantissa, in all bits.
pub(super) fn requantize(sum: i32, doubled: i32, tail: &Tail) -> i8 {
    let multiplier = Multiplier { mantissa: (doubled as u32 >> 1) as i32, shift: tail.shift };
    quant::requantize(sum, multiplier, tail.zero, tail.clamp.lo, tail.clamp.hi)
}

/// Clamps codes.
///
/// # Safety
/// The caller may write `count` codes.
pub(super) unsafe fn clamp(codes: *mut i8, count: usize, clamp: Clamp) {
    // SAFETY: the caller's promise.
    for code in unsafe { core::slice::from_raw_parts_mut(codes, count) } {
        *code = (*code).clamp(clamp.lo, clamp.hi);
    }
}

/// Reads a word of the head of a panel.
///
/// # Safety
/// The panel has it.
pub(super) unsafe fn word_at(panel: *const i8, index: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { panel.cast::<i32>().add(index).read_unaligned() }
}

/// Directive by which the assembler takes the extension in a whole function of assembly: for ARMv8-M
/// it knows only the extensions of the triple there, whatever processor the program is for.
#[cfg(arm_v8m)]
macro_rules! extension {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(not(arm_v8m))]
macro_rules! extension {
    () => {
        ""
    };
}
pub(super) use extension;
