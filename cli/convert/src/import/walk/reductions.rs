//! Sums, maxima and minima over dimensions.

use offshoot_core::graph::Window;
use offshoot_core::limits;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};

use super::{Map, Step, Walk, shape};
use crate::import::dimension_order::{CHANNELS, COLUMNS, ROWS};
use crate::ir::{Expr, LayerOp};

/// Feature map after a part of a reduction, and how many values each of its values is of.
struct Reduced {
    map: Map,
    terms: usize,
}

impl Walk<'_> {
    pub(super) fn reduce(&mut self, node: &TypedNode, reduce: &Reduce) -> Step {
        let input = self.input(node, 0)?;
        let long: Vec<usize> =
            reduce.axes.iter().copied().filter(|&d| input.layout.len(d) > 1).collect();
        match reduce.reducer {
            Reducer::Sum | Reducer::Max | Reducer::Min if long.is_empty() => Ok(input),
            Reducer::Sum => self.sum(node, &input, &long),
            Reducer::Max => self.largest(node, &input, &long),
            Reducer::Min => {
                let minus = self.function(node, Expr::minus(), &input);
                let largest = self.largest(node, &minus, &long)?;
                Ok(self.function(node, Expr::minus(), &largest))
            }
            _ => Err(String::new()),
        }
    }

    /// Reduces the rows and columns that are all in some dimensions, in a window.
    fn over_pixels(
        &mut self,
        node: &TypedNode,
        input: &Map,
        dims: &[usize],
        op: &dyn Fn(Window) -> LayerOp,
    ) -> Step<Reduced> {
        let from = self.shape_of(input);
        let whole = |axis: &usize| from.dims()[*axis] > 1 && input.layout.holds(dims, *axis, from);
        let axes: Vec<usize> = [ROWS, COLUMNS].into_iter().filter(whole).collect();
        let mut spans = [1; 3];
        axes.iter().for_each(|&axis| spans[axis] = from.dims()[axis]);
        let window = Window::covering(shape(spans[0], spans[1], spans[2])?);
        let Some(window) = window.filter(|_| !axes.is_empty()) else {
            return Ok(Reduced { map: input.clone(), terms: 1 });
        };
        let to = shape(from.h() / spans[0], from.w() / spans[1], from.c())?;
        let layout = input.layout.without(&axes);
        let id = self.model.push(self.name(node), op(window), vec![input.id], to);
        Ok(Reduced { map: Map { id, layout }, terms: window.taps() })
    }

    fn sum(&mut self, node: &TypedNode, input: &Map, dims: &[usize]) -> Step {
        let mean = |window| LayerOp::AveragePool { window, include_pad: false };
        let Reduced { mut map, mut terms } = self.over_pixels(node, input, dims, &mean)?;
        let long: Vec<usize> = dims.iter().copied().filter(|&d| map.layout.len(d) > 1).collect();
        if long.is_empty() {
            return Ok(self.sum_of(node, map, terms));
        }
        let channels =
            long.len() == 1 && map.layout.is_axis(long[0], CHANNELS, self.shape_of(&map));
        if !channels {
            let others: Vec<usize> = (0..map.layout.rank()).filter(|d| !long.contains(d)).collect();
            let (rows, columns) = others.split_at(others.len().saturating_sub(1));
            map = self.gather(node, &map, [rows, columns, &long])?;
        }
        let from = self.shape_of(&map);
        let layout = map.layout.without(&[CHANNELS]);
        terms *= from.c();
        let to = shape(from.h(), from.w(), 1)?;
        let id = self.model.push(self.name(node), LayerOp::ChannelMean, vec![map.id], to);
        Ok(self.sum_of(node, Map { id, layout }, terms))
    }

    /// Imports a maximum: over rows and columns, or over columns that the dimensions become.
    fn largest(&mut self, node: &TypedNode, input: &Map, dims: &[usize]) -> Step {
        let pool = |window| LayerOp::MaxPool { window };
        let Reduced { map, .. } = self.over_pixels(node, input, dims, &pool)?;
        let long: Vec<usize> = dims.iter().copied().filter(|&d| map.layout.len(d) > 1).collect();
        if long.is_empty() {
            return Ok(map);
        }
        let others: Vec<usize> = (0..map.layout.rank()).filter(|d| !long.contains(d)).collect();
        let places: usize = others.iter().map(|&d| map.layout.len(d)).product();
        let rows = if places <= limits::DIM as usize { others.len() } else { others.len() - 1 };
        let (rows, channels) = others.split_at(rows);
        let apart = self.gather(node, &map, [rows, &long, channels])?;
        let from = self.shape_of(&apart);
        let layout = apart.layout.without(&[COLUMNS]);
        let mut id = apart.id;
        let mut left = from.w();
        while left > 1 {
            // A window of all that is left has no next place.
            let last = left <= limits::KERNEL as usize;
            let parts = (2..=limits::STRIDE as usize).rev().find(|&side| left.is_multiple_of(side));
            let side =
                if last { left } else { parts.ok_or_else(|| format!("over {left} places"))? };
            left /= side;
            let mut window = Window::POINT;
            window.kernel[1] = side as u8;
            window.stride[1] = if last { 1 } else { side as u8 };
            let to = shape(from.h(), left, from.c())?;
            id = self.model.push(self.name(node), LayerOp::MaxPool { window }, vec![id], to);
        }
        Ok(Map { id, layout })
    }
}
