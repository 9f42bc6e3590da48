//! Operations that only move values: axes, concatenation, slices; and softmax, which needs an
//! order.

use offshoot_core::graph::{self, Binary, Window};
use offshoot_core::limits;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::DimLike;
use tract_onnx::tract_core::ops::array::{Gather, Slice, StridedSlice};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};

use super::{Map, Step, Walk, dims, shape};
use crate::import::constants::floats;
use crate::import::dimension_order::{CHANNELS, COLUMNS, ROWS};
use crate::ir::{self, LayerOp};

/// Largest number of entries of a matrix along one dimension.
const ENTRIES: usize = 1 << 22;

/// Returns a place counted from the front, for one that may be counted from the back.
fn from_front(at: i64, length: i64) -> i64 {
    if at < 0 { at.saturating_add(length) } else { at }
}

/// Returns the places of a slice with a step, as ONNX counts them.
fn stepped(begin: i64, end: i64, step: i64, length: i64) -> Vec<usize> {
    let least = if step < 0 { -1 } else { 0 };
    let most = if step < 0 { length - 1 } else { length };
    // Only an end counted from the front may be before the first place.
    let mut at = from_front(begin, length).clamp(least, most);
    let end = from_front(end, length).clamp(least, most);
    let mut places = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        places.extend(usize::try_from(at));
        at = at.saturating_add(step);
    }
    places
}

impl Walk<'_> {
    /// Imports changes of axes: a new layout, unless they cut an axis of the feature map.
    pub(super) fn axis(&mut self, node: &TypedNode, op: &AxisOp) -> Step {
        let mut map = self.input(node, 0)?;
        match op {
            AxisOp::Add(at) => map.layout.insert(*at),
            AxisOp::Rm(at) => map.layout.remove(*at),
            AxisOp::Move(from, to) => map.layout.swap_in(*from, *to),
            AxisOp::Reshape(at, from, to) => {
                let lengths: Option<Vec<usize>> = to.iter().map(|d| d.to_usize().ok()).collect();
                let lengths = lengths.ok_or("of open size")?;
                let fits =
                    |map: &Map| map.layout.clone().reshape(*at, from.len(), &lengths).is_some();
                if !fits(&map) && map.layout.rank() == 4 && map.layout.len(0) == 1 {
                    map = self.gather(node, &map, [&[2], &[3], &[1]])?;
                }
                if !fits(&map) {
                    let all: Vec<usize> = (0..map.layout.rank()).collect();
                    map = self.gather(node, &map, [&[], &[], &all])?;
                }
                let fits = map.layout.reshape(*at, from.len(), &lengths);
                fits.ok_or_else(|| format!("from {from:?} to {to:?}"))?;
            }
        }
        Ok(map)
    }

    /// Imports a concatenation of feature maps, with constants before and after them.
    pub(super) fn concat(&mut self, node: &TypedNode, dim: usize) -> Step {
        let mut maps = Vec::new();
        let mut before = Vec::new();
        let mut after = Vec::new();
        for at in 0..node.inputs.len() {
            match self.constant(node, at) {
                None if after.is_empty() => maps.push(self.input(node, at)?),
                None => return Err("with constants between feature maps".to_string()),
                Some(constant) if maps.is_empty() => before.push(constant),
                Some(constant) => after.push(constant),
            }
        }
        let mut map = self.joined(node, maps, dim)?;
        for (constants, is_before) in [(before, true), (after, false)] {
            if !constants.is_empty() {
                let stacked = Tensor::stack_tensors(dim, &constants);
                let constant = stacked.map_err(|_| "of constants of two shapes")?;
                map = self.beside_constant(node, map, &constant, (dim, is_before))?;
            }
        }
        Ok(map)
    }

    fn joined(&mut self, node: &TypedNode, mut maps: Vec<Map>, dim: usize) -> Step {
        if maps.len() < 2 {
            return maps.pop().ok_or_else(|| "of constants".to_string());
        }
        if !maps.iter().all(|map| self.joins(&maps[0], map, dim)) {
            let others: Vec<usize> = (0..maps[0].layout.rank()).filter(|&d| d != dim).collect();
            let (rows, columns) = others.split_at(others.len().saturating_sub(1));
            for map in &mut maps {
                *map = self.gather(node, map, [rows, columns, &[dim]])?;
            }
        }
        let first = self.shape_of(&maps[0]);
        let channels = maps.iter().map(|m| self.shape_of(m).c()).sum();
        let to = shape(first.h(), first.w(), channels)?;
        let layout = maps[0].layout.clone().with_axis(dim, CHANNELS, to);
        let ids = maps.iter().map(|m| m.id).collect();
        let id = self.model.push(self.name(node), LayerOp::Concat, ids, to);
        Ok(Map { id, layout })
    }

    /// True if a feature map can be appended to the first one along its channels, which are
    /// dimension `dim`.
    fn joins(&self, first: &Map, map: &Map, dim: usize) -> bool {
        let to = self.shape_of(first);
        let shape = self.shape_of(map);
        let pixels = (shape.h(), shape.w()) == (to.h(), to.w());
        let same = map.layout.resized(shape, to) == Some(first.layout.clone());
        pixels && same && map.layout.is_axis(dim, CHANNELS, shape)
    }

    /// Imports a constant before or after a feature map along a dimension, such as a class token:
    /// padding with values.
    fn beside_constant(
        &mut self,
        node: &TypedNode,
        mut input: Map,
        constant: &Tensor,
        (dim, is_before): (usize, bool),
    ) -> Step {
        if input.layout.axis_of(dim, self.shape_of(&input)).is_none_or(|axis| axis == CHANNELS) {
            // The dimension becomes the rows.
            let others: Vec<usize> = (0..input.layout.rank()).filter(|&d| d != dim).collect();
            let (columns, channels) = others.split_at(others.len().saturating_sub(1));
            input = self.gather(node, &input, [&[dim], columns, channels])?;
        }
        let layout = &input.layout;
        let from = self.shape_of(&input);
        let length = constant.shape()[dim];
        let values = floats(constant).ok_or("with a constant that is not float")?;
        let axis = layout.axis_of(dim, from).ok_or("of a constant and a single place")?;
        let side = u8::try_from(length).map_err(|_| "with a long constant".to_string())?;
        let mut pad = [0; 4];
        pad[if is_before { axis } else { axis + 2 }] = side;
        let mut to = from.dims();
        to[axis] += length;
        let to = shape(to[0], to[1], to[2])?;
        let wide = layout.resized(from, to).ok_or("over a part of an axis")?;
        let mut border = vec![0.0; to.elements()];
        // The constant's dimensions are the feature map's, except this one.
        let whole = wide.len(dim);
        let first = if is_before { 0 } else { whole - length };
        let places = wide.places(to, |_| true);
        let inner: usize = (dim + 1..wide.rank()).map(|d| wide.len(d)).product();
        for (i, place) in places.into_iter().enumerate() {
            let outer = i / inner / whole;
            let along = i / inner % whole;
            if (first..first + length).contains(&along) {
                border[place] = values[(outer * length + along - first) * inner + i % inner];
            }
        }
        let padded = Map {
            id: self.model.push(self.name(node), LayerOp::Pad { pad }, vec![input.id], to),
            layout: wide,
        };
        let op = LayerOp::Constant { op: Binary::Add, values: border };
        Ok(self.push(node, op, &[&padded], to))
    }

    pub(super) fn slice(&mut self, node: &TypedNode, slice: &Slice) -> Step {
        let bounds = slice.start.to_usize().ok().zip(slice.end.to_usize().ok());
        let (start, end) = bounds.ok_or("of open size")?;
        let input = self.input(node, 0)?;
        self.part(node, &input, slice.axis, start, end)
    }

    /// Imports a slice whose bounds were computed from shapes, which are constants by now.
    pub(super) fn strided_slice(&mut self, node: &TypedNode, slice: &StridedSlice) -> Step {
        let mut map = self.input(node, 0)?;
        let bounds = self.whole_numbers(node, 1).zip(self.whole_numbers(node, 2));
        let (begins, ends) = bounds.ok_or("between computed bounds")?;
        let axes = slice.optional_axes_input.and_then(|i| self.whole_numbers(node, i));
        let axes = axes.unwrap_or_else(|| (0..begins.len() as i64).collect());
        let steps = slice.optional_steps_input.and_then(|i| self.whole_numbers(node, i));
        let steps = steps.unwrap_or_default();
        if slice.begin_mask | slice.end_mask | slice.shrink_axis_mask != 0 {
            return Err("with masks".to_string());
        }
        let steps = steps.into_iter().chain(std::iter::repeat(1));
        for (((axis, begin), end), step) in axes.into_iter().zip(begins).zip(ends).zip(steps) {
            let rank = map.layout.rank() as i64;
            let dim = if axis < 0 { axis + rank } else { axis } as usize;
            if dim >= map.layout.rank() {
                return Err(format!("of axis {axis}"));
            }
            let length = map.layout.len(dim) as i64;
            if step != 1 {
                let places = stepped(begin, end, step, length);
                map = self.with_step(node, &map, dim, &places)?;
                continue;
            }
            let begin = from_front(begin, length).clamp(0, length) as usize;
            let end = from_front(end, length).clamp(0, length) as usize;
            map = self.part(node, &map, dim, begin, end)?;
        }
        Ok(map)
    }

    /// Returns a constant input of integers.
    fn whole_numbers(&self, node: &TypedNode, index: usize) -> Option<Vec<i64>> {
        let constant = self.constant(node, index)?;
        let cast = constant.cast_to::<i64>().ok()?;
        Some(cast.try_as_plain_ram().ok()?.as_slice::<i64>().ok()?.to_vec())
    }

    /// Imports the selection of one place of an axis, or several, in whatever shape.
    pub(super) fn pick(&mut self, node: &TypedNode, gather: &Gather) -> Step {
        let places = self.whole_numbers(node, 1).ok_or("at computed places")?;
        let lengths = self.constant(node, 1).map_or_else(Vec::new, |t| t.shape().to_vec());
        let input = self.input(node, 0)?;
        let length = input.layout.len(gather.axis) as i64;
        let places = places.iter().map(|&p| usize::try_from(from_front(p, length)).ok());
        let places: Option<Vec<usize>> = places.collect();
        let places = places.filter(|p| !p.is_empty()).ok_or("at places of such a shape")?;
        let start = places[0];
        let in_order = places.windows(2).all(|w| w[1] == w[0] + 1);
        let mut part = match in_order {
            true => self.part(node, &input, gather.axis, start, start + places.len())?,
            false => self.picked(node, &input, gather.axis, &places)?,
        };
        match lengths.len() {
            0 => part.layout.remove(gather.axis),
            1 => {}
            _ => {
                part.layout.reshape(gather.axis, 1, &lengths).ok_or("at places of such a shape")?
            }
        }
        Ok(part)
    }

    /// Imports the repetition of a feature map along dimensions of length 1. Operations of two
    /// tensors repeat by themselves.
    pub(super) fn repeated(&mut self, node: &TypedNode) -> Step {
        let mut map = self.input(node, 0)?;
        let lengths = dims(node)?;
        let readers = &node.outputs[0].successors;
        let by_itself = readers.iter().all(|reader| {
            let reader = self.source.node(reader.node);
            let other = reader.inputs.iter().find(|i| i.node != node.id);
            let other = other.and_then(|other| self.source.outlet_fact(*other).ok());
            let whole = other.is_some_and(|f| f.shape.as_concrete() == Some(&lengths[..]));
            reader.op_is::<TypedBinOp>() && whole
        });
        if by_itself && !readers.is_empty() {
            return Ok(map);
        }
        for (dim, &length) in lengths.iter().enumerate() {
            if map.layout.len(dim) != length {
                map = self.along(node, &map, dim, vec![1.0; length])?;
            }
        }
        Ok(map)
    }

    /// Imports every n-th place of an axis: for rows and columns a window of one pixel with a
    /// stride.
    fn with_step(&mut self, node: &TypedNode, input: &Map, dim: usize, places: &[usize]) -> Step {
        let step = match places {
            [first, second, ..] if second > first => second - first,
            _ => return self.picked(node, input, dim, places),
        };
        let axis = input.layout.axis_of(dim, self.shape_of(input));
        let step = u8::try_from(step).ok().filter(|&step| u32::from(step) <= limits::STRIDE);
        let Some((axis @ (ROWS | COLUMNS), step)) = axis.zip(step) else {
            return self.picked(node, input, dim, places);
        };
        let part = self.part(node, input, dim, places[0], places[places.len() - 1] + 1)?;
        let from = self.shape_of(&part);
        let mut window = Window::POINT;
        let mut to = from.dims();
        (window.stride[axis], to[axis]) = (step, places.len());
        let to = shape(to[0], to[1], to[2])?;
        let layout = part.layout.resized(from, to).ok_or("of a part of an axis")?;
        let id = self.model.push(self.name(node), LayerOp::MaxPool { window }, vec![part.id], to);
        Ok(Map { id, layout })
    }

    /// Imports places of an axis in any order: a product with zeros and ones, which `fold` merges
    /// into the layer before or after it.
    fn picked(&mut self, node: &TypedNode, input: &Map, dim: usize, places: &[usize]) -> Step {
        let length = input.layout.len(dim);
        if places.is_empty() || places.iter().any(|&p| p >= length) {
            return Err("of nothing".to_string());
        }
        let conv = ir::Conv::picking(places, length);
        self.along(node, input, dim, conv.weights)
    }

    /// Imports a product along one dimension with a matrix, whose columns are the dimension's
    /// places.
    pub(super) fn along(
        &mut self,
        node: &TypedNode,
        input: &Map,
        dim: usize,
        weights: Vec<f32>,
    ) -> Step {
        let length = input.layout.len(dim);
        let count = weights.len() / length;
        if weights.len() > ENTRIES {
            return Err(format!("of {length} places that become {count}"));
        }
        let input = self.along_channels(node, input, dim)?;
        let from = self.shape_of(&input);
        let to = shape(from.h(), from.w(), count)?;
        let layout = input.layout.clone().with_axis(dim, CHANNELS, to);
        let bias = vec![0.0; count];
        let conv = ir::Conv { window: Window::POINT, groups: 1, weights, bias };
        let id = self.model.push(self.name(node), LayerOp::Conv(conv), vec![input.id], to);
        Ok(Map { id, layout })
    }

    pub(super) fn part(
        &mut self,
        node: &TypedNode,
        input: &Map,
        dim: usize,
        start: usize,
        end: usize,
    ) -> Step {
        if start >= end || end > input.layout.len(dim) {
            return Err("of nothing".to_string());
        }
        if end - start == input.layout.len(dim) {
            return Ok(input.clone());
        }
        let mut input = input.clone();
        if input.layout.axis_of(dim, self.shape_of(&input)).is_none() {
            let others: Vec<usize> = (0..input.layout.rank()).filter(|&d| d != dim).collect();
            let (rows, columns) = others.split_at(others.len().saturating_sub(1));
            input = self.gather(node, &input, [rows, columns, &[dim]])?;
        }
        let from = self.shape_of(&input);
        let axis = input.layout.axis_of(dim, from).ok_or("of a part of an axis")?;
        let mut to = from.dims();
        to[axis] = end - start;
        let to = shape(to[0], to[1], to[2])?;
        let layout = input.layout.resized(from, to).ok_or("of a part of an axis")?;
        let op = LayerOp::Slice(graph::Slice { axis: axis as u8, from: start as u32 });
        let id = self.model.push(self.name(node), op, vec![input.id], to);
        Ok(Map { id, layout })
    }

    pub(super) fn softmax(&mut self, node: &TypedNode, softmax: &Softmax) -> Step {
        if !matches!(softmax.kind, SoftmaxKind::Softmax) {
            return Err(String::new());
        }
        let [dim] = &softmax.axes[..] else { return Err("over several axes".to_string()) };
        let input = self.input(node, 0)?;
        let input = self.along_channels(node, &input, *dim)?;
        Ok(self.push(node, LayerOp::Softmax, &[&input], self.shape_of(&input)))
    }
}
