//! An observed network gives the same bits on every processor: the digest here was written down on
//! x86-64 with AVX-512, and `targets/test-arm.sh` holds it on aarch64.

use offshoot_core::Shape;
use offshoot_core::graph::{Binary, Element, FloatOp, Graph, Op, Tensor, TensorId, Unary, Window};
use offshoot_core::package::GraphWriter;
use offshoot_tract::{Network, Values};

/// Network of float feature maps.
struct Net {
    writer: GraphWriter,
    shapes: Vec<Shape>,
}

impl Net {
    fn node(&mut self, op: FloatOp, inputs: &[TensorId], [h, w, c]: [u32; 3]) -> TensorId {
        let shape = Shape::new(h, w, c).unwrap();
        let tensor = Tensor { shape, element: Element::Float };
        self.shapes.push(shape);
        let name = format!("node {}", self.shapes.len());
        self.writer.node(&name, Op::Float(op), inputs, tensor).unwrap()
    }

    fn conv(
        &mut self,
        from: TensorId,
        side: u8,
        stride: u8,
        groups: u16,
        to: [u32; 3],
    ) -> TensorId {
        let pad = if to[0] == 1 { 0 } else { side / 2 };
        let window =
            Window { kernel: [side; 2], stride: [stride; 2], dilation: [1; 2], pad: [pad; 4] };
        let depth = self.shapes[usize::from(from)].c() / usize::from(groups);
        let weights = wave(to[2] as usize * window.taps() * depth, f32::from(side));
        let scale = 2.0 / ((window.taps() * depth) as f32).sqrt();
        let weights: Vec<f32> = weights.into_iter().map(|w| w * scale).collect();
        let weights = self.writer.floats(&weights).unwrap();
        let bias = self.writer.floats(&wave(to[2] as usize, 0.1)).unwrap();
        self.node(FloatOp::Conv { window, groups, weights, bias }, &[from], to)
    }
}

/// Values that do not repeat soon, in -1..1, by exact arithmetic: a sine would be the C library's.
fn wave(n: usize, phase: f32) -> Vec<f32> {
    let mut state = phase.to_bits() | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// One of each operation, in the manner of a network with squeeze-and-excite and attention.
fn network() -> (Net, TensorId) {
    let map = [24, 20, 24];
    let input = Shape::new(47, 39, 3).unwrap();
    let mut net = Net {
        writer: GraphWriter::new(Tensor { shape: input, element: Element::Float }),
        shapes: vec![input],
    };
    let first = net.conv(Graph::INPUT, 3, 2, 1, map);
    let gate = net.node(FloatOp::Unary(Unary::Sigmoid), &[first], map);
    let gated = net.node(FloatOp::Binary(Binary::Mul), &[first, gate], map);
    let point = net.conv(gated, 1, 1, 1, [24, 20, 72]);
    let switched = net.node(FloatOp::Unary(Unary::HardSwish), &[point], [24, 20, 72]);
    let depthwise = net.conv(switched, 5, 2, 72, [12, 10, 72]);
    let grouped = net.conv(depthwise, 3, 1, 6, [12, 10, 72]);
    let limited =
        net.node(FloatOp::Unary(Unary::Clamp { lo: 0.0, hi: 6.0 }), &[grouped], [12, 10, 72]);
    let sum = net.node(FloatOp::Binary(Binary::Add), &[limited, depthwise], [12, 10, 72]);
    let whole = Window { kernel: [12, 10], stride: [1; 2], dilation: [1; 2], pad: [0; 4] };
    let mean =
        net.node(FloatOp::AveragePool { window: whole, include_pad: false }, &[sum], [1, 1, 72]);
    let squeezed = net.conv(mean, 1, 1, 1, [1, 1, 18]);
    let excited = net.conv(squeezed, 1, 1, 1, [1, 1, 72]);
    let scale = net.node(FloatOp::Unary(Unary::Tanh), &[excited], [1, 1, 72]);
    let scaled = net.node(FloatOp::Binary(Binary::Mul), &[sum, scale], [12, 10, 72]);
    let rows = net.node(FloatOp::Reshape, &[scaled], [1, 120, 72]);
    // A layer norm's mean, one query that asks all rows, and what it takes of them.
    let narrow = net.conv(rows, 1, 1, 1, [1, 120, 1]);
    let query = net.conv(mean, 1, 1, 8, [1, 1, 72]);
    let asked = net.node(FloatOp::MatMul { transposed: true }, &[query, rows], [1, 1, 120]);
    let taken = net.node(FloatOp::MatMul { transposed: false }, &[asked, rows], [1, 1, 72]);
    let rows = net.node(FloatOp::Binary(Binary::Mul), &[rows, narrow], [1, 120, 72]);
    let rows = net.node(FloatOp::Binary(Binary::Add), &[rows, taken], [1, 120, 72]);
    let rows = net.node(FloatOp::Unary(Unary::Tanh), &[rows], [1, 120, 72]);
    let product = net.node(FloatOp::MatMul { transposed: true }, &[rows, rows], [1, 120, 120]);
    let shares = net.node(FloatOp::Softmax, &[product], [1, 120, 120]);
    let output = net.node(FloatOp::MatMul { transposed: false }, &[shares, rows], [1, 120, 72]);
    (net, output)
}

#[test]
fn observed_bits_are_those_of_other_processors() {
    #[cfg(target_arch = "x86_64")]
    if !std::arch::is_x86_feature_detected!("fma") {
        println!("skipped: without FMA tract-core rounds products and sums one by one");
        return;
    }
    let (net, output) = network();
    let input = wave(net.shapes[0].elements(), 0.7);
    let observed: Vec<TensorId> = (1..=output).collect();
    let graph = net.writer.graph(output).unwrap();
    let mut network = Network::observing(&graph, &observed).unwrap();
    let mut digests = vec![0u32; observed.len()];
    // Of equal values, whatever the sign of a zero.
    let digest = |values: &[f32]| {
        values.iter().fold(0u32, |sum, v| (sum ^ (v + 0.0).to_bits()).wrapping_mul(0x0100_0193))
    };
    network
        .run_observed(Values::Floats(&input), &mut |place, values| {
            let Values::Floats(values) = values else { panic!("{place}: codes") };
            assert!(
                values.iter().all(|v| v.is_finite()) && values.iter().any(|v| *v != values[0]),
                "{place}"
            );
            digests[place] = digest(values);
        })
        .unwrap();
    // Nor does it matter whether anybody looks.
    let mut unseen = Network::reproducible(&graph).unwrap();
    unseen.run_floats(&input).unwrap();
    assert_eq!(unseen.floats(), network.floats());
    assert_eq!(&digests[..], &WRITTEN_DOWN[..]);
}

/// Digests of the tensors, in their order.
#[rustfmt::skip]
const WRITTEN_DOWN: [u32; 25] = [
    0x2c51_22b9, 0xe5db_ce95, 0xd766_1bdd, 0xae42_9a70, 0x39cb_8c82, 0xb842_baab,
    0x717a_c81c, 0x24d2_fff6, 0x3062_cf35, 0xb34b_94b3, 0x8eba_987d, 0x1158_e8d6,
    0xf66c_6467, 0xf765_31f1, 0xf765_31f1, 0xdd05_5731, 0xda20_f5c7, 0x9757_fa00,
    0x1f3f_aff8, 0xee2b_3564, 0x6381_7287, 0x1cd4_e72d, 0x9847_eaff, 0xac64_a789,
    0x9727_ac48,
];
