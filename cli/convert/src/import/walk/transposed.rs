//! Transposed convolution: a convolution that computes the results of a stride in its channels,
//! which then become pixels (Shi et al. 2016, "Is the deconvolution layer the same as a
//! convolutional layer?").

use offshoot_core::graph::Window;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::Deconv;

use super::windows::side;
use super::{Step, Walk, dims, shape};
use crate::import::constants::{floats, kernel};
use crate::ir::{self, LayerOp};

/// One dimension of the window.
#[derive(Debug, Clone, Copy)]
struct Side {
    /// Taps of the kernel, and their distance.
    kernel: usize,
    dilation: usize,
    /// Results for each place.
    stride: usize,
    /// Taps of each result.
    taps: usize,
    /// Zeros before and after the map.
    pad: [usize; 2],
    /// Places that are computed.
    count: usize,
    /// Results left out at the beginning.
    skipped: usize,
}

impl Side {
    /// Returns the places needed for `length` results of a map of `from` places, of which `padding`
    /// results are left out before the first; `None` without any.
    fn of(
        [kernel, dilation, stride]: [usize; 3],
        from: usize,
        padding: usize,
        length: usize,
    ) -> Option<Self> {
        let extent = dilation * kernel.checked_sub(1)? + 1;
        let taps = extent.div_ceil(stride);
        let first = padding / stride;
        let last = (padding + length.checked_sub(1)?) / stride;
        let before = (taps - 1).checked_sub(first)?;
        let after = (last + 1).saturating_sub(from);
        let count = (from + before + after + 1).checked_sub(taps)?;
        Some(Self {
            kernel,
            dilation,
            stride,
            taps,
            pad: [before, after],
            count,
            skipped: padding - first * stride,
        })
    }

    /// Returns the tap of the kernel that result `phase` of a place has at tap `at`.
    fn tap(&self, phase: usize, at: usize) -> Option<usize> {
        let place = phase + self.stride * (self.taps - 1 - at);
        let tap = place / self.dilation;
        (place.is_multiple_of(self.dilation) && tap < self.kernel).then_some(tap)
    }
}

impl Walk<'_> {
    /// Returns the rows and columns of the window; a window of one dimension is along the columns.
    fn sides(&self, node: &TypedNode, deconv: &Deconv, places: [usize; 2]) -> Step<[Side; 2]> {
        let spec = &deconv.pool_spec;
        let rank = spec.rank();
        let lengths = dims(node)?;
        if ![1, 2].contains(&rank) || lengths.len() != rank + 2 {
            return Err("with a window of more than two dimensions".to_string());
        }
        let strides = spec.strides();
        let dilations = spec.dilations();
        let paddings = spec.padding.compute_for_deconv(
            &places[2 - rank..],
            &spec.kernel_shape,
            &dilations,
            &strides,
            &deconv.adjustments,
        );
        let paddings = paddings.map_err(|_| "with such a padding")?;
        let mut sides = [Side::of([1, 1, 1], places[0], 0, places[0]).ok_or("of nothing")?; 2];
        for at in 0..rank {
            let axis = 2 - rank + at;
            let window = [spec.kernel_shape[at], dilations[at], strides[at]];
            let found = Side::of(window, places[axis], paddings[at].pad_before, lengths[at + 2]);
            sides[axis] = found.ok_or("with more padding than its window")?;
        }
        Ok(sides)
    }

    pub(super) fn transposed(&mut self, node: &TypedNode, deconv: &Deconv) -> Step {
        let input = self.channels_first(node, 0)?;
        let from = self.shape_of(&input);
        let sides = self.sides(node, deconv, [from.h(), from.w()])?;
        let rank = deconv.pool_spec.rank();
        let lengths = dims(node)?;
        let channels = lengths[1];
        let weights = self.constant(node, 1);
        let weights = weights.and_then(|t| kernel(&t, deconv.kernel_format, deconv.group));
        let weights = weights.ok_or("whose weights are computed at run time")?;
        let bias =
            self.constant(node, 2).and_then(|t| floats(&t)).ok_or("whose bias is computed")?;
        let bias = if bias.len() == 1 { vec![bias[0]; channels] } else { bias };
        let conv = phases(&weights, &bias, deconv.group, sides)?;
        let [rows, columns] = sides;
        let all = conv.bias.len();
        let wide = shape(rows.count, columns.count, all)?;
        let mut map = self.window_layer(node, LayerOp::Conv(conv), &input, wide);
        // Channels are the results of a stride, then those of the layer; or the other way with
        // groups, whose channels must stay together.
        let grouped = deconv.group > 1;
        let parts = [rows.stride, columns.stride];
        let split = match grouped {
            true => [channels, parts[0], parts[1]],
            false => [parts[0], parts[1], channels],
        };
        map.layout.reshape(1, 1, &split).ok_or("of such channels")?;
        let [down, across, own] = if grouped { [2, 3, 1] } else { [1, 2, 3] };
        let groups: [&[usize]; 3] = match rank {
            1 => [&[down], &[4, across], &[own]],
            _ => [&[4, down], &[5, across], &[own]],
        };
        let moved = self.gather(node, &map, groups)?;
        let whole = self.shape_of(&moved);
        let mut map = super::Map {
            id: moved.id,
            layout: crate::import::dimension_order::Layout::channels_first(whole, 4),
        };
        let results = [if rank == 1 { 1 } else { lengths[2] }, lengths[rank + 1]];
        for (axis, side) in sides.into_iter().enumerate() {
            let end = side.skipped + results[axis];
            map = self.part(node, &map, axis + 2, side.skipped, end)?;
        }
        if rank == 1 {
            map.layout.remove(2);
        }
        Ok(map)
    }
}

/// Returns the convolution that computes all results of a stride for each place.
fn phases(
    weights: &[f32],
    bias: &[f32],
    groups: usize,
    [rows, columns]: [Side; 2],
) -> Result<ir::Conv, String> {
    let channels = bias.len();
    let taps = rows.kernel * columns.kernel;
    let depth = weights.len() / (channels * taps).max(1);
    let steps = rows.stride * columns.stride;
    let mut conv = ir::Conv {
        window: Window {
            kernel: [side(rows.taps)?, side(columns.taps)?],
            pad: [
                side(rows.pad[0])?,
                side(columns.pad[0])?,
                side(rows.pad[1])?,
                side(columns.pad[1])?,
            ],
            ..Window::POINT
        },
        groups,
        weights: Vec::new(),
        bias: Vec::new(),
    };
    for place in 0..steps * channels {
        let (channel, phase) = match groups > 1 {
            true => (place / steps, place % steps),
            false => (place % channels, place / channels),
        };
        conv.bias.push(bias[channel]);
        for row in 0..rows.taps {
            for column in 0..columns.taps {
                let own = rows.tap(phase / columns.stride, row);
                let own = own.zip(columns.tap(phase % columns.stride, column));
                match own {
                    Some((row, column)) => {
                        let tap = channel * taps + row * columns.kernel + column;
                        conv.weights.extend(&weights[tap * depth..][..depth]);
                    }
                    None => conv.weights.resize(conv.weights.len() + depth, 0.0),
                }
            }
        }
    }
    Ok(conv)
}
