//! all-MiniLM-L6-v2 at 64 tokens, with random weights, or any package of ordered operations: time of a
//! run and of each kind of step, for every instruction set of this processor.
//!
//! ```text
//! cargo run --release -p offshoot-engine --features std --example minilm [RUNS] [ISA] [PACKAGE]
//! ```
//!
//! Needs no package and no tract, so that it crosses to any board; weights hardly change the time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use offshoot_core::graph::{
    Binary, Element, FloatOp, Graph, Op, Permutation, Slice, Tensor, TensorId, Unary, Window,
};
use offshoot_core::package::GraphWriter;
use offshoot_core::{Package, Shape};
use offshoot_engine::{Isa, Plan, Slot, Step};

const LAYERS: usize = 6;
const HEADS: u32 = 12;
const WIDTH: u32 = 384;
const INSIDE: u32 = 1536;
const LENGTH: u32 = 64;

struct Builder {
    writer: GraphWriter,
    state: u64,
}

impl Builder {
    fn next(&mut self) -> i8 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // Of two of them products fit 16 bits, as the converter sees to it.
        (self.state >> 40) as i8 / 2
    }

    fn floats(&mut self, n: u32, scale: f32) -> Vec<f32> {
        (0..n).map(|_| scale * f32::from(self.next())).collect()
    }

    fn op(&mut self, op: FloatOp, inputs: &[TensorId], [h, w, c]: [u32; 3]) -> TensorId {
        let shape = Shape::new(h, w, c).expect("small");
        let out = Tensor { shape, element: Element::Float };
        self.writer.node("node", Op::Ordered(op), inputs, out).expect("small")
    }

    fn constant(&mut self, x: TensorId, op: Binary, values: &[f32], shape: [u32; 3]) -> TensorId {
        let values = self.writer.floats(values).expect("small");
        self.op(FloatOp::Constant { op, values }, &[x], shape)
    }

    fn linear(&mut self, x: TensorId, depth: u32, channels: u32) -> TensorId {
        let codes: Vec<i8> = (0..depth * channels).map(|_| self.next()).collect();
        let rows = codes.chunks(depth as usize);
        let sums: Vec<i32> = rows.map(|row| row.iter().map(|&c| i32::from(c)).sum()).collect();
        let bias = self.floats(channels, 0.001);
        let op = FloatOp::Linear {
            weights: self.writer.codes(&codes).expect("small"),
            sums: self.writer.words(&sums).expect("small"),
            scales: self.writer.floats(&vec![0.001; channels as usize]).expect("small"),
            bias: self.writer.floats(&bias).expect("small"),
        };
        self.op(op, &[x], [1, LENGTH, channels])
    }

    fn mean(&mut self, x: TensorId) -> TensorId {
        let op = FloatOp::Conv {
            window: Window::POINT,
            groups: 1,
            weights: self.writer.floats(&[1.0 / WIDTH as f32; WIDTH as usize]).expect("small"),
            bias: self.writer.floats(&[0.0]).expect("small"),
        };
        self.op(op, &[x], [1, LENGTH, 1])
    }

    fn norm(&mut self, x: TensorId) -> TensorId {
        let all = [1, LENGTH, WIDTH];
        let mean = self.mean(x);
        let centred = self.op(FloatOp::Binary(Binary::Sub), &[x, mean], all);
        let square = self.op(FloatOp::Binary(Binary::Mul), &[centred, centred], all);
        let variance = self.mean(square);
        let sum = self.constant(variance, Binary::Add, &[1e-12], [1, LENGTH, 1]);
        let root = self.op(FloatOp::Unary(Unary::Sqrt), &[sum], [1, LENGTH, 1]);
        let x = self.op(FloatOp::Binary(Binary::Div), &[centred, root], all);
        let scales = self.floats(WIDTH, 0.01);
        let x = self.constant(x, Binary::Mul, &scales, all);
        let offsets = self.floats(WIDTH, 0.01);
        self.constant(x, Binary::Add, &offsets, all)
    }

    /// Moves the values of a head together: positions by values, or the other way.
    fn head(&mut self, x: TensorId, order: [u8; 4], shape: [u32; 3]) -> TensorId {
        let dims = [LENGTH, HEADS, WIDTH / HEADS, 1];
        self.op(FloatOp::Permute(Permutation { dims, order }), &[x], shape)
    }

    fn layer(&mut self, x: TensorId, mask: TensorId) -> TensorId {
        let own = WIDTH / HEADS;
        let square = [HEADS, LENGTH, LENGTH];
        let query = self.linear(x, WIDTH, WIDTH);
        let query = self.head(query, [1, 0, 2, 3], [HEADS, LENGTH, own]);
        let key = self.linear(x, WIDTH, WIDTH);
        let key = self.head(key, [1, 2, 0, 3], [HEADS, own, LENGTH]);
        let value = self.linear(x, WIDTH, WIDTH);
        let value = self.head(value, [1, 0, 2, 3], [HEADS, LENGTH, own]);
        let product = FloatOp::MatMul { transposed: false };
        let scores = self.op(product, &[query, key], square);
        let scores = self.constant(scores, Binary::Div, &[32f32.sqrt(); 64], square);
        let scores = self.op(FloatOp::Binary(Binary::Add), &[scores, mask], square);
        let shares = self.op(FloatOp::Softmax, &[scores], square);
        let context = self.op(product, &[shares, value], [HEADS, LENGTH, own]);
        let back = Permutation { dims: [HEADS, LENGTH, own, 1], order: [1, 0, 2, 3] };
        let context = self.op(FloatOp::Permute(back), &[context], [1, LENGTH, WIDTH]);
        let attention = self.linear(context, WIDTH, WIDTH);
        let add = FloatOp::Binary(Binary::Add);
        let x = self.op(add, &[attention, x], [1, LENGTH, WIDTH]);
        let x = self.norm(x);
        let inside = self.linear(x, WIDTH, INSIDE);
        let inside = self.op(FloatOp::Unary(Unary::Gelu), &[inside], [1, LENGTH, INSIDE]);
        let out = self.linear(inside, INSIDE, WIDTH);
        let x = self.op(add, &[out, x], [1, LENGTH, WIDTH]);
        self.norm(x)
    }
}

fn minilm() -> (GraphWriter, TensorId) {
    let input = Shape::new(1, LENGTH, WIDTH + 2).expect("small");
    let writer = GraphWriter::new(Tensor { shape: input, element: Element::Float });
    let mut net = Builder { writer, state: 1 };
    let rows = FloatOp::Slice(Slice { axis: 2, from: 2 });
    let x = net.op(rows, &[Graph::INPUT], [1, LENGTH, WIDTH]);
    let places = net.floats(LENGTH * WIDTH, 0.001);
    let x = net.constant(x, Binary::Add, &places, [1, LENGTH, WIDTH]);
    let mut x = net.norm(x);
    let marks = net.op(FloatOp::Slice(Slice { axis: 2, from: 0 }), &[Graph::INPUT], [1, LENGTH, 1]);
    let mask = net.op(FloatOp::Reshape, &[marks], [1, 1, LENGTH]);
    let mask = net.constant(mask, Binary::Sub, &[1.0; LENGTH as usize], [1, 1, LENGTH]);
    let mask = net.constant(mask, Binary::Mul, &[10_000.0; LENGTH as usize], [1, 1, LENGTH]);
    for _ in 0..LAYERS {
        x = net.layer(x, mask);
    }
    let window = Window::covering(Shape::new(1, LENGTH, WIDTH).expect("small")).expect("small");
    let mean = FloatOp::AveragePool { window, include_pad: false };
    let output = net.op(mean, &[x], [1, 1, WIDTH]);
    (net.writer, output)
}

fn main() {
    let mut args = std::env::args().skip(1);
    let runs = args.next().map_or(20, |n| n.parse().expect("a number of runs"));
    let only = args.next();
    let file = args.next().map(|path| std::fs::read(path).expect("a package"));
    let (writer, output) = minilm();
    let package = file.as_ref().map(|bytes| Package::open(bytes).expect("a package"));
    let graph = match &package {
        Some(package) => *package.graph(),
        None => writer.graph(output).expect("a valid graph"),
    };
    let kinds: Vec<&str> = graph.nodes().map(|(_, node)| node.op.name()).collect();
    for isa in
        Isa::available().filter(|isa| only.as_ref().is_none_or(|name| isa.name().contains(name)))
    {
        let mut slots = vec![Slot::EMPTY; Plan::<Vec<Step>>::slots_needed(&graph)];
        let steps = Plan::<Vec<Step>>::steps_needed(&graph, 0..graph.node_count()).expect("known");
        let plan = Plan::new(&graph, isa, &mut slots, vec![Step::EMPTY; steps]).expect("known");
        let mut packed = vec![0; plan.packed_bytes()];
        plan.pack(graph.weights(), &mut packed).expect("as long as asked");
        let mut arena = vec![0; plan.arena_bytes()];
        let mut times = Vec::new();
        let mut least = vec![Duration::MAX; kinds.len()];
        for run in 0..runs {
            for (at, value) in arena[plan.input().range()].as_chunks_mut().0.iter_mut().enumerate()
            {
                let value_of_place = ((at * 37 + run) % 101) as f32 / 101.0;
                *value = value_of_place.to_le_bytes().map(|byte| byte as i8);
            }
            let start = Instant::now();
            let mut last = start;
            let watch = |steps: &[Step]| {
                let now = Instant::now();
                let own = &mut least[steps[0].node()];
                *own = (now - last).min(*own);
                last = now;
            };
            plan.run_with_observer(graph.weights(), &packed, &mut arena, watch).expect("enough");
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let result = &arena[plan.output().range()];
        let sum = result.iter().fold(0u32, |sum, &byte| sum.rotate_left(5) ^ u32::from(byte as u8));
        println!(
            "{isa}: median {:.2} ms, best {:.2} ms, arena {} (largest live set {}), packed {}, digest {sum}",
            times[times.len() / 2],
            times[0],
            plan.arena_bytes(),
            plan.live_set_bytes(),
            plan.packed_bytes()
        );
        print_kinds(&kinds, &least);
    }
}

/// Prints the time of the nodes of each kind, the longest first.
fn print_kinds(kinds: &[&str], least: &[Duration]) {
    let mut spent = BTreeMap::<&str, Duration>::new();
    for (kind, time) in kinds.iter().zip(least).filter(|(_, time)| **time < Duration::MAX) {
        *spent.entry(kind).or_default() += *time;
    }
    let mut spent: Vec<_> = spent.into_iter().collect();
    spent.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    for (kind, time) in spent {
        println!("  {kind:20} {:6.2} ms", time.as_secs_f64() * 1e3);
    }
}
