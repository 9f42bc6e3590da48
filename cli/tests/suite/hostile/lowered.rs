//! Hostile functions, quantized weights and windows: what is lowered or put in its place before
//! tract sees it.

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, FunctionProto, ModelProto, NodeProto, TensorProto};

use super::{Case, case};
use crate::common::graph::Graph;

/// Functions that call each other: each has `calls` calls of the next, the last of the first.
fn functions(count: usize, calls: usize) -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.node("F0", "y", &["x"], &[]);
    let mut model = graph.model(13);
    for at in 0..count {
        let node = |call: usize| NodeProto {
            op_type: format!("F{}", (at + 1) % count),
            input: vec![if call == 0 { "a".to_string() } else { format!("t{}", call - 1) }],
            output: vec![if call + 1 == calls { "b".to_string() } else { format!("t{call}") }],
            ..NodeProto::default()
        };
        model.functions.push(FunctionProto {
            name: Some(format!("F{at}")),
            input: vec!["a".to_string()],
            output: vec!["b".to_string()],
            node: (0..calls).map(node).collect(),
            ..FunctionProto::default()
        });
    }
    model
}

fn bytes(name: &str, dims: &[i64], data_type: i32, raw_data: Vec<u8>) -> TensorProto {
    let dims = dims.to_vec();
    TensorProto { name: name.to_string(), dims, data_type, raw_data, ..TensorProto::default() }
}

/// A convolution whose weights are codes with these scales and attributes.
fn codes(scales: &[f32], attributes: &[(&str, i64)]) -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.floats("s", scales);
    if scales.len() == 1 {
        graph.0.initializer.last_mut().unwrap().dims.clear();
    }
    graph.0.initializer.push(bytes("q", &[4, 3, 3, 3], 3, vec![100; 108]));
    graph.node("DequantizeLinear", "w", &["q", "s"], &[]);
    for (name, value) in attributes {
        graph.number(name, *value);
    }
    graph.node("Conv", "c", &["x", "w"], &[]);
    graph.model(21)
}

/// A product with weights in blocks of 4 bits, of these sizes.
fn blocks(rows: i64, columns: i64, block: i64) -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.floats("s", &[1.0; 8]);
    graph.0.initializer.push(bytes("q", &[8, 1, 4], 2, vec![0x77; 32]));
    graph.node("MatMulNBits", "p", &["x", "q", "s"], &[]);
    for (name, value) in [("K", rows), ("N", columns), ("bits", 4), ("block_size", block)] {
        graph.number(name, value);
    }
    graph.model(17)
}

/// Codes whose scale is computed from the picture.
fn computed_scale() -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.node("GlobalAveragePool", "s", &["x"], &[]);
    graph.node("QuantizeLinear", "q", &["x", "s"], &[]);
    graph.node("DequantizeLinear", "d", &["q", "s"], &[]);
    graph.model(13)
}

fn scale(value: f32) -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.floats("s", &[value]).0.initializer.last_mut().unwrap().dims.clear();
    graph.node("QuantizeLinear", "q", &["x", "s"], &[]);
    graph.node("DequantizeLinear", "d", &["q", "s"], &[]);
    graph.model(13)
}

/// Codes that are read with another scale than they were written with.
fn two_scales() -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    for (name, value) in [("s", 0.5), ("t", 0.25)] {
        graph.floats(name, &[value]).0.initializer.last_mut().unwrap().dims.clear();
    }
    graph.node("QuantizeLinear", "q", &["x", "s"], &[]);
    graph.node("DequantizeLinear", "d", &["q", "t"], &[]);
    graph.model(13)
}

fn text(name: &str, text: &str) -> AttributeProto {
    AttributeProto {
        name: name.to_string(),
        r#type: AttributeType::String.into(),
        s: text.as_bytes().to_vec(),
        ..AttributeProto::default()
    }
}

fn fused() -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.weights("w", &[4, 3, 3, 3]).node("FusedConv", "c", &["x", "w"], &[]);
    graph.0.node.last_mut().unwrap().attribute.push(text("activation", "Chaos"));
    graph.model(17)
}

/// A border that reflects more places than there are.
fn mirror() -> ModelProto {
    let mut graph = Graph::new(&[1, 3, 8, 8]);
    graph.whole("p", &[0, 0, 60, 0, 0, 0, 0, 0]).node("Pad", "b", &["x", "p"], &[]);
    graph.0.node.last_mut().unwrap().attribute.push(text("mode", "reflect"));
    graph.node("Relu", "r", &["b"], &[]);
    graph.model(13)
}

pub(super) fn cases() -> Vec<Case> {
    let huge = 1 << 20;
    vec![
        case("endless functions", functions(1, 1), &["call each other more than 16 deep"]),
        case("many functions", functions(2, 8), &["functions of more than 16384 nodes"]),
        case("scales", codes(&[0.5; 5], &[]), &["node `w` (DequantizeLinear)", "do not fit"]),
        case("block", codes(&[0.5; 4], &[("block_size", 1 << 30)]), &["(DequantizeLinear)"]),
        case("axis", codes(&[0.5; 4], &[("axis", 7)]), &["node `w` (DequantizeLinear)"]),
        case("endless weights", codes(&[3e38], &[]), &["node `w` (DequantizeLinear)"]),
        case("huge blocks", blocks(huge, huge, 32), &["node `p` (MatMulNBits)"]),
        case("no block", blocks(8, 8, 0), &["node `p` (MatMulNBits)"]),
        case("long block", blocks(8, 8, 1 << 30), &["node `p` (MatMulNBits)", "do not fit"]),
        case("computed scale", computed_scale(), &["node `q` (QuantizeLinear)", "computes"]),
        case("scale 0", scale(0.0), &["node `q` (QuantizeLinear)", "a scale of 0"]),
        case("scale -1", scale(-1.0), &["node `q` (QuantizeLinear)", "a scale of -1"]),
        case("two scales", two_scales(), &["node `d` (DequantizeLinear)", "another scale"]),
        case("fused", fused(), &["node `c` (FusedConv)", "the activation Chaos"]),
        case("mirror", mirror(), &["`b`", "Pad"]),
    ]
}

/// Nothing of what is lowered is as large as memory, whatever is cut out of the file.
#[test]
fn cut_files_are_refused() {
    let whole = codes(&[0.5; 4], &[]).encode_to_vec();
    for end in 0..whole.len() {
        let source = offshoot_convert::import::Source::parse("bad.onnx".as_ref(), &whole[..end]);
        if let Ok(source) = source {
            drop(source.import(&[], None, Default::default()));
        }
    }
}
