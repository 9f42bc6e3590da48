//! Helium, ARM's M-profile vector extension: Cortex-M55 and M85.
//!
//! `VMLADAVA` adds the products of two times 16 bytes to a register, `VQRDMULH` is the
//! multiplication by a mantissa, in all its bits and saturating: no layer needs another path. Rows
//! are read where they lie, of any length, because the last bytes are a matter of predicates.

use core::arch::naked_asm;
use core::array;

use offshoot_core::quant;

use super::helium_depthwise;
use super::helium_tile::{PIXELS, Tiles};
use crate::kernels::job::{Kernel, Pieces, Rows, Sum, Taps};
use crate::target::{self, Target};

/// Proof that the processor has the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Helium(());

impl Helium {
    pub fn detect() -> Option<Self> {
        cfg!(target_endian = "little").then_some(Self(()))
    }
}

impl Kernel for Helium {
    const TARGET: Target = target::HELIUM;
    const TILE: usize = PIXELS;
    const GRAIN: usize = 1;
    const OWN_CODE: bool = false;
    const LINES: bool = true;

    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; a value of this type proves the extension.
        unsafe { rows(job) }
    }

    unsafe fn taps(self, job: &Taps) {
        // SAFETY: as above.
        unsafe { helium_depthwise::taps(job) }
    }

    unsafe fn sum(self, job: &Sum) {
        for i in 0..job.len {
            // SAFETY: the caller's promise.
            unsafe {
                let a = i32::from(*job.a.add(i)) * i32::from(job.factors[0]);
                let b = i32::from(*job.b.add(i)) * i32::from(job.factors[1]);
                let sum = a.wrapping_add(b).wrapping_add(job.offset);
                *job.out.add(i) = quant::shift_down(sum, job.shift, job.clamp.lo, job.clamp.hi);
            }
        }
    }

    unsafe fn pieces(self, job: &Pieces) {
        let Pieces { codes, step, len, count, cells, stride } = *job;
        // SAFETY: the caller's promise.
        unsafe { copy(&Copies { codes, cells, step, stride, len, count }) };
    }
}

/// Operands of [`copy`]; assembly knows the order.
#[repr(C)]
struct Copies {
    codes: *const i8,
    cells: *mut i8,
    /// Bytes from piece to piece.
    step: usize,
    stride: usize,
    len: usize,
    count: usize,
}

/// Copies pieces of a feature map.
///
/// # Safety
/// The contract of [`Kernel::pieces`]; there is a piece, and none is empty.
#[unsafe(naked)]
unsafe extern "C" fn copy(operands: *const Copies) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4, r5, r6, r7, r8, lr}}",
        "ldm r0, {{r0, r1, r2, r3, r4, r5}}",
        "cmp r4, #16",
        "bhi 3f",
        // The most frequent: one register holds a piece.
        "vctp.8 r4",
        "dls lr, r5",
        "2:",
        "vpstt",
        "vldrbt.u8 q0, [r0]",
        "vstrbt.8 q0, [r1]",
        "add r0, r0, r2",
        "add r1, r1, r3",
        "le lr, 2b",
        "pop {{r4, r5, r6, r7, r8, pc}}",
        "3:",
        "mov r6, r0",
        "mov r7, r1",
        "dlstp.8 lr, r4",
        "4:",
        "vldrb.u8 q0, [r6], #16",
        "vstrb.8 q0, [r7], #16",
        "letp lr, 4b",
        "add r0, r0, r2",
        "add r1, r1, r3",
        "subs r5, r5, #1",
        "bne 3b",
        "pop {{r4, r5, r6, r7, r8, pc}}",
    )
}

/// Computes a convolution of gathered rows.
///
/// # Safety
/// Same contract as [`Kernel::rows`].
unsafe fn rows(job: &Rows) {
    let whole = job.pixels / PIXELS;
    // SAFETY: the caller's promise: rows, panels and channels of these pixels.
    unsafe {
        if whole > 0 {
            Tiles::new(job, [0, 1, 2], whole).run();
        }
        if !job.pixels.is_multiple_of(PIXELS) {
            // Behind the last pixel is the last pixel again.
            let last = job.pixels - 1;
            let pixels = array::from_fn(|i| last.min(whole * PIXELS + i));
            Tiles::new(job, pixels, 1).run();
        }
    }
}
