//! Parts of a graph: every operand of a part must be written by it or be one of its inputs.

mod common;

use common::{Rng, random_affine, random_conv};
use offshoot_core::Shape;
use offshoot_core::graph::{Affine, Clamp, Element, Graph, Int8Op, Op, Tensor, TensorId, Window};
use offshoot_core::package::GraphWriter;
use offshoot_engine::{Isa, Plan, PlanError, Slot, Step};

/// Nodes with one operand and with two, in place and apart, and one that is no step.
fn writer(rng: &mut Rng) -> (GraphWriter, TensorId) {
    let shape = Shape::new(6, 6, 4).unwrap();
    let tensor = rng.tensor(shape);
    let mut writer = GraphWriter::new(tensor);
    let (a, _) = random_conv(rng, &mut writer, (Graph::INPUT, shape), 4, 1, Window::POINT);
    let (b, _) = random_conv(rng, &mut writer, (a, shape), 4, 4, Window::POINT);
    let add = Int8Op::Add { a: random_affine(rng), b: 3, clamp: Clamp::NONE };
    let c = writer.node("add", Op::Int8(add), &[a, b], tensor).unwrap();
    let affines = writer.affines(&[random_affine(rng), random_affine(rng)]).unwrap();
    let wide = Tensor { shape: Shape::new(6, 6, 8).unwrap(), ..tensor };
    let d = writer.node("concat", Op::Int8(Int8Op::Concat { affines }), &[c, b], wide).unwrap();
    let e = writer
        .node("pool", Op::Int8(Int8Op::MaxPool { window: Window::POINT }), &[d], wide)
        .unwrap();
    let flat = Tensor { shape: Shape::new(1, 1, 288).unwrap(), ..wide };
    let f = writer.node("flat", Op::Int8(Int8Op::Reshape), &[e], flat).unwrap();
    let affine = Affine { factor: 1 << 14, offset: 0, shift: 14 };
    let g = writer
        .node("g", Op::Int8(Int8Op::Rescale { affine, clamp: Clamp::NONE }), &[f], flat)
        .unwrap();
    (writer, g)
}

fn build(
    graph: &Graph<'_>,
    range: std::ops::Range<usize>,
    inputs: &[TensorId],
    outputs: &[TensorId],
) -> Result<(Plan<Vec<Step>>, Vec<Slot>), PlanError> {
    Plan::build(graph, Isa::GENERIC, range, inputs, outputs)
}

/// Each node alone: with all its operands it runs apart from them, with one missing it is not
/// planned.
#[test]
fn an_operand_that_nothing_writes_is_refused() {
    let (writer, output) = writer(&mut Rng(15));
    let graph = writer.graph(output).unwrap();
    let mut refused = 0;
    for (id, node) in graph.nodes() {
        let index = usize::from(id) - 1;
        let operands: Vec<TensorId> = node.inputs.iter().collect();
        assert!(build(&graph, index..index + 1, &operands, &[id]).is_ok(), "{}", node.name);
        for (place, &missing) in operands.iter().enumerate() {
            let mut given = operands.clone();
            given.remove(place);
            if given.is_empty() {
                // An input that this node does not read.
                let other = (0..id).find(|other| *other != missing);
                given.extend(other);
            }
            if !given.is_empty() {
                let error = build(&graph, index..index + 1, &given, &[id]).unwrap_err();
                assert_eq!(
                    error,
                    PlanError::Operand { node: index, tensor: missing },
                    "{}",
                    node.name
                );
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 8);
}

#[test]
fn ends_that_are_none_are_refused() {
    let (writer, output) = writer(&mut Rng(16));
    let graph = writer.graph(output).unwrap();
    let nodes = graph.node_count();
    let error = |range, inputs: &[TensorId], outputs: &[TensorId]| {
        build(&graph, range, inputs, outputs).unwrap_err()
    };
    // Made in the range, so that the caller's codes would be lost; not in the graph.
    assert_eq!(error(0..3, &[0, 2], &[3]), PlanError::Input { tensor: 2 });
    assert_eq!(error(0..3, &[0, 99], &[3]), PlanError::Input { tensor: 99 });
    // Made elsewhere; not in the graph.
    assert_eq!(error(0..3, &[0], &[4]), PlanError::Output { tensor: 4 });
    assert_eq!(error(0..3, &[0], &[99]), PlanError::Output { tensor: 99 });
    let end = nodes + 1;
    assert_eq!(error(0..end, &[0], &[output]), PlanError::Range { start: 0, end, nodes });
    let reversed = std::ops::Range { start: 3, end: 2 };
    assert_eq!(error(reversed, &[0], &[output]), PlanError::Range { start: 3, end: 2, nodes });
    // What goes in may also be what comes out.
    assert!(build(&graph, 0..1, &[0], &[1, 0]).is_ok());
    assert!(
        error(0..end, &[0], &[output])
            .to_string()
            .contains(&format!("0..{end} outside a graph of {nodes} nodes"))
    );
}

/// The ends of a plan are codes: a segment behind a float node names the float tensor.
#[test]
fn floats_are_no_ends() {
    let mut rng = Rng(17);
    let tensor = rng.tensor(Shape::new(2, 2, 4).unwrap());
    let float = Tensor { element: Element::Float, ..tensor };
    let mut writer = GraphWriter::new(tensor);
    let real = offshoot_core::graph::FloatOp::Dequantize;
    let a = writer.node("real", Op::Float(real), &[Graph::INPUT], float).unwrap();
    let pool = Op::Int8(Int8Op::MaxPool { window: Window::POINT });
    let b = writer.node("pool", pool, &[Graph::INPUT], tensor).unwrap();
    let graph = writer.graph(b).unwrap();
    assert_eq!(build(&graph, 1..2, &[a], &[b]).unwrap_err(), PlanError::Input { tensor: a });
    assert_eq!(build(&graph, 0..1, &[0], &[a]).unwrap_err(), PlanError::Float { node: 0 });
}
