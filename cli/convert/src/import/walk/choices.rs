//! Comparisons and choices between two values. A truth is a number here: 1 or 0.

use offshoot_core::graph::Binary;
use tract_onnx::prelude::*;

use super::{Map, Step, Walk};
use crate::import::constants::floats;
use crate::ir::{Expr, LayerOp};

impl Walk<'_> {
    /// Imports a comparison: the sign of a difference.
    pub(super) fn comparison(&mut self, node: &TypedNode, name: &str) -> Step {
        let above = match name {
            "GT" => Expr::step(),
            "LT" => Expr::step().of(&Expr::minus()),
            "GTE" => Expr::no().of(&Expr::step().of(&Expr::minus())),
            "LTE" => Expr::no().of(&Expr::step()),
            _ => return Err(String::new()),
        };
        let difference = self.of_two(node, Binary::Sub)?;
        Ok(self.function(node, above, &difference))
    }

    /// Imports the choice of the second input where the first is true, and of the third elsewhere:
    /// a sum of two products, one of them with 0.
    pub(super) fn choice(&mut self, node: &TypedNode) -> Step {
        let Ok(condition) = self.input(node, 0) else { return self.masked_by_constant(node) };
        let contrary = self.function(node, Expr::no(), &condition);
        let first = self.where_true(node, 1, &condition)?;
        let second = self.where_true(node, 2, &contrary)?;
        match (first, second) {
            (Some(a), Some(b)) => self.two_maps(node, Binary::Add, [a, b]),
            (Some(only), None) | (None, Some(only)) => Ok(only),
            (None, None) => Err("between two constants of 0".to_string()),
        }
    }

    /// Returns an input where a truth is 1, and 0 elsewhere; `None` for a constant of 0.
    fn where_true(&mut self, node: &TypedNode, index: usize, truth: &Map) -> Step<Option<Map>> {
        if let Some(constant) = self.constant(node, index) {
            let zero = floats(&constant).is_some_and(|v| v.iter().all(|&x| x == 0.0));
            if zero {
                return Ok(None);
            }
            let finite = finite(&constant)?;
            return self.with_constant(node, Binary::Mul, truth, &finite).map(Some);
        }
        let input = self.input(node, index)?;
        let input = self.finite(node, &input);
        self.two_maps(node, Binary::Mul, [input, truth.clone()]).map(Some)
    }

    /// Limits a feature map to finite values, so that its products with 0 are 0.
    fn finite(&mut self, node: &TypedNode, map: &Map) -> Map {
        match self.model.layers[map.id].op {
            LayerOp::Function(_) | LayerOp::Binary(_) | LayerOp::Scale { .. } => {
                self.function(node, Expr::clamp(f32::MIN, f32::MAX), map)
            }
            _ => map.clone(),
        }
    }

    /// Imports a choice whose condition is a constant.
    fn masked_by_constant(&mut self, node: &TypedNode) -> Step {
        let condition = self.constant(node, 0).ok_or("with a condition that is not known")?;
        let truths = condition.cast_to::<f32>().map_err(|_| "with a condition of no truths")?;
        let truths = truths.into_owned();
        let mut contraries = truths.clone();
        {
            let mut plain = contraries.try_as_plain_ram_mut().map_err(|_| "of such a condition")?;
            let values = plain.as_slice_mut::<f32>().map_err(|_| "of such a condition")?;
            values.iter_mut().for_each(|v| *v = 1.0 - *v);
        }
        let [first, second] = [self.constant(node, 1), self.constant(node, 2)];
        match (first, second) {
            (None, None) => {
                let a = self.input(node, 1)?;
                let b = self.input(node, 2)?;
                let a = self.with_constant(node, Binary::Mul, &a, &truths)?;
                let b = self.with_constant(node, Binary::Mul, &b, &contraries)?;
                self.two_maps(node, Binary::Add, [a, b])
            }
            (Some(constant), None) => self.beside(node, 2, &contraries, &truths, &constant),
            (None, Some(constant)) => self.beside(node, 1, &truths, &contraries, &constant),
            (Some(_), Some(_)) => Err("between constants that were not folded".to_string()),
        }
    }

    /// Imports a feature map where `kept` is 1, and a constant of one value elsewhere.
    fn beside(
        &mut self,
        node: &TypedNode,
        index: usize,
        kept: &Tensor,
        others: &Tensor,
        constant: &Tensor,
    ) -> Step {
        let map = self.input(node, index)?;
        let map = self.finite(node, &map);
        let value = floats(&finite(constant)?).filter(|v| v.windows(2).all(|w| w[0] == w[1]));
        let value =
            value.and_then(|v| v.first().copied()).ok_or("with a constant of many values")?;
        let map = self.with_constant(node, Binary::Mul, &map, kept)?;
        if value == 0.0 {
            return Ok(map);
        }
        let mut added = others.clone();
        {
            let mut plain = added.try_as_plain_ram_mut().map_err(|_| "of such a condition")?;
            let values = plain.as_slice_mut::<f32>().map_err(|_| "of such a condition")?;
            values.iter_mut().for_each(|v| *v *= value);
        }
        self.with_constant(node, Binary::Add, &map, &added)
    }
}

/// Returns a constant with its infinite values as the largest finite ones.
fn finite(constant: &Tensor) -> Step<Tensor> {
    let cast = constant.cast_to::<f32>().map_err(|_| "with a constant that is not float")?;
    let mut cast = cast.into_owned();
    {
        let mut plain = cast.try_as_plain_ram_mut().map_err(|_| "with such a constant")?;
        let values = plain.as_slice_mut::<f32>().map_err(|_| "with such a constant")?;
        values.iter_mut().for_each(|v| *v = v.clamp(f32::MIN, f32::MAX));
    }
    Ok(cast)
}
