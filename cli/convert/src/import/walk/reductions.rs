//! Sums, maxima and minima over dimensions.

use offshoot_core::graph::Window;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};

use super::{Map, Step, Walk, shape};
use crate::import::dimension_order::CHANNELS;
use crate::ir::{Expr, LayerOp};

/// Largest side of a window.
const SIDE: usize = u8::MAX as usize;

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

    /// Returns the window that covers rows and columns, if these are the dimensions.
    fn covering(&self, input: &Map, dims: &[usize]) -> Option<Window> {
        let from = self.shape_of(input);
        let axes = dims.iter().map(|&d| input.layout.axis_of(d, from));
        let axes: Vec<usize> = axes.collect::<Option<_>>()?;
        if axes.contains(&CHANNELS) {
            return None;
        }
        let mut spans = [1; 3];
        axes.iter().for_each(|&axis| spans[axis] = from.dims()[axis]);
        Window::covering(shape(spans[0], spans[1], spans[2]).ok()?)
    }

    /// Appends a pool over rows and columns.
    fn pooled(&mut self, node: &TypedNode, input: &Map, window: Window, op: LayerOp) -> Step {
        let from = self.shape_of(input);
        let rows = from.h() / usize::from(window.kernel[0]);
        let columns = from.w() / usize::from(window.kernel[1]);
        let to = shape(rows, columns, from.c())?;
        let layout = input.layout.resized(from, to).ok_or("over a part of an axis")?;
        let id = self.model.push(self.name(node), op, vec![input.id], to);
        Ok(Map { id, layout })
    }

    fn sum(&mut self, node: &TypedNode, input: &Map, dims: &[usize]) -> Step {
        if let Some(window) = self.covering(input, dims) {
            let op = LayerOp::AveragePool { window, include_pad: false };
            let mean = self.pooled(node, input, window, op)?;
            return Ok(self.sum_of(node, mean, window.taps()));
        }
        let mut input = input.clone();
        if dims.len() > 1 || !input.layout.is_axis(dims[0], CHANNELS, self.shape_of(&input)) {
            let others: Vec<usize> =
                (0..input.layout.rank()).filter(|d| !dims.contains(d)).collect();
            let (rows, columns) = others.split_at(others.len().saturating_sub(1));
            input = self.gather(node, &input, [rows, columns, dims])?;
        }
        let from = self.shape_of(&input);
        let to = shape(from.h(), from.w(), 1)?;
        let layout = input.layout.resized(from, to).ok_or("over a part of an axis")?;
        let id = self.model.push(self.name(node), LayerOp::ChannelMean, vec![input.id], to);
        Ok(self.sum_of(node, Map { id, layout }, from.c()))
    }

    /// Imports a maximum: over rows and columns, or over columns that the dimensions become.
    fn largest(&mut self, node: &TypedNode, input: &Map, dims: &[usize]) -> Step {
        if let Some(window) = self.covering(input, dims) {
            return self.pooled(node, input, window, LayerOp::MaxPool { window });
        }
        let others: Vec<usize> = (0..input.layout.rank()).filter(|d| !dims.contains(d)).collect();
        let apart = self.gather(node, input, [&others, dims, &[]])?;
        let from = self.shape_of(&apart);
        let to = shape(from.h(), 1, 1)?;
        let layout = apart.layout.resized(from, to).ok_or("over a part of an axis")?;
        let mut id = apart.id;
        let mut left = from.w();
        while left > 1 {
            let side = (2..=SIDE.min(left)).rev().find(|&side| left.is_multiple_of(side));
            let side = side.ok_or_else(|| format!("over {left} places"))?;
            left /= side;
            let mut window = Window::POINT;
            (window.kernel[1], window.stride[1]) = (side as u8, side as u8);
            let op = LayerOp::MaxPool { window };
            id = self.model.push(self.name(node), op, vec![id], shape(from.h(), left, 1)?);
        }
        Ok(Map { id, layout })
    }
}
