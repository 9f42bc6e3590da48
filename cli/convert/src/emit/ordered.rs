//! Operations that only the engine runs on floats, in place of those of tract-core.

use std::f64::consts::SQRT_2;

use offshoot_core::Shape;
use offshoot_core::graph::{
    Binary, Element, FloatOp, Op, Permutation, Tensor, TensorId, Unary, Window,
};

use super::{EmitError, Emitter, shorten};
use crate::ir::{Conv, Expr, Layer, LayerOp};
use crate::quantize::scheme;

impl Emitter<'_> {
    /// Returns the operation of a layer if the engine has one of its own, and changes the inputs to
    /// those that it takes. The weights of a layer that is `kept` stay floats.
    pub(super) fn ordered(
        &mut self,
        layer: &Layer,
        inputs: &mut [TensorId],
        kept: bool,
    ) -> Result<Option<FloatOp>, EmitError> {
        match &layer.op {
            LayerOp::Conv(conv) if !kept && is_linear(conv) => {
                let from = self.model.layers[layer.inputs[0]].shape;
                if conv.window != Window::POINT {
                    inputs[0] = self.patches(layer, conv, from, inputs[0])?;
                }
                Ok(Some(self.linear(conv)?))
            }
            LayerOp::Conv(conv) if is_scale(conv, layer.shape.c()) => {
                let values = self.writer.floats(&conv.weights)?;
                let scale = FloatOp::Constant { op: Binary::Mul, values };
                if conv.bias.iter().all(|&bias| bias == 0.0) {
                    return Ok(Some(scale));
                }
                inputs[0] = self.before(layer, scale, inputs[0], layer.shape)?;
                let values = self.writer.floats(&conv.bias)?;
                Ok(Some(FloatOp::Constant { op: Binary::Add, values }))
            }
            LayerOp::Function(expr) => {
                let gelu = FloatOp::Unary(Unary::Gelu);
                let Some(factor) = times_gelu(expr) else { return Ok(None) };
                if factor == 1.0 {
                    return Ok(Some(gelu));
                }
                inputs[0] = self.before(layer, gelu, inputs[0], layer.shape)?;
                let values = self.writer.floats(&vec![factor; layer.shape.c()])?;
                Ok(Some(FloatOp::Constant { op: Binary::Mul, values }))
            }
            LayerOp::MatMul { transposed: true } => {
                let from = self.model.layers[layer.inputs[1]].shape;
                let [h, w, c] = from.dims().map(|d| d as u32);
                let permutation = Permutation { dims: [h, w, c, 1], order: [0, 2, 1, 3] };
                let Some(shape) = Shape::new(h, c, w) else { return Ok(None) };
                let moved = FloatOp::Permute(permutation);
                inputs[1] = self.before(layer, moved, inputs[1], shape)?;
                Ok(Some(FloatOp::MatMul { transposed: false }))
            }
            _ => Ok(None),
        }
    }

    /// Lays the values under each window of a convolution in a row.
    fn patches(
        &mut self,
        layer: &Layer,
        conv: &Conv,
        from: Shape,
        input: TensorId,
    ) -> Result<TensorId, EmitError> {
        let [kernel_h, kernel_w] = conv.window.kernel.map(u32::from);
        let (h, w) = (layer.shape.h() as u32, layer.shape.w() as u32);
        let row = kernel_w * from.c() as u32;
        let permutation = Permutation { dims: [h, kernel_h, w, row], order: [0, 2, 1, 3] };
        let shape = Shape::new(h, w, kernel_h * row).unwrap_or(from);
        self.before(layer, FloatOp::Permute(permutation), input, shape)
    }

    /// Writes an operation that comes before the last one of a layer.
    fn before(
        &mut self,
        layer: &Layer,
        op: FloatOp,
        input: TensorId,
        shape: Shape,
    ) -> Result<TensorId, EmitError> {
        let out = Tensor { shape, element: Element::Float };
        Ok(self.writer.node(shorten(&layer.name), Op::Ordered(op), &[input], out)?)
    }

    /// Writes the weights of a layer in int8, with a step for each channel.
    fn linear(&mut self, conv: &Conv) -> Result<FloatOp, EmitError> {
        let depth = conv.weights.len() / conv.bias.len();
        let mut codes: Vec<i8> = Vec::with_capacity(conv.weights.len());
        let mut sums = Vec::new();
        let mut scales = Vec::new();
        for row in conv.weights.chunks_exact(depth) {
            let step = weight_step(row) as f32;
            let start = codes.len();
            codes.extend(scheme::weight_codes(row, if step > 0.0 { step.into() } else { 1.0 }));
            sums.push(codes[start..].iter().map(|&code| i32::from(code)).sum());
            scales.push(step);
        }
        Ok(FloatOp::Linear {
            weights: self.writer.codes(&codes)?,
            sums: self.writer.words(&sums)?,
            scales: self.writer.floats(&scales)?,
            bias: self.writer.floats(&conv.bias)?,
        })
    }
}

/// Returns the step of a channel's weights: that of convolutions, or a larger one of which adjacent
/// weights of one sign add up to 127 at most. Two of their products with activations of 8 bits then fit
/// 16 bits, in which AVX2 multiplies a quarter faster; the weights' noise grows by 1.4 dB (MiniLM).
fn weight_step(row: &[f32]) -> f64 {
    let largest = row.chunks(2).fold(0.0f32, |most, pair| {
        let above: f32 = pair.iter().map(|w| w.max(0.0)).sum();
        let below: f32 = pair.iter().map(|w| w.min(0.0)).sum();
        most.max(above).max(-below)
    });
    scheme::weight_step(row).max(f64::from(largest) / 127.0)
}

/// True for a fully connected layer of pixels or of patches that do not overlap; channels that are
/// only selected need no product.
pub(crate) fn is_linear(conv: &Conv) -> bool {
    let Window { kernel, stride, dilation, pad } = conv.window;
    let apart = kernel == stride && dilation == [1, 1] && pad == [0; 4];
    conv.groups == 1 && apart && conv.picks().is_none()
}

/// True if a convolution multiplies each channel by a factor.
fn is_scale(conv: &Conv, channels: usize) -> bool {
    conv.window == Window::POINT && conv.groups == channels && conv.weights.len() == channels
}

/// Returns the factor of a formula that is a multiple of GELU, however it is written.
fn times_gelu(expr: &Expr) -> Option<f32> {
    // GELU of 8 is 8 to the last bit.
    let factor = expr.eval(8.0) / 8.0;
    let is_gelu = (-48..=48).all(|eighths| {
        let x = f64::from(eighths) / 8.0;
        let wanted = f64::from(factor) * x / 2.0 * (1.0 + libm::erf(x / SQRT_2));
        let error = (f64::from(expr.eval(x as f32)) - wanted).abs();
        error < 1e-6 * f64::from(factor.abs()) * x.abs().max(1.0)
    });
    is_gelu.then_some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_adjacent_weights_fit_16_bits() {
        let row: Vec<f32> = (0..999u32).map(|i| (i * i % 641) as f32 / 320.5 - 1.0).collect();
        let codes: Vec<i8> = scheme::weight_codes(&row, weight_step(&row)).collect();
        let mut largest = 0;
        for pair in codes.chunks(2) {
            let above: i32 = pair.iter().map(|&w| i32::from(w.max(0))).sum();
            let below: i32 = pair.iter().map(|&w| i32::from(w.min(0))).sum();
            largest = largest.max(above).max(-below);
        }
        assert!((126..=128).contains(&largest), "{largest}");
        // Of two signs, each may be as large as it is.
        assert_eq!(weight_step(&[1.0, -1.0, 0.311]), 1.0 / 127.0);
    }

    #[test]
    fn gelu_is_found_in_any_form_and_its_approximation_is_not() {
        let x = || Box::new(Expr::Input);
        let inner = Expr::Constant(Binary::Div, std::f32::consts::SQRT_2, x());
        let erf = Expr::Unary(Unary::Erf, Box::new(inner));
        let gate = Expr::Constant(Binary::Add, 1.0, Box::new(erf));
        let product = Expr::Binary(Binary::Mul, x(), Box::new(gate));
        assert_eq!(times_gelu(&product), Some(2.0));
        let whole = Expr::Constant(Binary::Mul, 0.5, Box::new(product));
        assert_eq!(times_gelu(&whole), Some(1.0));
        assert_eq!(times_gelu(&Expr::gelu_by_tanh()), None);
        assert_eq!(times_gelu(&Expr::Input), None);
        assert_eq!(times_gelu(&Expr::Constant(Binary::Mul, 0.0, x())), None);
    }
}
