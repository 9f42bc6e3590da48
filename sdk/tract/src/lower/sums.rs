//! Convolutions with bit-identical sums on every processor.
//!
//! tract-core's kernels of depthwise convolutions and of matrix-vector products (one pixel, or one
//! channel) round differently on different processors: products alone or fused with the sum, sums
//! of all products or of every fourth. All its vector kernels compute the other sums in the same
//! order, with one rounding. The output of the converter must not depend on the processor. Here
//! products are rounded, and added in a fixed order.

use offshoot_core::Shape;
use offshoot_core::graph::Window;
use pulp::{Arch, NullaryFnOnce};
use tract_core::internal::*;

use super::dims;
use super::products::Dot;

/// Channels that are summed together: their sums stay in registers.
const BLOCK: usize = 16;

/// Convolution as a tract operation; its inputs are the feature map, the weights and the biases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    pub kind: Kind,
    pub window: Window,
    pub input: Shape,
    pub output: Shape,
}

/// Kind of convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Depthwise; order of the weights: taps, then channels.
    Depthwise,
    /// Grouped, with one output pixel or one output channel per group; weights in package order.
    Dots { groups: usize },
}

impl Kind {
    /// Returns the convolution, if tract-core's sums differ between processors.
    pub fn of(groups: usize, input: Shape, output: Shape) -> Option<Self> {
        if groups == input.c() && groups == output.c() {
            Some(Self::Depthwise)
        } else if output.h() * output.w() == 1 || output.c() == groups {
            Some(Self::Dots { groups })
        } else {
            None
        }
    }
}

impl Op for Sums {
    fn name(&self) -> StaticName {
        "OffshootSums".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Sums {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (map, weights, bias) = args_3!(inputs);
        let mut out = Tensor::zero::<f32>(&dims(self.output))?;
        let map = map.try_as_plain_ram()?;
        let weights = weights.try_as_plain_ram()?;
        let bias = bias.try_as_plain_ram()?;
        let map = map.as_slice::<f32>()?;
        let weights = weights.as_slice::<f32>()?;
        let bias = bias.as_slice::<f32>()?;
        let mut plain = out.try_as_plain_ram_mut()?;
        let job = Job { op: self, map, weights, bias, out: plain.as_slice_mut::<f32>()? };
        match self.kind {
            Kind::Depthwise => Arch::new().dispatch(Depthwise(job)),
            Kind::Dots { groups } => Arch::new().dispatch(Dots(groups, job)),
        }
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for Sums {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(dims(self.output))))
    }

    as_op!();
}

impl Sums {
    /// Iterates over the taps inside the feature map for an output pixel, with the pixel that each
    /// tap reads.
    fn taps(&self, row: usize, column: usize) -> impl Iterator<Item = (usize, usize)> {
        let Self { window, input, .. } = *self;
        let [rows, columns] = window.kernel.map(usize::from);
        (0..rows * columns).filter_map(move |tap| {
            let y = place(&window, 0, row, tap / columns).filter(|&y| y < input.h())?;
            let x = place(&window, 1, column, tap % columns).filter(|&x| x < input.w())?;
            Some((tap, y * input.w() + x))
        })
    }
}

/// Returns the place that tap `tap` reads along an axis for output place `at`; [`None`] before the
/// feature map.
#[inline]
fn place(window: &Window, axis: usize, at: usize, tap: usize) -> Option<usize> {
    let stride = usize::from(window.stride[axis]);
    let dilation = usize::from(window.dilation[axis]);
    (at * stride + tap * dilation).checked_sub(window.pad[axis].into())
}

/// Computation as plain loops, compiled for the instruction set of the processor.
struct Job<'a> {
    op: &'a Sums,
    map: &'a [f32],
    weights: &'a [f32],
    bias: &'a [f32],
    out: &'a mut [f32],
}

/// Depthwise convolution: adds products to the bias, tap by tap.
struct Depthwise<'a>(Job<'a>);

impl NullaryFnOnce for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Job { op, map, weights, bias, out } = self.0;
        let channels = op.output.c();
        let columns = op.output.w();
        let whole = channels / BLOCK * BLOCK;
        let mut taps = Vec::new();
        for (i, pixel) in out.chunks_exact_mut(channels).enumerate() {
            taps.clear();
            taps.extend(
                op.taps(i / columns, i % columns).map(|(t, p)| (t * channels, p * channels)),
            );
            for first in (0..whole).step_by(BLOCK) {
                block::<BLOCK>(first, pixel, map, weights, bias, &taps);
            }
            for channel in whole..channels {
                block::<1>(channel, pixel, map, weights, bias, &taps);
            }
        }
    }
}

/// Grouped convolution: adds up all products of a channel, then the bias. Holds the number of
/// groups.
struct Dots<'a>(usize, Job<'a>);

impl NullaryFnOnce for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self(groups, Job { op, map, weights, bias, out }) = self;
        let channels = op.output.c();
        let columns = op.output.w();
        let depth = op.input.c() / groups;
        let per_group = channels / groups;
        let per_channel = weights.len() / channels;
        let mut taps = Vec::new();
        for (i, pixel) in out.chunks_exact_mut(channels).enumerate() {
            taps.clear();
            taps.extend(
                op.taps(i / columns, i % columns).map(|(t, p)| (t * depth, p * op.input.c())),
            );
            for (channel, (out, own)) in
                pixel.iter_mut().zip(weights.chunks_exact(per_channel)).enumerate()
            {
                let first = channel / per_group * depth;
                let mut dot = Dot::default();
                for &(weight, value) in &taps {
                    dot.add(&own[weight..][..depth], &map[value + first..][..depth]);
                }
                *out = dot.total() + bias[channel];
            }
        }
    }
}

#[inline(always)] // compiled for the caller's processor
fn block<const N: usize>(
    first: usize,
    pixel: &mut [f32],
    map: &[f32],
    weights: &[f32],
    bias: &[f32],
    taps: &[(usize, usize)],
) {
    let mut sums = [0f32; N];
    sums.copy_from_slice(&bias[first..first + N]);
    for &(weight, value) in taps {
        let own = weights[weight + first..][..N].iter().zip(&map[value + first..][..N]);
        sums.iter_mut().zip(own).for_each(|(sum, (w, v))| *sum += w * v);
    }
    pixel[first..first + N].copy_from_slice(&sums);
}
