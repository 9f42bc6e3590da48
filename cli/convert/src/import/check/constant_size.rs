//! Size of constants that a few bytes of a model would expand to when they are computed.

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use super::attribute_values::ints;
use super::{Refused, VALUES};

/// Largest total bytes of all computed constants: the limit of a file.
const BYTES: u64 = crate::import::MAX_BYTES;
/// Largest factor by which a side is enlarged.
const ENLARGED: f64 = 64.0;
/// Largest number of entries of a shape.
const SHAPE: usize = 64;

/// Tensors known without any computation: short lists of numbers, and shapes.
#[derive(Debug, Default)]
pub(in crate::import) struct Known<'g> {
    numbers: HashMap<&'g str, Vec<f64>>,
    dims: HashMap<&'g str, &'g [i64]>,
}

impl<'g> Known<'g> {
    pub(in crate::import) fn of(graph: &'g GraphProto) -> Self {
        let mut known = Self::default();
        for tensor in &graph.initializer {
            known.see(&tensor.name, tensor);
        }
        for node in graph.node.iter().filter(|n| n.op_type == "Constant") {
            let Some(name) = node.output.first() else { continue };
            for attribute in &node.attribute {
                if let Some(tensor) = &attribute.t {
                    known.see(name, tensor);
                }
                let list: Vec<f64> = match attribute.name.as_str() {
                    "value_int" => vec![attribute.i as f64],
                    "value_float" => vec![attribute.f.into()],
                    "value_ints" => attribute.ints.iter().map(|&i| i as f64).collect(),
                    "value_floats" => attribute.floats.iter().map(|&f| f.into()).collect(),
                    _ => continue,
                };
                known.numbers.insert(name, list);
            }
        }
        known
    }

    fn see(&mut self, name: &'g str, tensor: &'g TensorProto) {
        self.dims.insert(name, &tensor.dims);
        if let Some(numbers) = numbers(tensor) {
            self.numbers.insert(name, numbers);
        }
    }

    /// Returns the shape of a tensor stored in the file.
    pub(super) fn dims(&self, name: &str) -> Option<&'g [i64]> {
        self.dims.get(name).copied()
    }

    /// Returns the numbers of an input.
    pub(in crate::import) fn input(&self, node: &NodeProto, at: usize) -> Option<&[f64]> {
        node.input.get(at).and_then(|name| self.numbers.get(name.as_str())).map(Vec::as_slice)
    }

    /// Returns the number of values of an input, or one if unknown.
    fn values(&self, node: &NodeProto, at: usize) -> f64 {
        let dims = node.input.get(at).and_then(|name| self.dims(name));
        dims.unwrap_or_default().iter().map(|&d| d.max(1) as f64).product()
    }
}

/// Returns the numbers of a short list.
fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    let length =
        tensor.dims.iter().try_fold(1, |n: usize, &d| n.checked_mul(usize::try_from(d).ok()?))?;
    let raw = &tensor.raw_data;
    let list: Vec<f64> = match DataType::try_from(tensor.data_type).ok()? {
        _ if length > SHAPE => return None,
        DataType::Int64 if is_raw(raw, 8, length) => {
            raw.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f64).collect()
        }
        DataType::Int64 => tensor.int64_data.iter().map(|&i| i as f64).collect(),
        DataType::Int32 if is_raw(raw, 4, length) => {
            raw.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect()
        }
        DataType::Int32 => tensor.int32_data.iter().map(|&i| i.into()).collect(),
        DataType::Bool if is_raw(raw, 1, length) => raw.iter().map(|&b| b.into()).collect(),
        DataType::Bool => tensor.int32_data.iter().map(|&b| b.into()).collect(),
        DataType::Float if is_raw(raw, 4, length) => {
            raw.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect()
        }
        DataType::Float => tensor.float_data.iter().map(|&f| f.into()).collect(),
        _ => return None,
    };
    (list.len() == length).then_some(list)
}

/// True if the values are stored as bytes, `size` each.
fn is_raw(raw: &[u8], size: usize, length: usize) -> bool {
    length > 0 && raw.len() == size * length
}

/// Checks every node that expands its input; returns the bytes of the computed constants.
pub(super) fn check(graph: &GraphProto, known: &Known<'_>) -> Result<u64, Refused> {
    let mut made = 0;
    for node in &graph.node {
        let values = values(node, known).map_err(|what| Refused::node(node, what))?;
        if values > VALUES as f64 {
            return Err(Refused::node(
                node,
                format!("would make {values} values; the limit is {VALUES}"),
            ));
        }
        if is_constant(node, known) {
            made += 4 * values as u64;
        }
        if made > BYTES {
            let what = format!("constants of {made} bytes made up to here; the limit is {BYTES}");
            return Err(Refused::node(node, what));
        }
    }
    Ok(made)
}

/// True if the result is computed at import, as far as known here.
fn is_constant(node: &NodeProto, known: &Known<'_>) -> bool {
    let first = node.input.first().map(String::as_str).unwrap_or_default();
    ["ConstantOfShape", "Range"].contains(&node.op_type.as_str()) || known.dims(first).is_some()
}

/// Returns the number of values that a node computes; 0 if it does not expand its input, or if that
/// is unknown.
fn values(node: &NodeProto, known: &Known<'_>) -> Result<f64, String> {
    match node.op_type.as_str() {
        "ConstantOfShape" | "Expand" => {
            let at = usize::from(node.op_type == "Expand");
            let Some(shape) = known.input(node, at) else { return Ok(0.0) };
            no_less(shape, 0.0)?;
            Ok(product(shape).max(if at == 1 { known.values(node, 0) } else { 0.0 }))
        }
        "Reshape" => {
            let shape = known.input(node, 1).unwrap_or_default();
            no_less(shape, -1.0)?;
            if shape.iter().filter(|&&d| d < 0.0).count() > 1 {
                return Err("a shape with two open sides".to_string());
            }
            Ok(if shape.is_empty() { 0.0 } else { product(shape) })
        }
        "Tile" => {
            let repeats = known.input(node, 1).unwrap_or_default();
            no_less(repeats, 0.0)?;
            Ok(product(repeats) * known.values(node, 0))
        }
        "Range" => range(node, known),
        "Resize" | "Upsample" => enlarged(node, known),
        "OneHot" => Ok(known.input(node, 1).map_or(0.0, product) * known.values(node, 0)),
        "Pad" => {
            let borders = known.input(node, 1).unwrap_or_default();
            match borders.iter().find(|b| b.is_nan() || b.abs() > 65_535.0) {
                Some(wrong) => Err(format!("a border of {wrong}; the limit is 65535")),
                None => Ok(0.0),
            }
        }
        _ => Ok(ints(node, "shape")
            .map_or(0.0, |shape| shape.iter().map(|&d| d.max(1) as f64).product())),
    }
}

fn product(list: &[f64]) -> f64 {
    list.iter().map(|&d| d.abs().max(1.0)).product()
}

/// Rejects sizes below `least`.
fn no_less(list: &[f64], least: f64) -> Result<(), String> {
    match list.iter().find(|&&d| d.is_nan() || d < least) {
        Some(wrong) => Err(format!("a size of {wrong}")),
        None => Ok(()),
    }
}

fn range(node: &NodeProto, known: &Known<'_>) -> Result<f64, String> {
    let bounds = [0, 1, 2].map(|at| known.input(node, at).and_then(|list| list.first().copied()));
    if bounds[2].is_some_and(|step| step == 0.0 || step.is_nan()) {
        return Err("a step of 0".to_string());
    }
    let [Some(start), Some(end), Some(step)] = bounds else { return Ok(0.0) };
    Ok(((end - start) / step).ceil().max(0.0))
}

/// Checks the factors or sizes of a resize, and returns the factor of the number of values.
fn enlarged(node: &NodeProto, known: &Known<'_>) -> Result<f64, String> {
    // Up to opset 10 no input comes before the factors.
    let at = if node.input.len() < 3 { 1 } else { 2 };
    let stated = node.attribute.iter().filter(|a| a.name == "scales").flat_map(|a| &a.floats);
    let factors = known.input(node, at).unwrap_or_default().iter().copied();
    for factor in factors.chain(stated.map(|&f| f.into())) {
        if factor.is_nan() || factor <= 0.0 || factor > ENLARGED {
            return Err(format!("a factor of {factor}; allowed is up to {ENLARGED}"));
        }
    }
    let sizes = known.input(node, at + 1).unwrap_or_default();
    match sizes.iter().find(|size| size.is_nan() || **size < 1.0) {
        Some(wrong) => Err(format!("a size of {wrong}")),
        None if sizes.is_empty() => Ok(0.0),
        None => Ok(sizes.iter().product()),
    }
}
