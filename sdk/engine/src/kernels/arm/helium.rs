//! Helium, ARM's M-profile vector extension: Cortex-M55 and M85.
//!
//! `VMLADAVA` adds the products of two times 16 bytes to a register, `VQRDMULH` is the multiplication by
//! a mantissa, in all its bits and saturating: no layer needs another path. Rows are read where they
//! lie, of any length, because the last bytes are a matter of predicates.

use core::array;

use offshoot_core::quant;

use super::helium_depthwise;
use super::helium_tile::{PIXELS, Tile, shifted_tile, tile};
use crate::kernels::job::{Kernel, Rows, Sum, Taps};
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
}

/// Computes a convolution of gathered rows.
///
/// # Safety
/// Same contract as [`Kernel::rows`].
unsafe fn rows(job: &Rows) {
    let last = job.pixels - 1;
    for first in (0..job.pixels).step_by(PIXELS) {
        // Behind the last pixel is the last pixel again.
        let pixels: [usize; PIXELS] = array::from_fn(|i| last.min(first + i));
        let mut operands = Tile {
            rows: pixels.map(|pixel| job.cells.wrapping_add(pixel * job.stride)),
            outs: pixels.map(|pixel| job.out.wrapping_add(pixel * job.out_stride)),
            depth: job.depth,
            panels: job.panels,
            channels: job.channels,
            zero: job.tail.zero.into(),
            shift: job.tail.shift.into(),
            lo: [job.tail.clamp.lo.into(); 4],
            hi: [job.tail.clamp.hi.into(); 4],
        };
        // SAFETY: the caller's promise: rows, panels and channels of these pixels.
        unsafe {
            if job.tail.shift == 0 {
                tile(&mut operands);
            } else {
                shifted_tile(&mut operands);
            }
        }
    }
}
