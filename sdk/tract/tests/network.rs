//! Float operations against the plainest arithmetic, and a network that is int8 in part: the
//! engine as a custom operation inside a tract plan.

use offshoot_core::graph::{
    Affine, Binary, Clamp, Element, FloatOp, Graph, Int8Op, Op, Permutation, Slice, Tensor,
    TensorId, Unary, Window,
};
use offshoot_core::package::GraphWriter;
use offshoot_core::{Quant, Shape};
use offshoot_engine::{Isa, Plan, Step};
use offshoot_tract::{Network, TractError, Values};

fn shape(h: u32, w: u32, c: u32) -> Shape {
    Shape::new(h, w, c).unwrap()
}

fn float(h: u32, w: u32, c: u32) -> Tensor {
    Tensor { shape: shape(h, w, c), element: Element::Float }
}

fn codes(h: u32, w: u32, c: u32, min: f32, max: f32) -> Tensor {
    Tensor { shape: shape(h, w, c), element: Element::Int8(Quant::from_range(min, max)) }
}

/// Values that do not repeat soon, in -1..1.
fn wave(n: usize, phase: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.7 + phase).sin()).collect()
}

fn close(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= 1e-4 * w.abs().max(1.0), "value {i}: {g} instead of {w}");
    }
}

fn run(writer: &GraphWriter, output: TensorId, input: &[f32]) -> Vec<f32> {
    let mut network = Network::new(&writer.graph(output).unwrap()).unwrap();
    network.run_floats(input).unwrap();
    let first = network.floats().to_vec();
    // A second run, in the same memory, gives the same.
    network.run_floats(input).unwrap();
    assert_eq!(network.floats(), first);
    first
}

fn conv(
    x: &[f32],
    from: Shape,
    to: Shape,
    window: &Window,
    groups: usize,
    w: &[f32],
    b: &[f32],
) -> Vec<f32> {
    let depth = from.c() / groups;
    let per_group = to.c() / groups;
    let mut out = Vec::new();
    for (oy, ox, o) in positions(to) {
        let mut sum = b[o];
        for (ky, kx, at) in taps(window, oy, ox, from) {
            let tap = ky * usize::from(window.kernel[1]) + kx;
            for i in 0..depth {
                sum += x[at + o / per_group * depth + i] * w[(o * window.taps() + tap) * depth + i];
            }
        }
        out.push(sum);
    }
    out
}

fn positions(shape: Shape) -> impl Iterator<Item = (usize, usize, usize)> {
    let h = shape.h();
    let w = shape.w();
    let c = shape.c();
    (0..h * w * c).map(move |i| (i / c / w, i / c % w, i % c))
}

/// Iterates over the taps inside the feature map, with the first value of the pixel that each reads.
fn taps(window: &Window, oy: usize, ox: usize, map: Shape) -> Vec<(usize, usize, usize)> {
    let place = |o: usize, k: usize, axis: usize, n: usize| {
        let at = o * usize::from(window.stride[axis]) + k * usize::from(window.dilation[axis]);
        at.checked_sub(window.pad[axis].into()).filter(|&p| p < n)
    };
    let kernel = window.kernel.map(usize::from);
    (0..kernel[0] * kernel[1])
        .filter_map(|tap| {
            let ky = tap / kernel[1];
            let kx = tap % kernel[1];
            let y = place(oy, ky, 0, map.h())?;
            let x = place(ox, kx, 1, map.w())?;
            Some((ky, kx, (y * map.w() + x) * map.c()))
        })
        .collect()
}

#[test]
fn convolutions_and_pools() {
    let window = Window { kernel: [3, 2], stride: [2, 1], dilation: [1, 1], pad: [1, 0, 0, 1] };
    let from = shape(7, 6, 4);
    let (h, w) = window.output(from).unwrap();
    for (groups, channels) in [(1, 5), (2, 6), (4, 4)] {
        let to = shape(h, w, channels);
        let weights = wave(window.taps() * 4 / groups * channels as usize, 0.3);
        let bias = wave(channels as usize, 2.0);
        let x = wave(from.elements(), 0.0);
        let mut writer = GraphWriter::new(float(7, 6, 4));
        let op = FloatOp::Conv {
            window,
            groups: groups as u16,
            weights: writer.floats(&weights).unwrap(),
            bias: writer.floats(&bias).unwrap(),
        };
        let id = writer.node("conv", Op::Float(op), &[0], float(h, w, channels)).unwrap();
        close(&run(&writer, id, &x), &conv(&x, from, to, &window, groups, &weights, &bias));
    }
    let x = wave(from.elements(), 1.0);
    let to = shape(h, w, 4);
    for (op, include_pad) in [
        (FloatOp::MaxPool { window }, false),
        (FloatOp::AveragePool { window, include_pad: false }, false),
        (FloatOp::AveragePool { window, include_pad: true }, true),
    ] {
        let mut writer = GraphWriter::new(float(7, 6, 4));
        let id = writer.node("pool", Op::Float(op), &[0], float(h, w, 4)).unwrap();
        let want: Vec<f32> = positions(to)
            .map(|(oy, ox, c)| {
                let seen: Vec<f32> =
                    taps(&window, oy, ox, from).iter().map(|t| x[t.2 + c]).collect();
                let divisor = if include_pad { window.taps() } else { seen.len() } as f32;
                match op {
                    FloatOp::MaxPool { .. } => seen.iter().copied().fold(f32::MIN, f32::max),
                    _ => seen.iter().sum::<f32>() / divisor,
                }
            })
            .collect();
        close(&run(&writer, id, &x), &want);
    }
}

#[test]
fn orders_parts_and_larger_maps() {
    let from = shape(3, 4, 6);
    let x = wave(72, 0.2);
    let node = |op: FloatOp, to: Tensor, want: Vec<f32>| {
        let mut writer = GraphWriter::new(float(3, 4, 6));
        let id = writer.node("node", Op::Float(op), &[0], to).unwrap();
        assert_eq!(run(&writer, id, &x), want, "{op:?}");
    };
    let at = |y: usize, q: usize, c: usize| x[(y * 4 + q) * 6 + c];
    let want = positions(from).map(|(y, q, c)| at(y, q, c % 2 * 3 + c / 2)).collect();
    let shuffle = Permutation { dims: [3, 4, 2, 3], order: [0, 1, 3, 2] };
    node(FloatOp::Permute(shuffle), float(3, 4, 6), want);
    let want = positions(shape(6, 3, 4)).map(|(c, y, q)| at(y, q, c)).collect();
    let planes = Permutation { dims: [3, 4, 6, 1], order: [2, 0, 3, 1] };
    node(FloatOp::Permute(planes), float(6, 3, 4), want);
    for (axis, [h, w, c]) in [[2, 4, 6], [3, 2, 6], [3, 4, 3]].into_iter().enumerate() {
        let offset = |i: usize| usize::from(i == axis);
        let want = positions(shape(h, w, c))
            .map(|(y, q, c)| at(y + offset(0), q + offset(1), c + offset(2)));
        node(FloatOp::Slice(Slice { axis: axis as u8, from: 1 }), float(h, w, c), want.collect());
    }
    let want = positions(shape(6, 12, 6)).map(|(y, q, c)| at(y / 2, q / 3, c)).collect();
    node(FloatOp::Upsample { factor: [2, 3] }, float(6, 12, 6), want);
}

#[test]
fn products_of_matrices() {
    let x = wave(3 * 4 * 6, 0.4);
    let at = |y: usize, q: usize, c: usize| x[(y * 4 + q) * 6 + c];
    let mut writer = GraphWriter::new(float(3, 4, 6));
    let op = Op::Float(FloatOp::MatMul { transposed: true });
    let scores = writer.node("scores", op, &[0, 0], float(3, 4, 4)).unwrap();
    let op = Op::Float(FloatOp::MatMul { transposed: false });
    let sums = writer.node("sums", op, &[scores, 0], float(3, 4, 6)).unwrap();
    let score =
        |y: usize, q: usize, k: usize| (0..6).map(|c| at(y, q, c) * at(y, k, c)).sum::<f32>();
    let want: Vec<f32> = positions(shape(3, 4, 4)).map(|(y, q, k)| score(y, q, k)).collect();
    close(&run(&writer, scores, &x), &want);
    let sum =
        |y: usize, q: usize, c: usize| (0..4).map(|k| score(y, q, k) * at(y, k, c)).sum::<f32>();
    let want: Vec<f32> = positions(shape(3, 4, 6)).map(|(y, q, c)| sum(y, q, c)).collect();
    close(&run(&writer, sums, &x), &want);
    let graph = writer.graph(sums).unwrap();
    assert_eq!(graph.macs(), 2 * 3 * 4 * 4 * 6);
    // Matrices that do not fit are refused before anything runs.
    let mut writer = GraphWriter::new(float(3, 4, 6));
    writer.node("sums", op, &[0, 0], float(3, 4, 6)).unwrap();
    assert!(writer.graph(1).is_err());
}

#[test]
fn constants_for_each_value_and_operands_that_spread() {
    let from = shape(3, 4, 6);
    let x = wave(72, 0.9);
    let mut writer = GraphWriter::new(float(3, 4, 6));
    let values = wave(72, 3.0);
    let op = FloatOp::Constant { op: Binary::Add, values: writer.floats(&values).unwrap() };
    let sum = writer.node("sum", Op::Float(op), &[0], float(3, 4, 6)).unwrap();
    let first = FloatOp::Slice(Slice { axis: 2, from: 0 });
    let column = writer.node("column", Op::Float(first), &[0], float(3, 4, 1)).unwrap();
    let op = Op::Float(FloatOp::Binary(Binary::Mul));
    let spread = writer.node("spread", op, &[sum, column], float(3, 4, 6)).unwrap();
    let want: Vec<f32> = (0..from.elements()).map(|i| (x[i] + values[i]) * x[i / 6 * 6]).collect();
    close(&run(&writer, spread, &x), &want);
}

type One = fn(f32) -> f32;
type Two = fn(f32, f32) -> f32;

#[test]
fn functions_of_one_and_two_values() {
    // No value is zero: the quotients stay finite.
    let x = wave(24, 0.1).iter().map(|v| 4.0 * v).collect::<Vec<_>>();
    let cases: [(Unary, One); 9] = [
        (Unary::Clamp { lo: -0.5, hi: 2.0 }, |v| v.clamp(-0.5, 2.0)),
        (Unary::Clamp { lo: 0.0, hi: f32::INFINITY }, |v| v.max(0.0)),
        (Unary::Sigmoid, |v| 1.0 / (1.0 + (-v).exp())),
        (Unary::Tanh, f32::tanh),
        (Unary::HardSwish, |v| v * (v / 6.0 + 0.5).clamp(0.0, 1.0)),
        (Unary::Abs, f32::abs),
        (Unary::Power { exponent: 2.0 }, |v| v * v),
        (Unary::LeakyRelu { slope: 0.1 }, |v| if v < 0.0 { 0.1 * v } else { v }),
        (Unary::Step, |v| if v > 0.0 { 1.0 } else { 0.0 }),
    ];
    for (unary, function) in cases {
        let mut writer = GraphWriter::new(float(2, 3, 4));
        let id = writer.node("f", Op::Float(FloatOp::Unary(unary)), &[0], float(2, 3, 4)).unwrap();
        close(&run(&writer, id, &x), &x.iter().map(|&v| function(v)).collect::<Vec<_>>());
    }
    // A logarithm wants values above zero.
    let mut writer = GraphWriter::new(float(2, 3, 4));
    let unary = |unary| Op::Float(FloatOp::Unary(unary));
    let size = writer.node("s", unary(Unary::Abs), &[0], float(2, 3, 4)).unwrap();
    let log = writer.node("l", unary(Unary::Log), &[size], float(2, 3, 4)).unwrap();
    close(&run(&writer, log, &x), &x.iter().map(|v| v.abs().ln()).collect::<Vec<_>>());
    let constant = [0.5, -2.0, 3.0, 1.0];
    let cases: [(Binary, Two); 6] = [
        (Binary::Add, |a, b| a + b),
        (Binary::Sub, |a, b| a - b),
        (Binary::Mul, |a, b| a * b),
        (Binary::Div, |a, b| a / b),
        (Binary::Max, f32::max),
        (Binary::Min, f32::min),
    ];
    for (op, function) in cases {
        let mut writer = GraphWriter::new(float(2, 3, 4));
        let values = writer.floats(&constant).unwrap();
        let op1 = Op::Float(FloatOp::Constant { op, values });
        let first = writer.node("c", op1, &[0], float(2, 3, 4)).unwrap();
        let second =
            writer.node("b", Op::Float(FloatOp::Binary(op)), &[first, 0], float(2, 3, 4)).unwrap();
        let want: Vec<f32> =
            x.iter().enumerate().map(|(i, &v)| function(function(v, constant[i % 4]), v)).collect();
        close(&run(&writer, second, &x), &want);
    }
}

#[test]
fn joins_borders_orders_and_softmax() {
    let x = wave(12, 0.0);
    let mut writer = GraphWriter::new(float(2, 3, 2));
    let joined = writer.node("j", Op::Float(FloatOp::Concat), &[0, 0], float(2, 3, 4)).unwrap();
    let pad = FloatOp::Pad { pad: [1, 0, 0, 2] };
    let padded = writer.node("p", Op::Float(pad), &[joined], float(3, 5, 4)).unwrap();
    let flat = writer.node("f", Op::Float(FloatOp::Flatten), &[padded], float(1, 1, 60)).unwrap();
    let value = |y: usize, z: usize, c: usize| {
        if y == 0 || z > 2 { 0.0 } else { x[((y - 1) * 3 + z) * 2 + c % 2] }
    };
    let want: Vec<f32> = (0..4)
        .flat_map(|c| (0..15).map(move |i| (i / 5, i % 5, c)))
        .map(|(y, z, c)| value(y, z, c))
        .collect();
    close(&run(&writer, flat, &x), &want);

    let mut writer = GraphWriter::new(float(2, 3, 2));
    let reshaped = writer.node("r", Op::Float(FloatOp::Reshape), &[0], float(3, 1, 4)).unwrap();
    let soft = writer.node("s", Op::Float(FloatOp::Softmax), &[reshaped], float(3, 1, 4)).unwrap();
    let want: Vec<f32> = x
        .chunks(4)
        .flat_map(|row| {
            let sum: f32 = row.iter().map(|v| v.exp()).sum();
            row.iter().map(move |v| v.exp() / sum).collect::<Vec<_>>()
        })
        .collect();
    close(&run(&writer, soft, &x), &want);
}

/// int8 -> float -> int8 with a skip over the float part: two segments, one with two outputs.
fn mixed() -> (GraphWriter, TensorId) {
    let mut writer = GraphWriter::new(codes(4, 4, 3, -1.0, 1.0));
    let map = |min, max| codes(4, 4, 3, min, max);
    let rescale = Affine { factor: 3, offset: 40, shift: 2 };
    let op = Int8Op::Rescale { affine: rescale, clamp: Clamp::NONE };
    let a = writer.node("a", Op::Int8(op), &[0], map(-2.0, 2.0)).unwrap();
    let op = Int8Op::Rescale { affine: rescale, clamp: Clamp { lo: -20, hi: 90 } };
    let b = writer.node("b", Op::Int8(op), &[a], map(-2.0, 2.0)).unwrap();
    let real = writer.node("real", Op::Float(FloatOp::Dequantize), &[b], float(4, 4, 3)).unwrap();
    let sigmoid = FloatOp::Unary(Unary::Sigmoid);
    let s = writer.node("sigmoid", Op::Float(sigmoid), &[real], float(4, 4, 3)).unwrap();
    let back = writer.node("codes", Op::Float(FloatOp::Quantize), &[s], map(0.0, 1.0)).unwrap();
    let sum =
        Int8Op::Add { a: Affine { factor: 64, offset: 9, shift: 7 }, b: 32, clamp: Clamp::NONE };
    let out = writer.node("sum", Op::Int8(sum), &[back, a], map(-1.0, 1.0)).unwrap();
    (writer, out)
}

#[test]
fn a_network_the_engine_knows_in_part() {
    let (writer, output) = mixed();
    let graph = writer.graph(output).unwrap();
    assert_eq!(
        Plan::<Vec<Step>>::steps_needed(&graph, 0..graph.node_count()).unwrap_err().to_string(),
        "node 2 is not an operation of the engine"
    );
    let mut network = Network::new(&graph).unwrap();
    assert_eq!(network.segments(), 2);
    let quant = |id: TensorId| graph.tensor(id).element.quant().unwrap();
    for round in 0..3i32 {
        let input: Vec<i8> = (0..48).map(|i| (i * 37 + round * 11) as u8 as i8).collect();
        network.run_codes(&input).unwrap();
        let affine = Affine { factor: 3, offset: 40, shift: 2 };
        let want: Vec<i8> = input
            .iter()
            .map(|&x| {
                let a = affine.apply(x, Clamp::NONE);
                let b = affine.apply(a, Clamp { lo: -20, hi: 90 });
                let sigmoid = 1.0 / (1.0 + (-quant(2).dequantize(b)).exp());
                let back = quant(5).quantize(sigmoid);
                ((i32::from(back) * 64 + i32::from(a) * 32 + 9) >> 7).clamp(-128, 127) as i8
            })
            .collect();
        // tract's sigmoid may round to the neighbouring code.
        let off = network.codes().iter().zip(&want).map(|(g, w)| g.abs_diff(*w)).max();
        assert!(off <= Some(1), "round {round}: {:?} {want:?}", network.codes());
    }
}

/// Also what lies inside a run of int8 nodes, and the embedding.
#[test]
fn tensors_of_codes_are_observed() {
    let (mut writer, sum) = mixed();
    let affine = Affine { factor: 3, offset: 40, shift: 2 };
    let op = Op::Int8(Int8Op::Rescale { affine, clamp: Clamp::NONE });
    let output = writer.node("last", op, &[sum], codes(4, 4, 3, -2.0, 2.0)).unwrap();
    let graph = writer.graph(output).unwrap();
    let observed: Vec<TensorId> = (1..=output).collect();
    let mut network = Network::observing(&graph, &observed).unwrap();
    assert_eq!(network.segments(), 2);
    let input: Vec<i8> = (0..48).map(|i| (i * 37) as u8 as i8).collect();
    let mut seen = Vec::new();
    let real = |id: TensorId, codes: &[i8]| -> Vec<f32> {
        let quant = graph.tensor(id).element.quant().unwrap();
        codes.iter().map(|&code| quant.dequantize(code)).collect()
    };
    let mut see = |place: usize, values: Values<'_>| match values {
        Values::Codes(codes) => seen.push((place + 1, real(observed[place], codes))),
        Values::Floats(values) => seen.push((place + 1, values.to_vec())),
    };
    network.run_observed(Values::Codes(&input), &mut see).unwrap();
    seen.sort_by_key(|(id, _)| *id);
    let ids: Vec<usize> = seen.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7]);
    let rescaled = |clamp: Clamp| {
        move |codes: &[i8]| -> Vec<i8> { codes.iter().map(|&c| affine.apply(c, clamp)).collect() }
    };
    let a = rescaled(Clamp::NONE)(&input);
    let b = rescaled(Clamp { lo: -20, hi: 90 })(&a);
    assert!(seen[0].1 == real(1, &a) && seen[1].1 == real(2, &b) && seen[2].1 == real(2, &b));
    assert_eq!(seen[6].1, real(output, network.codes()));
    let error = network.run_observed(Values::Floats(&[0.0; 48]), &mut |_, _| ()).unwrap_err();
    assert!(matches!(error, TractError::Input { kind: "codes", .. }), "{error}");
}

#[test]
fn a_whole_int8_graph_as_one_segment_equals_the_engine() {
    let mut writer = GraphWriter::new(codes(5, 5, 4, -1.0, 1.0));
    let window = Window { kernel: [3, 3], stride: [2, 2], dilation: [1, 1], pad: [1; 4] };
    let weights: Vec<i8> = (0..9 * 4 * 6).map(|i| (i * 29 % 255 - 127) as i8).collect();
    let op = Int8Op::Conv {
        window,
        groups: 1,
        weights: writer.codes(&weights).unwrap(),
        bias: writer.words(&[5, -300, 0, 77, 1000, -9]).unwrap(),
        mantissas: writer.words(&[1 << 22; 6]).unwrap(),
        shift: 0,
        clamp: Clamp { lo: -100, hi: 100 },
    };
    let id = writer.node("conv", Op::Int8(op), &[0], codes(3, 3, 6, -3.0, 3.0)).unwrap();
    let graph: Graph<'_> = writer.graph(id).unwrap();
    let input: Vec<i8> = (0..100).map(|i| (i * 53) as u8 as i8).collect();
    let mut network = Network::new(&graph).unwrap();
    network.run_codes(&input).unwrap();

    let (plan, _) = Plan::build(&graph, Isa::GENERIC, 0..1, &[Graph::INPUT], &[id]).unwrap();
    let mut arena = vec![0; plan.arena_bytes()];
    arena[plan.input().range()].copy_from_slice(&input);
    plan.run(graph.weights(), &[], &mut arena).unwrap();
    assert_eq!(network.codes(), &arena[plan.output().range()]);
    assert!(network.floats().is_empty());
}

#[test]
fn wrong_input_is_an_error() {
    let (writer, output) = mixed();
    let mut network = Network::new(&writer.graph(output).unwrap()).unwrap();
    let error = network.run_codes(&[0; 47]).unwrap_err();
    assert!(matches!(error, TractError::Input { need: 48, have: 47, .. }), "{error}");
    assert_eq!(
        network.run_floats(&[0.0; 48]).unwrap_err().to_string(),
        "wrong input: 48 values given, 48 codes required"
    );
}

/// Shows the output of an observed convolution and compares it.
fn observed(
    from: Shape,
    to: Shape,
    window: Window,
    groups: u16,
    blobs: [&[f32]; 2],
    input: &[f32],
) -> Vec<f32> {
    let mut writer = GraphWriter::new(Tensor { shape: from, element: Element::Float });
    let [weights, bias] = blobs.map(|values| writer.floats(values).unwrap());
    let op = Op::Float(FloatOp::Conv { window, groups, weights, bias });
    let to = Tensor { shape: to, element: Element::Float };
    let sums = writer.node("sums", op, &[Graph::INPUT], to).unwrap();
    let mut network = Network::observing(&writer.graph(sums).unwrap(), &[sums]).unwrap();
    let mut seen = Vec::new();
    let mut see = |place, values: Values<'_>| match values {
        Values::Floats(values) => seen.push((place, values.to_vec())),
        Values::Codes(_) => panic!("{place}: codes"),
    };
    network.run_observed(Values::Floats(input), &mut see).unwrap();
    assert_eq!(seen, [(0, network.floats().to_vec())]);
    // As a device runs it, the last bits are the processor's.
    close(&run(&writer, sums, input), network.floats());
    network.floats().to_vec()
}

#[test]
fn observed_depthwise_sums_have_the_same_bits_everywhere() {
    let from = shape(7, 6, 19);
    let to = shape(4, 6, 19);
    let window = Window { kernel: [3, 3], stride: [2, 1], dilation: [1, 1], pad: [1, 1, 1, 1] };
    let weights = wave(9 * 19, 0.3);
    let bias = wave(19, 1.0);
    let input = wave(7 * 6 * 19, 0.0);
    // A bias, and products added to it tap by tap.
    let want = conv(&input, from, to, &window, 19, &weights, &bias);
    assert_eq!(observed(from, to, window, 19, [&weights, &bias], &input), want);
}

/// Shows constants like all other tensors.
#[test]
fn constants_are_observed() {
    let mut writer = GraphWriter::new(float(2, 3, 4));
    let zero = writer.floats(&[0.0; 4]).unwrap();
    let op = Op::Float(FloatOp::Constant { op: Binary::Mul, values: zero });
    let none = writer.node("none", op, &[Graph::INPUT], float(2, 3, 4)).unwrap();
    let root = writer
        .node("root", Op::Float(FloatOp::Unary(Unary::Sqrt)), &[none], float(2, 3, 4))
        .unwrap();
    let sum = Op::Float(FloatOp::Binary(Binary::Add));
    let output = writer.node("sum", sum, &[root, Graph::INPUT], float(2, 3, 4)).unwrap();
    let observed = [none, root, output];
    let mut network = Network::observing(&writer.graph(output).unwrap(), &observed).unwrap();
    let mut seen = Vec::new();
    network.run_observed(Values::Floats(&wave(24, 0.0)), &mut |place, _| seen.push(place)).unwrap();
    assert_eq!(seen, [0, 1, 2]);
}

#[test]
fn observed_sums_of_one_pixel_or_channel_have_the_same_bits_everywhere() {
    let from = shape(2, 3, 19);
    let to = shape(1, 1, 5);
    // The last row of taps lies outside.
    let window = Window { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pad: [0, 0, 1, 0] };
    let weights = wave(5 * 9 * 19, 0.3);
    let bias = wave(5, 1.0);
    let input = wave(6 * 19, 0.0);
    let channel = |(weights, bias): (&[f32], &f32)| {
        let mut sums = [0f32; 16];
        for (pixel, taps) in input.chunks(19).zip(weights.chunks(19)) {
            let products = pixel.iter().zip(taps).map(|(v, w)| v * w);
            products.enumerate().for_each(|(i, product)| sums[i % 16] += product);
        }
        for left in [8, 4, 2, 1] {
            (0..left).for_each(|i| sums[i] += sums[i + left]);
        }
        sums[0] + bias
    };
    let want: Vec<f32> = weights.chunks(9 * 19).zip(&bias).map(channel).collect();
    assert_eq!(observed(from, to, window, 1, [&weights, &bias], &input), want);

    // One channel of each group: as many as there are products, or fewer, in another order.
    let from = shape(4, 5, 12);
    let to = shape(4, 5, 3);
    let window = Window { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pad: [1, 1, 1, 1] };
    let weights = wave(3 * 9 * 4, 0.3);
    let bias = wave(3, 1.0);
    let input = wave(4 * 5 * 12, 0.0);
    let want = conv(&input, from, to, &window, 3, &weights, &bias);
    close(&observed(from, to, window, 3, [&weights, &bias], &input), &want);
}
