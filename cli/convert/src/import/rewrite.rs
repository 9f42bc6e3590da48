//! Rewriting of forms that tract misreads, or does not read, into ones that it reads correctly.
//!
//! Names of tensors stay, so that all messages and options use the names of the file.

use std::collections::HashSet;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, TensorProto};
use tract_onnx::prelude::f16;

use super::data_flow::reads;
use super::text_inputs;

/// Rewrites a graph in place. The result is stable under another rewrite, which happens after
/// weights were read from other files.
pub(super) fn rewrite(graph: &mut GraphProto) {
    widen(graph);
    drop_unread_inputs(graph);
    drop_ambiguous_names(graph);
}

const FLOAT: i32 = DataType::Float as i32;
const DOUBLE: i32 = DataType::Double as i32;
const HALVES: [i32; 2] = [DataType::Float16 as i32, DataType::Bfloat16 as i32];

/// Converts 16-bit and 64-bit floats to 32-bit ones: packages have no others.
fn widen(graph: &mut GraphProto) {
    graph.initializer.iter_mut().for_each(widen_tensor);
    for node in &mut graph.node {
        let casts = node.op_type == "Cast";
        for attribute in &mut node.attribute {
            attribute.t.iter_mut().chain(&mut attribute.tensors).for_each(widen_tensor);
            let other = HALVES.contains(&(attribute.i as i32)) || attribute.i == i64::from(DOUBLE);
            if casts && attribute.name == "to" && other {
                attribute.i = FLOAT.into();
            }
        }
    }
}

fn widen_tensor(tensor: &mut TensorProto) {
    if tensor.data_type == DOUBLE && !super::check::is_external(tensor) {
        return narrow(tensor);
    }
    let wide: fn(u16) -> f32 = match tensor.data_type {
        kind if kind == HALVES[0] => |bits| f16::from_bits(bits).to_f32(),
        kind if kind == HALVES[1] => |bits| f32::from_bits(u32::from(bits) << 16),
        _ => return,
    };
    if super::check::is_external(tensor) {
        return;
    }
    let raw = tensor.raw_data.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes));
    // Each number of 32 bits holds a 16-bit float in its low half.
    let single = tensor.int32_data.iter().map(|&bits| bits as u16);
    tensor.raw_data =
        raw.chain(single).flat_map(|bits| wide(bits).to_le_bytes()).collect::<Vec<u8>>();
    tensor.int32_data.clear();
    tensor.data_type = FLOAT;
}

/// Converts 64-bit floats; numbers beyond the largest 32-bit float, which stand for infinity, become
/// infinite.
fn narrow(tensor: &mut TensorProto) {
    let raw = tensor.raw_data.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
    let values = raw.chain(tensor.double_data.iter().copied());
    tensor.raw_data = values.flat_map(|v| (v as f32).to_le_bytes()).collect::<Vec<u8>>();
    tensor.double_data.clear();
    tensor.data_type = FLOAT;
}

/// Removes names of nodes that a tensor of another node has, since tract names nodes without a name
/// by their results. Nodes are then found by their own results.
fn drop_ambiguous_names(graph: &mut GraphProto) {
    let outputs = graph.node.iter().flat_map(|node| &node.output);
    let given =
        graph.input.iter().map(|i| &i.name).chain(graph.initializer.iter().map(|t| &t.name));
    let tensors: HashSet<String> =
        outputs.chain(given).filter(|n| !n.is_empty()).cloned().collect();
    for node in &mut graph.node {
        if tensors.contains(&node.name) && !node.output.contains(&node.name) {
            node.name.clear();
        }
    }
}

/// Removes unread inputs, such as a switch between training and inference; not for text models,
/// whose inputs all have a role.
fn drop_unread_inputs(graph: &mut GraphProto) {
    if text_inputs::takes_text(graph) {
        return;
    }
    let read: HashSet<&str> = graph.node.iter().flat_map(reads).collect();
    let given: HashSet<&str> = graph.output.iter().map(|o| o.name.as_str()).collect();
    let kept: Vec<bool> =
        graph.input.iter().map(|i| read.contains(&*i.name) || given.contains(&*i.name)).collect();
    if kept.contains(&true) {
        let mut kept = kept.into_iter();
        graph.input.retain(|_| kept.next().unwrap_or(true));
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::attribute_proto::AttributeType;
    use tract_onnx::pb::{AttributeProto, NodeProto};

    use super::*;

    fn floats(tensor: &TensorProto) -> Vec<f32> {
        tensor.raw_data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    #[test]
    fn floats_of_other_widths_become_single_however_they_are_written() {
        let half = |value: f32| f16::from_f32(value).to_bits();
        let values = [1.0f32, -0.5, 65_504.0, 6e-8, f32::INFINITY];
        let want: Vec<f32> = values.iter().map(|&v| f16::from_f32(v).to_f32()).collect();
        let mut raw = TensorProto { data_type: HALVES[0], ..TensorProto::default() };
        raw.raw_data = values.iter().flat_map(|&v| half(v).to_le_bytes()).collect::<Vec<u8>>();
        let mut single = TensorProto { data_type: HALVES[0], ..TensorProto::default() };
        single.int32_data = values.iter().map(|&v| half(v).into()).collect();
        let mut brain = TensorProto { data_type: HALVES[1], ..TensorProto::default() };
        brain.raw_data = vec![0x80, 0x3f, 0x00, 0xc0];
        let mut wide = TensorProto { data_type: DOUBLE, ..TensorProto::default() };
        wide.double_data = vec![0.25, -3.0];
        let mut cast = NodeProto { op_type: "Cast".to_string(), ..NodeProto::default() };
        let to = AttributeProto {
            name: "to".to_string(),
            r#type: AttributeType::Int.into(),
            i: 10,
            ..AttributeProto::default()
        };
        cast.attribute.push(to);
        let mut graph = GraphProto {
            initializer: vec![raw, single, brain, wide],
            node: vec![cast],
            ..GraphProto::default()
        };
        for _ in 0..2 {
            rewrite(&mut graph);
            let [raw, single, brain, wide] = &graph.initializer[..] else { panic!() };
            assert_eq!((floats(raw), floats(single)), (want.clone(), want.clone()));
            assert_eq!(floats(brain), [1.0, -2.0]);
            assert_eq!(floats(wide), [0.25, -3.0]);
            assert!(graph.initializer.iter().all(|t| t.data_type == FLOAT));
            assert_eq!(graph.node[0].attribute[0].i, 1);
        }
    }
}
