//! What a kernel is asked to do.

use core::slice::{from_raw_parts, from_raw_parts_mut};

use offshoot_core::graph::Clamp;

use crate::pack::Layout;
use crate::plan::requant_path::RequantPath;
use crate::target::Target;

/// From accumulators to codes, where the channels of a layer agree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    /// Doublings before the mantissa.
    pub shift: u8,
    /// How products may be made.
    pub requant: RequantPath,
    /// The output's zero point.
    pub zero: i8,
    pub clamp: Clamp,
}

/// `out[p][c] = requantize(bias[c] + sum over k of row[p][k] * weight[c][k])`
#[derive(Debug)]
pub(crate) struct Rows {
    /// First cell of the first row: codes, widened if the layout says so.
    pub cells: *const i8,
    /// Bytes from row to row.
    pub stride: usize,
    /// Cells of a row: a multiple of [`Kernel::GRAIN`], or of the group where rows were gathered.
    pub depth: usize,
    pub pixels: usize,
    /// Groups in a row.
    pub groups: usize,
    pub panels: *const i8,
    pub channels: usize,
    pub out: *mut i8,
    /// Bytes from pixel to pixel.
    pub out_stride: usize,
    pub tail: Tail,
}

/// Pieces of a map that become pieces of gathered rows, code by code to cells.
#[derive(Debug)]
pub(crate) struct Pieces {
    pub codes: *const i8,
    /// Codes from piece to piece.
    pub step: usize,
    /// Codes of a piece.
    pub len: usize,
    pub count: usize,
    pub cells: *mut i8,
    /// Bytes from piece to piece.
    pub stride: usize,
}

/// Neighbouring pixels of a depthwise convolution:
/// `out[p][c] = requantize(bias[c] + sum over k of tap[p * step + k][c] * weight[c][k])`
///
/// Taps go down the columns of the window, so that windows which overlap share pointers.
#[derive(Debug)]
pub(crate) struct Taps {
    /// Where each tap's channels begin: `groups` times the layout's group of them for each pixel.
    pub taps: *const *const i8,
    /// Pointers from pixel to pixel.
    pub step: usize,
    /// The window: pointers of a column, and columns.
    pub rows: usize,
    pub columns: usize,
    /// Whether every column begins a group: [`Layout::column`] is more than its rows.
    pub filled: bool,
    pub pixels: usize,
    pub groups: usize,
    pub panels: *const i8,
    pub channels: usize,
    pub out: *mut i8,
    /// Bytes from pixel to pixel.
    pub out_stride: usize,
    pub tail: Tail,
}

/// `out[i] = clamp((a[i] * factors[0] + b[i] * factors[1] + offset) >> shift)`
#[derive(Debug)]
pub(crate) struct Sum {
    pub a: *const i8,
    pub b: *const i8,
    pub out: *mut i8,
    pub len: usize,
    pub factors: [i16; 2],
    pub offset: i32,
    pub shift: u8,
    pub clamp: Clamp,
}

/// Portable code that can be compiled for an instruction set: what is not a closure can be told to be
/// inlined, and is then compiled as its caller is.
pub(crate) trait Code {
    /// Implementations are `#[inline(always)]`.
    fn run(self);
}

/// The heavy work of one instruction set. A value proves that the processor has it.
///
/// Kernels read and write no byte beyond what a job names.
pub(crate) trait Kernel: Copy {
    /// How weights are packed.
    const TARGET: Target;
    /// Panels of [`Rows`].
    const ROWS: Layout = Self::TARGET.rows;
    /// Panels of [`Taps`].
    const TAPS: Layout = Self::TARGET.taps;
    /// Pixels that are best handled together.
    const TILE: usize;
    /// Rows that lie in the map may have any multiple of that many cells.
    const GRAIN: usize = Self::ROWS.group;

    /// # Safety
    /// Pointers hold for the lengths beside them, panels as [`Self::ROWS`] packs them; `out` is
    /// written by nobody else.
    unsafe fn rows(self, job: &Rows);

    /// # Safety
    /// As [`Kernel::rows`]; every tap has `channels` codes.
    unsafe fn taps(self, job: &Taps);

    /// # Safety
    /// As [`Kernel::rows`]; `out` may be `a` or `b`, but not overlap them in part.
    unsafe fn sum(self, job: &Sum);

    /// Codes to cells of [`Self::ROWS`]; `cells` has room for all codes. Kernels whose cells are codes
    /// have it from here.
    #[inline]
    fn widen(self, codes: &[i8], cells: &mut [i8]) {
        assert!(!Self::ROWS.wide, "wide cells are the kernel's own");
        cells[..codes.len()].copy_from_slice(codes);
    }

    /// Puts `table[code + 128]` in the place of each code.
    #[inline]
    fn look_up(self, table: &[i8; 256], codes: &mut [i8]) {
        look_up(table, codes);
    }

    /// Runs portable code, compiled for this instruction set.
    #[inline]
    fn compiled(self, code: impl Code) {
        code.run();
    }

    /// # Safety
    /// As [`Kernel::rows`], for `cells` in place of `out`; neither overlaps the other.
    #[inline]
    unsafe fn pieces(self, job: &Pieces) {
        if !Self::ROWS.wide {
            // SAFETY: the caller's promise.
            return unsafe { copy(job) };
        }
        for i in 0..job.count {
            // SAFETY: the caller's promise.
            let (codes, cells) = unsafe {
                let cells = job.cells.add(i * job.stride);
                let bytes = job.len * Self::ROWS.width();
                (from_raw_parts(job.codes.add(i * job.step), job.len), from_raw_parts_mut(cells, bytes))
            };
            self.widen(codes, cells);
        }
    }
}

/// [`Kernel::look_up`] one by one.
#[inline]
pub(crate) fn look_up(table: &[i8; 256], codes: &mut [i8]) {
    for code in codes {
        *code = table[usize::from(*code as u8 ^ 0x80)];
    }
}

/// [`Kernel::pieces`] where cells are codes: pieces are short, calls to copy them would take longer
/// than the copies.
///
/// # Safety
/// As there.
unsafe fn copy(job: &Pieces) {
    // SAFETY: the caller's promise; what a piece is copied in has its length or less, and the last
    // copy of a piece overlaps the one before.
    unsafe {
        match job.len {
            16.. => copy_by::<[u64; 2]>(job),
            8..16 => copy_by::<u64>(job),
            4..8 => copy_by::<u32>(job),
            _ => copy_by::<u8>(job),
        }
    }
}

/// # Safety
/// As [`copy`]; a piece has the length of `T` or more.
#[inline]
unsafe fn copy_by<T>(job: &Pieces) {
    let last = job.len - size_of::<T>();
    for i in 0..job.count {
        // SAFETY: the caller's promise.
        unsafe {
            let (from, to) = (job.codes.add(i * job.step), job.cells.add(i * job.stride));
            let one = |at: usize| {
                to.add(at).cast::<T>().write_unaligned(from.add(at).cast::<T>().read_unaligned());
            };
            (0..last).step_by(size_of::<T>()).for_each(one);
            one(last);
        }
    }
}
