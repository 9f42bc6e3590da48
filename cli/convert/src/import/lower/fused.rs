//! Operations of onnxruntime that are several of ONNX's.

use tract_onnx::pb::AttributeProto;

use super::Lowered;
use super::pieces::{Pieces, float, int, ints, text};

/// Activation at the end of a fused operation, with its numbers.
struct Ending {
    name: String,
    numbers: Vec<f32>,
}

impl Pieces<'_, '_> {
    /// Returns the activation that `name` and `numbers` state.
    fn ending(&self, numbers: Vec<f32>) -> Ending {
        let name = self.attribute("activation").map(|a| String::from_utf8_lossy(&a.s).into_owned());
        Ending { name: name.unwrap_or_default(), numbers }
    }

    /// Adds an operation that may end in an activation.
    fn ended(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        ending: &Ending,
    ) -> Lowered {
        if ending.name.is_empty() {
            self.last_with(op, inputs, attributes);
            return Ok(());
        }
        let x = self.with(op, inputs, attributes);
        self.activated(&x, ending)
    }

    fn activated(&mut self, x: &str, ending: &Ending) -> Lowered {
        let number =
            |at: usize, otherwise: f32| ending.numbers.get(at).copied().unwrap_or(otherwise);
        match ending.name.as_str() {
            "" => self.last("Identity", &[x]),
            "Relu" | "Sigmoid" | "Tanh" | "HardSwish" => self.last(&ending.name, &[x]),
            "LeakyRelu" => self.last_with("LeakyRelu", &[x], vec![float("alpha", number(0, 0.01))]),
            "HardSigmoid" => {
                let numbers = vec![float("alpha", number(0, 0.2)), float("beta", number(1, 0.5))];
                self.last_with("HardSigmoid", &[x], numbers);
            }
            "Clip" => {
                let low = self.scalar(number(0, f32::MIN));
                let high = self.scalar(number(1, f32::MAX));
                let above = self.op("Max", &[x, &low]);
                self.last("Min", &[&above, &high]);
            }
            other => return Err(self.refused(format!("with the activation {other}"))),
        }
        Ok(())
    }
}

/// `FusedConv`: a convolution, the sum with a fourth input, an activation.
pub(super) fn conv(p: &mut Pieces<'_, '_>) -> Lowered {
    let numbers = p.attribute("activation_params").map(|a| a.floats.clone()).unwrap_or_default();
    let ending = p.ending(numbers);
    let attributes = p.attributes_but(&["activation", "activation_params"]);
    let inputs = [p.optional(0), p.optional(1), p.optional(2)];
    let inputs: Vec<&str> = inputs.iter().flatten().map(String::as_str).collect();
    match p.optional(3) {
        Some(other) => {
            let map = p.with("Conv", &inputs, attributes);
            let sum = p.op("Add", &[&map, &other]);
            p.activated(&sum, &ending)
        }
        None => p.ended("Conv", &inputs, attributes, &ending),
    }
}

/// `FusedGemm`: `Gemm` and an activation.
pub(super) fn gemm(p: &mut Pieces<'_, '_>) -> Lowered {
    const NUMBERS: [&str; 3] = ["activation_alpha", "activation_beta", "activation_gamma"];
    let numbers = NUMBERS.iter().map_while(|name| p.attribute(name)).map(|a| a.f).collect();
    let ending = p.ending(numbers);
    let attributes = p.attributes_but(&[&["activation"], &NUMBERS[..]].concat());
    let inputs: Vec<String> = (0..3).filter_map(|at| p.optional(at)).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    p.ended("Gemm", &inputs, attributes, &ending)
}

/// `FusedMatMul`: a product of transposed matrices, with a factor.
pub(super) fn product(p: &mut Pieces<'_, '_>) -> Lowered {
    let a = p.input(0)?;
    let b = p.input(1)?;
    if p.int("transBatchA", 0) != 0 || p.int("transBatchB", 0) != 0 {
        return Err(p.refused("with batches transposed"));
    }
    let [left, right] = ["transA", "transB"].map(|name| p.int(name, 0) != 0);
    let left = if left { "...ki" } else { "...ik" };
    let right = if right { "...jk" } else { "...kj" };
    let equation = vec![text("equation", &format!("{left},{right}->...ij"))];
    let alpha = p.float("alpha", 1.0);
    if alpha == 1.0 {
        p.last_with("Einsum", &[&a, &b], equation);
        return Ok(());
    }
    let alpha = p.scalar(alpha);
    let product = p.with("Einsum", &[&a, &b], equation);
    p.last("Mul", &[&product, &alpha]);
    Ok(())
}

/// `FastGelu`: GELU by tanh, of the sum with a bias if there is one.
pub(super) fn fast_gelu(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let Some(bias) = p.optional(1) else { return Ok(()) };
    let sum = p.op("Add", &[&x, &bias]);
    p.last_with("FastGelu", &[&sum], p.attributes_but(&[]));
    Ok(())
}

/// `com.microsoft.Attention`: projection to queries, keys and values, and their attention.
pub(super) fn attention(p: &mut Pieces<'_, '_>) -> Lowered {
    let heads = p.int("num_heads", 0);
    let sizes = p.attribute("qkv_hidden_sizes").map(|a| a.ints.clone()).unwrap_or_default();
    let extras = (3..p.node().input.len()).any(|at| p.optional(at).is_some());
    let width = p.stored(1)?.dims().last().copied().unwrap_or_default();
    let alike = sizes.iter().all(|&size| size == width as i64 / 3);
    let divides = heads > 0 && width.is_multiple_of(3) && (width as i64 / 3) % heads == 0;
    if extras || p.int("unidirectional", 0) != 0 || !alike || !divides {
        return Err(p.refused("with a mask, a past, or heads of several sizes"));
    }
    let x = p.input(0)?;
    let weights = p.input(1)?;
    let mut all = p.op("MatMul", &[&x, &weights]);
    if let Some(bias) = p.optional(2) {
        all = p.op("Add", &[&all, &bias]);
    }
    let size = width as i64 / 3 / heads;
    let apart = p.list(&[0, 0, 3, heads, size]);
    let apart = p.op("Reshape", &[&all, &apart]);
    let part = |p: &mut Pieces<'_, '_>, at: i64| {
        let place = p.list(&[at]);
        let picked = p.with("Gather", &[&apart, &place], vec![int("axis", 2)]);
        let shape = p.list(&[0, 0, heads, size]);
        let picked = p.op("Reshape", &[&picked, &shape]);
        p.with("Transpose", &[&picked], vec![ints("perm", &[0, 2, 1, 3])])
    };
    let queries = part(p, 0);
    let keys = part(p, 1);
    let values = part(p, 2);
    let scale = p.float("scale", 0.0);
    let scale = p.scalar(if scale == 0.0 { 1.0 / (size as f32).sqrt() } else { scale });
    let keys = p.with("Transpose", &[&keys], vec![ints("perm", &[0, 1, 3, 2])]);
    let scores = p.op("MatMul", &[&queries, &keys]);
    let scores = p.op("Mul", &[&scores, &scale]);
    let shares = p.with("Softmax", &[&scores], vec![int("axis", -1)]);
    let seen = p.op("MatMul", &[&shares, &values]);
    let seen = p.with("Transpose", &[&seen], vec![ints("perm", &[0, 2, 1, 3])]);
    let shape = p.list(&[0, 0, heads * size]);
    p.last("Reshape", &[&seen, &shape]);
    Ok(())
}
