//! Functions of one value, and of two tensors value by value.

use offshoot_core::Shape;
use offshoot_core::graph::{Binary, Unary};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::PowConst;
use tract_onnx::tract_core::ops::nn::LeakyRelu;

use super::{Map, Step, Walk};
use crate::import::constants::floats;
use crate::ir::{Expr, LayerOp};

impl Walk<'_> {
    pub(super) fn unary(&mut self, node: &TypedNode, op: &ElementWiseOp) -> Step {
        let expr = match op.0.name().as_str() {
            "Sigmoid" => Expr::Unary(Unary::Sigmoid, Expr::x()),
            "Tanh" => Expr::Unary(Unary::Tanh, Expr::x()),
            "HardSwish" => Expr::Unary(Unary::HardSwish, Expr::x()),
            "Exp" => Expr::Unary(Unary::Exp, Expr::x()),
            "Sqrt" => Expr::Unary(Unary::Sqrt, Expr::x()),
            "Erf" => Expr::Unary(Unary::Erf, Expr::x()),
            "Abs" => Expr::Unary(Unary::Abs, Expr::x()),
            "Neg" => Expr::minus(),
            "Ln" => Expr::Unary(Unary::Log, Expr::x()),
            "Sign" => Expr::Binary(
                Binary::Sub,
                Box::new(Expr::step()),
                Box::new(Expr::step().of(&Expr::minus())),
            ),
            "Not" => Expr::no(),
            "Recip" => Expr::power(-1.0),
            "Rsqrt" => Expr::power(-0.5),
            "Square" => Expr::Binary(Binary::Mul, Expr::x(), Expr::x()),
            "Silu" => Expr::Binary(
                Binary::Mul,
                Expr::x(),
                Box::new(Expr::Unary(Unary::Sigmoid, Expr::x())),
            ),
            "GeluApproximate" => Expr::gelu_by_tanh(),
            "LeakyRelu" => match op.0.downcast_ref::<LeakyRelu>() {
                Some(leaky) => Expr::Unary(Unary::LeakyRelu { slope: leaky.alpha }, Expr::x()),
                None => return Err(String::new()),
            },
            "PowConst" => match op.0.downcast_ref::<PowConst>() {
                Some(pow) => Expr::raised(pow.exponent),
                None => return Err(String::new()),
            },
            _ => return Err(String::new()),
        };
        let input = self.input(node, 0)?;
        Ok(self.function(node, expr, &input))
    }

    pub(super) fn function(&mut self, node: &TypedNode, expr: Expr, input: &Map) -> Map {
        self.push(node, LayerOp::Function(expr), &[input], self.shape_of(input))
    }

    pub(super) fn binary(&mut self, node: &TypedNode, name: &str) -> Step {
        let op = match name {
            "Add" => Binary::Add,
            "Sub" => Binary::Sub,
            "Mul" => Binary::Mul,
            "Div" => Binary::Div,
            "Max" => Binary::Max,
            "Min" => Binary::Min,
            "And" => Binary::Mul,
            "Or" => Binary::Max,
            "Pow" => return self.pow(node),
            _ => return self.comparison(node, name),
        };
        self.of_two(node, op)
    }

    /// Imports an operation of the first two inputs, of which one may be a constant.
    pub(super) fn of_two(&mut self, node: &TypedNode, op: Binary) -> Step {
        match [self.constant(node, 0), self.constant(node, 1)] {
            [None, None] => {
                let maps = [self.input(node, 0)?, self.input(node, 1)?];
                self.two_maps(node, op, maps)
            }
            [None, Some(constant)] => {
                let input = self.input(node, 0)?;
                self.with_constant(node, op, &input, &constant)
            }
            [Some(constant), None] => {
                let input = self.input(node, 1)?;
                let input = match op {
                    Binary::Sub => self.function(node, Expr::minus(), &input),
                    Binary::Div => self.function(node, Expr::power(-1.0), &input),
                    _ => input,
                };
                self.with_constant(node, commuted(op), &input, &constant)
            }
            [Some(_), Some(_)] => Err("of constants that were not folded".to_string()),
        }
    }

    fn pow(&mut self, node: &TypedNode) -> Step {
        let exponent = self.constant(node, 1).and_then(|t| floats(&t)).filter(|v| v.len() == 1);
        let exponent = exponent.ok_or("with an exponent that is computed")?[0];
        let input = self.input(node, 0)?;
        Ok(self.function(node, Expr::raised(exponent), &input))
    }

    pub(super) fn two_maps(&mut self, node: &TypedNode, op: Binary, [a, b]: [Map; 2]) -> Step {
        let mut a = a;
        let mut b = b;
        if a.layout.rank() != b.layout.rank() {
            return Err("of tensors of two ranks".to_string());
        }
        if !a.layout.covers(&b.layout) && !b.layout.covers(&a.layout) {
            [a, b] = self.in_common(node, a, b)?;
        }
        if a.layout.covers(&b.layout) {
            return Ok(self.push(node, LayerOp::Binary(op), &[&a, &b], self.shape_of(&a)));
        }
        if !b.layout.covers(&a.layout) {
            return Err("of two tensors that both are enlarged".to_string());
        }
        let a = match op {
            // The larger operand comes first.
            Binary::Sub => {
                b = self.function(node, Expr::minus(), &b);
                a
            }
            Binary::Div => {
                b = self.function(node, Expr::power(-1.0), &b);
                a
            }
            _ => a,
        };
        Ok(self.push(node, LayerOp::Binary(commuted(op)), &[&b, &a], self.shape_of(&b)))
    }

    /// Brings two feature maps into a common order: the dimensions of both are the rows, those of
    /// one alone the channels, over which the other is repeated.
    fn in_common(&mut self, node: &TypedNode, a: Map, b: Map) -> Step<[Map; 2]> {
        let rank = a.layout.rank();
        let long = |map: &Map, dim: &usize| map.layout.len(*dim) > 1;
        let only_a: Vec<usize> = (0..rank).filter(|d| long(&a, d) && !long(&b, d)).collect();
        let only_b: Vec<usize> = (0..rank).filter(|d| long(&b, d) && !long(&a, d)).collect();
        let mut b = b;
        if !only_a.is_empty() && !only_b.is_empty() {
            for &dim in &only_a {
                b = self.along(node, &b, dim, vec![1.0; a.layout.len(dim)])?;
            }
        }
        let both: Vec<usize> = (0..rank).filter(|d| long(&a, d) == long(&b, d)).collect();
        let others: Vec<usize> = (0..rank).filter(|d| !both.contains(d)).collect();
        if others.is_empty() {
            let (rows, last) = both.split_at(rank.saturating_sub(2));
            let (columns, channels) = last.split_at(last.len().min(1));
            let a = self.gather(node, &a, [rows, columns, channels])?;
            return Ok([a, self.gather(node, &b, [rows, columns, channels])?]);
        }
        let a = self.gather(node, &a, [&both, &[], &others])?;
        Ok([a, self.gather(node, &b, [&both, &[], &others])?])
    }

    pub(super) fn with_constant(
        &mut self,
        node: &TypedNode,
        op: Binary,
        input: &Map,
        constant: &Tensor,
    ) -> Step {
        let values = self.constant_values(input, constant)?;
        let shape = self.shape_of(input);
        if let Some(&value) = values.first().filter(|&&v| values.iter().all(|&x| x == v)) {
            return Ok(self.uniform(node, op, input, value, shape));
        }
        if values.len() == shape.c() {
            let ones = vec![1.0; values.len()];
            let zeros = vec![0.0; values.len()];
            let (factors, offsets) = match op {
                Binary::Add => (ones, values),
                Binary::Sub => (ones, values.iter().map(|v| -v).collect()),
                Binary::Mul => (values, zeros),
                Binary::Div => (values.iter().map(|v| 1.0 / v).collect(), zeros),
                _ => return Ok(self.push(node, LayerOp::Constant { op, values }, &[input], shape)),
            };
            return Ok(self.push(node, LayerOp::Scale { factors, offsets }, &[input], shape));
        }
        Ok(self.push(node, LayerOp::Constant { op, values }, &[input], shape))
    }

    fn uniform(
        &mut self,
        node: &TypedNode,
        op: Binary,
        input: &Map,
        value: f32,
        shape: Shape,
    ) -> Map {
        let inf = f32::INFINITY;
        let n = shape.c();
        let op = match op {
            Binary::Add => scale(n, 1.0, value),
            Binary::Sub => scale(n, 1.0, -value),
            Binary::Mul => scale(n, value, 0.0),
            Binary::Div => scale(n, 1.0 / value, 0.0),
            Binary::Max => LayerOp::Function(Expr::clamp(value, inf)),
            _ => LayerOp::Function(Expr::clamp(-inf, value)),
        };
        self.push(node, op, &[input], shape)
    }

    /// Returns a constant as a single value, one value per channel, or one per element.
    fn constant_values(&self, input: &Map, constant: &Tensor) -> Step<Vec<f32>> {
        let wrong = format!("with a constant of shape {:?}", constant.shape());
        let Some(values) = floats(constant) else { return Err(wrong) };
        if values.len() == 1 {
            return Ok(values);
        }
        let shape = self.shape_of(input);
        let layout = &input.layout;
        let offset = layout.rank().checked_sub(constant.rank()).ok_or(wrong)?;
        let mut lengths = vec![1; offset];
        lengths.extend(constant.shape());
        if (0..layout.rank()).any(|d| lengths[d] != 1 && lengths[d] != layout.len(d)) {
            return Err("that enlarges its input".to_string());
        }
        let per_channel = layout.in_channels(|d| lengths[d] > 1);
        let mut out = vec![0.0; if per_channel { shape.c() } else { shape.elements() }];
        let repeated = layout.places(shape, |d| lengths[d] <= 1);
        for (place, value) in layout.places(shape, |d| lengths[d] > 1).into_iter().zip(values) {
            for again in &repeated {
                if let Some(slot) = out.get_mut(place + again) {
                    *slot = value;
                }
            }
        }
        Ok(out)
    }
}

/// Returns the operation that scales `n` channels alike.
fn scale(n: usize, factor: f32, offset: f32) -> LayerOp {
    LayerOp::Scale { factors: vec![factor; n], offsets: vec![offset; n] }
}

/// Returns the operation with its operands exchanged, one of which has been negated or inverted.
fn commuted(op: Binary) -> Binary {
    match op {
        Binary::Sub => Binary::Add,
        Binary::Div => Binary::Mul,
        other => other,
    }
}
