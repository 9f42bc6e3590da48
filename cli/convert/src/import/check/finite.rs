//! Check for weights that are not finite.

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto};

use super::{Refused, shown};

/// Operations whose constants are weights, which must be finite; in others infinity is useful, as
/// in the mask of an attention or a clamp without a bound.
const WEIGHTED: [&str; 16] = [
    "BatchNormalization",
    "Conv",
    "ConvTranspose",
    "Einsum",
    "FusedConv",
    "FusedGemm",
    "Gemm",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "MatMul",
    "Mul",
    "PRelu",
    "RMSNormalization",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
];

/// Checks the constants that needed nodes read.
pub(in crate::import) fn check(graph: &GraphProto, needed: &[bool]) -> Result<(), Refused> {
    let mut constants: HashMap<&str, &TensorProto> = HashMap::new();
    constants.extend(graph.initializer.iter().map(|t| (&*t.name, t)));
    for node in graph.node.iter().filter(|n| n.op_type == "Constant") {
        let tensor = node.attribute.iter().find_map(|a| a.t.as_ref());
        constants.extend(node.output.first().map(String::as_str).zip(tensor));
    }
    let nodes = graph.node.iter().zip(needed).filter(|(_, needed)| **needed);
    for (node, name) in nodes.flat_map(|(node, _)| node.input.iter().map(move |name| (node, name)))
    {
        if let Some(tensor) = constants.get(&**name) {
            of_node(node, name, tensor)?;
        }
    }
    Ok(())
}

fn of_node(node: &NodeProto, name: &str, tensor: &TensorProto) -> Result<(), Refused> {
    let weighs = WEIGHTED.contains(&&*node.op_type);
    let strange = strange(tensor, |v| v.is_nan() || weighs && v.is_infinite());
    let Some(Strange { first, count, of }) = strange else { return Ok(()) };
    let values = format!("{count} of the {of} values of `{}`", shown(name));
    let first = first.to_string();
    let verb = if count == 1 { "is no finite number" } else { "are no finite numbers" };
    Err(Refused::node(
        node,
        format!(
            "{values} {verb}, the first is {first}; export the model again from weights that are in order"
        ),
    ))
}

/// Values of a tensor that are not finite.
struct Strange {
    first: f64,
    count: usize,
    of: usize,
}

fn strange(tensor: &TensorProto, wrong: impl Fn(f64) -> bool) -> Option<Strange> {
    fn seen(values: impl Iterator<Item = f64>, wrong: impl Fn(f64) -> bool) -> Option<Strange> {
        let mut of = 0;
        let mut count = 0;
        let mut first = None;
        for value in values {
            of += 1;
            if wrong(value) {
                count += 1;
                first = first.or(Some(value));
            }
        }
        first.map(|first| Strange { first, count, of })
    }
    let raw = &tensor.raw_data;
    match DataType::try_from(tensor.data_type).ok()? {
        DataType::Float if !raw.is_empty() => {
            seen(raw.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()), wrong)
        }
        DataType::Float => seen(tensor.float_data.iter().map(|&v| v.into()), wrong),
        DataType::Double if !raw.is_empty() => {
            seen(raw.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)), wrong)
        }
        DataType::Double => seen(tensor.double_data.iter().copied(), wrong),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(op: &str, values: &[f32]) -> Option<String> {
        let tensor = TensorProto {
            name: "w".to_string(),
            data_type: 1,
            float_data: values.to_vec(),
            ..TensorProto::default()
        };
        let node = NodeProto {
            op_type: op.to_string(),
            name: "n".to_string(),
            input: vec!["x".to_string(), "w".to_string()],
            ..NodeProto::default()
        };
        let graph =
            GraphProto { node: vec![node], initializer: vec![tensor], ..GraphProto::default() };
        assert!(check(&graph, &[false]).is_ok(), "what is not needed is not looked at");
        check(&graph, &[true]).err().map(|refused| format!("{}: {}", refused.place, refused.what))
    }

    #[test]
    fn what_is_no_number_is_said_with_its_node() {
        let nan = f32::NAN;
        let inf = f32::INFINITY;
        let words = said("Conv", &[1.0, nan, nan]).unwrap();
        assert!(
            words.starts_with("node `n` (Conv): 2 of the 3 values of `w` are no finite numbers"),
            "{words}"
        );
        assert!(
            said("Gemm", &[-inf]).unwrap().contains("1 of the 1 values of `w` is no finite number")
        );
        // A mask is added, a bound is compared.
        assert_eq!(said("Add", &[-inf, 0.0]), None);
        assert_eq!(said("Clip", &[inf]), None);
        assert!(said("Add", &[nan]).is_some());
        assert_eq!(said("Conv", &[f32::MAX, f32::MIN_POSITIVE / 2.0]), None);
    }
}
