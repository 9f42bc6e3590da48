//! Operations on floats against a second implementation of section 5.9 of `numerics.md`, bit for bit:
//! random graphs with every instruction set, several threads, every alignment, canaries around the
//! arena.

mod common;

use common::{Rng, cases, random_window, run, taps};
use offshoot_core::Shape;
use offshoot_core::graph::{
    Binary, Blob, Element, FloatOp, Graph, Node, Op, Permutation, Slice, Tensor, TensorId, Unary,
    Window,
};
use offshoot_core::package::GraphWriter;
use offshoot_core::quant::single;

const UNARIES: [Unary; 13] = [
    Unary::Clamp { lo: -0.5, hi: 0.75 },
    Unary::Sigmoid,
    Unary::Tanh,
    Unary::HardSwish,
    Unary::Exp,
    Unary::Sqrt,
    Unary::Erf,
    Unary::Abs,
    Unary::LeakyRelu { slope: 0.1 },
    Unary::Power { exponent: 3.0 },
    Unary::Log,
    Unary::Step,
    Unary::Gelu,
];
const BINARIES: [Binary; 6] =
    [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Max, Binary::Min];

/// Returns a value; rarely one that arithmetic is most likely to fail at.
fn value(rng: &mut Rng) -> f32 {
    match rng.below(60) {
        0 => 0.0,
        1 => -1e4,
        2 => 1e-30,
        _ => (rng.below(20_001) as f32 - 10_000.0) / 4000.0,
    }
}

fn floats(rng: &mut Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| value(rng)).collect()
}

/// Returns one of the numbers that divide `n`.
fn divisor(rng: &mut Rng, n: usize) -> usize {
    let all: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
    all[rng.below(all.len() as u32) as usize]
}

fn shape(h: usize, w: usize, c: usize) -> Shape {
    Shape::new(h as u32, w as u32, c as u32).unwrap()
}

/// Graph under construction, with the shapes of its tensors.
struct Random {
    rng: Rng,
    writer: GraphWriter,
    shapes: Vec<Shape>,
}

impl Random {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let first = shape(
            1 + rng.below(4) as usize,
            1 + rng.below(12) as usize,
            1 + rng.below(40) as usize,
        );
        let writer = GraphWriter::new(Tensor { shape: first, element: Element::Float });
        Self { rng, writer, shapes: vec![first] }
    }

    fn below(&mut self, n: usize) -> usize {
        self.rng.below(n as u32) as usize
    }

    fn add(&mut self, op: FloatOp, inputs: &[TensorId], shape: Shape) {
        let out = Tensor { shape, element: Element::Float };
        self.writer.node("node", Op::Ordered(op), inputs, out).unwrap();
        self.shapes.push(shape);
    }

    fn blob(&mut self, n: usize) -> Blob {
        let values = floats(&mut self.rng, n);
        self.writer.floats(&values).unwrap()
    }

    /// Adds an operation on random tensors.
    fn step(&mut self) {
        let at = self.below(self.shapes.len());
        let a = self.shapes[at];
        let id = at as TensorId;
        let kind = self.below(17);
        match kind {
            0..3 => self.linear(id, a),
            3 => {
                let op = UNARIES[self.below(13)];
                self.add(FloatOp::Unary(op), &[id], a);
            }
            4 => {
                let values = [a.c(), a.elements()][self.below(2)];
                let op = BINARIES[self.below(6)];
                let values = self.blob(values);
                self.add(FloatOp::Constant { op, values }, &[id], a);
            }
            5..8 => self.pair(id, a),
            8..10 => self.product(id, a),
            10 => self.add(FloatOp::Softmax, &[id], a),
            11..13 => self.window(id, a),
            _ => self.moves(kind, id, a),
        }
    }

    fn linear(&mut self, id: TensorId, a: Shape) {
        let channels = 1 + self.below(40);
        let codes = self.rng.codes(a.c() * channels);
        let sums: Vec<i32> =
            codes.chunks(a.c()).map(|row| row.iter().map(|&c| i32::from(c)).sum()).collect();
        let weights = self.writer.codes(&codes).unwrap();
        let sums = self.writer.words(&sums).unwrap();
        let scales: Vec<f32> = (0..channels).map(|_| 0.002 * value(&mut self.rng)).collect();
        let scales = self.writer.floats(&scales).unwrap();
        let bias = self.blob(channels);
        let out = shape(a.h(), a.w(), channels);
        self.add(FloatOp::Linear { weights, sums, scales, bias }, &[id], out);
    }

    /// Adds a function of two tensors, of one shape or not.
    fn pair(&mut self, id: TensorId, a: Shape) {
        let fits = |b: Shape| b.dims().iter().zip(a.dims()).all(|(&n, m)| n == m || n == 1);
        let others: Vec<TensorId> =
            (0..).zip(&self.shapes).filter(|(_, b)| fits(**b)).map(|(b, _)| b).collect();
        let mut other = others[self.below(others.len())];
        if self.below(2) == 0 {
            let window = Window::covering(a).unwrap();
            self.add(FloatOp::MaxPool { window }, &[id], shape(1, 1, a.c()));
            other = self.shapes.len() as TensorId - 1;
            if self.below(2) == 0 {
                let slice = FloatOp::Slice(Slice { axis: 2, from: 0 });
                self.add(slice, &[other], shape(1, 1, 1));
                other += 1;
            }
        }
        let op = BINARIES[self.below(6)];
        self.add(FloatOp::Binary(op), &[id, other], a);
    }

    fn product(&mut self, id: TensorId, a: Shape) {
        let transposed = self.below(2) == 0;
        let lies = |b: Shape| b.h() == a.h() && (if transposed { b.c() } else { b.w() }) == a.c();
        let others: Vec<TensorId> =
            (0..).zip(&self.shapes).filter(|(_, b)| lies(**b)).map(|(b, _)| b).collect();
        let Some(&other) = others.get(self.below(others.len().max(1))) else { return };
        let b = self.shapes[usize::from(other)];
        let columns = if transposed { b.w() } else { b.c() };
        self.add(FloatOp::MatMul { transposed }, &[id, other], shape(a.h(), a.w(), columns));
    }

    fn window(&mut self, id: TensorId, a: Shape) {
        let pool = self.below(2) == 0;
        let window = random_window(&mut self.rng, pool);
        let Some((h, w)) = window.output(a) else { return };
        let [h, w] = [h, w].map(|side| side as usize);
        if pool && self.below(2) == 0 {
            return self.add(FloatOp::MaxPool { window }, &[id], shape(h, w, a.c()));
        }
        if pool {
            let include_pad = self.below(2) == 0;
            let op = FloatOp::AveragePool { window, include_pad };
            return self.add(op, &[id], shape(h, w, a.c()));
        }
        let groups = divisor(&mut self.rng, a.c());
        let channels = groups * (1 + self.below(3));
        let weights = self.blob(window.taps() * (a.c() / groups) * channels);
        let bias = self.blob(channels);
        let op = FloatOp::Conv { window, groups: groups as u16, weights, bias };
        self.add(op, &[id], shape(h, w, channels));
    }

    fn moves(&mut self, kind: usize, id: TensorId, a: Shape) {
        match kind {
            13 => {
                let split = divisor(&mut self.rng, a.c());
                let dims = [a.h(), a.w(), split, a.c() / split].map(|d| d as u32);
                let mut order = [0u8, 1, 2, 3];
                for i in 0..4 {
                    order.swap(i, i + self.below(4 - i));
                }
                let permutation = Permutation { dims, order };
                let [h, w, c, d] = permutation.axes().map(|(n, _)| n);
                self.add(FloatOp::Permute(permutation), &[id], shape(h, w, c * d));
            }
            14 => {
                let axis = self.below(3);
                let mut dims = a.dims();
                let from = self.below(dims[axis]);
                dims[axis] -= from;
                let op = FloatOp::Slice(Slice { axis: axis as u8, from: from as u32 });
                self.add(op, &[id], shape(dims[0], dims[1], dims[2]));
            }
            15 => {
                let others: Vec<TensorId> = (0..)
                    .zip(&self.shapes)
                    .filter(|(_, b)| b.h() == a.h() && b.w() == a.w() && a.c() + b.c() < 100)
                    .map(|(b, _)| b)
                    .collect();
                let Some(&other) = others.get(self.below(others.len().max(1))) else { return };
                let c = a.c() + self.shapes[usize::from(other)].c();
                self.add(FloatOp::Concat, &[id, other], shape(a.h(), a.w(), c));
            }
            _ if a.elements() < 2000 => match self.below(4) {
                0 => {
                    let pad = [0; 4].map(|_: u8| self.rng.below(3) as u8);
                    let [top, left, bottom, right] = pad.map(usize::from);
                    let out = shape(a.h() + top + bottom, a.w() + left + right, a.c());
                    self.add(FloatOp::Pad { pad }, &[id], out);
                }
                1 => {
                    let out = shape(2 * a.h(), a.w(), a.c());
                    self.add(FloatOp::Upsample { factor: [2, 1] }, &[id], out);
                }
                2 => self.add(FloatOp::Flatten, &[id], shape(1, 1, a.elements())),
                _ => self.add(FloatOp::Reshape, &[id], shape(a.w(), a.h(), a.c())),
            },
            _ => {}
        }
    }
}

/// Second implementation: index by index, from the specification.
fn want(graph: &Graph<'_>, input: &[f32]) -> Vec<Vec<f32>> {
    let mut all = vec![input.to_vec()];
    for (id, node) in graph.nodes() {
        let Op::Ordered(op) = node.op else { unreachable!() };
        let result = node_want(graph, id, &node, op, &all);
        all.push(result);
    }
    all
}

fn halved(terms: impl Iterator<Item = f32>) -> f32 {
    let mut sums = [0f32; 16];
    terms.enumerate().for_each(|(i, term)| sums[i % 16] += term);
    halves(sums)
}

fn halves(mut sums: [f32; 16]) -> f32 {
    for half in [8, 4, 2, 1] {
        (0..half).for_each(|i| sums[i] += sums[i + half]);
    }
    sums[0]
}

fn function(op: Unary, x: f32) -> f32 {
    match op {
        Unary::Clamp { lo, hi } => {
            let x = if x < lo { lo } else { x };
            if x > hi { hi } else { x }
        }
        Unary::Sigmoid => 1.0 / (1.0 + single::exp(-x)),
        Unary::Tanh => 1.0 - 2.0 / (single::exp(2.0 * x) + 1.0),
        Unary::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Unary::Exp => single::exp(x),
        Unary::Sqrt => x.sqrt(),
        Unary::Erf => single::erf(x),
        Unary::Abs => x.abs(),
        Unary::LeakyRelu { slope } => {
            if x < 0.0 {
                slope * x
            } else {
                x
            }
        }
        Unary::Power { exponent } => single::power(x, exponent),
        Unary::Log => single::log(x),
        Unary::Step => f32::from(u8::from(x > 0.0)),
        Unary::Gelu => 0.5 * x * (1.0 + single::erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        _ => unreachable!(),
    }
}

fn pair(op: Binary, a: f32, b: f32) -> f32 {
    match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Max => {
            if a > b {
                a
            } else {
                b
            }
        }
        Binary::Min => {
            if a < b {
                a
            } else {
                b
            }
        }
        _ => unreachable!(),
    }
}

/// Computes a pixel of a linear layer.
fn linear(x: &[f32], weights: &[i8], scales: &[f32], bias: &[f32]) -> Vec<f32> {
    let lo = x.iter().fold(0f32, |m, &v| if v < m { v } else { m });
    let hi = x.iter().fold(0f32, |m, &v| if v > m { v } else { m });
    let step = (hi - lo) / 255.0;
    let usable = step.is_normal();
    let inverse = 1.0 / step;
    let zero = -128.0 - (lo * inverse).round_ties_even();
    let codes = x.iter().map(|&v| {
        let v = if v > lo { v } else { lo };
        let v = if v < hi { v } else { hi };
        ((v * inverse).round_ties_even() + zero).clamp(-128.0, 127.0) - zero
    });
    let codes: Vec<i64> = codes.map(|code| if usable { code as i64 } else { 0 }).collect();
    let rows = weights.chunks(x.len()).zip(scales.iter().zip(bias));
    let results = rows.map(|(row, (scale, bias))| {
        let sum: i64 = row.iter().zip(&codes).map(|(&w, q)| i64::from(w) * q).sum();
        sum as f32 * if usable { step } else { 0.0 } * scale + bias
    });
    results.collect()
}

/// Result of an operation by whole rows of channels; `None` for the others.
fn whole(graph: &Graph<'_>, op: FloatOp, a: Shape, x: &[f32]) -> Option<Vec<f32>> {
    let stored = |blob: Blob| -> Vec<f32> { blob.floats(graph.weights()).collect() };
    Some(match op {
        FloatOp::Reshape => x.to_vec(),
        FloatOp::Unary(op) => x.iter().map(|&v| function(op, v)).collect(),
        FloatOp::Constant { op, values } => {
            let values = stored(values);
            let others = values.iter().cycle();
            x.iter().zip(others).map(|(&a, &b)| pair(op, a, b)).collect()
        }
        FloatOp::Linear { weights, scales, bias, .. } => {
            let codes = weights.codes(graph.weights());
            let pixels = x.chunks(a.c());
            pixels.flat_map(|p| linear(p, codes, &stored(scales), &stored(bias))).collect()
        }
        FloatOp::Softmax => {
            let pixels = x.chunks(a.c()).flat_map(|pixel| {
                let most = pixel.iter().fold(f32::NEG_INFINITY, |m, &v| if v > m { v } else { m });
                let powers: Vec<f32> = pixel.iter().map(|&v| single::exp(v - most)).collect();
                let sum = halved(powers.iter().copied());
                powers.into_iter().map(move |power| power / sum)
            });
            pixels.collect()
        }
        FloatOp::Permute(permutation) => {
            let axes = permutation.axes();
            let [_, n1, n2, n3] = axes.map(|(n, _)| n);
            let places = (0..x.len()).map(|i| {
                let place = [i / (n1 * n2 * n3), i / (n2 * n3) % n1, i / n3 % n2, i % n3];
                place.iter().zip(axes).map(|(p, (_, stride))| p * stride).sum::<usize>()
            });
            places.map(|place| x[place]).collect()
        }
        _ => return None,
    })
}

/// One value of an operation that moves or joins values.
fn moved(op: FloatOp, [a, b, out]: [Shape; 3], [x, z]: [&[f32]; 2], [y, q, c]: [usize; 3]) -> f32 {
    match op {
        FloatOp::Binary(op) => {
            let place = (y.min(b.h() - 1) * b.w() + q.min(b.w() - 1)) * b.c() + c.min(b.c() - 1);
            pair(op, x[(y * out.w() + q) * out.c() + c], z[place])
        }
        FloatOp::MatMul { transposed } => (0..a.c()).fold(0.0, |sum, k| {
            let [row, column] = if transposed { [c, k] } else { [k, c] };
            sum + x[(y * a.w() + q) * a.c() + k] * z[(y * b.w() + row) * b.c() + column]
        }),
        FloatOp::Slice(Slice { axis, from }) => {
            let mut place = [y, q, c];
            place[usize::from(axis)] += from as usize;
            x[(place[0] * a.w() + place[1]) * a.c() + place[2]]
        }
        FloatOp::Concat => {
            let pixel = y * out.w() + q;
            if c < a.c() { x[pixel * a.c() + c] } else { z[pixel * b.c() + c - a.c()] }
        }
        FloatOp::Pad { pad: [top, left, ..] } => {
            let place = y.checked_sub(top.into()).zip(q.checked_sub(left.into()));
            let inside = place.filter(|&(y, q)| y < a.h() && q < a.w());
            inside.map_or(0.0, |(y, q)| x[(y * a.w() + q) * a.c() + c])
        }
        FloatOp::Upsample { factor } => {
            let [y, q] = [y / usize::from(factor[0]), q / usize::from(factor[1])];
            x[(y * a.w() + q) * a.c() + c]
        }
        FloatOp::Flatten => {
            let pixels = a.h() * a.w();
            x[c % pixels * a.c() + c / pixels]
        }
        other => unreachable!("{other:?}"),
    }
}

/// One value of an operation over windows.
fn windowed(
    op: FloatOp,
    stored: &[u8],
    [a, out]: [Shape; 2],
    x: &[f32],
    [y, q, c]: [usize; 3],
) -> f32 {
    match op {
        FloatOp::Conv { window, groups, weights, bias } => {
            let depth = a.c() / usize::from(groups);
            let per_group = out.c() / usize::from(groups);
            let [weights, bias] = [weights, bias].map(|blob| blob.floats(stored));
            let [weights, bias] = [weights.collect::<Vec<f32>>(), bias.collect()];
            {
                let mut sums = [0f32; 16];
                for (ky, kx, from) in taps(&window, y, q, a) {
                    let Some(from) = from else { continue };
                    let tap = (c * usize::from(window.kernel[0]) + ky)
                        * usize::from(window.kernel[1])
                        + kx;
                    for i in 0..depth {
                        let value = x[from + c / per_group * depth + i];
                        sums[i % 16] += value * weights[tap * depth + i];
                    }
                }
                halves(sums) + bias[c]
            }
        }
        FloatOp::AveragePool { window, include_pad } => {
            let inside: Vec<usize> = taps(&window, y, q, a).iter().filter_map(|t| t.2).collect();
            let count = if include_pad { window.taps() } else { inside.len() };
            inside.iter().fold(0.0, |sum, from| sum + x[from + c]) / count as f32
        }
        FloatOp::MaxPool { window } => {
            let inside = taps(&window, y, q, a).into_iter().filter_map(|t| t.2);
            let most = |m: f32, from: usize| if x[from + c] > m { x[from + c] } else { m };
            inside.fold(f32::NEG_INFINITY, most)
        }
        other => unreachable!("{other:?}"),
    }
}

fn node_want(
    graph: &Graph<'_>,
    id: TensorId,
    node: &Node<'_>,
    op: FloatOp,
    all: &[Vec<f32>],
) -> Vec<f32> {
    let ids: Vec<usize> = node.inputs.iter().map(usize::from).collect();
    let a = graph.tensor(ids[0] as TensorId).shape;
    let b = graph.tensor(ids[ids.len() - 1] as TensorId).shape;
    let out = graph.tensor(id).shape;
    let x = &all[ids[0]][..];
    let z = &all[ids[ids.len() - 1]][..];
    if let Some(values) = whole(graph, op, a, x) {
        return values;
    }
    let value = |i: usize| {
        let at = [i / (out.w() * out.c()), i / out.c() % out.w(), i % out.c()];
        match op {
            FloatOp::Conv { .. } | FloatOp::AveragePool { .. } | FloatOp::MaxPool { .. } => {
                windowed(op, graph.weights(), [a, out], x, at)
            }
            _ => moved(op, [a, b, out], [x, z], at),
        }
    };
    (0..out.elements()).map(value).collect()
}

fn bytes(values: &[f32]) -> Vec<i8> {
    values.iter().flat_map(|v| v.to_le_bytes().map(|byte| byte as i8)).collect()
}

fn values(bytes: &[i8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b: &[i8; 4]| f32::from_le_bytes(b.map(|b| b as u8))).collect()
}

/// All NaN count as one value.
fn bits(value: f32) -> u32 {
    if value.is_nan() { 0x7fc0_0000 } else { value.to_bits() }
}

#[test]
fn random_graphs_have_the_specified_bits() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..u64::from(cases(200)) {
        let mut random = Random::new(seed);
        (0..14).for_each(|_| random.step());
        let Random { mut rng, writer, shapes } = random;
        if shapes.len() < 2 {
            continue;
        }
        // The last result, which may depend on little, and one in the middle.
        for output in [shapes.len() - 1, shapes.len().div_ceil(2)] {
            let output = output as TensorId;
            let graph = writer.graph(output).unwrap();
            assert!(graph.is_ordered() && !graph.is_int8());
            seen.extend(graph.nodes().map(|(_, node)| node.op.name()));
            let input = floats(&mut rng, shapes[0].elements());
            let all = want(&graph, &input);
            let got = values(&run(&writer, output, &bytes(&input)));
            let wanted = &all[usize::from(output)];
            assert!(
                got.iter().map(|v| bits(*v)).eq(wanted.iter().map(|v| bits(*v))),
                "{seed}: {got:?}\n{wanted:?}"
            );
        }
    }
    assert!(cfg!(miri) || seen.len() == 17, "{seen:?}");
}

/// Rows of several blocks, and depths that kernels like.
#[test]
fn long_linear_layers_have_the_specified_bits() {
    for (pixels, depth, channels) in [(67, 96, 33), (130, 17, 16), (64, 128, 48), (1, 300, 100)] {
        let mut rng = Rng(pixels as u64);
        let a = shape(1, pixels, depth);
        let writer = GraphWriter::new(Tensor { shape: a, element: Element::Float });
        let mut random = Random { rng: Rng(depth as u64), writer, shapes: vec![a] };
        let codes = random.rng.codes(depth * channels);
        let sums: Vec<i32> =
            codes.chunks(depth).map(|row| row.iter().map(|&c| i32::from(c)).sum()).collect();
        let op = FloatOp::Linear {
            weights: random.writer.codes(&codes).unwrap(),
            sums: random.writer.words(&sums).unwrap(),
            scales: random.blob(channels),
            bias: random.blob(channels),
        };
        random.add(op, &[0], shape(1, pixels, channels));
        let input = floats(&mut rng, a.elements());
        let graph = random.writer.graph(1).unwrap();
        let wanted = want(&graph, &input).remove(1);
        assert_eq!(values(&run(&random.writer, 1, &bytes(&input))), wanted);
    }
}

/// Depthwise windows inside the feature map and across its borders, of channels that are no multiple
/// of a vector's, with rows of several pixels.
#[test]
fn depthwise_windows_have_the_specified_bits() {
    let point = Window::POINT;
    let large = Window { kernel: [7, 7], pad: [3; 4], ..point };
    let windows = [
        (large, [9, 14, 37]),
        (Window { stride: [2, 2], ..large }, [10, 19, 16]),
        (Window { kernel: [3, 3], dilation: [2, 2], pad: [2; 4], ..point }, [7, 11, 5]),
        (Window { kernel: [1, 9], pad: [0, 4, 0, 4], ..point }, [2, 13, 33]),
        (Window { kernel: [9, 9], pad: [4; 4], ..point }, [5, 6, 17]),
    ];
    for (window, [h, w, c]) in windows {
        let a = shape(h, w, c);
        let writer = GraphWriter::new(Tensor { shape: a, element: Element::Float });
        let mut random = Random { rng: Rng(c as u64), writer, shapes: vec![a] };
        let weights = random.blob(window.taps() * c);
        let bias = random.blob(c);
        let (h, w) = window.output(a).unwrap();
        let op = FloatOp::Conv { window, groups: c as u16, weights, bias };
        random.add(op, &[0], shape(h as usize, w as usize, c));
        let input = floats(&mut random.rng, a.elements());
        let wanted = want(&random.writer.graph(1).unwrap(), &input).remove(1);
        let got = values(&run(&random.writer, 1, &bytes(&input)));
        assert!(got.iter().map(|v| v.to_bits()).eq(wanted.iter().map(|v| v.to_bits())));
    }
}

/// Int8 layers and floats in one plan.
#[test]
fn floats_become_codes_and_codes_floats() {
    let mut rng = Rng(3);
    let input = rng.tensor(shape(2, 3, 5));
    let mut writer = GraphWriter::new(input);
    let float = Tensor { element: Element::Float, ..input };
    let a = writer.node("a", Op::Ordered(FloatOp::Dequantize), &[0], float).unwrap();
    let b = writer.node("b", Op::Ordered(FloatOp::Unary(Unary::Tanh)), &[a], float).unwrap();
    let out = rng.tensor(input.shape);
    let c = writer.node("c", Op::Ordered(FloatOp::Quantize), &[b], out).unwrap();
    let codes = rng.codes(30);
    let from = input.element.quant().unwrap();
    let to = out.element.quant().unwrap();
    let wanted: Vec<i8> =
        codes.iter().map(|&c| to.quantize(single::tanh(from.dequantize(c)))).collect();
    assert_eq!(run(&writer, c, &codes), wanted);
}
