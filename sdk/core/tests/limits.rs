//! Every ceiling of `limits.rs` that a small package can reach: accepted at it, refused beyond.

#![cfg(feature = "alloc")]

use offshoot_core::graph::{Clamp, Element, GraphError, Int8Op, Op, Tensor, Window};
use offshoot_core::package::{GraphWriter, LayoutError, PackageError, Section, WriteError};
use offshoot_core::{Package, Quant, Scale, Shape, limits};

#[path = "../../tests/common/mod.rs"]
mod common;
mod parts;

use common::net::{every_operation, node::*};
use common::seal;
use parts::Parts;

fn codes(h: u32, w: u32, c: u32) -> Tensor {
    let quant = Quant { scale: Scale::ONE, zero_point: 3 };
    Tensor { shape: Shape::new(h, w, c).unwrap(), element: Element::Int8(quant) }
}

/// Checks a graph of one node.
fn one(input: Tensor, op: Int8Op, reads: &[u16], output: Tensor) -> Result<(), GraphError> {
    checked(&mut GraphWriter::new(input), op, reads, output)
}

fn checked(
    writer: &mut GraphWriter,
    op: Int8Op,
    reads: &[u16],
    out: Tensor,
) -> Result<(), GraphError> {
    writer.node("one", Op::Int8(op), reads, out).unwrap();
    match writer.graph(1) {
        Ok(_) => Ok(()),
        Err(WriteError::Graph { error, .. }) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

/// Checks a convolution of one channel that covers its input.
fn conv(
    input: Tensor,
    window: Window,
    shift: u8,
    bias: i32,
    out: Tensor,
) -> Result<(), GraphError> {
    let mut writer = GraphWriter::new(input);
    let op = Int8Op::Conv {
        window,
        groups: 1,
        weights: writer.codes(&vec![1; window.taps() * input.shape.c()]).unwrap(),
        bias: writer.words(&[bias]).unwrap(),
        mantissas: writer.words(&[i32::MAX]).unwrap(),
        shift,
        clamp: Clamp { lo: 5, hi: 5 },
    };
    checked(&mut writer, op, &[0], out)
}

const PARAMETER: Result<(), GraphError> = Err(GraphError::Parameter { node: 0 });

#[test]
fn windows() {
    let max = |window, input, output| one(input, Int8Op::MaxPool { window }, &[0], output);
    let wide = codes(40, 40, 1);
    for (stride, expected) in [(32, Ok(())), (33, PARAMETER)] {
        let window = Window { stride: [stride; 2], ..Window::POINT };
        assert_eq!(max(window, wide, codes(2, 2, 1)), expected, "stride {stride}");
        let window = Window { kernel: [2; 2], dilation: [stride; 2], ..Window::POINT };
        let side = 40 - u32::from(stride);
        assert_eq!(max(window, wide, codes(side, side, 1)), expected, "dilation {stride}");
    }
    assert_eq!((limits::STRIDE, limits::PAD), (32, 63));
    for (pad, expected) in [(63, Ok(())), (64, PARAMETER)] {
        let side = 40 + 2 * u32::from(pad);
        assert_eq!(one(wide, Int8Op::Pad { pad: [pad; 4] }, &[0], codes(side, side, 1)), expected);
        let window = Window { pad: [pad; 4], ..Window::POINT };
        assert_eq!(conv(wide, window, 0, 0, codes(side, side, 1)), expected, "pad {pad}");
    }
    for (shift, expected) in [(15, Ok(())), (16, PARAMETER)] {
        assert_eq!(conv(wide, Window::POINT, shift, 0, wide), expected, "shift {shift}");
    }
}

#[test]
fn accumulators() {
    let full = |h, w, bias| {
        let window = Window { kernel: [h, w], ..Window::POINT };
        conv(codes(h.into(), w.into(), 3), window, 0, bias, codes(1, 1, 1))
    };
    // 3 * 91 * 241 products of 255 * 128 leave 127 of 2^31 - 1.
    assert_eq!((full(91, 241, 127), full(91, 241, -127)), (Ok(()), Ok(())));
    let overflow = Err(GraphError::Overflow { node: 0 });
    assert_eq!((full(91, 241, 128), full(91, 241, -128)), (overflow, overflow));
    assert_eq!((full(92, 241, 0), full(255, 255, 0)), (overflow, overflow));
}

#[test]
fn inputs_of_a_node() {
    let joined = |n: usize| {
        let mut writer = GraphWriter::new(codes(1, 1, 1));
        let affines = vec![offshoot_core::graph::Affine { factor: 1, offset: 0, shift: 0 }; n];
        let op = Int8Op::Concat { affines: writer.affines(&affines).unwrap() };
        checked(&mut writer, op, &vec![0; n], codes(1, 1, n as u32))
    };
    assert_eq!(joined(limits::NODE_INPUTS), Ok(()));
    assert_eq!(joined(limits::NODE_INPUTS + 1), Err(GraphError::Inputs { node: 0 }));
}

#[test]
fn tensors_of_a_graph() {
    let chain = |tensors: usize| {
        let point = codes(1, 1, 1);
        let mut writer = GraphWriter::new(point);
        for id in 1..tensors {
            writer.node("", Op::Int8(Int8Op::Reshape), &[id as u16 - 1], point).unwrap();
        }
        writer.graph(1).map(|graph| graph.nodes().count()).map_err(|error| error.to_string())
    };
    assert_eq!(chain(limits::TENSORS), Ok(limits::TENSORS - 1));
    assert!(chain(limits::TENSORS + 1).unwrap_err().contains("4097 tensors"));
}

#[test]
fn names() {
    let good = Parts::of(&every_operation());
    for (len, accepted) in [(limits::NAME, true), (limits::NAME + 1, false)] {
        let name: &'static str = "n".repeat(len).leak();
        let changes: [fn(&mut Parts, &'static str); 4] = [
            |p, n| p.manifest.source = n,
            |p, n| p.manifest.cut = n,
            |p, n| p.manifest.tool = n,
            |p, n| p.nodes[FLAT].name = n.to_string(),
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut parts = good.clone();
            change(&mut parts, name);
            assert_eq!(Package::open(&parts.sealed()).is_ok(), accepted, "name {i} of {len} bytes");
        }
    }
}

fn opened(parts: &Parts) -> Result<(), PackageError> {
    Package::open(&parts.sealed()).map(|_| ())
}

/// A graph of exactly the greatest length, made of long names.
#[test]
fn bytes_of_the_graph() {
    let mut parts = Parts::of(&every_operation());
    let mut node = parts.nodes[SWAPPED].clone();
    node.read(&[13]);
    let tensor = parts.tensors[13];
    node.name = "n".repeat(128);
    let left = |parts: &Parts| limits::GRAPH_BYTES - parts.sections()[1].len();
    let before = left(&parts);
    let push = |parts: &mut Parts, times: usize| {
        parts.nodes.extend(vec![node.clone(); times]);
        parts.tensors.extend(vec![tensor; times]);
    };
    push(&mut parts, 1);
    let times = (left(&parts) - 100) / (before - left(&parts));
    push(&mut parts, times);
    parts.manifest.tensors = parts.tensors.len() as u16;
    // The last names take what is left; the lengths of names take two bytes already.
    let count = parts.nodes.len();
    for index in (count - 4..count).rev() {
        parts.nodes[index].name = "n".repeat(128 + left(&parts).min(128));
    }
    assert_eq!(parts.sections()[1].len(), limits::GRAPH_BYTES);
    assert_eq!(opened(&parts), Ok(()));
    parts.nodes[count - 5].name.push('n');
    let bytes = limits::GRAPH_BYTES as u64 + 1;
    let too_large = LayoutError::TooLarge { section: Section::Graph, bytes };
    assert_eq!(opened(&parts), Err(PackageError::Layout(too_large)));
}

/// Golden vectors of exactly the greatest length: a large frame, a narrow one, tiny ones.
#[test]
fn bytes_of_golden_vectors() {
    let golden = |w: u16, h: u16| {
        let rgb = vec![1u8; 3 * usize::from(w) * usize::from(h)];
        postcard::to_allocvec(&(w, h, &rgb[..], &[0u8; 10][..])).unwrap()
    };
    let mut parts = Parts::of(&every_operation());
    parts.goldens = golden(1024, 1360);
    parts.manifest.goldens = 1;
    let narrow = |left: usize| (1..6000).map(|h| golden(1, h)).find(|g| g.len() == left);
    let last = loop {
        match narrow(limits::GOLDEN_BYTES - parts.goldens.len()) {
            Some(last) => break last,
            None => parts.goldens.extend(golden(1, 1)),
        }
        parts.manifest.goldens += 1;
    };
    parts.goldens.extend(last);
    parts.manifest.goldens += 1;
    assert_eq!(parts.goldens.len(), limits::GOLDEN_BYTES);
    assert_eq!(opened(&parts), Ok(()));
    parts.goldens.push(0);
    let bytes = limits::GOLDEN_BYTES as u64 + 1;
    let too_large = LayoutError::TooLarge { section: Section::Golden, bytes };
    assert_eq!(opened(&parts), Err(PackageError::Layout(too_large)));
}

/// A manifest can only be as long as its names, so the greatest length is not a real one.
#[test]
fn bytes_of_the_manifest() {
    let mut sections = seal::sections(&every_operation());
    sections[0].resize(limits::MANIFEST_BYTES, 0);
    assert_eq!(Package::open(&seal::seal(&sections)).unwrap_err(), PackageError::Manifest);
    sections[0].push(0);
    let bytes = limits::MANIFEST_BYTES as u64 + 1;
    let too_large = LayoutError::TooLarge { section: Section::Manifest, bytes };
    assert_eq!(Package::open(&seal::seal(&sections)).unwrap_err(), PackageError::Layout(too_large));
}
