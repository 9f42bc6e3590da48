//! Hand-made graphs with an ordered operation that is not possible, each with the error it must give.

#![cfg(feature = "alloc")]

use offshoot_core::Shape;
use offshoot_core::graph::{
    Binary, Blob, Element, FloatOp, GraphError, Int8Op, Op, Slice, Tensor, Unary, Window,
};
use offshoot_core::package::{GraphWriter, WriteError};
use offshoot_core::{Quant, Scale};

const DEPTH: u32 = 3;
const CHANNELS: u32 = 2;

fn float(h: u32, w: u32, c: u32) -> Tensor {
    Tensor { shape: Shape::new(h, w, c).unwrap(), element: Element::Float }
}

fn codes(h: u32, w: u32, c: u32) -> Tensor {
    let quant = Quant { scale: Scale::ONE, zero_point: 3 };
    Tensor { element: Element::Int8(quant), ..float(h, w, c) }
}

/// Blobs of a linear layer: weights, sums, scales, bias.
fn blobs(writer: &mut GraphWriter) -> [Blob; 4] {
    [
        writer.codes(&[1, 2, 3, -128, 127, 0]).unwrap(),
        writer.words(&[6, -1]).unwrap(),
        writer.floats(&[0.5, 0.25]).unwrap(),
        writer.floats(&[1.0, -1.0]).unwrap(),
    ]
}

fn linear([weights, sums, scales, bias]: [Blob; 4]) -> FloatOp {
    FloatOp::Linear { weights, sums, scales, bias }
}

/// Opens a graph of one node.
fn open(
    make: impl Fn(&mut GraphWriter) -> Op,
    input: Tensor,
    inputs: &[u16],
    out: Tensor,
) -> Result<(), GraphError> {
    let mut writer = GraphWriter::new(input);
    let op = make(&mut writer);
    writer.node("node", op, inputs, out).unwrap();
    match writer.graph(1) {
        Ok(graph) => {
            assert!(graph.is_ordered() && !graph.is_int8());
            Ok(())
        }
        Err(WriteError::Graph { error, .. }) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn ordered(op: FloatOp) -> impl Fn(&mut GraphWriter) -> Op {
    move |_| Op::Ordered(op)
}

#[test]
fn a_layer_in_order_is_opened() {
    let opened = open(
        |writer| Op::Ordered(linear(blobs(writer))),
        float(1, 4, DEPTH),
        &[0],
        float(1, 4, CHANNELS),
    );
    assert_eq!(opened, Ok(()));
}

#[test]
fn linear_layers() {
    type Change = fn(&mut [Blob; 4]);
    let weights = GraphError::Weights { node: 0 };
    let cases: [(&str, Change, GraphError); 7] = [
        ("a weight too few", |b| b[0].len -= 1, weights),
        ("a weight too many", |b| b[0].len += 1, weights),
        ("weights behind the end", |b| b[0].offset = 1 << 20, weights),
        ("an offset that wraps", |b| b[0].offset = u32::MAX, weights),
        ("a sum too few", |b| b[1].len -= 4, weights),
        ("a scale too few", |b| b[2].len -= 4, weights),
        ("a bias too many", |b| b[3].len += 4, weights),
    ];
    for (name, change, wanted) in cases {
        let make = |writer: &mut GraphWriter| {
            let mut blobs = blobs(writer);
            change(&mut blobs);
            Op::Ordered(linear(blobs))
        };
        let opened = open(make, float(1, 4, DEPTH), &[0], float(1, 4, CHANNELS));
        assert_eq!(opened, Err(wanted), "{name}");
    }
    // More than a sum of weights can be: its product with a zero point could wrap.
    for (sum, wanted) in [(384, Ok(())), (-384, Ok(())), (385, Err(0)), (i32::MIN, Err(0))] {
        let make = |writer: &mut GraphWriter| {
            let [weights, _, scales, bias] = blobs(writer);
            let sums = writer.words(&[0, sum]).unwrap();
            Op::Ordered(linear([weights, sums, scales, bias]))
        };
        let opened = open(make, float(1, 4, DEPTH), &[0], float(1, 4, CHANNELS));
        assert_eq!(opened, wanted.map_err(|node| GraphError::Parameter { node }), "{sum}");
    }
}

#[test]
fn a_linear_layer_that_could_overflow() {
    let depth = 65_535;
    let make = |writer: &mut GraphWriter| {
        let weights = writer.codes(&vec![1; depth as usize]).unwrap();
        let sums = writer.words(&[depth as i32]).unwrap();
        let one = writer.floats(&[1.0]).unwrap();
        Op::Ordered(linear([weights, sums, one, one]))
    };
    // The longest row that the format has is just short enough.
    assert_eq!(open(make, float(1, 1, depth), &[0], float(1, 1, 1)), Ok(()));
}

#[test]
fn shapes_of_results() {
    let wanted = Err(GraphError::Shape { node: 0 });
    let layer = |writer: &mut GraphWriter| Op::Ordered(linear(blobs(writer)));
    assert_eq!(open(layer, float(1, 4, DEPTH), &[0], float(1, 5, CHANNELS)), wanted);
    assert_eq!(open(layer, float(1, 4, DEPTH), &[0], float(4, 1, CHANNELS)), wanted);
    let cases = [
        FloatOp::Softmax,
        FloatOp::Unary(Unary::Gelu),
        FloatOp::Reshape,
        FloatOp::Slice(Slice { axis: 1, from: 4 }),
        FloatOp::MaxPool { window: Window::POINT },
    ];
    for op in cases {
        assert_eq!(open(ordered(op), float(1, 4, 3), &[0], float(1, 3, 3)), wanted, "{op:?}");
    }
    let product = FloatOp::MatMul { transposed: false };
    assert_eq!(open(ordered(product), float(1, 4, 3), &[0, 0], float(1, 4, 3)), wanted);
    let sum = FloatOp::Binary(Binary::Add);
    assert_eq!(open(ordered(sum), float(1, 4, 3), &[0, 0], float(1, 4, 2)), wanted);
}

#[test]
fn numbers_of_operands() {
    let wanted = Err(GraphError::Inputs { node: 0 });
    let pair = FloatOp::Binary(Binary::Add);
    assert_eq!(open(ordered(pair), float(1, 4, 3), &[0], float(1, 4, 3)), wanted);
    let one = FloatOp::Softmax;
    assert_eq!(open(ordered(one), float(1, 4, 3), &[0, 0], float(1, 4, 3)), wanted);
    assert_eq!(open(ordered(one), float(1, 4, 3), &[1], float(1, 4, 3)), wanted);
}

#[test]
fn types_of_values() {
    let wanted = Err(GraphError::Kind { node: 0 });
    let one = FloatOp::Softmax;
    assert_eq!(open(ordered(one), codes(1, 4, 3), &[0], float(1, 4, 3)), wanted);
    assert_eq!(open(ordered(one), float(1, 4, 3), &[0], codes(1, 4, 3)), wanted);
    assert_eq!(open(ordered(FloatOp::Quantize), float(1, 4, 3), &[0], codes(1, 4, 3)), Ok(()));
    assert_eq!(open(ordered(FloatOp::Quantize), float(1, 4, 3), &[0], float(1, 4, 3)), wanted);
    assert_eq!(open(ordered(FloatOp::Dequantize), float(1, 4, 3), &[0], float(1, 4, 3)), wanted);
    let reshape = |_: &mut GraphWriter| Op::Int8(Int8Op::Reshape);
    assert_eq!(open(reshape, float(1, 4, 3), &[0], float(1, 4, 3)), wanted);
    // What only the engine has is none of tract-core's operations.
    let gelu = |_: &mut GraphWriter| Op::Float(FloatOp::Unary(Unary::Gelu));
    assert_eq!(open(gelu, float(1, 4, 3), &[0], float(1, 4, 3)), wanted);
    let layer = |writer: &mut GraphWriter| Op::Float(linear(blobs(writer)));
    assert_eq!(open(layer, float(1, 4, DEPTH), &[0], float(1, 4, CHANNELS)), wanted);
}
