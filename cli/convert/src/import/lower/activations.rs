//! Activations as formulas of operations that every part of the converter knows; none of them
//! overflows where its result does not. Formulas are those of ONNX.

use super::Lowered;
use super::pieces::{Pieces, int};

impl Pieces<'_, '_> {
    /// Adds `exp(min(x, 0) / scale) - 1`.
    fn exponential_below(&mut self, x: &str, scale: f32) -> String {
        let zero = self.scalar(0.0);
        let one = self.scalar(1.0);
        let mut below = self.op("Min", &[x, &zero]);
        if scale != 1.0 {
            let divisor = self.scalar(scale);
            below = self.op("Div", &[&below, &divisor]);
        }
        let exp = self.op("Exp", &[&below]);
        self.op("Sub", &[&exp, &one])
    }

    /// Adds 1 where `a` is larger than `b`, else 0.
    fn larger(&mut self, a: &str, b: &str) -> String {
        const FLOAT: i64 = 1;
        let larger = self.op("Greater", &[a, b]);
        self.with("Cast", &[&larger], vec![int("to", FLOAT)])
    }
}

/// `max(x, 0) + alpha * (exp(min(x, 0)) - 1)`.
pub(super) fn elu(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let alpha = p.float("alpha", 1.0);
    let alpha = p.scalar(alpha);
    let above = p.op("Relu", &[&x]);
    let below = p.exponential_below(&x, 1.0);
    let below = p.op("Mul", &[&below, &alpha]);
    p.last("Add", &[&above, &below]);
    Ok(())
}

/// `max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))`.
pub(super) fn celu(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let alpha = p.float("alpha", 1.0);
    if alpha == 0.0 {
        return Err(p.refused("`alpha` of 0"));
    }
    let factor = p.scalar(alpha);
    let above = p.op("Relu", &[&x]);
    let below = p.exponential_below(&x, alpha);
    let below = p.op("Mul", &[&below, &factor]);
    p.last("Add", &[&above, &below]);
    Ok(())
}

/// `gamma * (max(x, 0) + alpha * (exp(min(x, 0)) - 1))`.
pub(super) fn selu(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let alpha = p.float("alpha", 1.673_263_2);
    let gamma = p.float("gamma", 1.050_701);
    let alpha = p.scalar(alpha);
    let gamma = p.scalar(gamma);
    let above = p.op("Relu", &[&x]);
    let below = p.exponential_below(&x, 1.0);
    let below = p.op("Mul", &[&below, &alpha]);
    let sum = p.op("Add", &[&above, &below]);
    p.last("Mul", &[&sum, &gamma]);
    Ok(())
}

/// `max(x, 0) + log(1 + exp(-|x|))`.
pub(super) fn softplus(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let one = p.scalar(1.0);
    let above = p.op("Relu", &[&x]);
    let size = p.op("Abs", &[&x]);
    let minus = p.op("Neg", &[&size]);
    let exp = p.op("Exp", &[&minus]);
    let more = p.op("Add", &[&exp, &one]);
    let log = p.op("Log", &[&more]);
    p.last("Add", &[&above, &log]);
    Ok(())
}

/// `x * tanh(softplus(x))`, which is `x * n / (n + 2)` for `n = e * (e + 2)`, `e = exp(x)`.
pub(super) fn mish(p: &mut Pieces<'_, '_>) -> Lowered {
    /// Largest value that makes a difference: beyond it the quotient is 1.
    const LARGEST: f32 = 20.0;
    let x = p.input(0)?;
    let largest = p.scalar(LARGEST);
    let two = p.scalar(2.0);
    let inside = p.op("Min", &[&x, &largest]);
    let exp = p.op("Exp", &[&inside]);
    let more = p.op("Add", &[&exp, &two]);
    let n = p.op("Mul", &[&exp, &more]);
    let divisor = p.op("Add", &[&n, &two]);
    let share = p.op("Div", &[&n, &divisor]);
    p.last("Mul", &[&x, &share]);
    Ok(())
}

/// `x * sigmoid(alpha * x)`.
pub(super) fn swish(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let alpha = p.float("alpha", 1.0);
    let mut inner = x.clone();
    if alpha != 1.0 {
        let alpha = p.scalar(alpha);
        inner = p.op("Mul", &[&x, &alpha]);
    }
    let sigmoid = p.op("Sigmoid", &[&inner]);
    p.last("Mul", &[&x, &sigmoid]);
    Ok(())
}

/// `x` where it is larger than `alpha`, else 0.
pub(super) fn thresholded_relu(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let alpha = p.float("alpha", 1.0);
    let alpha = p.scalar(alpha);
    let passes = p.larger(&x, &alpha);
    p.last("Mul", &[&x, &passes]);
    Ok(())
}

/// `x - bias` above `lambd`, `x + bias` below `-lambd`, else 0.
pub(super) fn shrink(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let bound = p.float("lambd", 0.5);
    let bias = p.float("bias", 0.0);
    let high = p.scalar(bound);
    let low = p.scalar(-bound);
    let bias = p.scalar(bias);
    let above = p.larger(&x, &high);
    let below = p.larger(&low, &x);
    let lowered = p.op("Sub", &[&x, &bias]);
    let raised = p.op("Add", &[&x, &bias]);
    let above = p.op("Mul", &[&lowered, &above]);
    let below = p.op("Mul", &[&raised, &below]);
    p.last("Add", &[&above, &below]);
    Ok(())
}

/// `x + (slope - 1) * min(x, 0)`, whatever the slope is one of: all, or a channel.
pub(super) fn prelu(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let slope = p.input(1)?;
    let zero = p.scalar(0.0);
    let below = p.op("Min", &[&x, &zero]);
    let stored = p.numbers(1).map(|n| (n.dims(), n.all().map(|s| (s - 1.0) as f32).collect()));
    let less = match stored {
        Some((dims, values)) => p.constant(&dims, values),
        None => {
            let one = p.scalar(1.0);
            p.op("Sub", &[&slope, &one])
        }
    };
    let below = p.op("Mul", &[&below, &less]);
    p.last("Add", &[&x, &below]);
    Ok(())
}
