//! Operations with a sliding window: convolutions, pools, means, padding, upsampling.

use offshoot_core::Shape;
use offshoot_core::graph::{Binary, Window};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::{Conv, MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::nn::DataFormat;
use tract_onnx_opl::lrn::Lrn;

use super::{Map, Step, Walk, dims, shape};
use crate::import::constants::{floats, kernel};
use crate::import::dimension_order::{CHANNELS, COLUMNS, Layout};
use crate::ir::{self, Expr, LayerOp};

impl Walk<'_> {
    pub(super) fn conv(&mut self, node: &TypedNode, conv: &Conv) -> Step {
        if conv.q_params.is_some() {
            return Err("of quantized weights; convert the float model instead".to_string());
        }
        let input = self.channels_first(node, 0)?;
        let (window, shape) = self.windowed(node, &conv.pool_spec, &input)?;
        let weights = self.constant(node, 1).and_then(|t| kernel(&t, conv.kernel_fmt, conv.group));
        let weights = weights.ok_or("whose weights are computed at run time")?;
        let bias =
            self.constant(node, 2).and_then(|t| floats(&t)).ok_or("whose bias is computed")?;
        let bias = if bias.len() == 1 { vec![bias[0]; shape.c()] } else { bias };
        Ok(self.window_layer(
            node,
            LayerOp::Conv(ir::Conv { window, groups: conv.group, weights, bias }),
            &input,
            shape,
        ))
    }

    /// Returns the window, and the shape of its feature map.
    fn windowed(&self, node: &TypedNode, spec: &PoolSpec, input: &Map) -> Step<(Window, Shape)> {
        let [c, h, w] = match dims(node)?[..] {
            [_, c, h, w] => [c, h, w],
            [_, c, w] => [c, 1, w],
            _ => return Err("with a window of more than two dimensions".to_string()),
        };
        Ok((window(spec, self.shape_of(input))?, shape(h, w, c)?))
    }

    /// Appends a layer with a window, whose input is in rows, columns, channels.
    pub(super) fn window_layer(
        &mut self,
        node: &TypedNode,
        op: LayerOp,
        input: &Map,
        shape: Shape,
    ) -> Map {
        let id = self.model.push(self.name(node), op, vec![input.id], shape);
        let layout = match input.layout.rank() {
            3 => Layout::new(shape, &[None, Some(CHANNELS), Some(COLUMNS)]),
            rank => Layout::channels_first(shape, rank),
        };
        Map { id, layout }
    }

    pub(super) fn max_pool(&mut self, node: &TypedNode, pool: &MaxPool) -> Step {
        if pool.pool_spec.rank() == 3 {
            let of_window = |window| Ok(LayerOp::MaxPool { window });
            return self.pool_of_three(node, &pool.pool_spec, &of_window);
        }
        let input = self.channels_first(node, 0)?;
        let (window, shape) = self.windowed(node, &pool.pool_spec, &input)?;
        Ok(self.window_layer(node, LayerOp::MaxPool { window }, &input, shape))
    }

    pub(super) fn sum_pool(&mut self, node: &TypedNode, pool: &SumPool) -> Step {
        if pool.pool_spec.rank() == 3 {
            let of_window = |window: Window| match pool.normalize && window.pad == [0; 4] {
                true => Ok(LayerOp::AveragePool { window, include_pad: true }),
                false => Err("of three dimensions with padding".to_string()),
            };
            return self.pool_of_three(node, &pool.pool_spec, &of_window);
        }
        let input = self.channels_first(node, 0)?;
        let (window, shape) = self.windowed(node, &pool.pool_spec, &input)?;
        let include_pad = pool.count_include_pad || !pool.normalize;
        if let (true, Some(beyond)) =
            (include_pad && pool.normalize, beyond(&pool.pool_spec, &window))
        {
            return self.pool_beyond(node, window, beyond, (&input, shape));
        }
        let mean =
            self.window_layer(node, LayerOp::AveragePool { window, include_pad }, &input, shape);
        Ok(if pool.normalize { mean } else { self.sum_of(node, mean, window.taps()) })
    }

    /// Imports a pool over three dimensions whose window is longer than 1 along two of them at most.
    fn pool_of_three(
        &mut self,
        node: &TypedNode,
        spec: &PoolSpec,
        of_window: &dyn Fn(Window) -> Step<LayerOp>,
    ) -> Step {
        let input = self.input(node, 0)?;
        let lengths = dims(node)?;
        let moves =
            |at: &usize| spec.kernel_shape[*at] > 1 || lengths[at + 2] != input.layout.len(at + 2);
        let long: Vec<usize> = (0..3).filter(moves).collect();
        let [rows, columns] = match long[..] {
            [] => return Ok(input),
            [one] => [Some(one), None],
            [one, other] => [Some(one), Some(other)],
            _ => return Err("with a window of three dimensions".to_string()),
        };
        let places: Vec<usize> = (0..3).map(|at| input.layout.len(at + 2)).collect();
        let pads = spec.computed_padding(&places);
        let mut window = Window::POINT;
        let mut to = [1; 2];
        for (axis, at) in [rows, columns].into_iter().enumerate() {
            let Some(at) = at else { continue };
            window.kernel[axis] = side(spec.kernel_shape[at])?;
            window.stride[axis] = side(spec.stride(at))?;
            window.dilation[axis] = side(spec.dilation(at))?;
            window.pad[axis] = side(pads[at].pad_before)?;
            window.pad[axis + 2] = side(pads[at].pad_after)?;
            to[axis] = lengths[at + 2];
        }
        let dims: Vec<usize> = [rows, columns].into_iter().flatten().map(|at| at + 2).collect();
        let others: Vec<usize> = (0..5).filter(|d| !dims.contains(d)).collect();
        let (first, second) = dims.split_at(1);
        let map = self.gather(node, &input, [first, second, &others])?;
        let from = self.shape_of(&map);
        let to = shape(to[0], to[1], from.c())?;
        let layout = map.layout.resized(from, to).ok_or("of a part of an axis")?;
        let id = self.model.push(self.name(node), of_window(window)?, vec![map.id], to);
        Ok(Map { id, layout })
    }

    /// Imports a mean whose stated padding counts, while places beyond it that its last windows
    /// reach do not.
    fn pool_beyond(
        &mut self,
        node: &TypedNode,
        mut window: Window,
        beyond: [u8; 2],
        (input, shape): (&Map, Shape),
    ) -> Step {
        let from = self.shape_of(input);
        let [above, left, below, right] = window.pad;
        let pad = [above, left, below - beyond[0], right - beyond[1]];
        let [rows, columns] =
            [[pad[0], pad[2]], [pad[1], pad[3]]].map(|p| p.map(usize::from).iter().sum::<usize>());
        let wide = super::windows::shape(from.h() + rows, from.w() + columns, from.c())?;
        let padded = self.window_layer(node, LayerOp::Pad { pad }, input, wide);
        window.pad = [0, 0, beyond[0], beyond[1]];
        Ok(self.window_layer(
            node,
            LayerOp::AveragePool { window, include_pad: false },
            &padded,
            shape,
        ))
    }

    /// Imports a sum as a mean with a factor: tract writes a mean as a sum and a division, which
    /// `fold` merges with the factor.
    pub(super) fn sum_of(&mut self, node: &TypedNode, mean: Map, terms: usize) -> Map {
        let shape = self.shape_of(&mean);
        let op = LayerOp::Scale {
            factors: vec![terms as f32; shape.c()],
            offsets: vec![0.0; shape.c()],
        };
        self.push(node, op, &[&mean], shape)
    }

    /// Imports local response normalization (Krizhevsky et al. 2012, 3.3): the sum over
    /// neighbouring channels is a convolution.
    pub(super) fn local_response(&mut self, node: &TypedNode, lrn: &Lrn) -> Step {
        let input = self.channels_first(node, 0)?;
        let shape = self.shape_of(&input);
        let size = lrn.size;
        let channels = shape.c();
        let square = Expr::Binary(Binary::Mul, Box::new(Expr::Input), Box::new(Expr::Input));
        let square = self.push(node, LayerOp::Function(square), &[&input], shape);
        let mut weights = vec![0.0; channels * channels];
        for (o, row) in weights.chunks_exact_mut(channels).enumerate() {
            let last = (o + (size.saturating_sub(1)).div_ceil(2)).min(channels - 1);
            row[o.saturating_sub(size.saturating_sub(1) / 2)..=last].fill(lrn.alpha / size as f32);
        }
        let conv =
            ir::Conv { window: Window::POINT, groups: 1, weights, bias: vec![lrn.bias; channels] };
        let sum = self.push(node, LayerOp::Conv(conv), &[&square], shape);
        let power = LayerOp::Function(Expr::power(-lrn.beta));
        let power = self.push(node, power, &[&sum], shape);
        Ok(self.push(node, LayerOp::Binary(Binary::Mul), &[&input, &power], shape))
    }
}

/// Returns the extent of the last windows beyond the stated padding, below and to the right, if
/// there is one.
fn beyond(spec: &PoolSpec, window: &Window) -> Option<[u8; 2]> {
    let PaddingSpec::ExplicitOnnxPool(_, stated, true) = &spec.padding else { return None };
    let beyond = [0, 1].map(|axis| {
        let stated = stated.get(axis).map_or(0, |&p| u8::try_from(p).unwrap_or(u8::MAX));
        window.pad[axis + 2].saturating_sub(stated)
    });
    (beyond != [0; 2]).then_some(beyond)
}

pub(super) fn side(v: usize) -> Step<u8> {
    u8::try_from(v).map_err(|_| format!("with a window with a side of {v}"))
}

/// Returns a pool's or convolution's window with explicit padding for this input; one along a
/// single dimension is along the columns.
fn window(spec: &PoolSpec, input: Shape) -> Result<Window, String> {
    let lengths = [input.h(), input.w()];
    let first = lengths.len().saturating_sub(spec.rank());
    if !matches!(spec.data_format, DataFormat::NCHW) || ![1, 2].contains(&spec.rank()) {
        return Err("with a window of more than two dimensions, or not over NCHW".to_string());
    }
    let pads = spec.computed_padding(&lengths[first..]);
    let mut window = Window::POINT;
    for (at, pad) in pads.iter().enumerate() {
        let axis = first + at;
        let kernel = spec.kernel_shape[at];
        let stride = spec.stride(at);
        let dilation = spec.dilation(at);
        let before = pad.pad_before;
        let extent = dilation * kernel.saturating_sub(1) + 1;
        // Padding up to the end of the last window; padding that no window reads is dropped.
        let end = pad.convoluted.saturating_sub(1) * stride + extent;
        window.kernel[axis] = side(kernel)?;
        window.stride[axis] = side(stride)?;
        window.dilation[axis] = side(dilation)?;
        window.pad[axis] = side(before)?;
        window.pad[axis + 2] = side(end.saturating_sub(lengths[axis] + before))?;
    }
    Ok(window)
}
