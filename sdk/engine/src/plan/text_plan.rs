//! Plan of a network for text that computes only the positions that have a token.
//!
//! A text of fewer tokens than a network takes leaves positions behind its end. They are the last
//! of an axis of every tensor, so that a shorter text is the same steps on shorter tensors, at the
//! same places in the arena. Planning finds that axis: the *stride* of the positions is the number of
//! values from one to the next in the whole tensor, which no reshape changes. Scores of attention
//! have two.

use std::vec;
use std::vec::Vec;

use offshoot_core::Shape;
use offshoot_core::graph::{FloatOp, Graph, Node, Op, Permutation, Window};

use super::step::{Step, StepOp};
use super::{Config, Plan};
use crate::error::PlanError;

/// Plan of a network for text, at any number of tokens.
#[derive(Debug, Clone)]
pub struct TextPlan {
    /// Plan of the number of tokens that it was last asked for.
    plan: Plan<Vec<Step>>,
    /// Steps of all positions.
    whole: Vec<Step>,
    axes: Vec<Axes>,
    /// Shape of the whole input.
    input: Shape,
}

/// Axes of a step's tensors that have positions, a bit for each; and those of a permutation.
#[derive(Debug, Clone, Copy, Default)]
struct Axes {
    a: u8,
    b: u8,
    out: u8,
    dims: u8,
}

/// Strides of the positions of a tensor; 0: none.
type Strides = [usize; 2];

/// For each axis of a shape the values from position to position along this axis, if it has any.
type Inner = [Option<usize>; 3];

impl TextPlan {
    /// Plans a graph; [`None`] if it has an operation that joins positions in a way that depends on
    /// their number, or whose result has positions.
    ///
    /// # Errors
    /// Those of [`Plan::build`].
    pub fn build(graph: &Graph<'_>, config: impl Into<Config>) -> Result<Option<Self>, PlanError> {
        let all = 0..graph.node_count();
        let (plan, _) = Plan::build(graph, config, all, &[Graph::INPUT], &[graph.output()])?;
        let input = plan.input().shape;
        let Some(strides) = Positions::of(graph) else { return Ok(None) };
        let axes = strides.axes(graph, plan.steps());
        let whole = plan.steps().to_vec();
        Ok(axes.map(|axes| Self { plan, whole, axes, input }))
    }

    /// Returns the plan for a text of `tokens`; its input has as many positions. Arena and weights
    /// are those of a plan of the whole graph.
    ///
    /// # Panics
    /// If there are no tokens, or more than the input has positions.
    pub fn at(&mut self, tokens: usize) -> &Plan<Vec<Step>> {
        let most = self.input.w();
        assert!((1..=most).contains(&tokens), "the tokens were checked");
        if self.plan.input.shape.w() != tokens {
            let part = Part { tokens, most };
            let steps = self.plan.steps.iter_mut().zip(&self.whole).zip(&self.axes);
            steps.for_each(|((step, whole), axes)| *step = part.step(whole, *axes));
            self.plan.input.shape = part.shape(self.input, 0b010);
        }
        &self.plan
    }
}

/// Number of tokens, of most.
#[derive(Clone, Copy)]
struct Part {
    tokens: usize,
    most: usize,
}

impl Part {
    fn step(self, whole: &Step, axes: Axes) -> Step {
        let mut step = *whole;
        step.a.shape = self.shape(whole.a.shape, axes.a);
        step.b.shape = self.shape(whole.b.shape, axes.b);
        step.out.shape = self.shape(whole.out.shape, axes.out);
        if let StepOp::Ordered(FloatOp::Permute(Permutation { dims, .. })) = &mut step.op {
            for (axis, length) in dims.iter_mut().enumerate() {
                *length = self.length(*length as usize, axes.dims >> axis) as u32;
            }
        }
        step
    }

    fn shape(self, shape: Shape, axes: u8) -> Shape {
        let [h, w, c] = shape.dims();
        let lengths = [(h, axes), (w, axes >> 1), (c, axes >> 2)];
        let [h, w, c] = lengths.map(|(length, bits)| self.length(length, bits) as u32);
        Shape::new(h, w, c).unwrap_or(shape)
    }

    /// Returns the length of an axis, which has positions if the lowest bit is set.
    fn length(self, length: usize, bits: u8) -> usize {
        if bits & 1 == 1 { length / self.most * self.tokens } else { length }
    }
}

/// Strides of the positions of every tensor.
struct Positions {
    most: usize,
    strides: Vec<Strides>,
}

impl Positions {
    fn of(graph: &Graph<'_>) -> Option<Self> {
        let input = graph.tensor(Graph::INPUT).shape;
        let most = input.w();
        if most < 2 || input.h() > 1 {
            return None;
        }
        let mut found = Self { most, strides: vec![[0; 2]; graph.tensor_count()] };
        found.strides[0] = [input.c(), 0];
        for (id, node) in graph.nodes() {
            let mut inputs = node.inputs.iter();
            if inputs.any(|input| found.strides[usize::from(input)] != [0; 2]) {
                found.strides[usize::from(id)] = found.node(graph, id.into(), &node)?;
            }
        }
        let output = usize::from(graph.output());
        (found.strides[output] == [0; 2]).then_some(found)
    }

    /// Returns the strides of a node's result.
    fn node(&self, graph: &Graph<'_>, id: usize, node: &Node<'_>) -> Option<Strides> {
        let Op::Ordered(op) = node.op else { return None };
        let ids: Vec<usize> = node.inputs.iter().map(usize::from).collect();
        let shapes: Vec<Shape> = node.inputs.iter().map(|i| graph.tensor(i).shape).collect();
        let out = graph.tensor(id as u16).shape;
        let [a, b] = [shapes[0], shapes[ids.len() - 1]];
        let x = self.inner(a, self.strides[ids[0]])?;
        let z = self.inner(b, self.strides[ids[ids.len() - 1]])?;
        let is_whole = |axis: usize| x[axis].is_none_or(|n| n == 1 && a.dims()[axis] == self.most);
        let result = match op {
            FloatOp::Unary(_) | FloatOp::Softmax => x,
            FloatOp::Constant { .. } => Some(x).filter(|_| (0..3).all(is_whole))?,
            FloatOp::Binary(_) => {
                let fits = |axis: usize| b.dims()[axis] == 1 || x[axis] == z[axis];
                Some(x).filter(|_| (0..3).all(fits))?
            }
            FloatOp::MatMul { transposed } => {
                let [depth, columns] = if transposed { [z[2], z[1]] } else { [z[1], z[2]] };
                let fits = x[0] == z[0] && x[2] == depth;
                Some([x[0], x[1], columns]).filter(|_| fits)?
            }
            FloatOp::Linear { .. } | FloatOp::Conv { window: Window::POINT, .. } => {
                Some(x).filter(|_| x[2].is_none())?
            }
            FloatOp::Concat => {
                let alike = ids.iter().zip(&shapes).all(|(&id, &shape)| {
                    let own = self.inner(shape, self.strides[id]);
                    own == Some([x[0], x[1], None])
                });
                Some(x).filter(|_| alike)?
            }
            FloatOp::Slice(slice) => {
                let axis = usize::from(slice.axis);
                let is_first = slice.from == 0 && out.dims()[axis] == 1 && is_whole(axis);
                let mut left = x;
                if x[axis].is_some() {
                    left[axis] = None;
                }
                Some(left).filter(|_| x[axis].is_none() || is_first)?
            }
            FloatOp::Reshape => {
                let same = self.strides[ids[0]];
                return self.inner(out, same).map(|_| same);
            }
            FloatOp::Permute(permutation) => {
                let moved = self.permuted(&permutation, self.strides[ids[0]])?;
                return self.inner(out, moved).map(|_| moved);
            }
            _ => return None,
        };
        let units = units(out);
        let mut own = [0, 1, 2].into_iter().filter_map(|axis| Some(result[axis]? * units[axis]));
        let strides = [own.next().unwrap_or(0), own.next().unwrap_or(0)];
        own.next().is_none().then_some(strides)
    }

    /// Returns the values from position to position along each axis; [`None`] if positions are no
    /// factor of an axis, or two are of the same.
    fn inner(&self, shape: Shape, strides: Strides) -> Option<Inner> {
        let mut inner = [None; 3];
        for stride in strides.into_iter().filter(|&stride| stride > 0) {
            let axis = self.axis(&shape.dims(), &units(shape), stride)?;
            if inner[axis].replace(stride / units(shape)[axis]).is_some() {
                return None;
            }
        }
        Some(inner)
    }

    /// Returns the axis of which positions with this stride are a factor.
    fn axis(&self, lengths: &[usize], units: &[usize], stride: usize) -> Option<usize> {
        (0..lengths.len()).find(|&axis| {
            let within = stride.is_multiple_of(units[axis]);
            within && (units[axis] * lengths[axis]).is_multiple_of(stride * self.most)
        })
    }

    /// Returns the axes of the input of a permutation that have positions, and their strides in the
    /// result.
    fn permuted(&self, permutation: &Permutation, strides: Strides) -> Option<Strides> {
        let (units, lengths) = dims(permutation);
        let mut moved = [0; 2];
        for (to, stride) in moved.iter_mut().zip(strides).filter(|(_, stride)| *stride > 0) {
            let axis = self.axis(&lengths, &units, stride)?;
            let place = permutation.order.iter().position(|&from| usize::from(from) == axis)?;
            let behind = permutation.order[place + 1..].iter().map(|&from| usize::from(from));
            *to = stride / units[axis] * behind.map(|from| lengths[from]).product::<usize>();
        }
        Some(moved)
    }

    /// Returns a bit for each axis of a tensor that has positions.
    fn bits(&self, graph: &Graph<'_>, id: usize) -> Option<u8> {
        let inner = self.inner(graph.tensor(id as u16).shape, self.strides[id])?;
        Some((0..3).map(|axis| u8::from(inner[axis].is_some()) << axis).sum())
    }

    /// Returns the axes of each step.
    fn axes(&self, graph: &Graph<'_>, steps: &[Step]) -> Option<Vec<Axes>> {
        let mut axes = Vec::with_capacity(steps.len());
        let mut nodes = graph.nodes().enumerate();
        let mut current = nodes.next()?;
        let mut operand = 0;
        for step in steps {
            while current.0 != step.node() {
                current = nodes.next()?;
                operand = 0;
            }
            let (index, (_, node)) = &current;
            let ids: Vec<usize> = node.inputs.iter().map(usize::from).collect();
            let is_place = matches!(step.op, StepOp::Place { .. });
            let first = if is_place { ids[operand] } else { ids[0] };
            operand += usize::from(is_place);
            let [a, out] = [first, index + 1].map(|id| self.bits(graph, id));
            let mut own = Axes { a: a?, out: out?, ..Axes::default() };
            // What a step has besides one operand is the operand itself. Constants lie as all
            // positions want them: there it stays whole.
            own.b = match (&ids[..], step.op) {
                (_, StepOp::Ordered(FloatOp::Constant { .. })) => 0,
                (&[_, second], StepOp::Ordered(_)) => self.bits(graph, second)?,
                _ => own.a,
            };
            if let StepOp::Ordered(FloatOp::Permute(permutation)) = &step.op {
                let (units, lengths) = dims(permutation);
                for stride in self.strides[first].into_iter().filter(|&stride| stride > 0) {
                    own.dims |= 1 << self.axis(&lengths, &units, stride)?;
                }
            }
            axes.push(own);
        }
        Some(axes)
    }
}

/// Returns the values from place to place along each axis of a shape.
fn units(shape: Shape) -> [usize; 3] {
    [shape.w() * shape.c(), shape.c(), 1]
}

/// Returns the values from place to place along each axis of a permutation's input, and the lengths.
fn dims(permutation: &Permutation) -> ([usize; 4], [usize; 4]) {
    let lengths = permutation.dims.map(|length| length as usize);
    ([0, 1, 2, 3].map(|axis| lengths[axis + 1..].iter().product()), lengths)
}
