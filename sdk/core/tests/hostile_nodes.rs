//! Hand-made graphs with an operation that is not possible, each with the error it must give.

#![cfg(feature = "alloc")]

use offshoot_core::graph::{
    Blob, Clamp, Element, GraphError, Int8Op, Op, Permutation, Slice, Tensor, Window,
};
use offshoot_core::package::{GraphWriter, PackageError, WriteError};
use offshoot_core::{Package, Quant, Scale, Shape};

#[path = "../../tests/common/mod.rs"]
mod common;
mod parts;

use common::net::{every_operation, node::*};
use parts::Parts;

type Case = (&'static str, fn(&mut Parts));

/// Checks every case and reports all that fail.
fn check(node: usize, expected: fn(usize) -> GraphError, cases: &[Case]) {
    let good = Parts::of(&every_operation());
    let expected = PackageError::Graph(expected(node));
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|(name, change)| {
            let mut parts = good.clone();
            change(&mut parts);
            let outcome = Package::open(&parts.sealed()).map(|_| ());
            (outcome != Err(expected))
                .then(|| format!("{name}: {outcome:?} instead of {expected:?}"))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

fn parameter(node: usize) -> GraphError {
    GraphError::Parameter { node }
}

fn shape(node: usize) -> GraphError {
    GraphError::Shape { node }
}

fn weights(node: usize) -> GraphError {
    GraphError::Weights { node }
}

fn overflow(node: usize) -> GraphError {
    GraphError::Overflow { node }
}

#[test]
fn windows_of_convolutions() {
    check(
        STEM,
        parameter,
        &[
            ("a long name", |p| p.nodes[STEM].name = "n".repeat(257)),
            ("kernel 0", |p| edit!(p[STEM], Conv { window } => window.kernel[0] = 0)),
            ("kernel 0 across", |p| edit!(p[STEM], Conv { window } => window.kernel[1] = 0)),
            ("stride 0", |p| edit!(p[STEM], Conv { window } => window.stride[0] = 0)),
            ("stride 0 across", |p| edit!(p[STEM], Conv { window } => window.stride[1] = 0)),
            ("stride 33", |p| edit!(p[STEM], Conv { window } => window.stride[0] = 33)),
            ("dilation 0", |p| edit!(p[STEM], Conv { window } => window.dilation[0] = 0)),
            ("dilation 33", |p| edit!(p[STEM], Conv { window } => window.dilation[1] = 33)),
            ("pad 64 above", |p| edit!(p[STEM], Conv { window } => window.pad[0] = 64)),
            ("pad 255 to the right", |p| edit!(p[STEM], Conv { window } => window.pad[3] = 255)),
            ("groups 0", |p| edit!(p[STEM], Conv { groups } => *groups = 0)),
            ("shift 16", |p| edit!(p[STEM], Conv { shift } => *shift = 16)),
            ("shift 255", |p| edit!(p[STEM], Conv { shift } => *shift = 255)),
            ("lo above hi", |p| edit!(p[STEM], Conv { clamp } => (clamp.lo, clamp.hi) = (1, 0))),
            ("a negative mantissa", |p| mantissa(p, -1)),
            ("the least mantissa", |p| mantissa(p, i32::MIN)),
        ],
    );
}

/// Writes the stem's last mantissa.
fn mantissa(parts: &mut Parts, value: i32) {
    edit!(parts[STEM], Conv { mantissas } => {
        let end = (mantissas.offset + mantissas.len) as usize;
        parts.weights[end - 4..end].copy_from_slice(&value.to_le_bytes());
    });
}

#[test]
fn windows_of_pools() {
    check(
        MAX,
        parameter,
        &[
            ("kernel 0", |p| edit!(p[MAX], MaxPool { window } => window.kernel[1] = 0)),
            ("stride 0", |p| edit!(p[MAX], MaxPool { window } => window.stride[1] = 0)),
            ("sees only padding above", |p| edit!(p[MAX], MaxPool { window } => window.pad[0] = 2)),
            ("sees only padding below", |p| edit!(p[MAX], MaxPool { window } => window.pad[2] = 2)),
            ("dilated taps beside the map", |p| {
                edit!(p[MAX], MaxPool { window } => (window.dilation, window.pad) = ([2; 2], [1; 4]));
            }),
        ],
    );
    check(
        MEAN,
        parameter,
        &[
            ("sees only padding", |p| edit!(p[MEAN], AveragePool { window } => window.pad[1] = 3)),
            (
                "pad 64",
                |p| edit!(p[MEAN], AveragePool { window } => (window.kernel, window.pad) = ([255; 2], [64; 4])),
            ),
            (
                "negative mantissa",
                |p| edit!(p[MEAN], AveragePool { multiplier } => multiplier.mantissa = -1),
            ),
            ("shift 16", |p| edit!(p[MEAN], AveragePool { multiplier } => multiplier.shift = 16)),
            (
                "lo above hi",
                |p| edit!(p[MEAN], AveragePool { clamp } => (clamp.lo, clamp.hi) = (127, -128)),
            ),
        ],
    );
}

#[test]
fn fixed_point_maps() {
    check(
        SUM,
        parameter,
        &[
            ("shift 32", |p| edit!(p[SUM], Add { a } => a.shift = 32)),
            ("shift 255", |p| edit!(p[SUM], Add { a } => a.shift = 255)),
            ("offset 2^30", |p| edit!(p[SUM], Add { a } => a.offset = 1 << 30)),
            ("offset -2^30", |p| edit!(p[SUM], Add { a } => a.offset = -1 << 30)),
            ("the least offset", |p| edit!(p[SUM], Add { a } => a.offset = i32::MIN)),
            ("lo above hi", |p| edit!(p[SUM], Add { clamp } => (clamp.lo, clamp.hi) = (0, -1))),
        ],
    );
    check(
        RESCALED,
        parameter,
        &[
            ("shift 32", |p| edit!(p[RESCALED], Rescale { affine } => affine.shift = 32)),
            (
                "offset 2^31 - 1",
                |p| edit!(p[RESCALED], Rescale { affine } => affine.offset = i32::MAX),
            ),
            ("lo above hi", |p| edit!(p[RESCALED], Rescale { clamp } => clamp.lo = 91)),
        ],
    );
    check(
        JOINED,
        parameter,
        &[
            ("shift 32", |p| affine(p, 2, 32)),
            ("reserved byte", |p| affine(p, 3, 1)),
            ("offset 2^30", |p| affine(p, 7, 0x40)),
            ("the least offset", |p| affine(p, 7, 0x80)),
        ],
    );
    check(
        PADDED,
        parameter,
        &[
            ("pad 64", |p| edit!(p[PADDED], Pad { pad } => pad[2] = 64)),
            ("pad 255", |p| edit!(p[PADDED], Pad { pad } => *pad = [255; 4])),
        ],
    );
}

/// Writes a byte of the second affine record of the concatenation.
fn affine(parts: &mut Parts, at: usize, value: u8) {
    edit!(parts[JOINED], Concat { affines } => parts.weights[affines.offset as usize + 8 + at] = value);
}

#[test]
fn products_and_parts() {
    check(
        PRODUCT,
        parameter,
        &[
            (
                "negative mantissa",
                |p| edit!(p[PRODUCT], Multiply { multiplier } => multiplier.mantissa = -1),
            ),
            ("shift 16", |p| edit!(p[PRODUCT], Multiply { multiplier } => multiplier.shift = 16)),
            (
                "lo above hi",
                |p| edit!(p[PRODUCT], Multiply { clamp } => (clamp.lo, clamp.hi) = (1, 0)),
            ),
        ],
    );
    check(
        PRODUCT,
        shape,
        &[
            ("of two shapes", |p| p.nodes[PRODUCT].read(&[LOOKED_UP as u16 + 1, 9])),
            ("of a vector and a map", |p| p.nodes[PRODUCT].read(&[9, LOOKED_UP as u16 + 1])),
            ("of another shape than both", |p| p.nodes[PRODUCT].read(&[9, 9])),
        ],
    );
    check(
        PRODUCT,
        |node| GraphError::Inputs { node },
        &[("of one", |p| p.nodes[PRODUCT].read(&[11]))],
    );
    check(
        PART,
        parameter,
        &[("axis 3", |p| part(p, |s| s.axis = 3)), ("axis 255", |p| part(p, |s| s.axis = 255))],
    );
    check(
        PART,
        shape,
        &[
            ("one channel too far", |p| part(p, |s| s.from += 1)),
            ("behind the map", |p| part(p, |s| s.from = 7)),
            ("wraps around", |p| part(p, |s| s.from = u32::MAX - 1)),
            ("another axis", |p| part(p, |s| s.axis = 0)),
            ("a row less", |p| part(p, |s| (s.axis, s.from) = (1, 1))),
        ],
    );
    check(
        LARGE,
        shape,
        &[
            ("times 0", |p| edit!(p[LARGE], Upsample { factor } => factor[0] = 0)),
            ("times 255", |p| edit!(p[LARGE], Upsample { factor } => *factor = [255; 2])),
        ],
    );
}

fn part(parts: &mut Parts, change: fn(&mut Slice)) {
    let Op::Int8(Int8Op::Slice(slice)) = &mut parts.nodes[PART].op else { panic!() };
    change(slice);
}

#[test]
fn permutations() {
    fn change(parts: &mut Parts, change: fn(&mut Permutation)) {
        let Op::Int8(Int8Op::Permute(permutation)) = &mut parts.nodes[SHUFFLED].op else {
            panic!()
        };
        change(permutation);
    }
    check(
        SHUFFLED,
        shape,
        &[
            ("an axis twice", |p| change(p, |a| a.order = [0, 1, 2, 2])),
            ("no such axis", |p| change(p, |a| a.order = [0, 1, 2, 4])),
            ("axis 255", |p| change(p, |a| a.order[0] = 255)),
            ("a value more", |p| change(p, |a| a.dims[3] += 1)),
            ("an axis of length 0", |p| change(p, |a| a.dims[0] = 0)),
            ("lengths that wrap to the right product", |p| {
                change(p, |a| a.dims = [1 << 31, 2, 24, 1])
            }),
            ("one axis too long", |p| change(p, |a| a.dims = [u32::MAX; 4])),
        ],
    );
    let quantization = |node| GraphError::Kind { node };
    for node in [SHUFFLED, PART, LARGE] {
        let mut parts = Parts::of(&every_operation());
        parts.scale(node + 1, 0.5);
        let outcome = Package::open(&parts.sealed()).map(|_| ());
        assert_eq!(outcome, Err(PackageError::Graph(quantization(node))), "changes the scale");
    }
}

#[test]
fn stated_shapes() {
    check(
        STEM,
        shape,
        &[
            ("a row more", |p| p.word(STEM + 1, 0, 5)),
            ("a column less", |p| p.word(STEM + 1, 1, 3)),
            (
                "a kernel larger than the map",
                |p| edit!(p[STEM], Conv { window } => window.kernel = [255; 2]),
            ),
            (
                "a dilation larger than the map",
                |p| edit!(p[STEM], Conv { window } => window.dilation = [32; 2]),
            ),
            ("another stride", |p| edit!(p[STEM], Conv { window } => window.stride = [3; 2])),
            (
                "groups that divide the output only",
                |p| edit!(p[STEM], Conv { groups } => *groups = 2),
            ),
            (
                "groups that divide the input only",
                |p| edit!(p[STEM], Conv { groups } => *groups = 3),
            ),
            (
                "more groups than channels",
                |p| edit!(p[STEM], Conv { groups } => *groups = u16::MAX),
            ),
        ],
    );
    check(
        SUM,
        shape,
        &[
            ("of two shapes", |p| p.nodes[SUM].read(&[0, 1])),
            ("of another shape than both", |p| p.nodes[SUM].read(&[0, 0])),
        ],
    );
    check(
        MAX,
        shape,
        &[
            ("channels appear", |p| p.word(MAX + 1, 2, 5)),
            ("a row more", |p| p.word(MAX + 1, 0, 3)),
        ],
    );
    check(MEAN, shape, &[("channels vanish", |p| p.word(MEAN + 1, 2, 3))]);
    check(
        JOINED,
        shape,
        &[
            ("more channels than come in", |p| p.word(JOINED + 1, 2, 9)),
            ("maps of two sizes", |p| p.nodes[JOINED].read(&[5, 4])),
            ("an input too many", |p| p.nodes[JOINED].read(&[5, 6, 6])),
        ],
    );
    check(PADDED, shape, &[("another border", |p| edit!(p[PADDED], Pad { pad } => pad[0] = 2))]);
    check(RESCALED, shape, &[("a column more", |p| p.word(RESCALED + 1, 1, 4))]);
    check(SWAPPED, shape, &[("a value more", |p| p.word(SWAPPED + 1, 2, 7))]);
    check(
        FLAT,
        shape,
        &[
            ("a value less", |p| p.word(FLAT + 1, 2, 23)),
            ("not a vector", |p| {
                [1, 2, 12].into_iter().enumerate().for_each(|(i, v)| p.word(FLAT + 1, i, v))
            }),
        ],
    );
}

#[test]
fn lengths_of_weights() {
    const EVERYWHERE: Blob = Blob { offset: u32::MAX, len: u32::MAX };
    check(
        STEM,
        weights,
        &[
            ("a weight less", |p| edit!(p[STEM], Conv { weights } => weights.len -= 1)),
            ("a weight more", |p| edit!(p[STEM], Conv { weights } => weights.len += 1)),
            ("no weights", |p| edit!(p[STEM], Conv { weights } => weights.len = 0)),
            (
                "behind the section",
                |p| edit!(p[STEM], Conv { weights } => weights.offset = 1 << 20),
            ),
            ("at the end of memory", |p| edit!(p[STEM], Conv { weights } => *weights = EVERYWHERE)),
            (
                "offset and length wrap",
                |p| edit!(p[STEM], Conv { weights } => weights.offset = u32::MAX),
            ),
            ("a bias less", |p| edit!(p[STEM], Conv { bias } => bias.len -= 4)),
            ("half a bias", |p| edit!(p[STEM], Conv { bias } => bias.len -= 2)),
            ("a bias more", |p| edit!(p[STEM], Conv { bias } => bias.len += 4)),
            ("no bias", |p| edit!(p[STEM], Conv { bias } => bias.offset = u32::MAX - 3)),
            ("a mantissa less", |p| edit!(p[STEM], Conv { mantissas } => mantissas.len -= 4)),
            ("a mantissa more", |p| edit!(p[STEM], Conv { mantissas } => mantissas.len += 4)),
            ("a channel more", |p| p.word(STEM + 1, 2, 5)),
            (
                "a tap more",
                |p| edit!(p[STEM], Conv { window } => (window.kernel[0], window.pad[0]) = (4, 2)),
            ),
            ("an empty section", |p| p.weights.clear()),
        ],
    );
    check(
        EMBEDDING,
        weights,
        &[
            ("the last byte is missing", |p| {
                edit!(p[EMBEDDING], Conv { weights } => p.weights.truncate((weights.offset + weights.len) as usize - 1));
            }),
            ("ends one byte behind the section", |p| {
                edit!(p[EMBEDDING], Conv { weights } => weights.offset = p.weights.len() as u32 - weights.len + 1);
            }),
        ],
    );
    check(
        LOOKED_UP,
        weights,
        &[
            ("a code less", |p| edit!(p[LOOKED_UP], Table { table } => table.len -= 1)),
            ("a code more", |p| edit!(p[LOOKED_UP], Table { table } => table.len += 1)),
            ("no such range", |p| edit!(p[LOOKED_UP], Table { table } => *table = EVERYWHERE)),
        ],
    );
    check(
        GROUPED,
        weights,
        &[("fewer groups", |p| edit!(p[GROUPED], Conv { groups } => *groups = 1))],
    );
    check(
        JOINED,
        weights,
        &[
            ("a record less", |p| edit!(p[JOINED], Concat { affines } => affines.len -= 8)),
            ("half a record", |p| edit!(p[JOINED], Concat { affines } => affines.len -= 4)),
            ("no such range", |p| edit!(p[JOINED], Concat { affines } => *affines = EVERYWHERE)),
        ],
    );
}

#[test]
fn accumulators() {
    fn bias(parts: &mut Parts, value: i32) {
        edit!(parts[STEM], Conv { bias } => {
            let at = bias.offset as usize + 4;
            parts.weights[at..at + 4].copy_from_slice(&value.to_le_bytes());
        });
    }
    check(
        STEM,
        overflow,
        &[
            ("the greatest bias", |p| bias(p, i32::MAX)),
            ("the least bias", |p| bias(p, i32::MIN)),
            ("one too much", |p| bias(p, i32::MAX - 27 * 255 * 128 + 1)),
            ("one too little", |p| bias(p, -(i32::MAX - 27 * 255 * 128 + 1))),
        ],
    );
    for largest in [i32::MAX - 27 * 255 * 128, -(i32::MAX - 27 * 255 * 128)] {
        let mut parts = Parts::of(&every_operation());
        bias(&mut parts, largest);
        Package::open(&parts.sealed()).expect("the accumulator just holds it");
    }
}

/// 65,538 products for each of 65,535 channels are 65,534 bytes more than 32 bits can count:
/// the right length on a 32-bit board that does not look.
#[test]
fn products_do_not_wrap() {
    let quant = Quant { scale: Scale::ONE, zero_point: 0 };
    let codes =
        |h, w, c| Tensor { shape: Shape::new(h, w, c).unwrap(), element: Element::Int8(quant) };
    let mut writer = GraphWriter::new(codes(66, 331, 3));
    let reshaped = codes(1, 18, 3641);
    assert_eq!((reshaped.shape.elements() as u64 * 65_535) as u32, 65_534);
    writer.node("reshape", Op::Int8(Int8Op::Reshape), &[0], reshaped).unwrap();
    let op = Int8Op::Conv {
        window: Window { kernel: [1, 18], ..Window::POINT },
        groups: 1,
        weights: writer.codes(&[1; 65_534]).unwrap(),
        bias: writer.words(&[0; 65_535]).unwrap(),
        mantissas: writer.words(&[0; 65_535]).unwrap(),
        shift: 0,
        clamp: Clamp::NONE,
    };
    writer.node("conv", Op::Int8(op), &[1], codes(1, 1, 65_535)).unwrap();
    let error = writer.graph(2).map(|_| ()).unwrap_err();
    assert_eq!(
        error,
        WriteError::Graph { error: GraphError::Weights { node: 1 }, node: "conv".into() }
    );
}
