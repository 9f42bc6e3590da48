//! Values of attributes by name.

use tract_onnx::pb::{AttributeProto, NodeProto};

/// Returns the list of integers of an attribute; `None` if it is absent or empty.
pub(super) fn ints<'n>(node: &'n NodeProto, name: &str) -> Option<&'n [i64]> {
    let attribute = node.attribute.iter().find(|a| a.name == name);
    attribute.map(|a: &AttributeProto| a.ints.as_slice()).filter(|ints| !ints.is_empty())
}
