//! Products of matrices.

use offshoot_core::graph::Window;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::axes::Axis;
use tract_onnx::tract_core::ops::einsum::EinSum;

use super::{Map, Step, Walk, dims, shape};
use crate::import::constants::floats;
use crate::import::dimension_order::{CHANNELS, Dimension, Layout};
use crate::ir::{self, LayerOp};

/// Axes of a product by role: dimension in each operand and in the result.
#[derive(Debug, Default)]
struct Axes {
    /// Axes in both operands and the result.
    batch: Vec<[usize; 3]>,
    /// Axes in the first operand and the result.
    rows: Vec<[usize; 2]>,
    columns: Vec<[usize; 2]>,
    /// Axes in both operands only.
    summed: Vec<[usize; 2]>,
}

/// Returns the place of an axis in an operand that may lack it; `None` if it is there twice.
fn place(dims: &[usize]) -> Option<Option<usize>> {
    match dims {
        [] => Some(None),
        [dim] => Some(Some(*dim)),
        _ => None,
    }
}

/// Returns the only entry of a list, if there is one.
fn only(list: &[usize]) -> Step<Option<usize>> {
    match list {
        [] => Ok(None),
        [dim] => Ok(Some(*dim)),
        _ => Err("over several axes".to_string()),
    }
}

impl Axes {
    fn of(product: &EinSum) -> Option<Self> {
        let mut axes = Self::default();
        for axis in product.axes.iter_all_axes() {
            let Axis { inputs, outputs, .. } = axis;
            match (place(&inputs[0])?, place(&inputs[1])?, place(&outputs[0])?) {
                (Some(a), Some(b), Some(o)) => axes.batch.push([a, b, o]),
                (Some(a), None, Some(o)) => axes.rows.push([a, o]),
                (None, Some(b), Some(o)) => axes.columns.push([b, o]),
                (Some(a), Some(b), None) => axes.summed.push([a, b]),
                _ => return None,
            }
        }
        Some(axes)
    }

    fn swapped(self) -> Self {
        Self {
            batch: self.batch.into_iter().map(|[a, b, o]| [b, a, o]).collect(),
            rows: self.columns,
            columns: self.rows,
            summed: self.summed.into_iter().map(|[a, b]| [b, a]).collect(),
        }
    }
}

/// Returns the distance of neighbours along a dimension; 0 without one.
fn stride(lengths: &[usize], dim: Option<usize>) -> usize {
    dim.map_or(0, |d| lengths[d + 1..].iter().product())
}

impl Walk<'_> {
    pub(super) fn product(&mut self, node: &TypedNode, product: &EinSum) -> Step {
        let axes = if node.inputs.len() == 2 { Axes::of(product) } else { None };
        let axes = axes.ok_or("that is not one product of two matrices")?;
        match [self.constant(node, 0), self.constant(node, 1)] {
            [None, Some(matrix)] => {
                let map = self.input(node, 0)?;
                self.dense(node, &axes, &map, &matrix)
            }
            [Some(matrix), None] => {
                let map = self.input(node, 1)?;
                self.dense(node, &axes.swapped(), &map, &matrix)
            }
            _ => self.of_two_maps(node, &axes),
        }
    }

    /// Imports the product of every pixel's channels and a constant matrix.
    fn dense(&mut self, node: &TypedNode, axes: &Axes, map: &Map, matrix: &Tensor) -> Step {
        let lengths = matrix.shape();
        if axes.batch.iter().any(|&[_, b, _]| lengths[b] > 1) {
            return Err("with a constant of several matrices".to_string());
        }
        let summed = axes.summed.iter().filter(|[a, _]| map.layout.len(*a) > 1).map(|[_, b]| *b);
        let summed = only(&summed.collect::<Vec<_>>())?;
        let columns = axes.columns.iter().map(|[b, _]| *b).filter(|&b| lengths[b] > 1);
        let column = only(&columns.collect::<Vec<_>>())?;
        let values = floats(matrix).ok_or("with a matrix that is not float")?;
        let along = stride(lengths, summed);
        let across = stride(lengths, column);
        let depth = summed.map_or(1, |d| lengths[d]);
        let channels = column.map_or(1, |d| lengths[d]);
        let source = axes.summed.iter().find(|[_, b]| Some(*b) == summed).or(axes.summed.first());
        let source = source.ok_or("that sums nothing")?[0];
        let input = self.along_channels(node, map, source)?;
        let weights = (0..channels).flat_map(|o| (0..depth).map(move |i| (o, i)));
        let weights = weights.map(|(o, i)| values[o * across + i * along]).collect();
        let from = self.shape_of(&input);
        if from.c() != depth {
            return Err("of shapes that do not fit".to_string());
        }
        let to = shape(from.h(), from.w(), channels)?;
        let op = ir::Conv { window: Window::POINT, groups: 1, weights, bias: vec![0.0; channels] };
        let id = self.model.push(self.name(node), LayerOp::Conv(op), vec![input.id], to);
        // The new dimension is the channels; the others lie where they lay.
        let mut lying = vec![Dimension::One; dims(node)?.len()];
        let others =
            axes.rows.iter().map(|r| (r[0], r[1])).chain(axes.batch.iter().map(|b| (b[0], b[2])));
        for (a, o) in others {
            lying[o] = Dimension::Of(a);
        }
        if let Some([_, o]) =
            axes.columns.iter().find(|c| Some(c[0]) == column).or(axes.columns.first())
        {
            lying[*o] = Dimension::Axis(CHANNELS);
        }
        Ok(Map { id, layout: input.layout.arranged(to, &lying) })
    }

    /// Imports the product of two computed matrices, or of several pairs of them.
    fn of_two_maps(&mut self, node: &TypedNode, axes: &Axes) -> Step {
        let mut a = self.input(node, 0)?;
        let mut b = self.input(node, 1)?;
        for &[of_a, of_b, _] in &axes.batch {
            match [a.layout.len(of_a), b.layout.len(of_b)] {
                [long, 1] if long > 1 => b = self.along(node, &b, of_b, vec![1.0; long])?,
                [1, long] if long > 1 => a = self.along(node, &a, of_a, vec![1.0; long])?,
                _ => {}
            }
        }
        let (ab, bb): (Vec<_>, Vec<_>) = axes.batch.iter().map(|x| (x[0], x[1])).unzip();
        let (ak, bk): (Vec<_>, Vec<_>) = axes.summed.iter().map(|x| (x[0], x[1])).unzip();
        let (am, bn): (Vec<_>, Vec<_>) =
            (axes.rows.iter().map(|x| x[0]).collect(), axes.columns.iter().map(|x| x[0]).collect());
        let a = self.gather(node, &a, [&ab, &am, &ak])?;
        // The second operand is used as it is, or transposed.
        let lies = b.layout.gather(self.shape_of(&b), [&bb, &bk, &bn]);
        let transposed = lies.is_none_or(|(moves, ..)| !moves.is_empty());
        let b =
            self.gather(node, &b, if transposed { [&bb, &bn, &bk] } else { [&bb, &bk, &bn] })?;
        let left = self.shape_of(&a);
        let right = self.shape_of(&b);
        let columns = if transposed { right.w() } else { right.c() };
        let to = shape(left.h(), left.w(), columns)?;
        let op = LayerOp::MatMul { transposed };
        let id = self.model.push(self.name(node), op, vec![a.id, b.id], to);
        let mut layout = Layout::new(to, &[Some(0), Some(1), Some(2)]);
        // Order (batch, rows, columns) becomes that of the result's dimensions.
        let groups = [
            axes.batch.iter().map(|x| (x[2], a.layout.len(x[0]))).collect::<Vec<_>>(),
            axes.rows.iter().map(|x| (x[1], a.layout.len(x[0]))).collect(),
            axes.columns.iter().map(|x| (x[1], b.layout.len(x[0]))).collect(),
        ];
        let mut now: Vec<usize> = Vec::new();
        for group in groups {
            let lengths: Vec<usize> = group.iter().map(|g| g.1).collect();
            layout.reshape(now.len(), 1, &lengths).ok_or("of such an order")?;
            now.extend(group.iter().map(|g| g.0));
        }
        for to in 0..now.len() {
            let from = now.iter().position(|&d| d == to).ok_or("of such an order")?;
            let dim = now.remove(from);
            now.insert(to, dim);
            layout.swap_in(from, to);
        }
        Ok(Map { id, layout })
    }
}
