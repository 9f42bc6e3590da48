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

/// Source of a dimension of a new layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    /// None: its length is 1.
    One,
    /// Dimension of another layout of the same rows, columns and channels.
    Of(usize),
    /// Whole axis of the feature map.
    Axis(usize),
}

/// Factors of each dimension of the source tensor, outermost first; empty for a dimension of length
/// 1. Together the factors are the whole feature map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout(Vec<Vec<Factor>>);

/// Operation that brings a feature map into another layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Move {
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

    /// Returns the layout after the lengths of some axes have changed; `None` if a dimension is a
    /// part of such an axis, unless nothing is left of it.
    pub fn resized(&self, from: Shape, to: Shape) -> Option<Self> {
        let old = from.dims();
        let new = to.dims();
        let mut dims = self.0.clone();
        for dim in &mut dims {
            let mut changed = dim.iter().map(|f| f.axis).filter(|&axis| old[axis] != new[axis]);
            let Some(axis) = changed.next() else { continue };
            let whole = dim.len() == 1 && dim[0].len == old[axis];
            let gone = new[axis] == 1 && dim.iter().all(|f| f.axis == axis);
            if !whole && !gone {
                return None;
            }
            *dim = simplify(vec![Factor { axis, len: new[axis], stride: 1 }]);
        }
        Some(Self(dims))
    }

    /// True if all of an axis is in some dimensions.
    pub fn holds(&self, dims: &[usize], axis: usize, shape: Shape) -> bool {
        let factors = dims.iter().flat_map(|&d| &self.0[d]).filter(|f| f.axis == axis);
        factors.map(|f| f.len).product::<usize>() == shape.dims()[axis]
    }

    /// Returns the layout of a feature map whose axes `gone` have become 1.
    pub fn without(&self, gone: &[usize]) -> Self {
        let dims = self.0.iter();
        let left = dims
            .map(|dim| simplify(dim.iter().copied().filter(|f| !gone.contains(&f.axis)).collect()));
        Self(left.collect())
    }

    /// Returns the layout with dimension `dim` as a whole axis, whatever it was.
    pub fn with_axis(mut self, dim: usize, axis: usize, shape: Shape) -> Self {
        self.0[dim] = simplify(vec![Factor { axis, len: shape.dims()[axis], stride: 1 }]);
        self
    }

    /// Returns a layout whose dimensions are those of this one, in another order, or whole axes.
    pub fn arranged(&self, shape: Shape, dims: &[Dimension]) -> Self {
        let dims = dims.iter().map(|dim| match *dim {
            Dimension::One => Vec::new(),
            Dimension::Of(dim) => self.0[dim].clone(),
            Dimension::Axis(axis) => {
                simplify(vec![Factor { axis, len: shape.dims()[axis], stride: 1 }])
            }
        });
        Self(dims.collect())
    }

    /// True if `other` has each dimension in the same place, or with length 1.
    pub fn covers(&self, other: &Self) -> bool {
        self.rank() == other.rank()
            && self.0.iter().zip(&other.0).all(|(a, b)| a == b || b.is_empty())
    }

    /// Returns the feature map with the dimensions of three groups as its axes, and the operations
    /// that make it.
    pub fn gather(&self, shape: Shape, groups: [&[usize]; 3]) -> Option<(Vec<Move>, Shape, Self)> {
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
        Some((movements(shape, target, &order)?, target, Self(dims)))
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

/// Values that stay neighbours when they are moved: their place among all such runs, and how many
/// they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    place: usize,
    len: usize,
}

/// Returns the operations from the feature map's order to `order`; `None` if a factor is missing.
fn movements(shape: Shape, target: Shape, order: &[Factor]) -> Option<Vec<Move>> {
    let mut source = order.to_vec();
    source.sort_by_key(|f| (f.axis, usize::MAX - f.stride));
    let mut runs = Vec::new();
    for factor in order {
        let place = source.iter().position(|s| s == factor)?;
        runs.push(Run { place, len: factor.len });
    }
    let wanted = joined(&runs);
    if wanted.len() <= 1 {
        return Some(if shape == target { Vec::new() } else { vec![Move::Reshape] });
    }
    let planes = [shape.c(), shape.h() * shape.w()];
    let flattens = target.c() == target.elements()
        && wanted.len() == 2
        && wanted.iter().map(|run| run.len).eq(planes);
    if flattens {
        return Some(vec![Move::Flatten]);
    }
    let mut now = wanted.clone();
    now.sort_by_key(|run| run.place);
    let mut moves = Vec::new();
    loop {
        // The runs as they lie now, by the place that each is wanted at.
        let lying: Vec<usize> =
            now.iter().map(|run| wanted.iter().position(|w| w == run)).collect::<Option<_>>()?;
        if let Some(last) = permutation(&now, &lying)? {
            moves.push(Move::Permute(last));
            return Some(moves);
        }
        moves.push(Move::Permute(first_in_place(&mut now, &lying)?));
    }
}

/// Merges runs that are neighbours in both orders.
fn joined(runs: &[Run]) -> Vec<Run> {
    let mut whole: Vec<Run> = Vec::new();
    let mut count = 0;
    for run in runs {
        match whole.last_mut() {
            Some(last) if last.place + count == run.place => {
                last.len *= run.len;
                count += 1;
            }
            _ => {
                whole.push(*run);
                count = 1;
            }
        }
    }
    whole
}

/// Returns one permutation of at most four axes to the wanted places, if that is enough.
fn permutation(now: &[Run], lying: &[usize]) -> Option<Option<Permutation>> {
    // Neighbours that are wanted as neighbours are one axis.
    let mut axes: Vec<Run> = Vec::new();
    for (at, (run, &place)) in now.iter().zip(lying).enumerate() {
        match axes.last_mut() {
            Some(last) if lying[at - 1] + 1 == place => last.len *= run.len,
            _ => axes.push(Run { place, len: run.len }),
        }
    }
    let mut dims = [1u32; 4];
    let mut order = [0u8, 1, 2, 3];
    if axes.len() > dims.len() {
        return Some(None);
    }
    for (dim, axis) in dims.iter_mut().zip(&axes) {
        *dim = u32::try_from(axis.len).ok()?;
    }
    let mut sorted: Vec<usize> = (0..axes.len()).collect();
    sorted.sort_by_key(|&at| axes[at].place);
    for (slot, at) in order.iter_mut().zip(sorted) {
        *slot = at as u8;
    }
    Some(Some(Permutation { dims, order }))
}

/// Moves the first runs that lie elsewhere to their place, and returns the permutation.
fn first_in_place(now: &mut [Run], lying: &[usize]) -> Option<Permutation> {
    let to = lying.iter().enumerate().position(|(at, &place)| at != place)?;
    let from = lying.iter().position(|&place| place == to)?;
    let follow = (from..lying.len()).take_while(|&at| lying[at] == to + at - from).count();
    let length = |runs: &[Run]| runs.iter().map(|run| run.len).product::<usize>();
    let parts = [&now[..to], &now[to..from], &now[from..from + follow], &now[from + follow..]];
    let mut dims = [1; 4];
    for (dim, part) in dims.iter_mut().zip(parts) {
        *dim = u32::try_from(length(part)).ok()?;
    }
    now[to..from + follow].rotate_right(follow);
    Some(Permutation { dims, order: [0, 2, 1, 3] })
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
        assert_eq!(step, [Move::Permute(Permutation { dims: [35, 2, 3, 1], order: [0, 2, 1, 3] })]);
        assert_eq!(target, shape);
        assert!(after.is_channels_first(shape));
    }

    #[test]
    fn there_and_back_is_nothing() {
        let (shape, mut layout) = map();
        layout.swap_in(1, 3);
        assert_eq!(layout.axis_of(3, shape), Some(CHANNELS));
        layout.swap_in(3, 1);
        assert_eq!(layout.gather(shape, [&[2], &[3], &[1]]).unwrap().0, []);
        layout.reshape(1, 3, &[210]).unwrap();
        assert_eq!(layout.gather(shape, [&[], &[], &[1]]).unwrap().0, [Move::Flatten]);
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

    fn permuted(values: &[usize], permutation: &Permutation) -> Vec<usize> {
        let dims = permutation.dims.map(|d| d as usize);
        let mut strides = [1; 4];
        for axis in (0..3).rev() {
            strides[axis] = strides[axis + 1] * dims[axis + 1];
        }
        let mut out = vec![0];
        for axis in permutation.order.map(usize::from) {
            out = out
                .iter()
                .flat_map(|&at| (0..dims[axis]).map(move |i| at + i * strides[axis]))
                .collect();
        }
        out.into_iter().map(|at| values[at]).collect()
    }

    /// Tests every order of five and six parts: pixel shuffles, windows of attention, heads.
    #[test]
    fn many_parts_are_moved_in_steps() {
        let shape = Shape::new(6, 10, 12).unwrap();
        let layout = Layout::channels_first(shape, 4);
        for (parts, lengths) in [(5, vec![4, 3, 2, 3, 10]), (6, vec![2, 2, 3, 2, 3, 10])] {
            let mut split = layout.clone();
            split.reshape(1, 3, &lengths).unwrap();
            let mut order: Vec<usize> = (1..=parts).collect();
            for _ in 0..(1..=parts).product::<usize>() {
                next_order(&mut order);
                let (moves, target, after) = split.gather(shape, [&[], &order, &[]]).unwrap();
                let mut values: Vec<usize> = (0..shape.elements()).collect();
                for step in &moves {
                    match step {
                        Move::Permute(permutation) => values = permuted(&values, permutation),
                        Move::Reshape => {}
                        Move::Flatten => panic!("no flattening into columns"),
                    }
                }
                assert!(moves.len() < parts, "{order:?}: {moves:?}");
                let found = after.places(target, |_| true).into_iter().map(|at| values[at]);
                assert!(found.eq(split.places(shape, |_| true)), "{order:?}: {moves:?}");
            }
        }
    }

    /// Puts a list into the next order.
    fn next_order(list: &mut [usize]) {
        let Some(at) = (1..list.len()).rev().find(|&at| list[at - 1] < list[at]) else {
            return list.reverse();
        };
        let other = (at..list.len()).rev().find(|&other| list[other] > list[at - 1]).unwrap();
        list.swap(at - 1, other);
        list[at..].reverse();
    }

    #[test]
    fn axes_change_beside_parts_of_others() {
        let shape = Shape::new(5, 7, 6).unwrap();
        let mut layout = Layout::channels_first(shape, 4);
        layout.reshape(1, 1, &[2, 3]).unwrap();
        let wide = Shape::new(5, 9, 6).unwrap();
        assert_eq!(layout.resized(shape, wide).unwrap().len(4), 9);
        assert!(layout.resized(shape, Shape::new(5, 7, 8).unwrap()).is_none());
        let gone = layout.resized(shape, Shape::new(5, 7, 1).unwrap()).unwrap();
        assert_eq!([gone.len(1), gone.len(2), gone.len(3)], [1, 1, 5]);
    }
}
