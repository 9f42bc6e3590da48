//! A depthwise convolution with the same sums on every processor.
//!
//! tract-core multiplies and adds depthwise sums in one rounding where its kernel for the processor does so
//! and in two elsewhere; its other sums are made in the same order, with one rounding, by all its vector
//! kernels. What a converter writes must not depend on that. Here products are rounded, and added to the bias
//! tap by tap.

use offshoot_core::Shape;
use offshoot_core::graph::Window;
use tract_core::internal::*;

use crate::lower::dims;

/// Channels that are summed together: their sums stay in registers.
const BLOCK: usize = 16;

/// The operation; its inputs are the map, the weights tap by tap and the biases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Depthwise {
    pub window: Window,
    pub input: Shape,
    pub output: Shape,
}

impl Op for Depthwise {
    fn name(&self) -> StaticName {
        "OffshootDepthwise".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Depthwise {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (map, weights, bias) = args_3!(inputs);
        let mut out = Tensor::zero::<f32>(&dims(self.output))?;
        let (map, weights, bias) =
            (map.try_as_plain_ram()?, weights.try_as_plain_ram()?, bias.try_as_plain_ram()?);
        self.run(
            map.as_slice::<f32>()?,
            weights.as_slice::<f32>()?,
            bias.as_slice::<f32>()?,
            out.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?,
        );
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for Depthwise {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(dims(self.output))))
    }

    as_op!();
}

impl Depthwise {
    fn run(&self, map: &[f32], weights: &[f32], bias: &[f32], out: &mut [f32]) {
        let (channels, columns) = (self.output.c(), self.output.w());
        let mut taps = Vec::new();
        for (i, pixel) in out.chunks_exact_mut(channels).enumerate() {
            taps.clear();
            taps.extend(self.taps(i / columns, i % columns));
            sums(pixel, map, weights, bias, &taps);
        }
    }

    /// Where a pixel's weights and its values begin, for each tap that lies inside the map.
    fn taps(&self, row: usize, column: usize) -> impl Iterator<Item = (usize, usize)> {
        let Self { window, input, .. } = *self;
        let inside = move |at: usize, tap: usize, axis: usize, length: usize| {
            let [stride, dilation] = [window.stride, window.dilation].map(|n| usize::from(n[axis]));
            let place = (at * stride + tap * dilation).checked_sub(window.pad[axis].into())?;
            (place < length).then_some(place)
        };
        let [rows, columns] = window.kernel.map(usize::from);
        (0..rows * columns).filter_map(move |tap| {
            let y = inside(row, tap / columns, 0, input.h())?;
            let x = inside(column, tap % columns, 1, input.w())?;
            Some((tap * input.c(), (y * input.w() + x) * input.c()))
        })
    }
}

fn sums(pixel: &mut [f32], map: &[f32], weights: &[f32], bias: &[f32], taps: &[(usize, usize)]) {
    let whole = pixel.len() / BLOCK * BLOCK;
    for first in (0..whole).step_by(BLOCK) {
        block::<BLOCK>(first, pixel, map, weights, bias, taps);
    }
    for channel in whole..pixel.len() {
        block::<1>(channel, pixel, map, weights, bias, taps);
    }
}

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
