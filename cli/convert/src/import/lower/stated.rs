//! Integers of a file that is quantized already, stated in the layers that its nodes became: scales
//! and zero points of results, and steps of weights.
//!
//! The network is the same without them. With them the quantizer takes the file's integers as they
//! are, where int8 has them.

use offshoot_core::{Quant, Scale};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto};

use super::pieces::Stored;
use super::stored_numbers::Numbers;
use crate::import::data_flow::Named;
use crate::ir::{LayerOp, Model};

/// Largest number of nodes between stored weights and their reader.
const DEEP: usize = 8;

/// States in the layers of a network what the nodes of the file state.
pub(in crate::import) fn state(graph: &GraphProto, model: &mut Model) {
    if !graph.node.iter().any(|node| grid_of_result(node).is_some()) {
        return;
    }
    let stored = Stored::of(graph);
    let named = Named::of(graph);
    for layer in &mut model.layers {
        let Some(node) = named.node(&layer.name).map(|at| &graph.node[at]) else { continue };
        let is_result = node.output.first() == Some(&layer.name);
        let grid = match layer.op {
            LayerOp::Scale { .. } => grid_of_input(&stored, node),
            _ => grid_of_result(node).filter(|_| is_result),
        };
        if let Some(grid) = grid {
            match quant(&stored, node, grid) {
                Ok(quant) => layer.stated.grid = Some(quant),
                Err(why) => layer.stated.refused = Some(why),
            }
        }
        if matches!(layer.op, LayerOp::Conv(_)) {
            layer.stated.steps = steps(&stored, node).unwrap_or_default();
        }
    }
}

/// Returns the places of scale and zero point of a node's result; `None` for a result in float.
fn grid_of_result(node: &NodeProto) -> Option<[usize; 2]> {
    match node.op_type.as_str() {
        "QuantizeLinear" => Some([1, 2]),
        "QLinearConv" | "QLinearMatMul" | "QLinearAdd" | "QLinearMul" => Some([6, 7]),
        "QGemm" if node.input.len() > 7 => Some([7, 8]),
        "QLinearSigmoid"
        | "QLinearLeakyRelu"
        | "QLinearSoftmax"
        | "QLinearGlobalAveragePool"
        | "QLinearAveragePool"
        | "QLinearReduceMean" => Some([3, 4]),
        "QLinearConcat" => Some([0, 1]),
        _ => None,
    }
}

/// Returns the places of scale and zero point of bytes that the model takes.
fn grid_of_input(stored: &Stored<'_>, node: &NodeProto) -> Option<[usize; 2]> {
    let reads = node.op_type == "DequantizeLinear" || node.op_type.starts_with("QLinear");
    let scales = if node.op_type == "QLinearConcat" { [3, 4] } else { [1, 2] };
    (reads && stored.is_input(node.input.first()?)).then_some(scales)
}

/// Returns the int8 quantization of a result. Codes from 0 to 255 become codes from -128 to 127.
fn quant(stored: &Stored<'_>, node: &NodeProto, grid: [usize; 2]) -> Result<Quant, String> {
    let [scales, zeros] = grid.map(|at| numbers(stored, node.input.get(at)?));
    let kind = zeros.map_or(DataType::Uint8, |zeros| zeros.kind());
    let lowest = match kind {
        DataType::Uint8 | DataType::Uint4 => 0.0,
        DataType::Int8 | DataType::Int4 => -128.0,
        DataType::Uint16 | DataType::Int16 => return Err("its result has 16 bits".to_string()),
        other => return Err(format!("its result is of type {}", other.as_str_name())),
    };
    let Some(scale) = scales.and_then(|s| s.first().filter(|_| s.len() == 1)) else {
        return Err("its result has a scale per channel".to_string());
    };
    let zero = zeros.and_then(|zeros| zeros.first()).unwrap_or(0.0) - 128.0 - lowest;
    let scale = Scale::new(scale as f32).ok_or_else(|| format!("its scale is {scale}"))?;
    Ok(Quant { scale, zero_point: zero as i8 })
}

/// Returns the steps of a node's weights.
fn steps(stored: &Stored<'_>, node: &NodeProto) -> Option<Vec<f32>> {
    let scales = match node.op_type.as_str() {
        "QLinearConv" | "QLinearMatMul" | "QGemm" => node.input.get(4)?,
        "Conv" | "FusedConv" | "ConvTranspose" | "Gemm" | "FusedGemm" | "MatMul"
        | "FusedMatMul" => scales_behind(stored, node.input.get(1)?)?,
        _ => return None,
    };
    Some(numbers(stored, scales)?.all().map(|step| step as f32).collect())
}

/// Returns the name of the scales of weights that nodes of the file bring into another order.
fn scales_behind<'g>(stored: &Stored<'g>, weights: &'g str) -> Option<&'g str> {
    let mut name = weights;
    for _ in 0..DEEP {
        let giver = stored.giver(name)?;
        name = match giver.op_type.as_str() {
            "DequantizeLinear" => return giver.input.get(1).map(String::as_str),
            "Transpose" | "Reshape" | "Identity" | "Squeeze" | "Unsqueeze" | "Flatten" => {
                giver.input.first()?
            }
            _ => return None,
        };
    }
    None
}

fn numbers<'s>(stored: &'s Stored<'_>, name: &str) -> Option<Numbers<'s>> {
    Numbers::of(stored.tensor(name)?)
}
