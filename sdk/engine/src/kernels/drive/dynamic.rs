//! Driver of linear layers whose inputs are quantized in the run: rows of int8 values, their products
//! with panels of weights by a kernel, and the results in float.

use offshoot_core::graph::Clamp;
use offshoot_core::quant::single::Steps;

use crate::kernels::job::{Code, Kernel, MOST_ROWS, Rows, Tail};
use crate::ops::ordered::linear::{self, Layer};
use crate::ops::ordered::{Bytes, float, values, values_mut};
use crate::pack::Layout;
use crate::plan::requant_path::RequantPath;

/// Linear layer for its kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dynamic<'a> {
    /// Order of the panels.
    pub layout: Layout,
    pub packed: &'a [i8],
    pub constants: Layer<'a>,
    /// Values of a pixel of the input.
    pub depth: usize,
    /// Values of a pixel of the result.
    pub channels: usize,
}

/// Returns the bytes of scratch that [`run`] needs for at most `pixels` at a time.
pub(crate) fn scratch<K: Kernel>(layout: &Layout, depth: usize, pixels: usize) -> usize {
    let rows = layout.row_bytes(depth).saturating_mul(pixels.clamp(1, MOST_ROWS));
    rows.saturating_add(K::SUMS_SPARE)
}

/// Computes pixels `x` of a linear layer into `y`, by a kernel that has [`Kernel::sums`].
pub(crate) fn run<K: Kernel>(
    kernel: K,
    layer: &Dynamic<'_>,
    scratch: &mut [i8],
    x: &[i8],
    y: &mut [i8],
) {
    let Dynamic { layout, packed, constants, depth, channels } = *layer;
    let row_bytes = layout.row_bytes(depth);
    assert!(packed.len() == layout.bytes(channels, depth), "packed for another plan");
    let (spare, rows) = scratch.split_at_mut(K::SUMS_SPARE);
    let pixels = y.len() / (4 * channels);
    let most = (rows.len() / row_bytes).min(MOST_ROWS);
    let block = pixels.div_ceil(pixels.div_ceil(most).max(1)).max(1);
    let blocks = y.chunks_mut(4 * channels * block).zip(x.chunks(4 * depth * block));
    for (y, x) in blocks {
        let count = y.len() / (4 * channels);
        let rows = &mut rows[..count * row_bytes];
        let mut all = [Steps::new(0.0, 0.0); MOST_ROWS];
        let steps = &mut all[..count];
        let x = values(x);
        kernel.compiled(Quantize { depth, row_bytes, x, rows, steps });
        let tail = Tail { shift: 0, requant: RequantPath::Mantissas, zero: 0, clamp: Clamp::NONE };
        let job = Rows {
            cells: rows.as_ptr(),
            stride: row_bytes,
            depth: row_bytes,
            pixels: count,
            groups: depth.div_ceil(layout.group),
            panels: packed.as_ptr(),
            channels,
            out: y.as_mut_ptr(),
            out_stride: 4 * channels,
            spare: spare.as_mut_ptr(),
            tail,
        };
        // SAFETY: `count` rows of `row_bytes` and as many pixels of the result were sliced above,
        // the panels' length was checked.
        unsafe { kernel.sums(&job) };
        kernel.compiled(Finish { constants, channels, steps, y: values_mut(y) });
    }
}

/// Quantization of a block of pixels.
struct Quantize<'a> {
    depth: usize,
    row_bytes: usize,
    x: &'a [Bytes],
    rows: &'a mut [i8],
    steps: &'a mut [Steps],
}

impl Code for Quantize<'_> {
    #[inline(always)]
    fn run(self) {
        let rows = self.rows.chunks_exact_mut(self.row_bytes);
        for ((x, row), own) in self.x.chunks_exact(self.depth).zip(rows).zip(self.steps) {
            let steps = linear::steps(x);
            for (cell, value) in row.iter_mut().zip(x) {
                *cell = steps.code(float(*value));
            }
            *own = steps;
        }
    }
}

/// Conversion of a block of accumulators to results.
struct Finish<'a> {
    constants: Layer<'a>,
    channels: usize,
    steps: &'a [Steps],
    y: &'a mut [Bytes],
}

impl Code for Finish<'_> {
    #[inline(always)]
    fn run(self) {
        for (y, steps) in self.y.chunks_exact_mut(self.channels).zip(self.steps) {
            self.constants.finish(*steps, y);
        }
    }
}
