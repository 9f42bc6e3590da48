//! Operations with a sliding window: convolutions, pools, means, padding, upsampling.

use offshoot_core::Shape;
use offshoot_core::graph::{Binary, Window};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};
use tract_onnx::tract_core::ops::cnn::{Conv, MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::nn::resize::{CoordTransformer, Interpolator};
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer};
use tract_onnx_opl::lrn::Lrn;
use tract_onnx_opl::resize::{CoordTransform, Nearest, Resize};

use super::{Map, Step, Walk, dims, shape};
use crate::import::constants::{floats, kernel};
use crate::import::dimension_order::{CHANNELS, Layout};
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
        let &[_, c, h, w] = &dims(node)?[..] else {
            return Err("with a window that is not two-dimensional".to_string());
        };
        Ok((window(spec, self.shape_of(input))?, shape(h, w, c)?))
    }

    fn window_layer(&mut self, node: &TypedNode, op: LayerOp, input: &Map, shape: Shape) -> Map {
        let id = self.model.push(self.name(node), op, vec![input.id], shape);
        Map { id, layout: Layout::channels_first(shape, 4) }
    }

    pub(super) fn max_pool(&mut self, node: &TypedNode, pool: &MaxPool) -> Step {
        let input = self.channels_first(node, 0)?;
        let (window, shape) = self.windowed(node, &pool.pool_spec, &input)?;
        Ok(self.window_layer(node, LayerOp::MaxPool { window }, &input, shape))
    }

    pub(super) fn sum_pool(&mut self, node: &TypedNode, pool: &SumPool) -> Step {
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

    /// Returns the axes of a feature map that dimensions are.
    fn axes_of(&self, input: &Map, dims: &[usize]) -> Option<Vec<usize>> {
        dims.iter().map(|&d| input.layout.axis_of(d, self.shape_of(input))).collect()
    }

    /// Imports sums and maxima over rows and columns, or over channels.
    pub(super) fn reduce(&mut self, node: &TypedNode, reduce: &Reduce) -> Step {
        let mut input = self.input(node, 0)?;
        let long: Vec<usize> =
            reduce.axes.iter().copied().filter(|&d| input.layout.len(d) > 1).collect();
        if let [dim] = long[..]
            && input.layout.axis_of(dim, self.shape_of(&input)).is_none()
        {
            input = self.along_channels(node, &input, dim)?;
        }
        if self.axes_of(&input, &long).is_none() {
            input = self.channels_first(node, 0).map_err(|_| "over such an order")?;
        }
        let from = self.shape_of(&input);
        let axes = self.axes_of(&input, &long).ok_or("over such an order")?;
        let mut to = from.dims();
        axes.iter().for_each(|&axis| to[axis] = 1);
        let to = shape(to[0], to[1], to[2])?;
        let (op, terms) = if axes.is_empty() {
            (LayerOp::Reshape, 1)
        } else if axes == [CHANNELS] {
            (LayerOp::ChannelMean, from.c())
        } else if !axes.contains(&CHANNELS) {
            let spans = shape(from.h() / to.h(), from.w() / to.w(), 1)?;
            let window = Window::covering(spans).ok_or("over more than 255 rows or columns")?;
            match reduce.reducer {
                Reducer::Max => (LayerOp::MaxPool { window }, 1),
                _ => (LayerOp::AveragePool { window, include_pad: false }, window.taps()),
            }
        } else {
            return Err("over channels and pixels".to_string());
        };
        let fits = match reduce.reducer {
            Reducer::Sum => true,
            Reducer::Max => !axes.contains(&CHANNELS),
            _ => false,
        };
        if !fits {
            return Err(format!("over axes {:?}", reduce.axes));
        }
        let layout = input.layout.resized(from, to).ok_or("over a part of an axis")?;
        let id = self.model.push(self.name(node), op, vec![input.id], to);
        Ok(self.sum_of(node, Map { id, layout }, terms))
    }

    /// Imports a sum as a mean with a factor: tract writes a mean as a sum and a division, which
    /// `fold` merges with the factor.
    fn sum_of(&mut self, node: &TypedNode, mean: Map, terms: usize) -> Map {
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

    pub(super) fn pad(&mut self, node: &TypedNode, pad: &Pad) -> Step {
        let input = self.input(node, 0)?;
        let zero = match &pad.mode {
            PadMode::Constant(value) => floats(value).is_some_and(|v| v.iter().all(|&x| x == 0.0)),
            _ => false,
        };
        let from = self.shape_of(&input);
        let mut sides = [0; 4];
        let mut to = from.dims();
        for (dim, &(before, after)) in pad.pads.iter().enumerate().filter(|(_, p)| **p != (0, 0)) {
            let axis = input.layout.axis_of(dim, from).filter(|&axis| zero && axis != CHANNELS);
            let axis = axis.ok_or("other than with zeros around the map")?;
            sides[axis] = u8::try_from(before).map_err(|_| "of more than 255")?;
            sides[axis + 2] = u8::try_from(after).map_err(|_| "of more than 255")?;
            to[axis] += before + after;
        }
        if sides == [0; 4] {
            return Ok(input);
        }
        let to = shape(to[0], to[1], to[2])?;
        let layout = input.layout.resized(from, to).ok_or("of a part of an axis")?;
        let id = self.model.push(self.name(node), LayerOp::Pad { pad: sides }, vec![input.id], to);
        Ok(Map { id, layout })
    }

    /// Imports nearest neighbour upsampling by integer factors.
    pub(super) fn resize(&mut self, node: &TypedNode, resize: &Resize) -> Step {
        use CoordTransform::Plain;
        use CoordTransformer::{Asymmetric, HalfPixel, PytorchHalfPixel};
        let input = self.channels_first(node, 0)?;
        let from = self.shape_of(&input);
        let &[_, c, h, w] = &dims(node)?[..] else {
            return Err("of another rank than 4".to_string());
        };
        if [h, w, c] == from.dims() {
            return Ok(input);
        }
        let factor = [h / from.h(), w / from.w()];
        let whole = factor[0] * from.h() == h && factor[1] * from.w() == w && c == from.c();
        let floors = match (&resize.coord_transformer, resize.nearest) {
            (Plain(Asymmetric), Nearest::Floor) => true,
            (Plain(Asymmetric), Nearest::RoundPreferFloor) => factor.iter().all(|&f| f <= 2),
            (
                Plain(HalfPixel | PytorchHalfPixel),
                Nearest::RoundPreferFloor | Nearest::RoundPreferCeil,
            ) => true,
            _ => false,
        };
        if resize.interpolator != Interpolator::Nearest || !whole || !floors {
            return Err("other than nearest neighbour by a whole number".to_string());
        }
        let [down, across] = factor.map(|f| u8::try_from(f).ok());
        let factor = [down.ok_or("by more than 255")?, across.ok_or("by more than 255")?];
        let shape = shape(h, w, c)?;
        Ok(self.window_layer(node, LayerOp::Upsample { factor }, &input, shape))
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

fn side(v: usize) -> Step<u8> {
    u8::try_from(v).map_err(|_| format!("with a window with a side of {v}"))
}

/// Returns a pool's or convolution's window with explicit padding for this input.
fn window(spec: &PoolSpec, input: Shape) -> Result<Window, String> {
    if !matches!(spec.data_format, DataFormat::NCHW) || spec.rank() != 2 {
        return Err("with a window that is not two-dimensional over NCHW".to_string());
    }
    let pads = spec.computed_padding(&[input.h(), input.w()]);
    let mut window = Window::POINT;
    for (axis, n) in [input.h(), input.w()].into_iter().enumerate() {
        let kernel = spec.kernel_shape[axis];
        let stride = spec.stride(axis);
        let dilation = spec.dilation(axis);
        let before = pads[axis].pad_before;
        let out = pads[axis].convoluted;
        let extent = dilation * kernel.saturating_sub(1) + 1;
        // Padding up to the end of the last window; padding that no window reads is dropped.
        let after = ((out.saturating_sub(1)) * stride + extent).saturating_sub(n + before);
        window.kernel[axis] = side(kernel)?;
        window.stride[axis] = side(stride)?;
        window.dilation[axis] = side(dilation)?;
        window.pad[axis] = side(before)?;
        window.pad[axis + 2] = side(after)?;
    }
    Ok(window)
}
