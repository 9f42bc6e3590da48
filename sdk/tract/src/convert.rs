//! Conversion between float and int8, by the rules of `sdk/docs/numerics.md`.

use offshoot_core::Quant;
use tract_core::internal::*;

/// Quantizes floats to int8.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quantize(pub Quant);

/// Dequantizes int8 to floats.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dequantize(pub Quant);

// Scales are finite, so equality is an equivalence.
impl Eq for Quantize {}
impl Eq for Dequantize {}

impl Op for Quantize {
    fn name(&self) -> StaticName {
        "OffshootQuantize".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Quantize {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let mut out = Tensor::zero::<i8>(input.shape())?;
        let values = input.try_as_plain_ram()?;
        for (code, &real) in out
            .try_as_plain_ram_mut()?
            .as_slice_mut::<i8>()?
            .iter_mut()
            .zip(values.as_slice::<f32>()?)
        {
            *code = self.0.quantize(real);
        }
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for Quantize {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(i8::fact(inputs[0].shape.iter())))
    }

    as_op!();
}

impl Op for Dequantize {
    fn name(&self) -> StaticName {
        "OffshootDequantize".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Dequantize {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let mut out = Tensor::zero::<f32>(input.shape())?;
        let codes = input.try_as_plain_ram()?;
        for (real, &code) in out
            .try_as_plain_ram_mut()?
            .as_slice_mut::<f32>()?
            .iter_mut()
            .zip(codes.as_slice::<i8>()?)
        {
            *real = self.0.dequantize(code);
        }
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for Dequantize {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(inputs[0].shape.iter())))
    }

    as_op!();
}
