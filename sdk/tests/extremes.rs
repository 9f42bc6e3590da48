//! Packages of a few kilobytes that ask for all the memory, or all the time, there is.

use std::time::{Duration, Instant};

use offshoot::{Error, Extractor, Frame, PixelFormat};
use offshoot_core::graph::{Affine, Clamp, Element, Int8Op, Op, Tensor};
use offshoot_core::package::{Extras, GraphWriter, Manifest, PackageId, Precision, write_package};
use offshoot_core::preprocess::{Channels, Preprocess, Resize};
use offshoot_core::{Quant, Scale, Shape, limits};

const AFFINE: Affine = Affine { factor: 1, offset: 0, shift: 0 };

fn codes(h: u32, w: u32, c: u32) -> Tensor {
    let quant = Quant { scale: Scale::ONE, zero_point: 0 };
    Tensor { shape: Shape::new(h, w, c).unwrap(), element: Element::Int8(quant) }
}

fn gray(side: u16) -> Preprocess {
    Preprocess {
        width: side,
        height: side,
        channels: Channels::Gray,
        resize: Resize::Squash,
        mean: [0.0; 3],
        std: [1.0; 3],
    }
}

fn opened(mut writer: GraphWriter, side: u16, output: u16) -> Result<Extractor, Error> {
    let manifest = Manifest {
        source: "",
        source_sha256: [0; 32],
        cut: "",
        tool: "",
        id: PackageId::new([0; 32]),
        precision: Precision::Int8,
        preprocess: gray(side),
        input_table: writer.codes(&[1; 256]).unwrap(),
        tensors: output + 1,
        output,
        goldens: 0,
        extras: Extras::default(),
    };
    let file = write_package(&manifest, &writer, &[]).unwrap();
    assert!(file.len() < 200_000, "{} bytes", file.len());
    Extractor::from_bytes(file)
}

/// A chain of `n` maps of one shape.
fn chain(map: Tensor, n: u16) -> GraphWriter {
    let mut writer = GraphWriter::new(map);
    let op = Int8Op::Rescale { affine: AFFINE, clamp: Clamp::NONE };
    for id in 0..n {
        writer.node("", Op::Int8(op), &[id], map).unwrap();
    }
    writer
}

/// Plans the largest number of tensors of a graph, nearly all of them alive together.
#[test]
fn planning_the_widest_graph_takes_no_time() {
    let start = Instant::now();
    let mut writer = chain(codes(1, 1, 1), 3840);
    let affines = writer.affines(&[AFFINE; limits::NODE_INPUTS]).unwrap();
    let mut last = 0;
    for first in (0..3840).step_by(limits::NODE_INPUTS) {
        let inputs: Vec<u16> = (first..first + limits::NODE_INPUTS as u16).collect();
        let op = Op::Int8(Int8Op::Concat { affines });
        last = writer.node("", op, &inputs, codes(1, 1, limits::NODE_INPUTS as u32)).unwrap();
    }
    let extractor = opened(writer, 1, last).unwrap();
    assert!(extractor.memory().arena >= 3840);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// 1000 maps of 2^28 values alive together: a quarter of a terabyte.
#[test]
fn a_network_too_large_for_the_memory_is_an_error() {
    let map = codes(16_384, 16_384, 1);
    let mut writer = chain(map, 1000);
    let mut last = 1000;
    for id in 0..1000 {
        let op = Int8Op::Add { a: AFFINE, b: 1, clamp: Clamp::NONE };
        last = writer.node("", Op::Int8(op), &[id, last], map).unwrap();
    }
    let error = opened(writer, 16_384, last).unwrap_err();
    assert!(!error.to_string().is_empty());
}

/// The largest frames that exist, shrunk to a single pixel.
#[test]
fn the_largest_frame_can_be_shrunk() {
    let side = limits::FRAME_SIDE;
    let pixels = vec![255; (side * side) as usize];
    for (width, height) in [(side, side), (side, 1), (1, side)] {
        let frame = Frame::new(width, height, PixelFormat::Gray8, &pixels).unwrap();
        let mut out = [0u8];
        gray(1).pixels_into(&frame, &mut out).unwrap();
        assert_eq!(out, [255], "{width}x{height}");
    }
}
