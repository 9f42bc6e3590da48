//! Runs planned steps with a kernel: one at a time, or row by row in chains.

use core::ops::Range;

use offshoot_core::graph::FloatOp;

use super::arena::Arena;
use super::drive::dynamic::{self, Dynamic};
use super::drive::{self, Layer, Map, Target};
use super::job::{self, Code, Kernel, Product, Tail};
use crate::ops::ordered::{linear, values, values_mut};
use crate::ops::{self, Codes, Division};
use crate::pack::Layout;
use crate::plan::slots::Slot;
use crate::plan::step::{Span, Step, StepOp, Value};

/// Number of tiles per thread below which threads share channels instead of pixels: every tile of
/// pixels reads all weights, which are then read once by all threads together.
const FEW_TILES: usize = 8;

/// Index among `count`: a share of the work, or a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub index: usize,
    pub count: usize,
}

impl Part {
    /// Returns this part of `0..n`.
    fn of(self, n: usize) -> Range<usize> {
        n * self.index / self.count..n * (self.index + 1) / self.count
    }

    /// Returns the bytes of this thread in a span that all threads share equally.
    fn own(self, span: Span) -> Range<usize> {
        let size = span.len / self.count;
        let start = span.start + size * self.index;
        start..start + size
    }
}

/// Share of a step that one thread computes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// Part of the result.
    pub part: Part,
    /// Thread that runs the part, among those that the plan has memory for.
    pub seat: Part,
}

/// Memory of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory<'a> {
    /// Weights section of the package.
    pub weights: &'a [u8],
    /// Weights in the order of the kernels.
    pub packed: &'a [i8],
    pub arena: Arena<'a>,
}

/// Runs a part of a step in portable code.
#[inline(always)] // compiled for the caller's instruction set
pub(crate) fn portable(
    step: &Step,
    memory: Memory<'_>,
    share: Share,
    look_up: impl Fn(&[i8; 256], &mut [i8]),
) {
    let Memory { weights, arena, .. } = memory;
    let part = share.part;
    let x = step.a.range();
    let out = step.out.range();
    match ops::division(step) {
        // SAFETY: steps are separated, so that the other threads do nothing in this one; the plan
        // puts operand and result apart, as such steps need.
        Division::Whole if part.index == 0 && !matches!(step.op, StepOp::Nothing) => unsafe {
            ops::whole(step, weights, arena.read(x), arena.write(out));
        },
        Division::Whole => {}
        Division::Codes => {
            let values = part.of(step.out.shape.elements());
            let range = values.start * step.out.width..values.end * step.out.width;
            ops::codes(step, weights, range, &mut Own { arena, look_up })
        }
        Division::Linear if ops::HAS_ORDERED => {
            let StepOp::Ordered(FloatOp::Linear { weights: codes, .. }) = step.op else { return };
            // SAFETY: as above; each part has pixels, and each thread scratch of its own.
            unsafe {
                let x = arena.read(pixels(&step.a, part));
                let y = arena.write(pixels(&step.out, part));
                let row = &mut arena.write(share.seat.own(step.scratch))[..step.a.shape.c()];
                let codes = codes.codes(weights);
                linear::linear(&constants(step, weights), codes, values(x), row, values_mut(y));
            }
        }
        Division::Linear => {}
        Division::Groups(size) => {
            let groups = part.of(out.len() / size);
            let range = groups.start * size..groups.end * size;
            // SAFETY: as above, and each part has codes of its own.
            unsafe {
                let y = arena.write(out.start + range.start..out.start + range.end);
                let operands = [arena.read(x), arena.read(step.b.range())];
                ops::groups(step, weights, operands, range, y, look_up);
            }
        }
    }
}

/// Runs a part of a step in portable code without any instruction set's own: one copy for all who
/// have none.
#[inline(never)]
pub(crate) fn shared(step: &Step, memory: Memory<'_>, share: Share) {
    portable(step, memory, share, job::look_up);
}

/// Returns the bytes in the arena of a part of the pixels of a feature map.
fn pixels(value: &Value, part: Part) -> Range<usize> {
    let pixels = part.of(value.shape.h() * value.shape.w());
    let size = value.shape.c() * value.width;
    value.offset + pixels.start * size..value.offset + pixels.end * size
}

/// Returns the constants of a linear layer for its results.
fn constants<'w>(step: &Step, weights: &'w [u8]) -> linear::Layer<'w> {
    let StepOp::Ordered(FloatOp::Linear { sums, scales, bias, .. }) = step.op else {
        unreachable!("a linear layer");
    };
    linear::Layer { sums: sums.of(weights), scales: scales.of(weights), bias: bias.of(weights) }
}

/// Access of one part of an elementwise operation to the arena.
struct Own<'a, F> {
    arena: Arena<'a>,
    look_up: F,
}

impl<F: Fn(&[i8; 256], &mut [i8])> Codes for Own<'_, F> {
    #[inline(always)] // as above
    fn read(&self, at: usize, codes: &mut [i8]) {
        let from = self.arena.slice(at..at + codes.len());
        // SAFETY: `slice` checked it. Other threads write their own codes of the result, which are
        // other bytes than this part's operands: these lie apart from the result, or exactly under
        // this part of it.
        unsafe { codes.as_mut_ptr().copy_from_nonoverlapping(from, codes.len()) };
    }

    #[inline(always)] // as above
    fn write(&mut self, at: usize, codes: &[i8]) {
        let to = self.arena.slice(at..at + codes.len());
        // SAFETY: as above; these codes of the result are this part's own.
        unsafe { to.copy_from_nonoverlapping(codes.as_ptr(), codes.len()) };
    }

    #[inline(always)] // as above
    fn lend(
        &mut self,
        from: usize,
        to: usize,
        len: usize,
        apart: Range<usize>,
    ) -> (&mut [i8], &[i8]) {
        let at = self.arena.slice(from..from + len);
        assert!(apart.end <= to || to + len <= apart.start, "planned");
        // SAFETY: as above; the two slices share no byte.
        unsafe {
            if from != to {
                self.arena.slice(to..to + len).copy_from(at, len);
            }
            (self.arena.write(to..to + len), self.arena.read(apart))
        }
    }

    #[inline(always)] // as above
    fn look_up(&self, table: &[i8; 256], codes: &mut [i8]) {
        (self.look_up)(table, codes);
    }
}

/// Portable code with the look-ups of a kernel, compiled for its instruction set.
struct Portable<'a, K> {
    run: &'a Run<'a, K>,
    step: &'a Step,
}

impl<K: Kernel> Code for Portable<'_, K> {
    #[inline(always)]
    fn run(self) {
        let Run { kernel, memory, share } = *self.run;
        portable(self.step, memory, share, |table, codes| kernel.look_up(table, codes));
    }
}

/// Kernel with the share that it runs.
pub(crate) struct Run<'a, K> {
    pub kernel: K,
    pub memory: Memory<'a>,
    pub share: Share,
}

impl<K: Kernel> Run<'_, K> {
    /// Runs a step, or the steps of a chain.
    pub fn steps(&self, steps: &[Step]) {
        match steps {
            [step] => self.step(step),
            [depthwise, project] => self.chain(None, depthwise, project),
            [expand, depthwise, project] => self.chain(Some(expand), depthwise, project),
            _ => unreachable!("planned: three steps at most"),
        }
    }

    fn step(&self, step: &Step) {
        let part = self.share.part;
        let shape = step.out.shape;
        if let StepOp::Add { a, b, clamp } = step.op {
            let values = [&step.a, &step.b, &step.out];
            let range = part.of(shape.elements());
            return drive::add(self.kernel, self.memory.arena, values, a, b, clamp, range);
        }
        if let StepOp::Ordered(FloatOp::Linear { .. }) = step.op
            && ops::HAS_ORDERED
            && let Some(layout) = K::TARGET.sums
        {
            return self.linear(step, layout);
        }
        if let StepOp::Ordered(FloatOp::MatMul { transposed: false }) = step.op
            && K::PRODUCTS
        {
            return self.product(step);
        }
        let Some(layer) = self.layer(step) else {
            if !K::OWN_CODE {
                return shared(step, self.memory, self.share);
            }
            return self.kernel.compiled(Portable { run: self, step });
        };
        let mut pixels = 0..shape.h() * shape.w();
        let panels = self.panels(step);
        if panels.is_none() {
            pixels = part.of(pixels.end);
        }
        let at = step.out.offset + pixels.start * shape.c();
        // SAFETY: the plan puts input, output and scratch apart; each part has pixels or panels of
        // its own, and nobody writes the input during this step.
        unsafe {
            let input = Map::whole(&step.a, self.memory.arena.read(step.a.range()));
            self.pixels(step, &layer, &input, pixels, panels, at);
        }
    }

    /// Runs a linear layer whose rows are quantized in the run.
    fn linear(&self, step: &Step, layout: Layout) {
        let Memory { weights, packed, arena } = self.memory;
        let layer = Dynamic {
            layout,
            packed: &packed[step.packed.range()],
            constants: constants(step, weights),
            depth: step.a.shape.c(),
            channels: step.out.shape.c(),
        };
        // SAFETY: the plan puts input, output and scratch apart; each part has pixels of its own,
        // each thread scratch of its own, and nobody writes the input during this step.
        unsafe {
            let x = arena.read(pixels(&step.a, self.share.part));
            let y = arena.write(pixels(&step.out, self.share.part));
            let scratch = arena.write(self.share.seat.own(step.scratch));
            dynamic::run(self.kernel, &layer, scratch, x, y);
        }
    }

    /// Runs a matrix product of floats.
    fn product(&self, step: &Step) {
        let arena = self.memory.arena;
        let [columns, depth, width] = [step.out.shape.c(), step.a.shape.c(), step.out.shape.w()];
        let size = step.b.shape.row_elements();
        let mut row = self.share.part.of(step.out.shape.h() * width).start;
        // SAFETY: the plan puts operands and result apart; each part has rows of its own, and nobody
        // writes the operands during this step.
        let [mut x, z] = unsafe {
            [pixels(&step.a, self.share.part), step.b.range()].map(|at| values(arena.read(at)))
        };
        // SAFETY: as above.
        let mut y = unsafe { values_mut(arena.write(pixels(&step.out, self.share.part))) };
        while !y.is_empty() {
            // Rows of one matrix.
            let rows = (width - row % width).min(y.len() / columns);
            let (now, later) = y.split_at_mut(rows * columns);
            let (own, others) = x.split_at(rows * depth);
            let b = &z[row / width * size..][..size];
            assert!(size == depth * columns, "checked when the package was opened");
            let job = Product {
                a: own.as_ptr(),
                b: b.as_ptr(),
                out: now.as_mut_ptr(),
                rows,
                depth,
                columns,
            };
            // SAFETY: all three were sliced.
            unsafe { self.kernel.product(&job) };
            (x, y, row) = (others, later, row + rows);
        }
    }

    /// Returns the panels of this part; [`None`] if there are enough pixels to share.
    fn panels(&self, step: &Step) -> Option<Range<usize>> {
        let StepOp::Conv { groups: 1, .. } = step.op else { return None };
        let shape = step.out.shape;
        let panels = shape.c().div_ceil(K::ROWS.lanes.len());
        let part = self.share.part;
        let few = shape.h() * shape.w() < FEW_TILES * K::TILE * part.count;
        (part.count > 1 && few && panels >= part.count).then(|| part.of(panels))
    }

    /// Returns the layer of a step that kernels compute; only such steps have packed weights.
    fn layer(&self, step: &Step) -> Option<Layer<'_>> {
        let (window, groups, shift, clamp) = match step.op {
            StepOp::Conv { window, groups, shift, clamp, .. } => (window, groups, shift, clamp),
            StepOp::Depthwise { window, shift, clamp, .. } => (window, 1, shift, clamp),
            _ => return None,
        };
        let tail = Tail { shift, requant: step.requant, zero: step.out.quant.zero_point, clamp };
        let packed = &self.memory.packed[step.packed.range()];
        (!packed.is_empty()).then_some(Layer { window, groups, packed, tail })
    }

    /// Runs steps that pass rows to each other, so that the feature maps between them never exist
    /// as a whole: expansion, depthwise convolution and projection of an inverted residual, or the
    /// last two (Lin et al. 2021, "MCUNetV2", patch-based inference; here the patches are rows, and
    /// rows that windows share are kept instead of recomputed).
    fn chain(&self, expand: Option<&Step>, depthwise: &Step, project: &Step) {
        let tile = Ring::new(depthwise, self.share.seat);
        let ring = expand.map(|step| (step, Ring::new(step, self.share.seat)));
        let window = self.layer(depthwise).expect("planned: a layer of a kernel").window;
        let stride = usize::from(window.stride[0]);
        let pad = usize::from(window.pad[0]);
        let rows = self.share.part.of(project.out.shape.h());
        let mut next = (rows.start * stride).saturating_sub(pad);
        for start in rows.clone().step_by(tile.kept) {
            let end = (start + tile.kept).min(rows.end);
            // SAFETY: the ring and the tile belong to this thread; nobody writes the chain's input,
            // and the rows of the result are this part's.
            unsafe {
                let input = match &ring {
                    Some((step, ring)) => {
                        let last = ((end - 1) * stride + window.extent(0)).saturating_sub(pad);
                        self.expand(step, ring, &mut next, last.min(step.out.shape.h()));
                        ring.map(self.memory.arena, 0)
                    }
                    None => Map::whole(&depthwise.a, self.memory.arena.read(depthwise.a.range())),
                };
                self.rows(depthwise, &input, start..end, tile.at.start);
                let at = project.out.offset + start * project.out.shape.row_elements();
                self.rows(project, &tile.map(self.memory.arena, start), start..end, at);
            }
        }
    }

    /// Computes rows of an expansion from `next` to `last` into the ring buffer.
    ///
    /// # Safety
    /// No thread writes the step's input; the ring belongs to this thread.
    unsafe fn expand(&self, step: &Step, ring: &Ring<'_>, next: &mut usize, last: usize) {
        while *next < last {
            let place = *next % ring.kept;
            // As many rows as fit before the ring begins anew.
            let rows = *next..last.min(*next + ring.kept - place);
            *next = rows.end;
            // SAFETY: the caller's promise.
            unsafe {
                let input = Map::whole(&step.a, self.memory.arena.read(step.a.range()));
                self.rows(
                    step,
                    &input,
                    rows,
                    ring.at.start + place * step.out.shape.row_elements(),
                );
            }
        }
    }

    /// Computes rows of a layer's result, written from offset `at` of the arena on.
    ///
    /// # Safety
    /// Those bytes belong to this part, and the input is not among them.
    unsafe fn rows(&self, step: &Step, input: &Map<'_>, rows: Range<usize>, at: usize) {
        let layer = self.layer(step).expect("planned: a layer of a kernel");
        let width = step.out.shape.w();
        let pixels = rows.start * width..rows.end * width;
        // SAFETY: the caller's promise.
        unsafe { self.pixels(step, &layer, input, pixels, None, at) };
    }

    /// Computes pixels of a layer's result, or some panels of their channels, written from offset
    /// `at` of the arena on.
    ///
    /// # Safety
    /// Those bytes belong to this part, and the input is not among them.
    unsafe fn pixels(
        &self,
        step: &Step,
        layer: &Layer<'_>,
        input: &Map<'_>,
        pixels: Range<usize>,
        panels: Option<Range<usize>>,
        at: usize,
    ) {
        let shape = step.out.shape;
        let out = self.memory.arena.slice(at..at + pixels.len() * shape.c());
        let target = Target { shape, pixels, panels, out };
        // SAFETY: the caller's promise; each thread has a scratch of its own, apart from all maps.
        unsafe {
            let scratch = self.memory.arena.write(self.share.seat.own(step.scratch));
            match step.op {
                StepOp::Depthwise { .. } => {
                    drive::depthwise(self.kernel, layer, scratch, input, &target)
                }
                _ => drive::conv(self.kernel, layer, scratch, input, &target),
            }
        }
    }
}

/// Ring buffer: a feature map of which only the latest rows are kept, in memory of one thread.
struct Ring<'a> {
    value: &'a Value,
    at: Range<usize>,
    kept: usize,
}

impl<'a> Ring<'a> {
    fn new(step: &'a Step, seat: Part) -> Self {
        let kept = usize::from(step.kept_rows);
        let len = kept * step.out.shape.row_elements();
        let start = step.out.offset + seat.index * len.next_multiple_of(Slot::ALIGN);
        Self { value: &step.out, at: start..start + len, kept }
    }

    /// Returns the rows that are kept; the first in memory is row `base`.
    ///
    /// # Safety
    /// No thread writes them while the map is in use.
    unsafe fn map(&self, arena: Arena<'a>, base: usize) -> Map<'_> {
        // SAFETY: the caller's promise.
        let codes = unsafe { arena.read(self.at.clone()) };
        Map { value: self.value, codes, base, kept: self.kept }
    }
}
