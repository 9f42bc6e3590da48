//! Models that were quantized by others: every code becomes the float that it stands for, so that
//! the weights are those that were quantized, and our own quantizer chooses the ranges.
//!
//! A code cannot leave its range, and quantizers leave out the ReLU that the range does too; so a
//! result is limited to the range of its codes.

use tract_onnx::pb::tensor_proto::DataType;

use super::Lowered;
use super::pieces::Pieces;
use crate::import::check::Refused;

/// Operation whose result is limited to the range of its codes.
struct Result8<'a> {
    op: &'a str,
    inputs: &'a [&'a str],
    but: &'a [&'a str],
    /// Inputs with the scale and zero point of the result.
    grid: [usize; 2],
}

impl Pieces<'_, '_> {
    /// Returns the least and greatest value of codes; `None` if they have a scale per channel.
    fn range(&self, [scale, zero]: [usize; 2]) -> Result<Option<[f32; 2]>, Refused> {
        let scales = self.stored(scale)?;
        let zeros = self.numbers(zero);
        if self.optional(zero).is_some() && zeros.is_none() {
            return Err(self.refused("computes its zero point"));
        }
        let kind = zeros.map_or(DataType::Uint8, |zeros| zeros.kind());
        let codes = match kind {
            DataType::Uint4 => [0.0, 15.0],
            DataType::Int4 => [-8.0, 7.0],
            DataType::Uint8 => [0.0, 255.0],
            DataType::Int8 => [-128.0, 127.0],
            DataType::Uint16 => [0.0, 65_535.0],
            DataType::Int16 => [-32_768.0, 32_767.0],
            other => {
                return Err(
                    self.refused(format!("has a zero point of type {}", other.as_str_name()))
                );
            }
        };
        if zeros.is_some_and(|zeros| zeros.len() != scales.len()) || scales.len() == 0 {
            return Err(self.refused("has a scale and a zero point of two lengths"));
        }
        let Some(scale) = scales.first().filter(|_| scales.len() == 1) else { return Ok(None) };
        let zero = zeros.and_then(|zeros| zeros.first()).unwrap_or(0.0);
        let range = codes.map(|code| ((code - zero) * scale) as f32);
        let ordered = range[0] < range[1] && range.iter().all(|v| v.is_finite());
        let what = format!("has a scale of {scale}");
        if ordered { Ok(Some(range)) } else { Err(self.refused(what)) }
    }

    /// Adds the node's result: `x` within the range of its codes.
    fn last_within(&mut self, x: &str, grid: [usize; 2]) -> Lowered {
        match self.range(grid)? {
            Some([low, high]) => {
                let low = self.scalar(low);
                let high = self.scalar(high);
                let above = self.op("Max", &[x, &low]);
                self.last("Min", &[&above, &high]);
            }
            None => self.last("Identity", &[x]),
        }
        Ok(())
    }

    /// Adds an operation, and the node's result.
    fn limited(&mut self, result: &Result8<'_>) -> Lowered {
        let attributes = self.attributes_but(result.but);
        let x = self.with(result.op, result.inputs, attributes);
        self.last_within(&x, result.grid)
    }

    /// Returns what computed codes stand for. They are floats here already, unless they are the
    /// bytes of an input.
    pub(super) fn computed(&mut self, [at, scale, zero]: [usize; 3]) -> Result<String, Refused> {
        let x = self.input(at)?;
        if !self.is_input(at) {
            return Ok(x);
        }
        if self.range([scale, zero])?.is_none() {
            return Err(self.refused("of bytes with a scale per channel"));
        }
        let step = self.stored(scale)?.first().unwrap_or(1.0) as f32;
        let middle = self.numbers(zero).and_then(|zeros| zeros.first()).unwrap_or(0.0) as f32;
        let middle = self.scalar(middle);
        let step = self.scalar(step);
        let x = self.op("Sub", &[&x, &middle]);
        Ok(self.op("Mul", &[&x, &step]))
    }

    /// Returns an operand: the floats of stored codes, or of computed ones.
    fn operand(&mut self, at: [usize; 3]) -> Result<String, Refused> {
        let Some(numbers) = self.numbers(at[0]) else { return self.computed(at) };
        let dims = numbers.dims();
        let floats = self.dequantized(at, 0, 0)?;
        Ok(self.constant(&dims, floats))
    }

    /// Adds a bias of integers, whose step is the product of those of two inputs and a factor.
    fn bias(
        &mut self,
        at: usize,
        scales: [usize; 2],
        factor: f32,
    ) -> Result<Option<String>, Refused> {
        if self.optional(at).is_none() {
            return Ok(None);
        }
        let codes = self.stored(at)?;
        let [input, weights] = [self.stored(scales[0])?, self.stored(scales[1])?];
        let Some(input) = input.first().filter(|_| [1, codes.len()].contains(&weights.len()))
        else {
            return Err(self.refused("has a bias that its scales do not fit"));
        };
        let step = |at: usize| weights.at(if weights.len() == 1 { 0 } else { at });
        let values = codes.all().enumerate();
        let values: Vec<f32> =
            values.map(|(at, code)| (code * input * step(at) * f64::from(factor)) as f32).collect();
        if values.iter().any(|v| !v.is_finite()) {
            return Err(self.refused("has a bias that is no number"));
        }
        let dims = codes.dims();
        Ok(Some(self.constant(&dims, values)))
    }

    /// Returns the weights of a product of integers less their zero point, as floats.
    fn whole_weights(&mut self, at: usize, zero: usize, axis: usize) -> Result<String, Refused> {
        let weights = self.stored(at)?;
        let dims = weights.dims();
        let zeros = self.numbers(zero);
        if self.optional(zero).is_some() && zeros.is_none() {
            return Err(self.refused("computes its zero point"));
        }
        let length = dims.get(axis).copied().unwrap_or(1).max(1);
        let inner: usize = dims.iter().skip(axis + 1).product::<usize>().max(1);
        let fits = zeros.is_none_or(|zeros| [1, length].contains(&zeros.len()));
        if !fits {
            return Err(self.refused("has zero points that its weights do not fit"));
        }
        let of = |at: usize| {
            zeros.map_or(0.0, |z| z.at(if z.len() == 1 { 0 } else { at / inner % length }))
        };
        let values = weights.all().enumerate().map(|(at, w)| (w - of(at)) as f32).collect();
        Ok(self.constant(&dims, values))
    }

    /// Refuses codes that are not those of a `DynamicQuantizeLinear`, whose scale is 1 here.
    fn needs_dynamic(&self, at: usize) -> Lowered {
        match self.giver(at).filter(|giver| giver.op_type == "DynamicQuantizeLinear") {
            Some(_) => Ok(()),
            None => Err(self.refused("of codes that no DynamicQuantizeLinear computes")),
        }
    }
}

pub(super) fn quantize(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    p.last_within(&x, [1, 2])
}

/// The codes are the floats themselves, so that their scale is 1 and their zero point 0.
pub(super) fn dynamic(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    p.last("Identity", &[&x]);
    p.is_constant(1, &[], vec![1.0]);
    p.is_constant(2, &[], vec![0.0]);
    Ok(())
}

pub(super) fn conv_integer(p: &mut Pieces<'_, '_>) -> Lowered {
    p.needs_dynamic(0)?;
    let x = p.input(0)?;
    let weights = p.whole_weights(1, 3, 0)?;
    let attributes = p.attributes_but(&[]);
    p.last_with("Conv", &[&x, &weights], attributes);
    Ok(())
}

pub(super) fn product_integer(p: &mut Pieces<'_, '_>) -> Lowered {
    p.needs_dynamic(0)?;
    let x = p.input(0)?;
    let weights = p.whole_weights(1, 3, 1)?;
    p.last("MatMul", &[&x, &weights]);
    Ok(())
}

pub(super) fn dynamic_product(p: &mut Pieces<'_, '_>) -> Lowered {
    let dims = p.stored(1)?.dims();
    let weights = p.dequantized([1, 2, 3], 1, 0)?;
    let weights = p.constant(&dims, weights);
    product_and_bias(p, &weights, 4)
}

pub(super) fn product_to_float(p: &mut Pieces<'_, '_>) -> Lowered {
    p.needs_dynamic(0)?;
    let dims = p.stored(1)?.dims();
    let weights = p.dequantized([1, 3, 5], 1, 0)?;
    let weights = p.constant(&dims, weights);
    product_and_bias(p, &weights, 6)
}

pub(super) fn product_and_bias(p: &mut Pieces<'_, '_>, weights: &str, bias: usize) -> Lowered {
    let x = p.input(0)?;
    match p.optional(bias) {
        Some(bias) => {
            let product = p.op("MatMul", &[&x, weights]);
            p.last("Add", &[&product, &bias]);
        }
        None => p.last("MatMul", &[&x, weights]),
    }
    Ok(())
}

pub(super) fn conv(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.computed([0, 1, 2])?;
    let dims = p.stored(3)?.dims();
    let weights = p.dequantized([3, 4, 5], 0, 0)?;
    let weights = p.constant(&dims, weights);
    let bias = p.bias(8, [1, 4], 1.0)?;
    let inputs = [Some(x.as_str()), Some(weights.as_str()), bias.as_deref()];
    let inputs: Vec<&str> = inputs.into_iter().flatten().collect();
    p.limited(&Result8 { op: "Conv", inputs: &inputs, but: &[], grid: [6, 7] })
}

pub(super) fn product(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.operand([0, 1, 2])?;
    let weights = match p.numbers(3).map(|numbers| numbers.dims()) {
        Some(dims) => {
            let floats = p.dequantized([3, 4, 5], -1, 0)?;
            p.constant(&dims, floats)
        }
        None => p.input(3)?,
    };
    p.limited(&Result8 { op: "MatMul", inputs: &[&x, &weights], but: &[], grid: [6, 7] })
}

pub(super) fn gemm(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.computed([0, 1, 2])?;
    let dims = p.stored(3)?.dims();
    let transposed = p.int("transB", 0) != 0;
    let weights = p.dequantized([3, 4, 5], if transposed { 0 } else { 1 }, 0)?;
    let weights = p.constant(&dims, weights);
    let bias = p.bias(6, [1, 4], p.float("alpha", 1.0))?;
    let inputs = [Some(x.as_str()), Some(weights.as_str()), bias.as_deref()];
    let inputs: Vec<&str> = inputs.into_iter().flatten().collect();
    if p.optional(7).is_none() {
        let attributes = p.attributes_but(&[]);
        p.last_with("Gemm", &inputs, attributes);
        return Ok(());
    }
    p.limited(&Result8 { op: "Gemm", inputs: &inputs, but: &[], grid: [7, 8] })
}

fn of_two(p: &mut Pieces<'_, '_>, op: &str) -> Lowered {
    let a = p.operand([0, 1, 2])?;
    let b = p.operand([3, 4, 5])?;
    p.limited(&Result8 { op, inputs: &[&a, &b], but: &[], grid: [6, 7] })
}

pub(super) fn sum(p: &mut Pieces<'_, '_>) -> Lowered {
    of_two(p, "Add")
}

pub(super) fn multiplied(p: &mut Pieces<'_, '_>) -> Lowered {
    of_two(p, "Mul")
}

fn of_one(p: &mut Pieces<'_, '_>, op: &str) -> Lowered {
    let x = p.computed([0, 1, 2])?;
    if p.int("channels_last", 0) != 0 {
        return Err(p.refused("with its channels last"));
    }
    let but = &["channels_last", "opset"];
    p.limited(&Result8 { op, inputs: &[&x], but, grid: [3, 4] })
}

pub(super) fn sigmoid(p: &mut Pieces<'_, '_>) -> Lowered {
    of_one(p, "Sigmoid")
}

pub(super) fn leaky_relu(p: &mut Pieces<'_, '_>) -> Lowered {
    of_one(p, "LeakyRelu")
}

pub(super) fn softmax(p: &mut Pieces<'_, '_>) -> Lowered {
    of_one(p, "Softmax")
}

pub(super) fn global_mean(p: &mut Pieces<'_, '_>) -> Lowered {
    of_one(p, "GlobalAveragePool")
}

pub(super) fn mean(p: &mut Pieces<'_, '_>) -> Lowered {
    of_one(p, "AveragePool")
}

pub(super) fn mean_of_axes(p: &mut Pieces<'_, '_>) -> Lowered {
    of_one(p, "ReduceMean")
}

pub(super) fn concat(p: &mut Pieces<'_, '_>) -> Lowered {
    let mut parts = Vec::new();
    for at in (2..p.node().input.len()).step_by(3) {
        parts.push(p.operand([at, at + 1, at + 2])?);
    }
    let inputs: Vec<&str> = parts.iter().map(String::as_str).collect();
    p.limited(&Result8 { op: "Concat", inputs: &inputs, but: &[], grid: [0, 1] })
}
