//! Rewriting of forms that tract misreads, or does not read, into ones that it reads correctly.
//!
//! Names of tensors stay, so that all messages and options use the names of the file.

use std::collections::HashSet;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};
use tract_onnx::prelude::f16;

use super::data_flow::reads;
use super::text_inputs;

/// Rewrites a graph in place. The result is stable under another rewrite, which happens after
/// weights were read from other files.
pub(super) fn rewrite(graph: &mut GraphProto) {
    widen(graph);
    drop_unread_inputs(graph);
    scale_activations(graph);
}

const FLOAT: i32 = DataType::Float as i32;
const HALVES: [i32; 2] = [DataType::Float16 as i32, DataType::Bfloat16 as i32];

/// Converts 16-bit floats to 32-bit ones: packages have no others, and the values stay the same.
fn widen(graph: &mut GraphProto) {
    graph.initializer.iter_mut().for_each(widen_tensor);
    for node in &mut graph.node {
        let casts = node.op_type == "Cast";
        for attribute in &mut node.attribute {
            attribute.t.iter_mut().chain(&mut attribute.tensors).for_each(widen_tensor);
            if casts && attribute.name == "to" && HALVES.contains(&(attribute.i as i32)) {
                attribute.i = FLOAT.into();
            }
        }
    }
}

fn widen_tensor(tensor: &mut TensorProto) {
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

/// Returns the alpha of an activation that tract ignores, as a scale: `f(x) = s * f1(x / s)`, where
/// `f1` is the activation with an alpha of 1. For `Celu`, `s` is alpha; for `Swish`, `1 / s` is.
fn forgotten(node: &NodeProto) -> Option<f32> {
    let alpha = node
        .attribute
        .iter()
        .find(|a| a.name == "alpha")
        .map(|a| a.f)
        .filter(|&alpha| alpha != 1.0)?;
    match &*node.op_type {
        "Celu" => Some(alpha),
        "Swish" => Some(1.0 / alpha),
        _ => None,
    }
}

fn scale_activations(graph: &mut GraphProto) {
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        let ends = node.input.first().cloned().zip(node.output.first().cloned());
        let Some((scale, (input, output))) = forgotten(&node).zip(ends) else {
            nodes.push(node);
            continue;
        };
        let [small, unit, factor] =
            ["small", "unit", "scale"].map(|part| format!("{output}.{part}"));
        graph.initializer.push(TensorProto {
            name: factor.clone(),
            data_type: FLOAT,
            raw_data: scale.to_le_bytes().to_vec(),
            ..TensorProto::default()
        });
        node.attribute.retain(|a| a.name != "alpha");
        let name = std::mem::replace(&mut node.name, unit.clone());
        (node.input, node.output) = (vec![small.clone()], vec![unit.clone()]);
        nodes.push(operation("Div", &small, [&input, &factor], &small));
        nodes.push(node);
        nodes.push(operation(
            "Mul",
            if name.is_empty() { &output } else { &name },
            [&unit, &factor],
            &output,
        ));
    }
    graph.node = nodes;
}

fn operation(op: &str, name: &str, inputs: [&String; 2], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.to_string(),
        name: name.to_string(),
        input: inputs.map(String::clone).to_vec(),
        output: vec![output.to_string()],
        ..NodeProto::default()
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::AttributeProto;
    use tract_onnx::pb::attribute_proto::AttributeType;

    use super::*;

    fn floats(tensor: &TensorProto) -> Vec<f32> {
        tensor.raw_data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    #[test]
    fn halves_are_widened_however_they_are_written() {
        let half = |value: f32| f16::from_f32(value).to_bits();
        let values = [1.0f32, -0.5, 65_504.0, 6e-8, f32::INFINITY];
        let want: Vec<f32> = values.iter().map(|&v| f16::from_f32(v).to_f32()).collect();
        let mut raw = TensorProto { data_type: HALVES[0], ..TensorProto::default() };
        raw.raw_data = values.iter().flat_map(|&v| half(v).to_le_bytes()).collect::<Vec<u8>>();
        let mut single = TensorProto { data_type: HALVES[0], ..TensorProto::default() };
        single.int32_data = values.iter().map(|&v| half(v).into()).collect();
        let mut brain = TensorProto { data_type: HALVES[1], ..TensorProto::default() };
        brain.raw_data = vec![0x80, 0x3f, 0x00, 0xc0];
        let mut cast = NodeProto { op_type: "Cast".to_string(), ..NodeProto::default() };
        let to = AttributeProto {
            name: "to".to_string(),
            r#type: AttributeType::Int.into(),
            i: 10,
            ..AttributeProto::default()
        };
        cast.attribute.push(to);
        let mut graph = GraphProto {
            initializer: vec![raw, single, brain],
            node: vec![cast],
            ..GraphProto::default()
        };
        for _ in 0..2 {
            rewrite(&mut graph);
            let [raw, single, brain] = &graph.initializer[..] else { panic!() };
            assert_eq!((floats(raw), floats(single)), (want.clone(), want.clone()));
            assert_eq!(floats(brain), [1.0, -2.0]);
            assert!(graph.initializer.iter().all(|t| t.data_type == FLOAT));
            assert_eq!(graph.node[0].attribute[0].i, 1);
        }
    }

    #[test]
    fn celu_keeps_its_names_and_is_rewritten_once() {
        let alpha =
            AttributeProto { name: "alpha".to_string(), f: 2.0, ..AttributeProto::default() };
        let mut celu = NodeProto {
            op_type: "Celu".to_string(),
            name: "act".to_string(),
            input: vec!["x".to_string()],
            output: vec!["y".to_string()],
            ..NodeProto::default()
        };
        celu.attribute.push(alpha);
        let mut graph = GraphProto { node: vec![celu], ..GraphProto::default() };
        for _ in 0..2 {
            rewrite(&mut graph);
            let operations: Vec<&str> = graph.node.iter().map(|n| &*n.op_type).collect();
            assert_eq!(operations, ["Div", "Celu", "Mul"]);
            assert_eq!((&*graph.node[2].name, &*graph.node[2].output[0]), ("act", "y"));
            assert_eq!(graph.initializer.len(), 1);
        }
    }
}
