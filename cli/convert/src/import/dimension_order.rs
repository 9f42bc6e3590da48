//! Layout of a source tensor's dimensions in the feature map of a layer.
//!
//! A layer's feature map is always in rows, columns, channels. ONNX has N, C, H, W, or N, H, W, C,
//! or tokens and features, and moves, splits and merges these freely. The layout records this
//! beside the layer, and values are moved only if an operation needs another order.

use offshoot_core::Shape;
use offshoot_core::graph::Permutation;

/// Axes of a feature map: rows, columns, channels.
pub(super) const ROWS: usize = 0;
pub(super) const COLUMNS: usize = 1;
pub(super) const CHANNELS: usize = 2;

/// Dimension, or a part of one: `len` steps of `stride` along an axis of the feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Factor {
    axis: usize,
    len: usize,
    stride: usize,
}

/// Factors of each dimension of the source tensor, outermost first; empty for a dimension of length
/// 1. Together the factors are the whole feature map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout(Vec<Vec<Factor>>);

/// Operation that brings a feature map into another layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Move {
    /// No operation: the order is right.
    Nothing,
    /// Reshape: the order is right, the shape is not.
    Reshape,
    /// Channels outermost.
    Flatten,
    /// Permutation of the values.
    Permute(Permutation),
}

impl Layout {
    /// Returns the layout of a tensor whose dimensions are whole axes of the feature map, or of
    /// length 1.
    pub fn new(shape: Shape, dims: &[Option<usize>]) -> Self {
        let lengths = shape.dims();
        let dims = dims.iter().map(|axis| {
            let whole = axis.map(|axis| Factor { axis, len: lengths[axis], stride: 1 });
            simplify(whole.into_iter().collect())
        });
        Self(dims.collect())
    }

    /// Returns the layout 1, C, H, W, or its first `rank` dimensions.
    pub fn channels_first(shape: Shape, rank: usize) -> Self {
        Self::new(shape, &[None, Some(CHANNELS), Some(ROWS), Some(COLUMNS)][..rank.min(4)])
    }

    pub fn rank(&self) -> usize {
        self.0.len()
    }

    pub fn len(&self, dim: usize) -> usize {
        self.0[dim].iter().map(|f| f.len).product()
    }

    /// True if the dimension is one whole axis of the feature map, or both have length 1.
    pub fn is_axis(&self, dim: usize, axis: usize, shape: Shape) -> bool {
        match self.0[dim][..] {
            [] => shape.dims()[axis] == 1,
            [Factor { axis: a, len, .. }] => a == axis && len == shape.dims()[axis],
            _ => false,
        }
    }

    /// Returns the axis that the dimension is.
    pub fn axis_of(&self, dim: usize, shape: Shape) -> Option<usize> {
        (0..3).rev().find(|&axis| !self.0[dim].is_empty() && self.is_axis(dim, axis, shape))
    }

    pub fn is_channels_first(&self, shape: Shape) -> bool {
        *self == Self::channels_first(shape, self.rank())
    }

    pub fn insert(&mut self, dim: usize) {
        self.0.insert(dim, Vec::new());
    }

    pub fn remove(&mut self, dim: usize) {
        self.0.remove(dim);
    }

    pub fn swap_in(&mut self, from: usize, to: usize) {
        let dim = self.0.remove(from);
        self.0.insert(to, dim);
    }

    /// Merges the dimensions from `at` on and splits them again; `None` if a split cuts an axis.
    pub fn reshape(&mut self, at: usize, from: usize, to: &[usize]) -> Option<()> {
        let mut rest: Vec<Factor> = self.0[at..at + from].concat();
        rest.reverse();
        let mut dims = Vec::new();
        for &length in to {
            let mut need = length;
            let mut dim = Vec::new();
            while need > 1 {
                let factor = rest.pop()?;
                if need.is_multiple_of(factor.len) {
                    need /= factor.len;
                    dim.push(factor);
                } else if factor.len.is_multiple_of(need) {
                    let inner = factor.len / need;
                    dim.push(Factor { len: need, stride: factor.stride * inner, ..factor });
                    rest.push(Factor { len: inner, ..factor });
                    need = 1;
                } else {
                    return None;
                }
            }
            dims.push(simplify(dim));
        }
        self.0.splice(at..at + from, dims);
        Some(())
    }

    /// Returns the layout after the lengths of whole axes have changed.
    pub fn resized(&self, from: Shape, to: Shape) -> Option<Self> {
        let dims = (0..self.rank()).map(|dim| {
            let axis = self.axis_of(dim, from);
            (axis.is_some() || self.0[dim].is_empty()).then_some(axis)
        });
        Some(Self::new(to, &dims.collect::<Option<Vec<_>>>()?))
    }

    /// True if `other` has each dimension in the same place, or with length 1.
    pub fn covers(&self, other: &Self) -> bool {
        self.rank() == other.rank()
            && self.0.iter().zip(&other.0).all(|(a, b)| a == b || b.is_empty())
    }

    /// Returns the feature map with the dimensions of three groups as its axes, and the operation
    /// that makes it.
    pub fn gather(&self, shape: Shape, groups: [&[usize]; 3]) -> Option<(Move, Shape, Self)> {
        let lengths = groups.map(|group| group.iter().map(|&d| self.len(d)).product::<usize>());
        let [h, w, c] = lengths.map(|length| u32::try_from(length).ok());
        let target = Shape::new(h?, w?, c?)?;
        let mut dims = vec![Vec::new(); self.rank()];
        for (axis, group) in groups.into_iter().enumerate() {
            let mut stride = 1;
            for &dim in group.iter().rev() {
                dims[dim] = simplify(vec![Factor { axis, len: self.len(dim), stride }]);
                stride *= self.len(dim);
            }
        }
        let order: Vec<Factor> =
            groups.concat().into_iter().flat_map(|d| self.0[d].clone()).collect();
        Some((movement(shape, target, &order)?, target, Self(dims)))
    }

    /// Returns for each value of the source tensor, in its order, the index in the feature map;
    /// only the dimensions in `which` are walked, the others stay at 0.
    pub fn places(&self, shape: Shape, which: impl Fn(usize) -> bool) -> Vec<usize> {
        let steps = [shape.row_elements(), shape.c(), 1];
        let mut places = vec![0];
        for factor in self.0.iter().enumerate().filter(|(d, _)| which(*d)).flat_map(|(_, f)| f) {
            let step = factor.stride * steps[factor.axis];
            places =
                places.iter().flat_map(|p| (0..factor.len).map(move |i| p + i * step)).collect();
        }
        places
    }

    /// True if the dimensions of `which` contain channels only.
    pub fn in_channels(&self, which: impl Fn(usize) -> bool) -> bool {
        let mut factors = self.0.iter().enumerate().filter(|(d, _)| which(*d)).flat_map(|(_, f)| f);
        factors.all(|f| f.axis == CHANNELS)
    }
}

fn simplify(dim: Vec<Factor>) -> Vec<Factor> {
    let mut out: Vec<Factor> = Vec::new();
    for factor in dim.into_iter().filter(|f| f.len > 1) {
        match out.last_mut() {
            Some(last) if last.axis == factor.axis && last.stride == factor.len * factor.stride => {
                *last = Factor { len: last.len * factor.len, ..factor };
            }
            _ => out.push(factor),
        }
    }
    out
}

/// Returns the operation from the feature map's order to `order`; `None` if it takes more than four
/// axes.
fn movement(shape: Shape, target: Shape, order: &[Factor]) -> Option<Move> {
    let mut source = order.to_vec();
    source.sort_by_key(|f| (f.axis, usize::MAX - f.stride));
    // Neighbours that stay neighbours are one axis.
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for factor in order {
        let at = source.iter().position(|s| s == factor)?;
        match runs.last_mut() {
            Some((first, count, len)) if *first + *count == at => {
                (*count, *len) = (*count + 1, *len * factor.len)
            }
            _ => runs.push((at, 1, factor.len)),
        }
    }
    if runs.len() <= 1 {
        return Some(if shape == target { Move::Nothing } else { Move::Reshape });
    }
    let planes = [shape.c(), shape.h() * shape.w()];
    let flattens =
        target.c() == target.elements() && runs.len() == 2 && runs.iter().map(|r| r.2).eq(planes);
    if flattens {
        return Some(Move::Flatten);
    }
    let mut sorted = runs.clone();
    sorted.sort();
    let mut dims = [1u32; 4];
    let mut axes = [0u8, 1, 2, 3];
    if runs.len() > dims.len() {
        return None;
    }
    for (k, run) in runs.iter().enumerate() {
        let from = sorted.iter().position(|s| s == run)?;
        axes[k] = from as u8;
        dims[from] = u32::try_from(run.2).ok()?;
    }
    Some(Move::Permute(Permutation { dims, order: axes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> (Shape, Layout) {
        let shape = Shape::new(5, 7, 6).unwrap();
        (shape, Layout::channels_first(shape, 4))
    }

    #[test]
    fn a_channel_shuffle_is_one_permutation() {
        let (shape, mut layout) = map();
        layout.reshape(1, 1, &[2, 3]).unwrap();
        layout.swap_in(1, 2);
        layout.reshape(1, 2, &[6]).unwrap();
        assert!(!layout.is_channels_first(shape));
        let (step, target, after) = layout.gather(shape, [&[2], &[3], &[1]]).unwrap();
        assert_eq!(step, Move::Permute(Permutation { dims: [35, 2, 3, 1], order: [0, 2, 1, 3] }));
        assert_eq!(target, shape);
        assert!(after.is_channels_first(shape));
    }

    #[test]
    fn there_and_back_is_nothing() {
        let (shape, mut layout) = map();
        layout.swap_in(1, 3);
        assert_eq!(layout.axis_of(3, shape), Some(CHANNELS));
        layout.swap_in(3, 1);
        assert_eq!(layout.gather(shape, [&[2], &[3], &[1]]).unwrap().0, Move::Nothing);
        layout.reshape(1, 3, &[210]).unwrap();
        assert_eq!(layout.gather(shape, [&[], &[], &[1]]).unwrap().0, Move::Flatten);
        layout.reshape(1, 1, &[6, 5, 7]).unwrap();
        assert!(layout.is_channels_first(shape));
    }

    #[test]
    fn places_are_those_of_the_source() {
        let (shape, layout) = map();
        let places = layout.places(shape, |_| true);
        assert_eq!(places.len(), 210);
        // Channel 2, row 3, column 4.
        assert_eq!(places[(2 * 5 + 3) * 7 + 4], (3 * 7 + 4) * 6 + 2);
        assert_eq!(layout.places(shape, |d| d == 1), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_split_through_an_axis_is_refused() {
        let (_, mut layout) = map();
        assert!(layout.clone().reshape(1, 1, &[4, 2]).is_none());
        assert!(layout.reshape(1, 2, &[10, 3]).is_none());
    }
}
