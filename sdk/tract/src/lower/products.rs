//! Matrix-vector products with bit-identical sums on every processor; see `sums.rs`.

use offshoot_core::Shape;
use pulp::{Arch, NullaryFnOnce};
use tract_core::internal::*;

use super::dims;

/// Number of partial sums, which stay in registers until they are added up.
const LANES: usize = 16;

/// Sum of products: partial sums of every sixteenth product, which are then added pair by pair.
#[derive(Default)]
pub(crate) struct Dot([f32; LANES]);

impl Dot {
    /// Adds the products of two rows of equal length.
    #[inline(always)] // compiled for the caller's processor
    pub fn add(&mut self, a: &[f32], b: &[f32]) {
        let a = a.chunks_exact(LANES);
        let b = b.chunks_exact(LANES);
        let rest = a.remainder().iter().zip(b.remainder());
        for (a, b) in a.zip(b) {
            self.0.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
        }
        self.0.iter_mut().zip(rest).for_each(|(sum, (a, b))| *sum += a * b);
    }

    #[inline(always)] // compiled for the caller's processor
    pub fn total(mut self) -> f32 {
        let mut left = LANES;
        while left > 1 {
            left /= 2;
            (0..left).for_each(|i| self.0[i] += self.0[i + left]);
        }
        self.0[0]
    }
}

/// Matrix-vector product, row by row of feature maps; its inputs are the two feature maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Products {
    transposed: bool,
    depth: usize,
    output: Shape,
}

impl Products {
    /// Returns the product, if tract-core's sums differ between processors.
    pub fn of(transposed: bool, first: Shape, output: Shape) -> Option<Self> {
        let vector = output.w() == 1 || output.c() == 1;
        vector.then_some(Self { transposed, depth: first.c(), output })
    }
}

impl Op for Products {
    fn name(&self) -> StaticName {
        "OffshootProducts".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Products {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (a, b) = args_2!(inputs);
        let a = a.try_as_plain_ram()?;
        let b = b.try_as_plain_ram()?;
        let mut out = Tensor::zero::<f32>(&dims(self.output))?;
        let mut plain = out.try_as_plain_ram_mut()?;
        let a = a.as_slice::<f32>()?;
        let b = b.as_slice::<f32>()?;
        let out_values = plain.as_slice_mut::<f32>()?;
        Arch::new().dispatch(Job { op: self, a, b, out: out_values });
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for Products {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(dims(self.output))))
    }

    as_op!();
}

/// Computation as plain loops, compiled for the instruction set of the processor.
struct Job<'a> {
    op: &'a Products,
    a: &'a [f32],
    b: &'a [f32],
    out: &'a mut [f32],
}

impl NullaryFnOnce for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Products { transposed, depth, output } = *self.op;
        let rows = output.w();
        let columns = output.c();
        let outs = self.out.chunks_exact_mut(columns).zip(self.a.chunks_exact(depth));
        for (row, (out, a)) in outs.enumerate() {
            let b = &self.b[row / rows * depth * columns..][..depth * columns];
            if transposed {
                for (out, b) in out.iter_mut().zip(b.chunks_exact(depth)) {
                    let mut dot = Dot::default();
                    dot.add(a, b);
                    *out = dot.total();
                }
            } else {
                for (a, b) in a.iter().zip(b.chunks_exact(columns)) {
                    out.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
                }
            }
        }
    }
}
