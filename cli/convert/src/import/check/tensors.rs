//! Checks of the tensors stored in a model: shapes, and complete values.

use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::pb::{GraphProto, TensorProto, ValueInfoProto, type_proto};

use super::{NAME, RANK, Refused, VALUES};

/// Largest dimension of a tensor without stored values.
const DIM: i64 = 1 << 31;

/// Returns all tensors with values: weights, and attributes of nodes.
pub(in crate::import) fn all(graph: &GraphProto) -> impl Iterator<Item = &TensorProto> {
    let attributes = graph.node.iter().flat_map(|n| &n.attribute);
    graph.initializer.iter().chain(attributes.flat_map(|a| a.t.iter().chain(&a.tensors)))
}

/// True if a tensor's values are stored in another file.
pub(in crate::import) fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location == Some(DataLocation::External.into()) || !tensor.external_data.is_empty()
}

/// True if a tensor has two values in a byte; tract has no such type, so that only operations that
/// are lowered may read it.
pub(in crate::import) fn is_nibbles(tensor: &TensorProto) -> bool {
    [DataType::Uint4, DataType::Int4].map(|kind| kind as i32).contains(&tensor.data_type)
}

/// Returns the bits of a value, for types that tract or the lowering knows.
fn value_bits(tensor: &TensorProto) -> Option<u64> {
    Some(match DataType::try_from(tensor.data_type).ok()? {
        DataType::Uint4 | DataType::Int4 => 4,
        DataType::Uint8 | DataType::Int8 | DataType::Bool => 8,
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => 16,
        DataType::Uint32 | DataType::Int32 | DataType::Float => 32,
        DataType::Uint64 | DataType::Int64 | DataType::Double => 64,
        _ => return None,
    })
}

/// Returns the error of a tensor of a type that nothing here reads.
pub(super) fn unknown(tensor: &TensorProto) -> Refused {
    let what = format!("values of ONNX type {}, which is not supported", tensor.data_type);
    Refused::tensor(&tensor.name, what)
}

/// Returns the bytes of a tensor by its shape.
pub(in crate::import) fn bytes(tensor: &TensorProto) -> Result<u64, Refused> {
    let bits = value_bits(tensor).ok_or_else(|| unknown(tensor))?;
    Ok((bits * values(&tensor.name, tensor.dims.iter().copied())?).div_ceil(8))
}

/// Returns the number of values of a shape.
fn values(name: &str, dims: impl Iterator<Item = i64>) -> Result<u64, Refused> {
    let mut product = 1u64;
    let mut rank = 0;
    for dim in dims {
        let dim = u64::try_from(dim).map_err(|_| {
            Refused::tensor(name, format!("a dimension of {dim}; needed is 0 or more"))
        })?;
        // A zero does not hide the other dimensions: they are checked all the same.
        product = product.saturating_mul(dim.max(1));
        rank += 1;
        if product > VALUES || rank > RANK {
            let what = format!("larger than {VALUES} values, or of more than {RANK} dimensions");
            return Err(Refused::tensor(name, what));
        }
    }
    Ok(product)
}

/// Checks a tensor with values.
pub(super) fn check(tensor: &TensorProto) -> Result<(), Refused> {
    let name = &tensor.name;
    if name.len() > NAME {
        let what = format!("a name of {} bytes; the limit is {NAME}", name.len());
        return Err(Refused::tensor(name, what));
    }
    if tensor.segment.is_some() {
        let what = "stored in segments, which is not supported".to_string();
        return Err(Refused::tensor(name, what));
    }
    let bytes = bytes(tensor)?;
    if is_external(tensor) {
        return Ok(());
    }
    let empty = tensor.dims.contains(&0);
    let raw = tensor.raw_data.len() as u64;
    let size = value_bits(tensor).unwrap_or(8).div_ceil(8);
    let typed = [
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
    ];
    let found = if raw > 0 { raw } else { typed.iter().sum::<usize>() as u64 * size };
    if found == if empty { 0 } else { bytes } {
        return Ok(());
    }
    let what = format!("values of {found} bytes, its shape {:?} asks for {bytes}", tensor.dims);
    Err(Refused::tensor(name, what))
}

/// Checks the description of an input, an output or a tensor between nodes.
pub(super) fn check_info(info: &ValueInfoProto) -> Result<(), Refused> {
    if info.name.len() > NAME {
        return Err(Refused::tensor(
            &info.name,
            format!("a name of {} bytes; the limit is {NAME}", info.name.len()),
        ));
    }
    let value = info.r#type.as_ref().and_then(|t| t.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = value else { return Ok(()) };
    let dims = tensor.shape.iter().flat_map(|s| &s.dim);
    let lengths = dims.map(|d| match d.value {
        // Some exporters write an open dimension as -1.
        Some(Value::DimValue(n)) if n <= DIM => n.max(1),
        Some(Value::DimValue(_)) => i64::MAX,
        _ => 1,
    });
    values(&info.name, lengths).map(drop)
}
