//! Jobs: the specification of the work of a kernel.

use core::slice::{from_raw_parts, from_raw_parts_mut};

use offshoot_core::graph::Clamp;

use crate::ops::ordered::Bytes;
use crate::pack::Layout;
use crate::plan::requant_path::RequantPath;
use crate::target::Target;

/// Requantization constants that all channels of a layer share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tail {
    /// Left shift of accumulators before they are multiplied by the mantissa.
    pub shift: u8,
    /// Method of the multiplication.
    pub requant: RequantPath,
    /// Zero point of the output.
    pub zero: i8,
    pub clamp: Clamp,
}

/// Convolution of gathered rows:
/// `out[p][c] = requantize(bias[c] + sum over k of row[p][k] * weight[c][k])`
#[derive(Debug)]
pub(crate) struct Rows {
    /// First cell of the first row: int8 values, widened if the layout says so.
    pub cells: *const i8,
    /// Bytes from row to row.
    pub stride: usize,
    /// Cells of a row: a multiple of [`Kernel::GRAIN`], or of the group where rows were gathered.
    pub depth: usize,
    pub pixels: usize,
    /// Number of groups in a row.
    pub groups: usize,
    pub panels: *const i8,
    pub channels: usize,
    pub out: *mut i8,
    /// Bytes from pixel to pixel.
    pub out_stride: usize,
    /// Memory of the kernel: [`Kernel::spare_bytes`] of a row, [`Kernel::SUMS_SPARE`] for sums.
    pub spare: *mut i8,
    pub tail: Tail,
}

/// Copy of pieces of a feature map to pieces of gathered rows, value by value to cells.
#[derive(Debug)]
pub(crate) struct Pieces {
    pub codes: *const i8,
    /// Values from piece to piece.
    pub step: usize,
    /// Values of a piece.
    pub len: usize,
    pub count: usize,
    pub cells: *mut i8,
    /// Bytes from piece to piece.
    pub stride: usize,
}

/// Adjacent pixels of a depthwise convolution, in one line or in several:
/// `out[p][c] = requantize(bias[c] + sum over k of tap[p * step + k][c] * weight[c][k])`
///
/// Taps are ordered down the columns of the window, so that overlapping windows share pointers.
#[derive(Debug)]
pub(crate) struct Taps {
    /// Pointers to the channels of each tap: for each pixel, `groups` times the layout's group.
    pub taps: *const *const i8,
    /// Pointers from pixel to pixel.
    pub step: usize,
    /// Rows of the window, which are the pointers of a column; its columns follow.
    pub rows: usize,
    pub columns: usize,
    /// True if every column begins a group: [`Layout::column`] is more than its rows.
    pub filled: bool,
    /// Pixels of a line.
    pub pixels: usize,
    /// Lines of the result, one behind the other; 1 unless [`Kernel::LINES`].
    pub lines: usize,
    /// Pointers from line to line.
    pub line_step: usize,
    /// True if the windows of a line lie one row of the feature map below those of the line above.
    pub below: bool,
    pub groups: usize,
    pub panels: *const i8,
    pub channels: usize,
    pub out: *mut i8,
    /// Bytes from pixel to pixel.
    pub out_stride: usize,
    pub tail: Tail,
}

/// Elementwise sum: `out[i] = clamp((a[i] * factors[0] + b[i] * factors[1] + offset) >> shift)`
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

/// Matrix product of floats: `out[r][c] = sum over k of a[r][k] * b[k][c]`, each sum from zero in
/// the order of `k`, each operation rounded by itself. Floats lie at any alignment.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // only its kernels use it
pub(crate) struct Product {
    pub a: *const Bytes,
    pub b: *const Bytes,
    pub out: *mut Bytes,
    pub rows: usize,
    pub depth: usize,
    pub columns: usize,
}

/// Most pixels of [`Kernel::sums`]: all weights are read once for so many.
pub(crate) const MOST_ROWS: usize = 64;

/// Portable code that can be compiled for an instruction set: a method, unlike a closure, can be
/// marked `#[inline(always)]`, and is then compiled with the target features of its caller.
pub(crate) trait Code {
    /// Implementations are `#[inline(always)]`.
    fn run(self);
}

/// Kernels of one instruction set. A value proves that the processor has it.
///
/// Kernels read and write no byte beyond those that a job names.
pub(crate) trait Kernel: Copy {
    /// Order of the packed weights.
    const TARGET: Target;
    /// Panels of [`Rows`].
    const ROWS: Layout = Self::TARGET.rows;
    /// Panels of [`Taps`].
    const TAPS: Layout = Self::TARGET.taps;
    /// Number of pixels that the kernel computes best together.
    const TILE: usize;
    /// Granularity, cells, of rows that are read in place from the feature map.
    const GRAIN: usize = Self::ROWS.group;
    /// Rows of 16-bit cells, with three bytes more, that [`Kernel::rows`] needs to write.
    const SPARE: usize = 0;

    /// Returns the bytes that [`Kernel::rows`] needs beside rows of `row_bytes`.
    fn spare_bytes(row_bytes: usize) -> usize {
        if Self::SPARE == 0 {
            0
        } else {
            (2 * Self::SPARE).saturating_mul(row_bytes).saturating_add(3)
        }
    }

    /// True if portable code runs with [`Kernel::look_up`] and [`Kernel::compiled`]; false if these are
    /// the defaults: such kernels share one copy of that code, the generic one.
    const OWN_CODE: bool = true;

    /// True if [`Kernel::taps`] takes several lines at once, and reads no pointers behind them.
    const LINES: bool = false;

    /// Multiplies gathered rows by panels.
    ///
    /// # Safety
    /// Pointers are valid for the lengths beside them, panels are packed by [`Self::ROWS`]; `out`
    /// is written by nothing else.
    unsafe fn rows(self, job: &Rows);

    /// True if the kernel has [`Kernel::product`].
    const PRODUCTS: bool = false;

    /// Multiplies matrices of floats.
    ///
    /// # Safety
    /// Pointers are valid for the lengths beside them; `out` is written by nothing else, and apart.
    unsafe fn product(self, _: &Product) {
        unreachable!("no such kernel");
    }

    /// Bytes that [`Kernel::sums`] needs beside at most [`MOST_ROWS`] rows.
    const SUMS_SPARE: usize = 0;

    /// Multiplies rows of int8 values by panels of the target's layout for sums, if it has one, and
    /// writes accumulators, four bytes each, in place of codes.
    ///
    /// # Safety
    /// Same contract as [`Kernel::rows`]; at most [`MOST_ROWS`] pixels.
    unsafe fn sums(self, _: &Rows) {
        unreachable!("no such kernel");
    }

    /// Computes depthwise windows.
    ///
    /// # Safety
    /// Same contract as [`Kernel::rows`]; every tap has `channels` values.
    unsafe fn taps(self, job: &Taps);

    /// Adds two feature maps.
    ///
    /// # Safety
    /// Same contract as [`Kernel::rows`]; `out` may be `a` or `b`, but not overlap them in part.
    unsafe fn sum(self, job: &Sum);

    /// Converts int8 values to cells of [`Self::ROWS`]; `cells` has room for all of them. The
    /// default copies them, for kernels that do not widen.
    #[inline]
    fn widen(self, codes: &[i8], cells: &mut [i8]) {
        assert!(!Self::ROWS.wide, "wide cells are the kernel's own");
        cells[..codes.len()].copy_from_slice(codes);
    }

    /// Replaces each value `code` with `table[code + 128]`.
    #[inline]
    fn look_up(self, table: &[i8; 256], codes: &mut [i8]) {
        look_up(table, codes);
    }

    /// Runs portable code, compiled for this instruction set.
    #[inline]
    fn compiled(self, code: impl Code) {
        code.run();
    }

    /// Copies pieces of a feature map to gathered rows.
    ///
    /// # Safety
    /// Same contract as [`Kernel::rows`], for `cells` in place of `out`; `codes` and `cells` do not
    /// overlap.
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
                (
                    from_raw_parts(job.codes.add(i * job.step), job.len),
                    from_raw_parts_mut(cells, bytes),
                )
            };
            self.widen(codes, cells);
        }
    }
}

/// Looks up one value after the other, see [`Kernel::look_up`].
#[inline]
pub(crate) fn look_up(table: &[i8; 256], codes: &mut [i8]) {
    for code in codes {
        *code = table[usize::from(*code as u8 ^ 0x80)];
    }
}

/// Copies pieces to cells that are not widened. Pieces are short: calls of `memcpy` would take
/// longer than the copies.
///
/// # Safety
/// Same contract as [`Kernel::pieces`].
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

/// Copies pieces in units of `T`.
///
/// # Safety
/// Same contract as [`copy`]; a piece has the length of `T` or more.
#[inline]
unsafe fn copy_by<T>(job: &Pieces) {
    let last = job.len - size_of::<T>();
    for i in 0..job.count {
        // SAFETY: the caller's promise.
        unsafe {
            let from = job.codes.add(i * job.step);
            let to = job.cells.add(i * job.stride);
            for at in (0..last).step_by(size_of::<T>()) {
                copy_one::<T>(from.add(at), to.add(at));
            }
            copy_one::<T>(from.add(last), to.add(last));
        }
    }
}

/// Copies one `T`.
///
/// # Safety
/// Both pointers are valid for the size of `T`.
#[inline]
unsafe fn copy_one<T>(from: *const i8, to: *mut i8) {
    // SAFETY: the caller's promise.
    unsafe { to.cast::<T>().write_unaligned(from.cast::<T>().read_unaligned()) };
}
