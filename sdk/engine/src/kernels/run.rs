//! Runs planned steps with a kernel: one at a time, or chained by rows.

use core::ops::Range;

use super::arena::Arena;
use super::drive::{self, Layer, Map, Target};
use super::job::{Kernel, Tail};
use crate::step::{Span, Step, StepOp, Value};

/// Which share of the work a thread has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub index: usize,
    pub count: usize,
}

impl Part {
    /// This part of `0..n`.
    fn of(self, n: usize) -> Range<usize> {
        n * self.index / self.count..n * (self.index + 1) / self.count
    }

    /// This part of bytes that every part has as many of.
    fn own(self, span: Span) -> Range<usize> {
        let size = span.len / self.count;
        let start = span.start + size * self.index;
        start..start + size
    }
}

/// One part of a step, or of the chain that begins with it. Whether the kernel had an answer; if not,
/// the arena is as it was.
pub(crate) fn steps<K: Kernel>(
    kernel: K,
    steps: &[Step],
    packed: &[i8],
    arena: Arena<'_>,
    part: Part,
) -> bool {
    match usize::from(steps[0].chain) {
        0 | 1 => step(kernel, &steps[0], packed, arena, part),
        len => {
            chain(kernel, &steps[..len], packed, arena, part);
            true
        }
    }
}

/// One step, in portable code, by one thread while the others wait.
pub(crate) fn portable(step: &Step, weights: &[u8], arena: Arena<'_>) {
    // SAFETY: steps are separated by a barrier, and no other part does anything in this one.
    crate::ops::run(step, weights, unsafe { arena.write(0..arena.len()) });
}

fn step<K: Kernel>(kernel: K, step: &Step, packed: &[i8], arena: Arena<'_>, part: Part) -> bool {
    if let StepOp::Add { a, b, clamp } = step.op {
        let values = [&step.a, &step.b, &step.out];
        drive::add(kernel, arena, values, (a, b, clamp), part.of(step.out.shape.elements()));
        return true;
    }
    let Some(layer) = layer(step, packed) else { return false };
    let pixels = part.of(step.out.shape.h() * step.out.shape.w());
    let channels = step.out.shape.c();
    let out = step.out.offset;
    // SAFETY: the plan puts input, output and scratch apart; each part has pixels of its own and a
    // scratch of its own, and nobody writes the input during this step.
    let (x, scratch, codes) = unsafe {
        (
            arena.read(step.a.range()),
            arena.write(part.own(step.scratch)),
            arena.write(out + pixels.start * channels..out + pixels.end * channels),
        )
    };
    let target = &mut Target { shape: step.out.shape, first: pixels.start, codes };
    one(kernel, step, &layer, scratch, &Map::whole(&step.a, x), target);
    true
}

fn layer<'a>(step: &Step, packed: &'a [i8]) -> Option<Layer<'a>> {
    let (window, groups, shift, clamp) = match step.op {
        StepOp::Conv { window, groups, shift, clamp, .. } => (window, groups, shift, clamp),
        StepOp::Depthwise { window, shift, clamp, .. } if window.taps() <= drive::MAX_TAPS => {
            (window, 1, shift, clamp)
        }
        _ => return None,
    };
    let tail = Tail { shift, zero: step.out.quant.zero_point, clamp };
    Some(Layer { window, groups, packed: &packed[step.packed.range()], tail })
}

fn one<K: Kernel>(
    kernel: K,
    step: &Step,
    layer: &Layer<'_>,
    scratch: &mut [i8],
    input: &Map<'_>,
    target: &mut Target<'_>,
) {
    match step.op {
        StepOp::Depthwise { .. } => drive::depthwise(kernel, layer, scratch, input, target),
        _ => drive::conv(kernel, layer, scratch, input, target),
    }
}

/// A map of which only the latest rows are kept, in memory of one part.
struct Ring<'a> {
    value: &'a Value,
    at: Range<usize>,
    kept: usize,
}

impl<'a> Ring<'a> {
    fn new(step: &'a Step, part: Part) -> Self {
        let kept = usize::from(step.kept_rows);
        let row = step.out.shape.w() * step.out.shape.c();
        let len = (row * kept).next_multiple_of(crate::memory::Slot::ALIGN);
        let start = step.out.offset + part.index * len;
        Self { value: &step.out, at: start..start + row * kept, kept }
    }

    fn row_bytes(&self) -> usize {
        self.value.shape.w() * self.value.shape.c()
    }
}

/// Steps that hand each other rows, so that the maps between them never exist as a whole: an
/// inverted residual's expansion, depthwise and projection, or the last two
/// (Lin et al. 2021, "MCUNetV2", patch-based inference; here the patches are rows, and rows that
/// windows share are kept instead of computed again).
fn chain<K: Kernel>(kernel: K, steps: &[Step], packed: &[i8], arena: Arena<'_>, part: Part) {
    let (expand, rest) = match steps {
        [expand, rest @ ..] if rest.len() == 2 => (Some(expand), rest),
        rest => (None, rest),
    };
    let [depthwise, project] = rest else { unreachable!("planned: two or three steps") };
    let tile_rows = usize::from(depthwise.kept_rows);
    let rows = part.of(project.out.shape.h());
    let tile = Ring::new(depthwise, part);
    let ring = expand.map(|step| (step, Ring::new(step, part)));
    let window = layer(depthwise, packed).expect("planned: a depthwise layer").window;
    let (stride, pad) = (usize::from(window.stride[0]), usize::from(window.pad[0]));
    let extent = usize::from(window.dilation[0]) * (usize::from(window.kernel[0]) - 1) + 1;
    let mut next = (rows.start * stride).saturating_sub(pad);
    for start in rows.clone().step_by(tile_rows) {
        let end = (start + tile_rows).min(rows.end);
        if let Some((step, ring)) = &ring {
            let last = ((end - 1) * stride + extent).saturating_sub(pad).min(step.out.shape.h());
            while next < last {
                // As many rows as fit before the ring begins anew.
                let upto = last.min(next + ring.kept - next % ring.kept);
                expand_rows(kernel, step, ring, next..upto, packed, arena, part);
                next = upto;
            }
        }
        // SAFETY: the ring, the tile and the scratch belong to this part; nobody writes the chain's
        // input, and the rows of the result are this part's.
        unsafe {
            let input = match &ring {
                Some((step, ring)) => {
                    Map { value: &step.out, codes: arena.read(ring.at.clone()), base: 0, kept: ring.kept }
                }
                None => Map::whole(&depthwise.a, arena.read(depthwise.a.range())),
            };
            rows_of(kernel, depthwise, &input, start..end, tile.at.start, packed, arena, part);
            let input =
                Map { value: tile.value, codes: arena.read(tile.at.clone()), base: start, kept: tile.kept };
            let row = project.out.shape.w() * project.out.shape.c();
            rows_of(
                kernel,
                project,
                &input,
                start..end,
                project.out.offset + start * row,
                packed,
                arena,
                part,
            );
        }
    }
}

fn expand_rows<K: Kernel>(
    kernel: K,
    step: &Step,
    ring: &Ring<'_>,
    rows: Range<usize>,
    packed: &[i8],
    arena: Arena<'_>,
    part: Part,
) {
    let at = ring.at.start + rows.start % ring.kept * ring.row_bytes();
    // SAFETY: nobody writes the chain's input; the ring belongs to this part.
    unsafe {
        let input = Map::whole(&step.a, arena.read(step.a.range()));
        rows_of(kernel, step, &input, rows, at, packed, arena, part);
    }
}

/// Rows of one step's result, written from offset `at` of the arena on.
///
/// # Safety
/// Those bytes belong to this part, and the input is not among them.
#[expect(clippy::too_many_arguments, reason = "what, from where, to where, for whom")]
unsafe fn rows_of<K: Kernel>(
    kernel: K,
    step: &Step,
    input: &Map<'_>,
    rows: Range<usize>,
    at: usize,
    packed: &[i8],
    arena: Arena<'_>,
    part: Part,
) {
    let shape = step.out.shape;
    let layer = layer(step, packed).expect("planned: a layer of a kernel");
    // SAFETY: the caller's promise; the scratch is this part's.
    let (scratch, codes) = unsafe {
        (arena.write(part.own(step.scratch)), arena.write(at..at + rows.len() * shape.w() * shape.c()))
    };
    let target = &mut Target { shape, first: rows.start * shape.w(), codes };
    one(kernel, step, &layer, scratch, input, target);
}
