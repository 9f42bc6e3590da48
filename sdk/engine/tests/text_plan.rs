//! Plans of a text's own positions against those of all positions, of which the rest is padding that a
//! mask hides: the same bits, for every length, instruction set and number of threads.

mod common;

use std::num::NonZeroU8;

use common::Rng;
use offshoot_core::Shape;
use offshoot_core::graph::{
    Binary, Element, FloatOp, Graph, Op, Permutation, Slice, Tensor, TensorId, Unary, Window,
};
use offshoot_core::package::GraphWriter;
use offshoot_engine::{Config, Isa, Plan, Step, TextPlan};

/// Positions; the values of a head are as many, so that lengths alone do not tell which they are.
const LENGTH: u32 = 6;
const HEADS: u32 = 3;
const WIDTH: u32 = LENGTH * HEADS;

struct Network {
    rng: Rng,
    writer: GraphWriter,
}

impl Network {
    fn new() -> Self {
        let shape = Shape::new(1, LENGTH, 2 + WIDTH).unwrap();
        Self { rng: Rng(7), writer: GraphWriter::new(Tensor { shape, element: Element::Float }) }
    }

    fn floats(&mut self, n: u32) -> Vec<f32> {
        (0..n).map(|_| (self.rng.below(2001) as f32 - 1000.0) / 700.0).collect()
    }

    fn op(&mut self, op: FloatOp, inputs: &[TensorId], [h, w, c]: [u32; 3]) -> TensorId {
        let out = Tensor { shape: Shape::new(h, w, c).unwrap(), element: Element::Float };
        self.writer.node("node", Op::Ordered(op), inputs, out).unwrap()
    }

    fn constant(&mut self, x: TensorId, op: Binary, values: &[f32], shape: [u32; 3]) -> TensorId {
        let values = self.writer.floats(values).unwrap();
        self.op(FloatOp::Constant { op, values }, &[x], shape)
    }

    fn linear(&mut self, x: TensorId, depth: u32, channels: u32) -> TensorId {
        let codes = self.rng.codes((depth * channels) as usize);
        let rows = codes.chunks(depth as usize);
        let sums: Vec<i32> = rows.map(|row| row.iter().map(|&c| i32::from(c)).sum()).collect();
        let bias = self.floats(channels);
        let op = FloatOp::Linear {
            weights: self.writer.codes(&codes).unwrap(),
            sums: self.writer.words(&sums).unwrap(),
            scales: self.writer.floats(&vec![0.002; channels as usize]).unwrap(),
            bias: self.writer.floats(&bias).unwrap(),
        };
        self.op(op, &[x], [1, LENGTH, channels])
    }

    /// Returns the rows of the tokens with positions added.
    fn rows(&mut self) -> TensorId {
        let rows = FloatOp::Slice(Slice { axis: 2, from: 2 });
        let x = self.op(rows, &[Graph::INPUT], [1, LENGTH, WIDTH]);
        let places = self.floats(LENGTH * WIDTH);
        self.constant(x, Binary::Add, &places, [1, LENGTH, WIDTH])
    }

    /// Returns a channel of the input, 0 or 1, as a row of `1 x 1 x LENGTH`.
    fn mark(&mut self, channel: u32) -> TensorId {
        let from = FloatOp::Slice(Slice { axis: 2, from: channel });
        let rest = self.op(from, &[Graph::INPUT], [1, LENGTH, 2 + WIDTH - channel]);
        let permutation =
            Permutation { dims: [1, LENGTH, 2 + WIDTH - channel, 1], order: [0, 2, 1, 3] };
        let turned =
            self.op(FloatOp::Permute(permutation), &[rest], [1, 2 + WIDTH - channel, LENGTH]);
        self.op(FloatOp::Slice(Slice { axis: 1, from: 0 }), &[turned], [1, 1, LENGTH])
    }

    fn head(&mut self, x: TensorId, order: [u8; 4], shape: [u32; 3]) -> TensorId {
        let dims = [LENGTH, HEADS, WIDTH / HEADS, 1];
        self.op(FloatOp::Permute(Permutation { dims, order }), &[x], shape)
    }

    /// Attention, with a mask added by `hide`.
    fn attention(
        &mut self,
        x: TensorId,
        transposed: bool,
        hide: impl FnOnce(&mut Self, TensorId) -> TensorId,
    ) -> TensorId {
        let own = WIDTH / HEADS;
        let [query, key, value] = [0; 3].map(|_: u8| self.linear(x, WIDTH, WIDTH));
        let query = self.head(query, [1, 0, 2, 3], [HEADS, LENGTH, own]);
        let key = match transposed {
            true => self.head(key, [1, 0, 2, 3], [HEADS, LENGTH, own]),
            false => self.head(key, [1, 2, 0, 3], [HEADS, own, LENGTH]),
        };
        let value = self.head(value, [1, 0, 2, 3], [HEADS, LENGTH, own]);
        let square = [HEADS, LENGTH, LENGTH];
        let scores = self.op(FloatOp::MatMul { transposed }, &[query, key], square);
        let scores = hide(self, scores);
        let shares = self.op(FloatOp::Softmax, &[scores], square);
        let product = FloatOp::MatMul { transposed: false };
        let context = self.op(product, &[shares, value], [HEADS, LENGTH, own]);
        let back = Permutation { dims: [HEADS, LENGTH, own, 1], order: [1, 0, 2, 3] };
        let context = self.op(FloatOp::Permute(back), &[context], [LENGTH, HEADS, own]);
        let context = self.op(FloatOp::Reshape, &[context], [1, LENGTH, WIDTH]);
        let sum = FloatOp::Binary(Binary::Add);
        let x = self.op(sum, &[context, x], [1, LENGTH, WIDTH]);
        let mean = self.mean(x);
        let x = self.op(FloatOp::Binary(Binary::Sub), &[x, mean], [1, LENGTH, WIDTH]);
        self.op(FloatOp::Unary(Unary::Gelu), &[x], [1, LENGTH, WIDTH])
    }

    fn mean(&mut self, x: TensorId) -> TensorId {
        let op = FloatOp::Conv {
            window: Window::POINT,
            groups: 1,
            weights: self.writer.floats(&[1.0 / WIDTH as f32; WIDTH as usize]).unwrap(),
            bias: self.writer.floats(&[0.0]).unwrap(),
        };
        self.op(op, &[x], [1, LENGTH, 1])
    }

    /// Product of the pooling's weights and the tokens' vectors.
    fn pooled(&mut self, x: TensorId) -> TensorId {
        let weights = self.mark(1);
        self.op(FloatOp::MatMul { transposed: false }, &[weights, x], [1, 1, WIDTH])
    }
}

/// BERT: the marks of tokens hide the others, in two layers.
fn masked(transposed: bool) -> (GraphWriter, TensorId) {
    let mut net = Network::new();
    let mut x = net.rows();
    let mask = net.mark(0);
    let mask = net.constant(mask, Binary::Sub, &[1.0; LENGTH as usize], [1, 1, LENGTH]);
    let mask = net.constant(mask, Binary::Mul, &[10_000.0; LENGTH as usize], [1, 1, LENGTH]);
    for _ in 0..2 {
        x = net.attention(x, transposed, |net, scores| {
            let square = [HEADS, LENGTH, LENGTH];
            let scores = net.constant(scores, Binary::Div, &[2.0; LENGTH as usize], square);
            net.op(FloatOp::Binary(Binary::Add), &[scores, mask], square)
        });
    }
    let pooled = net.pooled(x);
    (net.writer, pooled)
}

/// GPT-2: constants hide later positions.
fn causal() -> (GraphWriter, TensorId) {
    let mut net = Network::new();
    let mut x = net.rows();
    let hidden: Vec<f32> = (0..HEADS * LENGTH * LENGTH)
        .map(|i| if i % LENGTH > i / LENGTH % LENGTH { -1e30 } else { i as f32 / 100.0 })
        .collect();
    for _ in 0..2 {
        x = net.attention(x, true, |net, scores| {
            net.constant(scores, Binary::Add, &hidden, [HEADS, LENGTH, LENGTH])
        });
    }
    let pooled = net.pooled(x);
    (net.writer, pooled)
}

/// First token: a slice in place of a product.
fn first_token() -> (GraphWriter, TensorId) {
    let (writer, pooled) = masked(false);
    let mut net = Network { rng: Rng(3), writer };
    let rows = pooled - 4; // The vectors, before the weights' four nodes.
    let first = net.op(FloatOp::Slice(Slice { axis: 1, from: 0 }), &[rows], [1, 1, WIDTH]);
    (net.writer, first)
}

fn bytes(values: &[f32]) -> Vec<i8> {
    values.iter().flat_map(|v| v.to_le_bytes().map(|byte| byte as i8)).collect()
}

/// Returns an input of `tokens` positions with random rows, and marks and weights of `count` tokens.
fn input(rng: &mut Rng, tokens: u32, count: u32) -> Vec<f32> {
    let place = |at: u32| {
        let here = at < count;
        let mut values = vec![f32::from(here), if here { 1.0 / count as f32 } else { 0.0 }];
        values.extend((0..WIDTH).map(|_| (rng.below(2001) as f32 - 1000.0) / 500.0));
        values
    };
    (0..tokens).flat_map(place).collect()
}

fn run(plan: &Plan<Vec<Step>>, graph: &Graph<'_>, arena: &mut [i8], input: &[f32]) -> Vec<i8> {
    let mut packed = vec![0; plan.packed_bytes()];
    plan.pack(graph.weights(), &mut packed).unwrap();
    // What another text left behind has no effect.
    arena.fill(0x7f);
    arena[plan.input().range()].copy_from_slice(&bytes(input));
    plan.run(graph.weights(), &packed, arena).unwrap();
    arena[plan.output().range()].to_vec()
}

#[test]
fn short_texts_have_the_bits_of_padded_ones() {
    for (writer, output) in [masked(false), masked(true), causal(), first_token()] {
        let graph = writer.graph(output).unwrap();
        for isa in Isa::available() {
            for threads in [1, 3] {
                let threads = NonZeroU8::new(threads).unwrap();
                let config = Config { isa, threads, chains: true };
                let whole = common::plan(&graph, config);
                let mut short = TextPlan::build(&graph, config).unwrap().expect("positions apart");
                let mut arena = vec![0; whole.arena_bytes()];
                for count in (1..=LENGTH).chain([2, LENGTH]) {
                    let all = input(&mut Rng(count.into()), LENGTH, count);
                    let wanted = run(&whole, &graph, &mut arena, &all);
                    let plan = short.at(count as usize);
                    let own = &all[..(count * (2 + WIDTH)) as usize];
                    assert_eq!(plan.input().shape.w() as u32, count);
                    assert_eq!(run(plan, &graph, &mut arena, own), wanted, "{isa} {count}");
                }
            }
        }
    }
}

fn pool(net: &mut Network, x: TensorId) -> TensorId {
    let window = Window { kernel: [1, LENGTH as u8], ..Window::POINT };
    net.op(FloatOp::AveragePool { window, include_pad: false }, &[x], [1, 1, WIDTH])
}

fn window(net: &mut Network, x: TensorId) -> TensorId {
    let window = Window { kernel: [1, 3], pad: [0, 1, 0, 1], ..Window::POINT };
    let weights = net.writer.floats(&[0.5; 3 * WIDTH as usize]).unwrap();
    let bias = net.writer.floats(&[0.0; WIDTH as usize]).unwrap();
    let op = FloatOp::Conv { window, groups: WIDTH as u16, weights, bias };
    let x = net.op(op, &[x], [1, LENGTH, WIDTH]);
    net.pooled(x)
}

/// A linear layer along the positions.
fn across(net: &mut Network, x: TensorId) -> TensorId {
    let dims = [1, LENGTH, WIDTH, 1];
    let turned = FloatOp::Permute(Permutation { dims, order: [0, 2, 1, 3] });
    let turned = net.op(turned, &[x], [1, WIDTH, LENGTH]);
    let codes = net.rng.codes(LENGTH as usize);
    let sum = codes.iter().map(|&c| i32::from(c)).sum();
    let op = FloatOp::Linear {
        weights: net.writer.codes(&codes).unwrap(),
        sums: net.writer.words(&[sum]).unwrap(),
        scales: net.writer.floats(&[1.0]).unwrap(),
        bias: net.writer.floats(&[0.0]).unwrap(),
    };
    net.op(op, &[turned], [1, WIDTH, 1])
}

fn last_position(net: &mut Network, x: TensorId) -> TensorId {
    let from = LENGTH - 1;
    net.op(FloatOp::Slice(Slice { axis: 1, from }), &[x], [1, 1, WIDTH])
}

fn all_positions(net: &mut Network, x: TensorId) -> TensorId {
    net.op(FloatOp::Unary(Unary::Tanh), &[x], [1, LENGTH, WIDTH])
}

#[test]
fn operations_that_join_positions_are_refused() {
    let joins = [pool, window, across, last_position, all_positions];
    for (at, join) in joins.into_iter().enumerate() {
        let mut net = Network::new();
        let x = net.rows();
        let output = join(&mut net, x);
        let graph = net.writer.graph(output).unwrap();
        assert!(TextPlan::build(&graph, Isa::GENERIC).unwrap().is_none(), "{at}");
    }
}

#[test]
#[should_panic(expected = "the tokens were checked")]
fn more_tokens_than_positions_are_a_bug() {
    let (writer, output) = causal();
    let graph = writer.graph(output).unwrap();
    TextPlan::build(&graph, Isa::GENERIC).unwrap().unwrap().at(LENGTH as usize + 1);
}
